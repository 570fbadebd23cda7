//! The last blocks of a packet of AES-GCM on AES-NI and PCLMULQDQ, in registers as one piece.

use super::gcm_counters::WIDE;
use crate::gcm::POWERS;

const _: () = assert!(WIDE + 2 <= POWERS);

/// Which way a packet goes.
pub(crate) trait Direction {
    /// Whether what is hashed is there before the key stream is added.
    const HASHES_FIRST: bool;
    /// The front of the tag that the packet must have.
    fn received(&self) -> &[u8];
}

pub(crate) struct Seal;
pub(crate) struct Open<'a>(pub(crate) &'a [u8]);

impl Direction for Seal {
    const HASHES_FIRST: bool = false;
    fn received(&self) -> &[u8] {
        &[]
    }
}

impl Direction for Open<'_> {
    const HASHES_FIRST: bool = true;
    fn received(&self) -> &[u8] {
        self.0
    }
}

/// The functions of this file, compiled for `$features`.
macro_rules! gcm_piece {
    ($features:literal) => {
        use std::arch::x86_64::*;

        use super::gcm_counters::Counters;
        use super::ghash::{self, Sum, reversed};
        use crate::BLOCK;
        use crate::gcm::{Keys, Nonce, POWERS};
        use crate::round_keys::RoundKeys;
        use crate::x86_64::gcm_counters::{LONG_KEY, SHORT_KEY, WIDE};
        use crate::x86_64::gcm_piece::Direction;
        use crate::x86_64::{load, moved, store};

        /// The hash key to a power.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn power(keys: &Keys, power: usize) -> __m128i {
            load(&keys.powers[POWERS - power])
        }

        /// What the last blocks of a packet need.
        #[derive(Clone, Copy)]
        pub(super) struct Piece {
            pub(super) counters: Counters,
            /// The counter of the next block.
            pub(super) counter: u32,
            /// What is hashed before the next block, and the power of the hash key that it is multiplied by.
            pub(super) start: __m128i,
            pub(super) power: usize,
            /// The block that is hashed last.
            pub(super) lengths: __m128i,
        }

        impl Piece {
            /// The next counter blocks, with the first round key added.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn take(&mut self, keys: &RoundKeys) -> [__m128i; WIDE] {
                let blocks = self.counters.whitened(keys, self.counter);
                self.counter += WIDE as u32;
                blocks
            }

            /// Adds the key stream to blocks 1 to `N - 1`, of the last of which `mask` leaves bytes; block 0 stands for what is
            /// hashed before them. Gives the other text, and the tag.
            #[inline]
            #[target_feature(enable = $features)]
            fn run<const N: usize, D: Direction>(
                self,
                keys: &Keys,
                mut data: [__m128i; N],
                mask: __m128i,
            ) -> ([__m128i; N], __m128i) {
                let mut counters = self.counters.blocks::<N>(self.counter - 1);
                [counters[0]] = self.counters.blocks(Counters::MASK);
                let stream = encrypt!(&keys.aes, counters);
                let mut sum = Sum::product(self.lengths, power(keys, 1));
                sum.add_product(self.start, power(keys, self.power));
                for i in 1..N {
                    let mut other = _mm_xor_si128(data[i], stream[i]);
                    if i == N - 1 {
                        other = _mm_and_si128(other, mask);
                    }
                    let hashed = if D::HASHES_FIRST { data[i] } else { other };
                    sum.add_product(reversed(hashed), power(keys, N - i + 1));
                    data[i] = other;
                }
                (data, _mm_xor_si128(reversed(sum.reduced()), stream[0]))
            }
        }

        /// The end of a packet of at least [`BLOCK`] bytes: at most [`WIDE`] blocks from `at` on. Gives the tag if the packet may stand,
        /// and otherwise leaves the blocks as they were.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn run_piece<D: Direction>(
            keys: &Keys,
            piece: Piece,
            packet: &mut [u8],
            at: usize,
            direction: &D,
        ) -> Option<__m128i> {
            match (packet.len() - at).div_ceil(BLOCK) {
                0 => run_blocks::<1, D>(keys, piece, packet, at, direction),
                1 => run_blocks::<2, D>(keys, piece, packet, at, direction),
                2 => run_blocks::<3, D>(keys, piece, packet, at, direction),
                3 => run_blocks::<4, D>(keys, piece, packet, at, direction),
                4 => run_blocks::<5, D>(keys, piece, packet, at, direction),
                5 => run_blocks::<6, D>(keys, piece, packet, at, direction),
                6 => run_blocks::<7, D>(keys, piece, packet, at, direction),
                7 => run_blocks::<8, D>(keys, piece, packet, at, direction),
                8 => run_blocks::<9, D>(keys, piece, packet, at, direction),
                _ => unreachable!("whole groups of blocks went before"),
            }
        }

        /// [`run_piece`] for `N - 1` blocks.
        #[target_feature(enable = $features)]
        fn run_blocks<const N: usize, D: Direction>(
            keys: &Keys,
            piece: Piece,
            packet: &mut [u8],
            at: usize,
            direction: &D,
        ) -> Option<__m128i> {
            // The last block is read and written with the bytes before it: byte by byte it would have to settle in memory.
            let last_len = packet.len() - at - N.saturating_sub(2) * BLOCK;
            let last = load(packet.last_chunk().expect("the packet has a block"));
            let mut data = [_mm_setzero_si128(); N];
            if N > 1 {
                let (blocks, _) = packet[at..].as_chunks();
                for i in 1..N - 1 {
                    data[i] = load(&blocks[i - 1]);
                }
                data[N - 1] = moved_down(last, BLOCK - last_len);
            }
            let (other, tag) = piece.run::<N, D>(keys, data, front_mask(last_len));
            if D::HASHES_FIRST && !same_tag(tag, direction.received()) {
                return None;
            }
            if N > 1 {
                let change = _mm_xor_si128(other[N - 1], data[N - 1]);
                let last = _mm_xor_si128(last, moved_up(change, BLOCK - last_len));
                store(packet.last_chunk_mut().expect("the packet has a block"), last);
                let (blocks, _) = packet[at..].as_chunks_mut();
                for i in 1..N - 1 {
                    store(&mut blocks[i - 1], other[i]);
                }
            }
            Some(tag)
        }

        /// A packet of less than [`BLOCK`] bytes.
        #[cold]
        #[target_feature(enable = $features)]
        pub(super) fn run_tiny<D: Direction>(
            keys: &Keys,
            nonce: Nonce,
            packet: &mut [u8],
            from: usize,
            direction: &D,
        ) -> Option<__m128i> {
            let (additional, payload) = packet.split_at_mut(from);
            let block = |bytes: &[u8]| {
                let mut block = [0; BLOCK];
                block[..bytes.len()].copy_from_slice(bytes);
                load(&block)
            };
            let piece = Piece {
                counters: Counters::new(nonce),
                counter: Counters::PAYLOAD,
                start: reversed(block(additional)),
                power: 3,
                lengths: ghash::lengths(additional.len(), payload.len()),
            };
            // No payload is hashed as a block of zeros would be: as nothing, if the start counts as two before the lengths.
            let piece = Piece { power: if payload.is_empty() { 2 } else { piece.power }, ..piece };
            let data = [_mm_setzero_si128(), block(payload)];
            let (other, tag) = piece.run::<2, D>(keys, data, front_mask(payload.len()));
            if D::HASHES_FIRST && !same_tag(tag, direction.received()) {
                return None;
            }
            let mut bytes = [0; BLOCK];
            store(&mut bytes, other[1]);
            payload.copy_from_slice(&bytes[..payload.len()]);
            Some(tag)
        }

        /// The hash of the additional data, whose last block may be short, before it is multiplied by the hash key; its bytes
        /// reversed. The packet has at least [`BLOCK`] bytes.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn additional(keys: &Keys, packet: &[u8], from: usize) -> __m128i {
            let Some(last) = packet[..from].last_chunk() else {
                let first = packet.first_chunk().expect("the packet has a block");
                return reversed(_mm_and_si128(load(first), front_mask(from)));
            };
            let blocks = (from - 1) / BLOCK;
            let last = reversed(moved_down(load(last), (blocks + 1) * BLOCK - from));
            let (blocks, _) = packet[..blocks * BLOCK].as_chunks();
            _mm_xor_si128(last, ghash::absorb(&keys.powers, blocks))
        }

        /// Ones in the first `len` bytes, at most sixteen.
        #[inline]
        #[target_feature(enable = $features)]
        fn front_mask(len: usize) -> __m128i {
            let numbers = _mm_set_epi64x(0x0f0e_0d0c_0b0a_0908, 0x0706_0504_0302_0100);
            _mm_cmpgt_epi8(_mm_set1_epi8(len as i8), numbers)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn moved_up(value: __m128i, by: usize) -> __m128i {
            moved(value, BLOCK - by)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn moved_down(value: __m128i, by: usize) -> __m128i {
            moved(value, BLOCK + by)
        }

        /// Whether `received`, of at most 16 bytes, is the front of `tag`, in constant time.
        #[inline]
        #[target_feature(enable = $features)]
        fn same_tag(tag: __m128i, received: &[u8]) -> bool {
            let mut bytes = [0; BLOCK];
            let block = match received.len() {
                BLOCK => load(received.first_chunk().expect("the arm has the length")),
                8 => _mm_cvtsi64_si128(i64::from_le_bytes(
                    *received.first_chunk().expect("the arm has the length"),
                )),
                len => {
                    bytes[..len].copy_from_slice(received);
                    load(&bytes)
                }
            };
            let different = _mm_and_si128(_mm_xor_si128(tag, block), front_mask(received.len()));
            _mm_testz_si128(different, different) == 1
        }
    };
}
