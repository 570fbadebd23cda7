//! The configuration of a stream.

use std::time::Duration;

use sealrtp_sdes::SessionParameter;
use sealrtp_srtp::{Limits, Suite};

use crate::{ConfigError, Key, Warning};

/// Everything configured for a stream; each value is one that its key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) suites: Vec<Suite>,
    pub(crate) limits: Limits,
    pub(crate) lifetime: Option<u64>,
    pub(crate) mki_length: usize,
    pub(crate) key_derivation_rate: u64,
    pub(crate) session_parameters: Vec<SessionParameter>,
    pub(crate) libsrtp_aes192: bool,
    pub(crate) dtls: Dtls,
    pub(crate) zrtp: Zrtp,
}

impl Default for Config {
    /// The suites of real phones, strongest first: AEAD, then 80-bit tags, then 32-bit tags. AES-192 stands behind
    /// AES-128 because stacks in the field derive its keys in two ways. Nothing weak is among them.
    fn default() -> Self {
        Self {
            suites: vec![
                Suite::AeadAes256Gcm,
                Suite::AeadAes128Gcm,
                Suite::AesCm256HmacSha1_80,
                Suite::AesCm128HmacSha1_80,
                Suite::AesCm192HmacSha1_80,
                Suite::AesCm256HmacSha1_32,
                Suite::AesCm128HmacSha1_32,
            ],
            limits: Limits::default(),
            lifetime: None,
            mki_length: 0,
            key_derivation_rate: 0,
            session_parameters: Vec::new(),
            libsrtp_aes192: false,
            dtls: Dtls::default(),
            zrtp: Zrtp::default(),
        }
    }
}

impl Config {
    /// Sets a key as it stands in the configuration file. White space around key and value does not count.
    ///
    /// # Errors
    /// A [`ConfigError`] with key, value given and value expected; the configuration is as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<Warning>, ConfigError> {
        let key = Key::from_name(key).ok_or_else(|| ConfigError::UnknownKey(key.trim().to_owned()))?;
        Ok(key.read(self, value)?.map(|text| Warning { key, text }))
    }

    /// The value of a key, as text that [`set`](Self::set) reads back.
    pub fn get(&self, key: Key) -> String {
        key.write(self)
    }

    /// One line for each key: name, value, and whether it is the default.
    pub fn describe(&self) -> String {
        let default = Self::default();
        let width = Key::ALL.iter().map(|key| key.name().len()).max().unwrap_or(0);
        let mut text = String::new();
        for key in Key::ALL {
            let value = self.get(key);
            let note = if value == default.get(key) { " (default)" } else { "" };
            text.push_str(&format!("{:width$} = {value}{note}\n", key.name()));
        }
        text
    }

    /// Suites to offer and accept, best first; never empty.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// Replay window and number of SSRCs of each direction.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Packets that a master key of ours may protect, 1 to 2^48; none: not signalled, RFC 3711's longest.
    pub fn lifetime(&self) -> Option<u64> {
        self.lifetime
    }

    /// Bytes of the MKI in our packets, 0 (no MKI) to 128.
    pub fn mki_length(&self) -> usize {
        self.mki_length
    }

    /// Packets after which our session keys are derived anew: 0 (never) or 2^0 to 2^24.
    pub fn key_derivation_rate(&self) -> u64 {
        self.key_derivation_rate
    }

    /// Session parameters of the peer to accept beyond those that are always accepted.
    pub fn session_parameters(&self) -> &[SessionParameter] {
        &self.session_parameters
    }

    /// Whether AES-192 session keys are derived as libsrtp up to 2.5 does.
    pub fn libsrtp_aes192(&self) -> bool {
        self.libsrtp_aes192
    }

    /// How DTLS-SRTP handshakes are done.
    pub fn dtls(&self) -> &Dtls {
        &self.dtls
    }

    /// Whether ZRTP is done, and how.
    pub fn zrtp(&self) -> &Zrtp {
        &self.zrtp
    }
}

/// Whether ZRTP is done on streams without keys of another method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZrtpRule {
    /// It is not.
    #[default]
    No,
    /// Where the peer does it; clear media passes before, and where it does not.
    Yes,
    /// No clear media passes, ever.
    Required,
}

impl ZrtpRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Required];

    /// The word in the configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Required => "required",
        }
    }
}

/// Whether ZRTP is done, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zrtp {
    pub(crate) rule: ZrtpRule,
    pub(crate) exchange: sealrtp_zrtp::Config,
}

impl Zrtp {
    /// Whether it is done.
    pub fn rule(&self) -> ZrtpRule {
        self.rule
    }

    /// How exchanges are done; what a single call decides (enrolment, disclosure) is not set.
    pub fn exchange(&self) -> &sealrtp_zrtp::Config {
        &self.exchange
    }
}

/// How DTLS-SRTP handshakes are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtls {
    pub(crate) profiles: Vec<Suite>,
    pub(crate) sha1: bool,
    pub(crate) mtu: usize,
    pub(crate) timeout: Duration,
    pub(crate) ciphers: String,
    pub(crate) groups: String,
    pub(crate) extended_master_secret: bool,
}

impl Default for Dtls {
    /// Every profile, strongest first; no SHA-1; MTU 1200; a minute; forward secrecy only; extended master secrets.
    fn default() -> Self {
        Self {
            profiles: PROFILES.to_vec(),
            sha1: false,
            mtu: 1200,
            timeout: Duration::from_secs(60),
            ciphers: "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK".into(),
            groups: "X25519:P-256:P-384".into(),
            extended_master_secret: true,
        }
    }
}

/// The suites that have an SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2), strongest first.
pub(crate) const PROFILES: [Suite; 4] =
    [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

impl Dtls {
    /// SRTP protection profiles to offer and accept, best first; never empty.
    pub fn profiles(&self) -> &[Suite] {
        &self.profiles
    }

    /// Whether a peer's fingerprint by SHA-1 counts where it gives nothing stronger.
    pub fn sha1(&self) -> bool {
        self.sha1
    }

    /// Most bytes of a datagram of a handshake, 256 to 16,384.
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// How long a handshake may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// DTLS cipher suites in OpenSSL's words.
    pub fn ciphers(&self) -> &str {
        &self.ciphers
    }

    /// Groups of the key exchange in OpenSSL's words, best first.
    pub fn groups(&self) -> &str {
        &self.groups
    }

    /// Whether a peer must agree to RFC 7627.
    pub fn extended_master_secret(&self) -> bool {
        self.extended_master_secret
    }
}
