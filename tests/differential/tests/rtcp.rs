//! SRTCP: the same bytes out, the same verdicts in.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sealrtp_differential::{Keys, Oracle, Ours, Verdict, any_rtcp, config, libraries};
use sealrtp_test_libsrtp::Suite;

const EMPTY_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

/// libsrtp's first SRTCP index is 1, ours is 0 as RFC 3711 section 3.4 says: one packet of ours brings them together.
fn in_step(library: &'static sealrtp_test_libsrtp::Library, keys: &Keys, ssrcs: &[u32]) -> (Ours, Oracle) {
    let (mut ours, theirs) = (Ours::new(keys), Oracle::new(library, keys));
    for ssrc in ssrcs {
        let mut packet = EMPTY_REPORT;
        packet[4..].copy_from_slice(&ssrc.to_be_bytes());
        assert!(matches!(ours.protect_rtcp(&packet), Verdict::Taken(_)));
    }
    (ours, theirs)
}

#[test]
fn index_0_is_taken_by_libsrtp() {
    for library in libraries() {
        for suite in Suite::ALL {
            let keys = Keys::one(suite, 1);
            let Verdict::Taken(wire) = Ours::new(&keys).protect_rtcp(&EMPTY_REPORT) else {
                panic!("{suite:?}")
            };
            let word =
                wire.len() - if suite.name().starts_with("AEAD") { 4 } else { suite.rtcp_tag_len() + 4 };
            assert_eq!(wire[word..word + 4][1..], [0, 0, 0], "{suite:?}: the first index");
            let opened = Oracle::new(library, &keys).unprotect_rtcp(&wire);
            assert_eq!(opened, Verdict::Taken(EMPTY_REPORT.to_vec()), "{library:?} {suite:?}");
        }
    }
}

#[test]
fn compound_and_reduced_size_packets_are_protected_and_opened_alike() {
    let libraries = libraries();
    let packets = vec((1u32..4).prop_flat_map(any_rtcp), 1..12);
    let input = (prop::sample::select(Suite::ALL.to_vec()), any::<u8>(), packets);
    TestRunner::new(config("rtcp_shapes", 400))
        .run(&input, |(suite, seed, packets)| {
            for library in &libraries {
                let (mut ours, mut theirs) = in_step(library, &Keys::one(suite, seed), &[1, 2, 3]);
                for packet in &packets {
                    let wire = ours.protect_rtcp(packet);
                    prop_assert_eq!(&wire, &theirs.protect_rtcp(packet));
                    let Verdict::Taken(wire) = wire else { return Err(TestCaseError::fail("not protected")) };
                    prop_assert_eq!(wire.len(), packet.len() + 4 + suite.rtcp_tag_len());
                    prop_assert_eq!(ours.unprotect_rtcp(&wire), Verdict::Taken(packet.clone()));
                    prop_assert_eq!(theirs.unprotect_rtcp(&wire), Verdict::Taken(packet.clone()));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn reordering_loss_and_repeats_get_the_same_verdicts() {
    let libraries = libraries();
    // Which of the packets sent arrives next: any may come never, late, or more than once.
    let arrivals = vec(0usize..400, 1..300);
    let input = (prop::sample::select(Suite::ALL.to_vec()), arrivals);
    TestRunner::new(config("rtcp_network", 200))
        .run(&input, |(suite, arrivals)| {
            for library in &libraries {
                let (mut ours, mut theirs) = in_step(library, &Keys::one(suite, 2), &[9]);
                let mut sent = Vec::new();
                for (n, &arrival) in arrivals.iter().enumerate() {
                    while sent.len() <= arrival.min(n + 130) {
                        let wire = ours.protect_rtcp(&EMPTY_REPORT);
                        prop_assert_eq!(&wire, &theirs.protect_rtcp(&EMPTY_REPORT));
                        let Verdict::Taken(wire) = wire else {
                            return Err(TestCaseError::fail("not protected"));
                        };
                        sent.push(wire);
                    }
                    let wire = &sent[arrival.min(n + 130)];
                    prop_assert_eq!(ours.unprotect_rtcp(wire), theirs.unprotect_rtcp(wire), "arrival {}", n);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn each_flipped_bit_and_each_cut_is_refused_and_changes_nothing() {
    for library in libraries() {
        for suite in Suite::ALL {
            let keys = Keys::one(suite, 7);
            let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
            let mut packet = EMPTY_REPORT.to_vec();
            packet.extend([0x81, 203, 0, 1, 0, 0, 0, 9]);
            let Verdict::Taken(wire) = theirs.protect_rtcp(&packet) else { panic!("{suite:?}") };
            for bit in 0..wire.len() * 8 {
                let mut changed = wire.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(ours.unprotect_rtcp(&changed), Verdict::Refused, "{suite:?} bit {bit}");
                assert_eq!(
                    theirs.unprotect_rtcp(&changed),
                    Verdict::Refused,
                    "{library:?} {suite:?} bit {bit}"
                );
            }
            for len in 0..wire.len() {
                assert_eq!(ours.unprotect_rtcp(&wire[..len]), Verdict::Refused, "{suite:?} cut to {len}");
                assert_eq!(
                    theirs.unprotect_rtcp(&wire[..len]),
                    Verdict::Refused,
                    "{library:?} {suite:?} cut to {len}"
                );
            }
            assert_eq!(ours.unprotect_rtcp(&wire), Verdict::Taken(packet.clone()), "{suite:?}");
            assert_eq!(theirs.unprotect_rtcp(&wire), Verdict::Taken(packet), "{library:?} {suite:?}");
            assert_eq!(ours.unprotect_rtcp(&wire), Verdict::Replay, "{suite:?}");
        }
    }
}
