//! Configuration: the keys of `sealrtp.conf`, one by one.

use std::ffi::c_char;

use sealrtp_policy::{Config, Consequence, Failure, ZrtpRule};
use sealrtp_srtp::Limits;

use crate::boundary::{give, guard, guard_or, shared, take_back, text, unique, write_text};
use crate::event::sealrtp_failure;
use crate::result::sealrtp_result::{self, *};

/// What streams and negotiations may do. They copy what they need: a later change concerns later calls.
#[allow(non_camel_case_types)]
pub struct sealrtp_config(pub(crate) Config);

impl sealrtp_config {
    pub(crate) fn limits(&self) -> Limits {
        self.0.limits()
    }

    pub(crate) fn sdes(&self) -> ::sealrtp_sdes::Config {
        ::sealrtp_sdes::Config {
            suites: self.0.suites().to_vec(),
            lifetime: self.0.lifetime(),
            mki_length: self.0.mki_length(),
            key_derivation_rate: self.0.key_derivation_rate(),
            session_parameters: self.0.session_parameters().to_vec(),
            libsrtp_aes192: self.0.libsrtp_aes192(),
        }
    }
}

/// The defaults. Null only if the library is at fault.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_config_new() -> *mut sealrtp_config {
    guard_or(std::ptr::null_mut(), || give(sealrtp_config(Config::default())))
}

/// Sets one key, as in `sealrtp.conf`. On SEALRTP_E_CONFIG nothing has changed and `message` says what was expected; on
/// SEALRTP_OK it holds a warning, or is empty.
///
/// # Safety
/// `config` is a handle or null; `key` and `value` are C strings or null; `message` has `message_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_set(
    config: *mut sealrtp_config,
    key: *const c_char,
    value: *const c_char,
    message: *mut c_char,
    message_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, key, value) = unsafe { (unique(config)?, text(key)?, text(value)?) };
        let (result, said) = match config.0.set(key, value) {
            Ok(None) => (SEALRTP_OK, String::new()),
            Ok(Some(warning)) => (SEALRTP_OK, warning.to_string()),
            Err(error) => (SEALRTP_E_CONFIG, error.to_string()),
        };
        // SAFETY: the caller's promise. A message that was cut is still one.
        let _ = unsafe { write_text(message, message_size, &said) };
        Ok(result)
    })
}

/// A configuration of its own with the same values, e.g. for one end point. Null for null, or if the library is at fault.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_copy(config: *const sealrtp_config) -> *mut sealrtp_config {
    // SAFETY: the caller's promise.
    guard_or(std::ptr::null_mut(), || match unsafe { shared(config) } {
        Ok(config) => give(sealrtp_config(config.0.clone())),
        Err(_) => std::ptr::null_mut(),
    })
}

/// Whether ZRTP is done on streams that have no keys of another method.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_zrtp_rule {
    /// It is not.
    SEALRTP_ZRTP_NO = 0,
    /// Where the peer does it; clear media passes before, and where it does not.
    SEALRTP_ZRTP_YES = 1,
    /// No clear media passes, ever.
    SEALRTP_ZRTP_REQUIRED = 2,
}

/// The `sealrtp_zrtp_rule` of a configuration; SEALRTP_ZRTP_REQUIRED for null.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_zrtp(config: *const sealrtp_config) -> u32 {
    use sealrtp_zrtp_rule::*;
    guard_or(SEALRTP_ZRTP_REQUIRED as u32, || {
        // SAFETY: the caller's promise.
        let rule = unsafe { shared(config) }.map_or(ZrtpRule::Required, |config| config.0.zrtp_rule());
        (match rule {
            ZrtpRule::No => SEALRTP_ZRTP_NO,
            ZrtpRule::Yes => SEALRTP_ZRTP_YES,
            ZrtpRule::Required => SEALRTP_ZRTP_REQUIRED,
        }) as u32
    })
}

/// What becomes of a call.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_consequence {
    /// It ends.
    SEALRTP_CONSEQUENCE_HANGUP = 1,
    /// It stays up, and no media passes.
    SEALRTP_CONSEQUENCE_BLOCK = 2,
    /// It goes on as it is.
    SEALRTP_CONSEQUENCE_CONTINUE = 3,
    /// It goes on, and there is nothing to tell.
    SEALRTP_CONSEQUENCE_NOTHING = 4,
}

pub(crate) fn consequence_number(consequence: Consequence) -> u32 {
    use sealrtp_consequence::*;
    (match consequence {
        Consequence::Hangup => SEALRTP_CONSEQUENCE_HANGUP,
        Consequence::Block => SEALRTP_CONSEQUENCE_BLOCK,
        Consequence::Continue => SEALRTP_CONSEQUENCE_CONTINUE,
        Consequence::Nothing => SEALRTP_CONSEQUENCE_NOTHING,
    }) as u32
}

/// What becomes of a call in which a `sealrtp_failure` happened, as `on_failure` and `fallback` have it; an unknown one is of
/// DTLS-SRTP. SEALRTP_CONSEQUENCE_HANGUP for null.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_consequence(config: *const sealrtp_config, failure: u32) -> u32 {
    use sealrtp_failure::*;
    guard_or(sealrtp_consequence::SEALRTP_CONSEQUENCE_HANGUP as u32, || {
        let failure = match failure {
            _ if failure == SEALRTP_FAILURE_FINGERPRINT as u32 => Failure::Fingerprint,
            _ if failure == SEALRTP_FAILURE_ZRTP as u32 => Failure::Zrtp,
            _ if failure == SEALRTP_FAILURE_CACHE_MISMATCH as u32 => Failure::CacheMismatch,
            _ if failure == SEALRTP_FAILURE_DOWNGRADE as u32 => Failure::Downgrade,
            _ => Failure::Dtls,
        };
        // SAFETY: the caller's promise.
        let consequence =
            unsafe { shared(config) }.map_or(Consequence::Hangup, |config| config.0.consequence(failure));
        consequence_number(consequence)
    })
}

/// 1: policy speaks in the descriptions of calls, for `offer` or `accept` names a method. 0: they are left alone.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_is_active(config: *const sealrtp_config) -> u32 {
    // SAFETY: the caller's promise.
    guard_or(0, || unsafe { shared(config) }.map_or(0, |config| config.0.is_active().into()))
}

/// 1: no clear media may pass, ever: `fallback = reject`. 1 for null.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_demands(config: *const sealrtp_config) -> u32 {
    guard_or(1, || {
        // SAFETY: the caller's promise.
        unsafe { shared(config) }.map_or(1, |config| config.0.rejects().into())
    })
}

/// The whole configuration as text, a line for each key. SEALRTP_E_BUFFER: `text` holds what fitted.
///
/// # Safety
/// `config` is a handle or null, `text` has `text_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_describe(
    config: *const sealrtp_config,
    text: *mut c_char,
    text_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(text, text_size, &shared(config)?.0.describe())? };
        Ok(SEALRTP_OK)
    })
}

/// Frees the configuration; null is nothing.
///
/// # Safety
/// `config` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_free(config: *mut sealrtp_config) {
    // SAFETY: the caller's promise.
    unsafe { take_back(config) }
}
