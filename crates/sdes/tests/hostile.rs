//! Whatever a peer sends: no panic, bounded work, no key in an error.

mod common;

use std::fmt::Write;

use base64ct::{Base64, Encoding};
use common::{all_suites, config, key, line};
use proptest::prelude::*;
use sealrtp_sdes::{CryptoAttribute, MAX_LINES, NegotiationError, Negotiator, SessionParameter};
use sealrtp_srtp::Suite;

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

/// A valid attribute and the base64 of its keys.
fn valid_line() -> impl Strategy<Value = (String, Vec<String>)> {
    let key_info = (
        prop::collection::vec(any::<u8>(), 46),
        prop::option::of(prop_oneof![
            (0u32..=48).prop_map(|n| format!("|2^{n}")),
            (1u64..=1 << 48).prop_map(|n| format!("|{n}"))
        ]),
        any::<bool>(),
    );
    let parameters = prop::sample::subsequence(
        vec!["KDR=7", "UNENCRYPTED_SRTCP", "FEC_ORDER=SRTP_FEC", "WSH=64", "-LATER=1", "FEC_KEY"],
        0..=6,
    );
    (
        0u32..=999_999_999,
        any_suite(),
        prop::collection::vec(key_info, 1..=4),
        1usize..=128,
        parameters,
        any::<bool>(),
    )
        .prop_map(|(tag, suite, infos, mki_length, parameters, mki)| {
            let len = suite.key_len() + suite.salt_len();
            let several = infos.len() > 1;
            let mut text = format!("{tag} {suite} ");
            let mut keys = Vec::new();
            for (i, (bytes, lifetime, padded)) in infos.iter().enumerate() {
                let base64 = Base64::encode_string(&bytes[..len]);
                let base64 = if *padded { base64.as_str() } else { base64.trim_end_matches('=') };
                let separator = if i == 0 { "" } else { ";" };
                let _ = write!(text, "{separator}inline:{base64}{}", lifetime.as_deref().unwrap_or(""));
                if mki || several {
                    let _ = write!(text, "|{i}:{mki_length}");
                }
                keys.push(base64.trim_end_matches('=').to_owned());
            }
            for parameter in parameters {
                let _ = write!(text, " {parameter}");
                if parameter == "FEC_KEY" {
                    let _ = write!(text, "=inline:{}", key(suite, 200));
                }
            }
            (text, keys)
        })
}

/// One edit to a text.
fn edits() -> impl Strategy<Value = Vec<(usize, u8, char)>> {
    prop::collection::vec(
        (any::<usize>(), 0u8..4, prop_oneof![any::<char>(), prop::char::range('!', '~')]),
        1..6,
    )
}

fn edited(text: &str, edits: &[(usize, u8, char)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, kind, c) in edits {
        let at = at % (chars.len() + 1);
        match kind {
            0 => chars.insert(at, *c),
            1 if at < chars.len() => chars[at] = *c,
            2 if at < chars.len() => drop(chars.remove(at)),
            3 => chars.truncate(at),
            _ => {}
        }
    }
    chars.into_iter().collect()
}

/// No run of eight characters of a key is in the text.
fn shows_key(text: &str, keys: &[String]) -> bool {
    keys.iter()
        .any(|key| key.as_bytes().windows(8).any(|part| text.as_bytes().windows(8).any(|seen| seen == part)))
}

/// A repetitive key could show up in plain words by chance.
fn is_random(keys: &[String]) -> bool {
    keys.iter().all(|key| !key.contains("AAAAAAAA"))
}

proptest! {
    #[test]
    fn what_is_written_reads_back((text, keys) in valid_line()) {
        let one = CryptoAttribute::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        prop_assert_eq!(one.keys().keys().len(), keys.len());
        let written = one.to_value();
        let two = CryptoAttribute::parse(&written).unwrap();
        prop_assert!(one.keys().same_as(two.keys()));
        prop_assert_eq!((one.tag(), one.window_size_hint(), one.fec_order()), (two.tag(), two.window_size_hint(), two.fec_order()));
        prop_assert_eq!(one.parameters().collect::<Vec<_>>(), two.parameters().collect::<Vec<_>>());
        prop_assert_eq!(written, two.to_value());
        if is_random(&keys) {
            let shown = format!("{one:?} {:?}", one.keys());
            prop_assert!(!shows_key(&shown, &keys), "{}", shown);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,300}") {
        let _ = CryptoAttribute::parse(&text);
        let _ = Negotiator::new(all_suites()).unwrap().remote_line(&text);
    }

    #[test]
    fn arbitrary_tokens_never_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "1", "0", "999999999", "9999999999", "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "inline:", "inline",
                ";", "|", ":", "2^", "2^20", "=", "==", "-", "KDR", "KDR=", "WSH=64", "FEC_KEY=", "FEC_ORDER=FEC_SRTP", " ", "\t",
                "UNENCRYPTED_SRTP", "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj", "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHA=",
            ]),
            0..40,
        ),
        separator in prop::sample::select(vec!["", " "]),
    ) {
        let text = words.join(separator);
        if let Ok(line) = CryptoAttribute::parse(&text) {
            CryptoAttribute::parse(&line.to_value()).unwrap();
        }
    }

    #[test]
    fn edited_lines_never_panic_and_errors_show_no_key((text, keys) in valid_line(), edits in edits()) {
        let text = edited(&text, &edits);
        match CryptoAttribute::parse(&text) {
            Ok(line) => drop(CryptoAttribute::parse(&line.to_value()).unwrap()),
            Err(error) => if is_random(&keys) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shows_key(&shown, &keys), "{}", shown);
            },
        }
        let mut us = Negotiator::new(all_suites()).unwrap();
        let mut offerer = Negotiator::new(config(&[Suite::AesCm128HmacSha1_80])).unwrap();
        offerer.offer().unwrap();
        for error in [us.remote_line(&text).err(), offerer.remote_line(&text).err()].into_iter().flatten() {
            let shown = format!("{error} {error:?}");
            prop_assert!(!is_random(&keys) || !shows_key(&shown, &keys), "{}", shown);
        }
    }

    #[test]
    fn a_refusal_never_touches_the_running_keys(
        lines in prop::collection::vec((valid_line(), edits()), 0..5),
        offer_first in any::<bool>(),
    ) {
        let suites = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80];
        let mut us = Negotiator::new(config(&suites)).unwrap();
        if offer_first {
            us.offer().unwrap();
        }
        us.remote_line(&line(2, Suite::AesCm128HmacSha1_80, 5)).unwrap();
        let before = (us.inbound().unwrap(), us.outbound().unwrap(), us.answer().unwrap().to_value());
        let texts: Vec<_> = lines.iter().map(|((text, _), edits)| edited(text, edits)).collect();
        match us.remote_all(texts.iter().map(String::as_str)) {
            Ok(_) => {
                prop_assert!(suites.contains(&us.suite().unwrap()));
                prop_assert!(!us.inbound().unwrap().params().is_weak());
            }
            Err(_) => {
                prop_assert!(before.0.same_as(&us.inbound().unwrap()));
                prop_assert!(before.1.same_as(&us.outbound().unwrap()));
                prop_assert_eq!(before.2, us.answer().unwrap().to_value());
            }
        }
    }
}

#[test]
fn the_number_of_lines_is_bounded() {
    let mut us = Negotiator::new(all_suites()).unwrap();
    let lines: Vec<_> = (0..=MAX_LINES as u32).map(|tag| line(tag, Suite::AeadAes256Gcm, 1)).collect();
    let error = us.remote_all(lines.iter().map(String::as_str)).unwrap_err();
    assert_eq!(error, NegotiationError::TooManyLines(MAX_LINES + 1));
    assert_eq!(us.remote_all([]).unwrap_err(), NegotiationError::NoLine);
    assert!(us.suite().is_none());
    us.remote_all(lines[1..].iter().map(String::as_str)).unwrap();
}

#[test]
fn parameters_are_taken_only_by_name() {
    for parameter in SessionParameter::ALL {
        assert!(!parameter.is_weak() || !parameter.is_always_accepted(), "{parameter}");
    }
}
