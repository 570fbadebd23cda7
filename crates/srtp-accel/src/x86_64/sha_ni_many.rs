//! SHA-1 of several messages at a time on SHA-NI: while one chain waits for itself the others go on.

use std::arch::asm;
use std::arch::x86_64::*;

use super::sha_ni::State;
use super::sha1::LANES;

/// Hashes into each state the block of the same place, its first words in the highest lanes.
#[inline(always)]
pub(crate) fn add_words<const N: usize, const AVX512: bool>(
    states: &mut [State<AVX512>; N],
    words: &[[__m128i; LANES]; N],
) {
    let before = *states;
    let mut w: [[__m128i; N]; LANES] = std::array::from_fn(|i| std::array::from_fn(|n| words[n][i]));
    let mut abcd: [__m128i; N] = std::array::from_fn(|i| before[i].abcd);
    // SAFETY: the values prove that the processor has the instructions.
    unsafe {
        let mut e: [__m128i; N] = std::array::from_fn(|i| _mm_add_epi32(before[i].e, w[0][i]));
        let mut last = abcd;
        // Four rounds of every message.
        macro_rules! rounds {
            ($function:literal) => {
                for i in 0..N {
                    last[i] = abcd[i];
                    abcd[i] = _mm_sha1rnds4_epu32::<$function>(abcd[i], e[i]);
                }
                side_by_side(&mut abcd);
            };
        }
        // The same behind the words of register `$w`.
        macro_rules! given {
            ($function:literal, $w:literal) => {
                for i in 0..N {
                    e[i] = _mm_sha1nexte_epu32(last[i], w[$w][i]);
                }
                rounds!($function);
            };
        }
        // The same behind the next words of the message schedule.
        macro_rules! scheduled {
            ($function:literal, $w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
                for i in 0..N {
                    let sum = if AVX512 {
                        // Fewer steps of the processor, to which `sha1msg1` is two.
                        let third = _mm_alignr_epi8::<8>(w[$w0][i], w[$w1][i]);
                        _mm_ternarylogic_epi32::<0x96>(w[$w0][i], third, w[$w2][i])
                    } else {
                        _mm_xor_si128(_mm_sha1msg1_epu32(w[$w0][i], w[$w1][i]), w[$w2][i])
                    };
                    w[$w0][i] = _mm_sha1msg2_epu32(sum, w[$w3][i]);
                }
                given!($function, $w0);
            };
        }
        rounds!(0);
        given!(0, 1);
        given!(0, 2);
        given!(0, 3);
        scheduled!(0, 0, 1, 2, 3);
        scheduled!(1, 1, 2, 3, 0);
        scheduled!(1, 2, 3, 0, 1);
        scheduled!(1, 3, 0, 1, 2);
        scheduled!(1, 0, 1, 2, 3);
        scheduled!(1, 1, 2, 3, 0);
        scheduled!(2, 2, 3, 0, 1);
        scheduled!(2, 3, 0, 1, 2);
        scheduled!(2, 0, 1, 2, 3);
        scheduled!(2, 1, 2, 3, 0);
        scheduled!(2, 2, 3, 0, 1);
        scheduled!(3, 3, 0, 1, 2);
        scheduled!(3, 0, 1, 2, 3);
        scheduled!(3, 1, 2, 3, 0);
        scheduled!(3, 2, 3, 0, 1);
        scheduled!(3, 3, 0, 1, 2);
        for i in 0..N {
            states[i].abcd = _mm_add_epi32(abcd[i], before[i].abcd);
            states[i].e = _mm_sha1nexte_epu32(last[i], before[i].e);
        }
    }
}

/// Keeps the compiler from going through one chain after the other, which it would to need fewer registers.
#[inline(always)]
fn side_by_side<const N: usize>(chains: &mut [__m128i; N]) {
    for i in 1..N {
        let [mut a, mut b] = [chains[i - 1], chains[i]];
        // SAFETY: no instruction, so that the registers stay as they are.
        unsafe {
            asm!("/* {a} {b} */", a = inout(xmm_reg) a, b = inout(xmm_reg) b, options(nomem, nostack, preserves_flags));
        }
        [chains[i - 1], chains[i]] = [a, b];
    }
}
