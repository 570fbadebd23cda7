//! What one process measured, as a line for the process that started it, and what several made of it.

use std::collections::BTreeMap;

use sealrtp_srtp_accel::Path;
use serde::{Deserialize, Serialize};

use crate::rounds::median;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// Out, protected.
    Protect,
    /// In, opened.
    Unprotect,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Protect, Self::Unprotect];

    /// As tables have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Unprotect => "unprotect",
        }
    }
}

/// What was measured. Suites have their short names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// Nanoseconds per packet: ours, the peer's.
    Speed { peer: String, suite: String, streams: usize, payload: usize, way: Way },
    /// One direction of a stream: our nanoseconds, the peer's, our bytes, the peer's.
    Creation { suite: String, way: Way },
    /// Nanoseconds of an RTCP packet: ours, the peer's.
    Control { suite: String, way: Way },
    /// Nanoseconds per packet, ours: so many packets in one call, of one stream or (`fan`) each of another; one by one.
    Batch { suite: String, payload: usize, packets: usize, fan: bool, way: Way },
    /// Instructions of one packet: ours, the peer's.
    Instructions { suite: String, payload: usize, way: Way },
}

/// One measurement of one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What was measured.
    pub what: What,
    /// The numbers that [`What`] tells of.
    pub numbers: Vec<f64>,
}

impl Line {
    /// Prints it for the process that started this one.
    pub fn print(what: What, numbers: &[f64]) {
        let line = Self { what, numbers: numbers.to_vec() };
        println!("{}", serde_json::to_string(&line).expect("strings and finite numbers"));
    }
}

/// What was measured, and the numbers of each process.
type Processes = (What, Vec<Vec<f64>>);

/// Measurements of several processes, one set of numbers each.
#[derive(Default)]
pub struct Measured {
    rows: BTreeMap<(Path, usize), Processes>,
}

/// A measurement of several processes.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Instructions that packets went through.
    pub path: Path,
    /// What was measured.
    pub what: &'a What,
    processes: &'a [Vec<f64>],
}

impl Measured {
    /// Adds what a process measured. Processes of a path measure the same in the same order.
    pub fn add(&mut self, path: Path, lines: Vec<Line>) {
        for line in lines {
            let known = self.rows.iter_mut().find(|((of, _), (what, _))| *of == path && *what == line.what);
            match known {
                Some((_, (_, processes))) => processes.push(line.numbers),
                None => {
                    let place = self.rows.keys().filter(|(of, _)| *of == path).count();
                    self.rows.insert((path, place), (line.what, vec![line.numbers]));
                }
            }
        }
    }

    /// All, paths slowest first, and in the order of the processes within a path.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|((path, _), (what, processes))| Row { path: *path, what, processes })
    }

    /// What was measured on a path, if it was.
    pub fn get(&self, path: Path, what: &What) -> Option<Row<'_>> {
        self.rows().find(|row| row.path == path && row.what == what)
    }

    /// Paths that were measured, slowest first.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths: Vec<Path> = self.rows.keys().map(|(path, _)| *path).collect();
        paths.dedup();
        paths
    }
}

impl Row<'_> {
    /// Median of one of the numbers over the processes.
    pub fn median(&self, at: usize) -> f64 {
        median(&self.processes.iter().map(|numbers| numbers[at]).collect::<Vec<_>>())
    }

    /// How many times our number goes into the peer's: median of the ratios within each process.
    pub fn times(&self) -> f64 {
        median(&self.processes.iter().map(|numbers| numbers[1] / numbers[0]).collect::<Vec<_>>())
    }
}
