//! Two ends of a ZRTP call, each datagram between them at the input's mercy, and what their owners do meanwhile.
//!
//! Input: a byte of options, then steps: a byte that chooses one of [`step`] and what it reads. Whatever comes, two ends that
//! are secure have each other's keys and one SAS, and nobody's work grows without bounds.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sealrtp_zrtp::algorithm::KeyAgreement;
use sealrtp_zrtp::message::{Flags, Zid};
use sealrtp_zrtp::packet::Packet;
use sealrtp_zrtp::{
    Association, Cache, Config, Event, MAX_ALERTS, MemoryCache, Received, Secured, Stream, StreamState,
};

use crate::input::Input;
use crate::zrtp_message::{TYPES, line, message};
use crate::zrtp_packet::with_crc;

/// Bounds the time of one run.
const MAX_STEPS: usize = 96;
/// Most datagrams of an end that wait to come, and most that may come again.
const MAX_KEPT: usize = 64;
/// Most events beside alerts that one step can bring.
const MAX_EVENTS: usize = 8;

/// The bits of the first byte.
pub mod options {
    /// Both ends have keys before the first step.
    pub const SECURED: u8 = 1;
    /// The first end never commits.
    pub const PASSIVE: u8 = 2;
    /// Both keep retained secrets, have met before and compared the SAS.
    pub const MET: u8 = 4;
    /// The signalling told each of the other's Hello.
    pub const HELLO_HASH: u8 = 8;
    /// Both take GoClear.
    pub const ALLOW_CLEAR: u8 = 16;
    /// The first end is a PBX that offers enrolment.
    pub const PBX: u8 = 32;
    /// The steps are those of a second stream; the first has run.
    pub const SECOND_STREAM: u8 = 64;
    /// Both offer Preshared mode first.
    pub const PRESHARED: u8 = 128;
}

/// What a step does: its byte less its highest bit, which says which end it is for.
pub mod step {
    /// The other end's next datagram comes.
    pub const DELIVER: u8 = 0;
    /// It comes with a byte changed and its CRC made right: a word of place, a byte to XOR with.
    pub const CHANGED: u8 = 1;
    /// It comes twice.
    pub const TWICE: u8 = 2;
    /// It is lost.
    pub const LOST: u8 = 3;
    /// It waits until the others have come.
    pub const LATE: u8 = 4;
    /// A message of the input's comes: a byte of type, a packet of body.
    pub const FORGED: u8 = 5;
    /// What either end sent comes again: a byte whose highest bit chooses the end.
    pub const REPLAYED: u8 = 6;
    /// A byte of tenths of seconds passes.
    pub const WAIT: u8 = 7;
    /// Everything on its way arrives.
    pub const SETTLE: u8 = 8;
    /// The first SRTP packet has come.
    pub const SRTP: u8 = 9;
    /// Its owner asks to go clear.
    pub const GO_CLEAR: u8 = 10;
    /// And back.
    pub const GO_SECURE: u8 = 11;
    /// The user compared the SAS: a byte whose lowest bit is the result.
    pub const VERIFY: u8 = 12;
    /// The user accepts enrolment.
    pub const ENROL: u8 = 13;
    /// The PBX relays a SAS: a byte.
    pub const RELAY: u8 = 14;
    /// How many there are.
    pub const COUNT: u8 = 15;
    /// For the second end.
    pub const SECOND: u8 = 0x80;
}

struct End {
    stream: Stream,
    /// On their way to the other end.
    sent: Vec<Vec<u8>>,
    /// All that went out, the last ones.
    record: Vec<Vec<u8>>,
    secured: Vec<Secured>,
    failed: bool,
}

impl End {
    fn new(association: &Association, ssrc: u32, now: Instant) -> Self {
        let stream = Stream::new(association, ssrc, now).expect("random numbers");
        Self { stream, sent: vec![], record: vec![], secured: vec![], failed: false }
    }

    fn receive(&mut self, datagram: &[u8], now: Instant) {
        line(datagram);
        let received = self.stream.receive(datagram, now);
        assert_eq!(received == Received::NotZrtp, !sealrtp_zrtp::packet::is_zrtp(datagram));
    }

    /// Everything that it has to say, checked.
    fn poll(&mut self) {
        while let Some(datagram) = self.stream.poll_transmit() {
            line(&datagram);
            assert!(Packet::parse(&datagram).is_ok());
            self.record.push(datagram.clone());
            if self.record.len() > MAX_KEPT {
                self.record.remove(0);
            }
            if self.sent.len() < MAX_KEPT {
                self.sent.push(datagram);
            }
        }
        let (mut alerts, mut others) = (0, 0);
        while let Some(event) = self.stream.poll_event() {
            match event {
                Event::Alert(_) => alerts += 1,
                Event::Secured(secured) => {
                    assert!(!self.failed, "secured after the end");
                    self.secured.push(*secured);
                }
                Event::Failed(_) => {
                    assert!(!self.failed, "failed twice");
                    self.failed = true;
                }
                _ => others += 1,
            }
        }
        assert!(
            alerts <= MAX_ALERTS && others <= MAX_EVENTS,
            "{alerts} alerts, {others} other events waited"
        );
        assert!(!self.failed || self.stream.state() == StreamState::Failed);
    }
}

/// Runs one call until nothing is on its way any more.
fn settle(ends: &mut [End; 2], now: Instant) {
    // Bounded: an exchange takes fewer flights, and repeats only come with time.
    for _ in 0..16 {
        for to in [0, 1] {
            for datagram in std::mem::take(&mut ends[1 - to].sent) {
                ends[to].receive(&datagram, now);
            }
            ends[to].poll();
        }
    }
}

/// Both of the same exchange: keys and SAS are the same.
fn assert_same(ends: &[End; 2]) {
    let [a, b] = ends;
    if a.secured.len() != b.secured.len() {
        return;
    }
    let ([.., a], [.., b]) = (&a.secured[..], &b.secured[..]) else { return };
    assert!(a.inbound.same_as(&b.outbound) && a.outbound.same_as(&b.inbound), "keys differ");
    assert!(!a.inbound.same_as(&a.outbound), "one key for both directions");
    assert!(a.sas == b.sas && a.terms == b.terms && a.role != b.role);
}

type Caches = [Option<Arc<dyn Cache>>; 2];

fn associations(bits: u8, caches: &Caches) -> [Association; 2] {
    let has = |option: u8| bits & option != 0;
    [0, 1].map(|end| {
        let mut config = Config { agreements: vec![KeyAgreement::X255], ..Config::default() };
        if has(options::PRESHARED) {
            config.agreements.insert(0, KeyAgreement::Preshared);
        }
        config.passive = has(options::PASSIVE) && end == 0;
        config.allow_clear = has(options::ALLOW_CLEAR);
        config.mitm = has(options::PBX) && end == 0;
        config.enrolment = config.mitm;
        let cache = caches[usize::from(end)].clone();
        Association::new(Arc::new(config), Zid([end; 12]), cache).expect("a valid configuration")
    })
}

/// A call from one end to the other, undisturbed.
fn call(associations: &[Association; 2], ssrc: u32, now: Instant) -> [End; 2] {
    let [a, b] = associations;
    let mut ends = [End::new(a, ssrc, now), End::new(b, ssrc + 1, now)];
    ends.iter_mut().for_each(|end| end.stream.start(now));
    ends.iter_mut().for_each(End::poll);
    settle(&mut ends, now);
    assert!(ends.iter().all(|end| end.stream.state() == StreamState::Secure), "an undisturbed call failed");
    assert_same(&ends);
    ends
}

/// Runs one input. Returns how often an end got keys.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let bits = input.byte();
    let has = |option: u8| bits & option != 0;
    let mut now = Instant::now();
    let caches: Caches = [0, 1].map(|_| {
        has(options::MET).then(|| Arc::new(MemoryCache::new(|| SystemTime::UNIX_EPOCH)) as Arc<dyn Cache>)
    });
    if has(options::MET) {
        let mut before = call(&associations(bits, &caches), 1, now);
        before.iter_mut().for_each(|end| end.stream.set_verified(true));
    }
    let associations = associations(bits, &caches);
    let _first = has(options::SECOND_STREAM).then(|| call(&associations, 3, now));
    let mut ends = if has(options::SECURED) {
        call(&associations, 5, now)
    } else {
        let [a, b] = &associations;
        let mut ends = [End::new(a, 5, now), End::new(b, 6, now)];
        if has(options::HELLO_HASH) {
            let hashes = ends.each_ref().map(|end| end.stream.hello_hash());
            ends[0].stream.set_peer_hello_hash(&hashes[1]);
            ends[1].stream.set_peer_hello_hash(&hashes[0]);
        }
        ends.iter_mut().for_each(|end| end.stream.start(now));
        ends
    };
    ends.iter_mut().for_each(End::poll);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let byte = input.byte();
        let to = usize::from(byte & step::SECOND != 0);
        let next = |ends: &mut [End; 2]| {
            let sent = &mut ends[1 - to].sent;
            (!sent.is_empty()).then(|| sent.remove(0))
        };
        match (byte & !step::SECOND) % step::COUNT {
            step::DELIVER => {
                next(&mut ends).into_iter().for_each(|datagram| ends[to].receive(&datagram, now))
            }
            step::CHANGED => {
                let (at, xor) = (input.word(), input.byte());
                if let Some(mut datagram) = next(&mut ends) {
                    let at = at % datagram.len();
                    datagram[at] ^= xor;
                    ends[to].receive(&with_crc(&datagram).expect("as long as before"), now);
                }
            }
            step::TWICE => {
                if let Some(datagram) = next(&mut ends) {
                    ends[to].receive(&datagram, now);
                    ends[to].receive(&datagram, now);
                }
            }
            step::LOST => drop(next(&mut ends)),
            step::LATE => {
                if let Some(datagram) = next(&mut ends) {
                    ends[1 - to].sent.push(datagram);
                }
            }
            step::FORGED => {
                let kind = TYPES[usize::from(input.byte()) % TYPES.len()];
                let message = message(kind, input.packet());
                ends[to].receive(&Packet { sequence: 1, ssrc: 99, message: &message }.to_bytes(), now);
            }
            step::REPLAYED => {
                let which = usize::from(input.byte());
                let record = &ends[which >> 7].record;
                if let Some(datagram) = record.get((which & 0x7f) % record.len().max(1)).cloned() {
                    ends[to].receive(&datagram, now);
                }
            }
            step::WAIT => {
                now += Duration::from_millis(u64::from(input.byte()) * 100);
                ends.iter_mut().for_each(|end| end.stream.handle_timeout(now));
            }
            step::SETTLE => settle(&mut ends, now),
            step::SRTP => ends[to].stream.srtp_received(now),
            step::GO_CLEAR => drop(ends[to].stream.go_clear(now)),
            step::GO_SECURE => drop(ends[to].stream.go_secure(now)),
            step::VERIFY => ends[to].stream.set_verified(input.byte() & 1 != 0),
            step::ENROL => drop(ends[to].stream.accept_enrolment()),
            _ => {
                let sas = sealrtp_zrtp::Sas::new(sealrtp_zrtp::algorithm::SasType::B32, [input.byte(); 32]);
                ends[to].stream.relay_sas(&sas, Flags::default(), now);
            }
        }
        ends.iter_mut().for_each(End::poll);
        assert_same(&ends);
    }
    ends.iter().map(|end| end.secured.len()).sum()
}
