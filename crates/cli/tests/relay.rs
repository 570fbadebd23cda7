//! `sealrtp relay` between a device without media security and a secured peer.

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Certificate, Ended, Folder, KEY_A, KEY_B, KEY_C, Kind, Peer, at_once, enough, patiently, secrets,
};
use serde_json::Value;

/// Media with RTCP in it.
const SHORT: [&str; 4] = ["--duration", "0.8", "--rtcp-interval", "0.3"];
const IDLE: [&str; 2] = ["--idle", "0.6"];

/// What a call came to.
struct Call {
    device: Ended,
    relay: Ended,
    peer: Ended,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Device,
    Peer,
}

/// One call through the relay; each of the three takes arguments.
fn call(caller: Caller, device: &[&str], relay: &[&str], peer: &[&str]) -> (Folder, Call) {
    let folder = Folder::new();
    let call = call_in(&folder, caller, device, relay, peer);
    (folder, call)
}

fn call_in(folder: &Folder, caller: Caller, device: &[&str], relay: &[&str], peer: &[&str]) -> Call {
    let end = |local: &'static str, remote: &'static str, offers: bool| {
        let mut arguments = vec!["--local-sdp", local, "--remote-sdp", remote];
        arguments.extend(offers.then_some("--offer"));
        arguments
    };
    let of_device = end("device.sdp", "to-device.sdp", caller == Caller::Device);
    let of_peer = end("peer.sdp", "to-peer.sdp", caller == Caller::Peer);
    let mut of_relay = vec!["--device-sdp", "device.sdp", "--to-device-sdp", "to-device.sdp"];
    of_relay.extend(["--remote-sdp", "peer.sdp", "--local-sdp", "to-peer.sdp"]);
    of_relay.extend((caller == Caller::Device).then_some("--offer"));
    let device = Peer::start(folder, &[&of_device[..], &["--method", "none"], device].concat());
    let relay = Peer::relay(folder, &[&of_relay[..], relay].concat());
    let peer = Peer::start(folder, &[&of_peer[..], peer].concat());
    let device = thread::spawn(|| device.end());
    let peer = thread::spawn(|| peer.end());
    let relay = relay.end();
    Call { device: device.join().unwrap(), relay, peer: peer.join().unwrap() }
}

fn number(json: &Value, key: &str) -> u64 {
    json[key].as_u64().unwrap_or_else(|| panic!("{key} is no number: {json}"))
}

/// Both ends heard one another, nothing of it clear towards the peer, and the relay has counted what they have.
#[track_caller]
fn assert_good(call: &Call, method: &str, rtcp: &str) -> Value {
    let (device, relay, peer) = (call.device.ok(), call.relay.ok(), call.peer.ok());
    assert_eq!((&peer["secured"], &peer["method"]), (&true.into(), &method.into()), "{peer}");
    assert_eq!((&device["secured"], &device["method"]), (&false.into(), &"none".into()), "{device}");
    for end in [&device, &peer] {
        let heard = number(end, "packets_received") >= 10 && number(end, "rtcp_received") >= 1;
        enough(heard, || format!("{end}\n{relay}"));
        for key in ["auth_failures", "replays", "malformed", "send_failures", "packets_lost"] {
            assert_eq!(end[key], 0, "{key}: {end}\n{relay}");
        }
        assert_eq!(end["rtcp"], rtcp, "{end}");
    }
    assert_eq!((&peer["clear_refused"], &peer["clear_received"]), (&0.into(), &0.into()), "{peer}");
    let media = relay["media"].as_array().unwrap();
    assert_eq!((media.len(), &relay["secured"]), (1, &true.into()), "{relay}");
    let line = media[0].clone();
    assert_eq!((&line["method"], &line["rtcp"]), (&method.into(), &rtcp.into()), "{line}");
    assert_eq!((&line["suite"], &line["secured"]), (&peer["suite"], &true.into()), "{line}");
    let (to_device, to_peer) = (&line["to_device"], &line["to_peer"]);
    assert_eq!((number(to_device, "clear"), number(to_peer, "clear")), (0, 0), "{line}");
    assert!(number(to_device, "rtp") >= number(&device, "packets_received"), "{line}\n{device}");
    assert!(number(to_peer, "rtp") >= number(&peer, "packets_received"), "{line}\n{peer}");
    enough(number(to_device, "rtcp") >= 1 && number(to_peer, "rtcp") >= 1, || line.to_string());
    line
}

#[test]
fn a_device_calls_and_is_called_by_sdes_with_rtcp_muxed_and_not_over_ipv4_and_ipv6() {
    let mut all = Vec::new();
    for caller in [Caller::Device, Caller::Peer] {
        for rtcp in ["mux", "separate"] {
            for address in ["127.0.0.1", "::1"] {
                all.push((caller, rtcp, address));
            }
        }
    }
    at_once(all, |(caller, rtcp, address)| {
        let ends = [&SHORT[..], &["--rtcp", rtcp, "--bind", address]].concat();
        let relay = [&IDLE[..], &["--method", "sdes", "--bind", address]].concat();
        let peer = [&ends[..], &["--method", "sdes"]].concat();
        let (folder, call) = call(caller, &ends, &relay, &peer);
        let line = assert_good(&call, "sdes", rtcp);
        let given = folder.read("to-device.sdp");
        assert!(!given.contains("crypto") && given.contains("RTP/AVP "), "{given}");
        let shown = format!("{}{}", call.relay.stdout, call.relay.stderr);
        let ours = folder.read("to-peer.sdp");
        assert!(!secrets(&ours).is_empty(), "{ours}");
        assert!(secrets(&ours).iter().all(|key| !shown.contains(key)), "a key is shown: {shown}");
        assert!(line["local"].as_str().unwrap().contains(address), "{line}");
    });
}

#[test]
fn dtls_is_done_in_both_roles_and_the_fingerprints_are_those_of_both_ends() {
    let mut all = Vec::new();
    for caller in [Caller::Device, Caller::Peer] {
        for role in ["client", "server"] {
            all.push((caller, role, if role == "client" { "mux" } else { "separate" }));
        }
    }
    at_once(all, |(caller, role, rtcp)| {
        // An answerer is asked for actpass and chooses; an offerer says it outright.
        let device = [&SHORT[..], &["--rtcp", rtcp]].concat();
        let peer = [&SHORT[..], &["--rtcp", rtcp, "--method", "dtls", "--role", role]].concat();
        let relay = [&IDLE[..], &["--method", "dtls"]].concat();
        let (_, call) = call(caller, &device, &relay, &peer);
        let line = assert_good(&call, "dtls", rtcp);
        let peer = call.peer.json();
        assert_eq!(peer["role"], role, "{peer}");
        assert_eq!(line["role"], if role == "client" { "server" } else { "client" }, "{line}");
        assert_eq!(
            (&line["local_fingerprint"], &line["remote_fingerprint"]),
            (&peer["remote_fingerprint"], &peer["local_fingerprint"])
        );
        enough(line["rtcp_secured"] == true, || line.to_string());
    });
}

#[test]
fn zrtp_shows_the_same_sas_at_both_ends_and_remembers_the_peer_from_call_to_call() {
    at_once(vec![Caller::Device, Caller::Peer], |caller| {
        let folder = Folder::new();
        for cache in ["new", "match"] {
            let relay = ["--method", "zrtp", "--zrtp-cache", "relay.db", "--zrtp-verified"];
            let peer = ["--zrtp", "--zrtp-cache", "peer.db", "--zrtp-verify"];
            let call = call_in(
                &folder,
                caller,
                &SHORT,
                &[&IDLE[..], &relay].concat(),
                &[&SHORT[..], &peer].concat(),
            );
            let line = assert_good(&call, "zrtp", "mux");
            let (ours, theirs) = (&line["zrtp"], &call.peer.json()["zrtp"]);
            assert!(
                ours["sas"].as_str().unwrap().len() == 4 && ours["sas"] == theirs["sas"],
                "{ours}\n{theirs}"
            );
            // Secrets whose file took too long in the call before are not kept.
            enough(ours["cache"] == cache && theirs["cache"] == cache, || format!("{ours}\n{theirs}"));
            assert_eq!((&ours["zid"], &ours["peer_zid"]), (&theirs["peer_zid"], &theirs["zid"]));
            assert_eq!(
                (&ours["verified"], &theirs["verified"]),
                (&true.into(), &true.into()),
                "{ours}\n{theirs}"
            );
            assert!(call.relay.stderr.contains(ours["sas"].as_str().unwrap()), "{}", call.relay.stderr);
            for name in ["device.sdp", "to-device.sdp", "peer.sdp", "to-peer.sdp"] {
                std::fs::remove_file(folder.path().join(name)).unwrap();
            }
        }
    });
}

#[test]
fn without_a_common_method_fallback_reject_refuses_and_fallback_rtp_goes_on_in_the_clear() {
    patiently(|| {
        let refused = |caller| {
            let peer = ["--method", "none", "--timeout", "3", "--duration", "0.5"];
            let device = ["--timeout", "3", "--duration", "0.5"];
            let (folder, call) = call(caller, &device, &["--method", "sdes", "--timeout", "3"], &peer);
            let relay = call.relay.with(5, "nothing_in_common");
            assert!(relay["reason"].as_str().unwrap().contains("fallback"), "{relay}");
            let answer = folder.read(if caller == Caller::Peer { "to-peer.sdp" } else { "to-device.sdp" });
            assert!(answer.contains("m=audio 0 "), "{answer}");
            for end in [call.device, call.peer] {
                assert_eq!(end.json()["packets_received"], 0, "{end:?}");
            }
        };
        refused(Caller::Peer);
        let peer = [&SHORT[..], &["--method", "none"]].concat();
        let relay = [&IDLE[..], &["--fallback", "rtp"]].concat();
        let (_, call) = call(Caller::Peer, &SHORT, &relay, &peer);
        let (relay, peer) = (call.relay.ok(), call.peer.ok());
        call.device.ok();
        assert_eq!(relay["secured"], false, "{relay}");
        assert!(
            number(&relay["media"][0]["to_peer"], "clear") >= number(&peer, "packets_received"),
            "{relay}"
        );
    });
}

#[test]
fn a_certificate_that_is_not_the_fingerprints_ends_the_call_and_neither_side_hears_anything() {
    patiently(|| {
        let folder = Folder::new();
        let ends = ["--timeout", "20", "--duration", "0.5"];
        let peer = [
            &["--offer", "--method", "dtls", "--local-sdp", "peer.sdp", "--remote-sdp", "to-peer.sdp"][..],
            &ends,
        ];
        let peer = Peer::start(&folder, &peer.concat());
        wait_for(&folder, "peer.sdp");
        let offer = folder.read("peer.sdp");
        let ours = offer.lines().find_map(|line| line.strip_prefix("a=fingerprint:sha-256 ")).unwrap();
        folder.write("tampered.sdp", offer.replace(ours, &["AB"; 32].join(":")));
        let relay =
            ["--device-sdp", "device.sdp", "--to-device-sdp", "to-device.sdp", "--local-sdp", "to-peer.sdp"];
        let relay = Peer::relay(
            &folder,
            &[&relay[..], &["--remote-sdp", "tampered.sdp", "--method", "dtls"]].concat(),
        );
        let device = ["--local-sdp", "device.sdp", "--remote-sdp", "to-device.sdp", "--method", "none"];
        let device = Peer::start(&folder, &[&device[..], &ends].concat());
        let relay = relay.end().with(4, "fingerprint_mismatch");
        assert!(relay["reason"].as_str().unwrap().contains(ours), "{relay}");
        assert_eq!(
            (number(&relay["media"][0]["to_peer"], "sent"), number(&relay["media"][0]["to_device"], "sent")),
            (0, 0)
        );
        assert_eq!(device.end().json()["packets_received"], 0);
        assert_eq!(peer.end().json()["packets_received"], 0);
    });
}

fn wait_for(folder: &Folder, name: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !folder.path().join(name).exists() {
        assert!(Instant::now() < end, "{name} does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A relay without SDP in front of a device that echoes, and its addresses for the peer and for the device.
fn by_hand(folder: &Folder, ip: &str, arguments: &[&str]) -> (Peer, Peer, SocketAddr, SocketAddr) {
    let mut device = Peer::start(folder, &["--method", "none", "--echo", "--bind", ip, "--duration", "1.5"]);
    let at = device.tells("rtp");
    let relay = [&["--device", &at, "--bind", ip][..], &IDLE, arguments].concat();
    let mut relay = Peer::relay(folder, &relay);
    let told = relay.tells("audio");
    let words: Vec<&str> = told.split(' ').collect();
    let [of_peer, of_device] = [0, 4].map(|word| words[word].parse().unwrap_or_else(|_| panic!("{told}")));
    (device, relay, of_peer, of_device)
}

#[test]
fn without_sdp_each_method_reaches_a_peer_whose_address_is_learned_also_over_ipv6() {
    let certificate = Certificate::new(Kind::Ec);
    let dtls = [
        "--method",
        "dtls",
        "--cert",
        "cert.pem",
        "--key",
        "key.pem",
        "--fingerprint",
        &certificate.fingerprint,
    ];
    let server = [&dtls[..], &["--role", "server"]].concat();
    let client = [&dtls[..], &["--role", "client"]].concat();
    let ours = ["--method", "sdes", "--local-crypto", KEY_A, "--remote-crypto", KEY_B];
    let theirs = ["--method", "sdes", "--local-crypto", KEY_B, "--remote-crypto", KEY_A];
    for (ip, method, relay, peer) in [
        ("127.0.0.1", "sdes", &ours[..], &theirs[..]),
        ("::1", "dtls", &server[..], &client[..]),
        ("127.0.0.1", "zrtp", &["--method", "zrtp"], &["--zrtp"]),
    ] {
        patiently(|| {
            let folder = Folder::new();
            certificate.write(&folder);
            let (device, relay, at, _) = by_hand(&folder, ip, relay);
            let at = at.to_string();
            let peer = [&["--remote", &at, "--bind", ip, "--duration", "0.8"][..], peer].concat();
            let peer = Peer::start(&folder, &peer).end().ok();
            let (relay, device) = (relay.end().ok(), device.end().ok());
            let line = &relay["media"][0];
            assert_eq!(
                (&line["method"], &line["secured"], &line["remote"]),
                (&method.into(), &true.into(), &peer["local"]),
                "{line}"
            );
            assert_eq!(number(&line["to_peer"], "clear"), 0, "{line}");
            enough(number(&peer, "packets_received") >= 10, || peer.to_string());
            assert_eq!(
                (&device["clear_received"], &peer["clear_received"]),
                (&device["packets_received"], &0.into())
            );
            assert_eq!(line["zrtp"]["sas"], peer["zrtp"]["sas"], "{line}");
        });
    }
}

#[test]
fn hostile_datagrams_on_both_sides_are_dropped_by_reason_and_move_no_media() {
    patiently(|| {
        let folder = Folder::new();
        let (device, relay, at, inner) = by_hand(
            &folder,
            "127.0.0.1",
            &["--method", "sdes", "--local-crypto", KEY_A, "--remote-crypto", KEY_B],
        );
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut clear = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7];
        clear.extend([0x7f; 160]);
        let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let hostile: [&[u8]; 8] =
            [&clear, &[], &[0x80], &clear[..13], &stun, &[22, 254, 253, 0], &[0xff; 1400], &[0x90; 40]];
        let peer =
            ["--method", "sdes", "--local-crypto", KEY_B, "--remote-crypto", KEY_A, "--duration", "0.8"];
        let peer = Peer::start(&folder, &[&peer[..], &["--remote", &at.to_string()]].concat());
        for _ in 0..20 {
            for datagram in hostile {
                stranger.send_to(datagram, at).unwrap();
                // A clear packet for the peer, but for the device.
                stranger.send_to(datagram, inner).unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(stranger.recv(&mut [0; 2048]).is_err(), "somebody answers a stranger");
        let peer = peer.end().ok();
        // A key that is not the peer's.
        let other =
            ["--method", "sdes", "--local-crypto", KEY_C, "--remote-crypto", KEY_A, "--duration", "0.2"];
        Peer::start(&folder, &[&other[..], &["--remote", &at.to_string()]].concat())
            .end()
            .with(6, "no_audio");
        let (relay, device) = (relay.end().ok(), device.end().ok());
        let line = &relay["media"][0];
        let dropped = &line["to_device"]["dropped"];
        let all = [("auth_failures", 20), ("malformed", 20), ("not_media", 40)];
        enough(all.iter().all(|(why, count)| number(dropped, why) >= *count), || line.to_string());
        assert_eq!(
            (number(&line["to_device"], "clear"), number(&line["to_peer"], "clear")),
            (0, 0),
            "{line}"
        );
        assert_eq!(line["remote"], peer["local"], "{line}");
        let (heard, passed) = (number(&device, "packets_received"), number(&line["to_device"], "rtp"));
        // A device that has hung up hears no more.
        enough(heard >= passed, || format!("{line}\n{device}"));
        assert_eq!(heard, passed, "{line}\n{device}");
        assert_eq!((&peer["clear_refused"], &peer["auth_failures"]), (&0.into(), &0.into()), "{peer}");
    });
}

/// A device's offer with two streams of media.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0\r\na=rtcp-mux\r\nm=video 40002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

#[test]
fn every_rtp_line_has_a_stream_and_keys_of_its_own_and_sigterm_ends_the_call() {
    patiently(|| {
        let folder = Folder::new();
        folder.write("device.sdp", OFFER);
        let files =
            ["--device-sdp", "device.sdp", "--to-device-sdp", "to-device.sdp", "--remote-sdp", "peer.sdp"];
        let relay = [&files[..], &["--local-sdp", "to-peer.sdp", "--offer", "--method", "sdes"]].concat();
        let mut relay = Peer::relay(&folder, &relay);
        wait_for(&folder, "to-peer.sdp");
        let offer = folder.read("to-peer.sdp");
        let keys = secrets(&offer);
        assert!(keys.len() >= 14 && (1..keys.len()).all(|n| !keys[..n].contains(&keys[n])), "{offer}");
        // The peer takes the first suite of each line with a key of its own.
        let mut answer = String::new();
        let mut taken = false;
        for line in offer.lines() {
            if line.starts_with("m=") {
                taken = false;
            }
            match line.split_once(" inline:") {
                Some((before, _)) if !taken => {
                    let key = if answer.contains("inline") { "B" } else { "C" }
                        .repeat(if before.contains("256_GCM") { 59 } else { 40 });
                    answer.push_str(&format!(
                        "{before} inline:{key}{}\r\n",
                        if before.contains("256_GCM") { "=" } else { "" }
                    ));
                    taken = true;
                }
                Some(_) => {}
                None => answer.push_str(&format!("{line}\r\n")),
            }
        }
        folder.write("peer.sdp", &answer);
        relay.tells("audio");
        relay.tells("video");
        let given = folder.read("to-device.sdp");
        assert!(given.contains("m=video ") && !given.contains("crypto"), "{given}");
        relay.terminate();
        let relay = relay.end().with(6, "no_audio");
        let lines: Vec<_> = relay["media"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (&line["kind"], &line["secured"], &line["rtcp"]))
            .collect();
        let expected = [("audio", "mux"), ("video", "separate")]
            .map(|(kind, rtcp)| (kind.into(), true.into(), rtcp.into()));
        assert_eq!(
            lines,
            expected.each_ref().map(|(kind, secured, rtcp): &(Value, Value, Value)| (kind, secured, rtcp)),
            "{relay}"
        );
    });
}

#[test]
fn a_policy_is_taken_from_its_file_with_what_it_says_of_the_signalling_and_wrong_ones_are_named() {
    patiently(|| {
        let folder = Folder::new();
        let sections = "[general]\nfallback = rtp\n[vault]\ntype = policy\npolicy = strict\nsuites = AEAD_AES_128_GCM\n[alice]\npolicy = vault\n";
        folder.write("sealrtp.conf", sections);
        folder.write("wrong.conf", "[alice]\nfallback = maybe\n");
        let under = ["--config", "sealrtp.conf", "--policy", "alice"];
        let peer = [&SHORT[..], &["--method", "sdes"]].concat();
        let tls = [&IDLE[..], &under, &["--signalling", "tls"]].concat();
        let call = call_in(&folder, Caller::Peer, &SHORT, &tls, &peer);
        assert_eq!(assert_good(&call, "sdes", "mux")["suite"], "AEAD_AES_128_GCM");
        assert_eq!(call.relay.json()["policy"], "alice");

        let folder = Folder::new();
        folder.write("sealrtp.conf", sections);
        folder.write("wrong.conf", "[alice]\nfallback = maybe\n");
        let brief = ["--timeout", "3", "--duration", "0.5"];
        let clear = [&under[..], &["--timeout", "3"]].concat();
        let call =
            call_in(&folder, Caller::Peer, &brief, &clear, &[&brief[..], &["--method", "sdes"]].concat());
        let refused = call.relay.with(5, "nothing_in_common");
        assert!(refused["reason"].as_str().unwrap().contains("sdes_signalling"), "{refused}");

        for (arguments, reason) in [
            (&["--config", "wrong.conf"][..], "wrong.conf line 2, [alice]: fallback = maybe"),
            (&["--config", "absent.conf"], "absent.conf"),
            (&["--policy", "stritc"], "clear, opportunistic, strict"),
            (&["--set", "fallback=maybe"], "rtp, reject"),
            (&["--method", "sdes,dtls"], "one method"),
            (&["--method", "sdes"], "--local-crypto"),
            (&["--method", "dtls", "--role", "client"], "--remote"),
        ] {
            let method = if arguments[0] == "--method" { &[][..] } else { &["--method", "zrtp"] };
            let all = [&["--device", "127.0.0.1:9"][..], method, arguments].concat();
            let ended = Peer::relay(&folder, &all).end().with(2, "usage");
            assert!(ended["reason"].as_str().unwrap().contains(reason), "{reason}: {ended}");
        }
        let both = ["--device-sdp", "device.sdp", "--remote-sdp", "peer.sdp", "--to-device-sdp", "-"];
        let ended = Peer::relay(&folder, &both).end().with(2, "usage");
        assert!(ended["reason"].as_str().unwrap().contains("different places"), "{ended}");
        let held = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = held.local_addr().unwrap().to_string();
        let all = ["--device", "127.0.0.1:9", "--method", "zrtp", "--bind", &at];
        Peer::relay(&folder, &all).end().with(8, "socket_error");
    });
}

#[test]
fn fax_which_nobody_can_secure_is_refused_where_nothing_clear_may_pass() {
    patiently(|| {
        let folder = Folder::new();
        folder.write("device.sdp", format!("{OFFER}m=image 40004 udptl t38\r\n"));
        let files =
            ["--device-sdp", "device.sdp", "--to-device-sdp", "to-device.sdp", "--remote-sdp", "peer.sdp"];
        let relay = [&files[..], &["--local-sdp", "to-peer.sdp", "--offer", "--method", "sdes"]].concat();
        let refused = Peer::relay(&folder, &relay).end().with(5, "nothing_in_common");
        assert!(refused["reason"].as_str().unwrap().contains("image"), "{refused}");
        assert!(!folder.path().join("to-peer.sdp").exists());
        let given = folder.read("to-device.sdp");
        assert_eq!((given.matches("m=").count(), given.matches(" 0 ").count()), (3, 3), "{given}");
    });
}
