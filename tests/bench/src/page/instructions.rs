//! Instructions per packet.

use std::fmt::Write;

use sealrtp_srtp_accel::Path;

use super::common::narrowed;
use super::plot::{Bars, Series};
use super::{Done, Page};
use crate::gates::G711;
use crate::measured::{Way, What};
use crate::options::{Options, Part};
use crate::processes;
use crate::suites::{self, SUITES};

/// Instructions per packet on every path.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let options = narrowed(options, |filter| {
        if filter.suites.is_empty() {
            filter.suites = SUITES.into_iter().map(|(_, suite)| suite).collect();
            // Its packets differ from CM128_80's by six bytes of tag.
            filter.suites.retain(|suite| suites::name(*suite) != "CM128_32");
        }
        if filter.payloads.is_empty() {
            filter.payloads = vec![20, G711, 1200];
        }
    });
    let paths = processes::paths(&options);
    let measured = processes::measure(Part::Instructions, &paths, 1, &options)?;
    let payloads = &options.filter.payloads;
    let cell = |path, name: &str, payload, way| {
        measured.get(path, &What::Instructions { suite: name.to_owned(), payload, way })
    };
    let mut text = String::from("| instructions, protect / unprotect | |");
    payloads.iter().try_for_each(|payload| write!(text, " {payload} B |"))?;
    write!(text, "\n|---|---|{}\n", "---|".repeat(payloads.len()))?;
    for suite in &options.filter.suites {
        let name = suites::name(*suite);
        let lines = paths.iter().map(|path| (*path, path.name(), 0)).chain([(Path::best(), "libsrtp", 1)]);
        for (path, label, at) in lines.filter(|(path, _, _)| paths.contains(path)) {
            write!(text, "| {name} | {label} |")?;
            for payload in payloads {
                let rows = Way::BOTH
                    .map(|way| cell(path, name, *payload, way).map_or(f64::NAN, |row| row.median(at)));
                write!(text, " {} / {} |", rows[0], rows[1])?;
            }
            text += "\n";
        }
    }
    let named: Vec<&str> = options.filter.suites.iter().map(|suite| suites::name(*suite)).collect();
    let payload = if payloads.contains(&G711) { G711 } else { payloads[0] };
    let column = |path: Path, at: usize| {
        named.iter().map(|name| cell(path, name, payload, Way::Protect).map(|row| row.median(at))).collect()
    };
    let mut series: Vec<Series> =
        paths.iter().map(|path| Series { name: path.name().to_owned(), values: column(*path, 0) }).collect();
    if let Some(last) = paths.last() {
        series.push(Series { name: "libsrtp on OpenSSL".to_owned(), values: column(*last, 1) });
    }
    let bars = Bars {
        title: format!("Instructions to protect a packet of {payload} bytes"),
        unit: "instructions",
        groups: named.iter().map(|name| (*name).to_owned()).collect(),
        series,
        stacked: false,
        mark: None,
    };
    let plot = page.plot("instructions", &bars)?;
    page.put("instructions", &(plot + &text))
}
