//! Several packets at once give what the same packets give one by one.

mod common;

use common::*;
use proptest::prelude::*;
use sealrtp_srtp::{
    Inbound, KeySet, Lifetime, Limits, MAX_TRAILER_LEN, Outbound, Protect, SessionParams, Suite, Unprotect,
};

/// What the keys of a stream are like, beside their suite.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Mki,
    /// So many packets until the key's end.
    Short(u64),
    Rate,
}

fn key_set(suite: Suite, kind: Kind, seed: u8) -> KeySet {
    let key = master(suite, seed);
    let (key, rate) = match kind {
        Kind::Plain => (key, 0),
        Kind::Mki => (key.with_mki(&[1, seed]).unwrap(), 0),
        Kind::Short(packets) => (key.with_lifetime(Lifetime::signalled(packets).unwrap()), 0),
        Kind::Rate => (key, 4),
    };
    let params = SessionParams { key_derivation_rate: rate, ..SessionParams::default() };
    KeySet::new(vec![key], params).unwrap()
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Plain),
        1 => Just(Kind::Mki),
        1 => (1u64..60).prop_map(Kind::Short),
        1 => Just(Kind::Rate),
    ]
}

/// Streams of few SSRCs whose sequence numbers go on, repeat, fall back and jump, a wrap near.
fn numbers() -> impl Strategy<Value = Vec<(u32, u16)>> {
    let step = prop_oneof![
        8 => Just(1i32),
        2 => -3i32..6,
        1 => Just(0),
        1 => -200i32..200,
        1 => prop_oneof![Just(20_000), Just(32_767), Just(32_768), Just(40_000)],
    ];
    let ssrc = prop_oneof![6 => Just(7u32), 2 => 0u32..3];
    (any::<bool>(), prop::collection::vec((ssrc, step), 1..80)).prop_map(|(wraps, steps)| {
        let mut at = if wraps { 65_500 } else { 100 };
        let mut next = |(ssrc, step)| {
            at += step;
            (ssrc, at as u16)
        };
        steps.into_iter().map(&mut next).collect()
    })
}

fn packet((ssrc, seq): (u32, u16), payload: usize) -> Vec<u8> {
    let mut packet = rtp(ssrc, seq);
    packet.resize(12 + payload, seq as u8);
    packet
}

fn events(mut next: impl FnMut() -> Option<sealrtp_srtp::Event>) -> Vec<sealrtp_srtp::Event> {
    std::iter::from_fn(&mut next).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_burst_is_protected_as_one_by_one(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        kind in kinds(),
        numbers in numbers(),
        bursts in prop::collection::vec(1usize..11, 1..40),
        window in prop::sample::select(vec![64u32, 128, 256]),
        payload in 0usize..300,
        room in 0usize..20,
    ) {
        let keys = key_set(suite, kind, 1);
        let limits = Limits::new(window, 2).unwrap();
        let (mut singly, mut at_once) = (Outbound::new(&keys, limits), Outbound::new(&keys, limits));
        let mut clear = numbers.into_iter().map(|number| {
            let packet = packet(number, payload);
            let len = packet.len();
            let mut buf = packet;
            // Some have no room for a tag.
            buf.resize(len + if room < 2 { 4 } else { MAX_TRAILER_LEN }, 0xaa);
            (buf, len)
        });
        for burst in bursts {
            let mut packets: Vec<_> = clear.by_ref().take(burst).collect();
            let mut expected = packets.clone();
            let results: Vec<_> =
                expected.iter_mut().map(|(buf, len)| singly.protect_rtp(buf, *len)).collect();
            let mut batch: Vec<_> = packets.iter_mut().map(|(buf, len)| Protect::new(buf, *len)).collect();
            at_once.protect_rtp_batch(&mut batch);
            let got: Vec<_> = batch.iter().map(|packet| packet.result).collect();
            prop_assert_eq!(got, results);
            prop_assert_eq!(packets, expected);
            prop_assert_eq!(events(|| at_once.poll_event()), events(|| singly.poll_event()));
        }
        prop_assert_eq!(at_once.ssrcs(), singly.ssrcs());
    }

    #[test]
    fn a_burst_is_opened_as_one_by_one(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        kind in kinds(),
        numbers in numbers(),
        bursts in prop::collection::vec(1usize..11, 1..40),
        window in prop::sample::select(vec![64u32, 128, 256, 32_768]),
        payload in 0usize..300,
        // What the network does to each packet: nothing, a changed bit, a cut, a copy of the one before.
        network in prop::collection::vec((0u8..20, any::<u16>()), 80),
        rekeyed in prop::option::of(0usize..20),
    ) {
        let keys = key_set(suite, kind, 1);
        let unlimited = match kind {
            Kind::Short(_) => key_set(suite, Kind::Plain, 1),
            _ => keys.clone(),
        };
        let mut sender = Outbound::new(&unlimited, Limits::new(32_768, 1000).unwrap());
        let mut wires: Vec<Vec<u8>> = Vec::new();
        for (number, (fate, at)) in numbers.into_iter().zip(network) {
            let clear = packet(number, payload);
            let mut buf = clear.clone();
            buf.resize(clear.len() + MAX_TRAILER_LEN, 0);
            let Ok(len) = sender.protect_rtp(&mut buf, clear.len()) else { continue };
            buf.truncate(len);
            let before = wires.last().cloned();
            match fate {
                0 => buf[usize::from(at) % len] ^= 1 << (at % 8),
                1 => buf.truncate(usize::from(at) % len),
                2 => wires.extend(before),
                3 => buf[2..4].copy_from_slice(&at.to_be_bytes()),
                _ => {}
            }
            wires.push(buf);
        }
        let limits = Limits::new(window, 2).unwrap();
        let (mut singly, mut at_once) = (Inbound::new(&keys, limits), Inbound::new(&keys, limits));
        let mut wires = wires.into_iter();
        for (number, burst) in bursts.into_iter().enumerate() {
            if rekeyed == Some(number) {
                let next = key_set(suite, kind, 2);
                singly.rekey(&next);
                at_once.rekey(&next);
            }
            let mut packets: Vec<_> = wires.by_ref().take(burst).collect();
            let mut expected = packets.clone();
            let results: Vec<_> = expected.iter_mut().map(|packet| singly.unprotect_rtp(packet)).collect();
            let mut batch: Vec<_> = packets.iter_mut().map(|packet| Unprotect::new(packet)).collect();
            at_once.unprotect_rtp_batch(&mut batch);
            let got: Vec<_> = batch.iter().map(|packet| packet.result).collect();
            prop_assert_eq!(got, results);
            prop_assert_eq!(packets, expected);
            prop_assert_eq!(events(|| at_once.poll_event()), events(|| singly.poll_event()));
        }
        prop_assert_eq!(at_once.ssrcs(), singly.ssrcs());
    }

    #[test]
    fn a_conference_is_protected_and_opened_as_one_by_one(
        streams in prop::collection::vec((prop::sample::select(Suite::ALL.to_vec()), kinds()), 1..12),
        rounds in prop::collection::vec((numbers(), 0usize..300, any::<u16>()), 1..4),
    ) {
        let keys: Vec<_> = (1u8..).zip(&streams).map(|(seed, (suite, kind))| key_set(*suite, *kind, seed)).collect();
        let out = || keys.iter().map(|keys| Outbound::new(keys, Limits::default())).collect::<Vec<_>>();
        let inn = || keys.iter().map(|keys| Inbound::new(keys, Limits::default())).collect::<Vec<_>>();
        let (mut singly, mut at_once, mut heard_singly, mut heard_at_once) = (out(), out(), inn(), inn());
        for (numbers, payload, fault) in rounds {
            for number in numbers.into_iter().take(20) {
                let clear = packet(number, payload);
                let len = clear.len();
                let mut packets = vec![clear; streams.len()];
                packets.iter_mut().for_each(|packet| packet.resize(len + MAX_TRAILER_LEN, 0));
                let mut expected = packets.clone();
                let results: Vec<_> = singly.iter_mut().zip(&mut expected).map(|(s, buf)| s.protect_rtp(buf, len)).collect();
                let batch = packets.iter_mut().map(|buf| Protect::new(buf, len));
                let mut batch: Vec<_> = at_once.iter_mut().zip(batch).collect();
                Outbound::protect_rtp_fan_out(&mut batch);
                let got: Vec<_> = batch.iter().map(|(_, packet)| packet.result).collect();
                prop_assert_eq!(&got, &results);
                prop_assert_eq!(&packets, &expected);

                for (packet, result) in packets.iter_mut().zip(&results) {
                    packet.truncate(result.unwrap_or(len));
                }
                let changed = usize::from(fault) % packets.len();
                packets[changed][usize::from(fault) % len] ^= 1;
                let mut expected = packets.clone();
                let results: Vec<_> =
                    heard_singly.iter_mut().zip(&mut expected).map(|(s, packet)| s.unprotect_rtp(packet)).collect();
                let batch = packets.iter_mut().map(|packet| Unprotect::new(packet));
                let mut batch: Vec<_> = heard_at_once.iter_mut().zip(batch).collect();
                Inbound::unprotect_rtp_fan_in(&mut batch);
                let got: Vec<_> = batch.iter().map(|(_, packet)| packet.result).collect();
                prop_assert_eq!(got, results);
                prop_assert_eq!(packets, expected);
            }
        }
    }
}
