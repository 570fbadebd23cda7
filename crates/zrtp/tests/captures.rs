//! What other ZRTP stacks sent: every packet is read and written again byte for byte, and every hash and MAC that can be
//! checked without the secrets is right.

mod common;

use std::collections::BTreeMap;

use common::{CAPTURES, Captured, capture, captures, datagrams};
use hmac::{Hmac, KeyInit, Mac};
use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey};
use sealrtp_zrtp::algorithm::{Algorithm, AuthTag, Cipher, suite};
use sealrtp_zrtp::message::{CommitMode, Message, MessageType};
use sealrtp_zrtp::packet::Packet;
use sha2::{Digest, Sha256, Sha384};

#[test]
fn every_packet_is_written_again_as_it_was() {
    let mut kinds = std::collections::BTreeSet::new();
    for name in CAPTURES {
        let packets = capture(name);
        assert!(packets.len() >= 11, "{name}");
        for Captured { datagram, .. } in &packets {
            let packet = Packet::parse(datagram).unwrap();
            let message = Message::parse(packet.message).unwrap();
            kinds.insert(message.kind().name());
            assert_eq!(message.to_bytes(), packet.message, "{name}: {}", message.kind());
            assert_eq!(&packet.to_bytes(), datagram, "{name}: {}", message.kind());
        }
    }
    let expected = ["Commit", "Conf2ACK", "Confirm1", "Confirm2", "DHPart1", "DHPart2", "Hello", "HelloACK"];
    assert!(kinds.into_iter().eq(expected));
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn mac_is_right(key: &[u8; 32], message: &[u8]) -> bool {
    let (covered, mac) = message.split_last_chunk::<8>().unwrap();
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(covered);
    hmac.finalize().into_bytes()[..8] == mac[..]
}

/// The messages of one stream, by sender: retransmissions are equal.
fn by_sender(packets: &[Captured]) -> BTreeMap<u16, Vec<(MessageType, Vec<u8>)>> {
    let mut map: BTreeMap<u16, Vec<(MessageType, Vec<u8>)>> = BTreeMap::new();
    for Captured { from, datagram } in packets {
        let bytes = Packet::parse(datagram).unwrap().message;
        map.entry(*from).or_default().push((Message::parse(bytes).unwrap().kind(), bytes.to_vec()));
    }
    map
}

fn one(messages: &[(MessageType, Vec<u8>)], kind: MessageType) -> Option<(Message, &[u8])> {
    let mut all = messages.iter().filter(|(k, _)| *k == kind).map(|(_, bytes)| bytes.as_slice());
    let first = all.next()?;
    assert!(all.all(|again| again == first), "a retransmission is not the same message");
    Some((Message::parse(first).unwrap(), first))
}

#[test]
fn hash_chains_and_message_macs_are_right() {
    let (mut hellos, mut commits) = (0, 0);
    for name in CAPTURES {
        for messages in by_sender(&capture(name)).values() {
            let (Message::Hello(hello), hello_bytes) = one(messages, MessageType::Hello).unwrap() else {
                panic!()
            };
            let commit = one(messages, MessageType::Commit);
            let part = one(messages, MessageType::DhPart1).or(one(messages, MessageType::DhPart2));
            let h1 = part.map(|(part, _)| match part {
                Message::DhPart1(part) | Message::DhPart2(part) => part.h1,
                _ => panic!(),
            });
            if let Some(h1) = h1 {
                assert_eq!(sha256(&sha256(&h1)), hello.h3, "{name}");
                assert!(mac_is_right(&sha256(&h1), hello_bytes), "{name}");
                hellos += 1;
            }
            if let Some((Message::Commit(commit), bytes)) = commit {
                assert_eq!(sha256(&commit.h2), hello.h3, "{name}");
                assert!(mac_is_right(&commit.h2, hello_bytes), "{name}");
                assert_eq!(commit.zid, hello.zid);
                if let Some(h1) = h1 {
                    assert!(mac_is_right(&h1, bytes), "{name}");
                    commits += 1;
                }
            }
        }
    }
    assert!(hellos == 10 && commits == 10, "{hellos} {commits}");
}

#[test]
fn hvi_is_the_hash_of_dhpart2_and_the_responders_hello() {
    for name in CAPTURES {
        let senders = by_sender(&capture(name));
        let find = |kind| senders.values().find_map(|messages| one(messages, kind)).unwrap();
        let (initiator, part2) = senders
            .iter()
            .find_map(|(port, messages)| Some((*port, one(messages, MessageType::DhPart2)?.1)))
            .unwrap();
        let (responder, _) = find(MessageType::DhPart1);
        assert!(matches!(responder, Message::DhPart1(_)));
        let hello = senders
            .values()
            .find(|messages| one(messages, MessageType::DhPart1).is_some())
            .and_then(|messages| one(messages, MessageType::Hello))
            .unwrap()
            .1;
        let Some((Message::Commit(commit), _)) = one(&senders[&initiator], MessageType::Commit) else {
            panic!()
        };
        let covered = [part2, hello].concat();
        let hash = match &commit.hash.0 {
            b"S256" => sha256(&covered).to_vec(),
            b"S384" => Sha384::digest(&covered)[..32].to_vec(),
            _ => panic!("{name}"),
        };
        let CommitMode::Dh { hvi } = commit.mode else { panic!("{name}") };
        assert_eq!(hvi[..], hash, "{name}");
    }
}

#[test]
fn a_hello_has_the_hash_that_signalling_told() {
    for name in ["zrtp-dh2k-hs32", "zrtp-dh3k-b32", "zrtp-multi", "zrtp-x255-b256"] {
        let json = std::fs::read_to_string(captures().join(format!("{name}.json"))).unwrap();
        let report: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        let expected = report["hello_hash"].as_str().unwrap().strip_prefix("1.10 ").unwrap().to_owned();
        let found = by_sender(&capture(name)).values().any(|messages| {
            let (_, bytes) = one(messages, MessageType::Hello).unwrap();
            sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>() == expected
        });
        assert!(found, "{name}");
    }
    let call = std::fs::read(captures().join("phone-zrtp.pcap")).unwrap();
    for messages in by_sender(&capture("phone-zrtp")).values() {
        let (_, bytes) = one(messages, MessageType::Hello).unwrap();
        let hex: String = sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("a=zrtp-hash:1.10 {hex}");
        assert!(call.windows(line.len()).any(|window| window == line.as_bytes()));
    }
}

/// The keys that libbzrtp told, under the SRTP suite that the Commit's names stand for, open the media both ways.
#[test]
fn the_suite_of_the_commits_names_opens_the_media() {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let mut opened = 0;
    for name in ["zrtp-dh2k-hs32", "zrtp-dh3k-b32", "zrtp-multi", "zrtp-x255-b256"] {
        let json = std::fs::read_to_string(captures().join(format!("{name}.json"))).unwrap();
        for report in json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            // Multistream has ports of its own, two above.
            let video = report["stream"] == 2;
            let zrtp: Vec<_> = capture(name).into_iter().filter(|c| (c.from % 100 == 2) == video).collect();
            let senders = by_sender(&zrtp);
            let initiator = *senders
                .iter()
                .find(|(_, messages)| one(messages, MessageType::Confirm2).is_some())
                .unwrap()
                .0;
            let Some((Message::Commit(commit), _)) = one(&senders[&initiator], MessageType::Commit) else {
                panic!("{name}")
            };
            let suite = suite(
                Cipher::from_name(commit.cipher).unwrap(),
                AuthTag::from_name(commit.auth_tag).unwrap(),
            );
            for (from_initiator, role) in [(true, "i"), (false, "r")] {
                let get = |what: &str| unhex(report[format!("{what}_{role}")].as_str().unwrap());
                let key = MasterKey::new(suite, &get("key"), &get("salt")).unwrap();
                let mut inbound = Inbound::new(&KeySet::single(key), Limits::default());
                for captured in datagrams(name) {
                    let of_stream =
                        (captured.from % 100 == 2) == video && (captured.from == initiator) == from_initiator;
                    if !of_stream || captured.datagram[0] != 0x80 {
                        continue;
                    }
                    let mut packet = captured.datagram;
                    let len = inbound.unprotect_rtp(&mut packet).unwrap();
                    let index = u16::from_be_bytes([packet[2], packet[3]]) - 1000;
                    assert!(
                        packet[12..len]
                            .iter()
                            .enumerate()
                            .all(|(k, byte)| *byte == (usize::from(index) + k) as u8)
                    );
                    opened += 1;
                }
            }
        }
    }
    assert_eq!(opened, 5 * 2 * 20);
}
