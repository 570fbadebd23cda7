//! The relay beside a bare UDP forwarder with the same sockets and threads, in the same run: the one-way delay of 500 G.711 calls,
//! CPU time per packet, and the number of calls at which packets are lost.
//!
//! Both ends of all calls are played by one thread on the same processors. Where the system allows it, that thread runs before
//! the carriers' threads, and these before all other programs. The delay of a packet is from just before it is sent until the
//! kernel has it in the receiver's socket.

mod forwarder;
mod histogram;
mod load;
mod sys;

use std::any::Any;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sealrtp_relay::{Observer, Relay, Sockets};
use sealrtp_session::{Event, Session, WithoutKeys};
use sealrtp_srtp::Limits;

use forwarder::Forwarder;
use histogram::Histogram;
use load::{Load, Outcome, keys};
use sys::Precedence;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CALLS: usize = 500;
const THREADS: usize = 2;
/// Sockets of a call: two of RTP, two of RTCP.
const SOCKETS: usize = 4;
/// Of the files that may be open, those that calls do not have.
const OTHER_FILES: usize = 200;
/// How much the load grows until packets are lost.
const STEP: usize = 250;
const MOST_CALLS: usize = 4_500;
/// Share of packets from which on some are lost for lack of processors, not by chance.
const LOST: f64 = 0.001;
/// Delay of the relay over that of the forwarder, at most.
const CEILING: f64 = 1.5;

struct Silent;

impl Observer for Silent {
    fn event(&self, event: Event) {
        panic!("nothing happens to these calls, but: {event}");
    }
}

/// Calls through one kind of carrier.
struct Path {
    /// Lives as long as the calls.
    _carrier: Box<dyn Any>,
    secured: bool,
    calls: Vec<[SocketAddr; 2]>,
    sequences: Vec<u16>,
}

impl Path {
    fn direct(load: &Load, calls: usize) -> Self {
        Self::new((), false, vec![[load.pbx(), load.peer()]; calls])
    }

    fn new(carrier: impl Any, secured: bool, calls: Vec<[SocketAddr; 2]>) -> Self {
        Self { _carrier: Box::new(carrier), secured, sequences: vec![0; calls.len()], calls }
    }

    fn forwarder(load: &Load, calls: usize) -> io::Result<Self> {
        let sockets = bind(calls)?;
        let addresses = sockets.iter().map(addresses).collect::<io::Result<_>>()?;
        let forwarder = Forwarder::start(THREADS, sockets, load.peer(), load.pbx())?;
        Ok(Self::new(forwarder, false, addresses))
    }

    fn relay(load: &Load, calls: usize) -> io::Result<Self> {
        let relay = Relay::start(THREADS)?;
        let (mut streams, mut all) = (Vec::new(), Vec::new());
        for sockets in bind(calls)? {
            all.push(addresses(&sockets)?);
            let mut session = Session::new(Limits::default(), WithoutKeys::Block);
            session.set_inbound(&keys(1));
            session.set_outbound(&keys(2));
            let stream = relay.open(sockets, session, Arc::new(Silent))?;
            stream.set_peer([Some(load.peer()); 2]);
            stream.set_pbx([Some(load.pbx()); 2]);
            streams.push(stream);
        }
        Ok(Self::new(streams, true, all))
    }

    fn run(&mut self, load: &Load, calls: usize, duration: Duration) -> Outcome {
        let outcome = load.run(&self.calls[..calls], &mut self.sequences[..calls], self.secured, duration);
        // What an overload has left behind is not the next run's.
        thread::sleep(Duration::from_millis(50));
        outcome
    }
}

fn bind(calls: usize) -> io::Result<Vec<Sockets>> {
    (0..calls).map(|_| Sockets::bind(SocketAddr::new(LOCALHOST, 0), LOCALHOST)).collect()
}

fn addresses(sockets: &Sockets) -> io::Result<[SocketAddr; 2]> {
    Ok([sockets.peer[0].local_addr()?, sockets.pbx[0].local_addr()?])
}

/// Measures and prints; returns what was missed.
pub fn run(quick: bool) -> io::Result<Vec<String>> {
    if !sys::take_precedence(Precedence::Carrier) {
        println!("RELAY not allowed to run before other programs: they are measured with us");
    }
    let measured = measure(quick);
    sys::take_precedence(Precedence::Ordinary);
    measured
}

fn measure(quick: bool) -> io::Result<Vec<String>> {
    let files = sys::raise_files();
    let load = Load::new()?;
    let mut misses = delay(&load, if quick { 3 } else { 8 })?;
    let most = MOST_CALLS.min(files.saturating_sub(OTHER_FILES) / SOCKETS);
    if let Err(error) = capacity(&load, most, if quick { 1 } else { 2 }) {
        misses.push(format!("relay: {error}"));
    }
    Ok(misses)
}

fn delay(load: &Load, rounds: usize) -> io::Result<Vec<String>> {
    let mut direct = Path::direct(load, CALLS);
    let mut forwarder = Path::forwarder(load, CALLS)?;
    let mut relay = Path::relay(load, CALLS)?;
    let mut outcomes = [Outcome::default(), Outcome::default(), Outcome::default()];
    let warm = Duration::from_millis(400);
    for _ in 0..rounds {
        for (path, outcome) in [&mut direct, &mut forwarder, &mut relay].into_iter().zip(&mut outcomes) {
            path.run(load, CALLS, warm);
            outcome.add(path.run(load, CALLS, Duration::from_secs(2)));
        }
    }
    let [direct, forwarder, relay] = outcomes;
    println!("\n{CALLS} G.711 calls, RTP both ways, {THREADS} threads, one-way delay through loopback:\n");
    println!("| | median | p90 | p99 | p99.9 | CPU a packet | lost | sent late |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut histograms = Vec::new();
    for (name, outcome) in [("direct", direct), ("forwarder", forwarder), ("relay", relay)] {
        let (sent, late, lost) = (outcome.sent as f64, outcome.late as f64, outcome.lost());
        let cpu = outcome.cpu.as_secs_f64() * 1e6 / sent;
        let histogram = Histogram::new(outcome.delays);
        let [median, p90, p99, rare] = [50.0, 90.0, 99.0, 99.9].map(|percent| histogram.percentile(percent));
        println!(
            "| {name} | {median:.1} us | {p90:.1} us | {p99:.1} us | {rare:.1} us | {cpu:.2} us | {:.3} % | {:.3} % |",
            100.0 * lost,
            100.0 * late / sent
        );
        histograms.push((name, histogram, cpu));
    }
    let [(_, direct, _), (_, forwarder, forwarder_cpu), (_, relay, relay_cpu)] = &histograms[..] else {
        unreachable!("three paths")
    };
    println!();
    histogram::print(&[("forwarder", forwarder), ("relay", relay)]);
    println!();
    let mut misses = Vec::new();
    for (name, percent) in [("median", 50.0), ("p99", 99.0)] {
        let [sending, bare, ours] = [direct, forwarder, relay].map(|of| of.percentile(percent));
        let ratio = ours / bare;
        // What sending alone takes is in both, and no relay's.
        let added = (ours - direct.percentile(50.0)) / (bare - direct.percentile(50.0));
        println!(
            "RELAY {name} relay {ours:.1} us, forwarder {bare:.1} us: {ratio:.2}; without the {sending:.1} us of the same packets \
             sent directly: {added:.2}"
        );
        if ratio > CEILING || added > CEILING {
            misses.push(format!("relay {name}: {ratio:.2}, added {added:.2} (ceiling {CEILING})"));
        }
    }
    println!(
        "RELAY cpu relay {relay_cpu:.2} us, forwarder {forwarder_cpu:.2} us a packet: {:.2}",
        relay_cpu / forwarder_cpu
    );
    Ok(misses)
}

/// How many calls go through without loss, and how many do not.
fn capacity(load: &Load, most: usize, passes: usize) -> io::Result<()> {
    println!("\nCalls at which packets begin to be lost, load on the same processors:\n");
    println!("| | calls without loss | calls with loss | lost there | sent late there |");
    println!("|---|---|---|---|---|");
    for _ in 0..passes {
        for (name, path) in [("forwarder", Path::forwarder as fn(&Load, usize) -> _), ("relay", Path::relay)]
        {
            let mut path = path(load, most)?;
            let (without, with) = limit(load, &mut path, most);
            let with = with.map_or("none | | ".to_owned(), |(calls, outcome)| {
                let late = 100.0 * outcome.late as f64 / outcome.sent as f64;
                format!("{calls} | {:.2} % | {late:.1} %", 100.0 * outcome.lost())
            });
            println!("| {name} | {without} | {with} |");
        }
    }
    Ok(())
}

fn limit(load: &Load, path: &mut Path, most: usize) -> (usize, Option<(usize, Outcome)>) {
    let mut without = 0;
    for calls in (CALLS..=most).step_by(STEP) {
        // Once is chance: another program may have had the processors.
        let lost = (0..2)
            .map(|_| path.run(load, calls, Duration::from_millis(1500)))
            .min_by(|a, b| a.lost().total_cmp(&b.lost()))
            .filter(|outcome| outcome.lost() > LOST);
        if let Some(outcome) = lost {
            return (without, Some((calls, outcome)));
        }
        without = calls;
    }
    (without, None)
}
