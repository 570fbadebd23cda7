//! The suites that are measured, under short names.

use sealrtp_srtp::Suite;

/// Short names, as tables have them.
pub const SUITES: [(&str, Suite); 5] = [
    ("CM128_80", Suite::AesCm128HmacSha1_80),
    ("CM128_32", Suite::AesCm128HmacSha1_32),
    ("CM256_80", Suite::AesCm256HmacSha1_80),
    ("GCM128", Suite::AeadAes128Gcm),
    ("GCM256", Suite::AeadAes256Gcm),
];

/// The suite with a short name.
///
/// # Errors
/// In words, if there is none.
pub fn named(name: &str) -> Result<Suite, String> {
    let found = SUITES.iter().find(|(known, _)| *known == name);
    found.map(|(_, suite)| *suite).ok_or_else(|| format!("{name}: no suite that is measured has this name"))
}

/// The short name of a suite in [`SUITES`].
pub fn name(suite: Suite) -> &'static str {
    SUITES.iter().find(|(_, known)| *known == suite).map_or("?", |(name, _)| name)
}
