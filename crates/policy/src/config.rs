//! The configuration of a stream.

use std::sync::Arc;
use std::time::Duration;

use sealrtp_sdes::SessionParameter;
use sealrtp_srtp::{Limits, Suite};

use crate::origin::{Origin, Origins};
use crate::rules::{Fallback, Method, OnFailure, Recording, Rules, SdesSignalling, ZrtpMode, ZrtpRule};
use crate::{ConfigError, Key, Warning};

/// Everything configured for a stream; each value is one that its key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) section: Arc<str>,
    pub(crate) origins: Origins,
    pub(crate) rules: Rules,
    pub(crate) suites: Vec<Suite>,
    pub(crate) limits: Limits,
    pub(crate) lifetime: Option<u64>,
    pub(crate) mki_length: usize,
    pub(crate) key_derivation_rate: u64,
    pub(crate) session_parameters: Vec<SessionParameter>,
    pub(crate) libsrtp_aes192: bool,
    pub(crate) dtls: Dtls,
    pub(crate) exchange: sealrtp_zrtp::Config,
}

impl Default for Config {
    /// The suites of real phones, strongest first: AEAD, then 80-bit tags, then 32-bit tags. AES-192 stands behind
    /// AES-128 because stacks in the field derive its keys in two ways. Nothing weak is among them.
    fn default() -> Self {
        Self {
            section: "".into(),
            origins: Origins::default(),
            rules: Rules::default(),
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
            exchange: sealrtp_zrtp::Config::default(),
        }
    }
}

impl Config {
    /// Sets a key as it stands in the configuration file. White space around key and value does not count.
    ///
    /// # Errors
    /// A [`ConfigError`] with key, value given and value expected; the configuration is as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<Warning>, ConfigError> {
        let key = Key::find(key)?;
        let text = key.read(self, value)?;
        self.origins.set(key, Origin::Caller);
        Ok(text.map(|text| Warning::of(key, text)))
    }

    /// The value of a key, as text that [`set`](Self::set) reads back.
    pub fn get(&self, key: Key) -> String {
        key.write(self)
    }

    /// A key with its value and where that comes from, e.g. `fallback = reject (sealrtp.conf line 12, [strict])`,
    /// `fallback = rtp (default)`; without origin where [`set`](Self::set) has set it.
    pub fn rule(&self, key: Key) -> String {
        format!("{key} = {}{}", self.get(key), self.origins.note(key))
    }

    /// One line for each key, as [`rule`](Self::rule) gives it, with the values in one column.
    pub fn describe(&self) -> String {
        let width = Key::ALL.iter().map(|key| key.name().len()).max().unwrap_or(0);
        let line =
            |key: Key| format!("{:width$} = {}{}\n", key.name(), self.get(key), self.origins.note(key));
        Key::ALL.into_iter().map(line).collect()
    }

    /// The section whose values these are, as it stands in the file: `general`, a policy's or an end point's name; empty
    /// for a configuration of [`set`](Self::set) alone.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// What is consistent and yet hardly meant.
    pub fn doubts(&self) -> Vec<Warning> {
        let only_sdes_over_tls =
            |methods: &[Method]| methods == [Method::Sdes] && self.sdes_signalling() == SdesSignalling::Tls;
        let zrtp = [self.offer(), self.accept()].iter().any(|methods| methods.contains(&Method::Zrtp));
        let cases = [
            (
                Key::Fallback,
                self.rejects() && !self.secures(),
                "reject, but nothing is offered or accepted: only end points that their channel driver secures can call",
            ),
            (
                Key::Offer,
                only_sdes_over_tls(self.offer()),
                "over signalling without TLS our offers carry no security",
            ),
            (
                Key::Accept,
                only_sdes_over_tls(self.accept()),
                "over signalling without TLS no security is taken",
            ),
            (
                Key::ZrtpUpgrade,
                self.zrtp_upgrade() && !zrtp,
                "yes does nothing without zrtp in offer or accept",
            ),
        ];
        let true_cases = cases.into_iter().filter(|(_, holds, _)| *holds);
        true_cases.map(|(key, _, text)| Warning::of(key, text.into()).at(self.origins.place(key))).collect()
    }

    /// Methods that our offers carry, best first; may be empty.
    pub fn offer(&self) -> &[Method] {
        &self.rules.offer
    }

    /// Methods that are taken from a peer's offer: the first that it carries; may be empty.
    pub fn accept(&self) -> &[Method] {
        &self.rules.accept
    }

    /// What becomes of a call without a common method.
    pub fn fallback(&self) -> Fallback {
        self.rules.fallback
    }

    /// Whether nothing clear may pass, ever.
    pub fn rejects(&self) -> bool {
        self.fallback() == Fallback::Reject
    }

    /// Whether a method is offered or accepted.
    pub fn secures(&self) -> bool {
        !self.offer().is_empty() || !self.accept().is_empty()
    }

    /// Over which signalling SDES is done.
    pub fn sdes_signalling(&self) -> SdesSignalling {
        self.rules.sdes_signalling
    }

    /// Whether secured calls may be recorded.
    pub fn recording(&self) -> Recording {
        self.rules.recording
    }

    /// Who is the other end of a phone's ZRTP.
    pub fn zrtp_mode(&self) -> ZrtpMode {
        self.rules.zrtp_mode
    }

    /// Whether ZRTP is done as well on streams that SDES or DTLS has secured.
    pub fn zrtp_upgrade(&self) -> bool {
        self.rules.zrtp_upgrade
    }

    /// What becomes of a call whose security has failed or was lost.
    pub fn on_failure(&self) -> OnFailure {
        self.rules.on_failure
    }

    /// Whether ZRTP is done on streams without keys of another method: what `offer`, `accept` and `fallback` come to.
    pub fn zrtp_rule(&self) -> ZrtpRule {
        let done = self.offer().contains(&Method::Zrtp) || self.accept().contains(&Method::Zrtp);
        match (done, self.fallback()) {
            (false, _) => ZrtpRule::No,
            (true, Fallback::Rtp) => ZrtpRule::Yes,
            (true, Fallback::Reject) => ZrtpRule::Required,
        }
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

    /// How ZRTP exchanges are done; what a single call decides (enrolment, disclosure) is not set.
    pub fn zrtp(&self) -> &sealrtp_zrtp::Config {
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
