//! Counters of a session, in C's form.

use sealrtp_session::{Counters, DirectionStats};

/// Counters of one direction.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct sealrtp_direction_stats {
    /// A `sealrtp_suite`; 0 while there are no keys.
    pub suite: u32,
    /// SSRCs seen under the present keys.
    pub ssrcs: u32,
    /// RTP packets protected or opened.
    pub rtp_packets: u64,
    /// RTCP packets protected or opened.
    pub rtcp_packets: u64,
    /// Bytes of those packets after they were protected or opened.
    pub bytes: u64,
    /// Packets whose authentication failed.
    pub auth_failures: u64,
    /// Packets received before, or older than the replay window.
    pub replays: u64,
    /// Packets that are no RTP or RTCP, or whose lengths lie.
    pub malformed: u64,
    /// Packets refused for another reason: no keys, index used, too many SSRCs, unknown MKI.
    pub refused: u64,
    /// Packets refused because the key's lifetime was over.
    pub expired: u64,
    /// How often keys were installed after the first.
    pub rekeys: u64,
    /// Packets that passed in the clear, in the state BYPASS.
    pub clear_packets: u64,
}

impl From<DirectionStats> for sealrtp_direction_stats {
    fn from(stats: DirectionStats) -> Self {
        Self {
            suite: stats.suite.map_or(0, |suite| suite as u32),
            ssrcs: stats.ssrcs,
            rtp_packets: stats.rtp_packets,
            rtcp_packets: stats.rtcp_packets,
            bytes: stats.bytes,
            auth_failures: stats.auth_failures,
            replays: stats.replays,
            malformed: stats.malformed,
            refused: stats.refused,
            expired: stats.expired,
            rekeys: stats.rekeys,
            clear_packets: stats.clear,
        }
    }
}

/// Counters of a stream.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_session_stats {
    /// Set by the caller: sizeof(sealrtp_session_stats).
    pub size: usize,
    /// What we receive.
    pub inbound: sealrtp_direction_stats,
    /// What we send.
    pub outbound: sealrtp_direction_stats,
}

impl sealrtp_session_stats {
    pub(crate) fn read(counters: &Counters) -> Self {
        Self {
            size: size_of::<Self>(),
            inbound: counters.inbound().into(),
            outbound: counters.outbound().into(),
        }
    }
}
