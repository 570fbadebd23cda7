//! What the people of a call, and those who look after it, ask of a leg.

use crate::boundary::{guard, shared};
use crate::leg::sealrtp_leg;
use crate::result::sealrtp_result::{self, *};
use crate::session_zrtp::{far_end_of, sealrtp_zrtp_info};

/// The user has compared the call's SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_verify(leg: *mut sealrtp_leg, verified: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.verify(verified != 0) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_accept_enrolment(leg: *mut sealrtp_leg) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.accept_enrolment() { SEALRTP_OK } else { SEALRTP_DONE })
    })
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
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, far_end) = unsafe { (shared(leg)?, shared(far_end)?) };
        let (sas, flags) = far_end_of(far_end)?;
        Ok(if leg.0.relay_sas(&sas, flags) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// Whether each step of a handshake is told from now on, as SEALRTP_EVENT_TRACE.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_set_trace(leg: *mut sealrtp_leg, trace: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        leg.set_trace(trace != 0);
        Ok(SEALRTP_OK)
    })
}
