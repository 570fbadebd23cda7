//! DTLS that comes before its time: a peer that takes our offer sends its ClientHello as soon as it has sent its answer, which is
//! yet to be read. Without it the handshake would begin with the ClientHello's repetition, a second later.

use std::collections::VecDeque;
use std::net::SocketAddr;

use sealrtp_session::Component;

/// Most datagrams that are kept: a ClientHello in several, on both components.
const MAX: usize = 4;
/// Longest that is kept, in bytes.
const MAX_LEN: usize = 2048;

/// A datagram as it came.
pub(crate) struct Kept {
    pub(crate) component: Component,
    pub(crate) from: SocketAddr,
    pub(crate) datagram: Vec<u8>,
}

/// The last few datagrams of DTLS that the session did not know of.
#[derive(Default)]
pub(crate) struct Early(VecDeque<Kept>);

impl Early {
    /// Keeps one. False: that, or one before it, is lost.
    pub(crate) fn keep(&mut self, component: Component, from: SocketAddr, datagram: &[u8]) -> bool {
        if datagram.len() > MAX_LEN {
            return false;
        }
        let room = self.0.len() < MAX;
        if !room {
            self.0.pop_front();
        }
        self.0.push_back(Kept { component, from, datagram: datagram.to_vec() });
        room
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub(crate) fn take(&mut self) -> VecDeque<Kept> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_kept_and_none_that_is_long() {
        let mut early = Early::default();
        let from = SocketAddr::from(([192, 0, 2, 1], 4000));
        for number in 0..=MAX as u8 {
            assert_eq!(early.keep(Component::Rtp, from, &[number]), usize::from(number) < MAX);
        }
        assert!(!early.keep(Component::Rtp, from, &[0; MAX_LEN + 1]));
        let kept: Vec<_> = early.take().into_iter().map(|kept| kept.datagram[0]).collect();
        assert_eq!(kept, [1, 2, 3, 4]);
        assert!(early.is_empty());
    }
}
