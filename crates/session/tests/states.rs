//! BYPASS, BLOCK and SECURE: what passes when.

mod common;

use std::time::Instant;

use common::{RTCP_LEN, RTP_LEN, keys, rtcp, rtp};
use proptest::prelude::*;
use sealrtp_session::{Component, Event, Kind, Received, Refusal, Session, State, Way, WithoutKeys};
use sealrtp_srtp::{Limits, UnprotectError};

fn states(session: &Session) -> [State; 2] {
    let states = Component::BOTH.map(|component| session.state(component));
    assert_eq!(states, Component::BOTH.map(|component| session.counters().state(component)));
    states
}

#[test]
fn block_passes_nothing_and_counts_it() {
    let mut session = Session::new(Limits::default(), WithoutKeys::Block);
    assert_eq!(states(&session), [State::Block; 2]);
    assert_eq!(session.protect_rtp(&mut rtp(1), RTP_LEN), Err(Refusal::NoKeys));
    assert_eq!(session.protect_rtcp(&mut rtcp(), RTCP_LEN), Err(Refusal::NoKeys));
    assert_eq!(session.unprotect_rtp(&mut rtp(1)[..RTP_LEN]), Err(Refusal::NoKeys));
    assert_eq!(session.unprotect_rtcp(&mut rtcp()[..RTCP_LEN]), Err(Refusal::NoKeys));
    let from = "192.0.2.1:4000".parse().unwrap();
    let received = session.receive(Component::Rtp, &mut rtp(1)[..RTP_LEN], from, Instant::now());
    assert_eq!(received, Received::Refused(Refusal::NoKeys));
    assert_eq!((session.counters().inbound().refused, session.counters().outbound().refused), (3, 2));
}

#[test]
fn bypass_passes_media_as_it_is_and_counts_it() {
    let mut session = Session::new(Limits::default(), WithoutKeys::Pass);
    assert_eq!(states(&session), [State::Bypass; 2]);
    let mut packet = rtp(1);
    assert_eq!(session.protect_rtp(&mut packet, RTP_LEN), Ok(RTP_LEN));
    assert_eq!(session.unprotect_rtp(&mut packet[..RTP_LEN]), Ok(RTP_LEN));
    assert_eq!(packet, rtp(1));
    assert_eq!((session.counters().inbound().clear, session.counters().outbound().clear), (1, 1));
}

#[test]
fn from_the_first_key_on_nothing_clear_passes_in_either_direction() {
    let mut session = Session::new(Limits::default(), WithoutKeys::Pass);
    session.set_inbound(&keys(1));
    assert_eq!(states(&session), [State::Block; 2]);
    assert_eq!(session.protect_rtp(&mut rtp(1), RTP_LEN), Err(Refusal::NoKeys));
    let refused = session.unprotect_rtp(&mut rtp(1)[..RTP_LEN]);
    assert_eq!(refused, Err(Refusal::Unprotect(UnprotectError::AuthFailed)));
    session.set_outbound(&keys(2));
    assert_eq!(states(&session), [State::Secure; 2]);
}

#[test]
fn a_demand_for_security_cannot_be_taken_back_and_keys_that_are_there_stay() {
    let mut session = Session::new(Limits::default(), WithoutKeys::Pass);
    session.demand_security();
    assert_eq!(states(&session), [State::Block; 2]);
    session.dtls_stop();
    assert_eq!(states(&session), [State::Block; 2]);
    session.set_inbound(&keys(1));
    session.set_outbound(&keys(2));
    session.demand_security();
    assert_eq!(states(&session), [State::Secure; 2]);
    session.close();
    assert_eq!(states(&session), [State::Block; 2]);
}

#[test]
fn keys_from_outside_serve_rtp_and_rtcp_on_either_transport() {
    let (mut one, mut other) = (
        Session::new(Limits::default(), WithoutKeys::Block),
        Session::new(Limits::default(), WithoutKeys::Block),
    );
    for (session, inbound, outbound) in [(&mut one, 1, 2), (&mut other, 2, 1)] {
        session.set_inbound(&keys(inbound));
        session.set_outbound(&keys(outbound));
    }
    let from = "192.0.2.1:4000".parse().unwrap();
    for component in Component::BOTH {
        let mut packet = rtcp();
        let len = one.protect_rtcp(&mut packet, RTCP_LEN).unwrap();
        let received = other.receive(component, &mut packet[..len], from, Instant::now());
        assert_eq!(received, Received::Rtcp(RTCP_LEN));
    }
    let mut packet = rtp(7);
    let len = one.protect_rtp(&mut packet, RTP_LEN).unwrap();
    let received = other.receive(Component::Rtp, &mut packet[..len], from, Instant::now());
    assert_eq!(received, Received::Rtp(RTP_LEN));
    assert_eq!(packet[..RTP_LEN], rtp(7)[..RTP_LEN]);
}

proptest! {
    #[test]
    fn what_is_not_media_is_handed_back_untouched(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut session = Session::new(Limits::default(), WithoutKeys::Pass);
        let mut packet = datagram.clone();
        let from = "192.0.2.1:4000".parse().unwrap();
        let received = session.receive(Component::Rtp, &mut packet, from, Instant::now());
        match Kind::of(&datagram) {
            Kind::Rtp => prop_assert_eq!(received, Received::Rtp(datagram.len())),
            Kind::Rtcp => prop_assert_eq!(received, Received::Rtcp(datagram.len())),
            other => prop_assert_eq!(received, Received::NotOurs(other)),
        }
        prop_assert_eq!(packet, datagram);
    }

    #[test]
    fn whatever_comes_to_a_blocked_session_no_media_comes_out(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40),
    ) {
        let mut session = Session::new(Limits::default(), WithoutKeys::Block);
        let from = "192.0.2.1:4000".parse().unwrap();
        for mut datagram in datagrams {
            let received = session.receive(Component::Rtp, &mut datagram, from, Instant::now());
            prop_assert!(!matches!(received, Received::Rtp(_) | Received::Rtcp(_)));
        }
    }
}

#[test]
fn an_event_of_one_direction_is_told_until_it_is_polled_whatever_the_other_does() {
    let [mut alice, mut bob] = [(); 2].map(|()| Session::new(Limits::default(), WithoutKeys::Block));
    let carry = |from: &mut Session, to: &mut Session, seq| {
        let mut packet = rtp(seq);
        let len = from.protect_rtp(&mut packet, RTP_LEN).unwrap();
        to.unprotect_rtp(&mut packet[..len]).unwrap();
    };
    bob.set_outbound(&keys(9));
    alice.set_inbound(&keys(9));
    for (seq, number) in [(1, 1), (2, 2)] {
        alice.set_outbound(&keys(number));
        bob.set_inbound(&keys(number));
        assert!(!bob.has_event(), "{number}");
        carry(&mut alice, &mut bob, seq);
        assert_eq!(bob.has_event(), number == 2, "the first packet under other keys is an event");
    }
    carry(&mut bob, &mut alice, 1);
    assert!(bob.has_event() && !alice.has_event());
    assert!(matches!(bob.poll_event(), Some(Event::Srtp { way: Way::Inbound, .. })));
    assert!(!bob.has_event());
    assert!(bob.poll_event().is_none());
    carry(&mut alice, &mut bob, 3);
    assert!(!bob.has_event());
}

#[test]
fn what_a_packet_touches_is_within_the_session() {
    for touched in [Session::TOUCHED_BY_UNPROTECT, Session::TOUCHED_BY_PROTECT] {
        for range in touched {
            assert!(!range.is_empty() && range.end <= size_of::<Session>(), "{range:?}");
        }
    }
}
