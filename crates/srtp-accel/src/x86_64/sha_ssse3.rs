//! SHA-1 without instructions for it: the message schedule in vectors beside the rounds, which BMI1 and BMI2 make shorter.

use std::arch::asm;
use std::arch::x86_64::*;

use super::sha1::{LANES, SHA_BLOCK, Sha1};
use super::store;
use crate::BLOCK;
use crate::cm::{INITIAL, TAG_LEN};

/// The five state words.
///
/// That a value exists proves that the processor has SSSE3; `BMI` says the same of AVX2, BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(crate) struct State<const BMI: bool>([u32; 5]);

impl<const BMI: bool> Sha1 for State<BMI> {
    #[inline(always)]
    unsafe fn load(saved: Option<&[u32; 5]>) -> Self {
        Self(*saved.unwrap_or(&INITIAL))
    }

    #[inline(always)]
    fn save(self) -> [u32; 5] {
        self.0
    }

    #[inline(always)]
    fn add(&mut self, lanes: [__m128i; LANES]) {
        // SAFETY: the value proves that the processor has SSSE3.
        self.add_words(&lanes.map(|lane| unsafe { big_endian(lane) }));
    }

    #[inline(always)]
    fn add_digest(&mut self, inner: Self) {
        let [a, b, c, d, e] = inner.0.map(u32::cast_signed);
        let bits = (SHA_BLOCK + TAG_LEN) as i32 * 8;
        // SAFETY: SSE2 is part of x86-64.
        let words = unsafe {
            [
                _mm_set_epi32(d, c, b, a),
                _mm_set_epi32(0, 0, i32::MIN, e),
                _mm_setzero_si128(),
                _mm_set_epi32(bits, 0, 0, 0),
            ]
        };
        self.add_words(&words);
    }

    #[inline(always)]
    fn digest(self) -> [u8; TAG_LEN] {
        let mut digest = [0; TAG_LEN];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.0) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

impl<const BMI: bool> State<BMI> {
    #[inline(always)]
    fn add_words(&mut self, words: &[__m128i; LANES]) {
        // SAFETY: the value proves that the processor has the instructions.
        unsafe {
            if BMI {
                add_bmi(&mut self.0, words);
            } else {
                add_ssse3(&mut self.0, words);
            }
        }
    }
}

/// The bytes of each word in the other order.
#[inline]
#[target_feature(enable = "ssse3")]
fn big_endian(lane: __m128i) -> __m128i {
    _mm_shuffle_epi8(lane, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}

#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn add_bmi(state: &mut [u32; 5], words: &[__m128i; LANES]) {
    add::<true>(state, *words);
}

#[inline(never)]
#[target_feature(enable = "ssse3")]
fn add_ssse3(state: &mut [u32; 5], words: &[__m128i; LANES]) {
    add::<false>(state, *words);
}

/// The constants of the four times twenty rounds, FIPS 180-4 section 4.2.1.
const CONSTANTS: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];
/// Registers of the message schedule.
const SCHEDULE: usize = 80 / 4;

/// FIPS 180-4 section 6.1.2; the first word is in the lowest lane. `BMI`: in a function that may use BMI1 and BMI2.
#[inline]
#[target_feature(enable = "ssse3")]
fn add<const BMI: bool>(state: &mut [u32; 5], words: [__m128i; LANES]) {
    /// Words with their rounds' constants, where the rounds read them one by one.
    #[repr(align(16))]
    struct Ready([[u8; BLOCK]; SCHEDULE]);
    let mut ready = Ready([[0; BLOCK]; SCHEDULE]);
    let mut w = [_mm_setzero_si128(); SCHEDULE];
    w[..LANES].copy_from_slice(&words);
    let [mut a, mut b, mut c, mut d, mut e] = *state;

    macro_rules! get_ready {
        ($i:expr) => {
            let constant = _mm_set1_epi32(CONSTANTS[$i / 5].cast_signed());
            store(&mut ready.0[$i], _mm_add_epi32(w[$i], constant));
        };
    }
    // Four words of the schedule of rounds 16 to 31.
    macro_rules! schedule {
        ($i:expr) => {
            let before = _mm_alignr_epi8::<8>(w[$i - 3], w[$i - 4]);
            let x = _mm_xor_si128(
                _mm_xor_si128(before, w[$i - 4]),
                _mm_xor_si128(w[$i - 2], _mm_srli_si128::<4>(w[$i - 1])),
            );
            // The last of the four depends on the first of them.
            let first = _mm_slli_si128::<12>(x);
            let rotated = _mm_or_si128(_mm_add_epi32(x, x), _mm_srli_epi32::<31>(x));
            w[$i] = _mm_xor_si128(
                _mm_xor_si128(rotated, _mm_srli_epi32::<30>(first)),
                _mm_slli_epi32::<2>(first),
            );
            get_ready!($i);
        };
    }
    // The same two steps back, where no word depends on one of the four.
    macro_rules! schedule_later {
        ($i:expr) => {
            let before = _mm_alignr_epi8::<8>(w[$i - 1], w[$i - 2]);
            let x = _mm_xor_si128(_mm_xor_si128(w[$i - 4], _mm_xor_si128(w[$i - 7], w[$i - 8])), before);
            w[$i] = _mm_or_si128(_mm_slli_epi32::<2>(x), _mm_srli_epi32::<30>(x));
            get_ready!($i);
        };
    }
    // One round: what waits for the round before comes last. `$function` adds f(b, c, d), the parts of which have no bits in
    // common where they are added one by one.
    macro_rules! round {
        ($rotate:ident, $function:ident, $word:literal, $a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
            concat!(
                concat!("add {", $e, ":e}, dword ptr [{ready} + {at} + ", $word, "]\n"),
                $function!($b, $c, $d, $e),
                $rotate!($a, $b),
                concat!("add {", $e, ":e}, {t:e}\n"),
            )
        };
    }
    macro_rules! rotate_bmi {
        ($a:literal, $b:literal) => {
            concat!(
                concat!("rorx {t:e}, {", $a, ":e}, 27\n"),
                concat!("rorx {", $b, ":e}, {", $b, ":e}, 2\n"),
            )
        };
    }
    macro_rules! rotate {
        ($a:literal, $b:literal) => {
            concat!(
                concat!("mov {t:e}, {", $a, ":e}\n"),
                concat!("rol {t:e}, 5\n"),
                concat!("ror {", $b, ":e}, 2\n"),
            )
        };
    }
    macro_rules! choose {
        ($b:literal, $c:literal, $d:literal, $e:literal) => {
            concat!(
                concat!("mov {u:e}, {", $c, ":e}\n"),
                concat!("xor {u:e}, {", $d, ":e}\n"),
                concat!("and {u:e}, {", $b, ":e}\n"),
                concat!("xor {u:e}, {", $d, ":e}\n"),
                concat!("add {", $e, ":e}, {u:e}\n"),
            )
        };
    }
    macro_rules! choose_bmi {
        ($b:literal, $c:literal, $d:literal, $e:literal) => {
            concat!(
                concat!("andn {t:e}, {", $b, ":e}, {", $d, ":e}\n"),
                concat!("mov {u:e}, {", $c, ":e}\n"),
                concat!("and {u:e}, {", $b, ":e}\n"),
                concat!("add {", $e, ":e}, {t:e}\n"),
                concat!("add {", $e, ":e}, {u:e}\n"),
            )
        };
    }
    macro_rules! parity {
        ($b:literal, $c:literal, $d:literal, $e:literal) => {
            concat!(
                concat!("mov {u:e}, {", $c, ":e}\n"),
                concat!("xor {u:e}, {", $d, ":e}\n"),
                concat!("xor {u:e}, {", $b, ":e}\n"),
                concat!("add {", $e, ":e}, {u:e}\n"),
            )
        };
    }
    macro_rules! majority {
        ($b:literal, $c:literal, $d:literal, $e:literal) => {
            concat!(
                concat!("mov {t:e}, {", $c, ":e}\n"),
                concat!("and {t:e}, {", $d, ":e}\n"),
                concat!("mov {u:e}, {", $c, ":e}\n"),
                concat!("xor {u:e}, {", $d, ":e}\n"),
                concat!("add {", $e, ":e}, {t:e}\n"),
                concat!("and {u:e}, {", $b, ":e}\n"),
                concat!("add {", $e, ":e}, {u:e}\n"),
            )
        };
    }
    macro_rules! four {
        (choose, $($rest:tt)*) => {
            if BMI {
                four!(in rotate_bmi, choose_bmi, $($rest)*);
            } else {
                four!(in rotate, choose, $($rest)*);
            }
        };
        ($function:ident, $($rest:tt)*) => {
            if BMI {
                four!(in rotate_bmi, $function, $($rest)*);
            } else {
                four!(in rotate, $function, $($rest)*);
            }
        };
        (in $rotate:ident, $function:ident, $i:literal, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident $(, $last:literal)?) => {
            // SAFETY: the value that is hashed into proves that the processor has the instructions; they touch the
            // registers that are named, and read four words.
            unsafe {
                asm!(
                    $(concat!("/* {last} ", $last, " */"),)?
                    round!($rotate, $function, 0, "a", "b", "c", "d", "e"),
                    round!($rotate, $function, 4, "e", "a", "b", "c", "d"),
                    round!($rotate, $function, 8, "d", "e", "a", "b", "c"),
                    round!($rotate, $function, 12, "c", "d", "e", "a", "b"),
                    a = inout(reg) $a,
                    b = inout(reg) $b,
                    c = inout(reg) $c,
                    d = inout(reg) $d,
                    e = inout(reg) $e,
                    t = out(reg) _,
                    u = out(reg) _,
                    // Ties the schedule to its place among the rounds: the compiler would do all of it first.
                    $(last = inout(xmm_reg) w[$last],)?
                    ready = in(reg) &ready,
                    at = const $i * BLOCK,
                    options(readonly, nostack),
                );
            }
        };
    }
    get_ready!(0);
    get_ready!(1);
    get_ready!(2);
    get_ready!(3);
    // The schedule is sixteen rounds ahead and runs beside them.
    schedule!(4);
    four!(choose, 0, a, b, c, d, e, 4);
    schedule!(5);
    four!(choose, 1, b, c, d, e, a, 5);
    schedule!(6);
    four!(choose, 2, c, d, e, a, b, 6);
    schedule!(7);
    four!(choose, 3, d, e, a, b, c, 7);
    schedule_later!(8);
    four!(choose, 4, e, a, b, c, d, 8);
    schedule_later!(9);
    four!(parity, 5, a, b, c, d, e, 9);
    schedule_later!(10);
    four!(parity, 6, b, c, d, e, a, 10);
    schedule_later!(11);
    four!(parity, 7, c, d, e, a, b, 11);
    schedule_later!(12);
    four!(parity, 8, d, e, a, b, c, 12);
    schedule_later!(13);
    four!(parity, 9, e, a, b, c, d, 13);
    schedule_later!(14);
    four!(majority, 10, a, b, c, d, e, 14);
    schedule_later!(15);
    four!(majority, 11, b, c, d, e, a, 15);
    schedule_later!(16);
    four!(majority, 12, c, d, e, a, b, 16);
    schedule_later!(17);
    four!(majority, 13, d, e, a, b, c, 17);
    schedule_later!(18);
    four!(majority, 14, e, a, b, c, d, 18);
    schedule_later!(19);
    four!(parity, 15, a, b, c, d, e);
    four!(parity, 16, b, c, d, e, a);
    four!(parity, 17, c, d, e, a, b);
    four!(parity, 18, d, e, a, b, c);
    four!(parity, 19, e, a, b, c, d);
    for (word, added) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(added);
    }
}
