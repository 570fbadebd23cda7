//! Opening what we receive.
//!
//! A packet is parsed, its key found, its index estimated and checked against the replay list, then authenticated; only
//! then is anything remembered of it. After a re-key two generations of keys are tried, newest first, until enough
//! packets came under the new one that none can be in flight under the old.

use sealrtp_srtp_accel::{Path, prefetch_lines};

use crate::HOT_LINES;
use crate::crypto::{AuthFailed, PacketId, RtpKeys};
use crate::event::{Event, EventQueue};
use crate::generation::Generation;
use crate::header::{RtcpHeader, RtpHeader};
use crate::keys::KeySet;
use crate::limits::Limits;
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
///
/// It stands in whole cache lines of 64 bytes, what a packet touches in the first ones.
#[repr(C, align(64))]
pub struct Inbound {
    overlap: Option<Box<Previous>>,
    events: EventQueue,
    current: Generation,
}

/// What is left of the keys before the last re-key.
struct Previous {
    generation: Generation,
    /// Packets authenticated under the new keys.
    under_new: u32,
}

/// Packets under new keys after which none is in flight under the old: ten seconds of G.711, one of video.
const IN_FLIGHT: u32 = 512;

impl Inbound {
    /// A direction under its first keys.
    pub fn new(keys: &KeySet, limits: Limits) -> Self {
        Self { current: Generation::new(keys, limits), overlap: None, events: EventQueue::default() }
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
        let next = self.current.receiving_successor(keys);
        let generation = std::mem::replace(&mut self.current, next);
        self.overlap = Some(Box::new(Previous { generation, under_new: 0 }));
    }

    /// The suite in use.
    pub fn suite(&self) -> Suite {
        self.current.suite()
    }

    /// The instructions that SRTP packets go through: those that this process chose, or [`Path::Portable`] where they have no
    /// kernel for the suite.
    pub fn path(&self) -> Path {
        self.current.path()
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
    /// An [`UnprotectError`]; a packet that does not authenticate is left as it was.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        self.fetch();
        match self.overlap {
            None => open_rtp(&mut self.current, &mut self.events, packet, Roc::Estimated),
            Some(_) => self.unprotect_in_overlap(packet, open_rtp, RTP_SSRC),
        }
    }

    /// Opens an SRTCP packet in place and returns the length of the RTCP packet, never more.
    ///
    /// # Errors
    /// An [`UnprotectError`]; a packet that does not authenticate is left as it was.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        match self.overlap {
            None => open_rtcp(&mut self.current, &mut self.events, packet, Roc::Estimated),
            Some(_) => self.unprotect_in_overlap(packet, open_rtcp, RTCP_SSRC),
        }
    }

    /// Whether so many packets may be [expected](Self::expect_plain), opened together and then accepted.
    #[inline(always)]
    pub(crate) fn takes_together(&self, packets: usize) -> bool {
        self.overlap.is_none() && self.current.takes_together(packets)
    }

    pub(crate) fn plain_keys(&self) -> &RtpKeys {
        self.current.plain_keys()
    }

    /// What opens a packet of a stream that was heard under these keys, the stream's highest index and the size of its window;
    /// `None` for others, and for a packet that is refused without trying.
    #[inline(always)]
    pub(crate) fn expect_plain(&mut self, packet: &[u8]) -> Option<(PacketId, u64, u64)> {
        let Self { current, events, .. } = self;
        let Expected { id, .. } = expect_rtp::<true>(current, events, packet, Roc::Estimated).ok()?;
        let window = current.rtp.find(id.ssrc)?;
        (!window.is_unused()).then(|| (id, window.highest(), window.size()))
    }

    #[inline(always)]
    pub(crate) fn accept_plain(&mut self, id: PacketId) -> Result<(), UnprotectError> {
        let accepted = Expected { id, key: 0, first: false };
        accept_rtp::<true>(&mut self.current, &mut self.events, accepted)
    }

    /// Has the cache fetch what a packet touches.
    #[inline(always)]
    pub(crate) fn fetch(&self) {
        prefetch_lines::<_, HOT_LINES>(self);
    }

    #[cold]
    fn unprotect_in_overlap(
        &mut self,
        packet: &mut [u8],
        open: Open,
        ssrc_at: usize,
    ) -> Result<usize, UnprotectError> {
        let current = &mut self.current;
        let mut under_current = |roc| open(current, &mut self.events, packet, roc);
        // Nothing has to be put back between the tries: a packet that does not authenticate stays as it was.
        let first = under_current(Roc::Estimated);
        let first = first.or_else(|_| under_current(Roc::Zero).or(first));
        let Some(previous) = &mut self.overlap else { return first };
        let Err(error) = first else {
            previous.under_new += 1;
            if previous.under_new == 1 {
                let ssrc = packet[ssrc_at..].first_chunk().map_or(0, |ssrc| u32::from_be_bytes(*ssrc));
                self.events.push(Event::Rekeyed { ssrc });
            }
            if previous.under_new >= IN_FLIGHT {
                self.overlap = None;
            }
            return first;
        };
        match open(&mut previous.generation, &mut self.events, packet, Roc::Estimated) {
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

type Open = fn(&mut Generation, &mut EventQueue, &mut [u8], Roc) -> Result<usize, UnprotectError>;

/// Where a packet's ROC comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roc {
    /// From the indices before it.
    Estimated,
    /// Zero, for a peer that began anew with its new key; only for streams that have received nothing under it.
    Zero,
}

/// A packet that may be opened: what its tag has yet to prove.
#[derive(Clone, Copy)]
struct Expected {
    id: PacketId,
    /// The number of the master key.
    key: usize,
    /// Its SSRC is new.
    first: bool,
}

#[inline(always)]
fn expect_rtp<const PLAIN: bool>(
    generation: &mut Generation,
    events: &mut EventQueue,
    packet: &[u8],
    roc: Roc,
) -> Result<Expected, UnprotectError> {
    let header = RtpHeader::parse(packet, generation.rtp_trailer()).map_err(|_| UnprotectError::Malformed)?;
    let window = generation.rtp.find(header.ssrc);
    let first = window.is_none();
    let index = match window {
        Some(window) if roc == Roc::Estimated => {
            let index = estimate_index(window.highest(), header.seq).ok_or(UnprotectError::KeyExpired)?;
            window.check(index)?;
            index
        }
        Some(window) if !window.is_unused() => return Err(UnprotectError::AuthFailed),
        _ => u64::from(header.seq),
    };
    let key = generation.rtp_key::<PLAIN>(packet, index).ok_or(UnprotectError::UnknownKey)?;
    if generation.is_rtp_key_over(key, events) {
        return Err(UnprotectError::KeyExpired);
    }
    let id = PacketId { header_len: header.len, ssrc: header.ssrc, index };
    Ok(Expected { id, key, first })
}

/// Remembers a packet that has authenticated.
#[inline(always)]
fn accept_rtp<const PLAIN: bool>(
    generation: &mut Generation,
    events: &mut EventQueue,
    packet: Expected,
) -> Result<(), UnprotectError> {
    let Expected { id, key, first } = packet;
    if first && !generation.has_rtp_room(id.ssrc, events) {
        return Err(UnprotectError::SsrcLimit);
    }
    generation.record_rtp(id.ssrc, id.index);
    generation.used_for_rtp::<PLAIN>(key, events);
    Ok(())
}

#[inline]
fn open_rtp(
    generation: &mut Generation,
    events: &mut EventQueue,
    packet: &mut [u8],
    roc: Roc,
) -> Result<usize, UnprotectError> {
    if generation.is_plain() {
        open_expected::<true>(generation, events, packet, roc)
    } else {
        open_expected::<false>(generation, events, packet, roc)
    }
}

/// A function of its own: the registers are its own too, whatever it is called from.
#[inline(never)]
fn open_expected<const PLAIN: bool>(
    generation: &mut Generation,
    events: &mut EventQueue,
    packet: &mut [u8],
    roc: Roc,
) -> Result<usize, UnprotectError> {
    let expected = expect_rtp::<PLAIN>(generation, events, packet, roc)?;
    let mki_len = if PLAIN { 0 } else { generation.mki_len() };
    let (keys, _) = generation.rtp_keys::<PLAIN>(expected.key, expected.id.index);
    let len = keys.open(packet, expected.id, mki_len)?;
    accept_rtp::<PLAIN>(generation, events, expected)?;
    Ok(len)
}

fn open_rtcp(
    generation: &mut Generation,
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
    let window = generation.rtcp().find(header.ssrc);
    let first = window.is_none();
    if let Some(window) = window {
        window.check(u64::from(index))?;
    }
    // A clear SRTCP packet where encryption was agreed is refused even if it authenticates.
    if !encrypted && generation.encrypts_rtcp() {
        return Err(UnprotectError::AuthFailed);
    }
    let at = generation.rtcp_key(packet).ok_or(UnprotectError::UnknownKey)?;
    let mki_len = generation.mki_len();
    if generation.is_rtcp_key_over(at, events) {
        return Err(UnprotectError::KeyExpired);
    }
    let (keys, _) = generation.rtcp_keys(at, index);
    let len = keys.open(packet, header.ssrc, index, encrypted, mki_len)?;
    if first && !generation.has_rtcp_room(header.ssrc, events) {
        return Err(UnprotectError::SsrcLimit);
    }
    generation.record_rtcp(header.ssrc, index.into());
    generation.used_for_rtcp(at, events);
    Ok(len)
}
