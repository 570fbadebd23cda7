//! The relay beside a bare UDP forwarder with the same sockets and threads, in the same run: the one-way delay of 500 G.711 calls,
//! CPU time per packet, and the number of calls at which packets are lost.
//!
//! Both ends of all calls are played by one thread on the same processors. Where the system allows it, that thread runs before
//! the carriers' threads, and these before all other programs; rounds are short, and what is shown is their median. The delay of a packet is from just before it is sent until the
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
/// Share of packets sent too late from which on the load is not what it should be: when all time is used, the system gives a
/// twentieth of it to other programs.
const LATE: f64 = 0.2;
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

    fn run(&mut self, load: &Load, calls: usize, opens: bool, duration: Duration) -> Outcome {
        let opens = opens && self.secured;
        let outcome = load.run(&self.calls[..calls], &mut self.sequences[..calls], opens, duration);
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
    let files = sys::raise_files();
    let mut load = Load::new()?;
    if !load.favour_what_follows(Precedence::Carrier) {
        println!("RELAY not allowed to run before other programs: they are measured with us");
    }
    let misses = delay(&load, if quick { 40 } else { 120 });
    let most = MOST_CALLS.min(files.saturating_sub(OTHER_FILES) / SOCKETS);
    let counted = capacity(&load, most, if quick { 1 } else { 3 });
    load.favour_what_follows(Precedence::Ordinary);
    counted.and(misses)
}

/// What rounds with one path have shown.
struct Measured {
    name: &'static str,
    all: Outcome,
    /// Percentiles of each round, in microseconds.
    rounds: Vec<[f64; PERCENTILES.len()]>,
}

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

impl Measured {
    fn new(name: &'static str) -> Self {
        Self { name, all: Outcome::default(), rounds: Vec::new() }
    }

    fn add(&mut self, round: Outcome) {
        let histogram = Histogram::new(round.delays.clone());
        self.rounds.push(PERCENTILES.map(|percent| histogram.percentile(percent)));
        self.all.add(round);
    }

    /// The middle of all rounds: one in which another program had the processors does not count.
    fn percentile(&self, number: usize) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(|round| round[number]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }

    /// Microseconds of CPU time a packet.
    fn cpu(&self) -> f64 {
        self.all.cpu.as_secs_f64() * 1e6 / self.all.sent as f64
    }
}

fn delay(load: &Load, rounds: usize) -> io::Result<Vec<String>> {
    let mut paths = [Path::direct(load, CALLS), Path::forwarder(load, CALLS)?, Path::relay(load, CALLS)?];
    let mut measured = ["direct", "forwarder", "relay"].map(Measured::new);
    for _ in 0..rounds {
        for (path, measured) in paths.iter_mut().zip(&mut measured) {
            if measured.rounds.is_empty() {
                path.run(load, CALLS, true, Duration::from_millis(500));
            }
            measured.add(path.run(load, CALLS, false, Duration::from_millis(200)));
        }
    }
    println!("\n{CALLS} G.711 calls, RTP both ways, {THREADS} threads, one-way delay through loopback:\n");
    println!("| | median | p90 | p99 | p99.9 | CPU a packet | lost | sent late |");
    println!("|---|---|---|---|---|---|---|---|");
    for path in &measured {
        let [median, p90, p99, rare] = [0, 1, 2, 3].map(|number| path.percentile(number));
        println!(
            "| {} | {median:.1} us | {p90:.1} us | {p99:.1} us | {rare:.1} us | {:.2} us | {:.3} % | {:.3} % |",
            path.name,
            path.cpu(),
            100.0 * path.all.lost(),
            100.0 * path.all.late(),
        );
    }
    let [direct, forwarder, relay] = &measured;
    println!();
    let [bare, ours] = [forwarder, relay].map(|path| Histogram::new(path.all.delays.clone()));
    histogram::print(&[(forwarder.name, &bare), (relay.name, &ours)]);
    println!();
    let mut misses = Vec::new();
    for (name, number) in [("median", 0), ("p99", 2)] {
        let [ours, bare] = [relay, forwarder].map(|path| path.percentile(number));
        // Sending takes its time without a carrier, too.
        let sending = direct.percentile(0);
        let (ratio, added) = (ours / bare, (ours - sending) / (bare - sending));
        println!(
            "RELAY {name} relay {ours:.1} us, forwarder {bare:.1} us: {ratio:.2}; \
             added to the {sending:.1} us without either: {added:.2}"
        );
        if ratio.max(added) > CEILING {
            misses.push(format!("relay {name}: {ratio:.2}, added {added:.2} (ceiling {CEILING})"));
        }
    }
    let [ours, bare] = [relay, forwarder].map(Measured::cpu);
    println!("RELAY cpu relay {ours:.2} us, forwarder {bare:.2} us a packet: {:.2}", ours / bare);
    Ok(misses)
}

/// How many calls go through without loss, and how many do not.
fn capacity(load: &Load, most: usize, passes: usize) -> io::Result<()> {
    println!(
        "\nCalls at which packets are lost or come too late to be played, load on the same processors:\n"
    );
    println!("| | calls without loss | calls with loss | lost there |");
    println!("|---|---|---|---|");
    for _ in 0..passes {
        for (name, path) in [("forwarder", Path::forwarder as fn(&Load, usize) -> _), ("relay", Path::relay)]
        {
            let (without, with) = limit(load, &mut path(load, most)?, most);
            println!("| {name} | {without} | {with} |");
        }
    }
    Ok(())
}

/// The most calls without loss, and what comes then.
fn limit(load: &Load, path: &mut Path, most: usize) -> (usize, String) {
    let mut without = 0;
    for calls in (CALLS..=most).step_by(STEP) {
        // Once is chance: another program may have had the processors.
        let [one, other] = [(); 2].map(|()| path.run(load, calls, false, Duration::from_secs(1)));
        let better = if one.useless() + one.late() < other.useless() + other.late() { one } else { other };
        if better.useless() > LOST {
            return (without, format!("{calls} | {:.1} %", 100.0 * better.useless()));
        }
        if better.late() > LATE {
            return (without, format!("{calls} cannot be played: no processor left for the load | - "));
        }
        without = calls;
    }
    (without, "none | - ".to_owned())
}
