//! What a session tells its owner.

use std::fmt;
use std::time::Duration;

use sealrtp_dtls::{Failure, Fingerprint, Role, Trace, suite_of_profile};
use sealrtp_srtp::{Protocol, Suite};

use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Alert, Sas};

use crate::{Component, Way, ZrtpSecured};

/// Something has happened. Each one prints as a line for a log, without any secret.
#[derive(Clone, Debug)]
pub enum Event {
    /// A DTLS handshake gave keys to a component.
    Secured(Box<Secured>),
    /// No keys for a component, and there will be none: no media passes any more.
    Failed {
        /// Whose handshake.
        component: Component,
        /// Why.
        failure: Failure,
    },
    /// The peer closed the association before there were keys.
    Closed {
        /// Whose.
        component: Component,
    },
    /// The peer did not answer the handshake on RTCP's own port: RTCP stays blocked, RTP goes on.
    NoRtcp,
    /// A ZRTP exchange gave keys.
    ZrtpSecured(Box<ZrtpSecured>),
    /// A ZRTP exchange gave none, and this stream begins no other. Where clear media passed before, it goes on.
    ZrtpFailed(sealrtp_zrtp::Failure),
    /// The peer does not answer ZRTP's Hello. One that comes later is answered.
    ZrtpNoAnswer,
    /// Of this peer another secret was kept than it has: somebody in the middle, or a cache was lost. Compare the SAS.
    ZrtpCacheMismatch(Zid),
    /// The cache cannot be used; the call goes on without.
    ZrtpCacheUnusable(String),
    /// The user compared the SAS, or takes it back.
    ZrtpVerified(bool),
    /// The far end's SAS, by a PBX that we are enrolled at.
    ZrtpRelayedSas(Sas),
    /// The peer went back to clear media; no media passes any more.
    ZrtpCleared,
    /// Something that should not happen, and was not obeyed.
    ZrtpAlert(Alert),
    /// A message of ZRTP in one line, with [`Session::set_trace`](crate::Session::set_trace).
    ZrtpTrace(String),
    /// Of the SRTP streams.
    Srtp {
        /// Which direction.
        way: Way,
        /// What.
        event: sealrtp_srtp::Event,
    },
    /// A step of a handshake, with [`Session::set_trace`](crate::Session::set_trace).
    Trace {
        /// Whose handshake.
        component: Component,
        /// Which step.
        trace: Trace,
    },
}

/// What a DTLS handshake agreed on. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Whose handshake.
    pub component: Component,
    /// Ours.
    pub role: Role,
    /// The SRTP protection profile.
    pub suite: Suite,
    /// OpenSSL's name of the DTLS cipher suite.
    pub cipher: String,
    /// `DTLSv1.2`.
    pub version: String,
    /// Of our certificate.
    pub local_fingerprint: Fingerprint,
    /// Of the peer's certificate, by the hash function of its `a=fingerprint`.
    pub remote_fingerprint: Fingerprint,
    /// From the first ClientHello sent or taken to the keys.
    pub took: Duration,
    /// Whether the session was RTP's, resumed.
    pub resumed: bool,
    /// How often a flight of ours went out again.
    pub retransmissions: u32,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secured(secured) => secured.fmt(f),
            Self::Failed { component, failure } => write!(f, "DTLS-SRTP failed for {component}: {failure}"),
            Self::Closed { component } => {
                write!(f, "the peer closed the DTLS association of {component} before it was finished")
            }
            Self::NoRtcp => {
                f.write_str("no DTLS answer on the RTCP port: RTCP stays blocked, RTP is secured and goes on")
            }
            Self::ZrtpSecured(secured) => secured.fmt(f),
            Self::ZrtpFailed(failure) => write!(f, "ZRTP failed: {failure}"),
            Self::ZrtpNoAnswer => f.write_str("no answer to ZRTP's Hello"),
            Self::ZrtpCacheMismatch(peer) => write!(
                f,
                "ZRTP peer {peer} does not have the secret of the last call: somebody may be in between, or one side has \
                 lost its cache; compare the SAS"
            ),
            Self::ZrtpCacheUnusable(why) => write!(f, "{why}; the call goes on without"),
            Self::ZrtpVerified(true) => f.write_str("the SAS was compared and is right"),
            Self::ZrtpVerified(false) => f.write_str("the SAS counts as not compared"),
            Self::ZrtpRelayedSas(sas) => write!(f, "the PBX relays the far end's SAS: {sas}"),
            Self::ZrtpCleared => {
                f.write_str("the peer ended SRTP by GoClear, which is not allowed here; no media passes")
            }
            Self::ZrtpAlert(alert) => write!(f, "ZRTP message not obeyed: {alert:?}"),
            Self::ZrtpTrace(line) => f.write_str(line),
            Self::Srtp { way, event } => srtp(f, *way, *event),
            Self::Trace { component, trace } => write!(f, "DTLS {component} {trace}", trace = Line(trace)),
        }
    }
}

impl fmt::Display for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} secured by DTLS-SRTP as {}: {}, {} {}, {} ms{}",
            self.component,
            role(self.role),
            self.suite,
            self.version,
            self.cipher,
            self.took.as_millis(),
            if self.resumed { ", resumed" } else { "" }
        )
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn srtp(f: &mut fmt::Formatter<'_>, way: Way, event: sealrtp_srtp::Event) -> fmt::Result {
    use sealrtp_srtp::Event as Srtp;
    let name = |protocol| if protocol == Protocol::Srtcp { "SRTCP" } else { "SRTP" };
    match event {
        Srtp::KeyExpiring { protocol, remaining } => {
            write!(f, "{way} {} master key: {remaining} packets left, re-key now", name(protocol))
        }
        Srtp::KeyExpired { protocol } => write!(
            f,
            "{way} {} master key: lifetime over, packets are refused until a re-key",
            name(protocol)
        ),
        Srtp::SsrcLimit { ssrc } => {
            write!(f, "{way} SSRC {ssrc:#010x} refused: too many SSRCs, see max_ssrcs")
        }
        Srtp::Rekeyed { ssrc } => write!(f, "{way} SSRC {ssrc:#010x} came under the new key"),
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// A step in one line.
struct Line<'a>(&'a Trace);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use sealrtp_dtls::Direction::{In, Out};
        let arrow = |direction| match direction {
            Out => "->",
            In => "<-",
        };
        match self.0 {
            Trace::Started { role: ours, local, remote } => {
                write!(f, "== start as {}, local fingerprint {local}, remote {remote}", role(*ours))
            }
            Trace::Message { direction, message, again } => {
                let again = if *again { " (again)" } else { "" };
                write!(f, "{} {message}{again}", arrow(*direction))
            }
            Trace::Offered { direction, profiles } => {
                write!(f, "{} use_srtp offered:", arrow(*direction))?;
                profiles.iter().try_for_each(|number| match suite_of_profile(*number) {
                    Some(suite) => write!(f, " {suite}"),
                    None => write!(f, " {number:#06x}"),
                })
            }
            Trace::Timeout { retransmissions, next } => {
                write!(f, "== timeout, retransmission {retransmissions}, next in {} ms", next.as_millis())
            }
            Trace::Ignored { len, why } => write!(f, "<- {len} bytes ignored: {why:?}"),
            Trace::SessionStored => write!(f, "== session stored, RTCP's handshake may resume it"),
            Trace::Closed => write!(f, "== closed by us"),
            Trace::LastFlightRepeated => write!(f, "-> last flight again: the peer's Finished came again"),
            Trace::Released => write!(f, "== OpenSSL's state released"),
        }
    }
}
