//! The parts of RTP and RTCP headers that SRTP needs; every length a peer chose is checked here.

/// Longest packet, in bytes: what a UDP datagram can hold.
pub const MAX_PACKET_LEN: usize = 65_507;
/// Bytes of a fixed RTP header.
const RTP_FIXED: usize = 12;
/// Bytes of the RTCP header that stay clear: the first packet's header and sender SSRC.
pub(crate) const RTCP_CLEAR: usize = 8;
/// Bytes of the E flag and SRTCP index.
pub(crate) const SRTCP_WORD: usize = 4;

/// The packet is no RTP or RTCP packet, or one of its lengths lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// RFC 3550 section 5.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpHeader {
    /// Bytes up to the payload: fixed part, CSRCs and header extension.
    pub(crate) len: usize,
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
}

impl RtpHeader {
    /// Parses the header of a packet whose last `trailer` bytes are no payload.
    pub(crate) fn parse(packet: &[u8], trailer: usize) -> Result<Self, Malformed> {
        let Some((fixed, _)) = packet.split_first_chunk::<RTP_FIXED>() else { return Err(Malformed) };
        if fixed[0] >> 6 != 2 || packet.len() > MAX_PACKET_LEN {
            return Err(Malformed);
        }
        let mut len = RTP_FIXED + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let Some(extension) = packet.get(len..len + 4) else { return Err(Malformed) };
            len += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if len + trailer > packet.len() {
            return Err(Malformed);
        }
        Ok(Self {
            len,
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            seq: u16::from_be_bytes([fixed[2], fixed[3]]),
        })
    }
}

/// RFC 3550 section 6.4: the first header of a compound, or the only one of a reduced-size packet (RFC 5506).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtcpHeader {
    pub(crate) ssrc: u32,
}

impl RtcpHeader {
    /// Parses the first header of a packet whose last `trailer` bytes are not RTCP.
    pub(crate) fn parse(packet: &[u8], trailer: usize) -> Result<Self, Malformed> {
        let Some((fixed, _)) = packet.split_first_chunk::<RTCP_CLEAR>() else { return Err(Malformed) };
        let first = 4 + 4 * usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let plain = packet.len().checked_sub(trailer).ok_or(Malformed)?;
        if fixed[0] >> 6 != 2 || packet.len() > MAX_PACKET_LEN || first < RTCP_CLEAR || first > plain {
            return Err(Malformed);
        }
        Ok(Self { ssrc: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_claims_more_than_the_packet_holds_is_malformed() {
        let mut packet = [0u8; 20];
        packet[0] = 0x80;
        assert_eq!(RtpHeader::parse(&packet, 0).unwrap().len, 12);
        assert!(RtpHeader::parse(&packet, 8).is_ok());
        assert!(RtpHeader::parse(&packet, 9).is_err());
        packet[0] = 0x82;
        assert_eq!(RtpHeader::parse(&packet, 0).unwrap().len, 20);
        packet[0] = 0x83;
        assert!(RtpHeader::parse(&packet, 0).is_err());
        packet[0] = 0x90;
        packet[15] = 1;
        assert_eq!(RtpHeader::parse(&packet, 0).unwrap().len, 20);
        packet[15] = 2;
        assert!(RtpHeader::parse(&packet, 0).is_err());
        packet[14] = 0xff;
        assert!(RtpHeader::parse(&packet, 0).is_err());
        packet[0] = 0x00;
        assert!(RtpHeader::parse(&packet, 0).is_err());
        assert!(RtpHeader::parse(&packet[..11], 0).is_err());
    }

    #[test]
    fn an_rtcp_length_beyond_the_packet_is_malformed() {
        let mut packet = [0u8; 12];
        packet[0] = 0x80;
        packet[3] = 1;
        assert!(RtcpHeader::parse(&packet, 4).is_ok());
        packet[3] = 2;
        assert!(RtcpHeader::parse(&packet, 0).is_ok());
        assert!(RtcpHeader::parse(&packet, 4).is_err());
        packet[3] = 0;
        assert!(RtcpHeader::parse(&packet, 0).is_err());
        packet[3] = 1;
        assert!(RtcpHeader::parse(&packet[..7], 0).is_err());
        assert!(RtcpHeader::parse(&packet, 13).is_err());
    }
}
