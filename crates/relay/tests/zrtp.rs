//! Whole relays over loopback whose keys come from ZRTP.

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{Call, NEVER, SOON, addresses, next, pair, rtp};
use sealrtp_session::{Component, Event, Kind, Session, State, WithoutKeys};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Config, StreamState};

fn association(number: u8) -> Association {
    Association::new(Arc::new(Config::default()), Zid([number; 12]), None).unwrap()
}

/// ZRTP at both ends; the relay's Hello goes out if `begin`.
fn set_up(call: &Call, begin: bool) {
    call.stream.with(|session, now| {
        session.zrtp_use(&association(1), 1, now).unwrap();
        if begin {
            session.zrtp_start(now);
        }
    });
    let mut far = call.far.lock().unwrap();
    far.zrtp_use(&association(2), 7, Instant::now()).unwrap();
    far.zrtp_start(Instant::now());
}

fn has_keys(session: &mut Session) -> bool {
    session.zrtp_state() == Some(StreamState::Secure)
}

fn is_secure(call: &Call) -> bool {
    call.stream.with(|session, _| session.state(Component::Rtp)) == State::Secure
}

/// Lets both ends hear each other until nothing clear passes any more.
fn change_over(call: &Call, sockets: &[std::net::UdpSocket; 2]) {
    let mut sequence = 1000;
    let end = Instant::now() + SOON;
    loop {
        assert!(Instant::now() < end, "still not secure");
        sockets[0].send_to(&call.protected(&rtp(sequence)), call.outer(Component::Rtp)).unwrap();
        assert_eq!(call.pbx_hears(), Some(rtp(sequence)));
        sequence += 1;
        if is_secure(call) {
            return;
        }
    }
}

#[test]
fn a_clear_call_goes_over_to_secured_media() {
    let call = Call::new(WithoutKeys::Pass);
    call.peer[0].send_to(&rtp(1), call.outer(Component::Rtp)).unwrap();
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    set_up(&call, true);
    call.play(has_keys);
    change_over(&call, &call.peer);
    let event = call.hears_of(|event| matches!(event, Event::ZrtpSecured(_)));
    let Event::ZrtpSecured(secured) = event else { unreachable!() };
    assert_eq!(secured.sas, call.far.lock().unwrap().zrtp_secured().unwrap().sas);
    while next(&call.peer[0], NEVER).is_some() {}
    call.reaches(&call.peer[0], 1);
}

#[test]
fn where_policy_demands_it_nothing_clear_passes_before_and_all_is_secured_after() {
    let call = Call::new(WithoutKeys::Block);
    set_up(&call, true);
    for number in 0..5 {
        call.pbx_sends(&rtp(number));
        call.peer[0].send_to(&rtp(number), call.outer(Component::Rtp)).unwrap();
    }
    call.play(has_keys);
    assert_eq!(next(&call.pbx[0], NEVER), None);
    while let Some(datagram) = next(&call.peer[0], NEVER) {
        assert_eq!(Kind::of(&datagram), Kind::Zrtp);
    }
    change_over(&call, &call.peer);
    call.reaches(&call.peer[0], 1);
}

#[test]
fn a_peer_behind_nat_is_answered_where_it_is_and_gets_media_there() {
    let call = Call::new(WithoutKeys::Block);
    let behind_nat = pair(call.ip);
    set_up(&call, true);
    call.play_from(&behind_nat, has_keys);
    change_over(&call, &behind_nat);
    assert_eq!(call.stream.counters().learned[0], addresses(&behind_nat)[0]);
    while next(&behind_nat[0], NEVER).is_some() {}
    call.reaches(&behind_nat[0], 1);
}

#[test]
fn a_hello_that_a_stranger_repeats_does_not_keep_the_peer_from_its_keys() {
    let call = Call::new(WithoutKeys::Block);
    let stranger = pair(call.ip);
    set_up(&call, true);
    let hello = call.far.lock().unwrap().poll_transmit().expect("a Hello").datagram;
    stranger[0].send_to(&hello, call.outer(Component::Rtp)).unwrap();
    let answer = next(&stranger[0], SOON).expect("an answer where it came from");
    assert_eq!(Kind::of(&answer), Kind::Zrtp);
    call.play(has_keys);
    change_over(&call, &call.peer);
    call.reaches(&call.peer[0], 1);
    assert_eq!(call.stream.counters().learned, [None; 2]);
}

#[test]
fn a_hello_without_answer_is_told_and_a_demanding_policy_stays_silent() {
    let call = Call::new(WithoutKeys::Block);
    call.stream.with(|session, now| {
        session.zrtp_use(&association(1), 1, now).unwrap();
        session.zrtp_start(now);
    });
    call.hears_of(|event| matches!(event, Event::ZrtpNoAnswer));
    let mut hellos = 0;
    while let Some(datagram) = next(&call.peer[0], NEVER) {
        assert_eq!(Kind::of(&datagram), Kind::Zrtp);
        hellos += 1;
    }
    assert!(hellos > 5, "{hellos} Hellos by the session's timer");
    call.pbx_sends(&rtp(1));
    assert_eq!(next(&call.peer[0], NEVER), None);
}
