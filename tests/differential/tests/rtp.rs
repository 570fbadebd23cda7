//! SRTP: the same bytes out, the same verdicts in.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sealrtp_differential::{Keys, Oracle, Ours, Verdict, any_rtp, config, libraries, rtp};
use sealrtp_test_libsrtp::{Library, Suite};

#[test]
fn every_payload_length_is_protected_and_opened_alike() {
    for library in libraries() {
        for suite in Suite::ALL {
            let keys = Keys::one(suite, 1);
            let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
            for len in 0..=1500u16 {
                let payload: Vec<u8> = (0..len).map(|i| (i ^ len) as u8).collect();
                let packet = rtp(7, len, &payload);
                let wire = ours.protect_rtp(&packet);
                assert_eq!(wire, theirs.protect_rtp(&packet), "{library:?} {suite:?} {len}");
                let Verdict::Taken(wire) = wire else { panic!("{library:?} {suite:?} {len}: {wire:?}") };
                assert_eq!(wire.len(), packet.len() + suite.rtp_tag_len());
                let opened = Verdict::Taken(packet);
                assert_eq!(ours.unprotect_rtp(&wire), opened, "{library:?} {suite:?} {len}");
                assert_eq!(theirs.unprotect_rtp(&wire), opened, "{library:?} {suite:?} {len}");
            }
        }
    }
}

#[test]
fn csrcs_header_extensions_and_padding_make_no_difference() {
    let libraries = libraries();
    let packets = vec(any::<u8>().prop_flat_map(|ssrc| any_rtp(ssrc.into())), 1..8);
    let input = (prop::sample::select(Suite::ALL.to_vec()), any::<u8>(), packets);
    TestRunner::new(config("rtp_shapes", 600))
        .run(&input, |(suite, seed, packets)| {
            for library in &libraries {
                let keys = Keys::one(suite, seed);
                let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
                for packet in &packets {
                    let wire = ours.protect_rtp(packet);
                    prop_assert_eq!(&wire, &theirs.protect_rtp(packet));
                    let Verdict::Taken(wire) = wire else { continue };
                    let opened = ours.unprotect_rtp(&wire);
                    prop_assert_eq!(&opened, &theirs.unprotect_rtp(&wire));
                    prop_assert!(opened == Verdict::Replay || opened == Verdict::Taken(packet.clone()));
                }
            }
            Ok(())
        })
        .unwrap();
}

/// How a sender's next sequence number follows the last, modulo 2^16.
fn any_advance() -> impl Strategy<Value = u16> {
    prop_oneof![
        10 => Just(1u16),
        3 => 2u16..100,
        2 => 100u16..0x7000,
        1 => 0x7000u16..0x9000,
        // Where an earlier and a later rollover counter are equally near.
        2 => 0x7ffeu16..=0x8002,
        2 => (1u16..200).prop_map(|back| 0u16.wrapping_sub(back)),
        1 => Just(0u16),
    ]
}

/// What the network does with a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Deliver,
    Lose,
    /// Deliver twice.
    Repeat,
    /// Deliver after so many later packets.
    Hold(u8),
    /// Deliver with a flipped bit, then as it was.
    Corrupt(u16),
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Deliver),
        2 => Just(Fate::Lose),
        1 => Just(Fate::Repeat),
        2 => any::<u8>().prop_map(Fate::Hold),
        1 => any::<u16>().prop_map(Fate::Corrupt),
    ]
}

/// Both receivers get the packet; they must say the same.
fn deliver(ours: &mut Ours, theirs: &mut Oracle, wire: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.unprotect_rtp(wire), theirs.unprotect_rtp(wire));
    Ok(())
}

#[test]
fn reordering_loss_repeats_and_wraps_get_the_same_verdicts() {
    let libraries = libraries();
    let steps = vec((0usize..4, any_advance(), any_fate()), 1..150);
    let window = prop::sample::select(vec![64u32, 128, 256, 1024]);
    let start = prop_oneof![any::<u16>(), 0xffc0u16..=0xffff, 0x7ff0u16..0x8010];
    let input = (prop::sample::select(Suite::ALL.to_vec()), window, start, steps);
    TestRunner::new(config("rtp_network", 500))
        .run(&input, |(suite, window, start, steps)| {
            for library in &libraries {
                let keys = Keys { window, ..Keys::one(suite, 3) };
                let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
                let mut seqs = [start, start ^ 0xffff, start / 2, 0xfff0];
                let mut held: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
                for (now, &(stream, advance, fate)) in steps.iter().enumerate() {
                    seqs[stream] = seqs[stream].wrapping_add(advance);
                    let packet = rtp(0x1000 + stream as u32, seqs[stream], &now.to_be_bytes());
                    let wire = ours.protect_rtp(&packet);
                    prop_assert_eq!(&wire, &theirs.protect_rtp(&packet));
                    if let Verdict::Taken(mut wire) = wire {
                        match fate {
                            Fate::Lose => {}
                            Fate::Deliver => deliver(&mut ours, &mut theirs, &wire)?,
                            Fate::Repeat => {
                                deliver(&mut ours, &mut theirs, &wire)?;
                                deliver(&mut ours, &mut theirs, &wire)?;
                            }
                            Fate::Hold(packets) => held.push_back((now + usize::from(packets), wire)),
                            // Without authentication a changed packet is taken, and changes the state.
                            Fate::Corrupt(_) if suite.rtp_tag_len() == 0 => {}
                            Fate::Corrupt(bit) => {
                                let bit = usize::from(bit) % (wire.len() * 8);
                                wire[bit / 8] ^= 1 << (bit % 8);
                                let (a, b) = (ours.unprotect_rtp(&wire), theirs.unprotect_rtp(&wire));
                                prop_assert!(!matches!(a, Verdict::Taken(_)), "bit {}: {:?}", bit, a);
                                prop_assert!(!matches!(b, Verdict::Taken(_)), "bit {}: {:?}", bit, b);
                                wire[bit / 8] ^= 1 << (bit % 8);
                                deliver(&mut ours, &mut theirs, &wire)?;
                            }
                        }
                    }
                    while let Some(at) = held.iter().position(|(due, _)| *due <= now) {
                        let (_, wire) = held.remove(at).expect("just found");
                        deliver(&mut ours, &mut theirs, &wire)?;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn sequence_number_and_roc_wrap_alike_many_times() {
    for library in libraries() {
        for suite in Suite::ALL {
            let keys = Keys::one(suite, 5);
            let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
            // 0x7001 is odd: the sequence numbers just before and behind the wrap differ each time.
            let mut index = 0xfff0u64;
            while index >> 16 < 40 {
                let packet = rtp(9, index as u16, b"wrap");
                let wire = ours.protect_rtp(&packet);
                assert_eq!(wire, theirs.protect_rtp(&packet), "{library:?} {suite:?} {index:#x}");
                let Verdict::Taken(wire) = wire else { panic!("{library:?} {suite:?} {index:#x}: {wire:?}") };
                assert_eq!(
                    ours.unprotect_rtp(&wire),
                    Verdict::Taken(packet.clone()),
                    "{library:?} {suite:?}"
                );
                assert_eq!(theirs.unprotect_rtp(&wire), Verdict::Taken(packet), "{library:?} {suite:?}");
                assert_eq!(u64::from(theirs.received_roc(9)), index >> 16);
                index += 0x7001;
            }
        }
    }
}

#[test]
fn a_stream_runs_on_through_all_sequence_numbers() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let keys = Keys::one(suite, 6);
        let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(Library::openssl(), &keys));
        for index in 0x8000u32..0x2_8000 {
            let packet = rtp(9, index as u16, &index.to_be_bytes());
            let wire = ours.protect_rtp(&packet);
            assert_eq!(wire, theirs.protect_rtp(&packet), "{suite:?} {index:#x}");
            let Verdict::Taken(wire) = wire else { panic!("{suite:?} {index:#x}: {wire:?}") };
            assert_eq!(ours.unprotect_rtp(&wire), Verdict::Taken(packet.clone()), "{suite:?} {index:#x}");
            assert_eq!(theirs.unprotect_rtp(&wire), Verdict::Taken(packet), "{suite:?} {index:#x}");
        }
        assert_eq!(theirs.received_roc(9), 2);
    }
}

#[test]
fn each_flipped_bit_and_each_cut_is_refused_and_changes_nothing() {
    for library in libraries() {
        for suite in Suite::ALL.into_iter().filter(|suite| suite.rtp_tag_len() > 0) {
            let keys = Keys::one(suite, 7);
            let (mut ours, mut theirs) = (Ours::new(&keys), Oracle::new(library, &keys));
            let packet = rtp(9, 100, b"some payload");
            let Verdict::Taken(wire) = theirs.protect_rtp(&packet) else { panic!("{suite:?}") };
            for bit in 0..wire.len() * 8 {
                let mut changed = wire.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(ours.unprotect_rtp(&changed), Verdict::Refused, "{suite:?} bit {bit}");
                assert_eq!(
                    theirs.unprotect_rtp(&changed),
                    Verdict::Refused,
                    "{library:?} {suite:?} bit {bit}"
                );
            }
            for len in 0..wire.len() {
                assert_eq!(ours.unprotect_rtp(&wire[..len]), Verdict::Refused, "{suite:?} cut to {len}");
                assert_eq!(
                    theirs.unprotect_rtp(&wire[..len]),
                    Verdict::Refused,
                    "{library:?} {suite:?} cut to {len}"
                );
            }
            assert_eq!(ours.unprotect_rtp(&wire), Verdict::Taken(packet.clone()), "{suite:?}");
            assert_eq!(theirs.unprotect_rtp(&wire), Verdict::Taken(packet), "{library:?} {suite:?}");
            assert_eq!(ours.unprotect_rtp(&wire), Verdict::Replay, "{suite:?}");
        }
    }
}

#[test]
fn another_key_is_refused() {
    for suite in Suite::ALL.into_iter().filter(|suite| suite.rtp_tag_len() > 0) {
        let mut sender = Oracle::new(Library::openssl(), &Keys::one(suite, 1));
        let Verdict::Taken(wire) = sender.protect_rtp(&rtp(9, 1, &[0; 160])) else { panic!("{suite:?}") };
        assert_eq!(Ours::new(&Keys::one(suite, 2)).unprotect_rtp(&wire), Verdict::Refused, "{suite:?}");
    }
}

/// The same key in another suite: some pairs have the same tag over the same bytes, so libsrtp is the judge.
#[test]
fn another_suite_gets_the_same_verdict() {
    let mut refused = 0;
    for sent in Suite::ALL {
        for expected in Suite::ALL {
            let mut sender = Oracle::new(Library::openssl(), &Keys::one(sent, 1));
            let Verdict::Taken(wire) = sender.protect_rtp(&rtp(9, 1, &[0; 160])) else { panic!("{sent:?}") };
            let keys = Keys::one(expected, 1);
            let verdict = Ours::new(&keys).unprotect_rtp(&wire);
            let theirs = Oracle::new(Library::openssl(), &keys).unprotect_rtp(&wire);
            assert_eq!(verdict, theirs, "{sent:?} sent, {expected:?} expected");
            refused += usize::from(verdict == Verdict::Refused);
        }
    }
    // All but each suite with itself, CM-128 and NULL with each other at equal tags, and what has no tag to check.
    let (suites, alike) = (Suite::ALL.len(), 4);
    assert_eq!(refused, suites * suites - suites - alike - (suites - 1));
}
