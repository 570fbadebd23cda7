//! What two of ours agree on, and what they refuse.

#[path = "common/clock.rs"]
#[allow(dead_code, reason = "the time stands still")]
mod clock;
mod common;

use std::time::Duration;

use common::{Kind, Pair, Side, Told, address, fingerprints, generated, pem};
use sealrtp_dtls::{
    Alert, Config, ConfigError, Context, CookieExchange, Direction, Failure, FingerprintError, Fingerprints,
    HandshakeType, HashFunction, Identity, IdentityError, MAX_REPEATS, Message, REPEAT_FOR, Sha1, Taken,
    Trace, Verify, Why,
};
use sealrtp_srtp::Suite;

const PROFILES: [Suite; 4] =
    [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

fn with_profiles(profiles: &[Suite]) -> Side {
    Side::new(Config { profiles: profiles.to_vec(), ..Config::default() })
}

/// Both ends' stories of one handshake over a perfect network.
fn told(client: &Side, server: &Side) -> (Told, Told) {
    let mut pair = Pair::new(client, server);
    pair.settle();
    (Told::of(&mut pair.client), Told::of(&mut pair.server))
}

#[test]
fn every_profile_gives_both_ends_the_same_keys() {
    for profile in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            let config = Config { profiles: vec![profile], ..Config::default() };
            let (client, server) = told(&Side::of(config.clone(), kind), &Side::of(config, kind));
            let (client, server) = (client.keys(), server.keys());
            assert_eq!((client.suite, server.suite), (profile, profile));
            assert!(client.inbound.same_as(&server.outbound));
            assert!(client.outbound.same_as(&server.inbound));
            assert!(!client.inbound.same_as(&client.outbound));
            assert_eq!(client.version, "DTLSv1.2");
            assert!(client.cipher.starts_with("ECDHE-"), "{}", client.cipher);
            assert!(client.extended_master_secret && server.extended_master_secret);
            assert_eq!(client.local_fingerprint, server.remote_fingerprint);
            assert_eq!(server.local_fingerprint, client.remote_fingerprint);
        }
    }
}

#[test]
fn the_servers_order_of_profiles_wins() {
    let mut reverse = PROFILES;
    reverse.reverse();
    for (client, server) in [(PROFILES, reverse), (reverse, PROFILES)] {
        let (client, theirs) = told(&with_profiles(&client), &with_profiles(&server));
        assert_eq!((client.keys().suite, theirs.keys().suite), (server[0], server[0]));
    }
}

#[test]
fn no_common_profile_is_a_failure_at_both_ends() {
    let (client, server) =
        told(&with_profiles(&[Suite::AeadAes256Gcm]), &with_profiles(&[Suite::AesCm128HmacSha1_80]));
    assert_eq!(client.failure(), &Failure::NoCommonProfile);
    assert_eq!(server.failure(), &Failure::NoCommonProfile);
}

#[test]
fn a_certificate_that_is_not_the_one_told_of_fails_with_both_fingerprints_and_no_keys() {
    let (right, wrong) = (generated(), pem(Kind::Ec).identity());
    for hash in HashFunction::ALL {
        let side = Side::new(Config::default());
        let failure = |wrong: &Fingerprints| Failure::FingerprintMismatch {
            expected: wrong.clone(),
            got: right.fingerprint(hash).unwrap(),
        };
        let (of_wrong, of_right) = (fingerprints(&wrong, hash), fingerprints(&right, hash));

        let mut pair = Pair::knowing(&side, &side, of_wrong.clone(), of_right.clone());
        pair.settle();
        assert_eq!(Told::of(&mut pair.client).failure(), &failure(&of_wrong));
        assert!(matches!(Told::of(&mut pair.server).failure(), Failure::Alert(_)));

        let mut pair = Pair::knowing(&side, &side, of_right, of_wrong.clone());
        pair.settle();
        assert_eq!(Told::of(&mut pair.server).failure(), &failure(&of_wrong));
        assert!(matches!(Told::of(&mut pair.client).failure(), Failure::Alert(_)));
    }
}

#[test]
fn every_hash_function_proves_the_right_certificate() {
    let side = Side::new(Config::default());
    for hash in HashFunction::ALL {
        let known = fingerprints(&side.identity, hash);
        let mut pair = Pair::knowing(&side, &side, known.clone(), known);
        pair.settle();
        assert_eq!(Told::of(&mut pair.client).keys().remote_fingerprint.hash(), hash);
        Told::of(&mut pair.server).keys();
    }
}

#[test]
fn one_right_fingerprint_among_several_of_its_hash_is_enough_and_a_weaker_one_is_not() {
    let side = Side::new(Config::default());
    let value = |identity: &Identity, hash| identity.fingerprint(hash).unwrap().to_string();
    let other = pem(Kind::Ec).identity();
    let read = |values: &[String]| {
        Fingerprints::from_values(values.iter().map(String::as_str), Sha1::Allowed).unwrap()
    };
    use HashFunction::{Sha1 as Sha1Hash, Sha256, Sha512};

    let two = read(&[value(&other, Sha256), value(&side.identity, Sha256).to_lowercase()]);
    let mut pair = Pair::knowing(&side, &side, two.clone(), two);
    pair.settle();
    Told::of(&mut pair.client).keys();

    let downgrade =
        read(&[value(&other, Sha512), value(&side.identity, Sha1Hash), value(&side.identity, Sha256)]);
    let mut pair = Pair::knowing(&side, &side, downgrade, side.fingerprints());
    pair.settle();
    assert!(matches!(Told::of(&mut pair.client).failure(), Failure::FingerprintMismatch { .. }));
}

#[test]
fn without_a_fingerprint_there_is_nothing_to_make_an_association_of() {
    assert_eq!(Fingerprints::from_values([], Sha1::Allowed), Err(FingerprintError::None));
    let sha1 = generated().fingerprint(HashFunction::Sha1).unwrap().to_string();
    assert_eq!(Fingerprints::from_values([sha1.as_str()], Sha1::Refused), Err(FingerprintError::None));
    assert_eq!(Fingerprints::from_values(["md5 00:11"], Sha1::Allowed), Err(FingerprintError::None));
}

#[test]
fn no_datagram_is_longer_than_the_mtu() {
    for (mtu, kind) in
        [(256, Kind::Ec), (256, Kind::Rsa), (400, Kind::Rsa), (1200, Kind::Rsa), (16_384, Kind::Rsa)]
    {
        let side = Side::of(Config { mtu, ..Config::default() }, kind);
        let mut pair = Pair::new(&side, &side);
        let (mut count, mut longest) = (0, 0);
        loop {
            let before = count;
            while let Some(out) = pair.client.poll_transmit() {
                (count, longest) = (count + 1, longest.max(out.datagram.len()));
                pair.server.receive(&out.datagram, address(1), pair.now);
            }
            while let Some(out) = pair.server.poll_transmit() {
                (count, longest) = (count + 1, longest.max(out.datagram.len()));
                pair.client.receive(&out.datagram, address(2), pair.now);
            }
            if before == count {
                break;
            }
        }
        assert!(longest <= mtu, "{longest} bytes with an MTU of {mtu}");
        Told::of(&mut pair.client).keys();
        Told::of(&mut pair.server).keys();
    }
}

#[test]
fn a_server_answers_a_finished_that_comes_again_bounded_in_number_and_time() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    let mut last_of_client = Vec::new();
    loop {
        let mut any = false;
        while let Some(out) = pair.client.poll_transmit() {
            pair.server.receive(&out.datagram, address(1), pair.now);
            last_of_client = out.datagram;
            any = true;
        }
        if Told::of(&mut pair.server).connected.len() == 1 {
            break;
        }
        while let Some(out) = pair.server.poll_transmit() {
            pair.client.receive(&out.datagram, address(2), pair.now);
        }
        assert!(any);
    }
    let lost: Vec<_> = std::iter::from_fn(|| pair.server.poll_transmit()).collect();
    let mut answers = Vec::new();
    for second in 1..100 {
        pair.server.receive(&last_of_client, address(1), pair.now + Duration::from_secs(second));
        pair.server.receive(&last_of_client, address(1), pair.now + Duration::from_secs(second));
        answers.push(std::iter::from_fn(|| pair.server.poll_transmit()).collect::<Vec<_>>());
    }
    assert_eq!(answers[0], lost);
    assert_eq!(answers.iter().filter(|answer| !answer.is_empty()).count() as u32, MAX_REPEATS);
    for out in &answers[0] {
        pair.client.receive(&out.datagram, address(2), pair.now);
    }
    Told::of(&mut pair.client).keys();

    let before = pair.server.memory_bytes();
    assert_eq!(pair.server.poll_timeout(), Some(pair.now + REPEAT_FOR));
    pair.server.handle_timeout(pair.now + REPEAT_FOR);
    assert_eq!(pair.server.poll_timeout(), None);
    assert!(pair.server.memory_bytes() < before);
}

#[test]
fn an_association_with_keys_costs_little() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    assert!(pair.client.memory_bytes() > 50_000, "OpenSSL's state is counted while it is there");
    pair.settle();
    Told::of(&mut pair.client).keys();
    Told::of(&mut pair.server).keys();
    for side in [&pair.client, &pair.server] {
        assert!(side.memory_bytes() < 4096, "{} bytes", side.memory_bytes());
    }
}

#[test]
fn closing_tells_the_peer_while_it_can_hear_it_and_is_the_last_event() {
    let side = Side::new(Config::default());
    let mut pair = Pair::new(&side, &side);
    pair.settle();
    let mut client = Told::of(&mut pair.client);
    client.keys();
    pair.client.close();
    pair.client.close();
    let alert = pair.client.poll_transmit().expect("a close_notify").datagram;
    assert_eq!((alert[0], &alert[3..5]), (21, &[0, 1][..]), "an encrypted alert");
    assert_eq!(pair.client.poll_transmit(), None);
    client.hear(&mut pair.client);
    assert_eq!((client.closed, pair.client.poll_timeout()), (1, None));
    assert_eq!(pair.client.receive(&alert, address(2), pair.now), Taken::Taken);
    assert!(pair.client.poll_event().is_none());
}

#[test]
fn a_client_without_certificate_or_of_another_ca_is_refused() {
    let ca = Config { verify: Verify::Ca(pem(Kind::Ec).certificate.clone()), ..Config::default() };
    let (client, server) = told(&Side::new(Config::default()), &Side::new(ca.clone()));
    assert!(matches!(server.failure(), Failure::Untrusted(_)), "{:?}", server.failed);
    assert_eq!(client.failure(), &Failure::Alert(Alert(40)));
    // Trusted, but expired long ago: the CA's rules hold where a CA is asked for.
    let (_, server) = told(&Side::of(Config::default(), Kind::Ec), &Side::new(ca));
    let Failure::Untrusted(why) = server.failure() else { panic!("{:?}", server.failed) };
    assert!(why.contains("expired"), "{why}");
}

#[test]
fn a_certificate_that_the_ca_names_is_accepted() {
    let side = Side::new(Config::default());
    let pem = side.identity.certificate_pem().unwrap();
    let server = Side::new(Config { verify: Verify::Ca(pem), ..Config::default() });
    let (client, server) = told(&side, &server);
    assert!(client.keys().outbound.same_as(&server.keys().inbound));
}

#[test]
fn the_trace_names_every_message_of_a_handshake_once() {
    let side = Side::new(Config { trace: true, ..Config::default() });
    let (client, server) = told(&side, &side);
    let names = |told: &Told, wanted: Direction| -> Vec<String> {
        told.traces
            .iter()
            .filter_map(|trace| match trace {
                Trace::Message { direction, message: Message::Handshake { kind, .. }, again: false }
                    if *direction == wanted =>
                {
                    Some(kind.to_string())
                }
                Trace::Message { direction, message, again: false } if *direction == wanted => {
                    Some(message.to_string())
                }
                _ => None,
            })
            .collect()
    };
    let flights = [
        "ClientHello",
        "ClientHello",
        "Certificate",
        "ClientKeyExchange",
        "CertificateVerify",
        "ChangeCipherSpec",
        "Finished (encrypted)",
    ];
    assert_eq!(names(&client, Direction::Out), flights);
    assert_eq!(names(&server, Direction::In), flights);
    let answers = [
        "ServerHello",
        "Certificate",
        "ServerKeyExchange",
        "CertificateRequest",
        "ServerHelloDone",
        "ChangeCipherSpec",
        "Finished (encrypted)",
    ];
    assert_eq!(names(&client, Direction::In)[0], HandshakeType(3).to_string());
    assert_eq!(names(&client, Direction::In)[1..], answers);
    assert_eq!(names(&server, Direction::Out)[1..], answers);
    let offered = |told: &Told| {
        told.traces
            .iter()
            .find_map(|t| if let Trace::Offered { profiles, .. } = t { Some(profiles.clone()) } else { None })
    };
    assert_eq!(offered(&client), Some(vec![8, 7, 1, 2]));
    assert_eq!(offered(&server), Some(vec![8, 7, 1, 2]));
    assert!(matches!(&client.traces[0], Trace::Started { .. }));
    assert!(client.traces.contains(&Trace::Released));
}

#[test]
fn packets_of_other_protocols_are_handed_back() {
    let side = Side::new(Config { trace: true, ..Config::default() });
    let mut pair = Pair::new(&side, &side);
    Told::of(&mut pair.server);
    for first in 0..=255u8 {
        let taken = if (20..64).contains(&first) { Taken::Taken } else { Taken::NotDtls };
        assert_eq!(pair.server.receive(&[first; 40], address(1), pair.now), taken);
    }
    assert_eq!(pair.server.receive(&[], address(1), pair.now), Taken::NotDtls);
    let told = Told::of(&mut pair.server);
    assert!(
        told.traces.iter().all(|t| matches!(t, Trace::Ignored { len: 40, why: Why::NotDtls })),
        "{:?}",
        told.traces
    );
    pair.settle();
    Told::of(&mut pair.server).keys();
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let new = |config| Context::new(config, &generated());
    let of = |profiles: &[Suite]| Config { profiles: profiles.to_vec(), ..Config::default() };
    assert!(matches!(new(of(&[])), Err(ConfigError::NoProfile)));
    assert!(matches!(new(of(&[Suite::AesCm256HmacSha1_80])), Err(ConfigError::NotAProfile(_))));
    assert!(matches!(new(Config { mtu: 255, ..Config::default() }), Err(ConfigError::Mtu(255))));
    assert!(matches!(
        new(Config { ciphers: "ROT13".into(), ..Config::default() }),
        Err(ConfigError::OpenSsl(_))
    ));
    assert!(matches!(
        new(Config { groups: "P-1".into(), ..Config::default() }),
        Err(ConfigError::OpenSsl(_))
    ));
    let (ec, rsa) = (pem(Kind::Ec), pem(Kind::Rsa));
    assert!(matches!(Identity::from_pem(&ec.certificate, &rsa.key), Err(IdentityError::KeyOfAnother)));
    assert!(matches!(Identity::from_pem(b"", &rsa.key), Err(IdentityError::NoCertificate)));
    assert!(matches!(Identity::from_pem(&ec.certificate, b"x"), Err(IdentityError::NoKey)));
}

#[test]
fn an_own_identity_is_due_after_thirty_days_and_one_from_files_never() {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = std::time::SystemTime::now();
    let own = Identity::generate(now).unwrap();
    assert!(!own.is_due(now + 29 * DAY) && own.is_due(now + 30 * DAY));
    assert!(!pem(Kind::Ec).identity().is_due(now + 1000 * DAY));
}

#[test]
fn no_cookie_is_asked_for_where_the_address_is_proven_already() {
    let side = Side::new(Config { cookies: CookieExchange::Skipped, trace: true, ..Config::default() });
    let (client, server) = told(&side, &side);
    client.keys();
    let verify = |t: &Trace| {
        matches!(t, Trace::Message { message: Message::Handshake { kind: HandshakeType(3), .. }, .. })
    };
    assert!(!server.traces.iter().chain(&client.traces).any(verify));
}

#[test]
fn debug_output_of_keys_shows_no_key() {
    let side = Side::new(Config::default());
    let (client, _) = told(&side, &side);
    let text = format!("{:?}", client.keys());
    let key = client.keys().inbound.keys().first().map(|key| key.key().to_vec()).unwrap();
    assert!(!text.contains(&format!("{key:?}")) && text.contains("sha-256"), "{text}");
}

/// The records of datagrams, each a datagram by itself.
fn single_records(datagrams: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for datagram in datagrams {
        let mut rest = &datagram[..];
        while rest.len() > 13 {
            let (record, after) = rest.split_at(13 + usize::from(u16::from_be_bytes([rest[11], rest[12]])));
            out.push(record.to_vec());
            rest = after;
        }
    }
    out
}

#[test]
fn each_flight_is_understood_in_any_order_of_its_records_without_waiting_for_a_timer() {
    let side = Side::new(Config { cookies: CookieExchange::Skipped, ..Config::default() });
    for order in 0..120usize {
        let mut pair = Pair::new(&side, &side);
        for _ in 0..4 {
            for to_server in [true, false] {
                let (from, to, source) = if to_server {
                    (&mut pair.client, &mut pair.server, address(1))
                } else {
                    (&mut pair.server, &mut pair.client, address(2))
                };
                let mut left =
                    single_records(std::iter::from_fn(|| from.poll_transmit().map(|out| out.datagram)));
                let mut choice = order;
                while !left.is_empty() {
                    let record = left.remove(choice % left.len());
                    choice /= left.len() + 1;
                    to.receive(&record, source, pair.now);
                }
            }
        }
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        assert_eq!(
            (client.connected.len(), server.connected.len()),
            (1, 1),
            "order {order}: {:?} {:?}",
            client.failed,
            server.failed
        );
        assert!(client.keys().outbound.same_as(&server.keys().inbound));
    }
}
