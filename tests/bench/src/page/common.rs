//! What several sections need.

use sealrtp_srtp_accel::Path;

use crate::measured::{Measured, Way, What};
use crate::options::{Filter, Options};
use crate::suites::SUITES;

/// The peer that is linked in.
pub const PEER: &str = "libsrtp-openssl";
/// Suites of which one of each kind is enough.
pub const ONE_OF_EACH: [&str; 2] = ["CM128_80", "GCM128"];
/// Processes for what has no gate.
const FEW: usize = 3;

/// The name of a measurement.
pub fn speed(peer: &str, suite: &str, streams: usize, payload: usize, way: Way) -> What {
    What::Speed { peer: peer.to_owned(), suite: suite.to_owned(), streams, payload, way }
}

/// Short names of suites of which there are rows with one stream.
pub fn measured_suites(path: Path, measured: &Measured) -> Vec<&'static str> {
    let has = |name: &str| {
        measured
            .rows()
            .any(|row| row.path == path && matches!(row.what, What::Speed { suite, .. } if suite == name))
    };
    SUITES.into_iter().map(|(name, _)| name).filter(|name| has(name)).collect()
}

/// Options with another filter, for the peer that is linked in.
pub fn narrowed(options: &Options, change: impl FnOnce(&mut Filter)) -> Options {
    let mut options = Options { libraries: Vec::new(), ..options.clone() };
    change(&mut options.filter);
    options
}

/// Processes for what has no gate.
pub fn few(options: &Options) -> usize {
    options.filter.processes.unwrap_or(FEW)
}
