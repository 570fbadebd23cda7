//! Keys of one component, or what happens to its media while there are none.

use std::mem::offset_of;

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
    /// Media passes in the clear, both ways, or one way while keys of ZRTP take over.
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
    /// Keys of ZRTP under which no packet has come yet; until then clear ones may pass.
    Fresh(T, WithoutKeys),
}

impl<T> Direction<T> {
    fn without_keys(rule: WithoutKeys) -> Self {
        match rule {
            WithoutKeys::Block => Self::Blocked,
            WithoutKeys::Pass => Self::Clear,
        }
    }

    fn never_clear(&mut self) {
        match self {
            Self::Clear => *self = Self::Blocked,
            Self::Fresh(_, clear) => *clear = WithoutKeys::Block,
            Self::Blocked | Self::Keyed(_) => {}
        }
    }

    fn keys(&self) -> Option<&T> {
        match self {
            Self::Keyed(keys) | Self::Fresh(keys, _) => Some(keys),
            Self::Clear | Self::Blocked => None,
        }
    }

    fn keys_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Keyed(keys) | Self::Fresh(keys, _) => Some(keys),
            Self::Clear | Self::Blocked => None,
        }
    }

    fn passes_clear(&self) -> bool {
        matches!(self, Self::Clear | Self::Fresh(_, WithoutKeys::Pass))
    }
}

/// Both directions of a component.
#[repr(C)]
pub(crate) struct Media {
    inbound: Direction<Inbound>,
    outbound: Direction<Outbound>,
    /// A packet has come under fresh keys, and nobody was told.
    heard: bool,
}

impl Media {
    /// Where the directions begin, in bytes; what a packet touches comes first there.
    pub(crate) const INBOUND_AT: usize = offset_of!(Self, inbound);
    pub(crate) const OUTBOUND_AT: usize = offset_of!(Self, outbound);

    pub(crate) fn new(rule: WithoutKeys) -> Self {
        Self { inbound: Direction::without_keys(rule), outbound: Direction::without_keys(rule), heard: false }
    }

    pub(crate) fn state(&self) -> State {
        if self.inbound.passes_clear() || self.outbound.passes_clear() {
            State::Bypass
        } else if self.inbound.keys().is_some() && self.outbound.keys().is_some() {
            State::Secure
        } else {
            State::Block
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
        self.inbound.keys().is_some()
    }

    /// Keys of ZRTP, which the peer has already or will have soon: its first packet under them is told by
    /// [`Media::take_heard`], and until then its clear ones pass if they do now. Where there are keys it is a re-key, and
    /// nothing is told.
    pub(crate) fn expect(&mut self, keys: &KeySet, limits: Limits) {
        let clear = if self.inbound.passes_clear() { WithoutKeys::Pass } else { WithoutKeys::Block };
        match &mut self.inbound {
            Direction::Keyed(inbound) => inbound.rekey(keys),
            without => *without = Direction::Fresh(Inbound::new(keys, limits), clear),
        }
    }

    /// A new crypto context to send under, whose indices begin anew.
    pub(crate) fn begin_outbound(&mut self, keys: &KeySet, limits: Limits) {
        self.outbound = Direction::Keyed(Outbound::new(keys, limits));
    }

    /// Whether a packet has come under fresh keys since this was last asked.
    pub(crate) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Keys of the present crypto context, or a re-key of it (RFC 3711 section 8.2): indices go on. The other direction
    /// is not clear from here on.
    pub(crate) fn set_inbound(&mut self, keys: &KeySet, limits: Limits) {
        match &mut self.inbound {
            Direction::Keyed(inbound) | Direction::Fresh(inbound, _) => inbound.rekey(keys),
            without => *without = Direction::Keyed(Inbound::new(keys, limits)),
        }
        self.never_clear();
    }

    pub(crate) fn set_outbound(&mut self, keys: &KeySet, limits: Limits) {
        match &mut self.outbound {
            Direction::Keyed(outbound) | Direction::Fresh(outbound, _) => outbound.rekey(keys),
            without => *without = Direction::Keyed(Outbound::new(keys, limits)),
        }
        self.never_clear();
    }

    /// Keys of a new DTLS association: a new crypto context, whose indices begin anew (RFC 5764 section 4.2). Packets in
    /// flight under the old keys still open.
    pub(crate) fn begin(&mut self, inbound: &KeySet, outbound: &KeySet, limits: Limits) {
        self.set_inbound(inbound, limits);
        self.begin_outbound(outbound, limits);
    }

    /// Sets `has_event` if there is something for [`Media::poll_event`], and never clears it.
    #[inline]
    pub(crate) fn protect(
        &mut self,
        buf: &mut [u8],
        len: usize,
        protocol: Protocol,
        counters: &DirectionCounters,
        has_event: &mut bool,
    ) -> Result<usize, Refusal> {
        let result = match &mut self.outbound {
            Direction::Keyed(outbound) | Direction::Fresh(outbound, _) => {
                let sent = match protocol {
                    Protocol::Srtp => outbound.protect_rtp(buf, len),
                    Protocol::Srtcp => outbound.protect_rtcp(buf, len),
                };
                *has_event |= outbound.has_event();
                sent.map(|len| (len, outbound.ssrcs())).map_err(Refusal::from)
            }
            Direction::Blocked => Err(Refusal::NoKeys),
            Direction::Clear => {
                counters.passed_clear();
                return Ok(len);
            }
        };
        count(result, protocol, counters)
    }

    /// Sets `has_event` if there is something for [`Media::poll_event`] or [`Media::take_heard`], and never clears it.
    #[inline]
    pub(crate) fn unprotect(
        &mut self,
        packet: &mut [u8],
        protocol: Protocol,
        counters: &DirectionCounters,
        has_event: &mut bool,
    ) -> Result<usize, Refusal> {
        let result = match &mut self.inbound {
            Direction::Keyed(inbound) => {
                let opened = open(inbound, packet, protocol);
                *has_event |= inbound.has_event();
                opened
            }
            Direction::Blocked => Err(Refusal::NoKeys),
            Direction::Clear => {
                counters.passed_clear();
                return Ok(packet.len());
            }
            Direction::Fresh(..) => {
                let result = self.unprotect_fresh(packet, protocol, counters);
                *has_event |= self.has_event();
                return result;
            }
        };
        count(result, protocol, counters)
    }

    /// Under keys that the peer may not use yet.
    #[cold]
    fn unprotect_fresh(
        &mut self,
        packet: &mut [u8],
        protocol: Protocol,
        counters: &DirectionCounters,
    ) -> Result<usize, Refusal> {
        let Direction::Fresh(inbound, clear) = &mut self.inbound else { return Err(Refusal::NoKeys) };
        let result = open(inbound, packet, protocol);
        // One that does not authenticate is left as it was, and this one may be clear. Nothing else is refused before the
        // first packet under the keys.
        if result.is_err() && *clear == WithoutKeys::Pass {
            counters.passed_clear();
            return Ok(packet.len());
        }
        if result.is_ok()
            && let Direction::Fresh(inbound, _) = std::mem::replace(&mut self.inbound, Direction::Blocked)
        {
            self.inbound = Direction::Keyed(inbound);
            self.heard = true;
        }
        count(result, protocol, counters)
    }

    /// Looks at both directions, which the path of a packet does not: each says of itself what has come up.
    #[cold]
    pub(crate) fn has_event(&self) -> bool {
        self.heard
            || self.inbound.keys().is_some_and(Inbound::has_event)
            || self.outbound.keys().is_some_and(Outbound::has_event)
    }

    pub(crate) fn poll_event(&mut self) -> Option<(Way, Event)> {
        let sent = self.outbound.keys_mut().and_then(Outbound::poll_event);
        if let Some(event) = sent {
            return Some((Way::Outbound, event));
        }
        self.inbound.keys_mut().and_then(Inbound::poll_event).map(|event| (Way::Inbound, event))
    }
}

fn open(inbound: &mut Inbound, packet: &mut [u8], protocol: Protocol) -> Result<(usize, usize), Refusal> {
    let len = match protocol {
        Protocol::Srtp => inbound.unprotect_rtp(packet)?,
        Protocol::Srtcp => inbound.unprotect_rtcp(packet)?,
    };
    Ok((len, inbound.ssrcs()))
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
