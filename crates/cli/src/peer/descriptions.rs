//! What a run and its peer tell each other before media: descriptions, or the command line in their place.

use std::net::SocketAddr;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Instant;

use sealrtp_sdp::Profile;
use sealrtp_session::{Component, RtcpTransport};

use super::{Peer, socket_error};
use crate::arguments::Method;
use crate::codec::Codec;
use crate::keying::{Lines, start_dtls};
use crate::outcome::{Ended, Outcome};
use crate::sdp::{Description, Local, SdpError};
use crate::signalling;

/// Milliseconds in a packet, without other word.
const PTIME: u32 = 20;
/// Most that a peer may ask for, so that a packet fits into a datagram of Ethernet's size.
const PTIMES: [u32; 5] = [10, 20, 30, 40, 60];

impl Peer<'_> {
    /// Our offer if it is to be the first; what the command line says if there are no descriptions.
    pub(super) fn begin(&mut self) -> Result<(), Ended> {
        let Some(theirs) = &self.arguments.remote_sdp else { return self.take_arguments() };
        let mut not_before = None;
        if self.arguments.offer {
            let (lines, profile) = self.keying.offer(&mut self.session)?;
            let codecs = self.arguments.codec.map_or(Codec::ALL.to_vec(), |codec| vec![codec]);
            let ptime = self.arguments.ptime.unwrap_or(PTIME);
            self.write(&self.local(lines, profile, codecs, ptime)?, None)?;
            not_before = signalling::written(&self.arguments.local_sdp);
        }
        let ((sender, receiver), waker) = (channel(), self.net.waker());
        signalling::read(theirs, not_before, move |body| {
            // Nobody listens any more if the run is over.
            let _ = sender.send(body);
            let _ = waker.wake();
        })?;
        self.awaited = Some(receiver);
        Ok(())
    }

    fn take_arguments(&mut self) -> Result<(), Ended> {
        let method = self.keying.take_arguments(&mut self.session, self.arguments)?;
        let rtp = self.arguments.remote;
        let above = |rtp: SocketAddr| SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
        self.remote = [rtp, self.arguments.remote_rtcp.or(rtp.map(above))];
        self.stream.agree(self.arguments.codec.unwrap_or(Codec::Pcmu), self.arguments.ptime.unwrap_or(PTIME));
        self.agree(method)
    }

    fn local(&self, lines: Lines, profile: Profile, codecs: Vec<Codec>, ptime: u32) -> Result<Local, Ended> {
        let address = |component| -> Result<SocketAddr, Ended> {
            let mut address = self.net.local(component).map_err(socket_error)?;
            self.arguments.advertise.iter().for_each(|ip| address.set_ip(*ip));
            Ok(address)
        };
        Ok(Local {
            rtp: address(Component::Rtp)?,
            rtcp: address(Component::Rtcp)?,
            profile,
            codecs,
            ptime,
            rtcp_mux: self.mux,
            crypto: lines.crypto,
            dtls: lines.dtls,
            zrtp_hash: lines.zrtp_hash,
        })
    }

    fn write(&self, ours: &Local, to: Option<&Description>) -> Result<(), Ended> {
        Ok(signalling::write(&self.arguments.local_sdp, &ours.write(std::process::id(), to))?)
    }

    /// Takes the peer's description if it has come.
    pub(super) fn description(&mut self) -> Result<(), Ended> {
        let Some(awaited) = &self.awaited else { return Ok(()) };
        let body = match awaited.try_recv() {
            Ok(body) => body?,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err(Ended::usage("the peer's SDP cannot be read")),
        };
        self.awaited = None;
        let theirs = match Description::read(&body) {
            Err(SdpError::NoAudio) if self.arguments.offer => {
                return Err(Ended::new(Outcome::NothingInCommon, "the peer's answer rejects our audio"));
            }
            other => other.map_err(Ended::usage)?,
        };
        let (codec, ptime) = self.media_of(&theirs);
        let taken = self.take(&theirs, codec, ptime);
        if self.arguments.offer {
            return taken.map(|_| ());
        }
        let profile = theirs.audio.profile;
        let answer = match &taken {
            // The peer need not wait for what will not come.
            Err(Ended { outcome: Outcome::NothingInCommon, .. }) => {
                let mut rejected = self.local(Lines::default(), profile, Codec::ALL.to_vec(), ptime)?;
                rejected.rtp.set_port(0);
                rejected
            }
            Err(_) => return taken.map(|_| ()),
            Ok(method) => {
                let lines = self.keying.answer(*method, &mut self.session, &theirs.audio)?;
                self.local(lines, profile, codec.into_iter().collect(), ptime)?
            }
        };
        self.write(&answer, Some(&theirs))?;
        taken.map(|_| ())
    }

    /// The first codec of the peer's that we want, and ms in a packet of ours.
    fn media_of(&self, theirs: &Description) -> (Option<Codec>, u32) {
        let wanted = |codec: &Codec| self.arguments.codec.is_none_or(|only| only == *codec);
        let asked = theirs.audio.ptime.filter(|ms| PTIMES.contains(ms));
        let ptime = self.arguments.ptime.or(asked).unwrap_or(PTIME);
        (theirs.audio.codecs.iter().copied().find(wanted), ptime)
    }

    fn take(&mut self, theirs: &Description, codec: Option<Codec>, ptime: u32) -> Result<Method, Ended> {
        let audio = &theirs.audio;
        let codec = codec.ok_or_else(|| Ended::new(Outcome::NothingInCommon, "no codec in common"))?;
        self.stream.agree(codec, ptime);
        self.mux &= audio.rtcp_mux;
        // An unspecified address holds the media: then it goes where the peer's comes from.
        let known = |address: &SocketAddr| !address.ip().is_unspecified() && address.port() != 0;
        self.remote = [audio.rtp, audio.rtcp].map(|address| Some(address).filter(known));
        let method = self.keying.take(&mut self.session, audio)?;
        self.agree(method)?;
        Ok(method)
    }

    /// Both sides are known: media may flow as soon as there are keys.
    fn agree(&mut self, method: Method) -> Result<(), Ended> {
        let now = Instant::now();
        self.agreed = Some(now);
        self.method = method;
        self.report.method = Some(method.name());
        self.report.rtcp = Some(if self.mux { "mux" } else { "separate" });
        if self.mux {
            self.remote[Component::Rtcp as usize] = None;
        }
        match method {
            Method::Dtls => {
                for (component, remote) in Component::BOTH.into_iter().zip(self.remote) {
                    remote.iter().for_each(|at| self.session.dtls_expect_source(component, *at));
                }
                let rtcp = if self.mux { RtcpTransport::Muxed } else { RtcpTransport::Separate };
                start_dtls(&mut self.session, rtcp, now)?;
            }
            Method::Zrtp => self.start_zrtp(now),
            Method::Sdes => self.report.time_to_secure_ms = Some(0.0),
            Method::None => {}
        }
        Ok(())
    }
}
