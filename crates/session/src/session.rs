//! The security of one media stream.

use std::collections::VecDeque;
use std::fmt;
use std::mem::offset_of;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use sealrtp_dtls::{
    Context, Destination, Failure, FingerprintError, SetSession, Setup, SetupError, Sha1, Taken, TlsId,
};
use sealrtp_srtp::{KeySet, Limits, Protocol};
use sealrtp_zrtp::message::Flags;
use sealrtp_zrtp::{Association, HelloHash, Role, Sas, StreamState};

use crate::counters::Counters;
use crate::demux::Kind;
use crate::dtls::{Dtls, Resume, Step};
use crate::hold::HoldQueue;
use crate::media::Media;
use crate::negotiation::Negotiation;
use crate::zrtp::{self, Zrtp};
use crate::{DtlsError, Event, Refusal, Secured, Started, State, WithoutKeys, ZrtpError, ZrtpSecured};

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
    /// Ours: DTLS or ZRTP.
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
    Zrtp(Box<Zrtp>),
}

/// The security of one media stream: RTP and its RTCP, both directions.
///
/// What every packet touches comes first, and keys behind it.
#[repr(C)]
pub struct Session {
    counters: Arc<Counters>,
    method: Method,
    rtcp: Rtcp,
    /// There may be an event of SRTP, or a packet under fresh keys of ZRTP to tell it of.
    srtp_event: bool,
    trace: bool,
    rule: WithoutKeys,
    limits: Limits,
    events: VecDeque<Event>,
    rtp: Media,
    early_media: HoldQueue<(Component, SocketAddr)>,
    resume: Resume,
}

/// Bytes of a direction's keys that a packet touches, at most: their first lines of the cache.
const KEYS_TOUCHED: usize = 8 * 64;
/// And of the session itself.
const TOUCHED: usize = 64;

impl Session {
    /// Bytes of a session that opening an SRTP packet touches, to be brought into the cache beforehand.
    pub const TOUCHED_BY_UNPROTECT: [Range<usize>; 2] = touched(Media::INBOUND_AT);
    /// And protecting an RTP packet.
    pub const TOUCHED_BY_PROTECT: [Range<usize>; 2] = touched(Media::OUTBOUND_AT);

    /// A session without keys.
    pub fn new(limits: Limits, rule: WithoutKeys) -> Self {
        let rtp = Media::new(rule);
        Self {
            counters: Arc::new(Counters::new(rtp.state())),
            rtp,
            rtcp: Rtcp::WithRtp,
            srtp_event: false,
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
    /// open. The same keys again change nothing. ZRTP ends with it.
    pub fn set_inbound(&mut self, keys: &KeySet) {
        self.zrtp_stop();
        self.rtp.set_inbound(keys, self.limits);
        self.rtcp = Rtcp::WithRtp;
        self.counters.of_inbound().keyed(keys.suite());
        self.keyed();
    }

    /// Installs the keys we send under, for RTP and RTCP, or re-keys from the next packet on. The same keys again change
    /// nothing.
    pub fn set_outbound(&mut self, keys: &KeySet) {
        self.zrtp_stop();
        self.rtp.set_outbound(keys, self.limits);
        self.rtcp = Rtcp::WithRtp;
        self.counters.of_outbound().keyed(keys.suite());
        self.keyed();
    }

    /// Protects the RTP packet of `len` bytes in `buf` in place and returns its new length, at most
    /// [`MAX_TRAILER_LEN`](sealrtp_srtp::MAX_TRAILER_LEN) more. In [`State::Bypass`] it stays as it is. ZRTP's messages go under its
    /// SSRC from here on.
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must not be sent.
    #[inline]
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Refusal> {
        if let Method::Zrtp(zrtp) = &mut self.method {
            zrtp.sends(buf.get(..len).unwrap_or_default());
        }
        self.rtp.protect(buf, len, Protocol::Srtp, self.counters.of_outbound(), &mut self.srtp_event)
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
        media.protect(buf, len, Protocol::Srtcp, self.counters.of_outbound(), &mut self.srtp_event)
    }

    /// Opens an SRTP packet in place and returns the RTP packet's length. In [`State::Bypass`] it stays as it is.
    ///
    /// # Errors
    /// A [`Refusal`]: the packet must be dropped, whatever `packet` then holds.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.rtp.unprotect(packet, Protocol::Srtp, self.counters.of_inbound(), &mut self.srtp_event)
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
        media.unprotect(packet, Protocol::Srtcp, self.counters.of_inbound(), &mut self.srtp_event)
    }

    /// Sets DTLS-SRTP up with our certificate and the `a=setup` we would rather have. Again with another context: it is
    /// for associations to come.
    pub fn dtls_use(&mut self, context: Context, wanted: Setup, sha1: Sha1) {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.set_context(context),
            Method::Keys | Method::Zrtp(_) => {
                let negotiation = Negotiation::new(wanted, sha1);
                self.method =
                    Method::Dtls(Box::new(Dtls::new(context, negotiation, self.resume, self.trace)));
            }
        }
    }

    /// Whether DTLS is set up.
    pub fn uses_dtls(&self) -> bool {
        matches!(self.method, Method::Dtls(_))
    }

    /// As client resumes RTP's session where RTCP has a handshake of its own, which then begins when RTP has its keys; to be
    /// said before [`Session::dtls_use`]. As server it lets the peer do so in any case.
    pub fn dtls_resume_with(&mut self, set_session: SetSession) {
        self.resume = Resume::With(set_session);
    }

    /// No DTLS for this stream after all, e.g. because SDES was chosen. What passes without keys stays as it is.
    pub fn dtls_stop(&mut self) {
        if let Method::Dtls(_) = &self.method {
            self.method = Method::Keys;
            self.early_media.clear();
        }
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
            Method::Keys | Method::Zrtp(_) => Ok(()),
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
            Method::Keys | Method::Zrtp(_) => Ok(()),
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
            Method::Keys | Method::Zrtp(_) => None,
        }
    }

    /// Sets ZRTP up for a stream that sends under `ssrc`, which may be any until the stream has sent: then its packets' own
    /// counts (RFC 6189 section 5); nothing is sent yet. The call's streams share the association. Again:
    /// for another peer, e.g. after a transfer; keys that are there stay in use until there are new ones.
    ///
    /// # Errors
    /// [`ZrtpError`].
    pub fn zrtp_use(&mut self, association: &Association, ssrc: u32, now: Instant) -> Result<(), ZrtpError> {
        let before = match &mut self.method {
            Method::Zrtp(zrtp) => zrtp.take_secured(),
            Method::Keys | Method::Dtls(_) => None,
        };
        self.method = Method::Zrtp(Box::new(Zrtp::new(association, ssrc, self.trace, before, now)?));
        Ok(())
    }

    /// Sends ZRTP's Hello. What passes without keys stays as it is.
    pub fn zrtp_start(&mut self, now: Instant) {
        if let Method::Zrtp(zrtp) = &mut self.method {
            zrtp.stream().start(now);
            self.take_steps(now);
        }
    }

    /// No ZRTP any more, e.g. because SDES was chosen. Keys that are there stay, and so does what passes without.
    pub fn zrtp_stop(&mut self) {
        if let Method::Zrtp(_) = &self.method {
            self.method = Method::Keys;
            if self.rule == WithoutKeys::Block {
                self.rtp.never_clear();
            }
            self.tell_states();
        }
    }

    /// Where ZRTP is; none if it is not set up.
    pub fn zrtp_state(&self) -> Option<StreamState> {
        match &self.method {
            Method::Zrtp(zrtp) => Some(zrtp.state()),
            Method::Keys | Method::Dtls(_) => None,
        }
    }

    /// The value of our `a=zrtp-hash` (RFC 6189 section 8).
    pub fn zrtp_local_hash(&self) -> Option<HelloHash> {
        match &self.method {
            Method::Zrtp(zrtp) => Some(zrtp.local_hash()),
            Method::Keys | Method::Dtls(_) => None,
        }
    }

    /// The peer's `a=zrtp-hash`: another's Hello is refused, and keys that came of one must not be used.
    pub fn zrtp_remote_hash(&mut self, hash: &HelloHash, now: Instant) {
        if let Method::Zrtp(zrtp) = &mut self.method {
            zrtp.stream().set_peer_hello_hash(hash);
            self.take_steps(now);
        }
    }

    /// What the last exchange agreed on.
    pub fn zrtp_secured(&self) -> Option<&ZrtpSecured> {
        match &self.method {
            Method::Zrtp(zrtp) => zrtp.secured(),
            Method::Keys | Method::Dtls(_) => None,
        }
    }

    /// The user has compared the SAS, or takes that back. False: no SAS of this stream.
    pub fn zrtp_set_verified(&mut self, verified: bool, now: Instant) -> bool {
        let Method::Zrtp(zrtp) = &mut self.method else { return false };
        let set = zrtp.set_verified(verified);
        if set {
            self.tell(Event::ZrtpVerified(verified));
            self.take_steps(now);
        }
        set
    }

    /// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). False: none does.
    pub fn zrtp_accept_enrolment(&mut self, now: Instant) -> bool {
        let Method::Zrtp(zrtp) = &mut self.method else { return false };
        let accepted = zrtp.stream().accept_enrolment();
        self.take_steps(now);
        accepted
    }

    /// Tells the peer, who is enrolled here, the far end's SAS with the flags V, A and D of that end (RFC 6189 section 7.3).
    /// False: not secure, or this is no PBX.
    pub fn zrtp_relay_sas(&mut self, sas: &Sas, flags: Flags, now: Instant) -> bool {
        let Method::Zrtp(zrtp) = &mut self.method else { return false };
        let relayed = zrtp.stream().relay_sas(sas, flags, now);
        self.take_steps(now);
        relayed
    }

    /// Takes a datagram for ZRTP alone, where another reads the media. False: it is not ZRTP, or ZRTP is not set up.
    pub fn receive_zrtp(&mut self, datagram: &[u8], now: Instant) -> bool {
        let Method::Zrtp(zrtp) = &mut self.method else { return false };
        let taken = zrtp.receive(datagram, now);
        self.take_steps(now);
        taken
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
                let received = self.open(component, protocol, packet);
                self.take_heard(now);
                received
            };
        }
        match (kind, &mut self.method) {
            (Kind::Dtls, Method::Dtls(dtls)) => {
                dtls.receive(component, packet, from, now);
                self.take_steps(now);
                Received::Consumed
            }
            (Kind::Zrtp, Method::Zrtp(zrtp)) => {
                let taken = zrtp.receive(packet, now);
                self.take_steps(now);
                if taken { Received::Consumed } else { Received::NotOurs(Kind::Zrtp) }
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
            Method::Dtls(_) | Method::Keys | Method::Zrtp(_) => Taken::NotDtls,
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
            Method::Zrtp(zrtp) => {
                let datagram = zrtp.poll_transmit();
                while let Some(line) = zrtp.take_trace() {
                    if self.events.len() < MAX_EVENTS {
                        self.events.push_back(Event::ZrtpTrace(line));
                    }
                }
                let datagram = datagram?;
                Some(Transmit { component: Component::Rtp, to: Destination::Peer, datagram })
            }
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
        let event = self.rtp.poll_event().or(own);
        self.look_for_events();
        let (way, event) = event?;
        Some(Event::Srtp { way, event })
    }

    /// Whether [`Session::poll_event`] has one, or [`Session::handle_timeout`] something to do at once.
    #[inline]
    pub fn has_event(&self) -> bool {
        self.srtp_event || !self.events.is_empty()
    }

    /// What packets have noted of events is what there is.
    fn look_for_events(&mut self) {
        self.srtp_event = self.rtp.has_event() || matches!(&self.rtcp, Rtcp::Own(media) if media.has_event());
    }

    /// When to call [`Session::handle_timeout`]; may change with every call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.method {
            Method::Dtls(dtls) => dtls.poll_timeout(),
            Method::Zrtp(zrtp) => zrtp.poll_timeout(),
            Method::Keys => None,
        }
    }

    /// Does what is due. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.method {
            Method::Dtls(dtls) => dtls.handle_timeout(now),
            Method::Zrtp(zrtp) => {
                zrtp.stream().handle_timeout(now);
                if zrtp.end_changeover(now) {
                    self.rtp.never_clear();
                    self.tell_states();
                }
                self.take_heard(now);
            }
            Method::Keys => {}
        }
        self.take_steps(now);
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
        match &mut self.method {
            Method::Dtls(dtls) => dtls.set_trace(trace),
            Method::Zrtp(zrtp) => zrtp.set_trace(trace),
            Method::Keys => {}
        }
    }

    /// Bytes that DTLS or ZRTP and what is held take; keys and their replay lists are not counted, nor is what ZRTP has on
    /// the heap.
    pub fn memory_bytes(&self) -> usize {
        let dtls = match &self.method {
            Method::Dtls(dtls) => dtls.memory_bytes(),
            Method::Zrtp(_) => size_of::<Zrtp>(),
            Method::Keys => 0,
        };
        let events = self.events.capacity() * size_of::<Event>();
        size_of::<Self>() + dtls + events + self.early_media.memory_bytes()
    }

    fn dtls(&mut self) -> Result<&mut Dtls, DtlsError> {
        match &mut self.method {
            Method::Dtls(dtls) => Ok(dtls),
            Method::Keys | Method::Zrtp(_) => Err(DtlsError::NotSetUp),
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
            Method::Keys | Method::Zrtp(_) => false,
        };
        running && !self.media_of(component).opens()
    }

    fn open(&mut self, component: Component, protocol: Protocol, packet: &mut [u8]) -> Received {
        let media = match (&mut self.rtcp, component) {
            (Rtcp::Own(rtcp), Component::Rtcp) => rtcp,
            (Rtcp::WithRtp, Component::Rtcp) | (_, Component::Rtp) => &mut self.rtp,
        };
        match media.unprotect(packet, protocol, self.counters.of_inbound(), &mut self.srtp_event) {
            Ok(len) if protocol == Protocol::Srtcp => Received::Rtcp(len),
            Ok(len) => Received::Rtp(len),
            Err(refusal) => Received::Refused(refusal),
        }
    }

    /// Acts on what the method has come to.
    fn take_steps(&mut self, now: Instant) {
        match &self.method {
            Method::Dtls(_) => self.take_dtls_steps(now),
            Method::Zrtp(_) => self.take_zrtp_steps(now),
            Method::Keys => {}
        }
    }

    fn take_zrtp_steps(&mut self, now: Instant) {
        while let Method::Zrtp(zrtp) = &mut self.method {
            let Some(step) = zrtp.poll_step() else { break };
            match step {
                zrtp::Step::Expect(keys) => self.rtp.expect(&keys, self.limits),
                zrtp::Step::Secured(keys, secured) => {
                    let (inbound, outbound) = *keys;
                    zrtp.begin_changeover(now);
                    // An initiator expects these already.
                    if secured.role == Role::Responder {
                        self.rtp.expect(&inbound, self.limits);
                    }
                    self.rtp.begin_outbound(&outbound, self.limits);
                    self.rtcp = Rtcp::WithRtp;
                    self.counters.of_inbound().keyed(secured.suite);
                    self.counters.of_outbound().keyed(secured.suite);
                    self.keyed();
                    self.tell(Event::ZrtpSecured(secured));
                }
                zrtp::Step::NoAnswer => self.tell(Event::ZrtpNoAnswer),
                zrtp::Step::CacheMismatch(peer) => self.tell(Event::ZrtpCacheMismatch(peer)),
                zrtp::Step::CacheUnusable(why) => self.tell(Event::ZrtpCacheUnusable(why)),
                zrtp::Step::RelayedSas(sas) => self.tell(Event::ZrtpRelayedSas(sas)),
                zrtp::Step::Cleared => {
                    self.block();
                    self.tell(Event::ZrtpCleared);
                }
                zrtp::Step::Failed(failure) => {
                    if self.rule == WithoutKeys::Block {
                        self.block();
                    } else {
                        self.rtp = Media::new(self.rule);
                        self.tell_states();
                    }
                    self.tell(Event::ZrtpFailed(failure));
                }
                zrtp::Step::Alert(alert) => self.tell_bounded(Event::ZrtpAlert(alert)),
                zrtp::Step::Trace(line) => self.tell_bounded(Event::ZrtpTrace(line)),
            }
        }
    }

    /// A packet has come under keys that ZRTP expects.
    fn take_heard(&mut self, now: Instant) {
        // Noted by the packet, so that others need not look.
        if !self.srtp_event {
            return;
        }
        if self.rtp.take_heard()
            && let Method::Zrtp(zrtp) = &mut self.method
        {
            zrtp.stream().srtp_received(now);
            self.tell_states();
            self.take_steps(now);
        }
        self.look_for_events();
    }

    fn take_dtls_steps(&mut self, now: Instant) {
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
                Step::Trace(trace) => self.tell_bounded(Event::Trace { component, trace }),
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

    /// What anybody can bring about is dropped when there is too much of it.
    fn tell_bounded(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.tell(event);
        }
    }

    fn tell_states(&self) {
        for component in Component::BOTH {
            self.counters.set_state(component, self.state(component));
        }
    }
}

/// Of a session: its beginning, and the direction at this place of the keys for RTP.
const fn touched(direction: usize) -> [Range<usize>; 2] {
    let keys = offset_of!(Session, rtp) + direction;
    let end = keys + KEYS_TOUCHED;
    [0..TOUCHED, keys..if end < size_of::<Session>() { end } else { size_of::<Session>() }]
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("rtp", &self.state(Component::Rtp))
            .field("rtcp", &self.state(Component::Rtcp))
            .finish_non_exhaustive()
    }
}
