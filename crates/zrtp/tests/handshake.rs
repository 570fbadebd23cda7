//! Two ends agree on keys: every algorithm, every mode, every role.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::net::{GOOD, Network, Pair, association, memory, zid};
use sealrtp_zrtp::algorithm::{Algorithm, AuthTag, Cipher, Hash, KeyAgreement, SasType};
use sealrtp_zrtp::message::Flags;
use sealrtp_zrtp::{Association, Cache, Config, Continuity, Event, Role, Sas, Secret, StreamState};

fn only(agreement: KeyAgreement, hash: Hash, cipher: Cipher, auth_tag: AuthTag, sas_type: SasType) -> Config {
    Config {
        agreements: vec![agreement],
        hashes: vec![hash],
        ciphers: vec![cipher],
        auth_tags: vec![auth_tag],
        sas_types: vec![sas_type],
        ..Config::default()
    }
}

fn with_dh() -> Vec<KeyAgreement> {
    let mut all: Vec<_> = KeyAgreement::TABLE.iter().map(|(_, agreement)| *agreement).collect();
    all.dedup();
    all.retain(|agreement| agreement.public_value_len().is_some());
    all
}

#[test]
fn every_combination_of_algorithms_agrees() {
    let mut count = 0;
    for agreement in with_dh() {
        for (_, hash) in Hash::TABLE {
            for (_, cipher) in Cipher::TABLE {
                for (_, auth_tag) in AuthTag::TABLE {
                    for (_, sas_type) in SasType::TABLE {
                        let config = || only(agreement, *hash, *cipher, *auth_tag, *sas_type);
                        let mut pair = Pair::of(config(), config());
                        pair.run(GOOD, count);
                        let what = format!("{agreement} {hash} {cipher} {auth_tag} {sas_type}");
                        pair.assert_secure(&what);
                        let terms = pair.told[0].secured[0].terms;
                        assert_eq!(
                            (terms.cipher, terms.auth_tag, terms.sas_type),
                            (*cipher, *auth_tag, *sas_type),
                            "{what}"
                        );
                        let fits = agreement.fits(*hash);
                        assert_eq!(
                            (terms.hash, terms.agreement),
                            if fits { (*hash, agreement) } else { (Hash::S256, KeyAgreement::Dh3k) }
                        );
                        assert!(pair.told.iter().all(|told| told.alerts.is_empty()), "{what}");
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 6 * 2 * 3 * 2 * 2);
}

#[test]
fn on_a_good_network_both_are_secure_at_once_without_a_retransmission() {
    for seed in 0..50 {
        let mut pair = Pair::of(Config::default(), Config::default());
        pair.run(GOOD, seed);
        pair.assert_secure("default");
        // Hello, HelloACK, Commit, and two or three of what follows; one Hello may cross.
        assert!(pair.sent.iter().all(|sent| *sent <= 7), "{:?}", pair.sent);
        let secured = &pair.told[0].secured[0];
        assert_eq!((secured.terms.agreement, secured.took), (KeyAgreement::X255, Duration::ZERO));
    }
}

#[test]
fn the_role_falls_to_either_end_and_a_passive_end_never_initiates() {
    let mut initiators = [0; 2];
    for seed in 0..60 {
        let mut pair = Pair::of(Config::default(), Config::default());
        pair.run(GOOD, seed);
        pair.assert_secure("contention");
        initiators[usize::from(pair.told[0].secured[0].role == Role::Responder)] += 1;
    }
    assert!(initiators.iter().all(|count| *count > 0), "{initiators:?}");
    for _ in 0..20 {
        let mut pair = Pair::of(Config { passive: true, ..Config::default() }, Config::default());
        pair.run(GOOD, 0);
        pair.assert_secure("passive");
        assert_eq!(pair.told[0].secured[0].role, Role::Responder);
    }
}

#[test]
fn either_end_may_start_six_seconds_late() {
    for start in [[0, 6000], [6000, 0], [0, 3900], [14_000, 0]] {
        let mut pair = Pair::of(Config::default(), Config::default());
        pair.run(Network { start, ..GOOD }, 1);
        pair.assert_secure("late start");
    }
}

#[test]
fn nobody_there_is_told_after_the_rfcs_schedule() {
    let mut pair = Pair::of(Config::default(), Config::default());
    pair.run_with(GOOD, 1, &mut |_, _| vec![]);
    assert!(pair.told.iter().all(|told| told.others.iter().any(|e| matches!(e, Event::NoAnswer))));
    assert_eq!(pair.sent, [21, 21]);
    assert_eq!(pair.took(), Duration::from_millis(50 + 100 + 18 * 200 + 200));
    assert!(pair.ends.iter().all(|end| end.state() == StreamState::Discovery));
}

/// Runs one call between the ends, and says what each told of it.
fn call(ends: &[Association; 2], seed: u64) -> Pair {
    let mut pair = Pair::new(&ends[0], &ends[1]);
    pair.run(GOOD, seed);
    pair.assert_secure("call");
    pair
}

fn ends(caches: &[Option<Arc<sealrtp_zrtp::MemoryCache>>; 2]) -> [Association; 2] {
    [0, 1].map(|end| association(end, Config::default(), caches[end].clone()))
}

fn continuity(pair: &Pair) -> [Continuity; 2] {
    [0, 1].map(|end| pair.told[end].secured[0].continuity)
}

#[test]
fn retained_secrets_carry_from_call_to_call_and_the_word_verified_with_them() {
    let caches = [Some(memory()), Some(memory())];
    let mut pair = call(&ends(&caches), 1);
    assert_eq!(continuity(&pair), [Continuity::New; 2]);
    let first = caches[0].as_ref().unwrap().load(&zid(1)).unwrap().unwrap();
    assert_eq!(first.rs1, caches[1].as_ref().unwrap().load(&zid(0)).unwrap().unwrap().rs1);
    assert!(first.rs1.is_some() && first.rs2.is_none() && !first.verified);
    pair.ends[0].set_verified(true);
    let pair = call(&ends(&caches), 2);
    assert_eq!(continuity(&pair), [Continuity::Match; 2]);
    assert!(
        pair.told.iter().all(|told| !told.secured[0].verified),
        "one end alone does not make it verified"
    );
    let second = caches[0].as_ref().unwrap().load(&zid(1)).unwrap().unwrap();
    assert_eq!(second.rs2, first.rs1);
    assert!(second.verified);
    let mut pair = pair;
    pair.ends[1].set_verified(true);
    let mut pair = call(&ends(&caches), 3);
    assert!(pair.told.iter().all(|told| told.secured[0].verified));
    pair.ends[1].set_verified(false);
    let pair = call(&ends(&caches), 4);
    assert!(pair.told.iter().all(|told| !told.secured[0].verified));
    assert_eq!(continuity(&pair), [Continuity::Match; 2]);
}

#[test]
fn a_lost_cache_is_a_mismatch_and_nothing_is_kept_until_the_sas_was_compared() {
    let caches = [Some(memory()), Some(memory())];
    let mut pair = call(&ends(&caches), 1);
    pair.ends[0].set_verified(true);
    pair.ends[1].set_verified(true);
    let before = caches[0].as_ref().unwrap().load(&zid(1)).unwrap().unwrap();
    caches[1].as_ref().unwrap().forget(&zid(0));
    for seed in 0..4 {
        let pair = call(&ends(&[caches[0].clone(), Some(memory())]), seed);
        assert_eq!(continuity(&pair), [Continuity::Mismatch, Continuity::New]);
        assert_eq!(pair.told[0].mismatches(), 1);
        assert!(!pair.told[0].secured[0].verified);
        assert_eq!(caches[0].as_ref().unwrap().load(&zid(1)).unwrap().unwrap(), before);
    }
    let mut pair = call(&ends(&caches), 9);
    pair.ends[0].set_verified(true);
    let pair = call(&ends(&caches), 10);
    assert_eq!(continuity(&pair), [Continuity::Match; 2]);
}

#[test]
fn an_end_one_call_behind_is_caught_up_by_rs2() {
    let caches = [Some(memory()), Some(memory())];
    call(&ends(&caches), 1);
    let behind = caches[0].as_ref().unwrap().load(&zid(1)).unwrap().unwrap();
    call(&ends(&caches), 2);
    caches[0].as_ref().unwrap().store(&zid(1), &behind, u32::MAX).unwrap();
    let pair = call(&ends(&caches), 3);
    assert_eq!(continuity(&pair), [Continuity::Match; 2]);
    assert!(pair.told.iter().all(|told| told.mismatches() == 0));
}

#[test]
fn without_a_cache_at_one_end_the_other_keeps_nothing() {
    let caches = [Some(memory()), None];
    let pair = call(&ends(&caches), 1);
    assert_eq!(continuity(&pair), [Continuity::New, Continuity::Unused]);
    assert_eq!(caches[0].as_ref().unwrap().load(&zid(1)).unwrap(), None);
}

#[test]
fn auxiliary_secrets_are_compared_and_enter_the_keys() {
    for (a, b, expected) in [(7, 7, true), (7, 8, false)] {
        let ends = ends(&[None, None]);
        let mut pair = Pair::new(&ends[0], &ends[1]);
        pair.ends[0].set_aux_secret(Secret::new([a; 32]));
        pair.ends[1].set_aux_secret(Secret::new([b; 32]));
        pair.run(GOOD, 1);
        pair.assert_secure("aux");
        assert!(pair.told.iter().all(|told| told.secured[0].aux_match == Some(expected)));
    }
}

#[test]
fn a_second_stream_gets_its_keys_from_the_first_ones_session() {
    for seed in 0..30 {
        let ends = ends(&[Some(memory()), Some(memory())]);
        let audio = call(&ends, seed);
        let video = call(&ends, seed + 1000);
        let (first, second) = (&audio.told[0].secured[0], &video.told[0].secured[0]);
        assert_eq!(second.terms.agreement, KeyAgreement::Multistream);
        assert!(first.sas == second.sas && !first.inbound.same_as(&second.inbound));
        assert_eq!(second.continuity, Continuity::Unused);
        assert!(first.exported.is_some() && second.exported.is_none());
    }
}

#[test]
fn preshared_mode_skips_diffie_hellman_once_the_sas_was_compared() {
    let mut agreements = Config::default().agreements;
    agreements.truncate(3);
    agreements.push(KeyAgreement::Preshared);
    let config = Config { agreements, ..Config::default() };
    let caches = [memory(), memory()];
    let new = |caches: &[Arc<sealrtp_zrtp::MemoryCache>; 2]| {
        [0, 1].map(|end| association(end, config.clone(), Some(caches[end].clone())))
    };
    let mut pair = call(&new(&caches), 1);
    assert!(pair.told[0].secured[0].terms.agreement.public_value_len().is_some());
    for end in &mut pair.ends {
        end.set_verified(true);
    }
    for seed in 0..20 {
        let pair = call(&new(&caches), seed);
        assert_eq!(pair.told[0].secured[0].terms.agreement, KeyAgreement::Preshared);
        assert_eq!(continuity(&pair), [Continuity::Match; 2]);
    }
    // The other end has lost its secrets: it answers with a Commit that has Diffie-Hellman.
    let pair = call(&new(&[caches[0].clone(), memory()]), 3);
    assert!(pair.told[0].secured[0].terms.agreement.public_value_len().is_some());
    assert_eq!(continuity(&pair), [Continuity::Mismatch, Continuity::New]);
}

#[test]
fn an_enrolled_phone_knows_its_pbx() {
    let pbx = Config { mitm: true, ..Config::default() };
    let caches = [memory(), memory()];
    let enrol = Config { enrolment: true, allow_clear: true, ..pbx.clone() };
    let ends = [
        association(0, enrol, Some(caches[0].clone())),
        association(1, Config::default(), Some(caches[1].clone())),
    ];
    let mut pair = call(&ends, 1);
    let at_phone = &pair.told[1].secured[0];
    assert!(at_phone.mitm && at_phone.enrolment_offered && !at_phone.enrolled && !at_phone.peer_allows_clear);
    assert!(pair.ends[1].accept_enrolment() && !pair.ends[0].accept_enrolment());
    let secret = |end: usize| caches[end].load(&zid(1 - end)).unwrap().unwrap().pbx;
    assert!(secret(0).is_some() && secret(0) == secret(1));
    let ends = [
        association(0, pbx, Some(caches[0].clone())),
        association(1, Config::default(), Some(caches[1].clone())),
    ];
    let mut pair = call(&ends, 2);
    let far = Sas::new(SasType::B256, [0x42; 32]);
    assert!(!pair.ends[1].relay_sas(&far, Flags::default(), pair.now), "a phone does not relay");
    assert!(pair.ends[0].relay_sas(&far, Flags::default(), pair.now));
    exchange(&mut pair);
    pair.told[1].hear(&mut pair.ends[1]);
    assert!(pair.told[1].others.iter().any(|event| matches!(event, Event::RelayedSas(sas) if *sas == far)));
    assert!(pair.ends[0].poll_timeout().is_none(), "RelayACK ends it");
    assert!(pair.told.iter().all(|told| told.secured[0].enrolled && !told.secured[0].enrolment_offered));
}

#[test]
fn a_sas_relayed_by_a_pbx_that_is_not_trusted_is_acknowledged_and_not_shown() {
    let mut pair = Pair::of(Config { mitm: true, ..Config::default() }, Config::default());
    pair.run(GOOD, 1);
    pair.assert_secure("call");
    assert!(pair.ends[0].relay_sas(&Sas::new(SasType::B32, [0x42; 32]), Flags::default(), pair.now));
    exchange(&mut pair);
    pair.told[1].hear(&mut pair.ends[1]);
    assert!(!pair.told[1].others.iter().any(|event| matches!(event, Event::RelayedSas(_))));
    assert!(pair.ends[0].poll_timeout().is_none());
}

#[test]
fn flags_reach_the_other_end() {
    let a = Config { disclosure: true, allow_clear: true, mitm: true, ..Config::default() };
    let mut pair = Pair::of(a, Config::default());
    pair.run(GOOD, 1);
    pair.assert_secure("flags");
    let (at_a, at_b) = (&pair.told[0].secured[0], &pair.told[1].secured[0]);
    assert!(at_b.disclosure && at_b.peer_allows_clear && at_b.mitm);
    assert!(!at_a.disclosure && !at_a.peer_allows_clear && !at_a.mitm);
}

#[test]
fn clear_and_back_gives_new_keys() {
    let config = Config { allow_clear: true, ..Config::default() };
    for seed in 0..20 {
        let mut pair = call(&[0, 1].map(|end| association(end, config.clone(), None)), seed);
        let old = pair.told[0].secured[0].inbound.clone();
        assert!(pair.ends[0].go_clear(pair.now));
        exchange(&mut pair);
        for end in 0..2 {
            pair.told[end].hear(&mut pair.ends[end]);
            assert!(pair.told[end].others.iter().any(|event| matches!(event, Event::Cleared)));
            assert_eq!(pair.ends[end].state(), StreamState::Clear);
        }
        let again = seed as usize % 2;
        assert!(pair.ends[again].go_secure(pair.now));
        exchange(&mut pair);
        for end in 0..2 {
            pair.told[end].secured.clear();
            pair.told[end].hear(&mut pair.ends[end]);
        }
        pair.assert_secure("back");
        assert!(!pair.told[0].secured[0].inbound.same_as(&old));
    }
}

/// Datagrams to and fro at one instant.
fn exchange(pair: &mut Pair) {
    for _ in 0..20 {
        for end in 0..2 {
            while let Some(datagram) = pair.ends[end].poll_transmit() {
                pair.ends[1 - end].receive(&datagram, pair.now);
            }
        }
    }
}

#[test]
fn a_peer_that_does_not_allow_it_is_not_asked_to_go_clear() {
    let mut pair = Pair::of(Config::default(), Config { allow_clear: true, ..Config::default() });
    pair.run(GOOD, 1);
    pair.assert_secure("call");
    assert!(!pair.ends[1].go_clear(pair.now) && pair.ends[0].go_clear(pair.now));
}

#[test]
fn srtp_of_the_responder_counts_as_conf2ack() {
    let mut pair = Pair::of(Config { passive: true, ..Config::default() }, Config::default());
    // No Conf2ACK ever arrives.
    let conf2ack = b"Conf2ACK";
    let drop = |_: usize, datagram: Vec<u8>| {
        if datagram.windows(8).any(|window| window == conf2ack) { vec![] } else { vec![datagram] }
    };
    pair.ends.iter_mut().for_each(|end| end.start(pair.now));
    for _ in 0..40 {
        for end in 0..2 {
            while let Some(datagram) = pair.ends[end].poll_transmit() {
                for datagram in drop(end, datagram) {
                    pair.ends[1 - end].receive(&datagram, pair.now);
                }
            }
            pair.told[end].hear(&mut pair.ends[end]);
        }
    }
    assert_eq!(pair.ends[1].state(), StreamState::Negotiating);
    let inbound = pair.told[1].others.iter().find_map(|event| match event {
        Event::Inbound(keys) => Some(keys.clone()),
        _ => None,
    });
    assert!(inbound.unwrap().same_as(&pair.told[0].secured[0].outbound));
    pair.ends[1].srtp_received(pair.now);
    pair.told[1].hear(&mut pair.ends[1]);
    pair.assert_secure("SRTP");
}

#[test]
fn streams_move_between_threads_and_what_is_printed_holds_no_secret() {
    fn send<T: Send>(_: &T) {}
    let cache = memory();
    let ends = [
        association(0, Config::default(), Some(cache.clone())),
        association(1, Config::default(), Some(memory())),
    ];
    let pair = call(&ends, 1);
    send(&pair.ends[0]);
    send(&ends[0]);
    let secured = &pair.told[0].secured[0];
    let entry = cache.load(&zid(1)).unwrap().unwrap();
    let printed = format!("{secured:?} {:?} {entry:?} {cache:?} {ends:?}", pair.ends);
    let key = secured.inbound.keys()[0].key();
    let secrets = [key, secured.exported.as_ref().unwrap().bytes(), entry.rs1.as_ref().unwrap().bytes()];
    for secret in secrets {
        let hex: String = secret[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !printed.contains(&hex) && !printed.contains(&format!("{:?}", &secret[..4])[1..12]),
            "{printed}"
        );
    }
}
