//! A flood of ClientHellos leaves no state; a client that shows its address gets through it.

#[path = "common/clock.rs"]
#[allow(dead_code, reason = "the time stands still")]
mod clock;
mod common;

use std::net::SocketAddr;
use std::time::Instant;

use common::{Pair, Side, Told, address};
use sealrtp_dtls::{Association, Config, Destination, MAX_TRANSMITS, Role};

/// Record number of epoch 0, of a datagram's first record.
fn sequence(datagram: &[u8]) -> u64 {
    datagram[5..11].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Adds to the numbers of a datagram's records of epoch 0.
fn number_higher(datagram: &mut [u8], by: u8) {
    let mut at = 0;
    while at < datagram.len() {
        if datagram[at + 3..at + 5] == [0, 0] {
            datagram[at + 10] += by;
        }
        at += 13 + usize::from(u16::from_be_bytes([datagram[at + 11], datagram[at + 12]]));
    }
}

fn client_hello(side: &Side) -> Vec<u8> {
    let mut client =
        Association::new(&side.context(), Role::Client, side.fingerprints(), Instant::now()).unwrap();
    client.poll_transmit().unwrap().datagram
}

#[test]
fn a_flood_of_client_hellos_of_many_sources_leaves_no_state() {
    let side = Side::new(Config { trace: true, ..Config::default() });
    let mut pair = Pair::new(&side, &side);
    Told::of(&mut pair.server);
    let hello = client_hello(&side);
    let before = pair.server.memory_bytes();
    for i in 0..100_000u32 {
        let from = SocketAddr::from((i.to_be_bytes(), 5000));
        pair.server.receive(&hello, from, pair.now);
        if i < 1000 {
            let out = pair.server.poll_transmit().unwrap();
            assert_eq!(out.to, Destination::Source(from));
            assert!(out.datagram.len() <= hello.len(), "no amplification");
        }
    }
    let mut left = 0;
    while pair.server.poll_transmit().is_some() {
        left += 1;
    }
    assert!(left <= MAX_TRANSMITS);
    Told::of(&mut pair.server);
    assert!(pair.server.memory_bytes() < before + 64 * 1024, "{} bytes", pair.server.memory_bytes());
    pair.settle();
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn a_cookie_is_worth_nothing_from_another_source_or_with_another_client_hello() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    let first = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&first, address(1), pair.now);
    let request = pair.server.poll_transmit().unwrap();
    assert_eq!(request.to, Destination::Source(address(1)));
    pair.client.receive(&request.datagram, address(2), pair.now);
    let second = pair.client.poll_transmit().unwrap().datagram;

    let elsewhere = SocketAddr::from(([127, 0, 0, 1], 4001));
    pair.server.receive(&second, elsewhere, pair.now);
    pair.server.receive(&second, address(3), pair.now);
    let mut other_random = second.clone();
    other_random[13 + 12 + 2] ^= 1;
    pair.server.receive(&other_random, address(1), pair.now);
    assert_eq!(pair.server.poll_transmit(), None);
    assert!(pair.server.memory_bytes() < 4096);

    pair.server.receive(&second, address(1), pair.now);
    let flight = pair.server.poll_transmit().unwrap();
    assert_eq!(flight.to, Destination::Source(address(1)));
    // RFC 6347 section 4.2.1: both answers take the number of the record they answer.
    assert_eq!(sequence(&request.datagram), sequence(&first));
    assert_eq!(sequence(&flight.datagram), sequence(&second));
    pair.client.receive(&flight.datagram, address(2), pair.now);
    pair.settle();
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
}

#[test]
fn a_client_whose_hello_went_out_several_times_gets_the_numbers_it_waits_for() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    let first = pair.client.poll_transmit().unwrap().datagram;
    for number in 0..5u8 {
        let mut again = first.clone();
        again[10] = number;
        pair.server.receive(&again, address(1), pair.now);
        let request = pair.server.poll_transmit().unwrap();
        assert_eq!(sequence(&request.datagram), u64::from(number));
        pair.client.receive(&request.datagram, address(2), pair.now);
    }
    // As if the client had sent those five: all its later records have higher numbers.
    for _ in 0..4 {
        while let Some(mut out) = pair.client.poll_transmit() {
            number_higher(&mut out.datagram, 4);
            pair.server.receive(&out.datagram, address(1), pair.now);
        }
        while let Some(out) = pair.server.poll_transmit() {
            pair.client.receive(&out.datagram, address(2), pair.now);
        }
    }
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
}
