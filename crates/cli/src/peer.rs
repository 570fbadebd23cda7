//! `sealrtp peer`: one run, from the arguments to the JSON line.

mod descriptions;
mod zrtp;

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use sealrtp_dtls::Destination;
use sealrtp_session::{Component, Event, Received, Session, State};
use zeroize::Zeroizing;

use crate::arguments::{Method, PeerArguments, RtcpWanted};
use crate::codec::{Codec, RATE};
use crate::keying::Keying;
use crate::meter::Meter;
use crate::net::{AT_A_TIME, MAX_DATAGRAM, Net};
use crate::outcome::{Ended, Outcome};
use crate::output::{print, tell};
use crate::report::{Report, json, milliseconds};
use crate::rtcp::Now;
use crate::rtp::Packet;
use crate::stream::{ROOM, Source, Stream, random_ssrc};
use crate::tone::Sine;
use crate::wav::{self, Recording};
use crate::zrtp::ZrtpReport;

/// How long it listens after it has played, for what is on its way.
const TAIL: Duration = Duration::from_millis(100);
/// Audio counts from this much on.
const AUDIBLE_MS: u64 = 100;
/// Share of the energy from which on a tone is the one expected.
const TONE_SHARE: f64 = 0.5;
/// Packets that it may be late with before it leaves some out.
const MOST_LATE: u32 = 10;
/// Without other word.
const TONE: f64 = 440.0;
const DURATION: Duration = Duration::from_secs(5);
/// Payload bytes of clear G.711 are a multiple of 10 ms; no tag is.
const CLEAR_UNIT: usize = RATE as usize / 100;

type Answer = Receiver<anyhow::Result<Zeroizing<String>>>;

/// Media flows: until when, and when the next packet is due.
struct Playing {
    until: Instant,
    next: Instant,
}

/// A run that has its sockets.
struct Peer<'a> {
    arguments: &'a PeerArguments,
    net: Net,
    keying: Keying,
    session: Session,
    stream: Stream,
    duration: Duration,
    began: Instant,
    /// The description that is waited for.
    awaited: Option<Answer>,
    /// When both descriptions were known.
    agreed: Option<Instant>,
    method: Method,
    mux: bool,
    /// Where media goes, for each component.
    remote: [Option<SocketAddr>; 2],
    /// Where the last handshake datagram went that went back to its source.
    source: [Option<SocketAddr>; 2],
    playing: Option<Playing>,
    next_rtcp: Option<Instant>,
    /// When our Hello is due.
    zrtp_due: Option<Instant>,
    failed: Option<Ended>,
    report: Report,
}

/// Runs and prints the JSON line.
pub fn run(arguments: &PeerArguments) -> Outcome {
    let mut report = Report::default();
    let ended = Peer::new(arguments, Instant::now()).and_then(|mut peer| {
        let ended = peer.run().and_then(|()| peer.verdict());
        let finished = peer.finish();
        report = peer.report;
        ended.and(finished)
    });
    let outcome = match ended {
        Ok(()) => Outcome::Ok,
        Err(ended) => {
            report.reason = Some(ended.reason);
            ended.outcome
        }
    };
    report.result = outcome.name();
    print(&json(&report));
    outcome
}

fn socket_error(error: std::io::Error) -> Ended {
    Ended::new(Outcome::SocketError, error)
}

/// What is to be played, and for how long if nothing else is said.
fn source(arguments: &PeerArguments) -> Result<(Source, Duration), Ended> {
    if let Some(path) = &arguments.wav {
        let samples = wav::read(path)?;
        let length = Duration::from_millis(samples.len() as u64 * 1000 / u64::from(RATE));
        return Ok((Source::Wav(samples.into_iter().cycle()), length.max(Duration::from_millis(1))));
    }
    let source = match (arguments.echo, arguments.silent) {
        (true, _) => Source::Echo,
        (_, true) => Source::Silence,
        _ => Source::Tone(Sine::new(arguments.tone.unwrap_or(TONE), arguments.level, RATE)),
    };
    Ok((source, DURATION))
}

impl<'a> Peer<'a> {
    fn new(arguments: &'a PeerArguments, now: Instant) -> Result<Self, Ended> {
        if arguments.remote_sdp.is_some()
            && arguments.bind.ip().is_unspecified()
            && arguments.advertise.is_none()
        {
            return Err(Ended::usage("our SDP must name an address: --bind to one, or --advertise one"));
        }
        let ssrc = random_ssrc()?;
        let (keying, session) = Keying::new(arguments, ssrc, now)?;
        let (source, length) = source(arguments)?;
        let tone = match source {
            Source::Tone(_) => Some(arguments.tone.unwrap_or(TONE)),
            Source::Wav(_) | Source::Silence | Source::Echo => None,
        };
        let meter = Meter::new(arguments.min_level, arguments.expect_tone.or(tone));
        let net = Net::bind(arguments.bind, arguments.rtcp_port).map_err(|error| {
            Ended::new(Outcome::SocketError, format!("cannot bind {}: {error}", arguments.bind))
        })?;
        let recording = arguments.record.as_deref().map(Recording::create).transpose()?;
        let report = Report { zrtp: keying.zid().map(ZrtpReport::new), ..Report::default() };
        Ok(Self {
            arguments,
            net,
            keying,
            session,
            stream: Stream::new(source, ssrc, meter, recording, now)?,
            duration: arguments.duration.unwrap_or(length),
            began: now,
            awaited: None,
            agreed: None,
            method: Method::None,
            mux: arguments.rtcp == RtcpWanted::Mux,
            remote: [None; 2],
            source: [None; 2],
            playing: None,
            next_rtcp: None,
            zrtp_due: None,
            failed: None,
            report,
        })
    }

    fn run(&mut self) -> Result<(), Ended> {
        self.tell_addresses()?;
        self.begin()?;
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let now = Instant::now();
            self.flush(now)?;
            if self.is_over(now)? {
                return Ok(());
            }
            self.net.wait(self.deadline(now)).map_err(socket_error)?;
            for _ in 0..AT_A_TIME {
                let Some((component, len, from)) = self.net.receive(&mut buffer).map_err(socket_error)?
                else {
                    break;
                };
                self.datagram(component, &mut buffer[..len], from, Instant::now())?;
            }
            self.description()?;
            self.timers(Instant::now())?;
        }
    }

    fn tell_addresses(&mut self) -> Result<(), Ended> {
        let [rtp, rtcp] = Component::BOTH.map(|component| self.net.local(component));
        let (rtp, rtcp) = (rtp.map_err(socket_error)?, rtcp.map_err(socket_error)?);
        self.report.local = Some(rtp.to_string());
        self.report.handshake.local_fingerprint = self.keying.fingerprint().map(str::to_owned);
        if !self.arguments.quiet {
            self.keying.warning().into_iter().for_each(tell);
            let fingerprint = self.keying.fingerprint().map(|value| format!("\nfingerprint {value}"));
            let zid = self.report.zrtp.as_ref().map(|zrtp| format!("\nzid {}", zrtp.zid()));
            tell(&format!(
                "rtp {rtp}\nrtcp {rtcp}{}{}",
                fingerprint.unwrap_or_default(),
                zid.unwrap_or_default()
            ));
        }
        Ok(())
    }

    /// What the session has to tell. A failure ends the run once its alert is sent.
    fn hear(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            let shown = match &event {
                Event::Trace { .. } | Event::ZrtpTrace(_) => self.arguments.trace,
                _ => !self.arguments.quiet,
            };
            if shown {
                tell(&format!("{:10.3} ms {event}", (now - self.began).as_secs_f64() * 1000.0));
            }
            if let (Err(ended), None) = (self.event(event, now), &self.failed) {
                self.failed = Some(ended);
            }
        }
    }

    /// What the session has to tell and to send.
    fn flush(&mut self, now: Instant) -> Result<(), Ended> {
        self.hear(now);
        while let Some(out) = self.session.poll_transmit() {
            let number = out.component as usize;
            let to = match out.to {
                Destination::Peer if self.method == Method::Zrtp => {
                    self.remote[number].or(self.source[number])
                }
                Destination::Peer => self.remote[number],
                Destination::Source(source) => {
                    self.source[number] = Some(source);
                    Some(source)
                }
            };
            if let Some(to) = to {
                self.send(out.component, &out.datagram, to)?;
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn event(&mut self, event: Event, now: Instant) -> Result<(), Ended> {
        match event {
            Event::Secured(secured) => {
                let number = secured.component as usize;
                self.remote[number] = self.remote[number].or(self.source[number]);
                if secured.component == Component::Rtp {
                    self.report.time_to_secure_ms =
                        self.agreed.map(|agreed| milliseconds(now.saturating_duration_since(agreed)));
                    self.report.handshake.secured(&secured);
                }
                Ok(())
            }
            Event::Failed { component, failure } => {
                let outcome = self.report.handshake.failed(&failure);
                Err(Ended::new(outcome, format!("{component}: {failure}")))
            }
            Event::Closed { .. } => Err(Ended::new(Outcome::HandshakeFailed, event)),
            Event::NoRtcp | Event::Srtp { .. } | Event::Trace { .. } => Ok(()),
            of_zrtp => self.zrtp_event(of_zrtp, now),
        }
    }

    fn send(&mut self, component: Component, datagram: &[u8], to: SocketAddr) -> Result<bool, Ended> {
        let sent = self
            .net
            .send(component, datagram, to)
            .map_err(|error| Ended::new(Outcome::SocketError, format!("cannot send to {to}: {error}")))?;
        self.report.send_failures += u64::from(!sent);
        Ok(sent)
    }

    fn datagram(
        &mut self,
        component: Component,
        datagram: &mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<(), Ended> {
        let looks_clear = Packet::read(datagram).is_some_and(|packet| {
            let g711 = Codec::from_payload_type(packet.payload_type).is_some();
            g711 && !packet.payload.is_empty() && packet.payload.len() % CLEAR_UNIT == 0
        });
        let clear = self.session.counters().inbound().clear;
        let received = self.session.receive(component, datagram, from, now);
        let passed_clear = self.session.counters().inbound().clear > clear;
        self.report.clear_received += u64::from(passed_clear && matches!(received, Received::Rtp(_)));
        let dropped = matches!(received, Received::Refused(_) | Received::Held);
        self.report.clear_refused += u64::from(looks_clear && dropped);
        self.media(received, datagram, from, now)?;
        // At once, so that what came early stands before what comes next.
        self.hear(now);
        while let Some(mut held) = self.session.poll_held() {
            self.media(held.received, &mut held.packet, held.from, now)?;
        }
        Ok(())
    }

    /// What the session made of a datagram.
    fn media(
        &mut self,
        received: Received,
        packet: &mut [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<(), Ended> {
        match received {
            Received::Rtp(len) => {
                let remote = &mut self.remote[Component::Rtp as usize];
                let to = *remote.get_or_insert(from);
                if self.report.first_secured_packet_ms.is_none()
                    && self.session.counters().inbound().rtp_packets > 0
                {
                    self.report.first_secured_packet_ms =
                        self.agreed.map(|agreed| milliseconds(now.saturating_duration_since(agreed)));
                }
                let mut echo = [0; ROOM];
                let echoed = self.stream.receive(&packet[..len], now, &mut echo)?;
                let over = self.playing.as_ref().is_some_and(|playing| now >= playing.until + TAIL);
                if let (Some(len), false) = (echoed, over) {
                    self.send_rtp(&mut echo, len, to)?;
                }
            }
            Received::Rtcp(len) => {
                self.report.rtcp_received += 1;
                if !self.mux {
                    self.remote[Component::Rtcp as usize].get_or_insert(from);
                }
                self.stream.receive_rtcp(&packet[..len], Now::read());
            }
            Received::NotOurs(_) => self.report.other_datagrams += 1,
            // Of ZRTP; its answers go there as long as nothing tells where the peer is.
            Received::Consumed if self.method == Method::Zrtp => {
                self.source[Component::Rtp as usize] = Some(from);
            }
            Received::Consumed | Received::Held | Received::Refused(_) => {}
        }
        Ok(())
    }

    fn session_is(&self, state: State) -> bool {
        self.session.state(Component::Rtp) == state
    }

    fn send_rtp(&mut self, buffer: &mut [u8], len: usize, to: SocketAddr) -> Result<(), Ended> {
        let clear = self.session.counters().outbound().clear;
        if let Ok(len) = self.session.protect_rtp(buffer, len) {
            let sent = u64::from(self.send(Component::Rtp, &buffer[..len], to)?);
            self.report.packets_sent += sent;
            if self.session.counters().outbound().clear > clear {
                self.report.clear_sent += sent;
            }
        }
        Ok(())
    }

    fn send_rtcp(&mut self, leaving: bool) -> Result<(), Ended> {
        let component = if self.mux { Component::Rtp } else { Component::Rtcp };
        let Some(to) = self.remote[component as usize] else { return Ok(()) };
        let mut buffer = [0; ROOM];
        let len = self.stream.report_rtcp(leaving, Now::read(), &mut buffer);
        // A separate association may not be there yet.
        if let Ok(len) = self.session.protect_rtcp(&mut buffer, len) {
            self.report.rtcp_sent += u64::from(self.send(component, &buffer[..len], to)?);
        }
        Ok(())
    }

    /// Does what is due.
    fn timers(&mut self, now: Instant) -> Result<(), Ended> {
        if self.session.poll_timeout().is_some_and(|due| now >= due) {
            self.session.handle_timeout(now);
        }
        self.zrtp_timer(now);
        let Some(to) = self.remote[Component::Rtp as usize] else { return Ok(()) };
        if self.playing.is_none() && self.agreed.is_some() && self.may_flow() {
            self.playing = Some(Playing { until: now + self.duration, next: now });
            self.next_rtcp = Some(now + self.arguments.rtcp_interval / 2);
        }
        self.play(to, now)?;
        if self.next_rtcp.is_some_and(|due| now >= due) {
            self.send_rtcp(false)?;
            // RFC 3550 section 6.3.1: between half and one and a half times the interval.
            let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
            self.next_rtcp = Some(now + self.arguments.rtcp_interval.mul_f64(0.5 + share));
        }
        Ok(())
    }

    fn play(&mut self, to: SocketAddr, now: Instant) -> Result<(), Ended> {
        let (Some(playing), Some(interval)) = (&mut self.playing, self.stream.interval()) else {
            return Ok(());
        };
        let late = now.saturating_duration_since(playing.next);
        if late > interval * MOST_LATE {
            let missed = (late.as_micros() / interval.as_micros().max(1)) as u32;
            playing.next += interval * missed;
            self.stream.skip(missed);
        }
        let mut due = Vec::new();
        while playing.next <= now && playing.next < playing.until {
            due.push(playing.next);
            playing.next += interval;
        }
        for _ in due {
            let mut buffer = [0; ROOM];
            let len = self.stream.play(&mut buffer);
            self.send_rtp(&mut buffer, len, to)?;
        }
        Ok(())
    }

    /// Secured, or clear because it was asked for.
    fn may_flow(&self) -> bool {
        match self.method {
            Method::None => self.session_is(State::Bypass),
            Method::Dtls | Method::Sdes => self.session_is(State::Secure),
            Method::Zrtp => !self.session_is(State::Block),
        }
    }

    fn is_over(&self, now: Instant) -> Result<bool, Ended> {
        let failures = self.session.counters().inbound().auth_failures;
        if failures > self.arguments.max_auth_failures {
            let allowed = self.arguments.max_auth_failures;
            let reason = format!("{failures} packets failed authentication, {allowed} are allowed");
            return Err(Ended::new(Outcome::AuthFailures, reason));
        }
        match &self.playing {
            Some(playing) => Ok(self.net.signalled() || now >= playing.until + TAIL),
            None if self.net.signalled() => {
                Err(Ended::new(self.never_played(), "ended by a signal before media could flow"))
            }
            None if now >= self.began + self.arguments.timeout => {
                if self.method == Method::Zrtp && self.agreed.is_some() && !self.may_flow() {
                    return Err(self.without_zrtp());
                }
                let reason = match (self.agreed, self.may_flow()) {
                    (None, _) => "the peer's SDP did not come in time",
                    (Some(_), false) => "no keys in time",
                    (Some(_), true) => "no packet came that tells the peer's address",
                };
                Err(Ended::new(self.never_played(), reason))
            }
            None => Ok(false),
        }
    }

    fn never_played(&self) -> Outcome {
        if self.agreed.is_some() && self.may_flow() { Outcome::NoAudio } else { Outcome::NotSecured }
    }

    fn deadline(&self, now: Instant) -> Instant {
        let give_up = self.began + self.arguments.timeout;
        let mut deadline = self.playing.as_ref().map_or(give_up, |playing| playing.until + TAIL);
        if let (Some(playing), Some(_)) = (&self.playing, self.stream.interval()) {
            if playing.next < playing.until {
                deadline = deadline.min(playing.next);
            }
        } else if self.playing.is_none()
            && self.may_flow()
            && self.remote[0].is_some()
            && self.agreed.is_some()
        {
            // Media may flow from now on.
            return now;
        }
        let others = [self.session.poll_timeout(), self.next_rtcp, self.zrtp_due];
        others.into_iter().flatten().fold(deadline, Instant::min)
    }

    /// What is to be said of a run that came to its end.
    fn verdict(&self) -> Result<(), Ended> {
        let no_audio = |reason: String| Err(Ended::new(Outcome::NoAudio, reason));
        let (audible_ms, share) = self.stream.heard();
        if audible_ms < AUDIBLE_MS {
            return no_audio(format!("{audible_ms} ms of audio came back, {AUDIBLE_MS} are expected"));
        }
        match (self.arguments.expect_tone, share) {
            (Some(hertz), share) if share.unwrap_or(0.0) < TONE_SHARE => {
                no_audio(format!("what came back is not a tone of {hertz} Hz"))
            }
            _ => Ok(()),
        }
    }

    /// Says goodbye, and fills in the report.
    fn finish(&mut self) -> Result<(), Ended> {
        if self.playing.is_some() && self.may_flow() {
            self.send_rtcp(true)?;
        }
        if let (Some(report), Some(secured)) = (&mut self.report.zrtp, self.session.zrtp_secured()) {
            report.secured(secured);
        }
        let secured = Component::BOTH.map(|component| self.session.state(component) == State::Secure);
        self.session.close();
        while let Some(out) = self.session.poll_transmit() {
            if let (Destination::Peer, Some(to)) | (Destination::Source(to), _) =
                (out.to, self.remote[out.component as usize])
            {
                self.send(out.component, &out.datagram, to)?;
            }
        }
        let counted = self.session.counters().inbound();
        let report = &mut self.report;
        report.suite = counted.suite.map(|suite| suite.name());
        report.auth_failures = counted.auth_failures;
        report.replays = counted.replays;
        report.malformed = counted.malformed;
        report.refused = counted.refused + counted.expired;
        report.secured = secured[Component::Rtp as usize];
        report.rtcp_secured = secured[Component::Rtcp as usize];
        report.remote = self.remote[Component::Rtp as usize].map(|remote| remote.to_string());
        Ok(self.stream.finish(report)?)
    }
}
