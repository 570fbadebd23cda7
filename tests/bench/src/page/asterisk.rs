//! The section that `make bench-asterisk` measures: CPU time of a whole PBX, from the file that it leaves beside the plots.

use std::fmt::Write;

use serde::Deserialize;

use super::plot::{Bars, Series};
use super::{Done, Page};
use crate::options::Options;

/// What `make bench-asterisk` leaves.
const FILE: &str = "asterisk.json";

#[derive(Deserialize)]
struct Run {
    asterisk: String,
    processor: String,
    rounds: usize,
    seconds: f64,
    limit: f64,
    results: Vec<Calls>,
}

#[derive(Deserialize)]
struct Calls {
    calls: usize,
    variants: Vec<Variant>,
    shares: std::collections::BTreeMap<String, f64>,
}

/// CPU seconds of Asterisk per minute of a call.
#[derive(Deserialize)]
struct Variant {
    name: String,
    median: f64,
    user: f64,
    system: f64,
    added: f64,
}

/// Fills the section, or says that nothing was measured yet.
pub fn section(page: &mut Page, _: &Options) -> Done {
    let Ok(text) = std::fs::read_to_string(page.plots.join(FILE)) else {
        return page.put("asterisk", "Not measured yet: `make bench-asterisk`.");
    };
    let run: Run = serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let mut text = format!(
        "{}, {}; {} rounds of {} s.\n\n\
         | CPU seconds per call-minute | calls | all | user | system | added to clear |\n|---|---|---|---|---|---|\n",
        run.asterisk, run.processor, run.rounds, run.seconds
    );
    let (mut groups, mut user, mut system) = (Vec::new(), Vec::new(), Vec::new());
    for calls in &run.results {
        for variant in &calls.variants {
            writeln!(
                text,
                "| {} | {} | {:.4} | {:.4} | {:.4} | {:.4} |",
                variant.name, calls.calls, variant.median, variant.user, variant.system, variant.added
            )?;
            groups.push(format!("{}\n{} calls", variant.name, calls.calls));
            user.push(Some(variant.user));
            system.push(Some(variant.system));
        }
    }
    text += "\n";
    for calls in &run.results {
        for (suite, share) in &calls.shares {
            writeln!(
                text,
                "- {} calls, {suite}: SealRTP adds {share:.2} of what res_srtp adds to a clear call (at most {}){}",
                calls.calls,
                run.limit,
                if *share > run.limit { ", **missed**" } else { "" }
            )?;
        }
    }
    let bars = Bars {
        title: "CPU seconds of Asterisk per minute of a call".to_owned(),
        unit: "CPU s per call-minute",
        groups,
        series: vec![
            Series { name: "user".to_owned(), values: user },
            Series { name: "system".to_owned(), values: system },
        ],
        stacked: true,
        mark: None,
    };
    let plot = page.plot("asterisk", &bars)?;
    page.put("asterisk", &(plot + &text))
}
