//! The attributes that this crate knows, in one table.

use std::fmt;
use std::ops::Range;

use crate::lines::Line;
use crate::{Direction, Fault, SdpError};

/// What a line of the session's level or of an m-line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Crypto,
    Fingerprint,
    TlsId,
    ZrtpHash,
    KeyMgmt,
    /// A `k=` line: a key in the clear, which RFC 8866 section 5.12 forbids.
    Key,
    Setup,
    Connection,
    Mid,
    Group,
    RtcpMux,
    BundleOnly,
    Direction(Direction),
}

/// When a line may be taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is about media security and nothing else.
    Always,
    /// Connection-oriented media have it, too (RFC 4145): only where it goes with DTLS.
    WithDtls,
    Never,
}

const ATTRIBUTES: [(&str, Name, Removal); 15] = [
    ("crypto", Name::Crypto, Removal::Always),
    ("fingerprint", Name::Fingerprint, Removal::Always),
    ("tls-id", Name::TlsId, Removal::Always),
    ("zrtp-hash", Name::ZrtpHash, Removal::Always),
    ("key-mgmt", Name::KeyMgmt, Removal::Always),
    ("setup", Name::Setup, Removal::WithDtls),
    ("connection", Name::Connection, Removal::WithDtls),
    ("mid", Name::Mid, Removal::Never),
    ("group", Name::Group, Removal::Never),
    ("rtcp-mux", Name::RtcpMux, Removal::Never),
    ("bundle-only", Name::BundleOnly, Removal::Never),
    ("sendrecv", Name::Direction(Direction::SendRecv), Removal::Never),
    ("sendonly", Name::Direction(Direction::SendOnly), Removal::Never),
    ("recvonly", Name::Direction(Direction::RecvOnly), Removal::Never),
    ("inactive", Name::Direction(Direction::Inactive), Removal::Never),
];

/// One known line.
#[derive(Clone)]
pub(crate) struct Attribute<'a> {
    pub name: Name,
    pub removal: Removal,
    /// Behind the colon, without white space around it; empty if there is no colon.
    pub value: &'a str,
    /// Where the line is in the body, with its line end.
    pub range: Range<usize>,
}

impl<'a> Attribute<'a> {
    /// None for lines that this crate does not know.
    pub fn read(line: &Line<'a>) -> Result<Option<Self>, SdpError> {
        let range = line.range.clone();
        if line.kind.eq_ignore_ascii_case(&b'k') {
            // Never read: there is nothing to do with it but to take it out.
            return Ok(Some(Self { name: Name::Key, removal: Removal::Always, value: "", range }));
        }
        if !line.kind.eq_ignore_ascii_case(&b'a') {
            return Ok(None);
        }
        // The name ends where its characters do, colon or not: parsers behind us are as lenient.
        let name_len = line.value.iter().position(|byte| !is_token(*byte)).unwrap_or(line.value.len());
        let (name, value) = line.value.split_at(name_len);
        let known = ATTRIBUTES.iter().find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name));
        let Some(&(_, name, removal)) = known else { return Ok(None) };
        let value = value.strip_prefix(b":").unwrap_or_default();
        match str::from_utf8(value) {
            Ok(value) if value.is_ascii() => Ok(Some(Self { name, removal, value: value.trim(), range })),
            _ => Err(SdpError::Line { number: line.number, fault: Fault::NotAscii }),
        }
    }
}

/// No value: it may be a key.
impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.name, self.range)
    }
}

/// RFC 8866 section 9, `token-char`.
fn is_token(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}
