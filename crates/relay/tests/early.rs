//! A peer that takes our offer as DTLS client sends its ClientHello before its answer has come to us.

mod common;

use std::time::{Duration, Instant, SystemTime};

use common::{Call, SOON, next};
use sealrtp_dtls::{Config, Context, HashFunction, Identity, Setup, Sha1};
use sealrtp_session::{Component, RtcpTransport, Session, State, WithoutKeys};

fn ready(session: &mut Session, ours: &Identity, wanted: Setup) {
    session.dtls_use(Context::new(Config::default(), ours).unwrap(), wanted, Sha1::Refused);
}

fn told(session: &mut Session, theirs: &Identity, setup: Setup) {
    session.dtls_remote_setup(setup).unwrap();
    session.dtls_remote_fingerprint(&theirs.fingerprint(HashFunction::Sha256).unwrap().to_string()).unwrap();
}

#[test]
fn a_client_hello_that_comes_before_the_answer_begins_the_handshake_without_waiting_for_its_repetition() {
    let call = Call::new(WithoutKeys::Block);
    let [ours, theirs] = [0; 2].map(|_| Identity::generate(SystemTime::now()).unwrap());
    call.stream.set_mux(true);
    {
        let mut far = call.far.lock().unwrap();
        ready(&mut far, &theirs, Setup::Active);
        told(&mut far, &ours, Setup::ActPass);
        assert_eq!(far.dtls_local_setup().unwrap(), Setup::Active);
        far.dtls_start(RtcpTransport::Muxed, false, Instant::now()).unwrap();
        let hello = far.poll_transmit().unwrap();
        call.peer[0].send_to(&hello.datagram, call.outer(Component::Rtp)).unwrap();
    }
    assert_eq!(
        next(&call.peer[0], Duration::from_millis(100)),
        None,
        "answered without an answer of the peer's"
    );
    let began = Instant::now();
    call.stream.with(|session, now| {
        ready(session, &ours, Setup::ActPass);
        assert_eq!(session.dtls_local_setup().unwrap(), Setup::ActPass);
        told(session, &theirs, Setup::Active);
        session.dtls_start(RtcpTransport::Muxed, false, now).unwrap();
    });
    let secured = || call.stream.with(|session, _| session.state(Component::Rtp)) == State::Secure;
    let mut far = call.far.lock().unwrap();
    // The peer's timer never runs: it repeats nothing, and what came early is all that the relay can begin with.
    while far.state(Component::Rtp) != State::Secure || !secured() {
        assert!(began.elapsed() < SOON, "no keys");
        if let Some(mut datagram) = next(&call.peer[0], Duration::from_millis(10)) {
            far.receive(Component::Rtp, &mut datagram, call.outer(Component::Rtp), Instant::now());
        }
        while let Some(out) = far.poll_transmit() {
            call.peer[0].send_to(&out.datagram, call.outer(Component::Rtp)).unwrap();
        }
    }
}

#[test]
fn what_came_early_is_dropped_and_counted_where_the_keys_come_from_sdes() {
    let call = Call::new(WithoutKeys::Block);
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for _ in 0..6 {
        call.peer[0].send_to(&hello, call.outer(Component::Rtp)).unwrap();
    }
    let dropped = || call.stream.counters().to_pbx.dropped(sealrtp_relay::Dropped::NotMedia);
    let end = Instant::now() + SOON;
    while dropped() < 2 {
        assert!(Instant::now() < end, "more is kept than may be");
        std::thread::sleep(Duration::from_millis(1));
    }
    call.key();
    assert_eq!(dropped(), 6);
}
