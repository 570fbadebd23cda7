//! Nanoseconds by payload.

use sealrtp_srtp_accel::Path;

use super::common::{ONE_OF_EACH, PEER, few, narrowed, speed};
use super::plot::{Curve, Curves};
use super::{Done, Page};
use crate::floor;
use crate::measured::Way;
use crate::options::{Options, Part};
use crate::processes;
use crate::suites::SUITES;

/// Payloads of the curves, in bytes.
const CURVE: [usize; 15] = [0, 20, 40, 60, 80, 100, 120, 160, 200, 240, 320, 480, 640, 960, 1200];

/// Nanoseconds by payload, on the best path.
pub fn section(page: &mut Page, options: &Options) -> Done {
    let best = Path::best();
    let options = narrowed(options, |filter| {
        filter.suites = SUITES
            .into_iter()
            .filter(|(name, _)| ONE_OF_EACH.contains(name))
            .map(|(_, suite)| suite)
            .collect();
        if filter.payloads.is_empty() {
            filter.payloads = CURVE.to_vec();
        }
        filter.streams = vec![1];
    });
    let measured = processes::measure(Part::Speed, &[best], few(&options), &options)?;
    let block = floor::sha1_block_ns();
    let mut text = String::new();
    for name in ONE_OF_EACH {
        let curve = |title: &str, way, at: usize| {
            let points = options.filter.payloads.iter().filter_map(|&payload| {
                let row = measured.get(best, &speed(PEER, name, 1, payload, way))?;
                Some((payload as f64, row.median(at)))
            });
            Curve { name: title.to_owned(), points: points.collect() }
        };
        let mut curves = vec![
            curve("ours, protect", Way::Protect, 0),
            curve("libsrtp, protect", Way::Protect, 1),
            curve("ours, unprotect", Way::Unprotect, 0),
            curve("libsrtp, unprotect", Way::Unprotect, 1),
        ];
        if name.starts_with("CM") {
            let last = options.filter.payloads.iter().copied().max().unwrap_or(0);
            let points =
                (0..=last).map(|payload| (payload as f64, block * floor::sha1_blocks(payload) as f64));
            curves.push(Curve { name: "SHA-1 alone, one chain".to_owned(), points: points.collect() });
        }
        text += &page.plot(
            &format!("payloads-{name}"),
            &Curves {
                title: format!("Nanoseconds of a packet by its payload: {name}, {best}"),
                across: "payload, bytes",
                unit: "ns per packet",
                curves,
            },
        )?;
    }
    page.put("payloads", &text)
}
