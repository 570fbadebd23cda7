//! What the tests share: captures.
#![allow(dead_code, missing_docs)]

pub mod bzrtp;
pub mod net;

use std::path::PathBuf;

/// A ZRTP packet of a capture.
pub struct Captured {
    /// UDP source port: which end sent it.
    pub from: u16,
    pub datagram: Vec<u8>,
}

pub fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

pub const CAPTURES: [&str; 5] =
    ["phone-zrtp", "zrtp-dh2k-hs32", "zrtp-dh3k-b32", "zrtp-multi", "zrtp-x255-b256"];

/// The ZRTP packets of a capture on Ethernet and IPv4, in their order.
pub fn capture(name: &str) -> Vec<Captured> {
    let mut all = datagrams(name);
    all.retain(|captured| sealrtp_zrtp::packet::is_zrtp(&captured.datagram));
    all
}

/// Every UDP datagram of a capture on Ethernet and IPv4, in their order.
pub fn datagrams(name: &str) -> Vec<Captured> {
    let file = std::fs::read(captures().join(format!("{name}.pcap"))).unwrap();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(20)), (0xa1b2_c3d4, 1), "a little-endian pcap of Ethernet");
    let (mut at, mut found) = (24, Vec::new());
    while at < file.len() {
        let len = word(at + 8) as usize;
        let frame = &file[at + 16..at + 16 + len];
        at += 16 + len;
        let (ip, udp) = (14, 14 + usize::from(frame[14] & 15) * 4);
        if frame[12..14] != [8, 0] || frame[ip + 9] != 17 {
            continue;
        }
        let from = u16::from_be_bytes([frame[udp], frame[udp + 1]]);
        found.push(Captured { from, datagram: frame[udp + 8..].to_vec() });
    }
    found
}
