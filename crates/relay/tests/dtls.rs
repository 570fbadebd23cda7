//! Whole relays over loopback whose keys come from DTLS-SRTP.

mod common;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Instant, SystemTime};

use common::{Call, NEVER, SOON, addresses, next, next_media, pair, rtcp, rtp};
use sealrtp_dtls::{Config, Context, HashFunction, Identity, Role, Setup, Sha1};
use sealrtp_relay::Dropped;
use sealrtp_session::{Component, Event, RtcpTransport, Session, State, WithoutKeys};

fn identity() -> Identity {
    Identity::generate(SystemTime::now()).unwrap()
}

fn fingerprint(identity: &Identity) -> String {
    identity.fingerprint(HashFunction::Sha256).unwrap().to_string()
}

fn use_dtls(session: &mut Session, identity: &Identity, setup: Setup) {
    session.dtls_use(Context::new(Config::default(), identity).unwrap(), setup, Sha1::Refused);
}

/// The far end offers, and wants to be `setup`; the relay answers and both begin.
fn negotiate(call: &Call, setup: Setup, rtcp: RtcpTransport, told: Option<&Identity>) {
    let [ours, theirs] = [identity(), identity()];
    let mut far = call.far.lock().unwrap();
    use_dtls(&mut far, &theirs, setup);
    let offered = far.dtls_local_setup().unwrap();
    call.stream.set_mux(rtcp == RtcpTransport::Muxed);
    let answered = call.stream.with(|session, now| {
        use_dtls(session, &ours, Setup::ActPass);
        session.dtls_remote_setup(offered).unwrap();
        session.dtls_remote_fingerprint(&fingerprint(told.unwrap_or(&theirs))).unwrap();
        let answered = session.dtls_local_setup().unwrap();
        session.dtls_start(rtcp, false, now).unwrap();
        answered
    });
    far.dtls_remote_setup(answered).unwrap();
    far.dtls_remote_fingerprint(&fingerprint(&ours)).unwrap();
    far.dtls_start(rtcp, false, Instant::now()).unwrap();
}

fn is_secure(session: &mut Session) -> bool {
    Component::BOTH.into_iter().all(|component| session.state(component) == State::Secure)
}

fn secured(call: &Call, component: Component) -> Role {
    let event = call.hears_of(|event| matches!(event, Event::Secured(by) if by.component == component));
    let Event::Secured(secured) = event else { unreachable!() };
    secured.role
}

#[test]
fn a_handshake_in_either_role_gives_keys_and_media_flows() {
    for (setup, role) in [(Setup::Active, Role::Server), (Setup::Passive, Role::Client)] {
        let call = Call::new(WithoutKeys::Block);
        negotiate(&call, setup, RtcpTransport::Muxed, None);
        call.play(is_secure);
        assert_eq!(secured(&call, Component::Rtp), role);
        call.peer_sends(&rtp(1));
        assert_eq!(call.pbx_hears(), Some(rtp(1)));
        call.reaches(&call.peer[0], 1);
        call.peer_sends(&rtcp());
        assert_eq!(call.pbx_hears(), Some(rtcp()));
        assert!(call.stream.counters().to_peer.handshake > 0 && call.stream.counters().to_pbx.handshake > 0);
    }
}

#[test]
fn rtcp_without_mux_has_a_handshake_of_its_own() {
    let call = Call::new(WithoutKeys::Block);
    negotiate(&call, Setup::Active, RtcpTransport::Separate, None);
    call.play(is_secure);
    assert_eq!(
        [Component::Rtp, Component::Rtcp].map(|component| secured(&call, component)),
        [Role::Server; 2]
    );
    call.peer[1].send_to(&call.protected(&rtcp()), call.outer(Component::Rtcp)).unwrap();
    assert_eq!(next(&call.pbx[1], SOON), Some(rtcp()));
    call.pbx[1].send_to(&rtcp(), call.inner(Component::Rtcp)).unwrap();
    let packet = next_media(&call.peer[1], SOON).unwrap();
    assert_eq!(call.peer_opens(packet, Component::Rtcp), Some(rtcp()));
}

#[test]
fn a_peer_behind_nat_is_found_by_its_finished_handshake() {
    let call = Call::new(WithoutKeys::Block);
    negotiate(&call, Setup::Active, RtcpTransport::Muxed, None);
    let behind_nat = pair(call.ip);
    call.play_from(&behind_nat, is_secure);
    secured(&call, Component::Rtp);
    assert_eq!(call.stream.counters().learned[0], addresses(&behind_nat)[0]);
    // Before the peer has sent any media.
    call.reaches(&behind_nat[0], 1);
    assert_eq!(next(&call.peer[0], NEVER), None);
}

#[test]
fn a_client_hello_of_a_stranger_moves_nothing() {
    let call = Call::new(WithoutKeys::Block);
    negotiate(&call, Setup::Active, RtcpTransport::Muxed, None);
    let stranger = pair(call.ip);
    let hello = {
        let other = Call::new(WithoutKeys::Block);
        negotiate(&other, Setup::Active, RtcpTransport::Muxed, None);
        let mut far = other.far.lock().unwrap();
        far.poll_transmit().expect("a ClientHello").datagram
    };
    stranger[0].send_to(&hello, call.outer(Component::Rtp)).unwrap();
    assert!(next(&stranger[0], SOON).is_some(), "it is answered where it came from");
    assert_eq!(call.stream.counters().learned, [None; 2]);
    call.play(is_secure);
    call.reaches(&call.peer[0], 1);
}

#[test]
fn another_certificate_than_the_description_names_gets_no_media() {
    for setup in [Setup::Active, Setup::Passive] {
        let call = Call::new(WithoutKeys::Block);
        negotiate(&call, setup, RtcpTransport::Muxed, Some(&identity()));
        let failed = std::cell::Cell::new(false);
        call.play(|_| {
            let events = call.events.try_iter();
            failed.set(failed.get() || events.into_iter().any(|event| matches!(event, Event::Failed { .. })));
            failed.get()
        });
        for number in 0..5 {
            call.pbx_sends(&rtp(number));
            call.peer[0].send_to(&rtp(number), call.outer(Component::Rtp)).unwrap();
        }
        call.waits_for(|counters| counters.to_peer.dropped(Dropped::Refused) == 5);
        assert_eq!(next(&call.pbx[0], NEVER), None);
        assert_eq!(call.stream.counters().to_peer.packets, 0);
    }
}

/// Reads what is there, and says whether any of it is media.
fn hears_media(socket: &UdpSocket) -> bool {
    let mut media = false;
    while let Some(datagram) = next(socket, NEVER) {
        media |= (128..=191).contains(&datagram[0]);
    }
    media
}

#[test]
fn nothing_clear_leaves_before_the_handshake_and_what_comes_early_is_kept() {
    let call = Call::new(WithoutKeys::Pass);
    negotiate(&call, Setup::Passive, RtcpTransport::Separate, None);
    for number in 0..10 {
        call.pbx_sends(&rtp(number));
        call.pbx[1].send_to(&rtcp(), call.inner(Component::Rtcp)).unwrap();
    }
    call.waits_for(|counters| counters.to_peer.dropped(Dropped::Refused) == 20);
    assert!(!hears_media(&call.peer[0]) && !hears_media(&call.peer[1]));
}

#[test]
fn closing_says_goodbye_to_the_peer() {
    let call = Call::of(WithoutKeys::Block, IpAddr::V4(Ipv4Addr::LOCALHOST));
    negotiate(&call, Setup::Active, RtcpTransport::Muxed, None);
    call.play(is_secure);
    while next(&call.peer[0], NEVER).is_some() {}
    let Call { stream, peer, .. } = call;
    stream.close();
    let mut last = next(&peer[0], SOON).expect("a close_notify");
    while let Some(datagram) = next(&peer[0], NEVER) {
        last = datagram;
    }
    assert_eq!(last[0], 21, "the content type of alerts");
}
