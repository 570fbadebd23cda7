//! As much SDP (RFC 8866) as an audio end point needs: what one audio m-line says of its transport, codecs and what secures
//! it, read by [`sealrtp_sdp`]; and descriptions of our own.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use sealrtp_dtls::{Setup, TlsId};
use sealrtp_sdp::{Host, Media as Line, Profile};
use zeroize::Zeroizing;

use crate::codec::Codec;

/// Longest SDP body that is read, in bytes.
pub const MAX_LEN: usize = sealrtp_sdp::MAX_LEN;

/// Why a body cannot be used. Never repeats what could be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Cannot be read at all.
    #[error("the SDP cannot be read: {0}")]
    Body(#[from] sealrtp_sdp::SdpError),
    /// Does not begin with `v=0`.
    #[error("the SDP does not begin with v=0")]
    Version,
    /// An attribute that cannot be understood and must be.
    #[error("the SDP's audio has no valid {0}")]
    Attribute(&'static str),
    /// No audio, or only rejected audio.
    #[error("the SDP has no audio m-line with a port")]
    NoAudio,
    /// No `c=` for the audio.
    #[error("the SDP has no c= line with an IP address for the audio")]
    NoAddress,
}

/// What a description says of its audio.
#[derive(Clone, Debug)]
pub struct Audio {
    /// Where RTP is received.
    pub rtp: SocketAddr,
    /// Where RTCP is received if it is not muxed.
    pub rtcp: SocketAddr,
    /// Of the m-line.
    pub profile: Profile,
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
    /// One that is not, as the answer rejects it.
    Other(String),
}

/// A description of the peer.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its first audio that is not rejected.
    pub audio: Audio,
    media: Vec<Media>,
}

impl Description {
    /// Reads a body.
    ///
    /// # Errors
    /// An [`SdpError`].
    pub fn read(body: &str) -> Result<Self, SdpError> {
        if !body.starts_with("v=0") {
            return Err(SdpError::Version);
        }
        let description = sealrtp_sdp::Description::parse(body.as_bytes())?;
        let lines = description.media();
        let usable = |line: &Line<'_>| line.kind() == "audio" && line.port() != 0 && line.profile().is_rtp();
        let index = lines.iter().position(usable).ok_or(SdpError::NoAudio)?;
        let media = lines
            .iter()
            .enumerate()
            .map(|(number, line)| if number == index { Media::Audio } else { Media::Other(rejected(line)) });
        Ok(Self { audio: Audio::of(&description, index)?, media: media.collect() })
    }
}

/// The m-line that rejects one.
fn rejected(line: &Line<'_>) -> String {
    let formats: Vec<_> = line.formats().collect();
    format!("m={} 0 {} {}", line.kind(), line.transport(), formats.join(" "))
}

fn rtpmap(value: &str) -> Option<(u8, Option<Codec>)> {
    let (payload_type, encoding) = value.split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    let codec =
        parts.next().and_then(|name| Codec::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(name)));
    let known = parts.next() == Some("8000") && parts.next().is_none_or(|channels| channels == "1");
    Some((payload_type.parse().ok()?, codec.filter(|_| known)))
}

impl Audio {
    fn of(description: &sealrtp_sdp::Description<'_>, index: usize) -> Result<Self, SdpError> {
        let line = &description.media()[index];
        let ip = |host: Host<'_>| match host {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        };
        let address = line.host().and_then(ip).ok_or(SdpError::NoAddress)?;
        let above = SocketAddr::new(address, line.port().wrapping_add(1));
        let rtcp = line
            .rtcp()
            .map_or(above, |rtcp| SocketAddr::new(rtcp.host.and_then(ip).unwrap_or(address), rtcp.port));
        // Only the static payload types are sent, so a codec under another number is none of ours.
        let mapped: Vec<_> = description.values(index, "rtpmap").filter_map(rtpmap).collect();
        let codec = |payload_type: u8| {
            let mapped = mapped.iter().find(|(mapped, _)| *mapped == payload_type);
            let codec = mapped.map_or_else(|| Codec::from_payload_type(payload_type), |(_, codec)| *codec);
            codec.filter(|codec| codec.payload_type() == payload_type)
        };
        let setup = line.setup().map(|setup| setup.parse().map_err(|_| SdpError::Attribute("a=setup")));
        Ok(Self {
            rtp: SocketAddr::new(address, line.port()),
            rtcp,
            profile: line.profile(),
            codecs: line.formats().filter_map(|format| codec(format.parse().ok()?)).collect(),
            crypto: Zeroizing::new(line.crypto().map(str::to_owned).collect()),
            fingerprints: line.fingerprints().map(str::to_owned).collect(),
            setup: setup.transpose()?,
            tls_id: line.tls_id().and_then(|id| id.parse().ok()),
            rtcp_mux: line.rtcp_mux(),
            ptime: description.values(index, "ptime").find_map(|ms| ms.parse().ok()),
            zrtp_hashes: line.zrtp_hashes().map(str::to_owned).collect(),
        })
    }
}

/// An answer to an offer that rejects each of its m-lines; none if the offer cannot be read.
pub fn rejection(session_id: u32, address: IpAddr, offer: &str) -> Option<Zeroizing<String>> {
    let offer = sealrtp_sdp::Description::parse(offer.as_bytes()).ok()?;
    let media = offer.media().iter().map(|line| rejected(line) + "\r\n");
    Some(Zeroizing::new(head(session_id, address) + &media.collect::<String>()))
}

/// What stands before the first m-line.
fn head(session_id: u32, address: IpAddr) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!("v=0\r\no=- {session_id} 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n")
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
    pub profile: Profile,
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
        out.push_str(&head(session_id, self.rtp.ip()));
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing into a String cannot fail.
            let _ = out.write_fmt(text);
            out.push_str("\r\n");
        };
        for media in to.map_or(&[Media::Audio][..], |to| &to.media) {
            match media {
                Media::Audio => self.audio(&mut line),
                Media::Other(rejected) => line(format_args!("{rejected}")),
            }
        }
        out
    }

    fn audio(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        let formats: Vec<_> = self.codecs.iter().map(|codec| codec.payload_type().to_string()).collect();
        line(format_args!("m=audio {} {} {}", self.rtp.port(), self.profile, formats.join(" ")));
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
        assert_eq!(audio.profile, Profile::UdpTlsSavpf);
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
        assert_eq!(read("v=0\nc=IN IP4 host.example\nm=audio 4000 RTP/AVP 0\n"), SdpError::NoAddress);
        assert_eq!(
            read("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=setup:both\n"),
            SdpError::Attribute("a=setup")
        );
        for body in ["v=0\nm=audio 66000 RTP/AVP 0\n", "v=0\nnothing\n"] {
            assert!(matches!(read(body), SdpError::Body(error) if error.line() == Some(2)));
        }
        assert!(matches!(read(&format!("v=0{}", " ".repeat(MAX_LEN))), SdpError::Body(_)));
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
            profile: offer.audio.profile,
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

    #[test]
    fn a_rejection_has_every_m_line_with_port_0_and_nothing_of_the_offers_keys() {
        let body = rejection(7, "::1".parse().unwrap(), OFFER).unwrap();
        assert!(
            body.contains("m=video 0 RTP/SAVP 96\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111 8 0 101\r\n"),
            "{}",
            *body
        );
        assert!(!body.contains("a="), "{}", *body);
        assert_eq!(Description::read(&body).unwrap_err(), SdpError::NoAudio);
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
                    profile: description.audio.profile,
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
