//! Media, with payloads that nobody could take for one another, nor for something secured.

/// Our PBX's.
pub const OURS: &[u8] = b"media of our own PBX in the clear";
/// The PBX's that is the peer.
pub const THEIRS: &[u8] = b"media of the PBX that is the peer";
/// Somebody's who has no keys.
pub const FORGED: &[u8] = b"media of somebody who has no keys";
/// The probe's.
pub const PROBE: &[u8] = b"a packet of the stream for probes";

/// An RTP packet.
pub fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 160, 1, 2, 3, 4];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// Whether the payload is in there as it is.
pub fn holds(datagram: &[u8], payload: &[u8]) -> bool {
    datagram.windows(payload.len()).any(|window| window == payload)
}
