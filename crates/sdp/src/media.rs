//! One m-line and the lines up to the next.

use std::fmt;
use std::ops::Range;

use crate::attribute::{Attribute, Name};
use crate::host::{Host, Rtcp};
use crate::lines::Line;
use crate::{Fault, Profile, SdpError};

/// Which way media go (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// `a=sendrecv`, and what holds if nothing is said.
    #[default]
    SendRecv,
    /// `a=sendonly`.
    SendOnly,
    /// `a=recvonly`.
    RecvOnly,
    /// `a=inactive`.
    Inactive,
}

/// The known attributes of the session's level or of one m-line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Level<'a> {
    pub attributes: Vec<Attribute<'a>>,
}

impl<'a> Level<'a> {
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a str> + '_ {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name == name)
            .map(|attribute| attribute.value)
    }

    pub fn first(&self, name: Name) -> Option<&'a str> {
        self.all(name).next()
    }

    pub fn has(&self, name: Name) -> bool {
        self.first(name).is_some()
    }

    pub fn direction(&self) -> Option<Direction> {
        self.attributes.iter().find_map(|attribute| match attribute.name {
            Name::Direction(direction) => Some(direction),
            _ => None,
        })
    }
}

/// What an m-line takes from the session's level where it has nothing of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inherited<'a> {
    pub fingerprints: Vec<&'a str>,
    pub setup: Option<&'a str>,
    pub connection: Option<&'a str>,
    pub tls_id: Option<&'a str>,
    pub direction: Option<Direction>,
    pub host: Option<&'a str>,
}

/// One m-line with its attributes.
#[derive(Clone)]
pub struct Media<'a> {
    pub(crate) number: usize,
    kind: &'a str,
    port: u16,
    port_count: u16,
    profile: Profile,
    transport: &'a str,
    formats: &'a str,
    pub(crate) level: Level<'a>,
    pub(crate) inherited: Inherited<'a>,
    /// Where the m-line begins in the body.
    pub(crate) start: usize,
    /// Where the port is in the body, with the number of ports.
    pub(crate) port_range: Range<usize>,
    /// Where the transport's name is in the body.
    pub(crate) transport_range: Range<usize>,
    /// Where a `c=` line may begin: behind the m-line and its `i=`.
    pub(crate) host_place: usize,
    /// Behind the line end of its last line that is not empty.
    pub(crate) end: usize,
    /// The m-line's line end.
    pub(crate) line_end: &'a [u8],
}

impl<'a> Media<'a> {
    pub(crate) fn read(line: &Line<'a>) -> Result<Self, SdpError> {
        let wrong = SdpError::Line { number: line.number, fault: Fault::Media };
        let text = str::from_utf8(line.value).ok().filter(|text| text.is_ascii()).ok_or(wrong)?;
        let (_, kind, rest) = word(text, 0).ok_or(wrong)?;
        let (port_at, port, rest) = word(text, rest).ok_or(wrong)?;
        let port_start = line.value_start + port_at;
        let port_range = port_start..port_start + port.len();
        let (at, transport, rest) = word(text, rest).ok_or(wrong)?;
        let (port, port_count) = match port.split_once('/') {
            Some((port, count)) => (port, number(count).ok_or(wrong)?),
            None => (port, 1),
        };
        let start = line.value_start + at;
        Ok(Self {
            number: line.number,
            kind,
            port: number(port).ok_or(wrong)?,
            port_count,
            profile: transport.parse().unwrap_or(Profile::Other),
            transport,
            formats: &text[rest..],
            level: Level::default(),
            inherited: Inherited::default(),
            start: line.range.start,
            port_range,
            transport_range: start..start + transport.len(),
            host_place: line.range.end,
            end: line.range.end,
            line_end: line.end,
        })
    }

    /// `audio`, `video` and so on, as written.
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The port; 0 means that the m-line is declined, unless [`bundle_only`](Self::bundle_only).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many ports: the number behind a slash, 1 without.
    pub fn port_count(&self) -> u16 {
        self.port_count
    }

    /// The transport, as far as it is RTP over UDP.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The transport as written.
    pub fn transport(&self) -> &'a str {
        self.transport
    }

    /// The formats, for RTP its payload types, in order.
    pub fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.formats.split([' ', '\t']).filter(|word| !word.is_empty())
    }

    /// Line of the body that the m-line is, counted from 1.
    pub fn line_number(&self) -> usize {
        self.number
    }

    /// `a=mid` (RFC 5888).
    pub fn mid(&self) -> Option<&'a str> {
        self.level.first(Name::Mid)
    }

    /// `a=bundle-only` (RFC 9143): with port 0 not declined but without a transport of its own.
    pub fn bundle_only(&self) -> bool {
        self.level.has(Name::BundleOnly)
    }

    /// `a=rtcp-mux` (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.level.has(Name::RtcpMux)
    }

    /// Whom its `c=` names, or the session's: where the peer wants its media (RFC 8866 section 5.7). None: there is no `c=`, or
    /// one that cannot be read.
    pub fn host(&self) -> Option<Host<'a>> {
        self.level.first(Name::Host).or(self.inherited.host).and_then(Host::read)
    }

    /// `a=rtcp` (RFC 3605), if it can be read.
    pub fn rtcp(&self) -> Option<Rtcp<'a>> {
        self.level.first(Name::Rtcp).and_then(Rtcp::read)
    }

    /// Whether there is anything of ICE (RFC 8839) in the m-line.
    pub fn has_ice(&self) -> bool {
        self.level.has(Name::Ice)
    }

    /// The m-line's direction, or the session's.
    pub fn direction(&self) -> Direction {
        self.level.direction().or(self.inherited.direction).unwrap_or_default()
    }

    /// Values of `a=crypto`, in order (RFC 4568: of the m-line only).
    pub fn crypto(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.level.all(Name::Crypto)
    }

    /// Values of `a=fingerprint`: the m-line's, or where it has none the session's (RFC 8122 section 5).
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a str> + '_ {
        let session = if self.level.has(Name::Fingerprint) { &[] } else { &self.inherited.fingerprints[..] };
        self.level.all(Name::Fingerprint).chain(session.iter().copied())
    }

    /// `a=setup` of the m-line, or of the session.
    pub fn setup(&self) -> Option<&'a str> {
        self.level.first(Name::Setup).or(self.inherited.setup)
    }

    /// `a=connection` of the m-line, or of the session.
    pub fn connection(&self) -> Option<&'a str> {
        self.level.first(Name::Connection).or(self.inherited.connection)
    }

    /// `a=tls-id` of the m-line, or of the session.
    pub fn tls_id(&self) -> Option<&'a str> {
        self.level.first(Name::TlsId).or(self.inherited.tls_id)
    }

    /// Values of `a=zrtp-hash`, in order (RFC 6189 section 8: of the m-line's own Hello).
    pub fn zrtp_hashes(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.level.all(Name::ZrtpHash)
    }

    /// Whether the m-line has `a=key-mgmt` (RFC 4567), as MIKEY does.
    pub fn has_key_mgmt(&self) -> bool {
        self.level.has(Name::KeyMgmt)
    }

    /// Whether `a=setup` and `a=connection` belong to DTLS-SRTP here.
    pub(crate) fn is_dtls_srtp(&self) -> bool {
        self.profile.is_dtls() || (self.profile.is_rtp() && self.fingerprints().next().is_some())
    }

    /// Whether an m-line that is left alone needs this attribute of the session's level.
    pub(crate) fn inherits(&self, name: Name) -> bool {
        let has = |part: &str| self.transport.split('/').any(|word| word.eq_ignore_ascii_case(part));
        let tls = has("TLS") || has("DTLS");
        let applies = match name {
            Name::Fingerprint | Name::TlsId => tls,
            Name::Setup | Name::Connection => tls || has("TCP"),
            _ => false,
        };
        applies && !self.profile.is_rtp() && self.port != 0 && !self.level.has(name)
    }
}

/// No values of attributes: they may be keys.
impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("line", &self.number)
            .field("kind", &self.kind)
            .field("port", &self.port)
            .field("transport", &self.transport)
            .field("attributes", &self.level.attributes)
            .finish_non_exhaustive()
    }
}

/// The next word at or behind `from`: its place, itself, and where the text goes on.
fn word(text: &str, from: usize) -> Option<(usize, &str, usize)> {
    let rest = &text[from..];
    let start = from + rest.find(|c| !matches!(c, ' ' | '\t'))?;
    let len = text[start..].find([' ', '\t']).unwrap_or(text.len() - start);
    Some((start, &text[start..start + len], start + len))
}

/// Digits only: `parse` alone would take a sign.
pub(crate) fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
