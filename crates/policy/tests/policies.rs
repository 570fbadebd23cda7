//! What the sections of a file come to.

use proptest::prelude::*;
use sealrtp_policy::{
    Builder, Config, Fallback, FaultKind, Key, MAX_DEPTH, MAX_NAME, MAX_SECTIONS, MAX_VALUE, Method,
    Policies, Recording,
};

const FILE: &str = "sealrtp.conf";

/// Reads text as Asterisk does: sections in brackets, `key = value`, comments behind semicolons.
fn read(text: &str) -> (Builder, Vec<String>) {
    let (mut builder, mut said) = (Policies::builder(), Vec::new());
    let mut section = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(';').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            match builder.set(FILE, number, &section, key, value) {
                Ok(None) => {}
                Ok(Some(warning)) => said.push(warning.to_string()),
                Err(fault) => said.push(fault.to_string()),
            }
        }
    }
    (builder, said)
}

fn good(text: &str) -> Policies {
    let (builder, said) = read(text);
    assert!(said.is_empty(), "{said:?}");
    builder.finish().unwrap().0
}

/// What `finish` refuses, line by line.
fn faults(text: &str) -> Vec<String> {
    let faults = read(text).0.finish().unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

const OFFICE: &str = "
[general]
recording = allow
accept = dtls, zrtp

[PJSIP/alice]
policy = vault
zrtp_sas = B256

[alice]
fallback = reject

[trunk]
offer = sdes
sdes_signalling = tls
accept = sdes

[vault]
type = policy
policy = strict
recording = refuse
";

#[test]
fn a_section_begins_as_its_policy_and_that_as_general() {
    let policies = good(OFFICE);
    let alice = policies.endpoint("PJSIP/alice");
    for (key, rule) in [
        (Key::Fallback, "fallback = reject (built-in policy strict)"),
        (Key::Recording, "recording = refuse (sealrtp.conf line 21, [vault])"),
        (Key::Accept, "accept = sdes, dtls (built-in policy strict)"),
        (Key::SdesSignalling, "sdes_signalling = tls (default)"),
        (Key::ZrtpSas, "zrtp_sas = B256 (sealrtp.conf line 8, [PJSIP/alice])"),
        (Key::Offer, "offer = sdes, dtls (built-in policy strict)"),
    ] {
        assert_eq!(alice.rule(key), rule);
    }
    assert_eq!(policies.general().recording(), Recording::Allow);
    assert_eq!(policies.policy("Vault").unwrap().recording(), Recording::Refuse);
}

#[test]
fn an_end_point_is_found_with_its_driver_first_then_without_then_in_general() {
    let policies = good(OFFICE);
    let section = |name: &str| policies.endpoint(name).section().to_owned();
    assert_eq!(section("PJSIP/alice"), "PJSIP/alice");
    assert_eq!(section("SIP/alice"), "alice");
    assert_eq!(section("sip/ALICE"), "alice");
    assert_eq!(section("SIP/bob"), "general");
    // A policy is no end point, and an end point no policy.
    assert_eq!(section("PJSIP/vault"), "general");
    assert!(policies.policy("alice").is_none());
    let names: Vec<_> = policies.policies().map(Config::section).collect();
    assert_eq!(names, ["clear", "opportunistic", "strict", "vault"]);
}

#[test]
fn a_call_under_a_policy_has_nothing_of_its_end_points_section() {
    let policies = good(OFFICE);
    let under = policies.endpoint_under("PJSIP/alice", Some("strict")).unwrap();
    assert_eq!(
        (under.section(), under.fallback(), under.recording()),
        ("strict", Fallback::Reject, Recording::Allow)
    );
    assert_eq!(policies.endpoint_under("PJSIP/alice", None).unwrap().section(), "PJSIP/alice");
    assert!(policies.endpoint_under("PJSIP/alice", Some("lax")).is_none());
}

#[test]
fn built_in_policies_are_there_unless_the_file_has_its_own() {
    let policies = Policies::default();
    let rules = |name: &str| {
        let policy = policies.policy(name).unwrap();
        (policy.offer().len(), policy.accept().len(), policy.fallback())
    };
    assert_eq!(rules("strict"), (2, 2, Fallback::Reject));
    assert_eq!(rules("opportunistic"), (3, 3, Fallback::Rtp));
    assert_eq!(rules("clear"), (0, 0, Fallback::Rtp));
    assert!(policies.any_secures() && policies.any_has_zrtp());
    assert!(!policies.any_rejects(), "nobody has chosen the built-in policy strict");

    let policies = good("[strict]\ntype = policy\nfallback = reject\naccept = zrtp\n");
    assert_eq!(policies.policy("strict").unwrap().accept(), [Method::Zrtp]);
    assert!(policies.any_rejects());
    // What [general] takes away from everybody comes back where a policy says so.
    let policies = good("[general]\noffer = none\naccept = none\n[a]\npolicy = opportunistic\n");
    assert_eq!(policies.endpoint("a").offer().len(), 3);
    assert_eq!(policies.endpoint("b").offer(), []);
    assert!(policies.any_has_zrtp());
    let policies = good("[general]\noffer = none\naccept = none\n");
    assert!(!policies.any_secures() && !policies.any_has_zrtp());
}

#[test]
fn without_the_number_of_a_line_a_rule_tells_file_and_section() {
    let mut builder = Policies::builder();
    builder.set("sealrtp.conf.xml", 0, "user/alice", "fallback", "reject").unwrap();
    let alice = builder.finish().unwrap().0.endpoint("user/alice").rule(Key::Fallback);
    assert_eq!(alice, "fallback = reject (sealrtp.conf.xml, [user/alice])");
}

#[test]
fn every_fault_is_told_with_file_line_section_key_value_and_expectation() {
    let text = "
[general]
fallback = clear
policy = strict
type = policy
[alice]
dtls_mtu = 1200
policy = lax
sweets = 1
[lax]
type = rule
zrtp = required
[loop]
type = policy
policy = pool
[pool]
type = policy
policy = LOOP
[self]
type = policy
policy = self
[bob]
policy = loop
";
    let told = faults(text);
    let expected = [
        "sealrtp.conf line 3, [general]: fallback = clear: expected one of rtp, reject",
        "sealrtp.conf line 4, [general]: policy belongs into the section of an end point or of a policy",
        "sealrtp.conf line 5, [general]: type belongs into the section of an end point or of a policy",
        "sealrtp.conf line 7, [alice]: dtls_mtu belongs into [general]",
        "sealrtp.conf line 8, [alice]: policy = lax: expected one of clear, loop, opportunistic, pool, self, strict",
        "sealrtp.conf line 9, [alice]: sweets: unknown key, expected one of offer, accept,",
        "sealrtp.conf line 11, [lax]: type = rule: expected policy or endpoint",
        "sealrtp.conf line 12, [lax]: zrtp: this key is gone, write fallback = reject",
        "sealrtp.conf line 15, [loop]: policy = pool: this policy begins under itself",
        "sealrtp.conf line 18, [pool]: policy = LOOP: this policy begins under itself",
        "sealrtp.conf line 21, [self]: policy = self: this policy begins under itself",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn what_hardly_can_be_meant_is_told_once_and_taken() {
    let text = "
[general]
offer = none
accept = none
[one]
policy = closed
[other]
policy = closed
[closed]
type = policy
fallback = reject
[strict]
recording = refuse
[trunk]
offer = sdes
accept = sdes
[third]
zrtp_upgrade = yes
[open]
sdes_signalling = any
";
    let (builder, said) = read(text);
    assert_eq!(
        said,
        [
            "sealrtp.conf line 20, [open]: sdes_signalling: who reads signalling without TLS reads the media too"
        ]
    );
    let (_, warnings) = builder.finish().unwrap();
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "sealrtp.conf line 11, [closed]: fallback: reject, but nothing is offered or accepted",
        "sealrtp.conf line 18, [third]: zrtp_upgrade: yes does nothing without zrtp",
        "sealrtp.conf line 15, [trunk]: offer: over signalling without TLS our offers carry no security",
        "sealrtp.conf line 16, [trunk]: accept: over signalling without TLS no security is taken",
        "sealrtp.conf line 13, [strict]: [strict] is an end point; a policy of that name needs type = policy",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (told, expected) in warnings.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts_wherever_the_section_goes_on() {
    let policies = good("[a]\nfallback = reject\n[general]\nrecording = allow\n[A]\nfallback = rtp\n");
    assert_eq!(policies.endpoint("a").rule(Key::Fallback), "fallback = rtp (sealrtp.conf line 6, [a])");
    assert!(!policies.any_rejects());
}

#[test]
fn bounds_are_bounds() {
    let set = |builder: &mut Builder, section: &str, key: &str, value: &str| {
        builder.set(FILE, 1, section, key, value).map_err(|fault| fault.kind().clone())
    };
    let mut builder = Policies::builder();
    let long = "x".repeat(MAX_VALUE + 1);
    assert!(matches!(set(&mut builder, "a", "offer", &long), Err(FaultKind::LongValue(_))));
    for name in ["", " ", "a\nb", &"n".repeat(MAX_NAME + 1)] {
        assert!(matches!(set(&mut builder, name, "offer", "none"), Err(FaultKind::SectionName)));
    }
    assert!(builder.finish().is_err(), "what was refused once is not forgotten");

    let mut builder = Policies::builder();
    for number in 0..MAX_SECTIONS {
        set(&mut builder, &format!("end-point-{number}"), "policy", "strict").unwrap();
    }
    assert!(matches!(set(&mut builder, "one-more", "policy", "strict"), Err(FaultKind::TooManySections)));
    assert!(set(&mut builder, "end-point-1", "recording", "allow").is_ok());

    let chain = |length: usize| {
        (0..length).fold(String::new(), |text, number| {
            text + &format!("[p{number}]\ntype = policy\npolicy = p{}\n", number + 1)
        })
    };
    let end = format!("[p{MAX_DEPTH}]\ntype = policy\nfallback = reject\n[a]\npolicy = p1\n");
    let policies = good(&(chain(MAX_DEPTH) + &end));
    assert_eq!(policies.endpoint("a").fallback(), Fallback::Reject);
    assert!(faults(&(chain(MAX_DEPTH) + &end.replace("p1", "p0")))[0].contains("at most 8 policies"));
}

fn value_of(key: Key) -> impl Strategy<Value = String> {
    let words: Vec<String> = match key {
        Key::Offer | Key::Accept => ["none", "sdes", "zrtp, dtls", "dtls sdes zrtp"].map(Into::into).into(),
        Key::Fallback => Fallback::ALL.map(|value| value.name().into()).into(),
        Key::Recording => Recording::ALL.map(|value| value.name().into()).into(),
        _ => vec![Policies::default().general().get(key)],
    };
    proptest::sample::select(words)
}

/// A file without faults: policies p0 to p3, each under an earlier one, and end points.
fn sections() -> impl Strategy<Value = Vec<(String, String, String)>> {
    let names = proptest::sample::select(vec!["general", "p0", "p1", "p2", "p3", "SIP/a", "a", "b"]);
    let keys = proptest::sample::select(vec![
        Key::Offer,
        Key::Accept,
        Key::Fallback,
        Key::Recording,
        Key::MkiLength,
    ]);
    let line = (names, keys).prop_flat_map(|(name, key)| {
        value_of(key).prop_map(move |value| (name.to_owned(), key.name().to_owned(), value))
    });
    let policies = proptest::collection::vec(0usize..5, 7);
    (proptest::collection::vec(line, 0..20), policies).prop_map(|(mut lines, under)| {
        for (name, under) in ["p0", "p1", "p2", "p3", "SIP/a", "a", "b"].iter().zip(under) {
            let own = name.strip_prefix('p').and_then(|number| number.parse().ok()).unwrap_or(4usize);
            if own < 4 {
                lines.push(((*name).to_owned(), "type".into(), "policy".into()));
            }
            if under < own {
                lines.push(((*name).to_owned(), "policy".into(), format!("p{under}")));
            }
        }
        // One line of a section and key: the order must not matter.
        let mut seen = std::collections::HashSet::new();
        lines.retain(|(name, key, _)| seen.insert((name.clone(), key.clone())));
        lines
    })
}

fn build(lines: &[(String, String, String)]) -> Policies {
    let mut builder = Policies::builder();
    for (name, key, value) in lines {
        builder.set(FILE, 1, name, key, value).unwrap();
    }
    builder.finish().unwrap().0
}

/// The value of a key by the words of the documentation: own section, its policy, that one's, [general], default.
fn expected(lines: &[(String, String, String)], section: &str, key: Key) -> String {
    let find = |section: &str, key: &str| {
        lines.iter().find(|line| line.0 == section && line.1 == key).map(|line| line.2.clone())
    };
    let mut at = Some(section.to_owned());
    while let Some(name) = at {
        if let Some(value) = find(&name, key.name()) {
            let mut config = Config::default();
            config.set(key.name(), &value).unwrap();
            return config.get(key);
        }
        at = match find(&name, "policy") {
            Some(policy) => Some(policy),
            None => (name != "general").then(|| "general".to_owned()),
        };
    }
    Policies::default().general().get(key)
}

proptest! {
    #[test]
    fn values_are_inherited_in_any_order_of_lines(lines in sections(), turn in 0usize..32) {
        let policies = build(&lines);
        let mut turned = lines.clone();
        turned.reverse();
        turned.rotate_left(turn % lines.len().max(1));
        let other = build(&turned);
        for key in [Key::Offer, Key::Accept, Key::Fallback, Key::Recording, Key::MkiLength] {
            for (config, same, section) in [
                (policies.endpoint("SIP/a"), other.endpoint("SIP/a"), "SIP/a"),
                (policies.endpoint("b"), other.endpoint("b"), "b"),
                (policies.policy("p3").unwrap(), other.policy("p3").unwrap(), "p3"),
                (policies.general(), other.general(), "general"),
            ] {
                let known = lines.iter().any(|line| line.0 == section);
                let section = match section {
                    "SIP/a" if !known && lines.iter().any(|line| line.0 == "a") => "a",
                    section => section,
                };
                prop_assert_eq!(config.get(key), expected(&lines, section, key), "{} of {}", key, section);
                prop_assert_eq!(config.get(key), same.get(key));
            }
        }
        let rejects = |config: &Config| config.fallback() == Fallback::Reject;
        let of_file = ["p0", "p1", "p2", "p3"].iter().filter_map(|name| policies.policy(name));
        let any = rejects(policies.general()) || policies.endpoints().any(rejects) || of_file.clone().any(rejects);
        prop_assert_eq!(policies.any_rejects(), any);
    }

    #[test]
    fn no_text_panics_and_a_refusal_stays_on_short_lines(
        lines in proptest::collection::vec(("\\PC{0,12}|general|a|[\\x00-\\x20]{0,4}", "\\PC{0,12}|offer|policy|type|dtls_mtu", "(?s:.{0,200})|a|policy|none"), 0..40)
    ) {
        let mut builder = Policies::builder();
        let mut refused = false;
        for (number, (section, key, value)) in (1..).zip(&lines) {
            if let Err(fault) = builder.set(FILE, number, section, key, value) {
                refused = true;
                prop_assert_eq!(fault.place().line, number);
                let text = fault.to_string();
                prop_assert!(!text.contains(char::is_control) && text.len() < 2000, "{:?}", text);
            }
        }
        match builder.finish() {
            Ok(_) => prop_assert!(!refused),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    let text = fault.to_string();
                    prop_assert!(!text.contains(char::is_control) && text.len() < 8000, "{:?}", text);
                }
            }
        }
    }
}

/// The sample's lines that are keys or sections, with their comment sign taken away.
fn sample() -> String {
    let text = include_str!("../../../asterisk_module/sealrtp.conf.sample");
    let of_file = |line: &&str| {
        let bare = line.strip_prefix(';').unwrap_or(line);
        let key = bare.split(" = ").next().unwrap_or_default();
        let is_key = bare.contains(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
        (is_key || bare.starts_with('[')) && key != "zrtp_cache"
    };
    text.lines().filter(of_file).map(|line| line.trim_start_matches(';').to_owned() + "\n").collect()
}

#[test]
fn the_samples_values_are_the_defaults_and_its_examples_are_good() {
    let (builder, said) = read(&sample());
    assert!(said.is_empty(), "{said:?}");
    let (policies, warnings) = builder.finish().unwrap();
    for key in Key::ALL {
        let (shown, default) = (policies.general().rule(key), Config::default());
        assert!(shown.contains("line"), "the sample has no {key}");
        assert_eq!(policies.general().get(key), default.get(key));
    }
    assert_eq!(
        policies.endpoint("PJSIP/alice").rule(Key::Fallback).split(" (").next(),
        Some("fallback = reject")
    );
    assert!(policies.policy("vault").is_some());
    // A provider of SDES alone: over UDP there is nothing, and that is told.
    assert!(warnings.iter().all(|warning| warning.to_string().contains("[provider]")), "{warnings:?}");
}
