//! When the first secured packet can go out after both ends may send: a network that takes its time, and the CPU time that the
//! ends take, on a clock of their own.

use std::time::Duration;

use sealrtp_dtls::{CookieExchange, Role};

use super::{Certificate, Result, ours};
use crate::clock::{cpu, median};

pub struct Row {
    pub what: &'static str,
    pub round_trip: Duration,
    /// Time on the network until the end that has keys first may send.
    pub network: Duration,
    /// And CPU time of both ends until then.
    pub cpu: Duration,
    /// Time on the network until the other end may send.
    pub other: Duration,
    /// Whether the ceiling holds for it.
    pub limited: bool,
}

pub fn measure(certificate: &Certificate, rounds: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, cookies, limited) in [
        ("peer where signalling said", CookieExchange::UnknownSources, true),
        ("unknown source: cookie", CookieExchange::Required, false),
    ] {
        let context = ours::context(certificate, cookies)?;
        for round_trip in [20, 100, 300].map(Duration::from_millis) {
            let mut times = Vec::new();
            let mut all = Vec::new();
            for _ in 0..rounds {
                let mut ends = [
                    ours::End::new(&context, certificate, Role::Client)?,
                    ours::End::new(&context, certificate, Role::Server)?,
                ];
                let (mut network, mut flight, mut keyed) = (Duration::ZERO, Vec::new(), Vec::new());
                let start = cpu();
                // Each flight takes half a round trip; the ends take turns.
                for turn in 0.. {
                    let end = &mut ends[turn % 2];
                    flight = end.run(flight)?;
                    if end.keys.is_some() {
                        keyed.push((network, cpu() - start));
                    }
                    if keyed.len() == 2 {
                        break;
                    }
                    if flight.is_empty() || turn > 10 {
                        return Err("a handshake that does not go on".into());
                    }
                    network += round_trip / 2;
                }
                times.push(keyed[0].1);
                all.push((keyed[0].0, keyed[1].0));
            }
            if all.iter().any(|one| *one != all[0]) {
                return Err("handshakes of different numbers of flights".into());
            }
            let (network, other) = all[0];
            rows.push(Row { what, round_trip, network, cpu: median(&mut times), other, limited });
        }
    }
    Ok(rows)
}
