//! What changes in a call: hold, re-INVITEs, lines that come and go, ports, the same text twice.

mod common;

use std::net::UdpSocket;

use common::{
    AUDIO, End, PATIENCE, VIDEO, answer, assert_clear, config, exchange, offer, only, pair, silent, talk,
};
use sealrtp_leg::{Applied, MAX_STREAMS, Refusal};
use sealrtp_session::{Component, State};

fn pair_of(method: &str, fallback: &str) -> (End, End) {
    (End::new("alice", only(method, fallback)), End::new("bob", only(method, fallback)))
}

/// `port`s of the m-lines.
fn ports(text: &str) -> Vec<u16> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
    lines.map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn hold_by_an_unspecified_address_stops_media_and_resume_goes_on_under_the_same_keys() {
    for method in ["sdes", "dtls", "zrtp"] {
        let (alice, bob) = pair_of(method, "reject");
        exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
        alice.wait_secure(0);
        bob.wait_secure(0);
        talk(&alice, &bob, 0, 1);
        let held = alice.body(&[AUDIO]).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
        let offered = alice.local_text(&held, &offer(2)).unwrap();
        let seen = bob.remote(&offered, &offer(2)).unwrap();
        assert!(
            seen.contains("c=IN IP4 0.0.0.0") && !seen.contains("c=IN IP4 127.0.0.1"),
            "the PBX sees it, too"
        );
        let answered = bob.local(&[AUDIO], &answer(2)).unwrap();
        alice.remote(&answered, &answer(2)).unwrap();
        assert_eq!(bob.stream(0).peer, None);
        assert_eq!(bob.stream(0).state, State::Secure, "{method}: keys stay");
        silent(&bob, &alice, 0);
        exchange(&alice, &bob, &[AUDIO], &[AUDIO], 3).unwrap();
        talk(&alice, &bob, 0, 1000);
        assert_eq!(bob.stream(0).outbound.rekeys, 0, "{method}");
    }
}

#[test]
fn hold_by_direction_changes_nothing_but_the_direction() {
    let (alice, bob) = pair_of("dtls", "reject");
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    bob.wait_secure(0);
    let held = format!("{AUDIO}a=inactive\r\n");
    let call = exchange(&alice, &bob, &[&held], &[&held], 2).unwrap();
    assert!(call.offer_at_pbx.contains("a=inactive") && call.answer.contains("a=inactive"));
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 3).unwrap();
    alice.wait_secure(0);
    talk(&alice, &bob, 0, 1);
    assert_eq!(bob.stream(0).outbound.rekeys, 0, "the association is kept");
}

#[test]
fn a_call_that_begins_on_hold_makes_its_keys_when_it_is_taken_off() {
    for method in ["dtls", "zrtp"] {
        let (alice, bob) = pair_of(method, "reject");
        let held = alice.body(&[AUDIO]).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
        let offered = alice.local_text(&held, &offer(1)).unwrap();
        bob.remote(&offered, &offer(1)).unwrap();
        let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
        alice.remote(&answered, &answer(1)).unwrap();
        silent(&bob, &alice, 0);
        exchange(&alice, &bob, &[AUDIO], &[AUDIO], 2).unwrap();
        alice.wait_secure(0);
        bob.wait_secure(0);
        talk(&alice, &bob, 0, 1);
    }
}

#[test]
fn a_pbx_that_moves_its_media_gets_it_at_the_new_port() {
    let (mut alice, bob) = pair_of("sdes", "reject");
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    let outer = alice.stream(0).outer_port;
    alice.sockets[0] = pair(alice.ip);
    for socket in &alice.sockets[0] {
        socket.set_nonblocking(true).unwrap();
    }
    let call = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 2).unwrap();
    assert_eq!(ports(&call.offer), [outer], "the peer sees no change");
    talk(&alice, &bob, 0, 1);
}

#[test]
fn a_peer_that_moves_gets_media_there_and_dtls_begins_anew() {
    let (alice, bob) = pair_of("dtls", "reject");
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    bob.wait_secure(0);
    // Carol takes alice's place, with another port.
    let carol = End::new("carol", only("dtls", "reject"));
    let offered = carol.local(&[AUDIO], &offer(1)).unwrap();
    bob.remote(&offered, &offer(2)).unwrap();
    let answered = bob.local(&[AUDIO], &answer(2)).unwrap();
    carol.remote(&answered, &answer(1)).unwrap();
    carol.wait_secure(0);
    bob.wait("carol's keys", |end| end.stream(0).outbound.rekeys > 0);
    talk(&carol, &bob, 0, 1);
}

#[test]
fn a_transfer_to_a_phone_of_another_method_is_secured_by_that_one() {
    for first in ["sdes", "dtls", "zrtp"] {
        for second in ["sdes", "dtls", "zrtp"].into_iter().filter(|second| *second != first) {
            let all = config(&[("fallback", "reject"), ("sdes_signalling", "any")]);
            let (alice, bob) = (End::new("alice", only(first, "reject")), End::new("bob", all));
            exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
            bob.wait_secure(0);
            let carol = End::new("carol", only(second, "reject"));
            let offered = carol.local(&[AUDIO], &offer(1)).unwrap();
            bob.remote(&offered, &offer(2)).unwrap();
            let answered = bob.local(&[AUDIO], &answer(2)).unwrap();
            carol.remote(&answered, &answer(1)).unwrap();
            carol.wait_secure(0);
            bob.wait("carol's keys", |end| end.stream(0).outbound.rekeys > 0);
            carol.wait("RTCP's keys", |end| end.stream(0).rtcp_state == State::Secure);
            bob.wait("RTCP's keys", |end| end.stream(0).rtcp_state == State::Secure);
            talk(&carol, &bob, 0, 1);
        }
    }
}

#[test]
fn another_zrtp_phone_behind_the_same_call_has_a_sas_of_its_own() {
    let (alice, bob) = pair_of("zrtp", "reject");
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    bob.wait_secure(0);
    let sas = bob.stream(0).zrtp.unwrap().sas.to_string();
    let carol = End::new("carol", only("zrtp", "reject"));
    let offered = carol.local(&[AUDIO], &offer(1)).unwrap();
    bob.remote(&offered, &offer(2)).unwrap();
    let answered = bob.local(&[AUDIO], &answer(2)).unwrap();
    carol.remote(&answered, &answer(1)).unwrap();
    carol.wait_secure(0);
    bob.wait("carol's SAS", |end| {
        end.stream(0)
            .zrtp
            .is_some_and(|zrtp| zrtp.sas.to_string() == carol.stream(0).zrtp.unwrap().sas.to_string())
    });
    assert_ne!(bob.stream(0).zrtp.unwrap().sas.to_string(), sas, "another secret");
    talk(&carol, &bob, 0, 1);
}

#[test]
fn a_declined_line_has_no_stream_and_gives_its_port_back_and_may_come_again_with_other_keys() {
    let (alice, bob) = pair_of("sdes", "reject");
    let declined = "m=video 0 RTP/AVP 96\r\n";
    let call = exchange(&alice, &bob, &[AUDIO, VIDEO], &[AUDIO, declined], 1).unwrap();
    assert_eq!(ports(&call.answer_at_pbx)[1], 0);
    for end in [&alice, &bob] {
        assert!(end.line(1).stream.is_none() && end.ports.out.lock().unwrap().len() == 1);
    }
    talk(&alice, &bob, 0, 1);
    let key = |text: &str| {
        let video = text.split_once("m=video").unwrap().1;
        video.split_once("inline:").map(|(_, key)| key[..40].to_owned())
    };
    let second = exchange(&bob, &alice, &[AUDIO, VIDEO], &[AUDIO, VIDEO], 7).unwrap();
    talk(&alice, &bob, 1, 1);
    let third = exchange(&bob, &alice, &[AUDIO, declined], &[AUDIO, declined], 8).unwrap();
    assert!(key(&third.offer).is_none() && alice.line(1).stream.is_none());
    let fourth = exchange(&bob, &alice, &[AUDIO, VIDEO], &[AUDIO, VIDEO], 9).unwrap();
    assert_ne!(key(&fourth.offer), key(&second.offer), "indices begin anew, so must keys");
    assert_ne!(key(&fourth.answer), key(&second.answer));
    talk(&alice, &bob, 1, 1);
    talk(&alice, &bob, 0, 200);
}

#[test]
fn all_ports_come_back_at_the_end_of_a_call_in_any_state() {
    for stage in 0..4 {
        let (alice, bob) = pair_of("dtls", "reject");
        let offered = alice.local(&[AUDIO, VIDEO], &offer(1)).unwrap();
        if stage > 0 {
            bob.remote(&offered, &offer(1)).unwrap();
        }
        if stage > 1 {
            let answered = bob.local(&[AUDIO, VIDEO], &answer(1)).unwrap();
            alice.remote(&answered, &answer(1)).unwrap();
        }
        if stage > 2 {
            bob.wait_secure(0);
        }
        let ports = [alice.ports.clone(), bob.ports.clone()];
        drop((alice, bob));
        for ports in ports {
            assert!(ports.out.lock().unwrap().is_empty(), "stage {stage}");
        }
    }
}

#[test]
fn a_port_that_somebody_has_bound_is_passed_over_and_without_any_the_offer_fails_whole() {
    let (alice, bob) = pair_of("sdes", "reject");
    for _ in 0..3 {
        let [socket, _] = pair(alice.ip);
        alice.ports.taken.lock().unwrap().push(socket);
    }
    *alice.ports.left.lock().unwrap() = Some(4);
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    assert_eq!(alice.ports.out.lock().unwrap().len(), 1);
    let refused = alice.local(&[AUDIO, VIDEO], &offer(2));
    assert!(matches!(refused, Err(Refusal::System(why)) if why.contains("no RTP port is left")));
    talk(&alice, &bob, 0, 1);
}

#[test]
fn the_same_description_again_gives_the_same_text_and_leaves_the_call_alone() {
    for method in ["sdes", "dtls", "zrtp"] {
        let (alice, bob) = pair_of(method, "reject");
        let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
        assert_eq!(alice.local(&[AUDIO], &offer(1)).unwrap(), offered);
        let again = alice.local(&[AUDIO], &offer(2)).unwrap();
        assert_eq!(again, offered, "{method}: the INVITE again, with authentication");
        let seen = bob.remote(&again, &offer(2)).unwrap();
        assert_eq!(bob.remote(&again, &offer(2)).unwrap(), seen);
        let answered = bob.local(&[AUDIO], &answer(2)).unwrap();
        let heard = alice.remote(&answered, &answer(2)).unwrap();
        // 183, then 200; and a PBX that reads the offer once more meanwhile.
        assert_eq!(bob.remote(&again, &offer(2)).unwrap(), seen);
        assert_eq!(bob.local(&[AUDIO], &answer(2)).unwrap(), answered);
        assert_eq!(alice.remote(&answered, &answer(2)).unwrap(), heard);
        let other_version = |text: &str| text.replace("o=- 1 1", "o=- 1 2");
        let changed = bob.local_text(&other_version(&bob.body(&[AUDIO])), &answer(2)).unwrap();
        assert_eq!(changed, other_version(&answered), "{method}");
        alice.remote(&changed, &answer(2)).unwrap();
        alice.wait_secure(0);
        bob.wait_secure(0);
        talk(&alice, &bob, 0, 1);
        assert_eq!(alice.ports.asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}

#[test]
fn an_offer_taken_again_with_another_number_is_answered_as_that_one() {
    let (alice, bob) = pair_of("sdes", "reject");
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    for cseq in 1..4 {
        bob.remote(&offered, &offer(cseq)).unwrap();
        bob.remote(&offered, &offer(cseq)).unwrap();
    }
    let answered = bob.local(&[AUDIO], &answer(3)).unwrap();
    assert_eq!(answered.matches("a=crypto").count(), 1, "an answer, no offer");
    alice.remote(&answered, &answer(1)).unwrap();
    talk(&alice, &bob, 0, 1);
}

#[test]
fn a_pbx_that_has_its_lines_in_another_order_and_leaves_some_out_still_answers_line_by_line() {
    let (alice, bob) = pair_of("sdes", "reject");
    let fax = "m=image 4004 udptl t38\r\n";
    // Alice has video first; bob's PBX always writes audio first, and knows no T.38.
    let body = alice.body(&[VIDEO, AUDIO]);
    let offered = alice.local_text(&body, &offer(1)).unwrap() + fax;
    bob.remote(&offered, &offer(1)).unwrap();
    let answered = bob.local(&[AUDIO, VIDEO], &answer(1)).unwrap();
    let kinds = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&answered), ["video", "audio", "image"]);
    assert!(answered.contains("m=image 0 udptl t38\r\n"));
    let call = alice.remote(&answered.replace("m=image 0 udptl t38\r\n", ""), &answer(1)).unwrap();
    assert_eq!(kinds(&call), ["video", "audio"]);
    // Its own re-INVITE keeps the places, though audio comes first in what it says.
    let again = bob.local(&[AUDIO, VIDEO], &offer(2)).unwrap();
    assert_eq!(kinds(&again), ["video", "audio", "image"]);
    assert_eq!(bob.stream(0).outer_port, ports(&again)[0]);
    let alone = bob.local(&[AUDIO], &offer(3)).unwrap();
    assert_eq!((kinds(&alone), ports(&alone)[0], ports(&alone)[2]), (kinds(&again), 0, 0));
}

#[test]
fn lines_that_are_not_rtp_are_declined_where_nothing_clear_may_pass() {
    let fax = "m=image 4004 udptl t38\r\na=T38FaxVersion:0\r\n";
    let (alice, bob) =
        (End::new("alice", config(&[("sdes_signalling", "any")])), End::new("bob", only("sdes", "reject")));
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap() + fax;
    let seen = bob.remote(&offered, &offer(1)).unwrap();
    assert!(seen.contains("m=image 0 udptl t38\r\na=T38FaxVersion:0\r\n"), "{seen}");
    bob.local(&[AUDIO, "m=image 0 udptl t38\r\n"], &answer(1)).unwrap();
    let refused = bob.local(&[AUDIO, fax], &offer(2));
    assert!(matches!(refused, Err(Refusal::Policy(why)) if why.contains("T.38")));
    assert!(bob.leg.explain().contains("declined"));

    let carol = End::new("carol", only("sdes", "rtp"));
    let seen = carol.remote(&offered, &offer(1)).unwrap();
    assert!(
        seen.ends_with(fax) && seen.contains("c=IN IP4 127.0.0.1\r\nt=0 0"),
        "left alone, with the peer's address: {seen}"
    );
    // Once the call is secured it is not taken back by a fax.
    carol.local(&[AUDIO, "m=image 0 udptl t38\r\n"], &answer(1)).unwrap();
    assert!(matches!(carol.local(&[fax], &offer(2)), Err(Refusal::Policy(_))));
}

#[test]
fn ice_and_bundle_are_taken_out_of_both_texts() {
    let (alice, bob) = pair_of("dtls", "reject");
    let browser = "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.9 5000 typ host\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=ice-options:trickle\r\n\
                   a=end-of-candidates\r\na=rtcp:5555 IN IP4 192.0.2.9\r\na=rtcp-mux\r\n";
    let body = alice
        .body(&[&format!("{AUDIO}{browser}")])
        .replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\na=tool:x\r\n");
    let ours = alice.local_text(&body, &offer(1)).unwrap();
    for transport in ["candidate", "ice-", "BUNDLE", "a=rtcp:"] {
        assert!(!ours.contains(transport), "{transport} in {ours}");
    }
    assert!(ours.contains("a=tool:x\r\n") && ours.contains("a=rtcp-mux\r\n") && ours.contains("a=mid:0\r\n"));
    let seen = bob
        .remote(&ours.replace("a=tool:x\r\n", "a=group:BUNDLE 0\r\na=ice-ufrag:x\r\n"), &offer(1))
        .unwrap();
    assert_clear(&seen);
}

#[test]
fn savp_with_a_fingerprint_alone_is_udp_tls_where_the_stack_prints_it_so() {
    let alice = End::new("alice", only("dtls", "reject"));
    let bob =
        End::at("bob", only("dtls", "reject"), "127.0.0.1", |terms| terms.savp_fingerprint_is_udp_tls = true);
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    assert!(offered.contains("UDP/TLS/RTP/SAVP "));
    bob.remote(&offered.replace("UDP/TLS/RTP/SAVP ", "RTP/SAVP "), &offer(1)).unwrap();
    let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
    assert!(answered.contains("UDP/TLS/RTP/SAVP "), "{answered}");
    alice.remote(&answered, &answer(1)).unwrap();
    alice.wait_secure(0);
    bob.wait_secure(0);
    talk(&alice, &bob, 0, 1);
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let (alice, bob) = pair_of("sdes", "reject");
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    let rtcp = UdpSocket::bind("127.0.0.1:0").unwrap();
    rtcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = rtcp.local_addr().unwrap().port();
    bob.remote(&format!("{offered}a=rtcp:{at} IN IP4 127.0.0.1\r\n"), &offer(1)).unwrap();
    bob.local(&[AUDIO], &answer(1)).unwrap();
    bob.send_rtcp(0);
    let mut buffer = [0; 200];
    let (len, from) = rtcp.recv_from(&mut buffer).unwrap();
    assert!(len > 8 + 4 + 10, "SRTCP");
    assert_eq!(from.port(), bob.stream(0).outer_port + 1);
}

#[test]
fn a_line_of_another_address_family_or_a_name_is_refused_with_the_reason() {
    let (alice, bob) = pair_of("sdes", "reject");
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    for (host, reason) in [
        ("c=IN IP6 2001:db8::1", "IPv4"),
        ("c=IN IP4 phone.example.org", "phone.example.org"),
        ("c=IN IP4 233.252.0.1", "multicast"),
        ("b=AS:64", "no c= line"),
    ] {
        let refused = bob.remote(&offered.replace("c=IN IP4 127.0.0.1", host), &offer(1));
        assert!(matches!(&refused, Err(Refusal::Sdp(why)) if why.contains(reason)), "{host}: {refused:?}");
    }
    assert!(bob.ports.out.lock().unwrap().is_empty());
}

#[test]
fn an_answer_that_takes_the_security_away_is_refused_and_the_call_goes_on_as_it_was() {
    let (alice, bob) = pair_of("sdes", "rtp");
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    talk(&alice, &bob, 0, 1);
    alice.local(&[AUDIO], &offer(2)).unwrap();
    let clear = bob.body(&[AUDIO]).replace(&bob.port(0).to_string(), &bob.stream(0).outer_port.to_string());
    assert!(matches!(alice.remote(&clear, &answer(2)), Err(Refusal::Policy(_))));
    assert_eq!(alice.stream(0).state, State::Secure);
    talk(&alice, &bob, 0, 100);
}

#[test]
fn security_demanded_in_mid_call_holds_for_lines_to_come() {
    let alice = End::new("alice", only("sdes", "rtp"));
    let clear = End::new("carol", only("dtls", "rtp"));
    exchange(&alice, &clear, &[AUDIO], &[AUDIO], 1).unwrap();
    talk(&alice, &clear, 0, 1);
    alice.leg.demand_security();
    silent(&alice, &clear, 0);
    silent(&clear, &alice, 0);
    let lines = [AUDIO, VIDEO];
    let _ = exchange(&alice, &clear, &lines, &lines, 2);
    assert_eq!((alice.stream(0).state, alice.stream(1).state), (State::Block, State::Block));
}

#[test]
fn a_line_says_what_it_has_come_to() {
    let (alice, bob) = pair_of("dtls", "reject");
    let call =
        exchange(&alice, &bob, &[AUDIO, "m=video 0 RTP/AVP 96\r\n"], &[AUDIO, "m=video 0 RTP/AVP 96\r\n"], 1)
            .unwrap();
    bob.wait_secure(0);
    let audio = bob.stream(0);
    assert_eq!(audio.peer.map(|peer| peer.port()), Some(ports(&call.offer)[0]));
    assert_eq!(&*bob.line(0).media, "audio");
    assert_eq!(audio.dtls.map(|secured| secured.component), Some(Component::Rtp));
    assert!(bob.line(1).stream.is_none() && bob.leg.line(2).is_none());
    assert_eq!(bob.leg.lines().len(), 2);
    assert!(bob.leg.explain().contains("offer from the peer"));
    // The keys are there before the relay's thread tells of them.
    bob.wait("explanation", |bob| bob.leg.explain().contains("secured by DTLS-SRTP"));
    assert_eq!(audio.method, Applied::Dtls);
}

#[test]
fn lines_beyond_the_bound_are_declined_before_anything_is_opened_for_them() {
    let bob = End::new("bob", only("sdes", "rtp"));
    let many: String = (0..60).map(|n| format!("m=audio {} RTP/AVP 0\r\n", 4000 + 2 * n)).collect();
    let seen = bob.remote(&(bob.body(&[]) + &many), &offer(1)).unwrap();
    let open = ports(&seen).into_iter().filter(|port| *port != 0).count();
    assert_eq!((open, bob.ports.out.lock().unwrap().len()), (MAX_STREAMS, MAX_STREAMS));
}

#[test]
fn offers_that_nobody_answers_open_no_streams_beyond_the_bound() {
    let bob = End::new("bob", only("sdes", "rtp"));
    for first in [0, 20, 40] {
        let line = |n: u32| {
            let port = if (first..first + 20).contains(&n) { 4000 + 2 * n } else { 0 };
            format!("m=audio {port} RTP/AVP 0\r\n")
        };
        let many: String = (0..60).map(line).collect();
        bob.remote(&(bob.body(&[]) + &many), &offer(1 + first)).unwrap();
        assert_eq!(bob.ports.out.lock().unwrap().len(), MAX_STREAMS);
    }
    bob.remote(&bob.body(&[AUDIO]), &offer(100)).unwrap();
    bob.local(&[AUDIO], &answer(100)).unwrap();
    assert_eq!(bob.ports.out.lock().unwrap().len(), 1);
}

#[test]
fn a_second_answer_opens_no_line_that_the_first_one_declined() {
    for (method, fallback) in [("sdes", "reject"), ("dtls", "reject"), ("zrtp", "reject"), ("zrtp", "rtp")] {
        let (alice, bob) = pair_of(method, fallback);
        let offered = alice.local(&[AUDIO, VIDEO], &offer(1)).unwrap();
        bob.remote(&offered, &offer(1)).unwrap();
        for said in [&[AUDIO, "m=video 0 RTP/AVP 96\r\n"], &[AUDIO, VIDEO]] {
            let answered = bob.local(said, &answer(1)).unwrap();
            assert!(ports(&answered)[0] != 0 && ports(&answered)[1] == 0, "{answered}");
        }
        // The next offer has it again.
        exchange(&alice, &bob, &[AUDIO, VIDEO], &[AUDIO, VIDEO], 2).unwrap();
        bob.wait_secure(1);
        talk(&alice, &bob, 1, 10);
    }
}
