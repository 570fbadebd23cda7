//! Master keys: several at once, their lifetimes, their successors.

mod common;

use common::*;
use sealrtp_srtp::{
    Event, Inbound, KeyError, KeySet, Lifetime, Limits, Outbound, ProtectError, Protocol, SessionParams,
    Suite, UnprotectError,
};

const SUITES: [Suite; 4] =
    [Suite::AesCm128HmacSha1_80, Suite::AesCm256HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm8];

fn with_params(suite: Suite, params: SessionParams) -> KeySet {
    KeySet::new(vec![master(suite, 1)], params).unwrap()
}

#[test]
fn no_packet_in_flight_is_lost_over_a_rekey() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(&keys(suite, 1));
        let mut seq = 65_500u16;
        let mut next = || {
            seq = seq.wrapping_add(1);
            rtp(7, seq)
        };
        for _ in 0..100 {
            let packet = next();
            assert_eq!(opened(&mut receiver, &protected(&mut sender, &packet)), Ok(packet));
        }
        let in_flight: Vec<_> = (0..50).map(|_| next()).map(|p| (protected(&mut sender, &p), p)).collect();
        let replay = in_flight[0].clone();
        receiver.rekey(&keys(suite, 2));
        assert_eq!(opened(&mut receiver, &in_flight[0].0), Ok(in_flight[0].1.clone()), "{suite}");
        sender.rekey(&keys(suite, 2));
        for (wire, packet) in &in_flight[1..] {
            let new = next();
            assert_eq!(opened(&mut receiver, &protected(&mut sender, &new)), Ok(new), "{suite}");
            assert_eq!(opened(&mut receiver, wire).as_ref(), Ok(packet), "{suite}");
        }
        assert!(matches!(receiver.poll_event(), Some(Event::Rekeyed { ssrc: 7 })), "{suite}");
        assert_eq!(receiver.poll_event(), None);
        assert!(opened(&mut receiver, &replay.0).is_err(), "{suite}: a replay came through");
        let mut old = Outbound::new(&keys(suite, 1), Limits::default());
        for _ in 0..512 {
            let new = next();
            assert_eq!(opened(&mut receiver, &protected(&mut sender, &new)), Ok(new), "{suite}");
        }
        let stale = protected(&mut old, &rtp(9, 1));
        assert_eq!(
            opened(&mut receiver, &stale),
            Err(UnprotectError::AuthFailed),
            "{suite}: the old key lives on"
        );
    }
}

#[test]
fn a_peer_that_starts_again_at_roc_zero_with_its_new_key_is_heard() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(&keys(suite, 1));
        let mut seq = 60_000u16;
        for _ in 0..200 {
            seq = seq.wrapping_add(100);
            assert!(opened(&mut receiver, &protected(&mut sender, &rtp(7, seq))).is_ok());
        }
        receiver.rekey(&keys(suite, 2));
        let mut anew = Outbound::new(&keys(suite, 2), Limits::default());
        for seq in seq..seq + 50 {
            let packet = rtp(7, seq);
            let wire = protected(&mut anew, &packet);
            assert_eq!(opened(&mut receiver, &wire), Ok(packet), "{suite}");
            assert_eq!(opened(&mut receiver, &wire), Err(UnprotectError::Replayed), "{suite}");
        }
    }
}

#[test]
fn the_same_keys_again_do_not_open_the_way_for_replays() {
    for suite in SUITES {
        let (mut sender, mut receiver) = pair(&keys(suite, 1));
        let wire = protected(&mut sender, &rtp(7, 1));
        let control = protected_rtcp(&mut sender, &rtcp(7));
        assert!(opened(&mut receiver, &wire).is_ok());
        assert!(opened_rtcp(&mut receiver, &control).is_ok());
        receiver.rekey(&keys(suite, 1));
        assert_eq!(opened(&mut receiver, &wire), Err(UnprotectError::Replayed));
        assert_eq!(opened_rtcp(&mut receiver, &control), Err(UnprotectError::Replayed));
    }
}

#[test]
fn the_srtcp_index_goes_on_over_a_rekey() {
    let (mut sender, mut receiver) = pair(&keys(Suite::AesCm128HmacSha1_80, 1));
    let index =
        |wire: &[u8]| u32::from_be_bytes(wire[wire.len() - 14..][..4].try_into().unwrap()) & !(1 << 31);
    assert_eq!(index(&protected_rtcp(&mut sender, &rtcp(7))), 0);
    let in_flight = protected_rtcp(&mut sender, &rtcp(7));
    assert_eq!(index(&in_flight), 1);
    sender.rekey(&keys(Suite::AesCm128HmacSha1_80, 2));
    receiver.rekey(&keys(Suite::AesCm128HmacSha1_80, 2));
    let wire = protected_rtcp(&mut sender, &rtcp(7));
    assert_eq!(index(&wire), 2);
    assert_eq!(opened_rtcp(&mut receiver, &wire), Ok(rtcp(7)));
    assert_eq!(receiver.poll_event(), Some(Event::Rekeyed { ssrc: 7 }));
    assert_eq!(opened_rtcp(&mut receiver, &in_flight), Ok(rtcp(7)));
}

#[test]
fn each_packet_is_opened_under_the_key_its_mki_names() {
    for suite in SUITES {
        for mki_len in [1, 4, 128] {
            let mki = |n: u8| {
                let mut mki = vec![0; mki_len];
                mki[mki_len - 1] = n;
                mki
            };
            let key = |n| master(suite, n).with_mki(&mki(n)).unwrap();
            let both = KeySet::new(vec![key(1), key(2)], SessionParams::default()).unwrap();
            let mut receiver = Inbound::new(&both, Limits::default());
            for n in [1, 2] {
                let only = KeySet::new(vec![key(n)], SessionParams::default()).unwrap();
                let mut sender = Outbound::new(&only, Limits::default());
                let wire = protected(&mut sender, &rtp(n.into(), 1));
                assert_eq!(wire.len(), 32 + mki_len + suite.rtp_tag_len());
                assert_eq!(opened(&mut receiver, &wire), Ok(rtp(n.into(), 1)), "{suite}");
                let wire = protected_rtcp(&mut sender, &rtcp(n.into()));
                assert_eq!(opened_rtcp(&mut receiver, &wire), Ok(rtcp(n.into())), "{suite}");
            }
            let other =
                KeySet::new(vec![master(suite, 3).with_mki(&mki(3)).unwrap()], SessionParams::default());
            let wire = protected(&mut Outbound::new(&other.unwrap(), Limits::default()), &rtp(3, 1));
            assert_eq!(opened(&mut receiver, &wire), Err(UnprotectError::UnknownKey), "{suite}");
        }
    }
}

#[test]
fn keys_by_from_to_change_at_their_index() {
    for suite in SUITES {
        let ranged = |seed, from, to| master(suite, seed).with_range(from, to).unwrap();
        let set = KeySet::new(vec![ranged(1, 0, 99), ranged(2, 100, 199)], SessionParams::default()).unwrap();
        let (mut sender, mut receiver) = pair(&set);
        let mut first = Inbound::new(&keys(suite, 1), Limits::default());
        let mut second = Inbound::new(&keys(suite, 2), Limits::default());
        for seq in 0..200 {
            let wire = protected(&mut sender, &rtp(7, seq));
            assert_eq!(opened(&mut receiver, &wire), Ok(rtp(7, seq)));
            assert_eq!(opened(&mut first, &wire).is_ok(), seq < 100, "{suite} {seq}");
            assert_eq!(opened(&mut second, &wire).is_ok(), seq >= 100, "{suite} {seq}");
            if seq % 50 == 49 {
                let wire = protected_rtcp(&mut sender, &rtcp(7));
                assert_eq!(opened_rtcp(&mut receiver, &wire), Ok(rtcp(7)));
            }
        }
        let mut buf = rtp(7, 200);
        buf.resize(100, 0);
        assert_eq!(sender.protect_rtp(&mut buf, 32), Err(ProtectError::KeyExpired));
    }
}

#[test]
fn a_lifetime_is_warned_of_and_then_enforced_on_both_sides() {
    for suite in SUITES {
        let short = master(suite, 1).with_lifetime(Lifetime::signalled(16).unwrap());
        let (mut sender, mut receiver) = pair(&KeySet::single(short.clone()));
        let mut unlimited = Outbound::new(&keys(suite, 1), Limits::default());
        for seq in 0..16 {
            assert!(!sender.has_event() || seq >= 14, "{suite}: warned at {seq}");
            let wire = protected(&mut sender, &rtp(7, seq));
            assert_eq!(wire, protected(&mut unlimited, &rtp(7, seq)));
            assert!(opened(&mut receiver, &wire).is_ok());
        }
        let expiring = Event::KeyExpiring { protocol: Protocol::Srtp, remaining: 2 };
        let mut buf = rtp(7, 16);
        buf.resize(100, 0);
        assert_eq!(sender.protect_rtp(&mut buf, 32), Err(ProtectError::KeyExpired), "{suite}");
        assert_eq!(buf[..32], rtp(7, 16), "{suite}: a refused packet was touched");
        let wire = protected(&mut unlimited, &rtp(7, 16));
        assert_eq!(opened(&mut receiver, &wire), Err(UnprotectError::KeyExpired), "{suite}");
        for mut poll in [
            Box::new(|| sender.poll_event()) as Box<dyn FnMut() -> Option<Event>>,
            Box::new(|| receiver.poll_event()),
        ] {
            assert_eq!(poll(), Some(expiring));
            assert_eq!(poll(), Some(Event::KeyExpired { protocol: Protocol::Srtp }));
            assert_eq!(poll(), None);
        }
        sender.rekey(&keys(suite, 2));
        receiver.rekey(&keys(suite, 2));
        assert_eq!(opened(&mut receiver, &protected(&mut sender, &rtp(7, 16))), Ok(rtp(7, 16)));
    }
}

#[test]
fn sending_moves_on_to_the_next_mki_when_a_key_is_used_up() {
    let key = |n: u8| {
        let lifetime = Lifetime::signalled(10).unwrap();
        master(Suite::AeadAes128Gcm, n).with_mki(&[n]).unwrap().with_lifetime(lifetime)
    };
    let (mut sender, mut receiver) =
        pair(&KeySet::new(vec![key(1), key(2)], SessionParams::default()).unwrap());
    for seq in 0..20 {
        let wire = protected(&mut sender, &rtp(7, seq));
        assert_eq!(wire[wire.len() - 1], if seq < 10 { 1 } else { 2 });
        assert_eq!(opened(&mut receiver, &wire), Ok(rtp(7, seq)));
    }
}

#[test]
fn session_keys_are_derived_anew_at_the_rate_that_was_signalled() {
    for suite in SUITES {
        let rated = with_params(suite, SessionParams { key_derivation_rate: 16, ..SessionParams::default() });
        let (mut sender, mut receiver) = pair(&rated);
        let mut never = Inbound::new(&keys(suite, 1), Limits::default());
        let wires: Vec<_> = (0..64).map(|seq| protected(&mut sender, &rtp(7, seq))).collect();
        for (seq, wire) in wires.iter().enumerate() {
            assert_eq!(opened(&mut never, wire).is_ok(), seq < 16, "{suite} {seq}");
        }
        // Across a boundary in any order.
        for seq in [0, 20, 15, 16, 40, 31, 33, 47, 48] {
            assert_eq!(opened(&mut receiver, &wires[seq]), Ok(rtp(7, seq as u16)), "{suite} {seq}");
        }
        let wires: Vec<_> = (0..40).map(|_| protected_rtcp(&mut sender, &rtcp(7))).collect();
        for at in [0, 20, 15, 16, 39] {
            assert_eq!(opened_rtcp(&mut receiver, &wires[at]), Ok(rtcp(7)), "{suite} {at}");
        }
    }
}

#[test]
fn session_parameters_do_what_they_say() {
    let suite = Suite::AesCm128HmacSha1_80;
    let clear = with_params(suite, SessionParams { unencrypted_srtp: true, ..SessionParams::default() });
    let (mut sender, mut receiver) = pair(&clear);
    let wire = protected(&mut sender, &rtp(7, 1));
    assert_eq!((wire.len(), &wire[..32]), (42, &rtp(7, 1)[..]));
    assert_eq!(opened(&mut receiver, &wire), Ok(rtp(7, 1)));
    let untagged =
        with_params(suite, SessionParams { unauthenticated_srtp: true, ..SessionParams::default() });
    let (mut sender, mut receiver) = pair(&untagged);
    let wire = protected(&mut sender, &rtp(7, 1));
    assert_eq!(wire.len(), 32);
    assert_ne!(wire, rtp(7, 1));
    assert_eq!(opened(&mut receiver, &wire), Ok(rtp(7, 1)));
    let wire = protected_rtcp(&mut sender, &rtcp(7));
    assert_eq!(wire.len(), rtcp(7).len() + 14, "SRTCP stays authenticated");
    assert_eq!(opened_rtcp(&mut receiver, &wire), Ok(rtcp(7)));
}

#[test]
fn key_sets_that_cannot_work_are_refused_with_the_reason() {
    use sealrtp_srtp::MasterKey;
    let suite = Suite::AesCm128HmacSha1_80;
    let set = |keys| KeySet::new(keys, SessionParams::default()).map(|_| ());
    assert_eq!(set(vec![]), Err(KeyError::KeyCount(0)));
    assert_eq!(set(vec![master(suite, 1), master(suite, 2)]), Err(KeyError::MixedSelectors));
    let mki = |n, mki: &[u8]| master(suite, n).with_mki(mki).unwrap();
    assert_eq!(set(vec![mki(1, &[1]), mki(2, &[1])]), Err(KeyError::DuplicateMki));
    assert_eq!(set(vec![mki(1, &[1]), mki(2, &[1, 2])]), Err(KeyError::MixedSelectors));
    assert_eq!(master(suite, 1).with_mki(&[]).map(|_| ()), Err(KeyError::MkiLength(0)));
    assert_eq!(master(suite, 1).with_mki(&[0; 129]).map(|_| ()), Err(KeyError::MkiLength(129)));
    let range = |n, from, to| master(suite, n).with_range(from, to).unwrap();
    assert_eq!(set(vec![range(1, 0, 10), range(2, 10, 20)]), Err(KeyError::Range));
    assert_eq!(master(suite, 1).with_range(2, 1).map(|_| ()), Err(KeyError::Range));
    assert_eq!(
        MasterKey::new(suite, &[0; 32], &[0; 14]).map(|_| ()),
        Err(KeyError::KeyLength { suite, expected: 16, got: 32 })
    );
    let weak = SessionParams { unencrypted_srtp: true, ..SessionParams::default() };
    let aead = Suite::AeadAes128Gcm;
    assert_eq!(KeySet::new(vec![master(aead, 1)], weak).map(|_| ()), Err(KeyError::AeadParameter(aead)));
    let rate = SessionParams { key_derivation_rate: 3, ..SessionParams::default() };
    assert_eq!(KeySet::new(vec![master(suite, 1)], rate).map(|_| ()), Err(KeyError::KeyDerivationRate(3)));
    assert_eq!(Lifetime::signalled(0), Err(KeyError::Lifetime));
    assert_eq!(Lifetime::signalled((1 << 48) + 1), Err(KeyError::Lifetime));
    assert_eq!(Lifetime::signalled(1 << 40).map(Lifetime::srtcp), Ok(1 << 31));
}

#[test]
fn debug_output_shows_no_key() {
    let key = sealrtp_srtp::MasterKey::new(Suite::AesCm128HmacSha1_80, &[0xab; 16], &[0xcd; 14]).unwrap();
    let shown = format!("{key:?} {:?}", KeySet::single(key.clone()));
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab, "), "{shown}");
    assert!(!shown.contains("205") && !shown.to_lowercase().contains("cd, "), "{shown}");
}
