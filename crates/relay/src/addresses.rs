//! Where the peer is: by its description, and by what it has shown.

use std::net::SocketAddr;

use sealrtp_session::Component;

/// Of one component.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// By the last description that named one.
    described: Option<SocketAddr>,
    /// The present description names none: the call is on hold. Before any description it is not.
    held: bool,
    /// Where a packet that authenticates has come from, if not from there.
    learned: Option<SocketAddr>,
    /// Where the last datagram of a handshake has come from; anybody can send one.
    heard: Option<SocketAddr>,
}

impl Peer {
    /// Another address than before ends what was learned; the same one, also after a hold, does not.
    pub(crate) fn describe(&mut self, address: Option<SocketAddr>) {
        let address = address.filter(|address| address.port() != 0 && !address.ip().is_unspecified());
        self.held = address.is_none();
        if address.is_some() && address != self.described {
            *self = Self { described: address, ..Self::default() };
        }
    }

    /// The packet that came from there has authenticated.
    pub(crate) fn learn(&mut self, from: SocketAddr) {
        self.learned = (self.described != Some(from)).then_some(from);
    }

    pub(crate) fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }

    /// A datagram of a handshake came from there.
    pub(crate) fn hear(&mut self, from: SocketAddr) {
        self.heard = Some(from);
    }

    /// Whether a packet from there teaches nothing.
    #[inline]
    pub(crate) fn is_at(&self, from: SocketAddr) -> bool {
        self.known() == Some(from)
    }

    /// For secured media.
    #[inline]
    pub(crate) fn secured(&self) -> Option<SocketAddr> {
        if self.held { None } else { self.known() }
    }

    /// For clear media.
    #[inline]
    pub(crate) fn clear(&self) -> Option<SocketAddr> {
        if self.held { None } else { self.described }
    }

    /// As far as it is known, on hold as well.
    pub(crate) fn known(&self) -> Option<SocketAddr> {
        self.learned.or(self.described)
    }

    /// For DTLS, on hold as well.
    pub(crate) fn dtls(&self) -> Option<SocketAddr> {
        self.known().or(self.heard)
    }

    /// For ZRTP that answers nothing, on hold as well. Until the peer has shown where it is, what a timer sends goes to its
    /// description and to where it was last heard: neither a NAT nor a forged Hello then keeps it from the peer.
    pub(crate) fn zrtp(&self) -> [Option<SocketAddr>; 2] {
        match self.learned {
            Some(_) => [self.learned, None],
            None => [self.described, self.heard.filter(|heard| self.described != Some(*heard))],
        }
    }
}

/// Of both components.
#[derive(Debug, Default)]
pub(crate) struct Peers([Peer; 2]);

impl Peers {
    #[inline]
    pub(crate) fn of(&mut self, component: Component) -> &mut Peer {
        &mut self.0[component as usize]
    }

    pub(crate) fn learned(&self) -> [Option<SocketAddr>; 2] {
        self.0.map(|peer| peer.learned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn what_was_learned_outlives_a_hold_and_ends_with_another_description() {
        let mut peer = Peer::default();
        assert_eq!(peer.secured(), None);
        peer.describe(Some(at(1000)));
        peer.learn(at(2000));
        assert_eq!((peer.secured(), peer.clear()), (Some(at(2000)), Some(at(1000))));
        peer.describe(None);
        assert_eq!((peer.secured(), peer.clear()), (None, None));
        peer.describe(Some(at(1000)));
        assert_eq!(peer.secured(), Some(at(2000)));
        peer.describe(Some(at(1002)));
        assert_eq!(peer.secured(), Some(at(1002)));
    }

    #[test]
    fn whom_nobody_has_described_is_where_it_has_shown_to_be_and_gets_nothing_clear() {
        let mut peer = Peer::default();
        peer.learn(at(2000));
        assert_eq!((peer.secured(), peer.clear()), (Some(at(2000)), None));
        peer.describe(None);
        assert_eq!(peer.secured(), None);
    }

    #[test]
    fn an_address_without_host_or_port_is_none() {
        for none in ["0.0.0.0:4000", "[::]:4000", "192.0.2.1:0"] {
            let mut peer = Peer::default();
            peer.describe(Some(none.parse().unwrap()));
            assert_eq!(peer.secured(), None, "{none}");
        }
    }

    #[test]
    fn a_handshake_moves_no_media_and_a_forged_one_does_not_cut_the_peer_off() {
        let mut peer = Peer::default();
        peer.describe(Some(at(1000)));
        peer.hear(at(6666));
        assert_eq!(
            (peer.secured(), peer.clear(), peer.dtls()),
            (Some(at(1000)), Some(at(1000)), Some(at(1000)))
        );
        assert_eq!(peer.zrtp(), [Some(at(1000)), Some(at(6666))]);
        peer.learn(at(1000));
        assert_eq!(peer.learned(), None, "that is where the description says");
        peer.learn(at(2000));
        assert_eq!(peer.zrtp(), [Some(at(2000)), None]);
    }
}
