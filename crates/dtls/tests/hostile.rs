//! Whatever comes in a datagram: no panic, no keys that are not the peer's, bounded memory, and the handshake still succeeds
//! where DTLS lets it.

#[path = "common/clock.rs"]
#[allow(dead_code, reason = "the time stands still")]
mod clock;
mod common;

use std::time::{Duration, Instant};

use common::{Pair, Random, Side, Told, address};
use proptest::prelude::*;
use sealrtp_dtls::{Association, Config, CookieExchange, MAX_TRACES, MAX_TRANSMITS, Role};

fn side(cookies: CookieExchange) -> Side {
    Side::new(Config { cookies, trace: true, ..Config::default() })
}

/// A record header with any fields, and a body of `len` random bytes.
fn record(random: &mut Random, len: usize) -> Vec<u8> {
    let content = 20 + random.below(5) as u8;
    let mut out = vec![content, 0xfe, 0xfd, 0, random.below(3) as u8, 0, 0, 0, 0, 0, random.below(64) as u8];
    out.extend((len as u16).to_be_bytes());
    out.extend((0..len).map(|_| random.next() as u8));
    out
}

fn bounded(association: &mut Association) {
    let mut datagrams = 0;
    while association.poll_transmit().is_some() {
        datagrams += 1;
    }
    assert!(datagrams <= MAX_TRANSMITS);
    let told = Told::of(association);
    assert!(told.traces.len() <= MAX_TRACES);
    assert!(told.connected.is_empty(), "keys came of nothing");
    assert!(association.memory_bytes() < 512 * 1024);
}

#[test]
fn records_of_every_length_are_survived_in_every_state() {
    let cookies = side(CookieExchange::Required);
    let none = side(CookieExchange::Skipped);
    let mut random = Random::new(7);
    let mut connected = Pair::new(&cookies, &cookies);
    connected.settle();
    let (client, server) = (Told::of(&mut connected.client), Told::of(&mut connected.server));
    client.keys();
    server.keys();
    let mut pair = Pair::new(&cookies, &none);
    let mut longest = record(&mut random, 65_522);
    for len in 0..=65_535usize {
        let header = record(&mut random, 0);
        longest[..11].copy_from_slice(&header[..11]);
        longest[11..13].copy_from_slice(&(len.saturating_sub(13) as u16).to_be_bytes());
        let datagram = &longest[..len];
        let now = pair.now;
        pair.client.receive(datagram, address(2), now);
        pair.server.receive(datagram, address(1), now);
        connected.client.receive(datagram, address(2), now);
        connected.server.receive(datagram, address(1), now);
        if len % 256 == 0 {
            bounded(&mut pair.client);
            bounded(&mut pair.server);
            bounded(&mut connected.client);
            bounded(&mut connected.server);
            // A plaintext alert may have ended a handshake: go on with a new one.
            pair = Pair::new(&cookies, &none);
        }
    }
}

#[test]
fn record_headers_that_lie_about_their_length_are_survived_in_every_state() {
    let side = side(CookieExchange::Required);
    let mut random = Random::new(11);
    let mut connected = Pair::new(&side, &side);
    connected.settle();
    Told::of(&mut connected.client).keys();
    Told::of(&mut connected.server).keys();
    let mut pair = Pair::new(&side, &side);
    let body = vec![0x5a; 65_535];
    for claimed in 0..=65_535usize {
        // As it says, less, more, and nothing at all; then a record that is whole, whose handshake header lies.
        for there in [claimed.saturating_sub(1), claimed + 1, random.below(1500) as usize, 0] {
            let mut datagram = record(&mut random, 0);
            datagram[0] = 20 + random.below(4) as u8;
            datagram[11..13].copy_from_slice(&(claimed as u16).to_be_bytes());
            datagram.extend(&body[..there.min(body.len() - 13)]);
            if random.chance(25) && datagram.len() > 25 {
                let len = &(claimed as u32 * 3).to_be_bytes()[1..];
                datagram[13] = 1;
                datagram[14..17].copy_from_slice(len);
                datagram[17..22].fill(0);
                datagram[22..25].copy_from_slice(len);
            }
            for association in
                [&mut pair.client, &mut pair.server, &mut connected.client, &mut connected.server]
            {
                association.receive(&datagram, address(9), pair.now);
            }
        }
        if claimed % 256 == 0 {
            for association in
                [&mut pair.client, &mut pair.server, &mut connected.client, &mut connected.server]
            {
                bounded(association);
            }
            pair = Pair::new(&side, &side);
        }
    }
}

#[test]
fn junk_between_the_messages_does_not_stop_a_handshake() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let side = side(CookieExchange::Required);
        let mut pair = Pair::new(&side, &side);
        let mut junk = |association: &mut Association, now: Instant| {
            for _ in 0..random.below(8) {
                // Not an alert or handshake message in the clear: those a forger can end any DTLS handshake with.
                let len = random.below(1500) as usize;
                let mut datagram = record(&mut random, len);
                datagram[0] = [20, 23, 24, 63][random.below(4) as usize];
                datagram[10] = 200 + random.below(50) as u8;
                datagram[4] = random.below(3) as u8;
                association.receive(&datagram, address(9), now);
                association.receive(
                    &datagram[..random.below(datagram.len() as u64) as usize],
                    address(9),
                    now,
                );
            }
        };
        loop {
            let mut any = false;
            while let Some(out) = pair.client.poll_transmit() {
                junk(&mut pair.server, pair.now);
                pair.server.receive(&out.datagram, address(1), pair.now);
                pair.server.receive(&out.datagram, address(1), pair.now);
                any = true;
            }
            while let Some(out) = pair.server.poll_transmit() {
                junk(&mut pair.client, pair.now);
                pair.client.receive(&out.datagram, address(2), pair.now);
                pair.client.receive(&out.datagram, address(2), pair.now);
                any = true;
            }
            if !any {
                break;
            }
        }
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        assert_eq!(
            (client.connected.len(), server.connected.len()),
            (1, 1),
            "seed {seed}: {:?} {:?}",
            client.failed,
            server.failed
        );
        assert!(client.keys().outbound.same_as(&server.keys().inbound));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_handshake_with_any_byte_changed_ends_in_the_same_keys_or_in_none(
        which in 0usize..8, at in any::<prop::sample::Index>(), xor in 1u8..,
    ) {
        let side = side(CookieExchange::Required);
        let mut pair = Pair::new(&side, &side);
        let mut number = 0;
        loop {
            let mut any = false;
            for to_server in [true, false] {
                let (from, to, source) = if to_server {
                    (&mut pair.client, &mut pair.server, address(1))
                } else {
                    (&mut pair.server, &mut pair.client, address(2))
                };
                while let Some(mut out) = from.poll_transmit() {
                    if number == which {
                        let at = at.index(out.datagram.len());
                        out.datagram[at] ^= xor;
                    }
                    number += 1;
                    any = true;
                    to.receive(&out.datagram, source, pair.now);
                }
            }
            if !any {
                break;
            }
        }
        pair.client.handle_timeout(pair.now + Duration::from_secs(100));
        pair.server.handle_timeout(pair.now + Duration::from_secs(100));
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        prop_assert!(client.connected.len() + client.failed.len() + client.closed == 1, "{:?}", client);
        if let ([ours], [theirs]) = (&client.connected[..], &server.connected[..]) {
            prop_assert!(ours.outbound.same_as(&theirs.inbound));
        }
    }

    #[test]
    fn any_bytes_are_survived(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let side = side(CookieExchange::Skipped);
        let mut pair = Pair::new(&side, &side);
        for mut datagram in datagrams {
            if let Some(first) = datagram.first_mut() {
                *first = 20 + *first % 44;
            }
            pair.client.receive(&datagram, address(2), pair.now);
            pair.server.receive(&datagram, address(1), pair.now);
        }
        bounded(&mut pair.client);
        bounded(&mut pair.server);
    }
}

#[test]
fn a_server_that_nobody_calls_gives_up_by_its_own_deadline() {
    let side = side(CookieExchange::Required);
    let now = Instant::now();
    let mut server = Association::new(&side.context(), Role::Server, side.fingerprints(), now).unwrap();
    let at = server.poll_timeout().unwrap();
    assert_eq!(at, now + Config::default().timeout);
    server.handle_timeout(at - Duration::from_millis(1));
    assert!(Told::of(&mut server).failed.is_empty());
    server.handle_timeout(at);
    Told::of(&mut server).failure();
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn forged_record_numbers_do_not_shut_the_peer_out() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    for _ in 0..2 {
        while let Some(out) = pair.client.poll_transmit() {
            pair.server.receive(&out.datagram, address(1), pair.now);
        }
        while let Some(out) = pair.server.poll_transmit() {
            pair.client.receive(&out.datagram, address(2), pair.now);
        }
    }
    // An empty fragment of a message far ahead, in a record with the highest number there is.
    let forged =
        [22, 0xfe, 0xfd, 0, 0, 255, 255, 255, 255, 255, 255, 0, 12, 11, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0];
    pair.server.receive(&forged, address(9), pair.now);
    pair.client.receive(&forged, address(9), pair.now);
    pair.settle();
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
}
