//! A client at the address that signalling gave is not asked for a cookie, and neither a forger nor a flood can make anything
//! of that.

#[path = "common/clock.rs"]
#[allow(dead_code, reason = "the time stands still")]
mod clock;
mod common;

use std::net::SocketAddr;
use std::time::Instant;

use common::{Pair, Side, Told, address};
use sealrtp_dtls::{Association, Config, CookieExchange, Destination, Failure, MAX_UNPROVEN, Role};

/// HandshakeType of the first message of a datagram.
fn kind(datagram: &[u8]) -> u8 {
    datagram[13]
}

const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

fn client_hello(side: &Side, now: Instant) -> Vec<u8> {
    let mut client = Association::new(&side.context(), Role::Client, side.fingerprints(), now).unwrap();
    client.poll_transmit().unwrap().datagram
}

/// What the server first answers to a ClientHello from `from`.
fn answer(server: &mut Association, hello: &[u8], from: SocketAddr, now: Instant) -> u8 {
    server.receive(hello, from, now);
    let out = server.poll_transmit().expect("an answer");
    assert_eq!(out.to, Destination::Source(from));
    while server.poll_transmit().is_some() {}
    kind(&out.datagram)
}

#[test]
fn the_policy_and_the_source_decide_who_is_asked() {
    use CookieExchange::{Required, Skipped, UnknownSources};
    for (cookies, expected, asked) in [
        (Required, None, true),
        (Required, Some(address(1)), true),
        (UnknownSources, None, true),
        (UnknownSources, Some(address(2)), true),
        (UnknownSources, Some("127.0.0.1:4001".parse().unwrap()), true),
        (UnknownSources, Some(address(1)), false),
        (UnknownSources, Some("[::ffff:127.0.0.1]:4000".parse().unwrap()), false),
        (Skipped, None, false),
    ] {
        let side = Side::new(Config { cookies, ..Config::default() });
        let mut pair = Pair::new(&side, &side);
        if let Some(source) = expected {
            pair.server.expect_source(source);
        }
        let hello = pair.client.poll_transmit().unwrap().datagram;
        let wanted = if asked { HELLO_VERIFY_REQUEST } else { SERVER_HELLO };
        assert_eq!(
            answer(&mut pair.server, &hello, address(1), pair.now),
            wanted,
            "{cookies:?} {expected:?}"
        );
    }
}

#[test]
fn a_client_at_the_expected_source_needs_two_flights_and_gets_keys() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    for _ in 0..2 {
        while let Some(out) = pair.client.poll_transmit() {
            pair.server.receive(&out.datagram, address(1), pair.now);
        }
        while let Some(out) = pair.server.poll_transmit() {
            pair.client.receive(&out.datagram, address(2), pair.now);
        }
    }
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn a_forged_client_hello_of_the_expected_source_does_not_shut_the_peer_out() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    let forged = client_hello(&side, pair.now);
    assert_eq!(answer(&mut pair.server, &forged, address(1), pair.now), SERVER_HELLO);
    assert_eq!(answer(&mut pair.server, &client_hello(&side, pair.now), address(1), pair.now), 3);
    // The peer's own handshake runs by a cookie.
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn a_stranger_that_shows_its_address_does_not_take_the_place_of_the_expected_source() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    let hello = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&hello, address(1), pair.now);
    let flight: Vec<_> = std::iter::from_fn(|| pair.server.poll_transmit()).collect();

    let stranger = client_hello(&side, pair.now);
    pair.server.receive(&stranger, address(9), pair.now);
    while let Some(out) = pair.server.poll_transmit() {
        assert_ne!(kind(&out.datagram), HELLO_VERIFY_REQUEST, "a stranger is not even asked");
    }
    for out in flight {
        pair.client.receive(&out.datagram, address(2), pair.now);
    }
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn the_expected_source_takes_the_place_of_a_stranger_that_came_first() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    let mut stranger =
        Association::new(&side.context(), Role::Client, side.fingerprints(), pair.now).unwrap();
    for _ in 0..2 {
        while let Some(out) = stranger.poll_transmit() {
            pair.server.receive(&out.datagram, address(9), pair.now);
        }
        while let Some(out) = pair.server.poll_transmit() {
            assert_eq!(out.to, Destination::Source(address(9)));
            stranger.receive(&out.datagram, address(2), pair.now);
        }
    }
    assert!(pair.server.memory_bytes() > 50_000, "the stranger's handshake runs");
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn under_load_the_expected_source_is_asked_too_and_served_all_the_same() {
    let side = Side::new(Config::default());
    let context = side.context();
    let now = Instant::now();
    let mut waiting = Vec::new();
    for i in 0..=MAX_UNPROVEN {
        let mut server = Association::new(&context, Role::Server, side.fingerprints(), now).unwrap();
        server.expect_source(address(1));
        let hello = client_hello(&side, now);
        let wanted = if i < MAX_UNPROVEN { SERVER_HELLO } else { HELLO_VERIFY_REQUEST };
        assert_eq!(answer(&mut server, &hello, address(1), now), wanted, "handshake {i}");
        waiting.push(server);
    }
    let mut pair = Pair::new(&side, &side);
    pair.server = waiting.pop().unwrap();
    pair.settle();
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
    // A handshake that ends makes room for another.
    waiting[0].close();
    let mut server = Association::new(&context, Role::Server, side.fingerprints(), now).unwrap();
    server.expect_source(address(1));
    assert_eq!(answer(&mut server, &client_hello(&side, now), address(1), now), SERVER_HELLO);
}

#[test]
fn a_flood_in_the_name_of_the_expected_source_and_of_others_costs_one_handshake_and_keeps_nobody_out() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    let mut forged = client_hello(&side, pair.now);
    for number in 0..20_000u32 {
        // Another random each time.
        forged[30..34].copy_from_slice(&number.to_be_bytes());
        let from = if number % 2 == 0 { address(1) } else { SocketAddr::from((number.to_be_bytes(), 5000)) };
        pair.server.receive(&forged, from, pair.now);
        if number % 100 == 0 {
            while pair.server.poll_transmit().is_some() {}
            assert!(pair.server.memory_bytes() < 128 * 1024, "{} bytes", pair.server.memory_bytes());
        }
    }
    while pair.server.poll_transmit().is_some() {}
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn client_hellos_held_back_from_before_are_answered_when_they_come_late_twice_or_in_a_burst() {
    let side = Side::new(Config::default());
    for expected in [None, Some(address(1))] {
        for copies in [1, 3, 64] {
            let mut pair = Pair::new(&side, &side);
            // Before the fingerprint was known there was no association: its owner held what came, oldest first.
            let early = pair.client.poll_transmit().unwrap().datagram;
            if let Some(source) = expected {
                pair.server.expect_source(source);
            }
            for number in 0..copies {
                let mut again = early.clone();
                again[10] = number;
                pair.server.receive(&again, address(1), pair.now);
            }
            pair.settle();
            let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
            assert!(client.keys().outbound.same_as(&server.keys().inbound), "{expected:?} {copies}");
        }
    }
}

#[test]
fn a_stale_client_hello_of_a_client_that_has_begun_anew_does_not_stop_the_new_one() {
    let side = Side::new(Config::default());
    for expected in [None, Some(address(1))] {
        let mut pair = Pair::new(&side, &side);
        if let Some(source) = expected {
            pair.server.expect_source(source);
        }
        // The peer's first association, whose description was replaced before we had the fingerprint.
        for _ in 0..5 {
            let stale = client_hello(&side, pair.now);
            pair.server.receive(&stale, address(1), pair.now);
        }
        while pair.server.poll_transmit().is_some() {}
        pair.settle();
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        assert!(client.keys().outbound.same_as(&server.keys().inbound), "{expected:?}");
    }
}

#[test]
fn a_client_that_was_asked_before_its_source_was_known_may_come_with_its_cookie_or_without() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    let first = pair.client.poll_transmit().unwrap().datagram;
    assert_eq!(answer(&mut pair.server, &first, address(1), pair.now), HELLO_VERIFY_REQUEST);
    pair.server.receive(&first, address(1), pair.now);
    let request = pair.server.poll_transmit().unwrap().datagram;
    pair.client.receive(&request, address(2), pair.now);
    let second = pair.client.poll_transmit().unwrap().datagram;
    // Now the description comes, the network repeats the first ClientHello, and the one with the cookie is late.
    pair.server.expect_source(address(1));
    assert_eq!(answer(&mut pair.server, &first, address(1), pair.now), SERVER_HELLO);
    pair.server.receive(&second, address(1), pair.now);
    pair.server.receive(&first, address(1), pair.now);
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn a_forged_client_hello_with_the_next_number_stops_no_handshake() {
    for cookies in [CookieExchange::Required, CookieExchange::UnknownSources, CookieExchange::Skipped] {
        let side = Side::new(Config { cookies, ..Config::default() });
        let mut pair = Pair::new(&side, &side);
        pair.server.expect_source(address(1));
        let mut forged = client_hello(&side, pair.now);
        for number in 0..4 {
            forged[18] = number;
            for from in [address(1), address(9)] {
                pair.server.receive(&forged, from, pair.now);
            }
            // What the server answers to that the forger could as well send in the server's name.
            while pair.server.poll_transmit().is_some() {}
            while let Some(out) = pair.client.poll_transmit() {
                pair.server.receive(&out.datagram, address(1), pair.now);
                pair.server.receive(&forged, address(9), pair.now);
            }
            while let Some(out) = pair.server.poll_transmit() {
                pair.client.receive(&out.datagram, address(2), pair.now);
            }
        }
        pair.settle();
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        if cookies != CookieExchange::Skipped {
            assert!(client.keys().outbound.same_as(&server.keys().inbound), "{cookies:?}");
        } else {
            assert!(client.failed.is_empty() && server.failed.is_empty(), "{:?}", server.failed);
        }
    }
}

#[test]
fn client_hellos_of_any_source_change_nothing_where_keys_are_there() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.server.expect_source(address(1));
    let early = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&early, address(1), pair.now);
    pair.settle();
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
    let before = (pair.server.memory_bytes(), pair.server.poll_timeout());
    for number in 0..1000u32 {
        let again = if number % 2 == 0 { early.clone() } else { client_hello(&side, pair.now) };
        for association in [&mut pair.server, &mut pair.client] {
            association.receive(&again, address((number % 3) as u8), pair.now);
            assert_eq!(association.poll_transmit(), None);
            assert!(association.poll_event().is_none());
        }
    }
    assert_eq!((pair.server.memory_bytes(), pair.server.poll_timeout()), before);
}

#[test]
fn a_client_hello_that_comes_to_a_client_does_not_stop_its_handshake() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    // The peer called before our answer told it that it is the one to be called.
    let early = client_hello(&side, pair.now);
    pair.client.receive(&early, address(2), pair.now);
    let hello = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&hello, address(1), pair.now);
    while let Some(out) = pair.server.poll_transmit() {
        pair.client.receive(&early, address(2), pair.now);
        pair.client.receive(&out.datagram, address(2), pair.now);
    }
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn the_fingerprint_decides_at_the_expected_source_too() {
    let (side, other) = (Side::new(Config::default()), Side::of(Config::default(), common::Kind::Ec));
    let mut pair = Pair::knowing(&side, &side, side.fingerprints(), other.fingerprints());
    pair.server.expect_source(address(1));
    pair.settle();
    assert!(matches!(Told::of(&mut pair.server).failure(), Failure::FingerprintMismatch { .. }));
    assert!(Told::of(&mut pair.client).connected.is_empty());
}
