//! Every state is entered, and in each one every message is lost, doubled, replayed, changed, or comes from another call.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Step, Stream, StreamState, initiator};
use crate::algorithm::{KeyAgreement, SasType};
use crate::association::Association;
use crate::cache::{Cache, Entry, MemoryCache};
use crate::config::Config;
use crate::event::{Event, Secured};
use crate::message::{ErrorCode, Flags, Message, MessageType, Ping, PingAck, Zid};
use crate::packet::Packet;
use crate::sas::Sas;
use crate::secret::Secret;

/// How long one end can be secure before the other is, or has given up: the whole schedule of a Confirm2, which goes out sixty
/// times, after that of what came before.
const BOUND: Duration = Duration::from_secs(100);
/// Datagrams of a call at most, or it goes on for ever.
const MOST: usize = 2_000;

/// What a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Diffie-Hellman, the second end passive.
    Dh,
    /// Both commit.
    Contention,
    /// A second stream.
    Multistream,
    /// Preshared mode.
    Preshared,
    /// Secure, clear, and secure again.
    Clear,
    /// Secure, and a PBX relays a SAS.
    Relay,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario::Dh,
    Scenario::Contention,
    Scenario::Multistream,
    Scenario::Preshared,
    Scenario::Clear,
    Scenario::Relay,
];

/// What happens to the datagram of a number.
#[derive(Clone, Copy, Debug)]
enum Disturb {
    Nothing,
    Drop,
    Double,
    /// A datagram sent before, to this end, comes first.
    Replay(usize, usize),
    /// A datagram of another call between the two, to this end, comes first.
    Old(usize, usize),
    /// A bit of the message is flipped.
    Flip(usize),
    /// The flipped one comes before the true one.
    FlipBefore(usize),
}

struct Call {
    ends: [Stream; 2],
    _first: Option<[Stream; 2]>,
    now: Instant,
    air: VecDeque<(usize, Vec<u8>)>,
    /// All that was delivered or should have been: the receiver, the datagram.
    record: Vec<(usize, Vec<u8>)>,
    secured: [Vec<Secured>; 2],
    cleared: [usize; 2],
    failed: [bool; 2],
    states: BTreeSet<&'static str>,
}

fn state(step: &Step) -> &'static str {
    match step {
        Step::Idle => "Idle",
        Step::Discovery => "Discovery",
        Step::Committed(state) => match state.with {
            initiator::Mode::Dh(_) => "Committed to Diffie-Hellman",
            initiator::Mode::Keyed(_) => "Committed without",
        },
        Step::AwaitConfirm1(_) => "AwaitConfirm1",
        Step::AwaitConf2Ack(_) => "AwaitConf2Ack",
        Step::AwaitDhPart2(_) => "AwaitDhPart2",
        Step::AwaitConfirm2(_) => "AwaitConfirm2",
        Step::Secure(_) => "Secure",
        Step::GoingClear(_) => "GoingClear",
        Step::Clear(_) => "Clear",
        Step::Fail(..) => "Fail",
        Step::Failed => "Failed",
    }
}

fn message(datagram: &[u8]) -> Message {
    Message::parse(Packet::parse(datagram).unwrap().message).unwrap()
}

fn flipped(datagram: &[u8], bit: usize) -> Vec<u8> {
    let packet = Packet::parse(datagram).unwrap();
    let mut message = packet.message.to_vec();
    let bit = bit % (message.len() * 8);
    message[bit / 8] ^= 1 << (bit % 8);
    Packet { message: &message, ..packet }.to_bytes()
}

impl Call {
    fn new(scenario: Scenario) -> Self {
        let now = Instant::now();
        let associations = [0u8, 1].map(|end| {
            let mut config = Config {
                agreements: vec![KeyAgreement::Ec25],
                passive: end == 1 && scenario != Scenario::Contention,
                allow_clear: scenario == Scenario::Clear,
                mitm: end == 0 && scenario == Scenario::Relay,
                ..Config::default()
            };
            let mut cache = None;
            if scenario == Scenario::Preshared {
                config.agreements.push(KeyAgreement::Preshared);
                let kept = MemoryCache::new(|| SystemTime::UNIX_EPOCH);
                let entry = Entry { rs1: Some(Secret::new([7; 32])), verified: true, ..Entry::default() };
                kept.store(&Zid([1 - end; 12]), &entry, u32::MAX).unwrap();
                cache = Some(Arc::new(kept) as Arc<dyn Cache>);
            }
            Association::new(Arc::new(config), Zid([end; 12]), cache).unwrap()
        });
        let ends = |ssrc| [0, 1].map(|i| Stream::new(&associations[i], ssrc + i as u32, now).unwrap());
        let mut call = Self {
            ends: ends(10),
            _first: None,
            now,
            air: VecDeque::new(),
            record: Vec::new(),
            secured: Default::default(),
            cleared: [0; 2],
            failed: [false; 2],
            states: BTreeSet::new(),
        };
        if scenario == Scenario::Multistream {
            call.script(Scenario::Dh, 0, Disturb::Nothing, &[]);
            let first = std::mem::replace(&mut call.ends, ends(20));
            call = Self { _first: Some(first), record: Vec::new(), secured: Default::default(), ..call };
        }
        call
    }

    fn poll(&mut self) {
        for end in 0..2 {
            self.states.insert(state(&self.ends[end].step));
            while let Some(datagram) = self.ends[end].poll_transmit() {
                self.air.push_back((1 - end, datagram));
            }
            while let Some(event) = self.ends[end].poll_event() {
                match event {
                    Event::Secured(secured) => self.secured[end].push(*secured),
                    Event::Cleared => self.cleared[end] += 1,
                    Event::Failed(_) => self.failed[end] = true,
                    _ => {}
                }
            }
        }
    }

    fn receive(&mut self, end: usize, datagram: &[u8]) {
        self.ends[end].receive(datagram, self.now);
        self.poll();
    }

    /// Runs until `done`, or nothing more will come, at most [`BOUND`] and a quiet second more.
    fn run(&mut self, at: usize, disturb: Disturb, old: &[Vec<u8>], done: impl Fn(&Self) -> bool) {
        let begin = self.now;
        let mut quiet = None;
        loop {
            self.poll();
            if let Some((to, datagram)) = self.air.pop_front() {
                let number = self.record.len();
                assert!(number < MOST, "{disturb:?} at {at}: goes on for ever");
                self.record.push((to, datagram.clone()));
                if number != at {
                    self.receive(to, &datagram);
                    continue;
                }
                match disturb {
                    Disturb::Nothing => self.receive(to, &datagram),
                    Disturb::Drop => {}
                    Disturb::Double => {
                        self.receive(to, &datagram);
                        self.receive(to, &datagram);
                    }
                    Disturb::Replay(number, end) => {
                        let before = self.record[number].1.clone();
                        self.receive(end, &before);
                        self.receive(to, &datagram);
                    }
                    Disturb::Old(number, end) => {
                        self.receive(end, &old[number]);
                        self.receive(to, &datagram);
                    }
                    Disturb::Flip(bit) => self.receive(to, &flipped(&datagram, bit)),
                    Disturb::FlipBefore(bit) => {
                        self.receive(to, &flipped(&datagram, bit));
                        self.receive(to, &datagram);
                    }
                }
                continue;
            }
            if quiet.is_none() && done(self) {
                quiet = Some(self.now + Duration::from_secs(1));
            }
            let next = self.ends.iter().filter_map(Stream::poll_timeout).min();
            let Some(next) = next.filter(|next| quiet.is_none_or(|quiet| *next < quiet)) else { return };
            self.now = self.now.max(next);
            if self.now > begin + BOUND {
                return;
            }
            self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
        }
    }

    fn all(&self, state: StreamState) -> bool {
        self.ends.iter().all(|end| end.state() == state)
    }

    fn script(&mut self, scenario: Scenario, at: usize, disturb: Disturb, old: &[Vec<u8>]) {
        self.poll();
        let now = self.now;
        self.ends.iter_mut().for_each(|end| end.start(now));
        let over = |call: &Self| (0..2).all(|i| call.failed[i] || !call.secured[i].is_empty());
        self.run(at, disturb, old, over);
        match scenario {
            Scenario::Clear if self.all(StreamState::Secure) => {
                assert!(self.ends[0].go_clear(self.now));
                self.run(at, disturb, old, |call| call.all(StreamState::Clear));
                if self.all(StreamState::Clear) {
                    assert!(self.ends[1].go_secure(self.now));
                    self.run(at, disturb, old, |call| call.all(StreamState::Secure));
                }
            }
            Scenario::Relay if self.all(StreamState::Secure) => {
                let sas = Sas::new(SasType::B256, [0; 32]);
                assert!(self.ends[0].relay_sas(&sas, Flags::default(), self.now));
                self.run(at, disturb, old, |call| call.ends[0].core.repeat.is_none());
                assert!(self.ends[0].core.repeat.is_none(), "{disturb:?} at {at}: goes on relaying");
            }
            _ => {}
        }
    }

    /// Never secure alone, never with different keys.
    fn assert_not_fooled(&self, what: &str) {
        let secure = [0, 1].map(|i| self.ends[i].state() == StreamState::Secure);
        assert_eq!(secure[0], secure[1], "{what}: secure alone after {BOUND:?}: {:?}", self.ends);
        if secure == [true; 2] {
            let [a, b] = [0, 1].map(|i| self.secured[i].last().unwrap());
            assert!(a.inbound.same_as(&b.outbound) && a.outbound.same_as(&b.inbound), "{what}: keys differ");
            assert!(!a.inbound.same_as(&a.outbound), "{what}: one key for both directions");
            assert!(a.sas == b.sas && a.role != b.role, "{what}: another SAS");
        } else {
            // A bound, too: nobody negotiates for ever.
            assert!(
                !self.ends.iter().any(|end| end.state() == StreamState::Negotiating),
                "{what}: waits for ever"
            );
        }
    }

    fn assert_secure(&self, scenario: Scenario, what: &str) {
        self.assert_not_fooled(what);
        let times = if scenario == Scenario::Clear { 2 } else { 1 };
        assert!(self.all(StreamState::Secure), "{what}: {:?}", self.ends);
        assert!(self.secured.iter().all(|secured| secured.len() == times), "{what}");
        assert!(self.cleared == [times - 1; 2], "{what}");
    }
}

fn call(scenario: Scenario, at: usize, disturb: Disturb, old: &[Vec<u8>]) -> Call {
    let mut call = Call::new(scenario);
    call.script(scenario, at, disturb, old);
    call
}

/// A datagram with each message there is, of calls like these.
fn every_message() -> Vec<Vec<u8>> {
    let datagram =
        |message: Message| Packet { sequence: 1, ssrc: 99, message: &message.to_bytes() }.to_bytes();
    let mut all: Vec<Vec<u8>> =
        [Scenario::Clear, Scenario::Relay, Scenario::Multistream, Scenario::Preshared]
            .into_iter()
            .flat_map(|scenario| call(scenario, usize::MAX, Disturb::Nothing, &[]).record)
            .map(|(_, datagram)| datagram)
            .collect();
    all.push(datagram(Message::Error(ErrorCode::SOFTWARE)));
    all.push(datagram(Message::ErrorAck));
    all.push(datagram(Message::Ping(Ping { version: *b"1.10", endpoint_hash: [1; 8] })));
    let (version, endpoint_hash) = (*b"1.10", [1; 8]);
    all.push(datagram(Message::PingAck(PingAck {
        version,
        endpoint_hash,
        ping_endpoint_hash: [2; 8],
        ping_ssrc: 1,
    })));
    // One of each kind and sender's length.
    let mut seen = BTreeSet::new();
    all.retain(|datagram| seen.insert((message(datagram).kind().name(), datagram.len())));
    let kinds: BTreeSet<_> = seen.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    all
}

/// Which numbers there are of something, all of them if the environment asks for it.
fn some(all: usize, few: usize, seed: usize) -> impl Iterator<Item = usize> {
    let step = if std::env::var_os("SEALRTP_SEEDS").is_some() { 1 } else { all.div_ceil(few).max(1) };
    (0..all).skip(seed % step).step_by(step)
}

#[test]
fn in_every_state_every_message_may_be_lost_doubled_replayed_or_come_from_another_call() {
    let old = every_message();
    let mut states: BTreeSet<&str> = BTreeSet::new();
    for scenario in SCENARIOS {
        let plain = call(scenario, usize::MAX, Disturb::Nothing, &[]);
        plain.assert_secure(scenario, &format!("{scenario:?}"));
        states.extend(&plain.states);
        for at in 0..plain.record.len() {
            let mut disturbances = vec![Disturb::Drop, Disturb::Double];
            for end in 0..2 {
                disturbances.extend(some(at, 6, at).map(|number| Disturb::Replay(number, end)));
                disturbances.extend((0..old.len()).map(|number| Disturb::Old(number, end)));
            }
            for disturb in disturbances {
                let what = format!("{scenario:?} {at} {disturb:?}");
                let call = call(scenario, at, disturb, &old);
                states.extend(&call.states);
                // A Hello of another call may be believed until its sender is found to be gone, which costs time, and a try.
                let hello = matches!(disturb, Disturb::Old(number, _)
                    if matches!(message(&old[number]).kind(), MessageType::Hello | MessageType::Commit));
                if hello { call.assert_not_fooled(&what) } else { call.assert_secure(scenario, &what) }
            }
        }
    }
    // A public value that gives the key away leads to the one state that no good call enters.
    let mut failing = Call::new(Scenario::Dh);
    let now = failing.now;
    failing.ends.iter_mut().for_each(|end| end.start(now));
    for _ in 0..40 {
        failing.poll();
        let Some((to, datagram)) = failing.air.pop_front() else { break };
        let datagram = match message(&datagram) {
            Message::DhPart1(mut part) => {
                part.public_value.fill(0);
                Packet { sequence: 1, ssrc: 99, message: &Message::DhPart1(part).to_bytes() }.to_bytes()
            }
            _ => datagram,
        };
        failing.receive(to, &datagram);
    }
    states.extend(&failing.states);
    for datagram in &old {
        failing.receive(0, datagram);
        assert_eq!(failing.ends[0].state(), StreamState::Failed, "{}", message(datagram).kind());
    }
    let expected = [
        "AwaitConf2Ack",
        "AwaitConfirm1",
        "AwaitConfirm2",
        "AwaitDhPart2",
        "Clear",
        "Committed to Diffie-Hellman",
        "Committed without",
        "Discovery",
        "Failed",
        "GoingClear",
        "Idle",
        "Secure",
    ];
    assert!(states.iter().eq(expected.iter()), "{states:?}");
}

#[test]
fn in_every_state_a_flipped_bit_makes_nobody_secure_alone_or_with_other_keys() {
    for scenario in SCENARIOS {
        let plain = call(scenario, usize::MAX, Disturb::Nothing, &[]);
        for (at, (_, datagram)) in plain.record.iter().enumerate() {
            let len = Packet::parse(datagram).unwrap().message.len();
            for bit in some(len * 8, 24, 7 * at) {
                for disturb in [Disturb::Flip(bit), Disturb::FlipBefore(bit)] {
                    let what = format!("{scenario:?} {at} {} {disturb:?}", message(datagram).kind());
                    call(scenario, at, disturb, &[]).assert_not_fooled(&what);
                }
            }
        }
    }
}
