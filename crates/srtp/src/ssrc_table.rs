//! The streams of one direction by SSRC: the first inline, all sorted, the one used last found at once.

use smallvec::SmallVec;

use crate::window::ReplayWindow;

#[derive(Clone)]
struct Stream {
    ssrc: u32,
    window: ReplayWindow,
}

/// Where a stream stands, or would stand, in its table.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    Known(usize),
    New(usize),
}

#[derive(Clone, Default)]
pub(crate) struct SsrcTable {
    streams: SmallVec<[Stream; 1]>,
    recent: usize,
}

impl SsrcTable {
    /// Finds the SSRC; does not add it.
    #[inline(always)]
    pub(crate) fn find(&mut self, ssrc: u32) -> Slot {
        if self.streams.get(self.recent).is_some_and(|stream| stream.ssrc == ssrc) {
            return Slot::Known(self.recent);
        }
        match self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc) {
            Ok(at) => {
                self.recent = at;
                Slot::Known(at)
            }
            Err(at) => Slot::New(at),
        }
    }

    pub(crate) fn window(&self, slot: Slot) -> Option<&ReplayWindow> {
        match slot {
            Slot::Known(at) => Some(&self.streams[at].window),
            Slot::New(_) => None,
        }
    }

    /// Records an index, and with its first the SSRC. `size`: packets of a new window.
    #[inline(always)]
    pub(crate) fn commit(&mut self, slot: Slot, ssrc: u32, index: u64, size: u32) {
        match slot {
            Slot::Known(at) => self.streams[at].window.commit(index),
            Slot::New(at) => {
                self.streams.insert(at, Stream { ssrc, window: ReplayWindow::starting_at(index, size) });
                self.recent = at;
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// The table that a new key starts with: the same SSRCs and highest indices, nothing seen.
    pub(crate) fn carried(&self, size: u32) -> Self {
        let carry = |stream: &Stream| Stream { ssrc: stream.ssrc, window: stream.window.carried(size) };
        Self { streams: self.streams.iter().map(carry).collect(), recent: self.recent }
    }
}
