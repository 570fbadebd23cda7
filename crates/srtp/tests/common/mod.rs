//! Packets and keys for the tests.
#![allow(dead_code, reason = "each test file uses its part")]

use sealrtp_srtp::{Inbound, KeySet, Limits, MAX_TRAILER_LEN, MasterKey, Outbound, Suite};

/// A key whose every byte depends on `seed`.
pub fn master(suite: Suite, seed: u8) -> MasterKey {
    let bytes = |n: usize, by: u8| (0..n).map(|i| (i as u8).wrapping_mul(by) ^ seed).collect::<Vec<_>>();
    MasterKey::new(suite, &bytes(suite.key_len(), 7), &bytes(suite.salt_len(), 13)).unwrap()
}

pub fn keys(suite: Suite, seed: u8) -> KeySet {
    KeySet::single(master(suite, seed))
}

pub fn pair(keys: &KeySet) -> (Outbound, Inbound) {
    (Outbound::new(keys, Limits::default()), Inbound::new(keys, Limits::default()))
}

/// An RTP packet with a 20-byte payload that its sequence number and SSRC determine.
pub fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&(u32::from(seq) * 160).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((0..20u8).map(|i| i ^ seq as u8 ^ ssrc as u8));
    packet
}

/// A receiver report followed by an SDES chunk.
pub fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 202, 0, 2]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[1, 1, b'x', 0]);
    packet
}

/// The packet as `sender` sends it.
pub fn protected(sender: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + MAX_TRAILER_LEN, 0);
    let len = sender.protect_rtp(&mut buf, packet.len()).unwrap();
    buf.truncate(len);
    buf
}

/// The RTCP packet as `sender` sends it.
pub fn protected_rtcp(sender: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + MAX_TRAILER_LEN, 0);
    let len = sender.protect_rtcp(&mut buf, packet.len()).unwrap();
    buf.truncate(len);
    buf
}

/// The packet as `receiver` opens it.
pub fn opened(receiver: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, sealrtp_srtp::UnprotectError> {
    let mut buf = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut buf)?;
    buf.truncate(len);
    Ok(buf)
}

/// The RTCP packet as `receiver` opens it.
pub fn opened_rtcp(receiver: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, sealrtp_srtp::UnprotectError> {
    let mut buf = packet.to_vec();
    let len = receiver.unprotect_rtcp(&mut buf)?;
    buf.truncate(len);
    Ok(buf)
}
