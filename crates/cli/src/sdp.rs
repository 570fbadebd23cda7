//! As much SDP (RFC 8866) as an audio end point needs: one audio m-line with its transport, codecs and what secures it.
//!
//! Reading is bounded: [`MAX_LEN`] bytes and [`MAX_MEDIA`] m-lines; what is not known is passed over.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use sealrtp_dtls::{Setup, TlsId};
use zeroize::Zeroizing;

use crate::codec::Codec;

/// Longest SDP body that is read, in bytes.
pub const MAX_LEN: usize = 64 * 1024;
/// Most m-lines of a body.
pub const MAX_MEDIA: usize = 32;
/// Most lines of `a=crypto`, `a=fingerprint` and `a=zrtp-hash` each that are kept of one m-line, so that those who judge them can say that
/// there are too many.
const MAX_LINES: usize = 65;

/// Why a body cannot be used. Never repeats what could be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_LEN`].
    #[error("the SDP has {0} bytes, at most {MAX_LEN} are read")]
    TooLong(usize),
    /// Does not begin with `v=0`.
    #[error("the SDP does not begin with v=0")]
    Version,
    /// More than [`MAX_MEDIA`] m-lines.
    #[error("the SDP has more than {MAX_MEDIA} m-lines")]
    TooManyMedia,
    /// A line that cannot be understood and must be.
    #[error("line {number} of the SDP: {what} expected")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What should stand there.
        what: &'static str,
    },
    /// No audio, or only rejected audio.
    #[error("the SDP has no audio m-line with a port")]
    NoAudio,
    /// No `c=` for the audio.
    #[error("the SDP has no c= line for the audio")]
    NoAddress,
}

/// The transport protocol of an m-line (RFC 3551, 3711, 4585, 5124, 5764).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `RTP/AVP`: clear, unless `a=crypto` says otherwise (RFC 8643).
    Avp,
    /// `RTP/AVPF`.
    Avpf,
    /// `RTP/SAVP`.
    Savp,
    /// `RTP/SAVPF`.
    Savpf,
    /// `UDP/TLS/RTP/SAVP`.
    TlsSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    TlsSavpf,
}

const PROTOCOLS: [(Protocol, &str); 6] = [
    (Protocol::Avp, "RTP/AVP"),
    (Protocol::Avpf, "RTP/AVPF"),
    (Protocol::Savp, "RTP/SAVP"),
    (Protocol::Savpf, "RTP/SAVPF"),
    (Protocol::TlsSavp, "UDP/TLS/RTP/SAVP"),
    (Protocol::TlsSavpf, "UDP/TLS/RTP/SAVPF"),
];

impl Protocol {
    /// The name in an m-line.
    pub fn name(self) -> &'static str {
        PROTOCOLS.iter().find(|(protocol, _)| *protocol == self).map_or("RTP/SAVP", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        PROTOCOLS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(protocol, _)| *protocol)
    }
}

/// What a description says of its audio.
#[derive(Clone, Debug)]
pub struct Audio {
    /// Where RTP is received.
    pub rtp: SocketAddr,
    /// Where RTCP is received if it is not muxed.
    pub rtcp: SocketAddr,
    /// Of the m-line.
    pub protocol: Protocol,
    /// Codecs of ours that it lists, in its order.
    pub codecs: Vec<Codec>,
    /// Values of `a=crypto`, in order.
    pub crypto: Zeroizing<Vec<String>>,
    /// Values of `a=fingerprint`: the m-line's, or where it has none the session's (RFC 8122 section 5).
    pub fingerprints: Vec<String>,
    /// `a=setup`, the m-line's or the session's.
    pub setup: Option<Setup>,
    /// `a=tls-id`, where it can be read.
    pub tls_id: Option<TlsId>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// `a=ptime`, in ms.
    pub ptime: Option<u32>,
    /// Values of `a=zrtp-hash`, in order.
    pub zrtp_hashes: Vec<String>,
}

/// One m-line.
#[derive(Clone, Debug)]
enum Media {
    /// The audio that is used.
    Audio,
    /// Kind, protocol and formats of one that is not, for the answer that rejects it.
    Other(String),
}

/// A description of the peer.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its first audio that is not rejected.
    pub audio: Audio,
    media: Vec<Media>,
}

/// Attributes of the session or of an m-line, as far as they are read.
#[derive(Default)]
struct Attributes {
    address: Option<IpAddr>,
    crypto: Zeroizing<Vec<String>>,
    fingerprints: Vec<String>,
    setup: Option<Setup>,
    tls_id: Option<TlsId>,
    rtcp_mux: bool,
    rtcp: Option<(u16, Option<IpAddr>)>,
    ptime: Option<u32>,
    zrtp_hashes: Vec<String>,
    /// Payload types that `a=rtpmap` gives one of our codecs at 8 kHz, or something else.
    mapped: Vec<(u8, Option<Codec>)>,
}

struct AudioLine {
    port: u16,
    protocol: Protocol,
    formats: Vec<u8>,
}

impl Description {
    /// Reads a body.
    ///
    /// # Errors
    /// An [`SdpError`].
    pub fn read(body: &str) -> Result<Self, SdpError> {
        if body.len() > MAX_LEN {
            return Err(SdpError::TooLong(body.len()));
        }
        let mut lines = body.lines().zip(1..).map(|(line, number)| (line.trim_end(), number));
        if lines.next().map(|(line, _)| line) != Some("v=0") {
            return Err(SdpError::Version);
        }
        let mut session = Attributes::default();
        let mut media = Vec::new();
        let mut audio: Option<(AudioLine, Attributes)> = None;
        let mut current = At::Session;
        for (line, number) in lines {
            let Some((kind, value)) = line.split_once('=') else { continue };
            if kind == "m" {
                if media.len() == MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                match AudioLine::read(value, number)? {
                    Some(found) if audio.is_none() => {
                        audio = Some((found, Attributes::default()));
                        media.push(Media::Audio);
                        current = At::Audio;
                    }
                    _ => {
                        media.push(Media::Other(value.to_owned()));
                        current = At::Elsewhere;
                    }
                }
                continue;
            }
            match (current, &mut audio) {
                (At::Session, _) => session.line(kind, value, number)?,
                (At::Audio, Some((_, attributes))) => attributes.line(kind, value, number)?,
                (At::Audio | At::Elsewhere, _) => {}
            }
        }
        let (line, own) = audio.ok_or(SdpError::NoAudio)?;
        Ok(Self { audio: Audio::of(line, own, session)?, media })
    }
}

/// Where a line stands.
#[derive(Clone, Copy)]
enum At {
    Session,
    Audio,
    Elsewhere,
}

impl AudioLine {
    /// None for other media, and for audio that is rejected by port 0.
    fn read(value: &str, number: usize) -> Result<Option<Self>, SdpError> {
        let wrong = SdpError::Line { number, what: "m=<media> <port> <protocol> <formats>" };
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong);
        };
        let port = port.split_once('/').map_or(port, |(port, _)| port).parse().map_err(|_| wrong)?;
        match Protocol::from_name(protocol) {
            Some(protocol) if kind == "audio" && port != 0 => Ok(Some(Self {
                port,
                protocol,
                formats: words.filter_map(|word| word.parse().ok()).collect(),
            })),
            _ => Ok(None),
        }
    }
}

impl Attributes {
    fn line(&mut self, kind: &str, value: &str, number: usize) -> Result<(), SdpError> {
        let wrong = |what| SdpError::Line { number, what };
        match kind {
            "c" => {
                let known = "an address as in c=IN IP4 192.0.2.1";
                let address = value.strip_prefix("IN ").and_then(address).ok_or(wrong(known))?;
                self.address = Some(address);
            }
            "a" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                match name {
                    "crypto" if self.crypto.len() < MAX_LINES => self.crypto.push(value.to_owned()),
                    "fingerprint" if self.fingerprints.len() < MAX_LINES => {
                        self.fingerprints.push(value.to_owned());
                    }
                    "zrtp-hash" if self.zrtp_hashes.len() < MAX_LINES => {
                        self.zrtp_hashes.push(value.to_owned());
                    }
                    "setup" => {
                        self.setup = Some(value.parse().map_err(|_| wrong("a=setup of RFC 4145"))?);
                    }
                    "tls-id" => self.tls_id = value.parse().ok(),
                    "rtcp-mux" => self.rtcp_mux = true,
                    "rtcp" => self.rtcp = Some(rtcp(value).ok_or(wrong("a=rtcp of RFC 3605"))?),
                    "ptime" => self.ptime = value.trim().parse().ok(),
                    "rtpmap" if self.mapped.len() < 128 => self.mapped.extend(rtpmap(value)),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `IP4 192.0.2.1`, with a TTL or without.
fn address(value: &str) -> Option<IpAddr> {
    let (family, address) = value.trim().split_once(' ')?;
    let address: IpAddr = address.split('/').next()?.trim().parse().ok()?;
    let fits = match family {
        "IP4" => address.is_ipv4(),
        "IP6" => address.is_ipv6(),
        _ => false,
    };
    fits.then_some(address)
}

/// `4001` or `4001 IN IP4 192.0.2.1`.
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    match value.trim().split_once(' ') {
        None => Some((value.trim().parse().ok()?, None)),
        Some((port, at)) => Some((port.parse().ok()?, Some(address(at.strip_prefix("IN ")?)?))),
    }
}

fn rtpmap(value: &str) -> Option<(u8, Option<Codec>)> {
    let (payload_type, encoding) = value.trim().split_once(' ')?;
    let mut parts = encoding.split('/');
    let codec =
        parts.next().and_then(|name| Codec::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(name)));
    let known = parts.next() == Some("8000") && parts.next().is_none_or(|channels| channels == "1");
    Some((payload_type.parse().ok()?, codec.filter(|_| known)))
}

impl Audio {
    fn of(line: AudioLine, mut own: Attributes, session: Attributes) -> Result<Self, SdpError> {
        let address = own.address.or(session.address).ok_or(SdpError::NoAddress)?;
        let (rtcp_port, rtcp_address) = own.rtcp.unwrap_or((line.port.wrapping_add(1), None));
        // Only the static payload types are sent, so a codec under another number is none of ours.
        let codec = |payload_type: &u8| {
            let mapped = own.mapped.iter().find(|(mapped, _)| mapped == payload_type);
            let codec = mapped.map_or_else(|| Codec::from_payload_type(*payload_type), |(_, codec)| *codec);
            codec.filter(|codec| codec.payload_type() == *payload_type)
        };
        Ok(Self {
            rtp: SocketAddr::new(address, line.port),
            rtcp: SocketAddr::new(rtcp_address.unwrap_or(address), rtcp_port),
            protocol: line.protocol,
            codecs: line.formats.iter().filter_map(codec).collect(),
            crypto: std::mem::take(&mut own.crypto),
            fingerprints: if own.fingerprints.is_empty() { session.fingerprints } else { own.fingerprints },
            setup: own.setup.or(session.setup),
            tls_id: own.tls_id,
            rtcp_mux: own.rtcp_mux,
            ptime: own.ptime,
            // Of this m-line's Hello alone (RFC 6189 section 8).
            zrtp_hashes: own.zrtp_hashes,
        })
    }
}

/// Room for a body of ours: it holds keys, and must not leave copies of them behind by growing.
const ROOM: usize = MAX_LEN + 16 * 1024;

/// What ours says; with an RTP port of 0 that the audio is rejected.
#[derive(Debug)]
pub struct Local {
    /// Where we receive RTP.
    pub rtp: SocketAddr,
    /// Where we receive RTCP if it is not muxed.
    pub rtcp: SocketAddr,
    /// Of the m-line.
    pub protocol: Protocol,
    /// What we send and take, best first.
    pub codecs: Vec<Codec>,
    /// In ms.
    pub ptime: u32,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// Values of `a=crypto`.
    pub crypto: Zeroizing<Vec<String>>,
    /// DTLS: fingerprint, setup and, if it is to be there, tls-id.
    pub dtls: Option<(String, Setup, Option<TlsId>)>,
    /// Value of `a=zrtp-hash`.
    pub zrtp_hash: Option<String>,
}

impl Local {
    /// An offer, or with the peer's description the answer to it: m-lines that we do not use are rejected.
    pub fn write(&self, session_id: u32, to: Option<&Description>) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(ROOM));
        let family = if self.rtp.is_ipv4() { "IP4" } else { "IP6" };
        let address = self.rtp.ip();
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing into a String cannot fail.
            let _ = out.write_fmt(text);
            out.push_str("\r\n");
        };
        line(format_args!("v=0"));
        line(format_args!("o=- {session_id} 1 IN {family} {address}"));
        line(format_args!("s=-"));
        line(format_args!("c=IN {family} {address}"));
        line(format_args!("t=0 0"));
        for media in to.map_or(&[Media::Audio][..], |to| &to.media) {
            match media {
                Media::Audio => self.audio(&mut line),
                Media::Other(value) => {
                    let mut words = value.split_ascii_whitespace();
                    let (kind, _) = (words.next().unwrap_or("audio"), words.next());
                    let rest: Vec<_> = words.collect();
                    line(format_args!("m={kind} 0 {}", rest.join(" ")));
                }
            }
        }
        out
    }

    fn audio(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        let formats: Vec<_> = self.codecs.iter().map(|codec| codec.payload_type().to_string()).collect();
        line(format_args!("m=audio {} {} {}", self.rtp.port(), self.protocol.name(), formats.join(" ")));
        line(format_args!("a=rtcp:{}", self.rtcp.port()));
        if self.rtcp_mux {
            line(format_args!("a=rtcp-mux"));
        }
        for codec in &self.codecs {
            line(format_args!("a=rtpmap:{} {}/8000", codec.payload_type(), codec.name()));
        }
        line(format_args!("a=ptime:{}", self.ptime));
        line(format_args!("a=sendrecv"));
        if let Some((fingerprint, setup, tls_id)) = &self.dtls {
            line(format_args!("a=fingerprint:{fingerprint}"));
            line(format_args!("a=setup:{setup}"));
            if let Some(tls_id) = tls_id {
                line(format_args!("a=tls-id:{tls_id}"));
            }
        }
        for crypto in self.crypto.iter() {
            line(format_args!("a=crypto:{crypto}"));
        }
        if let Some(hash) = &self.zrtp_hash {
            line(format_args!("a=zrtp-hash:{hash}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n\
        m=video 5000 RTP/SAVP 96\r\na=crypto:9 not ours\r\n\
        m=audio 4000 UDP/TLS/RTP/SAVPF 111 8 0 101\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtcp:4005 IN IP4 192.0.2.9\r\na=rtcp-mux\r\na=ptime:30\r\na=crypto:1 A inline:x\r\na=crypto:2 B inline:y\r\n";

    #[test]
    fn an_offer_is_read_with_session_level_attributes_and_without_those_of_other_m_lines() {
        let audio = Description::read(OFFER).unwrap().audio;
        assert_eq!(audio.rtp, "192.0.2.1:4000".parse().unwrap());
        assert_eq!(audio.rtcp, "192.0.2.9:4005".parse().unwrap());
        assert_eq!(audio.protocol, Protocol::TlsSavpf);
        assert_eq!(audio.codecs, [Codec::Pcma, Codec::Pcmu]);
        assert_eq!(*audio.crypto, ["1 A inline:x", "2 B inline:y"]);
        assert_eq!((audio.fingerprints, audio.setup), (vec!["sha-256 AA".into()], Some(Setup::ActPass)));
        assert_eq!((audio.rtcp_mux, audio.ptime), (true, Some(30)));
    }

    #[test]
    fn a_fingerprint_of_the_m_line_takes_the_place_of_the_sessions() {
        let offer = format!("{OFFER}a=fingerprint:sha-256 BB\r\na=setup:passive\r\nc=IN IP6 2001:db8::1\r\n");
        let audio = Description::read(&offer).unwrap().audio;
        assert_eq!((audio.fingerprints, audio.setup), (vec!["sha-256 BB".into()], Some(Setup::Passive)));
        assert_eq!(audio.rtp, "[2001:db8::1]:4000".parse().unwrap());
    }

    #[test]
    fn what_must_be_there_and_is_not_is_refused_with_its_line() {
        let read = |body: &str| Description::read(body).unwrap_err();
        assert_eq!(read(""), SdpError::Version);
        assert_eq!(read("v=0\nm=audio 0 RTP/AVP 0\n"), SdpError::NoAudio);
        assert_eq!(read("v=0\nm=audio 4000 RTP/AVP 0\n"), SdpError::NoAddress);
        assert!(matches!(read("v=0\nc=IN IP4 host.example\n"), SdpError::Line { number: 2, .. }));
        assert!(matches!(read("v=0\nm=audio 66000 RTP/AVP 0\n"), SdpError::Line { number: 2, .. }));
        assert!(matches!(read("v=0\na=setup:both\n"), SdpError::Line { number: 2, .. }));
        assert_eq!(read(&format!("v=0\n{}", "m=video 1 RTP/AVP 0\n".repeat(33))), SdpError::TooManyMedia);
        assert_eq!(read(&" ".repeat(MAX_LEN + 1)), SdpError::TooLong(MAX_LEN + 1));
    }

    #[test]
    fn a_payload_type_mapped_to_something_else_is_not_our_codec() {
        let body = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0 8 96\na=rtpmap:0 OPUS/48000\na=rtpmap:96 PCMA/8000\n";
        assert_eq!(Description::read(body).unwrap().audio.codecs, [Codec::Pcma]);
    }

    #[test]
    fn ours_reads_back_and_an_answer_rejects_the_m_lines_it_does_not_use() {
        let offer = Description::read(OFFER).unwrap();
        let local = Local {
            rtp: "[::1]:4000".parse().unwrap(),
            rtcp: "[::1]:4001".parse().unwrap(),
            protocol: offer.audio.protocol,
            codecs: vec![Codec::Pcma],
            ptime: 20,
            rtcp_mux: true,
            crypto: Zeroizing::new(vec!["1 A inline:z".into()]),
            dtls: Some(("sha-256 CC".into(), Setup::Active, Some("abcdefghijklmnopqrst".parse().unwrap()))),
            zrtp_hash: Some("1.10 ab".into()),
        };
        let body = local.write(7, Some(&offer));
        assert!(body.contains("m=video 0 RTP/SAVP 96\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 8\r\n"), "{}", *body);
        let audio = Description::read(&body).unwrap().audio;
        assert_eq!((audio.rtp, audio.rtcp, audio.rtcp_mux), (local.rtp, local.rtcp, true));
        assert_eq!((audio.codecs, audio.ptime), (vec![Codec::Pcma], Some(20)));
        assert_eq!(
            (audio.setup, audio.tls_id.unwrap().as_str()),
            (Some(Setup::Active), "abcdefghijklmnopqrst")
        );
        assert_eq!(
            (audio.fingerprints, &*audio.crypto),
            (vec!["sha-256 CC".into()], &vec!["1 A inline:z".into()])
        );
        assert_eq!(audio.zrtp_hashes, ["1.10 ab"]);
    }

    proptest! {
        #[test]
        fn no_body_makes_reading_or_answering_panic(
            lines in proptest::collection::vec("(v=0|c=IN IP4 192.0.2.1|m=audio [0-9]{1,5} RTP/SAVP [0-9 ]{0,9}|[a-z]=\\PC{0,40}|a=(crypto|rtcp|rtpmap|ptime|setup|tls-id):\\PC{0,30}|a=rtcp:[0-9]{1,6} IN IP6 [:0-9]{0,9})", 0..12)
        ) {
            let body = format!("v=0\r\n{}", lines.join("\r\n"));
            if let Ok(description) = Description::read(&body) {
                let local = Local {
                    rtp: description.audio.rtp,
                    rtcp: description.audio.rtcp,
                    protocol: description.audio.protocol,
                    codecs: vec![Codec::Pcmu],
                    ptime: 20,
                    rtcp_mux: false,
                    crypto: Zeroizing::default(),
                    dtls: None,
                    zrtp_hash: None,
                };
                let answer = local.write(1, Some(&description));
                prop_assert!(Description::read(&answer).is_ok());
            }
        }
    }
}
