//! Forgers who are not on the way between two ends, but reach one of them: each costs time at most.

mod common;

use std::time::{Duration, Instant};

use common::net::{GOOD, Network, Pair, Random, Told, association, zid};
use hmac::{Hmac, KeyInit, Mac};
use sealrtp_zrtp::algorithm::KeyAgreement;
use sealrtp_zrtp::message::{
    Commit, CommitMode, Hello, MAC_LEN, Message, MessageType, Name, Names, Ping, Zid, split_mac,
};
use sealrtp_zrtp::packet::Packet;
use sealrtp_zrtp::{Alert, Config, Stream, StreamState};
use sha2::{Digest, Sha256};

fn x255(passive: bool) -> Config {
    Config { agreements: vec![KeyAgreement::X255], passive, ..Config::default() }
}

fn message(datagram: &[u8]) -> Message {
    Message::parse(Packet::parse(datagram).unwrap().message).unwrap()
}

fn datagram(message: &[u8]) -> Vec<u8> {
    Packet { sequence: 1, ssrc: 0x77, message }.to_bytes()
}

/// A hash chain, and what its owner can say without a peer's help.
struct Forger {
    images: [[u8; 32]; 4],
    zid: Zid,
}

impl Forger {
    fn new(number: u32, zid: Zid) -> Self {
        let mut images = [[0; 32]; 4];
        images[0][..4].copy_from_slice(&number.to_be_bytes());
        for at in 1..4 {
            images[at] = Sha256::digest(images[at - 1]).into();
        }
        Self { images, zid }
    }

    /// With the MAC that an image is the key of.
    fn signed(&self, image: usize, message: Message) -> Vec<u8> {
        let mut bytes = message.to_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.images[image]).unwrap();
        mac.update(split_mac(&bytes).unwrap().0);
        let at = bytes.len() - MAC_LEN;
        bytes[at..].copy_from_slice(&mac.finalize().into_bytes()[..MAC_LEN]);
        datagram(&bytes)
    }

    fn hello(&self) -> Vec<u8> {
        let names = Names::new(&[Name(*b"X255"), Name(*b"Mult")]).unwrap();
        let hello = Hello {
            version: *b"1.10",
            client: *b"forger          ",
            h3: self.images[3],
            zid: self.zid,
            signatures: false,
            mitm: false,
            passive: false,
            hashes: Names::default(),
            ciphers: Names::default(),
            auth_tags: Names::default(),
            agreements: names,
            sas_types: Names::default(),
            mac: [0; MAC_LEN],
        };
        self.signed(2, Message::Hello(hello))
    }

    fn commit(&self, mode: CommitMode) -> Vec<u8> {
        let agreement = if let CommitMode::Dh { .. } = mode { *b"X255" } else { *b"Mult" };
        let commit = Commit {
            h2: self.images[2],
            zid: self.zid,
            hash: Name(*b"S256"),
            cipher: Name(*b"AES1"),
            auth_tag: Name(*b"HS80"),
            agreement: Name(agreement),
            sas_type: Name(*b"B32 "),
            mode,
            mac: [0; MAC_LEN],
        };
        self.signed(1, Message::Commit(commit))
    }
}

/// Our Hello is lost, and a forged HelloACK says that it was not.
#[test]
fn a_forged_hello_ack_does_not_keep_our_hello_from_the_peer() {
    for passive in [false, true] {
        let mut pair = Pair::of(x255(false), x255(passive));
        let mut lost = 0;
        pair.run_with(GOOD, 1, &mut |from, sent| match message(&sent) {
            Message::Hello(_) if from == 0 && lost == 0 => {
                lost += 1;
                vec![]
            }
            Message::Hello(_) if from == 1 => vec![sent, datagram(&Message::HelloAck.to_bytes())],
            _ => vec![sent],
        });
        pair.assert_secure("in spite of the HelloACK");
        assert!(pair.took() < Duration::from_secs(5), "{:?}", pair.took());
    }
}

#[test]
fn a_flood_of_hellos_between_a_peers_hello_and_its_commit_does_not_push_it_out() {
    let mut pair = Pair::of(x255(true), x255(false));
    let mut number = 0;
    pair.run_with(GOOD, 1, &mut |from, sent| {
        let mut all = vec![sent];
        if from == 1 && matches!(message(&all[0]), Message::Hello(_)) {
            all.extend((0..100).map(|_| {
                number += 1;
                Forger::new(number, Zid([0x77; 12])).hello()
            }));
        }
        all
    });
    pair.assert_secure("among forgers");
}

/// Hello and Commit, and no DHPart2: the true peer, who comes after all patience is spent, is served.
#[test]
fn a_commit_that_is_abandoned_does_not_end_the_stream() {
    let mut pair = Pair::of(x255(false), x255(false));
    let forger = Forger::new(1, Zid([0x77; 12]));
    pair.ends[0].start(pair.now);
    for sent in [forger.hello(), forger.commit(CommitMode::Dh { hvi: [0xff; 32] })] {
        pair.ends[0].receive(&sent, pair.now);
    }
    let answers: Vec<_> =
        std::iter::from_fn(|| pair.ends[0].poll_transmit()).map(|sent| message(&sent)).collect();
    assert!(
        answers.iter().any(|answer| answer.kind() == MessageType::DhPart1),
        "the forger is believed at first"
    );
    pair.run(Network { start: [0, 17_000], ..GOOD }, 1);
    pair.assert_secure("the true peer");
}

/// A Commit of the peer's that was lost upon is answered again, but not for ever.
#[test]
fn a_commit_again_and_again_is_answered_within_bounds() {
    let mut pair = Pair::of(x255(false), x255(false));
    let forger = Forger::new(1, Zid([0x77; 12]));
    let now = pair.now;
    pair.ends[0].start(now);
    pair.ends[0].receive(&forger.hello(), now);
    let commit = forger.commit(CommitMode::Dh { hvi: [0xff; 32] });
    let mut answers = 0;
    for _ in 0..10_000 {
        pair.ends[0].receive(&commit, now);
        answers += std::iter::from_fn(|| pair.ends[0].poll_transmit()).count();
    }
    assert!((3..=30).contains(&answers), "{answers}");
}

/// The second stream's responder has been told a Commit by somebody who has not the call's session.
#[test]
fn a_forged_multistream_commit_does_not_keep_the_second_stream_from_the_peer() {
    let ends = [association(0, x255(true), None), association(1, x255(false), None)];
    let mut audio = Pair::new(&ends[0], &ends[1]);
    audio.run(GOOD, 1);
    audio.assert_secure("audio");
    let mut video = Pair::new(&ends[0], &ends[1]);
    let forger = Forger::new(1, zid(1));
    video.ends[0].start(video.now);
    for sent in [forger.hello(), forger.commit(CommitMode::Multistream { nonce: [9; 16] })] {
        video.ends[0].receive(&sent, video.now);
    }
    assert_eq!(video.ends[0].state(), StreamState::Negotiating, "the forger is believed at first");
    while video.ends[0].poll_transmit().is_some() {}
    video.run(GOOD, 1);
    video.assert_secure("video");
    assert!(video.took() < Duration::from_secs(6), "{:?}", video.took());
}

#[test]
fn an_old_multistream_commit_sent_again_does_not_end_a_stream_that_is_clear() {
    let config = |passive| Config { allow_clear: true, ..x255(passive) };
    let ends = [association(0, config(true), None), association(1, config(false), None)];
    Pair::new(&ends[0], &ends[1]).run(GOOD, 1);
    let mut video = Pair::new(&ends[0], &ends[1]);
    let mut commit = None;
    video.run_with(GOOD, 1, &mut |_, sent| {
        if let Message::Commit(_) = message(&sent) {
            commit = Some(sent.clone());
        }
        vec![sent]
    });
    video.assert_secure("video");
    assert!(video.ends[1].go_clear(video.now));
    for _ in 0..3 {
        for end in 0..2 {
            while let Some(sent) = video.ends[end].poll_transmit() {
                video.ends[1 - end].receive(&sent, video.now);
            }
        }
    }
    assert_eq!(video.ends[0].state(), StreamState::Clear);
    video.ends[0].receive(&commit.unwrap(), video.now);
    assert_eq!(video.ends[0].state(), StreamState::Clear);
    video.told[0].hear(&mut video.ends[0]);
    assert!(video.told[0].alerts.contains(&Alert::NonceReuse) && video.told[0].failed.is_empty());
}

#[test]
fn a_peer_may_send_every_packet_under_another_ssrc() {
    let mut random = Random(1);
    let mut pair = Pair::of(x255(false), x255(false));
    pair.run_with(GOOD, 1, &mut |_, sent| {
        let packet = Packet::parse(&sent).unwrap();
        vec![Packet { ssrc: random.next() as u32 | 0x100, ..packet }.to_bytes()]
    });
    pair.assert_secure("any SSRC");
}

#[test]
fn the_sequence_number_goes_on_at_zero_after_its_highest() {
    let mut pair = Pair::of(x255(false), x255(false));
    let ping = datagram(&Message::Ping(Ping { version: *b"1.10", endpoint_hash: [9; 8] }).to_bytes());
    let mut last = None;
    // Each answer takes a number; a stream begins below 0x1000.
    for _ in 0..=u16::MAX - 0x800 {
        pair.now += Duration::from_millis(100);
        pair.ends[0].receive(&ping, pair.now);
        let sequence = Packet::parse(&pair.ends[0].poll_transmit().unwrap()).unwrap().sequence;
        assert!(last.is_none_or(|last: u16| last.wrapping_add(1) == sequence), "{last:?} {sequence}");
        last = Some(sequence);
        if sequence > u16::MAX - 2 {
            break;
        }
    }
    assert!(last.unwrap() > u16::MAX - 0x1000);
    pair.run(GOOD, 1);
    pair.assert_secure("around zero");
}

/// Nobody commits: each has heard the other, and that is all.
#[test]
fn two_passive_ends_hear_each_other_and_get_no_keys() {
    let mut pair = Pair::of(x255(true), x255(true));
    pair.run(GOOD, 1);
    for (end, told) in pair.ends.iter().zip(&pair.told) {
        assert_eq!(end.state(), StreamState::Discovery);
        assert!(!told.done() && told.others.len() == 1, "{:?}", told.others);
    }
}

/// Events and datagrams that nobody fetches stay few.
#[test]
fn a_stream_that_nobody_polls_stays_small() {
    let ours = association(0, x255(false), None);
    let begin = Instant::now();
    let mut stream = Stream::new(&ours, 1, begin).unwrap();
    stream.start(begin);
    for number in 0..2_000u32 {
        let now = begin + Duration::from_millis(50) * number;
        let forger = Forger::new(number, Zid([0x77; 12]));
        stream.receive(&forger.hello(), now);
        stream.receive(&forger.commit(CommitMode::Dh { hvi: [0xff; 32] }), now);
        stream.handle_timeout(now);
    }
    let mut told = Told::default();
    told.hear(&mut stream);
    assert!(told.alerts.len() <= 64 && told.others.len() <= 4, "{} {:?}", told.alerts.len(), told.others);
    assert!(std::iter::from_fn(|| stream.poll_transmit()).count() <= 64);
}
