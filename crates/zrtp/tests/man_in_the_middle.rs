//! Who stands between two ends and rewrites what passes is found out, or shows in the SAS.

mod common;

use std::sync::Arc;

use common::net::{GOOD, Pair, Random, association, memory};
use sealrtp_zrtp::algorithm::KeyAgreement;
use sealrtp_zrtp::message::{Commit, CommitMode, Hello, Message, MessageType, Name, Names, Zid};
use sealrtp_zrtp::packet::Packet;
use sealrtp_zrtp::{Alert, Config, Continuity, Event, MemoryCache};

fn config(passive: bool) -> Config {
    Config { agreements: vec![KeyAgreement::X255], passive, ..Config::default() }
}

/// A call from the second end to the first, which is passive, with `rewrite` in the middle.
fn call(rewrite: impl Fn(Message) -> Message) -> Pair {
    let mut pair = Pair::of(config(true), config(false));
    pair.run_with(GOOD, 1, &mut |_, datagram| {
        let packet = Packet::parse(&datagram).unwrap();
        let message = Message::parse(packet.message).unwrap();
        let rewritten = rewrite(message.clone());
        if rewritten == message {
            return vec![datagram];
        }
        vec![Packet { message: &rewritten.to_bytes(), ..packet }.to_bytes()]
    });
    pair
}

fn assert_found_out(pair: &Pair, what: &str, alerts: &[Alert]) {
    assert!(pair.told.iter().all(|told| told.secured.is_empty()), "{what}: secured");
    assert!(pair.told.iter().any(|told| !told.failed.is_empty()), "{what}: nobody gave up");
    let told: Vec<_> = pair.told.iter().flat_map(|told| &told.alerts).collect();
    assert!(told.iter().any(|alert| alerts.contains(alert)), "{what}: {told:?}");
}

/// A field's name, and what is done to it.
type Change<T> = (&'static str, fn(&mut T));

fn names(name: &[u8; 4]) -> Names {
    Names::new(&[Name(*name)]).unwrap()
}

#[test]
fn every_field_of_a_commit_is_bound() {
    let changes: [Change<Commit>; 9] = [
        ("H2", |commit| commit.h2[0] ^= 1),
        ("ZID", |commit| commit.zid.0[11] ^= 1),
        ("hash", |commit| commit.hash = Name(*b"S384")),
        ("cipher", |commit| commit.cipher = Name(*b"AES3")),
        ("tag", |commit| commit.auth_tag = Name(*b"HS32")),
        ("key agreement", |commit| commit.agreement = Name(*b"E255")),
        ("SAS type", |commit| commit.sas_type = Name(*b"B256")),
        ("hvi", |commit| {
            if let CommitMode::Dh { hvi } = &mut commit.mode {
                hvi[31] ^= 1;
            }
        }),
        ("MAC", |commit| commit.mac[0] ^= 1),
    ];
    for (what, change) in changes {
        let pair = call(|message| match message {
            Message::Commit(mut commit) => {
                change(&mut commit);
                Message::Commit(commit)
            }
            other => other,
        });
        let alerts = [
            Alert::HashChain(MessageType::Commit),
            Alert::MessageMac(MessageType::Commit),
            Alert::MessageMac(MessageType::Hello),
        ];
        assert_found_out(&pair, what, &alerts);
    }
}

#[test]
fn every_field_of_a_hello_is_bound_at_either_end() {
    let changes: [Change<Hello>; 11] = [
        ("the version's last byte", |hello| hello.version[3] = b'9'),
        ("client", |hello| hello.client[0] ^= 1),
        ("ZID", |hello| hello.zid = Zid([0x77; 12])),
        ("S", |hello| hello.signatures = true),
        ("M", |hello| hello.mitm = true),
        ("hashes", |hello| hello.hashes = names(b"S384")),
        ("ciphers", |hello| hello.ciphers = names(b"AES3")),
        ("tags", |hello| hello.auth_tags = names(b"HS32")),
        ("key agreements", |hello| hello.agreements = Names::default()),
        ("SAS types", |hello| hello.sas_types = names(b"B256")),
        ("MAC", |hello| hello.mac[0] ^= 1),
    ];
    for (what, change) in changes {
        for from_passive in [false, true] {
            let pair = call(|message| match message {
                Message::Hello(mut hello) if hello.passive == from_passive => {
                    change(&mut hello);
                    Message::Hello(hello)
                }
                other => other,
            });
            let alerts =
                [Alert::MessageMac(MessageType::Hello), Alert::HashChain(MessageType::Commit), Alert::Hvi];
            assert_found_out(&pair, what, &alerts);
        }
    }
}

/// With public values of his own, and a Commit that commits to them: its MAC is made with a key that he learns too late.
#[test]
fn a_rewritten_commitment_does_not_carry_a_rewritten_public_value() {
    let pair = call(|message| match message {
        Message::Commit(mut commit) => {
            commit.mode = CommitMode::Dh { hvi: [0x42; 32] };
            Message::Commit(commit)
        }
        Message::DhPart2(mut part) => {
            part.public_value[0] ^= 1;
            Message::DhPart2(part)
        }
        other => other,
    });
    assert_found_out(&pair, "hvi and pvi", &[Alert::MessageMac(MessageType::Commit)]);
}

/// Two calls where the ends believe there is one: the man in the middle answers each as the other, ZID and all.
fn two_calls(caches: [Option<Arc<MemoryCache>>; 2], seed: u64) -> [Pair; 2] {
    let [alice, bob] = caches;
    let passive = seed.is_multiple_of(2);
    let mut calls = [
        Pair::new(&association(0, config(passive), alice), &association(1, config(false), None)),
        Pair::new(&association(0, config(false), None), &association(1, config(passive), bob)),
    ];
    for call in &mut calls {
        call.run(GOOD, seed);
        call.assert_secure(&format!("seed {seed}"));
    }
    calls
}

#[test]
fn who_answers_each_end_as_the_other_shows_in_the_sas() {
    let mut random = Random(1);
    for _ in 0..200 {
        let [with_alice, with_bob] = two_calls([None, None], random.next());
        let (alice, bob) = (&with_alice.told[0].secured[0], &with_bob.told[1].secured[0]);
        assert_ne!(alice.sas.hash(), bob.sas.hash());
        assert!(!alice.inbound.same_as(&bob.outbound) && !alice.verified && !bob.verified);
    }
}

#[test]
fn who_answers_each_end_as_the_other_is_found_out_at_once_by_retained_secrets() {
    for seed in 0..20 {
        let caches = [memory(), memory()];
        let ends = [0, 1].map(|end| association(end, config(end == 0), Some(caches[end].clone())));
        let mut before = Pair::new(&ends[0], &ends[1]);
        before.run(GOOD, seed);
        before.ends.iter_mut().for_each(|end| end.set_verified(true));
        let calls = two_calls(caches.clone().map(Some), seed);
        for (end, call) in calls.iter().enumerate() {
            let told = &call.told[end];
            assert_eq!(told.mismatches(), 1, "seed {seed}");
            let secured = &told.secured[0];
            assert!(secured.continuity == Continuity::Mismatch && !secured.verified);
        }
        // The true secrets are still there for the next call.
        let ends = [0, 1].map(|end| association(end, config(end == 0), Some(caches[end].clone())));
        let mut after = Pair::new(&ends[0], &ends[1]);
        after.run(GOOD, seed);
        after.assert_secure("after");
        for told in &after.told {
            assert!(told.secured[0].continuity == Continuity::Match && told.secured[0].verified);
            assert!(!told.others.iter().any(|event| matches!(event, Event::CacheMismatch { .. })));
        }
    }
}
