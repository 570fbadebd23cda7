//! A stream under its lock: what becomes of each datagram.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use sealrtp_dtls::Destination;
use sealrtp_session::{Component, Event, Kind, Received, Session, State, Transmit, WithoutKeys};
use sealrtp_srtp::{Limits, MAX_TRAILER_LEN};
use sealrtp_zrtp::Role;

use crate::addresses::Peers;
use crate::early::{Early, Kept};
use crate::sockets::Waited;
use crate::{Counters, Dropped};

/// Room for the longest datagram, and what protection adds.
pub(crate) const ROOM: usize = 65_536 + MAX_TRAILER_LEN;

/// A side of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Peer,
    Pbx,
}

/// The sockets of a stream.
pub(crate) const PLACES: [(Side, Component); 4] = [
    (Side::Peer, Component::Rtp),
    (Side::Peer, Component::Rtcp),
    (Side::Pbx, Component::Rtp),
    (Side::Pbx, Component::Rtcp),
];

pub(crate) struct Media {
    session: Session,
    /// None: closed.
    sockets: Option<Waited>,
    peers: Peers,
    pbx: [Option<SocketAddr>; 2],
    mux: bool,
    early: Early,
    counters: Counters,
    /// Those that were looked at already.
    events: VecDeque<Event>,
    /// What the observer has yet to hear.
    breakage: bool,
}

/// What there is to tell an observer.
pub(crate) enum News {
    Event(Event),
    Broken,
}

impl Media {
    pub(crate) fn new(session: Session, sockets: Waited) -> Self {
        Self {
            session,
            sockets: Some(sockets),
            peers: Peers::default(),
            pbx: [None; 2],
            mux: false,
            early: Early::default(),
            counters: Counters::default(),
            events: VecDeque::new(),
            breakage: false,
        }
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { learned: self.peers.learned(), ..self.counters }
    }

    pub(crate) fn set_peer(&mut self, addresses: [Option<SocketAddr>; 2]) {
        for (component, address) in Component::BOTH.into_iter().zip(addresses) {
            self.peers.of(component).describe(address);
        }
    }

    /// A DTLS client there need not show that it is.
    pub(crate) fn expect_sources(&mut self) {
        if self.session.uses_dtls() {
            for component in Component::BOTH {
                if let Some(source) = self.peers.of(component).known() {
                    self.session.dtls_expect_source(component, source);
                }
            }
        }
    }

    /// The inner sockets are connected as well, so that the system drops what comes from elsewhere and looks for no route.
    pub(crate) fn set_pbx(&mut self, addresses: [Option<SocketAddr>; 2]) {
        let Some(sockets) = &self.sockets else { return };
        for ((socket, before), address) in sockets.pbx.iter().zip(&mut self.pbx).zip(addresses) {
            let address = address.filter(|address| address.port() != 0);
            if let Some(address) = address.filter(|_| *before != address)
                && socket.connect(address).is_err()
            {
                *before = None;
                continue;
            }
            *before = address;
        }
    }

    pub(crate) fn set_mux(&mut self, mux: bool) {
        self.mux = mux;
    }

    /// The next thing to tell; nothing is told of a stream that was closed.
    pub(crate) fn poll_news(&mut self) -> Option<News> {
        if std::mem::take(&mut self.breakage) {
            return Some(News::Broken);
        }
        self.sockets.as_ref()?;
        self.events.pop_front().or_else(|| self.session.poll_event()).map(News::Event)
    }

    pub(crate) fn has_news(&self) -> bool {
        self.breakage || !self.events.is_empty() || self.session.has_event()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.sockets.as_ref()?;
        self.session.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.pump(None);
    }

    /// The session's last datagrams go out, the ports are free.
    pub(crate) fn close(&mut self) {
        if self.sockets.is_some() {
            self.session.close();
            self.pump(None);
        }
        self.sockets = None;
        self.breakage = false;
    }

    /// After a panic nothing here is to be relied on: what was a session is one that lets nothing pass.
    pub(crate) fn break_down(&mut self) {
        if self.sockets.take().is_some() {
            self.session = Session::new(Limits::default(), WithoutKeys::Block);
            self.events.clear();
            self.counters.broken = true;
            self.breakage = true;
        }
    }

    /// The socket of a place; none of a closed stream.
    pub(crate) fn socket(&self, place: usize) -> Option<&UdpSocket> {
        let sockets = self.sockets.as_ref()?;
        let (side, component) = PLACES[place];
        Some(match side {
            Side::Peer => &sockets.peer[component as usize],
            Side::Pbx => &sockets.pbx[component as usize],
        })
    }

    /// Reads a datagram of a socket. One more waits for its next turn, so that none of the others has to wait for many.
    pub(crate) fn read(&mut self, place: usize, buffer: &mut [u8], now: Instant) {
        // An error is of a datagram sent before (a port was not open), or there is none.
        let Some(Ok((len, from))) = self.socket(place).map(|socket| socket.recv_from(buffer)) else { return };
        let (side, component) = PLACES[place];
        match side {
            Side::Peer => self.take_from_peer(component, &mut buffer[..len], from, now),
            Side::Pbx => self.take_from_pbx(component, buffer, len, from),
        }
    }

    fn take_from_peer(&mut self, component: Component, packet: &mut [u8], from: SocketAddr, now: Instant) {
        let moved = !self.peers.of(component).is_at(from);
        let clear = self.clear_taken(moved);
        let received = self.session.receive(component, packet, from, now);
        match received {
            Received::Rtp(_) | Received::Rtcp(_) => {
                if moved && self.clear_taken(true) == clear {
                    self.peers.of(component).learn(from);
                }
                self.send_to_pbx(component, received, packet);
            }
            Received::Consumed => {
                self.counters.to_pbx.handshake += 1;
                self.peers.of(component).hear(from);
            }
            Received::Held => {}
            Received::NotOurs(Kind::Dtls) if self.early.keep(component, from, packet) => {}
            Received::NotOurs(_) => self.counters.to_pbx.drop(Dropped::NotMedia),
            Received::Refused(_) => self.counters.to_pbx.drop(Dropped::Refused),
        }
        if received == Received::Consumed || self.session.has_event() {
            self.look_at_events(from);
            self.pump(Some(from));
            self.take_held();
        }
    }

    /// Hands the session the DTLS that came before it was set up, or drops it if there are keys without.
    pub(crate) fn take_early(&mut self, now: Instant) {
        if self.early.is_empty() {
            return;
        }
        if self.session.uses_dtls() {
            for Kept { component, from, mut datagram } in self.early.take() {
                self.take_from_peer(component, &mut datagram, from, now);
            }
        } else if self.session.state(Component::Rtp) == State::Secure {
            self.early.take().iter().for_each(|_| self.counters.to_pbx.drop(Dropped::NotMedia));
        }
    }

    /// Clear packets taken so far, if it matters.
    fn clear_taken(&self, matters: bool) -> u64 {
        if matters { self.session.counters().inbound().clear } else { 0 }
    }

    /// A handshake that ends shows where the peer is: the datagram that ended it has authenticated.
    fn look_at_events(&mut self, from: SocketAddr) {
        while let Some(event) = self.session.poll_event() {
            match &event {
                Event::Secured(secured) => self.peers.of(secured.component).learn(from),
                // An initiator is secure with Conf2ACK, which is not authenticated.
                Event::ZrtpSecured(secured) if secured.role == Role::Responder => {
                    self.peers.of(Component::Rtp).learn(from);
                }
                _ => {}
            }
            self.events.push_back(event);
        }
    }

    fn take_held(&mut self) {
        let clear = self.clear_taken(true);
        while let Some(held) = self.session.poll_held() {
            match held.received {
                Received::Rtp(_) | Received::Rtcp(_) => {
                    if self.clear_taken(true) == clear {
                        self.peers.of(held.component).learn(held.from);
                    }
                    self.send_to_pbx(held.component, held.received, &held.packet);
                }
                _ => self.counters.to_pbx.drop(Dropped::Refused),
            }
        }
    }

    /// Where RTCP goes.
    fn rtcp(&self) -> Component {
        if self.mux { Component::Rtp } else { Component::Rtcp }
    }

    fn send_to_pbx(&mut self, came_in: Component, received: Received, packet: &[u8]) {
        let (component, len) = match received {
            Received::Rtp(len) if came_in == Component::Rtp => (Component::Rtp, len),
            Received::Rtcp(len) => (self.rtcp(), len),
            _ => return self.counters.to_pbx.drop(Dropped::NotMedia),
        };
        let number = component as usize;
        let (Some(sockets), Some(_)) = (&self.sockets, self.pbx[number]) else {
            return self.counters.to_pbx.drop(Dropped::NoAddress);
        };
        match send_connected(&sockets.pbx[number], &packet[..len]) {
            Ok(_) => self.counters.to_pbx.passed(len),
            Err(_) => self.counters.to_pbx.drop(Dropped::NotSent),
        }
    }

    fn take_from_pbx(&mut self, came_in: Component, buffer: &mut [u8], len: usize, from: SocketAddr) {
        if self.pbx[came_in as usize] != Some(from) {
            return self.counters.to_peer.drop(Dropped::NotThePbx);
        }
        let kind = Kind::of(&buffer[..len]);
        let component = match kind {
            Kind::Rtp if came_in == Component::Rtp => Component::Rtp,
            Kind::Rtcp => self.rtcp(),
            _ => return self.counters.to_peer.drop(Dropped::NotMedia),
        };
        let peer = self.peers.of(component);
        let (secured, clear) = (peer.secured(), peer.clear());
        if secured.or(clear).is_none() {
            return self.counters.to_peer.drop(Dropped::NoAddress);
        }
        let before = self.session.counters().outbound().clear;
        let protected = match kind {
            Kind::Rtcp => self.session.protect_rtcp(buffer, len),
            _ => self.session.protect_rtp(buffer, len),
        };
        let Ok(len) = protected else {
            return self.counters.to_peer.drop(Dropped::Refused);
        };
        let is_clear = self.session.counters().outbound().clear != before;
        let Some(to) = (if is_clear { clear } else { secured }) else {
            return self.counters.to_peer.drop(Dropped::NoAddress);
        };
        let Some(sockets) = &self.sockets else { return };
        match sockets.peer[component as usize].send_to(&buffer[..len], to) {
            Ok(_) => self.counters.to_peer.passed(len),
            Err(_) => self.counters.to_peer.drop(Dropped::NotSent),
        }
    }

    /// Sends what the session has to send; `answer` is where the datagram came from that it may answer.
    pub(crate) fn pump(&mut self, answer: Option<SocketAddr>) {
        while let Some(Transmit { component, to, datagram }) = self.session.poll_transmit() {
            let peer = self.peers.of(component);
            let to = match (to, answer) {
                (Destination::Source(source), _) => [Some(source), None],
                (Destination::Peer, Some(source)) if is_zrtp(&datagram) => [Some(source), None],
                (Destination::Peer, None) if is_zrtp(&datagram) => peer.zrtp(),
                (Destination::Peer, _) => [peer.dtls(), None],
            };
            let Some(sockets) = &self.sockets else { return };
            // A lost one is sent again by the session's timer.
            let sent = to
                .into_iter()
                .flatten()
                .filter(|to| sockets.peer[component as usize].send_to(&datagram, to).is_ok())
                .count();
            self.counters.to_peer.handshake += sent as u64;
            if sent == 0 {
                let nowhere = to == [None, None];
                self.counters.to_peer.drop(if nowhere { Dropped::NoAddress } else { Dropped::NotSent });
            }
        }
    }
}

fn is_zrtp(datagram: &[u8]) -> bool {
    Kind::of(datagram) == Kind::Zrtp
}

/// Once more if the system speaks of a datagram before this one.
#[inline]
fn send_connected(socket: &UdpSocket, packet: &[u8]) -> io::Result<usize> {
    match socket.send(packet) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send(packet),
        result => result,
    }
}
