//! The configuration keys, in one table.

use std::fmt;

use crate::rules::{Fallback, OnFailure, Recording, SdesSignalling, ZrtpMode};
use crate::value::{self, Parsed};
use crate::{Config, ConfigError};

/// A configuration key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Methods that our offers carry.
    Offer,
    /// Methods that are taken from a peer's offer.
    Accept,
    /// What becomes of a call without a common method.
    Fallback,
    /// Over which signalling SDES is done.
    SdesSignalling,
    /// Whether secured calls may be recorded.
    Recording,
    /// Who is the other end of a phone's ZRTP.
    ZrtpMode,
    /// Whether ZRTP is done on streams that have keys already.
    ZrtpUpgrade,
    /// What becomes of a call whose security has failed or was lost.
    OnFailure,
    /// Suites to offer and accept, best first.
    Suites,
    /// Packets that a replay window spans.
    ReplayWindow,
    /// SSRCs that one direction of a stream may hold.
    MaxSsrcs,
    /// Lifetime of our master keys, signalled and kept.
    Lifetime,
    /// Bytes of the MKI in our packets.
    MkiLength,
    /// How often session keys are derived anew.
    KeyDerivationRate,
    /// Session parameters of the peer that are accepted.
    SessionParameters,
    /// Whether AES-192 session keys are derived as libsrtp does.
    LibsrtpAes192,
    /// SRTP protection profiles of DTLS, best first.
    DtlsProfiles,
    /// Whether SHA-1 fingerprints count.
    DtlsSha1,
    /// Bytes of a handshake's datagrams.
    DtlsMtu,
    /// Seconds that a handshake may take.
    DtlsTimeout,
    /// DTLS cipher suites.
    DtlsCiphers,
    /// Groups of the key exchange.
    DtlsGroups,
    /// Whether RFC 7627 is asked for.
    DtlsExtendedMasterSecret,
    /// ZRTP's key agreements, best first.
    ZrtpKeyAgreements,
    /// ZRTP's hashes, best first.
    ZrtpHashes,
    /// ZRTP's ciphers, best first.
    ZrtpCiphers,
    /// SRTP authentication tags of ZRTP, best first.
    ZrtpAuthTags,
    /// ZRTP's SAS types, best first.
    ZrtpSas,
    /// Seconds that a retained secret lasts.
    ZrtpCacheExpiry,
    /// Whether ZRTP says that this is a PBX in the middle.
    ZrtpMitm,
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every section.
    Any,
    /// In `[general]` alone: all calls share what it configures.
    General,
}

/// One row: the key's name, where it may stand, what it means for the administrator, how its value is read and written.
struct Row {
    key: Key,
    name: &'static str,
    scope: Scope,
    meaning: &'static str,
    read: fn(&mut Config, &str) -> Parsed,
    write: fn(&Config) -> String,
}

#[rustfmt::skip]
const TABLE: [Row; 30] = [
    Row { key: Key::Offer, name: "offer", scope: Scope::Any, meaning: "methods that our offers carry, best first: zrtp, dtls, sdes; or none",
          read: |config, text| value::methods(text).map(|v| { config.rules.offer = v; None }),
          write: |config| value::write_methods(&config.rules.offer) },
    Row { key: Key::Accept, name: "accept", scope: Scope::Any, meaning: "methods, of which the first that a peer's offer carries is taken; or none",
          read: |config, text| value::methods(text).map(|v| { config.rules.accept = v; None }),
          write: |config| value::write_methods(&config.rules.accept) },
    Row { key: Key::Fallback, name: "fallback", scope: Scope::Any, meaning: "no common method: rtp, go on in the clear; reject, no call and nothing clear",
          read: |config, text| value::word(text, &Fallback::ALL, Fallback::name).map(|v| { config.rules.fallback = v; None }),
          write: |config| config.rules.fallback.name().into() },
    Row { key: Key::SdesSignalling, name: "sdes_signalling", scope: Scope::Any, meaning: "SDES keys only over signalling by TLS, or over any",
          read: |config, text| value::word(text, &SdesSignalling::ALL, SdesSignalling::name).map(|v| {
              config.rules.sdes_signalling = v;
              (v == SdesSignalling::Any).then(|| "who reads signalling without TLS reads the media too".into()) }),
          write: |config| config.rules.sdes_signalling.name().into() },
    Row { key: Key::Recording, name: "recording", scope: Scope::Any, meaning: "recording of secured calls: disclose it to the peer, allow it silently, or refuse it",
          read: |config, text| value::word(text, &Recording::ALL, Recording::name).map(|v| { config.rules.recording = v; None }),
          write: |config| config.rules.recording.name().into() },
    Row { key: Key::ZrtpMode, name: "zrtp_mode", scope: Scope::Any, meaning: "endpoint: the PBX does ZRTP with each phone; passthrough: phones do it end to end",
          read: |config, text| value::word(text, &ZrtpMode::ALL, ZrtpMode::name).map(|v| { config.rules.zrtp_mode = v; None }),
          write: |config| config.rules.zrtp_mode.name().into() },
    Row { key: Key::ZrtpUpgrade, name: "zrtp_upgrade", scope: Scope::Any, meaning: "ZRTP also on streams that SDES or DTLS has secured; its keys replace theirs",
          read: |config, text| value::yes_no(text).map(|v| { config.rules.zrtp_upgrade = v; None }),
          write: |config| value::write_yes_no(config.rules.zrtp_upgrade) },
    Row { key: Key::OnFailure, name: "on_failure", scope: Scope::Any, meaning: "security failed or was lost: hangup; block, nothing passes; warn, where the policy allows it",
          read: |config, text| value::word(text, &OnFailure::ALL, OnFailure::name).map(|v| { config.rules.on_failure = v; None }),
          write: |config| config.rules.on_failure.name().into() },
    Row { key: Key::Suites, name: "suites", scope: Scope::Any, meaning: "SRTP suites to offer and accept, best first",
          read: |config, text| value::suites(text).map(|(v, warning)| { config.suites = v; warning }),
          write: |config| value::join(config.suites.iter().map(|suite| suite.name())) },
    Row { key: Key::ReplayWindow, name: "replay_window", scope: Scope::Any, meaning: "packets a replay window spans, rounded up to whole 64s",
          read: |config, text| value::replay_window(text, config.limits).map(|v| { config.limits = v; None }),
          write: |config| config.limits.replay_window().to_string() },
    Row { key: Key::MaxSsrcs, name: "max_ssrcs", scope: Scope::Any, meaning: "SSRCs that one direction of a stream may hold",
          read: |config, text| value::max_ssrcs(text, config.limits).map(|v| { config.limits = v; None }),
          write: |config| config.limits.max_ssrcs().to_string() },
    Row { key: Key::Lifetime, name: "lifetime", scope: Scope::Any, meaning: "packets a master key of ours protects, none: not signalled",
          read: |config, text| value::lifetime(text).map(|v| { config.lifetime = v; None }),
          write: |config| config.lifetime.map_or("none".into(), value::packets) },
    Row { key: Key::MkiLength, name: "mki_length", scope: Scope::Any, meaning: "bytes of the MKI in our packets, 0: no MKI",
          read: |config, text| value::mki_length(text).map(|v| { config.mki_length = v; None }),
          write: |config| config.mki_length.to_string() },
    Row { key: Key::KeyDerivationRate, name: "key_derivation_rate", scope: Scope::Any,
          meaning: "packets after which session keys are derived anew, 0: never",
          read: |config, text| value::key_derivation_rate(text).map(|v| { config.key_derivation_rate = v; None }),
          write: |config| value::packets(config.key_derivation_rate) },
    Row { key: Key::SessionParameters, name: "session_parameters", scope: Scope::Any,
          meaning: "session parameters of the peer that are accepted besides KDR, WSH and FEC_ORDER=FEC_SRTP",
          read: |config, text| value::session_parameters(text).map(|(v, warning)| { config.session_parameters = v; warning }),
          write: |config| match config.session_parameters.as_slice() {
              [] => "none".into(),
              named => value::join(named.iter().map(|parameter| parameter.name())),
          } },
    Row { key: Key::LibsrtpAes192, name: "libsrtp_aes192", scope: Scope::Any,
          meaning: "derive AES-192 session keys as libsrtp up to 2.5 does, not as RFC 6188 says",
          read: |config, text| value::yes_no(text).map(|v| { config.libsrtp_aes192 = v; None }),
          write: |config| value::write_yes_no(config.libsrtp_aes192) },
    Row { key: Key::DtlsProfiles, name: "dtls_profiles", scope: Scope::General, meaning: "SRTP protection profiles of DTLS to offer and accept, best first",
          read: |config, text| value::profiles(text).map(|(v, warning)| { config.dtls.profiles = v; warning }),
          write: |config| value::join(config.dtls.profiles.iter().map(|suite| suite.name())) },
    Row { key: Key::DtlsSha1, name: "dtls_sha1", scope: Scope::General, meaning: "take a=fingerprint by SHA-1 where the peer gives nothing stronger",
          read: |config, text| value::yes_no(text).map(|v| { config.dtls.sha1 = v; v.then(|| "SHA-1 is weak".into()) }),
          write: |config| value::write_yes_no(config.dtls.sha1) },
    Row { key: Key::DtlsMtu, name: "dtls_mtu", scope: Scope::General, meaning: "most bytes of a handshake's datagram, without IP and UDP headers",
          read: |config, text| value::dtls_mtu(text).map(|v| { config.dtls.mtu = v; None }),
          write: |config| config.dtls.mtu.to_string() },
    Row { key: Key::DtlsTimeout, name: "dtls_timeout", scope: Scope::General, meaning: "seconds that a handshake may take",
          read: |config, text| value::dtls_timeout(text).map(|v| { config.dtls.timeout = v; None }),
          write: |config| config.dtls.timeout.as_secs().to_string() },
    Row { key: Key::DtlsCiphers, name: "dtls_ciphers", scope: Scope::General, meaning: "DTLS cipher suites in OpenSSL's words",
          read: |config, text| value::openssl_list(text).map(|v| { config.dtls.ciphers = v; None }),
          write: |config| config.dtls.ciphers.clone() },
    Row { key: Key::DtlsGroups, name: "dtls_groups", scope: Scope::General, meaning: "groups of the key exchange in OpenSSL's words, best first",
          read: |config, text| value::openssl_list(text).map(|v| { config.dtls.groups = v; None }),
          write: |config| config.dtls.groups.clone() },
    Row { key: Key::DtlsExtendedMasterSecret, name: "dtls_extended_master_secret", scope: Scope::General,
          meaning: "refuse peers that do not agree to an extended master secret (RFC 7627)",
          read: |config, text| value::yes_no(text).map(|v| { config.dtls.extended_master_secret = v; None }),
          write: |config| value::write_yes_no(config.dtls.extended_master_secret) },
    Row { key: Key::ZrtpKeyAgreements, name: "zrtp_key_agreements", scope: Scope::Any, meaning: "ZRTP key agreements, best first; DH3k and Mult are always done",
          read: |config, text| value::zrtp_list(text, &config.exchange, |exchange| &mut exchange.agreements).map(|v| { config.exchange = v; None }),
          write: |config| value::join(config.exchange.agreements.iter()) },
    Row { key: Key::ZrtpHashes, name: "zrtp_hashes", scope: Scope::Any, meaning: "ZRTP hashes, best first; S256 is always done",
          read: |config, text| value::zrtp_list(text, &config.exchange, |exchange| &mut exchange.hashes).map(|v| { config.exchange = v; None }),
          write: |config| value::join(config.exchange.hashes.iter()) },
    Row { key: Key::ZrtpCiphers, name: "zrtp_ciphers", scope: Scope::Any, meaning: "ZRTP ciphers, best first; AES1 is always done",
          read: |config, text| value::zrtp_list(text, &config.exchange, |exchange| &mut exchange.ciphers).map(|v| { config.exchange = v; None }),
          write: |config| value::join(config.exchange.ciphers.iter()) },
    Row { key: Key::ZrtpAuthTags, name: "zrtp_auth_tags", scope: Scope::Any, meaning: "SRTP authentication tags of ZRTP, best first; HS32 and HS80 are always done",
          read: |config, text| value::zrtp_list(text, &config.exchange, |exchange| &mut exchange.auth_tags).map(|v| { config.exchange = v; None }),
          write: |config| value::join(config.exchange.auth_tags.iter()) },
    Row { key: Key::ZrtpSas, name: "zrtp_sas", scope: Scope::Any, meaning: "ZRTP SAS types, best first; B32 is always done",
          read: |config, text| value::zrtp_list(text, &config.exchange, |exchange| &mut exchange.sas_types).map(|v| { config.exchange = v; None }),
          write: |config| value::join(config.exchange.sas_types.iter()) },
    Row { key: Key::ZrtpCacheExpiry, name: "zrtp_cache_expiry", scope: Scope::Any, meaning: "seconds that a secret is retained between calls with a peer, or never",
          read: |config, text| value::zrtp_cache_expiry(text).map(|v| { config.exchange.cache_expiry = v; None }),
          write: |config| value::write_zrtp_cache_expiry(config.exchange.cache_expiry) },
    Row { key: Key::ZrtpMitm, name: "zrtp_mitm", scope: Scope::Any, meaning: "tell ZRTP peers that this is a PBX in the middle, and relay the SAS to those enrolled",
          read: |config, text| value::yes_no(text).map(|v| { config.exchange.mitm = v; None }),
          write: |config| value::write_yes_no(config.exchange.mitm) },
];

/// Keys that were, and what to write instead.
const REPLACED: [(&str, &str); 1] = [(
    "zrtp",
    "fallback = reject for zrtp = required, fallback = rtp for yes (with zrtp in offer and accept, as by default), offer and accept without zrtp for no",
)];

impl Key {
    /// Every key, in the order in which they are described.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::Offer; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].key;
            assert!(all[i] as usize == i, "the table is in the order of the enum");
            i += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name in the configuration file.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// One line for the administrator.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Where it may stand.
    pub const fn scope(self) -> Scope {
        self.row().scope
    }

    /// The key of a line, or what to say of it.
    pub(crate) fn find(name: &str) -> Result<Self, ConfigError> {
        Self::from_name(name).ok_or_else(|| {
            match REPLACED.iter().find(|(old, _)| old.eq_ignore_ascii_case(name.trim())) {
                Some((old, instead)) => ConfigError::ReplacedKey { key: old, instead },
                None => ConfigError::UnknownKey(name.trim().to_owned()),
            }
        })
    }

    /// Finds a key by its name in any letter case.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name.trim())).map(|row| row.key)
    }

    /// Reads `text` into `config`; a refusal leaves it as it was.
    pub(crate) fn read(self, config: &mut Config, text: &str) -> Result<Option<String>, ConfigError> {
        (self.row().read)(config, text.trim()).map_err(|expected| ConfigError::Value {
            key: self,
            given: text.trim().to_owned(),
            expected: expected.into_owned(),
        })
    }

    /// The key's value as text that [`Config::set`] reads back.
    pub(crate) fn write(self, config: &Config) -> String {
        (self.row().write)(config)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
