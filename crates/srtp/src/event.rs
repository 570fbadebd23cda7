//! What the owner of a stream is told, apart from the result of each packet.

use smallvec::SmallVec;

/// Which of the two packet formats something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 3711 section 3.1.
    Srtp,
    /// RFC 3711 section 3.4.
    Srtcp,
}

/// Something that the owner should act on or log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A master key has used seven eighths of its lifetime: re-key now.
    KeyExpiring {
        /// Whose lifetime.
        protocol: Protocol,
        /// Packets left.
        remaining: u64,
    },
    /// A master key's lifetime is over; packets under it are refused from here on.
    KeyExpired {
        /// Whose lifetime.
        protocol: Protocol,
    },
    /// A packet of a further SSRC was refused: the bound of [`Limits`](crate::Limits) is reached.
    SsrcLimit {
        /// The first SSRC that was refused.
        ssrc: u32,
    },
    /// The first packet under a new key set was authenticated.
    Rekeyed {
        /// Its SSRC.
        ssrc: u32,
    },
}

/// Most events waiting; each kind is raised once per key set, so only an owner who never polls loses any.
const MAX_WAITING: usize = 8;

#[derive(Default)]
pub(crate) struct EventQueue(SmallVec<[Event; 2]>);

impl EventQueue {
    pub(crate) fn push(&mut self, event: Event) {
        if self.0.len() < MAX_WAITING {
            self.0.push(event);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
