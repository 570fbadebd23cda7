//! ZRTP of a stream: datagrams both ways.

use std::ffi::c_char;
use std::time::Instant;

use ::sealrtp_session::ZrtpSecured;
use ::sealrtp_zrtp::algorithm::SasType;
use ::sealrtp_zrtp::message::Flags;
use ::sealrtp_zrtp::{Continuity, HelloHash, Role, Sas};

use crate::boundary::{bytes, put, shared, text, write_sized, write_text};
use crate::result::sealrtp_result::{self, *};
use crate::session::{sealrtp_session, with_session};
use crate::zrtp::sealrtp_zrtp_call;

/// What an exchange agreed on; holds no key. The texts end with a NUL.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_zrtp_info {
    /// Set by the caller: sizeof(sealrtp_zrtp_info).
    pub size: usize,
    /// Ours: "initiator" or "responder".
    pub role: [c_char; 16],
    /// The SRTP suite.
    pub suite: [c_char; 40],
    /// As RFC 6189 section 5.1.5 names it, e.g. "X255"; "Mult": the keys are of the call's first stream.
    pub key_agreement: [c_char; 8],
    /// E.g. "S256".
    pub hash: [c_char; 8],
    /// E.g. "AES1".
    pub cipher: [c_char; 8],
    /// E.g. "HS80".
    pub auth_tag: [c_char; 8],
    /// "B32" or "B256".
    pub sas_type: [c_char; 8],
    /// What two people compare: four characters, or two words with a colon between.
    pub sas: [c_char; 64],
    /// Of the far end, by a PBX that we are enrolled at, or "".
    pub relayed_sas: [c_char; 64],
    /// 24 hex digits.
    pub peer_zid: [c_char; 32],
    /// The peer's software, as it calls itself; printable ASCII.
    pub peer_client: [c_char; 72],
    /// What the cache had to say: "new", "match", "mismatch", or "unused".
    pub continuity: [c_char; 16],
    /// The whole sashash, for `sealrtp_session_zrtp_relay_sas`.
    pub sas_hash: [u8; 32],
    /// 1: the SAS was compared, in this call or before and nothing has changed since.
    pub verified: u32,
    /// 1: the peer may disclose keys or media.
    pub disclosure: u32,
    /// 1: the peer shares a pbxsecret with us.
    pub enrolled: u32,
    /// 1: the peer offers enrolment.
    pub enrolment_offered: u32,
    /// 1: the peer says that it is a PBX in the middle.
    pub mitm: u32,
    /// 1: Multistream mode; `sas` is that of the call's first stream.
    pub multistream: u32,
    /// From the peer's first Hello to the keys.
    pub handshake_ms: u32,
    /// How often a message of ours went out again.
    pub retransmissions: u32,
    /// Bytes of this stream's session, without keys and heap.
    pub memory_bytes: u64,
}

impl sealrtp_zrtp_info {
    pub(crate) fn new(secured: &ZrtpSecured, memory_bytes: usize) -> Self {
        let mut this = Self {
            size: size_of::<Self>(),
            role: [0; 16],
            suite: [0; 40],
            key_agreement: [0; 8],
            hash: [0; 8],
            cipher: [0; 8],
            auth_tag: [0; 8],
            sas_type: [0; 8],
            sas: [0; 64],
            relayed_sas: [0; 64],
            peer_zid: [0; 32],
            peer_client: [0; 72],
            continuity: [0; 16],
            sas_hash: *secured.sas.hash(),
            verified: u32::from(secured.verified),
            disclosure: u32::from(secured.disclosure),
            enrolled: u32::from(secured.enrolled),
            enrolment_offered: u32::from(secured.enrolment_offered),
            mitm: u32::from(secured.mitm),
            multistream: u32::from(secured.is_multistream()),
            handshake_ms: u32::try_from(secured.took.as_millis()).unwrap_or(u32::MAX),
            retransmissions: secured.retransmissions,
            memory_bytes: memory_bytes as u64,
        };
        let role = match secured.role {
            Role::Initiator => "initiator",
            Role::Responder => "responder",
        };
        let continuity = match secured.continuity {
            Continuity::New => "new",
            Continuity::Match => "match",
            Continuity::Mismatch => "mismatch",
            Continuity::Unused => "unused",
        };
        put(&mut this.role, role);
        put(&mut this.suite, secured.suite.name());
        put(&mut this.key_agreement, &secured.terms.agreement_name.to_string());
        put(&mut this.hash, &secured.terms.hash.to_string());
        put(&mut this.cipher, &secured.terms.cipher.to_string());
        put(&mut this.auth_tag, &secured.terms.auth_tag.to_string());
        put(&mut this.sas_type, &secured.terms.sas_type.to_string());
        put(&mut this.sas, &secured.sas.to_string());
        put(&mut this.relayed_sas, &secured.relayed_sas.as_ref().map(Sas::to_string).unwrap_or_default());
        put(&mut this.peer_zid, &secured.peer_zid.to_string());
        put(&mut this.peer_client, &secured.peer_client);
        put(&mut this.continuity, continuity);
        this
    }
}

/// Sets ZRTP up for a stream that sends RTP under `ssrc`; nothing is sent yet. Again, with another call: for another peer,
/// e.g. after a transfer; keys that are there stay in use until there are new ones.
///
/// # Safety
/// `session` and `call` are handles or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_use(
    session: *mut sealrtp_session,
    call: *const sealrtp_zrtp_call,
    ssrc: u32,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let association = &shared(call)?.0;
            inner.session.zrtp_use(association, ssrc, Instant::now()).map_err(|_| SEALRTP_E_RANDOM)?;
            Ok(SEALRTP_OK)
        })
    }
}

/// Sends Hello to where the peer's media goes. Then poll for datagrams, events and the timeout. What passes without keys
/// stays as it is.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_start(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.zrtp_start(Instant::now());
            Ok(SEALRTP_OK)
        })
    }
}

/// No ZRTP for this stream any more, e.g. because SDES was chosen. Keys that are there stay.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_stop(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.zrtp_stop();
            Ok(SEALRTP_OK)
        })
    }
}

/// Takes a datagram that came in on RTP's transport. SEALRTP_DONE: it is not ZRTP, or ZRTP is not set up. Then poll for
/// events, for datagrams to send and for the timeout. A step of an exchange takes up to some milliseconds of CPU.
///
/// # Safety
/// `session` is a handle or null, `datagram` points to `len` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_receive(
    session: *mut sealrtp_session,
    datagram: *const u8,
    len: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let taken = inner.session.receive_zrtp(bytes(datagram, len)?, Instant::now());
            Ok(if taken { SEALRTP_OK } else { SEALRTP_DONE })
        })
    }
}

/// Writes the value of our `a=zrtp-hash`, e.g. "1.10 fe30ef...". SEALRTP_DONE: ZRTP is not set up.
///
/// # Safety
/// `session` is a handle or null, `value` has `value_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_local_hash(
    session: *mut sealrtp_session,
    value: *mut c_char,
    value_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let Some(hash) = inner.session.zrtp_local_hash() else { return Ok(SEALRTP_DONE) };
            write_text(value, value_size, &hash.to_string())?;
            Ok(SEALRTP_OK)
        })
    }
}

/// The peer's `a=zrtp-hash`: another's Hello is refused from here on, and keys that came of one are void. SEALRTP_E_ZRTP: it
/// cannot be used, and `reason` says why.
///
/// # Safety
/// `session` is a handle or null, `value` a C string or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_remote_hash(
    session: *mut sealrtp_session,
    value: *const c_char,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| match text(value)?.parse::<HelloHash>() {
            Ok(hash) => {
                inner.session.zrtp_remote_hash(&hash, Instant::now());
                Ok(SEALRTP_OK)
            }
            Err(error) => {
                // A reason that was cut is still one.
                let _ = write_text(reason, reason_size, &error.to_string());
                Err(SEALRTP_E_ZRTP)
            }
        })
    }
}

/// The user has compared the SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS, or
/// it is that of another stream of the call.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_verify(
    session: *mut sealrtp_session,
    verified: u32,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let set = inner.session.zrtp_set_verified(verified != 0, Instant::now());
            Ok(if set { SEALRTP_OK } else { SEALRTP_DONE })
        })
    }
}

/// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_accept_enrolment(
    session: *mut sealrtp_session,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let accepted = inner.session.zrtp_accept_enrolment(Instant::now());
            Ok(if accepted { SEALRTP_OK } else { SEALRTP_DONE })
        })
    }
}

/// What a filled struct says of the far end of a bridge.
pub(crate) fn far_end_of(far_end: &sealrtp_zrtp_info) -> Result<(Sas, Flags), sealrtp_result> {
    if far_end.size < size_of::<sealrtp_zrtp_info>() {
        return Err(SEALRTP_E_ARGUMENT);
    }
    let name: Vec<u8> =
        far_end.sas_type.iter().map(|byte| byte.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    let kind = if name == b"B256" { SasType::B256 } else { SasType::B32 };
    let flags = Flags {
        enrolment: false,
        verified: far_end.verified != 0,
        allow_clear: false,
        disclosure: far_end.disclosure != 0,
    };
    Ok((Sas::new(kind, far_end.sas_hash), flags))
}

/// Tells the peer, who is enrolled here, the SAS of the far end of the call that it is bridged to (RFC 6189 section 7.3.2).
/// Only one of two enrolled ends may be told. SEALRTP_DONE: not secured by ZRTP, or this is no PBX (`zrtp_mitm`).
///
/// # Safety
/// `session` is a handle or null, `far_end` points to a struct that `sealrtp_session_get_zrtp_info` has filled or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_zrtp_relay_sas(
    session: *mut sealrtp_session,
    far_end: *const sealrtp_zrtp_info,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let (sas, flags) = far_end_of(shared(far_end)?)?;
            let relayed = inner.session.zrtp_relay_sas(&sas, flags, Instant::now());
            Ok(if relayed { SEALRTP_OK } else { SEALRTP_DONE })
        })
    }
}

/// What ZRTP agreed on for this stream. SEALRTP_DONE: nothing (yet).
///
/// # Safety
/// `session` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_get_zrtp_info(
    session: *mut sealrtp_session,
    info: *mut sealrtp_zrtp_info,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let Some(secured) = inner.session.zrtp_secured() else { return Ok(SEALRTP_DONE) };
            write_sized(info, &sealrtp_zrtp_info::new(secured, inner.session.memory_bytes()))?;
            Ok(SEALRTP_OK)
        })
    }
}
