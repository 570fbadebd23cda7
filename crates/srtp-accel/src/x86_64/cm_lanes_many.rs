//! Several packets of AES-CM with HMAC-SHA1 at a time on AES-NI and SHA-NI.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use super::avx::aes_ni::Stream;
use super::avx::cm_lanes::{Odd, Tail, add_header, undo};
use super::cm_many::{self, Blocks, Cipher};
use super::sha_ni::{self, reversed};
use super::sha1::{LANES, SHA_BLOCK, Sha1, lanes};
use super::store;
use crate::cm::{CmOpen, CmSeal, Keys, copy_front, same_tag};
use crate::round_keys::ANY;

type State = sha_ni::State<false>;

/// Seals two to four packets; see [`CmHmacSha1::seal_many`](crate::CmHmacSha1::seal_many).
#[target_feature(enable = "aes,pclmulqdq,avx2,sha")]
pub(crate) fn seal_many(packets: &mut [CmSeal<'_>]) {
    // SAFETY: the processor has the instructions.
    unsafe { cm_many::seal::<AesNi, false>(packets) };
}

/// Opens two to four packets; see [`CmHmacSha1::open_many`](crate::CmHmacSha1::open_many).
#[target_feature(enable = "aes,pclmulqdq,avx2,sha")]
pub(crate) fn open_many(packets: &mut [CmOpen<'_>]) {
    // SAFETY: the processor has the instructions.
    unsafe { cm_many::open::<AesNi, false>(packets) };
}

struct AesNi;

/// What is left to do of a packet.
struct Packet<'a> {
    stream: Stream<'a, ANY>,
    /// The key stream of the next block, made beside the hash of the one before.
    ahead: [__m128i; LANES],
    packet: &'a mut [u8],
    /// Its next byte.
    at: usize,
    odd: Odd,
    suffix: [u8; 4],
    /// What SHA-1's message ends with.
    bits: __m128i,
    /// Where that has no room in the block that the packet ends in.
    second: Option<[__m128i; LANES]>,
    /// SHA-1's blocks that are left.
    blocks: usize,
}

impl Cipher<false> for AesNi {
    type Packet<'a> = Packet<'a>;

    #[inline(always)]
    unsafe fn add_header(state: State, header: &[u8]) -> State {
        // SAFETY: the caller says so.
        unsafe { add_header(state, header) }
    }

    #[inline(always)]
    unsafe fn copy_front(digest: State, tag: &mut [u8]) {
        copy_front(&digest.digest(), tag);
    }

    #[inline(always)]
    unsafe fn is_front(digest: State, received: &[u8]) -> bool {
        same_tag(&digest.digest(), received)
    }

    #[inline(always)]
    unsafe fn undo(keys: &Keys, counter: u128, packet: &mut [u8], from: usize) {
        // SAFETY: the caller says so.
        unsafe { undo::<State>(keys, counter, packet, from) };
    }
}

impl<'a> Blocks<'a, false> for Packet<'a> {
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,avx2")]
    unsafe fn begin(
        this: &mut MaybeUninit<Self>,
        keys: &'a Keys,
        counter: u128,
        packet: &'a mut [u8],
        from: usize,
        suffix: [u8; 4],
    ) {
        let (stream, ahead) = Stream::new(&keys.aes, counter, from % SHA_BLOCK);
        let (len, odd, at) = (packet.len(), Odd::new(packet), from / SHA_BLOCK * SHA_BLOCK);
        // One length covers the key block, the packet and the suffix.
        let bits = (SHA_BLOCK + len + suffix.len()) as u64 * 8;
        let bits = _mm_set_epi64x(bits.swap_bytes().cast_signed(), 0);
        let two = len % SHA_BLOCK + suffix.len() + 1 + size_of::<u64>() > SHA_BLOCK;
        let blocks = (len - at) / SHA_BLOCK + 1 + usize::from(two);
        this.write(Self { stream, ahead, packet, at, odd, suffix, bits, second: None, blocks });
    }

    #[inline(always)]
    fn left(&self) -> usize {
        self.blocks
    }

    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,avx2")]
    unsafe fn next<const SEAL: bool>(&mut self, to: &mut [__m128i; LANES]) {
        self.blocks -= 1;
        let rest = &mut self.packet[self.at..];
        let lanes = if let Some((block, _)) = rest.split_first_chunk_mut::<SHA_BLOCK>() {
            let given = lanes(block);
            let made = std::array::from_fn(|i| _mm_xor_si128(given[i], self.ahead[i]));
            for (bytes, lane) in block.as_chunks_mut().0.iter_mut().zip(made) {
                store(bytes, lane);
            }
            self.ahead = self.stream.next();
            self.at += SHA_BLOCK;
            if SEAL { made } else { given }
        } else if let Some(second) = self.second {
            second
        } else {
            // SAFETY: the caller says so.
            unsafe { self.tail::<SEAL>() }
        };
        for i in 0..LANES {
            to[i] = reversed(lanes[i]);
        }
    }
}

impl Packet<'_> {
    /// The block that the packet ends in.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,avx2,sha")]
    fn tail<const SEAL: bool>(&mut self) -> [__m128i; LANES] {
        let whole = self.packet[self.at..].as_chunks_mut().0;
        let (odd, ahead, suffix) = (self.odd, self.ahead, self.suffix);
        let tail = match whole.len() {
            0 => Tail::new::<0, SEAL>(whole, odd, ahead, suffix),
            1 => Tail::new::<1, SEAL>(whole, odd, ahead, suffix),
            2 => Tail::new::<2, SEAL>(whole, odd, ahead, suffix),
            _ => Tail::new::<3, SEAL>(whole, odd, ahead, suffix),
        };
        if odd.len > 0 {
            tail.store_odd(self.packet, odd.len);
        }
        let [a, b, c, d, e] = tail.hashed;
        if self.blocks == 0 {
            return [a, b, c, _mm_or_si128(d, self.bits)];
        }
        let zero = _mm_setzero_si128();
        self.second = Some([e, zero, zero, self.bits]);
        [a, b, c, d]
    }
}
