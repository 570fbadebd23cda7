//! What a run makes of ZRTP's events.

use std::time::Instant;

use sealrtp_session::{Component, Event};
use sealrtp_zrtp::message::Flags;

use super::Peer;
use crate::arguments::{EnrolmentWanted, ZrtpWanted};
use crate::outcome::{Ended, Outcome};
use crate::report::milliseconds;
use crate::zrtp::{ZrtpReport, no_keys, outcome};

impl Peer<'_> {
    fn told(&mut self, note: impl FnOnce(&mut ZrtpReport)) {
        if let Some(report) = &mut self.report.zrtp {
            note(report);
        }
    }

    /// Our Hello goes out, at once or after the clear media that was asked for.
    pub(super) fn start_zrtp(&mut self, now: Instant) {
        match self.arguments.zrtp.zrtp_after {
            Some(after) => self.zrtp_due = Some(now + after),
            None => self.session.zrtp_start(now),
        }
    }

    /// Does what is due.
    pub(super) fn zrtp_timer(&mut self, now: Instant) {
        if self.zrtp_due.take_if(|due| *due <= now).is_some() {
            self.session.zrtp_start(now);
        }
    }

    /// One of ZRTP's events; others are none of this room.
    pub(super) fn zrtp_event(&mut self, event: Event, now: Instant) -> Result<(), Ended> {
        match event {
            Event::ZrtpSecured(secured) => {
                let number = Component::Rtp as usize;
                self.remote[number] = self.remote[number].or(self.source[number]);
                self.report.time_to_secure_ms =
                    self.agreed.map(|agreed| milliseconds(now.saturating_duration_since(agreed)));
                if self.arguments.zrtp.zrtp_verify {
                    self.session.zrtp_set_verified(true, now);
                }
                if self.arguments.zrtp.zrtp_enrol == Some(EnrolmentWanted::Accept)
                    && secured.enrolment_offered
                {
                    let accepted = self.session.zrtp_accept_enrolment(now);
                    self.told(|report| report.enrolment(accepted));
                }
                if let Some(sas) = &self.arguments.zrtp.zrtp_relay_sas {
                    let sent = self.session.zrtp_relay_sas(sas, Flags::default(), now);
                    self.told(|report| report.relay(sent));
                }
                Ok(())
            }
            Event::ZrtpAlert(alert) => {
                self.told(|report| report.alert(alert));
                Ok(())
            }
            Event::ZrtpFailed(failure) => {
                self.told(|report| report.failed(&failure));
                let outcome = outcome(&failure);
                match self.arguments.zrtp.zrtp {
                    // As with a peer that does no ZRTP, unless there was one already.
                    Some(ZrtpWanted::Allow) if self.report.time_to_secure_ms.is_none() => Ok(()),
                    _ => Err(Ended::new(outcome, format!("ZRTP: {failure}"))),
                }
            }
            Event::ZrtpCleared => Err(Ended::new(Outcome::HandshakeFailed, event)),
            _ => Ok(()),
        }
    }

    /// Why ZRTP has given no keys in time.
    pub(super) fn without_zrtp(&self) -> Ended {
        no_keys(self.report.zrtp.as_ref().is_some_and(ZrtpReport::wrong_hello))
    }
}
