//! Offer and answer of a call: the SDP of both sides, by policy.

use std::ffi::c_char;
use std::time::Instant;

use ::sealrtp_dtls::HashFunction;
use ::sealrtp_offer_answer::{Applied, Means, Message, OfferAnswer, Plan, Refusal, Remote};
use sealrtp_policy::Signalling;

use crate::boundary::{bytes, give, guard, put, shared, take_back, text, unique, write_sized, write_text};
use crate::config::sealrtp_config;
use crate::dtls::{Local, sealrtp_dtls};
use crate::result::sealrtp_result::{self, *};
use crate::session::{sealrtp_session, with_session};
use crate::session_dtls::set_session;
use crate::zrtp::sealrtp_zrtp_call;

/// The offers and answers of one call with one peer. One thread at a time.
#[allow(non_camel_case_types)]
pub struct sealrtp_offer_answer {
    inner: OfferAnswer,
    local: Local,
    fingerprint: String,
    plans: Vec<Plan>,
}

/// What is known of the SIP message that a description comes in.
#[allow(non_camel_case_types)]
#[repr(C)]
pub struct sealrtp_sdp_message {
    /// Set by the caller: sizeof(sealrtp_sdp_message).
    pub size: usize,
    /// 1: an INVITE or UPDATE, which offers. 0: a response, ACK or PRACK, which answers if an answer is awaited.
    pub request: u32,
    /// Number of the CSeq header.
    pub cseq: u32,
    /// 1: it travels over TLS, as far as we can see.
    pub tls: u32,
}

/// A line of our own description.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_sdp_line {
    /// Set by the caller: sizeof(sealrtp_sdp_line).
    pub size: usize,
    /// The RTP port; 0: declined.
    pub port: u32,
    /// 1: it is RTP. 0: leave it alone.
    pub rtp: u32,
    /// 1: it may have ZRTP, whose call `sealrtp_offer_answer_describe` and `_apply` take.
    pub zrtp: u32,
    /// "audio", "video", ...
    pub media: [c_char; 16],
}

/// Where a line's keys come from.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_method {
    /// Nothing is agreed on yet.
    SEALRTP_METHOD_NONE = 0,
    /// Nobody makes keys, and clear media passes.
    SEALRTP_METHOD_CLEAR = 1,
    /// SDES: the session has its keys.
    SEALRTP_METHOD_SDES = 2,
    /// DTLS-SRTP: the session knows the peer's fingerprint; the handshake begins with `sealrtp_session_dtls_start`.
    SEALRTP_METHOD_DTLS = 3,
    /// ZRTP: it begins with `sealrtp_session_zrtp_start`.
    SEALRTP_METHOD_ZRTP = 4,
}

/// Begins a call by policy, with our certificate for its DTLS. `name` is for texts, e.g. "PJSIP/alice".
///
/// # Safety
/// `config` and `dtls` are handles or null, `name` a C string or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_new(
    config: *const sealrtp_config,
    dtls: *const sealrtp_dtls,
    name: *const c_char,
    out: *mut *mut sealrtp_offer_answer,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, dtls, name, out) =
            unsafe { (shared(config)?, shared(dtls)?, text(name)?, unique(out)?) };
        // SAFETY: null options are none.
        let local = unsafe { dtls.local_of(std::ptr::null())? }.map_err(|_| SEALRTP_E_DTLS)?;
        let fingerprint = local.identity.fingerprint(HashFunction::Sha256).map_err(|_| SEALRTP_E_DTLS)?;
        *out = give(sealrtp_offer_answer {
            inner: OfferAnswer::new(config.0.clone(), name),
            local,
            fingerprint: fingerprint.to_string(),
            plans: Vec::new(),
        });
        Ok(SEALRTP_OK)
    })
}

/// Frees it and zeroises its keys; null is nothing.
///
/// # Safety
/// `offer_answer` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_free(offer_answer: *mut sealrtp_offer_answer) {
    // SAFETY: the caller's promise.
    unsafe { take_back(offer_answer) }
}

/// Takes the peer's description of `sdp_len` bytes and writes the text for a PBX that knows of no security; `*len` is the
/// size of `out` and becomes the text's length. SEALRTP_DONE: pass it on as it came. SEALRTP_E_POLICY: refuse it, an offer with
/// 488, an answer by ending the call; `reason` says why and what to change. SEALRTP_E_SDP: it cannot be read. SEALRTP_E_BUFFER:
/// `*len` bytes are needed; ask again.
///
/// # Safety
/// `offer_answer` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is
/// null, `len` to a number or is null, `out` has `*len` bytes or is null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_remote(
    offer_answer: *mut sealrtp_offer_answer,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    out: *mut c_char,
    len: *mut usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (this, body, message) =
            unsafe { (unique(offer_answer)?, bytes(sdp.cast(), sdp_len)?, read(message)?) };
        match this.inner.remote(body, &message) {
            Ok(Remote::AsItCame) => Ok(SEALRTP_DONE),
            // SAFETY: the caller's promise.
            Ok(Remote::Text(text)) => unsafe { write_body(out, len, &text) },
            // SAFETY: the caller's promise.
            Err(refusal) => Err(unsafe { refuse(reason, reason_size, &refusal) }),
        }
    })
}

/// Whether the PBX speaks RTP/AVPF with this peer (1) or RTP/AVP (0), where it takes that one only. Not called: as the peer.
///
/// # Safety
/// `offer_answer` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_set_feedback(
    offer_answer: *mut sealrtp_offer_answer,
    feedback: u32,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { unique(offer_answer)? }.inner.set_feedback(feedback != 0);
        Ok(SEALRTP_OK)
    })
}

/// Another policy for the call from here on, e.g. because the dialplan has chosen one: an offer of the peer that is not answered
/// yet is decided anew, what was agreed on stands. SEALRTP_E_POLICY: that offer is to be answered by 488, and `reason` says why.
///
/// # Safety
/// `offer_answer` and `config` are handles or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_set_config(
    offer_answer: *mut sealrtp_offer_answer,
    config: *const sealrtp_config,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (this, config) = unsafe { (unique(offer_answer)?, shared(config)?) };
        let set = this.inner.set_config(config.0.clone());
        // SAFETY: the caller's promise.
        set.map(|()| SEALRTP_OK).map_err(|refusal| unsafe { refuse(reason, reason_size, &refusal) })
    })
}

/// Takes our own description, as the PBX made it, and tells how many lines it has. Then for each ask
/// `sealrtp_offer_answer_line`, tell `sealrtp_offer_answer_describe`, and `sealrtp_offer_answer_write` at the end. Refusals as
/// `sealrtp_offer_answer_remote`: nothing may be sent.
///
/// # Safety
/// `offer_answer` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is
/// null, `lines` to a number or is null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_local(
    offer_answer: *mut sealrtp_offer_answer,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    lines: *mut u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (this, body, message) =
            unsafe { (unique(offer_answer)?, bytes(sdp.cast(), sdp_len)?, read(message)?) };
        // SAFETY: the caller's promise.
        let lines = unsafe { unique(lines)? };
        match this.inner.local(body, &message) {
            Ok(plans) => {
                *lines = u32::try_from(plans.len()).unwrap_or(u32::MAX);
                this.plans = plans;
                Ok(SEALRTP_OK)
            }
            // SAFETY: the caller's promise.
            Err(refusal) => Err(unsafe { refuse(reason, reason_size, &refusal) }),
        }
    })
}

/// What line `index`, from 0 on, of our description is. SEALRTP_DONE past the last.
///
/// # Safety
/// `offer_answer` is a handle or null, `line` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_line(
    offer_answer: *const sealrtp_offer_answer,
    index: u32,
    line: *mut sealrtp_sdp_line,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let this = unsafe { shared(offer_answer)? };
        let Some(plan) = this.plans.get(index as usize) else { return Ok(SEALRTP_DONE) };
        let mut told = sealrtp_sdp_line {
            size: size_of::<sealrtp_sdp_line>(),
            port: plan.port.into(),
            rtp: plan.rtp.into(),
            zrtp: plan.zrtp.into(),
            media: [0; 16],
        };
        put(&mut told.media, &plan.media);
        // SAFETY: the caller's promise.
        unsafe { write_sized(line, &told)? };
        Ok(SEALRTP_OK)
    })
}

/// Takes fingerprint, role and Hello hash of the line's stream into our description; sets DTLS or ZRTP up in the session where
/// they are to be. `call` null: no ZRTP on this stream, which sends under `ssrc`. Refusals as `sealrtp_offer_answer_remote`.
///
/// # Safety
/// `offer_answer`, `session` and `call` are handles or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_describe(
    offer_answer: *mut sealrtp_offer_answer,
    index: u32,
    session: *mut sealrtp_session,
    call: *const sealrtp_zrtp_call,
    ssrc: u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let this = unique(offer_answer)?;
            let means = means(&this.local, &this.fingerprint, call, ssrc);
            inner.session.dtls_resume_with(set_session);
            this.inner
                .describe(index as usize, &mut inner.session, &means, Instant::now())
                .map_err(|refusal| refuse(reason, reason_size, &refusal))?;
            if inner.session.uses_dtls() {
                inner.identity.get_or_insert_with(|| this.local.identity.clone());
            }
            Ok(SEALRTP_OK)
        })
    }
}

/// Writes our description for the peer; `*len` as in `sealrtp_offer_answer_remote`. The text may hold keys: wipe it after use.
/// SEALRTP_DONE: there is none.
///
/// # Safety
/// `offer_answer` is a handle or null, `len` points to a number or is null, `out` has `*len` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_write(
    offer_answer: *mut sealrtp_offer_answer,
    out: *mut c_char,
    len: *mut usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let this = unsafe { unique(offer_answer)? };
        match this.inner.write() {
            // SAFETY: the caller's promise.
            Ok(Some(text)) => unsafe { write_body(out, len, &text) },
            Ok(None) => Ok(SEALRTP_DONE),
            Err(refusal) => Err(result_of(&refusal)),
        }
    })
}

/// Puts what is agreed on for a line into its session, and tells the `sealrtp_method`; as often as asked, with the same result.
/// To be called when our answer was written and when the peer's was taken. Refusals as `sealrtp_offer_answer_remote`: the call must
/// end.
///
/// # Safety
/// `offer_answer`, `session` and `call` are handles or null, `method` points to a number or is null, `reason` has `reason_size`
/// bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_apply(
    offer_answer: *mut sealrtp_offer_answer,
    index: u32,
    session: *mut sealrtp_session,
    call: *const sealrtp_zrtp_call,
    ssrc: u32,
    method: *mut u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    use sealrtp_method::*;
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let (this, method) = (unique(offer_answer)?, unique(method)?);
            let means = means(&this.local, &this.fingerprint, call, ssrc);
            inner.session.dtls_resume_with(set_session);
            let applied = this
                .inner
                .apply(index as usize, &mut inner.session, &means, Instant::now())
                .map_err(|refusal| refuse(reason, reason_size, &refusal))?;
            if inner.session.uses_dtls() {
                inner.identity.get_or_insert_with(|| this.local.identity.clone());
            }
            *method = (match applied {
                Applied::Open => SEALRTP_METHOD_NONE,
                Applied::Clear => SEALRTP_METHOD_CLEAR,
                Applied::Sdes => SEALRTP_METHOD_SDES,
                Applied::Dtls => SEALRTP_METHOD_DTLS,
                Applied::Zrtp => SEALRTP_METHOD_ZRTP,
            }) as u32;
            Ok(SEALRTP_OK)
        })
    }
}

/// Adds a step to the explanation, e.g. how a handshake ended.
///
/// # Safety
/// `offer_answer` is a handle or null, `step` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_note(
    offer_answer: *mut sealrtp_offer_answer,
    step: *const c_char,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (this, step) = unsafe { (unique(offer_answer)?, text(step)?) };
        this.inner.note(step);
        Ok(SEALRTP_OK)
    })
}

/// Writes each step so far with the rule behind it, one on a line; no keys. SEALRTP_E_BUFFER: `text` holds what fitted.
///
/// # Safety
/// `offer_answer` is a handle or null, `text` has `text_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_offer_answer_explain(
    offer_answer: *const sealrtp_offer_answer,
    text: *mut c_char,
    text_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(text, text_size, &shared(offer_answer)?.inner.explain())? };
        Ok(SEALRTP_OK)
    })
}

/// # Safety
/// `call` is a handle or null.
unsafe fn means<'a>(
    local: &'a Local,
    fingerprint: &'a str,
    call: *const sealrtp_zrtp_call,
    ssrc: u32,
) -> Means<'a> {
    // SAFETY: the caller's promise.
    let association = unsafe { call.as_ref() }.map(|call| &call.0);
    Means {
        dtls: Some((&local.context, fingerprint)),
        zrtp: association.map(|association| (association, ssrc)),
    }
}

/// # Safety
/// `message` is null or points to a struct whose first member says how many bytes it has.
pub(crate) unsafe fn read(message: *const sealrtp_sdp_message) -> Result<Message, sealrtp_result> {
    // SAFETY: the caller's promise.
    if message.is_null() || unsafe { message.cast::<usize>().read() } < size_of::<sealrtp_sdp_message>() {
        return Err(SEALRTP_E_ARGUMENT);
    }
    // SAFETY: the struct has all of its members.
    let message = unsafe { &*message };
    Ok(Message {
        request: message.request != 0,
        cseq: message.cseq,
        signalling: if message.tls != 0 { Signalling::Tls } else { Signalling::Clear },
    })
}

/// Writes a body, without a NUL.
///
/// # Safety
/// `len` points to a number or is null, `out` has `*len` bytes or is null.
pub(crate) unsafe fn write_body(
    out: *mut c_char,
    len: *mut usize,
    body: &[u8],
) -> Result<sealrtp_result, sealrtp_result> {
    // SAFETY: the caller's promise.
    let len = unsafe { unique(len)? };
    let capacity = std::mem::replace(len, body.len());
    if out.is_null() || capacity < body.len() {
        return Err(SEALRTP_E_BUFFER);
    }
    // SAFETY: `out` has the capacity, and C's memory cannot overlap the body, which is ours.
    unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), out.cast::<u8>(), body.len()) };
    Ok(SEALRTP_OK)
}

/// # Safety
/// `reason` is null or has `size` bytes.
unsafe fn refuse(reason: *mut c_char, size: usize, refusal: &Refusal) -> sealrtp_result {
    // SAFETY: the caller's promise. A reason that was cut is still one.
    let _ = unsafe { write_text(reason, size, &refusal.to_string()) };
    result_of(refusal)
}

pub(crate) fn result_of(refusal: &Refusal) -> sealrtp_result {
    match refusal {
        Refusal::Sdp(_) => SEALRTP_E_SDP,
        Refusal::Policy(_) => SEALRTP_E_POLICY,
        Refusal::System(_) => SEALRTP_E_RANDOM,
    }
}
