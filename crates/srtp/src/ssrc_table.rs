//! The streams of one direction by SSRC: the first inline, where a packet finds it in the cache line of everything else, the
//! others sorted, the one used last found at once.

use crate::window::ReplayWindow;

#[derive(Clone)]
struct Stream {
    window: ReplayWindow,
    ssrc: u32,
}

#[derive(Clone, Default)]
pub(crate) struct SsrcTable {
    first: Option<Stream>,
    others: Option<Box<Others>>,
}

#[derive(Clone, Default)]
struct Others {
    /// By SSRC.
    sorted: Vec<Stream>,
    recent: usize,
}

impl Others {
    #[inline(never)]
    fn find(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        if self.sorted.get(self.recent).is_none_or(|stream| stream.ssrc != ssrc) {
            self.recent = self.sorted.binary_search_by_key(&ssrc, |stream| stream.ssrc).ok()?;
        }
        Some(&mut self.sorted[self.recent].window)
    }

    fn insert(&mut self, stream: Stream) {
        let at = self.sorted.partition_point(|other| other.ssrc < stream.ssrc);
        self.sorted.insert(at, stream);
        self.recent = at;
    }
}

impl SsrcTable {
    /// The window of a stream that is there.
    #[inline(always)]
    pub(crate) fn find(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        match &mut self.first {
            Some(first) if first.ssrc == ssrc => Some(&mut first.window),
            _ => self.others.as_mut()?.find(ssrc),
        }
    }

    /// Adds a stream that is not there, with its first index and a window of `size` packets.
    #[cold]
    pub(crate) fn insert(&mut self, ssrc: u32, index: u64, size: u32) {
        let stream = Stream { window: ReplayWindow::starting_at(index, size), ssrc };
        if self.first.is_none() {
            self.first = Some(stream);
        } else {
            self.others.get_or_insert_default().insert(stream);
        }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.sorted.len())
    }

    /// The table that a new key starts with: the same SSRCs and highest indices, nothing seen.
    pub(crate) fn carried(&self, size: u32) -> Self {
        let carry = |stream: &Stream| Stream { window: stream.window.carried(size), ssrc: stream.ssrc };
        let others = |others: &Others| Others {
            sorted: others.sorted.iter().map(carry).collect(),
            recent: others.recent,
        };
        Self {
            first: self.first.as_ref().map(carry),
            others: self.others.as_deref().map(|these| Box::new(others(these))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn every_stream_keeps_its_own_indices(ssrcs in prop::collection::vec(0u32..40, 1..200)) {
            let mut table = SsrcTable::default();
            let mut highest = HashMap::new();
            for (index, ssrc) in (1u64..).zip(ssrcs) {
                let window = table.find(ssrc);
                prop_assert_eq!(window.as_ref().map(|w| w.highest()), highest.get(&ssrc).copied());
                match window {
                    Some(window) => window.commit(index),
                    None => table.insert(ssrc, index, 64),
                }
                highest.insert(ssrc, index);
                prop_assert_eq!(table.len(), highest.len());
            }
            for (ssrc, index) in highest {
                prop_assert_eq!(table.find(ssrc).map(|window| window.highest()), Some(index));
            }
        }
    }
}
