//! GHASH (NIST SP 800-38D section 6.4) on PMULL.
//!
//! GHASH has the coefficient of x^0 in the highest bit of a byte. With the bits of each byte reversed it is in the lowest, so
//! that a block is a number whose bit i is the coefficient of x^i, and x^128 = x^7 + x^2 + x + 1.

use std::arch::aarch64::*;

use super::{load, store};
use crate::BLOCK;
use crate::gcm::POWERS;

/// x^7 + x^2 + x + 1.
const MODULUS: u64 = 0x87;

/// Powers of the hash key that are used: as many blocks as are encrypted side by side have one reduction.
pub(crate) const TOGETHER: usize = super::aes::SIDE_BY_SIDE;
const _: () = assert!(TOGETHER <= POWERS);

#[inline]
#[target_feature(enable = "aes")]
fn reversed(block: uint8x16_t) -> uint64x2_t {
    vreinterpretq_u64_u8(vrbitq_u8(block))
}

/// The hash key to the powers [`POWERS`] down to 1, the bits of each byte reversed.
#[target_feature(enable = "aes")]
pub(crate) fn powers(hash_key: uint8x16_t) -> [[u8; BLOCK]; POWERS] {
    let first = reversed(hash_key);
    let mut power = first;
    let mut powers = [[0; BLOCK]; POWERS];
    for (i, bytes) in powers.iter_mut().rev().enumerate() {
        if i > 0 {
            power = Sum::zero().with(power, first).reduced();
        }
        store(bytes, vreinterpretq_u8_u64(power));
    }
    powers
}

/// A sum of products before its reduction: `low + middle x^64 + high x^128`, where `middle` has `low` and `high` added to it.
#[derive(Clone, Copy)]
struct Sum {
    low: uint64x2_t,
    middle: uint64x2_t,
    high: uint64x2_t,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "aes")]
    fn zero() -> Self {
        let zero = vdupq_n_u64(0);
        Self { low: zero, middle: zero, high: zero }
    }

    /// Karatsuba's: three multiplications of 64 bits for one of 128.
    #[inline]
    #[target_feature(enable = "aes")]
    fn with(self, a: uint64x2_t, b: uint64x2_t) -> Self {
        let (a0, a1) = (vgetq_lane_u64::<0>(a), vgetq_lane_u64::<1>(a));
        let (b0, b1) = (vgetq_lane_u64::<0>(b), vgetq_lane_u64::<1>(b));
        Self {
            low: veorq_u64(self.low, product(a0, b0)),
            middle: veorq_u64(self.middle, product(a0 ^ a1, b0 ^ b1)),
            high: veorq_u64(self.high, product(a1, b1)),
        }
    }

    /// Modulo the modulus: the upper half is folded down by 64 bits, twice.
    #[inline]
    #[target_feature(enable = "aes")]
    fn reduced(self) -> uint64x2_t {
        let zero = vdupq_n_u64(0);
        let middle = veorq_u64(self.middle, veorq_u64(self.low, self.high));
        let low = veorq_u64(self.low, vextq_u64::<1>(zero, middle));
        let high = veorq_u64(self.high, vextq_u64::<1>(middle, zero));
        let folded = product(vgetq_lane_u64::<1>(high), MODULUS);
        let low = veorq_u64(low, vextq_u64::<1>(zero, folded));
        let high = vgetq_lane_u64::<0>(high) ^ vgetq_lane_u64::<1>(folded);
        veorq_u64(low, product(high, MODULUS))
    }
}

#[inline]
#[target_feature(enable = "aes")]
fn product(a: u64, b: u64) -> uint64x2_t {
    vreinterpretq_u64_p128(vmull_p64(a, b))
}

/// The hash of the blocks so far.
pub(crate) struct Hash<'a> {
    powers: &'a [[u8; BLOCK]; TOGETHER],
    value: uint64x2_t,
}

impl<'a> Hash<'a> {
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn new(powers: &'a [[u8; BLOCK]; POWERS]) -> Self {
        let powers = powers.last_chunk().expect("there are more powers");
        Self { powers, value: vdupq_n_u64(0) }
    }

    /// Adds blocks, with one reduction for all.
    #[inline]
    #[target_feature(enable = "aes")]
    fn add_blocks(&mut self, blocks: &[[u8; BLOCK]]) {
        let mut sum = Sum::zero();
        for (block, power) in blocks.iter().zip(&self.powers[TOGETHER - blocks.len()..]) {
            let block = veorq_u64(reversed(load(block)), self.value);
            self.value = vdupq_n_u64(0);
            sum = sum.with(block, vreinterpretq_u64_u8(load(power)));
        }
        self.value = sum.reduced();
    }

    /// Adds whole steps as they were encrypted.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn add_step(&mut self, step: &[u8; TOGETHER * BLOCK]) {
        self.add_blocks(step.as_chunks().0);
    }

    /// Adds bytes, padded with zeros to whole blocks.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn add_padded(&mut self, bytes: &[u8]) {
        let (steps, rest) = bytes.as_chunks::<{ TOGETHER * BLOCK }>();
        for step in steps {
            self.add_step(step);
        }
        if !rest.is_empty() {
            let mut last = [0; TOGETHER * BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            self.add_blocks(&last.as_chunks().0[..rest.len().div_ceil(BLOCK)]);
        }
    }

    /// Adds the lengths, in bytes, of additional data and of ciphertext, and gives the hash.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(crate) fn finish(mut self, additional: usize, ciphertext: usize) -> uint8x16_t {
        let lengths = u128::from(additional as u64 * 8) << 64 | u128::from(ciphertext as u64 * 8);
        self.add_blocks(&[lengths.to_be_bytes()]);
        vrbitq_u8(vreinterpretq_u8_u64(self.value))
    }
}
