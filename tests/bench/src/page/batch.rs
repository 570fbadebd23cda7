//! Several packets in one call.

use std::fmt::Write;

use sealrtp_srtp_accel::Path;

use super::common::{few, narrowed};
use super::plot::{Bars, Series};
use super::{Done, Page};
use crate::batch::BATCHES;
use crate::gates::G711;
use crate::measured::{Row, Way, What};
use crate::options::{Options, Part};
use crate::processes;
use crate::suites;

/// Suites in the plot.
const PLOTTED: &str = "CM128_80";

/// Fills the section.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let best = Path::best();
    let options = narrowed(options, |filter| {
        if filter.suites.is_empty() {
            filter.suites = ["CM128_80", "CM256_80", "GCM128"]
                .iter()
                .filter_map(|name| suites::named(name).ok())
                .collect();
        }
        if filter.payloads.is_empty() {
            filter.payloads = vec![20, G711];
        }
    });
    let measured = processes::measure(Part::Batch, &[best], few(&options), &options)?;
    let row = |suite: &str, payload, packets, fan, way, value: fn(Row<'_>) -> f64| {
        let what = What::Batch { suite: suite.to_owned(), payload, packets, fan, way };
        measured.get(best, &what).map_or(f64::NAN, value)
    };
    let mut text = String::from("| ns per packet, protect / unprotect | one by one |");
    BATCHES.iter().try_for_each(|packets| write!(text, " {packets} in a call |"))?;
    write!(text, "\n|---|---|{}\n", "---|".repeat(BATCHES.len()))?;
    for suite in &options.filter.suites {
        let name = suites::name(*suite);
        for payload in &options.filter.payloads {
            for fan in [false, true] {
                let what = if fan { "one for each stream" } else { "of one stream" };
                let alone = Way::BOTH.map(|way| row(name, *payload, 4, fan, way, |row| row.median(1)));
                write!(text, "| {name}, {payload} B, {what} | {:.0} / {:.0} |", alone[0], alone[1])?;
                for packets in BATCHES {
                    let [out, inn] =
                        Way::BOTH.map(|way| row(name, *payload, packets, fan, way, |row| row.median(0)));
                    write!(text, " {out:.0} / {inn:.0} |")?;
                }
                text += "\n";
            }
        }
    }
    let payload = options.filter.payloads.iter().copied().max().unwrap_or(G711);
    let series = |name: &str, fan, way| {
        let values =
            BATCHES.iter().map(|packets| row(PLOTTED, payload, *packets, fan, way, |row| row.median(0)));
        Series { name: name.to_owned(), values: values.map(Some).collect() }
    };
    let bars = Bars {
        title: format!(
            "Nanoseconds of a packet of {payload} bytes when so many go in one call: {PLOTTED}, {best}"
        ),
        unit: "ns per packet",
        groups: BATCHES.iter().map(usize::to_string).collect(),
        series: vec![
            series("one stream, protect", false, Way::Protect),
            series("one stream, unprotect", false, Way::Unprotect),
            series("each of another, protect", true, Way::Protect),
            series("each of another, unprotect", true, Way::Unprotect),
        ],
        stacked: false,
        mark: Some(Series {
            name: "one by one, one stream, protect".to_owned(),
            values: vec![
                Some(row(PLOTTED, payload, BATCHES[0], false, Way::Protect, |row| row.median(1)));
                BATCHES.len()
            ],
        }),
    };
    let plot = page.plot("batch", &bars)?;
    page.put("batch", &(plot + &text))
}
