//! AES-CM with HMAC-SHA1 on VAES in 512 bits and SHA-NI.
//!
//! The packet is worked on as SHA-1's blocks lie in it: each is in one register, where the key stream that has been moved
//! into its place is added, and goes from there into the hash and to memory. Nothing that was written is read back.

use std::arch::x86_64::*;

use super::sha_ni;
use super::sha1::{LANES, SHA_BLOCK, Sha1};
use super::{in_memory, load};
use crate::cm::{Keys, TAG_LEN};
use crate::round_keys::RoundKeys;

pub(super) type State = sha_ni::State<true>;

/// Bytes 0 to 63 in their order.
static IN_ORDER: [u8; SHA_BLOCK] = {
    let mut bytes = [0; SHA_BLOCK];
    let mut i = 0;
    while i < SHA_BLOCK {
        bytes[i] = i as u8;
        i += 1;
    }
    bytes
};

/// Seals with `keys`; see [`CmHmacSha1::seal`](crate::CmHmacSha1::seal).
#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(crate) fn seal(
    keys: &Keys,
    counter: u128,
    buf: &mut [u8],
    from: usize,
    suffix: [u8; 4],
) -> [u8; TAG_LEN] {
    match keys.aes.rounds() {
        10 => seal_rounds::<10>(keys, counter, buf, from, suffix),
        12 => seal_rounds::<12>(keys, counter, buf, from, suffix),
        _ => seal_rounds::<14>(keys, counter, buf, from, suffix),
    }
}

/// Opens with `keys`; see [`CmHmacSha1::open`](crate::CmHmacSha1::open).
#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(crate) fn open(
    keys: &Keys,
    counter: u128,
    packet: &mut [u8],
    from: usize,
    suffix: [u8; 4],
    received: &[u8],
) -> bool {
    match keys.aes.rounds() {
        10 => open_rounds::<10>(keys, counter, packet, from, suffix, received),
        12 => open_rounds::<12>(keys, counter, packet, from, suffix, received),
        _ => open_rounds::<14>(keys, counter, packet, from, suffix, received),
    }
}

#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
fn seal_rounds<const ROUNDS: usize>(
    keys: &Keys,
    counter: u128,
    buf: &mut [u8],
    from: usize,
    suffix: [u8; 4],
) -> [u8; TAG_LEN] {
    // The hash waits for the cipher, which therefore begins before anything else.
    let mut stream = Stream::<ROUNDS>::new(&keys.aes, counter, from);
    let mut next = stream.next();
    let end = End::new(buf.len(), suffix);
    // SAFETY: the processor has the instructions.
    let mut state = unsafe { State::load(Some(&keys.inner)) };
    let (header, rest) = buf.split_at_mut(from / SHA_BLOCK * SHA_BLOCK);
    if !header.is_empty() {
        state = add_header(state, header);
    }
    let (blocks, rest) = rest.as_chunks_mut::<SHA_BLOCK>();
    for block in blocks {
        let sealed = _mm512_xor_si512(load_block(block), next);
        store_block(block, sealed);
        // Ahead of the hash, so that it runs in its shadow.
        next = stream.next();
        add(&mut state, sealed);
    }
    let sealed = _mm512_xor_si512(load_front(rest), _mm512_maskz_mov_epi8(front(rest.len()), next));
    store_front(rest, sealed);
    end.add(state, sealed, keys).digest()
}

#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
fn open_rounds<const ROUNDS: usize>(
    keys: &Keys,
    counter: u128,
    packet: &mut [u8],
    from: usize,
    suffix: [u8; 4],
    received: &[u8],
) -> bool {
    let end = End::new(packet.len(), suffix);
    // SAFETY: the processor has the instructions.
    let mut state = unsafe { State::load(Some(&keys.inner)) };
    let (header, rest) = packet.split_at_mut(from / SHA_BLOCK * SHA_BLOCK);
    if !header.is_empty() {
        state = add_header(state, header);
    }
    let mut stream = Stream::<ROUNDS>::new(&keys.aes, counter, from);
    let (blocks, last) = rest.as_chunks_mut::<SHA_BLOCK>();
    for block in blocks {
        let sealed = load_block(block);
        store_block(block, _mm512_xor_si512(sealed, stream.next()));
        add(&mut state, sealed);
    }
    let sealed = load_front(last);
    store_front(last, _mm512_xor_si512(sealed, stream.next()));
    let same = starts_with(end.add(state, sealed, keys).digest_lanes(), received);
    if !same {
        // What was decrypted beside the hash goes back to what it was.
        crypt(Stream::<ROUNDS>::new(&keys.aes, counter, from), rest);
    }
    same
}

/// Adds the key stream to `data`, which starts with the SHA-1 block that the payload starts in.
#[cold]
#[inline(never)]
#[target_feature(enable = "sha,vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(super) fn crypt<const ROUNDS: usize>(mut stream: Stream<'_, ROUNDS>, data: &mut [u8]) {
    let (blocks, last) = data.as_chunks_mut::<SHA_BLOCK>();
    for block in blocks {
        let bytes = load_block(block);
        store_block(block, _mm512_xor_si512(bytes, stream.next()));
    }
    let bytes = load_front(last);
    store_front(last, _mm512_xor_si512(bytes, stream.next()));
}

/// The key stream of a packet, cut as SHA-1's blocks cut it.
pub(super) struct Stream<'a, const ROUNDS: usize> {
    keys: &'a RoundKeys,
    /// The next four counters.
    counters: __m512i,
    /// Four counters each that were made so far.
    made: u32,
    /// The key stream behind `counters`.
    last: __m512i,
    /// For each byte of a block, which one of `last` and the 64 bytes that follow belongs there.
    places: __m512i,
}

impl<'a, const ROUNDS: usize> Stream<'a, ROUNDS> {
    #[inline]
    #[target_feature(enable = "vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub(super) fn new(keys: &'a RoundKeys, counter: u128, from: usize) -> Self {
        let counter = (counter & !0xffff).to_be();
        let counters =
            _mm512_mask_set1_epi64(_mm512_set1_epi64(counter as i64), 0b1010_1010, (counter >> 64) as i64);
        let first = _mm512_set_epi64(3 << 56, 0, 2 << 56, 0, 1 << 56, 0, 0, 0);
        Self {
            keys,
            counters: _mm512_xor_si512(counters, first),
            made: 0,
            // Header bytes get zeros.
            last: _mm512_setzero_si512(),
            places: _mm512_add_epi8(
                load_block(&IN_ORDER),
                _mm512_set1_epi8((SHA_BLOCK - from % SHA_BLOCK) as i8),
            ),
        }
    }

    #[inline]
    #[target_feature(enable = "vaes,avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub(super) fn next(&mut self) -> __m512i {
        let keys = in_memory(self.keys);
        let key = |i: usize| _mm512_broadcast_i32x4(load(&keys.keys[i]));
        let rounds = self.keys.rounds_or::<ROUNDS>();
        let mut made = _mm512_xor_si512(self.counters, key(0));
        for i in 1..10 {
            made = _mm512_aesenc_epi128(made, key(i));
        }
        if rounds > 10 {
            made = _mm512_aesenc_epi128(_mm512_aesenc_epi128(made, key(10)), key(11));
        }
        if rounds > 12 {
            made = _mm512_aesenc_epi128(_mm512_aesenc_epi128(made, key(12)), key(13));
        }
        made = _mm512_aesenclast_epi128(made, key(rounds));
        // The counter's last byte is the highest of its word and drops its carry, which the byte before it gets every 256.
        self.made += 1;
        let step = |last: i64, carry: i64| {
            _mm512_set_epi64(last + carry, 0, last + carry, 0, last + carry, 0, last + carry, 0)
        };
        self.counters = _mm512_add_epi64(
            self.counters,
            if self.made.is_multiple_of(64) { step(4 << 56, 1 << 48) } else { step(4 << 56, 0) },
        );
        let placed = _mm512_permutex2var_epi8(self.last, self.places, made);
        self.last = made;
        placed
    }
}

/// What follows the packet in SHA-1's message: the suffix, the padding and the length (FIPS 180-4 section 5.1.1).
pub(super) struct End {
    pub(super) first: __m512i,
    /// Where the length has no room in the block that the packet ends in.
    pub(super) second: Option<__m512i>,
}

impl End {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub(super) fn new(len: usize, suffix: [u8; 4]) -> Self {
        let left = len % SHA_BLOCK;
        let mark = 0x80 << 32 | u64::from(u32::from_le_bytes(suffix));
        let mark = _mm512_zextsi128_si512(_mm_cvtsi64_si128(mark.cast_signed()));
        // Goes round: what does not fit behind the packet is at the front of the block that follows.
        let places = _mm512_sub_epi8(load_block(&IN_ORDER), _mm512_set1_epi8(left as i8));
        let behind = _mm512_maskz_permutexvar_epi8(!front(left), places, mark);
        // One length covers the key block, the packet and the suffix.
        let bits = (SHA_BLOCK + len + suffix.len()) as u64 * 8;
        let bits = _mm512_maskz_set1_epi64(0x80, bits.swap_bytes().cast_signed());
        if left + suffix.len() + 1 + size_of::<u64>() <= SHA_BLOCK {
            Self { first: _mm512_or_si512(behind, bits), second: None }
        } else {
            let round = _mm512_maskz_permutexvar_epi8(front(left), places, mark);
            Self { first: behind, second: Some(_mm512_or_si512(round, bits)) }
        }
    }

    /// Hashes `last`, the bytes that whole blocks leave of the packet, and the end; then the outer hash.
    #[inline]
    #[target_feature(enable = "sha,avx512f,avx512bw")]
    fn add(self, mut state: State, last: __m512i, keys: &Keys) -> State {
        let mut block = _mm512_or_si512(last, self.first);
        if let Some(second) = self.second {
            add(&mut state, block);
            block = second;
        }
        add(&mut state, block);
        // SAFETY: the processor has the instructions.
        let mut outer = unsafe { State::load(Some(&keys.outer)) };
        outer.add_digest(state);
        outer
    }
}

/// Hashes the blocks of a header that is longer than one: rare.
#[cold]
#[inline(never)]
#[target_feature(enable = "sha,avx512f,avx512bw")]
pub(super) fn add_header(mut state: State, header: &[u8]) -> State {
    for block in header.as_chunks::<SHA_BLOCK>().0 {
        add(&mut state, load_block(block));
    }
    state
}

/// Hashes a block.
#[inline]
#[target_feature(enable = "sha,avx512f,avx512bw")]
pub(super) fn add(state: &mut State, block: __m512i) {
    state.add_words(words(block));
}

/// The words of a block, the first in the highest lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn words(block: __m512i) -> [__m128i; LANES] {
    let reverse = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f));
    let words = _mm512_shuffle_epi8(block, reverse);
    [
        _mm512_castsi512_si128(words),
        _mm512_extracti32x4_epi32::<1>(words),
        _mm512_extracti32x4_epi32::<2>(words),
        _mm512_extracti32x4_epi32::<3>(words),
    ]
}

/// Whether `received` is the front of a digest, 1 to 20 bytes of it, in constant time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn starts_with(digest: [__m128i; 2], received: &[u8]) -> bool {
    if !(1..=TAG_LEN).contains(&received.len()) {
        return false;
    }
    let mask = front(received.len());
    _mm512_mask_cmpneq_epi8_mask(mask, wide(digest), load_front(received)) == 0
}

/// A digest in front of what may be anything.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn wide(digest: [__m128i; 2]) -> __m512i {
    _mm512_castsi256_si512(_mm256_set_m128i(digest[1], digest[0]))
}

/// A mask of the first `len` bytes; `len` is below 64.
#[inline(always)]
pub(super) fn front(len: usize) -> __mmask64 {
    (1 << len) - 1
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_block(bytes: &[u8; SHA_BLOCK]) -> __m512i {
    // SAFETY: sixty-four bytes can be read.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_block(bytes: &mut [u8; SHA_BLOCK], value: __m512i) {
    // SAFETY: sixty-four bytes can be written.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
}

/// Fewer than 64 bytes, and zeros behind them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn load_front(bytes: &[u8]) -> __m512i {
    // SAFETY: only the mask's bytes are read, and they are not more than there are.
    unsafe { _mm512_maskz_loadu_epi8(front(bytes.len().min(SHA_BLOCK - 1)), bytes.as_ptr().cast()) }
}

/// Fewer than 64 bytes of `value`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn store_front(bytes: &mut [u8], value: __m512i) {
    // SAFETY: only the mask's bytes are written, and they are not more than there are.
    unsafe {
        _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), front(bytes.len().min(SHA_BLOCK - 1)), value)
    }
}
