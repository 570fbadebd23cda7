//! Datagrams and descriptions into a session that demands security, with a real peer at the other end of its handshake, by
//! DTLS or ZRTP.
//!
//! Input: a byte of options, then steps: a byte that chooses one of [`step`] and what it reads. Whatever comes, no media
//! passes that the peer has not secured, and nothing leaves that is neither a handshake nor secured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealrtp_dtls::{MAX_TRANSMITS, Setup, Sha1};
use sealrtp_session::{
    Component, Event, Kind, MAX_EVENTS, MAX_HELD_BYTES, Received, RtcpTransport, Session, State, WithoutKeys,
};
use sealrtp_srtp::Limits;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Config};

use crate::dtls::{context, source};
use crate::input::Input;

/// Bounds the time of one run.
const MAX_STEPS: usize = 64;
/// No session takes more, in bytes, whatever comes: two handshakes, what both components hold, and the events.
const MEMORY_CEILING: usize = 1 << 20;
const _: () = assert!(MEMORY_CEILING > 4 * MAX_HELD_BYTES);

/// The bits of the first byte.
pub mod options {
    /// RTCP has a port of its own.
    pub const SEPARATE: u8 = 1;
    /// The handshake is over before the first step.
    pub const SECURED: u8 = 2;
    /// Nothing was signalled before the first step.
    pub const UNSIGNALLED: u8 = 4;
    /// ZRTP instead of DTLS.
    pub const ZRTP: u8 = 8;
}

/// What a step does; its highest bit chooses the component.
pub mod step {
    /// A datagram of the input comes: a byte of source, a packet.
    pub const FORGED: u8 = 0;
    /// The peer's next datagram comes.
    pub const DELIVER: u8 = 1;
    /// Everything on its way arrives, both ways.
    pub const SETTLE: u8 = 2;
    /// The peer sends media.
    pub const MEDIA: u8 = 3;
    /// We send what the input says is RTP or RTCP: a packet.
    pub const SEND: u8 = 4;
    /// A byte of tenths of seconds passes.
    pub const WAIT: u8 = 5;
    /// The peer's `a=setup`: a byte.
    pub const SETUP: u8 = 6;
    /// The peer's `a=fingerprint`, or with ZRTP `a=zrtp-hash`: a packet of text.
    pub const FINGERPRINT: u8 = 7;
    /// Media may flow (again): a byte whose lowest bit says that the transport, or with ZRTP the peer, has changed.
    pub const START: u8 = 8;
    /// Ours closes.
    pub const CLOSE: u8 = 9;
    /// How many there are.
    pub const COUNT: u8 = 10;
    /// For RTCP's own transport.
    pub const RTCP: u8 = 0x80;
}

const SETUPS: [Setup; 4] = [Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn];

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x55; 400];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 1, 2, 3, 4]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

struct Run {
    zrtp: bool,
    ours: Session,
    peer: Session,
    rtcp: RtcpTransport,
    now: Instant,
    sequence: u16,
    /// On their way to the peer.
    sent: Vec<(Component, Vec<u8>)>,
    secured: usize,
    over: bool,
}

impl Run {
    /// Everything that ours has to say, checked.
    fn poll_ours(&mut self) {
        while let Some(out) = self.ours.poll_transmit() {
            let handshake = if self.zrtp { Kind::Zrtp } else { Kind::Dtls };
            assert_eq!(Kind::of(&out.datagram), handshake, "something else than a handshake leaves");
            if self.sent.len() < MAX_TRANSMITS {
                self.sent.push((out.component, out.datagram));
            }
        }
        let mut events = 0;
        while let Some(event) = self.ours.poll_event() {
            events += 1;
            assert_eq!(event.to_string().lines().count(), 1, "{event}");
            match event {
                Event::Secured(_) | Event::ZrtpSecured(_) => self.secured += 1,
                Event::Failed { .. } | Event::Closed { .. } | Event::ZrtpFailed(_) => self.over = true,
                _ => {}
            }
        }
        assert!(events <= MAX_EVENTS + 16, "{events} events waited");
        for component in Component::BOTH {
            assert_ne!(self.ours.state(component), State::Bypass);
            assert_eq!(self.ours.state(component), self.ours.counters().state(component));
        }
        let bytes = self.ours.memory_bytes();
        assert!(bytes < MEMORY_CEILING, "{bytes} bytes");
    }

    fn settle(&mut self) {
        for _ in 0..16 {
            self.poll_ours();
            for (component, mut datagram) in std::mem::take(&mut self.sent) {
                self.peer.receive(component, &mut datagram, source(1), self.now);
            }
            while let Some(mut out) = self.peer.poll_transmit() {
                let received = self.ours.receive(out.component, &mut out.datagram, source(2), self.now);
                assert_eq!(received, Received::Consumed);
            }
            while self.peer.poll_event().is_some() {}
        }
    }

    /// What nobody secured must not pass.
    fn forged(&mut self, component: Component, datagram: &[u8], from: u8) {
        let mut packet = datagram.to_vec();
        let received = self.ours.receive(component, &mut packet, source(from), self.now);
        assert!(!matches!(received, Received::Rtp(_) | Received::Rtcp(_)), "{received:?}: {datagram:x?}");
    }

    /// What was held is the peer's, or refused.
    fn held(&mut self) {
        while let Some(held) = self.ours.poll_held() {
            if let Received::Rtp(len) = held.received {
                assert_eq!(held.packet[12..len], rtp(0)[12..len]);
            }
            assert_ne!(held.received, Received::Held);
        }
    }

    fn media(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let clear = rtp(self.sequence);
        let mut packet = clear.clone();
        let Ok(len) = self.peer.protect_rtp(&mut packet, 172) else { return };
        let received = self.ours.receive(Component::Rtp, &mut packet[..len], source(2), self.now);
        if let Received::Rtp(len) = received {
            assert_eq!(packet[..len], clear[..172]);
        }
    }
}

fn association(number: u8) -> Association {
    Association::new(Arc::new(Config::default()), Zid([number; 12]), None).expect("the defaults")
}

/// Sets DTLS up at both ends.
fn begin_dtls(this: &mut Run, bits: u8) -> String {
    let (context, known) = context(1);
    let line = known.to_string();
    for session in [&mut this.ours, &mut this.peer] {
        session.dtls_use(context.clone(), Setup::ActPass, Sha1::Refused);
    }
    let (rtcp, now) = (this.rtcp, this.now);
    let offer = this.ours.dtls_local_setup().expect("set up");
    this.peer.dtls_remote_setup(offer).expect("an offer");
    this.peer.dtls_remote_fingerprint(&line).expect("ours");
    let answer = this.peer.dtls_local_setup().expect("set up");
    this.peer.dtls_start(rtcp, false, now).expect("all is known");
    if bits & options::UNSIGNALLED == 0 {
        this.ours.dtls_remote_setup(answer).expect("an answer");
        this.ours.dtls_remote_fingerprint(&line).expect("ours");
        this.ours.dtls_start(rtcp, false, now).expect("all is known");
    }
    line
}

/// Sets ZRTP up at both ends. The text is what the peer's `a=zrtp-hash` would be.
fn begin_zrtp(this: &mut Run, bits: u8) -> String {
    let now = this.now;
    for (session, number) in [(&mut this.ours, 1), (&mut this.peer, 2)] {
        session.zrtp_use(&association(number), number.into(), now).expect("randomness");
    }
    this.peer.zrtp_start(now);
    if bits & options::UNSIGNALLED == 0 {
        this.ours.zrtp_start(now);
    }
    this.peer.zrtp_local_hash().expect("set up").to_string()
}

/// Runs one input. Returns how often our handshakes gave keys.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let bits = input.byte();
    let new = || Session::new(Limits::default(), WithoutKeys::Block);
    let zrtp = bits & options::ZRTP != 0;
    let separate = bits & options::SEPARATE != 0 && !zrtp;
    let mut this = Run {
        zrtp,
        ours: new(),
        peer: new(),
        rtcp: if separate { RtcpTransport::Separate } else { RtcpTransport::Muxed },
        now: Instant::now(),
        sequence: 0,
        sent: Vec::new(),
        secured: 0,
        over: false,
    };
    let line = if zrtp { begin_zrtp(&mut this, bits) } else { begin_dtls(&mut this, bits) };
    if bits & options::SECURED != 0 {
        this.settle();
    }
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let byte = input.byte();
        let component = if byte & step::RTCP == 0 { Component::Rtp } else { Component::Rtcp };
        match (byte & !step::RTCP) % step::COUNT {
            step::FORGED => {
                let from = input.byte();
                this.forged(component, input.packet(), from);
            }
            step::DELIVER => {
                if let Some(mut out) = this.peer.poll_transmit() {
                    this.ours.receive(out.component, &mut out.datagram, source(2), this.now);
                }
            }
            step::SETTLE => this.settle(),
            step::MEDIA => this.media(),
            step::SEND => {
                let clear = input.packet();
                let mut packet = [clear, &[0; 200]].concat();
                let state = this.ours.state(component);
                let sent = match component {
                    Component::Rtp => this.ours.protect_rtp(&mut packet, clear.len()),
                    Component::Rtcp => this.ours.protect_rtcp(&mut packet, clear.len()),
                };
                assert!(sent.is_err() || state == State::Secure, "sent in {state:?}");
                assert!(sent.is_err() || sent.unwrap_or(0) > clear.len(), "sent as it is");
            }
            step::WAIT => {
                this.now += Duration::from_millis(100 * u64::from(input.byte()));
                this.ours.handle_timeout(this.now);
                this.peer.handle_timeout(this.now);
            }
            step::SETUP => {
                let setup = SETUPS[usize::from(input.byte() & 3)];
                let _ = this.ours.dtls_remote_setup(setup);
                let _ = this.ours.dtls_local_setup();
            }
            step::FINGERPRINT => {
                let text = String::from_utf8_lossy(input.packet()).into_owned();
                let text = if text == "ours" { &line } else { &text };
                let _ = this.ours.dtls_remote_fingerprint(text);
                if let Ok(hash) = text.parse() {
                    this.ours.zrtp_remote_hash(&hash, this.now);
                }
            }
            step::START => {
                let changed = input.byte() & 1 != 0;
                if this.zrtp && changed {
                    this.ours.zrtp_use(&association(1), 1, this.now).expect("randomness");
                }
                this.ours.zrtp_start(this.now);
                let _ = this.ours.dtls_start(this.rtcp, changed, this.now);
            }
            _ => this.ours.close(),
        }
        this.held();
        this.poll_ours();
        if this.over {
            break;
        }
    }
    this.secured
}
