//! AES-GCM on VAES and VPCLMULQDQ, four blocks in a register.
//!
//! Up to [`SHORT`] vectors a packet is one piece: the block that masks the tag is encrypted with the key stream, in the lane
//! in which the additional data is hashed, and the hash is reduced once. Longer packets go by [`WIDE`] vectors at once; the
//! processor runs their hash behind the encryption of those that follow.

use std::arch::x86_64::*;

use super::avx::{gcm_counters, ghash};
use super::ghash_512::{Sum, power, powers_from, reversed};
use super::load;
use crate::BLOCK;
use crate::gcm::{GCM_TAG_LEN, Keys, Nonce, POWERS};
use crate::round_keys::RoundKeys;

/// Bytes of a vector.
const VECTOR: usize = 64;
/// Blocks of a vector.
const LANES: usize = VECTOR / BLOCK;
/// Vectors that are encrypted side by side, and hashed with one reduction.
const WIDE: usize = 3;
/// Most vectors of a packet in one piece, and of the end of a longer one.
const SHORT: usize = 4;
const _: () = assert!(SHORT * LANES < POWERS && SHORT == WIDE + 1);

/// Encrypts `buf[from..]`; gives the tag.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
pub(crate) fn seal(keys: &Keys, nonce: Nonce, buf: &mut [u8], from: usize) -> [u8; GCM_TAG_LEN] {
    let packet = Packet::new(buf, from);
    let tag = match packet.vectors_with_mask() {
        1 => seal_short::<1>(keys, nonce, packet),
        2 => seal_short::<2>(keys, nonce, packet),
        3 => seal_short::<3>(keys, nonce, packet),
        4 => seal_short::<4>(keys, nonce, packet),
        _ => run_long::<false>(keys, nonce, &mut { packet }),
    };
    let mut bytes = [0; GCM_TAG_LEN];
    super::store(&mut bytes, tag);
    bytes
}

/// Decrypts `packet[from..]` if `received`, of 1 to 16 bytes, is the front of the tag.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
pub(crate) fn open(keys: &Keys, nonce: Nonce, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
    let packet = Packet::new(packet, from);
    match packet.vectors_with_mask() {
        1 => open_short::<1>(keys, nonce, packet, received),
        2 => open_short::<2>(keys, nonce, packet, received),
        3 => open_short::<3>(keys, nonce, packet, received),
        4 => open_short::<4>(keys, nonce, packet, received),
        _ => open_long(keys, nonce, packet, received),
    }
}

/// A packet of additional data and payload.
struct Packet<'a> {
    bytes: &'a mut [u8],
    /// Where the payload begins.
    from: usize,
}

impl<'a> Packet<'a> {
    #[inline(always)]
    fn new(bytes: &'a mut [u8], from: usize) -> Self {
        assert!(from <= bytes.len(), "the additional data is part of the packet");
        Self { bytes, from }
    }

    /// Bytes of the payload.
    #[inline(always)]
    fn payload(&self) -> usize {
        self.bytes.len() - self.from
    }

    /// Vectors of the payload behind a block of another purpose.
    #[inline(always)]
    fn vectors_with_mask(&self) -> usize {
        (BLOCK + self.payload()).div_ceil(VECTOR)
    }

    /// The last block of the additional data, which may be short, filled with zeros.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn additional_end(&self) -> __m128i {
        let at = self.additional_blocks() * BLOCK;
        let mask = _bzhi_u32(0xffff, (self.from - at) as u32) as __mmask16;
        // SAFETY: the mask leaves the bytes up to `from`.
        unsafe { _mm_maskz_loadu_epi8(mask, self.bytes.as_ptr().add(at).cast()) }
    }

    /// Blocks of the additional data before its end.
    #[inline(always)]
    fn additional_blocks(&self) -> usize {
        self.from.saturating_sub(1) / BLOCK
    }

    /// The hash of the additional data before its end, to be added to the end; its bytes reversed.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn additional_start(&self, keys: &Keys) -> __m128i {
        let (blocks, _) = self.bytes[..self.additional_blocks() * BLOCK].as_chunks();
        ghash::absorb(&keys.powers, blocks)
    }

    /// The bytes of the payload from `at` on that `mask` says, zeros for the others.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn load(&self, at: isize, mask: u64) -> __m512i {
        let from = self.bytes.as_ptr().wrapping_add(self.from).wrapping_offset(at);
        // SAFETY: the masks of `mask` leave bytes of the payload only.
        unsafe { _mm512_maskz_loadu_epi8(mask, from.cast()) }
    }

    /// Writes what [`load`](Self::load) reads.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn store(&mut self, at: isize, mask: u64, value: __m512i) {
        let to = self.bytes.as_mut_ptr().wrapping_add(self.from).wrapping_offset(at);
        // SAFETY: as in `load`.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), mask, value) }
    }

    /// Which bytes of vector `i` of the `N` of a short packet are bytes of the payload: all but the first block and what is
    /// behind the end.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn short_mask<const N: usize>(&self, i: usize) -> u64 {
        let first = if i == 0 { u64::MAX << BLOCK } else { u64::MAX };
        let left = BLOCK + self.payload() - (N - 1) * VECTOR;
        first & if i == N - 1 { _bzhi_u64(u64::MAX, left as u32) } else { u64::MAX }
    }

    /// Which bytes of the vector at `at` are bytes of the payload.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn mask(&self, at: usize) -> u64 {
        _bzhi_u64(u64::MAX, (self.payload() - at).min(VECTOR) as u32)
    }
}

/// The counter blocks of a packet. The first is [`MASK`](Self::MASK).
struct Counters {
    /// The nonce, and the counter in the order of the processor.
    start: __m512i,
}

impl Counters {
    /// The counter of the block that masks the tag.
    const MASK: u32 = 1;
    /// The counter of the payload's first block.
    const PAYLOAD: u32 = 2;

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn new(nonce: Nonce) -> Self {
        let Nonce { front, back } = nonce;
        Self { start: _mm512_broadcast_i32x4(_mm_set_epi64x(i64::from(back), front.cast_signed())) }
    }

    /// The four blocks from `counter` on.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn blocks(&self, counter: u32) -> __m512i {
        let lanes = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
        let counter = _mm512_maskz_set1_epi32(0x8888, counter.cast_signed());
        let order = _mm_set_epi32(0x0c0d_0e0f, 0x0b0a_0908, 0x0706_0504, 0x0302_0100);
        let blocks = _mm512_add_epi32(_mm512_add_epi32(self.start, lanes), counter);
        _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(order))
    }

    /// The key stream of `N` vectors from `counter` on.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
    fn stream<const N: usize>(&self, keys: &RoundKeys, counter: u32) -> [__m512i; N] {
        let mut blocks = [_mm512_setzero_si512(); N];
        for (i, block) in blocks.iter_mut().enumerate() {
            *block = self.blocks(counter + (i * LANES) as u32);
        }
        encrypt(keys, blocks)
    }
}

/// FIPS 197 section 5.1, for keys of 10 or 14 rounds.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn encrypt<const N: usize>(keys: &RoundKeys, mut blocks: [__m512i; N]) -> [__m512i; N] {
    const SHORT_KEY: usize = 10;
    const LONG_KEY: usize = 14;
    macro_rules! round {
        ($function:ident, $round:expr) => {
            let key = _mm512_broadcast_i32x4(load(&keys.keys[$round]));
            for block in &mut blocks {
                *block = $function(*block, key);
            }
        };
    }
    round!(_mm512_xor_si512, 0);
    for i in 1..SHORT_KEY {
        round!(_mm512_aesenc_epi128, i);
    }
    if keys.rounds() == SHORT_KEY {
        round!(_mm512_aesenclast_epi128, SHORT_KEY);
    } else {
        for i in SHORT_KEY..LONG_KEY {
            round!(_mm512_aesenc_epi128, i);
        }
        round!(_mm512_aesenclast_epi128, LONG_KEY);
    }
    blocks
}

/// `data`, and where `mask` is set with `stream` added.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn add_stream(data: __m512i, stream: __m512i, mask: u64) -> __m512i {
    _mm512_ternarylogic_epi64::<0x78>(data, stream, _mm512_movm_epi8(mask))
}

/// The product of the lengths, the last block that is hashed.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn lengths(keys: &Keys, packet: &Packet<'_>) -> Sum {
    let lengths = ghash::lengths(packet.from, packet.payload());
    Sum::new(ghash::Sum::product(lengths, load(&keys.powers[POWERS - 1])))
}

/// The bytes at which the vectors of a short packet begin: one block before the payload.
#[inline(always)]
fn short_at(vector: usize) -> isize {
    (vector * VECTOR) as isize - BLOCK as isize
}

/// The first block that a short packet hashes.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn short_start(keys: &Keys, packet: &Packet<'_>) -> __m512i {
    let mut first = packet.additional_end();
    if packet.additional_blocks() > 0 {
        first = _mm_xor_si128(first, ghash::reversed(packet.additional_start(keys)));
    }
    _mm512_zextsi128_si512(first)
}

/// The tag of a short packet of `N` vectors to hash, whose key stream begins with the block that masks the tag.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn short_tag<const N: usize>(
    keys: &Keys,
    packet: &Packet<'_>,
    hashed: [__m512i; N],
    stream: __m512i,
) -> __m128i {
    let blocks = (BLOCK + packet.payload()).div_ceil(BLOCK);
    let mut sum = lengths(keys, packet);
    for (i, hashed) in hashed.into_iter().enumerate() {
        sum.add_product(reversed(hashed), powers_from(keys, 1 + blocks - i * LANES));
    }
    _mm_xor_si128(ghash::reversed(sum.total()), _mm512_castsi512_si128(stream))
}

/// A packet of `N` vectors, the first of which begins with the additional data's end.
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn seal_short<const N: usize>(keys: &Keys, nonce: Nonce, mut packet: Packet<'_>) -> __m128i {
    let stream = Counters::new(nonce).stream::<N>(&keys.aes, Counters::MASK);
    let mut data = [_mm512_setzero_si512(); N];
    for (i, data) in data.iter_mut().enumerate() {
        *data = packet.load(short_at(i), packet.short_mask::<N>(i));
    }
    data[0] = _mm512_or_si512(data[0], short_start(keys, &packet));
    for i in 0..N {
        let mask = packet.short_mask::<N>(i);
        data[i] = add_stream(data[i], stream[i], mask);
        packet.store(short_at(i), mask, data[i]);
    }
    short_tag(keys, &packet, data, stream[0])
}

/// As [`seal_short`]; writes only what is authentic.
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn open_short<const N: usize>(keys: &Keys, nonce: Nonce, mut packet: Packet<'_>, received: &[u8]) -> bool {
    let stream = Counters::new(nonce).stream::<N>(&keys.aes, Counters::MASK);
    let mut data = [_mm512_setzero_si512(); N];
    let mut opened = [_mm512_setzero_si512(); N];
    for i in 0..N {
        data[i] = packet.load(short_at(i), packet.short_mask::<N>(i));
        opened[i] = _mm512_xor_si512(data[i], stream[i]);
    }
    data[0] = _mm512_or_si512(data[0], short_start(keys, &packet));
    let same = same_tag(short_tag(keys, &packet, data, stream[0]), received);
    if same {
        for (i, opened) in opened.iter().enumerate() {
            packet.store(short_at(i), packet.short_mask::<N>(i), *opened);
        }
    }
    same
}

/// Whether `received` is the front of `tag`, in constant time.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn same_tag(tag: __m128i, received: &[u8]) -> bool {
    let mask = _bzhi_u32(0xffff, received.len() as u32) as __mmask16;
    // SAFETY: the mask leaves the bytes of the slice, or the first sixteen of them.
    let received = unsafe { _mm_maskz_loadu_epi8(mask, received.as_ptr().cast()) };
    _mm_mask_cmpneq_epi8_mask(mask, tag, received) == 0
}

/// The hash of [`WIDE`] vectors behind `lanes`, each lane by itself.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn hash_wide(keys: &Keys, mut hashed: [__m512i; WIDE], lanes: __m512i) -> __m512i {
    hashed[0] = _mm512_xor_si512(hashed[0], lanes);
    let mut sum = Sum::zero();
    for (i, hashed) in hashed.into_iter().enumerate() {
        sum.add_product(hashed, power(keys, (WIDE - i) * LANES));
    }
    sum.reduced()
}

/// A packet of more than [`SHORT`] vectors. Each lane is hashed by itself until the last vectors; gives the tag.
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn run_long<const OPEN: bool>(keys: &Keys, nonce: Nonce, packet: &mut Packet<'_>) -> __m128i {
    let counters = Counters::new(nonce);
    let mask =
        gcm_counters::encrypt_block(&keys.aes, _mm512_castsi512_si128(counters.blocks(Counters::MASK)));
    let additional = _mm_xor_si128(ghash::reversed(packet.additional_end()), packet.additional_start(keys));
    let additional = ghash::Sum::product(additional, load(&keys.powers[POWERS - 1])).reduced();
    let mut lanes = _mm512_zextsi128_si512(additional);
    let mut counter = Counters::PAYLOAD;
    let (mut at, len) = (0, packet.payload());
    let mut hashed = [_mm512_setzero_si512(); WIDE];
    // The last vectors begin with a whole one, in which each lane ends.
    while len - at > (WIDE + 1) * VECTOR {
        let stream = counters.stream::<WIDE>(&keys.aes, counter);
        // The hash is one step behind: it runs beside the key stream.
        if at > 0 {
            lanes = hash_wide(keys, hashed, lanes);
        }
        for i in 0..WIDE {
            let data = packet.load(at as isize, u64::MAX);
            let other = _mm512_xor_si512(data, stream[i]);
            packet.store(at as isize, u64::MAX, other);
            hashed[i] = reversed(if OPEN { data } else { other });
            at += VECTOR;
        }
        counter += (WIDE * LANES) as u32;
    }
    if at > 0 {
        lanes = hash_wide(keys, hashed, lanes);
    }
    let mut sum = lengths(keys, packet);
    while at < len {
        let blocks = (len - at).div_ceil(BLOCK);
        let [stream] = counters.stream::<1>(&keys.aes, counter);
        let mask = packet.mask(at);
        let data = packet.load(at as isize, mask);
        let other = add_stream(data, stream, mask);
        packet.store(at as isize, mask, other);
        let hashed = _mm512_xor_si512(reversed(if OPEN { data } else { other }), lanes);
        sum.add_product(hashed, powers_from(keys, 1 + blocks));
        lanes = _mm512_setzero_si512();
        at += VECTOR;
        counter += LANES as u32;
    }
    _mm_xor_si128(ghash::reversed(sum.total()), mask)
}

/// As [`run_long`]; what is not authentic is put back.
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn open_long(keys: &Keys, nonce: Nonce, mut packet: Packet<'_>, received: &[u8]) -> bool {
    let tag = run_long::<true>(keys, nonce, &mut packet);
    let same = same_tag(tag, received);
    if !same {
        run_stream(keys, nonce, packet);
    }
    same
}

/// Adds the key stream without hashing.
#[cold]
#[target_feature(enable = "avx512bw,avx512vl,vaes,vpclmulqdq,bmi2")]
fn run_stream(keys: &Keys, nonce: Nonce, mut packet: Packet<'_>) {
    let counters = Counters::new(nonce);
    let mut counter = Counters::PAYLOAD;
    for at in (0..packet.payload()).step_by(VECTOR) {
        let mask = packet.mask(at);
        let at = at as isize;
        let [stream] = counters.stream::<1>(&keys.aes, counter);
        packet.store(at, mask, _mm512_xor_si512(packet.load(at, mask), stream));
        counter += LANES as u32;
    }
}
