//! What came too early, bounded in number and bytes; where there is no room the oldest goes.

use std::collections::VecDeque;

/// Most packets or datagrams held of one component.
pub const MAX_HELD: usize = 32;
/// Most bytes of them together.
pub const MAX_HELD_BYTES: usize = 48 * 1024;

/// A queue of datagrams with what is known of each.
#[derive(Debug)]
pub(crate) struct HoldQueue<T> {
    held: VecDeque<(T, Vec<u8>)>,
    bytes: usize,
}

impl<T> HoldQueue<T> {
    pub(crate) fn new() -> Self {
        Self { held: VecDeque::new(), bytes: 0 }
    }

    /// Holds a copy, unless it alone is over the bound.
    pub(crate) fn push(&mut self, what: T, datagram: &[u8]) {
        if datagram.len() > MAX_HELD_BYTES {
            return;
        }
        while self.held.len() >= MAX_HELD || self.bytes + datagram.len() > MAX_HELD_BYTES {
            self.pop();
        }
        self.bytes += datagram.len();
        self.held.push_back((what, datagram.to_vec()));
    }

    pub(crate) fn pop(&mut self) -> Option<(T, Vec<u8>)> {
        let (what, datagram) = self.held.pop_front()?;
        self.bytes -= datagram.len();
        if self.held.is_empty() {
            self.held.shrink_to_fit();
        }
        Some((what, datagram))
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.held.front().map(|(what, _)| what)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes + self.held.capacity() * size_of::<(T, Vec<u8>)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_comes_out_in_order() {
        let mut queue = HoldQueue::new();
        for n in 0..5u8 {
            queue.push(n, &[n; 3]);
        }
        for n in 0..5u8 {
            assert_eq!(queue.pop(), Some((n, vec![n; 3])));
        }
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.memory_bytes(), 0);
    }

    #[test]
    fn number_and_bytes_are_bounded_and_the_newest_stay() {
        let mut queue = HoldQueue::new();
        for n in 0..1000usize {
            queue.push(n, &vec![0; n * 60]);
            assert!(queue.held.len() <= MAX_HELD && queue.bytes <= MAX_HELD_BYTES);
        }
        let last = std::iter::from_fn(|| queue.pop()).last().map(|(n, _)| n);
        assert_eq!(last, Some(MAX_HELD_BYTES / 60), "longer ones were never held");
    }
}
