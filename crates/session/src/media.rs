//! Keys of one component, or what happens to its media while there are none.

use sealrtp_srtp::{Event, Inbound, KeySet, Limits, Outbound, ProtectError, Protocol, UnprotectError};

use crate::counters::DirectionCounters;

/// What happens to media while there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutKeys {
    /// Nothing passes: the policy demands security.
    Block,
    /// Clear RTP and RTCP pass until keys come: the policy allows to fall back.
    Pass,
}

/// Whether media of a component passes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Media passes in the clear, both ways.
    Bypass = 1,
    /// No media passes that is not secured, and a direction has no keys yet, or none any more.
    Block = 2,
    /// Both directions have keys; nothing clear passes.
    Secure = 3,
}

impl State {
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Bypass,
            3 => Self::Secure,
            _ => Self::Block,
        }
    }
}

/// Why a packet must not be sent, or must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state is [`State::Block`] and the direction has no keys.
    #[error("no keys, and clear media is not allowed")]
    NoKeys,
    /// It cannot be protected.
    #[error(transparent)]
    Protect(#[from] ProtectError),
    /// It cannot be opened.
    #[error(transparent)]
    Unprotect(#[from] UnprotectError),
}

/// One direction of a component.
enum Direction<T> {
    Clear,
    Blocked,
    Keyed(T),
}

impl<T> Direction<T> {
    fn without_keys(rule: WithoutKeys) -> Self {
        match rule {
            WithoutKeys::Block => Self::Blocked,
            WithoutKeys::Pass => Self::Clear,
        }
    }

    fn never_clear(&mut self) {
        if matches!(self, Self::Clear) {
            *self = Self::Blocked;
        }
    }
}

/// Both directions of a component.
pub(crate) struct Media {
    inbound: Direction<Inbound>,
    outbound: Direction<Outbound>,
}

impl Media {
    pub(crate) fn new(rule: WithoutKeys) -> Self {
        Self { inbound: Direction::without_keys(rule), outbound: Direction::without_keys(rule) }
    }

    pub(crate) fn state(&self) -> State {
        match (&self.inbound, &self.outbound) {
            (Direction::Keyed(_), Direction::Keyed(_)) => State::Secure,
            (Direction::Clear, Direction::Clear) => State::Bypass,
            _ => State::Block,
        }
    }

    pub(crate) fn never_clear(&mut self) {
        self.inbound.never_clear();
        self.outbound.never_clear();
    }

    /// Drops the keys; nothing passes from here on.
    pub(crate) fn block(&mut self) {
        *self = Self::new(WithoutKeys::Block);
    }

    pub(crate) fn opens(&self) -> bool {
        matches!(self.inbound, Direction::Keyed(_))
    }

    /// Keys of the present crypto context, or a re-key of it (RFC 3711 section 8.2): indices go on. The other direction
    /// is not clear from here on.
    pub(crate) fn set_inbound(&mut self, keys: &KeySet, limits: Limits) {
        match &mut self.inbound {
            Direction::Keyed(inbound) => inbound.rekey(keys),
            without => *without = Direction::Keyed(Inbound::new(keys, limits)),
        }
        self.never_clear();
    }

    pub(crate) fn set_outbound(&mut self, keys: &KeySet, limits: Limits) {
        match &mut self.outbound {
            Direction::Keyed(outbound) => outbound.rekey(keys),
            without => *without = Direction::Keyed(Outbound::new(keys, limits)),
        }
        self.never_clear();
    }

    /// Keys of a new DTLS association: a new crypto context, whose indices begin anew (RFC 5764 section 4.2). Packets in
    /// flight under the old keys still open.
    pub(crate) fn begin(&mut self, inbound: &KeySet, outbound: &KeySet, limits: Limits) {
        self.set_inbound(inbound, limits);
        self.outbound = Direction::Keyed(Outbound::new(outbound, limits));
    }

    #[inline]
    pub(crate) fn protect(
        &mut self,
        buf: &mut [u8],
        len: usize,
        protocol: Protocol,
        counters: &DirectionCounters,
    ) -> Result<usize, Refusal> {
        let result = match &mut self.outbound {
            Direction::Keyed(outbound) => match protocol {
                Protocol::Srtp => outbound.protect_rtp(buf, len),
                Protocol::Srtcp => outbound.protect_rtcp(buf, len),
            }
            .map(|len| (len, outbound.ssrcs()))
            .map_err(Refusal::from),
            Direction::Blocked => Err(Refusal::NoKeys),
            Direction::Clear => {
                counters.passed_clear();
                return Ok(len);
            }
        };
        count(result, protocol, counters)
    }

    #[inline]
    pub(crate) fn unprotect(
        &mut self,
        packet: &mut [u8],
        protocol: Protocol,
        counters: &DirectionCounters,
    ) -> Result<usize, Refusal> {
        let result = match &mut self.inbound {
            Direction::Keyed(inbound) => match protocol {
                Protocol::Srtp => inbound.unprotect_rtp(packet),
                Protocol::Srtcp => inbound.unprotect_rtcp(packet),
            }
            .map(|len| (len, inbound.ssrcs()))
            .map_err(Refusal::from),
            Direction::Blocked => Err(Refusal::NoKeys),
            Direction::Clear => {
                counters.passed_clear();
                return Ok(packet.len());
            }
        };
        count(result, protocol, counters)
    }

    #[inline]
    pub(crate) fn has_event(&self) -> bool {
        matches!(&self.inbound, Direction::Keyed(inbound) if inbound.has_event())
            || matches!(&self.outbound, Direction::Keyed(outbound) if outbound.has_event())
    }

    pub(crate) fn poll_event(&mut self) -> Option<(Way, Event)> {
        let sent = match &mut self.outbound {
            Direction::Keyed(outbound) => outbound.poll_event(),
            Direction::Clear | Direction::Blocked => None,
        };
        if let Some(event) = sent {
            return Some((Way::Outbound, event));
        }
        match &mut self.inbound {
            Direction::Keyed(inbound) => inbound.poll_event().map(|event| (Way::Inbound, event)),
            Direction::Clear | Direction::Blocked => None,
        }
    }
}

/// A direction of media, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What we receive.
    Inbound,
    /// What we send.
    Outbound,
}

#[inline]
fn count(
    result: Result<(usize, usize), Refusal>,
    protocol: Protocol,
    counters: &DirectionCounters,
) -> Result<usize, Refusal> {
    match result {
        Ok((len, ssrcs)) => {
            counters.passed(protocol, len, ssrcs);
            Ok(len)
        }
        Err(refusal) => {
            counters.refused(&refusal);
            Err(refusal)
        }
    }
}
