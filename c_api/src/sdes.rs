//! SDES (RFC 4568) for one m-line.

use std::ffi::c_char;

use ::sealrtp_sdes::{MAX_LINES, NegotiationError, Negotiator, Outcome};
use zeroize::Zeroizing;

use crate::boundary::{give, guard, shared, take_back, text, unique, write_text};
use crate::config::sealrtp_config;
use crate::keys::sealrtp_keys;
use crate::result::sealrtp_result::{self, *};

/// Most `a=crypto` attributes of one m-line that are read.
pub const SEALRTP_SDES_MAX_LINES: usize = 64;
const _: () = assert!(SEALRTP_SDES_MAX_LINES == MAX_LINES);

/// Offer and answer of one m-line, over the whole call. One thread at a time.
#[allow(non_camel_case_types)]
pub struct sealrtp_sdes {
    negotiator: Negotiator,
    /// What index 0 was asked for last: one enumeration is one offer or answer.
    local: Vec<Zeroizing<String>>,
}

/// Makes a negotiation in which nothing was offered yet.
///
/// # Safety
/// `config` is a handle or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_new(
    config: *const sealrtp_config,
    out: *mut *mut sealrtp_sdes,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, out) = unsafe { (shared(config)?, unique(out)?) };
        let negotiator = Negotiator::new(config.sdes()).map_err(|_| SEALRTP_E_CONFIG)?;
        *out = give(sealrtp_sdes { negotiator, local: Vec::new() });
        Ok(SEALRTP_OK)
    })
}

/// Frees the negotiation and zeroises its keys; null is nothing.
///
/// # Safety
/// `sdes` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_free(sdes: *mut sealrtp_sdes) {
    // SAFETY: the caller's promise.
    unsafe { take_back(sdes) }
}

/// Writes our `a=crypto` attribute number `index`, from 0 on, without "a=crypto:"; SEALRTP_DONE past the last.
///
/// Right after a peer's offer that is our answer, one attribute. Otherwise it is an offer: before anything is negotiated
/// one attribute for each configured suite, with the same keys whenever asked; afterwards the chosen one. The text holds a
/// key: wipe it after use.
///
/// # Safety
/// `sdes` is a handle or null, `value` has `value_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_local(
    sdes: *mut sealrtp_sdes,
    index: usize,
    value: *mut c_char,
    value_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let sdes = unsafe { unique(sdes)? };
        if index == 0 {
            let local = sdes.negotiator.local().map_err(|error| result_of(&error))?;
            sdes.local = local.iter().map(|attribute| attribute.to_value()).collect();
        }
        let Some(attribute) = sdes.local.get(index) else { return Ok(SEALRTP_DONE) };
        // SAFETY: the caller's promise.
        unsafe { write_text(value, value_size, attribute)? };
        Ok(SEALRTP_OK)
    })
}

/// Takes one `a=crypto` value of the peer (the text behind "a=crypto:"), whether it offers or answers: for a PBX that
/// hands attributes over one by one until one is accepted.
///
/// SEALRTP_OK: accepted, the keys are those that run. SEALRTP_OK_KEYS_CHANGED: accepted, get the keys with
/// `sealrtp_sdes_keys`. SEALRTP_E_SDES: refused, the running keys stay, and `reason` tells tag and cause, never a key.
///
/// # Safety
/// `sdes` is a handle or null, `value` a C string or null; `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_remote(
    sdes: *mut sealrtp_sdes,
    value: *const c_char,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise; one value is an array of one.
    unsafe { sealrtp_sdes_remote_all(sdes, &raw const value, 1, reason, reason_size) }
}

/// Takes all `a=crypto` values of one m-line of the peer. Of an offer it accepts the one whose suite comes first in our
/// configuration. Results as `sealrtp_sdes_remote`.
///
/// # Safety
/// `sdes` is a handle or null, `values` points to `count` C strings or nulls, or is null; `reason` has `reason_size`
/// bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_remote_all(
    sdes: *mut sealrtp_sdes,
    values: *const *const c_char,
    count: usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let sdes = unsafe { unique(sdes)? };
        if values.is_null() || count > SEALRTP_SDES_MAX_LINES {
            return Err(SEALRTP_E_ARGUMENT);
        }
        // SAFETY: not null, and the caller's promise.
        let lines: Result<Vec<&str>, _> = (0..count).map(|at| unsafe { text(*values.add(at)) }).collect();
        let (result, said) = match sdes.negotiator.remote_all(lines?) {
            Ok(Outcome::Unchanged) => (SEALRTP_OK, String::new()),
            Ok(Outcome::KeysChanged { .. }) => (SEALRTP_OK_KEYS_CHANGED, String::new()),
            Err(error) => (result_of(&error), error.to_string()),
        };
        // SAFETY: the caller's promise. A reason that was cut is still one.
        let _ = unsafe { write_text(reason, reason_size, &said) };
        Ok(result)
    })
}

/// Gives the negotiated keys as new handles, which the caller frees: `inbound` is what the peer sends under, `outbound`
/// what we send under. SEALRTP_E_NO_KEYS before anything is negotiated.
///
/// # Safety
/// `sdes` is a handle or null; `inbound` and `outbound` point to pointers or are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdes_keys(
    sdes: *const sealrtp_sdes,
    inbound: *mut *mut sealrtp_keys,
    outbound: *mut *mut sealrtp_keys,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (sdes, inbound, outbound) = unsafe { (shared(sdes)?, unique(inbound)?, unique(outbound)?) };
        let keys = sdes.negotiator.inbound().zip(sdes.negotiator.outbound());
        let (receive, send) = keys.ok_or(SEALRTP_E_NO_KEYS)?;
        *inbound = give(sealrtp_keys(receive));
        *outbound = give(sealrtp_keys(send));
        Ok(SEALRTP_OK)
    })
}

fn result_of(error: &NegotiationError) -> sealrtp_result {
    match error {
        NegotiationError::Random(_) => SEALRTP_E_RANDOM,
        _ => SEALRTP_E_SDES,
    }
}
