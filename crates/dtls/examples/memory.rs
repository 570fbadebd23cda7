//! What associations cost: resident memory with 1,000 of them waiting, in mid-handshake and with keys, and the CPU time of a
//! handshake. `cargo run --release -p sealrtp-dtls --example memory`

use std::error::Error;
use std::time::{Instant, SystemTime};

use sealrtp_dtls::{Association, Config, Context, Event, Fingerprints, HashFunction, Identity, Role, Sha1};

const COUNT: usize = 1000;

/// Resident bytes of this process; Linux only.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split_whitespace().nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4096)
}

fn report(what: &str, before: usize, said: usize) -> Result<(), Box<dyn Error>> {
    let each = resident()?.saturating_sub(before) / (2 * COUNT);
    println!("{what:<24} {each:>7} bytes resident each, {:>7} by memory_bytes()", said / (2 * COUNT));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let identity = Identity::generate(SystemTime::now())?;
    let line = identity.fingerprint(HashFunction::Sha256)?.to_string();
    let known = Fingerprints::from_values([line.as_str()], Sha1::Refused)?;
    let context = Context::new(Config::default(), &identity)?;
    let from = "127.0.0.1:4000".parse()?;
    let now = Instant::now();
    let said = |all: &[(Association, Association)]| -> usize {
        all.iter().map(|(client, server)| client.memory_bytes() + server.memory_bytes()).sum()
    };

    // One call before, so that what OpenSSL loads once is not counted.
    drop(Association::new(&context, Role::Client, known.clone(), now)?);
    let before = resident()?;
    println!("{COUNT} clients and {COUNT} servers");
    let mut all = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let client = Association::new(&context, Role::Client, known.clone(), now)?;
        all.push((client, Association::new(&context, Role::Server, known.clone(), now)?));
    }
    // Two round trips: both ends are in the middle of it then.
    for _ in 0..2 {
        for (client, server) in &mut all {
            while let Some(out) = client.poll_transmit() {
                server.receive(&out.datagram, from, now);
            }
            while let Some(out) = server.poll_transmit() {
                client.receive(&out.datagram, from, now);
            }
        }
    }
    report("in the handshake", before, said(&all))?;
    for (client, server) in &mut all {
        while let Some(out) = client.poll_transmit() {
            server.receive(&out.datagram, from, now);
        }
        while let Some(out) = server.poll_transmit() {
            client.receive(&out.datagram, from, now);
        }
        for side in [client, server] {
            let connected =
                std::iter::from_fn(|| side.poll_event()).any(|e| matches!(e, Event::Connected(_)));
            assert!(connected, "not connected");
        }
    }
    report("with keys", before, said(&all))?;
    drop(all);
    println!("{:<24} {:>7} bytes resident in all", "gone", resident()?.saturating_sub(before));
    Ok(())
}
