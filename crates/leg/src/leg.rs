//! A leg: both sides' descriptions, and the streams between them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sealrtp_offer_answer::{Message, OfferAnswer, Remote};
use sealrtp_policy::{Config, Key, OnFailure, ZrtpMode};
use sealrtp_relay::Relay;
use sealrtp_sdp::Description;
use sealrtp_session::{Session, WithoutKeys};
use sealrtp_zrtp::message::Flags;
use sealrtp_zrtp::{Association, Sas};

use crate::align::slots;
use crate::event::{Event, Gate, Happened, Observer};
use crate::line::{Carried, Line, leave_dtls};
use crate::text::{MAX_STREAMS, Place, Side, relayed, sides};
use crate::{Applied, LineInfo, Ports, Refusal, Terms, Text};

/// One leg of a call. Its functions may be used from any thread; they wait for one another.
pub struct Leg {
    inner: Mutex<Inner>,
    gate: Arc<Gate>,
}

/// Who has written a description.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Peer = 0,
    Pbx = 1,
}

/// A description that was taken, and what came of it.
struct Said {
    message: Message,
    body: Text,
    told: Text,
}

struct Inner {
    relay: Relay,
    terms: Terms,
    fingerprint: String,
    ports: Arc<dyn Ports>,
    gate: Arc<Gate>,
    offer_answer: OfferAnswer,
    association: Option<Association>,
    lines: Vec<Line>,
    /// The lines of each side's last description.
    sides: [Vec<Side>; 2],
    said: [Option<Said>; 2],
    trace: bool,
    demanded: bool,
    events: Vec<Event>,
}

impl Leg {
    /// Nothing is bound yet.
    pub fn new(relay: &Relay, terms: Terms, ports: Arc<dyn Ports>, observer: Arc<dyn Observer>) -> Self {
        let gate = Arc::new(Gate::new(observer, terms.config.clone()));
        let mut inner = Inner {
            relay: relay.clone(),
            fingerprint: terms.dtls.fingerprint().to_string(),
            ports,
            gate: Arc::clone(&gate),
            offer_answer: OfferAnswer::new(terms.config.clone(), &terms.name),
            association: None,
            lines: Vec::new(),
            sides: [Vec::new(), Vec::new()],
            said: [None, None],
            trace: false,
            demanded: false,
            events: Vec::new(),
            terms,
        };
        inner.check_mode();
        Self { inner: Mutex::new(inner), gate }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the leg, and then tells what has come of it with the leg free again.
    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        inner.take_notes();
        let result = act(&mut inner);
        let events = std::mem::take(&mut inner.events);
        drop(inner);
        events.into_iter().for_each(|event| self.gate.tell(event));
        result
    }

    /// The peer's description, with the one for the PBX.
    ///
    /// # Errors
    /// A [`Refusal`]: an offer is to be answered by 488 ([`Refusal::System`]: by 500), a call whose answer it is must end. What was
    /// agreed on stands, and nothing clear passes that did not before.
    pub fn remote(&self, body: &[u8], message: &Message) -> Result<Text, Refusal> {
        self.with(|inner| inner.take(Writer::Peer, body, message))
    }

    /// The PBX's own description, with the one for the peer, which holds keys.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing may be sent. What was agreed on stands.
    pub fn local(&self, body: &[u8], message: &Message) -> Result<Text, Refusal> {
        self.with(|inner| inner.take(Writer::Pbx, body, message))
    }

    /// Another policy for the call from here on: an offer of the peer that is not answered yet is decided anew, what was agreed
    /// on stands.
    ///
    /// # Errors
    /// A [`Refusal`] of that offer: it is to be answered by 488. The policy is the new one.
    pub fn set_config(&self, config: Config) -> Result<(), Refusal> {
        self.with(|inner| inner.set_config(config))
    }

    /// Keys or media may be disclosed here (RFC 6189 section 11): exchanges of ZRTP that are not set up yet say so. False: it is set
    /// up already, and says what it said.
    pub fn disclose(&self, disclosure: bool) -> bool {
        self.with(|inner| {
            inner.terms.disclosure = disclosure;
            inner.association.is_none()
        })
    }

    /// From here on no clear media passes on any line; there is no way back.
    pub fn demand_security(&self) {
        self.with(|inner| {
            inner.demanded = true;
            inner.demand();
        });
    }

    /// Adds a step to the explanation.
    pub fn note(&self, step: &str) {
        self.with(|inner| inner.offer_answer.note(step));
    }

    /// Each step so far with the rule behind it, one on a line; no keys.
    pub fn explain(&self) -> String {
        self.with(|inner| inner.offer_answer.explain())
    }

    /// What the lines have come to, in order.
    pub fn lines(&self) -> Vec<LineInfo> {
        self.with(|inner| (0..inner.lines.len()).filter_map(|index| inner.info(index)).collect())
    }

    /// What a line has come to; none if there is no such line.
    pub fn line(&self, index: usize) -> Option<LineInfo> {
        self.with(|inner| inner.info(index))
    }

    /// The user has compared the call's SAS, or takes that back. False: there is none.
    pub fn verify(&self, verified: bool) -> bool {
        self.first(|session, now| session.zrtp_set_verified(verified, now))
    }

    /// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). False: none does.
    pub fn accept_enrolment(&self) -> bool {
        self.first(|session, now| session.zrtp_accept_enrolment(now))
    }

    /// Tells the peer, who is enrolled here, the far end's SAS with the flags of that end (RFC 6189 section 7.3). False: not secured
    /// by ZRTP, or this is no PBX.
    pub fn relay_sas(&self, sas: &Sas, flags: Flags) -> bool {
        self.first(|session, now| session.zrtp_relay_sas(sas, flags, now))
    }

    /// Whether each step of a handshake is told from now on.
    pub fn set_trace(&self, trace: bool) {
        self.with(|inner| {
            inner.trace = trace;
            inner.each(|session| session.set_trace(trace));
        });
    }

    /// The first stream on which it can be done.
    fn first(&self, mut act: impl FnMut(&mut Session, Instant) -> bool) -> bool {
        self.with(|inner| {
            let mut carried = inner.lines.iter().filter_map(|line| line.carried.as_ref());
            carried.any(|carried| carried.with(&mut act) == Some(true))
        })
    }
}

impl Drop for Leg {
    /// Associations are closed, sockets too, ports are given back. An event that runs is waited for, unless it is this one; none
    /// comes after it.
    fn drop(&mut self) {
        self.gate.close();
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).lines.clear();
    }
}

impl fmt::Debug for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leg").finish_non_exhaustive()
    }
}

impl Inner {
    /// ZRTP from phone to phone needs two legs that know each other.
    fn check_mode(&mut self) {
        if self.terms.config.zrtp_mode() == ZrtpMode::Passthrough {
            let text = format!(
                "{} is not done here: this PBX is the end of each phone's ZRTP",
                self.terms.config.rule(Key::ZrtpMode)
            );
            self.offer_answer.note(&text);
            self.events.push(Event {
                line: 0,
                media: "".into(),
                method: Applied::Open,
                consequence: None,
                what: Happened::Warning(text),
            });
        }
    }

    fn take_notes(&mut self) {
        for note in self.gate.take_notes() {
            self.offer_answer.note(&note);
        }
    }

    fn take(&mut self, writer: Writer, body: &[u8], message: &Message) -> Result<Text, Refusal> {
        if let Some(said) = &self.said[writer as usize]
            && said.message == *message
            && *said.body == body
        {
            return Ok(said.told.clone());
        }
        let told = match writer {
            Writer::Peer => self.remote(body, message),
            Writer::Pbx => self.local(body, message),
        };
        self.demand_if_due();
        let told = told.inspect_err(|_| {
            // What comes in a response ends the call if it is refused; meanwhile no opportunistic line of our offer goes on.
            if writer == Writer::Peer && !message.request {
                self.demand();
            }
        })?;
        // The call must end when an answer cannot be put into force, and until then no line goes on in the clear.
        self.settle().inspect_err(|_| self.demand())?;
        let body = Text::new(body.to_vec());
        self.said[writer as usize] = Some(Said { message: *message, body, told: told.clone() });
        Ok(told)
    }

    fn remote(&mut self, body: &[u8], message: &Message) -> Result<Text, Refusal> {
        let description = Description::parse(body).map_err(|error| Refusal::Sdp(error.to_string()))?;
        let mut sides = sides(&description, None, self.terms.address)?;
        self.decline_surplus(&mut sides);
        let opened = self.open(&sides, false)?;
        let others = self.others_may_pass();
        let place = |(index, side): (usize, &Side)| match self.port(index, &opened, Writer::Peer) {
            Some(port) if side.is_carried() => Place::at(port, side),
            _ if side.rtp => Place::Declined,
            _ if !side.open || others => Place::AsItIs,
            _ => Place::Declined,
        };
        let places: Vec<Place> = sides.iter().enumerate().map(place).collect();
        if !others && sides.iter().any(|side| side.open && !side.rtp) {
            self.offer_answer.note("lines that are not RTP cannot be secured and are declined");
        }
        let fix = self.terms.savp_fingerprint_is_udp_tls;
        let text = relayed(&description, &places, Some(self.terms.inner), fix);
        let told = match self.offer_answer.remote(&text, message)? {
            Remote::AsItCame => text,
            Remote::Text(told) => told,
        };
        self.keep(Writer::Peer, sides, opened);
        Ok(told)
    }

    fn local(&mut self, body: &[u8], message: &Message) -> Result<Text, Refusal> {
        let parse = |body| Description::parse(body).map_err(|error| Refusal::Sdp(error.to_string()));
        let answer = self.offer_answer.would_answer(message);
        let body = {
            let description = parse(body)?;
            let places = &self.sides[if answer { Writer::Peer } else { Writer::Pbx } as usize];
            description.arranged(&slots(&description, places, answer))
        };
        let description = parse(&body)?;
        let mut sides = sides(&description, self.terms.pbx, self.terms.inner)?;
        if answer {
            // What the peer has declined is no line, whatever the PBX says; nor is one of which nothing is decided any more,
            // because an answer before this one has declined it, or the offer was refused.
            for (index, side) in sides.iter_mut().enumerate().filter(|(_, side)| side.rtp) {
                side.open &= self.sides[Writer::Peer as usize].get(index).is_some_and(Side::is_carried)
                    && self.offer_answer.method(index) != Applied::Open;
            }
        }
        if let Some(other) = sides.iter().find(|side| side.open && !side.rtp)
            && !self.others_may_pass()
        {
            return Err(Refusal::Policy(format!(
                "m={} ({}) cannot be secured, and {}: switch it off at the PBX (T.38: its re-INVITE), or set fallback = rtp and on_failure = warn",
                other.media,
                other.transport,
                self.terms.config.rule(Key::Fallback)
            )));
        }
        self.decline_surplus(&mut sides);
        let opened = self.open(&sides, !answer)?;
        let place = |(index, side): (usize, &Side)| match self.port(index, &opened, Writer::Pbx) {
            Some(port) if side.is_carried() => Place::at(port, side),
            _ if side.rtp => Place::Declined,
            _ => Place::AsItIs,
        };
        let places: Vec<Place> = sides.iter().enumerate().map(place).collect();
        let text = relayed(&description, &places, self.terms.advertise, false);
        self.offer_answer.local(&text, message)?;
        self.keep(Writer::Pbx, sides, opened);
        self.describe(answer)?;
        self.offer_answer.write()?.ok_or_else(|| Refusal::System("no description was taken".into()))
    }

    /// Fingerprints, roles and Hello hashes of the streams into our description.
    fn describe(&mut self, answer: bool) -> Result<(), Refusal> {
        if answer {
            self.meet_another_peer()?;
        }
        for index in 0..self.lines.len() {
            if !self.sides[Writer::Pbx as usize].get(index).is_some_and(Side::is_carried) {
                continue;
            }
            let association = self.association();
            let rule = self.rule();
            let Self { lines, terms, fingerprint, offer_answer, trace, .. } = self;
            let Some(carried) = &mut lines[index].carried else { continue };
            if carried.observer().is_stopped() {
                continue;
            }
            let means = carried.means(terms, fingerprint, association.as_ref());
            let method = offer_answer.method(index);
            if answer {
                carried.decide(terms, method, rule, *trace);
            }
            let described = carried.with(|session, now| {
                leave_dtls(session, method);
                if answer && method == Applied::Sdes {
                    // Keys first: setting them ends ZRTP, whose Hello the description may name.
                    offer_answer.apply(index, session, &means, now)?;
                }
                offer_answer.describe(index, session, &means, now)
            });
            described.unwrap_or(Ok(()))?;
        }
        self.demand_if_due();
        Ok(())
    }

    /// Once an offer is answered: addresses, keys, handshakes; and lines that are declined are over.
    fn settle(&mut self) -> Result<(), Refusal> {
        for (index, side) in self.sides[Writer::Pbx as usize].iter().enumerate() {
            if let Some(carried) = self.lines.get(index).and_then(|line| line.carried.as_ref())
                && side.is_carried()
            {
                carried.place_pbx(side);
            }
        }
        if !self.offer_answer.is_answered() {
            return Ok(());
        }
        self.meet_another_peer()?;
        for index in 0..self.lines.len() {
            let [peer, pbx] = &self.sides;
            let both = peer.get(index).zip(pbx.get(index));
            let Some((peer, pbx)) = both.filter(|(peer, pbx)| peer.is_carried() && pbx.is_carried()) else {
                if self.lines[index].carried.take().is_some() {
                    self.offer_answer.forget(index)?;
                }
                continue;
            };
            let (peer, pbx) = (peer.clone(), pbx.clone());
            let association = self.association();
            let rule = self.rule();
            let Self { lines, terms, fingerprint, offer_answer, trace, events, .. } = self;
            let Some(carried) = &mut lines[index].carried else { continue };
            carried.decide(terms, offer_answer.method(index), rule, *trace);
            carried.place(&peer, &pbx);
            let means = carried.means(terms, fingerprint, association.as_ref());
            let mux = peer.mux && pbx.mux;
            events.extend(carried.agree(index, offer_answer, &means, &terms.config, &peer, mux)?);
        }
        self.demand_if_due();
        Ok(())
    }

    /// After a transfer ZRTP has to do with another phone, which none of the present secrets are shared with.
    fn meet_another_peer(&mut self) -> Result<(), Refusal> {
        let peer = &self.sides[Writer::Peer as usize];
        let mut another = Vec::new();
        for (index, (line, side)) in self.lines.iter_mut().zip(peer).enumerate() {
            if let Some(carried) = &mut line.carried
                && carried.is_another_peer(side)
            {
                another.push(index);
            }
        }
        if another.is_empty() {
            return Ok(());
        }
        self.association = None;
        if let Some(association) = self.association() {
            for index in another {
                if let Some(carried) = &mut self.lines[index].carried {
                    carried.renew_zrtp(&association)?;
                }
            }
        }
        Ok(())
    }

    /// The call's one association, made when it is needed first.
    fn association(&mut self) -> Option<Association> {
        if self.association.is_none() {
            let zrtp = self.terms.zrtp.as_ref()?;
            self.association = zrtp.begin(&self.terms.config, self.terms.disclosure);
        }
        self.association.clone()
    }

    fn has_stream(&self, index: usize) -> bool {
        self.lines.get(index).is_some_and(|line| line.carried.is_some())
    }

    /// Lines for which there is no stream left count as declined.
    fn decline_surplus(&self, sides: &mut [Side]) {
        let streams = (0..self.lines.len()).filter(|index| self.has_stream(*index)).count();
        let mut left = MAX_STREAMS.saturating_sub(streams);
        for (index, side) in sides.iter_mut().enumerate() {
            if side.is_carried() && !self.has_stream(index) {
                side.open = left > 0;
                left = left.saturating_sub(1);
            }
        }
    }

    /// Streams for lines that have none yet.
    fn open(&mut self, sides: &[Side], decided: bool) -> Result<Vec<(usize, Carried)>, Refusal> {
        let mut opened = Vec::new();
        for (index, side) in sides.iter().enumerate() {
            if self.lines.len() <= index {
                self.lines.push(Line::new(&side.media));
            }
            if side.is_carried() && !self.has_stream(index) {
                let line = Line::new(&side.media);
                let observer = line.observer(&self.gate, index);
                let rule = decided.then(|| self.rule());
                let carried = Carried::open(&self.relay, &self.terms, &self.ports, observer, rule)?;
                carried.with(|session, _| session.set_trace(self.trace));
                opened.push((index, carried));
            }
        }
        Ok(opened)
    }

    /// The port of a line towards the one who does not hear `writer`.
    fn port(&self, index: usize, opened: &[(usize, Carried)], writer: Writer) -> Option<u16> {
        let opened = opened.iter().find(|(at, _)| *at == index).map(|(_, carried)| carried);
        let carried = opened.or(self.lines.get(index)?.carried.as_ref())?;
        Some(match writer {
            Writer::Peer => carried.inner_port,
            Writer::Pbx => carried.outer_port,
        })
    }

    /// The description is taken.
    fn keep(&mut self, writer: Writer, sides: Vec<Side>, opened: Vec<(usize, Carried)>) {
        for (index, carried) in opened {
            self.lines[index].media = sides[index].media.as_str().into();
            self.lines[index].carried = Some(carried);
        }
        self.sides[writer as usize] = sides;
    }

    /// Whether lines that are not RTP may pass, as they are: clear.
    fn others_may_pass(&self) -> bool {
        let config = &self.terms.config;
        let secured = self.lines.iter().filter_map(|line| line.carried.as_ref()).any(Carried::is_secured);
        !self.demanded && config.allows_clear() && (!secured || config.on_failure() == OnFailure::Warn)
    }

    fn set_config(&mut self, config: Config) -> Result<(), Refusal> {
        self.gate.set_config(config.clone());
        self.terms.config = config.clone();
        self.check_mode();
        // Another policy may have other lists for ZRTP; a stream that has one keeps it.
        let used = |line: &Line| {
            line.carried
                .as_ref()
                .and_then(|carried| carried.with(|session, _| session.zrtp_state().is_some()))
        };
        if !self.lines.iter().any(|line| used(line) == Some(true)) {
            self.association = None;
        }
        self.demand_if_due();
        self.said = [None, None];
        self.offer_answer.set_config(config)
    }

    /// What passes without keys.
    fn rule(&self) -> WithoutKeys {
        if self.demanded || !self.terms.config.allows_clear() {
            WithoutKeys::Block
        } else {
            WithoutKeys::Pass
        }
    }

    /// Nothing clear passes where policy says so.
    fn demand_if_due(&mut self) {
        if self.rule() == WithoutKeys::Block {
            self.demand();
        }
    }

    fn demand(&mut self) {
        self.each(Session::demand_security);
    }

    fn each(&self, mut act: impl FnMut(&mut Session)) {
        for carried in self.lines.iter().filter_map(|line| line.carried.as_ref()) {
            carried.with(|session, _| act(session));
        }
    }

    fn info(&self, index: usize) -> Option<LineInfo> {
        let line = self.lines.get(index)?;
        let side = self.sides[Writer::Peer as usize].get(index);
        let mux = self.sides.iter().all(|sides| sides.get(index).is_some_and(|side| side.mux));
        Some(LineInfo::new(line, side, mux))
    }
}
