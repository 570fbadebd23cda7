//! Gates, and what streams cost.

use std::error::Error;
use std::fmt::Write;

use sealrtp_srtp_accel::Path;

use super::common::{PEER, measured_suites, narrowed, speed};
use super::plot::{Bars, Series};
use super::{Done, Page};
use crate::gates::{self, G711, MANY, PAYLOADS};
use crate::measured::{Measured, Row, Way, What};
use crate::options::Options;
use crate::processes;
use crate::suites::{self, SUITES};
use crate::verdicts::{self, Measurements};

/// The gates of every path.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let options = narrowed(options, |_| {});
    let measurements = verdicts::measure(&options)?;
    let Measurements { speed, creation, batch } = &measurements;
    let mut text = String::new();
    let judged = || measurements.rows().filter_map(verdicts::met_by);
    let missed = judged().filter(|met| !met).count();
    writeln!(text, "{} gates, {missed} of them missed (**bold**).\n", judged().count())?;
    for path in speed.paths() {
        writeln!(text, "### {path}\n")?;
        if processes::kept_from(path) != "nothing" {
            writeln!(text, "libsrtp's OpenSSL is kept from {}.\n", processes::kept_from(path))?;
        }
        text += &page.plot(&format!("times-{path}"), &times(path, speed))?;
        text += &packets(path, speed)?;
    }
    text += "### What a stream costs\n\n";
    text += &streams_made(creation)?;
    if !batch.paths().is_empty() {
        text += &format!("\n### {} packets of {G711} B in one call\n\n", gates::BURST);
        text += &batches(batch)?;
    }
    page.put("gates", &text)
}

/// Bars: how many times faster, and the gates.
fn times(path: Path, measured: &Measured) -> Bars {
    let mut groups = Vec::new();
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for name in measured_suites(path, measured) {
        for payload in PAYLOADS {
            groups.push(format!("{payload} B\n{}", if payload == PAYLOADS[1] { name } else { "" }));
            for (column, way) in columns.iter_mut().zip(Way::BOTH) {
                column.push(measured.get(path, &speed(PEER, name, 1, payload, way)).map(|row| row.times()));
            }
            let suite = suites::named(name).ok();
            columns[2].push(suite.and_then(|suite| gates::ratio(path, suite, 1, payload)));
        }
    }
    let [protect, unprotect, gate] = columns;
    let series = |name: &str, values| Series { name: name.to_owned(), values };
    Bars {
        title: format!("Times faster than libsrtp on OpenSSL: {path}"),
        unit: "times faster",
        groups,
        series: vec![series("protect", protect), series("unprotect", unprotect)],
        stacked: false,
        mark: Some(series("gate", gate)),
    }
}

/// A table of one path: nanoseconds, and times faster with the gate.
fn packets(path: Path, measured: &Measured) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("| protect / unprotect | |");
    let cells: Vec<(usize, usize)> =
        PAYLOADS.into_iter().map(|payload| (1, payload)).chain([(MANY, G711)]).collect();
    for (streams, payload) in &cells {
        if *streams == 1 {
            write!(text, " {payload} B |")?;
        } else {
            write!(text, " {payload} B, {streams} streams |")?;
        }
    }
    text += "\n|---|---|---|---|---|---|---|\n";
    for name in measured_suites(path, measured) {
        for (label, value) in LINES {
            write!(text, "| {} | {label} |", if label == LINES[0].0 { name } else { "" })?;
            for (streams, payload) in &cells {
                let rows =
                    Way::BOTH.map(|way| measured.get(path, &speed(PEER, name, *streams, *payload, way)));
                match rows {
                    [Some(protect), Some(unprotect)] => {
                        write!(text, " {} / {}", value(protect), value(unprotect))?;
                        if let Some(gate) = verdicts::gate(protect).filter(|_| label == LINES[2].0) {
                            write!(text, " ({gate})")?;
                        }
                        text += " |";
                    }
                    _ => text += " |",
                }
            }
            text += "\n";
        }
    }
    Ok(text + "\n")
}

/// A line of a suite in the table of a path: what it has, and how it is said.
type Said = (&'static str, fn(Row<'_>) -> String);
const LINES: [Said; 3] = [
    ("ours, ns", |row| format!("{:.0}", row.median(0))),
    ("libsrtp, ns", |row| format!("{:.0}", row.median(1))),
    ("times faster (gate)", |row| emphasised(format!("{:.2}", row.times()), row)),
];

fn emphasised(text: String, row: Row<'_>) -> String {
    if verdicts::met_by(row) == Some(false) { format!("**{text}**") } else { text }
}

fn streams_made(creation: &Measured) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "| one direction, RTP and RTCP; out / in | path | ours, ns (< {:.0}) | libsrtp, ns | ours, bytes (< {}) | libsrtp, bytes | RTCP packet, ours, ns | libsrtp, ns | times faster ({}) |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        gates::CREATION_NS,
        gates::STREAM_BYTES,
        gates::CONTROL_RATIO
    );
    for path in creation.paths() {
        for (name, _) in SUITES {
            let rows =
                Way::BOTH.map(|way| creation.get(path, &What::Creation { suite: name.to_owned(), way }));
            let [Some(out), Some(inn)] = rows else { continue };
            write!(text, "| {name} | {path} |")?;
            for column in 0..4 {
                let number = |row: Row<'_>| {
                    let number = format!("{:.0}", row.median(column));
                    if [0, 2].contains(&column) { emphasised(number, row) } else { number }
                };
                write!(text, " {} / {} |", number(out), number(inn))?;
            }
            let rows =
                Way::BOTH.map(|way| creation.get(path, &What::Control { suite: name.to_owned(), way }));
            let [Some(out), Some(inn)] = rows else {
                return Err(format!("{path}, {name}: RTCP is missing").into());
            };
            for (_, value) in LINES {
                write!(text, " {} / {} |", value(out), value(inn))?;
            }
            text += "\n";
        }
    }
    Ok(text)
}

fn batches(batch: &Measured) -> Result<String, Box<dyn Error>> {
    let mut text = String::from(
        "| protect / unprotect | path | in one call, ns | one by one, ns | times faster (gates) |\n|---|---|---|---|---|\n",
    );
    for path in batch.paths() {
        for (suite, _) in SUITES {
            for (fan, said) in [(false, "of one stream"), (true, "one for each stream")] {
                let what = |way| What::Batch {
                    suite: suite.to_owned(),
                    payload: G711,
                    packets: gates::BURST,
                    fan,
                    way,
                };
                let [Some(out), Some(inn)] = Way::BOTH.map(|way| batch.get(path, &what(way))) else {
                    continue;
                };
                let [Some(gate_out), Some(gate_in)] = [out, inn].map(verdicts::gate) else { continue };
                write!(text, "| {suite}, {said} | {path} |")?;
                let [ours, one_by_one, times] =
                    LINES.map(|(_, value)| format!("{} / {}", value(out), value(inn)));
                writeln!(text, " {ours} | {one_by_one} | {times} ({gate_out} / {gate_in}) |")?;
            }
        }
    }
    Ok(text)
}
