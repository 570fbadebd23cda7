//! One media stream: RTP and its RTCP, both directions.

use std::cell::UnsafeCell;
use std::mem::offset_of;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ::sealrtp_dtls::Identity;
use ::sealrtp_session::{Component, Counters, Refusal, Session, State, Transmit, WithoutKeys};
use sealrtp_srtp::{MAX_TRAILER_LEN, Protocol};
use sealrtp_srtp_accel::prefetch;

use crate::boundary::{bytes_mut, give, guard, guard_or, shared, take_back, unique, write_sized};
use crate::config::sealrtp_config;
use crate::counters::sealrtp_session_stats;
use crate::event::sealrtp_event;
use crate::keys::sealrtp_keys;
use crate::result::sealrtp_result::{self, *};

/// Most bytes that protection adds to a packet.
pub const SEALRTP_MAX_TRAILER: usize = 148;
const _: () = assert!(SEALRTP_MAX_TRAILER == MAX_TRAILER_LEN);

/// A transport of a stream.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_component {
    /// RTP's; with rtcp-mux RTCP's as well.
    SEALRTP_RTP = 0,
    /// RTCP's own.
    SEALRTP_RTCP = 1,
}

pub(crate) fn component(number: u32) -> Result<Component, sealrtp_result> {
    Component::BOTH.into_iter().find(|component| *component as u32 == number).ok_or(SEALRTP_E_ARGUMENT)
}

/// Whether media of a component passes, and how.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_state {
    /// Media passes in the clear, both ways.
    SEALRTP_STATE_BYPASS = 1,
    /// No media passes that is not secured, and a direction has no keys yet, or none any more.
    SEALRTP_STATE_BLOCK = 2,
    /// Both directions have keys; nothing clear passes.
    SEALRTP_STATE_SECURE = 3,
}

const _: () = {
    assert!(sealrtp_state::SEALRTP_STATE_BYPASS as u32 == State::Bypass as u32);
    assert!(sealrtp_state::SEALRTP_STATE_BLOCK as u32 == State::Block as u32);
    assert!(sealrtp_state::SEALRTP_STATE_SECURE as u32 == State::Secure as u32);
};

/// The security of one media stream.
///
/// One thread at a time may use it; `sealrtp_session_get_stats` and `sealrtp_session_state` may run in any thread
/// meanwhile.
#[allow(non_camel_case_types)]
pub struct sealrtp_session {
    inner: UnsafeCell<Inner>,
    counters: Arc<Counters>,
    broken: AtomicBool,
}

pub(crate) struct Inner {
    pub(crate) session: Session,
    /// Of our certificate, where DTLS is set up.
    pub(crate) identity: Option<Identity>,
    /// A datagram for which the caller's buffer was too small.
    pub(crate) waiting: Option<Transmit>,
}

/// Makes a stream without keys. `demand_security` 1: it refuses everything until it has them; 0: clear media passes until
/// then.
///
/// # Safety
/// `config` is a handle or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_new(
    config: *const sealrtp_config,
    demand_security: u32,
    out: *mut *mut sealrtp_session,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, out) = unsafe { (shared(config)?, unique(out)?) };
        let rule = if demand_security == 0 { WithoutKeys::Pass } else { WithoutKeys::Block };
        let session = Session::new(config.limits(), rule);
        *out = give(sealrtp_session {
            counters: Arc::clone(session.counters()),
            inner: UnsafeCell::new(Inner { session, identity: None, waiting: None }),
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
/// `session` is null or a handle on which no other call but `sealrtp_session_get_stats` and `sealrtp_session_state` runs.
#[inline]
pub(crate) unsafe fn with_session(
    session: *const sealrtp_session,
    body: impl FnOnce(&mut Inner) -> Result<sealrtp_result, sealrtp_result>,
) -> sealrtp_result {
    let result = guard(|| {
        // SAFETY: null or a live handle.
        let session = unsafe { shared(session)? };
        if session.broken.load(Ordering::Relaxed) {
            return Err(SEALRTP_E_INTERNAL);
        }
        // SAFETY: no other call uses it now; counters are apart from it.
        body(unsafe { &mut *session.inner.get() })
    });
    if result == SEALRTP_E_INTERNAL && !session.is_null() {
        // SAFETY: a live handle, as above.
        unsafe { &(*session).broken }.store(true, Ordering::Relaxed);
    }
    result
}

/// From here on no clear media passes; there is no way back.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_demand_security(session: *mut sealrtp_session) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe {
        with_session(session, |inner| {
            inner.session.demand_security();
            Ok(SEALRTP_OK)
        })
    }
}

/// The `sealrtp_state` of a component; BLOCK for a null handle. May be called in any thread.
///
/// # Safety
/// `session` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_session_state(session: *const sealrtp_session, component: u32) -> u32 {
    guard_or(State::Block as u32, || {
        // SAFETY: the caller's promise.
        let session = unsafe { shared(session) };
        let state = session.and_then(|session| Ok(session.counters.state(self::component(component)?)));
        state.unwrap_or(State::Block) as u32
    })
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
        with_session(session, |inner| {
            inner.session.set_inbound(&shared(keys)?.0);
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
        with_session(session, |inner| {
            inner.session.set_outbound(&shared(keys)?.0);
            Ok(SEALRTP_OK)
        })
    }
}

/// A packet will soon be given to `sealrtp_unprotect_rtp`: asks the processor to bring what that needs into its cache, e.g.
/// while the system reads the packet. Nothing is read and nothing changes: it may be called in any thread, and with a handle
/// that is being freed.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_prefetch_unprotect(session: *const sealrtp_session) {
    prefetch_all(session, &Session::TOUCHED_BY_UNPROTECT);
}

/// A packet will soon be given to `sealrtp_protect_rtp`, as `sealrtp_prefetch_unprotect`.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_prefetch_protect(session: *const sealrtp_session) {
    prefetch_all(session, &Session::TOUCHED_BY_PROTECT);
}

#[inline(always)]
fn prefetch_all(session: *const sealrtp_session, touched: &[Range<usize>]) {
    const LINE: usize = 64;
    let start = session.cast::<u8>();
    prefetch(start);
    for range in touched {
        for at in range.clone().step_by(LINE) {
            prefetch(
                start.wrapping_add(offset_of!(sealrtp_session, inner) + offset_of!(Inner, session) + at),
            );
        }
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
        with_session(session, |inner| {
            let (buf, len) = (bytes_mut(buf, capacity)?, unique(len)?);
            if *len > capacity {
                return Err(SEALRTP_E_ARGUMENT);
            }
            let session = &mut inner.session;
            *len = match protocol {
                Protocol::Srtp => session.protect_rtp(buf, *len)?,
                Protocol::Srtcp => session.protect_rtcp(buf, *len)?,
            };
            Ok(if session.has_event() { SEALRTP_OK_EVENT } else { SEALRTP_OK })
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
        with_session(session, |inner| {
            let len = unique(len)?;
            let packet = bytes_mut(buf, *len)?;
            let session = &mut inner.session;
            *len = match protocol {
                Protocol::Srtp => session.unprotect_rtp(packet)?,
                Protocol::Srtcp => session.unprotect_rtcp(packet)?,
            };
            if !session.has_event() {
                return Ok(SEALRTP_OK);
            }
            // The first packet under ZRTP's keys is what its exchange may wait for.
            session.handle_timeout(Instant::now());
            Ok(SEALRTP_OK_EVENT)
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
            let filled = sealrtp_session_stats::read(&session.counters);
            write_sized(stats, &filled)?;
        }
        Ok(SEALRTP_OK)
    })
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
        with_session(session, |inner| {
            let Some(found) = inner.session.poll_event() else { return Ok(SEALRTP_DONE) };
            write_sized(event, &sealrtp_event::new(&found))?;
            Ok(SEALRTP_OK)
        })
    }
}

impl From<Refusal> for sealrtp_result {
    #[inline]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoKeys => SEALRTP_E_NO_KEYS,
            Refusal::Protect(error) => error.into(),
            Refusal::Unprotect(error) => error.into(),
        }
    }
}
