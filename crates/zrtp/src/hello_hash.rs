//! `a=zrtp-hash` (RFC 6189 sections 8 and 8.1).

use std::fmt;
use std::str::FromStr;

/// The version spoken here.
pub(crate) const VERSION: [u8; 4] = *b"1.10";

/// Whether a version is ours: the last byte does not count (RFC 6189 section 4.1.1).
pub(crate) fn is_ours(version: &[u8]) -> bool {
    version.get(..3) == Some(&VERSION[..3])
}

/// A Hello's hash, as an `a=zrtp-hash` has it.
#[derive(Clone, PartialEq, Eq)]
pub struct HelloHash {
    version: [u8; 4],
    hash: [u8; 32],
}

/// Why a value of `a=zrtp-hash` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloHashError {
    /// Not a version and 64 hexadecimal digits.
    #[error("a=zrtp-hash is a version and 64 hexadecimal digits")]
    Syntax,
    /// A version other than 1.10: look at the other a=zrtp-hash lines.
    #[error("a=zrtp-hash of another version than 1.10")]
    Version,
}

impl HelloHash {
    pub(crate) fn new(hash: [u8; 32]) -> Self {
        Self { version: VERSION, hash }
    }

    /// The SHA-256 of the Hello message.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl fmt::Display for HelloHash {
    /// The attribute's value: `1.10 fe30ef...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.version.escape_ascii())?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HelloHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelloHash({self})")
    }
}

impl FromStr for HelloHash {
    type Err = HelloHashError;

    fn from_str(value: &str) -> Result<Self, HelloHashError> {
        let mut parts = value.split_ascii_whitespace();
        let (Some(version), Some(hex), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(HelloHashError::Syntax);
        };
        if !is_ours(version.as_bytes()) || version.len() > 4 {
            return Err(HelloHashError::Version);
        }
        let mut hash = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(HelloHashError::Syntax);
        }
        for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digit = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
            *byte = digit(digits[0]) << 4 | digit(digits[1]);
        }
        Ok(Self::new(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_example_is_read_and_written() {
        let value = "1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df";
        let read: HelloHash = value.parse().unwrap();
        assert_eq!(read.to_string(), value);
        assert_eq!(value.to_ascii_uppercase().parse(), Ok(read.clone()));
        assert_eq!(value.replace("1.10", "1.1a").parse(), Ok(read));
        assert_eq!(value.replace("1.10", "2.00").parse::<HelloHash>(), Err(HelloHashError::Version));
        for bad in
            ["", "1.10", &value[..68], &format!("{value}0"), &value.replace('e', "g"), &format!("{value} x")]
        {
            assert_eq!(bad.parse::<HelloHash>(), Err(HelloHashError::Syntax), "{bad}");
        }
    }
}
