//! What the tests share. Not every test uses all of it.
#![allow(dead_code)]

use base64ct::{Base64, Encoding};
use sealrtp_sdes::{Config, CryptoAttribute, Negotiator, Outcome, SessionParameter};
use sealrtp_srtp::{KeySet, Suite};

/// Base64 of a key and salt of `suite` that differ by `seed`.
pub fn key(suite: Suite, seed: u8) -> String {
    let len = suite.key_len() + suite.salt_len();
    let bytes: Vec<u8> = (0..len as u8).map(|i| i.wrapping_mul(97).wrapping_add(seed)).collect();
    Base64::encode_string(&bytes)
}

/// An attribute value with the key of [`key`].
pub fn line(tag: u32, suite: Suite, seed: u8) -> String {
    format!("{tag} {suite} inline:{}", key(suite, seed))
}

pub fn config(suites: &[Suite]) -> Config {
    Config { suites: suites.to_vec(), ..Config::default() }
}

pub fn accepting(suites: &[Suite], parameters: &[SessionParameter]) -> Config {
    Config { session_parameters: parameters.to_vec(), ..config(suites) }
}

pub fn negotiator(suites: &[Suite]) -> Negotiator {
    Negotiator::new(config(suites)).unwrap()
}

pub fn all_suites() -> Config {
    accepting(&Suite::ALL, &SessionParameter::ALL)
}

pub fn values(lines: &[CryptoAttribute]) -> Vec<String> {
    lines.iter().map(|line| line.to_value().to_string()).collect()
}

/// Both key sets of an outcome that changed them.
#[track_caller]
pub fn changed(outcome: Outcome) -> (KeySet, KeySet) {
    match outcome {
        Outcome::KeysChanged { suite, inbound, outbound } => {
            assert_eq!((inbound.suite(), outbound.suite()), (suite, suite));
            (inbound, outbound)
        }
        Outcome::Unchanged => panic!("keys did not change"),
    }
}

#[track_caller]
pub fn unchanged(outcome: Outcome) {
    assert!(matches!(outcome, Outcome::Unchanged), "keys changed");
}

/// The two ends hold the same keys, crosswise.
#[track_caller]
pub fn assert_agree(a: &Negotiator, b: &Negotiator) {
    assert!(a.outbound().unwrap().same_as(&b.inbound().unwrap()));
    assert!(b.outbound().unwrap().same_as(&a.inbound().unwrap()));
    assert!(!a.outbound().unwrap().same_as(&a.inbound().unwrap()));
}

/// The m-lines of an SDP body with the values of their `a=crypto` attributes: as much SDP as these tests need.
pub fn m_lines(sdp: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in sdp.lines() {
        if let Some(m) = line.strip_prefix("m=") {
            found.push((m, Vec::new()));
        } else if let (Some(value), Some((_, values))) = (line.strip_prefix("a=crypto:"), found.last_mut()) {
            values.push(value);
        }
    }
    found
}
