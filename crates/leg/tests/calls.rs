//! Whole calls between two PBXs, each behind a leg, by each method.

mod common;

use common::{AUDIO, End, VIDEO, answer, assert_clear, config, exchange, offer, only, silent, talk};
use sealrtp_leg::{Applied, Happened, Refusal};
use sealrtp_session::{Event, State};

#[test]
fn a_call_by_sdes_is_secured_with_the_answer_and_media_passes_both_ways() {
    let (alice, bob) = (End::new("alice", only("sdes", "reject")), End::new("bob", only("sdes", "reject")));
    let call = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    assert!(call.offer.contains("RTP/SAVP") && call.offer.contains("a=crypto:1"));
    assert_eq!(call.answer.matches("a=crypto:").count(), 1);
    assert_clear(&call.offer_at_pbx);
    assert_clear(&call.answer_at_pbx);
    let inner = format!("m=audio {} RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n", bob.stream(0).inner_port);
    assert!(call.offer_at_pbx.contains(&inner), "{}", call.offer_at_pbx);
    assert!(call.offer.contains(&format!("m=audio {} ", alice.stream(0).outer_port)));
    for end in [&alice, &bob] {
        assert_eq!((end.stream(0).method, end.stream(0).state), (Applied::Sdes, State::Secure));
        assert_eq!(end.happened(|what| matches!(what, Happened::Keyed(_))).len(), 1);
    }
    talk(&alice, &bob, 0, 1);
    let stats = alice.stream(0);
    assert!(stats.inbound.rtp_packets >= 5 && stats.inbound.rtcp_packets >= 1 && stats.inbound.clear == 0);
}

#[test]
fn a_call_by_dtls_is_secured_by_its_handshakes_on_separate_ports_and_on_one() {
    for mux in ["", "a=rtcp-mux\r\n"] {
        let (alice, bob) =
            (End::new("alice", only("dtls", "reject")), End::new("bob", only("dtls", "reject")));
        let audio = format!("{AUDIO}{mux}");
        let call = exchange(&alice, &bob, &[&audio], &[&audio], 1).unwrap();
        assert!(call.offer.contains("UDP/TLS/RTP/SAVP") && call.offer.contains("a=setup:actpass"));
        assert_clear(&call.offer_at_pbx);
        for end in [&alice, &bob] {
            end.wait_secure(0);
            end.wait("RTCP's keys", |end| end.stream(0).rtcp_state == State::Secure);
            assert_eq!((end.stream(0).method, end.stream(0).mux), (Applied::Dtls, !mux.is_empty()));
            assert!(end.stream(0).dtls.is_some());
        }
        talk(&alice, &bob, 0, 1);
        bob.wait("the event", |end| {
            !end.happened(|what| matches!(what, Happened::Session(Event::Secured(_)))).is_empty()
        });
    }
}

#[test]
fn a_call_by_zrtp_has_one_sas_and_a_second_line_goes_by_multistream() {
    let (alice, bob) = (End::new("alice", only("zrtp", "reject")), End::new("bob", only("zrtp", "reject")));
    let call = exchange(&alice, &bob, &[AUDIO, VIDEO], &[AUDIO, VIDEO], 1).unwrap();
    assert_eq!(call.offer.matches("a=zrtp-hash:1.10 ").count(), 2);
    assert_clear(&call.offer_at_pbx);
    for (end, line) in [(&alice, 0), (&bob, 0), (&alice, 1), (&bob, 1)] {
        end.wait_secure(line);
    }
    let sas = |end: &End, line| end.stream(line).zrtp.unwrap().sas.to_string();
    assert_eq!(sas(&alice, 0), sas(&bob, 0));
    assert_eq!(sas(&alice, 1), sas(&alice, 0));
    let multistream = |line| alice.stream(line).zrtp.unwrap().is_multistream();
    assert!(multistream(0) != multistream(1), "one Diffie-Hellman");
    talk(&alice, &bob, 0, 1);
    talk(&alice, &bob, 1, 100);
    assert!(alice.leg.verify(true) && alice.stream(usize::from(multistream(0))).zrtp.unwrap().verified);
    alice.wait("VERIFIED", |end| {
        !end.happened(|what| matches!(what, Happened::Session(Event::ZrtpVerified(true)))).is_empty()
    });
}

#[test]
fn each_method_over_ipv6() {
    for method in ["sdes", "dtls", "zrtp"] {
        let end = |name| End::at(name, only(method, "reject"), "::1", |_| ());
        let (alice, bob) = (end("alice"), end("bob"));
        let call = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
        assert!(call.offer_at_pbx.contains("c=IN IP6 ::1\r\n"));
        alice.wait_secure(0);
        bob.wait_secure(0);
        bob.wait("RTCP's keys", |end| end.stream(0).rtcp_state == State::Secure);
        alice.wait("RTCP's keys", |end| end.stream(0).rtcp_state == State::Secure);
        talk(&alice, &bob, 0, 1);
    }
}

#[test]
fn without_a_common_method_the_call_is_clear_or_refused_as_policy_says() {
    let (alice, bob) = (End::new("alice", only("sdes", "rtp")), End::new("bob", only("dtls", "rtp")));
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    for end in [&alice, &bob] {
        assert_eq!((end.stream(0).method, end.stream(0).state), (Applied::Clear, State::Bypass));
        assert_eq!(end.happened(|what| matches!(what, Happened::Clear)).len(), 1);
    }
    talk(&alice, &bob, 0, 1);

    let (alice, bob) = (End::new("alice", only("sdes", "rtp")), End::new("bob", only("dtls", "reject")));
    let refused = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1);
    assert!(matches!(refused, Err(Refusal::Policy(why)) if why.contains("fallback")));
    assert!(bob.ports.out.lock().unwrap().is_empty(), "what a refused offer took is given back");
}

#[test]
fn zrtp_where_clear_media_may_pass_takes_over_and_stays() {
    let (alice, bob) = (End::new("alice", only("zrtp", "rtp")), End::new("bob", only("zrtp", "rtp")));
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    for sequence in 1..50 {
        alice.send(0, sequence);
        bob.send(0, sequence);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    alice.wait_secure(0);
    bob.wait_secure(0);
    talk(&alice, &bob, 0, 100);
}

#[test]
fn an_offer_that_is_not_answered_yet_passes_nothing_clear() {
    // Opportunistic on both sides, and the offer carries keys: its answer will secure the call.
    let (alice, bob) = (End::new("alice", only("sdes", "rtp")), End::new("bob", only("sdes", "rtp")));
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    bob.remote(&offered, &offer(1)).unwrap();
    assert_eq!(bob.stream(0).state, State::Block);
    silent(&bob, &alice, 0);
    let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
    assert_eq!(bob.stream(0).state, State::Secure);
    alice.remote(&answered, &answer(1)).unwrap();
    talk(&alice, &bob, 0, 1);
}

#[test]
fn a_method_of_a_policy_chosen_after_the_offer_holds() {
    let (alice, bob) =
        (End::new("alice", config(&[("sdes_signalling", "any")])), End::new("bob", only("zrtp", "rtp")));
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    bob.remote(&offered, &offer(1)).unwrap();
    bob.leg.set_config(only("sdes", "reject")).unwrap();
    let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
    alice.remote(&answered, &answer(1)).unwrap();
    assert_eq!((alice.stream(0).method, bob.stream(0).method), (Applied::Sdes, Applied::Sdes));
    talk(&alice, &bob, 0, 1);
}
