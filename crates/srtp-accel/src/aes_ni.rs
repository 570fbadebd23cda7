//! AES (FIPS 197) on AES-NI, as the key stream of counter mode.

use std::arch::x86_64::*;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::BLOCK;
use crate::x86_64::{load, store};

/// Most round keys: AES-256 has 14 rounds.
const MAX_ROUND_KEYS: usize = 15;
/// Blocks that are encrypted side by side: enough to keep the AES units busy while SHA-1 waits for itself.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// An expanded AES key for encryption.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key {
    round_keys: [[u8; BLOCK]; MAX_ROUND_KEYS],
    rounds: usize,
}

impl Key {
    /// FIPS 197 section 5.2; `key` has 16, 24 or 32 bytes.
    #[target_feature(enable = "aes,sse4.1")]
    pub(crate) fn expand(key: &[u8]) -> Self {
        // The S-box comes from an instruction: no table that a cache would tell of.
        let substitute = |word: u32| {
            let word = _mm_set1_epi32(word.cast_signed());
            _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(word)).cast_unsigned()
        };
        let given = key.len() / 4;
        let rounds = given + 6;
        let mut words = [0u32; 4 * MAX_ROUND_KEYS];
        for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let mut constant = 1u8;
        for i in given..4 * (rounds + 1) {
            let mut word = words[i - 1];
            if i % given == 0 {
                word = substitute(word.rotate_right(8)) ^ u32::from(constant);
                constant = constant << 1 ^ if constant & 0x80 != 0 { 0x1b } else { 0 };
            } else if given > 6 && i % given == 4 {
                word = substitute(word);
            }
            words[i] = words[i - given] ^ word;
        }
        let mut this = Self { round_keys: [[0; BLOCK]; MAX_ROUND_KEYS], rounds };
        for (bytes, word) in this.round_keys.as_flattened_mut().chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        words.zeroize();
        this
    }

    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    fn encrypt<const N: usize>(&self, mut blocks: [__m128i; N]) -> [__m128i; N] {
        let first = load(&self.round_keys[0]);
        for block in &mut blocks {
            *block = _mm_xor_si128(*block, first);
        }
        for key in &self.round_keys[1..self.rounds.min(MAX_ROUND_KEYS - 1)] {
            let key = load(key);
            for block in &mut blocks {
                *block = _mm_aesenc_si128(*block, key);
            }
        }
        let last = load(&self.round_keys[self.rounds.min(MAX_ROUND_KEYS - 1)]);
        for block in &mut blocks {
            *block = _mm_aesenclast_si128(*block, last);
        }
        blocks
    }
}

/// A counter whose last two bytes count blocks, as SRTP's do (RFC 3711 section 4.1.1): a packet has fewer than 2^16.
pub(crate) struct Counter {
    start: __m128i,
    next: u16,
}

impl Counter {
    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    pub(crate) fn new(start: u128) -> Self {
        // Not by way of memory, where two halves written would have to settle before they are read as one.
        let bytes = start.to_be();
        Self { start: _mm_set_epi64x((bytes >> 64) as i64, bytes as i64), next: 0 }
    }

    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    fn take(&mut self) -> __m128i {
        let block = _mm_insert_epi16::<7>(self.start, i32::from(self.next.to_be()));
        self.next = self.next.wrapping_add(1);
        block
    }

    /// The next key stream, as many blocks as are encrypted side by side.
    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    pub(crate) fn stream(&mut self, key: &Key) -> Stream {
        key.encrypt([self.take(), self.take(), self.take(), self.take()])
    }

    /// Adds the key stream of whole blocks, as many as are encrypted side by side.
    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    pub(crate) fn apply_side_by_side(&mut self, key: &Key, data: &mut [u8; SIDE_BY_SIDE * BLOCK]) {
        add_stream(&self.stream(key), data);
    }

    /// Adds the key stream of what is left, less than [`SIDE_BY_SIDE`] blocks.
    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    pub(crate) fn apply_rest(&mut self, key: &Key, data: &mut [u8]) {
        if !data.is_empty() {
            add_stream(&self.stream(key), data);
        }
    }
}

/// Key stream of [`SIDE_BY_SIDE`] blocks.
pub(crate) type Stream = [__m128i; SIDE_BY_SIDE];

/// Adds a key stream to at most as many bytes.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn add_stream(stream: &Stream, data: &mut [u8]) {
    let (blocks, rest) = data.as_chunks_mut::<BLOCK>();
    for (block, stream) in blocks.iter_mut().zip(stream) {
        store(block, _mm_xor_si128(load(block), *stream));
    }
    if !rest.is_empty() {
        let mut last = [0u8; BLOCK];
        store(&mut last, stream[blocks.len()]);
        for (byte, stream) in rest.iter_mut().zip(last) {
            *byte ^= stream;
        }
    }
}
