//! One association with one peer.

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;

use crate::admission::{self, Standing, Verdict};
use crate::client_hello::{ClientHello, Head};
use crate::context::Unproven;
use crate::event::{Direction, HandshakeType, MAX_TRACES, Message, Trace, Why};
use crate::handshake::{Handshake, Progress};
use crate::record::{self, records};
use crate::{Connected, Context, Event, Failure, Fingerprints, Resumption};

/// How long an end whose flight was the last answers a repeated Finished after keys are there: longer than an OpenSSL client, with its 12
/// retransmissions, can go on.
pub const REPEAT_FOR: Duration = Duration::from_secs(600);
/// How often at most it does.
pub const MAX_REPEATS: u32 = 32;
/// Most datagrams that wait for [`Association::poll_transmit`]; answers to ClientHellos beyond that are dropped.
pub const MAX_TRANSMITS: usize = 64;

/// No faster than this is a last flight repeated: a client's flight is several datagrams with one Finished each at most.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);
/// RFC 6347 section 4.2.4.1: first and longest retransmission timer, as OpenSSL has them.
const FIRST_TIMER: Duration = Duration::from_secs(1);
const LONGEST_TIMER: Duration = Duration::from_secs(60);
/// When OpenSSL's timer has not ended though ours has: how soon to ask again, at first and at most.
const ASK_AGAIN: Duration = Duration::from_millis(5);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(500);
/// What an SSL object of OpenSSL 3 holds on the heap while a handshake runs, as `tests/bench` measures it.
const SSL_BYTES: usize = 56 * 1024;

/// Who sends the ClientHello; [`Setup`](crate::Setup) decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `a=setup:active`.
    Client,
    /// `a=setup:passive`.
    Server,
}

impl Role {
    /// The peer's.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Where media goes.
    Peer,
    /// Back to the source of a ClientHello: the source that a server's client has shown to be its own, or has yet to.
    Source(SocketAddr),
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// Its bytes, at most [`Config::mtu`](crate::Config::mtu).
    pub datagram: Vec<u8>,
}

/// Whether a datagram was for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was, whatever came of it.
    Taken,
    /// Its first byte is not one of DTLS's, 20 to 63 (RFC 7983 section 7).
    NotDtls,
}

/// The client of a server's handshake.
struct Client {
    standing: Standing,
    /// Of its ClientHello, with what tells it from those of others.
    number: u16,
    bound: Vec<u8>,
    _unproven: Option<Unproven>,
}

/// A handshake and what belongs to it.
struct Running {
    handshake: Handshake,
    to: Destination,
    /// Of a server.
    client: Option<Client>,
    began: Instant,
    /// When to have OpenSSL look at its timer.
    deadline: Instant,
    timer: Duration,
    ask_again: Duration,
    retransmissions: u32,
    /// The number of our next new handshake message.
    next_sequence: u16,
}

/// After the keys: no OpenSSL object any more.
struct Established {
    to: Destination,
    /// Ours, if it was the handshake's last; empty if not, and when its time is over.
    last_flight: Vec<Vec<u8>>,
    until: Instant,
    not_before: Instant,
    repeats: u32,
    close_notify: Vec<Vec<u8>>,
}

enum State {
    /// A server that has not seen a ClientHello it may take.
    Waiting,
    Running(Box<Running>),
    Established(Box<Established>),
    Over,
}

/// One DTLS-SRTP association: from the role and the peer's fingerprints to keys, or to a [`Failure`].
pub struct Association {
    context: Context,
    role: Role,
    expected: Fingerprints,
    /// Until the handshake is over.
    resumption: Option<Resumption>,
    /// Where the peer is said to be.
    source: Option<SocketAddr>,
    state: State,
    give_up: Instant,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    traces: usize,
    trace: bool,
}

impl Association {
    /// Begins: a client's ClientHello waits at once for [`Association::poll_transmit`], a server waits for one.
    ///
    /// # Errors
    /// OpenSSL's, when it has no memory or no randomness to give.
    pub fn new(
        context: &Context,
        role: Role,
        expected: Fingerprints,
        now: Instant,
    ) -> Result<Self, ErrorStack> {
        Self::begin(context, role, expected, None, now)
    }

    /// Begins as [`Association::new`] does, for one of several associations with the same peer. As server it lets the peer
    /// resume a session that an earlier one made; as client it offers to, where it may ([`Resumption::for_clients`]). A
    /// peer that does not, or too early, gets a full handshake.
    ///
    /// # Errors
    /// As [`Association::new`].
    pub fn resuming(resumption: &Resumption, role: Role, now: Instant) -> Result<Self, ErrorStack> {
        let expected = resumption.expected().clone();
        Self::begin(resumption.context(), role, expected, Some(resumption), now)
    }

    fn begin(
        context: &Context,
        role: Role,
        expected: Fingerprints,
        resumption: Option<&Resumption>,
        now: Instant,
    ) -> Result<Self, ErrorStack> {
        let mut this = Self {
            context: context.clone(),
            role,
            expected: expected.clone(),
            resumption: resumption.cloned(),
            source: None,
            state: State::Waiting,
            give_up: now + context.config().timeout,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            traces: 0,
            trace: context.trace(),
        };
        this.trace(|| Trace::Started { role, local: context.fingerprint(), remote: expected.clone() });
        if role == Role::Client {
            let handshake = Handshake::client(context, resumption, expected.clone())?;
            this.run_new(handshake, Destination::Peer, None, None, now);
        }
        Ok(this)
    }

    /// Our role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The peer's fingerprints.
    pub fn expected(&self) -> &Fingerprints {
        &self.expected
    }

    /// Where the peer is: the address of its media in signalling, or the one that ICE has checked. The last one told counts. A
    /// server asks no cookie of a client that is there ([`CookieExchange::UnknownSources`](crate::CookieExchange)), so
    /// that the first secured packet need not wait for another round trip. Datagrams of other sources are taken as before.
    pub fn expect_source(&mut self, source: SocketAddr) {
        self.source = Some(source);
    }

    /// Whether each step is told from now on.
    pub fn set_trace(&mut self, trace: bool) {
        self.trace = trace;
    }

    /// Takes a datagram that came from `from`. Whatever it holds, this neither fails nor panics; what cannot be used is
    /// passed over. A handshake's work is done here: some 0.5 ms of CPU with ECDSA, several with RSA.
    pub fn receive(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) -> Taken {
        if !datagram.first().is_some_and(|first| (20..64).contains(first)) {
            return Taken::NotDtls;
        }
        if records(datagram).next().is_none() {
            self.ignored(datagram, Why::NotDtls);
            return Taken::Taken;
        }
        if now >= self.give_up {
            self.handle_timeout(now);
        }
        self.trace_datagram(Direction::In, datagram);
        let sound = record::sound(datagram, self.role.other());
        if sound.len() < datagram.len() {
            self.ignored(&datagram[..datagram.len() - sound.len()], Why::Malformed);
        }
        if sound.is_empty() {
            return Taken::Taken;
        }
        let datagram = sound.as_slice();
        match &mut self.state {
            State::Waiting => self.first(datagram, from, now),
            State::Running(_) => self.further(datagram, from, now),
            State::Established(_) => self.repeat(datagram, now),
            State::Over => self.ignored(datagram, Why::Over),
        }
        Taken::Taken
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event, Event::Trace(_)) {
            self.traces -= 1;
        }
        Some(event)
    }

    /// When to call [`Association::handle_timeout`]; changes with every call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting => Some(self.give_up),
            State::Running(running) => Some(running.deadline.min(self.give_up)),
            State::Established(established) if !established.last_flight.is_empty() => Some(established.until),
            State::Established(_) | State::Over => None,
        }
    }

    /// Retransmits, gives up or forgets, if it is time to. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting | State::Running(_) if now >= self.give_up => {
                self.over(Event::Failed(Failure::TimedOut));
            }
            State::Running(running) if now >= running.deadline => self.run(None, now),
            State::Established(established) if now >= established.until => {
                established.last_flight = Vec::new();
            }
            State::Waiting | State::Running(_) | State::Established(_) | State::Over => {}
        }
    }

    /// Ends the association: the peer gets a close_notify if there are keys for one. Nothing comes after [`Event::Closed`].
    pub fn close(&mut self) {
        let (to, datagrams) = match &mut self.state {
            State::Over => return,
            State::Waiting => (Destination::Peer, Vec::new()),
            State::Running(running) => (running.to, running.handshake.close()),
            State::Established(established) => (established.to, mem::take(&mut established.close_notify)),
        };
        self.trace(|| Trace::Closed);
        self.trace_flight(&datagrams, u16::MAX);
        self.send(datagrams, to);
        self.over(Event::Closed);
    }

    /// Bytes this association takes: exact for what is held here, and while a handshake runs a measured 56 KiB for
    /// OpenSSL's part, which it does not tell. The shared [`Context`] is not counted.
    pub fn memory_bytes(&self) -> usize {
        let bytes = |datagrams: &[Vec<u8>]| -> usize {
            datagrams.iter().map(|d| d.capacity() + size_of::<Vec<u8>>()).sum()
        };
        let state = match &self.state {
            State::Waiting | State::Over => 0,
            State::Running(_) => size_of::<Running>() + SSL_BYTES,
            State::Established(established) => {
                size_of::<Established>() + bytes(&established.last_flight) + bytes(&established.close_notify)
            }
        };
        let waiting: usize = self.transmits.iter().map(|transmit| transmit.datagram.capacity()).sum();
        let queues =
            self.transmits.capacity() * size_of::<Transmit>() + self.events.capacity() * size_of::<Event>();
        size_of::<Self>() + size_of_val(self.expected.as_slice()) + state + waiting + queues
    }

    /// A server's first datagrams: nothing is kept of them until one is a ClientHello to be taken.
    fn first(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        match ClientHello::find(datagram) {
            Some(hello) => self.admit(datagram, &hello, from, now, None),
            None => self.ignored(datagram, Why::NotAClientHello),
        }
    }

    /// A datagram while a handshake goes on. Another ClientHello than the one it began with is not for it: OpenSSL would take one
    /// with the next number for the client's next message, and fail.
    fn further(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        if let (State::Running(running), Some(hello)) = (&self.state, ClientHello::find(datagram))
            && let Some(client) = &running.client
            && (client.number, client.bound.as_slice()) != (hello.number, hello.head.bound)
        {
            let (running, expected) = (client.standing, self.expects(from));
            return if (Standing { expected, proven: true }) > running {
                self.admit(datagram, &hello, from, now, Some(running));
            } else {
                self.ignored(datagram, Why::OtherClientHello);
            };
        }
        self.run(Some(datagram), now);
    }

    fn expects(&self, from: SocketAddr) -> bool {
        self.source.is_some_and(|source| {
            (source.ip().to_canonical(), source.port()) == (from.ip().to_canonical(), from.port())
        })
    }

    fn admit(
        &mut self,
        datagram: &[u8],
        hello: &ClientHello,
        from: SocketAddr,
        now: Instant,
        running: Option<Standing>,
    ) {
        if let Some(profiles) = hello.head.profiles() {
            self.trace(|| Trace::Offered { direction: Direction::In, profiles });
        }
        let expected = self.expects(from);
        let (context, fingerprints) = (&self.context, self.expected.clone());
        let (handshake, unproven) = match admission::judge(context, hello, from, expected, running) {
            Verdict::Take(asked, unproven) => {
                let resumption = self.resumption.as_ref();
                (Handshake::server(context, resumption, fingerprints, asked, hello.record), unproven)
            }
            Verdict::Ask(request) => {
                self.trace_datagram(Direction::Out, &request);
                return self.send(vec![request], Destination::Source(from));
            }
            Verdict::Ignore(why) => return self.ignored(datagram, why),
        };
        let standing = Standing { expected, proven: unproven.is_none() };
        let bound = hello.head.bound.to_vec();
        let client = Client { standing, number: hello.number, bound, _unproven: unproven };
        match handshake {
            Ok(handshake) => {
                self.run_new(handshake, Destination::Source(from), Some(client), Some(datagram), now)
            }
            Err(_) => self.ignored(datagram, Why::Full),
        }
    }

    fn run_new(
        &mut self,
        handshake: Handshake,
        to: Destination,
        client: Option<Client>,
        datagram: Option<&[u8]>,
        now: Instant,
    ) {
        self.state = State::Running(Box::new(Running {
            handshake,
            to,
            client,
            began: now,
            deadline: now + FIRST_TIMER,
            timer: FIRST_TIMER,
            ask_again: ASK_AGAIN,
            retransmissions: 0,
            next_sequence: 0,
        }));
        self.run(datagram, now);
    }

    /// Runs OpenSSL and mirrors its timer.
    fn run(&mut self, datagram: Option<&[u8]>, now: Instant) {
        let State::Running(running) = &mut self.state else { return };
        let (progress, flight) = running.handshake.run(datagram);
        let to = running.to;
        let first_sent = running.next_sequence;
        let sent = flight.iter().flat_map(|d| records(d)).flat_map(|record| record.fragments());
        let (mut lowest, mut next) = (u16::MAX, first_sent);
        for fragment in sent {
            lowest = lowest.min(fragment.sequence);
            next = next.max(fragment.sequence.saturating_add(1));
        }
        running.next_sequence = next;
        let again = lowest < first_sent;
        let mut timeout = None;
        if flight.is_empty() {
            if now >= running.deadline {
                running.deadline = now + running.ask_again;
                running.ask_again = (running.ask_again * 2).min(ASK_AGAIN_MAX);
            }
        } else {
            running.ask_again = ASK_AGAIN;
            // A flight goes out again because OpenSSL's timer has ended; a new one may follow it at once.
            running.timer = if next > first_sent || !again {
                FIRST_TIMER
            } else {
                (running.timer * 2).min(LONGEST_TIMER)
            };
            if again {
                running.retransmissions += 1;
                timeout =
                    Some(Trace::Timeout { retransmissions: running.retransmissions, next: running.timer });
            }
            running.deadline = now + running.timer;
        }
        if let Some(timeout) = timeout {
            self.trace(|| timeout);
        }
        self.trace_flight(&flight, first_sent);
        match progress {
            Progress::Going => self.send(flight, to),
            Progress::Done => self.done(flight, now),
            Progress::Closed => {
                self.send(flight, to);
                self.over(Event::Closed);
            }
            Progress::Failed(failure) => {
                self.send(flight, to);
                self.over(Event::Failed(failure));
            }
        }
    }

    /// The handshake is over: checks, exports, and gives OpenSSL's state back.
    fn done(&mut self, last_flight: Vec<Vec<u8>>, now: Instant) {
        let State::Running(mut running) = mem::replace(&mut self.state, State::Over) else { return };
        let to = running.to;
        self.send(last_flight.clone(), to);
        let agreed = running.handshake.agreed(self.context.config(), self.resumption.as_ref());
        let close_notify = running.handshake.close();
        let took = now.saturating_duration_since(running.began);
        let retransmissions = running.retransmissions;
        drop(running);
        if self.resumption.take().is_some() && agreed.as_ref().is_ok_and(|agreed| !agreed.resumed) {
            self.trace(|| Trace::SessionStored);
        }
        self.trace(|| Trace::Released);
        match agreed {
            Ok(agreed) => {
                // The server's is the last flight of a full handshake, the client's of a resumed one.
                let ours_is_last = (self.role == Role::Server) != agreed.resumed;
                let last_flight = if ours_is_last { last_flight } else { Vec::new() };
                self.state = State::Established(Box::new(Established {
                    to,
                    last_flight,
                    until: now + REPEAT_FOR,
                    not_before: now + REPEAT_PAUSE,
                    repeats: 0,
                    close_notify,
                }));
                self.events.push_back(Event::Connected(Box::new(Connected {
                    suite: agreed.suite,
                    inbound: agreed.inbound,
                    outbound: agreed.outbound,
                    local_fingerprint: self.context.fingerprint(),
                    remote_fingerprint: agreed.remote,
                    cipher: agreed.cipher,
                    version: agreed.version,
                    extended_master_secret: agreed.extended_master_secret,
                    resumed: agreed.resumed,
                    retransmissions,
                    took,
                })));
            }
            Err(failure) => {
                self.send(close_notify, to);
                self.over(Event::Failed(failure));
            }
        }
    }

    /// Our last flight is lost if the peer's Finished comes again: it goes out again as it was, with the same record numbers,
    /// since what the peer has got of it already it need not get twice.
    fn repeat(&mut self, datagram: &[u8], now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        let finished =
            records(datagram).any(|record| record.content == record::HANDSHAKE && record.epoch > 0);
        let may = !established.last_flight.is_empty()
            && now < established.until
            && now >= established.not_before
            && established.repeats < MAX_REPEATS;
        if !(finished && may) {
            return self.ignored(datagram, Why::Over);
        }
        established.repeats += 1;
        established.not_before = now + REPEAT_PAUSE;
        let (flight, to) = (established.last_flight.clone(), established.to);
        self.send(flight, to);
        self.trace(|| Trace::LastFlightRepeated);
    }

    fn over(&mut self, event: Event) {
        self.resumption = None;
        if matches!(mem::replace(&mut self.state, State::Over), State::Running(_)) {
            self.trace(|| Trace::Released);
        }
        self.events.push_back(event);
    }

    fn send(&mut self, datagrams: Vec<Vec<u8>>, to: Destination) {
        for datagram in datagrams {
            if self.transmits.len() >= MAX_TRANSMITS {
                return self.ignored(&datagram, Why::Full);
            }
            self.transmits.push_back(Transmit { to, datagram });
        }
    }

    fn trace(&mut self, trace: impl FnOnce() -> Trace) {
        if self.trace && self.traces < MAX_TRACES {
            self.traces += 1;
            self.events.push_back(Event::Trace(trace()));
        }
    }

    fn ignored(&mut self, datagram: &[u8], why: Why) {
        self.trace(|| Trace::Ignored { len: datagram.len(), why });
    }

    fn trace_datagram(&mut self, direction: Direction, datagram: &[u8]) {
        if !self.trace {
            return;
        }
        for record in records(datagram) {
            record.messages(|message| self.trace(|| Trace::Message { direction, message, again: false }));
        }
    }

    /// Traces what goes out; messages below `first_sent` have gone out before.
    fn trace_flight(&mut self, flight: &[Vec<u8>], first_sent: u16) {
        if !self.trace {
            return;
        }
        let direction = Direction::Out;
        for record in flight.iter().flat_map(|datagram| records(datagram)) {
            for fragment in
                record.fragments().filter(|f| f.kind == HandshakeType::CLIENT_HELLO && f.offset == 0)
            {
                if let Some(profiles) = Head::read(fragment.body).and_then(|head| head.profiles()) {
                    self.trace(|| Trace::Offered { direction, profiles });
                }
            }
            record.messages(|message| {
                let again = matches!(message, Message::Handshake { sequence, .. } if sequence < first_sent);
                self.trace(|| Trace::Message { direction, message, again });
            });
        }
    }
}
