//! The far end is libsrtp on a socket of the test, with DTLS from bare OpenSSL: two ends of our own that share a mistake would
//! agree.

mod common;

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::time::Duration;

use common::{Certificate, Folder, Kind, Peer, at_once, enough};
use openssl::base64::encode_block;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::X509;
use sealrtp_test_libsrtp::{Key, Library, Policy, Session, Ssrc, Suite};
use serde_json::Value;

/// AES-192 is left out: libsrtp derives its keys in a way of its own.
const SUITES: [Suite; 6] = [
    Suite::AeadAes256Gcm,
    Suite::AeadAes128Gcm,
    Suite::AesCm256HmacSha1_80,
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm256HmacSha1_32,
    Suite::AesCm128HmacSha1_32,
];
const PROFILES: [(Suite, &str); 4] = [
    (Suite::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
    (Suite::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
];
const PACKETS: u16 = 50;
const SSRC: u32 = 0x1234_5678;
const ECHO: [&str; 5] = ["--echo", "--duration", "1.2", "--rtcp-interval", "0.2"];

fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    // A loud square wave of 500 Hz, marked with the sequence number.
    packet.extend((0..160).map(|n| if n / 8 % 2 == 0 { 0x90 } else { 0x10 }));
    packet[12] = sequence as u8;
    packet
}

fn session(suite: Suite, key: &[u8], salt: &[u8], ssrc: Ssrc) -> Session {
    let key = Key { key, salt, mki: &[] };
    Session::new(Library::openssl(), &Policy::new(suite, ssrc, &[key])).unwrap()
}

/// Sends packets and a report, and finds the same packets in what comes back, and reports.
fn assert_echo(
    socket: &UdpSocket,
    mut outbound: Session,
    mut inbound: Session,
    mut peer: Peer,
    suite: Suite,
) -> Value {
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    for sequence in 0..=PACKETS {
        let sent = socket.send(&outbound.protected_rtp(&packet(sequence)).unwrap());
        enough(sent.is_ok(), || format!("{suite:?}: packet {sequence}: {sent:?}"));
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut report = [&[0x80, 201, 0, 1][..], &SSRC.to_be_bytes()].concat();
    report.resize(200, 0);
    let len = outbound.protect_rtcp(&mut report, 8).unwrap();
    let sent = socket.send(&report[..len]);
    enough(sent.is_ok(), || format!("{suite:?}: report: {sent:?}"));

    let (mut payloads, mut reports, mut buffer) = (Vec::new(), 0, [0; 2048]);
    loop {
        let over = peer.is_over();
        let len = match socket.recv(&mut buffer) {
            Ok(len) => len,
            Err(_) if over => break,
            Err(_) => continue,
        };
        match buffer[..2] {
            // The close_notify at the end.
            [20..64, _] => {}
            [_, 200] => {
                let len = inbound.unprotect_rtcp(&mut buffer[..len]).unwrap();
                assert!(len > 28, "{suite:?}: a sender report with more behind it");
                reports += 1;
            }
            _ => {
                let len = inbound.unprotect_rtp(&mut buffer[..len]).unwrap();
                payloads.push(buffer[12..len].to_vec());
            }
        }
    }
    let sent: Vec<_> = (0..=PACKETS).map(|sequence| packet(sequence)[12..].to_vec()).collect();
    assert!(sent.starts_with(&payloads), "{suite:?}: {} of {}", payloads.len(), sent.len());
    let all = payloads.len() == sent.len() && reports >= 2;
    enough(all, || format!("{suite:?}: {} packets, {reports} reports", payloads.len()));
    let json = peer.end().ok();
    assert_eq!(json["suite"], suite.name());
    assert_eq!((&json["packets_received"], &json["rtcp_received"]), (&51.into(), &1.into()), "{json}");
    assert_eq!((&json["auth_failures"], &json["packets_lost"]), (&0.into(), &0.into()), "{json}");
    assert_eq!(json["dominant_hz"], 500.0);
    json
}

#[test]
fn libsrtp_gets_its_own_audio_back_from_an_echo_packet_for_packet_and_its_reports_are_understood() {
    at_once(SUITES.to_vec(), |suite| {
        let length = suite.key_len() + suite.salt_len();
        let ours: Vec<u8> = (0..length as u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        let theirs: Vec<u8> = (0..length as u8).map(|n| n.wrapping_mul(91) ^ 0xa5).collect();
        let crypto = |bytes: &[u8]| format!("1 {} inline:{}", suite.name(), encode_block(bytes));
        let (local, remote) = (crypto(&theirs), crypto(&ours));
        let keys = ["--method", "sdes", "--local-crypto", &local, "--remote-crypto", &remote];
        let mut peer = Peer::start(&Folder::new(), &[&keys[..], &ECHO].concat());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(peer.tells("rtp")).unwrap();
        let ((key, salt), (their_key, their_salt)) =
            (ours.split_at(suite.key_len()), theirs.split_at(suite.key_len()));
        let outbound = session(suite, key, salt, Ssrc::AnyOutbound);
        let inbound = session(suite, their_key, their_salt, Ssrc::AnyInbound);
        assert_echo(&socket, outbound, inbound, peer, suite);
    });
}

/// A socket as OpenSSL reads and writes it: one datagram at a time.
#[derive(Debug)]
struct Datagrams(UdpSocket);

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.recv(buffer) {
                // The process was stopped and goes on.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.send(datagram)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn bare_openssl(profile: &str, certificate: &Certificate) -> Ssl {
    let mut context = SslContext::builder(SslMethod::dtls()).unwrap();
    context.set_certificate(&X509::from_pem(&certificate.certificate).unwrap()).unwrap();
    context.set_private_key(&PKey::private_key_from_pem(&certificate.key).unwrap()).unwrap();
    context.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_tlsext_use_srtp(profile).unwrap();
    let mut ssl = Ssl::new(&context.build()).unwrap();
    ssl.set_mtu(1200).unwrap();
    ssl
}

#[test]
fn bare_openssl_and_libsrtp_get_their_audio_back_after_a_dtls_handshake_in_both_roles() {
    let roles = ["client", "server"];
    let all = PROFILES.into_iter().flat_map(|(suite, name)| roles.map(|role| (suite, name, role))).collect();
    at_once(all, |(suite, profile, role): (Suite, &str, &str)| {
        let certificate = Certificate::new(Kind::Rsa);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap().to_string();
        let fingerprint = certificate.fingerprint.as_str();
        let dtls = ["--method", "dtls", "--role", role, "--fingerprint", fingerprint, "--remote", &at];
        let mut peer = Peer::start(&Folder::new(), &[&dtls[..], &ECHO].concat());
        socket.connect(peer.tells("rtp")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();

        let link = Datagrams(socket.try_clone().unwrap());
        let mut stream = SslStream::new(bare_openssl(profile, certificate), link).unwrap();
        if role == "client" {
            stream.accept().unwrap()
        } else {
            stream.connect().unwrap()
        }
        assert_eq!(stream.ssl().selected_srtp_profile().unwrap().name(), profile);
        let (key, salt) = (suite.key_len(), suite.salt_len());
        let mut exported = vec![0; 2 * (key + salt)];
        stream.ssl().export_keying_material(&mut exported, "EXTRACTOR-dtls_srtp", None).unwrap();

        // RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt.
        let (keys, salts) = exported.split_at(2 * key);
        let ((client, server), (client_salt, server_salt)) = (keys.split_at(key), salts.split_at(salt));
        let (client, server) = ((client, client_salt), (server, server_salt));
        let (ours, theirs) = if role == "client" { (server, client) } else { (client, server) };
        let outbound = session(suite, ours.0, ours.1, Ssrc::AnyOutbound);
        let inbound = session(suite, theirs.0, theirs.1, Ssrc::AnyInbound);
        let json = assert_echo(&socket, outbound, inbound, peer, suite);
        assert_eq!((json["role"].as_str(), &json["remote_fingerprint"]), (Some(role), &fingerprint.into()));
    });
}
