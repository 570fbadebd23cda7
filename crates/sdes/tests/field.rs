//! SDP bodies met in the field behave as they must (tests/field).

mod common;

use common::{changed, config, m_lines, values};
use sealrtp_sdes::{CryptoAttribute, NegotiationError, Negotiator, Reason};
use sealrtp_srtp::Suite;

const TRUNK_OFFER: &str = include_str!("field/trunk-offer.sdp");
const TRUNK_ANSWER: &str = include_str!("field/trunk-answer.sdp");
const AUDIO_VIDEO: &str = include_str!("field/audio-video-lifetime-mki.sdp");

#[test]
fn every_line_of_the_trunks_offer_parses_with_its_key_length() {
    let [(m, lines)] = m_lines(TRUNK_OFFER).try_into().unwrap();
    assert!(m.starts_with("audio 51895 RTP/AVP"));
    let lengths: Vec<_> = lines
        .iter()
        .map(|value| {
            let line = CryptoAttribute::parse(value).unwrap();
            assert_eq!(line.to_value().as_str(), *value);
            let [key] = line.keys().keys() else { panic!("one key") };
            (line.tag(), line.suite(), key.key().len(), key.salt().len())
        })
        .collect();
    assert_eq!(
        lengths,
        [
            (1, Suite::AeadAes256Gcm8, 32, 12),
            (2, Suite::AeadAes128Gcm8, 16, 12),
            (3, Suite::AesCm256HmacSha1_80, 32, 14),
            (4, Suite::AesCm192HmacSha1_80, 24, 14),
            (5, Suite::AesCm128HmacSha1_80, 16, 14),
            (6, Suite::AesCm256HmacSha1_32, 32, 14),
            (7, Suite::AesCm192HmacSha1_32, 24, 14),
            (8, Suite::AesCm128HmacSha1_32, 16, 14),
            (9, Suite::AesCm128NullAuth, 16, 14),
        ]
    );
}

#[test]
fn our_order_of_suites_decides_what_is_taken_of_the_trunks_offer() {
    let (_, lines) = m_lines(TRUNK_OFFER).remove(0);
    for (suites, tag) in [
        (&[Suite::AesCm128HmacSha1_80, Suite::AesCm256HmacSha1_80][..], 5),
        (&[Suite::AesCm256HmacSha1_80, Suite::AesCm128HmacSha1_80], 3),
        (&[Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm192HmacSha1_32], 7),
        (&[Suite::AeadAes256Gcm8], 1),
        (&[Suite::AesCm128NullAuth], 9),
    ] {
        let mut us = Negotiator::new(config(suites)).unwrap();
        let (inbound, outbound) = changed(us.remote_all(lines.iter().copied()).unwrap());
        let answer = us.answer().unwrap();
        assert_eq!(answer.tag(), tag);
        let offered = CryptoAttribute::parse(lines[tag as usize - 1]).unwrap();
        assert_eq!(answer.suite(), offered.suite());
        assert!(inbound.same_as(offered.keys()));
        assert!(outbound.same_as(answer.keys()));
        assert!(!outbound.same_as(&inbound));
    }
}

#[test]
fn an_offer_of_which_nothing_is_allowed_is_refused_with_a_reason_for_each_line() {
    let (_, lines) = m_lines(TRUNK_OFFER).remove(0);
    let mut us = Negotiator::new(config(&[Suite::AeadAes256Gcm, Suite::AeadAes128Gcm])).unwrap();
    let error = us.remote_all(lines.iter().copied()).unwrap_err();
    let NegotiationError::Refused(ref reasons) = error else { panic!("{error}") };
    assert_eq!(reasons.len(), 9);
    for (reason, tag) in reasons.iter().zip(1..) {
        assert_eq!(reason.tag, Some(tag));
        assert!(matches!(reason.reason, Reason::SuiteNotAllowed(_)));
    }
    assert!(
        error.to_string().contains("crypto tag 9: AES_CM_128_NULL_AUTH is not allowed by the configuration")
    );
    assert!(us.suite().is_none() && us.answer().is_none());
}

#[test]
fn the_trunks_answer_under_tag_5_is_accepted() {
    let [(m, lines)] = m_lines(TRUNK_ANSWER).try_into().unwrap();
    assert!(m.contains("RTP/SAVP"));
    let suites = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm256HmacSha1_80,
        Suite::AesCm192HmacSha1_80,
        Suite::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32,
    ];
    for one_by_one in [false, true] {
        let mut us = Negotiator::new(config(&suites)).unwrap();
        let offered = values(us.offer().unwrap());
        assert!(offered[4].starts_with("5 AES_CM_128_HMAC_SHA1_80 "));
        let outcome =
            if one_by_one { us.remote_line(lines[0]) } else { us.remote_all(lines.iter().copied()) };
        let (inbound, outbound) = changed(outcome.unwrap());
        assert!(inbound.same_as(CryptoAttribute::parse(lines[0]).unwrap().keys()));
        assert!(outbound.same_as(CryptoAttribute::parse(&offered[4]).unwrap().keys()));
    }
}

#[test]
fn lifetime_and_an_mki_of_32_bytes_come_with_the_keys_of_each_m_line() {
    let found = m_lines(AUDIO_VIDEO);
    assert_eq!(found.len(), 2);
    for ((m, lines), (media, suite)) in
        found.into_iter().zip([("video", Suite::AesCm128HmacSha1_80), ("audio", Suite::AesCm128HmacSha1_32)])
    {
        assert!(m.starts_with(media));
        let mut us =
            Negotiator::new(config(&[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32])).unwrap();
        let (inbound, _) = changed(us.remote_all(lines.iter().copied()).unwrap());
        assert_eq!(inbound.suite(), suite);
        assert_eq!(inbound.mki_len(), 32);
        let mut mki = [0; 32];
        mki[31] = 1;
        assert_eq!(inbound.keys()[0].mki(), mki);
        assert_eq!(inbound.keys()[0].lifetime().srtp(), 1 << 20);
        assert_eq!(CryptoAttribute::parse(lines[0]).unwrap().to_value().as_str(), lines[0]);
    }
}
