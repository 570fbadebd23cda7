//! The ZRTP packet: header and CRC around one message (RFC 6189 section 5).

use crate::message::MAX_MESSAGE_LEN;

const HEADER: usize = 12;
const CRC_LEN: usize = 4;
const COOKIE: [u8; 4] = *b"ZRTP";
/// CRC-32C of RFC 4960 Appendix B.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Most bytes of a ZRTP packet.
pub const MAX_PACKET_LEN: usize = HEADER + MAX_MESSAGE_LEN + CRC_LEN;

/// A packet's header and the message in it, not yet parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Counts the sender's packets.
    pub sequence: u16,
    /// SSRC of the RTP stream that the packet belongs to.
    pub ssrc: u32,
    /// The message, 12 to [`MAX_MESSAGE_LEN`] bytes.
    pub message: &'a [u8],
}

/// Why a datagram is not a ZRTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Another protocol.
    #[error("not a ZRTP packet")]
    NotZrtp,
    /// Too short, too long, or not a whole number of words.
    #[error("a ZRTP packet of an impossible length")]
    Length,
    /// Damaged on its way.
    #[error("a ZRTP packet with a wrong CRC")]
    Crc,
}

/// Whether a datagram is a ZRTP packet by its first eight bytes: what tells it from RTP, STUN and DTLS (RFC 7983).
pub fn is_zrtp(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xf0 == 0x10 && datagram[4..8] == COOKIE
}

impl<'a> Packet<'a> {
    /// Reads header and CRC.
    ///
    /// # Errors
    /// A [`PacketError`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        if !is_zrtp(datagram) {
            return Err(PacketError::NotZrtp);
        }
        if datagram.len() > MAX_PACKET_LEN || !datagram.len().is_multiple_of(4) {
            return Err(PacketError::Length);
        }
        let (covered, crc) = datagram.split_last_chunk::<CRC_LEN>().ok_or(PacketError::Length)?;
        let message = covered.get(HEADER..).filter(|m| m.len() >= HEADER).ok_or(PacketError::Length)?;
        if CRC.checksum(covered).to_le_bytes() != *crc {
            return Err(PacketError::Crc);
        }
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        Ok(Self { sequence, ssrc, message })
    }

    /// The datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.message.len() + CRC_LEN);
        out.extend_from_slice(&[0x10, 0]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.message);
        let crc = CRC.checksum(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }
}
