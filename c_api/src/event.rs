//! What a session tells.

use std::ffi::c_char;

use ::sealrtp_dtls::Failure;
use sealrtp_session::{Component, Event, Way};
use sealrtp_srtp::Protocol;

use crate::boundary::write_text;

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
    /// A DTLS handshake or a ZRTP exchange gave keys; `value`: milliseconds it took.
    SEALRTP_EVENT_SECURED = 5,
    /// A DTLS handshake or a ZRTP exchange failed; `value`: a `sealrtp_failure`. Only after SEALRTP_FAILURE_ZRTP media may pass
    /// still: in the clear where it did before.
    SEALRTP_EVENT_FAILED = 6,
    /// The peer closed the DTLS association before there were keys.
    SEALRTP_EVENT_CLOSED = 7,
    /// A step of a handshake, for `sealrtp_session_set_trace`.
    SEALRTP_EVENT_TRACE = 8,
    /// The peer did not answer the handshake on RTCP's own port: RTCP stays blocked, RTP goes on.
    SEALRTP_EVENT_NO_RTCP = 9,
    /// The peer does not answer ZRTP's Hello. One of its own that comes later is answered.
    SEALRTP_EVENT_NO_ANSWER = 10,
    /// The ZRTP peer does not have the secret of the last call: somebody may be in between, or a cache was lost.
    SEALRTP_EVENT_CACHE_MISMATCH = 11,
    /// The user compared the SAS (`value` 1), or takes that back (0).
    SEALRTP_EVENT_VERIFIED = 12,
    /// The PBX at which we are enrolled told the far end's SAS.
    SEALRTP_EVENT_RELAYED_SAS = 13,
    /// The ZRTP peer ended SRTP; no media passes any more.
    SEALRTP_EVENT_CLEARED = 14,
    /// A ZRTP message that should not come was not obeyed; anybody can cause it.
    SEALRTP_EVENT_ALERT = 15,
    /// The cache of ZRTP could not be used; the call goes on without.
    SEALRTP_EVENT_CACHE_UNUSABLE = 16,
    /// Of a leg: offer and answer have left the line clear, and nobody makes keys.
    SEALRTP_EVENT_CLEAR = 17,
    /// Of a leg: something that the administrator should know, see the text.
    SEALRTP_EVENT_WARNING = 18,
}

/// Why a handshake or an exchange failed, or what else a call's security has suffered.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_failure {
    /// The peer's certificate is not the one of its `a=fingerprint`: somebody may be in between.
    SEALRTP_FAILURE_FINGERPRINT = 1,
    /// The peer showed no certificate.
    SEALRTP_FAILURE_NO_CERTIFICATE = 2,
    /// No CA that is trusted has signed the peer's certificate.
    SEALRTP_FAILURE_UNTRUSTED = 3,
    /// No SRTP protection profile in common.
    SEALRTP_FAILURE_NO_PROFILE = 4,
    /// The peer did not answer, or not in time.
    SEALRTP_FAILURE_TIMEOUT = 5,
    /// The peer gave up.
    SEALRTP_FAILURE_ALERT = 6,
    /// Another, see the text.
    SEALRTP_FAILURE_OTHER = 7,
    /// Of ZRTP, see the text.
    SEALRTP_FAILURE_ZRTP = 8,
    /// For `sealrtp_config_consequence`: SEALRTP_EVENT_CACHE_MISMATCH has come.
    SEALRTP_FAILURE_CACHE_MISMATCH = 9,
    /// For `sealrtp_config_consequence`: an end point whose calls were secured before has a clear one.
    SEALRTP_FAILURE_DOWNGRADE = 10,
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
    pub text: [c_char; 1024],
}

impl sealrtp_event {
    pub(crate) fn new(event: &Event) -> Self {
        use sealrtp_event_kind::*;
        let on_rtcp = |component: &Component| *component == Component::Rtcp;
        let (kind, ssrc, rtcp, value) = match event {
            Event::Secured(secured) => {
                let took = u64::try_from(secured.took.as_millis()).unwrap_or(u64::MAX);
                (SEALRTP_EVENT_SECURED, 0, on_rtcp(&secured.component), took)
            }
            Event::Failed { component, failure } => {
                (SEALRTP_EVENT_FAILED, 0, on_rtcp(component), kind_of(failure) as u64)
            }
            Event::Closed { component } => (SEALRTP_EVENT_CLOSED, 0, on_rtcp(component), 0),
            Event::NoRtcp => (SEALRTP_EVENT_NO_RTCP, 0, true, 0),
            Event::Trace { component, .. } => (SEALRTP_EVENT_TRACE, 0, on_rtcp(component), 0),
            Event::ZrtpSecured(secured) => {
                let took = u64::try_from(secured.took.as_millis()).unwrap_or(u64::MAX);
                (SEALRTP_EVENT_SECURED, 0, false, took)
            }
            Event::ZrtpFailed(_) => {
                (SEALRTP_EVENT_FAILED, 0, false, sealrtp_failure::SEALRTP_FAILURE_ZRTP as u64)
            }
            Event::ZrtpNoAnswer => (SEALRTP_EVENT_NO_ANSWER, 0, false, 0),
            Event::ZrtpCacheMismatch(_) => (SEALRTP_EVENT_CACHE_MISMATCH, 0, false, 0),
            Event::ZrtpVerified(verified) => (SEALRTP_EVENT_VERIFIED, 0, false, u64::from(*verified)),
            Event::ZrtpRelayedSas(_) => (SEALRTP_EVENT_RELAYED_SAS, 0, false, 0),
            Event::ZrtpCleared => (SEALRTP_EVENT_CLEARED, 0, false, 0),
            Event::ZrtpAlert(_) => (SEALRTP_EVENT_ALERT, 0, false, 0),
            Event::ZrtpCacheUnusable(_) => (SEALRTP_EVENT_CACHE_UNUSABLE, 0, false, 0),
            Event::ZrtpTrace(_) => (SEALRTP_EVENT_TRACE, 0, false, 0),
            Event::Srtp { event, .. } => match *event {
                sealrtp_srtp::Event::KeyExpiring { protocol, remaining } => {
                    (SEALRTP_EVENT_KEY_EXPIRING, 0, protocol == Protocol::Srtcp, remaining)
                }
                sealrtp_srtp::Event::KeyExpired { protocol } => {
                    (SEALRTP_EVENT_KEY_EXPIRED, 0, protocol == Protocol::Srtcp, 0)
                }
                sealrtp_srtp::Event::SsrcLimit { ssrc } => (SEALRTP_EVENT_SSRC_LIMIT, ssrc, false, 0),
                sealrtp_srtp::Event::Rekeyed { ssrc } => (SEALRTP_EVENT_REKEYED, ssrc, false, 0),
            },
        };
        let mut this = Self {
            size: size_of::<Self>(),
            kind: kind as u32,
            outbound: u32::from(matches!(event, Event::Srtp { way: Way::Outbound, .. })),
            ssrc,
            rtcp: u32::from(rtcp),
            value,
            text: [0; 1024],
        };
        // SAFETY: the array is ours and has the size given; a longer text is cut, which a log survives.
        let _ = unsafe { write_text(this.text.as_mut_ptr(), this.text.len(), &event.to_string()) };
        this
    }
}

fn kind_of(failure: &Failure) -> sealrtp_failure {
    use sealrtp_failure::*;
    match failure {
        Failure::FingerprintMismatch { .. } => SEALRTP_FAILURE_FINGERPRINT,
        Failure::NoCertificate => SEALRTP_FAILURE_NO_CERTIFICATE,
        Failure::Untrusted(_) => SEALRTP_FAILURE_UNTRUSTED,
        Failure::NoCommonProfile => SEALRTP_FAILURE_NO_PROFILE,
        Failure::TimedOut => SEALRTP_FAILURE_TIMEOUT,
        Failure::Alert(_) => SEALRTP_FAILURE_ALERT,
        Failure::NoExtendedMasterSecret | Failure::Version(_) | Failure::Handshake(_) => {
            SEALRTP_FAILURE_OTHER
        }
    }
}
