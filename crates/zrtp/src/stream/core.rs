//! What every state of a stream needs: our Hello, the peer's, what goes out, what is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::timer::{Budget, Due, Repeat};
use crate::association::Association;
use crate::chain::HashChain;
use crate::crypto::{sha256, sign};
use crate::event::{Alert, Event, Failure, MAX_ALERTS};
use crate::hello_hash::{VERSION, is_ours};
use crate::message::{ErrorCode, Hello, Message, MessageType, Ping, PingAck};
use crate::packet::Packet;

/// Different Hellos that are remembered, a forger's among them.
const MAX_PEERS: usize = 16;
/// Datagrams that wait for [`poll_transmit`](crate::Stream::poll_transmit).
const MAX_TRANSMITS: usize = 64;

/// A Hello that came.
pub(super) struct Peer {
    pub(super) hello: Hello,
    /// As it came: hashes and MACs are over these bytes.
    pub(super) raw: Vec<u8>,
    pub(super) heard: Instant,
}

pub(super) struct Core {
    pub(super) association: Association,
    pub(super) id: u64,
    pub(super) ssrc: u32,
    /// The one that we began with.
    first_ssrc: u32,
    /// Of the last Hello.
    pub(super) peer_ssrc: Option<u32>,
    sequence: u16,
    pub(super) chain: HashChain,
    /// Our Hello message.
    pub(super) hello: Vec<u8>,
    pub(super) peers: Vec<Arc<Peer>>,
    /// Which of them the next Commit is for.
    pub(super) target: usize,
    pub(super) peer_hash: Option<[u8; 32]>,
    pub(super) hello_acked: bool,
    pub(super) hello_timer: Option<Repeat>,
    /// A Hello came that is not the one of the peer's `a=zrtp-hash`.
    refused_by_hash: bool,
    pub(super) repeat: Option<Repeat>,
    pub(super) deadline: Option<Instant>,
    /// Commits sent.
    pub(super) commits: u32,
    /// Diffie-Hellman Commits answered.
    pub(super) answered: u32,
    pub(super) retransmissions: u32,
    pub(super) peer_error: Option<ErrorCode>,
    pub(super) seen_bad_confirm: bool,
    pub(super) seen_bad_hvi: bool,
    pub(super) other_call_told: bool,
    no_answer_told: bool,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    alerts: usize,
    /// Answers that anybody can ask for.
    answers: Budget,
    /// Acknowledgements of what the peer has shown to be its own, or that it repeats: no flood of others starves them.
    acks: Budget,
    /// Exchanges that anybody can begin.
    pub(super) exchanges: Budget,
}

impl Core {
    pub(super) fn new(association: Association, ssrc: u32, now: Instant) -> Result<Self, getrandom::Error> {
        let chain = HashChain::new()?;
        let lists = &association.lists;
        let config = &association.config;
        let mut hello = Message::Hello(Hello {
            version: VERSION,
            client: config.client_bytes(),
            h3: chain.h3,
            zid: association.zid,
            signatures: false,
            mitm: config.mitm,
            passive: config.passive,
            hashes: lists.hashes,
            ciphers: lists.ciphers,
            auth_tags: lists.auth_tags,
            agreements: lists.agreements,
            sas_types: lists.sas_types,
            mac: [0; 8],
        })
        .to_bytes();
        sign(&chain.h2, &mut hello);
        let [high, low] = crate::crypto::random::<2>()?;
        Ok(Self {
            id: association.next_stream(),
            association,
            ssrc,
            first_ssrc: ssrc,
            peer_ssrc: None,
            // Low, because some peers know no wrap of the sequence number.
            sequence: u16::from_be_bytes([high & 0x0f, low]),
            chain,
            hello,
            peers: Vec::new(),
            target: 0,
            peer_hash: None,
            hello_acked: false,
            hello_timer: None,
            refused_by_hash: false,
            repeat: None,
            deadline: None,
            commits: 0,
            answered: 0,
            retransmissions: 0,
            peer_error: None,
            seen_bad_confirm: false,
            seen_bad_hvi: false,
            other_call_told: false,
            no_answer_told: false,
            out: VecDeque::new(),
            events: VecDeque::new(),
            alerts: 0,
            answers: Budget::new(20, Duration::from_millis(100), now),
            acks: Budget::new(20, Duration::from_millis(50), now),
            exchanges: Budget::new(12, Duration::from_secs(1), now),
        })
    }

    pub(super) fn send(&mut self, message: &[u8]) {
        if self.out.len() >= MAX_TRANSMITS {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.out.push_back(Packet { sequence: self.sequence, ssrc: self.ssrc, message }.to_bytes());
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Sends and repeats until something answers it.
    pub(super) fn send_until_answered(&mut self, message: Vec<u8>, sends: u32, now: Instant) {
        self.send(&message);
        self.repeat = Some(Repeat::new(message, self.association.config.t2, sends, now));
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn alert(&mut self, alert: Alert) {
        if self.alerts < MAX_ALERTS {
            self.alerts += 1;
            self.events.push_back(Event::Alert(alert));
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if matches!(event, Some(Event::Alert(_))) {
            self.alerts -= 1;
        }
        event
    }

    /// Sends what anybody can make us send, within bounds.
    pub(super) fn answer(&mut self, message: &Message, now: Instant) {
        if self.answers.take(now) {
            self.send(&message.to_bytes());
        }
    }

    /// Acknowledges, within bounds of its own.
    pub(super) fn acknowledge(&mut self, message: &Message, now: Instant) {
        if self.acks.take(now) {
            self.send(&message.to_bytes());
        }
    }

    /// Sends an answer again that was lost, within the same bounds.
    pub(super) fn again(&mut self, message: &[u8], now: Instant) {
        if self.acks.take(now) {
            self.send(message);
        }
    }

    pub(super) fn ping(&mut self, ping: &Ping, ssrc: u32, now: Instant) {
        let endpoint_hash = self.association.config.endpoint_hash.unwrap_or_else(|| {
            let [a, b, c, d, e, f, g, h, ..] = self.association.zid.0;
            [a, b, c, d, e, f, g, h]
        });
        let ack = PingAck {
            version: VERSION,
            endpoint_hash,
            ping_endpoint_hash: ping.endpoint_hash,
            ping_ssrc: ssrc,
        };
        self.answer(&Message::PingAck(ack), now);
    }

    fn hello_sends(&self) -> u32 {
        let t1 = self.association.config.t1;
        if self.peers.is_empty() && self.peer_hash.is_none() {
            return t1.sends;
        }
        let capped = self.association.config.hello_span.as_millis() / t1.cap.as_millis().max(1);
        t1.sends.max(capped as u32 + 2)
    }

    /// Begins to send Hello, or begins again after nobody had answered.
    pub(super) fn start_hello(&mut self, now: Instant) {
        if self.hello_acked || self.hello_timer.is_some() {
            return;
        }
        self.repeat_hello(now);
    }

    fn repeat_hello(&mut self, now: Instant) {
        let hello = self.hello.clone();
        self.send(&hello);
        let timer = self.association.config.t1;
        self.hello_timer = Some(Repeat::new(hello, timer, self.hello_sends(), now));
    }

    /// A HelloACK, or a Commit in its place.
    pub(super) fn hello_answered(&mut self) {
        if self.refused_by_hash && self.peers.is_empty() {
            return; // By the one that is refused: the right one is waited for as long as if nobody were there.
        }
        self.hello_acked = true;
        self.hello_timer = None;
    }

    /// Whether the only peer that there is is not the one that the signalling has told of.
    pub(super) fn hello_timeout(&mut self, now: Instant) -> bool {
        let Some(timer) = &mut self.hello_timer else { return false };
        match timer.due(now) {
            Due::Not => {}
            Due::Again => {
                let message = timer.message.clone();
                self.retransmissions += 1;
                self.send(&message);
            }
            Due::Exhausted => {
                self.hello_timer = None;
                if self.peers.is_empty() && !self.no_answer_told {
                    self.no_answer_told = true;
                    if self.refused_by_hash {
                        return true;
                    }
                    self.tell(Event::NoAnswer);
                }
            }
        }
        false
    }

    /// Takes a Hello. `open`: whether another peer than the ones known may still come; `current`: whom the exchange is with.
    pub(super) fn hello(
        &mut self,
        hello: Hello,
        raw: &[u8],
        ssrc: u32,
        open: bool,
        current: Option<&Peer>,
        now: Instant,
    ) {
        if hello.h3 == self.chain.h3 {
            return; // Our own, sent back by something on the way.
        }
        if hello.zid == self.association.zid {
            self.alert(Alert::EqualZids);
            return self.answer(&Message::Error(ErrorCode::EQUAL_ZIDS), now);
        }
        self.peer_ssrc = Some(ssrc);
        if ssrc == self.ssrc {
            self.ssrc = self.first_ssrc;
        }
        if ssrc == self.ssrc {
            self.alert(Alert::SsrcCollision);
            return self.answer(&Message::Error(ErrorCode::SSRC_COLLISION), now);
        }
        if self.peer_hash.is_some_and(|hash| hash != sha256(raw)) {
            if !std::mem::replace(&mut self.refused_by_hash, true)
                && self.peers.is_empty()
                && self.hello_acked
            {
                self.repeat_hello(now);
            }
            return self.alert(Alert::HelloHash);
        }
        if !is_ours(&hello.version) {
            self.alert(Alert::Version);
            let answer =
                if hello.version < VERSION { Message::Error(ErrorCode::VERSION) } else { Message::HelloAck };
            return self.answer(&answer, now);
        }
        let known = self.peers.iter().any(|peer| peer.raw == raw);
        if !known && !open {
            return self.alert(Alert::AnotherHello);
        }
        if known {
            self.acknowledge(&Message::HelloAck, now);
            return self.start_hello_late(now);
        }
        self.answer(&Message::HelloAck, now);
        if self.peers.is_empty() {
            self.tell(Event::PeerFound { zid: hello.zid, client: hello.client_name() });
        }
        if self.peers.len() >= MAX_PEERS {
            // The first ones stay, so that no flood pushes out who was there before it; nor who the exchange is with.
            let is_current = |peer: &Arc<Peer>| current.is_some_and(|current| current.raw == peer.raw);
            let later = self.peers[MAX_PEERS / 2..].iter().position(|peer| !is_current(peer));
            self.peers.remove(MAX_PEERS / 2 + later.unwrap_or(0));
        }
        self.peers.push(Arc::new(Peer { hello, raw: raw.to_vec(), heard: now }));
        self.target = self.peers.len() - 1;
        if self.hello_acked {
            // That was somebody else, who does not know our Hello.
            self.repeat_hello(now);
        }
        self.start_hello_late(now);
    }

    /// A peer is there: Hello goes out for longer, and again if it had given up.
    fn start_hello_late(&mut self, now: Instant) {
        let sends = self.hello_sends();
        match &mut self.hello_timer {
            Some(timer) => timer.extend(sends),
            None => self.start_hello(now),
        }
    }

    /// The Hello whose hash chain and MAC this H2 belongs to.
    pub(super) fn peer_of(&mut self, h2: &[u8; 32], of: MessageType) -> Option<Arc<Peer>> {
        let h3 = sha256(h2);
        let found: Vec<_> = self.peers.iter().filter(|peer| peer.hello.h3 == h3).cloned().collect();
        if found.is_empty() {
            self.alert(Alert::HashChain(of));
            return None;
        }
        let right = found.into_iter().find(|peer| crate::crypto::signed_by(h2, &peer.raw));
        if right.is_none() {
            self.alert(Alert::MessageMac(MessageType::Hello));
        }
        right
    }

    /// Ends the stream: no keys. The peer is told.
    pub(super) fn fail(&mut self, failure: Failure, code: ErrorCode, now: Instant) {
        self.association.release(self.id);
        self.hello_timer = None;
        self.deadline = None;
        let sends = self.association.config.t2.sends;
        self.send_until_answered(Message::Error(code).to_bytes(), sends, now);
        self.tell(Event::Failed(failure));
    }

    /// What a time-out means after all that was seen.
    pub(super) fn timed_out(&mut self, sent: MessageType, now: Instant) {
        let (failure, code) = if self.seen_bad_confirm {
            (Failure::ConfirmMac, ErrorCode::CONFIRM_MAC)
        } else if self.seen_bad_hvi {
            (Failure::Hvi, ErrorCode::HVI)
        } else {
            (Failure::TimedOut { sent, error: self.peer_error }, ErrorCode::TIMEOUT)
        };
        self.fail(failure, code, now);
    }

    /// How long a responder waits for what comes next: the initiator's whole schedule, and its network's delay.
    pub(super) fn patience(&self) -> Duration {
        let t2 = self.association.config.t2;
        t2.cap * (t2.sends + 2)
    }
}
