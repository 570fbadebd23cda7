//! What the differential tests share: both sides under the same keys, packets of every shape, and verdicts that can be
//! compared.
#![forbid(unsafe_code)]

mod packets;
mod sides;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

pub use packets::{any_rtcp, any_rtp, reduced_size_rtcp, rtp};
pub use sides::{Keys, Oracle, Ours, Verdict, libraries};

/// Settings of a property test. Its seed is printed, and taken from `PROPTEST_RNG_SEED` if that is set; inputs that failed
/// are kept in `regressions/` and tried first from then on.
pub fn config(test: &'static str, cases: u32) -> Config {
    let mut config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions(test)))),
        ..Config::default()
    };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(RandomState::new().build_hasher().finish());
    }
    println!("{test}: PROPTEST_RNG_SEED={}", config.rng_seed);
    config
}

fn regressions(test: &'static str) -> &'static str {
    let path = format!("{}/regressions/{test}.txt", env!("CARGO_MANIFEST_DIR"));
    Box::leak(path.into_boxed_str())
}
