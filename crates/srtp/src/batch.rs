//! Several packets at once: a burst of one stream, or one packet for each of several streams, as a conference has them.
//!
//! HMAC-SHA1 is a chain in which each step waits for the last; those of several packets fill each other's waits. What comes
//! out is what the same packets give one by one, byte for byte and error for error.
//!
//! What is written here for the kernels stays where it is: a copy would be read in larger parts than it was written in, for
//! which the processor waits until all packets before are done.

use sealrtp_srtp_accel::{CmHmacSha1, CmOpen, CmSeal};
use smallvec::SmallVec;

use crate::crypto::{PacketId, RtpKeys};
use crate::inbound::{Inbound, UnprotectError};
use crate::outbound::{Outbound, ProtectError};

/// Chains that run side by side: what the kernels take at once.
const TOGETHER: usize = 4;
/// Indices of packets that are opened together lie closer than this, so that whichever of them are authentic, the others'
/// sequence numbers mean the same.
const NEAR: u64 = 1 << 14;

/// An RTP packet to be protected as one of several.
pub struct Protect<'p> {
    /// The packet, and room behind it.
    pub buf: &'p mut [u8],
    /// Bytes of the packet.
    pub len: usize,
    /// What [`Outbound::protect_rtp`] would have returned.
    pub result: Result<usize, ProtectError>,
}

impl<'p> Protect<'p> {
    /// The packet `buf[..len]`; its result is [`ProtectError::Malformed`] until it was protected.
    pub fn new(buf: &'p mut [u8], len: usize) -> Self {
        Self { buf, len, result: Err(ProtectError::Malformed) }
    }

    /// What seals it; its result is set, since nothing can fail any more.
    #[inline(always)]
    fn sealing<'a>(&'a mut self, keys: &'a RtpKeys, id: PacketId) -> Option<CmSeal<'a>> {
        let (sealing, end) = keys.sealing(self.buf, self.len, id)?;
        self.result = Ok(end);
        Some(sealing)
    }
}

/// An SRTP packet to be opened as one of several.
pub struct Unprotect<'p> {
    /// The packet.
    pub packet: &'p mut [u8],
    /// What [`Inbound::unprotect_rtp`] would have returned.
    pub result: Result<usize, UnprotectError>,
}

impl<'p> Unprotect<'p> {
    /// The packet; its result is [`UnprotectError::Malformed`] until it was opened.
    pub fn new(packet: &'p mut [u8]) -> Self {
        Self { packet, result: Err(UnprotectError::Malformed) }
    }

    /// What opens it, and its result if it is authentic.
    #[inline(always)]
    fn opening<'a>(&'a mut self, keys: &'a RtpKeys, id: PacketId) -> Option<CmOpen<'a>> {
        let opening = keys.opening(self.packet, id)?;
        self.result = Ok(opening.packet.len());
        Some(opening)
    }

    /// Its result; `accept` is asked if it is authentic.
    #[inline(always)]
    fn opened(&mut self, authentic: bool, accept: impl FnOnce() -> Result<(), UnprotectError>) {
        let accepted = if authentic { accept() } else { Err(UnprotectError::AuthFailed) };
        if let Err(error) = accepted {
            self.result = Err(error);
        }
    }
}

type Ids = [Option<PacketId>; TOGETHER];
type Sealing<'a> = SmallVec<[CmSeal<'a>; TOGETHER]>;
type Opening<'a> = SmallVec<[CmOpen<'a>; TOGETHER]>;

/// Which are authentic, in their order.
#[inline(always)]
fn open_together(packets: &mut [CmOpen<'_>], authentic: &mut [bool; TOGETHER]) {
    CmHmacSha1::open_many(packets);
    for (packet, authentic) in packets.iter().zip(authentic) {
        *authentic = packet.authentic;
    }
}

impl Outbound {
    /// Protects a burst of RTP packets, in their order: [`protect_rtp`](Self::protect_rtp) for each, and faster.
    ///
    /// ```
    /// use sealrtp_srtp::{KeySet, Limits, MasterKey, Outbound, Protect, ProtectError, Suite};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[7; 16], &[9; 14])?);
    /// let mut sender = Outbound::new(&key, Limits::default());
    /// let mut buffers = [[0u8; 200]; 3];
    /// for (seq, buffer) in [1, 2, 2].iter().zip(&mut buffers) {
    ///     buffer[..12].copy_from_slice(&[0x80, 0, 0, *seq, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
    /// }
    /// let mut burst: Vec<_> = buffers.iter_mut().map(|buffer| Protect::new(buffer, 12 + 160)).collect();
    /// sender.protect_rtp_batch(&mut burst);
    /// let results: Vec<_> = burst.iter().map(|packet| packet.result).collect();
    /// assert_eq!(results, [Ok(182), Ok(182), Err(ProtectError::IndexUsed)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn protect_rtp_batch(&mut self, packets: &mut [Protect<'_>]) {
        for group in packets.chunks_mut(TOGETHER) {
            if group.len() < 2 || !self.takes_together(group.len()) {
                for packet in group {
                    packet.result = self.protect_rtp(packet.buf, packet.len);
                }
                continue;
            }
            let mut ids: Ids = [None; TOGETHER];
            for (packet, id) in group.iter_mut().zip(&mut ids) {
                match self.admit_plain(packet.buf, packet.len) {
                    Ok(admitted) => *id = Some(admitted),
                    Err(error) => packet.result = Err(error),
                }
            }
            let keys = self.plain_keys();
            let mut sealing = Sealing::new();
            for (packet, id) in group.iter_mut().zip(&ids) {
                sealing.extend(id.and_then(|id| packet.sealing(keys, id)));
            }
            CmHmacSha1::seal_many(&mut sealing);
        }
    }

    /// Protects one RTP packet for each of several streams, as a conference sends them: [`protect_rtp`](Self::protect_rtp)
    /// for each, and faster.
    ///
    /// ```
    /// use sealrtp_srtp::{KeySet, Limits, MasterKey, Outbound, Protect, Suite};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut listeners = Vec::new();
    /// for number in 0..3 {
    ///     let key = KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[number; 16], &[9; 14])?);
    ///     listeners.push(Outbound::new(&key, Limits::default()));
    /// }
    /// let mut buffers = [[0u8; 200]; 3];
    /// for buffer in &mut buffers {
    ///     buffer[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
    /// }
    /// let packets = buffers.iter_mut().map(|buffer| Protect::new(buffer, 12 + 160));
    /// let mut fan_out: Vec<_> = listeners.iter_mut().zip(packets).collect();
    /// Outbound::protect_rtp_fan_out(&mut fan_out);
    /// assert!(fan_out.iter().all(|(_, packet)| packet.result == Ok(182)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn protect_rtp_fan_out(packets: &mut [(&mut Self, Protect<'_>)]) {
        for group in packets.chunks_mut(TOGETHER) {
            for (stream, _) in &*group {
                stream.fetch();
            }
            let mut sealing = Sealing::new();
            for (stream, packet) in group {
                if !stream.takes_together(1) {
                    packet.result = stream.protect_rtp(packet.buf, packet.len);
                    continue;
                }
                match stream.admit_plain(packet.buf, packet.len) {
                    Ok(id) => sealing.extend(packet.sealing(stream.plain_keys(), id)),
                    Err(error) => packet.result = Err(error),
                }
            }
            CmHmacSha1::seal_many(&mut sealing);
        }
    }
}

impl Inbound {
    /// Opens a burst of SRTP packets, in their order: [`unprotect_rtp`](Self::unprotect_rtp) for each, and faster.
    ///
    /// ```
    /// use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey, Outbound, Suite, Unprotect, UnprotectError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[7; 16], &[9; 14])?);
    /// let mut sender = Outbound::new(&key, Limits::default());
    /// let mut buffers = [[0u8; 182]; 3];
    /// for (seq, buffer) in (1..).zip(&mut buffers) {
    ///     buffer[..12].copy_from_slice(&[0x80, 0, 0, seq, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
    ///     sender.protect_rtp(buffer, 12 + 160)?;
    /// }
    /// buffers[1][100] ^= 1;
    /// let mut receiver = Inbound::new(&key, Limits::default());
    /// let mut burst: Vec<_> = buffers.iter_mut().map(|buffer| Unprotect::new(buffer)).collect();
    /// receiver.unprotect_rtp_batch(&mut burst);
    /// let results: Vec<_> = burst.iter().map(|packet| packet.result).collect();
    /// assert_eq!(results, [Ok(172), Err(UnprotectError::AuthFailed), Ok(172)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unprotect_rtp_batch(&mut self, mut packets: &mut [Unprotect<'_>]) {
        while !packets.is_empty() {
            let mut ids: Ids = [None; TOGETHER];
            let together = self.independent(packets, &mut ids);
            let (group, rest) = packets.split_at_mut(together.max(1));
            packets = rest;
            if let [packet] = group {
                packet.result = self.unprotect_rtp(packet.packet);
                continue;
            }
            let keys = self.plain_keys();
            let mut authentic = [false; TOGETHER];
            {
                let mut opening = Opening::new();
                for (packet, id) in group.iter_mut().zip(&ids) {
                    opening.extend(id.and_then(|id| packet.opening(keys, id)));
                }
                open_together(&mut opening, &mut authentic);
            }
            for ((packet, id), authentic) in group.iter_mut().zip(ids.iter().flatten()).zip(&authentic) {
                packet.opened(*authentic, || self.accept_plain(*id));
            }
        }
    }

    /// How many packets in front, at most [`TOGETHER`] and of one stream, get the same answers whatever becomes of the others
    /// before them.
    #[inline(always)]
    fn independent(&mut self, packets: &[Unprotect<'_>], ids: &mut Ids) -> usize {
        if packets.len() < 2 || !self.takes_together(TOGETHER) {
            return 0;
        }
        let (mut low, mut high) = (u64::MAX, 0);
        for (at, packet) in packets.iter().take(TOGETHER).enumerate() {
            let Some((id, highest, size)) = self.expect_plain(packet.packet) else { return at };
            low = low.min(id.index).min(highest);
            high = high.max(id.index).max(highest);
            let before = &ids[..at];
            let other_stream = ids[0].is_some_and(|first| first.ssrc != id.ssrc);
            let again = before.iter().flatten().any(|other| other.index == id.index);
            if other_stream || again || high - low >= size.min(NEAR) {
                return at;
            }
            ids[at] = Some(id);
        }
        packets.len().min(TOGETHER)
    }

    /// Opens one SRTP packet of each of several streams: [`unprotect_rtp`](Self::unprotect_rtp) for each, and faster.
    pub fn unprotect_rtp_fan_in(packets: &mut [(&mut Self, Unprotect<'_>)]) {
        for group in packets.chunks_mut(TOGETHER) {
            for (stream, _) in &*group {
                stream.fetch();
            }
            let mut ids: Ids = [None; TOGETHER];
            for ((stream, packet), id) in group.iter_mut().zip(&mut ids) {
                *id = stream
                    .takes_together(1)
                    .then(|| stream.expect_plain(packet.packet))
                    .flatten()
                    .map(|(id, ..)| id);
                if id.is_none() {
                    packet.result = stream.unprotect_rtp(packet.packet);
                }
            }
            let mut authentic = [false; TOGETHER];
            {
                let mut opening = Opening::new();
                for ((stream, packet), id) in group.iter_mut().zip(&ids) {
                    opening.extend(id.and_then(|id| packet.opening(stream.plain_keys(), id)));
                }
                open_together(&mut opening, &mut authentic);
            }
            let packets = group.iter_mut().zip(&ids).filter_map(|(pair, id)| Some((pair, id.as_ref()?)));
            for (((stream, packet), id), authentic) in packets.zip(&authentic) {
                packet.opened(*authentic, || stream.accept_plain(*id));
            }
        }
    }
}
