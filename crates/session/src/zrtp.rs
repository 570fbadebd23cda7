//! ZRTP of a session, on the transport of RTP; the keys are those of RTP and RTCP.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use sealrtp_srtp::{KeySet, Suite};
use sealrtp_zrtp::algorithm::KeyAgreement;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::trace::Line;
use sealrtp_zrtp::{
    Alert, Association, Continuity, Failure, Received, Role, Sas, Stream, StreamState, Terms,
};

use crate::Way;

/// How long clear media still passes after ZRTP has given keys, where it passed before: what the peer sent before it had
/// them.
pub const CHANGEOVER: Duration = Duration::from_millis(500);

/// Why there can be no ZRTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZrtpError {
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Random,
}

/// What a ZRTP exchange agreed on. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZrtpSecured {
    /// Ours.
    pub role: Role,
    /// The SRTP suite.
    pub suite: Suite,
    /// The algorithms.
    pub terms: Terms,
    /// To compare; in Multistream mode that of the call's first stream.
    pub sas: Sas,
    /// Of the far end, by a PBX that we are enrolled at.
    pub relayed_sas: Option<Sas>,
    /// The peer.
    pub peer_zid: Zid,
    /// The peer's software, as it calls itself.
    pub peer_client: String,
    /// The SAS was compared: in this call, or in an earlier one and nothing has changed since.
    pub verified: bool,
    /// What the cache had to say.
    pub continuity: Continuity,
    /// auxsecret, where we have one: whether the peer has the same.
    pub aux_match: Option<bool>,
    /// The peer shares our pbxsecret.
    pub enrolled: bool,
    /// The peer offers enrolment.
    pub enrolment_offered: bool,
    /// The peer may disclose keys (RFC 6189 section 11).
    pub disclosure: bool,
    /// The peer's Hello said that it is a PBX in the middle.
    pub mitm: bool,
    /// From the peer's first Hello to the keys.
    pub took: Duration,
    /// How often a message of ours went out again.
    pub retransmissions: u32,
}

impl ZrtpSecured {
    fn new(secured: &sealrtp_zrtp::Secured) -> Self {
        Self {
            role: secured.role,
            suite: secured.suite,
            terms: secured.terms,
            sas: secured.sas.clone(),
            relayed_sas: None,
            peer_zid: secured.peer_zid,
            peer_client: secured.peer_client.clone(),
            verified: secured.verified,
            continuity: secured.continuity,
            aux_match: secured.aux_match,
            enrolled: secured.enrolled,
            enrolment_offered: secured.enrolment_offered,
            disclosure: secured.disclosure,
            mitm: secured.mitm,
            took: secured.took,
            retransmissions: secured.retransmissions,
        }
    }

    /// Whether the keys came of the call's first stream, whose SAS it is.
    pub fn is_multistream(&self) -> bool {
        self.terms.agreement == KeyAgreement::Multistream
    }
}

impl fmt::Display for ZrtpSecured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { hash, cipher, auth_tag, agreement_name, sas_type, .. } = &self.terms;
        let role = match self.role {
            Role::Initiator => "initiator",
            Role::Responder => "responder",
        };
        write!(
            f,
            "secured by ZRTP as {role}: SAS {sas} ({verified}), peer {zid} {client}, {agreement_name} {hash} {cipher} \
             {auth_tag} {sas_type}, {took} ms{cache}",
            sas = self.sas,
            verified = if self.verified { "verified" } else { "not verified" },
            zid = self.peer_zid,
            client = self.peer_client,
            took = self.took.as_millis(),
            cache = match self.continuity {
                Continuity::New => ", first call with this peer",
                Continuity::Match => ", same secrets as in the last call",
                Continuity::Mismatch => ", OTHER SECRETS THAN IN THE LAST CALL",
                Continuity::Unused => "",
            }
        )
    }
}

/// What a step of ZRTP means for its session.
pub(crate) enum Step {
    Expect(KeySet),
    Secured(Box<(KeySet, KeySet)>, Box<ZrtpSecured>),
    NoAnswer,
    CacheMismatch(Zid),
    CacheUnusable(String),
    RelayedSas(Sas),
    Cleared,
    Alert(Alert),
    Failed(Failure),
    Trace(String),
}

pub(crate) struct Zrtp {
    stream: Stream,
    /// Of this stream's keys, or those before it, once there are any.
    secured: Option<Box<ZrtpSecured>>,
    changeover_ends: Option<Instant>,
    traced: VecDeque<String>,
    trace: bool,
}

/// Most lines of a trace that wait.
const MAX_TRACED: usize = 64;

impl Zrtp {
    pub(crate) fn new(
        association: &Association,
        ssrc: u32,
        trace: bool,
        before: Option<Box<ZrtpSecured>>,
        now: Instant,
    ) -> Result<Self, ZrtpError> {
        let stream = Stream::new(association, ssrc, now).map_err(|_| ZrtpError::Random)?;
        Ok(Self { stream, secured: before, changeover_ends: None, traced: VecDeque::new(), trace })
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(crate) fn state(&self) -> StreamState {
        self.stream.state()
    }

    pub(crate) fn local_hash(&self) -> sealrtp_zrtp::HelloHash {
        self.stream.hello_hash()
    }

    /// An RTP packet goes out: who owns the stream may change its SSRC at any time, and a relay does not know it before.
    #[inline]
    pub(crate) fn sends(&mut self, packet: &[u8]) {
        if let Some(&[a, b, c, d]) = packet.get(8..12) {
            self.stream.set_ssrc(u32::from_be_bytes([a, b, c, d]));
        }
    }

    pub(crate) fn set_trace(&mut self, trace: bool) {
        self.trace = trace;
    }

    fn trace(&mut self, way: Way, datagram: &[u8]) {
        if self.trace && self.traced.len() < MAX_TRACED {
            let arrow = match way {
                Way::Inbound => "<-",
                Way::Outbound => "->",
            };
            self.traced.push_back(format!("ZRTP {arrow} {}", Line(datagram)));
        }
    }

    /// The next line of the trace.
    pub(crate) fn take_trace(&mut self) -> Option<String> {
        self.traced.pop_front()
    }

    /// False: not ZRTP.
    pub(crate) fn receive(&mut self, datagram: &[u8], now: Instant) -> bool {
        self.trace(Way::Inbound, datagram);
        self.stream.receive(datagram, now) == Received::Taken
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let datagram = self.stream.poll_transmit()?;
        self.trace(Way::Outbound, &datagram);
        Some(datagram)
    }

    pub(crate) fn poll_step(&mut self) -> Option<Step> {
        use sealrtp_zrtp::Event;
        if let Some(line) = self.take_trace() {
            return Some(Step::Trace(line));
        }
        Some(match self.stream.poll_event()? {
            // The trace has its Hello.
            Event::PeerFound { .. } => return self.poll_step(),
            Event::NoAnswer => Step::NoAnswer,
            Event::Inbound(keys) => Step::Expect(keys),
            Event::Secured(secured) => {
                let info = ZrtpSecured::new(&secured);
                self.secured = Some(Box::new(info.clone()));
                let sealrtp_zrtp::Secured { inbound, outbound, .. } = *secured;
                Step::Secured(Box::new((inbound, outbound)), Box::new(info))
            }
            Event::CacheMismatch { peer } => Step::CacheMismatch(peer),
            Event::CacheUnusable(why) => Step::CacheUnusable(why),
            Event::RelayedSas(sas) => {
                if let Some(secured) = &mut self.secured {
                    secured.relayed_sas = Some(sas.clone());
                }
                Step::RelayedSas(sas)
            }
            Event::Cleared => {
                self.secured = None;
                Step::Cleared
            }
            Event::Alert(alert) => Step::Alert(alert),
            Event::Failed(failure) => Step::Failed(failure),
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.stream.poll_timeout(), self.changeover_ends].into_iter().flatten().min()
    }

    /// Clear media passes until then.
    pub(crate) fn begin_changeover(&mut self, now: Instant) {
        self.changeover_ends = Some(now + CHANGEOVER);
    }

    /// Whether the changeover has ended; true once.
    pub(crate) fn end_changeover(&mut self, now: Instant) -> bool {
        self.changeover_ends.take_if(|ends| *ends <= now).is_some()
    }

    pub(crate) fn secured(&self) -> Option<&ZrtpSecured> {
        self.secured.as_deref()
    }

    pub(crate) fn take_secured(&mut self) -> Option<Box<ZrtpSecured>> {
        self.secured.take()
    }

    /// False if there is no SAS that could be verified here.
    pub(crate) fn set_verified(&mut self, verified: bool) -> bool {
        match &mut self.secured {
            Some(secured) if !secured.is_multistream() && self.stream.state() == StreamState::Secure => {
                self.stream.set_verified(verified);
                secured.verified = verified;
                true
            }
            _ => false,
        }
    }
}
