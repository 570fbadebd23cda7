//! The DTLS associations of a session: one for RTP, or for all with rtcp-mux, and one for RTCP where it has a port.

use std::net::SocketAddr;
use std::time::Instant;

use sealrtp_dtls::{
    Association, Connected, Context, Continuity, Failure, Resumption, Role, SetSession, Taken, Terms, Trace,
};

use crate::hold::HoldQueue;
use crate::negotiation::Negotiation;
use crate::{Component, RtcpTransport, Secured, Transmit};

/// What became of [`Session::dtls_start`](crate::Session::dtls_start).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// A handshake began, or waits for the peer's ClientHello.
    New,
    /// The terms are those of the association there is: it goes on.
    Kept,
    /// The peer wants none for the time being, `a=setup:holdconn`.
    Held,
}

/// Why no association can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The session has no certificate to use.
    #[error("no DTLS was set up for this stream")]
    NotSetUp,
    /// Offer and answer do not say who is active.
    #[error("the peer's SDP has no a=setup")]
    NoSetup,
    /// No fingerprint that may be used.
    #[error("the peer's SDP: {0}")]
    NoFingerprint(#[from] sealrtp_dtls::FingerprintError),
    /// OpenSSL has no memory or no randomness.
    #[error("OpenSSL cannot begin a handshake")]
    OpenSsl,
}

/// What a step of an association means for its session.
pub(crate) enum Step {
    Connected(Box<Connected>, Role),
    Failed(Failure),
    Closed,
    Trace(Trace),
}

/// The association of one component.
enum Side {
    /// None yet. Datagrams that come before the signalling is done wait here.
    Early(HoldQueue<SocketAddr>),
    Begun(Box<Begun>),
}

struct Begun {
    association: Association,
    terms: Terms,
    /// Of the association's keys, once there are any.
    secured: Vec<Secured>,
    over: bool,
}

impl Side {
    fn new() -> Self {
        Self::Early(HoldQueue::new())
    }
}

pub(crate) struct Dtls {
    context: Context,
    pub(crate) negotiation: Negotiation,
    sides: [Side; 2],
    /// Where the signalling, or ICE, says that the peer is.
    sources: [Option<SocketAddr>; 2],
    resume: Resume,
    rtcp: RtcpHandshake,
    trace: bool,
}

/// Whether our clients resume RTP's session for RTCP.
#[derive(Clone, Copy)]
pub(crate) enum Resume {
    Never,
    With(SetSession),
}

/// When RTCP's own handshake begins.
enum RtcpHandshake {
    /// It has, or there is none.
    Settled,
    /// A client's that is to resume the session which RTP's handshake is making.
    AfterRtp(Terms, Resumption),
}

impl Dtls {
    pub(crate) fn new(context: Context, negotiation: Negotiation, resume: Resume, trace: bool) -> Self {
        Self {
            context,
            negotiation,
            sides: [Side::new(), Side::new()],
            sources: [None; 2],
            resume,
            rtcp: RtcpHandshake::Settled,
            trace,
        }
    }

    /// Another certificate or configuration, for associations to come.
    pub(crate) fn set_context(&mut self, context: Context) {
        self.context = context;
    }

    pub(crate) fn set_trace(&mut self, trace: bool) {
        self.trace = trace;
        for side in &mut self.sides {
            if let Side::Begun(begun) = side {
                begun.association.set_trace(trace);
            }
        }
    }

    pub(crate) fn expect_source(&mut self, component: Component, source: SocketAddr) {
        self.sources[component as usize] = Some(source);
        if let Side::Begun(begun) = &mut self.sides[component as usize] {
            begun.association.expect_source(source);
        }
    }

    pub(crate) fn start(
        &mut self,
        rtcp: RtcpTransport,
        transport_changed: bool,
        now: Instant,
    ) -> Result<Started, DtlsError> {
        let Some(terms) = self.negotiation.terms()? else { return Ok(Started::Held) };
        if rtcp == RtcpTransport::Muxed {
            self.sides[Component::Rtcp as usize] = Side::new();
        }
        self.rtcp = RtcpHandshake::Settled;
        let context = self.context.traced(self.trace);
        let expected = terms.fingerprints.clone();
        let resumption = match self.resume {
            Resume::Never => Resumption::new(&context, expected),
            Resume::With(set_session) => Resumption::for_clients(&context, expected, set_session),
        };
        let mut started = Started::Kept;
        for &component in rtcp.components() {
            if self.keeps(component, &terms) && !transport_changed {
                continue;
            }
            let rtp_begins = component == Component::Rtcp && started == Started::New;
            if rtp_begins && terms.role == Role::Client && matches!(self.resume, Resume::With(_)) {
                self.sides[component as usize] = Side::new();
                self.rtcp = RtcpHandshake::AfterRtp(terms.clone(), resumption.clone());
                continue;
            }
            let association = match rtcp {
                RtcpTransport::Muxed => {
                    Association::new(&context, terms.role, terms.fingerprints.clone(), now)
                }
                RtcpTransport::Separate => Association::resuming(&resumption, terms.role, now),
            };
            self.begin(component, association.map_err(|_| DtlsError::OpenSsl)?, terms.clone(), now);
            started = Started::New;
        }
        Ok(started)
    }

    fn keeps(&self, component: Component, terms: &Terms) -> bool {
        matches!(&self.sides[component as usize], Side::Begun(begun)
            if !begun.over && begun.terms.then(terms) == Continuity::Keep)
    }

    /// Puts an association in place and gives it what has come for it.
    fn begin(&mut self, component: Component, mut association: Association, terms: Terms, now: Instant) {
        if let Some(source) = self.sources[component as usize] {
            association.expect_source(source);
        }
        let side = &mut self.sides[component as usize];
        if let Side::Early(early) = side {
            while let Some((from, datagram)) = early.pop() {
                association.receive(&datagram, from, now);
            }
        }
        *side = Side::Begun(Box::new(Begun { association, terms, secured: Vec::new(), over: false }));
    }

    /// RTP has its keys: begins what was waiting for that.
    pub(crate) fn rtp_connected(&mut self, now: Instant) {
        if let RtcpHandshake::AfterRtp(terms, resumption) =
            std::mem::replace(&mut self.rtcp, RtcpHandshake::Settled)
        {
            // Without memory for it RTCP stays blocked.
            if let Ok(association) = Association::resuming(&resumption, terms.role, now) {
                self.begin(Component::Rtcp, association, terms, now);
            }
        }
    }

    pub(crate) fn receive(
        &mut self,
        component: Component,
        datagram: &[u8],
        from: SocketAddr,
        now: Instant,
    ) -> Taken {
        match &mut self.sides[component as usize] {
            Side::Begun(begun) => begun.association.receive(datagram, from, now),
            Side::Early(early) => {
                early.push(from, datagram);
                Taken::Taken
            }
        }
    }

    /// Whether a handshake is going on that may end with keys for the component.
    pub(crate) fn is_running(&self, component: Component) -> bool {
        matches!(&self.sides[component as usize], Side::Begun(begun) if !begun.over && begun.secured.is_empty())
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.begun().find_map(|(component, begun)| {
            let sealrtp_dtls::Transmit { to, datagram } = begun.association.poll_transmit()?;
            Some(Transmit { component, to, datagram })
        })
    }

    pub(crate) fn poll_step(&mut self) -> Option<(Component, Step)> {
        self.begun().find_map(|(component, begun)| {
            let step = match begun.association.poll_event()? {
                sealrtp_dtls::Event::Connected(connected) => {
                    Step::Connected(connected, begun.association.role())
                }
                sealrtp_dtls::Event::Failed(failure) => {
                    begun.over = true;
                    Step::Failed(failure)
                }
                sealrtp_dtls::Event::Closed => {
                    begun.over = true;
                    Step::Closed
                }
                sealrtp_dtls::Event::Trace(trace) => Step::Trace(trace),
            };
            Some((component, step))
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = |side: &Side| match side {
            Side::Begun(begun) => begun.association.poll_timeout(),
            Side::Early(_) => None,
        };
        self.sides.iter().filter_map(deadline).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (_, begun) in self.begun() {
            begun.association.handle_timeout(now);
        }
    }

    pub(crate) fn close(&mut self) {
        for (_, begun) in self.begun() {
            begun.association.close();
        }
    }

    pub(crate) fn remember(&mut self, secured: Secured) {
        if let Side::Begun(begun) = &mut self.sides[secured.component as usize] {
            begun.secured = vec![secured];
        }
    }

    pub(crate) fn secured(&self, component: Component) -> Option<&Secured> {
        match &self.sides[component as usize] {
            Side::Begun(begun) => begun.secured.first(),
            Side::Early(_) => None,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let bytes = |side: &Side| match side {
            Side::Begun(begun) => size_of::<Begun>() + begun.association.memory_bytes(),
            Side::Early(early) => early.memory_bytes(),
        };
        size_of::<Self>() + self.sides.iter().map(bytes).sum::<usize>()
    }

    fn begun(&mut self) -> impl Iterator<Item = (Component, &mut Begun)> {
        Component::BOTH.into_iter().zip(&mut self.sides).filter_map(|(component, side)| match side {
            Side::Begun(begun) => Some((component, begun.as_mut())),
            Side::Early(_) => None,
        })
    }
}
