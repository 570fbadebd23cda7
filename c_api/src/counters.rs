//! Counters of one direction: written by the thread that handles packets, read by any.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sealrtp_srtp::{Protocol, Suite};

use crate::result::sealrtp_result::{self, *};

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

/// The same, while it counts. One thread at a time writes, so adding needs no locked instruction.
#[derive(Default)]
pub(crate) struct Counters {
    suite: AtomicU32,
    ssrcs: AtomicU32,
    rtp_packets: AtomicU64,
    rtcp_packets: AtomicU64,
    bytes: AtomicU64,
    auth_failures: AtomicU64,
    replays: AtomicU64,
    malformed: AtomicU64,
    refused: AtomicU64,
    expired: AtomicU64,
    rekeys: AtomicU64,
}

fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Counters {
    /// Keys of a suite were installed.
    pub(crate) fn keyed(&self, suite: Suite) {
        if self.suite.swap(suite as u32, Ordering::Relaxed) != 0 {
            add(&self.rekeys, 1);
        }
    }

    pub(crate) fn has_ssrcs(&self, ssrcs: usize) {
        self.ssrcs.store(ssrcs as u32, Ordering::Relaxed);
    }

    /// Counts a packet by what became of it.
    #[inline]
    pub(crate) fn count<T>(
        &self,
        result: Result<(usize, bool, T), sealrtp_result>,
        protocol: Protocol,
    ) -> Result<(usize, bool, T), sealrtp_result> {
        match &result {
            Ok((len, ..)) => {
                add(if protocol == Protocol::Srtp { &self.rtp_packets } else { &self.rtcp_packets }, 1);
                add(&self.bytes, *len as u64);
            }
            Err(SEALRTP_E_AUTH) => add(&self.auth_failures, 1),
            Err(SEALRTP_E_REPLAY) => add(&self.replays, 1),
            Err(SEALRTP_E_MALFORMED) => add(&self.malformed, 1),
            Err(SEALRTP_E_KEY_EXPIRED) => add(&self.expired, 1),
            Err(_) => add(&self.refused, 1),
        }
        result
    }

    pub(crate) fn read(&self) -> sealrtp_direction_stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sealrtp_direction_stats {
            suite: self.suite.load(Ordering::Relaxed),
            ssrcs: self.ssrcs.load(Ordering::Relaxed),
            rtp_packets: of(&self.rtp_packets),
            rtcp_packets: of(&self.rtcp_packets),
            bytes: of(&self.bytes),
            auth_failures: of(&self.auth_failures),
            replays: of(&self.replays),
            malformed: of(&self.malformed),
            refused: of(&self.refused),
            expired: of(&self.expired),
            rekeys: of(&self.rekeys),
        }
    }
}
