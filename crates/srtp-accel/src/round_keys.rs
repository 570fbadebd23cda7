//! The round keys of AES (FIPS 197), as every path keeps them.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::BLOCK;

/// Most round keys: AES-256 has 14 rounds.
pub(crate) const MAX_ROUND_KEYS: usize = 15;
/// Stands for a number of rounds that the keys tell, where others are known when the kernel is compiled.
#[cfg(target_arch = "x86_64")]
pub(crate) const ANY: usize = 0;

/// An expanded AES key for encryption; zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct RoundKeys {
    /// 10, 12 or 14.
    rounds: u32,
    /// `rounds + 1` of them count, the others are zero.
    pub(crate) keys: [[u8; BLOCK]; MAX_ROUND_KEYS],
}

impl RoundKeys {
    /// 10, 12 or 14.
    #[inline(always)]
    pub(crate) fn rounds(&self) -> usize {
        self.rounds as usize
    }

    /// `ROUNDS`, or where that is [`ANY`] what the keys tell.
    #[inline(always)]
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rounds_or<const ROUNDS: usize>(&self) -> usize {
        if ROUNDS == ANY { self.rounds().min(MAX_ROUND_KEYS - 1) } else { ROUNDS }
    }

    /// FIPS 197 section 5.2; `key` has 16, 24 or 32 bytes, and `substitute` puts the S-box in place of each byte of a word.
    #[inline(always)]
    pub(crate) fn expand(key: &[u8], substitute: impl Fn(u32) -> u32) -> Self {
        match key.len() {
            16 => Self::expand_words::<4>(key, substitute),
            24 => Self::expand_words::<6>(key, substitute),
            _ => Self::expand_words::<8>(key, substitute),
        }
    }

    /// The same for a key of `GIVEN` words: known when it is compiled, it is no division at run time.
    #[inline(always)]
    fn expand_words<const GIVEN: usize>(key: &[u8], substitute: impl Fn(u32) -> u32) -> Self {
        let rounds = GIVEN + 6;
        let mut this = Self { rounds: rounds as u32, keys: [[0; BLOCK]; MAX_ROUND_KEYS] };
        let words = &mut this.keys.as_flattened_mut().as_chunks_mut::<4>().0[..4 * (rounds + 1)];
        let mut before = [0u32; GIVEN];
        for ((word, bytes), before) in words.iter_mut().zip(key.as_chunks().0).zip(&mut before) {
            *word = *bytes;
            *before = u32::from_le_bytes(*bytes);
        }
        let mut constant = 1u8;
        for words in words[GIVEN..].chunks_mut(GIVEN) {
            let mut last = substitute(before[GIVEN - 1].rotate_right(8)) ^ u32::from(constant);
            constant = constant << 1 ^ if constant & 0x80 != 0 { 0x1b } else { 0 };
            for (i, (word, before)) in words.iter_mut().zip(&mut before).enumerate() {
                if GIVEN > 6 && i == 4 {
                    last = substitute(last);
                }
                last ^= *before;
                *before = last;
                *word = last.to_le_bytes();
            }
        }
        before.zeroize();
        this
    }
}
