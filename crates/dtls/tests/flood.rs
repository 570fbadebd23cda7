//! What a flood into a running handshake costs the process, OpenSSL's own buffers included. Alone in its binary, since it reads
//! the process's memory.

#[path = "common/clock.rs"]
#[allow(dead_code, reason = "the time stands still")]
mod clock;
mod common;

use common::{Pair, Random, Side, Told, address};
use sealrtp_dtls::{Config, CookieExchange};

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_flood_of_fragments_and_early_records_costs_an_association_little() {
    let side = Side::new(Config { cookies: CookieExchange::Skipped, ..Config::default() });
    let mut random = Random::new(3);
    let mut pair = Pair::new(&side, &side);
    let hello = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&hello, address(1), pair.now);
    let before = resident();
    for number in 0..100_000u64 {
        let sequence = &(1000 + number).to_be_bytes()[2..];
        let mut datagram = Vec::new();
        if number % 2 == 0 {
            // An encrypted record before its epoch.
            datagram.extend([22, 0xfe, 0xfd, 0, 1]);
            datagram.extend(sequence);
            datagram.extend([1, 0]);
            datagram.extend((0..256).map(|_| random.next() as u8));
        } else {
            // A fragment of a message to come: of the largest size, with a hole before it.
            let len = 1000u32;
            let offset = 1 + random.below(31_000) as u32;
            datagram.extend([22, 0xfe, 0xfd, 0, 0]);
            datagram.extend(sequence);
            datagram.extend(((len + 12) as u16).to_be_bytes());
            datagram.push(11);
            datagram.extend(&(32 * 1024u32).to_be_bytes()[1..]);
            datagram.extend((2 + random.below(12) as u16).to_be_bytes());
            datagram.extend(&offset.to_be_bytes()[1..]);
            datagram.extend(&len.to_be_bytes()[1..]);
            datagram.extend((0..len).map(|_| random.next() as u8));
        }
        pair.server.receive(&datagram, address(9), pair.now);
        while pair.server.poll_transmit().is_some() {}
    }
    let grown = resident().saturating_sub(before);
    println!("{grown} bytes");
    assert!(grown < 3 << 20, "{grown} bytes for one association");
    let told = Told::of(&mut pair.server);
    assert!(
        told.connected.is_empty() && told.failed.is_empty(),
        "still waiting for its peer: {:?}",
        told.failed
    );
}
