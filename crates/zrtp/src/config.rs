//! How exchanges are done.

use std::time::Duration;

use crate::algorithm::{Algorithm, AuthTag, Cipher, Hash, KeyAgreement, SasType};
use crate::message::{MAX_NAMES, Name, Names};

/// Retransmission (RFC 6189 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// First interval; each next one is twice as long.
    pub first: Duration,
    /// Longest interval.
    pub cap: Duration,
    /// How often a message goes out again.
    pub sends: u32,
}

/// How exchanges are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Software's name in Hello, cut to 16 bytes.
    pub client: String,
    /// Hashes, best first. S256 is always taken.
    pub hashes: Vec<Hash>,
    /// Ciphers, best first. AES1 is always taken.
    pub ciphers: Vec<Cipher>,
    /// SRTP authentication tags, best first. HS32 and HS80 are always taken.
    pub auth_tags: Vec<AuthTag>,
    /// Key agreements, best first. DH3k and Multistream are always taken; Preshared is if it is listed.
    pub agreements: Vec<KeyAgreement>,
    /// SAS types, best first. B32 is always taken.
    pub sas_types: Vec<SasType>,
    /// P: never sends a Commit. Two ends that never do stay in [`StreamState::Discovery`](crate::StreamState::Discovery): each
    /// has heard the other ([`Event::PeerFound`](crate::Event::PeerFound)), and neither gets keys or a failure.
    pub passive: bool,
    /// M: this is a PBX that may relay a SAS.
    pub mitm: bool,
    /// A: a GoClear of the peer is obeyed.
    pub allow_clear: bool,
    /// D: what runs here may disclose keys.
    pub disclosure: bool,
    /// E: a PBX that offers enrolment in this call. Implies not A.
    pub enrolment: bool,
    /// Seconds a new secret may be kept; [`u32::MAX`] is for ever, 0 is not at all.
    pub cache_expiry: u32,
    /// EndpointHash of our PingACKs (section 5.16); the ZID's first bytes if there is none. A PBX gives each end point behind
    /// it one of its own.
    pub endpoint_hash: Option<[u8; 8]>,
    /// T1, for Hello.
    pub t1: Timer,
    /// How long Hello goes out when the peer is known to do ZRTP.
    pub hello_span: Duration,
    /// T2, for everything else.
    pub t2: Timer,
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More names than a Hello can hold.
    #[error("a Hello lists at most {MAX_NAMES} names of a {0}, Mult among them")]
    TooMany(&'static str),
    /// A timer of nothing.
    #[error("a timer begins with at least a millisecond and goes off at least once")]
    Timer,
}

impl Default for Config {
    /// X25519, P-256, DH-3072 and P-384; SHA-256; AES-128 first; the RFC's timers; secrets are kept for ever.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            client: "SealRTP".into(),
            hashes: vec![Hash::S256, Hash::S384],
            ciphers: vec![Cipher::Aes1, Cipher::Aes3, Cipher::Aes2],
            auth_tags: vec![AuthTag::Hs80, AuthTag::Hs32],
            agreements: vec![KeyAgreement::X255, KeyAgreement::Ec25, KeyAgreement::Dh3k, KeyAgreement::Ec38],
            sas_types: vec![SasType::B32, SasType::B256],
            passive: false,
            mitm: false,
            allow_clear: false,
            disclosure: false,
            enrolment: false,
            cache_expiry: u32::MAX,
            endpoint_hash: None,
            t1: Timer { first: millis(50), cap: millis(200), sends: 20 },
            hello_span: Duration::from_secs(12),
            t2: Timer { first: millis(150), cap: millis(1200), sends: 10 },
        }
    }
}

/// The lists of our Hello.
pub(crate) struct Lists {
    pub(crate) hashes: Names,
    pub(crate) ciphers: Names,
    pub(crate) auth_tags: Names,
    pub(crate) agreements: Names,
    pub(crate) sas_types: Names,
}

fn list<A: Algorithm>(algorithms: &[A]) -> Result<Names, ConfigError> {
    let mut names: Vec<Name> = Vec::new();
    for name in algorithms.iter().flat_map(|algorithm| algorithm.names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Names::new(&names).map_err(|_| ConfigError::TooMany(A::KIND))
}

impl Config {
    pub(crate) fn lists(&self) -> Result<Lists, ConfigError> {
        let mut agreements = self.agreements.clone();
        // A list that would leave out a mandatory one says so anyhow: some peers read the list alone.
        if !agreements.contains(&KeyAgreement::Dh3k) {
            agreements.push(KeyAgreement::Dh3k);
        }
        if !agreements.contains(&KeyAgreement::Multistream) {
            agreements.push(KeyAgreement::Multistream);
        }
        Ok(Lists {
            hashes: list(&self.hashes)?,
            ciphers: list(&self.ciphers)?,
            auth_tags: list(&self.auth_tags)?,
            agreements: list(&agreements)?,
            sas_types: list(&self.sas_types)?,
        })
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.lists()?;
        let sane = |timer: &Timer| {
            timer.first >= Duration::from_millis(1) && timer.cap >= timer.first && timer.sends > 0
        };
        if sane(&self.t1) && sane(&self.t2) { Ok(()) } else { Err(ConfigError::Timer) }
    }

    pub(crate) fn client_bytes(&self) -> [u8; 16] {
        let mut bytes = [b' '; 16];
        bytes.iter_mut().zip(self.client.bytes()).for_each(|(out, byte)| *out = byte);
        bytes
    }

    pub(crate) fn allows_clear(&self) -> bool {
        self.allow_clear && !self.enrolment
    }
}
