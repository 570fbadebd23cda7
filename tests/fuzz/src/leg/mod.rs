//! Whole lives of a leg: descriptions of a peer's as they are, changed and made up, those of the PBX's, and datagrams at all
//! ports, with a leg of another PBX at the far end of its handshakes. Where security is demanded no clear media passes either
//! way; streams, ports and memory are bounded; no key is told.
//!
//! Input: a byte of options, a byte of the peer's policy, then steps: a byte that chooses one of [`step`] and what it reads.

mod end;
mod machine;
mod packets;
mod texts;

use std::time::{Duration, Instant};

use sealrtp_leg::{Message, Refusal};
use sealrtp_policy::{Config, Signalling};
use sealrtp_session::State;

use crate::input::Input;
use end::End;
use machine::{LINES, Machine, heard};
use packets::{FORGED, OURS, THEIRS, holds, rtp};

/// Bounds the time of one run.
const MAX_STEPS: usize = 32;
/// A unit of the input's times: short where runs are many, long where a machine that is busy must not make a test fail.
const TICK: Duration = if cfg!(fuzzing) { Duration::from_micros(200) } else { Duration::from_millis(40) };
/// Longest explanation, in bytes: 64 steps and a line on those before.
const MAX_EXPLANATION: usize = 66 * 1100;

/// The bits of the first byte; the lowest four choose the policy.
pub mod options {
    /// Handshakes give up within milliseconds.
    pub const HASTY: u8 = 0x10;
}

/// What a step does.
pub mod step {
    /// The peer offers: a byte of lines, and changes on the way.
    pub const THEY_OFFER: u8 = 0;
    /// We answer: a byte of lines.
    pub const WE_ANSWER: u8 = 1;
    /// We offer: a byte of lines.
    pub const WE_OFFER: u8 = 2;
    /// The peer answers: a byte of lines, and changes on the way.
    pub const THEY_ANSWER: u8 = 3;
    /// A description of the peer's that the input has: a byte of [`flags`](super::flags), a byte of CSeq, a packet.
    pub const TEXT: u8 = 4;
    /// One of the PBX's, the same way.
    pub const PBX_TEXT: u8 = 5;
    /// The peer's last description comes again.
    pub const AGAIN: u8 = 6;
    /// A datagram of the input comes: a byte of [`from`](super::from), a packet.
    pub const DATAGRAM: u8 = 7;
    /// One comes from our PBX: a byte of line and component, a packet.
    pub const PBX_DATAGRAM: u8 = 8;
    /// The peer's PBX and ours send media on a line: a byte.
    pub const MEDIA: u8 = 9;
    /// Clear media comes that nobody has secured: a byte of [`from`](super::from).
    pub const CLEAR: u8 = 10;
    /// Handshakes go on until there are keys, for a byte of ticks at most.
    pub const SETTLE: u8 = 11;
    /// A byte of ticks passes.
    pub const WAIT: u8 = 12;
    /// From here on nothing clear may pass.
    pub const DEMAND: u8 = 13;
    /// Another policy: a byte.
    pub const POLICY: u8 = 14;
    /// What an application asks for: a byte.
    pub const ASK: u8 = 15;
    /// How many there are.
    pub const COUNT: u8 = 16;
}

/// The bits of a description's first byte.
pub mod flags {
    /// In an INVITE or UPDATE.
    pub const REQUEST: u8 = 1;
    /// Over TLS.
    pub const TLS: u8 = 2;
}

/// Where a datagram comes from and goes to.
pub mod from {
    /// To the second line.
    pub const SECOND: u8 = 1;
    /// To RTCP's port.
    pub const RTCP: u8 = 2;
    /// From where a description of the input may say that the peer is.
    pub const DESCRIBED: u8 = 4;
}

const POLICIES: [&[(&str, &str)]; 10] = [
    &[],
    &[("fallback", "reject")],
    &[("offer", "sdes"), ("accept", "sdes"), ("sdes_signalling", "any"), ("fallback", "reject")],
    &[("offer", "dtls"), ("accept", "dtls"), ("fallback", "reject")],
    &[("offer", "zrtp"), ("accept", "zrtp"), ("fallback", "reject")],
    &[("offer", "sdes,dtls"), ("zrtp_upgrade", "yes"), ("fallback", "reject")],
    &[("offer", "zrtp"), ("accept", "zrtp,dtls,sdes"), ("sdes_signalling", "any")],
    &[("accept", "dtls,sdes"), ("on_failure", "warn"), ("fallback", "rtp")],
    &[("offer", "none"), ("accept", "none"), ("fallback", "rtp")],
    &[("fallback", "reject"), ("sdes_signalling", "any"), ("on_failure", "block")],
];

fn policy(choice: u8) -> Config {
    let mut config = Config::default();
    for (key, value) in POLICIES[usize::from(choice) % POLICIES.len()] {
        config.set(key, value).expect("a value of the key");
    }
    config
}

struct Run<'a> {
    machine: &'a Machine,
    ours: End,
    theirs: End,
    /// Policy lets nothing clear pass.
    strict: bool,
    /// The application has said so.
    demanded: bool,
    /// Packets that may have passed in the clear on each line.
    clear: [u64; LINES],
    cseq: u32,
    sequence: u16,
    /// The peer's last description, with what the PBX was told.
    last: Option<(Vec<u8>, Message, Vec<u8>)>,
    /// Those of our descriptions.
    keys: Vec<String>,
    carried: usize,
}

impl Run<'_> {
    fn is_strict(&self) -> bool {
        self.strict || self.demanded
    }

    fn message(&self, request: bool) -> Message {
        Message { request, cseq: self.cseq, signalling: Signalling::Tls }
    }

    /// A description of the peer's comes.
    fn hear(&mut self, text: &[u8], message: Message) {
        let before: Vec<Option<State>> = (0..LINES).map(|line| self.ours.state(line)).collect();
        match self.ours.leg.remote(text, &message) {
            Ok(told) => {
                texts::check_for_pbx(&told);
                self.last = Some((text.to_vec(), message, told.to_vec()));
            }
            Err(refusal) => {
                assert!(!matches!(refusal, Refusal::System(_)), "{refusal}");
                for (line, before) in before.into_iter().enumerate() {
                    let opened =
                        self.ours.state(line) == Some(State::Bypass) && before != Some(State::Bypass);
                    assert!(!opened, "what is refused opens a line: {refusal}");
                }
            }
        }
    }

    /// One of our PBX's goes out. None: it must not.
    fn say(&mut self, text: &[u8], message: Message) -> Option<Vec<u8>> {
        let said = self.ours.leg.local(text, &message).ok()?.to_vec();
        texts::check_for_peer(&said, self.strict);
        self.keys.extend(texts::keys(&said));
        Some(said)
    }

    fn described(&mut self, input: &mut Input) -> (Message, Vec<u8>) {
        let (flags, cseq) = (input.byte(), u32::from(input.byte()));
        let signalling = if flags & flags::TLS != 0 { Signalling::Tls } else { Signalling::Clear };
        let message = Message { request: flags & flags::REQUEST != 0, cseq, signalling };
        (message, input.packet().to_vec())
    }

    /// To one of our outer ports; false: the line has none.
    fn arrive(&mut self, from: u8, datagram: &[u8]) -> bool {
        let (line, component) = (usize::from(from & from::SECOND), usize::from(from & from::RTCP != 0));
        let Some(stream) = self.ours.leg.line(line).and_then(|line| line.stream) else { return false };
        let described = &self.machine.spies[line][component];
        let socket = if from & from::DESCRIBED != 0 { described } else { &self.machine.stranger };
        let _ = socket.send_to(datagram, ("127.0.0.1", stream.outer_port + component as u16));
        true
    }

    /// From a PBX to its leg; false: the line has no stream.
    fn send(&self, end: usize, line: usize, component: usize, datagram: &[u8]) -> bool {
        let end_of = [&self.ours, &self.theirs][end];
        let Some(stream) = end_of.leg.line(line).and_then(|line| line.stream) else { return false };
        let to = ("127.0.0.1", stream.inner_port + component as u16);
        self.machine.pbx[end][line][component].send_to(datagram, to).is_ok()
    }

    /// Media both ways, by ways that are clear or are not.
    fn media(&mut self, line: usize) {
        for (from, payload) in [(0, OURS), (1, THEIRS)] {
            self.sequence = self.sequence.wrapping_add(1);
            let packet = rtp(self.sequence, payload);
            let clear = [self.ours.clear(line), self.theirs.clear(line)];
            if !self.send(from, line, 0, &packet) {
                continue;
            }
            // Through one leg, and then through the other.
            self.machine.catch_up();
            self.machine.catch_up();
            let secured = clear == [self.ours.clear(line), self.theirs.clear(line)];
            for datagram in heard(&self.machine.pbx[1 - from]) {
                if holds(&datagram, payload) {
                    assert_eq!(datagram, packet);
                    self.carried += usize::from(secured);
                } else {
                    assert!(from == 0 || !self.is_strict(), "our PBX gets what the peer's has not sent");
                }
            }
        }
    }

    /// What holds after each step.
    fn check(&mut self) {
        let strict = self.is_strict();
        for info in self.ours.leg.lines().iter().filter_map(|line| line.stream.as_ref()) {
            let clear = [info.state, info.rtcp_state].contains(&State::Bypass);
            assert!(!(strict && clear), "{}", self.ours.leg.explain());
        }
        for (line, before) in self.clear.iter_mut().enumerate() {
            let now = self.ours.clear(line);
            assert!(!strict || now <= *before, "{now} packets in the clear");
            *before = now;
        }
        // What was on its way when security was demanded has been taken off by the step that did it.
        for datagram in heard(&self.machine.spies) {
            assert!(!strict || !holds(&datagram, OURS), "our media goes out in the clear");
        }
        for datagram in heard(&self.machine.pbx[0]) {
            assert!(!strict || holds(&datagram, THEIRS), "our PBX gets what nobody has secured");
        }
        self.ours.check(&self.keys);
        self.theirs.check(&self.keys);
    }

    fn settle(&self, patience: Duration) {
        let begin = Instant::now();
        loop {
            self.machine.catch_up();
            if begin.elapsed() >= patience || self.ours.is_secure() && self.theirs.is_secure() {
                break;
            }
        }
    }

    fn ask(&mut self, what: u8) {
        let leg = &self.ours.leg;
        match what % 7 {
            0 => drop(leg.verify(what & 0x80 != 0)),
            1 => drop(leg.accept_enrolment()),
            2 => leg.set_trace(what & 0x80 != 0),
            3 => drop(leg.disclose(what & 0x80 != 0)),
            4 => leg.note("a step"),
            5 => drop(leg.explain()),
            _ => {
                let sas = sealrtp_zrtp::Sas::new(sealrtp_zrtp::algorithm::SasType::B32, [what; 32]);
                leg.relay_sas(&sas, sealrtp_zrtp::message::Flags::default());
            }
        }
    }

    fn step(&mut self, step: u8, input: &mut Input) {
        let machine = self.machine;
        let [our_pbx, their_pbx] = &machine.pbx;
        match step % step::COUNT {
            step::THEY_OFFER => {
                self.cseq += 1;
                let (offer, body) = (self.message(true), texts::body(input.byte(), their_pbx));
                if let Ok(text) = self.theirs.leg.local(&body, &offer) {
                    let text = texts::changed(&text, input, &machine.spies);
                    self.hear(&text, offer);
                }
            }
            step::WE_ANSWER => {
                let (answer, body) = (self.message(false), texts::body(input.byte(), our_pbx));
                if let Some(text) = self.say(&body, answer) {
                    let _ = self.theirs.leg.remote(&text, &answer);
                }
            }
            step::WE_OFFER => {
                self.cseq += 1;
                let (offer, body) = (self.message(true), texts::body(input.byte(), our_pbx));
                if let Some(text) = self.say(&body, offer) {
                    let _ = self.theirs.leg.remote(&text, &offer);
                }
            }
            step::THEY_ANSWER => {
                let (answer, body) = (self.message(false), texts::body(input.byte(), their_pbx));
                if let Ok(text) = self.theirs.leg.local(&body, &answer) {
                    let text = texts::changed(&text, input, &machine.spies);
                    self.hear(&text, answer);
                }
            }
            step::TEXT => {
                let (message, text) = self.described(input);
                self.hear(&texts::placed(&text, &machine.spies), message);
            }
            step::PBX_TEXT => {
                let (message, text) = self.described(input);
                self.say(&texts::placed(&text, our_pbx), message);
            }
            step::AGAIN => {
                if let Some((text, message, told)) = &self.last {
                    let again = self.ours.leg.remote(text, message).expect("it was taken before");
                    assert_eq!(*again, *told, "the same description is told otherwise");
                }
            }
            step::DATAGRAM => {
                let from = input.byte();
                self.arrive(from, input.packet());
                machine.catch_up();
            }
            step::PBX_DATAGRAM => {
                let to = input.byte();
                self.send(0, usize::from(to & 1), usize::from(to >> 1 & 1), input.packet());
                machine.catch_up();
            }
            step::MEDIA => self.media(usize::from(input.byte()) % LINES),
            step::CLEAR => self.clear(input.byte()),
            step::SETTLE => self.settle(TICK * u32::from(input.byte())),
            step::WAIT => std::thread::sleep(TICK * u32::from(input.byte())),
            step::DEMAND => {
                self.ours.leg.demand_security();
                self.demanded = true;
                self.forget_clear();
            }
            step::POLICY => {
                let config = policy(input.byte());
                self.strict = !config.allows_clear();
                let _ = self.ours.leg.set_config(config);
                self.last = None;
                self.forget_clear();
            }
            _ => self.ask(input.byte()),
        }
    }

    /// Clear media from where nobody has keys.
    fn clear(&mut self, from: u8) {
        let line = usize::from(from & from::SECOND);
        let secure = self.ours.state(line) == Some(State::Secure);
        self.sequence = self.sequence.wrapping_add(1);
        if !self.arrive(from & !from::RTCP, &rtp(self.sequence, FORGED)) {
            return;
        }
        self.machine.catch_up();
        for datagram in heard(&self.machine.pbx[0]) {
            let passed = holds(&datagram, FORGED);
            assert!(!passed || !secure && !self.is_strict(), "clear media is taken");
        }
    }

    /// What has passed in the clear until now was allowed to.
    fn forget_clear(&mut self) {
        self.machine.catch_up();
        self.clear = std::array::from_fn(|line| self.ours.clear(line));
        drop((heard(&self.machine.spies), heard(&self.machine.pbx[0])));
    }
}

/// Runs one input. Returns how many packets were carried that both legs had secured.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let machine = Machine::lock();
    let bits = input.byte();
    let hasty = bits & options::HASTY != 0;
    let config = policy(bits & 0xf);
    let mut run = Run {
        strict: !config.allows_clear(),
        ours: End::new(&machine.relay, 1, config, hasty),
        theirs: End::new(&machine.relay, 2, policy(input.byte()), hasty),
        machine: &machine,
        demanded: false,
        clear: [0; LINES],
        cseq: 0,
        sequence: 0,
        last: None,
        keys: Vec::new(),
        carried: 0,
    };
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        run.step(step, &mut input);
        run.check();
    }
    let explanation = run.ours.leg.explain();
    assert!(explanation.len() <= MAX_EXPLANATION);
    assert!(!run.keys.iter().any(|key| explanation.contains(key)), "a key is explained");
    let Run { ours, theirs, carried, .. } = run;
    ours.end();
    theirs.end();
    assert_eq!(machine.streams(), 0, "a stream is left");
    carried
}
