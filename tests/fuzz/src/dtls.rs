//! Datagrams into DTLS-SRTP associations: one that waits as server, one that calls as client, and both with keys.
//!
//! Input: a byte of options, then steps: a byte that chooses one of [`step`] and what it reads.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use sealrtp_dtls::{
    Association, Config, Connected, Context, CookieExchange, Event, Fingerprints, HashFunction, Identity,
    MAX_TRACES, MAX_TRANSMITS, Resumption, Role, Sha1,
};

use crate::input::Input;

/// Bounds the time of one run.
const MAX_STEPS: usize = 64;
/// No association takes more, in bytes, whatever comes.
const MEMORY_CEILING: usize = 512 * 1024;

/// The bits of the first byte; the lowest two choose the [`CookieExchange`].
pub mod options {
    /// The server knows where its client is.
    pub const SOURCE_EXPECTED: u8 = 4;
    /// Datagrams of at most 256 bytes.
    pub const SMALL_MTU: u8 = 8;
    /// Both ends have keys before the first step.
    pub const ESTABLISHED: u8 = 16;
    /// The server would let its client resume a session.
    pub const RESUMPTION: u8 = 32;
}

/// What a step does: its byte less its highest bit, which says which end it is for: the server, or the client if it is set.
pub mod step {
    /// The next datagram of the other end comes.
    pub const DELIVER: u8 = 0;
    /// It comes with a byte changed: a word of place, a byte to XOR with.
    pub const CHANGED: u8 = 1;
    /// It comes twice.
    pub const TWICE: u8 = 2;
    /// It is lost.
    pub const LOST: u8 = 3;
    /// It comes cut off after a word of bytes.
    pub const CUT: u8 = 4;
    /// A datagram of the input comes: a byte of source, a packet.
    pub const FORGED: u8 = 5;
    /// A byte of tenths of seconds passes.
    pub const WAIT: u8 = 6;
    /// Everything on its way arrives.
    pub const SETTLE: u8 = 7;
    /// This end closes.
    pub const CLOSE: u8 = 8;
    /// The server is told where its client is: a byte of source.
    pub const EXPECT: u8 = 9;
    /// How many there are.
    pub const COUNT: u8 = 10;
    /// For the client.
    pub const CLIENT: u8 = 0x80;
}

const COOKIES: [CookieExchange; 4] = [
    CookieExchange::Required,
    CookieExchange::UnknownSources,
    CookieExchange::Skipped,
    CookieExchange::UnknownSources,
];

/// One context for each way to be configured, since making one costs more than a run.
pub fn context(bits: u8) -> (&'static Context, Fingerprints) {
    static MADE: OnceLock<(Vec<Context>, Fingerprints)> = OnceLock::new();
    let (contexts, known) = MADE.get_or_init(|| {
        let identity = Identity::generate(SystemTime::now()).expect("OpenSSL");
        let line = identity.fingerprint(HashFunction::Sha256).expect("OpenSSL").to_string();
        let made = (0..8u8).map(|n| {
            let mtu = if n & 4 == 0 { 1200 } else { 256 };
            let cookies = COOKIES[usize::from(n & 3)];
            Context::new(Config { mtu, cookies, trace: true, ..Config::default() }, &identity).expect("good")
        });
        let known = Fingerprints::from_values([line.as_str()], Sha1::Refused).expect("ours");
        (made.collect(), known)
    });
    let small = usize::from(bits & options::SMALL_MTU != 0) * 4;
    (&contexts[small + usize::from(bits & 3)], known.clone())
}

/// A source by number.
pub fn source(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, number], 4000))
}

struct End {
    association: Association,
    address: SocketAddr,
    keys: Option<Connected>,
    /// Failed or closed.
    over: bool,
    /// On their way to the other end.
    sent: Vec<Vec<u8>>,
    useful: usize,
}

impl End {
    fn new(association: Association, address: SocketAddr) -> Self {
        Self { association, address, keys: None, over: false, sent: Vec::new(), useful: 0 }
    }

    /// Takes all that waits, and holds it against the bounds.
    fn poll(&mut self) {
        let mut count = 0;
        while let Some(out) = self.association.poll_transmit() {
            count += 1;
            assert!(out.datagram.len() <= 1200, "longer than the MTU");
            if self.sent.len() < MAX_TRANSMITS {
                self.sent.push(out.datagram);
            }
        }
        assert!(count <= MAX_TRANSMITS, "{count} datagrams waited");
        self.useful += count;
        let mut traces = 0;
        while let Some(event) = self.association.poll_event() {
            assert!(!self.over || matches!(event, Event::Trace(_)), "an event after the last: {event:?}");
            match event {
                Event::Trace(_) => traces += 1,
                Event::Connected(connected) => {
                    assert!(self.keys.is_none(), "keys twice");
                    self.keys = Some(*connected);
                }
                Event::Failed(_) => {
                    assert!(self.keys.is_none(), "failed with keys");
                    self.over = true;
                }
                Event::Closed => self.over = true,
            }
        }
        assert!(traces <= MAX_TRACES, "{traces} traces waited");
        let bytes = self.association.memory_bytes();
        assert!(bytes < MEMORY_CEILING, "{bytes} bytes");
        assert!(!self.over || self.association.poll_timeout().is_none(), "a deadline after the end");
    }
}

/// Runs one input. Returns how many datagrams the ends answered, the client's first one not counted.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let bits = input.byte();
    let (context, known) = context(bits);
    let mut now = Instant::now();
    let new = |role| Association::new(context, role, known.clone(), now).expect("OpenSSL");
    let server = if bits & options::RESUMPTION == 0 {
        new(Role::Server)
    } else {
        let resumption = Resumption::new(context, known.clone());
        Association::resuming(&resumption, Role::Server, now).expect("OpenSSL")
    };
    let mut ends = [End::new(server, source(2)), End::new(new(Role::Client), source(1))];
    if bits & options::SOURCE_EXPECTED != 0 {
        ends[0].association.expect_source(source(1));
    }
    ends.iter_mut().for_each(End::poll);
    let first = ends[1].useful;
    if bits & options::ESTABLISHED != 0 {
        settle(&mut ends, now);
        assert!(ends.iter().all(|end| end.keys.is_some()), "an undisturbed handshake failed");
    }
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let byte = input.byte();
        let to = usize::from(byte & step::CLIENT != 0);
        let come = |ends: &mut [End; 2], change: &mut dyn FnMut(&mut Vec<u8>), times: usize| {
            if ends[1 - to].sent.is_empty() {
                return;
            }
            let mut datagram = ends[1 - to].sent.remove(0);
            let from = ends[1 - to].address;
            change(&mut datagram);
            for _ in 0..times {
                ends[to].association.receive(&datagram, from, now);
            }
        };
        match (byte & !step::CLIENT) % step::COUNT {
            step::DELIVER => come(&mut ends, &mut |_| {}, 1),
            step::CHANGED => {
                let (at, xor) = (input.word(), input.byte());
                let mut change = |datagram: &mut Vec<u8>| {
                    let at = at % datagram.len().max(1);
                    if let Some(byte) = datagram.get_mut(at) {
                        *byte ^= xor;
                    }
                };
                come(&mut ends, &mut change, 1);
            }
            step::TWICE => come(&mut ends, &mut |_| {}, 2),
            step::LOST => come(&mut ends, &mut |_| {}, 0),
            step::CUT => {
                let len = input.word();
                come(&mut ends, &mut |datagram| datagram.truncate(len), 1);
            }
            step::FORGED => {
                let from = source(input.byte());
                ends[to].association.receive(input.packet(), from, now);
            }
            step::WAIT => {
                now += Duration::from_millis(u64::from(input.byte()) * 100);
                ends.iter_mut().for_each(|end| end.association.handle_timeout(now));
            }
            step::SETTLE => settle(&mut ends, now),
            step::EXPECT => ends[0].association.expect_source(source(input.byte())),
            _ => ends[to].association.close(),
        }
        ends.iter_mut().for_each(End::poll);
    }
    if let [Some(server), Some(client)] = [&ends[0].keys, &ends[1].keys] {
        assert!(server.inbound.same_as(&client.outbound) && client.inbound.same_as(&server.outbound));
        assert_eq!(server.suite, client.suite);
    }
    ends[0].useful + ends[1].useful - first
}

fn settle(ends: &mut [End; 2], now: Instant) {
    // Bounded: a handshake has six flights at most, and an end's repeats are limited in time.
    for _ in 0..16 {
        for to in [0, 1] {
            let from = ends[1 - to].address;
            for datagram in std::mem::take(&mut ends[1 - to].sent) {
                ends[to].association.receive(&datagram, from, now);
            }
            ends[to].poll();
        }
    }
}
