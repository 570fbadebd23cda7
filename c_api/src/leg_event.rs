//! What a leg tells.

use std::ffi::c_char;

use ::sealrtp_leg::{Event, Happened};
use ::sealrtp_session::Event as SessionEvent;

use crate::boundary::put;
use crate::config::consequence_number;
use crate::event::{sealrtp_event, sealrtp_event_kind, sealrtp_failure};
use crate::leg_line::method_number;

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
    /// The event in English, for a log; no keys.
    pub text: [c_char; 1024],
}

impl sealrtp_leg_event {
    pub(crate) fn new(event: &Event) -> Self {
        use sealrtp_event_kind::*;
        let mut this = Self {
            size: size_of::<Self>(),
            kind: 0,
            line: u32::try_from(event.line).unwrap_or(u32::MAX),
            method: method_number(event.method),
            consequence: event.consequence.map_or(0, consequence_number),
            value: 0,
            rtcp: 0,
            media: [0; 16],
            suite: [0; 40],
            text: [0; 1024],
        };
        let suite = match &event.what {
            Happened::Session(told) => {
                let told_to_c = sealrtp_event::new(told);
                (this.kind, this.value, this.rtcp) = (told_to_c.kind, told_to_c.value, told_to_c.rtcp);
                match told {
                    SessionEvent::Secured(secured) => Some(secured.suite),
                    SessionEvent::ZrtpSecured(secured) => Some(secured.suite),
                    _ => None,
                }
            }
            Happened::Keyed(suite) => {
                this.kind = SEALRTP_EVENT_SECURED as u32;
                Some(*suite)
            }
            Happened::Clear => {
                this.kind = SEALRTP_EVENT_CLEAR as u32;
                None
            }
            Happened::Warning(_) => {
                this.kind = SEALRTP_EVENT_WARNING as u32;
                None
            }
            Happened::Broken => {
                this.kind = SEALRTP_EVENT_FAILED as u32;
                this.value = sealrtp_failure::SEALRTP_FAILURE_OTHER as u64;
                None
            }
        };
        put(&mut this.media, &event.media);
        put(&mut this.suite, suite.map_or("", |suite| suite.name()));
        put(&mut this.text, &event.to_string());
        this
    }
}
