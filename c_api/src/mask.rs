//! Descriptions without their keys, to be shown.

use std::ffi::c_char;

use crate::boundary::{bytes, bytes_mut, guard};
use crate::result::sealrtp_result::{self, *};

/// Writes `text`, a description or any text that may have one in it, with each key of `a=crypto`, `a=key-mgmt` and `k=` replaced by as many
/// `*`, for logs, events and variables. It becomes exactly as long as it was, so `out` may be `text` itself and needs `len` bytes.
///
/// # Safety
/// `text` points to `len` bytes or is null, `out` has `len` bytes or is null; they are the same or do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdp_mask(
    text: *const c_char,
    len: usize,
    out: *mut c_char,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let masked = unsafe {
            if !std::ptr::eq(text, out) {
                bytes_mut(out.cast(), len)?.copy_from_slice(bytes(text.cast(), len)?);
            }
            bytes_mut(out.cast(), len)?
        };
        sealrtp_sdp::mask(masked);
        Ok(SEALRTP_OK)
    })
}
