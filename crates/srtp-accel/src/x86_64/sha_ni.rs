//! SHA-1 on SHA-NI, its state in two registers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::sha1::{LANES, SHA_BLOCK, Sha1};
use super::store;
use crate::cm::{INITIAL, TAG_LEN};

/// The five state words: a to d with a in the highest lane, as the instructions want them, and e in the highest of its own.
///
/// That a value exists proves that the processor has SHA-NI and SSSE3.
/// `AVX512` says the same of AVX-512F and VL, and unless it is `SSE` the same of AVX.
#[derive(Clone, Copy)]
pub(crate) struct State<const AVX512: bool, const SSE: bool = false> {
    pub(super) abcd: __m128i,
    pub(super) e: __m128i,
}

/// All sixteen bytes change places: words are big-endian, and the first belongs into the highest lane.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn reversed(lane: __m128i) -> __m128i {
    _mm_shuffle_epi8(lane, _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
}

impl<const AVX512: bool, const SSE: bool> Sha1 for State<AVX512, SSE> {
    #[inline(always)]
    unsafe fn load(saved: Option<&[u32; 5]>) -> Self {
        let [a, b, c, d, e] = INITIAL;
        let initial = [d, c, b, a, e];
        let [abcd @ .., e] = saved.unwrap_or(&initial);
        // SAFETY: SSE2 is part of x86-64, and sixteen bytes can be read.
        unsafe {
            let abcd = _mm_loadu_si128((&raw const *abcd).cast());
            Self { abcd, e: _mm_slli_si128::<12>(_mm_cvtsi32_si128(e.cast_signed())) }
        }
    }

    #[inline(always)]
    fn save(self) -> [u32; 5] {
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(self.digest().as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        words[..4].reverse();
        words
    }

    #[inline(always)]
    fn add(&mut self, lanes: [__m128i; LANES]) {
        // SAFETY: the value proves that the processor has SSSE3.
        self.add_words(lanes.map(|lane| unsafe { reversed(lane) }));
    }

    #[inline(always)]
    fn add_digest(&mut self, inner: Self) {
        self.add_words(inner.digest_words());
    }

    #[inline(always)]
    fn digest(self) -> [u8; TAG_LEN] {
        let mut digest = [0; TAG_LEN];
        let [front, back] = self.digest_lanes();
        let (whole, rest) = digest.split_first_chunk_mut().expect("a digest is longer");
        store(whole, front);
        // SAFETY: SSE2 is part of x86-64.
        rest.copy_from_slice(&unsafe { _mm_cvtsi128_si32(back) }.to_ne_bytes());
        digest
    }
}

impl<const AVX512: bool, const SSE: bool> State<AVX512, SSE> {
    /// The digest's first sixteen bytes, and the last four with twelve zeros.
    #[inline(always)]
    pub(crate) fn digest_lanes(self) -> [__m128i; 2] {
        // SAFETY: the value proves that the processor has SSSE3.
        [self.abcd, self.e].map(|lane| unsafe { reversed(lane) })
    }

    /// This state as the message of HMAC's outer hash, padded; the first words in the highest lanes.
    #[inline(always)]
    pub(crate) fn digest_words(self) -> [__m128i; LANES] {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let end = _mm_set_epi32(0, i32::MIN, 0, 0);
            let bits = _mm_set_epi32(0, 0, 0, (SHA_BLOCK + TAG_LEN) as i32 * 8);
            [self.abcd, _mm_or_si128(self.e, end), _mm_setzero_si128(), bits]
        }
    }

    /// Eighty rounds in as many instructions as they need, in a form that the compiler puts in line at every place.
    ///
    /// The first words are in the highest lanes.
    #[inline(always)]
    pub(crate) fn add_words(&mut self, words: [__m128i; LANES]) {
        let [w0, w1, w2, w3] = words;
        // SAFETY: SSE2 is part of x86-64.
        let (mut abcd, mut last) = (self.abcd, unsafe { _mm_add_epi32(self.e, w0) });
        // Four rounds: `$e` becomes e with the words added, `$last` keeps a to d for the e that follows.
        macro_rules! rounds {
            ($v:literal, $function:literal, $e:literal, $last:literal, $w:literal) => {
                concat!(
                    concat!("sha1nexte {", $e, "}, {", $w, "}\n"),
                    concat!($v, "movdqa {", $last, "}, {abcd}\n"),
                    concat!("sha1rnds4 {abcd}, {", $e, "}, ", $function, "\n"),
                )
            };
        }
        // The next words of the message schedule.
        macro_rules! schedule {
            ($w0:literal, $w1:literal, $w2:literal, $w3:literal, $t:literal) => {
                concat!(
                    concat!("sha1msg1 {", $w0, "}, {", $w1, "}\n"),
                    concat!("vpxor {", $w0, "}, {", $w0, "}, {", $w2, "}\n"),
                    concat!("sha1msg2 {", $w0, "}, {", $w3, "}\n"),
                )
            };
        }
        macro_rules! schedule_sse {
            ($w0:literal, $w1:literal, $w2:literal, $w3:literal, $t:literal) => {
                concat!(
                    concat!("sha1msg1 {", $w0, "}, {", $w1, "}\n"),
                    concat!("pxor {", $w0, "}, {", $w2, "}\n"),
                    concat!("sha1msg2 {", $w0, "}, {", $w3, "}\n"),
                )
            };
        }
        // The same in fewer steps of the processor, to which `sha1msg1` is two.
        macro_rules! schedule_avx512 {
            ($w0:literal, $w1:literal, $w2:literal, $w3:literal, $t:literal) => {
                concat!(
                    concat!("vpalignr {", $t, "}, {", $w0, "}, {", $w1, "}, 8\n"),
                    concat!("vpternlogd {", $w0, "}, {", $t, "}, {", $w2, "}, 0x96\n"),
                    concat!("sha1msg2 {", $w0, "}, {", $w3, "}\n"),
                )
            };
        }
        // Four rounds on the next words.
        macro_rules! scheduled {
            ($v:literal, $schedule:ident, $function:literal, $e:literal, $last:literal, $w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
                // `$last` is free until the rounds fill it.
                concat!($schedule!($w0, $w1, $w2, $w3, $last), rounds!($v, $function, $e, $last, $w0))
            };
        }
        // `$v`: the prefix of AVX's encoding, which of the instructions between SHA-NI's does not wait for what the register held.
        macro_rules! eighty {
            ($v:literal, $schedule:ident, $add:literal) => {
                asm!(
                    concat!($v, "movdqa {x}, {abcd}"),
                    "sha1rnds4 {abcd}, {y}, 0",
                    rounds!($v, 0, "x", "y", "w1"),
                    rounds!($v, 0, "y", "x", "w2"),
                    rounds!($v, 0, "x", "y", "w3"),
                    scheduled!($v, $schedule, 0, "y", "x", "w0", "w1", "w2", "w3"),
                    scheduled!($v, $schedule, 1, "x", "y", "w1", "w2", "w3", "w0"),
                    scheduled!($v, $schedule, 1, "y", "x", "w2", "w3", "w0", "w1"),
                    scheduled!($v, $schedule, 1, "x", "y", "w3", "w0", "w1", "w2"),
                    scheduled!($v, $schedule, 1, "y", "x", "w0", "w1", "w2", "w3"),
                    scheduled!($v, $schedule, 1, "x", "y", "w1", "w2", "w3", "w0"),
                    scheduled!($v, $schedule, 2, "y", "x", "w2", "w3", "w0", "w1"),
                    scheduled!($v, $schedule, 2, "x", "y", "w3", "w0", "w1", "w2"),
                    scheduled!($v, $schedule, 2, "y", "x", "w0", "w1", "w2", "w3"),
                    scheduled!($v, $schedule, 2, "x", "y", "w1", "w2", "w3", "w0"),
                    scheduled!($v, $schedule, 2, "y", "x", "w2", "w3", "w0", "w1"),
                    scheduled!($v, $schedule, 3, "x", "y", "w3", "w0", "w1", "w2"),
                    scheduled!($v, $schedule, 3, "y", "x", "w0", "w1", "w2", "w3"),
                    scheduled!($v, $schedule, 3, "x", "y", "w1", "w2", "w3", "w0"),
                    scheduled!($v, $schedule, 3, "y", "x", "w2", "w3", "w0", "w1"),
                    scheduled!($v, $schedule, 3, "x", "y", "w3", "w0", "w1", "w2"),
                    // Adds the state before.
                    "sha1nexte {y}, {e}",
                    $add,
                    abcd = inout(xmm_reg) abcd,
                    before = in(xmm_reg) self.abcd,
                    e = in(xmm_reg) self.e,
                    x = out(xmm_reg) _,
                    y = inout(xmm_reg) last,
                    w0 = inout(xmm_reg) w0 => _,
                    w1 = inout(xmm_reg) w1 => _,
                    w2 = inout(xmm_reg) w2 => _,
                    w3 = inout(xmm_reg) w3 => _,
                    options(pure, nomem, nostack, preserves_flags),
                )
            };
        }
        // SAFETY: the value proves that the processor has the instructions; they touch the registers that are named, and no memory.
        unsafe {
            if SSE {
                eighty!("", schedule_sse, "paddd {abcd}, {before}");
            } else if AVX512 {
                eighty!("v", schedule_avx512, "vpaddd {abcd}, {abcd}, {before}");
            } else {
                eighty!("v", schedule, "vpaddd {abcd}, {abcd}, {before}");
            }
        }
        *self = Self { abcd, e: last };
    }
}
