//! The C ABI of SealRTP: `include/sealrtp.h` is made from here by cbindgen.
//!
//! Handles are opaque and owned by who made them. Every function takes null for a handle and answers
//! `SEALRTP_E_ARGUMENT`; no panic crosses into C. Structs that C fills or reads begin with their size, so that either side
//! may be older than the other.

mod address;
mod boundary;
mod config;
mod counters;
mod dtls;
mod event;
mod keys;
mod leg;
mod leg_event;
mod leg_line;
mod leg_options;
mod leg_user;
mod mask;
mod offer_answer;
mod passthrough;
mod policies;
mod recording;
mod relay;
mod result;
mod sdes;
mod session;
mod session_dtls;
mod session_zrtp;
mod srtp_path;
mod suite;
mod zrtp;

pub use address::sealrtp_address;
pub use config::*;
pub use counters::{sealrtp_direction_stats, sealrtp_session_stats};
pub use dtls::*;
pub use event::*;
pub use keys::*;
pub use leg::*;
pub use leg_event::*;
pub use leg_line::*;
pub use leg_options::*;
pub use leg_user::*;
pub use mask::*;
pub use offer_answer::*;
pub use passthrough::*;
pub use policies::*;
pub use recording::*;
pub use relay::*;
pub use result::*;
pub use sdes::*;
pub use session::*;
pub use session_dtls::*;
pub use session_zrtp::*;
pub use srtp_path::*;
pub use suite::*;
pub use zrtp::*;

use std::ffi::c_char;

use boundary::{bytes_mut, guard};
use sealrtp_result::{SEALRTP_E_RANDOM, SEALRTP_OK};

/// The version of this ABI: it changes when a caller must be built anew.
pub const SEALRTP_ABI_VERSION: u32 = 2;

/// The ABI version of the library that is loaded; compare it with SEALRTP_ABI_VERSION before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_abi_version() -> u32 {
    SEALRTP_ABI_VERSION
}

/// The library's version, e.g. "0.1.0". The text lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Fills `buf` from the system's random generator.
///
/// # Safety
/// `buf` points to `len` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_random(buf: *mut u8, len: usize) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let buf = unsafe { bytes_mut(buf, len)? };
        getrandom::fill(buf).map_err(|_| SEALRTP_E_RANDOM)?;
        Ok(SEALRTP_OK)
    })
}
