//! AES-CM with HMAC-SHA1 on x86-64, encryption hidden behind the hash.

use std::arch::x86_64::*;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::aes_ni::{Counter, Key, SIDE_BY_SIDE, add_stream};
use crate::sha_ni::{SHA_BLOCK, State};
use crate::{AUTH_KEY_LEN, BLOCK, TAG_LEN};

/// SHA-1's initial state, FIPS 180-4 section 5.3.1.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Bytes that are encrypted before the next block is hashed: one SHA-1 block.
const STEP: usize = SIDE_BY_SIDE * BLOCK;
const _: () = assert!(STEP == SHA_BLOCK);
/// Steps whose key stream is made before the tag is known: 256 bytes, more than a packet of G.711 holds.
const AHEAD: usize = 4;

/// Session keys of a suite AES_CM with HMAC-SHA1; zeroised on drop. 300 bytes.
///
/// That a value exists proves that the processor has the instructions: [`new`](Self::new) is the only way to one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CmHmacSha1 {
    aes: Key,
    inner: [u32; 5],
    outer: [u32; 5],
}

impl CmHmacSha1 {
    /// Expands the session keys; `key` has 16, 24 or 32 bytes. `None` if the processor lacks the instructions or the key
    /// another length.
    pub fn new(key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Option<Self> {
        let able = is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        if !able || !matches!(key.len(), 16 | 24 | 32) {
            return None;
        }
        // SAFETY: the processor has the instructions.
        Some(unsafe { Self::expand(key, auth) })
    }

    /// Encrypts `buf[from..len]` under `counter`, whose last two bytes count blocks from zero, and gives the tag over `buf[..len] || suffix`.
    ///
    /// # Panics
    /// Unless `from <= len <= buf.len()`.
    #[inline]
    pub fn seal(
        &self,
        counter: u128,
        buf: &mut [u8],
        from: usize,
        len: usize,
        suffix: [u8; 4],
    ) -> [u8; TAG_LEN] {
        // SAFETY: the value proves that the processor has the instructions.
        unsafe { self.seal_steps(counter, &mut buf[..len], from, suffix) }
    }

    /// Decrypts `packet[from..]` under `counter`, whose last two bytes count blocks from zero, if `received`, of 1 to 20 bytes, is the front
    /// of the tag over `packet || suffix`; otherwise changes nothing and gives false. In constant time for the tag.
    ///
    /// # Panics
    /// Unless `from <= packet.len()`.
    #[inline]
    #[must_use]
    pub fn open(
        &self,
        counter: u128,
        packet: &mut [u8],
        from: usize,
        suffix: [u8; 4],
        received: &[u8],
    ) -> bool {
        // SAFETY: the value proves that the processor has the instructions.
        unsafe { self.open_steps(counter, packet, from, suffix, received) }
    }

    #[target_feature(enable = "aes,sha,sse4.1,ssse3")]
    fn expand(key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Self {
        let after_pad = |pad: u8| {
            let mut block = [pad; SHA_BLOCK];
            for (b, k) in block.iter_mut().zip(auth) {
                *b ^= k;
            }
            let mut state = State::load(&INITIAL);
            state.add(&block);
            block.zeroize();
            state.words()
        };
        Self { aes: Key::expand(key), inner: after_pad(0x36), outer: after_pad(0x5c) }
    }

    #[inline]
    #[target_feature(enable = "aes,sha,sse4.1,ssse3")]
    fn seal_steps(&self, counter: u128, buf: &mut [u8], from: usize, suffix: [u8; 4]) -> [u8; TAG_LEN] {
        let mut counter = Counter::new(counter);
        let mut state = State::load(&self.inner);
        let (mut encrypted, mut hashed) = (from, 0);
        while let Some(step) = buf[encrypted..].first_chunk_mut::<STEP>() {
            counter.apply_side_by_side(&self.aes, step);
            // A step behind: what was just written is slow to read back in pieces of another alignment.
            if encrypted >= from + STEP
                && let Some(block) = buf[hashed..].first_chunk::<SHA_BLOCK>()
            {
                state.add(block);
                hashed += SHA_BLOCK;
            }
            encrypted += STEP;
        }
        counter.apply_rest(&self.aes, &mut buf[encrypted..]);
        self.finish(state, buf, hashed, suffix)
    }

    #[inline]
    #[target_feature(enable = "aes,sha,sse4.1,ssse3")]
    fn open_steps(
        &self,
        counter: u128,
        packet: &mut [u8],
        from: usize,
        suffix: [u8; 4],
        received: &[u8],
    ) -> bool {
        let mut counter = Counter::new(counter);
        let mut state = State::load(&self.inner);
        // The key stream of the first steps is made while the packet is hashed, and kept until the tag is known.
        let mut streams = [[_mm_setzero_si128(); SIDE_BY_SIDE]; AHEAD];
        streams[0] = counter.stream(&self.aes);
        let mut made = 1;
        for block in packet.as_chunks::<SHA_BLOCK>().0 {
            if made < AHEAD {
                streams[made] = counter.stream(&self.aes);
                made += 1;
            }
            state.add(block);
        }
        let hashed = packet.len() / SHA_BLOCK * SHA_BLOCK;
        let tag = self.finish(state, packet, hashed, suffix);
        if !same_tag(&tag, received) {
            return false;
        }
        let mut left = &mut packet[from..];
        for stream in &streams[..made] {
            let (step, rest) = left.split_at_mut(left.len().min(STEP));
            add_stream(stream, step);
            left = rest;
        }
        let (steps, rest) = left.as_chunks_mut::<STEP>();
        for step in steps {
            counter.apply_side_by_side(&self.aes, step);
        }
        counter.apply_rest(&self.aes, rest);
        true
    }

    /// Hashes `message[hashed..] || suffix` with padding behind the inner key block, then the outer block.
    #[inline]
    #[target_feature(enable = "aes,sha,sse4.1,ssse3")]
    fn finish(&self, mut state: State, message: &[u8], hashed: usize, suffix: [u8; 4]) -> [u8; TAG_LEN] {
        let (blocks, rest) = message[hashed..].as_chunks::<SHA_BLOCK>();
        let tail = Tail::new(message, rest, suffix);
        for block in blocks {
            state.add(block);
        }
        state.add_lanes(&tail.first);
        if let Some(second) = &tail.second {
            state.add_lanes(second);
        }
        let mut outer = State::load(&self.outer);
        outer.add_digest(state);
        outer.digest()
    }
}

/// Whether `received` is the front of `tag`, in constant time. The lengths that SRTP has are compared as numbers: a loop over
/// their bytes costs a tenth of a small packet.
#[inline]
fn same_tag(tag: &[u8; TAG_LEN], received: &[u8]) -> bool {
    fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        *bytes[at..].first_chunk().expect("the arm has the length")
    }
    let same = match received.len() {
        4 => u32::from_ne_bytes(word(tag, 0)).ct_eq(&u32::from_ne_bytes(word(received, 0))),
        10 => {
            u64::from_ne_bytes(word(tag, 0)).ct_eq(&u64::from_ne_bytes(word(received, 0)))
                & u16::from_ne_bytes(word(tag, 8)).ct_eq(&u16::from_ne_bytes(word(received, 8)))
        }
        len => tag[..len].ct_eq(received),
    };
    same.into()
}

/// The last one or two blocks of a padded message. They are put together in registers: bytes written one by one would have
/// to settle before they could be read back by sixteens, and everything before them with it.
struct Tail {
    first: [__m128i; LANES],
    second: Option<[__m128i; LANES]>,
}

/// Registers of a SHA-1 block.
const LANES: usize = SHA_BLOCK / BLOCK;

/// Sixteen bytes of it from `16 - n` on move a register's bytes up by `n`, from `16 + n` on down by `n`; zeros follow.
static MOVES: [u8; 3 * BLOCK] = {
    let mut moves = [0x80; 3 * BLOCK];
    let mut i = 0;
    while i < BLOCK {
        moves[BLOCK + i] = i as u8;
        i += 1;
    }
    moves
};

#[inline]
#[target_feature(enable = "ssse3")]
fn moved(value: __m128i, from: usize) -> __m128i {
    let moves = MOVES[from..].first_chunk().expect("a move is of 0 to 16 bytes");
    _mm_shuffle_epi8(value, load(moves))
}

impl Tail {
    /// `rest` is what the whole blocks leave of `message`.
    #[inline]
    #[target_feature(enable = "sse4.1,ssse3")]
    fn new(message: &[u8], rest: &[u8], suffix: [u8; 4]) -> Self {
        let (whole, odd) = rest.as_chunks::<BLOCK>();
        let last = match message.last_chunk::<BLOCK>() {
            Some(last) => moved(load(last), 2 * BLOCK - odd.len()),
            None => {
                let mut bytes = [0; BLOCK];
                bytes[..odd.len()].copy_from_slice(odd);
                load(&bytes)
            }
        };
        let end = _mm_set_epi32(0, 0, 0x80, i32::from_le_bytes(suffix));
        let mut lanes = [_mm_setzero_si128(); 2 * LANES];
        for (lane, bytes) in lanes.iter_mut().zip(whole) {
            *lane = load(bytes);
        }
        lanes[whole.len()] = _mm_or_si128(last, moved(end, BLOCK - odd.len()));
        lanes[whole.len() + 1] = moved(end, 2 * BLOCK - odd.len());
        // One length field covers the key block, the message and the suffix.
        let bits = (SHA_BLOCK + message.len() + suffix.len()) as u64 * 8;
        let bits = _mm_set_epi64x(bits.swap_bytes().cast_signed(), 0);
        let padded = rest.len() + suffix.len() + 1 + size_of::<u64>();
        let [a, b, c, d, e, f, g, h] = lanes;
        if padded <= SHA_BLOCK {
            Self { first: [a, b, c, _mm_or_si128(d, bits)], second: None }
        } else {
            Self { first: [a, b, c, d], second: Some([e, f, g, _mm_or_si128(h, bits)]) }
        }
    }
}

/// Sixteen bytes into a register, from any address.
#[inline(always)]
pub(crate) fn load(bytes: &[u8; BLOCK]) -> __m128i {
    // SAFETY: sixteen bytes can be read, and SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// A register into sixteen bytes, at any address.
#[inline(always)]
pub(crate) fn store(bytes: &mut [u8; BLOCK], value: __m128i) {
    // SAFETY: sixteen bytes can be written, and SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) }
}
