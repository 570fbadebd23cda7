//! What the judge reads of an RTP or RTCP header (RFC 3550 section 5.1, RFC 5761 section 4).

/// The fields of an RTP header that tell one packet from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes before the payload: fixed header, CSRCs and extension.
    pub length: usize,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number as sent.
    pub sequence: u16,
    /// Timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Length in bytes of the fixed RTP header.
pub const FIXED_HEADER: usize = 12;

/// Whether the datagram is RTCP by its second byte, as RFC 5761 tells them apart on one port.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 8 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

/// The header of an RTP packet; `None` when the datagram cannot be one.
pub fn parse(datagram: &[u8]) -> Option<Header> {
    if datagram.len() < FIXED_HEADER || datagram[0] >> 6 != 2 || is_rtcp(datagram) {
        return None;
    }
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?)) };
    let mut length = FIXED_HEADER + 4 * usize::from(datagram[0] & 0x0f);
    if datagram[0] & 0x10 != 0 {
        length += 4 + 4 * (word(length)? & 0xffff) as usize;
    }
    (length <= datagram.len()).then_some(Header {
        length,
        payload_type: datagram[1] & 0x7f,
        sequence: u16::from_be_bytes([datagram[2], datagram[3]]),
        timestamp: word(4)?,
        ssrc: word(8)?,
    })
}

/// An RTP packet with a plain 12-byte header.
pub fn build(header: &Header, marker: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(FIXED_HEADER + payload.len() + 256);
    packet.extend_from_slice(&[0x80, u8::from(marker) << 7 | header.payload_type]);
    packet.extend_from_slice(&header.sequence.to_be_bytes());
    packet.extend_from_slice(&header.timestamp.to_be_bytes());
    packet.extend_from_slice(&header.ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A compound RTCP packet: a sender report without blocks and an SDES chunk with a CNAME.
pub fn sender_report(ssrc: u32, timestamp: u32, packets: u32, bytes: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    // A fixed NTP time: nobody here computes a round trip from it.
    packet.extend_from_slice(&[0xe0, 0, 0, 0, 0, 0, 0, 0]);
    for word in [timestamp, packets, bytes] {
        packet.extend_from_slice(&word.to_be_bytes());
    }
    packet.extend_from_slice(&[0x81, 202, 0, 3]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[1, 5, b'j', b'u', b'd', b'g', b'e', 0]);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_packet_parses_to_the_same_header() {
        let header = Header { length: 12, payload_type: 8, sequence: 65535, timestamp: 7, ssrc: 0xdead_beef };
        assert_eq!(parse(&build(&header, true, &[1, 2, 3])), Some(header));
    }

    #[test]
    fn lengths_that_lie_are_no_rtp() {
        let header = Header { length: 12, payload_type: 0, sequence: 1, timestamp: 2, ssrc: 3 };
        let mut packet = build(&header, false, &[0; 4]);
        packet[0] |= 0x0f;
        assert_eq!(parse(&packet), None);
        packet[0] = 0x90;
        packet[12..16].copy_from_slice(&[0, 0, 0xff, 0xff]);
        assert_eq!(parse(&packet), None);
        assert_eq!(parse(&packet[..11]), None);
    }

    #[test]
    fn a_sender_report_is_rtcp_and_whole_words() {
        let report = sender_report(1, 2, 3, 4);
        assert!(is_rtcp(&report));
        assert_eq!(report.len() % 4, 0);
        assert_eq!(parse(&report), None);
    }
}
