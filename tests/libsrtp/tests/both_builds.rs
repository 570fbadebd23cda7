//! The oracle itself: both builds of libsrtp understand each other and refuse what is wrong.

use sealrtp_test_libsrtp::{Error, Key, Library, Policy, Session, Ssrc, Suite};

fn libraries() -> Vec<&'static Library> {
    let mut all = vec![Library::openssl()];
    match Library::debian() {
        Ok(library) => all.push(library),
        Err(absent) => eprintln!("{absent}"),
    }
    all
}

fn rtp(seq: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

const KEY: [u8; 32] = [0x5a; 32];
const OTHER_KEY: [u8; 32] = [0x33; 32];
const SALT: [u8; 14] = [0xc3; 14];

fn key(suite: Suite, key: &'static [u8; 32], mki: &'static [u8]) -> Key<'static> {
    Key { key: &key[..suite.key_len()], salt: &SALT[..suite.salt_len()], mki }
}

fn session(library: &'static Library, suite: Suite, ssrc: Ssrc, keys: &[Key<'_>]) -> Session {
    Session::new(library, &Policy::new(suite, ssrc, keys))
        .unwrap_or_else(|e| panic!("{library:?} {suite:?}: {e}"))
}

#[test]
fn what_one_build_protects_the_other_opens() {
    for sender in libraries() {
        for receiver in libraries() {
            for suite in Suite::ALL {
                let keys = [key(suite, &KEY, b"")];
                let mut out = session(sender, suite, Ssrc::AnyOutbound, &keys);
                let mut inn = session(receiver, suite, Ssrc::AnyInbound, &keys);
                for seq in 0..300 {
                    let packet = rtp(seq, 7, &vec![seq as u8; usize::from(seq)]);
                    let wire = out.protected_rtp(&packet).unwrap();
                    assert_eq!(wire.len(), packet.len() + suite.rtp_tag_len());
                    assert_eq!(
                        inn.unprotected_rtp(&wire).unwrap(),
                        packet,
                        "{sender:?} {receiver:?} {suite:?}"
                    );
                    assert_eq!(inn.unprotected_rtp(&wire), Err(Error::ReplayRepeat));
                }
                let rtcp = [0x80, 201, 0, 1, 0, 0, 0, 7];
                let wire = out.protected_rtcp(&rtcp).unwrap();
                assert_eq!(wire.len(), rtcp.len() + 4 + suite.rtcp_tag_len());
                assert_eq!(inn.unprotected_rtcp(&wire).unwrap(), rtcp);
            }
        }
    }
}

#[test]
fn a_flipped_bit_fails_authentication() {
    for library in libraries() {
        for suite in Suite::ALL.into_iter().filter(|s| s.rtp_tag_len() > 0) {
            let keys = [key(suite, &KEY, b"")];
            let mut wire = session(library, suite, Ssrc::AnyOutbound, &keys)
                .protected_rtp(&rtp(1, 7, b"payload"))
                .unwrap();
            let last = wire.len() - 1;
            wire[last] ^= 1;
            let mut inn = session(library, suite, Ssrc::AnyInbound, &keys);
            assert_eq!(inn.unprotected_rtp(&wire), Err(Error::Auth));
            wire[last] ^= 1;
            assert_eq!(inn.unprotected_rtp(&wire).unwrap(), rtp(1, 7, b"payload"));
        }
    }
}

#[test]
fn the_mki_chooses_the_key_and_an_unknown_one_is_refused() {
    static LONG_A: [u8; 128] = [1; 128];
    static LONG_B: [u8; 128] = [2; 128];
    for library in libraries() {
        for suite in Suite::ALL {
            let keys = [key(suite, &KEY, &LONG_A), key(suite, &OTHER_KEY, &LONG_B)];
            let mut out = session(library, suite, Ssrc::AnyOutbound, &keys);
            let mut inn = session(library, suite, Ssrc::AnyInbound, &keys);
            out.send_with_key(1).unwrap();
            let packet = rtp(9, 7, b"payload");
            let wire = out.protected_rtp(&packet).unwrap();
            assert_eq!(wire.len(), packet.len() + suite.rtp_tag_len() + 128);
            let mut first_only = session(library, suite, Ssrc::AnyInbound, &keys[..1]);
            assert_eq!(first_only.unprotected_rtp(&wire), Err(Error::BadMki));
            assert_eq!(inn.unprotected_rtp(&wire).unwrap(), packet);
            assert_eq!(out.send_with_key(2), Err(Error::BadParam));
        }
    }
}

#[test]
fn a_buffer_without_room_for_the_trailer_is_refused() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut out = session(Library::openssl(), suite, Ssrc::AnyOutbound, &[key(suite, &KEY, b"")]);
    let mut packet = rtp(1, 7, b"payload");
    let len = packet.len();
    packet.resize(len + 19, 0);
    assert_eq!(out.protect_rtp(&mut packet, len), Err(Error::NoRoom));
    assert_eq!(out.protect_rtp(&mut packet, len + 30), Err(Error::NoRoom));
    packet.resize(len + 20, 0);
    assert_eq!(out.protect_rtp(&mut packet, len), Ok(len + 10));
}

#[test]
fn the_rollover_counter_can_be_set_and_read() {
    for library in libraries() {
        let suite = Suite::AesCm128HmacSha1_80;
        let keys = [key(suite, &KEY, b"")];
        let mut out = session(library, suite, Ssrc::One(7), &keys);
        let mut inn = session(library, suite, Ssrc::One(7), &keys);
        out.set_roc(7, 5).unwrap();
        inn.set_roc(7, 5).unwrap();
        let wire = out.protected_rtp(&rtp(1, 7, b"payload")).unwrap();
        assert_eq!(session(library, suite, Ssrc::One(7), &keys).unprotected_rtp(&wire), Err(Error::Auth));
        assert!(inn.unprotected_rtp(&wire).is_ok());
        assert_eq!(inn.roc(7), Ok(5));
        assert_eq!(inn.roc(8), Err(Error::BadParam));
    }
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let suite = Suite::AeadAes256Gcm;
    let policy = |keys: &[Key<'_>]| {
        Session::new(Library::openssl(), &Policy::new(suite, Ssrc::AnyInbound, keys)).err()
    };
    assert_eq!(policy(&[]), Some(Error::BadParam));
    assert_eq!(policy(&[Key { key: &KEY[..16], salt: &SALT[..12], mki: b"" }]), Some(Error::BadParam));
    assert_eq!(policy(&[Key { key: &KEY, salt: &SALT, mki: b"" }]), Some(Error::BadParam));
    assert_eq!(policy(&[key(suite, &KEY, b"a"), key(suite, &KEY, b"")]), Some(Error::BadParam));
}
