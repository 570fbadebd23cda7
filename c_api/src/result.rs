//! What every call answers.

use std::ffi::{CStr, c_char};

use sealrtp_srtp::{KeyError, ProtectError, UnprotectError};

/// What a call answers: zero or positive is success, negative is an error and nothing was done.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum sealrtp_result {
    /// Done.
    SEALRTP_OK = 0,
    /// Done, and `sealrtp_session_poll_event` has something to say.
    SEALRTP_OK_EVENT = 1,
    /// SDES: negotiated, and keys are new: fetch them with `sealrtp_sdes_keys`.
    SEALRTP_OK_KEYS_CHANGED = 2,
    /// Nothing (more) to enumerate or to poll.
    SEALRTP_DONE = 3,
    /// A null pointer, or a size or value out of range.
    SEALRTP_E_ARGUMENT = -1,
    /// A fault of the library; the handle answers nothing else from here on.
    SEALRTP_E_INTERNAL = -2,
    /// The buffer is too small.
    SEALRTP_E_BUFFER = -3,
    /// No keys are installed in this direction: nothing passes.
    SEALRTP_E_NO_KEYS = -4,
    /// Authentication failed: the packet is under another key or suite, was changed, or is clear.
    SEALRTP_E_AUTH = -5,
    /// The packet was received before, or is older than the replay window.
    SEALRTP_E_REPLAY = -6,
    /// Not an RTP, RTCP, SRTP or SRTCP packet, or one whose lengths lie.
    SEALRTP_E_MALFORMED = -7,
    /// The lifetime of the master key is over.
    SEALRTP_E_KEY_EXPIRED = -8,
    /// The packet's index was sent before, or is older than the replay window.
    SEALRTP_E_INDEX_USED = -9,
    /// Too many SSRCs in this direction.
    SEALRTP_E_SSRC_LIMIT = -10,
    /// The packet's MKI or index belongs to no master key.
    SEALRTP_E_UNKNOWN_KEY = -11,
    /// No such suite.
    SEALRTP_E_SUITE = -12,
    /// Key or salt do not have the suite's length, or cannot be used together.
    SEALRTP_E_KEY = -13,
    /// No such configuration key, or a value it does not take.
    SEALRTP_E_CONFIG = -14,
    /// SDES: the peer's attribute was refused; the reason tells why.
    SEALRTP_E_SDES = -15,
    /// The system's random generator failed.
    SEALRTP_E_RANDOM = -16,
    /// DTLS: a certificate, a configuration or what the peer's SDP says cannot be used; the reason tells why.
    SEALRTP_E_DTLS = -17,
    /// ZRTP: the cache cannot be used, or what the peer's SDP says; the reason tells why.
    SEALRTP_E_ZRTP = -18,
    /// Policy refuses an offer or answer; the reason tells why and what to change.
    SEALRTP_E_POLICY = -19,
    /// An SDP body cannot be read; the reason tells the line.
    SEALRTP_E_SDP = -20,
    /// The machine has no thread, socket, port or memory left for this.
    SEALRTP_E_SYSTEM = -21,
}

use sealrtp_result::*;

/// What a result means, in English. Never null; the text lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_result_text(result: i32) -> *const c_char {
    const TEXTS: [(sealrtp_result, &CStr); 25] = [
        (SEALRTP_OK, c"done"),
        (SEALRTP_OK_EVENT, c"done, an event is waiting"),
        (SEALRTP_OK_KEYS_CHANGED, c"negotiated, keys are new"),
        (SEALRTP_DONE, c"nothing more"),
        (SEALRTP_E_ARGUMENT, c"null pointer, or a size or value out of range"),
        (SEALRTP_E_INTERNAL, c"fault of the library"),
        (SEALRTP_E_BUFFER, c"buffer too small"),
        (SEALRTP_E_NO_KEYS, c"no keys installed"),
        (SEALRTP_E_AUTH, c"authentication failed"),
        (SEALRTP_E_REPLAY, c"replayed or too old"),
        (SEALRTP_E_MALFORMED, c"malformed packet"),
        (SEALRTP_E_KEY_EXPIRED, c"lifetime of the master key is over"),
        (SEALRTP_E_INDEX_USED, c"packet index was used before"),
        (SEALRTP_E_SSRC_LIMIT, c"too many SSRCs"),
        (SEALRTP_E_UNKNOWN_KEY, c"MKI or index of no master key"),
        (SEALRTP_E_SUITE, c"no such suite"),
        (SEALRTP_E_KEY, c"key or salt do not fit the suite"),
        (SEALRTP_E_CONFIG, c"configuration refused"),
        (SEALRTP_E_SDES, c"crypto attribute refused"),
        (SEALRTP_E_RANDOM, c"random generator failed"),
        (SEALRTP_E_DTLS, c"DTLS cannot be used"),
        (SEALRTP_E_ZRTP, c"ZRTP, or its cache, cannot be used"),
        (SEALRTP_E_POLICY, c"refused by policy"),
        (SEALRTP_E_SDP, c"SDP cannot be read"),
        (SEALRTP_E_SYSTEM, c"no thread, socket, port or memory left"),
    ];
    let text =
        TEXTS.iter().find(|(known, _)| *known as i32 == result).map_or(c"unknown result", |(_, text)| text);
    text.as_ptr()
}

impl From<ProtectError> for sealrtp_result {
    fn from(error: ProtectError) -> Self {
        match error {
            ProtectError::Malformed => SEALRTP_E_MALFORMED,
            ProtectError::NoRoom { .. } => SEALRTP_E_BUFFER,
            ProtectError::IndexUsed => SEALRTP_E_INDEX_USED,
            ProtectError::KeyExpired => SEALRTP_E_KEY_EXPIRED,
            ProtectError::SsrcLimit => SEALRTP_E_SSRC_LIMIT,
        }
    }
}

impl From<UnprotectError> for sealrtp_result {
    fn from(error: UnprotectError) -> Self {
        match error {
            UnprotectError::Malformed => SEALRTP_E_MALFORMED,
            UnprotectError::AuthFailed => SEALRTP_E_AUTH,
            UnprotectError::Replayed | UnprotectError::TooOld => SEALRTP_E_REPLAY,
            UnprotectError::UnknownKey => SEALRTP_E_UNKNOWN_KEY,
            UnprotectError::KeyExpired => SEALRTP_E_KEY_EXPIRED,
            UnprotectError::SsrcLimit => SEALRTP_E_SSRC_LIMIT,
        }
    }
}

impl From<KeyError> for sealrtp_result {
    fn from(_: KeyError) -> Self {
        SEALRTP_E_KEY
    }
}
