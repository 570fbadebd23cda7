//! Which instructions packets go through, for who reads logs.

use std::ffi::{CString, c_char};
use std::ptr::null;
use std::sync::OnceLock;

use sealrtp_srtp::Path;

/// The set of the processor's instructions that SRTP packets of this process go through, e.g. "vaes-512", "sha-ni", or
/// "portable": its best, or the one that the environment's SEALRTP_SRTP_PATH names. All give the same bytes. The text
/// lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_srtp_path() -> *const c_char {
    static NAME: OnceLock<CString> = OnceLock::new();
    NAME.get_or_init(|| CString::new(Path::chosen().name()).unwrap_or_default()).as_ptr()
}

/// What is wrong with SEALRTP_SRTP_PATH, to be logged once; null if nothing is. The processor's best path is in use then. The
/// text lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_srtp_path_error() -> *const c_char {
    static ERROR: OnceLock<Option<CString>> = OnceLock::new();
    let error = ERROR.get_or_init(|| {
        Path::requested().err().map(|error| CString::new(error.to_string()).unwrap_or_default())
    });
    error.as_ref().map_or(null(), |text| text.as_ptr())
}
