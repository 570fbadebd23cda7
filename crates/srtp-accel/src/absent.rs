//! Processors for which there is nothing here yet.

use std::convert::Infallible;

use crate::{AUTH_KEY_LEN, TAG_LEN};

/// Session keys of a suite AES_CM with HMAC-SHA1; never made on this processor.
pub struct CmHmacSha1(Infallible);

impl CmHmacSha1 {
    /// Always `None` on this processor.
    pub fn new(_key: &[u8], _auth: &[u8; AUTH_KEY_LEN]) -> Option<Self> {
        None
    }

    /// Encrypts `buf[from..len]` and gives the tag over `buf[..len] || suffix`.
    pub fn seal(&self, _: u128, _: &mut [u8], _: usize, _: usize, _: [u8; 4]) -> [u8; TAG_LEN] {
        match self.0 {}
    }

    /// Decrypts `packet[from..]` if `received` is the front of the tag over `packet || suffix`.
    pub fn open(&self, _: u128, _: &mut [u8], _: usize, _: [u8; 4], _received: &[u8]) -> bool {
        match self.0 {}
    }
}
