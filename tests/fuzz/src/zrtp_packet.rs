//! Whole ZRTP packets into streams that wait and that look for a peer.
//!
//! Input: datagrams, each a word of length and its bytes. Each comes as it is and once more with its CRC made right.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sealrtp_zrtp::message::{Message, MessageType, Zid};
use sealrtp_zrtp::packet::{Packet, PacketError, is_zrtp};
use sealrtp_zrtp::{Association, Config, Event, MAX_ALERTS, Received, Stream, StreamState};

use crate::input::Input;
use crate::zrtp_message::{line, read};

/// Bounds the time of one run.
const MAX_DATAGRAMS: usize = 32;
/// Bytes before the message.
const HEADER: usize = 12;
/// Most events beside alerts: the peer found, the end.
const OTHER_EVENTS: usize = 2;
/// Most answers to Commits with Diffie-Hellman in a stream's life; each comes again with its Commit.
const MAX_DH_PARTS: usize = 4;

/// The datagram with the CRC that its other bytes have.
pub fn with_crc(datagram: &[u8]) -> Option<Vec<u8>> {
    let message = datagram.get(HEADER..)?.split_last_chunk::<4>()?.0;
    let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
    let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
    Some(Packet { sequence, ssrc, message }.to_bytes())
}

/// Reads header, CRC and message. Returns the message.
fn parse(datagram: &[u8]) -> Option<Message> {
    line(datagram);
    let parsed = Packet::parse(datagram);
    assert_eq!(parsed == Err(PacketError::NotZrtp), !is_zrtp(datagram));
    let packet = parsed.ok()?;
    let written = packet.to_bytes();
    assert_eq!(written.len(), datagram.len());
    assert_eq!(Packet::parse(&written), Ok(packet));
    read(packet.message)
}

/// A stream of a configuration with every list full, in a state that nobody has answered yet.
fn stream(now: Instant) -> Stream {
    static ONE: OnceLock<Association> = OnceLock::new();
    let association = ONE.get_or_init(|| {
        Association::new(Arc::new(Config::default()), Zid([0xaa; 12]), None).expect("a valid configuration")
    });
    Stream::new(association, 0x1234, now).expect("random numbers")
}

/// Runs one input. Returns how many messages were read.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let mut now = Instant::now();
    let (mut idle, mut looking) = (stream(now), stream(now));
    looking.start(now);
    let (mut messages, mut dh_parts) = (0, HashSet::new());
    let mut sent = std::iter::from_fn(|| looking.poll_transmit()).count();
    assert_eq!(sent, 1, "Hello");
    for _ in 0..MAX_DATAGRAMS {
        if input.is_empty() {
            break;
        }
        let datagram = input.packet();
        for datagram in [Some(datagram.to_vec()), with_crc(datagram)].into_iter().flatten() {
            let message = parse(&datagram);
            messages += usize::from(message.is_some());
            for stream in [&mut idle, &mut looking] {
                let received = stream.receive(&datagram, now);
                assert_eq!(received == Received::NotZrtp, !is_zrtp(&datagram));
            }
            let answers: Vec<_> = std::iter::from_fn(|| idle.poll_transmit()).collect();
            // Before it starts a stream answers Ping alone, once.
            assert!(answers.len() <= usize::from(matches!(message, Some(Message::Ping(_)))));
            let begun = sent;
            while let Some(out) = looking.poll_transmit() {
                sent += 1;
                let kind = parse(&out).expect("what leaves is right").kind();
                if kind == MessageType::DhPart1 {
                    dh_parts.insert(Packet::parse(&out).expect("what leaves is right").message.to_vec());
                }
                assert!(!matches!(kind, MessageType::Confirm1 | MessageType::Confirm2), "keys with nobody");
            }
            assert!(sent - begun <= 3, "{} answers to one datagram", sent - begun);
        }
        now += Duration::from_millis(10);
    }
    let (mut alerts, mut others) = (0, 0);
    while let Some(event) = looking.poll_event() {
        match event {
            Event::Alert(_) => alerts += 1,
            Event::PeerFound { .. } | Event::NoAnswer | Event::Failed(_) => others += 1,
            event => panic!("{event:?} of packets that no peer made for us"),
        }
    }
    assert!(alerts <= MAX_ALERTS && others <= OTHER_EVENTS, "{alerts} alerts, {others} others");
    assert!(dh_parts.len() <= MAX_DH_PARTS, "{} answers with Diffie-Hellman", dh_parts.len());
    assert_eq!(idle.state(), StreamState::Idle);
    assert!(!matches!(looking.state(), StreamState::Secure | StreamState::Clear));
    messages
}
