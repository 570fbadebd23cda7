//! Many streams.

use std::fmt::Write;

use sealrtp_srtp_accel::Path;

use super::common::{PEER, few, measured_suites, narrowed, speed};
use super::plot::{Bars, Series};
use super::{Done, Page};
use crate::gates::{G711, MANY};
use crate::measured::{Measured, Row, Way};
use crate::options::{Options, Part};
use crate::processes;

/// Streams that take turns.
const STREAMS: [usize; 3] = [1, MANY, 10_000];
/// Rounds where ten thousand packets are one.
const FEW_ROUNDS: usize = 11;

/// A line of a table: its name, its number of a row, and digits behind the point.
type Numbers = (&'static str, fn(Row<'_>) -> f64, usize);

/// Many streams that take turns, on the best path: scattered in memory, and in its order.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let best = Path::best();
    let mut options = narrowed(options, |filter| {
        filter.payloads = vec![G711];
        if filter.streams.is_empty() {
            filter.streams = STREAMS.to_vec();
        }
        filter.rounds = filter.rounds.or(Some(FEW_ROUNDS));
    });
    let scattered = processes::measure(Part::Speed, &[best], few(&options), &options)?;
    options.filter.in_order = true;
    let in_order = processes::measure(Part::Speed, &[best], few(&options), &options)?;
    let numbers = &options.filter.streams;
    let suites = measured_suites(best, &scattered);
    // One stream is the same in both.
    let cells: Vec<(usize, &Measured, &str)> = (numbers.iter().map(|streams| (*streams, &scattered, "")))
        .chain(
            numbers.iter().filter(|streams| **streams > 1).map(|streams| (*streams, &in_order, ", in order")),
        )
        .collect();
    let row = |measured: &'_ Measured, name: &str, streams, way, value: fn(Row<'_>) -> f64| {
        measured.get(best, &speed(PEER, name, streams, G711, way)).map(value)
    };
    let mut text = String::from("| ns, protect / unprotect | |");
    cells.iter().try_for_each(|(streams, _, order)| write!(text, " {streams}{order} |"))?;
    write!(text, "\n|---|---|{}\n", "---|".repeat(cells.len()))?;
    let lines: [Numbers; 3] = [
        ("ours", |row| row.median(0), 0),
        ("libsrtp", |row| row.median(1), 0),
        ("times faster", |row| row.times(), 2),
    ];
    for name in &suites {
        for (label, value, digits) in lines {
            write!(text, "| {name} | {label} |")?;
            for (streams, measured, _) in &cells {
                let [protect, unprotect] =
                    Way::BOTH.map(|way| row(measured, name, *streams, way, value).unwrap_or(f64::NAN));
                write!(text, " {protect:.digits$} / {unprotect:.digits$} |")?;
            }
            text += "\n";
        }
    }
    let mut groups = Vec::new();
    let mut series = [("ours", lines[0].1), ("libsrtp on OpenSSL", lines[1].1)]
        .map(|(name, value)| (name, value, Vec::new()));
    for name in &suites {
        for streams in numbers {
            groups.push(format!(
                "{streams}\n{}",
                if *streams == numbers[numbers.len() / 2] { name } else { "" }
            ));
            for (_, value, values) in &mut series {
                values.push(row(&scattered, name, *streams, Way::Unprotect, *value));
            }
        }
    }
    let bars = Bars {
        title: format!(
            "Nanoseconds to open a packet of {G711} bytes when so many streams take turns: {best}"
        ),
        unit: "ns per packet",
        groups,
        series: series.map(|(name, _, values)| Series { name: name.to_owned(), values }).into(),
        stacked: false,
        mark: None,
    };
    let plot = page.plot("streams", &bars)?;
    page.put("streams", &(plot + &text))
}
