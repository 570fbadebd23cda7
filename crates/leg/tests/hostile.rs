//! Mangled descriptions of the peer's: no panic, nothing clear, no port lost.

mod common;

use common::{AUDIO, End, VIDEO, answer, config, offer};
use proptest::prelude::*;
use sealrtp_leg::{Message, Refusal};
use sealrtp_policy::{Config, Signalling};
use sealrtp_sdp::{Description, Host};
use sealrtp_session::State;

/// All methods, nothing clear.
fn strict() -> Config {
    config(&[("fallback", "reject"), ("sdes_signalling", "any")])
}

/// Lines that change what a description means.
const LINES: [&str; 14] = [
    "m=audio 0 RTP/AVP 0",
    "m=video 4000 RTP/SAVPF 96",
    "m=image 4000 udptl t38",
    "m=audio 65535 RTP/AVP 0",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 ::1",
    "c=IN IP4 192.0.2.1",
    "a=rtcp:0",
    "a=rtcp:65535 IN IP4 127.0.0.1",
    "a=rtcp-mux",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
    "a=setup:holdconn",
    "a=fingerprint:sha-256 00",
    "a=group:BUNDLE 0 1",
];

#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Drop(prop::sample::Index),
    Twice(prop::sample::Index),
    Put(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        at().prop_map(Change::Drop),
        at().prop_map(Change::Twice),
        (at(), 0..LINES.len()).prop_map(|(at, line)| Change::Put(at, line)),
        at().prop_map(Change::Cut),
    ]
}

fn mangled(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match change {
            Change::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
                continue;
            }
            Change::Byte(..) => continue,
            Change::Cut(at) => {
                bytes.truncate(at.index(bytes.len() + 1));
                continue;
            }
            Change::Drop(at) => drop(lines.remove(at.index(lines.len()))),
            Change::Twice(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Change::Put(at, line) => {
                lines.insert(at.index(lines.len() + 1), format!("{}\r", LINES[*line]).into_bytes());
            }
        }
        bytes = lines.join(&b'\n');
    }
    bytes
}

fn nothing_clear(end: &End) {
    for line in end.leg.lines() {
        let Some(stream) = line.stream else { continue };
        assert!(stream.state != State::Bypass && stream.rtcp_state != State::Bypass, "{}", end.leg.explain());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn mangled_offers_and_answers_leave_no_clear_path(
        texts in prop::collection::vec((0..3usize, prop::collection::vec(change(), 0..4), any::<bool>(), 1..4u32), 1..6),
    ) {
        let bob = End::new("bob", strict());
        let alice = End::new("alice", strict());
        let offered = alice.local(&[AUDIO, VIDEO], &offer(1)).unwrap();
        let carol = End::new("carol", config(&[("offer", "dtls"), ("fallback", "reject")]));
        let of_carol = carol.local(&[AUDIO], &offer(1)).unwrap();
        for (which, changes, request, cseq) in texts {
            let text = match which {
                0 => mangled(&offered, &changes),
                1 => mangled(&of_carol, &changes),
                _ => {
                    // An offer of bob's, so that what comes next may be its answer.
                    let _ = bob.local(&[AUDIO, VIDEO], &offer(cseq));
                    mangled(&offered, &changes)
                }
            };
            let message = Message { request, cseq, signalling: Signalling::Clear };
            match bob.leg.remote(&text, &message) {
                Ok(seen) => {
                    let seen = Description::parse(&seen).expect("what the PBX gets can be read");
                    for media in seen.media().iter().filter(|media| media.profile().is_rtp()) {
                        prop_assert!(!media.profile().is_secure() && !media.has_ice());
                        prop_assert_eq!((media.crypto().count(), media.zrtp_hashes().count()), (0, 0));
                        let held = media.host().is_some_and(Host::is_unspecified);
                        prop_assert!(media.port() == 0 || held || media.host() == Some(Host::Ip(bob.ip)));
                    }
                    nothing_clear(&bob);
                    let _ = bob.local(&[AUDIO, VIDEO], &answer(cseq));
                }
                Err(refusal) => prop_assert!(matches!(refusal, Refusal::Sdp(_) | Refusal::Policy(_)), "{refusal}"),
            }
            nothing_clear(&bob);
        }
        let ports = bob.ports.clone();
        drop(bob);
        prop_assert!(ports.out.lock().unwrap().is_empty());
    }
}
