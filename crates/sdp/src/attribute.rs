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
    Rtcp,
    BundleOnly,
    /// Of ICE (RFC 8839), whatever it says.
    Ice,
    /// A `c=` line.
    Host,
    Direction(Direction),
}

/// When a line may be taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is about media security and nothing else.
    Always,
    /// Connection-oriented media have it, too (RFC 4145): only where it goes with DTLS.
    WithDtls,
    /// It says where media goes, and whoever stands in between says that anew.
    WithTransport,
    Never,
}

impl Removal {
    /// Whether strip takes it out; `dtls`: `a=setup` and `a=connection` belong to DTLS-SRTP here.
    pub fn is_security(self, dtls: bool) -> bool {
        match self {
            Self::Always => true,
            Self::WithDtls => dtls,
            Self::WithTransport | Self::Never => false,
        }
    }
}

const ATTRIBUTES: [(&str, Name, Removal); 25] = [
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
    ("rtcp", Name::Rtcp, Removal::WithTransport),
    ("bundle-only", Name::BundleOnly, Removal::WithTransport),
    ("candidate", Name::Ice, Removal::WithTransport),
    ("end-of-candidates", Name::Ice, Removal::WithTransport),
    ("remote-candidates", Name::Ice, Removal::WithTransport),
    ("ice-ufrag", Name::Ice, Removal::WithTransport),
    ("ice-pwd", Name::Ice, Removal::WithTransport),
    ("ice-options", Name::Ice, Removal::WithTransport),
    ("ice-lite", Name::Ice, Removal::WithTransport),
    ("ice-mismatch", Name::Ice, Removal::WithTransport),
    ("ice-pacing", Name::Ice, Removal::WithTransport),
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
    /// Whether it is `a=group:BUNDLE` (RFC 9143).
    pub fn is_bundle(&self) -> bool {
        let semantics = self.value.split([' ', '\t']).next().unwrap_or_default();
        self.name == Name::Group && semantics.eq_ignore_ascii_case("BUNDLE")
    }

    /// None for lines that this crate does not know.
    pub fn read(line: &Line<'a>) -> Result<Option<Self>, SdpError> {
        let range = line.range.clone();
        if line.kind.eq_ignore_ascii_case(&b'k') {
            // Never read: there is nothing to do with it but to take it out.
            return Ok(Some(Self { name: Name::Key, removal: Removal::Always, value: "", range }));
        }
        if line.kind.eq_ignore_ascii_case(&b'c') {
            let value = ascii(line.value).unwrap_or_default();
            return Ok(Some(Self { name: Name::Host, removal: Removal::Never, value, range }));
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
        match (ascii(value), removal) {
            (Some(value), _) => Ok(Some(Self { name, removal, value, range })),
            // It is of no concern to media security, and says nothing that can be used.
            (None, Removal::WithTransport) => Ok(Some(Self { name, removal, value: "", range })),
            (None, _) => Err(SdpError::Line { number: line.number, fault: Fault::NotAscii }),
        }
    }
}

/// No value: it may be a key.
impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.name, self.range)
    }
}

/// A value without white space around it, if it is ASCII.
fn ascii(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok().filter(|value| value.is_ascii()).map(str::trim)
}

/// RFC 8866 section 9, `token-char`.
fn is_token(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}
