//! Protecting what we send.

use crate::event::{Event, EventQueue, Protocol};
use crate::generation::Generation;
use crate::header::{MAX_PACKET_LEN, RtcpHeader, RtpHeader};
use crate::keys::KeySet;
use crate::limits::Limits;
use crate::ssrc_table::Slot;
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
pub struct Outbound {
    generation: Generation,
    limits: Limits,
    events: EventQueue,
}

/// SRTCP indices have 31 bits.
const MAX_SRTCP_INDEX: u64 = (1 << 31) - 1;

impl Outbound {
    /// A direction under its first keys.
    pub fn new(keys: &KeySet, limits: Limits) -> Self {
        Self { generation: Generation::new(keys), limits, events: EventQueue::default() }
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
        let Self { generation, limits, events } = self;
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let header = RtpHeader::parse(packet, 0).map_err(|_| ProtectError::Malformed)?;
        check_room(buf, len + generation.rtp_trailer())?;
        let slot = generation.rtp.find(header.ssrc);
        let index = match generation.rtp.window(slot) {
            Some(window) => {
                let index = estimate_index(window.highest(), header.seq).ok_or(ProtectError::KeyExpired)?;
                window.check(index).map_err(|_| ProtectError::IndexUsed)?;
                index
            }
            None => u64::from(header.seq),
        };
        if matches!(slot, Slot::New(_)) && generation.rtp.len() >= usize::from(limits.max_ssrcs()) {
            generation.tell_ssrc_limit(header.ssrc, events);
            return Err(ProtectError::SsrcLimit);
        }
        let at = generation.rtp_sending_key(index, events).ok_or(ProtectError::KeyExpired)?;
        let key = generation.key(at);
        key.rtp_at(index);
        let len = key.rtp.seal(buf, len, header, index, key.mki());
        generation.rtp.commit(slot, header.ssrc, index, limits.replay_window());
        generation.used_for_rtp(at, events);
        Ok(len)
    }

    /// Protects the RTCP packet `buf[..len]`, compound or reduced-size, in place and returns its new length, at most
    /// [`MAX_TRAILER_LEN`](crate::MAX_TRAILER_LEN) bytes more.
    ///
    /// # Errors
    /// A [`ProtectError`]; the packet must then not be sent and the buffer is as it was.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        let Self { generation, limits, events } = self;
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let header = RtcpHeader::parse(packet, 0).map_err(|_| ProtectError::Malformed)?;
        check_room(buf, len + generation.rtcp_trailer())?;
        let slot = generation.rtcp.find(header.ssrc);
        // Under a new key the index goes on; it only ever rises, so no index is used twice.
        let index = generation.rtcp.window(slot).map_or(0, |window| window.highest() + 1);
        if index > MAX_SRTCP_INDEX {
            return Err(ProtectError::KeyExpired);
        }
        if matches!(slot, Slot::New(_)) && generation.rtcp.len() >= usize::from(limits.max_ssrcs()) {
            generation.tell_ssrc_limit(header.ssrc, events);
            return Err(ProtectError::SsrcLimit);
        }
        let at = generation.rtcp_sending_key(events).ok_or(ProtectError::KeyExpired)?;
        let encrypt = generation.encrypts_rtcp();
        let key = generation.key(at);
        key.rtcp_at(index as u32);
        let len = key.rtcp.seal(buf, len, header.ssrc, index as u32, encrypt, key.mki());
        generation.rtcp.commit(slot, header.ssrc, index, limits.replay_window());
        generation.key(at).count(Protocol::Srtcp, events);
        Ok(len)
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
