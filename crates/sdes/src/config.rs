//! What a negotiator may offer and accept.

use sealrtp_srtp::{Lifetime, MAX_MKI_LEN, Suite};

use crate::SessionParameter;

/// What a [`Negotiator`](crate::Negotiator) may offer and accept. Suites and parameters are used only if named here, so
/// the weak ones never come by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Suites to offer and accept, best first.
    pub suites: Vec<Suite>,
    /// Lifetime of our master keys to signal and keep, in packets; none: not signalled, RFC 3711's longest.
    pub lifetime: Option<u64>,
    /// Bytes of the MKI that our packets carry, 0 (no MKI) to 128.
    pub mki_length: usize,
    /// Key derivation rate of our packets: 0 (derive once) or 2^0 to 2^24. Signalled as KDR.
    pub key_derivation_rate: u64,
    /// Session parameters to accept beyond those that are always accepted.
    pub session_parameters: Vec<SessionParameter>,
    /// Derive AES-192 session keys as libsrtp up to 2.5 does instead of as RFC 6188 says.
    pub libsrtp_aes192: bool,
}

impl Default for Config {
    /// The suite that every SRTP implementation has to know (RFC 4568 section 6.2, RFC 3711 section 5), nothing else.
    fn default() -> Self {
        Self {
            suites: vec![Suite::AesCm128HmacSha1_80],
            lifetime: None,
            mki_length: 0,
            key_derivation_rate: 0,
            session_parameters: Vec::new(),
            libsrtp_aes192: false,
        }
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No suite at all.
    #[error("no suite is configured")]
    NoSuite,
    /// A suite is listed twice.
    #[error("suite {0} is listed twice")]
    RepeatedSuite(Suite),
    /// The MKI is too long.
    #[error("an MKI has at most {MAX_MKI_LEN} bytes, got {0}")]
    MkiLength(usize),
    /// Lifetime out of range.
    #[error("a key lifetime is 1 to 2^48 packets, got {0}")]
    Lifetime(u64),
    /// Rate out of range.
    #[error("a key derivation rate is 0 or a power of two up to 2^24, got {0}")]
    KeyDerivationRate(u64),
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.suites.is_empty() {
            return Err(ConfigError::NoSuite);
        }
        for (i, suite) in self.suites.iter().enumerate() {
            if self.suites[..i].contains(suite) {
                return Err(ConfigError::RepeatedSuite(*suite));
            }
        }
        if self.mki_length > MAX_MKI_LEN {
            return Err(ConfigError::MkiLength(self.mki_length));
        }
        if let Some(packets) = self.lifetime {
            Lifetime::signalled(packets).map_err(|_| ConfigError::Lifetime(packets))?;
        }
        let rate = self.key_derivation_rate;
        if rate != 0 && (!rate.is_power_of_two() || rate > 1 << 24) {
            return Err(ConfigError::KeyDerivationRate(rate));
        }
        Ok(())
    }
}
