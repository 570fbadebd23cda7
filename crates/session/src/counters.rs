//! Counters of a session: written where packets are handled, read by any thread.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sealrtp_srtp::ProtectError;
use sealrtp_srtp::{Protocol, Suite, UnprotectError};

use crate::{Component, Refusal, State};

/// What a session has counted, as [`Session::counters`](crate::Session::counters) hands it to another thread.
#[derive(Debug)]
pub struct Counters {
    states: [AtomicU32; 2],
    inbound: DirectionCounters,
    outbound: DirectionCounters,
}

impl Counters {
    pub(crate) fn new(state: State) -> Self {
        Self {
            states: [AtomicU32::new(state as u32), AtomicU32::new(state as u32)],
            inbound: DirectionCounters::default(),
            outbound: DirectionCounters::default(),
        }
    }

    /// The state of a component.
    pub fn state(&self, component: Component) -> State {
        State::from_number(self.states[component as usize].load(Ordering::Relaxed))
    }

    /// What came in.
    pub fn inbound(&self) -> DirectionStats {
        self.inbound.read()
    }

    /// What went out.
    pub fn outbound(&self) -> DirectionStats {
        self.outbound.read()
    }

    pub(crate) fn set_state(&self, component: Component, state: State) {
        self.states[component as usize].store(state as u32, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn of_inbound(&self) -> &DirectionCounters {
        &self.inbound
    }

    #[inline]
    pub(crate) fn of_outbound(&self) -> &DirectionCounters {
        &self.outbound
    }
}

/// Counters of one direction at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionStats {
    /// Of the keys for RTP; none before there are any.
    pub suite: Option<Suite>,
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
    pub clear: u64,
}

/// One thread at a time writes, so adding needs no locked instruction. What every packet counts is in one line of the cache.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct DirectionCounters {
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
    clear: AtomicU64,
}

#[inline]
fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl DirectionCounters {
    /// Keys of a suite were installed.
    pub(crate) fn keyed(&self, suite: Suite) {
        if self.suite.swap(suite as u32, Ordering::Relaxed) != 0 {
            add(&self.rekeys, 1);
        }
    }

    #[inline]
    pub(crate) fn passed(&self, protocol: Protocol, len: usize, ssrcs: usize) {
        add(if protocol == Protocol::Srtp { &self.rtp_packets } else { &self.rtcp_packets }, 1);
        add(&self.bytes, len as u64);
        self.ssrcs.store(ssrcs as u32, Ordering::Relaxed);
    }

    pub(crate) fn passed_clear(&self) {
        add(&self.clear, 1);
    }

    #[cold]
    pub(crate) fn refused(&self, refusal: &Refusal) {
        add(
            match refusal {
                Refusal::Unprotect(UnprotectError::AuthFailed) => &self.auth_failures,
                Refusal::Unprotect(UnprotectError::Replayed) => &self.replays,
                Refusal::Unprotect(UnprotectError::Malformed) | Refusal::Protect(ProtectError::Malformed) => {
                    &self.malformed
                }
                Refusal::Unprotect(UnprotectError::KeyExpired)
                | Refusal::Protect(ProtectError::KeyExpired) => &self.expired,
                _ => &self.refused,
            },
            1,
        );
    }

    fn read(&self) -> DirectionStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DirectionStats {
            suite: Suite::from_id(self.suite.load(Ordering::Relaxed)),
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
            clear: of(&self.clear),
        }
    }
}
