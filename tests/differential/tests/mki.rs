//! MKIs: where they stand in a packet, and which key they choose.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sealrtp_differential::{Keys, Oracle, Ours, Verdict, any_rtcp, any_rtp, config, libraries};
use sealrtp_test_libsrtp::Suite;

/// One to eight MKIs of one length that differ.
fn any_mkis() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![Just(1usize), Just(4), Just(128), 1usize..=128].prop_flat_map(|len| {
        prop::collection::hash_set(vec(any::<u8>(), len), 1..=8)
            .prop_map(|set: HashSet<_>| set.into_iter().collect())
    })
}

/// libsrtp up to 2.5 looks for the MKI of SRTCP in front of a tag as long as SRTP's.
fn finds_mki_of_rtcp(suite: Suite) -> bool {
    suite.rtp_tag_len() == suite.rtcp_tag_len()
}

#[test]
fn every_key_is_found_by_its_mki_both_ways() {
    let libraries = libraries();
    let input = (prop::sample::select(Suite::ALL.to_vec()), any_mkis(), any_rtp(9), any_rtcp(9));
    TestRunner::new(config("mki", 250))
        .run(&input, |(suite, mkis, rtp, rtcp)| {
            let keys = Keys::with_mkis(suite, &mkis);
            for library in &libraries {
                let mut theirs = Oracle::new(library, &keys);
                let mut ours = Ours::new(&keys);
                for (at, mki) in mkis.iter().enumerate() {
                    // Ours sends with its first key.
                    let mut rotated = keys.clone();
                    rotated.keys.rotate_left(at);
                    let mut our_sender = Ours::new(&rotated);
                    theirs.send_with_key(at);

                    let mut packet = rtp.clone();
                    let seq = u16::from_be_bytes([rtp[2], rtp[3]]).wrapping_add(at as u16);
                    packet[2..4].copy_from_slice(&seq.to_be_bytes());
                    let wire = theirs.protect_rtp(&packet);
                    let Verdict::Taken(bytes) = &wire else {
                        return Err(TestCaseError::fail("not protected"));
                    };
                    if seq >= at as u16 {
                        // A sender that begins behind the wrap is at ROC 0.
                        prop_assert_eq!(&our_sender.protect_rtp(&packet), &wire);
                    }
                    prop_assert_eq!(bytes.len(), packet.len() + mki.len() + suite.rtp_tag_len());
                    prop_assert_eq!(ours.unprotect_rtp(bytes), Verdict::Taken(packet.clone()));
                    prop_assert_eq!(theirs.unprotect_rtp(bytes), Verdict::Taken(packet));

                    let Verdict::Taken(bytes) = our_sender.protect_rtcp(&rtcp) else {
                        return Err(TestCaseError::fail("not protected"));
                    };
                    prop_assert_eq!(bytes.len(), rtcp.len() + 4 + mki.len() + suite.rtcp_tag_len());
                    if finds_mki_of_rtcp(suite) {
                        let opened = Oracle::new(library, &keys).unprotect_rtcp(&bytes);
                        prop_assert_eq!(opened, Verdict::Taken(rtcp.clone()));
                    }
                    let Verdict::Taken(bytes) = theirs.protect_rtcp(&rtcp) else {
                        return Err(TestCaseError::fail("not protected"));
                    };
                    prop_assert_eq!(ours.unprotect_rtcp(&bytes), Verdict::Taken(rtcp.clone()));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_unknown_mki_is_refused() {
    for library in libraries() {
        for suite in Suite::ALL {
            let all = Keys::with_mkis(suite, &[vec![1, 1], vec![2, 2]]);
            let first = Keys { keys: all.keys[..1].to_vec(), ..all.clone() };
            let mut sender = Oracle::new(library, &all);
            sender.send_with_key(1);
            let Verdict::Taken(wire) = sender.protect_rtp(&sealrtp_differential::rtp(9, 1, b"payload"))
            else {
                panic!("{suite:?}");
            };
            assert_eq!(Ours::new(&first).unprotect_rtp(&wire), Verdict::Refused, "{suite:?}");
            assert_eq!(
                Oracle::new(library, &first).unprotect_rtp(&wire),
                Verdict::Refused,
                "{library:?} {suite:?}"
            );
            assert!(matches!(Ours::new(&all).unprotect_rtp(&wire), Verdict::Taken(_)), "{suite:?}");
        }
    }
}

#[test]
fn libsrtp_does_not_open_its_own_rtcp_with_mki_where_the_tags_of_rtp_and_rtcp_differ_and_we_do() {
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    for library in libraries() {
        for suite in Suite::ALL.into_iter().filter(|suite| !finds_mki_of_rtcp(*suite)) {
            let keys = Keys::with_mkis(suite, &[vec![1, 2, 3, 4]]);
            let mut theirs = Oracle::new(library, &keys);
            let Verdict::Taken(wire) = theirs.protect_rtcp(&report) else { panic!("{suite:?}") };
            assert_eq!(theirs.unprotect_rtcp(&wire), Verdict::Refused, "{library:?} {suite:?}");
            assert_eq!(Ours::new(&keys).unprotect_rtcp(&wire), Verdict::Taken(report.to_vec()), "{suite:?}");
        }
    }
}
