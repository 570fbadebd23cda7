//! AES (FIPS 197) on AES-NI, and the key stream of a packet from it.

use super::sha1::LANES;
use crate::BLOCK;

/// Rounds of AES-128.
pub(super) const LEAST_ROUNDS: usize = 10;

/// For each register of a block that the payload starts in: all ones from there on.
pub(super) static PAYLOAD: [[u8; BLOCK]; 2 * LANES - 1] = {
    let mut masks = [[0; BLOCK]; 2 * LANES - 1];
    let mut i = LANES - 1;
    while i < masks.len() {
        masks[i] = [0xff; BLOCK];
        i += 1;
    }
    masks
};

/// The functions of this file, compiled for `$features`.
macro_rules! aes_ni {
    ($features:literal) => {
        use std::arch::x86_64::*;

        use crate::BLOCK;
        use crate::round_keys::RoundKeys;
        use crate::x86_64::aes_ni::{LEAST_ROUNDS, PAYLOAD};
        use crate::x86_64::sha1::LANES;
        use crate::x86_64::{in_memory, load, moved};

        /// FIPS 197 section 5.2; `key` has 16, 24 or 32 bytes. The S-box comes from an instruction: no table that a cache would tell of.
        #[target_feature(enable = $features)]
        pub(crate) fn expand(key: &[u8]) -> RoundKeys {
            RoundKeys::expand(key, |word| {
                let word = _mm_set1_epi32(word.cast_signed());
                _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(word)).cast_unsigned()
            })
        }

        /// Encrypts blocks side by side with a key of `ROUNDS` rounds, or of [`ANY`](crate::round_keys::ANY) number.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn encrypt<const ROUNDS: usize, const N: usize>(
            round_keys: &RoundKeys,
            blocks: [__m128i; N],
        ) -> [__m128i; N] {
            let mut blocks = blocks.map(|block| _mm_xor_si128(block, load(&round_keys.keys[0])));
            let rounds = round_keys.rounds_or::<ROUNDS>();
            for key in &round_keys.keys[1..LEAST_ROUNDS] {
                blocks = blocks.map(|block| _mm_aesenc_si128(block, load(key)));
            }
            // The branches of a key always go the same way.
            for (more, keys) in [(12, &round_keys.keys[10..12]), (14, &round_keys.keys[12..14])] {
                if rounds >= more {
                    for key in keys {
                        blocks = blocks.map(|block| _mm_aesenc_si128(block, load(key)));
                    }
                }
            }
            blocks.map(|block| _mm_aesenclast_si128(block, load(&round_keys.keys[rounds])))
        }

        /// The key stream of counter mode in four registers at a time, cut as SHA-1's blocks cut the packet.
        pub(crate) struct Stream<'a, const ROUNDS: usize> {
            keys: &'a RoundKeys,
            /// The next counter. Its last two bytes count blocks (RFC 3711 section 4.1.1) and are the other way round here.
            counter: __m128i,
            /// The last key stream behind them.
            last: __m128i,
            /// The first byte of the payload in its register.
            from: usize,
        }

        impl<'a, const ROUNDS: usize> Stream<'a, ROUNDS> {
            /// The key stream of the block whose byte `from` starts the payload, zeros before it, and that of the blocks behind it.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn new(keys: &'a RoundKeys, counter: u128, from: usize) -> (Self, [__m128i; LANES]) {
                // Not by way of memory, where two halves written would have to settle before they are read as one.
                let counter = counter.to_be();
                let counter = _mm_set_epi64x((counter >> 64) as i64, counter as i64);
                // Registers that hold nothing but the header have counters below zero.
                let skipped = from / BLOCK % LANES;
                let counter = _mm_insert_epi16::<7>(counter, -(skipped as i32));
                let mut this = Self { keys, counter, last: _mm_setzero_si128(), from: from % BLOCK };
                let mut made = this.made();
                if skipped > 0 {
                    for (made, mask) in made.iter_mut().zip(&PAYLOAD[LANES - 1 - skipped..]) {
                        *made = _mm_and_si128(*made, load(mask));
                    }
                }
                let first = this.placed(made);
                (this, first)
            }

            /// The key stream of the next block.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn next(&mut self) -> [__m128i; LANES] {
                let made = self.made();
                self.placed(made)
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn made(&mut self) -> [__m128i; LANES] {
                let turned = _mm_set_epi64x(0x0e0f_0d0c_0b0a_0908, 0x0706_0504_0302_0100);
                let block = |n: i16| {
                    _mm_shuffle_epi8(
                        _mm_add_epi16(self.counter, _mm_set_epi16(n, 0, 0, 0, 0, 0, 0, 0)),
                        turned,
                    )
                };
                let made =
                    encrypt::<ROUNDS, LANES>(in_memory(self.keys), [block(0), block(1), block(2), block(3)]);
                let step = _mm_set_epi16(LANES as i16, 0, 0, 0, 0, 0, 0, 0);
                self.counter = _mm_add_epi16(self.counter, step);
                made
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn placed(&mut self, made: [__m128i; LANES]) -> [__m128i; LANES] {
                let place = |before, this| {
                    _mm_or_si128(moved(before, 2 * BLOCK - self.from), moved(this, BLOCK - self.from))
                };
                let [a, b, c, d] = made;
                let placed = [place(self.last, a), place(a, b), place(b, c), place(c, d)];
                self.last = d;
                placed
            }
        }
    };
}
