//! Messages of every kind are read as they were written; whatever else comes is refused without a panic.

mod common;

use common::{CAPTURES, capture};
use proptest::collection::vec;
use proptest::prelude::*;
use sealrtp_zrtp::message::{
    Commit, CommitMode, ConfirmBody, DhPart, ErrorCode, Flags, Hello, MAX_MESSAGE_LEN, MAX_PUBLIC_VALUE,
    Message, MessageError, MessageType, Name, Names, Ping, PingAck, SasRelayBody, Sealed, Signature, Zid,
};
use sealrtp_zrtp::packet::{MAX_PACKET_LEN, Packet, PacketError};

fn names() -> impl Strategy<Value = Names> {
    vec(any::<[u8; 4]>(), 0..=7)
        .prop_map(|names| Names::new(&names.into_iter().map(Name).collect::<Vec<_>>()).unwrap())
}

fn hello() -> impl Strategy<Value = Hello> {
    (
        any::<([u8; 4], [u8; 16], [u8; 32], [u8; 12], [bool; 3], [u8; 8])>(),
        (names(), names(), names(), names(), names()),
    )
        .prop_map(|((version, client, h3, zid, [signatures, mitm, passive], mac), lists)| {
            let (hashes, ciphers, auth_tags, agreements, sas_types) = lists;
            let zid = Zid(zid);
            Hello {
                version,
                client,
                h3,
                zid,
                signatures,
                mitm,
                passive,
                hashes,
                ciphers,
                auth_tags,
                agreements,
                sas_types,
                mac,
            }
        })
}

fn commit() -> impl Strategy<Value = Commit> {
    let mode = prop_oneof![
        any::<([u8; 4], [u8; 32])>()
            .prop_filter("other names", |(name, _)| name != b"Mult" && name != b"Prsh")
            .prop_map(|(name, hvi)| (Name(name), CommitMode::Dh { hvi })),
        any::<[u8; 16]>().prop_map(|nonce| (Name(*b"Mult"), CommitMode::Multistream { nonce })),
        any::<([u8; 16], [u8; 8])>()
            .prop_map(|(nonce, key_id)| (Name(*b"Prsh"), CommitMode::Preshared { nonce, key_id })),
    ];
    (any::<([u8; 32], [u8; 12], [[u8; 4]; 4], [u8; 8])>(), mode).prop_map(
        |((h2, zid, [hash, cipher, auth_tag, sas_type], mac), (agreement, mode))| Commit {
            h2,
            zid: Zid(zid),
            hash: Name(hash),
            cipher: Name(cipher),
            auth_tag: Name(auth_tag),
            agreement,
            sas_type: Name(sas_type),
            mode,
            mac,
        },
    )
}

fn dh_part() -> impl Strategy<Value = DhPart> {
    (any::<([u8; 32], [[u8; 8]; 4], [u8; 8])>(), vec(any::<[u8; 4]>(), 1..=MAX_PUBLIC_VALUE / 4)).prop_map(
        |((h1, [rs1_id, rs2_id, aux_id, pbx_id], mac), words)| DhPart {
            h1,
            rs1_id,
            rs2_id,
            aux_id,
            pbx_id,
            public_value: words.concat().into(),
            mac,
        },
    )
}

fn sealed() -> impl Strategy<Value = Sealed> {
    (any::<([u8; 8], [u8; 16])>(), vec(any::<[u8; 4]>(), 10..=521)).prop_map(|((mac, iv), words)| Sealed {
        mac,
        iv,
        sealed: words.concat().into(),
    })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        hello().prop_map(Message::Hello),
        Just(Message::HelloAck),
        commit().prop_map(Message::Commit),
        dh_part().prop_map(Message::DhPart1),
        dh_part().prop_map(Message::DhPart2),
        sealed().prop_map(Message::Confirm1),
        sealed().prop_map(Message::Confirm2),
        Just(Message::Conf2Ack),
        any::<u32>().prop_map(|code| Message::Error(ErrorCode(code))),
        Just(Message::ErrorAck),
        any::<[u8; 8]>().prop_map(Message::GoClear),
        Just(Message::ClearAck),
        sealed().prop_map(Message::SasRelay),
        Just(Message::RelayAck),
        any::<([u8; 4], [u8; 8])>()
            .prop_map(|(version, endpoint_hash)| Message::Ping(Ping { version, endpoint_hash })),
        any::<([u8; 4], [u8; 8], [u8; 8], u32)>().prop_map(
            |(version, endpoint_hash, ping_endpoint_hash, ping_ssrc)| Message::PingAck(PingAck {
                version,
                endpoint_hash,
                ping_endpoint_hash,
                ping_ssrc
            })
        ),
    ]
}

fn signature() -> impl Strategy<Value = Option<Signature>> {
    proptest::option::of((any::<[u8; 4]>(), vec(any::<[u8; 4]>(), 0..=510))).prop_map(|some| {
        some.map(|(kind, words)| Signature { kind: Name(kind), block: words.concat().into() })
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<[bool; 4]>().prop_map(|[enrolment, verified, allow_clear, disclosure]| Flags {
        enrolment,
        verified,
        allow_clear,
        disclosure,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in message(), sequence: u16, ssrc: u32) {
        let bytes = message.to_bytes();
        prop_assert!(bytes.len() <= MAX_MESSAGE_LEN && bytes.len() % 4 == 0);
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
        let packet = Packet { sequence, ssrc, message: &bytes };
        let datagram = packet.to_bytes();
        prop_assert!(datagram.len() <= MAX_PACKET_LEN);
        prop_assert_eq!(Packet::parse(&datagram), Ok(packet));
    }

    #[test]
    fn what_is_encrypted_is_read(h0: [u8; 32], flags in flags(), cache_expiry: u32, signature in signature(),
                                 sas_type: [u8; 4], sas_hash: [u8; 32]) {
        let body = ConfirmBody { h0, flags, cache_expiry, signature: signature.clone() };
        let bytes = body.to_bytes().unwrap();
        prop_assert_eq!(ConfirmBody::parse(&bytes), Ok(body));
        prop_assert!(ConfirmBody::parse(&bytes[..bytes.len() - 4]).is_err());
        let relay = SasRelayBody { flags, sas_type: Name(sas_type), sas_hash, signature };
        prop_assert_eq!(SasRelayBody::parse(&relay.to_bytes().unwrap()), Ok(relay));
    }

    #[test]
    fn a_message_cut_or_grown_is_refused(message in message(), cut in 1usize..60, grow in 1usize..60) {
        let bytes = message.to_bytes();
        prop_assert!(Message::parse(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
        let longer = [&bytes[..], &vec![0; grow]].concat();
        prop_assert!(Message::parse(&longer).is_err());
    }

    #[test]
    fn a_length_that_lies_is_refused_or_another_message(message in message(), words in 0usize..600) {
        let mut bytes = message.to_bytes();
        bytes.resize(words * 4, 0x5a);
        if bytes.len() >= 4 {
            bytes[2..4].copy_from_slice(&(words as u16).to_be_bytes());
        }
        if let Ok(other) = Message::parse(&bytes) {
            prop_assert_eq!(other.kind(), message.kind());
            prop_assert_eq!(Message::parse(&other.to_bytes()), Ok(other));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..700), kind in message().prop_map(|m| m.kind())) {
        let _ = Packet::parse(&bytes);
        let _ = ConfirmBody::parse(&bytes);
        let _ = SasRelayBody::parse(&bytes);
        let mut message = vec![0x50, 0x5a, 0, 0];
        message.extend_from_slice(&kind.block());
        message.extend_from_slice(&bytes[..bytes.len() / 4 * 4]);
        let words = (message.len() / 4) as u16;
        message[2..4].copy_from_slice(&words.to_be_bytes());
        if let Ok(read) = Message::parse(&message) {
            prop_assert_eq!(Message::parse(&read.to_bytes()), Ok(read));
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_real_packet_is_noticed() {
    for name in CAPTURES {
        for packet in capture(name) {
            for bit in 0..packet.datagram.len() * 8 {
                let mut damaged = packet.datagram.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let error = Packet::parse(&damaged).unwrap_err();
                assert!(
                    matches!(error, PacketError::Crc | PacketError::NotZrtp),
                    "{name}: bit {bit}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_a_real_message_never_panics() {
    for name in CAPTURES {
        for packet in capture(name) {
            let message = Packet::parse(&packet.datagram).unwrap().message.to_vec();
            for bit in 0..message.len() * 8 {
                let mut damaged = message.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                if let Ok(read) = Message::parse(&damaged) {
                    assert_eq!(read.to_bytes().len(), damaged.len());
                }
            }
        }
    }
}

#[test]
fn lengths_beyond_the_rfcs_are_refused() {
    let hello = |counts: [u8; 3], names: usize| {
        let mut bytes = vec![0x50, 0x5a, 0, 0];
        bytes.extend_from_slice(&MessageType::Hello.block());
        bytes.extend_from_slice(&[0; 4 + 16 + 32 + 12]);
        bytes.push(0);
        bytes.extend_from_slice(&counts);
        bytes.resize(bytes.len() + names * 4 + 8, b'x');
        let words = (bytes.len() / 4) as u16;
        bytes[2..4].copy_from_slice(&words.to_be_bytes());
        bytes
    };
    assert!(Message::parse(&hello([7, 0x77, 0x77], 35)).is_ok());
    assert!(Message::parse(&hello([0xf7, 0x77, 0x77], 35)).is_ok(), "the unused bits mean nothing");
    assert_eq!(Message::parse(&hello([8, 0x77, 0x77], 36)), Err(MessageError::TooManyNames));
    assert_eq!(Message::parse(&hello([7, 0x77, 0x77], 34)), Err(MessageError::Length));
    assert_eq!(Message::parse(&hello([7, 0x77, 0x77], 36)), Err(MessageError::Length));
    assert!(Names::new(&[Name(*b"S256"); 8]).is_err());
    let body = |words| ConfirmBody {
        h0: [0; 32],
        flags: Flags::default(),
        cache_expiry: 0,
        signature: Some(Signature { kind: Name(*b"PGP "), block: vec![0; words].into() }),
    };
    assert!(body(2040).to_bytes().is_ok());
    assert_eq!(body(2044).to_bytes(), Err(MessageError::TooLong));
    assert_eq!(body(3).to_bytes(), Err(MessageError::TooLong));
}
