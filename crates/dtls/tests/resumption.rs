//! The second handshake of a media stream resumes the session of the first, and no other association's. The peers are
//! OpenSSL itself, in this process and as `s_client` and `s_server`, and ours.

mod common;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use common::peer::{Files, Process, exported, free_address, run, socket};
use common::{Kind, Pair, Side, Told, address, pem};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    ShutdownState, Ssl, SslContext, SslMethod, SslOptions, SslRef, SslSession, SslSessionRef, SslStream,
    SslVerifyMode,
};
use openssl::x509::X509;
use sealrtp_dtls::{Association, Config, CookieExchange, Failure, MAX_SESSIONS, Resumption, Role};

#[derive(Debug, Default)]
struct Queues {
    inbound: VecDeque<Vec<u8>>,
    outbound: VecDeque<Vec<u8>>,
}

impl Read for Queues {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Queues {
    fn write(&mut self, datagram: &[u8]) -> std::io::Result<usize> {
        self.outbound.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// SSL_OP_NO_EXTENDED_MASTER_SECRET of OpenSSL 3.
const NO_EXTENDED_MASTER_SECRET: SslOptions = SslOptions::from_bits_retain(1);

fn openssl_client(profile: Option<&str>, options: SslOptions) -> SslContext {
    let pem = pem(Kind::Ec);
    let mut context = SslContext::builder(SslMethod::dtls()).unwrap();
    context.set_options(SslOptions::NO_QUERY_MTU | options);
    context.set_certificate(&X509::from_pem(&pem.certificate).unwrap()).unwrap();
    context.set_private_key(&PKey::private_key_from_pem(&pem.key).unwrap()).unwrap();
    if let Some(profile) = profile {
        context.set_tlsext_use_srtp(profile).unwrap();
    }
    context.set_verify(SslVerifyMode::NONE);
    context.build()
}

const GCM: Option<&str> = Some("SRTP_AEAD_AES_256_GCM");

struct Outcome {
    server: Told,
    session: Option<SslSession>,
    reused: bool,
    exported: Vec<u8>,
}

/// One handshake of OpenSSL's client with ours, with the session to resume.
fn handshake(context: &SslContext, session: Option<&SslSession>, mut server: Association) -> Outcome {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_mtu(1200).unwrap();
    ssl.set_connect_state();
    if let Some(session) = session {
        // SAFETY: the session was made under a context that keeps no cache, which is all that OpenSSL asks for.
        unsafe { ssl.set_session(session).unwrap() };
    }
    let mut client = SslStream::new(ssl, Queues::default()).unwrap();
    let mut told = Told::default();
    let mut done = false;
    for _ in 0..10 {
        done |= client.do_handshake().is_ok();
        while let Some(datagram) = client.get_mut().outbound.pop_front() {
            server.receive(&datagram, address(1), Instant::now());
        }
        while let Some(out) = server.poll_transmit() {
            client.get_mut().inbound.push_back(out.datagram);
        }
        told.hear(&mut server);
    }
    let mut keys = vec![0; 88];
    if done {
        client.ssl().export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None).unwrap();
    }
    // OpenSSL forgets the session of a connection that goes without having been shut down.
    client.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
    Outcome {
        server: told,
        session: client.ssl().session().map(ToOwned::to_owned),
        reused: client.ssl().session_reused(),
        exported: keys,
    }
}

fn resumption(cookies: CookieExchange) -> Resumption {
    let side = Side::new(Config { cookies, ..Config::default() });
    Resumption::new(&side.context(), Side::of(Config::default(), Kind::Ec).fingerprints())
}

fn server(resumption: &Resumption) -> Association {
    Association::resuming(resumption, Role::Server, Instant::now()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[test]
fn the_second_handshake_resumes_the_first_and_has_keys_of_its_own() {
    for cookies in [CookieExchange::Required, CookieExchange::UnknownSources, CookieExchange::Skipped] {
        let resumption = resumption(cookies);
        let client = openssl_client(GCM, SslOptions::empty());
        // Both associations wait from the beginning, as RTP's and RTCP's do.
        let (rtp, rtcp) = (server(&resumption), server(&resumption));
        let first = handshake(&client, None, rtp);
        let second = handshake(&client, first.session.as_ref(), rtcp);
        let (a, b) = (first.server.keys(), second.server.keys());
        assert_eq!((a.resumed, b.resumed, second.reused), (false, true, true), "{cookies:?}");
        assert_eq!(exported(b, Role::Server), hex(&second.exported));
        assert!(!a.inbound.same_as(&b.inbound) && !a.outbound.same_as(&b.outbound));
        assert!(b.extended_master_secret);
        assert_eq!((a.remote_fingerprint, a.suite), (b.remote_fingerprint, b.suite));
    }
}

#[test]
fn a_session_of_another_stream_or_one_before_keys_gets_a_full_handshake() {
    let client = openssl_client(GCM, SslOptions::empty());
    let (ours, other) = (resumption(CookieExchange::Skipped), resumption(CookieExchange::Skipped));
    let first = handshake(&client, None, server(&other));
    let second = handshake(&client, first.session.as_ref(), server(&ours));
    assert!(!second.server.keys().resumed && !second.reused);
    // An association without resumption gives out no session to resume at all.
    let side = Side::new(Config { cookies: CookieExchange::Skipped, ..Config::default() });
    let known = Side::of(Config::default(), Kind::Ec).fingerprints();
    let plain = || Association::new(&side.context(), Role::Server, known.clone(), Instant::now()).unwrap();
    let first = handshake(&client, None, plain());
    first.server.keys();
    let second = handshake(&client, first.session.as_ref(), plain());
    assert!(!second.server.keys().resumed);
}

#[test]
fn a_resumed_handshake_without_a_profile_or_an_extended_master_secret_fails() {
    let resumption = resumption(CookieExchange::Skipped);
    let first = handshake(&openssl_client(GCM, SslOptions::empty()), None, server(&resumption));
    first.server.keys();
    let session = first.session.as_ref();
    let without = handshake(&openssl_client(None, SslOptions::empty()), session, server(&resumption));
    assert_eq!(without.server.failure(), &Failure::NoCommonProfile);
    let other = openssl_client(Some("SRTP_AEAD_AES_128_GCM"), SslOptions::empty());
    let other = handshake(&other, session, server(&resumption));
    assert_eq!(other.server.keys().suite, sealrtp_srtp::Suite::AeadAes128Gcm, "agreed on anew");
    let without = handshake(&openssl_client(GCM, NO_EXTENDED_MASTER_SECRET), session, server(&resumption));
    assert!(matches!(without.server.failure(), Failure::Handshake(_)), "{:?}", without.server.failed);
}

#[test]
fn a_failed_handshake_leaves_nothing_to_resume() {
    let side = Side::new(Config { cookies: CookieExchange::Skipped, ..Config::default() });
    let wrong = Resumption::new(&side.context(), side.fingerprints());
    let client = openssl_client(GCM, SslOptions::empty());
    let first = handshake(&client, None, server(&wrong));
    assert!(matches!(first.server.failure(), Failure::FingerprintMismatch { .. }));
    let second = handshake(&client, first.session.as_ref(), server(&wrong));
    assert!(matches!(second.server.failure(), Failure::FingerprintMismatch { .. }));
    assert!(!second.reused);
}

#[test]
fn sessions_are_few_and_cost_nothing_before_they_are_needed() {
    let resumption = resumption(CookieExchange::Skipped);
    assert!(resumption.memory_bytes() < 1024);
    let client = openssl_client(GCM, SslOptions::empty());
    let sessions: Vec<_> = (0..MAX_SESSIONS + 2)
        .map(|_| handshake(&client, None, server(&resumption)).session.unwrap())
        .collect();
    assert!(handshake(&client, sessions.last(), server(&resumption)).server.keys().resumed);
    assert!(!handshake(&client, sessions.first(), server(&resumption)).server.keys().resumed);
    assert!(resumption.memory_bytes() < 32 * 1024);
}

/// What a user of the crate brings for its clients.
fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: called with sessions that are in no context's cache.
    unsafe { ssl.set_session(session) }
}

/// Two associations of one stream after each other, both ends ours.
fn twice(client: &Resumption, server: &Resumption) -> [(Told, Told); 2] {
    [(); 2].map(|()| {
        let now = Instant::now();
        let mut pair = Pair {
            client: Association::resuming(client, Role::Client, now).unwrap(),
            server: Association::resuming(server, Role::Server, now).unwrap(),
            now,
        };
        pair.settle();
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        assert!(client.keys().outbound.same_as(&server.keys().inbound));
        assert!(client.keys().inbound.same_as(&server.keys().outbound));
        assert_eq!(client.keys().resumed, server.keys().resumed);
        for side in [&pair.client, &pair.server] {
            assert!(side.memory_bytes() < 4096, "{} bytes", side.memory_bytes());
        }
        (client, server)
    })
}

#[test]
fn our_own_client_resumes_where_it_may_and_has_other_keys_each_time() {
    let side = Side::new(Config::default());
    let server = Resumption::new(&side.context(), side.fingerprints());
    let client = Resumption::for_clients(&side.context(), side.fingerprints(), set_session);
    let [first, second] = twice(&client, &server);
    assert_eq!((first.0.keys().resumed, second.0.keys().resumed), (false, true));
    assert!(!first.0.keys().outbound.same_as(&second.0.keys().outbound));
    assert_eq!(second.0.keys().remote_fingerprint, first.0.keys().remote_fingerprint);
    assert!(second.0.keys().extended_master_secret && second.1.keys().extended_master_secret);
    assert!(client.memory_bytes() < 8 * 1024);
}

#[test]
fn a_client_makes_a_full_handshake_where_it_may_not_resume_or_the_server_does_not() {
    let side = Side::new(Config::default());
    let new = || Resumption::new(&side.context(), side.fingerprints());
    let [first, second] = twice(&new(), &new());
    assert!(!first.0.keys().resumed && !second.0.keys().resumed);
    let client = Resumption::for_clients(&side.context(), side.fingerprints(), set_session);
    for _ in 0..2 {
        // A server of another stream each time: it knows none of the client's sessions.
        let pair = &mut Pair::new(&side, &side);
        pair.client = Association::resuming(&client, Role::Client, pair.now).unwrap();
        pair.settle();
        let (client, server) = (Told::of(&mut pair.client), Told::of(&mut pair.server));
        assert!(client.keys().outbound.same_as(&server.keys().inbound));
        assert!(!client.keys().resumed && !server.keys().resumed);
    }
}

#[test]
fn a_session_is_offered_to_the_peer_of_the_same_fingerprints_alone() {
    let side = Side::new(Config::default());
    let other = Side::of(Config::default(), Kind::Ec);
    let server = Resumption::new(&side.context(), side.fingerprints());
    let client = Resumption::for_clients(&side.context(), side.fingerprints(), set_session);
    twice(&client, &server);
    // Another stream's client, with another peer: nothing is shared with the first.
    let elsewhere = Resumption::for_clients(&side.context(), other.fingerprints(), set_session);
    let now = Instant::now();
    let mut pair = Pair {
        client: Association::resuming(&elsewhere, Role::Client, now).unwrap(),
        server: Association::resuming(&server, Role::Server, now).unwrap(),
        now,
    };
    pair.settle();
    assert!(matches!(Told::of(&mut pair.client).failure(), Failure::FingerprintMismatch { .. }));
}

#[test]
fn a_client_whose_last_flight_was_lost_sends_it_again() {
    let side = Side::new(Config { cookies: CookieExchange::Skipped, ..Config::default() });
    let server = Resumption::new(&side.context(), side.fingerprints());
    let client = Resumption::for_clients(&side.context(), side.fingerprints(), set_session);
    twice(&client, &server);
    let now = Instant::now();
    let mut pair = Pair {
        client: Association::resuming(&client, Role::Client, now).unwrap(),
        server: Association::resuming(&server, Role::Server, now).unwrap(),
        now,
    };
    let hello = pair.client.poll_transmit().unwrap().datagram;
    pair.server.receive(&hello, address(1), now);
    let flight: Vec<_> = std::iter::from_fn(|| pair.server.poll_transmit()).collect();
    for out in &flight {
        pair.client.receive(&out.datagram, address(2), now);
    }
    assert!(Told::of(&mut pair.client).keys().resumed);
    let lost: Vec<_> = std::iter::from_fn(|| pair.client.poll_transmit()).collect();
    assert!(!lost.is_empty());
    let later = now + Duration::from_secs(1);
    for out in &flight {
        pair.client.receive(&out.datagram, address(2), later);
    }
    assert_eq!(std::iter::from_fn(|| pair.client.poll_transmit()).collect::<Vec<_>>(), lost);
    for out in lost {
        pair.server.receive(&out.datagram, address(1), later);
    }
    assert!(Told::of(&mut pair.server).keys().resumed);
}

#[test]
fn our_client_resumes_with_s_server_and_exports_what_it_exports() {
    let files = Files::new(Kind::Ec);
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let address = free_address().to_string();
    #[rustfmt::skip]
    let mut process = Process::start("openssl", &[
        "s_server", "-dtls1_2", "-accept", &address, "-cert", &cert, "-key", &key, "-Verify", "1", "-no_ticket",
        "-use_srtp", "SRTP_AEAD_AES_256_GCM", "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "88",
    ]);
    process.line("ACCEPT");
    let side = Side::new(Config::default());
    let known = Side::of(Config::default(), Kind::Ec).fingerprints();
    let resumption = Resumption::for_clients(&side.context(), known, set_session);
    for resumed in [false, true] {
        let socket = socket();
        socket.connect(&address).unwrap();
        let mut association = Association::resuming(&resumption, Role::Client, Instant::now()).unwrap();
        let told = run(&mut association, &socket);
        assert_eq!(told.keys().resumed, resumed);
        assert_eq!(process.line("Keying material: "), exported(told.keys(), Role::Client));
        // s_server takes the next client once this one has closed.
        association.close();
        while let Some(out) = association.poll_transmit() {
            socket.send(&out.datagram).unwrap();
        }
    }
}

#[test]
fn s_client_resumes_and_exports_what_our_server_exports() {
    let files = Files::new(Kind::Ec);
    let (cert, key, session) = (files.path("cert.pem"), files.path("key.pem"), files.path("session.pem"));
    for cookies in [CookieExchange::Required, CookieExchange::Skipped] {
        let resumption = resumption(cookies);
        for (which, option) in [(false, "-sess_out"), (true, "-sess_in")] {
            let socket = socket();
            let address = socket.local_addr().unwrap().to_string();
            #[rustfmt::skip]
            let mut process = Process::start("openssl", &[
                "s_client", "-dtls1_2", "-connect", &address, "-cert", &cert, "-key", &key, option, &session,
                "-use_srtp", "SRTP_AEAD_AES_256_GCM", "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "88",
            ]);
            let mut association = server(&resumption);
            let told = run(&mut association, &socket);
            assert_eq!(told.keys().resumed, which, "{cookies:?}");
            let theirs = process.line_to("Keying material: ", &mut association, &socket);
            assert_eq!(theirs, exported(told.keys(), Role::Server));
        }
    }
}
