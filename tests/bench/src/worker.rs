//! One process of several: measures ours on the path that the environment names, and libsrtp, and prints lines that
//! [`crate::processes`] reads.

use std::error::Error;

use sealrtp_srtp_accel::Path;
use sealrtp_test_libsrtp::Library;

use crate::batch::BATCHES;
use crate::gates::{G711, MANY, PAYLOADS};
use crate::measured::{Line, Way, What};
use crate::options::{Filter, Options, Part};
use crate::rounds::{self, Cell};
use crate::side::{Ours, Peer};
use crate::suites::{self, SUITES};
use crate::{batch, creation, instructions};

/// Rounds of packets unless told otherwise.
const ROUNDS: usize = 31;
/// Rounds of a few packets.
const BATCH_ROUNDS: usize = 301;
/// Streams are made in bursts; so many.
const CREATION_ROUNDS: usize = 9;

/// Measures, and prints.
///
/// # Errors
/// If the environment names a path that this processor does not have, or something cannot be measured here.
pub fn run(part: Part, options: &Options) -> Result<bool, Box<dyn Error>> {
    Path::requested()?;
    match part {
        Part::Speed => speed(options)?,
        Part::Creation => cost(&options.filter),
        Part::Batch => several(&options.filter),
        Part::Instructions => count(&options.filter)?,
    }
    Ok(true)
}

fn speed(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut peers = vec![Library::openssl()];
    for path in &options.libraries {
        peers.push(Library::open(path)?);
    }
    for cell in cells(&options.filter) {
        let rounds = options.filter.rounds.unwrap_or(ROUNDS);
        let (ours, theirs) = rounds::measure(cell, &peers, rounds);
        for (peer, theirs) in peers.iter().zip(theirs) {
            for (way, ours, theirs) in [
                (Way::Protect, ours.protect, theirs.protect),
                (Way::Unprotect, ours.unprotect, theirs.unprotect),
            ] {
                let peer = peer.name().to_owned();
                let suite = suites::name(cell.suite).to_owned();
                let what = What::Speed { peer, suite, streams: cell.streams, payload: cell.payload, way };
                Line::print(what, &[ours, theirs]);
            }
        }
    }
    Ok(())
}

fn cost(filter: &Filter) {
    let rounds = CREATION_ROUNDS.min(filter.rounds.unwrap_or(CREATION_ROUNDS));
    // Once before it counts: the allocator learns what sizes to keep, and takes fresh pages from the system until then.
    if let Some(suite) = suites(filter).next() {
        creation::measure(&Ours, suite, 1);
        creation::measure(&Peer(Library::openssl()), suite, 1);
    }
    for suite in suites(filter) {
        let ours = creation::measure(&Ours, suite, rounds);
        let theirs = creation::measure(&Peer(Library::openssl()), suite, rounds);
        for (way, ours, theirs) in [(Way::Protect, ours.0, theirs.0), (Way::Unprotect, ours.1, theirs.1)] {
            let suite = suites::name(suite).to_owned();
            let bytes = [ours.bytes as f64, theirs.bytes as f64];
            Line::print(
                What::Creation { suite: suite.clone(), way },
                &[ours.ns, theirs.ns, bytes[0], bytes[1]],
            );
            Line::print(What::Control { suite, way }, &[ours.control_ns, theirs.control_ns]);
        }
    }
}

fn several(filter: &Filter) {
    let rounds = filter.rounds.unwrap_or(BATCH_ROUNDS);
    for suite in suites(filter) {
        for payload in payloads(filter) {
            for fan in [false, true] {
                for packets in BATCHES {
                    let cell = batch::Cell { suite, payload, packets, fan };
                    for (way, together, alone) in batch::measure(cell, rounds) {
                        let suite = suites::name(suite).to_owned();
                        Line::print(What::Batch { suite, payload, packets, fan, way }, &[together, alone]);
                    }
                }
            }
        }
    }
}

fn count(filter: &Filter) -> Result<(), Box<dyn Error>> {
    for suite in suites(filter) {
        for payload in payloads(filter) {
            let mut jobs = Vec::from(instructions::jobs(&Ours, suite, payload));
            jobs.extend(instructions::jobs(&Peer(Library::openssl()), suite, payload));
            let counts = instructions::count(&mut jobs)?;
            for (at, way) in Way::BOTH.into_iter().enumerate() {
                let what = What::Instructions { suite: suites::name(suite).to_owned(), payload, way };
                Line::print(what, &[counts[at] as f64, counts[2 + at] as f64]);
            }
        }
    }
    Ok(())
}

fn suites(filter: &Filter) -> impl Iterator<Item = sealrtp_srtp::Suite> {
    let all = SUITES.into_iter().map(|(_, suite)| suite);
    all.filter(|suite| filter.suites.is_empty() || filter.suites.contains(suite))
}

fn payloads(filter: &Filter) -> Vec<usize> {
    if filter.payloads.is_empty() { PAYLOADS.to_vec() } else { filter.payloads.clone() }
}

/// What the filter names, or all that has a gate on some path.
fn cells(filter: &Filter) -> Vec<Cell> {
    let streams = if filter.streams.is_empty() { &[1, MANY] } else { filter.streams.as_slice() };
    let mut cells = Vec::new();
    for suite in suites(filter) {
        for &streams in streams {
            for payload in payloads(filter) {
                if streams == 1 || payload == G711 || !filter.streams.is_empty() {
                    cells.push(Cell { streams, suite, payload, in_order: filter.in_order });
                }
            }
        }
    }
    cells
}
