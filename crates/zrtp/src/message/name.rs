//! Four-byte names, lists of them, and the ZID.

use std::fmt;
use std::str::FromStr;

use super::MessageError;

/// An algorithm's name as a message carries it: four ASCII bytes, filled up with spaces (RFC 6189 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Name(pub [u8; 4]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.escape_ascii().to_string().trim_end())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Most names in one list of a Hello.
pub const MAX_NAMES: usize = 7;

/// A list of a Hello: 0 to [`MAX_NAMES`] names, best first.
#[derive(Clone, Copy, Default)]
pub struct Names {
    names: [Name; MAX_NAMES],
    len: u8,
}

impl Names {
    /// Takes the names in their order.
    ///
    /// # Errors
    /// [`MessageError::TooManyNames`] for more than [`MAX_NAMES`].
    pub fn new(names: &[Name]) -> Result<Self, MessageError> {
        let mut this = Self::default();
        this.names.get_mut(..names.len()).ok_or(MessageError::TooManyNames)?.copy_from_slice(names);
        this.len = names.len() as u8;
        Ok(this)
    }

    /// The names, best first.
    pub fn as_slice(&self) -> &[Name] {
        &self.names[..usize::from(self.len)]
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Names {}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// The 96-bit ZRTP ID of an installation (RFC 6189 section 4.9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zid(pub [u8; 12]);

impl fmt::Display for Zid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no [`Zid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ZID is 24 hexadecimal digits")]
pub struct ZidError;

impl FromStr for Zid {
    type Err = ZidError;

    /// Reads 24 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, ZidError> {
        let mut zid = [0; 12];
        if text.len() != 2 * zid.len() {
            return Err(ZidError);
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8).ok_or(ZidError);
        for (byte, digits) in zid.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Ok(Self(zid))
    }
}

impl fmt::Debug for Zid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zid_is_read_as_it_is_shown() {
        let zid = Zid([0, 1, 2, 3, 4, 5, 0x6f, 0xa7, 0xff, 9, 10, 11]);
        assert_eq!(zid.to_string(), "0001020304056fa7ff090a0b");
        assert_eq!(zid.to_string().parse(), Ok(zid));
        assert_eq!("0001020304056FA7ff090A0B".parse(), Ok(zid));
        for bad in [
            "",
            "0001020304056fa7ff090a0",
            "0001020304056fa7ff090a0b0",
            "0001020304056fa7ff090a0g",
            "ä01020304056fa7ff090a0b",
        ] {
            assert_eq!(bad.parse::<Zid>(), Err(ZidError), "{bad}");
        }
    }
}
