//! GHASH of four blocks at once, by VPCLMULQDQ.

use std::arch::x86_64::*;

use super::avx::ghash;
use super::ghash::MODULUS;
use super::load;
use crate::BLOCK;
use crate::gcm::{Keys, POWERS};

/// Four sums of products before their reduction, as [`ghash::Sum`].
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    pub(crate) fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    pub(crate) fn new(first: ghash::Sum) -> Self {
        let [low, middle, high] =
            [first.low, first.middle, first.high].map(|part| _mm512_zextsi128_si512(part));
        Self { low, middle, high }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    pub(crate) fn add_product(&mut self, a: __m512i, b: __m512i) {
        let halves = |value| _mm512_xor_si512(value, _mm512_shuffle_epi32::<0x4e>(value));
        let middle = _mm512_clmulepi64_epi128::<0x00>(halves(a), halves(b));
        self.middle = _mm512_xor_si512(self.middle, middle);
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(a, b));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(a, b));
    }

    /// As [`ghash::Sum::reduced`], for each sum by itself.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    pub(crate) fn reduced(self) -> __m512i {
        let modulus = _mm512_set1_epi64(MODULUS);
        let fold = |to, from| {
            let swapped = _mm512_shuffle_epi32::<0x4e>(from);
            xor3(to, swapped, _mm512_clmulepi64_epi128::<0x00>(from, modulus))
        };
        fold(self.high, fold(xor3(self.middle, self.low, self.high), self.low))
    }

    /// The four sums as one, reduced.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    pub(crate) fn total(self) -> __m128i {
        let lanes = self.reduced();
        let half = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
        _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
    }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// Reverses the bytes of each block.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
pub(crate) fn reversed(blocks: __m512i) -> __m512i {
    let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(order))
}

/// The hash key to the power `highest` and the three below, for four blocks that follow one another. What lies behind the
/// lowest power is for lanes that are zero.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
pub(crate) fn powers_from(keys: &Keys, highest: usize) -> __m512i {
    debug_assert!((1..=POWERS).contains(&highest));
    let keys: *const Keys = keys;
    // SAFETY: more than a vector of round keys lies behind the last power.
    unsafe { _mm512_loadu_si512(keys.cast::<[u8; BLOCK]>().add(POWERS - highest).cast()) }
}

/// The hash key to one power, for blocks whose successors in their lane come next.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
pub(crate) fn power(keys: &Keys, power: usize) -> __m512i {
    _mm512_broadcast_i32x4(load(&keys.powers[POWERS - power]))
}
