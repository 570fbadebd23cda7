//! Opening what we receive.
//!
//! A packet is parsed, its key found, its index estimated and checked against the replay list, then authenticated; only
//! then is anything remembered of it. After a re-key two generations of keys are tried, newest first, until enough
//! packets came under the new one that none can be in flight under the old.

use crate::crypto::AuthFailed;
use crate::event::{Event, EventQueue, Protocol};
use crate::generation::Generation;
use crate::header::{RtcpHeader, RtpHeader};
use crate::keys::KeySet;
use crate::limits::Limits;
use crate::ssrc_table::Slot;
use crate::suite::Suite;
use crate::window::{Stale, estimate_index};

/// Why a packet was not opened. It must be dropped; the stream lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprotectError {
    /// No SRTP or SRTCP packet: too short, too long, or a length in it lies.
    #[error("not an SRTP or SRTCP packet")]
    Malformed,
    /// The tag is not the sender's: another key, another suite, a changed packet, or clear RTP.
    #[error("authentication failed")]
    AuthFailed,
    /// The packet was received before.
    #[error("the packet was received before")]
    Replayed,
    /// The packet is older than the replay window.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// The packet's MKI, or its index among <From,To> ranges, belongs to no master key.
    #[error("the packet's MKI or index belongs to no master key")]
    UnknownKey,
    /// The lifetime of the packet's master key is over.
    #[error("the lifetime of the master key is over")]
    KeyExpired,
    /// The SSRC is new and the bound of [`Limits`] is reached.
    #[error("too many SSRCs in this direction")]
    SsrcLimit,
}

impl From<Stale> for UnprotectError {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Seen => Self::Replayed,
            Stale::TooOld => Self::TooOld,
        }
    }
}

impl From<AuthFailed> for UnprotectError {
    fn from(_: AuthFailed) -> Self {
        Self::AuthFailed
    }
}

/// The receiving direction of a stream: RTP of any SSRC within the bound, and its RTCP.
pub struct Inbound {
    current: Generation,
    overlap: Overlap,
    limits: Limits,
    events: EventQueue,
}

/// What is left of the keys before the last re-key.
enum Overlap {
    None,
    Both(Box<Previous>),
}

struct Previous {
    generation: Generation,
    /// Packets authenticated under the new keys.
    under_new: u32,
    /// The packet as received, for a further try after an AEAD failure has wiped it.
    received: Vec<u8>,
}

/// Packets under new keys after which none is in flight under the old: ten seconds of G.711, one of video.
const IN_FLIGHT: u32 = 512;

impl Inbound {
    /// A direction under its first keys.
    pub fn new(keys: &KeySet, limits: Limits) -> Self {
        Self { current: Generation::new(keys), overlap: Overlap::None, limits, events: EventQueue::default() }
    }

    /// Expects other keys; packets under the present ones still open until 512 came under the new.
    ///
    /// Installing the present keys again changes nothing: what was received stays received.
    ///
    /// The peer may go on with its ROC, as RFC 3711 section 3.3.1 says, or start again at 0.
    pub fn rekey(&mut self, keys: &KeySet) {
        if self.current.is_under(keys) {
            return;
        }
        let next = self.current.receiving_successor(keys, self.limits.replay_window());
        let generation = std::mem::replace(&mut self.current, next);
        self.overlap = Overlap::Both(Box::new(Previous { generation, under_new: 0, received: Vec::new() }));
    }

    /// The suite in use.
    pub fn suite(&self) -> Suite {
        self.current.suite()
    }

    /// SSRCs that were received and authenticated.
    pub fn ssrcs(&self) -> usize {
        self.current.rtp.len()
    }

    /// What the owner should know, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Whether [`poll_event`](Self::poll_event) has something.
    #[inline]
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Opens an SRTP packet in place and returns the length of the RTP packet, never more.
    ///
    /// # Errors
    /// An [`UnprotectError`]; the contents of `packet` are then not to be used.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        match &mut self.overlap {
            Overlap::None => {
                open_rtp(&mut self.current, self.limits, &mut self.events, packet, Roc::Estimated)
            }
            Overlap::Both(_) => self.unprotect_in_overlap(packet, open_rtp, RTP_SSRC),
        }
    }

    /// Opens an SRTCP packet in place and returns the length of the RTCP packet, never more.
    ///
    /// # Errors
    /// An [`UnprotectError`]; the contents of `packet` are then not to be used.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        match &mut self.overlap {
            Overlap::None => {
                open_rtcp(&mut self.current, self.limits, &mut self.events, packet, Roc::Estimated)
            }
            Overlap::Both(_) => self.unprotect_in_overlap(packet, open_rtcp, RTCP_SSRC),
        }
    }

    #[cold]
    fn unprotect_in_overlap(
        &mut self,
        packet: &mut [u8],
        open: Open,
        ssrc_at: usize,
    ) -> Result<usize, UnprotectError> {
        let Overlap::Both(previous) = &mut self.overlap else { unreachable!("called in an overlap only") };
        let Previous { generation, under_new, received } = &mut **previous;
        received.clear();
        received.extend_from_slice(packet);
        let mut under_current =
            |packet: &mut [u8], roc| open(&mut self.current, self.limits, &mut self.events, packet, roc);
        let mut first = under_current(packet, Roc::Estimated);
        if first.is_err() {
            packet.copy_from_slice(received);
            first = under_current(packet, Roc::Zero).or(first);
        }
        let Err(error) = first else {
            *under_new += 1;
            if *under_new == 1 {
                let ssrc = packet[ssrc_at..].first_chunk().map_or(0, |ssrc| u32::from_be_bytes(*ssrc));
                self.events.push(Event::Rekeyed { ssrc });
            }
            if *under_new >= IN_FLIGHT {
                self.overlap = Overlap::None;
            }
            return first;
        };
        packet.copy_from_slice(received);
        match open(generation, self.limits, &mut self.events, packet, Roc::Estimated) {
            // The reason that counts is the one under the keys that hold from now on.
            Err(UnprotectError::AuthFailed | UnprotectError::UnknownKey | UnprotectError::Malformed) => {
                Err(error)
            }
            other => other,
        }
    }
}

/// Where an RTP and an RTCP packet have their SSRC (RFC 3550 sections 5.1 and 6.4).
const RTP_SSRC: usize = 8;
const RTCP_SSRC: usize = 4;

type Open = fn(&mut Generation, Limits, &mut EventQueue, &mut [u8], Roc) -> Result<usize, UnprotectError>;

/// Where a packet's ROC comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roc {
    /// From the indices before it.
    Estimated,
    /// Zero, for a peer that began anew with its new key; only for streams that have received nothing under it.
    Zero,
}

#[inline]
fn open_rtp(
    generation: &mut Generation,
    limits: Limits,
    events: &mut EventQueue,
    packet: &mut [u8],
    roc: Roc,
) -> Result<usize, UnprotectError> {
    let header = RtpHeader::parse(packet, generation.rtp_trailer()).map_err(|_| UnprotectError::Malformed)?;
    let slot = generation.rtp.find(header.ssrc);
    let index = match generation.rtp.window(slot) {
        Some(window) if roc == Roc::Estimated => {
            let index = estimate_index(window.highest(), header.seq).ok_or(UnprotectError::KeyExpired)?;
            window.check(index)?;
            index
        }
        Some(window) if !window.is_unused() => return Err(UnprotectError::AuthFailed),
        _ => u64::from(header.seq),
    };
    let at = generation.rtp_key(generation.rtp_mki(packet), index).ok_or(UnprotectError::UnknownKey)?;
    let mki_len = generation.mki_len();
    if generation.key(at).is_expired(Protocol::Srtp, events) {
        return Err(UnprotectError::KeyExpired);
    }
    let len = generation.key(at).rtp_at(index).open(packet, header, index, mki_len)?;
    if matches!(slot, Slot::New(_)) && generation.rtp.len() >= usize::from(limits.max_ssrcs()) {
        generation.tell_ssrc_limit(header.ssrc, events);
        return Err(UnprotectError::SsrcLimit);
    }
    generation.rtp.commit(slot, header.ssrc, index, limits.replay_window());
    generation.used_for_rtp(at, events);
    Ok(len)
}

fn open_rtcp(
    generation: &mut Generation,
    limits: Limits,
    events: &mut EventQueue,
    packet: &mut [u8],
    roc: Roc,
) -> Result<usize, UnprotectError> {
    // SRTCP carries its index: there is nothing else to try.
    if roc == Roc::Zero {
        return Err(UnprotectError::AuthFailed);
    }
    let header =
        RtcpHeader::parse(packet, generation.rtcp_trailer()).map_err(|_| UnprotectError::Malformed)?;
    let (encrypted, index) = crate::crypto::srtcp_word(packet, generation.behind_srtcp_word());
    let slot = generation.rtcp.find(header.ssrc);
    if let Some(window) = generation.rtcp.window(slot) {
        window.check(u64::from(index))?;
    }
    // A clear SRTCP packet where encryption was agreed is refused even if it authenticates.
    if !encrypted && generation.encrypts_rtcp() {
        return Err(UnprotectError::AuthFailed);
    }
    let at = generation.rtcp_key(generation.rtcp_mki(packet)).ok_or(UnprotectError::UnknownKey)?;
    let mki_len = generation.mki_len();
    if generation.key(at).is_expired(Protocol::Srtcp, events) {
        return Err(UnprotectError::KeyExpired);
    }
    let len = generation.key(at).rtcp_at(index).open(packet, header.ssrc, index, encrypted, mki_len)?;
    if matches!(slot, Slot::New(_)) && generation.rtcp.len() >= usize::from(limits.max_ssrcs()) {
        generation.tell_ssrc_limit(header.ssrc, events);
        return Err(UnprotectError::SsrcLimit);
    }
    generation.rtcp.commit(slot, header.ssrc, u64::from(index), limits.replay_window());
    generation.key(at).count(Protocol::Srtcp, events);
    Ok(len)
}
