//! Session salts, as the number to which a packet's SSRC and index are added.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::gcm::NONCE_LEN;
use super::stream_cipher::SessionKey;
use crate::keys::MAX_SALT_LEN;
use crate::suite::Suite;

/// A session salt; zeroised on drop. In halves, the high one first: a `u128` would need to be aligned.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Salt([u64; 2]);

impl Salt {
    /// As the packets of a suite need it.
    pub(crate) fn new(suite: Suite, session: &SessionKey) -> Self {
        if suite.is_aead() { Self::of_nonce(session) } else { Self::of_counter(session) }
    }

    /// For AES in counter mode: 14 bytes, then the block counter.
    fn of_counter(session: &SessionKey) -> Self {
        let mut block = [0; 16];
        block[..MAX_SALT_LEN].copy_from_slice(&session.salt);
        Self::from_number(u128::from_be_bytes(block))
    }

    /// For AES-GCM: 12 bytes.
    fn of_nonce(session: &SessionKey) -> Self {
        let mut block = [0; 16];
        block[16 - NONCE_LEN..].copy_from_slice(&session.salt[..NONCE_LEN]);
        Self::from_number(u128::from_be_bytes(block))
    }

    fn from_number(number: u128) -> Self {
        Self([(number >> 64) as u64, number as u64])
    }

    /// The first counter block of a packet (RFC 3711 section 4.1.1); for SRTCP `index` is its own.
    #[inline(always)]
    pub(crate) fn counter(&self, ssrc: u32, index: u64) -> u128 {
        u128::from(self.0[0] ^ u64::from(ssrc)) << 64 | u128::from(self.0[1] ^ index << 16)
    }

    /// The nonce of a packet (RFC 7714 sections 8.1 and 9.1); for SRTCP `index` is its own.
    #[inline(always)]
    pub(crate) fn nonce(&self, ssrc: u32, index: u64) -> [u8; NONCE_LEN] {
        let packet = u128::from(ssrc) << 48 | u128::from(index);
        let number = (u128::from(self.0[0]) << 64 | u128::from(self.0[1])) ^ packet;
        *number.to_be_bytes().last_chunk().expect("a nonce is shorter")
    }
}
