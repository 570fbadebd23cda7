//! Suites by number and name.

use std::ffi::c_char;

use sealrtp_srtp::Suite;

use crate::boundary::{guard_or, text};

/// Numbers of the suites; they never change.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_suite {
    /// RFC 4568.
    SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_80 = 1,
    /// RFC 4568.
    SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_32 = 2,
    /// RFC 6188.
    SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_80 = 3,
    /// RFC 6188.
    SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_32 = 4,
    /// RFC 6188.
    SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_80 = 5,
    /// RFC 6188.
    SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_32 = 6,
    /// RFC 7714.
    SEALRTP_SUITE_AEAD_AES_128_GCM = 7,
    /// RFC 7714.
    SEALRTP_SUITE_AEAD_AES_256_GCM = 8,
    /// 8-byte tag, from the drafts of RFC 7714.
    SEALRTP_SUITE_AEAD_AES_128_GCM_8 = 9,
    /// 8-byte tag, from the drafts of RFC 7714.
    SEALRTP_SUITE_AEAD_AES_256_GCM_8 = 10,
    /// RFC 4568.
    SEALRTP_SUITE_F8_128_HMAC_SHA1_80 = 11,
    /// Authentication only.
    SEALRTP_SUITE_NULL_HMAC_SHA1_80 = 12,
    /// Authentication only.
    SEALRTP_SUITE_NULL_HMAC_SHA1_32 = 13,
    /// Encryption only.
    SEALRTP_SUITE_AES_CM_128_NULL_AUTH = 14,
}

/// The suite's name as in the RFCs, or null for a number of none. The text lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_suite_name(suite: u32) -> *const c_char {
    guard_or(std::ptr::null(), || {
        Suite::from_id(suite).map_or(std::ptr::null(), |suite| suite.c_name().as_ptr())
    })
}

/// The number of the suite with this name, in any spelling of the field; 0 for none.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_suite_from_name(name: *const c_char) -> u32 {
    guard_or(0, || {
        // SAFETY: the caller's promise.
        let name = unsafe { text(name) };
        name.ok().and_then(Suite::from_name).map_or(0, |suite| suite as u32)
    })
}
