//! Offer and answer over the life of a call, RFC 4568 sections 5.1 and 7.1.

mod common;

use common::{accepting, assert_agree, changed, config, key, line, m_lines, negotiator, unchanged, values};
use sealrtp_sdes::{
    Config, ConfigError, CryptoAttribute, MAX_LOCAL_LEN, NegotiationError, Negotiator, Reason,
    SessionParameter,
};
use sealrtp_srtp::Suite;

const CM80: Suite = Suite::AesCm128HmacSha1_80;
const CM32: Suite = Suite::AesCm128HmacSha1_32;
const GCM: Suite = Suite::AeadAes256Gcm;

#[track_caller]
fn reason(error: NegotiationError) -> Reason {
    let NegotiationError::Refused(mut lines) = error else { panic!("{error}") };
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0).reason
}

fn offered_by(negotiator: &mut Negotiator) -> Vec<String> {
    values(negotiator.offer().unwrap())
}

fn answer_of(negotiator: &mut Negotiator) -> String {
    negotiator.answer().unwrap().to_value().to_string()
}

/// Takes every line at once.
fn remote(negotiator: &mut Negotiator, lines: &[String]) -> Result<sealrtp_sdes::Outcome, NegotiationError> {
    negotiator.remote_all(lines.iter().map(String::as_str))
}

/// Two ends with negotiated keys: the offerer and the answerer.
fn call(suites: &[Suite]) -> (Negotiator, Negotiator) {
    let (mut alice, mut bob) = (negotiator(suites), negotiator(suites));
    changed(remote(&mut bob, &offered_by(&mut alice)).unwrap());
    changed(alice.remote_line(&answer_of(&mut bob)).unwrap());
    assert_agree(&alice, &bob);
    (alice, bob)
}

#[test]
fn an_offer_has_one_attribute_for_each_suite_with_a_key_of_its_own() {
    let mut us = negotiator(&Suite::ALL);
    let lines = us.offer().unwrap().to_vec();
    assert_eq!(lines.iter().map(CryptoAttribute::suite).collect::<Vec<_>>(), Suite::ALL);
    assert!(lines.iter().map(CryptoAttribute::tag).eq(1..=Suite::ALL.len() as u32));
    let mut texts: Vec<_> =
        values(&lines).iter().map(|text| text.split("inline:").last().unwrap().to_owned()).collect();
    texts.sort();
    texts.dedup_by_key(|text| text[..36].to_owned());
    assert_eq!(texts.len(), Suite::ALL.len(), "no two keys begin alike");
    assert_ne!(values(&lines), offered_by(&mut negotiator(&Suite::ALL)), "keys are random");
}

#[test]
fn an_offer_stays_the_same_until_it_is_answered() {
    let mut us = negotiator(&[GCM, CM80, CM32]);
    let first = offered_by(&mut us);
    assert_eq!(offered_by(&mut us), first);
    assert_eq!(values(us.local().unwrap()), first);
    us.remote_line("nonsense").unwrap_err();
    us.remote_line(&line(9, CM80, 1)).unwrap_err();
    assert_eq!(offered_by(&mut us), first);
    us.remote_line(&line(2, CM80, 1)).unwrap();
    assert_eq!(offered_by(&mut us), first[1..2], "the chosen one alone is left");
    assert_eq!(answer_of(&mut us), first[1]);
}

#[test]
fn both_ends_agree_on_every_suite() {
    for suite in Suite::ALL {
        let (alice, bob) = call(&[suite]);
        assert_eq!((alice.suite(), bob.suite()), (Some(suite), Some(suite)));
    }
}

#[test]
fn our_order_wins_over_the_peers_and_tags_do_not_count() {
    let mut us = negotiator(&[GCM, CM80, CM32]);
    let offer = [line(1, CM32, 1), line(7, CM80, 2), line(3, GCM, 3)];
    changed(remote(&mut us, &offer).unwrap());
    assert!(answer_of(&mut us).starts_with("3 AEAD_AES_256_GCM inline:"));
    // Handed over one by one, the first that fits is taken.
    let mut us = negotiator(&[GCM, CM80]);
    assert_eq!(reason(us.remote_line(&offer[0]).unwrap_err()), Reason::SuiteNotAllowed(CM32));
    changed(us.remote_line(&offer[1]).unwrap());
    assert!(answer_of(&mut us).starts_with("7 AES_CM_128_HMAC_SHA1_80 inline:"));
}

#[test]
fn of_two_lines_with_one_suite_the_peers_first_is_taken() {
    let mut us = negotiator(&[CM80]);
    changed(remote(&mut us, &[line(4, CM80, 1), line(2, CM80, 2)]).unwrap());
    assert!(answer_of(&mut us).starts_with("4 "));
}

#[test]
fn lines_that_cannot_be_used_are_passed_over() {
    let mut us = negotiator(&[CM80]);
    let lines = [
        "garbage".to_owned(),
        format!("1 UNKNOWN_SUITE inline:{}", key(CM80, 1)),
        format!("2 {CM80} inline:AAAA"),
        format!("{} BRAND_NEW", line(3, CM80, 3)),
        format!("{} UNENCRYPTED_SRTP", line(4, CM80, 4)),
        line(5, GCM, 5),
        line(6, CM80, 6),
    ];
    let (inbound, _) = changed(remote(&mut us, &lines).unwrap());
    assert!(inbound.same_as(CryptoAttribute::parse(&lines[6]).unwrap().keys()));

    let error = remote(&mut negotiator(&[CM80]), &lines[..6]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "crypto without a tag: the tag is not a number of 1 to 9 digits; \
         crypto tag 1: unknown suite UNKNOWN_SUITE; \
         crypto tag 2: AES_CM_128_HMAC_SHA1_80 takes 30 bytes of key and salt, got 3; \
         crypto tag 3: unknown session parameter BRAND_NEW; \
         crypto tag 4: UNENCRYPTED_SRTP is not allowed by the configuration; \
         crypto tag 5: AEAD_AES_256_GCM is not allowed by the configuration"
    );
}

#[test]
fn a_repeated_tag_spoils_the_later_line_only() {
    let mut us = negotiator(&[GCM, CM80]);
    changed(remote(&mut us, &[line(1, CM80, 1), line(1, GCM, 2)]).unwrap());
    assert_eq!(us.suite(), Some(CM80));
    let error = remote(&mut negotiator(&[CM80]), &[line(1, GCM, 1), line(1, CM80, 2)]).unwrap_err();
    assert!(error.to_string().ends_with("crypto tag 1: an earlier line has the same tag"), "{error}");
}

#[test]
fn an_answer_must_name_a_tag_and_suite_that_were_offered() {
    let mut us = negotiator(&[GCM, CM80]);
    us.offer().unwrap();
    assert_eq!(reason(us.remote_line(&line(3, CM80, 1)).unwrap_err()), Reason::NotOffered);
    let wrong = reason(us.remote_line(&line(1, CM80, 1)).unwrap_err());
    assert_eq!(wrong, Reason::AnswerSuite { offered: GCM, answered: CM80 });
    let both = [line(1, GCM, 1), line(2, CM80, 2)];
    assert_eq!(remote(&mut us, &both).unwrap_err(), NegotiationError::AnswerLines(2));
    assert_eq!(reason(us.remote_line("x").unwrap_err()), Reason::Tag);
    assert!(
        us.suite().is_none() && us.inbound().is_none() && us.outbound().is_none() && us.answer().is_none()
    );
    changed(us.remote_line(&both[1]).unwrap());
    assert_eq!(us.suite(), Some(CM80));
}

#[test]
fn an_answer_cannot_add_what_has_to_be_negotiated() {
    use SessionParameter::{UnauthenticatedSrtp, UnencryptedSrtcp, UnencryptedSrtp};
    for parameter in [UnencryptedSrtp, UnencryptedSrtcp, UnauthenticatedSrtp] {
        let mut us = Negotiator::new(accepting(&[CM80], &SessionParameter::ALL)).unwrap();
        us.offer().unwrap();
        let answer = format!("{} {parameter}", line(1, CM80, 1));
        assert_eq!(reason(us.remote_line(&answer).unwrap_err()), Reason::AnswerParameter(parameter));
    }
    // Declarative parameters are each side's own.
    let mut us = negotiator(&[CM80]);
    us.offer().unwrap();
    let (inbound, outbound) =
        changed(us.remote_line(&format!("{} KDR=4 WSH=1024 FEC_ORDER=FEC_SRTP", line(1, CM80, 1))).unwrap());
    assert_eq!((inbound.params().key_derivation_rate, outbound.params().key_derivation_rate), (16, 0));
    assert_eq!(us.remote().unwrap().window_size_hint(), Some(1024));
}

#[test]
fn weak_parameters_are_taken_only_by_name_and_then_repeated_in_the_answer() {
    use SessionParameter::{FecKey, FecOrder, UnauthenticatedSrtp, UnencryptedSrtcp, UnencryptedSrtp};
    let texts = [
        (UnencryptedSrtp, "UNENCRYPTED_SRTP".to_owned()),
        (UnencryptedSrtcp, "UNENCRYPTED_SRTCP".to_owned()),
        (UnauthenticatedSrtp, "UNAUTHENTICATED_SRTP".to_owned()),
        (FecOrder, "FEC_ORDER=SRTP_FEC".to_owned()),
        (FecKey, format!("FEC_KEY=inline:{}", key(CM80, 77))),
    ];
    for (parameter, text) in &texts {
        let offer = format!("{} {text}", line(1, CM80, 1));
        for others in [
            &[][..],
            &SessionParameter::ALL
                .map(|p| if p == *parameter { SessionParameter::WindowSizeHint } else { p }),
        ] {
            let mut us = Negotiator::new(accepting(&[CM80], others)).unwrap();
            assert_eq!(reason(us.remote_line(&offer).unwrap_err()), Reason::ParameterNotAllowed(*parameter));
        }
        let mut us = Negotiator::new(accepting(&[CM80], &[*parameter])).unwrap();
        let (inbound, outbound) = changed(us.remote_line(&offer).unwrap());
        assert_eq!(inbound.params(), outbound.params());
        assert_eq!(inbound.params().is_weak(), parameter.is_weak());
        let answer = CryptoAttribute::parse(&answer_of(&mut us)).unwrap();
        assert_eq!(answer.has(*parameter), parameter.is_negotiated());
    }
}

#[test]
fn configured_lifetime_mki_and_rate_are_signalled_and_kept() {
    let config = Config {
        lifetime: Some(1 << 20),
        mki_length: 4,
        key_derivation_rate: 1 << 10,
        ..config(&[GCM, CM80])
    };
    let mut alice = Negotiator::new(config.clone()).unwrap();
    let offer = offered_by(&mut alice);
    assert!(offer.iter().all(|text| text.ends_with("|2^20|1:4 KDR=10")), "{}", offer.len());
    let mut bob = negotiator(&[CM80]);
    let (inbound, outbound) = changed(remote(&mut bob, &offer).unwrap());
    assert_eq!((inbound.mki_len(), outbound.mki_len()), (4, 0), "each side tells its own");
    assert_eq!(inbound.params().key_derivation_rate, 1 << 10);
    assert_eq!(inbound.keys()[0].lifetime().srtp(), 1 << 20);
    changed(alice.remote_line(&answer_of(&mut bob)).unwrap());
    assert_agree(&alice, &bob);

    // A fresh key has a fresh MKI.
    let mut us = Negotiator::new(config).unwrap();
    us.remote_line(&line(1, CM80, 1)).unwrap();
    assert!(answer_of(&mut us).ends_with("|2^20|1:4 KDR=10"));
    us.remote_line(&line(1, CM80, 2)).unwrap();
    assert!(answer_of(&mut us).ends_with("|2^20|2:4 KDR=10"));
}

#[test]
fn no_line_of_ours_is_longer_than_promised() {
    let config = Config {
        lifetime: Some((1 << 48) - 1),
        mki_length: 128,
        key_derivation_rate: 1 << 24,
        ..accepting(&Suite::ALL, &SessionParameter::ALL)
    };
    let mut us = Negotiator::new(config.clone()).unwrap();
    assert!(offered_by(&mut us).iter().all(|text| text.len() < MAX_LOCAL_LEN));
    for suite in Suite::ALL {
        let mut us = Negotiator::new(config.clone()).unwrap();
        let weak = if suite.is_aead() {
            "UNENCRYPTED_SRTCP"
        } else {
            "UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP"
        };
        us.remote_line(&format!("{} {weak}", line(999_999_999, suite, 1))).unwrap();
        assert!(answer_of(&mut us).len() < MAX_LOCAL_LEN, "{}", answer_of(&mut us).len());
    }
}

#[test]
fn several_keys_of_the_peer_are_all_taken() {
    let mut us = negotiator(&[CM80]);
    let text = format!("1 {CM80} inline:{}|1:2;inline:{}|2:2", key(CM80, 1), key(CM80, 2));
    let (inbound, outbound) = changed(us.remote_line(&text).unwrap());
    assert_eq!((inbound.keys().len(), inbound.mki_len()), (2, 2));
    assert_eq!((outbound.keys().len(), outbound.mki_len()), (1, 0));
    unchanged(us.remote_line(&text).unwrap());
}

#[test]
fn the_running_keys_offered_again_change_nothing() {
    let mut us = negotiator(&[GCM, CM80]);
    let offer = [line(1, CM80, 1), line(2, GCM, 2)];
    changed(remote(&mut us, &offer).unwrap());
    let answer = answer_of(&mut us);
    for _ in 0..3 {
        unchanged(remote(&mut us, &offer).unwrap());
        assert_eq!(answer_of(&mut us), answer);
        unchanged(us.remote_line(&offer[1]).unwrap());
        // A better suite beside it, another lifetime, other padding or spelling are no new keys.
        unchanged(remote(&mut us, &[line(9, CM80, 9), offer[1].clone()]).unwrap());
        unchanged(us.remote_line(&format!("{}|2^31", offer[1])).unwrap());
        unchanged(us.remote_line(offer[1].trim_end_matches('=')).unwrap());
        unchanged(us.remote_line(&offer[1].replace("GCM", "gcm_16")).unwrap());
        assert_eq!(answer_of(&mut us), answer);
    }
    // Only the tag that the answer has to echo follows the offer.
    unchanged(us.remote_line(&line(5, GCM, 2)).unwrap());
    assert_eq!(answer_of(&mut us), answer.replacen('2', "5", 1));
}

#[test]
fn a_new_key_of_the_peers_offer_changes_both_directions() {
    let mut us = negotiator(&[CM80]);
    let (first_in, first_out) = changed(us.remote_line(&line(1, CM80, 1)).unwrap());
    let first_answer = answer_of(&mut us);
    let (second_in, second_out) = changed(us.remote_line(&line(1, CM80, 2)).unwrap());
    assert!(!second_in.same_as(&first_in) && !second_out.same_as(&first_out));
    assert_ne!(answer_of(&mut us), first_answer);
    assert!(us.inbound().unwrap().same_as(&second_in) && us.outbound().unwrap().same_as(&second_out));
}

#[test]
fn a_key_is_new_if_salt_mki_or_parameters_are() {
    let salted = line(1, CM80, 1);
    let last = if salted.ends_with('A') { 'B' } else { 'A' };
    for (first, second) in [
        (salted.clone(), format!("{}{}", &salted[..salted.len() - 1], last)),
        (format!("{salted}|1:2"), format!("{salted}|2:2")),
        (format!("{salted}|1:2"), format!("{salted}|1:3")),
        (format!("{salted}|1:2"), salted.clone()),
        (salted.clone(), format!("{salted} KDR=3")),
    ] {
        let mut us = negotiator(&[CM80]);
        let (_, before) = changed(us.remote_line(&first).unwrap());
        let (inbound, outbound) = changed(us.remote_line(&second).unwrap());
        assert!(inbound.same_as(CryptoAttribute::parse(&second).unwrap().keys()));
        assert!(!outbound.same_as(&before));
    }
}

#[test]
fn keys_of_an_offer_that_is_over_never_come_back() {
    let mut us = negotiator(&[GCM, CM80]);
    let mut used: Vec<_> = us.offer().unwrap().iter().map(|own| own.keys().clone()).collect();
    changed(us.remote_line(&line(1, GCM, 1)).unwrap());
    // Tag 7 was never ours: the peer offers, and so it goes on doing.
    for (text, seed) in
        [(line(7, GCM, 2), 2), (line(1, GCM, 3), 3), (line(2, CM80, 4), 4), (line(2, CM80, 5), 5)]
    {
        let (_, outbound) = changed(us.remote_line(&text).unwrap());
        assert!(!used.iter().any(|key| key.same_as(&outbound)), "offer {seed}");
        used.push(outbound);
    }
    // The same if our re-offer was overtaken by the peer's.
    us.offer().unwrap();
    for text in [line(8, GCM, 6), line(8, GCM, 7)] {
        let (_, outbound) = changed(us.remote_line(&text).unwrap());
        assert!(!used.iter().any(|key| key.same_as(&outbound)));
        used.push(outbound);
    }
}

#[test]
fn a_new_suite_of_the_peers_offer_is_followed() {
    let mut us = negotiator(&[GCM, CM80]);
    changed(us.remote_line(&line(1, GCM, 1)).unwrap());
    changed(us.remote_line(&line(1, CM80, 2)).unwrap());
    assert!(answer_of(&mut us).starts_with("1 AES_CM_128_HMAC_SHA1_80 "));
}

#[test]
fn a_refused_reoffer_leaves_the_running_keys() {
    let (mut alice, mut bob) = call(&[GCM, CM80]);
    for us in [&mut alice, &mut bob] {
        let before = (us.inbound().unwrap(), us.outbound().unwrap(), answer_of(us));
        for bad in [line(1, CM32, 1), "1".into(), format!("{} UNENCRYPTED_SRTCP", line(1, GCM, 3))] {
            us.remote_line(&bad).unwrap_err();
        }
        remote(us, &[]).unwrap_err();
        assert!(before.0.same_as(&us.inbound().unwrap()) && before.1.same_as(&us.outbound().unwrap()));
        assert_eq!(answer_of(us), before.2);
    }
}

#[test]
fn our_reoffer_repeats_the_chosen_line_and_its_answer_changes_inbound_only() {
    for we_answered_first in [false, true] {
        let (alice, bob) = call(&[GCM, CM80]);
        let mut us = if we_answered_first { bob } else { alice };
        let (inbound, outbound) = (us.inbound().unwrap(), us.outbound().unwrap());
        let chosen = answer_of(&mut us);
        assert_eq!(offered_by(&mut us), std::slice::from_ref(&chosen));
        unchanged(us.remote_line(&us.remote().unwrap().to_value()).unwrap());

        assert_eq!(offered_by(&mut us), std::slice::from_ref(&chosen));
        let (new_inbound, same_outbound) = changed(us.remote_line(&line(1, GCM, 42)).unwrap());
        assert!(!new_inbound.same_as(&inbound) && same_outbound.same_as(&outbound));
        assert_eq!(answer_of(&mut us), chosen);
    }
}

#[test]
fn an_offer_of_the_peer_after_ours_was_rejected_is_taken_as_one() {
    let (alice, bob) = call(&[GCM, CM80]);
    for mut us in [alice, bob] {
        let outbound = us.outbound().unwrap();
        us.offer().unwrap();
        // Said so by the caller, a line like the running one is an offer all the same.
        us.offer_rejected();
        let (_, fresh) = changed(us.remote_line(&line(1, GCM, 42)).unwrap());
        assert!(!fresh.same_as(&outbound));
    }

    // Without being told: what cannot be the answer is an offer.
    for offer in [vec![line(6, CM80, 1)], vec![line(1, GCM, 2), line(2, CM80, 3)], vec![line(7, GCM, 4)]] {
        let (_, mut bob) = call(&[GCM, CM80]);
        let outbound = bob.outbound().unwrap();
        bob.offer().unwrap();
        let (_, fresh) = changed(remote(&mut bob, &offer).unwrap());
        assert!(!fresh.same_as(&outbound));
        assert_eq!(answer_of(&mut bob).split(' ').next(), offer[0].split(' ').next());
    }
}

#[test]
fn a_fork_may_answer_the_same_offer_with_another_key_or_line() {
    let mut us = negotiator(&[GCM, CM80]);
    let offer = offered_by(&mut us);
    let (_, first) = changed(us.remote_line(&line(1, GCM, 1)).unwrap());
    // The same line: our key is the one that this fork was told, too.
    let (inbound, second) = changed(us.remote_line(&line(1, GCM, 2)).unwrap());
    assert!(second.same_as(&first));
    assert!(inbound.same_as(CryptoAttribute::parse(&line(1, GCM, 2)).unwrap().keys()));
    // Another line of our offer: its own key, which no packet has used.
    let (_, third) = changed(us.remote_line(&line(2, CM80, 3)).unwrap());
    assert!(third.same_as(CryptoAttribute::parse(&offer[1]).unwrap().keys()));
    // Back to the first: its packet indices may be used up, so this counts as an offer and gets a fresh key.
    let (_, fourth) = changed(us.remote_line(&line(1, GCM, 4)).unwrap());
    assert!(!fourth.same_as(&first));
}

#[test]
fn local_gives_the_answer_once_and_offers_from_then_on() {
    let mut us = negotiator(&[GCM, CM80]);
    changed(us.remote_line(&line(2, CM80, 1)).unwrap());
    let answer = values(us.local().unwrap());
    assert_eq!(answer, [answer_of(&mut us)]);
    // Read once: a new key of the peer is an offer.
    let (_, fresh) = changed(us.remote_line(&line(2, CM80, 2)).unwrap());
    assert!(!fresh.same_as(CryptoAttribute::parse(&answer[0]).unwrap().keys()));
    let answer = values(us.local().unwrap());
    assert!(fresh.same_as(CryptoAttribute::parse(&answer[0]).unwrap().keys()));
    // Read again: it may have gone out as our offer, so our key stays whatever the next line is.
    assert_eq!(values(us.local().unwrap()), answer);
    let (_, same) = changed(us.remote_line(&line(2, CM80, 3)).unwrap());
    assert!(same.same_as(&fresh));
}

#[test]
fn our_own_key_is_not_taken_back() {
    let mut us = negotiator(&[GCM, CM80]);
    let offer = offered_by(&mut us);
    for text in &offer {
        assert_eq!(reason(us.remote_line(text).unwrap_err()), Reason::OwnKey);
    }
    let mut us = negotiator(&[CM80]);
    us.remote_line(&line(1, CM80, 1)).unwrap();
    let ours = answer_of(&mut us);
    assert_eq!(reason(us.remote_line(&ours).unwrap_err()), Reason::OwnKey);
    assert_eq!(reason(us.remote_line(&ours.replacen('1', "8", 1)).unwrap_err()), Reason::OwnKey);
}

#[test]
fn the_libsrtp_switch_reaches_both_key_sets() {
    let config = Config { libsrtp_aes192: true, ..config(&[Suite::AesCm192HmacSha1_80]) };
    let mut us = Negotiator::new(config).unwrap();
    let (inbound, outbound) = changed(us.remote_line(&line(1, Suite::AesCm192HmacSha1_80, 1)).unwrap());
    assert!(inbound.params().libsrtp_aes192 && outbound.params().libsrtp_aes192);
    unchanged(us.remote_line(&line(1, Suite::AesCm192HmacSha1_80, 1)).unwrap());
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let base = config(&[CM80]);
    for (bad, error) in [
        (config(&[]), ConfigError::NoSuite),
        (config(&[CM80, GCM, CM80]), ConfigError::RepeatedSuite(CM80)),
        (Config { mki_length: 129, ..base.clone() }, ConfigError::MkiLength(129)),
        (Config { lifetime: Some(0), ..base.clone() }, ConfigError::Lifetime(0)),
        (Config { lifetime: Some((1 << 48) + 1), ..base.clone() }, ConfigError::Lifetime((1 << 48) + 1)),
        (Config { key_derivation_rate: 3, ..base.clone() }, ConfigError::KeyDerivationRate(3)),
        (Config { key_derivation_rate: 1 << 25, ..base.clone() }, ConfigError::KeyDerivationRate(1 << 25)),
    ] {
        assert_eq!(Negotiator::new(bad).err(), Some(error));
    }
}

#[test]
fn the_splitter_of_these_tests_sees_every_line() {
    let body =
        "v=0\r\na=crypto:9 at session level\r\nm=audio 1\r\na=crypto:1 x\r\na=sendrecv\r\nm=video 2\r\n";
    assert_eq!(m_lines(body), [("audio 1", vec!["1 x"]), ("video 2", vec![])]);
}
