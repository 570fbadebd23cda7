//! What one direction does with many packets: replay, order, wraps, SSRCs.

mod common;

use common::*;
use proptest::prelude::*;
use sealrtp_srtp::{
    Event, Inbound, KeySet, Limits, Outbound, ProtectError, SessionParams, Suite, UnprotectError,
};

#[test]
fn every_suite_gives_back_what_it_protected() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(&keys(suite, 1));
        for seq in 0..20 {
            let packet = rtp(7, seq);
            let wire = protected(&mut sender, &packet);
            assert_eq!(wire.len(), packet.len() + suite.rtp_tag_len(), "{suite}");
            assert_eq!(opened(&mut receiver, &wire), Ok(packet), "{suite}");
            let packet = rtcp(7);
            let wire = protected_rtcp(&mut sender, &packet);
            assert_eq!(wire.len(), packet.len() + 4 + suite.rtcp_tag_len(), "{suite}");
            assert_eq!(opened_rtcp(&mut receiver, &wire), Ok(packet), "{suite}");
            assert_eq!(opened_rtcp(&mut receiver, &wire), Err(UnprotectError::Replayed), "{suite}");
        }
    }
}

#[test]
fn payloads_are_hidden_by_every_suite_that_encrypts() {
    for suite in Suite::ALL {
        let mut sender = Outbound::new(&keys(suite, 1), Limits::default());
        let packet = rtp(7, 1);
        let wire = protected(&mut sender, &packet);
        let clear = wire[12..packet.len()] == packet[12..];
        let null = matches!(suite, Suite::NullHmacSha1_80 | Suite::NullHmacSha1_32);
        assert_eq!(clear, null, "{suite}");
        assert_eq!(wire[..12], packet[..12], "{suite}");
    }
}

#[test]
fn any_changed_bit_fails_and_the_packet_still_opens_afterwards() {
    for suite in Suite::ALL.into_iter().filter(|suite| suite.rtp_tag_len() > 0) {
        let (mut sender, mut receiver) = pair(&keys(suite, 1));
        let wire = protected(&mut sender, &rtp(7, 1));
        for bit in 0..wire.len() * 8 {
            let mut changed = wire.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let result = opened(&mut receiver, &changed);
            assert!(
                matches!(result, Err(UnprotectError::AuthFailed | UnprotectError::Malformed)),
                "{suite} bit {bit}: {result:?}"
            );
        }
        assert_eq!(receiver.ssrcs(), 0, "{suite}: a forged packet left state behind");
        assert_eq!(opened(&mut receiver, &wire), Ok(rtp(7, 1)), "{suite}");
    }
}

#[test]
fn a_clear_rtcp_packet_is_refused_even_with_a_good_tag() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let clear = KeySet::new(
            vec![master(suite, 1)],
            SessionParams { unencrypted_srtcp: true, ..SessionParams::default() },
        )
        .unwrap();
        let (mut sender, mut agreed) = pair(&clear);
        let mut strict = Inbound::new(&keys(suite, 1), Limits::default());
        let wire = protected_rtcp(&mut sender, &rtcp(7));
        assert_eq!(wire[..rtcp(7).len()], rtcp(7));
        assert_eq!(opened_rtcp(&mut strict, &wire), Err(UnprotectError::AuthFailed));
        assert_eq!(opened_rtcp(&mut agreed, &wire), Ok(rtcp(7)));
    }
}

#[test]
fn an_index_is_never_sent_twice() {
    let mut sender = Outbound::new(&keys(Suite::AesCm128HmacSha1_80, 1), Limits::default());
    let send = |sender: &mut Outbound, seq| {
        let mut buf = rtp(7, seq);
        let len = buf.len();
        buf.resize(len + 16, 0);
        sender.protect_rtp(&mut buf, len)
    };
    assert!(send(&mut sender, 1000).is_ok());
    assert_eq!(send(&mut sender, 1000), Err(ProtectError::IndexUsed));
    // Another leg's packets may come out of order, within the window.
    assert!(send(&mut sender, 1010).is_ok());
    assert!(send(&mut sender, 1005).is_ok());
    assert_eq!(send(&mut sender, 1005), Err(ProtectError::IndexUsed));
    assert_eq!(send(&mut sender, 800), Err(ProtectError::IndexUsed));
    // The same keys again, or others and then these again, change nothing of that.
    sender.rekey(&keys(Suite::AesCm128HmacSha1_80, 1));
    assert_eq!(send(&mut sender, 1005), Err(ProtectError::IndexUsed));
    sender.rekey(&keys(Suite::AesCm128HmacSha1_80, 2));
    sender.rekey(&keys(Suite::AesCm128HmacSha1_80, 1));
    assert_eq!(send(&mut sender, 1005), Err(ProtectError::IndexUsed));
    assert!(send(&mut sender, 1011).is_ok());
}

#[test]
fn the_bound_of_ssrcs_holds_in_both_directions_and_is_told_once() {
    let keys = keys(Suite::AeadAes128Gcm, 1);
    let limits = Limits::new(64, 3).unwrap();
    let mut roomy = Outbound::new(&keys, Limits::default());
    let (mut sender, mut receiver) = (Outbound::new(&keys, limits), Inbound::new(&keys, limits));
    for ssrc in 0..5 {
        let wire = protected(&mut roomy, &rtp(ssrc, 1));
        let mut buf = rtp(ssrc, 1);
        let len = buf.len();
        buf.resize(len + 16, 0);
        if ssrc < 3 {
            assert_eq!(opened(&mut receiver, &wire), Ok(rtp(ssrc, 1)));
            assert!(sender.protect_rtp(&mut buf, len).is_ok());
        } else {
            assert_eq!(opened(&mut receiver, &wire), Err(UnprotectError::SsrcLimit));
            assert_eq!(sender.protect_rtp(&mut buf, len), Err(ProtectError::SsrcLimit));
        }
    }
    assert_eq!(receiver.poll_event(), Some(Event::SsrcLimit { ssrc: 3 }));
    assert_eq!(receiver.poll_event(), None);
    assert_eq!(sender.poll_event(), Some(Event::SsrcLimit { ssrc: 3 }));
    assert!(!sender.has_event());
    // Those that were there go on.
    assert_eq!(opened(&mut receiver, &protected(&mut roomy, &rtp(1, 2))), Ok(rtp(1, 2)));
}

#[test]
fn the_window_can_be_up_to_32768_packets() {
    let keys = keys(Suite::AesCm128HmacSha1_32, 1);
    for size in [64u32, 128, 192, 32768] {
        let mut sender = Outbound::new(&keys, Limits::new(32768, 1).unwrap());
        let mut receiver = Inbound::new(&keys, Limits::new(size, 1).unwrap());
        let late: Vec<_> = (0..40_000u16).map(|seq| protected(&mut sender, &rtp(7, seq))).collect();
        assert!(opened(&mut receiver, &late[0]).is_ok());
        // Small steps: a larger one could be a wrap.
        assert!(opened(&mut receiver, &late[20_000]).is_ok());
        assert!(opened(&mut receiver, &late[39_999]).is_ok());
        let oldest = 40_000 - size as usize;
        assert_eq!(opened(&mut receiver, &late[oldest - 1]), Err(UnprotectError::TooOld), "window {size}");
        assert!(opened(&mut receiver, &late[oldest]).is_ok(), "window {size}");
        assert_eq!(opened(&mut receiver, &late[oldest]), Err(UnprotectError::Replayed), "window {size}");
    }
    assert!(Limits::new(63, 1).is_err());
    assert!(Limits::new(32769, 1).is_err());
    assert!(Limits::new(64, 0).is_err());
    assert!(Limits::new(64, 4097).is_err());
}

#[test]
fn the_roc_follows_several_wraps_on_both_sides() {
    let (mut sender, mut receiver) = pair(&keys(Suite::AeadAes256Gcm, 1));
    let mut seq = 65_000u16;
    for _ in 0..3 * 1400 {
        let packet = rtp(7, seq);
        assert_eq!(opened(&mut receiver, &protected(&mut sender, &packet)), Ok(packet));
        seq = seq.wrapping_add(47);
    }
}

/// Suites that tell a forged RTP packet.
fn authenticated() -> Vec<Suite> {
    Suite::ALL.iter().copied().filter(|suite| suite.rtp_tag_len() > 0).collect()
}

proptest! {
    /// Loss, reordering within the window and duplicates: each packet opens once, whatever comes before it.
    #[test]
    fn every_packet_opens_exactly_once_in_any_order(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        start in any::<u16>(),
        order in prop::collection::vec(0usize..100, 1..400),
    ) {
        let (mut sender, mut receiver) = pair(&keys(suite, 3));
        let packets: Vec<_> = (0..100).map(|i| rtp(9, start.wrapping_add(i))).collect();
        let wires: Vec<_> = packets.iter().map(|packet| protected(&mut sender, packet)).collect();
        // The first packet settles the ROC: RFC 3711 section 3.3.1 has the receiver start where the sender does.
        prop_assert!(opened(&mut receiver, &wires[0]).is_ok());
        let mut seen = std::collections::HashSet::from([0]);
        for at in order {
            let expected = if seen.insert(at) { Ok(packets[at].clone()) } else { Err(UnprotectError::Replayed) };
            prop_assert_eq!(opened(&mut receiver, &wires[at]), expected);
        }
    }

    /// Whatever comes from the network, nothing panics, nothing is accepted, and the stream lives on.
    #[test]
    fn arbitrary_bytes_change_nothing(
        suite in prop::sample::select(authenticated()),
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        look_like_rtp in any::<bool>(),
    ) {
        let (mut sender, mut receiver) = pair(&keys(suite, 3));
        for mut packet in junk {
            if let (true, Some(first)) = (look_like_rtp, packet.first_mut()) {
                *first = *first & 0x3f | 0x80;
            }
            prop_assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
            prop_assert!(receiver.unprotect_rtcp(&mut packet).is_err());
        }
        prop_assert_eq!(receiver.ssrcs(), 0);
        let packet = rtp(7, 1);
        prop_assert_eq!(opened(&mut receiver, &protected(&mut sender, &packet)), Ok(packet));
    }
}

#[test]
fn a_direction_stands_in_whole_cache_lines_and_is_small() {
    for (size, align) in
        [(size_of::<Outbound>(), align_of::<Outbound>()), (size_of::<Inbound>(), align_of::<Inbound>())]
    {
        assert_eq!((align, size % 64), (64, 0));
        assert!(size <= 640, "{size} bytes");
    }
}
