//! AES-CM with HMAC-SHA1 on AES-NI and any SHA-1.
//!
//! The packet is worked on as SHA-1's blocks lie in it, in four registers of sixteen bytes: the key stream that has been
//! moved into its place is added there, and the result goes into the hash and to memory. Nothing that was written is read
//! back. The key stream of a block is made beside the hash of the one before.

/// The functions of this file, compiled for `$features`.
macro_rules! cm_lanes {
    ($features:literal) => {
        use std::arch::x86_64::*;

        use zeroize::Zeroize;

        use super::aes_ni::{self, Stream};
        use crate::BLOCK;
        use crate::cm::{AUTH_KEY_LEN, Keys, TAG_LEN, same_tag};
        use crate::x86_64::sha1::{LANES, SHA_BLOCK, Sha1, lanes};
        use crate::x86_64::{load, moved, store};

        /// Expands session keys; see [`CmHmacSha1::new`](crate::CmHmacSha1::new).
        ///
        /// # Safety
        /// The processor has the instructions of `S`.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn expand<S: Sha1>(key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Keys {
            let after_pad = |pad: u8| {
                let mut block = [pad; SHA_BLOCK];
                for (b, k) in block.iter_mut().zip(auth) {
                    *b ^= k;
                }
                // SAFETY: the caller says so.
                let mut state = unsafe { S::load(None) };
                state.add(lanes(&block));
                block.zeroize();
                state.save()
            };
            Keys { inner: after_pad(0x36), outer: after_pad(0x5c), aes: aes_ni::expand(key) }
        }

        /// Seals with `keys`; see [`CmHmacSha1::seal`](crate::CmHmacSha1::seal).
        ///
        /// # Safety
        /// The processor has the instructions of `S`.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn seal<S: Sha1>(
            keys: &Keys,
            counter: u128,
            buf: &mut [u8],
            from: usize,
            suffix: [u8; 4],
        ) -> [u8; TAG_LEN] {
            // SAFETY: the caller says so.
            let state = unsafe { S::load(Some(&keys.inner)) };
            let inner = match keys.aes.rounds() {
                10 => packet::<S, 10, true>(state, keys, counter, buf, from, suffix),
                12 => packet::<S, 12, true>(state, keys, counter, buf, from, suffix),
                _ => packet::<S, 14, true>(state, keys, counter, buf, from, suffix),
            };
            // SAFETY: as above.
            unsafe { outer(keys, inner) }.digest()
        }

        /// Opens with `keys`; see [`CmHmacSha1::open`](crate::CmHmacSha1::open).
        ///
        /// # Safety
        /// The processor has the instructions of `S`.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn open<S: Sha1>(
            keys: &Keys,
            counter: u128,
            buf: &mut [u8],
            from: usize,
            suffix: [u8; 4],
            received: &[u8],
        ) -> bool {
            // SAFETY: the caller says so.
            let state = unsafe { S::load(Some(&keys.inner)) };
            let inner = match keys.aes.rounds() {
                10 => packet::<S, 10, false>(state, keys, counter, buf, from, suffix),
                12 => packet::<S, 12, false>(state, keys, counter, buf, from, suffix),
                _ => packet::<S, 14, false>(state, keys, counter, buf, from, suffix),
            };
            // SAFETY: as above.
            let same = same_tag(&unsafe { outer(keys, inner) }.digest(), received);
            if !same {
                // SAFETY: as above.
                unsafe { undo::<S>(keys, counter, buf, from) };
            }
            same
        }

        /// The outer hash of HMAC.
        ///
        /// # Safety
        /// The processor has the instructions of `S`.
        #[inline(always)]
        unsafe fn outer<S: Sha1>(keys: &Keys, inner: S) -> S {
            // SAFETY: the caller says so.
            let mut outer = unsafe { S::load(Some(&keys.outer)) };
            outer.add_digest(inner);
            outer
        }

        /// Brings back what was decrypted beside the hash: encrypts it.
        ///
        /// # Safety
        /// The processor has the instructions of `S`.
        #[cold]
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn undo<S: Sha1>(keys: &Keys, counter: u128, buf: &mut [u8], from: usize) {
            // SAFETY: the caller says so.
            unsafe { seal::<S>(keys, counter, buf, from, [0; 4]) };
        }

        /// Encrypts or decrypts `buf[from..]` and gives the inner hash over the encrypted packet and the suffix.
        #[inline]
        #[target_feature(enable = $features)]
        fn packet<S: Sha1, const ROUNDS: usize, const SEAL: bool>(
            mut state: S,
            keys: &Keys,
            counter: u128,
            buf: &mut [u8],
            from: usize,
            suffix: [u8; 4],
        ) -> S {
            let len = buf.len();
            // What waits for the cipher has it begin before anything else.
            let begun =
                if SEAL { Some(Stream::<ROUNDS>::new(&keys.aes, counter, from % SHA_BLOCK)) } else { None };
            let odd = Odd::new(buf);
            let (header, payload) = buf.split_at_mut(from / SHA_BLOCK * SHA_BLOCK);
            if !header.is_empty() {
                state = add_header(state, header);
            }
            let (blocks, rest) = payload.as_chunks_mut::<SHA_BLOCK>();
            // What is there already has the hash begin.
            if !SEAL && let Some(first) = blocks.first() {
                state.add(lanes(first));
            }
            let (mut stream, mut next) = match begun {
                Some(begun) => begun,
                None => Stream::new(&keys.aes, counter, from % SHA_BLOCK),
            };
            for (i, block) in blocks.iter_mut().enumerate() {
                let given = lanes(block);
                let made = std::array::from_fn(|i| _mm_xor_si128(given[i], next[i]));
                for (bytes, lane) in block.as_chunks_mut().0.iter_mut().zip(made) {
                    store(bytes, lane);
                }
                // Ahead of the hash, so that it runs in its shadow.
                next = stream.next();
                if SEAL {
                    state.add(made);
                } else if i > 0 {
                    state.add(given);
                }
            }
            let whole = rest.as_chunks_mut().0;
            let tail = match whole.len() {
                0 => Tail::new::<0, SEAL>(whole, odd, next, suffix),
                1 => Tail::new::<1, SEAL>(whole, odd, next, suffix),
                2 => Tail::new::<2, SEAL>(whole, odd, next, suffix),
                _ => Tail::new::<3, SEAL>(whole, odd, next, suffix),
            };
            if odd.len > 0 {
                tail.store_odd(buf, odd.len);
            }
            let [a, b, c, d, e] = tail.hashed;
            // One length covers the key block, the packet and the suffix.
            let bits = (SHA_BLOCK + len + suffix.len()) as u64 * 8;
            let bits = _mm_set_epi64x(bits.swap_bytes().cast_signed(), 0);
            if len % SHA_BLOCK + suffix.len() + 1 + size_of::<u64>() <= SHA_BLOCK {
                state.add([a, b, c, _mm_or_si128(d, bits)]);
            } else {
                state.add([a, b, c, d]);
                state.add([e, _mm_setzero_si128(), _mm_setzero_si128(), bits]);
            }
            state
        }

        /// Hashes the blocks of a header that is longer than one: rare.
        #[cold]
        #[inline(never)]
        #[target_feature(enable = $features)]
        pub(crate) fn add_header<S: Sha1>(mut state: S, header: &[u8]) -> S {
            for block in header.as_chunks().0 {
                state.add(lanes(block));
            }
            state
        }

        /// The bytes of a packet behind its last whole sixteen.
        #[derive(Clone, Copy)]
        pub(crate) struct Odd {
            /// In front, zeros behind them.
            bytes: __m128i,
            pub(crate) len: usize,
        }

        impl Odd {
            /// Reads sixteen bytes that end with the packet; before anything is written, which would have to settle first.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn new(packet: &[u8]) -> Self {
                let len = packet.len() % BLOCK;
                let bytes = match packet.last_chunk() {
                    Some(last) => moved(load(last), 2 * BLOCK - len),
                    None => {
                        let mut bytes = [0; BLOCK];
                        bytes[..len].copy_from_slice(packet);
                        load(&bytes)
                    }
                };
                Self { bytes, len }
            }
        }

        /// What whole blocks of SHA-1 leave of a packet.
        pub(crate) struct Tail {
            /// Its encrypted bytes, the suffix, and the byte that starts the padding.
            pub(crate) hashed: [__m128i; LANES + 1],
            /// The result's odd bytes.
            odd: __m128i,
        }

        impl Tail {
            /// `W` is the number of whole registers.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn new<const W: usize, const SEAL: bool>(
                whole: &mut [[u8; BLOCK]],
                odd: Odd,
                stream: [__m128i; LANES],
                suffix: [u8; 4],
            ) -> Self {
                let mut hashed = [_mm_setzero_si128(); LANES + 1];
                let whole: &mut [[u8; BLOCK]; W] = whole.first_chunk_mut().expect("the arm has the number");
                for i in 0..W {
                    let given = load(&whole[i]);
                    let made = _mm_xor_si128(given, stream[i]);
                    store(&mut whole[i], made);
                    hashed[i] = if SEAL { made } else { given };
                }
                // Up and down again: zeros in place of what is not the packet's.
                let up = moved(stream[W], odd.len);
                let made = _mm_xor_si128(odd.bytes, moved(up, 2 * BLOCK - odd.len));
                let end = _mm_set_epi32(0, 0, 0x80, i32::from_le_bytes(suffix));
                hashed[W] = _mm_or_si128(if SEAL { made } else { odd.bytes }, moved(end, BLOCK - odd.len));
                hashed[W + 1] = moved(end, 2 * BLOCK - odd.len);
                Self { hashed, odd: made }
            }

            /// Writes the odd bytes, with those before them so that they are sixteen.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn store_odd(&self, packet: &mut [u8], len: usize) {
                let (whole, odd) = packet.split_at_mut(packet.len() - len);
                match whole.last_chunk() {
                    // They are read as they were written, all at once, which needs no settling.
                    Some(before) => {
                        let last = _mm_or_si128(moved(load(before), BLOCK + len), moved(self.odd, len));
                        store(packet.last_chunk_mut().expect("there are more"), last);
                    }
                    None => {
                        let mut bytes = [0; BLOCK];
                        store(&mut bytes, self.odd);
                        odd.copy_from_slice(&bytes[..len]);
                    }
                }
            }
        }
    };
}
