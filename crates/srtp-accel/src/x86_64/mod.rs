//! Kernels of x86-64. Each function names the instructions that its caller must have asked the processor for.

#[macro_use]
mod aes_ni;
#[macro_use]
mod cm_lanes;
pub(crate) mod cm_lanes_many;
mod cm_many;
pub(crate) mod cm_vaes;
pub(crate) mod cm_vaes_many;
#[macro_use]
mod gcm_aes_ni;
#[macro_use]
mod gcm_counters;
#[macro_use]
mod gcm_piece;
pub(crate) mod gcm_vaes;
#[macro_use]
mod ghash;
mod ghash_512;
mod sha1;
pub(crate) mod sha_ni;
mod sha_ni_many;
pub(crate) mod sha_ssse3;

/// The kernels in registers of sixteen bytes, whose functions are compiled for `$features`.
macro_rules! registers_of_sixteen {
    ($name:ident, $features:literal) => {
        pub(crate) mod $name {
            pub(crate) mod aes_ni {
                aes_ni!($features);
            }
            pub(crate) mod cm_lanes {
                cm_lanes!($features);
            }
            pub(crate) mod gcm_aes_ni {
                gcm_aes_ni!($features);
            }
            pub(crate) mod gcm_counters {
                gcm_counters!($features);
            }
            mod gcm_piece {
                gcm_piece!($features);
            }
            pub(crate) mod ghash {
                ghash!($features);
            }
        }
    };
}

registers_of_sixteen!(sse, "aes,pclmulqdq,sse4.1");
// The same in an encoding that spares copies of registers.
registers_of_sixteen!(avx, "aes,pclmulqdq,avx2");

use std::arch::asm;
use std::arch::x86_64::*;

use crate::BLOCK;

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

/// Moves bytes by as many as `from` is below 16, up, or above it, down.
#[inline]
#[target_feature(enable = "ssse3")]
fn moved(value: __m128i, from: usize) -> __m128i {
    let moves = MOVES[from..].first_chunk().expect("a move is of 0 to 16 bytes");
    _mm_shuffle_epi8(value, load(moves))
}

/// Keeps the compiler from loading `value` ahead of a loop: the registers are needed for what changes.
#[inline(always)]
#[expect(clippy::pointers_in_nomem_asm_block, reason = "there is no instruction that could read or write")]
fn in_memory<T>(value: &T) -> &T {
    let mut address: *const T = value;
    // SAFETY: no instruction, so that the address stays as it is.
    unsafe {
        asm!("/* {0} */", inout(reg) address, options(nomem, nostack, preserves_flags));
        &*address
    }
}
