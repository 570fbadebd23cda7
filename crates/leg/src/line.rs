//! One m-line of a leg: its stream, while it has one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sealrtp_offer_answer::{Applied, Means, OfferAnswer};
use sealrtp_policy::Config;
use sealrtp_relay::{Relay, Stream};
use sealrtp_session::{Component, RtcpTransport, Session, WithoutKeys};
use sealrtp_srtp::Suite;
use sealrtp_zrtp::{Association, StreamState};

use crate::event::{Event, Gate, Happened, LineObserver, Slot};
use crate::ports::{Port, Ports, bind};
use crate::text::Side;
use crate::{Refusal, Terms};

/// A line that a stream of the relay carries.
pub(crate) struct Carried {
    slot: Arc<Slot>,
    observer: Arc<LineObserver>,
    pub(crate) outer_port: u16,
    pub(crate) inner_port: u16,
    /// Nothing passes, because it is not decided yet whether something clear may.
    undecided: bool,
    /// Label of ZRTP's packets until the PBX has sent RTP.
    ssrc: u32,
    /// Where the peer was when its handshake began.
    handshake: Option<SocketAddr>,
    /// The peer's `a=zrtp-hash`.
    hash: Option<String>,
    suite: Option<Suite>,
    /// Given back when the sockets are closed, so the last to go.
    _port: Port,
}

impl Drop for Carried {
    fn drop(&mut self) {
        // Not under the lock: an event that runs may be waiting for it.
        let stream = self.slot.lock().take();
        if let Some(stream) = stream {
            stream.close();
        }
    }
}

impl Carried {
    /// `rule` none: nothing passes until [`Carried::decide`].
    pub(crate) fn open(
        relay: &Relay,
        terms: &Terms,
        ports: &Arc<dyn Ports>,
        observer: LineObserver,
        rule: Option<WithoutKeys>,
    ) -> Result<Self, Refusal> {
        let failed = |what: &str, error: std::io::Error| {
            Refusal::System(format!("no media stream could be opened: {what}{error}"))
        };
        let (sockets, port) = bind(ports, terms.address, terms.inner).map_err(|error| failed("", error))?;
        let mut session = Session::new(terms.config.limits(), rule.unwrap_or(WithoutKeys::Block));
        prepare(&mut session, terms, false);
        let observer = Arc::new(observer);
        let slot = Arc::new(Slot::default());
        observer.set_slot(&slot);
        let stream = relay
            .open(sockets, session, Arc::clone(&observer) as Arc<dyn sealrtp_relay::Observer>)
            .map_err(|error| failed("the relay: ", error))?;
        let (outer_port, inner_port) = (stream.peer_port(), stream.pbx_port());
        *slot.lock() = Some(stream);
        let mut ssrc = [0; 4];
        getrandom::fill(&mut ssrc).map_err(|error| Refusal::System(format!("no random numbers: {error}")))?;
        Ok(Self {
            slot,
            observer,
            outer_port,
            inner_port,
            undecided: rule.is_none(),
            ssrc: u32::from_be_bytes(ssrc),
            handshake: None,
            hash: None,
            suite: None,
            _port: port,
        })
    }

    /// Uses the stream; none if a fault has taken it.
    pub(crate) fn stream<R>(&self, act: impl FnOnce(&Stream) -> R) -> Option<R> {
        self.slot.lock().as_ref().map(act)
    }

    /// Uses the session.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Session, Instant) -> R) -> Option<R> {
        self.stream(|stream| stream.with(act))
    }

    pub(crate) fn method(&self) -> Applied {
        self.observer.method()
    }

    pub(crate) fn observer(&self) -> &LineObserver {
        &self.observer
    }

    /// Our answer to the peer's offer says what was decided: only now clear media may pass, if `rule` lets it.
    pub(crate) fn decide(&mut self, terms: &Terms, decided: Applied, rule: WithoutKeys, trace: bool) {
        let clear = rule == WithoutKeys::Pass && matches!(decided, Applied::Clear | Applied::Zrtp);
        if std::mem::take(&mut self.undecided) && clear && !self.observer.is_stopped() {
            self.with(|session, _| {
                *session = Session::new(terms.config.limits(), WithoutKeys::Pass);
                prepare(session, terms, trace);
            });
        }
    }

    /// Where media of both sides is to go.
    pub(crate) fn place(&self, peer: &Side, pbx: &Side) {
        let mux = peer.mux && pbx.mux;
        self.stream(|stream| {
            stream.set_mux(mux);
            stream.set_pbx(pbx.addresses(mux));
            stream.set_peer(peer.addresses(mux));
        });
    }

    /// Where the PBX takes media that the peer may send before it has answered.
    pub(crate) fn place_pbx(&self, pbx: &Side) {
        self.stream(|stream| stream.set_pbx(pbx.addresses(false)));
    }

    pub(crate) fn means<'a>(
        &self,
        terms: &'a Terms,
        fingerprint: &'a str,
        association: Option<&'a Association>,
    ) -> Means<'a> {
        Means {
            dtls: Some((&terms.dtls, fingerprint)),
            zrtp: association.map(|association| (association, self.ssrc)),
        }
    }

    /// Whether ZRTP has to do with somebody else than before: with the next exchange it begins anew.
    pub(crate) fn is_another_peer(&mut self, peer: &Side) -> bool {
        let runs =
            self.with(|session, _| session.zrtp_state().is_some_and(|state| state != StreamState::Idle));
        let hash = std::mem::replace(&mut self.hash, peer.zrtp_hash.clone());
        let another = hash.is_some() && peer.zrtp_hash.is_some() && hash != self.hash;
        let moved = peer.to.is_some() && self.handshake.is_some_and(|at| Some(at) != peer.to);
        runs == Some(true) && (another || moved && self.observer.take_unanswered())
    }

    /// ZRTP with another peer.
    pub(crate) fn renew_zrtp(&mut self, association: &Association) -> Result<(), Refusal> {
        self.handshake = None;
        let used = self.with(|session, now| session.zrtp_use(association, self.ssrc, now));
        used.unwrap_or(Ok(())).map_err(|error| Refusal::System(error.to_string()))
    }

    /// Puts what was agreed on into the session and begins the handshake, if the peer's address is known.
    pub(crate) fn agree(
        &mut self,
        index: usize,
        offer_answer: &mut OfferAnswer,
        means: &Means<'_>,
        config: &Config,
        peer: &Side,
        mux: bool,
    ) -> Result<Option<Event>, Refusal> {
        if self.observer.is_stopped() {
            return Ok(None);
        }
        let Self { slot, observer, handshake, suite, .. } = self;
        let slot = slot.lock();
        let Some(stream) = &*slot else { return Ok(None) };
        let before = observer.method();
        let (applied, keyed) = stream.with(|session, now| {
            leave_dtls(session, offer_answer.method(index));
            let applied = offer_answer.apply(index, session, means, now)?;
            // Its first event may come before this returns.
            observer.set_method(applied);
            match applied {
                Applied::Dtls => begin_dtls(session, peer, mux, handshake, now)?,
                Applied::Zrtp => begin_zrtp(session, peer, handshake, now),
                Applied::Sdes => {
                    if config.zrtp_upgrade()
                        && let Some((association, ssrc)) = means.zrtp
                    {
                        if session.zrtp_state().is_none() {
                            session
                                .zrtp_use(association, ssrc, now)
                                .map_err(|error| Refusal::System(error.to_string()))?;
                        }
                        begin_zrtp(session, peer, handshake, now);
                    }
                }
                Applied::Open | Applied::Clear => {}
            }
            let keyed = session.counters().outbound().suite.filter(|_| applied == Applied::Sdes);
            Ok::<_, Refusal>((applied, keyed))
        })?;
        let first = applied != before || keyed.is_some() && keyed != *suite;
        *suite = keyed;
        Ok(match (applied, keyed) {
            _ if !first => None,
            (Applied::Sdes, Some(suite)) => Some(observer.happened(Happened::Keyed(suite))),
            (Applied::Clear, _) => Some(observer.happened(Happened::Clear)),
            _ => None,
        })
    }

    /// Whether it was or is being secured.
    pub(crate) fn is_secured(&self) -> bool {
        matches!(self.method(), Applied::Sdes | Applied::Dtls)
            || self.with(|session, _| session.zrtp_secured().is_some()) == Some(true)
    }
}

/// What a session needs whatever becomes of it.
fn prepare(session: &mut Session, terms: &Terms, trace: bool) {
    session.set_trace(trace);
    if let Some(resume) = terms.resume {
        session.dtls_resume_with(resume);
    }
}

/// The call goes on with another method, e.g. because it was transferred; DTLS's keys stay in use until there are new ones.
pub(crate) fn leave_dtls(session: &mut Session, method: Applied) {
    if matches!(method, Applied::Sdes | Applied::Zrtp) {
        session.dtls_stop();
    }
}

/// The same terms to the same address keep the association there is (RFC 8842).
fn begin_dtls(
    session: &mut Session,
    peer: &Side,
    mux: bool,
    handshake: &mut Option<SocketAddr>,
    now: Instant,
) -> Result<(), Refusal> {
    // On hold there is nobody to shake hands with; what there is goes on.
    let Some(to) = peer.to else { return Ok(()) };
    for (component, source) in Component::BOTH.into_iter().zip(peer.addresses(mux)) {
        if let Some(source) = source {
            session.dtls_expect_source(component, source);
        }
    }
    let rtcp = if mux { RtcpTransport::Muxed } else { RtcpTransport::Separate };
    let moved = handshake.is_some_and(|at| at != to);
    session.dtls_start(rtcp, moved, now).map_err(|error| Refusal::Policy(error.to_string()))?;
    *handshake = Some(to);
    Ok(())
}

fn begin_zrtp(session: &mut Session, peer: &Side, handshake: &mut Option<SocketAddr>, now: Instant) {
    if peer.to.is_some() {
        session.zrtp_start(now);
        *handshake = peer.to;
    }
}

/// One m-line over the whole call.
pub(crate) struct Line {
    pub(crate) media: Arc<str>,
    pub(crate) carried: Option<Carried>,
}

impl Line {
    pub(crate) fn new(media: &str) -> Self {
        Self { media: media.into(), carried: None }
    }

    pub(crate) fn observer(&self, gate: &Arc<Gate>, index: usize) -> LineObserver {
        LineObserver::new(Arc::clone(gate), index, Arc::clone(&self.media))
    }
}
