//! DTLS-SRTP of a stream: what offers and answers say, then datagrams both ways.

use std::ffi::c_char;
use std::time::Instant;

use ::sealrtp_dtls::{Destination, HashFunction, Role, Setup, Taken};
use ::sealrtp_session::{RtcpTransport, Secured};
use openssl::error::ErrorStack;
use openssl::ssl::{SslRef, SslSessionRef};

use crate::address::sealrtp_address;
use crate::boundary::{bytes, bytes_mut, put, shared, text, unique, write_sized, write_text};
use crate::dtls::{sealrtp_dtls, sealrtp_dtls_options};
use crate::result::sealrtp_result::{self, *};
use crate::session::{component, sealrtp_session, with_session};

/// The value of `a=setup`.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum sealrtp_setup {
    /// Sends the ClientHello.
    SEALRTP_SETUP_ACTIVE = 1,
    /// Waits for it.
    SEALRTP_SETUP_PASSIVE = 2,
    /// Either, as the answer says.
    SEALRTP_SETUP_ACTPASS = 3,
    /// No association for the time being.
    SEALRTP_SETUP_HOLDCONN = 4,
}

const SETUPS: [(sealrtp_setup, Setup); 4] = [
    (sealrtp_setup::SEALRTP_SETUP_ACTIVE, Setup::Active),
    (sealrtp_setup::SEALRTP_SETUP_PASSIVE, Setup::Passive),
    (sealrtp_setup::SEALRTP_SETUP_ACTPASS, Setup::ActPass),
    (sealrtp_setup::SEALRTP_SETUP_HOLDCONN, Setup::HoldConn),
];

fn setup(number: u32) -> Result<Setup, sealrtp_result> {
    let found = SETUPS.into_iter().find(|(known, _)| number == *known as u32);
    found.map(|(_, setup)| setup).ok_or(SEALRTP_E_ARGUMENT)
}

fn number(setup: Setup) -> u32 {
    SETUPS.into_iter().find(|(_, known)| setup == *known).map_or(0, |(number, _)| number as u32)
}

/// What a finished handshake agreed on. The texts end with a NUL.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_dtls_info {
    /// Set by the caller: sizeof(sealrtp_dtls_info).
    pub size: usize,
    /// Ours: "client" or "server".
    pub role: [c_char; 8],
    /// The SRTP protection profile, as its suite is called.
    pub profile: [c_char; 40],
    /// OpenSSL's name of the DTLS cipher suite.
    pub cipher: [c_char; 64],
    /// "DTLSv1.2".
    pub version: [c_char; 16],
    /// Of our certificate, e.g. "sha-256 AB:CD:...".
    pub local_fingerprint: [c_char; 256],
    /// Of the peer's certificate, by the hash function of its `a=fingerprint`.
    pub remote_fingerprint: [c_char; 256],
    /// From the first ClientHello to the keys.
    pub handshake_ms: u32,
    /// How often a flight of ours went out again.
    pub retransmissions: u32,
    /// 1 if RTCP's session was RTP's, resumed.
    pub resumed: u32,
    /// Bytes that DTLS takes for this stream now, both components.
    pub memory_bytes: u64,
}

impl sealrtp_dtls_info {
    pub(crate) fn new(secured: &Secured, memory_bytes: usize) -> Self {
        let mut this = Self {
            size: size_of::<Self>(),
            role: [0; 8],
            profile: [0; 40],
            cipher: [0; 64],
            version: [0; 16],
            local_fingerprint: [0; 256],
            remote_fingerprint: [0; 256],
            handshake_ms: u32::try_from(secured.took.as_millis()).unwrap_or(u32::MAX),
            retransmissions: secured.retransmissions,
            resumed: u32::from(secured.resumed),
            memory_bytes: memory_bytes as u64,
        };
        let role = match secured.role {
            Role::Client => "client",
            Role::Server => "server",
        };
        put(&mut this.role, role);
        put(&mut this.profile, secured.suite.name());
        put(&mut this.cipher, &secured.cipher);
        put(&mut this.version, &secured.version);
        put(&mut this.local_fingerprint, &secured.local_fingerprint.to_string());
        put(&mut this.remote_fingerprint, &secured.remote_fingerprint.to_string());
        this
    }
}

/// What [`SetSession`](::sealrtp_dtls::SetSession) asks for.
pub(crate) fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: the caller's promise: the session is in the cache of no other context.
    unsafe { ssl.set_session(session) }
}

/// Writes a reason and gives the result that goes with it.
///
/// # Safety
/// `reason` is null or has `size` bytes.
unsafe fn refuse(reason: *mut c_char, size: usize, said: &dyn std::fmt::Display) -> sealrtp_result {
    // SAFETY: the caller's promise. A reason that was cut is still one.
    let _ = unsafe { write_text(reason, size, &said.to_string()) };
    SEALRTP_E_DTLS
}

/// Sets DTLS-SRTP up: our certificate by `options` (null: the one made by the library) and the `sealrtp_setup` we would
/// rather have. Again: for associations to come. On SEALRTP_E_DTLS `reason` says why, and nothing has changed.
///
/// # Safety
/// `session` and `dtls` are handles or null; `options` points to a struct with its size set, or is null; `reason` has
/// `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_use(
    session: *mut sealrtp_session,
    dtls: *const sealrtp_dtls,
    options: *const sealrtp_dtls_options,
    wanted_setup: u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let (dtls, wanted) = (shared(dtls)?, setup(wanted_setup)?);
            let local = dtls.local_of(options)?.map_err(|said| refuse(reason, reason_size, &said))?;
            inner.session.dtls_resume_with(set_session);
            inner.session.dtls_use(local.context, wanted, dtls.sha1);
            inner.identity = Some(local.identity);
            Ok(SEALRTP_OK)
        })
    }
}

/// No DTLS for this stream after all, e.g. because SDES was chosen. What passes without keys stays as it is.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_stop(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.dtls_stop();
            inner.identity = None;
            Ok(SEALRTP_OK)
        })
    }
}

/// Writes our certificate's fingerprint by `hash` ("sha-1", "sha-256", ...) as hex bytes with colons, without the hash's
/// name. SEALRTP_DONE: DTLS is not set up.
///
/// # Safety
/// `session` is a handle or null, `hash` a C string or null, `value` has `value_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_fingerprint(
    session: *mut sealrtp_session,
    hash: *const c_char,
    value: *mut c_char,
    value_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let hash = HashFunction::from_name(text(hash)?).ok_or(SEALRTP_E_ARGUMENT)?;
            let Some(identity) = &inner.identity else { return Ok(SEALRTP_DONE) };
            let fingerprint = identity.fingerprint(hash).map_err(|_| SEALRTP_E_DTLS)?.to_string();
            let hex = fingerprint.split_once(' ').map_or("", |(_, hex)| hex);
            write_text(value, value_size, hex)?;
            Ok(SEALRTP_OK)
        })
    }
}

/// Our `sealrtp_setup`, for the description that is being made: an answer if the peer has offered, otherwise an offer.
/// 0: DTLS is not set up.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_local_setup(session: *mut sealrtp_session) -> u32 {
    let mut local = 0;
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            local = inner.session.dtls_local_setup().map_or(0, number);
            Ok(SEALRTP_OK)
        });
    }
    local
}

/// The peer's `sealrtp_setup`. SEALRTP_E_DTLS: it does not answer ours, and `reason` says why.
///
/// # Safety
/// `session` is a handle or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_remote_setup(
    session: *mut sealrtp_session,
    remote_setup: u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let taken = inner.session.dtls_remote_setup(setup(remote_setup)?);
            taken.map(|()| SEALRTP_OK).map_err(|error| refuse(reason, reason_size, &error))
        })
    }
}

/// One `a=fingerprint` value of the peer, e.g. "sha-256 AB:CD:...". SEALRTP_E_DTLS: malformed or one too many, and
/// `reason` says so. The first after `sealrtp_session_dtls_local_setup` or `sealrtp_session_dtls_start` begins a new
/// description.
///
/// # Safety
/// `session` is a handle or null, `value` a C string or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_remote_fingerprint(
    session: *mut sealrtp_session,
    value: *const c_char,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let taken = inner.session.dtls_remote_fingerprint(text(value)?);
            taken.map(|()| SEALRTP_OK).map_err(|error| refuse(reason, reason_size, &error))
        })
    }
}

/// Where the peer's media comes from, by its SDP or by ICE: a client there is not asked for a cookie, which saves a round
/// trip.
///
/// # Safety
/// `session` is a handle or null, `source` points to an address or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_expect_source(
    session: *mut sealrtp_session,
    component: u32,
    source: *const sealrtp_address,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let source = shared(source)?.read().ok_or(SEALRTP_E_ARGUMENT)?;
            inner.session.dtls_expect_source(self::component(component)?, source);
            Ok(SEALRTP_OK)
        })
    }
}

/// Media may flow, and with ICE a pair is chosen: begins the handshakes, or keeps the associations there are where terms
/// and transport are the same. Clear media does not pass from here on. `rtcp_separate` 1: RTCP has a port and a handshake
/// of its own. SEALRTP_E_DTLS: it cannot begin, nothing has changed, and `reason` says what is missing.
///
/// # Safety
/// `session` is a handle or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_start(
    session: *mut sealrtp_session,
    rtcp_separate: u32,
    transport_changed: u32,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let rtcp = if rtcp_separate == 0 { RtcpTransport::Muxed } else { RtcpTransport::Separate };
            let started = inner.session.dtls_start(rtcp, transport_changed != 0, Instant::now());
            started.map(|_| SEALRTP_OK).map_err(|error| refuse(reason, reason_size, &error))
        })
    }
}

/// Takes a datagram that came from `from`. SEALRTP_DONE: it is not DTLS, or DTLS is not set up. Then poll for events, for
/// datagrams to send and for the timeout. A step of a handshake takes up to some milliseconds of CPU.
///
/// # Safety
/// `session` is a handle or null, `datagram` points to `len` bytes or is null, `from` to an address or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_dtls_receive(
    session: *mut sealrtp_session,
    component: u32,
    datagram: *const u8,
    len: usize,
    from: *const sealrtp_address,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let component = self::component(component)?;
            let datagram = bytes(datagram, len)?;
            let from = shared(from)?.read().ok_or(SEALRTP_E_ARGUMENT)?;
            Ok(match inner.session.receive_dtls(component, datagram, from, Instant::now()) {
                Taken::Taken => SEALRTP_OK,
                Taken::NotDtls => SEALRTP_DONE,
            })
        })
    }
}

/// The next datagram to send: its bytes, the `sealrtp_component` whose socket it leaves by, and where to; family 0: where
/// the peer's media goes. SEALRTP_DONE: none. SEALRTP_E_BUFFER: `*len` bytes are needed, and it comes again.
///
/// # Safety
/// `session` is a handle or null; `buf` has `capacity` initialised bytes or is null; the others point to what they are
/// called or are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_poll_transmit(
    session: *mut sealrtp_session,
    buf: *mut u8,
    capacity: usize,
    len: *mut usize,
    component: *mut u32,
    to: *mut sealrtp_address,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let (buf, len) = (bytes_mut(buf, capacity)?, unique(len)?);
            let (component, to) = (unique(component)?, unique(to)?);
            let next = inner.waiting.take().or_else(|| inner.session.poll_transmit());
            let Some(transmit) = next else { return Ok(SEALRTP_DONE) };
            *len = transmit.datagram.len();
            let Some(room) = buf.get_mut(..*len) else {
                inner.waiting = Some(transmit);
                return Err(SEALRTP_E_BUFFER);
            };
            room.copy_from_slice(&transmit.datagram);
            *component = transmit.component as u32;
            *to = match transmit.to {
                Destination::Peer => sealrtp_address::NONE,
                Destination::Source(address) => address.into(),
            };
            Ok(SEALRTP_OK)
        })
    }
}

/// In how many milliseconds `sealrtp_session_handle_timeout` is due, 0 if now; SEALRTP_DONE: not at all. May change with
/// every call.
///
/// # Safety
/// `session` is a handle or null, `ms` points to a number or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_poll_timeout(
    session: *mut sealrtp_session,
    ms: *mut u32,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let ms = unique(ms)?;
            let Some(deadline) = inner.session.poll_timeout() else { return Ok(SEALRTP_DONE) };
            // Rounded up: a call a little early does nothing.
            let left = deadline.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
            *ms = u32::try_from(left).unwrap_or(u32::MAX);
            Ok(SEALRTP_OK)
        })
    }
}

/// Does what is due: retransmits, gives up. Calling it early does nothing.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_handle_timeout(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.handle_timeout(Instant::now());
            Ok(SEALRTP_OK)
        })
    }
}

/// Ends it: the peer gets a close_notify (poll for it), and no media passes any more.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_close(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.close();
            Ok(SEALRTP_OK)
        })
    }
}

/// 1: each step of a handshake is an event from now on. 0: none is.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_set_trace(
    session: *mut sealrtp_session,
    trace: u32,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.set_trace(trace != 0);
            Ok(SEALRTP_OK)
        })
    }
}

/// What the handshake of a component agreed on. SEALRTP_DONE: there was none, or it is not finished.
///
/// # Safety
/// `session` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_get_dtls_info(
    session: *mut sealrtp_session,
    component: u32,
    info: *mut sealrtp_dtls_info,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            let memory = inner.session.memory_bytes();
            let Some(secured) = inner.session.dtls_secured(self::component(component)?) else {
                return Ok(SEALRTP_DONE);
            };
            write_sized(info, &sealrtp_dtls_info::new(secured, memory))?;
            Ok(SEALRTP_OK)
        })
    }
}
