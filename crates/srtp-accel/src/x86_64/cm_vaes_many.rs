//! Several packets of AES-CM with HMAC-SHA1 at a time on VAES in 512 bits and SHA-NI.

use std::arch::x86_64::*;
use std::mem::{self, MaybeUninit};

use super::cm_many::{self, Blocks, Cipher};
use super::cm_vaes::*;
use super::sha1::{LANES, SHA_BLOCK};
use crate::cm::{CmOpen, CmSeal, Keys, TAG_LEN};
use crate::round_keys::ANY;

/// Seals two to four packets; see [`CmHmacSha1::seal_many`](crate::CmHmacSha1::seal_many).
#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(crate) fn seal_many(packets: &mut [CmSeal<'_>]) {
    // SAFETY: the processor has the instructions.
    unsafe { cm_many::seal::<Vaes, true>(packets) };
}

/// Opens two to four packets; see [`CmHmacSha1::open_many`](crate::CmHmacSha1::open_many).
#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(crate) fn open_many(packets: &mut [CmOpen<'_>]) {
    // SAFETY: the processor has the instructions.
    unsafe { cm_many::open::<Vaes, true>(packets) };
}

struct Vaes;

/// What is left to do of a packet.
struct Packet<'a> {
    stream: Stream<'a, ANY>,
    /// The key stream of the next block, made beside the hash of the one before.
    ahead: __m512i,
    /// What is still to be worked on.
    rest: &'a mut [u8],
    end: End,
    /// Whether the bytes behind the last whole block are done.
    ended: bool,
    /// SHA-1's blocks that are left.
    blocks: usize,
}

impl Cipher<true> for Vaes {
    type Packet<'a> = Packet<'a>;

    #[inline(always)]
    unsafe fn add_header(state: State, header: &[u8]) -> State {
        // SAFETY: the caller says so.
        unsafe { add_header(state, header) }
    }

    #[inline(always)]
    unsafe fn copy_front(digest: State, tag: &mut [u8]) {
        assert!(tag.len() <= TAG_LEN);
        // SAFETY: the caller says so.
        unsafe { store_front(tag, wide(digest.digest_lanes())) };
    }

    #[inline(always)]
    unsafe fn is_front(digest: State, received: &[u8]) -> bool {
        // SAFETY: the caller says so.
        unsafe { starts_with(digest.digest_lanes(), received) }
    }

    #[inline(always)]
    unsafe fn undo(keys: &Keys, counter: u128, packet: &mut [u8], from: usize) {
        let payload = &mut packet[from / SHA_BLOCK * SHA_BLOCK..];
        // SAFETY: the caller says so.
        unsafe { crypt(Stream::<ANY>::new(&keys.aes, counter, from), payload) };
    }
}

impl<'a> Blocks<'a, true> for Packet<'a> {
    #[inline]
    #[target_feature(enable = "vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
    unsafe fn begin(
        this: &mut MaybeUninit<Self>,
        keys: &'a Keys,
        counter: u128,
        packet: &'a mut [u8],
        from: usize,
        suffix: [u8; 4],
    ) {
        let mut stream = Stream::new(&keys.aes, counter, from);
        let ahead = stream.next();
        let end = End::new(packet.len(), suffix);
        let rest = &mut packet[from / SHA_BLOCK * SHA_BLOCK..];
        let blocks = rest.len() / SHA_BLOCK + 1 + usize::from(end.second.is_some());
        this.write(Self { stream, ahead, rest, end, ended: false, blocks });
    }

    #[inline(always)]
    fn left(&self) -> usize {
        self.blocks
    }

    #[inline]
    #[target_feature(enable = "vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
    unsafe fn next<const SEAL: bool>(&mut self, to: &mut [__m128i; LANES]) {
        self.blocks -= 1;
        let rest = mem::take(&mut self.rest);
        if rest.len() >= SHA_BLOCK {
            let (block, rest) = rest.split_first_chunk_mut().expect("there are as many");
            let given = load_block(block);
            let made = _mm512_xor_si512(given, self.ahead);
            store_block(block, made);
            self.ahead = self.stream.next();
            self.rest = rest;
            *to = words(if SEAL { made } else { given });
        } else if self.ended {
            *to = words(self.end.second.unwrap_or(self.end.first));
        } else {
            self.ended = true;
            let given = load_front(rest);
            let made = _mm512_xor_si512(given, _mm512_maskz_mov_epi8(front(rest.len()), self.ahead));
            store_front(rest, made);
            *to = words(_mm512_or_si512(if SEAL { made } else { given }, self.end.first));
        }
    }
}
