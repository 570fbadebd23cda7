//! Every exit code, brought about by what it stands for; and what never happens on the way there.

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Certificate, Ended, Folder, KEY_A, KEY_B, KEY_C, Kind, Peer, call, enough, patiently, run};
use serde_json::Value;

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn openssl(folder: &Folder, arguments: &[&str]) -> Self {
        let child = Command::new("openssl")
            .args(arguments)
            .current_dir(folder.path())
            // s_client ends when its input does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NO_ONES: &str =
    "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";
const PROFILE: [&str; 2] = ["-use_srtp", "SRTP_AES128_CM_SHA1_80"];

#[track_caller]
fn assert_no_media(json: &Value) {
    assert_eq!((&json["packets_sent"], &json["packets_received"]), (&0.into(), &0.into()), "{json}");
}

/// Everything that a peer has sent to a socket by its end.
fn overheard(socket: &UdpSocket, peer: &mut Peer) -> Vec<Vec<u8>> {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 2048]);
    loop {
        let over = peer.is_over();
        match socket.recv(&mut buffer) {
            Ok(len) => all.push(buffer[..len].to_vec()),
            Err(_) if over => return all,
            Err(_) => {}
        }
    }
}

/// A socket that takes what comes and answers nothing, and its address.
fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    (socket, at)
}

#[test]
fn exit_2_for_arguments_that_cannot_be_read_without_json() {
    for arguments in [
        &["--tone", "440", "--echo"][..],
        &["--method", "zrtp"],
        &["--suites", "ROT13"],
        &["--duration", "0"],
        &["--offer"],
        &["--level", "3"],
        &["--zrtp", "always"],
        &["--zrtp", "--method", "sdes"],
        &["--zrtp", "--zrtp-hashes", "N256"],
        &["--zrtp-verify"],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn exit_2_for_what_the_arguments_name_with_the_reason_and_never_the_key() {
    let folder = Folder::new();
    folder.write("odd.sdp", "v=0\r\nm=audio 70000 RTP/AVP 0\r\n");
    folder.write("text.wav", "no wav");
    let hash = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=zrtp-hash:1.10 beef\r\n";
    folder.write("hash.sdp", hash);
    let bad_key = KEY_A.replace("WVNf", "WV");
    let sdp = ["--remote-sdp", "odd.sdp"];
    for (arguments, reason) in [
        (&[][..], "--method must name one"),
        (&["--method", "sdes"], "--local-crypto"),
        (&["--method", "sdes", "--local-crypto", &bad_key, "--remote-crypto", KEY_B], "30 bytes"),
        (&["--method", "sdes", "--local-crypto", KEY_A, "--remote-crypto", KEY_A], "both directions"),
        (&["--method", "sdes", "--local-crypto", "@absent", "--remote-crypto", KEY_A], "absent"),
        (&["--method", "dtls", "--fingerprint", NO_ONES], "--role"),
        (&["--method", "dtls", "--role", "server"], "--fingerprint"),
        (&["--method", "dtls", "--role", "client", "--fingerprint", NO_ONES], "--remote"),
        (&["--method", "dtls", "--role", "server", "--fingerprint", "sha-256 AA"], "32 bytes"),
        (
            &["--method", "dtls", "--role", "server", "--fingerprint", NO_ONES, "--cert", "text.wav"],
            "certificate",
        ),
        (&["--method", "dtls", "--role", "server", "--fingerprint", NO_ONES, "--mtu", "9"], "MTU"),
        (&["--method", "none", "--wav", "text.wav"], "text.wav"),
        (&["--method", "none,sdes", sdp[0], sdp[1]], "none only by itself"),
        (&["--bind", "0.0.0.0", sdp[0], sdp[1]], "--advertise"),
        (&sdp, "line 2"),
        (&["--zrtp", "--zrtp-cache", "absent/zid.db"], "absent/zid.db"),
        (&["--zrtp", "--remote-sdp", "hash.sdp"], "64 hexadecimal digits"),
    ] {
        let ended = Peer::start(&folder, arguments).end();
        let json = ended.with(2, "usage");
        assert!(json["reason"].as_str().unwrap().contains(reason), "{reason}: {json}");
        assert!(!ended.stdout.contains("NfX19z") && !ended.stderr.contains("NfX19z"), "a key: {ended:?}");
    }
}

#[test]
fn exit_3_when_the_peer_never_answers_the_handshake_and_nothing_but_dtls_was_sent() {
    patiently(|| {
        let (silent, at) = silent();
        #[rustfmt::skip]
    let mut peer = Peer::start(&Folder::new(), &[
        "--method", "dtls", "--role", "client", "--remote", &at, "--fingerprint", NO_ONES, "--timeout", "1.5",
        "--rtcp-interval", "0.1", "--trace",
    ]);
        let heard = overheard(&silent, &mut peer);
        let ended = peer.end();
        let json = ended.with(3, "not_secured");
        assert_no_media(&json);
        assert!(heard.iter().all(|datagram| (20..64).contains(&datagram[0])), "only DTLS");
        enough(heard.len() >= 2, || format!("{} datagrams, with a retransmission", heard.len()));
        assert!(
            ended.stderr.contains("-> ClientHello") && ended.stderr.contains("timeout"),
            "{}",
            ended.stderr
        );
    });
}

#[test]
fn exit_3_when_nobody_does_zrtp_and_nothing_but_its_hello_was_sent() {
    patiently(|| {
        let (silent, at) = silent();
        let arguments = ["--zrtp", "--remote", &at, "--timeout", "1.5", "--rtcp-interval", "0.1", "--trace"];
        let mut peer = Peer::start(&Folder::new(), &arguments);
        let heard = overheard(&silent, &mut peer);
        let ended = peer.end();
        let json = ended.with(3, "not_secured");
        assert_no_media(&json);
        assert!(heard.iter().all(|datagram| datagram[0] == 0x10 && datagram[4..8] == *b"ZRTP"), "only ZRTP");
        enough(heard.len() >= 5, || format!("{} datagrams, with retransmissions", heard.len()));
        assert_eq!((&json["zrtp"]["sas"], &json["zrtp"]["zid"].as_str().unwrap().len()), (&Value::Null, &24));
        assert!(ended.stderr.contains("ZRTP -> Hello"), "{}", ended.stderr);
    });
}

#[test]
fn exit_4_when_a_hello_is_not_the_one_of_a_zrtp_hash_and_no_media_passed() {
    patiently(|| {
        let (offerer, answerer) =
            call(&["--zrtp", "--timeout", "2"], &["--zrtp", "--zrtp-hash", "wrong", "--timeout", "2"]);
        let refused = offerer.with(4, "fingerprint_mismatch");
        assert_no_media(&refused);
        assert!(refused["zrtp"]["alerts"].as_array().unwrap().contains(&"HelloHash".into()), "{refused}");
        assert_no_media(&answerer.with(3, "not_secured"));
    });
}

#[test]
fn exit_3_when_no_answer_comes_or_none_that_is_newer_than_the_offer() {
    patiently(|| {
        let folder = Folder::new();
        folder.write("answer.sdp", "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/SAVP 0\r\n");
        std::thread::sleep(Duration::from_millis(50));
        let arguments =
            ["--offer", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp", "--timeout", "0.5"];
        let json = Peer::start(&folder, &arguments).end().with(3, "not_secured");
        assert!(json["reason"].as_str().unwrap().contains("SDP did not come"), "{json}");
    });
}

#[test]
fn exit_4_when_s_server_shows_another_certificate_and_no_media_passed() {
    patiently(|| {
        let folder = Folder::new();
        let certificate = Certificate::new(Kind::Ec);
        certificate.write(&folder);
        // Of an address that nothing else has, where a port that is free stays so.
        let free: SocketAddr = (Ipv4Addr::new(127, 0, 77, 2), 0).into();
        let at = UdpSocket::bind(free).unwrap().local_addr().unwrap().to_string();
        let mut arguments =
            vec!["s_server", "-dtls1_2", "-accept", &at, "-cert", "cert.pem", "-key", "key.pem"];
        arguments.extend(["-Verify", "1"]);
        arguments.extend(PROFILE);
        let _server = Process::openssl(&folder, &arguments);
        let client = ["--method", "dtls", "--role", "client", "--remote", &at, "--fingerprint"];
        let ended = Peer::start(&folder, &[&client[..], &[NO_ONES]].concat()).end();
        let json = ended.with(4, "fingerprint_mismatch");
        assert_no_media(&json);
        assert_eq!(json["remote_fingerprint"], certificate.fingerprint.as_str());
        let reason = json["reason"].as_str().unwrap();
        assert!(reason.contains(NO_ONES) && reason.contains(&certificate.fingerprint), "{reason}");
        assert_eq!(json["secured"], false);

        // The same server is secured with when its fingerprint is right; it plays nothing.
        let right = [&client[..], &[&certificate.fingerprint, "--duration", "0.3"]].concat();
        let json = Peer::start(&folder, &right).end().with(6, "no_audio");
        assert_eq!((&json["secured"], &json["suite"]), (&true.into(), &"AES_CM_128_HMAC_SHA1_80".into()));
    });
}

#[test]
fn exit_4_when_s_client_shows_another_certificate() {
    patiently(|| {
        let folder = Folder::new();
        Certificate::new(Kind::Rsa).write(&folder);
        let mut server = Peer::start(
            &folder,
            &["--method", "dtls", "--role", "server", "--fingerprint", NO_ONES, "--timeout", "8"],
        );
        let at = server.tells("rtp");
        let mut arguments =
            vec!["s_client", "-dtls1_2", "-connect", &at, "-cert", "cert.pem", "-key", "key.pem"];
        arguments.extend(PROFILE);
        let _client = Process::openssl(&folder, &arguments);
        assert_no_media(&server.end().with(4, "fingerprint_mismatch"));
    });
}

#[test]
fn exit_4_and_9_at_the_two_ends_of_a_call_whose_offer_was_tampered_with() {
    patiently(|| {
        let folder = Folder::new();
        let offers =
            ["--offer", "--method", "dtls", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp"];
        let offerer = Peer::start(&folder, &offers);
        while !folder.path().join("offer.sdp").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let offer = folder.read("offer.sdp");
        let ours = offer.lines().find_map(|line| line.strip_prefix("a=fingerprint:")).unwrap();
        folder.write("tampered.sdp", offer.replace(ours, NO_ONES));
        let answers = ["--remote-sdp", "tampered.sdp", "--local-sdp", "answer.sdp"];
        let answerer = Peer::start(&folder, &answers).end().with(4, "fingerprint_mismatch");
        let offerer = offerer.end().with(9, "handshake_failed");
        assert!(offerer["reason"].as_str().unwrap().contains("alert"), "{offerer}");
        assert_no_media(&answerer);
        assert_no_media(&offerer);
    });
}

#[test]
fn exit_5_at_both_ends_without_a_method_suite_profile_or_codec_in_common() {
    patiently(|| {
        let gcm = "AEAD_AES_128_GCM";
        let cm = "AES_CM_128_HMAC_SHA1_80";
        for (offerer, answerer) in [
            (&["--method", "sdes"][..], &["--method", "dtls"][..]),
            (&["--method", "sdes", "--suites", gcm], &["--method", "sdes", "--suites", cm]),
            (&["--method", "dtls", "--profiles", gcm], &["--method", "dtls", "--profiles", cm]),
            (&["--method", "none"], &["--method", "sdes,dtls"]),
            (&["--method", "dtls"], &["--method", "none"]),
            (&["--method", "sdes", "--codec", "pcmu"], &["--method", "sdes", "--codec", "pcma"]),
        ] {
            let (ours, theirs) = call(offerer, answerer);
            for ended in [ours, theirs] {
                assert_no_media(&ended.with(5, "nothing_in_common"));
            }
        }
    });
}

#[test]
fn exit_5_for_a_sha_1_fingerprint_that_is_not_allowed() {
    patiently(|| {
        let sha1 = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
        let server = ["--method", "dtls", "--role", "server", "--fingerprint", sha1, "--timeout", "0.3"];
        run(&server).with(5, "nothing_in_common");
        run(&[&server[..], &["--allow-sha1"]].concat()).with(3, "not_secured");
    });
}

#[test]
fn exit_6_when_the_peer_is_silent_or_plays_another_tone() {
    patiently(|| {
        let short = ["--duration", "0.5"];
        let (ours, theirs) = call(&short, &[&short[..], &["--silent"]].concat());
        theirs.ok();
        ours.with(6, "no_audio");
        let longer = ["--duration", "1.5"];
        let (ours, theirs) = call(
            &[&longer[..], &["--tone", "500", "--expect-tone", "900"]].concat(),
            &[&longer[..], &["--tone", "1200", "--expect-tone", "500"]].concat(),
        );
        theirs.ok();
        let json = ours.with(6, "no_audio");
        enough(json["packets_received"].as_u64() >= Some(25), || json.to_string());
        assert_eq!((&json["dominant_hz"], &json["secured"]), (&1200.0.into(), &true.into()));
    });
}

#[test]
fn exit_7_when_packets_come_under_a_wrong_key_and_none_of_them_is_heard() {
    let folder = Folder::new();
    let (_silent, elsewhere) = silent();
    #[rustfmt::skip]
    let mut victim = Peer::start(&folder, &[
        "--method", "sdes", "--local-crypto", KEY_B, "--remote-crypto", KEY_A, "--remote", &elsewhere,
        "--max-auth-failures", "5", "--duration", "30",
    ]);
    let at = victim.tells("rtp");
    let _other = Peer::start(
        &folder,
        &[
            "--method",
            "sdes",
            "--local-crypto",
            KEY_C,
            "--remote-crypto",
            KEY_B,
            "--remote",
            &at,
            "--duration",
            "30",
        ],
    );
    let json = victim.end().with(7, "auth_failures");
    // It counts when it has read what is there: seldom more than the one too many.
    assert!(json["auth_failures"].as_u64() >= Some(6), "{json}");
    assert_eq!(json["packets_received"], 0, "{json}");
    assert_eq!(json["clear_refused"], 0);
}

#[test]
fn clear_rtp_is_counted_and_never_heard_before_and_after_there_are_keys() {
    for arguments in [
        &["--method", "sdes", "--local-crypto", KEY_B, "--remote-crypto", KEY_A][..],
        &["--method", "dtls", "--role", "server", "--fingerprint", NO_ONES],
    ] {
        patiently(|| {
            let folder = Folder::new();
            let (_silent, elsewhere) = silent();
            let more = ["--remote", &elsewhere, "--duration", "1", "--timeout", "1"];
            let mut victim = Peer::start(&folder, &[arguments, &more].concat());
            let at = victim.tells("rtp");
            let clear = Peer::start(&folder, &["--method", "none", "--remote", &at, "--duration", "0.5"]);
            clear.end().with(6, "no_audio");
            let ended: Ended = victim.end();
            let json = ended.json();
            assert_eq!((&json["packets_received"], &json["audible_ms"]), (&0.into(), &0.into()), "{json}");
            assert_ne!(ended.code, 0);
            enough(json["clear_refused"].as_u64() >= Some(20), || json.to_string());
        });
    }
}

#[test]
fn exit_8_for_an_address_in_use_one_that_is_not_ours_and_no_way_to_the_peer() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    for bind in [at.as_str(), "192.0.2.1"] {
        let json = run(&["--method", "none", "--bind", bind]).with(8, "socket_error");
        assert!(json["reason"].as_str().unwrap().contains("cannot bind"), "{json}");
    }
    let json = run(&["--method", "none", "--remote", "192.0.2.1:4000"]).with(8, "socket_error");
    assert!(json["reason"].as_str().unwrap().contains("cannot send"), "{json}");
}

#[test]
fn exit_9_when_s_client_shows_no_certificate() {
    patiently(|| {
        let folder = Folder::new();
        let mut server =
            Peer::start(&folder, &["--method", "dtls", "--role", "server", "--fingerprint", NO_ONES]);
        let at = server.tells("rtp");
        let arguments = [&["s_client", "-dtls1_2", "-connect", &at][..], &PROFILE].concat();
        let _client = Process::openssl(&folder, &arguments);
        assert_no_media(&server.end().with(9, "handshake_failed"));
    });
}
