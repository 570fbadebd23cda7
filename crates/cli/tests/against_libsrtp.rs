//! The far end is libsrtp on a socket of the test: two ends of our own that share a mistake would agree.

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Folder, Peer, at_once};
use openssl::base64::encode_block;
use sealrtp_test_libsrtp::{Key, Library, Policy, Session, Ssrc, Suite};

/// AES-192 is left out: libsrtp derives its keys in a way of its own.
const SUITES: [Suite; 6] = [
    Suite::AeadAes256Gcm,
    Suite::AeadAes128Gcm,
    Suite::AesCm256HmacSha1_80,
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm256HmacSha1_32,
    Suite::AesCm128HmacSha1_32,
];
const PACKETS: u16 = 50;
const SSRC: u32 = 0x1234_5678;

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

/// An empty receiver report.
fn report() -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &SSRC.to_be_bytes()].concat()
}

fn session(suite: Suite, bytes: &[u8], ssrc: Ssrc) -> Session {
    let (key, salt) = bytes.split_at(suite.key_len());
    let key = Key { key, salt, mki: &[] };
    Session::new(Library::openssl(), &Policy::new(suite, ssrc, &[key])).unwrap()
}

#[test]
fn libsrtp_gets_its_own_audio_back_from_an_echo_packet_for_packet_and_its_reports_are_understood() {
    at_once(SUITES.to_vec(), |suite| {
        let length = suite.key_len() + suite.salt_len();
        let ours: Vec<u8> = (0..length as u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        let theirs: Vec<u8> = (0..length as u8).map(|n| n.wrapping_mul(91) ^ 0xa5).collect();
        let crypto = |bytes: &[u8]| format!("1 {} inline:{}", suite.name(), encode_block(bytes));
        let mut outbound = session(suite, &ours, Ssrc::AnyOutbound);
        let mut inbound = session(suite, &theirs, Ssrc::AnyInbound);
        let (local, remote) = (crypto(&theirs), crypto(&ours));
        #[rustfmt::skip]
        let mut peer = Peer::start(&Folder::new(), &[
            "--method", "sdes", "--local-crypto", &local, "--remote-crypto", &remote, "--echo", "--duration", "0.8",
            "--rtcp-interval", "0.2",
        ]);
        let at = peer.tells("rtp");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(&at).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();

        // The first packet tells our address; those before the end of its handling may be too early for an echo.
        socket.send(&outbound.protected_rtp(&packet(0)).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        for sequence in 1..=PACKETS {
            socket.send(&outbound.protected_rtp(&packet(sequence)).unwrap()).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut report = report();
        report.resize(200, 0);
        let len = outbound.protect_rtcp(&mut report, 8).unwrap();
        socket.send(&report[..len]).unwrap();

        let (mut payloads, mut reports, mut buffer) = (Vec::new(), 0, [0; 2048]);
        let until = Instant::now() + Duration::from_millis(1200);
        while Instant::now() < until {
            let Ok(len) = socket.recv(&mut buffer) else { continue };
            if buffer[1] == 200 {
                let len = inbound.unprotect_rtcp(&mut buffer[..len]).unwrap();
                assert!(len > 28, "{suite:?}: a sender report with more behind it");
                reports += 1;
            } else {
                let len = inbound.unprotect_rtp(&mut buffer[..len]).unwrap();
                payloads.push(buffer[12..len].to_vec());
            }
        }
        let sent: Vec<_> = (1..=PACKETS).map(|sequence| packet(sequence)[12..].to_vec()).collect();
        assert!(payloads.ends_with(&sent), "{suite:?}: {} of {PACKETS}", payloads.len());
        assert!(reports >= 2, "{suite:?}: {reports} reports");
        let json = peer.end().ok();
        assert_eq!(json["suite"], suite.name());
        assert_eq!((&json["packets_received"], &json["rtcp_received"]), (&51.into(), &1.into()), "{json}");
        assert_eq!((&json["auth_failures"], &json["packets_lost"]), (&0.into(), &0.into()), "{json}");
        assert_eq!(json["dominant_hz"], 500.0);
    });
}
