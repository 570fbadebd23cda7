//! The command line.

use std::path::PathBuf;

use sealrtp_srtp::Suite;
use sealrtp_srtp_accel::Path;

use crate::gates::G711;
use crate::suites;

/// What `--help` and a wrong argument print.
pub const USAGE: &str = "\
usage: sealrtp-bench [--quick] [--check] [--dtls] [--zrtp] [--relay] [--library <libsrtp2.so>]...
       sealrtp-bench --gates|--instructions|--page <folder> [filters]
  --quick  fewer rounds: half the time of the full minute and a half
  --check  exit with 1 if a floor below is not reached:
           against libsrtp-openssl the gates of --gates on the processor's best path, 1.0 elsewhere and against every peer;
           fewer than 1536 bytes per direction of a stream;
           DTLS-SRTP handshakes: at most 1.15 of OpenSSL's CPU time at each end, 1.5 round trips to the first secured
           packet, none of 200 at once lost, fewer than 4096 bytes an association with keys;
           ZRTP handshakes with X255 and DH3k: 1.0 against libbzrtp, 150 ms on loopback from the first Hello until both
           ends have heard secured audio, fewer than 4096 bytes a stream with keys;
           relay at 500 calls: at most 1.5 of a bare forwarder's one-way delay, median and p99
  --dtls   DTLS-SRTP alone
  --zrtp   ZRTP alone
  --relay  the relay alone
  --library  measures another build of libsrtp 2.x too

  --gates  every path of packets (SEALRTP_SRTP_PATH) that this processor has, each measured beside libsrtp-openssl in
           several processes of its own; medians of the processes, the gates, and exit code 1 if one is missed
  --instructions  exact instructions per packet on every path, by single steps
  --page <folder>  measures and writes performance.md there between its markers, and plots into performance/
  --section <machine|gates|peers|payloads|instructions|streams|batch|handshakes|relay|asterisk>  only these of the page
filters (lists are comma-separated):
  --path <portable|aes-ni-sse|aes-ni|sha-ni-sse|sha-ni|vaes-512|armv8>
  --suite <CM128_80|CM128_32|CM256_80|GCM128|GCM256>
  --payload <bytes>     any; 20, 80, 160 and 1200 have gates
  --streams <number>    up to 10,000
  --in-order            streams lie in memory in the order of their turns, not scattered
  --processes <number>  5
  --rounds <number>     31; each of 2,000 packets";

/// Which part of the measurements is wanted; empty lists mean all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Instructions that packets go through.
    pub paths: Vec<Path>,
    /// Suites.
    pub suites: Vec<Suite>,
    /// Bytes of payload.
    pub payloads: Vec<usize>,
    /// Streams that take turns.
    pub streams: Vec<usize>,
    /// Streams lie in memory in the order of their turns.
    pub in_order: bool,
    /// Processes for each path.
    pub processes: Option<usize>,
    /// Rounds of packets in each process.
    pub rounds: Option<usize>,
}

impl Filter {
    /// Whether several packets in one call are wanted, where they have gates.
    pub fn includes_batches(&self) -> bool {
        let wanted = |list: &[usize], number| list.is_empty() || list.contains(&number);
        wanted(&self.payloads, G711) && wanted(&self.streams, 1)
    }
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything that `make bench` prints.
    All,
    /// DTLS-SRTP alone.
    Dtls,
    /// ZRTP alone.
    Zrtp,
    /// The relay alone.
    Relay,
    /// The gates of every path.
    Gates,
    /// Instructions per packet on every path.
    Instructions,
    /// The page of documents in a folder, and its plots.
    Page,
    /// One process of several; prints what it measured.
    Worker(Part),
}

/// What a process of several measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nanoseconds per packet.
    Speed,
    /// What a stream costs.
    Creation,
    /// Several packets in one call.
    Batch,
    /// Instructions per packet.
    Instructions,
}

impl Part {
    const ALL: [Self; 4] = [Self::Speed, Self::Creation, Self::Batch, Self::Instructions];

    /// As the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Creation => "creation",
            Self::Batch => "batch",
            Self::Instructions => "instructions",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| format!("{name}: nothing that a process measures has this name"))
    }
}

/// The command line, read.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub modes: Vec<Mode>,
    /// Fewer rounds.
    pub quick: bool,
    /// Misses make the exit code 1.
    pub check: bool,
    /// Other builds of libsrtp.
    pub libraries: Vec<PathBuf>,
    /// Which part.
    pub filter: Filter,
    /// The folder of the page.
    pub documents: PathBuf,
    /// Sections of the page; none for all.
    pub sections: Vec<String>,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            modes: Vec::new(),
            quick: false,
            check: false,
            libraries: Vec::new(),
            filter: Filter::default(),
            documents: PathBuf::new(),
            sections: Vec::new(),
        };
        let filter = &mut options.filter;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} lacks its value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--dtls" => options.modes.push(Mode::Dtls),
                "--zrtp" => options.modes.push(Mode::Zrtp),
                "--relay" => options.modes.push(Mode::Relay),
                "--gates" => options.modes.push(Mode::Gates),
                "--worker" => options.modes.push(Mode::Worker(Part::named(&value()?)?)),
                "--instructions" => options.modes.push(Mode::Instructions),
                "--page" => {
                    options.modes.push(Mode::Page);
                    options.documents = value()?.into();
                }
                "--section" => options.sections = list(&value()?, |name| Ok(name.to_owned()))?,
                "--library" => options.libraries.push(value()?.into()),
                "--path" => {
                    filter.paths = list(&value()?, |name| name.parse().map_err(|e| format!("{e}")))?;
                }
                "--suite" => filter.suites = list(&value()?, suites::named)?,
                "--payload" => filter.payloads = list(&value()?, |n| number(n, 0..=1_400))?,
                "--streams" => {
                    filter.streams = list(&value()?, |n| number(n, 1..=10_000))?;
                }
                "--in-order" => filter.in_order = true,
                "--processes" => filter.processes = Some(number(&value()?, 1..=99)?),
                "--rounds" => filter.rounds = Some(number(&value()?, 1..=9_999)?),
                _ => return Err(format!("{argument} is not known")),
            }
        }
        if options.modes.is_empty() {
            options.modes.push(Mode::All);
        }
        Ok(options)
    }
}

fn list<T>(values: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    values.split(',').map(one).collect()
}

fn number(text: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{text}: not a number from {} to {}", range.start(), range.end()))
}
