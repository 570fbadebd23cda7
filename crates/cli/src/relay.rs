//! `sealrtp relay`: one call between a clear device and a secured peer, from the arguments to the JSON line.

mod by_hand;
mod by_sdp;
mod report;

use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use sealrtp_dtls::{Context, HashFunction};
use sealrtp_offer_answer::dtls_config;
use sealrtp_policy::{Config, Consequence, Failure, Method as Wanted};
use sealrtp_relay::Counters;
use sealrtp_session::{Component, DirectionStats, Event, State, ZrtpSecured};
use sealrtp_srtp::Suite;
use sealrtp_zrtp::message::Zid;
use signal_hook::consts::{SIGINT, SIGTERM};
use zeroize::Zeroizing;

use crate::arguments::RelayArguments;
use crate::conf::{self, Terms};
use crate::keying;
use crate::outcome::{Ended, Outcome};
use crate::output::{print, tell};
use crate::report::{json, milliseconds};
use crate::zrtp::{self, ZrtpReport};

use by_hand::ByHand;
use by_sdp::{BySdp, Side};
use report::{Line, Report, Way};

/// How often counters and states are looked at.
const TICK: Duration = Duration::from_millis(20);
/// Most traces and alerts that wait to be printed: anybody can bring them about.
const MAX_WAITING: usize = 1024;

/// A description that has come.
type Body = anyhow::Result<Zeroizing<String>>;

/// What the call's thread is told.
enum Happened {
    /// The device's SDP is there.
    OfDevice(Body),
    /// The peer's SDP is there.
    OfPeer(Body),
    /// A stream's session tells; of a failure with what is to become of the call.
    Event { line: usize, event: Event, consequence: Option<Consequence> },
    /// SDES keys were agreed on.
    Keyed { line: usize, suite: Suite },
    /// The administrator should know.
    Note(String),
    /// An error of ours has closed a stream.
    Broken,
    /// SIGINT or SIGTERM.
    Signal,
}

/// Tells it, from any thread; never waits.
#[derive(Clone)]
struct Teller {
    sender: Sender<Happened>,
    /// Traces and alerts under way.
    waiting: Arc<AtomicUsize>,
}

fn is_chatter(event: &Event) -> bool {
    matches!(event, Event::Trace { .. } | Event::ZrtpTrace(_) | Event::ZrtpAlert(_))
}

impl Teller {
    fn tell(&self, happened: Happened) {
        if let Happened::Event { event, .. } = &happened
            && is_chatter(event)
            && self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING
        {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // Nobody listens any more if the run is over.
        let _ = self.sender.send(happened);
    }
}

/// Of the one stream of a call without SDP.
impl sealrtp_relay::Observer for Teller {
    fn event(&self, event: Event) {
        self.tell(Happened::Event { line: 0, event, consequence: None });
    }

    fn broken(&self) {
        self.tell(Happened::Broken);
    }
}

/// What a call needs for its methods.
struct Means {
    /// Our certificate, and its fingerprint.
    dtls: (Context, String),
    zrtp: Option<zrtp::Ours>,
}

/// Where media comes from.
enum Media {
    ByHand(Box<ByHand>),
    BySdp(Box<BySdp>),
}

/// A run.
struct Watch<'a> {
    arguments: &'a RelayArguments,
    media: Media,
    inbox: Receiver<Happened>,
    teller: Teller,
    began: Instant,
    /// When both descriptions were known.
    agreed: Option<Instant>,
    /// Since when media may flow.
    flows: Option<Instant>,
    /// Packets passed on, and since when there are no more of them.
    passed: (u64, Instant),
    /// A failure with which the call goes on.
    failed: Option<Ended>,
    /// What events have told of each line.
    told: Vec<Line>,
    /// Of our certificate.
    fingerprint: String,
    zid: Option<Zid>,
}

fn socket_error(error: std::io::Error) -> Ended {
    Ended::new(Outcome::SocketError, error)
}

/// Runs and prints the JSON line.
pub fn run(arguments: &RelayArguments) -> Outcome {
    let mut report = Report::default();
    let ended = begin(arguments, &mut report).and_then(|mut watch| {
        let ended = watch.run();
        watch.finish(&mut report);
        ended.and_then(|()| watch.failed.take().map_or(Ok(()), Err)).and_then(|()| verdict(&report))
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

/// SIGINT and SIGTERM, from now on.
fn watch_signals(teller: Teller) -> std::io::Result<()> {
    let (mut ours, handlers) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        while ours.read(&mut [0; 1]).is_ok_and(|read| read > 0) {
            teller.tell(Happened::Signal);
        }
    })?;
    Ok(())
}

fn means(arguments: &RelayArguments, terms: &Terms) -> Result<Means, Ended> {
    let config = &terms.config;
    let identity = keying::identity(&arguments.certificate)?;
    let fingerprint = identity.fingerprint(HashFunction::Sha256);
    let fingerprint = fingerprint.map_err(|error| Ended::usage(format!("OpenSSL: {error}")))?.to_string();
    let context = Context::new(dtls_config(config.dtls()), &identity);
    let context = context.map_err(|error| Ended::usage(format!("DTLS: {error}")))?;
    let zrtp = wants(config, Wanted::Zrtp).then(|| zrtp::Ours::open(terms.zrtp_cache.as_deref()));
    Ok(Means { dtls: (context, fingerprint), zrtp: zrtp.transpose()? })
}

fn wants(config: &Config, method: Wanted) -> bool {
    config.offer().contains(&method) || config.accept().contains(&method)
}

fn begin<'a>(arguments: &'a RelayArguments, report: &mut Report) -> Result<Watch<'a>, Ended> {
    let began = Instant::now();
    let terms = conf::terms(arguments)?;
    let named = arguments.config.is_some() || arguments.policy.is_some();
    report.policy = named.then(|| terms.config.section().to_owned());
    let (sender, inbox) = channel();
    let teller = Teller { sender, waiting: Arc::default() };
    watch_signals(teller.clone()).map_err(socket_error)?;

    let means = means(arguments, &terms)?;
    let zid = means.zrtp.as_ref().map(zrtp::Ours::zid);
    let fingerprint = means.dtls.1.clone();
    if !arguments.quiet {
        let warnings = terms.warnings.iter().map(String::as_str);
        warnings.chain(means.zrtp.as_ref().and_then(|ours| ours.warning())).for_each(tell);
        if wants(&terms.config, Wanted::Dtls) {
            tell(&format!("fingerprint {fingerprint}"));
        }
        zid.iter().for_each(|zid| tell(&format!("zid {zid}")));
    }
    let media = match arguments.device {
        Some(device) => {
            Media::ByHand(Box::new(by_hand::open(arguments, device, &terms, &means, teller.clone())?))
        }
        None => Media::BySdp(Box::new(BySdp::begin(arguments, terms, means, &teller)?)),
    };
    let by_hand = matches!(media, Media::ByHand(_));
    let watch = Watch {
        arguments,
        media,
        inbox,
        teller,
        began,
        agreed: by_hand.then_some(began),
        flows: None,
        passed: (0, began),
        failed: None,
        told: Vec::new(),
        fingerprint,
        zid,
    };
    if by_hand {
        watch.tell_addresses();
    }
    Ok(watch)
}

/// What a stream is and has counted.
struct View {
    /// Which m-line, from 0 on.
    number: usize,
    kind: String,
    method: Option<&'static str>,
    mux: bool,
    states: [State; 2],
    inbound: DirectionStats,
    outbound: DirectionStats,
    counters: Counters,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    device_local: SocketAddr,
    device: Option<SocketAddr>,
    zrtp: Option<ZrtpSecured>,
}

impl Watch<'_> {
    fn run(&mut self) -> Result<(), Ended> {
        loop {
            match self.inbox.recv_timeout(TICK) {
                Ok(Happened::Signal) if self.flows.is_some() => return Ok(()),
                Ok(Happened::Signal) => {
                    return Err(Ended::new(Outcome::NotSecured, "ended by a signal before media could flow"));
                }
                Ok(Happened::Broken) => {
                    return Err(Ended::new(
                        Outcome::HandshakeFailed,
                        "an error of the relay's own; please report it",
                    ));
                }
                Ok(Happened::Event { line, event, consequence }) => self.event(line, &event, consequence)?,
                Ok(Happened::Keyed { line, suite }) => {
                    self.show(line, &format!("RTP secured by SDES: {suite}"));
                    self.line(line).time_to_secure_ms = Some(0.0);
                }
                Ok(Happened::Note(text)) => self.show(0, &text),
                Ok(Happened::OfDevice(body)) => self.description(Side::Device, &body?)?,
                Ok(Happened::OfPeer(body)) => self.description(Side::Peer, &body?)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.is_over(Instant::now())? {
                return Ok(());
            }
        }
    }

    fn views(&self) -> Vec<View> {
        match &self.media {
            Media::ByHand(hand) => vec![hand.view()],
            Media::BySdp(sdp) => sdp.views(),
        }
    }

    fn tell_addresses(&self) {
        if self.arguments.quiet {
            return;
        }
        for view in self.views() {
            let device = view.device.map_or("-".into(), |at| at.to_string());
            tell(&format!(
                "{} {} for the peer, {} for the device at {device}",
                view.kind, view.local, view.device_local
            ));
        }
    }

    fn description(&mut self, side: Side, body: &Zeroizing<String>) -> Result<(), Ended> {
        let Media::BySdp(sdp) = &mut self.media else { return Ok(()) };
        let taken = sdp.description(side, body, self.arguments, &self.teller);
        // Why a call is as it is; of one that goes well only for who asks.
        let asked = taken.is_err() || (self.arguments.trace && taken.as_ref().is_ok_and(|both| *both));
        if asked && !self.arguments.quiet {
            sdp.explain().lines().for_each(tell);
        }
        if taken? {
            self.agreed = Some(Instant::now());
            self.tell_addresses();
        }
        Ok(())
    }

    fn event(&mut self, line: usize, event: &Event, consequence: Option<Consequence>) -> Result<(), Ended> {
        if is_chatter(event) {
            self.teller.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        let shown = match event {
            Event::Trace { .. } | Event::ZrtpTrace(_) => self.arguments.trace,
            _ => !self.arguments.quiet,
        };
        if shown {
            self.show(line, &event.to_string());
        }
        let noted = self.note(line, event, Instant::now());
        let (consequence, ended) = match (&self.media, noted) {
            (Media::ByHand(_), None) => return Ok(()),
            (Media::ByHand(hand), Some((failure, ended))) => (hand.consequence(failure), ended),
            // The leg knows what is a failure, and has done what policy says.
            (Media::BySdp(_), noted) => match consequence {
                None => return Ok(()),
                Some(consequence) => {
                    (consequence, noted.map_or_else(|| self.never_flowed(), |(_, ended)| ended))
                }
            },
        };
        match consequence {
            Consequence::Hangup => Err(ended),
            Consequence::Block => {
                self.failed.get_or_insert(ended);
                Ok(())
            }
            Consequence::Continue | Consequence::Nothing => Ok(()),
        }
    }

    /// A line on stderr; which m-line it is about is told but of the first.
    fn show(&self, line: usize, text: &str) {
        if !self.arguments.quiet {
            let which = if line == 0 { String::new() } else { format!(" m-line {}", line + 1) };
            tell(&format!("{:10.3} ms{which} {text}", self.began.elapsed().as_secs_f64() * 1000.0));
        }
    }

    fn line(&mut self, number: usize) -> &mut Line {
        if self.told.len() <= number {
            self.told.resize_with(number + 1, Line::default);
        }
        &mut self.told[number]
    }

    /// Notes what is told; of a failure how the run would end for it.
    fn note(&mut self, number: usize, event: &Event, now: Instant) -> Option<(Failure, Ended)> {
        let took = self.agreed.map(|agreed| milliseconds(now.saturating_duration_since(agreed)));
        let (zid, verified) = (self.zid, self.arguments.zrtp_verified);
        let line = self.line(number);
        match event {
            Event::Secured(secured) if secured.component == Component::Rtp => {
                line.time_to_secure_ms = took;
                line.handshake.secured(secured);
            }
            Event::Failed { component, failure } => {
                let outcome = line.handshake.failed(failure);
                let kind = match outcome {
                    Outcome::FingerprintMismatch => Failure::Fingerprint,
                    _ => Failure::Dtls,
                };
                return Some((kind, Ended::new(outcome, format!("{component}: {failure}"))));
            }
            Event::Closed { .. } => {
                return Some((Failure::Dtls, Ended::new(Outcome::HandshakeFailed, event)));
            }
            Event::ZrtpSecured(_) => {
                line.time_to_secure_ms = took;
                line.zrtp(zid);
                if verified {
                    self.media.verify();
                }
            }
            Event::ZrtpAlert(alert) => line.zrtp(zid).alert(*alert),
            Event::ZrtpFailed(failure) => {
                line.zrtp(zid).failed(failure);
                let ended = Ended::new(zrtp::outcome(failure), format!("ZRTP: {failure}"));
                return Some((Failure::Zrtp, ended));
            }
            Event::ZrtpCleared => return Some((Failure::Dtls, Ended::new(Outcome::HandshakeFailed, event))),
            Event::ZrtpCacheMismatch(_) => {
                return Some((Failure::CacheMismatch, Ended::new(Outcome::HandshakeFailed, event)));
            }
            _ => {}
        }
        None
    }

    fn is_over(&mut self, now: Instant) -> Result<bool, Ended> {
        let views = self.views();
        let blocked = views.iter().any(|view| view.states[0] == State::Block);
        if self.flows.is_none() && self.agreed.is_some() && !blocked {
            self.flows = Some(now);
            self.passed.1 = now;
        }
        let Some(since) = self.flows else {
            if self.failed.is_some() || now < self.began + self.arguments.timeout {
                return Ok(false);
            }
            return Err(self.never_flowed());
        };
        let passed =
            views.iter().map(|view| view.counters.to_pbx.packets + view.counters.to_peer.packets).sum();
        if passed != self.passed.0 {
            self.passed = (passed, now);
        }
        let idle = self.arguments.idle.is_some_and(|idle| now >= self.passed.1 + idle);
        Ok(idle || self.arguments.duration.is_some_and(|duration| now >= since + duration))
    }

    fn never_flowed(&self) -> Ended {
        if self.agreed.is_none() {
            return Ended::new(Outcome::NotSecured, "an SDP did not come in time");
        }
        let wrong = self.told.iter().filter_map(|line| line.zrtp.as_ref()).any(ZrtpReport::wrong_hello);
        zrtp::no_keys(wrong)
    }

    /// Fills in the report.
    fn finish(&mut self, report: &mut Report) {
        let now = Instant::now();
        report.duration_ms = self.agreed.map(|agreed| milliseconds(now.saturating_duration_since(agreed)));
        for view in self.views() {
            let mut line = std::mem::take(self.line(view.number));
            line.handshake.local_fingerprint = Some(self.fingerprint.clone())
                .filter(|_| line.handshake.role.is_some() || view.method == Some("dtls"));
            view.write(&mut line, self.zid);
            report.media.push(line);
        }
        report.secured = !report.media.is_empty() && report.media.iter().all(|line| line.secured);
    }
}

impl View {
    fn write(self, line: &mut Line, zid: Option<Zid>) {
        line.kind = self.kind;
        line.method = self.method;
        line.suite = self.outbound.suite.map(|suite| suite.name());
        let [secured, rtcp_secured] = self.states.map(|state| state == State::Secure);
        (line.secured, line.rtcp_secured) = (secured, rtcp_secured);
        line.rtcp = Some(if self.mux { "mux" } else { "separate" });
        line.local = self.local.to_string();
        line.device_local = self.device_local.to_string();
        line.remote = self.counters.learned[0].or(self.remote).map(|at| at.to_string());
        line.device = self.device.map(|at| at.to_string());
        line.to_device = Way::new(&self.inbound, &self.counters.to_pbx);
        line.to_peer = Way::new(&self.outbound, &self.counters.to_peer);
        if let Some(secured) = &self.zrtp {
            line.zrtp(zid).secured(secured);
        }
    }
}

impl Media {
    /// The users have compared the SAS.
    fn verify(&mut self) {
        match self {
            Self::ByHand(hand) => {
                hand.stream.with(|session, now| session.zrtp_set_verified(true, now));
            }
            Self::BySdp(sdp) => sdp.verify(),
        }
    }
}

/// What is to be said of a call that came to its end.
fn verdict(report: &Report) -> Result<(), Ended> {
    let some = |way: fn(&Line) -> &Way| report.media.iter().map(way).any(|way| way.rtp + way.clear > 0);
    let silent = match (some(|line| &line.to_device), some(|line| &line.to_peer)) {
        (true, true) => return Ok(()),
        (false, false) => "neither the peer nor the device",
        (false, true) => "not the peer",
        (true, false) => "not the device",
    };
    Err(Ended::new(Outcome::NoAudio, format!("media could flow, and {silent} sent any that may pass")))
}
