//! The messages of RFC 6189 sections 5.2 to 5.16: exact, bounded parsing and serialising.
//!
//! A message is what lies between the packet's header and its CRC. Bits the RFC calls unused are ignored when read and
//! written as zero; hashes and MACs must therefore be made over the bytes that came, not over a message written again.

mod commit;
mod confirm;
mod dh_part;
mod error_code;
mod hello;
mod name;
mod ping;
mod reader;

pub use commit::{Commit, CommitMode};
pub use confirm::{ConfirmBody, Flags, SasRelayBody, Sealed, Signature};
pub use dh_part::{DhPart, MAX_PUBLIC_VALUE};
pub use error_code::ErrorCode;
pub use hello::Hello;
pub use name::{MAX_NAMES, Name, Names, Zid, ZidError};
pub use ping::{Ping, PingAck};

use reader::Reader;

/// First two bytes of every message.
const PREAMBLE: [u8; 2] = [0x50, 0x5a];
/// Bytes of preamble, length and message type block.
const HEAD: usize = 12;
/// Bytes of the MACs that end Hello, Commit and DHPart and begin Confirm and SASrelay: HMAC cut to 64 bits.
pub const MAC_LEN: usize = 8;
/// Most bytes of a message: a Confirm with the longest signature, 530 words.
pub const MAX_MESSAGE_LEN: usize = 4 * (19 + 511);

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No preamble.
    #[error("not a ZRTP message")]
    NotAMessage,
    /// The length does not fit the message's type or its own fields.
    #[error("the message's length does not fit")]
    Length,
    /// A message type that RFC 6189 does not know.
    #[error("unknown message type")]
    UnknownType,
    /// A list of more than seven names.
    #[error("a list holds at most {MAX_NAMES} names")]
    TooManyNames,
    /// Not a whole number of words, or longer than its length field can say.
    #[error("a signature or public value does not fit its length field")]
    TooLong,
}

/// Any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Section 5.2.
    Hello(Hello),
    /// Section 5.3.
    HelloAck,
    /// Section 5.4.
    Commit(Commit),
    /// Section 5.5.
    DhPart1(DhPart),
    /// Section 5.6.
    DhPart2(DhPart),
    /// Section 5.7, encrypted.
    Confirm1(Sealed),
    /// Section 5.7, encrypted.
    Confirm2(Sealed),
    /// Section 5.8.
    Conf2Ack,
    /// Section 5.9.
    Error(ErrorCode),
    /// Section 5.10.
    ErrorAck,
    /// Section 5.11, with its clear_mac.
    GoClear([u8; MAC_LEN]),
    /// Section 5.12.
    ClearAck,
    /// Section 5.13, encrypted.
    SasRelay(Sealed),
    /// Section 5.14.
    RelayAck,
    /// Section 5.15.
    Ping(Ping),
    /// Section 5.16.
    PingAck(PingAck),
}

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum MessageType {
    Hello,
    HelloAck,
    Commit,
    DhPart1,
    DhPart2,
    Confirm1,
    Confirm2,
    Conf2Ack,
    Error,
    ErrorAck,
    GoClear,
    ClearAck,
    SasRelay,
    RelayAck,
    Ping,
    PingAck,
}

/// Table 1 of RFC 6189.
#[rustfmt::skip]
const TYPES: [(MessageType, [u8; 8]); 16] = [
    (MessageType::Hello, *b"Hello   "),
    (MessageType::HelloAck, *b"HelloACK"),
    (MessageType::Commit, *b"Commit  "),
    (MessageType::DhPart1, *b"DHPart1 "),
    (MessageType::DhPart2, *b"DHPart2 "),
    (MessageType::Confirm1, *b"Confirm1"),
    (MessageType::Confirm2, *b"Confirm2"),
    (MessageType::Conf2Ack, *b"Conf2ACK"),
    (MessageType::Error, *b"Error   "),
    (MessageType::ErrorAck, *b"ErrorACK"),
    (MessageType::GoClear, *b"GoClear "),
    (MessageType::ClearAck, *b"ClearACK"),
    (MessageType::SasRelay, *b"SASrelay"),
    (MessageType::RelayAck, *b"RelayACK"),
    (MessageType::Ping, *b"Ping    "),
    (MessageType::PingAck, *b"PingACK "),
];

impl MessageType {
    /// The message type block.
    pub const fn block(self) -> [u8; 8] {
        TYPES[self as usize].1
    }

    /// The name without the block's spaces.
    pub fn name(self) -> &'static str {
        std::str::from_utf8(&TYPES[self as usize].1).map_or("", str::trim_end)
    }
}

impl std::fmt::Display for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Message {
    /// Reads one message that fills `bytes` to the end.
    ///
    /// # Errors
    /// A [`MessageError`] for anything that RFC 6189 does not describe.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != PREAMBLE {
            return Err(MessageError::NotAMessage);
        }
        let words = u16::from_be_bytes(reader.array()?);
        if usize::from(words) * 4 != bytes.len() || bytes.len() > MAX_MESSAGE_LEN {
            return Err(MessageError::Length);
        }
        let block: [u8; 8] = reader.array()?;
        let kind = TYPES.iter().find(|(_, name)| *name == block).ok_or(MessageError::UnknownType)?.0;
        let message = match kind {
            MessageType::Hello => Self::Hello(Hello::read(&mut reader)?),
            MessageType::HelloAck => Self::HelloAck,
            MessageType::Commit => Self::Commit(Commit::read(&mut reader)?),
            MessageType::DhPart1 => Self::DhPart1(DhPart::read(&mut reader)?),
            MessageType::DhPart2 => Self::DhPart2(DhPart::read(&mut reader)?),
            MessageType::Confirm1 => Self::Confirm1(Sealed::read(&mut reader)?),
            MessageType::Confirm2 => Self::Confirm2(Sealed::read(&mut reader)?),
            MessageType::Conf2Ack => Self::Conf2Ack,
            MessageType::Error => Self::Error(ErrorCode(reader.word()?)),
            MessageType::ErrorAck => Self::ErrorAck,
            MessageType::GoClear => Self::GoClear(reader.array()?),
            MessageType::ClearAck => Self::ClearAck,
            MessageType::SasRelay => Self::SasRelay(Sealed::read(&mut reader)?),
            MessageType::RelayAck => Self::RelayAck,
            MessageType::Ping => Self::Ping(Ping::read(&mut reader)?),
            MessageType::PingAck => Self::PingAck(PingAck::read(&mut reader)?),
        };
        reader.end()?;
        Ok(message)
    }

    /// The message's type.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Hello(_) => MessageType::Hello,
            Self::HelloAck => MessageType::HelloAck,
            Self::Commit(_) => MessageType::Commit,
            Self::DhPart1(_) => MessageType::DhPart1,
            Self::DhPart2(_) => MessageType::DhPart2,
            Self::Confirm1(_) => MessageType::Confirm1,
            Self::Confirm2(_) => MessageType::Confirm2,
            Self::Conf2Ack => MessageType::Conf2Ack,
            Self::Error(_) => MessageType::Error,
            Self::ErrorAck => MessageType::ErrorAck,
            Self::GoClear(_) => MessageType::GoClear,
            Self::ClearAck => MessageType::ClearAck,
            Self::SasRelay(_) => MessageType::SasRelay,
            Self::RelayAck => MessageType::RelayAck,
            Self::Ping(_) => MessageType::Ping,
            Self::PingAck(_) => MessageType::PingAck,
        }
    }

    /// The message's bytes, a multiple of four.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&PREAMBLE);
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.kind().block());
        match self {
            Self::Hello(hello) => hello.write(&mut out),
            Self::Commit(commit) => commit.write(&mut out),
            Self::DhPart1(part) | Self::DhPart2(part) => part.write(&mut out),
            Self::Confirm1(sealed) | Self::Confirm2(sealed) | Self::SasRelay(sealed) => {
                sealed.write(&mut out)
            }
            Self::Error(code) => out.extend_from_slice(&code.0.to_be_bytes()),
            Self::GoClear(mac) => out.extend_from_slice(mac),
            Self::Ping(ping) => ping.write(&mut out),
            Self::PingAck(ack) => ack.write(&mut out),
            Self::HelloAck | Self::Conf2Ack | Self::ErrorAck | Self::ClearAck | Self::RelayAck => {}
        }
        let words = (out.len() / 4) as u16;
        out[2..4].copy_from_slice(&words.to_be_bytes());
        out
    }
}

/// The message without the MAC that ends it, and that MAC: what the MACs of Hello, Commit and DHPart are made over.
pub fn split_mac(message: &[u8]) -> Option<(&[u8], &[u8; MAC_LEN])> {
    message.split_last_chunk().filter(|(covered, _)| covered.len() >= HEAD)
}
