//! What associations cost: resident memory with 1,000 of them waiting, in mid-handshake and with keys, and the CPU time of a
//! handshake. `cargo run --release -p sealrtp-dtls --example memory`

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use sealrtp_dtls::{Association, Config, Context, Event, Fingerprints, HashFunction, Identity, Role, Sha1};

const COUNT: usize = 1000;

/// Resident bytes of this process; Linux only.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split_whitespace().nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4096)
}

fn report(what: &str, before: usize, all: &[(Association, Association)]) -> Result<(), Box<dyn Error>> {
    let each = resident()?.saturating_sub(before) / (2 * COUNT);
    let said: usize = all.iter().map(|(client, server)| client.memory_bytes() + server.memory_bytes()).sum();
    println!("{what:<42} {each:>6} bytes resident each, {:>6} by memory_bytes()", said / (2 * COUNT));
    Ok(())
}

/// One way and back.
fn round_trip((client, server): &mut (Association, Association), from: SocketAddr, now: Instant) {
    while let Some(out) = client.poll_transmit() {
        server.receive(&out.datagram, from, now);
    }
    while let Some(out) = server.poll_transmit() {
        client.receive(&out.datagram, from, now);
    }
}

fn connected(side: &mut Association) -> bool {
    std::iter::from_fn(|| side.poll_event()).any(|event| matches!(event, Event::Connected(_)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let identity = Identity::generate(SystemTime::now())?;
    let line = identity.fingerprint(HashFunction::Sha256)?.to_string();
    let known = Fingerprints::from_values([line.as_str()], Sha1::Refused)?;
    let context = Context::new(Config::default(), &identity)?;
    let from = "127.0.0.1:4000".parse()?;
    let now = Instant::now();
    let pair = || -> Result<_, Box<dyn Error>> {
        let client = Association::new(&context, Role::Client, known.clone(), now)?;
        Ok((client, Association::new(&context, Role::Server, known.clone(), now)?))
    };

    // One call before, so that what OpenSSL loads once is not counted.
    let mut first = pair()?;
    (0..3).for_each(|_| round_trip(&mut first, from, now));
    drop(first);
    println!("{COUNT} clients and {COUNT} servers in one process");

    let mut before = resident()?;
    let mut calls = Vec::with_capacity(COUNT);
    let start = Instant::now();
    for _ in 0..COUNT {
        let mut call = pair()?;
        (0..3).for_each(|_| round_trip(&mut call, from, now));
        assert!(connected(&mut call.0) && connected(&mut call.1), "not connected");
        calls.push(call);
    }
    let took = start.elapsed() / u32::try_from(COUNT)?;
    report("with keys, made one after the other", before, &calls)?;
    println!("{:<42} {took:?} for both ends, cookie and exporter included", "a handshake's time");

    before = resident()?;
    let mut burst = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        burst.push(pair()?);
    }
    for _ in 0..2 {
        burst.iter_mut().for_each(|call| round_trip(call, from, now));
    }
    report("all at once: in the middle of the handshake", before, &burst)?;
    burst.iter_mut().for_each(|call| round_trip(call, from, now));
    for call in &mut burst {
        assert!(connected(&mut call.0) && connected(&mut call.1), "not connected");
    }
    // What the allocator keeps of the burst it uses for the next one, and does not give back to the system.
    report("all at once: with keys, allocator's rest", before, &burst)?;
    Ok(())
}
