//! DTLS-SRTP of a session, from offer and answer to media.

mod common;

use std::time::{Duration, Instant};

use common::{End, RTCP_LEN, RTP_LEN, call, carry, rtcp, rtp, signal, speak, start};
use sealrtp_dtls::{Config, Failure, FingerprintError, Role, Setup};
use sealrtp_session::{
    Component, DtlsError, Event, MAX_HELD, MAX_HELD_BYTES, Received, Refusal, RtcpTransport, Session,
    Started, State, WithoutKeys,
};
use sealrtp_srtp::{Limits, Suite, UnprotectError};

#[test]
fn offer_and_answer_lead_to_keys_and_both_ends_tell_the_same() {
    let (mut offerer, mut answerer) = call(RtcpTransport::Muxed);
    assert!(offerer.is(State::Secure) && answerer.is(State::Secure));
    let (ours, theirs) = (offerer.secured()[0].clone(), answerer.secured()[0].clone());
    assert_eq!((ours.role, theirs.role), (Role::Server, Role::Client));
    assert_eq!(ours.suite, Suite::AeadAes256Gcm);
    assert_eq!((ours.suite, &ours.cipher), (theirs.suite, &theirs.cipher));
    assert_eq!(ours.local_fingerprint, theirs.remote_fingerprint);
    assert_eq!(ours.remote_fingerprint, theirs.local_fingerprint);
    assert_eq!(offerer.session.dtls_secured(Component::Rtp), Some(&ours));
    for seq in 0..10 {
        assert_eq!(speak(&mut offerer, &mut answerer, seq), Received::Rtp(RTP_LEN));
        assert_eq!(speak(&mut answerer, &mut offerer, seq), Received::Rtp(RTP_LEN));
    }
    assert_eq!(offerer.session.counters().inbound().rtp_packets, 10);
    assert_eq!(offerer.session.counters().inbound().suite, Some(Suite::AeadAes256Gcm));
}

#[test]
fn rtcp_on_its_own_port_has_a_handshake_and_keys_of_its_own() {
    let (mut offerer, mut answerer) = call(RtcpTransport::Separate);
    assert!(offerer.is(State::Secure) && answerer.is(State::Secure));
    assert_eq!(offerer.secured().len(), 2);
    let mut packet = rtcp();
    let len = offerer.session.protect_rtcp(&mut packet, RTCP_LEN).unwrap();
    let mut wrong = packet;
    let now = Instant::now();
    let received = answerer.session.receive(Component::Rtp, &mut wrong[..len], offerer.address, now);
    assert_eq!(received, Received::Refused(Refusal::Unprotect(UnprotectError::AuthFailed)));
    let received = answerer.session.receive(Component::Rtcp, &mut packet[..len], offerer.address, now);
    assert_eq!(received, Received::Rtcp(RTCP_LEN));
    assert_eq!(packet[..RTCP_LEN], rtcp()[..RTCP_LEN]);
}

#[test]
fn while_rtcp_has_no_keys_of_its_own_it_is_blocked_and_rtp_is_not() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Pass);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Pass);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Separate);
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    assert_eq!(offerer.session.state(Component::Rtp), State::Secure);
    assert_eq!(offerer.session.state(Component::Rtcp), State::Block);
    assert_eq!(offerer.session.protect_rtcp(&mut rtcp(), RTCP_LEN), Err(Refusal::NoKeys));
}

#[test]
fn clear_media_is_refused_and_counted_before_and_after_the_handshake() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    let (from, now) = (answerer.address, Instant::now());
    let received = offerer.session.receive(Component::Rtp, &mut rtp(1)[..RTP_LEN], from, now);
    assert_eq!(received, Received::Refused(Refusal::NoKeys));
    assert_eq!(offerer.session.protect_rtp(&mut rtp(1), RTP_LEN), Err(Refusal::NoKeys));

    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Muxed);
    start(&mut answerer, RtcpTransport::Muxed);
    let received = offerer.session.receive(Component::Rtp, &mut rtp(2)[..RTP_LEN], from, now);
    assert_eq!(received, Received::Held, "it may be secured; only its keys can tell");
    carry(&mut offerer, &mut answerer);
    let held = offerer.session.poll_held().unwrap();
    assert_eq!(held.received, Received::Refused(Refusal::Unprotect(UnprotectError::AuthFailed)));

    let received = offerer.session.receive(Component::Rtp, &mut rtp(3)[..RTP_LEN], from, now);
    assert_eq!(received, Received::Refused(Refusal::Unprotect(UnprotectError::AuthFailed)));
    let inbound = offerer.session.counters().inbound();
    assert_eq!((inbound.refused, inbound.auth_failures, inbound.rtp_packets, inbound.clear), (1, 2, 0, 0));
}

#[test]
fn secured_media_that_overtakes_the_handshake_is_held_and_not_lost() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Muxed);
    start(&mut answerer, RtcpTransport::Muxed);
    // The offerer is the server: its last flight and its first media cross on the way to the client.
    let last_flight = loop {
        while let Some(mut out) = answerer.session.poll_transmit() {
            let from = answerer.address;
            offerer.session.receive(out.component, &mut out.datagram, from, Instant::now());
        }
        let flight: Vec<_> = std::iter::from_fn(|| offerer.session.poll_transmit()).collect();
        if offerer.is(State::Secure) {
            break flight;
        }
        for mut out in flight {
            let from = offerer.address;
            answerer.session.receive(out.component, &mut out.datagram, from, Instant::now());
        }
    };
    for seq in 0..5 {
        assert_eq!(speak(&mut offerer, &mut answerer, seq), Received::Held);
    }
    assert_eq!(answerer.session.poll_held(), None);
    for mut out in last_flight {
        answerer.session.receive(out.component, &mut out.datagram, offerer.address, Instant::now());
    }
    for seq in 0..5 {
        let held = answerer.session.poll_held().unwrap();
        assert_eq!(held.received, Received::Rtp(RTP_LEN));
        assert_eq!((held.component, held.from), (Component::Rtp, offerer.address));
        assert_eq!(held.packet[..RTP_LEN], rtp(seq)[..RTP_LEN]);
    }
    assert_eq!(answerer.session.poll_held(), None);
    assert_eq!(speak(&mut offerer, &mut answerer, 5), Received::Rtp(RTP_LEN));
}

#[test]
fn what_is_held_is_bounded() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Muxed);
    let before = offerer.session.memory_bytes();
    for seq in 0..10_000u16 {
        let mut packet = vec![0x80; 1500];
        packet[1] = 0;
        packet[2..4].copy_from_slice(&seq.to_be_bytes());
        let now = Instant::now();
        let held = offerer.session.receive(Component::Rtp, &mut packet, answerer.address, now);
        assert_eq!(held, Received::Held);
    }
    assert!(offerer.session.memory_bytes() - before <= MAX_HELD_BYTES + MAX_HELD * 200);
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    assert!(offerer.is(State::Secure), "the flood does no harm to the handshake");
    let held = std::iter::from_fn(|| offerer.session.poll_held()).count();
    assert!(held > 0 && held <= MAX_HELD, "{held}");
}

#[test]
fn a_client_hello_that_overtakes_the_answer_waits_for_its_fingerprint() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    offerer.session.dtls_expect_source(Component::Rtp, answerer.address);
    let offer = offerer.session.dtls_local_setup().unwrap();
    answerer.session.dtls_remote_setup(offer).unwrap();
    answerer.session.dtls_remote_fingerprint(&offerer.fingerprint()).unwrap();
    let answer = answerer.session.dtls_local_setup().unwrap();
    start(&mut answerer, RtcpTransport::Muxed);
    while let Some(mut out) = answerer.session.poll_transmit() {
        let now = Instant::now();
        let taken = offerer.session.receive(out.component, &mut out.datagram, answerer.address, now);
        assert_eq!(taken, Received::Consumed);
    }
    assert_eq!(offerer.session.poll_transmit(), None);
    assert_eq!(
        offerer.session.dtls_start(RtcpTransport::Muxed, false, Instant::now()),
        Err(DtlsError::NoSetup)
    );
    offerer.session.dtls_remote_setup(answer).unwrap();
    offerer.session.dtls_remote_fingerprint(&answerer.fingerprint()).unwrap();
    start(&mut offerer, RtcpTransport::Muxed);
    // No retransmission is needed: no time passes here.
    carry(&mut offerer, &mut answerer);
    assert!(offerer.is(State::Secure) && answerer.is(State::Secure));
}

#[test]
fn a_certificate_that_is_not_the_one_of_the_sdp_ends_it_and_no_media_passes() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Pass);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Pass);
    let stranger = End::new(6000, Setup::ActPass, WithoutKeys::Pass);
    let (said, shown) = (stranger.fingerprint(), answerer.fingerprint());
    let offer = offerer.session.dtls_local_setup().unwrap();
    answerer.session.dtls_remote_setup(offer).unwrap();
    answerer.session.dtls_remote_fingerprint(&offerer.fingerprint()).unwrap();
    offerer.session.dtls_remote_setup(answerer.session.dtls_local_setup().unwrap()).unwrap();
    offerer.session.dtls_remote_fingerprint(&said).unwrap();
    start(&mut offerer, RtcpTransport::Muxed);
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    assert!(offerer.is(State::Block) && offerer.secured().is_empty());
    assert!(!answerer.is(State::Secure) && !answerer.is(State::Bypass));
    let Some(Event::Failed { component: Component::Rtp, failure }) = offerer.events.last() else {
        panic!("{:?}", offerer.events)
    };
    assert!(matches!(failure, Failure::FingerprintMismatch { .. }), "{failure:?}");
    let line = offerer.events.last().unwrap().to_string();
    assert!(line.contains(&said) && line.contains(&shown), "{line}");
    assert_eq!(offerer.session.protect_rtp(&mut rtp(1), RTP_LEN), Err(Refusal::NoKeys));
}

#[test]
fn without_a_fingerprint_there_is_no_handshake() {
    let mut end = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    end.session.dtls_remote_setup(Setup::ActPass).unwrap();
    let now = Instant::now();
    assert_eq!(
        end.session.dtls_start(RtcpTransport::Muxed, false, now),
        Err(DtlsError::NoFingerprint(FingerprintError::None))
    );
    assert_eq!(end.session.poll_transmit(), None);
    let mut plain = Session::new(Limits::default(), WithoutKeys::Block);
    assert_eq!(plain.dtls_start(RtcpTransport::Muxed, false, now), Err(DtlsError::NotSetUp));
}

#[test]
fn the_same_terms_keep_an_association_and_its_keys() {
    let (mut offerer, mut answerer) = call(RtcpTransport::Muxed);
    assert_eq!(speak(&mut offerer, &mut answerer, 1), Received::Rtp(RTP_LEN));
    signal(&mut answerer, &mut offerer);
    for end in [&mut offerer, &mut answerer] {
        let started = end.session.dtls_start(RtcpTransport::Muxed, false, Instant::now());
        assert_eq!(started, Ok(Started::Kept));
    }
    carry(&mut offerer, &mut answerer);
    assert_eq!(speak(&mut offerer, &mut answerer, 2), Received::Rtp(RTP_LEN));
    let replay = speak_again(&mut offerer, &mut answerer);
    assert_eq!(replay, Received::Refused(Refusal::Unprotect(UnprotectError::Replayed)));
    assert_eq!(offerer.secured().len(), 1);
}

fn speak_again(from: &mut End, to: &mut End) -> Received {
    let mut packet = rtp(3);
    let len = from.session.protect_rtp(&mut packet, RTP_LEN).unwrap();
    let mut copy = packet;
    let now = Instant::now();
    assert_eq!(
        to.session.receive(Component::Rtp, &mut packet[..len], from.address, now),
        Received::Rtp(RTP_LEN)
    );
    to.session.receive(Component::Rtp, &mut copy[..len], from.address, now)
}

#[test]
fn another_certificate_or_transport_makes_a_new_association_and_media_goes_on_meanwhile() {
    let (mut offerer, mut answerer) = call(RtcpTransport::Muxed);
    for seq in [1, 65_535, 0] {
        assert_eq!(speak(&mut offerer, &mut answerer, seq), Received::Rtp(RTP_LEN));
    }
    signal(&mut answerer, &mut offerer);
    for end in [&mut offerer, &mut answerer] {
        let started = end.session.dtls_start(RtcpTransport::Muxed, true, Instant::now());
        assert_eq!(started, Ok(Started::New));
        assert!(end.is(State::Secure), "the old keys stay until there are new ones");
    }
    assert_eq!(speak(&mut offerer, &mut answerer, 1), Received::Rtp(RTP_LEN));
    carry(&mut offerer, &mut answerer);
    assert_eq!(offerer.secured().len(), 2);
    // A new crypto context: its rollover counter begins at 0 on both ends.
    for seq in [2, 3, 4] {
        assert_eq!(speak(&mut offerer, &mut answerer, seq), Received::Rtp(RTP_LEN));
        assert_eq!(speak(&mut answerer, &mut offerer, seq), Received::Rtp(RTP_LEN));
    }
    assert_eq!(offerer.session.counters().inbound().rekeys, 1);
}

#[test]
fn a_connection_that_the_peer_holds_makes_no_handshake_and_passes_nothing() {
    let mut end = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    end.session.dtls_remote_setup(Setup::HoldConn).unwrap();
    let started = end.session.dtls_start(RtcpTransport::Muxed, false, Instant::now());
    assert_eq!(started, Ok(Started::Held));
    assert!(end.is(State::Block));
    assert_eq!(end.session.poll_transmit(), None);
}

#[test]
fn no_clear_media_passes_once_a_handshake_has_begun_even_where_policy_would_fall_back() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Pass);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Pass);
    assert!(offerer.is(State::Bypass));
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Muxed);
    assert!(offerer.is(State::Block));
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    assert!(offerer.is(State::Secure));
}

#[test]
fn a_peer_that_never_answers_ends_in_a_failure_and_blocks() {
    let config = Config { timeout: Duration::from_secs(30), ..Config::default() };
    let mut end = End::with(4000, Setup::ActPass, WithoutKeys::Pass, config);
    let peer = End::new(5000, Setup::ActPass, WithoutKeys::Pass);
    end.session.dtls_remote_setup(Setup::ActPass).unwrap();
    end.session.dtls_remote_fingerprint(&peer.fingerprint()).unwrap();
    let mut now = Instant::now();
    let begun = now;
    end.session.dtls_start(RtcpTransport::Muxed, false, now).unwrap();
    while let Some(deadline) = end.session.poll_timeout() {
        assert!(deadline <= begun + Duration::from_secs(31));
        now = now.max(deadline);
        end.session.handle_timeout(now);
        while end.session.poll_transmit().is_some() {}
    }
    end.poll();
    assert!(matches!(end.events.last(), Some(Event::Failed { failure: Failure::TimedOut, .. })));
    assert!(end.is(State::Block));
}

#[test]
fn a_peer_that_is_silent_on_the_rtcp_port_alone_keeps_its_call() {
    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Separate);
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    let deadline = offerer.session.poll_timeout().unwrap();
    offerer.session.handle_timeout(deadline);
    offerer.poll();
    assert!(matches!(offerer.events.last(), Some(Event::NoRtcp)), "{:?}", offerer.events);
    assert_eq!(offerer.session.state(Component::Rtp), State::Secure);
    assert_eq!(offerer.session.state(Component::Rtcp), State::Block);
    assert_eq!(speak(&mut offerer, &mut answerer, 1), Received::Rtp(RTP_LEN));
}

#[test]
fn no_common_profile_ends_it() {
    let only = |suite| Config { profiles: vec![suite], ..Config::default() };
    let mut one = End::with(4000, Setup::ActPass, WithoutKeys::Block, only(Suite::AeadAes256Gcm));
    let mut other = End::with(5000, Setup::ActPass, WithoutKeys::Block, only(Suite::AesCm128HmacSha1_80));
    signal(&mut one, &mut other);
    start(&mut one, RtcpTransport::Muxed);
    start(&mut other, RtcpTransport::Muxed);
    carry(&mut one, &mut other);
    assert!(one.is(State::Block) && other.is(State::Block));
    let failed = |end: &End| end.events.iter().any(|event| matches!(event, Event::Failed { .. }));
    assert!(failed(&one) || failed(&other));
}

#[test]
fn the_trace_tells_each_step_and_no_secret_and_is_off_by_default() {
    let (offerer, _) = call(RtcpTransport::Muxed);
    assert!(!offerer.events.iter().any(|event| matches!(event, Event::Trace { .. })));

    let mut offerer = End::new(4000, Setup::ActPass, WithoutKeys::Block);
    let mut answerer = End::new(5000, Setup::ActPass, WithoutKeys::Block);
    offerer.session.set_trace(true);
    answerer.session.set_trace(true);
    signal(&mut offerer, &mut answerer);
    start(&mut offerer, RtcpTransport::Muxed);
    start(&mut answerer, RtcpTransport::Muxed);
    carry(&mut offerer, &mut answerer);
    for end in [&offerer, &answerer] {
        let lines: Vec<_> = end.events.iter().map(Event::to_string).collect();
        let text = lines.join("\n");
        for step in [
            "== start as",
            "local fingerprint sha-256",
            "ClientHello",
            "use_srtp offered: AEAD_AES_256_GCM AEAD_AES_128_GCM AES_CM_128_HMAC_SHA1_80 AES_CM_128_HMAC_SHA1_32",
            "ServerHello",
            "Certificate",
            "ServerHelloDone",
            "CertificateVerify",
            "ChangeCipherSpec",
            "Finished (encrypted)",
            "secured by DTLS-SRTP",
        ] {
            assert!(text.contains(step), "{step}: {text}");
        }
        assert!(lines.iter().all(|line| line.lines().count() == 1), "{text}");
        assert!(!format!("{:?}", end.events).contains("key: ["));
    }
}

#[test]
fn a_call_that_has_its_keys_takes_little_memory() {
    for (rtcp, bound) in [(RtcpTransport::Muxed, 4096), (RtcpTransport::Separate, 6144)] {
        let (offerer, answerer) = call(rtcp);
        for end in [offerer, answerer] {
            assert!(end.session.memory_bytes() <= bound, "{rtcp:?}: {} bytes", end.session.memory_bytes());
        }
    }
}

#[test]
fn closing_tells_the_peer_and_blocks() {
    let (mut offerer, mut answerer) = call(RtcpTransport::Muxed);
    offerer.session.set_trace(true);
    offerer.session.close();
    offerer.poll();
    assert!(
        !offerer.events.iter().any(|event| matches!(event, Event::Closed { .. })),
        "{:?}",
        offerer.events
    );
    let trace: Vec<_> = offerer.events.iter().map(Event::to_string).collect();
    assert!(trace.contains(&"DTLS RTP == closed by us".into()), "{trace:?}");
    assert!(trace.contains(&"DTLS RTP -> Alert (encrypted)".into()), "{trace:?}");
    assert!(offerer.is(State::Block));
    assert!(offerer.session.poll_transmit().is_some(), "a close_notify");
    assert_eq!(offerer.session.protect_rtp(&mut rtp(9), RTP_LEN), Err(Refusal::NoKeys));
    assert_eq!(speak(&mut answerer, &mut offerer, 9), Received::Refused(Refusal::NoKeys));
}
