//! Every message of ZRTP, what Confirm and SASrelay have encrypted, and what signalling and people write of ZRTP.
//!
//! Input: a byte that chooses one of [`what`], then its bytes. Message types get preamble, length and type block here, so that
//! every byte of the input is body.

use sealrtp_zrtp::HelloHash;
use sealrtp_zrtp::message::{
    ConfirmBody, ErrorCode, MAC_LEN, MAX_MESSAGE_LEN, Message, MessageType, SasRelayBody, Zid, split_mac,
};
use sealrtp_zrtp::packet::{MAX_PACKET_LEN, Packet};
use sealrtp_zrtp::trace::{Line, MAX_LINE};

/// What the rest of the input is; below these, the body of the message type of that number.
pub mod what {
    /// A whole message.
    pub const MESSAGE: u8 = 16;
    /// What a Confirm has encrypted.
    pub const CONFIRM: u8 = 17;
    /// What a SASrelay has encrypted.
    pub const SAS_RELAY: u8 = 18;
    /// A ZID and a value of `a=zrtp-hash`, each a line.
    pub const TEXT: u8 = 19;
    /// How many there are.
    pub const COUNT: u8 = 20;
}

/// The message types by their number.
pub const TYPES: [MessageType; 16] = [
    MessageType::Hello,
    MessageType::HelloAck,
    MessageType::Commit,
    MessageType::DhPart1,
    MessageType::DhPart2,
    MessageType::Confirm1,
    MessageType::Confirm2,
    MessageType::Conf2Ack,
    MessageType::Error,
    MessageType::ErrorAck,
    MessageType::GoClear,
    MessageType::ClearAck,
    MessageType::SasRelay,
    MessageType::RelayAck,
    MessageType::Ping,
    MessageType::PingAck,
];

/// A message of a type with whatever body, filled up to whole words.
pub fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x50, 0x5a, 0, 0];
    bytes.extend(kind.block());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words = (bytes.len() / 4) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    bytes
}

/// What parses is written and read back the same, whatever its unused bits were.
pub fn read(bytes: &[u8]) -> Option<Message> {
    let read = Message::parse(bytes).ok()?;
    assert!(bytes.len() <= MAX_MESSAGE_LEN && bytes.len().is_multiple_of(4));
    let written = read.to_bytes();
    assert_eq!(written.len(), bytes.len());
    assert_eq!(Message::parse(&written).as_ref(), Ok(&read));
    if matches!(read, Message::Commit(_) | Message::DhPart1(_) | Message::DhPart2(_)) {
        // Nothing in these is unused.
        assert_eq!(written, bytes);
        let (covered, mac) = split_mac(bytes).expect("longer than a MAC");
        assert_eq!([covered, mac].concat(), bytes);
        assert_eq!(covered.len() + MAC_LEN, bytes.len());
    }
    Some(read)
}

/// The line of a trace of whatever datagram.
pub fn line(datagram: &[u8]) {
    let line = Line(datagram).to_string();
    assert!(!line.is_empty() && line.len() <= MAX_LINE, "{line}");
    assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line:?}");
}

/// Runs one input. Returns how much of it was read.
pub fn run(data: &[u8]) -> usize {
    let Some((&what, body)) = data.split_first() else { return 0 };
    let bytes = match what % what::COUNT {
        what::MESSAGE => body.to_vec(),
        what::CONFIRM => return usize::from(confirm(body)),
        what::SAS_RELAY => return usize::from(sas_relay(body)),
        what::TEXT => return text(&String::from_utf8_lossy(body)),
        kind => message(TYPES[usize::from(kind)], body),
    };
    let read = read(&bytes);
    if bytes.len() <= MAX_MESSAGE_LEN {
        let datagram = Packet { sequence: 1, ssrc: 2, message: &bytes }.to_bytes();
        assert!(datagram.len() <= MAX_PACKET_LEN);
        line(&datagram);
    }
    if let Some(Message::Error(ErrorCode(code))) = read {
        assert!(ErrorCode(code).to_string().contains(&format!("0x{code:x}")));
    }
    usize::from(read.is_some())
}

fn confirm(bytes: &[u8]) -> bool {
    let Ok(read) = ConfirmBody::parse(bytes) else { return false };
    let written = read.to_bytes().expect("what was read fits");
    assert_eq!(written.len(), bytes.len());
    assert!(ConfirmBody::parse(&written).as_ref() == Ok(&read));
    true
}

fn sas_relay(bytes: &[u8]) -> bool {
    let Ok(read) = SasRelayBody::parse(bytes) else { return false };
    let written = read.to_bytes().expect("what was read fits");
    assert_eq!(written.len(), bytes.len());
    assert_eq!(SasRelayBody::parse(&written).as_ref(), Ok(&read));
    true
}

fn text(text: &str) -> usize {
    let mut read = 0;
    for line in text.lines() {
        if let Ok(zid) = line.parse::<Zid>() {
            assert_eq!(zid.to_string(), line.to_ascii_lowercase());
            read += 1;
        }
        if let Ok(hash) = line.parse::<HelloHash>() {
            assert_eq!(hash.to_string().parse(), Ok(hash));
            read += 1;
        }
    }
    read
}
