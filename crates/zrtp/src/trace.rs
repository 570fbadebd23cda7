//! A ZRTP datagram as one line for an administrator's trace.
//!
//! ```
//! use sealrtp_zrtp::message::{ErrorCode, Message};
//! use sealrtp_zrtp::packet::Packet;
//! use sealrtp_zrtp::trace::Line;
//!
//! let message = Message::Error(ErrorCode::HVI).to_bytes();
//! let datagram = Packet { sequence: 7, ssrc: 1, message: &message }.to_bytes();
//! assert_eq!(Line(&datagram).to_string(), "Error: DH error: hvi is not the hash of DHPart2 (0x62)");
//! ```

use std::fmt;

use crate::message::{Commit, Hello, Message, MessageError, Names};
use crate::packet::{Packet, PacketError};

/// Most bytes of a [`Line`], all printable ASCII.
pub const MAX_LINE: usize = 1024;

/// What a datagram says: the message's name, and of Hello, Commit, DHPart, Confirm and Error what tells how two ends come to
/// terms. Nothing secret: no hash image, no MAC, no ID of a retained secret, no public value.
#[derive(Clone, Copy)]
pub struct Line<'a>(
    /// The datagram.
    pub &'a [u8],
);

/// Names with commas between; a dash for none.
struct List<'a>(&'a Names);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("-"),
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|name| write!(f, ",{name}"))
            }
        }
    }
}

fn hello(hello: &Hello, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " {} \"{}\" ZID {}", hello.version.escape_ascii(), hello.client_name(), hello.zid)?;
    let flags = [(hello.signatures, "S"), (hello.mitm, "M"), (hello.passive, "P")];
    if flags.iter().any(|(set, _)| *set) {
        f.write_str(" flags ")?;
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| f.write_str(name))?;
    }
    let Hello { hashes, ciphers, auth_tags, agreements, sas_types, .. } = hello;
    let [hashes, ciphers, auth_tags, agreements, sas_types] =
        [hashes, ciphers, auth_tags, agreements, sas_types].map(List);
    write!(f, " offers {hashes} {ciphers} {auth_tags} {agreements} {sas_types}")
}

fn commit(commit: &Commit, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Commit { zid, hash, cipher, auth_tag, agreement, sas_type, .. } = commit;
    write!(f, " ZID {zid} chooses {hash} {cipher} {auth_tag} {agreement} {sas_type}")
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = match Packet::parse(self.0) {
            Ok(packet) => packet,
            Err(error @ PacketError::NotZrtp) => return write!(f, "{error}"),
            Err(error) => return write!(f, "{error}, {} bytes", self.0.len()),
        };
        let message = match Message::parse(packet.message) {
            Ok(message) => message,
            Err(error) => {
                // The type is what helps with a peer that knows more messages than we do.
                let block = packet.message.get(4..12).unwrap_or_default().escape_ascii();
                let len = packet.message.len();
                return match error {
                    MessageError::NotAMessage => write!(f, "{error}, {len} bytes"),
                    _ => write!(f, "{error}: \"{block}\", {len} bytes"),
                };
            }
        };
        f.write_str(message.kind().name())?;
        match &message {
            Message::Hello(body) => hello(body, f),
            Message::Commit(body) => commit(body, f),
            Message::DhPart1(part) | Message::DhPart2(part) => {
                write!(f, " public value of {} bytes", part.public_value.len())
            }
            Message::Confirm1(sealed) | Message::Confirm2(sealed) | Message::SasRelay(sealed) => {
                write!(f, " encrypted, {} bytes", sealed.sealed.len())
            }
            Message::Error(code) => write!(f, ": {code}"),
            Message::Ping(_)
            | Message::PingAck(_)
            | Message::GoClear(_)
            | Message::HelloAck
            | Message::Conf2Ack
            | Message::ErrorAck
            | Message::ClearAck
            | Message::RelayAck => Ok(()),
        }
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CommitMode, DhPart, ErrorCode, MAX_NAMES, Name, Sealed, Zid};

    fn line(message: &Message) -> String {
        let message = message.to_bytes();
        Line(&Packet { sequence: 1, ssrc: 2, message: &message }.to_bytes()).to_string()
    }

    fn names(list: &[&[u8; 4]]) -> Names {
        Names::new(&list.iter().map(|name| Name(**name)).collect::<Vec<_>>()).unwrap()
    }

    fn hello() -> Hello {
        Hello {
            version: *b"1.10",
            client: *b"BZRTPv1.1\0\0\0\0\0\0\0",
            h3: [0x33; 32],
            zid: Zid([0xab; 12]),
            signatures: true,
            mitm: false,
            passive: true,
            hashes: names(&[b"S256", b"S384"]),
            ciphers: names(&[b"AES1", b"AES3"]),
            auth_tags: names(&[b"HS80"]),
            agreements: names(&[b"X255", b"DH3k", b"Mult"]),
            sas_types: names(&[]),
            mac: [0x77; 8],
        }
    }

    fn commit() -> Commit {
        Commit {
            h2: [0x22; 32],
            zid: Zid([0xcd; 12]),
            hash: Name(*b"S256"),
            cipher: Name(*b"AES1"),
            auth_tag: Name(*b"HS80"),
            agreement: Name(*b"X255"),
            sas_type: Name(*b"B32 "),
            mode: CommitMode::Dh { hvi: [0x66; 32] },
            mac: [0x77; 8],
        }
    }

    #[test]
    fn a_line_says_what_two_ends_offer_and_choose() {
        assert_eq!(
            line(&Message::Hello(hello())),
            "Hello 1.10 \"BZRTPv1.1\" ZID abababababababababababab flags SP \
             offers S256,S384 AES1,AES3 HS80 X255,DH3k,Mult -"
        );
        assert_eq!(
            line(&Message::Commit(commit())),
            "Commit ZID cdcdcdcdcdcdcdcdcdcdcdcd chooses S256 AES1 HS80 X255 B32"
        );
        assert_eq!(line(&Message::Conf2Ack), "Conf2ACK");
        assert_eq!(line(&Message::Error(ErrorCode(0x1234))), "Error: unknown (0x1234)");
    }

    #[test]
    fn nothing_secret_and_no_hash_image_is_in_a_line() {
        let part = DhPart {
            h1: [0x11; 32],
            rs1_id: [0x55; 8],
            rs2_id: [0x55; 8],
            aux_id: [0x55; 8],
            pbx_id: [0x55; 8],
            public_value: vec![0x44; 384].into(),
            mac: [0x77; 8],
        };
        let sealed = Sealed { mac: [0x77; 8], iv: [0x77; 16], sealed: vec![0x77; 40].into() };
        let lines = [
            Message::Hello(hello()),
            Message::Commit(commit()),
            Message::DhPart1(part),
            Message::Confirm2(sealed.clone()),
            Message::SasRelay(sealed),
            Message::GoClear([0x77; 8]),
        ]
        .map(|message| line(&message));
        assert_eq!(lines[2], "DHPart1 public value of 384 bytes");
        assert_eq!(lines[3], "Confirm2 encrypted, 40 bytes");
        for line in lines {
            for byte in ["11", "22", "33", "44", "55", "66", "77"] {
                assert!(!line.contains(&byte.repeat(2)), "{line}");
            }
        }
    }

    #[test]
    fn whatever_comes_is_one_short_line_of_ascii() {
        let nasty = [b'\n', 0xff, b'"', 0];
        let all = names(&[&nasty; MAX_NAMES]);
        let mut worst = hello();
        worst.version = nasty;
        worst.client = [0xff; 16];
        (worst.signatures, worst.mitm) = (true, true);
        (worst.hashes, worst.ciphers, worst.auth_tags) = (all, all, all);
        (worst.agreements, worst.sas_types) = (all, all);
        let mut datagrams = vec![vec![], vec![0x10; 12], b"\x10\0\0\0ZRTP\0\0\0\0".to_vec(), vec![0x80; 172]];
        for message in [
            Message::Hello(worst).to_bytes(),
            [b"\x50\x5a\0\x03".as_slice(), &nasty, &nasty].concat(),
            b"nothing like it.".to_vec(),
        ] {
            datagrams.push(Packet { sequence: 1, ssrc: 2, message: &message }.to_bytes());
        }
        for datagram in datagrams {
            let line = Line(&datagram).to_string();
            assert!(!line.is_empty() && line.len() <= MAX_LINE, "{line}");
            assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line:?}");
        }
    }
}
