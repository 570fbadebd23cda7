//! Two of ours over a network that loses, repeats, delays and reorders, in virtual time.
//!
//! OpenSSL's clock is the simulation's.

#[path = "common/clock.rs"]
mod clock;
mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Kind, Pair, Random, Side, Told, address};
use openssl::error::ErrorStack;
use openssl::ssl::{SslRef, SslSessionRef};
use sealrtp_dtls::{
    Association, Config, Context, CookieExchange, Failure, Fingerprints, Resumption, Role, Trace,
};

#[derive(Clone, Copy)]
struct Network {
    loss: u64,
    repeat: u64,
    /// Longest delay in ms; each datagram has its own.
    delay: u64,
}

struct Run {
    client: Told,
    server: Told,
    took: Duration,
    steps: u64,
}

/// Runs until both are done or nothing more will happen.
fn run(mut pair: Pair, network: Network, seed: u64) -> Run {
    let mut random = Random::new(seed);
    let begin = pair.now;
    let then = clock::micros();
    let mut air: BTreeMap<(Instant, u64), (bool, Vec<u8>)> = BTreeMap::new();
    let (mut client, mut server) = (Told::default(), Told::default());
    let mut steps = 0;
    loop {
        for to_server in [true, false] {
            let side = if to_server { &mut pair.client } else { &mut pair.server };
            while let Some(out) = side.poll_transmit() {
                for _ in 0..1 + u64::from(random.chance(network.repeat)) {
                    steps += 1;
                    if !random.chance(network.loss) {
                        let delay = Duration::from_millis(random.below(network.delay + 1));
                        air.insert((pair.now + delay, steps), (to_server, out.datagram.clone()));
                    }
                }
            }
        }
        client.hear(&mut pair.client);
        server.hear(&mut pair.server);
        let done = |told: &Told| told.connected.len() + told.failed.len() > 0;
        let timers = [pair.client.poll_timeout(), pair.server.poll_timeout()].into_iter().flatten().min();
        let arrival = air.keys().next().map(|(at, _)| *at);
        let next = [timers, arrival].into_iter().flatten().min();
        let (Some(next), false) = (next, done(&client) && done(&server)) else { break };
        steps += 1;
        assert!(steps < 20_000, "seed {seed}: goes on for ever");
        pair.now = pair.now.max(next);
        clock::set(then, pair.now - begin);
        while let Some(entry) = air.first_entry().filter(|entry| entry.key().0 <= pair.now) {
            let (to_server, datagram) = entry.remove();
            let (side, from) =
                if to_server { (&mut pair.server, address(1)) } else { (&mut pair.client, address(2)) };
            side.receive(&datagram, from, pair.now);
        }
        pair.client.handle_timeout(pair.now);
        pair.server.handle_timeout(pair.now);
    }
    Run { client, server, took: pair.now - begin, steps }
}

fn patient(mtu: usize, cookies: CookieExchange) -> Config {
    Config { mtu, cookies, timeout: Duration::from_secs(600), trace: true, ..Config::default() }
}

const COOKIES: [CookieExchange; 3] =
    [CookieExchange::Required, CookieExchange::Skipped, CookieExchange::UnknownSources];

fn seeds() -> u64 {
    std::env::var("SEALRTP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(2000)
}

const MTUS: [usize; 4] = [1200, 1200, 400, 256];
const KINDS: [Kind; 2] = [Kind::Ec, Kind::Rsa];

/// The contexts of all seeds, which take longer to make than a handshake.
fn context(mtu: usize, cookies: usize, kind: usize) -> &'static (Context, Fingerprints) {
    static MADE: [OnceLock<(Context, Fingerprints)>; 24] = [const { OnceLock::new() }; 24];
    MADE[(mtu * COOKIES.len() + cookies) * KINDS.len() + kind].get_or_init(|| {
        let config = patient(MTUS[mtu], COOKIES[cookies]);
        let side = if kind == 0 { Side::new(config) } else { Side::of(config, KINDS[kind]) };
        (side.context(), side.fingerprints())
    })
}

/// How long the handshake of a seed takes; nothing if OpenSSL gave up.
fn lossy(seed: u64, tell: bool) -> Option<Duration> {
    let network = Network { loss: 30, repeat: 10, delay: 500 };
    let (mtu, cookies) = (seed as usize % MTUS.len(), seed as usize / MTUS.len() % COOKIES.len());
    let server = context(mtu, cookies, usize::from(seed % 16 == 5));
    let mut pair = Pair::of(context(mtu, cookies, 0), server);
    if COOKIES[cookies] == CookieExchange::UnknownSources {
        pair.server.expect_source(address(1));
    }
    let run = run(pair, network, seed);
    if tell {
        println!("client {:?}\nserver {:?}", run.client.traces, run.server.traces);
    }
    // OpenSSL gives up after twelve timeouts in a row, and three losses of ten sometimes fall that way.
    let out_of_luck = Failure::Handshake("read timeout expired".into());
    if run.client.failed.iter().chain(&run.server.failed).any(|failure| *failure == out_of_luck) {
        return None;
    }
    let (ours, theirs) = (run.client.keys(), run.server.keys());
    assert!(ours.outbound.same_as(&theirs.inbound) && ours.inbound.same_as(&theirs.outbound), "seed {seed}");
    Some(run.took)
}

#[test]
fn both_ends_get_the_same_keys_though_three_of_ten_datagrams_are_lost() {
    if let Some(seed) = std::env::var("SEALRTP_SEED").ok().and_then(|seed| seed.parse().ok()) {
        lossy(seed, true);
        return;
    }
    // Each thread has a clock of its own.
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let took: Vec<Option<Duration>> = std::thread::scope(|scope| {
        let run = |thread| (thread..seeds()).step_by(threads as usize).map(|seed| lossy(seed, false));
        let all: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || run(thread).collect::<Vec<_>>())).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(took.len() as u64, seeds());
    let unlucky = took.iter().filter(|took| took.is_none()).count() as u64;
    let longest = took.into_iter().flatten().max();
    println!("{} seeds, longest handshake {longest:?}, {unlucky} given up by OpenSSL", seeds());
    assert!(unlucky <= 1 + seeds() / 500, "{unlucky} of {} given up", seeds());
}

#[test]
fn a_resumed_handshake_gets_through_the_same_network() {
    fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
        // SAFETY: called with sessions that are in no context's cache.
        unsafe { ssl.set_session(session) }
    }
    let network = Network { loss: 30, repeat: 10, delay: 500 };
    let mut unlucky = 0;
    let count = seeds() / 10;
    for seed in 0..count {
        let context = context(0, seed as usize % COOKIES.len(), 0);
        let client = Resumption::for_clients(&context.0, context.1.clone(), set_session);
        let server = Resumption::new(&context.0, context.1.clone());
        let pair = || {
            let now = Instant::now();
            Pair {
                client: Association::resuming(&client, Role::Client, now).unwrap(),
                server: Association::resuming(&server, Role::Server, now).unwrap(),
                now,
            }
        };
        let mut first = pair();
        first.settle();
        let run = run(pair(), network, seed);
        let out_of_luck = Failure::Handshake("read timeout expired".into());
        if run.client.failed.iter().chain(&run.server.failed).any(|failure| *failure == out_of_luck) {
            unlucky += 1;
            continue;
        }
        let (ours, theirs) = (run.client.keys(), run.server.keys());
        assert!(ours.resumed && theirs.resumed, "seed {seed}");
        assert!(
            ours.outbound.same_as(&theirs.inbound) && ours.inbound.same_as(&theirs.outbound),
            "seed {seed}"
        );
    }
    assert!(unlucky <= 1 + count / 100, "{unlucky} of {count} given up");
}

#[test]
fn a_peer_that_never_answers_is_asked_with_doubling_pauses_and_then_given_up() {
    let config = Config { trace: true, ..Config::default() };
    let side = Side::new(config);
    let run = run(Pair::new(&side, &side), Network { loss: 100, repeat: 0, delay: 0 }, 1);
    assert_eq!(run.client.failure(), &Failure::TimedOut);
    assert_eq!(run.server.failure(), &Failure::TimedOut);
    assert_eq!(run.took, Duration::from_secs(60));
    let pauses: Vec<u64> = run
        .client
        .traces
        .iter()
        .filter_map(|trace| match trace {
            Trace::Timeout { next, .. } => Some(next.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [2, 4, 8, 16, 32], "sent again after 1, 3, 7, 15 and 31 seconds");
    assert!(run.steps < 40, "the deadline and OpenSSL's timer agree: {} steps", run.steps);
}

/// When each end has keys, in virtual time, over a network of so many ms each way.
fn keys_after(one_way: u64, known: bool, cookies: CookieExchange) -> (Duration, Duration) {
    let side = Side::new(Config { cookies, ..Config::default() });
    let mut pair = Pair::new(&side, &side);
    if known {
        pair.server.expect_source(address(1));
    }
    let (mut client, mut server) = (None, None);
    let mut air: Vec<(Duration, bool, Vec<u8>)> = Vec::new();
    let mut elapsed = Duration::ZERO;
    while client.is_none() || server.is_none() {
        let arrival = elapsed + Duration::from_millis(one_way);
        while let Some(out) = pair.client.poll_transmit() {
            air.push((arrival, true, out.datagram));
        }
        while let Some(out) = pair.server.poll_transmit() {
            air.push((arrival, false, out.datagram));
        }
        let (at, to_server, datagram) = air.remove(0);
        clock::set(clock::micros(), at - elapsed);
        elapsed = at;
        let (side, from, keys) = if to_server {
            (&mut pair.server, address(1), &mut server)
        } else {
            (&mut pair.client, address(2), &mut client)
        };
        side.receive(&datagram, from, pair.now + elapsed);
        if !Told::of(side).connected.is_empty() {
            *keys = Some(elapsed);
        }
    }
    (client.unwrap(), server.unwrap())
}

#[test]
fn a_server_has_keys_after_one_and_a_half_round_trips_and_one_more_only_of_an_unknown_source() {
    use CookieExchange::{Required, Skipped, UnknownSources};
    for (cookies, known, more) in
        [(UnknownSources, true, 0), (Skipped, false, 0), (UnknownSources, false, 1), (Required, true, 1)]
    {
        for one_way in [10, 100, 300] {
            let round_trip = Duration::from_millis(2 * one_way);
            let (client, server) = keys_after(one_way, known, cookies);
            assert_eq!(server, round_trip * 3 / 2 + round_trip * more, "{cookies:?} {one_way} ms");
            assert_eq!(client, round_trip * 2 + round_trip * more, "{cookies:?} {one_way} ms");
        }
    }
}

#[test]
fn a_perfect_network_needs_no_timer() {
    let side = Side::new(Config::default());
    let run = run(Pair::new(&side, &side), Network { loss: 0, repeat: 0, delay: 0 }, 1);
    assert_eq!(run.took, Duration::ZERO);
    assert!(run.client.keys().outbound.same_as(&run.server.keys().inbound));
}

#[test]
fn a_datagram_that_comes_when_the_timer_has_ended_is_used_all_the_same() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    // Each way takes five seconds, and nobody looks at the deadlines.
    for _ in 0..3 {
        for to_server in [true, false] {
            clock::set(clock::micros(), Duration::from_secs(5));
            pair.now += Duration::from_secs(5);
            let (from, to, source) = if to_server {
                (&mut pair.client, &mut pair.server, address(1))
            } else {
                (&mut pair.server, &mut pair.client, address(2))
            };
            while let Some(out) = from.poll_transmit() {
                to.receive(&out.datagram, source, pair.now);
            }
        }
    }
    let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
    client.keys();
    server.keys();
}
