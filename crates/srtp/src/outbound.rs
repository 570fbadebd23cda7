//! Protecting what we send.

use sealrtp_srtp_accel::{Path, prefetch_lines};

use crate::HOT_LINES;
use crate::crypto::{PacketId, RtpKeys};
use crate::event::{Event, EventQueue};
use crate::generation::Generation;
use crate::header::{MAX_PACKET_LEN, RtcpHeader, RtpHeader};
use crate::keys::KeySet;
use crate::limits::Limits;
use crate::suite::Suite;
use crate::window::estimate_index;

/// Why a packet was not protected. It must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// No RTP or RTCP packet, or one whose lengths lie.
    #[error("not an RTP or RTCP packet")]
    Malformed,
    /// The buffer has no room for what SRTP adds; the whole packet needs so many bytes.
    #[error("the protected packet needs {needed} bytes")]
    NoRoom {
        /// Bytes of the protected packet.
        needed: usize,
    },
    /// The index was used under this key already, or is older than the replay window: sending it again would give away
    /// key stream.
    #[error("the packet's index was used already, or is older than the replay window")]
    IndexUsed,
    /// Every master key's lifetime is over, or the index has reached its end.
    #[error("the lifetime of the master key is over")]
    KeyExpired,
    /// The SSRC is new and the bound of [`Limits`] is reached.
    #[error("too many SSRCs in this direction")]
    SsrcLimit,
}

/// The sending direction of a stream: RTP of any SSRC within the bound, and its RTCP.
///
/// It stands in whole cache lines of 64 bytes, what a packet touches in the first ones.
#[repr(C, align(64))]
pub struct Outbound {
    events: EventQueue,
    generation: Generation,
}

/// A packet that will be sent: its index is used from here on.
#[derive(Clone, Copy)]
struct Admitted {
    id: PacketId,
    /// The number of the master key.
    key: usize,
}

/// SRTCP indices have 31 bits.
const MAX_SRTCP_INDEX: u64 = (1 << 31) - 1;

impl Outbound {
    /// A direction under its first keys.
    pub fn new(keys: &KeySet, limits: Limits) -> Self {
        Self { generation: Generation::new(keys, limits), events: EventQueue::default() }
    }

    /// Uses other keys from the next packet on. ROC and SRTCP index go on (RFC 3711 sections 3.3.1 and 3.4), and what was
    /// sent counts as sent: no index is used twice even if a key comes back. Installing the present keys again changes
    /// nothing.
    pub fn rekey(&mut self, keys: &KeySet) {
        if !self.generation.is_under(keys) {
            self.generation = self.generation.sending_successor(keys);
        }
    }

    /// The suite in use.
    pub fn suite(&self) -> Suite {
        self.generation.suite()
    }

    /// The instructions that SRTP packets go through: those that this process chose, or [`Path::Portable`] where they have no
    /// kernel for the suite.
    pub fn path(&self) -> Path {
        self.generation.path()
    }

    /// SSRCs that were sent.
    pub fn ssrcs(&self) -> usize {
        self.generation.rtp.len()
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

    /// Protects the RTP packet `buf[..len]` in place and returns its new length, at most
    /// [`MAX_TRAILER_LEN`](crate::MAX_TRAILER_LEN) bytes more.
    ///
    /// # Errors
    /// A [`ProtectError`]; the packet must then not be sent and the buffer is as it was.
    #[inline]
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        if self.generation.is_plain() {
            self.protect::<true>(buf, len)
        } else {
            self.protect::<false>(buf, len)
        }
    }

    /// A function of its own: the registers are its own too, whatever it is called from.
    #[inline(never)]
    fn protect<const PLAIN: bool>(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        let Admitted { id, key } = self.admit::<PLAIN>(buf, len)?;
        let (keys, mki) = self.generation.rtp_keys::<PLAIN>(key, id.index);
        Ok(keys.seal(buf, len, id, mki))
    }

    /// Whether so many packets may be [admitted](Self::admit_plain) and then sealed together.
    #[inline(always)]
    pub(crate) fn takes_together(&self, packets: usize) -> bool {
        self.generation.takes_together(packets)
    }

    pub(crate) fn plain_keys(&self) -> &RtpKeys {
        self.generation.plain_keys()
    }

    #[inline(always)]
    pub(crate) fn admit_plain(&mut self, buf: &[u8], len: usize) -> Result<PacketId, ProtectError> {
        self.admit::<true>(buf, len).map(|admitted| admitted.id)
    }

    /// Has the cache fetch what a packet touches.
    pub(crate) fn fetch(&self) {
        prefetch_lines::<_, HOT_LINES>(self);
    }

    /// Whether the RTP packet `buf[..len]` may be sent; if so, it counts as sent.
    #[inline(always)]
    fn admit<const PLAIN: bool>(&mut self, buf: &[u8], len: usize) -> Result<Admitted, ProtectError> {
        let Self { generation, events } = self;
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let header = RtpHeader::parse(packet, 0).map_err(|_| ProtectError::Malformed)?;
        check_room(buf, len + generation.rtp_trailer())?;
        let index = if let Some(window) = generation.rtp.find(header.ssrc) {
            let index = estimate_index(window.highest(), header.seq).ok_or(ProtectError::KeyExpired)?;
            window.check(index).map_err(|_| ProtectError::IndexUsed)?;
            index
        } else if generation.has_rtp_room(header.ssrc, events) {
            u64::from(header.seq)
        } else {
            return Err(ProtectError::SsrcLimit);
        };
        let key = generation.rtp_sending_key::<PLAIN>(index, events).ok_or(ProtectError::KeyExpired)?;
        generation.record_rtp(header.ssrc, index);
        generation.used_for_rtp::<PLAIN>(key, events);
        Ok(Admitted { id: PacketId { header_len: header.len, ssrc: header.ssrc, index }, key })
    }

    /// Protects the RTCP packet `buf[..len]`, compound or reduced-size, in place and returns its new length, at most
    /// [`MAX_TRAILER_LEN`](crate::MAX_TRAILER_LEN) bytes more.
    ///
    /// # Errors
    /// A [`ProtectError`]; the packet must then not be sent and the buffer is as it was.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        let Self { generation, events } = self;
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let header = RtcpHeader::parse(packet, 0).map_err(|_| ProtectError::Malformed)?;
        check_room(buf, len + generation.rtcp_trailer())?;
        let window = generation.rtcp().find(header.ssrc);
        let first = window.is_none();
        // Under a new key the index goes on; it only ever rises, so no index is used twice.
        let index = window.map_or(0, |window| window.highest() + 1);
        if index > MAX_SRTCP_INDEX {
            return Err(ProtectError::KeyExpired);
        }
        if first && !generation.has_rtcp_room(header.ssrc, events) {
            return Err(ProtectError::SsrcLimit);
        }
        let key = generation.rtcp_sending_key(events).ok_or(ProtectError::KeyExpired)?;
        generation.record_rtcp(header.ssrc, index);
        generation.used_for_rtcp(key, events);
        let encrypt = generation.encrypts_rtcp();
        let (keys, mki) = generation.rtcp_keys(key, index as u32);
        Ok(keys.seal(buf, len, header.ssrc, index as u32, encrypt, mki))
    }
}

#[inline]
fn check_room(buf: &[u8], needed: usize) -> Result<(), ProtectError> {
    if needed > MAX_PACKET_LEN {
        Err(ProtectError::Malformed)
    } else if needed > buf.len() {
        Err(ProtectError::NoRoom { needed })
    } else {
        Ok(())
    }
}
