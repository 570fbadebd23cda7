//! One call leg whose media a relay carries: its life, descriptions in and out, its policy.

use std::ffi::c_char;
use std::sync::Arc;

use ::sealrtp_leg::{Leg, Refusal, Text};

use crate::boundary::{bytes, give, guard, shared, take_back, text, unique, write_text};
use crate::config::sealrtp_config;
use crate::leg_options::{Callbacks, sealrtp_leg_options, terms};
use crate::offer_answer::{read, result_of, sealrtp_sdp_message, write_body};
use crate::relay::sealrtp_relay;
use crate::result::sealrtp_result::{self, *};

/// One leg of a call: its offers and answers, and a stream of a relay for each RTP m-line. Its functions may be called from any
/// thread, but not from within its own callbacks.
#[allow(non_camel_case_types)]
pub struct sealrtp_leg(pub(crate) Leg);

/// Begins a leg whose media `relay` carries. Nothing is bound before its first description. On SEALRTP_E_ARGUMENT and SEALRTP_E_DTLS
/// `reason` says why.
///
/// # Safety
/// `relay` is a handle or null, `options` points to a struct with its size set, whose handles and texts are what they say or null, or
/// is null, `out` points to a pointer or is null, `reason` has `reason_size` bytes or is null. The callbacks may be called in any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_new(
    relay: *const sealrtp_relay,
    options: *const sealrtp_leg_options,
    out: *mut *mut sealrtp_leg,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (relay, options, out) = unsafe { (shared(relay)?, shared(options)?, unique(out)?) };
        if options.size < size_of::<sealrtp_leg_options>() {
            return Err(SEALRTP_E_ARGUMENT);
        }
        let refuse = |(result, said): (sealrtp_result, String)| {
            // SAFETY: the caller's promise. A reason that was cut is still one.
            let _ = unsafe { write_text(reason, reason_size, &said) };
            result
        };
        let (Some(take_port), Some(give_port)) = (options.take_port, options.give_port) else {
            return Err(refuse((SEALRTP_E_ARGUMENT, "take_port and give_port are missing".into())));
        };
        // SAFETY: the caller's promise.
        let terms = unsafe { terms(options) }.map_err(refuse)?;
        let callbacks = Callbacks { take_port, give_port, event: options.event, data: options.data };
        let leg = Leg::new(&relay.0, terms, Arc::new(callbacks), Arc::new(callbacks));
        *out = give(sealrtp_leg(leg));
        Ok(SEALRTP_OK)
    })
}

/// Ends a leg: DTLS associations are closed, sockets too, ports are given back, keys zeroised. An event that runs is waited for, and none comes
/// after it. Null is nothing.
///
/// # Safety
/// `leg` is null or a handle that is not used again; no callback of the leg runs in this thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_free(leg: *mut sealrtp_leg) {
    // SAFETY: the caller's promise.
    unsafe { take_back(leg) }
}

/// Takes the peer's description of `sdp_len` bytes, offer or answer by `message`, and writes the one for the PBX: clear RTP on the
/// relay's loopback ports. `*len` is the size of `out` and becomes the text's length, without a NUL. The same text once more changes nothing
/// and is answered the same.
///
/// SEALRTP_E_POLICY: refuse it, an offer with 488, an answer by ending the call; `reason` says why and what to change.
/// SEALRTP_E_SDP: it cannot be read. SEALRTP_E_SYSTEM: no port or socket; 500. After these nothing has changed and nothing clear passes that
/// did not before. SEALRTP_E_BUFFER: `*len` bytes are needed; ask again with the same text.
///
/// # Safety
/// `leg` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is null, `len` to
/// a number or is null, `out` has `*len` bytes or is null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_remote(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    out: *mut c_char,
    len: *mut usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { describe(leg, message, (sdp, sdp_len), (out, len), (reason, reason_size), Leg::remote) }
}

/// Takes the PBX's own description, offer or answer by `message`, and writes the one for the peer: the relay's outer ports, profile and keys
/// by policy. The rest as `sealrtp_leg_remote`; on an error nothing may be sent. The text holds keys: wipe it after use, and mask it for logs,
/// `sealrtp_sdp_mask`.
///
/// # Safety
/// As `sealrtp_leg_remote`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_local(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    out: *mut c_char,
    len: *mut usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { describe(leg, message, (sdp, sdp_len), (out, len), (reason, reason_size), Leg::local) }
}

/// One side's description in, the other's out.
///
/// # Safety
/// As [`sealrtp_leg_remote`].
unsafe fn describe(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: (*const c_char, usize),
    (out, len): (*mut c_char, *mut usize),
    reason: (*mut c_char, usize),
    take: impl FnOnce(&Leg, &[u8], &::sealrtp_leg::Message) -> Result<Text, Refusal>,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, body, message) = unsafe { (shared(leg)?, bytes(sdp.0.cast(), sdp.1)?, read(message)?) };
        match take(&leg.0, body, &message) {
            // SAFETY: the caller's promise.
            Ok(text) => unsafe { write_body(out, len, &text) },
            // SAFETY: the caller's promise.
            Err(refusal) => Err(unsafe { refuse(reason, &refusal) }),
        }
    })
}

/// # Safety
/// `reason` is null or has `size` bytes.
unsafe fn refuse((reason, size): (*mut c_char, usize), refusal: &Refusal) -> sealrtp_result {
    // SAFETY: the caller's promise. A reason that was cut is still one.
    let _ = unsafe { write_text(reason, size, &refusal.to_string()) };
    match refusal {
        Refusal::System(_) => SEALRTP_E_SYSTEM,
        refusal => result_of(refusal),
    }
}

/// Another policy for the call from here on: an offer of the peer that is not answered yet is decided anew, what was agreed on
/// stands. SEALRTP_E_POLICY: that offer is to be answered by 488, and `reason` says why.
///
/// # Safety
/// `leg` and `config` are handles or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_set_config(
    leg: *mut sealrtp_leg,
    config: *const sealrtp_config,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, config) = unsafe { (shared(leg)?, shared(config)?) };
        let set = leg.0.set_config(config.0.clone());
        // SAFETY: the caller's promise.
        set.map(|()| SEALRTP_OK).map_err(|refusal| unsafe { refuse((reason, reason_size), &refusal) })
    })
}

/// From here on no clear media passes on any line; there is no way back.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_demand_security(leg: *mut sealrtp_leg) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        leg.demand_security();
        Ok(SEALRTP_OK)
    })
}

/// Whether keys or media may be disclosed here (RFC 6189 section 11): exchanges of ZRTP that are not set up yet say so.
/// SEALRTP_DONE: it is set up already, and says what it said.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_disclose(leg: *mut sealrtp_leg, disclosure: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.disclose(disclosure != 0) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// Adds a step to the explanation.
///
/// # Safety
/// `leg` is a handle or null, `step` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_note(leg: *mut sealrtp_leg, step: *const c_char) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, step) = unsafe { (shared(leg)?, text(step)?) };
        leg.0.note(step);
        Ok(SEALRTP_OK)
    })
}

/// Writes each step so far with the rule behind it, one on a line; no keys. SEALRTP_E_BUFFER: `text` holds what fitted.
///
/// # Safety
/// `leg` is a handle or null, `text` has `text_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_explain(
    leg: *const sealrtp_leg,
    text: *mut c_char,
    text_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(text, text_size, &shared(leg)?.0.explain())? };
        Ok(SEALRTP_OK)
    })
}
