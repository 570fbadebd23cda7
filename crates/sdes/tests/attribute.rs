//! The grammar of one attribute, RFC 4568 sections 6 and 9.

mod common;

use base64ct::{Base64, Encoding};
use common::{key, line};
use sealrtp_sdes::{CryptoAttribute, FecOrder, MAX_LINE_LEN, MAX_PARAMETERS, Reason, SessionParameter};
use sealrtp_srtp::{KeyError, Lifetime, MAX_KEYS, Suite};

const CM: Suite = Suite::AesCm128HmacSha1_80;
const GCM: Suite = Suite::AeadAes256Gcm;

#[track_caller]
fn parse(value: &str) -> CryptoAttribute {
    CryptoAttribute::parse(value).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(value: &str) -> (Option<u32>, Reason) {
    let error = CryptoAttribute::parse(value).expect_err("must be refused");
    (error.tag, error.reason)
}

#[test]
fn attributes_of_the_rfc_are_read() {
    let one = parse(
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
    );
    assert_eq!((one.tag(), one.suite(), one.fec_order()), (1, CM, Some(FecOrder::FecSrtp)));
    let keys = one.keys().keys();
    assert_eq!(keys[0].key(), b"YS___semctl () {");
    assert_eq!(keys[0].salt(), b"\t220;}\n}\nunles");
    assert_eq!((keys[0].lifetime().srtp(), keys[0].mki()), (1 << 20, &[0, 0, 0, 1][..]));

    let two = parse(
        "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4\
         ;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=SRTP_FEC",
    );
    assert_eq!(
        (two.tag(), two.suite(), two.fec_order()),
        (2, Suite::F8_128HmacSha1_80, Some(FecOrder::SrtpFec))
    );
    assert_eq!(two.keys().keys().len(), 2);
    assert_eq!(two.keys().keys()[1].mki(), [0, 0, 0, 2]);
    assert_eq!(two.keys().keys()[1].key(), b"ABcdef123456789A");
}

#[test]
fn every_suite_reads_and_writes_its_key_length() {
    for suite in Suite::ALL {
        for text in [line(7, suite, 3), line(7, suite, 3).trim_end_matches('=').to_owned()] {
            let attribute = parse(&text);
            assert_eq!((attribute.tag(), attribute.suite()), (7, suite));
            assert_eq!(attribute.keys().keys()[0].key().len(), suite.key_len());
            assert_eq!(attribute.to_value().as_str(), line(7, suite, 3));
        }
        for got in [
            0,
            1,
            suite.key_len(),
            suite.key_len() + suite.salt_len() - 1,
            suite.key_len() + suite.salt_len() + 1,
            500,
        ] {
            let reason = Reason::KeyLength { suite, expected: suite.key_len() + suite.salt_len(), got };
            let text = Base64::encode_string(&vec![0x5a; got]);
            assert_eq!(refused(&format!("7 {suite} inline:{text}")), (Some(7), reason));
        }
    }
}

#[test]
fn tag_is_one_to_nine_digits() {
    let rest = &line(1, CM, 1)[1..];
    for (text, tag) in [("0", 0), ("1", 1), ("999999999", 999_999_999), ("012", 12)] {
        assert_eq!(parse(&format!("{text}{rest}")).tag(), tag);
    }
    for text in ["", "1234567890", "-1", "+1", "1a", "0x1", "١"] {
        assert_eq!(refused(&format!("{text}{rest}")), (None, Reason::Tag), "{text}");
    }
}

#[test]
fn white_space_and_letter_case_do_not_matter() {
    let text = format!("  1\t AES_CM_128_hmac_sha1_80   INLINE:{} \t kdr=3 \r\n", key(CM, 1));
    let attribute = parse(&text);
    assert_eq!(attribute.keys().params().key_derivation_rate, 8);
    for foreign in ["\u{a0}", "\0", "\x7f", "ä", "\n"] {
        assert_eq!(refused(&format!("{} a{foreign}b", line(1, CM, 1))), (Some(1), Reason::Character));
    }
}

#[test]
fn missing_parts_are_named() {
    assert_eq!(refused(""), (None, Reason::Tag));
    assert_eq!(refused("5"), (Some(5), Reason::Missing("the suite")));
    assert_eq!(refused("5 AEAD_AES_128_GCM"), (Some(5), Reason::Missing("the key")));
    assert_eq!(
        CryptoAttribute::parse("5").unwrap_err().to_string(),
        "crypto tag 5: tag, suite and key parameters expected, the suite missing"
    );
}

#[test]
fn unknown_suites_are_named_unless_they_could_be_a_key() {
    let (tag, reason) = refused(&format!("3 SEED_CTR_128_HMAC_SHA1_80 inline:{}", key(CM, 1)));
    assert_eq!(tag, Some(3));
    assert_eq!(reason.to_string(), "unknown suite SEED_CTR_128_HMAC_SHA1_80");
    let (_, reason) = refused(&format!("3 inline:{} x", key(CM, 1)));
    assert_eq!(reason.to_string(), "unknown suite (not shown)");
    let (_, reason) = refused("3 QUJDREVGR0hJSktMTU5PUFFSU1RV x");
    assert_eq!(reason.to_string(), "unknown suite (not shown)");
    let (_, reason) = refused(&format!("3 {} x", key(CM, 1)));
    assert_eq!(reason.to_string(), "unknown suite (not shown)");
}

#[test]
fn only_inline_keys_are_taken() {
    for keys in ["uri:http", "inline", ":", &key(CM, 1), &format!("inline:{};", key(CM, 1))] {
        assert_eq!(refused(&format!("1 {CM} {keys}")), (Some(1), Reason::KeyMethod), "{keys}");
    }
}

#[test]
fn lifetime_is_a_power_or_a_number() {
    let lifetime = |text: &str| parse(&format!("{}|{text}", line(1, CM, 1))).keys().keys()[0].lifetime();
    for (text, srtp, srtcp) in [
        ("2^20", 1 << 20, 1 << 20),
        ("1048575", 1_048_575, 1_048_575),
        ("2^0", 1, 1),
        ("2^31", 1 << 31, 1 << 31),
        ("2^48", 1 << 48, 1 << 31),
        ("281474976710656", 1 << 48, 1 << 31),
        ("1", 1, 1),
    ] {
        let lifetime = lifetime(text);
        assert_eq!((lifetime.srtp(), lifetime.srtcp()), (srtp, srtcp), "{text}");
    }
    assert_eq!(parse(&line(1, CM, 1)).keys().keys()[0].lifetime(), Lifetime::MAX);
    for bad in ["2^49", "2^64", "2^99", "0", "281474976710657", "2^", "2^-1", "", "x", "18446744073709551616"]
    {
        assert_eq!(refused(&format!("{}|{bad}", line(1, CM, 1))), (Some(1), Reason::Lifetime), "{bad}");
    }
}

#[test]
fn mki_has_its_length_as_written() {
    let mki = |text: &str| parse(&format!("{}|{text}", line(1, CM, 1))).keys().keys()[0].mki().to_vec();
    assert_eq!(mki("1:1"), [1]);
    assert_eq!(mki("2^20|1:32")[..31], [0; 31]);
    assert_eq!(mki("2^20|1:32")[31], 1);
    assert_eq!(mki("66051:3"), [1, 2, 3]);
    assert_eq!(mki("0:2"), [0, 0]);
    let largest = "179769313486231590772930519078902473361797697894230657273430081157732675805500963132708477322407536021120113879871393357658789768814416622492847430639474124377767893424865485276302219601246094119453082952085005768838150682342462881473913110540827237163350510684586298239947245938479716304835356329624224137215";
    assert_eq!(mki(&format!("{largest}:128")), [0xff; 128]);
    for (bad, reason) in [
        ("256:1", Reason::MkiValue(1)),
        (&format!("{largest}:127"), Reason::MkiValue(127)),
        ("1:0", Reason::Mki),
        ("1:129", Reason::Mki),
        ("1:1000", Reason::Mki),
        ("1:", Reason::Mki),
        (":1", Reason::Mki),
        ("a:1", Reason::Mki),
        ("-1:1", Reason::Mki),
        ("1:4:4", Reason::Mki),
        ("1:4|2^20", Reason::KeyInfo),
        ("2^20|2^20", Reason::KeyInfo),
        ("2^20|1:4|x", Reason::KeyInfo),
        ("2^20|", Reason::KeyInfo),
        ("|1:4", Reason::Lifetime),
    ] {
        assert_eq!(refused(&format!("{}|{bad}", line(1, CM, 1))), (Some(1), reason), "{bad}");
    }
}

#[test]
fn several_keys_are_told_apart_by_mki() {
    let keys = |infos: &[&str]| {
        let keys: Vec<_> =
            infos.iter().zip(1..).map(|(info, seed)| format!("inline:{}{info}", key(GCM, seed))).collect();
        format!("1 {GCM} {}", keys.join(";"))
    };
    let attribute = parse(&keys(&["|1:2", "|2^30|2:2", "|3:2"]));
    assert_eq!(attribute.keys().keys().len(), 3);
    assert_eq!(attribute.keys().mki_len(), 2);
    assert_eq!(refused(&keys(&["", ""])).1, Reason::Keys(KeyError::MixedSelectors));
    assert_eq!(refused(&keys(&["|1:2", ""])).1, Reason::Keys(KeyError::MixedSelectors));
    assert_eq!(refused(&keys(&["|1:2", "|2:3"])).1, Reason::Keys(KeyError::MixedSelectors));
    assert_eq!(refused(&keys(&["|1:2", "|2:2", "|01:2"])).1, Reason::Keys(KeyError::DuplicateMki));

    let twice = format!("1 {GCM} inline:{0}|1:2;inline:{0}|2:2", key(GCM, 1));
    assert_eq!(refused(&twice), (Some(1), Reason::RepeatedKey));
    let fec = format!("{} FEC_KEY=inline:{}", line(1, GCM, 1), key(GCM, 1));
    assert_eq!(refused(&fec), (Some(1), Reason::RepeatedKey));

    let numbered: Vec<_> = (0..=MAX_KEYS).map(|i| format!("|{i}:1")).collect();
    let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
    assert_eq!(parse(&keys(&numbered[..MAX_KEYS])).keys().keys().len(), MAX_KEYS);
    assert_eq!(refused(&keys(&numbered)).1, Reason::TooManyKeys);
}

#[test]
fn session_parameters_are_read() {
    let fec_key = key(CM, 9);
    let attribute = parse(&format!(
        "{} KDR=24 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP FEC_ORDER=SRTP_FEC \
         FEC_KEY=inline:{fec_key}|2^20|1:4;inline:{}|2:4 WSH=128",
        line(1, CM, 1),
        key(CM, 8)
    ));
    assert_eq!(attribute.parameters().collect::<Vec<_>>(), SessionParameter::ALL);
    let params = attribute.keys().params();
    assert_eq!(params.key_derivation_rate, 1 << 24);
    assert!(params.unencrypted_srtp && params.unencrypted_srtcp && params.unauthenticated_srtp);
    assert_eq!(attribute.window_size_hint(), Some(128));
    assert_eq!(attribute.fec_order(), Some(FecOrder::SrtpFec));
    assert_eq!(attribute.fec_keys().unwrap().keys().len(), 2);
    assert!(parse(&attribute.to_value()).fec_keys().unwrap().same_as(attribute.fec_keys().unwrap()));
    assert_eq!(parse(&format!("{} KDR=0", line(1, CM, 1))).keys().params().key_derivation_rate, 1);
    assert_eq!(parse(&line(1, CM, 1)).parameters().count(), 0);
}

#[test]
fn a_parameter_with_a_wrong_value_says_what_it_expects() {
    use SessionParameter::{FecKey, FecOrder, KeyDerivationRate, UnencryptedSrtp, WindowSizeHint};
    for (text, parameter) in [
        ("KDR=25", KeyDerivationRate),
        ("KDR=", KeyDerivationRate),
        ("KDR", KeyDerivationRate),
        ("KDR=-1", KeyDerivationRate),
        ("KDR=2^3", KeyDerivationRate),
        ("WSH=63", WindowSizeHint),
        ("WSH=9999999999", WindowSizeHint),
        ("WSH", WindowSizeHint),
        ("FEC_ORDER=FEC", FecOrder),
        ("FEC_ORDER", FecOrder),
        ("FEC_KEY", FecKey),
        ("UNENCRYPTED_SRTP=1", UnencryptedSrtp),
        ("UNENCRYPTED_SRTP=", UnencryptedSrtp),
    ] {
        let (tag, reason) = refused(&format!("{} {text}", line(4, CM, 1)));
        assert_eq!((tag, &reason), (Some(4), &Reason::ParameterValue(parameter)), "{text}");
        assert!(reason.to_string().starts_with(parameter.name()));
    }
    assert_eq!(
        refused(&format!("{} FEC_KEY=inline:AAAA", line(4, CM, 1))).1.to_string(),
        "AES_CM_128_HMAC_SHA1_80 takes 30 bytes of key and salt, got 3"
    );
}

#[test]
fn repeated_and_unknown_mandatory_parameters_are_refused_and_marked_ones_ignored() {
    let twice = refused(&format!("{} KDR=1 WSH=64 KDR=1", line(1, CM, 1)));
    assert_eq!(twice, (Some(1), Reason::RepeatedParameter(SessionParameter::KeyDerivationRate)));
    let (_, reason) = refused(&format!("{} NEW_THING=3", line(1, CM, 1)));
    assert_eq!(reason.to_string(), "unknown session parameter NEW_THING");
    let (_, reason) = refused(&format!("{} {}", line(1, CM, 1), key(CM, 2)));
    assert_eq!(reason.to_string(), "unknown session parameter (not shown)");

    let ignored = parse(&format!("{} -NEW_THING=3 -NEW_THING KDR=1 -UNENCRYPTED_SRTP", line(1, CM, 1)));
    assert_eq!(ignored.parameters().collect::<Vec<_>>(), [SessionParameter::KeyDerivationRate]);
    assert_eq!(ignored.to_value().as_str(), format!("{} KDR=1", line(1, CM, 1)));
}

#[test]
fn aead_suites_refuse_to_go_without_encryption_or_tag() {
    for parameter in ["UNENCRYPTED_SRTP", "UNAUTHENTICATED_SRTP"] {
        let (tag, reason) = refused(&format!("{} {parameter}", line(2, GCM, 1)));
        assert_eq!((tag, reason), (Some(2), Reason::Keys(KeyError::AeadParameter(GCM))));
    }
}

#[test]
fn length_and_count_are_bounded() {
    let long = format!("{} -{}", line(1, CM, 1), "x".repeat(MAX_LINE_LEN));
    assert_eq!(refused(&long), (None, Reason::TooLong(long.len())));
    let just = format!("{} -", line(1, CM, 1));
    parse(&format!("{just}{}", "x".repeat(MAX_LINE_LEN - just.len())));
    parse(&format!("{}{}", line(1, CM, 1), " -x".repeat(MAX_PARAMETERS)));
    let many = format!("{}{}", line(1, CM, 1), " -x".repeat(MAX_PARAMETERS + 1));
    assert_eq!(refused(&many), (Some(1), Reason::TooManyParameters));
}

#[test]
fn sixteen_keys_with_the_longest_mki_fit() {
    let keys: Vec<_> = (0..MAX_KEYS as u8)
        .map(|i| format!("inline:{}|2^48|{}:128", key(GCM, i), "9".repeat(305) + &i.to_string()))
        .collect();
    let text = format!("999999999 {GCM} {}", keys.join(";"));
    assert!(text.len() <= MAX_LINE_LEN, "{}", text.len());
    assert_eq!(parse(&text).keys().keys().len(), MAX_KEYS);
}

#[test]
fn debug_shows_no_key() {
    let attribute = parse(&format!("{} FEC_KEY=inline:{}", line(1, CM, 1), key(CM, 2)));
    let shown = format!("{attribute:?}");
    assert_eq!(
        shown,
        "CryptoAttribute { tag: 1, suite: AesCm128HmacSha1_80, keys: 1, parameters: [FecKey], .. }"
    );
}
