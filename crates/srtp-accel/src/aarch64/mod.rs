//! Kernels of aarch64, with AES, PMULL and SHA-1. Each function names the instructions that its caller must have asked the
//! processor for. They are proven under an emulator, which says nothing of speed: they are plain for that reason.

mod aes;
pub(crate) mod cm;
pub(crate) mod gcm;
mod ghash;
mod sha1;

use std::arch::aarch64::*;

use crate::BLOCK;

/// Sixteen bytes into a register, from any address.
#[inline(always)]
pub(crate) fn load(bytes: &[u8; BLOCK]) -> uint8x16_t {
    // SAFETY: sixteen bytes can be read, and NEON is part of aarch64.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// A register into sixteen bytes, at any address.
#[inline(always)]
pub(crate) fn store(bytes: &mut [u8; BLOCK], value: uint8x16_t) {
    // SAFETY: sixteen bytes can be written, and NEON is part of aarch64.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), value) }
}
