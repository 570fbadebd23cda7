//! Several packets of AES-CM with HMAC-SHA1 at a time on SHA-NI and any cipher.
//!
//! Each packet's SHA-1 is a chain in which each step waits for the last: the chains of two to four packets fill the waits.
//!
//! Nothing is moved that was written in parts: to read it at once, the processor would wait until all before it is done.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use super::sha_ni::State;
use super::sha_ni_many;
use super::sha1::{LANES, SHA_BLOCK, Sha1};
use crate::cm::{CmOpen, CmSeal, Keys};

/// A packet on its way through a cipher, as the blocks of SHA-1's message.
pub(super) trait Blocks<'a, const AVX512: bool> {
    /// Begins with a packet behind the header's whole blocks.
    ///
    /// # Safety
    /// The processor has the instructions of the cipher and of `State<AVX512>`. That goes for all that follows.
    unsafe fn begin(
        this: &mut MaybeUninit<Self>,
        keys: &'a Keys,
        counter: u128,
        packet: &'a mut [u8],
        from: usize,
        suffix: [u8; 4],
    ) where
        Self: Sized;

    /// Blocks that are left.
    fn left(&self) -> usize;

    /// Encrypts or decrypts the next block and gives it as SHA-1 takes it, its first words in the highest lanes.
    ///
    /// # Safety
    /// See [`begin`](Self::begin).
    unsafe fn next<const SEAL: bool>(&mut self, words: &mut [__m128i; LANES]);
}

/// What else differs by the cipher.
pub(super) trait Cipher<const AVX512: bool> {
    /// A packet on its way.
    type Packet<'a>: Blocks<'a, AVX512>;

    /// Hashes the blocks of a header that is longer than one: rare.
    ///
    /// # Safety
    /// See [`Blocks::begin`].
    unsafe fn add_header(state: State<AVX512>, header: &[u8]) -> State<AVX512>;

    /// Fills `tag`, at most 20 bytes, with the front of the digest.
    ///
    /// # Safety
    /// See [`Blocks::begin`].
    unsafe fn copy_front(digest: State<AVX512>, tag: &mut [u8]);

    /// Whether `received` is the front of the digest, 1 to 20 bytes of it, in constant time.
    ///
    /// # Safety
    /// See [`Blocks::begin`].
    unsafe fn is_front(digest: State<AVX512>, received: &[u8]) -> bool;

    /// Brings back what was decrypted beside the hash.
    ///
    /// # Safety
    /// See [`Blocks::begin`].
    unsafe fn undo(keys: &Keys, counter: u128, packet: &mut [u8], from: usize);
}

/// What is done with a packet.
struct Job<'a> {
    keys: &'a Keys,
    counter: u128,
    packet: &'a mut [u8],
    from: usize,
    suffix: [u8; 4],
}

/// Seals two to four packets; see [`CmHmacSha1::seal_many`](crate::CmHmacSha1::seal_many).
///
/// # Safety
/// See [`Blocks::begin`].
#[inline(always)]
pub(super) unsafe fn seal<C: Cipher<AVX512>, const AVX512: bool>(packets: &mut [CmSeal<'_>]) {
    // SAFETY: the caller says so.
    unsafe {
        match packets.len() {
            2 => seal_group::<C, 2, AVX512>(packets.first_chunk_mut().expect("as many")),
            3 => seal_group::<C, 3, AVX512>(packets.first_chunk_mut().expect("as many")),
            _ => seal_group::<C, 4, AVX512>(packets.first_chunk_mut().expect("as many")),
        }
    }
}

/// Opens two to four packets; see [`CmHmacSha1::open_many`](crate::CmHmacSha1::open_many).
///
/// # Safety
/// See [`Blocks::begin`].
#[inline(always)]
pub(super) unsafe fn open<C: Cipher<AVX512>, const AVX512: bool>(packets: &mut [CmOpen<'_>]) {
    // SAFETY: the caller says so.
    unsafe {
        match packets.len() {
            2 => open_group::<C, 2, AVX512>(packets.first_chunk_mut().expect("as many")),
            3 => open_group::<C, 3, AVX512>(packets.first_chunk_mut().expect("as many")),
            _ => open_group::<C, 4, AVX512>(packets.first_chunk_mut().expect("as many")),
        }
    }
}

#[inline(always)]
unsafe fn seal_group<C: Cipher<AVX512>, const N: usize, const AVX512: bool>(packets: &mut [CmSeal<'_>; N]) {
    // SAFETY: the caller says so.
    let outer = unsafe {
        hashed::<C, CmSeal<'_>, N, AVX512, true>(packets, |packet| Job {
            keys: packet.keys.keys(),
            counter: packet.counter,
            packet: packet.buf,
            from: packet.from,
            suffix: packet.suffix,
        })
    };
    for i in 0..N {
        // SAFETY: as above.
        unsafe { C::copy_front(outer[i], packets[i].tag) };
    }
}

#[inline(always)]
unsafe fn open_group<C: Cipher<AVX512>, const N: usize, const AVX512: bool>(packets: &mut [CmOpen<'_>; N]) {
    // SAFETY: the caller says so.
    let outer = unsafe {
        hashed::<C, CmOpen<'_>, N, AVX512, false>(packets, |packet| Job {
            keys: packet.keys.keys(),
            counter: packet.counter,
            packet: packet.packet,
            from: packet.from,
            suffix: packet.suffix,
        })
    };
    for i in 0..N {
        let packet = &mut packets[i];
        // SAFETY: as above.
        packet.authentic = unsafe { C::is_front(outer[i], packet.received) };
        if !packet.authentic {
            // SAFETY: as above.
            unsafe { C::undo(packet.keys.keys(), packet.counter, packet.packet, packet.from) };
        }
    }
}

/// Encrypts or decrypts the packets and gives the states of their outer hashes.
#[inline(always)]
unsafe fn hashed<C: Cipher<AVX512>, P, const N: usize, const AVX512: bool, const SEAL: bool>(
    packets: &mut [P; N],
    job: impl Fn(&mut P) -> Job<'_>,
) -> [State<AVX512>; N] {
    let mut begun: [MaybeUninit<C::Packet<'_>>; N] = [const { MaybeUninit::uninit() }; N];
    // SAFETY: the caller says so.
    let mut states = [unsafe { State::load(None) }; N];
    let mut outer = states;
    let mut common = usize::MAX;
    for (i, packet) in packets.iter_mut().enumerate() {
        let Job { keys, counter, packet, from, suffix } = job(packet);
        // SAFETY: the caller says so.
        unsafe {
            states[i] = State::load(Some(&keys.inner));
            outer[i] = State::load(Some(&keys.outer));
            let header = from / SHA_BLOCK * SHA_BLOCK;
            if header > 0 {
                states[i] = C::add_header(states[i], &packet[..header]);
            }
            C::Packet::begin(&mut begun[i], keys, counter, packet, from, suffix);
            common = common.min(begun[i].assume_init_ref().left());
        }
    }
    // SAFETY: the caller says so.
    unsafe {
        let mut words = [[_mm_setzero_si128(); LANES]; N];
        for _ in 0..common {
            for i in 0..N {
                begun[i].assume_init_mut().next::<SEAL>(&mut words[i]);
            }
            sha_ni_many::add_words(&mut states, &words);
        }
        for i in 0..N {
            let packet = begun[i].assume_init_mut();
            while packet.left() > 0 {
                packet.next::<SEAL>(&mut words[i]);
                states[i].add_words(words[i]);
            }
        }
        for i in 0..N {
            words[i] = states[i].digest_words();
        }
        sha_ni_many::add_words(&mut outer, &words);
    }
    outer
}
