//! The counter blocks of AES-GCM (NIST SP 800-38D section 7) and their encryption on AES-NI.

/// Rounds of a key of 16 and of 32 bytes.
pub(super) const SHORT_KEY: usize = 10;
pub(super) const LONG_KEY: usize = 14;

/// Blocks that are encrypted side by side.
pub(super) const WIDE: usize = 8;

/// FIPS 197 section 5.1. `whitened` blocks have the first round key already; `$between` is done after each of the first nine rounds,
/// `$i` from 0 on. A macro, since a function of so many registers would take and give them by way of memory.
macro_rules! encrypt {
    ($keys:expr, $counters:expr) => {{
        let (keys, mut counters): (&$crate::round_keys::RoundKeys, _) = ($keys, $counters);
        encrypt!(round keys, counters, _mm_xor_si128, 0);
        encrypt!(whitened: keys, counters)
    }};
    (whitened: $keys:expr, $blocks:expr) => {
        encrypt!(whitened: $keys, $blocks, |_blocks, _i| ())
    };
    (whitened: $keys:expr, $counters:expr, |$blocks:ident, $i:ident| $between:expr) => {{
        let (keys, mut $blocks): (&$crate::round_keys::RoundKeys, _) = ($keys, $counters);
        encrypt!(rounds keys, $blocks, $i, $between, 0 1 2 3 4 5 6 7 8);
        if keys.rounds() == SHORT_KEY {
            encrypt!(round keys, $blocks, _mm_aesenclast_si128, SHORT_KEY);
        } else {
            for i in SHORT_KEY..LONG_KEY {
                encrypt!(round keys, $blocks, _mm_aesenc_si128, i);
            }
            encrypt!(round keys, $blocks, _mm_aesenclast_si128, LONG_KEY);
        }
        $blocks
    }};
    // Each written out: the compiler would make a loop of them.
    (rounds $keys:ident, $blocks:ident, $i:ident, $between:expr, $($round:literal)*) => {
        $(
            let $i: usize = $round;
            encrypt!(round $keys, $blocks, _mm_aesenc_si128, $i + 1);
            $between;
        )*
    };
    (round $keys:ident, $blocks:ident, $function:ident, $round:expr) => {
        let key = load(&$keys.keys[$round]);
        for block in &mut $blocks {
            *block = $function(*block, key);
        }
    };
}

/// The functions of this file, compiled for `$features`.
macro_rules! gcm_counters {
    ($features:literal) => {
        use std::arch::x86_64::*;

        use crate::gcm::Nonce;
        use crate::round_keys::RoundKeys;
        use crate::x86_64::gcm_counters::{LONG_KEY, SHORT_KEY, WIDE};
        use crate::x86_64::load;

        /// One block.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn encrypt_block(keys: &RoundKeys, block: __m128i) -> __m128i {
            let [block] = encrypt!(keys, [block]);
            block
        }

        /// The counter blocks of a packet.
        #[derive(Clone, Copy)]
        pub(super) struct Counters {
            /// The nonce, and the counter in the order of the processor.
            start: __m128i,
        }

        impl Counters {
            /// The counter of the block that masks the tag.
            pub(super) const MASK: u32 = 1;
            /// The counter of the payload's first block.
            pub(super) const PAYLOAD: u32 = 2;

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn new(nonce: Nonce) -> Self {
                Self { start: _mm_set_epi64x(i64::from(nonce.back), nonce.front.cast_signed()) }
            }

            /// As [`blocks`](Self::blocks), with the first round key added: in half of the instructions.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn whitened(self, keys: &RoundKeys, counter: u32) -> [__m128i; WIDE] {
                let key = load(&keys.keys[0]);
                let start = _mm_castsi128_ps(_mm_xor_si128(self.start, key));
                let key = _mm_shuffle_epi32::<0xff>(key);
                let order = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
                let counter = _mm_add_epi32(_mm_set1_epi32(counter.cast_signed()), _mm_set_epi32(3, 2, 1, 0));
                let four = |counter| _mm_castsi128_ps(_mm_xor_si128(_mm_shuffle_epi8(counter, order), key));
                let (a, b) = (four(counter), four(_mm_add_epi32(counter, _mm_set1_epi32(4))));
                // Each counter takes the place of the last four bytes.
                let blocks = [
                    _mm_insert_ps::<0x30>(start, a),
                    _mm_insert_ps::<0x70>(start, a),
                    _mm_insert_ps::<0xb0>(start, a),
                    _mm_insert_ps::<0xf0>(start, a),
                    _mm_insert_ps::<0x30>(start, b),
                    _mm_insert_ps::<0x70>(start, b),
                    _mm_insert_ps::<0xb0>(start, b),
                    _mm_insert_ps::<0xf0>(start, b),
                ];
                blocks.map(|block| _mm_castps_si128(block))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn blocks<const N: usize>(self, counter: u32) -> [__m128i; N] {
                let order = _mm_set_epi32(0x0c0d_0e0f, 0x0b0a_0908, 0x0706_0504, 0x0302_0100);
                let start = _mm_add_epi32(self.start, _mm_set_epi32(counter.cast_signed(), 0, 0, 0));
                let mut blocks = [start; N];
                for (i, block) in blocks.iter_mut().enumerate() {
                    *block = _mm_shuffle_epi8(_mm_add_epi32(*block, _mm_set_epi32(i as i32, 0, 0, 0)), order);
                }
                blocks
            }
        }
    };
}
