//! What a stream of the relay has counted, beside its session's own counters.

use std::net::SocketAddr;

/// Why a datagram was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The session did not let it pass: see its own counters.
    Refused,
    /// Neither RTP nor RTCP, nor of a handshake that is set up; or RTP on RTCP's port.
    NotMedia,
    /// On an inner port from somewhere else than the PBX.
    NotThePbx,
    /// No address is known to send to, or the call is on hold.
    NoAddress,
    /// The system did not take it: no room in the socket, no route, too long.
    NotSent,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Refused, Self::NotMedia, Self::NotThePbx, Self::NoAddress, Self::NotSent];

    /// In words, for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotMedia => "not media",
            Self::NotThePbx => "not from the PBX",
            Self::NoAddress => "no address",
            Self::NotSent => "not sent",
        }
    }
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// RTP and RTCP packets passed on.
    pub packets: u64,
    /// Bytes of these as they were sent.
    pub bytes: u64,
    /// Datagrams of DTLS and ZRTP: taken from the peer, or sent to it.
    pub handshake: u64,
    dropped: [u64; Dropped::ALL.len()],
}

impl Flow {
    /// Datagrams that were not passed on for a reason.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize]
    }

    pub(crate) fn passed(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }

    pub(crate) fn drop(&mut self, why: Dropped) {
        self.dropped[why as usize] += 1;
    }
}

/// Counters of a stream at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// From the peer to the PBX.
    pub to_pbx: Flow,
    /// From the PBX to the peer.
    pub to_peer: Flow,
    /// Where the peer is, where it is not where its description says; of RTP and RTCP.
    pub learned: [Option<SocketAddr>; 2],
    /// The stream was closed because of an error in this library; see [`Observer::broken`](crate::Observer::broken).
    pub broken: bool,
}
