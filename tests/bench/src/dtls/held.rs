//! What 1,000 clients and 1,000 servers hold on the heap, in the middle of their handshakes and with keys.

use sealrtp_dtls::{CookieExchange, Role};

use super::{Certificate, Result, bare, ours};
use crate::memory::heap_in_use;

/// Of each role.
const COUNT: usize = 1_000;

/// Bytes of each end, ours and OpenSSL's.
pub struct Held {
    pub running: (usize, usize),
    pub keyed: (usize, usize),
    /// What our ends with keys say themselves.
    pub said: usize,
}

/// Client's flights and the server's answers, each on their way.
type Flight = Vec<Vec<u8>>;

pub fn measure(certificate: &Certificate) -> Result<Held> {
    let openssl = bare::context(certificate)?;
    let context = ours::context(certificate, CookieExchange::UnknownSources)?;
    let (bare_running, bare_keyed, _) = grow(
        || Ok((bare::End::new(&openssl, Role::Client)?, bare::End::new(&openssl, Role::Server)?)),
        |(client, server), flight| server.run(client.run(flight)?),
        |(client, server)| client.keys && server.keys,
        |_| 0,
    )?;
    let (running, keyed, said) = grow(
        || {
            let end = |role| ours::End::new(&context, certificate, role);
            Ok((end(Role::Client)?, end(Role::Server)?))
        },
        |(client, server), flight| server.run(client.run(flight)?),
        // The keys go to their owner.
        |(client, server)| client.keys.take().is_some() && server.keys.take().is_some(),
        |(client, server)| client.association.memory_bytes() + server.association.memory_bytes(),
    )?;
    Ok(Held { running: (running, bare_running), keyed: (keyed, bare_keyed), said })
}

fn grow<P>(
    new: impl Fn() -> Result<P>,
    step: impl Fn(&mut P, Flight) -> Result<Flight>,
    keyed: impl Fn(&mut P) -> bool,
    says: impl Fn(&P) -> usize,
) -> Result<(usize, usize, usize)> {
    // One before, so that what OpenSSL loads once is not counted.
    let mut first = new()?;
    let mut flight = Vec::new();
    for _ in 0..3 {
        flight = step(&mut first, flight)?;
    }
    drop((first, flight));
    let mut pairs: Vec<(P, Flight)> = Vec::with_capacity(COUNT);
    let before = heap_in_use();
    for _ in 0..COUNT {
        let mut pair = new()?;
        // Both have met; the server's flight is on its way, and not counted with what the ends hold.
        let flight = step(&mut pair, Vec::new())?;
        pairs.push((pair, flight));
    }
    let on_the_way: usize = pairs.iter().flat_map(|(_, flight)| flight).map(Vec::capacity).sum();
    let running = (heap_in_use() - before - on_the_way) / (2 * COUNT) + size_of::<P>() / 2;
    for (pair, flight) in &mut pairs {
        for _ in 0..3 {
            *flight = step(pair, std::mem::take(flight))?;
        }
        if !keyed(pair) {
            return Err("no keys".into());
        }
    }
    let held = (heap_in_use() - before) / (2 * COUNT) + size_of::<P>() / 2;
    let said = pairs.iter().map(|(pair, _)| says(pair)).sum::<usize>() / (2 * COUNT);
    Ok((running, held, said))
}
