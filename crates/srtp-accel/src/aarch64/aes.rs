//! AES (FIPS 197) on the AES instructions, as the key stream of counter mode.

use std::arch::aarch64::*;

use super::{load, store};
use crate::BLOCK;
use crate::round_keys::{MAX_ROUND_KEYS, RoundKeys};

/// Blocks that are encrypted side by side: an AES instruction's result takes a few cycles, and a new one can start in each.
pub(crate) const SIDE_BY_SIDE: usize = 4;
/// Bytes of them.
pub(crate) const STEP: usize = SIDE_BY_SIDE * BLOCK;

/// FIPS 197 section 5.2; `key` has 16, 24 or 32 bytes. The S-box comes from an instruction: no table that a cache would tell of.
#[target_feature(enable = "aes")]
pub(crate) fn expand(key: &[u8]) -> RoundKeys {
    RoundKeys::expand(key, |word| {
        // All columns are the same, so that ShiftRows moves nothing.
        let columns = vreinterpretq_u8_u32(vdupq_n_u32(word));
        vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))))
    })
}

/// FIPS 197 section 5.1. An instruction adds the round key first and substitutes then, so that the last key is left over.
#[inline]
#[target_feature(enable = "aes")]
pub(crate) fn encrypt<const N: usize>(key: &RoundKeys, mut blocks: [uint8x16_t; N]) -> [uint8x16_t; N] {
    let last = key.rounds().min(MAX_ROUND_KEYS - 1);
    for round_key in &key.keys[..last - 1] {
        let round_key = load(round_key);
        for block in &mut blocks {
            *block = vaesmcq_u8(vaeseq_u8(*block, round_key));
        }
    }
    let (before, after) = (load(&key.keys[last - 1]), load(&key.keys[last]));
    blocks.map(|block| veorq_u8(vaeseq_u8(block, before), after))
}

/// A counter whose last four bytes count blocks (NIST SP 800-38A appendix B.1); no packet has so many that the first two of
/// them would change where SRTP counts in two (RFC 3711 section 4.1.1).
pub(crate) struct Counter {
    start: uint8x16_t,
    next: u32,
}

impl Counter {
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn new(start: u128) -> Self {
        Self { start: load(&start.to_be_bytes()), next: start as u32 }
    }

    #[inline]
    #[target_feature(enable = "aes")]
    fn take(&mut self) -> uint8x16_t {
        let block = vsetq_lane_u32::<3>(self.next.to_be(), vreinterpretq_u32_u8(self.start));
        self.next = self.next.wrapping_add(1);
        vreinterpretq_u8_u32(block)
    }

    /// The key stream of the next block alone.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn block(&mut self, key: &RoundKeys) -> uint8x16_t {
        let [block] = encrypt(key, [self.take()]);
        block
    }

    /// Adds the next key stream to as many blocks as are encrypted side by side.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn apply_step(&mut self, key: &RoundKeys, data: &mut [u8; STEP]) {
        let stream = encrypt(key, [self.take(), self.take(), self.take(), self.take()]);
        for (bytes, stream) in data.as_chunks_mut::<BLOCK>().0.iter_mut().zip(stream) {
            store(bytes, veorq_u8(load(bytes), stream));
        }
    }

    /// Adds the key stream of what is left, less than [`STEP`] bytes.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn apply_rest(&mut self, key: &RoundKeys, data: &mut [u8]) {
        if !data.is_empty() {
            let mut last = [0; STEP];
            last[..data.len()].copy_from_slice(data);
            self.apply_step(key, &mut last);
            data.copy_from_slice(&last[..data.len()]);
        }
    }
}
