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

mod clock;
mod creation;
mod dtls;
mod memory;
mod relay;
mod rounds;
mod side;
mod zrtp;

use std::path::PathBuf;
use std::process::ExitCode;

use sealrtp_srtp::Suite;
use sealrtp_test_libsrtp::Library;

use rounds::Cell;
use side::{Ours, Peer};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const USAGE: &str = "usage: sealrtp-bench [--quick] [--check] [--dtls] [--zrtp] [--relay] [--library <libsrtp2.so>]...
  --quick  fewer rounds: half the time of the full minute and a half
  --check  exit with 1 if a floor below is not reached:
           against libsrtp-openssl AES_CM_128_HMAC_SHA1_80 2.4 at 20 bytes and 2.0 at 160 bytes,
           1.0 everywhere else and against every peer; fewer than 2048 bytes per direction;
           DTLS-SRTP handshakes: at most 1.15 of OpenSSL's CPU time at each end, 1.5 round trips to the first secured
           packet, none of 200 at once lost, fewer than 4096 bytes an association with keys;
           ZRTP handshakes with X255 and DH3k: 1.0 against libbzrtp, 150 ms on loopback from the first Hello until both
           ends have heard secured audio, fewer than 4096 bytes a stream with keys;
           relay at 500 calls: at most 1.5 of a bare forwarder's one-way delay, median and p99
  --dtls   DTLS-SRTP alone
  --zrtp   ZRTP alone
  --relay  the relay alone
  --library  measures another build of libsrtp 2.x too";

const SUITES: [(&str, Suite); 5] = [
    ("CM128_80", Suite::AesCm128HmacSha1_80),
    ("CM128_32", Suite::AesCm128HmacSha1_32),
    ("CM256_80", Suite::AesCm256HmacSha1_80),
    ("GCM128", Suite::AeadAes128Gcm),
    ("GCM256", Suite::AeadAes256Gcm),
];
const PAYLOADS: [usize; 4] = [20, 80, 160, 1200];
const STREAMS: [usize; 2] = [1, 2_000];
/// Bytes that one direction of a stream must stay below.
const MEMORY_CEILING: usize = 2_048;

struct Options {
    quick: bool,
    check: bool,
    dtls: bool,
    zrtp: bool,
    relay: bool,
    libraries: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let mut options =
        Options { quick: false, check: false, dtls: false, zrtp: false, relay: false, libraries: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--check" => options.check = true,
            "--dtls" => options.dtls = true,
            "--zrtp" => options.zrtp = true,
            "--relay" => options.relay = true,
            "--library" if arguments.len() > 0 => {
                options.libraries.extend(arguments.next().map(PathBuf::from))
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }

    println!("CPU {}", cpu());
    let mut misses = Vec::new();
    let all = !options.dtls && !options.zrtp && !options.relay;
    if all {
        srtp(&options, &mut misses);
    }
    if all || options.dtls {
        match dtls::run(options.quick) {
            Ok(more) => misses.extend(more),
            Err(error) => misses.push(format!("DTLS-SRTP: {error}")),
        }
    }
    if all || options.zrtp {
        match zrtp::run(options.quick) {
            Ok(more) => misses.extend(more),
            Err(error) => misses.push(format!("ZRTP: {error}")),
        }
    }
    if all || options.relay {
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
                let (ours, theirs) = rounds::measure(Cell { streams, suite, payload }, peers, rounds);
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
                        let floor = floor(peer, suite, payload);
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
fn floor(peer: &str, suite: Suite, payload: usize) -> f64 {
    match (peer, suite, payload) {
        ("libsrtp-openssl", Suite::AesCm128HmacSha1_80, 20) => 2.4,
        ("libsrtp-openssl", Suite::AesCm128HmacSha1_80, 160) => 2.0,
        _ => 1.0,
    }
}

fn creation(options: &Options, peers: &[&'static Library], misses: &mut Vec<String>) {
    let rounds = if options.quick { 5 } else { 25 };
    for (name, suite) in SUITES {
        let ours = creation::measure(&Ours, suite, rounds);
        for (direction, cost) in [("outbound", ours.0), ("inbound", ours.1)] {
            if cost.bytes >= MEMORY_CEILING {
                misses.push(format!("{name} {direction} {} bytes (ceiling {MEMORY_CEILING})", cost.bytes));
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
