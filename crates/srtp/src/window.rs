//! The packet index of a sequence number (RFC 3711 section 3.3.1) and the replay list (section 3.3.2).

/// Why an index cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was used already.
    Seen,
    /// It is older than the window remembers.
    TooOld,
}

/// Indices of SRTP have 48 bits.
pub(crate) const MAX_INDEX: u64 = (1 << 48) - 1;

/// The highest index seen, and which of those below were.
///
/// A window that was only [carried over](ReplayWindow::carried) from the key before has a highest index to estimate from
/// and has seen nothing.
#[derive(Clone)]
pub(crate) struct ReplayWindow {
    highest: u64,
    seen: Seen,
}

#[derive(Clone)]
enum Seen {
    /// Up to 128 packets: bit `i` stands for `highest - i`.
    Word { bits: u128, size: u8 },
    /// More: bit `index % size` stands for `index`.
    Ring(Box<[u64]>),
}

impl ReplayWindow {
    /// A window that has seen `index` alone. `size` in packets, a multiple of 64.
    pub(crate) fn starting_at(index: u64, size: u32) -> Self {
        let mut window = Self::unseen(index, size);
        window.mark(index);
        window
    }

    fn unseen(highest: u64, size: u32) -> Self {
        let seen = match u8::try_from(size) {
            Ok(size) if size <= 128 => Seen::Word { bits: 0, size },
            _ => Seen::Ring(vec![0; size as usize / 64].into()),
        };
        Self { highest, seen }
    }

    /// What a new key takes over from the window under the old one.
    pub(crate) fn carried(&self, size: u32) -> Self {
        Self::unseen(self.highest, size)
    }

    /// Whether nothing was seen yet under this key.
    pub(crate) fn is_unused(&self) -> bool {
        !self.is_marked(self.highest)
    }

    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    fn size(&self) -> u64 {
        match &self.seen {
            Seen::Word { size, .. } => u64::from(*size),
            Seen::Ring(words) => words.len() as u64 * 64,
        }
    }

    fn is_marked(&self, index: u64) -> bool {
        match &self.seen {
            Seen::Word { bits, .. } => bits >> (self.highest - index) & 1 != 0,
            Seen::Ring(words) => {
                let bit = (index % self.size()) as usize;
                words[bit / 64] >> (bit % 64) & 1 != 0
            }
        }
    }

    fn mark(&mut self, index: u64) {
        let size = self.size();
        match &mut self.seen {
            Seen::Word { bits, .. } => *bits |= 1 << (self.highest - index),
            Seen::Ring(words) => {
                let bit = (index % size) as usize;
                words[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// Whether `index` may be used.
    #[inline(always)]
    pub(crate) fn check(&self, index: u64) -> Result<(), Stale> {
        if index > self.highest || self.is_unused() {
            Ok(())
        } else if self.highest - index >= self.size() {
            Err(Stale::TooOld)
        } else if self.is_marked(index) {
            Err(Stale::Seen)
        } else {
            Ok(())
        }
    }

    /// Marks an index that [`check`](Self::check) allowed.
    #[inline(always)]
    pub(crate) fn commit(&mut self, index: u64) {
        let size = self.size();
        if self.is_unused() {
            *self = Self::starting_at(index, size as u32);
            return;
        }
        if index > self.highest {
            let ahead = index - self.highest;
            match &mut self.seen {
                Seen::Word { bits, .. } => {
                    *bits = u32::try_from(ahead).ok().and_then(|ahead| bits.checked_shl(ahead)).unwrap_or(0);
                }
                Seen::Ring(words) if ahead >= size => words.fill(0),
                Seen::Ring(words) => {
                    for skipped in self.highest + 1..=index {
                        let bit = (skipped % size) as usize;
                        words[bit / 64] &= !(1 << (bit % 64));
                    }
                }
            }
            self.highest = index;
        }
        self.mark(index);
    }
}

/// The most likely index of a packet with sequence number `seq` after `highest` (RFC 3711 section 3.3.1, appendix A).
/// `None`: the 48 bits are used up.
#[inline(always)]
pub(crate) fn estimate_index(highest: u64, seq: u16) -> Option<u64> {
    const HALF: u64 = 1 << 15;
    let (roc, last) = (highest >> 16, highest & 0xffff);
    let seq = u64::from(seq);
    let roc = if last < HALF {
        // Nothing lies before ROC 0: there a sequence number far ahead is a jump.
        if seq > last + HALF { roc.saturating_sub(1) } else { roc }
    } else if last - HALF > seq {
        roc + 1
    } else {
        roc
    };
    let index = roc << 16 | seq;
    (index <= MAX_INDEX).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_index_follows_the_sequence_number_over_its_wrap_both_ways() {
        assert_eq!(estimate_index(0xfff0, 5), Some(0x1_0005));
        assert_eq!(estimate_index(0x1_0005, 0xfff0), Some(0xfff0));
        assert_eq!(estimate_index(5, 0xfff0), Some(0xfff0));
        assert_eq!(estimate_index(0x3_8000, 0), Some(0x3_0000));
        assert_eq!(estimate_index(0x3_8001, 0), Some(0x4_0000));
        assert_eq!(estimate_index(0x3_7fff, 0xffff), Some(0x3_ffff));
        assert_eq!(estimate_index(0x3_7ffe, 0xffff), Some(0x2_ffff));
        assert_eq!(estimate_index(MAX_INDEX, 0), None);
    }

    proptest! {
        /// Against a set that forgets nothing: an index is accepted once, if it is no older than the window.
        #[test]
        fn an_index_is_accepted_exactly_once(
            size in prop::sample::select(vec![64u32, 128, 192, 1024, 32768]),
            start in 0u64..1 << 40,
            steps in prop::collection::vec((any::<bool>(), 0u64..40_000), 1..300),
        ) {
            let mut window = ReplayWindow::starting_at(start, size);
            let mut seen = HashSet::from([start]);
            let mut highest = start;
            for (forward, distance) in steps {
                let distance = if distance % 3 == 0 { distance } else { distance % 200 };
                let index = if forward { highest + distance } else { highest.saturating_sub(distance) };
                let expected = if seen.contains(&index) && highest - index < u64::from(size) {
                    Err(Stale::Seen)
                } else if index <= highest && highest - index >= u64::from(size) {
                    Err(Stale::TooOld)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.commit(index);
                    seen.insert(index);
                    highest = highest.max(index);
                    prop_assert_eq!(window.highest(), highest);
                }
            }
        }

        #[test]
        fn a_carried_window_takes_any_first_index(from in 0u64..1 << 40, first in 0u64..1 << 40) {
            let mut window = ReplayWindow::starting_at(from, 128).carried(128);
            prop_assert!(window.is_unused());
            prop_assert_eq!(window.check(first), Ok(()));
            window.commit(first);
            prop_assert!(!window.is_unused());
            prop_assert_eq!(window.highest(), first);
            prop_assert_eq!(window.check(first), Err(Stale::Seen));
        }
    }
}
