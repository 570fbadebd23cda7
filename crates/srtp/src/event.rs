//! What the owner of a stream is told, apart from the result of each packet.

use std::collections::VecDeque;

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

/// Events that wait, nearly always none: one pointer.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "a queue has four words, and every packet looks whether there is one"
)]
pub(crate) struct EventQueue(Option<Box<VecDeque<Event>>>);

impl EventQueue {
    #[cold]
    pub(crate) fn push(&mut self, event: Event) {
        let waiting = self.0.get_or_insert_default();
        if waiting.len() < MAX_WAITING {
            waiting.push_back(event);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.0.as_mut()?.pop_front();
        if event.is_none() {
            self.0 = None;
        }
        event
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.is_empty())
    }
}
