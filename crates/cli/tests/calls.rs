//! Two peers on loopback: every suite, both DTLS roles, RSA and EC, every profile, RTCP muxed and not; audio as it was
//! played.

mod common;

use std::net::{SocketAddr, UdpSocket};

use common::{
    Certificate, Folder, KEY_A, KEY_B, Kind, Peer, at_once, call, call_in, enough, lasting, patiently,
    seconds, secrets,
};
use serde_json::Value;

const DEFAULT_SUITES: [&str; 7] = [
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32",
];
const PROFILES: [&str; 4] =
    ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"];
/// Media with RTCP in it.
const SHORT: [&str; 4] = ["--duration", "0.8", "--rtcp-interval", "0.3"];

fn number(json: &Value, key: &str) -> f64 {
    json[key].as_f64().unwrap_or_else(|| panic!("{key} is no number: {json}"))
}

/// Secured as expected, with nothing refused, and heard.
#[track_caller]
fn assert_good(json: &Value, method: &str, suite: &str, rtcp: &str) {
    for (key, expected) in [("method", method), ("suite", suite), ("rtcp", rtcp)] {
        assert_eq!(json[key], expected, "{json}");
    }
    for key in ["auth_failures", "replays", "malformed", "clear_refused", "packets_lost", "send_failures"] {
        assert_eq!(json[key], 0, "{key}: {json}");
    }
    assert_eq!(json["secured"], true, "{json}");
    // Both begin within a moment of each other; a busy machine makes it a longer one.
    enough(json["rtcp_secured"] == true, || json.to_string());
    enough(number(json, "packets_received") >= 10.0 && number(json, "packets_sent") >= 10.0, || {
        json.to_string()
    });
    enough(number(json, "rtcp_received") >= 1.0, || json.to_string());
    assert!((number(json, "audio_level_dbov") + 20.0).abs() < 0.3, "{json}");
    assert!(number(json, "tone_share") > 0.97, "{json}");
    assert!(number(json, "first_secured_packet_ms") >= number(json, "time_to_secure_ms"), "{json}");
}

#[test]
fn sdes_works_with_every_default_suite_and_rtcp_muxed_or_not() {
    let all = DEFAULT_SUITES.iter().flat_map(|suite| [(*suite, "mux"), (*suite, "separate")]).collect();
    at_once(all, |(suite, rtcp): (&str, &str)| {
        let mut arguments = vec!["--method", "sdes", "--suites", suite, "--rtcp", rtcp];
        arguments.extend(SHORT);
        let (offerer, answerer) = call(&arguments, &arguments);
        for ended in [offerer, answerer] {
            let json = ended.ok();
            assert_good(&json, "sdes", suite, rtcp);
            assert_eq!((&json["remote_fingerprint"], &json["cipher"]), (&Value::Null, &Value::Null));
        }
    });
}

#[test]
fn dtls_works_in_both_roles_with_rsa_and_ec_every_profile_and_rtcp_muxed_or_not() {
    let mut all = Vec::new();
    for role in ["client", "server", "either"] {
        for kind in [Kind::Ec, Kind::Rsa] {
            for (i, profile) in PROFILES.into_iter().enumerate() {
                // With three roles, each of the other combinations has RTCP both ways.
                let rtcp = if (i + usize::from(role == "client")) % 2 == 0 { "mux" } else { "separate" };
                all.push((role, kind, profile, rtcp));
            }
        }
    }
    at_once(all, |(role, kind, profile, rtcp)| {
        let folder = Folder::new();
        let certificate = Certificate::new(kind);
        certificate.write(&folder);
        let mut offers = vec!["--method", "dtls", "--rtcp", rtcp, "--cert", "cert.pem", "--key", "key.pem"];
        offers.extend(["--role", role, "--profiles", profile]);
        offers.extend(SHORT);
        let mut answers = vec!["--method", "dtls"];
        answers.extend(SHORT);
        let (offerer, answerer) = call_in(&folder, &offers, &answers);
        let (ours, theirs) = (offerer.ok(), answerer.ok());
        for json in [&ours, &theirs] {
            assert_good(json, "dtls", profile, rtcp);
            assert_eq!(json["dtls_version"], "DTLSv1.2");
        }
        // actpass is answered by active.
        let roles = if role == "client" { ("client", "server") } else { ("server", "client") };
        assert_eq!((ours["role"].as_str(), theirs["role"].as_str()), (Some(roles.0), Some(roles.1)));
        let server = if role == "client" { &theirs } else { &ours };
        let rsa = server["cipher"].as_str().unwrap().contains("RSA");
        assert_eq!(rsa, role != "client" && kind == Kind::Rsa, "{server}");
        assert_eq!(ours["local_fingerprint"], certificate.fingerprint.as_str());
        assert_eq!(ours["local_fingerprint"], theirs["remote_fingerprint"]);
        assert_eq!(ours["remote_fingerprint"], theirs["local_fingerprint"]);
    });
}

#[test]
fn the_level_measured_is_the_level_played_in_both_laws_and_in_the_recording() {
    let all = vec![
        ("pcmu", "-10", 1000.0),
        ("pcma", "-10", 300.0),
        ("pcmu", "-30", 2000.0),
        ("pcma", "-35", 700.0),
    ];
    at_once(all, |(codec, level, hertz): (&str, &str, f64)| {
        let folder = Folder::new();
        let tone = hertz.to_string();
        let plays = ["--codec", codec, "--tone", &tone, "--level", level, "--duration", "1"];
        let hears = ["--silent", "--duration", "1", "--expect-tone", &tone, "--record", "heard.wav"];
        let (offerer, answerer) = call_in(&folder, &plays, &hears);
        let heard = answerer.ok();
        let expected: f64 = level.parse().unwrap();
        assert!((number(&heard, "audio_level_dbov") - expected).abs() < 0.3, "{heard}");
        assert_eq!(heard["dominant_hz"], hertz, "{heard}");
        assert_eq!(heard["codec"].as_str().unwrap(), codec.to_uppercase());
        // The offerer was sent silence.
        let silent = offerer.with(6, "no_audio");
        assert!(number(&silent, "audio_level_dbov") < -65.0, "{silent}");

        let received = number(&heard, "packets_received") as usize;
        let mut reader = hound::WavReader::open(folder.file("heard.wav")).unwrap();
        let samples: Vec<f64> = reader.samples::<i16>().map(|sample| f64::from(sample.unwrap())).collect();
        enough(received >= 48, || heard.to_string());
        // Where a player that is late leaves packets out, the recording is silent.
        assert!(samples.len() >= 160 * received, "{} samples of {received} packets", samples.len());
        let square = samples.iter().map(|sample| sample * sample).sum::<f64>() / (160 * received) as f64;
        let recorded = 20.0 * (square.sqrt() / 32_767.0).log10();
        assert!((recorded - expected).abs() < 0.3, "{recorded} recorded, {expected} played");
    });
}

#[test]
fn a_wav_file_of_16_khz_is_played_and_an_echo_gives_it_back() {
    patiently(|| {
        let folder = Folder::new();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(folder.file("tone.wav"), spec).unwrap();
        for n in 0..16_000 {
            let sine = (std::f64::consts::TAU * 800.0 * f64::from(n) / 16_000.0).sin();
            writer.write_sample((sine * 8000.0) as i16).unwrap();
        }
        writer.finalize().unwrap();
        let plays =
            ["--method", "dtls", "--wav", "tone.wav", "--expect-tone", "800", "--rtcp-interval", "0.4"];
        let (offerer, answerer) =
            call_in(&folder, &plays, &["--echo", "--duration", "1.2", "--rtcp-interval", "0.4"]);
        let (heard, echoed) = (offerer.ok(), answerer.ok());
        // Nothing was left out, and nobody hung up before it was back.
        let whole = number(&heard, "packets_sent") >= 50.0 && number(&heard, "packets_received") >= 50.0;
        enough(whole && !heard["peer_lost"].is_null(), || format!("{echoed}\n{heard}"));
        assert_eq!((&heard["peer_lost"], &heard["packets_lost"]), (&0.into(), &0.into()), "{heard}");
        assert_eq!((&heard["packets_sent"], &heard["dominant_hz"]), (&50.into(), &800.0.into()));
        let level = 20.0 * (8000.0 / 2f64.sqrt() / 32_767.0_f64).log10();
        assert!((number(&heard, "audio_level_dbov") - level).abs() < 0.3, "{heard}");
        assert_eq!(
            (&echoed["packets_sent"], &heard["packets_received"]),
            (&50.into(), &50.into()),
            "{echoed}\n{heard}"
        );
    });
}

#[test]
fn keys_may_come_from_files_and_the_peers_address_from_its_first_packet_also_over_ipv6() {
    patiently(|| {
        for address in ["127.0.0.1", "::1"] {
            let folder = Folder::new();
            folder.write("a", KEY_A);
            folder.write("b", format!("a=crypto:{KEY_B}\r\n"));
            #[rustfmt::skip]
        let mut echo = Peer::start(&folder, &[
            "--method", "sdes", "--local-crypto", "@b", "--remote-crypto", "@a", "--bind", address, "--echo",
            "--duration", "0.7", "--timeout", "5",
        ]);
            let at = echo.tells("rtp");
            #[rustfmt::skip]
        let caller = Peer::start(&folder, &[
            "--method", "sdes", "--local-crypto", KEY_A, "--remote-crypto", KEY_B, "--bind", address,
            "--remote", &at, "--duration", "0.5",
        ]);
            let (caller, echo) = (caller.end().ok(), echo.end().ok());
            assert_eq!((&caller["remote"], &echo["remote"]), (&at.as_str().into(), &caller["local"]));
            assert_eq!(caller["suite"], "AES_CM_128_HMAC_SHA1_80");
            assert!(number(&caller, "tone_share") > 0.97, "{caller}");
        }
    });
}

#[test]
fn dtls_by_the_command_line_learns_a_clients_address_from_its_handshake() {
    patiently(|| {
        let folder = Folder::new();
        let certificate = Certificate::new(Kind::Ec);
        certificate.write(&folder);
        let mut files = vec!["--method", "dtls", "--cert", "cert.pem", "--key", "key.pem", "--fingerprint"];
        files.extend([certificate.fingerprint.as_str(), "--duration", "0.5"]);
        let mut server = Peer::start(&folder, &[&files[..], &["--role", "server"]].concat());
        let at = server.tells("rtp");
        let client = Peer::start(&folder, &[&files[..], &["--role", "client", "--remote", &at]].concat());
        let (client, server) = (client.end().ok(), server.end().ok());
        assert_eq!((&server["remote"], &server["role"]), (&client["local"], &"server".into()));
    });
}

#[test]
fn the_answerer_takes_the_first_of_its_methods_that_an_offer_of_both_carries() {
    patiently(|| {
        for (methods, taken) in
            [("sdes,dtls", "sdes"), ("dtls,sdes", "dtls"), ("dtls", "dtls"), ("sdes", "sdes")]
        {
            let (offerer, answerer) = call(&SHORT, &["--method", methods, "--duration", "0.5"]);
            assert_eq!((&offerer.ok()["method"], &answerer.ok()["method"]), (&taken.into(), &taken.into()));
        }
    });
}

#[test]
fn clear_rtp_flows_only_between_two_peers_that_were_told_so() {
    patiently(|| {
        let (offerer, answerer) =
            call(&["--method", "none", "--duration", "0.5"], &["--method", "none", "--duration", "0.5"]);
        for json in [offerer.ok(), answerer.ok()] {
            assert_eq!(
                (&json["method"], &json["secured"], &json["suite"]),
                (&"none".into(), &false.into(), &Value::Null)
            );
        }
    });
}

#[test]
fn descriptions_may_go_through_stdin_and_stdout() {
    patiently(|| {
        let folder = Folder::new();
        let offers =
            ["--offer", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp", "--duration", "0.5"];
        let offerer = Peer::start(&folder, &offers);
        while !folder.path().join("offer.sdp").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let offer = std::fs::File::open(folder.file("offer.sdp")).unwrap();
        // A shell's `>`: the file grows while it is looked for.
        let out = std::fs::File::create(folder.file("answer.sdp")).unwrap();
        let answerer = std::process::Command::new(env!("CARGO_BIN_EXE_sealrtp"))
            .args(lasting(&["peer", "--remote-sdp", "-", "--duration", "0.5", "--quiet"]))
            .stdin(offer)
            .stdout(out)
            .output()
            .unwrap();
        let offerer = offerer.end();
        // An offerer that looks when all is over finds more than a description.
        enough(answerer.status.code() != Some(6) && offerer.code != 2, || {
            format!("{answerer:?}\n{offerer:?}")
        });
        assert_eq!((answerer.status.code(), answerer.stderr.as_slice()), (Some(0), &b""[..]));
        offerer.ok();
        let output = folder.read("answer.sdp");
        assert!(output.starts_with("v=0\r\n") && output.lines().last().unwrap().starts_with('{'), "{output}");
    });
}

#[test]
fn keys_stand_in_the_descriptions_and_nowhere_else() {
    patiently(|| {
        let folder = Folder::new();
        let mut arguments = vec!["--trace"];
        arguments.extend(SHORT);
        let (offerer, answerer) = call_in(&folder, &arguments, &arguments);
        let (offer, answer) = (folder.read("offer.sdp"), folder.read("answer.sdp"));
        let keys = [secrets(&offer), secrets(&answer)].concat();
        assert_eq!(keys.len(), DEFAULT_SUITES.len() + 1);
        for ended in [offerer, answerer] {
            ended.ok();
            for key in &keys {
                assert!(!ended.stdout.contains(key) && !ended.stderr.contains(key), "{ended:?}");
            }
        }
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.file("offer.sdp")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner may read it");
    });
}

#[test]
fn a_signal_ends_a_run_with_its_json_line_and_a_goodbye() {
    patiently(|| {
        let folder = Folder::new();
        let offers =
            ["--offer", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp", "--method", "dtls"];
        let answers = ["--remote-sdp", "offer.sdp", "--local-sdp", "answer.sdp"];
        let long = ["--duration", "60"];
        let mut offerer = Peer::start(&folder, &[&offers[..], &long].concat());
        let answerer = Peer::start(&folder, &[&answers[..], &long].concat());
        offerer.tells("rtp");
        std::thread::sleep(seconds(0.7));
        offerer.terminate();
        let offerer = offerer.end();
        // What the first one has said stands in the second one's socket now, before the signal.
        answerer.terminate();
        offerer.ok();
        assert_eq!(answerer.end().ok()["peer_bye"], true);
    });
}

#[test]
fn a_call_is_not_disturbed_by_a_stranger_who_sends_all_kinds_of_datagrams() {
    patiently(|| {
        let folder = Folder::new();
        let quiet = ["--method", "dtls", "--duration", "1", "--max-auth-failures", "1000000"];
        let offers = ["--offer", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp"];
        let mut offerer = Peer::start(&folder, &[&offers[..], &quiet].concat());
        let at: SocketAddr = offerer.tells("rtp").parse().unwrap();
        let answers = ["--remote-sdp", "offer.sdp", "--local-sdp", "answer.sdp"];
        let answerer = Peer::start(&folder, &[&answers[..], &quiet].concat());
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut seed, mut overflown) = (1u64, 0);
        while !offerer.is_over() {
            for _ in 0..10 {
                let mut datagram = vec![0; 1 + (seed >> 20) as usize % 300];
                for byte in &mut datagram {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *byte = (seed >> 56) as u8;
                }
                // STUN, ZRTP, DTLS handshake, DTLS application data, RTP, RTCP, anything.
                let first = [0, 16, 22, 23, 0x80, 0x81, datagram[0]][(seed >> 40) as usize % 7];
                datagram[0] = first;
                if first == 0x81 && datagram.len() > 1 {
                    datagram[1] = 200;
                }
                let _ = stranger.send_to(&datagram, at);
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
            overflown = overflown.max(overflow(at));
        }
        let (ours, theirs) = (offerer.end().ok(), answerer.end().ok());
        enough(overflown == 0, || format!("the system has dropped {overflown} datagrams"));
        for (json, key) in [(&ours, "auth_failures"), (&ours, "other_datagrams")] {
            enough(number(json, key) > 50.0, || json.to_string());
        }
        for json in [ours, theirs] {
            assert_eq!((&json["packets_lost"], &json["replays"]), (&0.into(), &0.into()), "{json}");
            enough(number(&json, "packets_received") >= 40.0, || json.to_string());
            assert!(number(&json, "tone_share") > 0.97, "{json}");
        }
    });
}

/// How many datagrams the system has dropped since their socket was full: its process stood still.
fn overflow(of: SocketAddr) -> u64 {
    let port = format!(":{:04X}", of.port());
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut lines = lines.filter(|line| line.get(1).is_some_and(|local| local.ends_with(&port)));
    lines.next().and_then(|line| line.last()?.parse().ok()).unwrap_or(0)
}
