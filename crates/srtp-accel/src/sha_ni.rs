//! SHA-1 (FIPS 180-4) on SHA-NI, its state in two registers.

use std::arch::x86_64::*;

use crate::x86_64::{load, store};
use crate::{BLOCK, TAG_LEN};

/// Bytes of a SHA-1 block.
pub(crate) const SHA_BLOCK: usize = 64;

/// The five state words: a to d with a in the highest lane, as the instructions want them, and e in the highest of its own.
#[derive(Clone, Copy)]
pub(crate) struct State {
    abcd: __m128i,
    e: __m128i,
}

/// A message block as its sixteen words, the first in the highest lane.
type Words = [__m128i; 4];

/// The words are big-endian, and the first belongs into the highest lane: all sixteen bytes change places.
#[inline]
#[target_feature(enable = "ssse3")]
fn reverse() -> __m128i {
    _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)
}

impl State {
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn load(words: &[u32; 5]) -> Self {
        let [a, b, c, d, e] = words.map(u32::cast_signed);
        Self { abcd: _mm_set_epi32(a, b, c, d), e: _mm_set_epi32(e, 0, 0, 0) }
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn words(self) -> [u32; 5] {
        [
            _mm_extract_epi32::<3>(self.abcd),
            _mm_extract_epi32::<2>(self.abcd),
            _mm_extract_epi32::<1>(self.abcd),
            _mm_extract_epi32::<0>(self.abcd),
            _mm_extract_epi32::<3>(self.e),
        ]
        .map(i32::cast_unsigned)
    }

    /// The digest: the words' bytes, big-endian.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn digest(self) -> [u8; TAG_LEN] {
        let mut digest = [0; TAG_LEN];
        let (front, back) = digest.split_first_chunk_mut::<BLOCK>().expect("a digest is longer");
        store(front, _mm_shuffle_epi8(self.abcd, reverse()));
        back.copy_from_slice(&_mm_extract_epi32::<3>(self.e).to_be_bytes());
        digest
    }

    /// FIPS 180-4 section 6.1.2.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn add(&mut self, block: &[u8; SHA_BLOCK]) {
        let (lanes, _) = block.as_chunks::<BLOCK>();
        self.add_lanes(&std::array::from_fn(|i| load(&lanes[i])));
    }

    /// The same for a block that is in registers, its bytes in their order.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn add_lanes(&mut self, lanes: &[__m128i; 4]) {
        let reverse = reverse();
        self.add_words(lanes.map(|lane| _mm_shuffle_epi8(lane, reverse)));
    }

    /// The block of the outer hash: this state as message, padded as the 84 bytes that it ends.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(crate) fn add_digest(&mut self, inner: Self) {
        let end = _mm_set_epi32(0, i32::MIN, 0, 0);
        let bits = _mm_set_epi32(0, 0, 0, (SHA_BLOCK as i32 + 20) * 8);
        self.add_words([inner.abcd, _mm_or_si128(inner.e, end), _mm_setzero_si128(), bits]);
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn add_words(&mut self, words: Words) {
        let before = *self;
        let [mut w0, mut w1, mut w2, mut w3] = words;
        let mut abcd = self.abcd;
        let mut last = abcd;
        abcd = _mm_sha1rnds4_epu32::<0>(abcd, _mm_add_epi32(self.e, w0));
        // Four rounds with the words given, then four with the next words from the message schedule.
        macro_rules! rounds {
            ($function:literal, $words:expr) => {
                let e = _mm_sha1nexte_epu32(last, $words);
                last = abcd;
                abcd = _mm_sha1rnds4_epu32::<$function>(abcd, e);
            };
        }
        macro_rules! scheduled {
            ($function:literal, $w0:ident, $w1:ident, $w2:ident, $w3:ident) => {
                $w0 = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32($w0, $w1), $w2), $w3);
                rounds!($function, $w0);
            };
        }
        rounds!(0, w1);
        rounds!(0, w2);
        rounds!(0, w3);
        scheduled!(0, w0, w1, w2, w3);
        scheduled!(1, w1, w2, w3, w0);
        scheduled!(1, w2, w3, w0, w1);
        scheduled!(1, w3, w0, w1, w2);
        scheduled!(1, w0, w1, w2, w3);
        scheduled!(1, w1, w2, w3, w0);
        scheduled!(2, w2, w3, w0, w1);
        scheduled!(2, w3, w0, w1, w2);
        scheduled!(2, w0, w1, w2, w3);
        scheduled!(2, w1, w2, w3, w0);
        scheduled!(2, w2, w3, w0, w1);
        scheduled!(3, w3, w0, w1, w2);
        scheduled!(3, w0, w1, w2, w3);
        scheduled!(3, w1, w2, w3, w0);
        scheduled!(3, w2, w3, w0, w1);
        scheduled!(3, w3, w0, w1, w2);
        self.abcd = _mm_add_epi32(abcd, before.abcd);
        self.e = _mm_sha1nexte_epu32(last, before.e);
    }
}
