//! Two ends of a call and the network between them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use sealrtp_dtls::{Config, Context, HashFunction, Identity, Setup, Sha1};
use sealrtp_session::{Component, Event, Received, RtcpTransport, Secured, Session, State, WithoutKeys};
use sealrtp_srtp::{KeySet, Limits, MasterKey, Suite};

pub struct End {
    pub session: Session,
    pub identity: Identity,
    pub address: SocketAddr,
    pub events: Vec<Event>,
}

impl End {
    pub fn new(port: u16, setup: Setup, rule: WithoutKeys) -> Self {
        Self::with(port, setup, rule, Config::default())
    }

    pub fn with(port: u16, setup: Setup, rule: WithoutKeys, config: Config) -> Self {
        let identity = Identity::generate(SystemTime::now()).unwrap();
        let mut session = Session::new(Limits::default(), rule);
        session.dtls_use(Context::new(config, &identity).unwrap(), setup, Sha1::Refused);
        Self { session, identity, address: SocketAddr::from(([192, 0, 2, 1], port)), events: Vec::new() }
    }

    pub fn fingerprint(&self) -> String {
        self.identity.fingerprint(HashFunction::Sha256).unwrap().to_string()
    }

    pub fn secured(&self) -> Vec<&Secured> {
        let secured = self.events.iter().filter_map(|event| match event {
            Event::Secured(secured) => Some(secured.as_ref()),
            _ => None,
        });
        secured.collect()
    }

    pub fn is(&self, state: State) -> bool {
        Component::BOTH.into_iter().all(|component| {
            self.session.state(component) == state && self.session.counters().state(component) == state
        })
    }

    /// Keeps what has happened.
    pub fn poll(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
    }
}

/// Offer and answer.
pub fn signal(offerer: &mut End, answerer: &mut End) {
    let offer = offerer.session.dtls_local_setup().unwrap();
    answerer.session.dtls_remote_setup(offer).unwrap();
    answerer.session.dtls_remote_fingerprint(&offerer.fingerprint()).unwrap();
    let answer = answerer.session.dtls_local_setup().unwrap();
    offerer.session.dtls_remote_setup(answer).unwrap();
    offerer.session.dtls_remote_fingerprint(&answerer.fingerprint()).unwrap();
}

pub fn start(end: &mut End, rtcp: RtcpTransport) {
    end.session.dtls_start(rtcp, false, Instant::now()).unwrap();
}

/// Carries everything both ways until nobody has anything to say.
pub fn carry(one: &mut End, other: &mut End) {
    loop {
        let there = pass(one, other);
        let back = pass(other, one);
        one.poll();
        other.poll();
        if !there && !back {
            return;
        }
    }
}

fn pass(from: &mut End, to: &mut End) -> bool {
    let mut passed = false;
    while let Some(mut out) = from.session.poll_transmit() {
        let received = to.session.receive(out.component, &mut out.datagram, from.address, Instant::now());
        assert_eq!(received, Received::Consumed);
        passed = true;
    }
    passed
}

pub fn call(rtcp: RtcpTransport) -> (End, End) {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, rtcp);
    start(&mut answerer, rtcp);
    carry(&mut offerer, &mut answerer);
    (offerer, answerer)
}

pub const RTP_LEN: usize = 12 + 160;

/// A packet of G.711 with room for what protection adds.
pub fn rtp(seq: u16) -> [u8; 400] {
    let mut packet = [0x55; 400];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet
}

pub const RTCP_LEN: usize = 28;

pub fn rtcp() -> [u8; 400] {
    let mut packet = [0; 400];
    packet[..8].copy_from_slice(&[0x80, 200, 0, 6, 0xde, 0xad, 0xbe, 0xef]);
    packet
}

/// What the second end makes of a packet that the first one protects.
pub fn speak(from: &mut End, to: &mut End, seq: u16) -> Received {
    let mut packet = rtp(seq);
    let len = from.session.protect_rtp(&mut packet, RTP_LEN).unwrap();
    assert_ne!(packet[12..RTP_LEN], rtp(seq)[12..RTP_LEN], "it left in the clear");
    to.session.receive(Component::Rtp, &mut packet[..len], from.address, Instant::now())
}

pub fn keys(byte: u8) -> KeySet {
    KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[byte; 16], &[byte; 14]).unwrap())
}
