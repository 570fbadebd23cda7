//! One media stream's ZRTP: its states, and which message goes to which.

mod core;
#[cfg(test)]
mod every_state;
mod initiator;
mod keyed;
mod responder;
mod secure;
mod timer;
#[cfg(test)]
mod transcript;

use std::time::{Duration, Instant};

use self::core::{Core, Peer};
use self::initiator::Plan;
use self::timer::Due;
use crate::association::Association;
use crate::crypto::sha256;
use crate::event::{Alert, Event, Failure};
use crate::hello_hash::HelloHash;
use crate::message::{Commit, ErrorCode, Flags, MAC_LEN, Message, MessageType};
use crate::packet::{Packet, PacketError};
use crate::sas::Sas;
use crate::secret::Secret;

/// How often a stream looks whether the call's first stream is done.
const LOOK: Duration = Duration::from_millis(20);

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Not ZRTP: somebody else's.
    NotZrtp,
    /// ZRTP, used or not.
    Taken,
}

/// Where a stream is, each state with what it alone has. A message goes to a state's own method or nowhere.
enum Step {
    /// Not started.
    Idle,
    /// Hello goes out; no exchange has begun.
    Discovery,
    Committed(Box<initiator::Committed>),
    AwaitConfirm1(Box<initiator::AwaitConfirm1>),
    AwaitConf2Ack(Box<initiator::AwaitConf2Ack>),
    AwaitDhPart2(Box<responder::AwaitDhPart2>),
    AwaitConfirm2(Box<responder::AwaitConfirm2>),
    Secure(Box<secure::Secure>),
    /// GoClear sent.
    GoingClear(Box<secure::Secure>),
    Clear(Box<secure::Clear>),
    /// On its way to `Failed`: the peer is to be told.
    Fail(Failure, ErrorCode),
    Failed,
}

impl Step {
    /// The peer of the exchange.
    fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Committed(state) => Some(&state.peer),
            Self::AwaitConfirm1(state) => Some(state.peer()),
            Self::AwaitConf2Ack(state) => Some(state.peer()),
            Self::AwaitDhPart2(state) => Some(state.peer()),
            Self::AwaitConfirm2(state) => Some(state.peer()),
            Self::Secure(state) | Self::GoingClear(state) => Some(&state.keyed.peer),
            Self::Clear(state) => Some(&state.peer),
            Self::Idle | Self::Discovery | Self::Fail(..) | Self::Failed => None,
        }
    }
}

/// The state of a stream, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Not started.
    Idle,
    /// Looking for a peer.
    Discovery,
    /// An exchange is under way.
    Negotiating,
    /// Both ends have keys.
    Secure,
    /// The keys are gone by GoClear.
    Clear,
    /// No keys, and there will be none.
    Failed,
}

/// The ZRTP end point of one media stream, sans-IO: datagrams and the time go in, datagrams, a deadline and [`Event`]s come out.
pub struct Stream {
    core: Core,
    step: Step,
    aux: Option<Secret>,
}

impl Stream {
    /// A stream of a call, with the SSRC of the RTP it sends. Nothing goes out before [`Stream::start`]. The SSRC only labels the
    /// packets: keys hold for whatever SSRCs either end sends under, and a peer may change its own at any time.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub fn new(association: &Association, ssrc: u32, now: Instant) -> Result<Self, getrandom::Error> {
        Ok(Self { core: Core::new(association.clone(), ssrc, now)?, step: Step::Idle, aux: None })
    }

    /// The RTP goes out under another SSRC from here on, and so do our messages; unless it is the peer's own, as that of an echo
    /// is: that would be a collision.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        if self.core.peer_ssrc != Some(ssrc) {
            self.core.ssrc = ssrc;
        }
    }

    /// The value of our `a=zrtp-hash`.
    pub fn hello_hash(&self) -> HelloHash {
        HelloHash::new(sha256(&self.core.hello))
    }

    /// The peer's `a=zrtp-hash`: Hellos that do not match are refused from now on, and what was begun with such a one is
    /// void. Keys that came of it must not be used any more: [`Failure::HelloHash`].
    pub fn set_peer_hello_hash(&mut self, hash: &HelloHash) {
        let hash = *hash.hash();
        let core = &mut self.core;
        core.peer_hash = Some(hash);
        core.peers.retain(|peer| sha256(&peer.raw) == hash);
        core.target = 0;
        if self.step.peer().is_none_or(|peer| sha256(&peer.raw) == hash) {
            return;
        }
        core.alert(Alert::HelloHash);
        core.repeat = None;
        core.deadline = None;
        core.association.release(core.id);
        self.step = match self.step {
            Step::Secure(_) | Step::GoingClear(_) | Step::Clear(_) => {
                core.association.drop_session();
                core.tell(Event::Failed(Failure::HelloHash));
                Step::Failed
            }
            _ => {
                core.association.drop_unconfirmed_session();
                Step::Discovery
            }
        };
    }

    /// auxsecret of this call, before it starts; goes before one in the cache.
    pub fn set_aux_secret(&mut self, secret: Secret) {
        self.aux = Some(secret);
    }

    /// Sends Hello.
    pub fn start(&mut self, now: Instant) {
        if matches!(self.step, Step::Idle) {
            self.step = Step::Discovery;
            self.core.start_hello(now);
        }
    }

    /// Takes a datagram.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) -> Received {
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(PacketError::NotZrtp) => return Received::NotZrtp,
            Err(PacketError::Length | PacketError::Crc) => {
                self.core.alert(Alert::Damaged);
                return Received::Taken;
            }
        };
        let Ok(message) = Message::parse(packet.message) else {
            self.core.alert(Alert::Malformed);
            return Received::Taken;
        };
        if matches!(self.step, Step::Idle) && !matches!(message, Message::Ping(_)) {
            return Received::Taken;
        }
        self.yield_lease();
        self.message(message, &packet, now);
        self.proceed(now);
        Received::Taken
    }

    fn message(&mut self, message: Message, packet: &Packet<'_>, now: Instant) {
        let (core, raw, aux) = (&mut self.core, packet.message, self.aux.as_ref());
        match &message {
            Message::Ping(ping) => return core.ping(ping, packet.ssrc, now),
            Message::Hello(hello) => {
                let open = match &self.step {
                    Step::Discovery | Step::Committed(_) | Step::AwaitDhPart2(_) => true,
                    Step::AwaitConfirm2(state) => !state.shown(),
                    _ => false,
                };
                return core.hello(hello.clone(), raw, packet.ssrc, open, self.step.peer(), now);
            }
            Message::HelloAck => return core.hello_answered(),
            Message::Error(code) => {
                // Anybody can send one, so it ends nothing; a time-out will name it.
                core.peer_error = Some(*code);
                core.alert(Alert::PeerError(*code));
                return core.answer(&Message::ErrorAck, now);
            }
            _ => {}
        }
        let step = std::mem::replace(&mut self.step, Step::Failed);
        self.step = match (step, &message) {
            (Step::Discovery, Message::Commit(commit)) => match core.peer_of(&commit.h2, MessageType::Commit)
            {
                Some(peer) => responder::commit(core, peer, commit, raw, Step::Discovery, aux, now),
                None => Step::Discovery,
            },
            (Step::Clear(clear), Message::Commit(commit)) => clear_commit(core, clear, commit, raw, aux, now),
            (Step::Committed(state), Message::Commit(commit)) => state.commit(core, commit, raw, aux, now),
            (Step::Committed(state), Message::DhPart1(part)) => state.dh_part1(core, part, raw, now),
            (Step::Committed(state), Message::Confirm1(sealed)) => state.confirm1(core, sealed, now),
            (Step::AwaitConfirm1(state), Message::Confirm1(sealed)) => state.confirm1(core, sealed, now),
            (Step::AwaitConf2Ack(state), Message::Conf2Ack) => state.acknowledged(core, now),
            (Step::AwaitDhPart2(state), Message::Commit(commit)) => state.commit(core, commit, raw, aux, now),
            (Step::AwaitDhPart2(state), Message::DhPart2(part)) => state.dh_part2(core, part, raw, now),
            (Step::AwaitConfirm2(state), Message::Commit(commit)) => {
                state.commit(core, commit, raw, aux, now)
            }
            (Step::AwaitConfirm2(state), Message::DhPart2(_)) => state.again(core, raw, now),
            (Step::AwaitConfirm2(state), Message::Confirm2(sealed)) => state.confirm2(core, sealed, raw, now),
            (Step::Secure(state), Message::Confirm2(_)) => {
                state.confirm2_again(core, raw, now);
                Step::Secure(state)
            }
            (Step::Secure(state), Message::SasRelay(sealed)) => {
                state.relayed(core, sealed, now);
                Step::Secure(state)
            }
            (Step::Secure(state), Message::RelayAck) => {
                core.repeat = None;
                Step::Secure(state)
            }
            (Step::Secure(state), Message::GoClear(mac)) => state.go_clear(core, mac, now),
            (Step::GoingClear(state), Message::ClearAck) => state.clear_acknowledged(core),
            (Step::GoingClear(state), Message::GoClear(mac)) => going_clear(core, state, mac, now),
            (Step::Clear(state), Message::GoClear(mac)) => {
                state.go_clear_again(core, mac, now);
                Step::Clear(state)
            }
            (Step::Failed, Message::ErrorAck) => {
                core.repeat = None;
                Step::Failed
            }
            (step, _) => step,
        };
    }

    /// Another stream of the call had the better Commit: ours is void.
    fn yield_lease(&mut self) {
        if let Step::Committed(state) = &self.step
            && !matches!(state.mode, crate::message::CommitMode::Multistream { .. })
            && !self.core.association.leads(self.core.id)
        {
            self.core.repeat = None;
            self.step = Step::Discovery;
        }
    }

    /// Begins what can begin, and ends what has failed.
    fn proceed(&mut self, now: Instant) {
        if let Step::Discovery = self.step
            && self.core.hello_acked
            && !self.core.association.config.passive
            && let Some(peer) = self.core.peers.get(self.core.target).or(self.core.peers.last()).cloned()
        {
            match initiator::plan(&self.core, &peer.hello) {
                Plan::Wait => {
                    self.core.deadline.get_or_insert(now + LOOK);
                }
                Plan::NotOfThisCall => {
                    self.core.target = (self.core.target + 1) % self.core.peers.len();
                    if !std::mem::replace(&mut self.core.other_call_told, true) {
                        self.core.alert(Alert::NotOfThisCall);
                    }
                }
                plan => self.step = initiator::commit(&mut self.core, peer, plan, self.aux.as_ref(), now),
            }
        }
        if let Step::Fail(..) = self.step
            && let Step::Fail(failure, code) = std::mem::replace(&mut self.step, Step::Failed)
        {
            self.core.association.drop_unconfirmed_session();
            self.core.fail(failure, code, now);
        }
    }

    /// An SRTP packet of the peer has authenticated under [`Event::Inbound`]'s keys: that counts as Conf2ACK.
    pub fn srtp_received(&mut self, now: Instant) {
        self.step = match std::mem::replace(&mut self.step, Step::Failed) {
            Step::AwaitConf2Ack(state) => state.acknowledged(&mut self.core, now),
            step => step,
        };
        self.proceed(now);
    }

    /// The next datagram to send to the peer.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.core.poll_transmit()
    }

    /// What has happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.poll_event()
    }

    /// When [`Stream::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let core = &self.core;
        let hello = core.hello_timer.as_ref().map(timer::Repeat::at);
        let repeat = core.repeat.as_ref().map(timer::Repeat::at);
        [hello, repeat, core.deadline].into_iter().flatten().min()
    }

    /// The time has come, or something else woke the owner.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.yield_lease();
        if self.core.hello_timeout(now) && matches!(self.step, Step::Discovery) {
            self.core.tell(Event::Failed(Failure::HelloHash));
            self.step = Step::Failed;
            return;
        }
        match self.core.repeat.as_mut().map(|repeat| repeat.due(now)) {
            Some(Due::Again) => self.repeat_message(),
            Some(Due::Exhausted) => self.exhausted(now),
            Some(Due::Not) | None => {}
        }
        if self.core.deadline.is_some_and(|deadline| deadline <= now) {
            self.core.deadline = None;
            self.waited_long_enough(now);
        }
        self.proceed(now);
    }

    fn repeat_message(&mut self) {
        let message = match &self.core.repeat {
            Some(repeat) => repeat.message.clone(),
            None => return,
        };
        self.core.retransmissions += 1;
        if let Step::Committed(_) = self.step
            && self.core.repeat.as_ref().is_some_and(|repeat| repeat.sent >= 2)
        {
            // Who acknowledged our Hello may have been somebody else than the peer, who then cannot use our Commit.
            let hello = self.core.hello.clone();
            self.core.send(&hello);
        }
        self.core.send(&message);
        if let Step::Committed(state) = &self.step
            && state.gives_up_on_peer(&self.core)
        {
            self.core.target = (self.core.target + 1) % self.core.peers.len();
            self.core.repeat = None;
            self.core.association.release(self.core.id);
            self.step = Step::Discovery;
        }
    }

    fn exhausted(&mut self, now: Instant) {
        let message = self.core.repeat.take();
        let sent = message
            .and_then(|repeat| Message::parse(&repeat.message).ok())
            .map_or(MessageType::Commit, |message| message.kind());
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::GoingClear(state) => self.step = state.clear_acknowledged(&mut self.core),
            Step::Failed => {}
            step @ (Step::Secure(_) | Step::Clear(_) | Step::Discovery | Step::Idle) => self.step = step,
            _ => {
                self.core.association.drop_unconfirmed_session();
                self.core.timed_out(sent, now);
            }
        }
    }

    fn waited_long_enough(&mut self, now: Instant) {
        let sent = match &self.step {
            Step::AwaitDhPart2(_) => MessageType::DhPart1,
            Step::AwaitConfirm2(_) => MessageType::Confirm1,
            _ => return,
        };
        let core = &mut self.core;
        // A Commit shows nothing yet: it may have been a forger's, whoever else is there or comes later.
        let shown =
            core.peers.len() == 1 && matches!(&self.step, Step::AwaitConfirm2(state) if state.shown());
        if !shown && core.commits < initiator::MAX_COMMITS && !core.association.config.passive {
            core.association.release(core.id);
            core.target = (core.target + 1) % core.peers.len().max(1);
            self.step = Step::Discovery;
        } else {
            self.step = Step::Failed;
            core.timed_out(sent, now);
        }
    }

    /// The user compared the SAS of this call, or takes it back. After [`Event::CacheMismatch`] this is what lets the new
    /// secret be kept. Only on the stream whose SAS it is.
    pub fn set_verified(&mut self, verified: bool) {
        if let Step::Secure(state) = &mut self.step {
            state.keyed.set_verified(&mut self.core, verified);
        }
    }

    /// The user trusts the PBX that offers enrolment. False if none does.
    pub fn accept_enrolment(&mut self) -> bool {
        match &self.step {
            Step::Secure(state) => state.accept_enrolment(&mut self.core),
            _ => false,
        }
    }

    /// A PBX tells the peer the SAS of the far end, with its flags V, A and D; a peer that is not enrolled here only how it is
    /// shown (RFC 6189 section 7.3). Only one of two enrolled ends may be told. False if not secure or not a PBX.
    pub fn relay_sas(&mut self, sas: &Sas, flags: Flags, now: Instant) -> bool {
        match &self.step {
            Step::Secure(state) => state.relay(&mut self.core, sas, flags, now),
            _ => false,
        }
    }

    /// Asks the peer to go on without SRTP; [`Event::Cleared`] tells when. The owner stops sending SRTP now. False if not
    /// secure or not allowed by the peer.
    pub fn go_clear(&mut self, now: Instant) -> bool {
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Secure(state) => {
                let asked = state.send_go_clear(&mut self.core, now);
                self.step = if asked { Step::GoingClear(state) } else { Step::Secure(state) };
                asked
            }
            step => {
                self.step = step;
                false
            }
        }
    }

    /// Back to SRTP after [`Event::Cleared`], in Multistream mode. False if not clear.
    pub fn go_secure(&mut self, now: Instant) -> bool {
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Clear(state) => {
                let peer = state.peer.clone();
                self.step = match initiator::plan(&self.core, &peer.hello) {
                    plan @ Plan::Multistream(_) => {
                        initiator::commit(&mut self.core, peer, plan, self.aux.as_ref(), now)
                    }
                    _ => Step::Clear(state),
                };
                self.proceed(now);
                !matches!(self.step, Step::Clear(_))
            }
            step => {
                self.step = step;
                false
            }
        }
    }

    /// Where the stream is.
    pub fn state(&self) -> StreamState {
        match &self.step {
            Step::Idle => StreamState::Idle,
            Step::Discovery => StreamState::Discovery,
            Step::Committed(_)
            | Step::AwaitConfirm1(_)
            | Step::AwaitConf2Ack(_)
            | Step::AwaitDhPart2(_)
            | Step::AwaitConfirm2(_) => StreamState::Negotiating,
            Step::Secure(_) | Step::GoingClear(_) => StreamState::Secure,
            Step::Clear(_) => StreamState::Clear,
            Step::Fail(..) | Step::Failed => StreamState::Failed,
        }
    }
}

fn going_clear(core: &mut Core, state: Box<secure::Secure>, mac: &[u8; MAC_LEN], now: Instant) -> Step {
    // Both ask at once: each obeys the other.
    match state.go_clear(core, mac, now) {
        Step::Secure(state) => Step::GoingClear(state),
        step => step,
    }
}

/// The peer goes back to SRTP.
fn clear_commit(
    core: &mut Core,
    clear: Box<secure::Clear>,
    commit: &Commit,
    raw: &[u8],
    aux: Option<&Secret>,
    now: Instant,
) -> Step {
    match core.peer_of(&commit.h2, MessageType::Commit) {
        Some(peer) if peer.raw == clear.peer.raw => {
            responder::commit(core, peer, commit, raw, Step::Clear(clear), aux, now)
        }
        _ => Step::Clear(clear),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.core.association.release(self.core.id);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("ssrc", &self.core.ssrc)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::message::Zid;

    /// Two ends that are secure, the first one the initiator.
    fn secure() -> [Stream; 2] {
        let now = Instant::now();
        let mut ends = [0u8, 1].map(|end| {
            let config = Arc::new(Config { passive: end == 1, ..Config::default() });
            let association = Association::new(config, Zid([end; 12]), None).unwrap();
            Stream::new(&association, end.into(), now).unwrap()
        });
        ends.iter_mut().for_each(|end| end.start(now));
        pass(&mut ends, now);
        assert!(ends.iter().all(|end| end.state() == StreamState::Secure));
        ends
    }

    fn pass(ends: &mut [Stream; 2], now: Instant) {
        for _ in 0..10 {
            for end in 0..2 {
                while let Some(datagram) = ends[end].poll_transmit() {
                    ends[1 - end].receive(&datagram, now);
                }
            }
        }
    }

    #[test]
    fn a_go_clear_with_the_right_mac_is_refused_by_who_does_not_allow_it() {
        let mut ends = secure();
        let now = Instant::now();
        let Step::Secure(state) = &mut ends[0].step else { panic!() };
        // As if the peer had allowed it.
        state.keyed.theirs.as_mut().unwrap().0.allow_clear = true;
        assert!(ends[0].go_clear(now));
        pass(&mut ends, now);
        assert_eq!(ends[1].state(), StreamState::Secure);
        let told: Vec<_> = std::iter::from_fn(|| ends[1].poll_event()).collect();
        assert!(told.iter().any(|event| matches!(event, Event::Alert(Alert::GoClear))));
        assert!(!told.iter().any(|event| matches!(event, Event::Cleared)));
        let told: Vec<_> = std::iter::from_fn(|| ends[0].poll_event()).collect();
        assert!(told.iter().any(|e| matches!(e, Event::Alert(Alert::PeerError(ErrorCode::GO_CLEAR)))));
    }

    #[test]
    fn the_srtp_keys_are_wiped_once_the_owner_has_them() {
        for end in secure() {
            let Step::Secure(state) = &end.step else { panic!() };
            for keys in [state.keyed.ours(), state.keyed.peers()] {
                assert!(keys.srtp_key.is_empty() && keys.srtp_salt.is_empty());
                assert!(keys.mac.iter().any(|byte| *byte != 0));
            }
        }
    }
}
