//! `make bench`: our SRTP beside libsrtp, our DTLS-SRTP beside OpenSSL alone, our ZRTP beside libbzrtp, and the relay beside a bare
//! forwarder, from one process, interleaved, medians of many rounds.
//!
//! Lines on stdout:
//! - `RATIO <peer> <streams> <suite> <payload bytes> <protect|unprotect> <ours ns> <peer ns> <peer/ours>`
//! - `CREATE <peer> <suite> <outbound|inbound> <ours ns> <peer ns> <ours bytes> <peer bytes>`
//!
//! Packets have a 12-byte header; every protected packet is compared with libsrtp's byte for byte, every opened one with
//! the clear one; replay protection is on. Then tables in Markdown: DTLS-SRTP ([`dtls`]), ZRTP ([`zrtp`]) and the relay
//! ([`relay`]).

mod batch;
mod clock;
mod creation;
mod dtls;
mod floor;
mod gates;
mod instructions;
mod measured;
mod memory;
mod options;
mod page;
mod processes;
mod relay;
mod rounds;
mod side;
mod suites;
mod verdicts;
mod worker;
mod zrtp;

use std::process::ExitCode;

use sealrtp_srtp_accel::Path;
use sealrtp_test_libsrtp::Library;

use gates::{PAYLOADS, STREAM_BYTES};
use options::{Mode, Options};
use rounds::Cell;
use side::{Ours, Peer};
use suites::SUITES;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const STREAMS: [usize; 2] = [1, gates::MANY];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("sealrtp-bench: {error}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if let Some(Mode::Worker(part)) = options.modes.first() {
        return exit(worker::run(*part, &options));
    }
    if options.modes.contains(&Mode::Page) {
        return exit(page::run(&options.documents, &options.sections, &options));
    }
    println!("CPU {}", cpu());
    let mut misses = Vec::new();
    let wanted = |mode| options.modes.contains(&mode) || options.modes.contains(&Mode::All);
    if options.modes.contains(&Mode::Gates) {
        return exit(verdicts::run(&options));
    }
    if options.modes.contains(&Mode::Instructions) {
        return exit(instructions::run(&options));
    }
    if wanted(Mode::All) {
        srtp(&options, &mut misses);
    }
    if wanted(Mode::Dtls) {
        match dtls::run(options.quick) {
            Ok(more) => misses.extend(more),
            Err(error) => misses.push(format!("DTLS-SRTP: {error}")),
        }
    }
    if wanted(Mode::Zrtp) {
        match zrtp::run(options.quick) {
            Ok(more) => misses.extend(more),
            Err(error) => misses.push(format!("ZRTP: {error}")),
        }
    }
    if wanted(Mode::Relay) {
        match relay::run(options.quick) {
            Ok(more) => misses.extend(more),
            Err(error) => misses.push(format!("relay: {error}")),
        }
    }
    for miss in &misses {
        println!("MISSED {miss}");
    }
    if options.check && !misses.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn srtp(options: &Options, misses: &mut Vec<String>) {
    let mut peers = vec![Library::openssl()];
    for other in
        std::iter::once(Library::debian()).chain(options.libraries.iter().map(|path| Library::open(path)))
    {
        match other {
            Ok(library) => peers.push(library),
            Err(absent) => println!("{absent}"),
        }
    }
    for library in &peers {
        println!("PEER {} {}", library.name(), library.version());
    }
    speed(options, &peers, misses);
    creation(options, &peers, misses);
}

fn speed(options: &Options, peers: &[&'static Library], misses: &mut Vec<String>) {
    for streams in STREAMS {
        let rounds = match (options.quick, streams) {
            (true, _) => 15,
            (false, 1) => 101,
            (false, _) => 61,
        };
        for (name, suite) in SUITES {
            for payload in PAYLOADS {
                let cell = Cell { streams, suite, payload, in_order: false };
                let (ours, theirs) = rounds::measure(cell, peers, rounds);
                for (library, theirs) in peers.iter().zip(theirs) {
                    let peer = library.name();
                    for (way, ours, theirs) in [
                        ("protect", ours.protect, theirs.protect),
                        ("unprotect", ours.unprotect, theirs.unprotect),
                    ] {
                        let ratio = theirs / ours;
                        let line = format!(
                            "{peer} {streams} {name} {payload} {way} {ours:.0} {theirs:.0} {ratio:.2}"
                        );
                        println!("RATIO {line}");
                        let floor = floor(peer, cell);
                        if ratio < floor {
                            misses.push(format!("{line} (floor {floor})"));
                        }
                    }
                }
            }
        }
    }
}

/// How many times faster than the peer we must be.
fn floor(peer: &str, cell: Cell) -> f64 {
    let path = Path::chosen();
    let gate = gates::ratio(path, cell.suite, cell.streams, cell.payload);
    gate.filter(|_| peer == Library::openssl().name() && path == Path::best()).unwrap_or(1.0)
}

fn creation(options: &Options, peers: &[&'static Library], misses: &mut Vec<String>) {
    let rounds = if options.quick { 5 } else { 25 };
    for (name, suite) in SUITES {
        let ours = creation::measure(&Ours, suite, rounds);
        for (direction, cost) in [("outbound", ours.0), ("inbound", ours.1)] {
            if cost.bytes >= STREAM_BYTES {
                misses.push(format!("{name} {direction} {} bytes (ceiling {STREAM_BYTES})", cost.bytes));
            }
        }
        for library in peers {
            let theirs = creation::measure(&Peer(library), suite, rounds);
            for (direction, ours, theirs) in [("outbound", ours.0, theirs.0), ("inbound", ours.1, theirs.1)] {
                println!(
                    "CREATE {} {name} {direction} {:.0} {:.0} {} {}",
                    library.name(),
                    ours.ns,
                    theirs.ns,
                    ours.bytes,
                    theirs.bytes
                );
            }
        }
    }
}

/// The exit code of something that says whether all is well.
fn exit(result: Result<bool, Box<dyn std::error::Error>>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sealrtp-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// The machine, and the instructions that SRTP's speed hangs on.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim())
    };
    let cpus = info.lines().filter(|line| line.starts_with("processor")).count();
    let flags = field("flags");
    let known = ["aes", "sha_ni", "pclmulqdq", "vaes", "vpclmulqdq", "avx512f"];
    let has: Vec<&str> = known.into_iter().filter(|k| flags.split(' ').any(|f| f == *k)).collect();
    format!("{} x{cpus} {}", field("model name"), has.join(" "))
}
