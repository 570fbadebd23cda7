//! `a=tls-id` (RFC 8842 section 4): names an association, so that a new value asks for a new one.

use std::fmt;
use std::str::FromStr;

use openssl::error::ErrorStack;

const MIN: usize = 20;
const MAX: usize = 255;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Why an `a=tls-id` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a=tls-id has {MIN} to {MAX} characters out of letters, digits, + / - _")]
pub struct TlsIdError;

/// The value of `a=tls-id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsId(Box<str>);

impl TlsId {
    /// A new one out of 24 random characters, 144 bits; RFC 8842 section 4 asks for 120.
    ///
    /// # Errors
    /// OpenSSL's random generator has none to give.
    pub fn random() -> Result<Self, ErrorStack> {
        let mut bytes = [0; 24];
        openssl::rand::rand_bytes(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()))
    }

    /// The value in SDP.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TlsId {
    type Err = TlsIdError;

    fn from_str(value: &str) -> Result<Self, TlsIdError> {
        let value = value.trim_matches([' ', '\r', '\n']);
        let known = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
        if !(MIN..=MAX).contains(&value.len()) || !value.bytes().all(known) {
            return Err(TlsIdError);
        }
        Ok(Self(value.into()))
    }
}

impl fmt::Display for TlsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
