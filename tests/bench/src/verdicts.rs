//! `--gates`: what was measured beside what has to be reached.

use std::error::Error;

use sealrtp_srtp_accel::Path;

use crate::gates;
use crate::measured::{Measured, Row, Way, What};
use crate::options::{Options, Part};
use crate::processes;
use crate::suites::{self, SUITES};

/// Processes for each path unless told otherwise.
pub const PROCESSES: usize = 5;

/// Measures, prints a table for each path, and gives whether every gate is met.
///
/// # Errors
/// If a process does not run through.
pub fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let Measurements { speed, creation, batch } = measure(options)?;
    let (mut met, mut missed) = (0, 0);
    let mut judged = |ok: Option<bool>| match ok {
        None => "",
        Some(true) => {
            met += 1;
            "met"
        }
        Some(false) => {
            missed += 1;
            "MISSED"
        }
    };
    for path in speed.paths() {
        println!("\n{path} (libsrtp's OpenSSL is kept from {})", processes::kept_from(path));
        println!(
            "{:15} {:8} {:>7} {:>7} {:9} {:>7} {:>7} {:>6} {:>5}",
            "peer", "suite", "streams", "payload", "", "ours ns", "peer ns", "times", "gate"
        );
        for row in speed.rows().filter(|row| row.path == path) {
            let What::Speed { peer, suite, streams, payload, way } = row.what else { continue };
            let gate = gate(row).map_or_else(String::new, |gate| gate.to_string());
            println!(
                "{peer:15} {suite:8} {streams:>7} {payload:>7} {:9} {:7.1} {:7.1} {:6.2} {gate:>5} {}",
                way.name(),
                row.median(0),
                row.median(1),
                row.times(),
                judged(met_by(row))
            );
        }
        for row in creation.rows().filter(|row| row.path == path) {
            let What::Creation { suite, way } = row.what else { continue };
            println!(
                "{suite:8} {:9} a stream costs {:.0} ns (libsrtp {:.0}) and {:.0} bytes (libsrtp {:.0}); gate {} ns, {} bytes: {}",
                way.name(),
                row.median(0),
                row.median(1),
                row.median(2),
                row.median(3),
                gates::CREATION_NS,
                gates::STREAM_BYTES,
                judged(met_by(row)),
            );
        }
        for row in creation.rows().filter(|row| row.path == path) {
            let What::Control { suite, way } = row.what else { continue };
            println!(
                "{suite:8} {:9} a packet of RTCP takes {:.0} ns (libsrtp {:.0}), {:.2} times faster; gate {}: {}",
                way.name(),
                row.median(0),
                row.median(1),
                row.times(),
                gates::CONTROL_RATIO,
                judged(met_by(row)),
            );
        }
    }
    for row in batch.rows() {
        let What::Batch { suite, payload, packets, fan, way } = row.what else { continue };
        let Some(gate) = gate(row) else { continue };
        println!(
            "{:8} {suite:8} {payload} B {:9} {packets} in a call{}: {:.1} ns, one by one {:.1}, {:.2} times faster; gate {gate}: {}",
            row.path.name(),
            way.name(),
            if *fan { ", each of another stream" } else { "" },
            row.median(0),
            row.median(1),
            row.times(),
            judged(met_by(row)),
        );
    }
    println!(
        "\nmedians of {} processes for each path; {met} gates met, {missed} missed",
        processes_of(options)
    );
    Ok(missed == 0)
}

/// What has gates.
#[derive(Default)]
pub struct Measurements {
    /// Packets one by one.
    pub speed: Measured,
    /// What a stream costs, unless the filter asks for less.
    pub creation: Measured,
    /// Several packets in one call, unless the filter leaves them out.
    pub batch: Measured,
}

impl Measurements {
    /// All of them.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.speed.rows().chain(self.creation.rows()).chain(self.batch.rows())
    }
}

/// Measures what has gates.
///
/// # Errors
/// If a process does not run through.
pub fn measure(options: &Options) -> Result<Measurements, Box<dyn Error>> {
    let (paths, processes) = (processes::paths(options), processes_of(options));
    let filter = &options.filter;
    let mut measurements = Measurements {
        speed: processes::measure(Part::Speed, &paths, processes, options)?,
        ..Measurements::default()
    };
    if filter.streams.is_empty() && filter.payloads.is_empty() {
        measurements.creation = processes::measure(Part::Creation, &paths, processes, options)?;
    }
    if filter.includes_batches() {
        let mut options = options.clone();
        options.filter.payloads = vec![gates::G711];
        let gated = |path: &Path| {
            SUITES.into_iter().any(|(_, suite)| {
                gates::batch_ratio(*path, suite, gates::G711, gates::BURST, Way::Protect).is_some()
            })
        };
        let paths: Vec<Path> = paths.into_iter().filter(gated).collect();
        measurements.batch = processes::measure(Part::Batch, &paths, processes, &options)?;
    }
    Ok(measurements)
}

fn processes_of(options: &Options) -> usize {
    options.filter.processes.unwrap_or(PROCESSES)
}

/// How many times faster than its peer, or than one by one, a row has to be.
pub fn gate(row: Row<'_>) -> Option<f64> {
    match row.what {
        What::Speed { suite, streams, payload, .. } => {
            gates::ratio(row.path, suites::named(suite).ok()?, *streams, *payload)
        }
        What::Control { .. } => Some(gates::CONTROL_RATIO),
        What::Batch { suite, payload, packets, way, .. } => {
            gates::batch_ratio(row.path, suites::named(suite).ok()?, *payload, *packets, *way)
        }
        What::Creation { .. } | What::Instructions { .. } => None,
    }
}

/// Whether a row reaches its gate, if it has one.
pub fn met_by(row: Row<'_>) -> Option<bool> {
    match row.what {
        What::Speed { .. } | What::Control { .. } | What::Batch { .. } => {
            gate(row).map(|gate| row.times() >= gate)
        }
        // The portable path has what the crates of RustCrypto cost.
        What::Creation { .. } if row.path == Path::Portable => None,
        What::Creation { .. } => {
            Some(row.median(0) < gates::CREATION_NS && row.median(2) < gates::STREAM_BYTES as f64)
        }
        What::Instructions { .. } => None,
    }
}
