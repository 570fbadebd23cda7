//! GHASH (NIST SP 800-38D section 6.4) by carry-less multiplication.
//!
//! GHASH numbers its bits the wrong way round for the instruction. With the bytes of every block reversed and the hash key
//! multiplied by x it is POLYVAL (RFC 8452 appendix A): products times x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1.
//! Sums of products are reduced together, and only once.

/// x^63 + x^62 + x^57: what the modulus has between its ends, over x^64.
pub(crate) const MODULUS: i64 = 0xc200_0000_0000_0000u64.cast_signed();

/// The functions of this file, compiled for `$features`.
macro_rules! ghash {
    ($features:literal) => {
        use std::arch::x86_64::*;

        use crate::BLOCK;
        use crate::gcm::POWERS;
        use crate::x86_64::ghash::MODULUS;
        use crate::x86_64::{load, store};

        /// Reverses the bytes of a block.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn reversed(block: __m128i) -> __m128i {
            _mm_shuffle_epi8(block, _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
        }

        /// A sum of products before its reduction: `low + (middle + low + high) x^64 + high x^128`, as Karatsuba multiplies.
        #[derive(Clone, Copy)]
        pub(crate) struct Sum {
            pub(crate) low: __m128i,
            pub(crate) middle: __m128i,
            pub(crate) high: __m128i,
        }

        impl Sum {
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn zero() -> Self {
                let zero = _mm_setzero_si128();
                Self { low: zero, middle: zero, high: zero }
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn product(a: __m128i, b: __m128i) -> Self {
                let halves = |value| _mm_xor_si128(value, swapped(value));
                // The middle first: it takes longest.
                Self {
                    middle: _mm_clmulepi64_si128::<0x00>(halves(a), halves(b)),
                    low: _mm_clmulepi64_si128::<0x00>(a, b),
                    high: _mm_clmulepi64_si128::<0x11>(a, b),
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn add_product(&mut self, a: __m128i, b: __m128i) {
                let product = Self::product(a, b);
                self.middle = _mm_xor_si128(self.middle, product.middle);
                self.low = _mm_xor_si128(self.low, product.low);
                self.high = _mm_xor_si128(self.high, product.high);
            }

            /// Times x^-128 modulo the modulus: the lowest 64 bits are made zero by adding a multiple of it, twice.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn reduced(self) -> __m128i {
                let modulus = _mm_set_epi64x(0, MODULUS);
                let folded =
                    _mm_xor_si128(swapped(self.low), _mm_clmulepi64_si128::<0x00>(self.low, modulus));
                let middle =
                    _mm_xor_si128(_mm_xor_si128(self.middle, folded), _mm_xor_si128(self.low, self.high));
                let folded = _mm_xor_si128(swapped(middle), _mm_clmulepi64_si128::<0x00>(middle, modulus));
                _mm_xor_si128(self.high, folded)
            }
        }

        /// The halves in each other's place.
        #[inline]
        #[target_feature(enable = $features)]
        fn swapped(value: __m128i) -> __m128i {
            _mm_shuffle_epi32::<0x4e>(value)
        }

        /// The hash key, the encrypted zero block, to the powers [`POWERS`] down to 1.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn powers(encrypted_zero: __m128i) -> [[u8; BLOCK]; POWERS] {
            let mut bytes = [0; BLOCK];
            store(&mut bytes, encrypted_zero);
            let h = u128::from_be_bytes(bytes);
            let modulus = u128::from(MODULUS.cast_unsigned()) << 64 | 1;
            let h = h << 1 ^ (0u128.wrapping_sub(h >> 127) & modulus);
            let mut powers = [[0; BLOCK]; POWERS];
            powers[POWERS - 1] = h.to_le_bytes();
            for power in 2..=POWERS {
                // Of halves, so that few wait for each other.
                let (a, b) = (power / 2, power - power / 2);
                let product = Sum::product(load(&powers[POWERS - a]), load(&powers[POWERS - b])).reduced();
                store(&mut powers[POWERS - power], product);
            }
            powers
        }

        /// The hash of whole blocks, to be added to the block behind them; its bytes reversed.
        #[inline(never)]
        #[target_feature(enable = $features)]
        pub(crate) fn absorb(powers: &[[u8; BLOCK]; POWERS], blocks: &[[u8; BLOCK]]) -> __m128i {
            let mut hash = _mm_setzero_si128();
            for blocks in blocks.chunks(POWERS) {
                let mut sum = Sum::zero();
                for (block, power) in blocks.iter().zip(&powers[POWERS - blocks.len()..]) {
                    sum.add_product(_mm_xor_si128(reversed(load(block)), hash), load(power));
                    hash = _mm_setzero_si128();
                }
                hash = sum.reduced();
            }
            hash
        }

        /// The block of the lengths, in bits, with its bytes reversed.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn lengths(additional: usize, encrypted: usize) -> __m128i {
            _mm_set_epi64x((additional as u64 * 8).cast_signed(), (encrypted as u64 * 8).cast_signed())
        }
    };
}
