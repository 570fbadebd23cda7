//! What the configuration takes, refuses and tells.

use sealrtp_policy::{
    Config, ConfigError, Fallback, Key, Method, OnFailure, Recording, SdesSignalling, ZrtpMode, ZrtpRule,
};
use sealrtp_sdes::SessionParameter;
use sealrtp_srtp::Suite;
use sealrtp_zrtp::algorithm::{AuthTag, Cipher, Hash, KeyAgreement, SasType};

#[test]
fn defaults_hold_nothing_weak_and_short_tags_come_last() {
    let config = Config::default();
    assert!(config.suites().iter().all(|suite| !suite.is_weak()));
    assert!(config.session_parameters().is_empty());
    assert!(config.suites().contains(&Suite::AesCm128HmacSha1_80), "RFC 4568 section 6.2 makes it mandatory");
    let tags: Vec<_> = config.suites().iter().map(|suite| suite.rtp_tag_len()).collect();
    assert!(tags.is_sorted_by(|a, b| a >= b), "{tags:?}");
    assert_eq!((config.limits().replay_window(), config.limits().max_ssrcs()), (128, 1024));
    assert_eq!((config.lifetime(), config.mki_length(), config.key_derivation_rate()), (None, 0, 0));
    assert!(!config.libsrtp_aes192());
}

#[test]
fn every_key_takes_back_what_it_tells() {
    let mut config = Config::default();
    for (key, value) in [
        ("offer", "DTLS zrtp"),
        ("accept", "none"),
        ("fallback", "Reject"),
        ("sdes_signalling", "any"),
        ("recording", "refuse"),
        ("zrtp_mode", "passthrough"),
        ("zrtp_upgrade", "yes"),
        ("on_failure", "block"),
        ("suites", "AES_CM_256_HMAC_SHA1_80 aead_aes_128_gcm,NULL_HMAC_SHA1_80"),
        ("Replay_Window", " 1024 "),
        ("max_ssrcs", "7"),
        ("lifetime", "2^31"),
        ("mki_length", "4"),
        ("key_derivation_rate", "65536"),
        ("session_parameters", "UNENCRYPTED_SRTCP FEC_KEY"),
        ("libsrtp_aes192", "yes"),
        ("dtls_profiles", "AES_CM_128_HMAC_SHA1_80 AEAD_AES_256_GCM"),
        ("dtls_sha1", "on"),
        ("dtls_mtu", "2^10"),
        ("dtls_timeout", "20"),
        ("dtls_ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:!aNULL"),
        ("dtls_groups", "P-256"),
        ("dtls_extended_master_secret", "no"),
        ("zrtp_key_agreements", "ec38 DH3k"),
        ("zrtp_hashes", "S384"),
        ("zrtp_ciphers", "AES3,AES1"),
        ("zrtp_auth_tags", "HS32"),
        ("zrtp_sas", "B256"),
        ("zrtp_cache_expiry", "86400"),
        ("zrtp_mitm", "yes"),
    ] {
        config.set(key, value).unwrap();
    }
    let expected = [Suite::AesCm256HmacSha1_80, Suite::AeadAes128Gcm, Suite::NullHmacSha1_80];
    assert_eq!(config.suites(), expected);
    assert_eq!((config.limits().replay_window(), config.limits().max_ssrcs()), (1024, 7));
    assert_eq!((config.lifetime(), config.mki_length()), (Some(1 << 31), 4));
    assert_eq!(config.key_derivation_rate(), 1 << 16);
    assert_eq!(config.session_parameters(), [SessionParameter::UnencryptedSrtcp, SessionParameter::FecKey]);
    assert!(config.libsrtp_aes192());
    let dtls = config.dtls();
    assert_eq!(dtls.profiles(), [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm]);
    assert_eq!((dtls.mtu(), dtls.timeout().as_secs(), dtls.groups()), (1024, 20, "P-256"));
    assert!(dtls.sha1() && !dtls.extended_master_secret());
    assert_eq!((config.offer(), config.accept()), (&[Method::Dtls, Method::Zrtp][..], &[][..]));
    assert_eq!((config.fallback(), config.sdes_signalling()), (Fallback::Reject, SdesSignalling::Any));
    assert_eq!((config.recording(), config.on_failure()), (Recording::Refuse, OnFailure::Block));
    assert_eq!((config.zrtp_mode(), config.zrtp_upgrade()), (ZrtpMode::Passthrough, true));
    let zrtp = config.zrtp();
    assert_eq!(zrtp.agreements, [KeyAgreement::Ec38, KeyAgreement::Dh3k]);
    assert_eq!((&zrtp.hashes[..], &zrtp.ciphers[..]), (&[Hash::S384][..], &[Cipher::Aes3, Cipher::Aes1][..]));
    assert_eq!((&zrtp.auth_tags[..], &zrtp.sas_types[..]), (&[AuthTag::Hs32][..], &[SasType::B256][..]));
    assert_eq!((zrtp.cache_expiry, zrtp.mitm), (86_400, true));

    let mut copy = Config::default();
    for key in Key::ALL {
        copy.set(key.name(), &config.get(key)).unwrap();
        assert_ne!(config.get(key), Config::default().get(key), "{key} was not changed by this test");
    }
    assert_eq!(copy, config);
}

#[test]
fn the_default_policy_offers_everything_and_takes_sdes_first() {
    use Method::{Dtls, Sdes, Zrtp};
    let config = Config::default();
    assert_eq!((config.offer(), config.accept()), (&[Zrtp, Dtls, Sdes][..], &[Sdes, Dtls, Zrtp][..]));
    assert_eq!((config.fallback(), config.sdes_signalling()), (Fallback::Rtp, SdesSignalling::Tls));
    assert_eq!((config.recording(), config.on_failure()), (Recording::Disclose, OnFailure::Hangup));
    assert_eq!((config.zrtp_mode(), config.zrtp_upgrade()), (ZrtpMode::Endpoint, false));
}

#[test]
fn offer_accept_and_fallback_tell_whether_zrtp_is_done() {
    for (offer, accept, fallback, rule) in [
        ("zrtp", "none", "rtp", ZrtpRule::Yes),
        ("none", "sdes zrtp", "rtp", ZrtpRule::Yes),
        ("dtls", "zrtp", "reject", ZrtpRule::Required),
        ("dtls", "sdes", "reject", ZrtpRule::No),
        ("none", "none", "rtp", ZrtpRule::No),
    ] {
        let mut config = Config::default();
        for (key, value) in [("offer", offer), ("accept", accept), ("fallback", fallback)] {
            config.set(key, value).unwrap();
        }
        assert_eq!(config.zrtp_rule(), rule, "{offer} {accept} {fallback}");
    }
}

#[test]
fn the_key_that_is_gone_says_what_to_write() {
    for value in ["no", "yes", "required", "nonsense"] {
        let error = Config::default().set("ZRTP", value).unwrap_err();
        assert!(matches!(error, ConfigError::ReplacedKey { key: "zrtp", .. }));
        assert!(
            error
                .to_string()
                .starts_with("zrtp: this key is gone, write fallback = reject for zrtp = required"),
            "{error}"
        );
    }
}

#[test]
fn a_refusal_names_key_value_and_expectation_and_changes_nothing() {
    for (key, value, expected) in [
        ("replay_window", "63", "replay_window = 63: expected a number of packets from 64 to 32768"),
        ("replay_window", "32769", "replay_window = 32769: expected a number of packets from 64 to 32768"),
        ("replay_window", "", "replay_window = (nothing): expected a number of packets from 64 to 32768"),
        ("max_ssrcs", "0", "max_ssrcs = 0: expected a number of SSRCs from 1 to 4096"),
        (
            "lifetime",
            "2^49",
            "lifetime = 2^49: expected none, or packets from 1 to 2^48 as a number or as 2^n",
        ),
        ("lifetime", "0", "lifetime = 0: expected none, or packets from 1 to 2^48 as a number or as 2^n"),
        (
            "lifetime",
            "2^64",
            "lifetime = 2^64: expected none, or packets from 1 to 2^48 as a number or as 2^n",
        ),
        ("mki_length", "129", "mki_length = 129: expected a number of bytes from 0 (no MKI) to 128"),
        ("mki_length", "-1", "mki_length = -1: expected a number of bytes from 0 (no MKI) to 128"),
        (
            "key_derivation_rate",
            "3",
            "key_derivation_rate = 3: expected 0 (derive once), or packets that are a power of two up to 2^24",
        ),
        (
            "key_derivation_rate",
            "2^25",
            "key_derivation_rate = 2^25: expected 0 (derive once), or packets that are a power of two up to 2^24",
        ),
        ("suites", " , ", "suites = ,: expected at least one suite"),
        (
            "suites",
            "AEAD_AES_128_GCM, AEAD_AES_128_GCM_16",
            "suites = AEAD_AES_128_GCM, AEAD_AES_128_GCM_16: expected each name once, AEAD_AES_128_GCM_16 comes twice",
        ),
        ("libsrtp_aes192", "perhaps", "libsrtp_aes192 = perhaps: expected yes or no"),
        ("offer", "", "offer = (nothing): expected none, or at least one of sdes, dtls, zrtp"),
        (
            "offer",
            "zrtp, none",
            "offer = zrtp, none: expected none, or methods out of sdes, dtls, zrtp, best first; not none",
        ),
        ("accept", "dtls dtls", "accept = dtls dtls: expected each name once, dtls comes twice"),
        ("fallback", "clear", "fallback = clear: expected one of rtp, reject"),
        ("sdes_signalling", "udp", "sdes_signalling = udp: expected one of tls, any"),
        ("recording", "no", "recording = no: expected one of disclose, allow, refuse"),
        ("zrtp_mode", "both", "zrtp_mode = both: expected one of endpoint, passthrough"),
        ("zrtp_upgrade", "dtls", "zrtp_upgrade = dtls: expected yes or no"),
        ("on_failure", "ignore", "on_failure = ignore: expected one of hangup, block, warn"),
        ("zrtp_sas", "", "zrtp_sas = (nothing): expected at least one SAS type"),
        (
            "zrtp_key_agreements",
            "X255, Mult",
            "zrtp_key_agreements = X255, Mult: expected each key agreement by name, best first, out of X255, E255, EC25, DH3k, EC38, EC52, DH2k, Prsh; not Mult",
        ),
        (
            "zrtp_key_agreements",
            "X255, E255",
            "zrtp_key_agreements = X255, E255: expected each name once, E255 comes twice",
        ),
        (
            "zrtp_cache_expiry",
            "4294967295",
            "zrtp_cache_expiry = 4294967295: expected never, or seconds from 0 (nothing is retained) to 4294967294",
        ),
        ("dtls_mtu", "255", "dtls_mtu = 255: expected a number of bytes from 256 to 16384"),
        ("dtls_timeout", "0", "dtls_timeout = 0: expected a number of seconds from 1 to 600"),
        ("dtls_profiles", "", "dtls_profiles = (nothing): expected at least one profile"),
        (
            "dtls_profiles",
            "AES_256_CM_HMAC_SHA1_80",
            "dtls_profiles = AES_256_CM_HMAC_SHA1_80: expected profiles by name, best first, out of AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32; not AES_256_CM_HMAC_SHA1_80",
        ),
        (
            "dtls_groups",
            "P-256, X25519",
            "dtls_groups = P-256, X25519: expected names in OpenSSL's words with colons between them",
        ),
    ] {
        let mut config = Config::default();
        assert_eq!(config.set(key, value).unwrap_err().to_string(), expected);
        assert_eq!(config, Config::default());
    }
    let error = Config::default().set("suites", "ROT13").unwrap_err().to_string();
    assert!(error.starts_with("suites = ROT13: expected suites by name"), "{error}");
    assert!(error.contains("AEAD_AES_256_GCM") && error.ends_with("not ROT13"), "{error}");
    let error = Config::default().set("session_parameters", "GLUE").unwrap_err().to_string();
    assert!(error.contains("UNENCRYPTED_SRTP") && error.ends_with("not GLUE"), "{error}");
    let error = Config::default().set("sweets", "1").unwrap_err();
    assert!(matches!(error, ConfigError::UnknownKey(_)));
    assert!(error.to_string().contains("accept, fallback"), "{error}");
}

#[test]
fn a_refusal_stays_on_one_short_line_whatever_was_given() {
    let mut config = Config::default();
    for junk in ["\r\n[section]\n", "\0", &"x".repeat(100_000), "2^99999999999999999999", "ä\u{202e}"] {
        for key in Key::ALL {
            let error = config.set(key.name(), junk).unwrap_err().to_string();
            assert!(!error.contains(char::is_control) && error.len() < 1000, "{error:?}");
        }
        let error = config.set(junk, "1").unwrap_err().to_string();
        assert!(!error.contains(char::is_control) && error.len() < 1000, "{error:?}");
    }
    assert_eq!(config, Config::default());
}

#[test]
fn weak_choices_warn_and_only_they() {
    let mut config = Config::default();
    let warning = config.set("suites", "NULL_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_80").unwrap().unwrap();
    assert_eq!(
        (warning.key(), warning.to_string().as_str()),
        (Some(Key::Suites), "suites: NULL_HMAC_SHA1_80 is weak")
    );
    let warning = config.set("suites", "AES_CM_128_NULL_AUTH, F8_128_HMAC_SHA1_80").unwrap().unwrap();
    assert_eq!(warning.to_string(), "suites: AES_CM_128_NULL_AUTH, F8_128_HMAC_SHA1_80 are weak");
    assert_eq!(config.set("suites", "AES_CM_128_HMAC_SHA1_32").unwrap(), None);
    assert!(config.set("session_parameters", "UNAUTHENTICATED_SRTP,UNENCRYPTED_SRTP").unwrap().is_some());
    assert_eq!(config.set("session_parameters", "FEC_ORDER KDR").unwrap(), None);
    assert_eq!(config.set("session_parameters", "None").unwrap(), None);
    let warning = config.set("sdes_signalling", "any").unwrap().unwrap();
    assert_eq!(warning.to_string(), "sdes_signalling: who reads signalling without TLS reads the media too");
    assert_eq!(config.set("sdes_signalling", "tls").unwrap(), None);
}

#[test]
fn description_has_a_line_for_each_key_and_marks_defaults() {
    let mut config = Config::default();
    config.set("mki_length", "4").unwrap();
    assert_eq!(config.rule(Key::MkiLength), "mki_length = 4");
    assert_eq!(config.rule(Key::Accept), "accept = sdes, dtls, zrtp (default)");
    let text = config.describe();
    assert_eq!(text.lines().count(), Key::ALL.len());
    for (line, key) in text.lines().zip(Key::ALL) {
        assert!(line.starts_with(key.name()), "{line}");
        assert_eq!(line.ends_with(" (default)"), key != Key::MkiLength, "{line}");
        assert!(!key.meaning().is_empty());
    }
    assert!(text.contains("= 4\n"), "{text}");
}
