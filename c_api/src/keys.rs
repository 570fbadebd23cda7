//! Master keys of one direction.

use sealrtp_srtp::{KeySet, MasterKey, Suite};

use crate::boundary::{bytes, give, guard_or, take_back};

/// Master keys of one direction with their suite and session parameters; zeroised when freed.
#[allow(non_camel_case_types)]
pub struct sealrtp_keys(pub(crate) KeySet);

/// One master key and salt, without MKI, for the longest lifetime. Null if the suite is unknown or a length is not the
/// suite's.
///
/// # Safety
/// `key` points to `key_len` bytes and `salt` to `salt_len`, or they are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_keys_new(
    suite: u32,
    key: *const u8,
    key_len: usize,
    salt: *const u8,
    salt_len: usize,
) -> *mut sealrtp_keys {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let (key, salt) = unsafe { (bytes(key, key_len), bytes(salt, salt_len)) };
        let (Some(suite), Ok(key), Ok(salt)) = (Suite::from_id(suite), key, salt) else {
            return std::ptr::null_mut();
        };
        match MasterKey::new(suite, key, salt) {
            Ok(key) => give(sealrtp_keys(KeySet::single(key))),
            Err(_) => std::ptr::null_mut(),
        }
    })
}

/// Frees and zeroises the keys; null is nothing.
///
/// # Safety
/// `keys` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_keys_free(keys: *mut sealrtp_keys) {
    // SAFETY: the caller's promise.
    unsafe { take_back(keys) }
}
