//! UDP datagrams out of a classic pcap file, as tcpdump writes it.

use std::net::{Ipv4Addr, SocketAddrV4};

/// One UDP datagram over IPv4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Time of capture in microseconds since 1970.
    pub time_us: u64,
    /// Where it came from.
    pub source: SocketAddrV4,
    /// Where it went to.
    pub destination: SocketAddrV4,
    /// UDP payload.
    pub payload: Vec<u8>,
}

/// Every whole UDP datagram in a capture file; a last record that is cut short (the writer was stopped) is left out.
pub fn read(file: &[u8]) -> Result<Vec<Datagram>, String> {
    let magic: [u8; 4] = file.get(..4).and_then(|m| m.try_into().ok()).ok_or("shorter than a pcap header")?;
    let (big_endian, nanoseconds) = match u32::from_le_bytes(magic) {
        0xa1b2_c3d4 => (false, false),
        0xa1b2_3c4d => (false, true),
        0xd4c3_b2a1 => (true, false),
        0x4d3c_b2a1 => (true, true),
        _ => return Err("not a classic pcap file".into()),
    };
    let word = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = file.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let link = word(20).ok_or("shorter than a pcap header")?;
    let mut datagrams = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(kept)) = (word(at), word(at + 4), word(at + 8)) {
        let start = at + 16;
        let Some(frame) = file.get(start..start.saturating_add(kept as usize)) else { break };
        let time_us =
            u64::from(seconds) * 1_000_000 + u64::from(fraction) / if nanoseconds { 1000 } else { 1 };
        if let Some((source, destination, payload)) = network_layer(link, frame)?.and_then(udp) {
            datagrams.push(Datagram { time_us, source, destination, payload: payload.to_vec() });
        }
        at = start + kept as usize;
    }
    Ok(datagrams)
}

/// The IPv4 packet in a frame of the given link type (tcpdump.org/linktypes).
fn network_layer(link: u32, frame: &[u8]) -> Result<Option<&[u8]>, String> {
    let (type_at, header) = match link {
        1 => (12, 14),
        113 => (14, 16),
        276 => (0, 20),
        101 | 228 => return Ok(Some(frame)),
        other => return Err(format!("link type {other} is not known here")),
    };
    Ok((frame.get(type_at..type_at + 2) == Some(&[0x08, 0x00])).then(|| frame.get(header..)).flatten())
}

fn udp(packet: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    if first >> 4 != 4 || header < 20 || *packet.get(9)? != 17 || fragment != 0 {
        return None;
    }
    let address = |at: usize| -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(bytes.into())
    };
    let half = |at: usize| -> Option<u16> {
        Some(u16::from_be_bytes([*packet.get(header + at)?, *packet.get(header + at + 1)?]))
    };
    let payload = packet.get(header + 8..header + usize::from(half(4)?))?;
    Some((SocketAddrV4::new(address(12)?, half(0)?), SocketAddrV4::new(address(16)?, half(2)?), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture() -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
        frame.extend([0x10, 0, 0x20, 0, 0, 11, 0, 0, b'a', b'b', b'c']);
        let mut file = Vec::new();
        for word in
            [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1, 2, 3, frame.len() as u32, frame.len() as u32]
        {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
        file
    }

    #[test]
    fn a_datagram_comes_out_with_its_addresses() {
        let found = read(&capture()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].time_us, 2_000_003);
        assert_eq!(found[0].source, "127.0.0.1:4096".parse().unwrap());
        assert_eq!(found[0].destination, "127.0.0.2:8192".parse().unwrap());
        assert_eq!(found[0].payload, b"abc");
    }

    #[test]
    fn every_truncation_is_survived() {
        let file = capture();
        for length in 0..file.len() {
            if let Ok(found) = read(&file[..length]) {
                assert!(found.is_empty());
            }
        }
    }
}
