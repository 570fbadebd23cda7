//! RTP and RTCP packets of every shape (RFC 3550, 5285, 5506).

use proptest::collection::vec;
use proptest::prelude::*;

/// A plain RTP packet.
pub fn rtp(ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend(u32::from(seq).wrapping_mul(160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

prop_compose! {
    /// An RTP packet with any marker, payload type and timestamp, 0 to 15 CSRCs, perhaps a header extension, perhaps
    /// padding, and up to 300 bytes of payload.
    pub fn any_rtp(ssrc: u32)(
        seq in any::<u16>(),
        marker_and_type in any::<u8>(),
        timestamp in any::<u32>(),
        csrcs in vec(any::<u32>(), 0..=15),
        extension in prop::option::of((any::<u16>(), vec(any::<u32>(), 0..20))),
        mut payload in vec(any::<u8>(), 0..300),
        padding in prop::option::of(1u8..=16),
    ) -> Vec<u8> {
        let has_extension = u8::from(extension.is_some()) << 4;
        let has_padding = u8::from(padding.is_some()) << 5;
        let mut packet = vec![0x80 | has_padding | has_extension | csrcs.len() as u8, marker_and_type];
        packet.extend(seq.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(csrcs.iter().flat_map(|csrc| csrc.to_be_bytes()));
        if let Some((profile, words)) = extension {
            packet.extend(profile.to_be_bytes());
            packet.extend((words.len() as u16).to_be_bytes());
            packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
        if let Some(count) = padding {
            payload.resize(payload.len() + usize::from(count), 0);
            *payload.last_mut().expect("at least one byte of padding") = count;
        }
        packet.extend(payload);
        packet
    }
}

fn rtcp_block(kind: u8, count: u8, ssrc: u32, words: &[u32]) -> Vec<u8> {
    let mut packet = vec![0x80 | count & 0x1f, kind];
    packet.extend((words.len() as u16 + 1).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    packet
}

prop_compose! {
    /// A reduced-size RTCP packet (RFC 5506): feedback, APP or BYE alone.
    pub fn reduced_size_rtcp(ssrc: u32)(
        kind in prop::sample::select(vec![203u8, 204, 205, 206, 207]),
        count in 0u8..32,
        words in vec(any::<u32>(), 0..30),
    ) -> Vec<u8> {
        rtcp_block(kind, count, ssrc, &words)
    }
}

prop_compose! {
    /// A compound RTCP packet: a report, a source description, and up to five more, also from other SSRCs.
    pub fn compound_rtcp(ssrc: u32)(
        is_sender in any::<bool>(),
        reports in 0u8..8,
        numbers in vec(any::<u32>(), 5 + 6 * 8),
        cname in "[a-z]{1,40}",
        more in vec(any::<u32>().prop_flat_map(reduced_size_rtcp), 0..5),
    ) -> Vec<u8> {
        let (kind, own) = if is_sender { (200, 5) } else { (201, 0) };
        let mut packet = rtcp_block(kind, reports, ssrc, &numbers[..own + 6 * usize::from(reports)]);
        let mut item = vec![1, cname.len() as u8];
        item.extend(cname.as_bytes());
        item.resize((item.len() + 1).next_multiple_of(4), 0);
        let words: Vec<u32> = item.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect();
        packet.extend(rtcp_block(202, 1, ssrc, &words));
        packet.extend(more.concat());
        packet
    }
}

/// A compound or a reduced-size RTCP packet.
pub fn any_rtcp(ssrc: u32) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![compound_rtcp(ssrc), reduced_size_rtcp(ssrc)]
}
