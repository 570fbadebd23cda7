//! CPU time of a handshake at each end, ours and OpenSSL's in turn: from making an end until its keys are exported and OpenSSL's
//! state has been given back.

use std::time::Duration;

use sealrtp_dtls::{CookieExchange, Role};

use super::{Certificate, Result, bare, ours};
use crate::clock::{median, timed};

pub struct Row {
    pub what: &'static str,
    pub ours: Duration,
    pub bare: Duration,
}

/// Flights of a handshake with a cookie, each way.
const FLIGHTS: usize = 4;

/// Both ends through one handshake; the client's time and the server's.
macro_rules! handshake {
    ($client:expr, $server:expr, $has_keys:expr) => {{
        let (mut client_time, mut server_time) = (Duration::ZERO, Duration::ZERO);
        let mut client = timed(&mut client_time, || $client)?;
        let mut server = timed(&mut server_time, || $server)?;
        let mut on_the_way = Vec::new();
        for _ in 0..FLIGHTS {
            on_the_way = timed(&mut client_time, || client.run(on_the_way))?;
            on_the_way = timed(&mut server_time, || server.run(on_the_way))?;
        }
        if !($has_keys(&client) && $has_keys(&server)) {
            return Err("no keys".into());
        }
        timed(&mut client_time, || drop(client));
        timed(&mut server_time, || drop(server));
        [client_time, server_time]
    }};
}

pub fn measure(certificate: &Certificate, rounds: usize) -> Result<Vec<Row>> {
    let openssl = bare::context(certificate)?;
    let default = ours::context(certificate, CookieExchange::UnknownSources)?;
    let required = ours::context(certificate, CookieExchange::Required)?;
    let mut times: [[Vec<Duration>; 2]; 3] = Default::default();
    for _ in 0..rounds {
        let theirs = handshake!(
            bare::End::new(&openssl, Role::Client),
            bare::End::new(&openssl, Role::Server),
            |end: &bare::End| end.keys
        );
        let mut all = vec![theirs];
        for context in [&default, &required] {
            all.push(handshake!(
                ours::End::new(context, certificate, Role::Client),
                ours::End::new(context, certificate, Role::Server),
                |end: &ours::End| end.keys.is_some()
            ));
        }
        for (times, [client, server]) in times.iter_mut().zip(all) {
            times[0].push(client);
            times[1].push(server);
        }
    }
    let medians = times.map(|ends| ends.map(|mut end| median(&mut end)));
    let [theirs, default, required] = medians;
    Ok(vec![
        Row { what: "client", ours: default[0], bare: theirs[0] },
        Row { what: "server", ours: default[1], bare: theirs[1] },
        Row { what: "client that is asked for a cookie", ours: required[0], bare: theirs[0] },
        Row { what: "server that asks for a cookie", ours: required[1], bare: theirs[1] },
    ])
}
