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

/// The highest index seen, and which of those below were. 32 bytes, and for more than 128 packets a bit each elsewhere.
///
/// A window that was only [carried over](ReplayWindow::carried) from the key before has a highest index to estimate from
/// and has seen nothing.
#[derive(Clone)]
pub(crate) struct ReplayWindow {
    seen: Seen,
    highest: u64,
}

#[derive(Clone)]
enum Seen {
    /// Up to 128 packets: bit `i` stands for `highest - i`. In halves, low first, which spares the padding of a `u128`.
    Word { size: u8, halves: [u64; 2] },
    /// More: bit `index % size` stands for `index`.
    Ring(Box<[u64]>),
}

fn joined(halves: [u64; 2]) -> u128 {
    u128::from(halves[1]) << 64 | u128::from(halves[0])
}

fn split(bits: u128) -> [u64; 2] {
    [bits as u64, (bits >> 64) as u64]
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
            Ok(size) if size <= 128 => Seen::Word { halves: [0; 2], size },
            _ => Seen::Ring(vec![0; size as usize / 64].into()),
        };
        Self { highest, seen }
    }

    /// What a new key takes over from the window under the old one.
    pub(crate) fn carried(&self, size: u32) -> Self {
        Self::unseen(self.highest, size)
    }

    /// Whether nothing was seen yet under this key.
    #[inline(always)]
    pub(crate) fn is_unused(&self) -> bool {
        match &self.seen {
            Seen::Word { halves, .. } => halves[0] & 1 == 0,
            Seen::Ring(words) => !is_set(words, self.highest),
        }
    }

    #[inline(always)]
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Packets that it remembers.
    #[inline(always)]
    pub(crate) fn size(&self) -> u64 {
        match &self.seen {
            Seen::Word { size, .. } => u64::from(*size),
            Seen::Ring(words) => words.len() as u64 * 64,
        }
    }

    fn mark(&mut self, index: u64) {
        match &mut self.seen {
            Seen::Word { halves, .. } => *halves = split(joined(*halves) | 1 << (self.highest - index)),
            Seen::Ring(words) => {
                let (word, bit) = place(words, index);
                words[word] |= bit;
            }
        }
    }

    /// Whether `index` may be used.
    #[inline(always)]
    pub(crate) fn check(&self, index: u64) -> Result<(), Stale> {
        if index > self.highest {
            return Ok(());
        }
        self.check_late(index)
    }

    fn check_late(&self, index: u64) -> Result<(), Stale> {
        if self.is_unused() {
            return Ok(());
        }
        let age = self.highest - index;
        if age >= self.size() {
            return Err(Stale::TooOld);
        }
        let seen = match &self.seen {
            Seen::Word { halves, .. } => joined(*halves) >> age & 1 != 0,
            Seen::Ring(words) => is_set(words, index),
        };
        if seen { Err(Stale::Seen) } else { Ok(()) }
    }

    /// Marks an index that [`check`](Self::check) allowed.
    #[inline(always)]
    pub(crate) fn commit(&mut self, index: u64) {
        // A window that has seen nothing moves on like any other.
        if index <= self.highest {
            return self.commit_rarely(index);
        }
        let ahead = index - self.highest;
        self.highest = index;
        match &mut self.seen {
            Seen::Word { halves, .. } => {
                *halves = split(if ahead < 128 { joined(*halves) << ahead | 1 } else { 1 });
            }
            Seen::Ring(words) => advance(words, index, ahead),
        }
    }

    /// What packets in order do not need: the first under a key, and late ones.
    #[cold]
    fn commit_rarely(&mut self, index: u64) {
        if self.is_unused() {
            *self = Self::starting_at(index, self.size() as u32);
        } else {
            self.mark(index);
        }
    }
}

/// Moves a ring on by `ahead` indices to `index`: those in between were not seen.
#[inline(never)]
fn advance(words: &mut [u64], index: u64, ahead: u64) {
    if ahead >= words.len() as u64 * 64 {
        words.fill(0);
    } else {
        for skipped in index - ahead + 1..index {
            let (word, bit) = place(words, skipped);
            words[word] &= !bit;
        }
    }
    let (word, bit) = place(words, index);
    words[word] |= bit;
}

/// An index's word in a ring, and its bit there.
fn place(words: &[u64], index: u64) -> (usize, u64) {
    let at = (index % (words.len() as u64 * 64)) as usize;
    (at / 64, 1 << (at % 64))
}

fn is_set(words: &[u64], index: u64) -> bool {
    let (word, bit) = place(words, index);
    words[word] & bit != 0
}

/// The most likely index of a packet with sequence number `seq` after `highest` (RFC 3711 section 3.3.1, appendix A).
/// `None`: the 48 bits are used up.
#[inline(always)]
pub(crate) fn estimate_index(highest: u64, seq: u16) -> Option<u64> {
    // The nearest, by the difference of 16 bits; below zero it becomes a number beyond 48 bits.
    let distance = seq.wrapping_sub(highest as u16).cast_signed();
    let index = highest.wrapping_add_signed(distance.into());
    if distance == i16::MIN || index > MAX_INDEX {
        return estimate_at_an_end(highest, seq);
    }
    Some(index)
}

/// The same by the RFC's letter: where two are as near, and at both ends of the 48 bits.
#[cold]
fn estimate_at_an_end(highest: u64, seq: u16) -> Option<u64> {
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
        #[test]
        fn the_index_is_that_of_the_rfc(
            highest in prop_oneof![0u64..1 << 20, 0..=MAX_INDEX, MAX_INDEX - (1 << 18)..=MAX_INDEX],
            seq: u16,
            tie: bool,
        ) {
            let seq = if tie { (highest as u16).wrapping_add(1 << 15) } else { seq };
            prop_assert_eq!(estimate_index(highest, seq), estimate_at_an_end(highest, seq));
        }

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
