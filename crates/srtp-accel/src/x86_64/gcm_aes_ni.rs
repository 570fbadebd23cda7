//! AES-GCM on AES-NI and PCLMULQDQ.
//!
//! [`WIDE`] blocks are encrypted side by side, a block of the hash between two rounds, and the hash is reduced once for as
//! many. The last blocks, at most as many, are one piece with the block that masks the tag; a short packet is that piece.

use super::gcm_counters::WIDE;
use crate::BLOCK;

/// Blocks that are encrypted side by side.
pub(super) type Wide = [[u8; BLOCK]; WIDE];

/// Keeps the compiler from moving what makes these values to before or behind this place: it would put all of the hash
/// before all of the encryption, where neither has the units that the other leaves idle.
macro_rules! pin {
    ($blocks:expr, $sum:expr) => {{
        let [a, b, c, d, e, f, g, h] = $blocks;
        let Sum { low, middle, high } = $sum;
        // SAFETY: there is no instruction.
        unsafe {
            asm!(
                "/* {} {} {} {} {} {} {} {} {} {} {} */",
                inout(xmm_reg) * a,
                inout(xmm_reg) * b,
                inout(xmm_reg) * c,
                inout(xmm_reg) * d,
                inout(xmm_reg) * e,
                inout(xmm_reg) * f,
                inout(xmm_reg) * g,
                inout(xmm_reg) * h,
                inout(xmm_reg) * low,
                inout(xmm_reg) * middle,
                inout(xmm_reg) * high,
                options(nomem, nostack, preserves_flags)
            );
        }
    }};
}

/// The key stream of `counters`, and the hash of `hashed` behind `hash`.
macro_rules! stitch {
    ($keys:expr, $counters:expr, $hashed:expr, $hash:expr) => {{
        let mut sum = Sum::zero();
        let stream = encrypt!(whitened: &$keys.aes, $counters, |blocks, i| {
            pin!(&mut blocks, &mut sum);
            if i < WIDE {
                add_wide(&mut sum, $keys, $hashed, i, $hash);
            }
        });
        (stream, sum.reduced())
    }};
}

/// The functions of this file, compiled for `$features`.
macro_rules! gcm_aes_ni {
    ($features:literal) => {
        use std::arch::asm;
        use std::arch::x86_64::*;

        use super::gcm_counters::{Counters, encrypt_block};
        use super::gcm_piece::{Piece, additional, power, run_piece, run_tiny};
        use super::ghash::{self, Sum, reversed};
        use super::aes_ni;
        use crate::BLOCK;
        use crate::gcm::{GCM_TAG_LEN, Keys, Nonce};
        use crate::x86_64::gcm_aes_ni::Wide;
        use crate::x86_64::gcm_counters::{LONG_KEY, SHORT_KEY, WIDE};
        use crate::x86_64::gcm_piece::{Direction, Open, Seal};
        use crate::x86_64::{load, store};

        /// Expands a key of 16 or 32 bytes.
        #[target_feature(enable = $features)]
        pub(crate) fn expand(key: &[u8]) -> Keys {
            let aes = aes_ni::expand(key);
            let zero = encrypt_block(&aes, _mm_setzero_si128());
            Keys { powers: ghash::powers(zero), aes }
        }

        /// Encrypts `buf[from..]`; gives the tag.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn seal(keys: &Keys, nonce: Nonce, buf: &mut [u8], from: usize) -> [u8; GCM_TAG_LEN] {
            let tag = run(keys, nonce, buf, from, &Seal).expect("sealing does not fail");
            let mut bytes = [0; GCM_TAG_LEN];
            store(&mut bytes, tag);
            bytes
        }

        /// Decrypts `packet[from..]` if `received`, of 1 to 16 bytes, is the front of the tag.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn open(keys: &Keys, nonce: Nonce, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
            run(keys, nonce, packet, from, &Open(received)).is_some()
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn run<D: Direction>(
            keys: &Keys,
            nonce: Nonce,
            packet: &mut [u8],
            from: usize,
            direction: &D,
        ) -> Option<__m128i> {
            if packet.len() < BLOCK {
                return run_tiny(keys, nonce, packet, from, direction);
            }
            let blocks = (packet.len() - from).div_ceil(BLOCK);
            let piece = Piece {
                counters: Counters::new(nonce),
                counter: Counters::PAYLOAD,
                start: additional(keys, packet, from),
                power: blocks + 2,
                lengths: ghash::lengths(from, packet.len() - from),
            };
            if blocks > WIDE {
                return run_long(keys, piece, packet, from, direction);
            }
            run_piece(keys, piece, packet, from, direction)
        }

        #[target_feature(enable = $features)]
        fn run_long<D: Direction>(
            keys: &Keys,
            mut piece: Piece,
            packet: &mut [u8],
            from: usize,
            direction: &D,
        ) -> Option<__m128i> {
            let whole = (packet.len() - from - 1) / size_of::<Wide>();
            let (blocks, _) = packet[from..].as_chunks_mut::<BLOCK>();
            let (wide, _) = blocks.as_chunks_mut::<WIDE>();
            let wide = &mut wide[..whole];
            let hash = Sum::product(piece.start, power(keys, 1)).reduced();
            piece.start = if D::HASHES_FIRST {
                open_wide(keys, &mut piece, wide, hash)
            } else {
                seal_wide(keys, &mut piece, wide, hash)
            };
            let end = from + size_of_val(wide);
            piece.power = (packet.len() - end).div_ceil(BLOCK) + 1;
            let tag = run_piece(keys, piece, packet, end, direction);
            if D::HASHES_FIRST && tag.is_none() {
                let blocks = packet[from..end].as_chunks_mut().0;
                put_back(keys, piece.counters, blocks);
            }
            tag
        }

        /// The hash of [`WIDE`] blocks behind `hash`, made between the rounds of the next key stream.
        #[inline]
        #[target_feature(enable = $features)]
        fn add_wide(sum: &mut Sum, keys: &Keys, hashed: &Wide, i: usize, hash: __m128i) {
            let mut block = reversed(load(&hashed[i]));
            if i == 0 {
                block = _mm_xor_si128(block, hash);
            }
            sum.add_product(block, power(keys, WIDE - i));
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn add_stream(blocks: &mut Wide, stream: &[__m128i; WIDE]) {
            for (block, stream) in blocks.iter_mut().zip(stream) {
                store(block, _mm_xor_si128(load(block), *stream));
            }
        }

        /// Encrypts whole blocks; gives their hash behind `hash`, to be added to the next block.
        #[inline]
        #[target_feature(enable = $features)]
        fn seal_wide(keys: &Keys, piece: &mut Piece, wide: &mut [Wide], mut hash: __m128i) -> __m128i {
            let Some((mut sealed, rest)) = wide.split_first_mut() else { return hash };
            add_stream(sealed, &encrypt!(whitened: &keys.aes, piece.take(&keys.aes)));
            // The hash is one step behind.
            for blocks in rest {
                let stream;
                (stream, hash) = stitch!(keys, piece.take(&keys.aes), sealed, hash);
                add_stream(blocks, &stream);
                sealed = blocks;
            }
            let mut sum = Sum::zero();
            for i in 0..WIDE {
                add_wide(&mut sum, keys, sealed, i, hash);
            }
            sum.reduced()
        }

        /// Decrypts whole blocks; gives their hash behind `hash`, to be added to the next block.
        #[inline]
        #[target_feature(enable = $features)]
        fn open_wide(keys: &Keys, piece: &mut Piece, wide: &mut [Wide], mut hash: __m128i) -> __m128i {
            for blocks in wide {
                let stream;
                (stream, hash) = stitch!(keys, piece.take(&keys.aes), &*blocks, hash);
                add_stream(blocks, &stream);
            }
            hash
        }

        /// Encrypts again what was decrypted and is not authentic.
        #[cold]
        #[target_feature(enable = $features)]
        fn put_back(keys: &Keys, counters: Counters, blocks: &mut [[u8; BLOCK]]) {
            for (counter, block) in (Counters::PAYLOAD..).zip(blocks) {
                let [counter] = counters.blocks(counter);
                let stream = encrypt_block(&keys.aes, counter);
                store(block, _mm_xor_si128(load(block), stream));
            }
        }
    };
}
