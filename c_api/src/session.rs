//! One media stream: RTP and its RTCP, both directions.
//!
//! A direction without keys refuses everything, so that a stream can be put in place before its keys are negotiated.

use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::sync::atomic::{AtomicBool, Ordering};

use sealrtp_srtp::{Event, Inbound, Limits, MAX_TRAILER_LEN, Outbound, Protocol};

use crate::boundary::{bytes_mut, give, guard, shared, take_back, unique, write_sized, write_text};
use crate::config::sealrtp_config;
use crate::counters::{Counters, sealrtp_session_stats};
use crate::keys::sealrtp_keys;
use crate::result::sealrtp_result::{self, *};

/// Most bytes that protection adds to a packet.
pub const SEALRTP_MAX_TRAILER: usize = 148;
const _: () = assert!(SEALRTP_MAX_TRAILER == MAX_TRAILER_LEN);

/// One media stream.
///
/// One thread at a time may protect, unprotect, set keys or poll; `sealrtp_session_get_stats` may run in any thread
/// meanwhile.
#[allow(non_camel_case_types)]
pub struct sealrtp_session {
    state: UnsafeCell<State>,
    inbound: Counters,
    outbound: Counters,
    broken: AtomicBool,
}

struct State {
    limits: Limits,
    inbound: Direction<Inbound>,
    outbound: Direction<Outbound>,
}

enum Direction<T> {
    Blocked,
    Keyed(T),
}

impl<T> Direction<T> {
    #[inline]
    fn keyed(&mut self) -> Result<&mut T, sealrtp_result> {
        match self {
            Self::Blocked => Err(SEALRTP_E_NO_KEYS),
            Self::Keyed(direction) => Ok(direction),
        }
    }
}

/// Makes a stream that refuses everything until it has keys.
///
/// # Safety
/// `config` is a handle or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_new(
    config: *const sealrtp_config,
    out: *mut *mut sealrtp_session,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, out) = unsafe { (shared(config)?, unique(out)?) };
        *out = give(sealrtp_session {
            state: UnsafeCell::new(State {
                limits: config.limits(),
                inbound: Direction::Blocked,
                outbound: Direction::Blocked,
            }),
            inbound: Counters::default(),
            outbound: Counters::default(),
            broken: AtomicBool::new(false),
        });
        Ok(SEALRTP_OK)
    })
}

/// Frees the stream and zeroises its keys; null is nothing.
///
/// # Safety
/// `session` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_free(session: *mut sealrtp_session) {
    // SAFETY: the caller's promise.
    unsafe { take_back(session) }
}

/// Runs a call on a stream that no fault has broken; a fault in it breaks the stream.
///
/// # Safety
/// `session` is null or a handle on which no other call but `sealrtp_session_get_stats` runs.
#[inline]
unsafe fn with_session(
    session: *const sealrtp_session,
    body: impl FnOnce(&mut State, &sealrtp_session) -> Result<sealrtp_result, sealrtp_result>,
) -> sealrtp_result {
    let result = guard(|| {
        // SAFETY: null or a live handle.
        let session = unsafe { shared(session)? };
        if session.broken.load(Ordering::Relaxed) {
            return Err(SEALRTP_E_INTERNAL);
        }
        // SAFETY: no other call uses the state now; statistics are apart from it.
        body(unsafe { &mut *session.state.get() }, session)
    });
    if result == SEALRTP_E_INTERNAL && !session.is_null() {
        // SAFETY: a live handle, as above.
        unsafe { &(*session).broken }.store(true, Ordering::Relaxed);
    }
    result
}

/// Installs the keys the peer sends under, or re-keys: packets in flight under the old keys still open. The same keys
/// again change nothing. The handle stays the caller's.
///
/// # Safety
/// `session` and `keys` are handles or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_set_inbound(
    session: *mut sealrtp_session,
    keys: *const sealrtp_keys,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |state, session| {
            let keys = &shared(keys)?.0;
            match &mut state.inbound {
                Direction::Blocked => state.inbound = Direction::Keyed(Inbound::new(keys, state.limits)),
                Direction::Keyed(inbound) => inbound.rekey(keys),
            }
            session.inbound.keyed(keys.suite());
            Ok(SEALRTP_OK)
        })
    }
}

/// Installs the keys we send under, or re-keys from the next packet on. The same keys again change nothing. The handle
/// stays the caller's.
///
/// # Safety
/// `session` and `keys` are handles or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_set_outbound(
    session: *mut sealrtp_session,
    keys: *const sealrtp_keys,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |state, session| {
            let keys = &shared(keys)?.0;
            match &mut state.outbound {
                Direction::Blocked => state.outbound = Direction::Keyed(Outbound::new(keys, state.limits)),
                Direction::Keyed(outbound) => outbound.rekey(keys),
            }
            session.outbound.keyed(keys.suite());
            Ok(SEALRTP_OK)
        })
    }
}

/// Protects the RTP packet of `*len` bytes in `buf` in place and sets `*len` to its new length, at most
/// SEALRTP_MAX_TRAILER bytes more; `capacity` is the size of `buf`. On an error nothing must be sent.
///
/// # Safety
/// `session` is a handle or null, `buf` points to `capacity` initialised bytes or is null, `len` to a size or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_protect_rtp(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { protect(session, buf, len, capacity, Protocol::Srtp) }
}

/// Protects the RTCP packet of `*len` bytes in `buf` in place, like `sealrtp_protect_rtp`.
///
/// # Safety
/// As `sealrtp_protect_rtp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_protect_rtcp(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { protect(session, buf, len, capacity, Protocol::Srtcp) }
}

/// # Safety
/// As [`sealrtp_protect_rtp`].
#[inline]
unsafe fn protect(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
    capacity: usize,
    protocol: Protocol,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |state, session| {
            let (buf, len) = (bytes_mut(buf, capacity)?, unique(len)?);
            let plain = *len;
            if plain > capacity {
                return Err(SEALRTP_E_ARGUMENT);
            }
            let protected = state.outbound.keyed().and_then(|outbound| {
                let result = match protocol {
                    Protocol::Srtp => outbound.protect_rtp(buf, plain),
                    Protocol::Srtcp => outbound.protect_rtcp(buf, plain),
                };
                Ok((result?, outbound.has_event(), outbound.ssrcs()))
            });
            let (new_len, event, ssrcs) = session.outbound.count(protected, protocol)?;
            session.outbound.has_ssrcs(ssrcs);
            *len = new_len;
            Ok(if event { SEALRTP_OK_EVENT } else { SEALRTP_OK })
        })
    }
}

/// Opens the SRTP packet of `*len` bytes in `buf` in place and sets `*len` to the RTP packet's length. On an error the
/// packet must be dropped, whatever `buf` then holds.
///
/// # Safety
/// `session` is a handle or null, `buf` points to `*len` bytes or is null, `len` to a size or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_unprotect_rtp(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { unprotect(session, buf, len, Protocol::Srtp) }
}

/// Opens the SRTCP packet of `*len` bytes in `buf` in place, like `sealrtp_unprotect_rtp`.
///
/// # Safety
/// As `sealrtp_unprotect_rtp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_unprotect_rtcp(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { unprotect(session, buf, len, Protocol::Srtcp) }
}

/// # Safety
/// As [`sealrtp_unprotect_rtp`].
#[inline]
unsafe fn unprotect(
    session: *mut sealrtp_session,
    buf: *mut u8,
    len: *mut usize,
    protocol: Protocol,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |state, session| {
            let len = unique(len)?;
            let packet = bytes_mut(buf, *len)?;
            let opened = state.inbound.keyed().and_then(|inbound| {
                let result = match protocol {
                    Protocol::Srtp => inbound.unprotect_rtp(packet),
                    Protocol::Srtcp => inbound.unprotect_rtcp(packet),
                };
                Ok((result?, inbound.has_event(), inbound.ssrcs()))
            });
            let (new_len, event, ssrcs) = session.inbound.count(opened, protocol)?;
            session.inbound.has_ssrcs(ssrcs);
            *len = new_len;
            Ok(if event { SEALRTP_OK_EVENT } else { SEALRTP_OK })
        })
    }
}

/// Fills `stats`, whose `size` the caller has set. May be called in any thread while the stream is used in another.
///
/// # Safety
/// `session` is a handle or null, `stats` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_get_stats(
    session: *const sealrtp_session,
    stats: *mut sealrtp_session_stats,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise; counters are atomic.
        unsafe {
            let session = shared(session)?;
            let filled = sealrtp_session_stats {
                size: size_of::<sealrtp_session_stats>(),
                inbound: session.inbound.read(),
                outbound: session.outbound.read(),
            };
            write_sized(stats, &filled)?;
        }
        Ok(SEALRTP_OK)
    })
}

/// What an event is about.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_event_kind {
    /// A master key has used seven eighths of its lifetime; `value`: packets left.
    SEALRTP_EVENT_KEY_EXPIRING = 1,
    /// A master key's lifetime is over: packets are refused.
    SEALRTP_EVENT_KEY_EXPIRED = 2,
    /// A further SSRC was refused.
    SEALRTP_EVENT_SSRC_LIMIT = 3,
    /// The first packet under new keys was authenticated.
    SEALRTP_EVENT_REKEYED = 4,
}

/// Something the owner of a stream should log or act on.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_event {
    /// Set by the caller: sizeof(sealrtp_event).
    pub size: usize,
    /// A `sealrtp_event_kind`.
    pub kind: u32,
    /// 1 if it is about what we send, 0 if about what we receive.
    pub outbound: u32,
    /// The SSRC it is about, or 0.
    pub ssrc: u32,
    /// 1 if it is about RTCP.
    pub rtcp: u32,
    /// As the kind says, or 0.
    pub value: u64,
    /// The event in English, for a log.
    pub text: [c_char; 128],
}

/// The oldest event not yet polled: SEALRTP_OK, or SEALRTP_DONE if there is none.
///
/// # Safety
/// `session` is a handle or null, `event` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_poll_event(
    session: *mut sealrtp_session,
    event: *mut sealrtp_event,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |state, _| {
            let sent = state.outbound.keyed().ok().and_then(Outbound::poll_event).map(|event| (true, event));
            let received =
                || state.inbound.keyed().ok().and_then(Inbound::poll_event).map(|event| (false, event));
            let Some((outbound, found)) = sent.or_else(received) else { return Ok(SEALRTP_DONE) };
            write_sized(event, &sealrtp_event::new(outbound, found))?;
            Ok(SEALRTP_OK)
        })
    }
}

impl sealrtp_event {
    fn new(outbound: bool, event: Event) -> Self {
        use sealrtp_event_kind::*;
        let name = |protocol| if protocol == Protocol::Srtcp { "SRTCP" } else { "SRTP" };
        let way = if outbound { "outbound" } else { "inbound" };
        let (kind, ssrc, rtcp, value, text) = match event {
            Event::KeyExpiring { protocol, remaining } => (
                SEALRTP_EVENT_KEY_EXPIRING,
                0,
                protocol == Protocol::Srtcp,
                remaining,
                format!("{way} {} master key: {remaining} packets left, re-key now", name(protocol)),
            ),
            Event::KeyExpired { protocol } => (
                SEALRTP_EVENT_KEY_EXPIRED,
                0,
                protocol == Protocol::Srtcp,
                0,
                format!(
                    "{way} {} master key: lifetime over, packets are refused until a re-key",
                    name(protocol)
                ),
            ),
            Event::SsrcLimit { ssrc } => (
                SEALRTP_EVENT_SSRC_LIMIT,
                ssrc,
                false,
                0,
                format!("{way} SSRC {ssrc:#010x} refused: too many SSRCs, see max_ssrcs"),
            ),
            Event::Rekeyed { ssrc } => (
                SEALRTP_EVENT_REKEYED,
                ssrc,
                false,
                0,
                format!("{way} SSRC {ssrc:#010x} came under the new key"),
            ),
        };
        let mut this = Self {
            size: size_of::<Self>(),
            kind: kind as u32,
            outbound: u32::from(outbound),
            ssrc,
            rtcp: u32::from(rtcp),
            value,
            text: [0; 128],
        };
        // SAFETY: the array is ours and has the size given; a longer text is cut, which a log survives.
        let _ = unsafe { write_text(this.text.as_mut_ptr(), this.text.len(), &text) };
        this
    }
}
