//! The security of one media stream.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sealrtp_dtls::{
    Context, Destination, Failure, FingerprintError, SetSession, Setup, SetupError, Sha1, Taken, TlsId,
};
use sealrtp_srtp::{KeySet, Limits, Protocol};

use crate::counters::Counters;
use crate::demux::Kind;
use crate::dtls::{Dtls, Resume, Step};
use crate::hold::HoldQueue;
use crate::media::Media;
use crate::negotiation::Negotiation;
use crate::{DtlsError, Event, Refusal, Secured, Started, State, WithoutKeys};

/// Most [`Event`]s that wait for [`Session::poll_event`]; traces beyond that are dropped.
pub const MAX_EVENTS: usize = 512;

/// A transport of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// RTP's; with rtcp-mux RTCP's as well.
    Rtp = 0,
    /// RTCP's own.
    Rtcp = 1,
}

impl Component {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Rtp, Self::Rtcp];
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtp => "RTP",
            Self::Rtcp => "RTCP",
        })
    }
}

/// Whether RTCP has a transport of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcpTransport {
    /// `a=rtcp-mux` (RFC 5761).
    Muxed,
    /// A port of its own, and with DTLS a handshake of its own (RFC 5764 section 4.1).
    Separate,
}

impl RtcpTransport {
    pub(crate) fn components(self) -> &'static [Component] {
        match self {
            Self::Muxed => &[Component::Rtp],
            Self::Separate => &Component::BOTH,
        }
    }
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which transport.
    pub component: Component,
    /// Where to.
    pub to: Destination,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

/// What a datagram that came in was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// An RTP packet of so many bytes, clear now.
    Rtp(usize),
    /// An RTCP packet of so many bytes, clear now.
    Rtcp(usize),
    /// Ours: DTLS.
    Consumed,
    /// Media that came before its keys; [`Session::poll_held`] gives it when they are there.
    Held,
    /// Of another protocol, which the session does not speak.
    NotOurs(Kind),
    /// Media that must be dropped; counted.
    Refused(Refusal),
}

/// Media that was held, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it had come in.
    pub component: Component,
    /// Where it had come from.
    pub from: SocketAddr,
    /// The datagram; of media so many bytes as `received` says.
    pub packet: Vec<u8>,
    /// What it was; never [`Received::Held`].
    pub received: Received,
}

/// Keys of RTCP.
enum Rtcp {
    /// Those of RTP.
    WithRtp,
    Own(Box<Media>),
}

enum Method {
    /// Keys, if any, come from outside: SDES.
    Keys,
    Dtls(Box<Dtls>),
}

/// The security of one media stream: RTP and its RTCP, both directions.
pub struct Session {
    rtp: Media,
    rtcp: Rtcp,
    counters: Arc<Counters>,
    limits: Limits,
    rule: WithoutKeys,
    method: Method,
    early_media: HoldQueue<(Component, SocketAddr)>,
    events: VecDeque<Event>,
    trace: bool,
    resume: Resume,
}

impl Session {
    /// A session without keys.
    pub fn new(limits: Limits, rule: WithoutKeys) -> Self {
        let rtp = Media::new(rule);
        Self {
            counters: Arc::new(Counters::new(rtp.state())),
            rtp,
            rtcp: Rtcp::WithRtp,
            limits,
            rule,
            method: Method::Keys,
            early_media: HoldQueue::new(),
            events: VecDeque::new(),
            trace: false,
            resume: Resume::Never,
        }
    }

    /// From here on no clear media passes; there is no way back.
    pub fn demand_security(&mut self) {
        self.rule = WithoutKeys::Block;
        self.rtp.never_clear();
        if let Rtcp::Own(rtcp) = &mut self.rtcp {
            rtcp.never_clear();
        }
        self.tell_states();
    }

    /// Whether media of a component passes, and how.
    pub fn state(&self, component: Component) -> State {
        match (&self.rtcp, component) {
            (Rtcp::Own(rtcp), Component::Rtcp) => rtcp.state(),
            (Rtcp::WithRtp, Component::Rtcp) | (_, Component::Rtp) => self.rtp.state(),
        }
    }

    /// What is counted, for another thread to read at any time.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Installs the keys the peer sends under, for RTP and RTCP, or re-keys: packets in flight under the old keys still
    /// open. The same keys again change nothing.
    pub fn set_inbound(&mut self, keys: &KeySet) {
        self.rtp.set_inbound(keys, self.limits);
        self.rtcp = Rtcp::WithRtp;
        self.counters.of_inbound().keyed(keys.suite());
        self.keyed();
    }

    /// Installs the keys we send under, for RTP and RTCP, or re-keys from the next packet on. The same keys again change
    /// nothing.
    pub fn set_outbound(&mut self, keys: &KeySet) {
        self.rtp.set_outbound(keys, self.limits);
        self.rtcp = Rtcp::WithRtp;
        self.counters.of_outbound().keyed(keys.suite());
        self.keyed();
    }

    /// Protects the RTP packet of `len` bytes in `buf` in place and returns its new length, at most
    /// [`MAX_TRAILER_LEN`](sealrtp_srtp::MAX_TRAILER_LEN) more. In [`State::Bypass`] it stays as it is.
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must not be sent.
    #[inline]
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Refusal> {
        self.rtp.protect(buf, len, Protocol::Srtp, self.counters.of_outbound())
    }

    /// Protects an RTCP packet, like [`Session::protect_rtp`].
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must not be sent.
    #[inline]
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Refusal> {
        let media = match &mut self.rtcp {
            Rtcp::WithRtp => &mut self.rtp,
            Rtcp::Own(media) => media,
        };
        media.protect(buf, len, Protocol::Srtcp, self.counters.of_outbound())
    }

    /// Opens an SRTP packet in place and returns the RTP packet's length. In [`State::Bypass`] it stays as it is.
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must be dropped, whatever `packet` then holds.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.rtp.unprotect(packet, Protocol::Srtp, self.counters.of_inbound())
    }

    /// Opens an SRTCP packet, like [`Session::unprotect_rtp`].
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must be dropped, whatever `packet` then holds.
    #[inline]
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let media = match &mut self.rtcp {
            Rtcp::WithRtp => &mut self.rtp,
            Rtcp::Own(media) => media,
        };
        media.unprotect(packet, Protocol::Srtcp, self.counters.of_inbound())
    }

    /// Sets DTLS-SRTP up with our certificate and the `a=setup` we would rather have. Again with another context: it is
    /// for associations to come.
    pub fn dtls_use(&mut self, context: Context, wanted: Setup, sha1: Sha1) {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.set_context(context),
            Method::Keys => {
                let negotiation = Negotiation::new(wanted, sha1);
                self.method =
                    Method::Dtls(Box::new(Dtls::new(context, negotiation, self.resume, self.trace)));
            }
        }
    }

    /// As client resumes RTP's session where RTCP has a handshake of its own, which then begins when RTP has its keys; to be
    /// said before [`Session::dtls_use`]. As server it lets the peer do so in any case.
    pub fn dtls_resume_with(&mut self, set_session: SetSession) {
        self.resume = Resume::With(set_session);
    }

    /// No DTLS for this stream after all, e.g. because SDES was chosen. What passes without keys stays as it is.
    pub fn dtls_stop(&mut self) {
        self.method = Method::Keys;
        self.early_media.clear();
    }

    /// Our `a=setup`, for the description that is being made: an answer if the peer has offered, otherwise an offer.
    ///
    /// # Errors
    /// [`DtlsError::NotSetUp`].
    pub fn dtls_local_setup(&mut self) -> Result<Setup, DtlsError> {
        Ok(self.dtls()?.negotiation.local_setup())
    }

    /// The `a=setup` of the peer's description.
    ///
    /// # Errors
    /// [`SetupError`]: it does not answer ours.
    pub fn dtls_remote_setup(&mut self, setup: Setup) -> Result<(), SetupError> {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.negotiation.remote_setup(setup),
            Method::Keys => Ok(()),
        }
    }

    /// One `a=fingerprint` value of the peer's description. The first after [`Session::dtls_local_setup`] or
    /// [`Session::dtls_start`] begins a new description.
    ///
    /// # Errors
    /// [`FingerprintError`]: malformed, or too many.
    pub fn dtls_remote_fingerprint(&mut self, value: &str) -> Result<(), FingerprintError> {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.negotiation.remote_fingerprint(value),
            Method::Keys => Ok(()),
        }
    }

    /// The `a=tls-id` of the peer's description (RFC 8842): another one asks for a new association.
    pub fn dtls_remote_tls_id(&mut self, tls_id: TlsId) {
        if let Method::Dtls(dtls) = &mut self.method {
            dtls.negotiation.remote_tls_id(tls_id);
        }
    }

    /// Where the peer's media comes from, by its description or by ICE: a client there is not asked for a cookie, which
    /// saves a round trip.
    pub fn dtls_expect_source(&mut self, component: Component, source: SocketAddr) {
        if let Method::Dtls(dtls) = &mut self.method {
            dtls.expect_source(component, source);
        }
    }

    /// Media may flow, and with ICE a pair is chosen: makes the associations, or keeps those there are if the terms and
    /// the transport are the same. Clear media does not pass from here on. Keys of a former association stay in use until
    /// there are new ones.
    ///
    /// # Errors
    /// A [`DtlsError`]; nothing has changed.
    pub fn dtls_start(
        &mut self,
        rtcp: RtcpTransport,
        transport_changed: bool,
        now: Instant,
    ) -> Result<Started, DtlsError> {
        let started = self.dtls()?.start(rtcp, transport_changed, now)?;
        if started != Started::Held {
            self.demand_security();
            match (&self.rtcp, rtcp) {
                (_, RtcpTransport::Muxed) => self.rtcp = Rtcp::WithRtp,
                (Rtcp::WithRtp, RtcpTransport::Separate) => {
                    self.rtcp = Rtcp::Own(Box::new(Media::new(WithoutKeys::Block)));
                }
                (Rtcp::Own(_), RtcpTransport::Separate) => {}
            }
            self.tell_states();
        }
        self.take_steps(now);
        Ok(started)
    }

    /// What the handshake of a component agreed on.
    pub fn dtls_secured(&self, component: Component) -> Option<&Secured> {
        match &self.method {
            Method::Dtls(dtls) => dtls.secured(component),
            Method::Keys => None,
        }
    }

    /// Takes a datagram that came in, for who owns the socket: tells what it is, opens media in place, and runs DTLS.
    pub fn receive(
        &mut self,
        component: Component,
        packet: &mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Received {
        let kind = Kind::of(packet);
        if let Some(protocol) = kind.media() {
            return if self.is_early(component) {
                self.early_media.push((component, from), packet);
                Received::Held
            } else {
                self.open(component, protocol, packet)
            };
        }
        match (kind, &mut self.method) {
            (Kind::Dtls, Method::Dtls(dtls)) => {
                dtls.receive(component, packet, from, now);
                self.take_steps(now);
                Received::Consumed
            }
            (other, _) => Received::NotOurs(other),
        }
    }

    /// Takes a datagram for DTLS alone, where another reads the media. One that is not DTLS, or with DTLS not set up, is
    /// not taken.
    pub fn receive_dtls(
        &mut self,
        component: Component,
        datagram: &[u8],
        from: SocketAddr,
        now: Instant,
    ) -> Taken {
        match &mut self.method {
            Method::Dtls(dtls) if Kind::of(datagram) == Kind::Dtls => {
                let taken = dtls.receive(component, datagram, from, now);
                self.take_steps(now);
                taken
            }
            Method::Dtls(_) | Method::Keys => Taken::NotDtls,
        }
    }

    /// The next packet that was held, once there are keys for it.
    pub fn poll_held(&mut self) -> Option<Held> {
        let &(component, _) = self.early_media.first()?;
        if self.is_early(component) {
            return None;
        }
        let ((component, from), mut packet) = self.early_media.pop()?;
        let protocol = Kind::of(&packet).media()?;
        let received = self.open(component, protocol, &mut packet);
        Some(Held { component, from, packet, received })
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.poll_transmit(),
            Method::Keys => None,
        }
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            if self.events.is_empty() {
                // A trace is long, and a call longer.
                self.events.shrink_to_fit();
            }
            return Some(event);
        }
        let own = match &mut self.rtcp {
            Rtcp::WithRtp => None,
            Rtcp::Own(media) => media.poll_event(),
        };
        let (way, event) = self.rtp.poll_event().or(own)?;
        Some(Event::Srtp { way, event })
    }

    /// Whether [`Session::poll_event`] has one.
    #[inline]
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
            || self.rtp.has_event()
            || matches!(&self.rtcp, Rtcp::Own(media) if media.has_event())
    }

    /// When to call [`Session::handle_timeout`]; may change with every call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.method {
            Method::Dtls(dtls) => dtls.poll_timeout(),
            Method::Keys => None,
        }
    }

    /// Does what is due. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Method::Dtls(dtls) = &mut self.method {
            dtls.handle_timeout(now);
            self.take_steps(now);
        }
    }

    /// Ends the session: the peer of an association gets a close_notify, and no media passes any more.
    pub fn close(&mut self) {
        if let Method::Dtls(dtls) = &mut self.method {
            dtls.close();
            // That it is closed is no news to who has closed it.
            while let Some((component, step)) = dtls.poll_step() {
                if let Step::Trace(trace) = step {
                    self.events.push_back(Event::Trace { component, trace });
                }
            }
        }
        self.block();
    }

    /// Whether each step of a handshake is told from now on.
    pub fn set_trace(&mut self, trace: bool) {
        self.trace = trace;
        if let Method::Dtls(dtls) = &mut self.method {
            dtls.set_trace(trace);
        }
    }

    /// Bytes that DTLS and what is held take; keys and their replay lists are not counted.
    pub fn memory_bytes(&self) -> usize {
        let dtls = match &self.method {
            Method::Dtls(dtls) => dtls.memory_bytes(),
            Method::Keys => 0,
        };
        let events = self.events.capacity() * size_of::<Event>();
        size_of::<Self>() + dtls + events + self.early_media.memory_bytes()
    }

    fn dtls(&mut self) -> Result<&mut Dtls, DtlsError> {
        match &mut self.method {
            Method::Dtls(dtls) => Ok(dtls),
            Method::Keys => Err(DtlsError::NotSetUp),
        }
    }

    /// The keys of a component's packets: RTCP that is muxed has those of RTP, on whatever transport it comes.
    fn media_of(&mut self, component: Component) -> &mut Media {
        match (&mut self.rtcp, component) {
            (Rtcp::Own(rtcp), Component::Rtcp) => rtcp,
            (Rtcp::WithRtp, Component::Rtcp) | (_, Component::Rtp) => &mut self.rtp,
        }
    }

    fn is_early(&mut self, component: Component) -> bool {
        let running = match &self.method {
            Method::Dtls(dtls) => dtls.is_running(component),
            Method::Keys => false,
        };
        running && !self.media_of(component).opens()
    }

    fn open(&mut self, component: Component, protocol: Protocol, packet: &mut [u8]) -> Received {
        let counters = Arc::clone(&self.counters);
        match self.media_of(component).unprotect(packet, protocol, counters.of_inbound()) {
            Ok(len) if protocol == Protocol::Srtcp => Received::Rtcp(len),
            Ok(len) => Received::Rtp(len),
            Err(refusal) => Received::Refused(refusal),
        }
    }

    /// Acts on what the associations have come to.
    fn take_steps(&mut self, now: Instant) {
        while let Method::Dtls(dtls) = &mut self.method {
            let Some((component, step)) = dtls.poll_step() else { break };
            match step {
                Step::Connected(connected, role) => {
                    let secured = Secured {
                        component,
                        role,
                        suite: connected.suite,
                        cipher: connected.cipher,
                        version: connected.version,
                        local_fingerprint: connected.local_fingerprint,
                        remote_fingerprint: connected.remote_fingerprint,
                        took: connected.took,
                        resumed: connected.resumed,
                        retransmissions: connected.retransmissions,
                    };
                    dtls.remember(secured.clone());
                    if component == Component::Rtp {
                        dtls.rtp_connected(now);
                    }
                    let limits = self.limits;
                    self.media_of(component).begin(&connected.inbound, &connected.outbound, limits);
                    if component == Component::Rtp {
                        self.counters.of_inbound().keyed(connected.suite);
                        self.counters.of_outbound().keyed(connected.suite);
                    }
                    self.tell_states();
                    self.tell(Event::Secured(Box::new(secured)));
                }
                // Some peers never send RTCP, and do not care for its port.
                Step::Failed(Failure::TimedOut)
                    if component == Component::Rtcp && self.rtp.state() == State::Secure =>
                {
                    self.tell(Event::NoRtcp);
                }
                Step::Failed(failure) => {
                    self.block();
                    self.tell(Event::Failed { component, failure });
                }
                Step::Closed => {
                    self.block();
                    self.tell(Event::Closed { component });
                }
                Step::Trace(trace) => {
                    if self.events.len() < MAX_EVENTS {
                        self.tell(Event::Trace { component, trace });
                    }
                }
            }
        }
    }

    fn block(&mut self) {
        self.rule = WithoutKeys::Block;
        self.rtp.block();
        if let Rtcp::Own(rtcp) = &mut self.rtcp {
            rtcp.block();
        }
        self.early_media.clear();
        self.tell_states();
    }

    fn keyed(&mut self) {
        self.rule = WithoutKeys::Block;
        self.tell_states();
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn tell_states(&self) {
        for component in Component::BOTH {
            self.counters.set_state(component, self.state(component));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("rtp", &self.state(Component::Rtp))
            .field("rtcp", &self.state(Component::Rtcp))
            .finish_non_exhaustive()
    }
}
