//! Other builds of libsrtp.

use std::fmt::Write;

use sealrtp_srtp_accel::Path;
use sealrtp_test_libsrtp::Library;

use super::common::{ONE_OF_EACH, PEER, few, narrowed, speed};
use super::{Done, Page};
use crate::gates::G711;
use crate::measured::{Way, What};
use crate::options::{Options, Part};
use crate::processes;
use crate::suites;

/// Debian's libsrtp, as the loader finds it.
const DEBIAN: &str = "libsrtp2.so.1";

/// Other builds of libsrtp: Debian's, and those that the command line names; on the best path.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let best = Path::best();
    let named = &options.libraries;
    let mut options = narrowed(options, |filter| {
        if filter.suites.is_empty() {
            filter.suites = ONE_OF_EACH.iter().filter_map(|name| suites::named(name).ok()).collect();
        }
        if filter.payloads.is_empty() {
            filter.payloads = vec![20, G711, 1200];
        }
        filter.streams = vec![1];
    });
    if Library::debian().is_ok() {
        options.libraries.push(DEBIAN.into());
    }
    options.libraries.extend_from_slice(named);
    let measured = processes::measure(Part::Speed, &[best], few(&options), &options)?;
    let mut text = String::from("| ns, protect / unprotect | |");
    options.filter.payloads.iter().try_for_each(|payload| write!(text, " {payload} B |"))?;
    write!(text, " times faster |\n|---|---|{}---|\n", "---|".repeat(options.filter.payloads.len()))?;
    let mut names: Vec<&str> = Vec::new();
    for row in measured.rows() {
        if let What::Speed { peer, .. } = row.what
            && !names.contains(&peer.as_str())
        {
            names.push(peer);
        }
    }
    for suite in &options.filter.suites {
        let suite = suites::name(*suite);
        let mut line = |label: &str, peer: &str, at: usize| -> Done {
            write!(text, "| {suite} | {label} |")?;
            let mut times = Vec::new();
            for payload in &options.filter.payloads {
                let rows = Way::BOTH.map(|way| measured.get(best, &speed(peer, suite, 1, *payload, way)));
                let [Some(protect), Some(unprotect)] = rows else { continue };
                write!(text, " {:.0} / {:.0} |", protect.median(at), unprotect.median(at))?;
                times.extend([protect.times(), unprotect.times()]);
            }
            let (least, most) =
                (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max));
            let times = if at == 0 { String::new() } else { format!("{least:.1} to {most:.1}") };
            writeln!(text, " {times} |")?;
            Ok(())
        };
        line("ours", PEER, 0)?;
        for name in &names {
            line(name, name, 1)?;
        }
    }
    page.put("peers", &text)
}
