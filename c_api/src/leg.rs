//! One call leg whose media a relay carries: descriptions in and out, and what has become of its lines.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use crate::config::sealrtp_config;
use crate::dtls::{sealrtp_dtls, sealrtp_dtls_options};
use crate::offer_answer::sealrtp_sdp_message;
use crate::counters::sealrtp_session_stats;
use crate::relay::sealrtp_relay;
use crate::result::sealrtp_result::{self, *};
use crate::session_dtls::sealrtp_dtls_info;
use crate::session_zrtp::sealrtp_zrtp_info;
use crate::zrtp::sealrtp_zrtp;

/// One leg of a call: its offers and answers, and a stream of a relay for each RTP m-line. Its functions may be called from any
/// thread, but not from within its own callbacks.
#[allow(non_camel_case_types)]
pub struct sealrtp_leg { inner: () }

/// Something that has happened to a leg, to log or to act on.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_event {
    /// sizeof(sealrtp_leg_event) of the library: it may be longer than the caller's.
    pub size: usize,
    /// A `sealrtp_event_kind`.
    pub kind: u32,
    /// Which m-line, from 0 on.
    pub line: u32,
    /// A `sealrtp_method`: whose the event is.
    pub method: u32,
    /// A `sealrtp_consequence` if it is a failure (FAILED, CLOSED, CLEARED, CACHE_MISMATCH, and NO_ANSWER where nothing clear may
    /// pass); otherwise 0. HANGUP: end the call. BLOCK: the line's media is stopped already. With either nothing passes any more.
    pub consequence: u32,
    /// Of FAILED a `sealrtp_failure`; otherwise as the kind says.
    pub value: u64,
    /// 1 if it is about RTCP's own handshake.
    pub rtcp: u32,
    /// "audio", "video", ...
    pub media: [c_char; 16],
    /// Of SECURED the SRTP suite, otherwise "".
    pub suite: [c_char; 40],
    /// The event in English, for a log; no keys. Its characters are printable.
    pub text: [c_char; 1024],
}

/// What a leg is made of. Zero what is not said: memset, then set `size`.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_options {
    /// Set by the caller: sizeof(sealrtp_leg_options).
    pub size: usize,
    /// For texts, e.g. "sofia/internal/1000@example.org".
    pub name: *const c_char,
    /// IP address, without port, that the sockets towards the peer bind. The PBX's own media sockets are at this address as well.
    pub address: *const c_char,
    /// The call's policy; copied.
    pub config: *const sealrtp_config,
    /// Our certificates; what is needed is copied.
    pub dtls: *const sealrtp_dtls,
    /// Which of them; null: the one made by the library.
    pub dtls_options: *const sealrtp_dtls_options,
    /// ZID and cache; null: no ZRTP. Copied.
    pub zrtp: *const sealrtp_zrtp,
    /// 1: this PBX offers enrolment, see `sealrtp_zrtp_options`.
    pub enrolment: u32,
    /// 1: what runs here may disclose keys or media, see `sealrtp_zrtp_options`.
    pub disclosure: u32,
    /// Under which the peer knows us, see `sealrtp_zrtp_options`; null or "": our own ZID.
    pub number: *const c_char,
    /// 1: we called, and `number` is the caller's.
    pub outgoing: u32,
    /// 1: what hands the peer's descriptions over prints UDP/TLS/RTP/SAVP as RTP/SAVP, as sofia-sip does. An RTP/SAVP line with
    /// a=fingerprint and no a=crypto is then read as UDP/TLS/RTP/SAVP.
    pub savp_fingerprint_is_udp_tls: u32,
    /// Gives a free even UDP port of `address`, whose odd neighbour is free for RTCP; 0: there is none left. Called within
    /// `sealrtp_leg_remote` and `_local`, several times if a port turns out to be used.
    pub take_port: Option<unsafe extern "C" fn(data: *mut c_void) -> u32>,
    /// Takes such a port back. Called within any function of the leg.
    pub give_port: Option<unsafe extern "C" fn(data: *mut c_void, port: u32)>,
    /// Tells an event: in a thread of the relay, or in the caller's before a function of the leg returns. One at a time for a leg, with no
    /// lock of the relay held. It must not block, and must not call a function of this leg or free it: queue what is to be done. Null: nothing is told.
    pub event: Option<unsafe extern "C" fn(data: *mut c_void, event: *const sealrtp_leg_event)>,
    /// For the three functions; lives until `sealrtp_leg_free` has returned.
    pub data: *mut c_void,
}

/// Packets and bytes that a stream of the relay has carried or dropped.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct sealrtp_relay_counters {
    /// Datagrams that were passed on.
    pub packets: u64,
    /// Their bytes, as they came.
    pub bytes: u64,
    /// Datagrams that were not passed on: no keys, not authentic, replayed, malformed, from a stranger, no address to send to.
    pub dropped: u64,
}

/// What has become of an m-line. The texts end with a NUL.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_line {
    /// Set by the caller: sizeof(sealrtp_leg_line).
    pub size: usize,
    /// "audio", "video", ...
    pub media: [c_char; 16],
    /// 1: a stream of the relay carries it. 0: it is declined, or not RTP: then all but `media` is 0.
    pub open: u32,
    /// A `sealrtp_method`.
    pub method: u32,
    /// A `sealrtp_state`, of RTP.
    pub state: u32,
    /// A `sealrtp_state`, of RTCP.
    pub rtcp_state: u32,
    /// 1: RTP and RTCP share a port (RFC 5761).
    pub muxed: u32,
    /// Our port towards the peer; RTCP's is the next one.
    pub peer_side_port: u32,
    /// Our port on loopback towards the PBX; RTCP's is the next one.
    pub pbx_side_port: u32,
    /// Where media for the peer goes now, e.g. "192.0.2.1:5004" or "[2001:db8::1]:5004"; "": nowhere, it is on hold or not known yet.
    pub peer_address: [c_char; 64],
    /// The SRTP suite of what we send; "": no keys (yet).
    pub suite: [c_char; 40],
    /// Peer to PBX.
    pub from_peer: sealrtp_relay_counters,
    /// PBX to peer.
    pub from_pbx: sealrtp_relay_counters,
}

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
    todo!()
}

/// Ends a leg: DTLS associations are closed, sockets too, ports are given back, keys zeroised. An event that runs is waited for, and none comes
/// after it. Null is nothing.
///
/// # Safety
/// `leg` is null or a handle that is not used again; no callback of the leg runs in this thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_free(leg: *mut sealrtp_leg) {
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
    todo!()
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
    todo!()
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
    todo!()
}

/// From here on no clear media passes on any line; there is no way back.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_demand_security(leg: *mut sealrtp_leg) -> sealrtp_result {
    todo!()
}

/// Adds a step to the explanation.
///
/// # Safety
/// `leg` is a handle or null, `step` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_note(leg: *mut sealrtp_leg, step: *const c_char) -> sealrtp_result {
    todo!()
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
    todo!()
}

/// What m-line `index`, from 0 on, has come to. SEALRTP_DONE past the last.
///
/// # Safety
/// `leg` is a handle or null, `line` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_line(
    leg: *const sealrtp_leg,
    index: u32,
    line: *mut sealrtp_leg_line,
) -> sealrtp_result {
    todo!()
}

/// Counters of an m-line's session. SEALRTP_DONE: no stream carries it.
///
/// # Safety
/// `leg` is a handle or null, `stats` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_stats(
    leg: *const sealrtp_leg,
    index: u32,
    stats: *mut sealrtp_session_stats,
) -> sealrtp_result {
    todo!()
}

/// What the DTLS handshake of an m-line agreed on, for RTP. SEALRTP_DONE: nothing (yet).
///
/// # Safety
/// `leg` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_dtls_info(
    leg: *const sealrtp_leg,
    index: u32,
    info: *mut sealrtp_dtls_info,
) -> sealrtp_result {
    todo!()
}

/// What ZRTP agreed on for an m-line. SEALRTP_DONE: nothing (yet).
///
/// # Safety
/// `leg` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_zrtp_info(
    leg: *const sealrtp_leg,
    index: u32,
    info: *mut sealrtp_zrtp_info,
) -> sealrtp_result {
    todo!()
}

/// The user has compared the call's SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_verify(leg: *mut sealrtp_leg, verified: u32) -> sealrtp_result {
    todo!()
}

/// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_accept_enrolment(leg: *mut sealrtp_leg) -> sealrtp_result {
    todo!()
}

/// Tells the peer, who is enrolled here, the SAS of the far end that it is bridged to (RFC 6189 section 7.3.2): what
/// `sealrtp_leg_get_zrtp_info` says of the other leg's line. Only one of two enrolled ends may be told. SEALRTP_DONE: not secured by ZRTP,
/// or this is no PBX (`zrtp_mitm`).
///
/// # Safety
/// `leg` is a handle or null, `far_end` points to a struct that `sealrtp_leg_get_zrtp_info` has filled or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_relay_sas(
    leg: *mut sealrtp_leg,
    far_end: *const sealrtp_zrtp_info,
) -> sealrtp_result {
    todo!()
}

/// Whether each step of a handshake is told from now on, as SEALRTP_EVENT_TRACE.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_set_trace(leg: *mut sealrtp_leg, trace: u32) -> sealrtp_result {
    todo!()
}

/// Writes `text`, a description or any text that may have one in it, with each key of `a=crypto`, `a=key-mgmt` and `k=` replaced by as many
/// `*`, for logs, events and variables. It becomes exactly as long as it was, so `out` may be `text` itself and needs `len` bytes.
///
/// # Safety
/// `text` points to `len` bytes or is null, `out` has `len` bytes or is null; they are the same or do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdp_mask(text: *const c_char, len: usize, out: *mut c_char) -> sealrtp_result {
    todo!()
}
