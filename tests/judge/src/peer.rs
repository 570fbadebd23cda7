//! A live media end point: sends a file of audio as (S)RTP, judges and keeps what comes back.

use crate::crypto::{Inbound, KeySet, Outbound};
use crate::dtls::{self, Identity, KeyKind, Keys, Role, Status, Terms};
use crate::flow::Receiver;
use crate::rtp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of G.711 in a packet, 20 ms.
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// Of what is later than this nothing is made up for.
const LONG: Duration = Duration::from_millis(200);
/// Ports tried for a free pair.
const PORTS: std::ops::Range<u16> = 33000..49000;

/// One line of standard input; each is answered by one line with `"ok"`.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Opens an even port for RTP and the next for RTCP; answered with `port`.
    Bind {
        address: Ipv4Addr,
        #[serde(default)]
        payload_type: u8,
        #[serde(default)]
        known_audio: Option<PathBuf>,
    },
    /// Where media goes from now on.
    Remote { address: SocketAddrV4 },
    /// No keys in either direction: clear RTP.
    Clear,
    /// Keys to send with from now on, the one at the place `with`.
    SendKeys {
        keys: KeySet,
        #[serde(default)]
        with: usize,
    },
    /// Keys to receive with from now on; those before stay valid.
    ReceiveKeys { keys: KeySet },
    /// Makes a certificate for DTLS, answered with `fingerprints` by hash. Associations that run end without a word, and DTLS that
    /// comes from now on is kept for the next one.
    Certificate { kind: KeyKind },
    /// Starts a DTLS handshake with the remote address; its keys are then those of both directions.
    Handshake {
        role: Role,
        /// Suites whose profiles are offered or taken; all when absent, no use_srtp when empty.
        #[serde(default)]
        profiles: Option<Vec<String>>,
        /// RTCP does a handshake of its own on its own port.
        #[serde(default)]
        separate_rtcp: bool,
        /// No certificate is shown.
        #[serde(default)]
        anonymous: bool,
    },
    /// Waits until every handshake is done or has failed, or `seconds` are over; answered with `dtls`, as is `report`.
    Await { seconds: f64 },
    /// Starts to send a file, once or (`repeat`) over and over.
    Play(Play),
    /// Sends so many datagrams that no honest peer sends, half of them to the RTCP port; the same ones for the same seed.
    Garbage { count: u32, seed: u64 },
    /// Ends sending; answered with the counts of what was sent.
    Stop,
    /// Waits until a file played once is sent, or `seconds` are over.
    Drain { seconds: f64 },
    /// Answers with the judgement so far; the audio goes to `out`.
    Report {
        #[serde(default)]
        out: Option<PathBuf>,
    },
}

/// A span of packets by their number in this `Play`.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(deny_unknown_fields)]
struct Span {
    from: u64,
    count: u64,
}

impl Span {
    fn holds(self, number: u64) -> bool {
        (self.from..self.from.saturating_add(self.count)).contains(&number)
    }
}

/// How a file is sent, good and bad.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    file: PathBuf,
    #[serde(default)]
    repeat: bool,
    #[serde(default = "default_ssrc")]
    ssrc: u32,
    #[serde(default)]
    payload_type: u8,
    /// The first sequence number; absent: go on where the last `Play` ended.
    #[serde(default)]
    sequence: Option<u16>,
    /// Every packet is sent so many times, byte for byte the same.
    #[serde(default = "one")]
    copies: u32,
    /// These packets are sent with one bit of their last byte turned.
    #[serde(default)]
    corrupt: Span,
    /// These packets are sent without protection.
    #[serde(default)]
    clear: Span,
    /// These packets are not sent.
    #[serde(default)]
    lose: Span,
    /// RTCP once a second.
    #[serde(default)]
    rtcp: bool,
}

fn default_ssrc() -> u32 {
    0x5ea1_0001
}

fn one() -> u32 {
    1
}

#[derive(Default)]
struct Sending {
    remote: Option<SocketAddrV4>,
    keys: Option<Outbound>,
    /// Keys of RTCP alone, where it has some.
    rtcp_keys: Option<Outbound>,
    /// RTCP goes over RTP's port.
    mux: bool,
    clear: bool,
    sequence: u16,
    timestamp: u32,
    packets: u64,
    rtcp: u64,
    bytes: u64,
    playing: bool,
    error: Option<String>,
}

struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// DTLS datagrams of one socket on their way to an association.
#[derive(Default)]
struct Inbox {
    /// DTLS is spoken here; else such datagrams are judged as any other.
    open: bool,
    /// Those that came before the association was started, the first few.
    early: Vec<Vec<u8>>,
    association: Option<Sender<Vec<u8>>>,
}

/// Most datagrams kept for an association to come.
const MAX_EARLY_DTLS: usize = 100;

impl Inbox {
    /// Whether the datagram was taken.
    fn take(&mut self, datagram: &[u8]) -> bool {
        if !self.open || !dtls::is_dtls(datagram) {
            return false;
        }
        match &self.association {
            Some(association) => drop(association.send(datagram.to_vec())),
            None if self.early.len() < MAX_EARLY_DTLS => self.early.push(datagram.to_vec()),
            None => {}
        }
        true
    }
}

struct EndPoint {
    sockets: Arc<Sockets>,
    /// Of RTP and of RTCP.
    inboxes: [Arc<Mutex<Inbox>>; 2],
    identity: Option<Identity>,
    /// Of the associations that were started last, RTP's first.
    handshakes: Vec<Arc<Mutex<Status>>>,
    receiver: Arc<Mutex<Receiver>>,
    sending: Arc<Mutex<Sending>>,
    stop_receiving: Arc<AtomicBool>,
    stop_sending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    player: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Obeys the commands of `input` until it ends.
pub fn run(input: impl BufRead, mut output: impl Write) -> Result<(), String> {
    let mut end_point = None;
    for line in input.lines() {
        let line = line.map_err(|e| e.to_string())?;
        let answer = serde_json::from_str(&line)
            .map_err(|e| format!("command: {e}"))
            .and_then(|command| obey(&mut end_point, command))
            .unwrap_or_else(|error| json!({"ok": false, "error": error}));
        writeln!(output, "{answer}").and_then(|()| output.flush()).map_err(|e| e.to_string())?;
    }
    if let Some(mut end_point) = end_point {
        end_point.end_play();
        end_point.stop_receiving.store(true, Ordering::Relaxed);
        end_point.inboxes.iter().for_each(|inbox| *lock(inbox) = Inbox::default());
        for thread in end_point.threads.drain(..) {
            let _ = thread.join();
        }
    }
    Ok(())
}

fn obey(slot: &mut Option<EndPoint>, command: Command) -> Result<Value, String> {
    if let Command::Bind { address, payload_type, known_audio } = command {
        if slot.is_some() {
            return Err("bound already".into());
        }
        let known = match known_audio {
            Some(path) => std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?,
            None => Vec::new(),
        };
        let end_point = EndPoint::bind(address, Receiver::new(payload_type, known))?;
        let port = end_point.sockets.rtp.local_addr().map_err(|e| e.to_string())?.port();
        *slot = Some(end_point);
        return Ok(json!({"ok": true, "port": port}));
    }
    let end_point = slot.as_mut().ok_or("not bound yet")?;
    match command {
        Command::Bind { .. } => unreachable!("handled above"),
        Command::Remote { address } => lock(&end_point.sending).remote = Some(address),
        Command::SendKeys { keys, with } => {
            lock(&end_point.sending).keys = Some(Outbound::new(&keys, with)?);
        }
        Command::Clear => {
            lock(&end_point.receiver).declare_clear();
            let mut sending = lock(&end_point.sending);
            (sending.keys, sending.clear) = (None, true);
        }
        Command::Certificate { kind } => {
            let identity = Identity::new(kind).map_err(|e| e.to_string())?;
            let fingerprints = identity.fingerprints().map_err(|e| e.to_string())?;
            end_point.identity = Some(identity);
            for inbox in &end_point.inboxes {
                *lock(inbox) = Inbox { open: true, ..Inbox::default() };
            }
            return Ok(json!({"ok": true, "fingerprints": fingerprints}));
        }
        Command::Handshake { role, profiles, separate_rtcp, anonymous } => {
            end_point.handshake(role, profiles, separate_rtcp, anonymous)?;
        }
        Command::Await { seconds } => {
            let until = Instant::now() + Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())?;
            let going = |status: &Arc<Mutex<Status>>| lock(status).state == "going";
            while end_point.handshakes.iter().any(going) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            return Ok(json!({"ok": true, "dtls": end_point.dtls()}));
        }
        Command::ReceiveKeys { keys } => lock(&end_point.receiver).add_keys(Inbound::new(&keys)?),
        Command::Play(play) => end_point.play(play)?,
        Command::Garbage { count, seed } => end_point.garbage(count, seed)?,
        Command::Stop => end_point.end_play(),
        Command::Drain { seconds } => {
            let until = Instant::now() + Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())?;
            while lock(&end_point.sending).playing && Instant::now() < until {
                std::thread::sleep(FRAME_TIME);
            }
        }
        Command::Report { out } => return end_point.report(out),
    }
    let sending = lock(&end_point.sending);
    Ok(json!({"ok": true, "sent": sending.packets, "sent_rtcp": sending.rtcp, "playing": sending.playing}))
}

impl EndPoint {
    fn bind(address: Ipv4Addr, receiver: Receiver) -> Result<Self, String> {
        let sockets = Arc::new(free_pair(address)?);
        let receiver = Arc::new(Mutex::new(receiver));
        let stop_receiving = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let inboxes = [Arc::default(), Arc::default()];
        for rtcp in [false, true] {
            let (sockets, receiver, stop) = (sockets.clone(), receiver.clone(), stop_receiving.clone());
            let inbox: Arc<Mutex<Inbox>> = Arc::clone(&inboxes[usize::from(rtcp)]);
            threads.push(std::thread::spawn(move || {
                receive(if rtcp { &sockets.rtcp } else { &sockets.rtp }, &receiver, &inbox, &stop);
            }));
        }
        Ok(Self {
            sockets,
            inboxes,
            identity: None,
            handshakes: Vec::new(),
            receiver,
            sending: Arc::default(),
            stop_receiving,
            stop_sending: Arc::default(),
            threads,
            player: None,
        })
    }

    fn dtls(&self) -> Vec<Status> {
        self.handshakes.iter().map(|status| lock(status).clone()).collect()
    }

    fn handshake(
        &mut self,
        role: Role,
        profiles: Option<Vec<String>>,
        separate_rtcp: bool,
        anonymous: bool,
    ) -> Result<(), String> {
        let identity = self.identity.clone().ok_or("no certificate yet")?;
        let profiles = profiles.unwrap_or_else(|| dtls::suites().map(String::from).collect());
        let remote = lock(&self.sending).remote.ok_or("no remote address")?;
        lock(&self.sending).mux = !separate_rtcp;
        if separate_rtcp {
            lock(&self.receiver).await_rtcp_keys();
        }
        self.handshakes.clear();
        for rtcp in [false, true].into_iter().take(1 + usize::from(separate_rtcp)) {
            let socket = if rtcp { &self.sockets.rtcp } else { &self.sockets.rtp };
            let socket = socket.try_clone().map_err(|e| e.to_string())?;
            let port = remote.port().wrapping_add(u16::from(rtcp));
            let terms = Terms {
                role,
                profiles: profiles.clone(),
                identity: (!anonymous).then(|| identity.clone()),
                remote: SocketAddrV4::new(*remote.ip(), port),
            };
            let (to, inbox) = channel();
            {
                let mut waiting = lock(&self.inboxes[usize::from(rtcp)]);
                waiting.early.drain(..).for_each(|datagram| drop(to.send(datagram)));
                waiting.association = Some(to);
            }
            let status = Arc::new(Mutex::new(Status::going()));
            self.handshakes.push(Arc::clone(&status));
            let (receiver, sending) = (self.receiver.clone(), self.sending.clone());
            let secured = move |keys: Keys| {
                let (inbound, outbound) = (Inbound::new(&keys.receive)?, Outbound::new(&keys.send, 0)?);
                if rtcp {
                    lock(&receiver).add_rtcp_keys(inbound);
                    lock(&sending).rtcp_keys = Some(outbound);
                } else {
                    lock(&receiver).add_keys(inbound);
                    lock(&sending).keys = Some(outbound);
                }
                Ok(())
            };
            self.threads.push(std::thread::spawn(move || dtls::run(&terms, socket, inbox, &status, secured)));
        }
        Ok(())
    }

    fn play(&mut self, play: Play) -> Result<(), String> {
        let audio = std::fs::read(&play.file).map_err(|e| format!("{}: {e}", play.file.display()))?;
        if audio.len() < FRAME {
            return Err(format!("{}: less than one packet of audio", play.file.display()));
        }
        self.end_play();
        self.stop_sending = Arc::new(AtomicBool::new(false));
        let (sockets, sending, stop) =
            (self.sockets.clone(), self.sending.clone(), self.stop_sending.clone());
        {
            let mut state = lock(&sending);
            state.remote.ok_or("no remote address")?;
            state.sequence = play.sequence.unwrap_or(state.sequence);
            state.playing = true;
        }
        self.player = Some(std::thread::spawn(move || {
            let done = send(&sockets, &sending, &stop, &play, &audio);
            let mut state = lock(&sending);
            state.playing = false;
            state.error = done.err().or(state.error.take());
        }));
        Ok(())
    }

    fn garbage(&self, count: u32, seed: u64) -> Result<(), String> {
        let remote = lock(&self.sending).remote.ok_or("no remote address")?;
        let mut garbage = Garbage(seed | 1);
        for number in 0..count {
            let datagram = garbage.datagram();
            let (socket, port) = match number % 2 {
                0 => (&self.sockets.rtp, remote.port()),
                _ => (&self.sockets.rtcp, remote.port().wrapping_add(1)),
            };
            deliver(socket, &datagram, SocketAddrV4::new(*remote.ip(), port))?;
        }
        Ok(())
    }

    fn end_play(&mut self) {
        self.stop_sending.store(true, Ordering::Relaxed);
        if let Some(player) = self.player.take() {
            let _ = player.join();
        }
    }

    fn report(&self, out: Option<PathBuf>) -> Result<Value, String> {
        let sending = lock(&self.sending);
        if let Some(error) = &sending.error {
            return Err(error.clone());
        }
        let receiver = lock(&self.receiver);
        if let Some(path) = out {
            std::fs::write(&path, receiver.audio()).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let mut value = serde_json::to_value(receiver.report()).map_err(|e| e.to_string())?;
        value["ok"] = true.into();
        value["sent"] = sending.packets.into();
        value["sent_rtcp"] = sending.rtcp.into();
        value["dtls"] = serde_json::to_value(self.dtls()).map_err(|e| e.to_string())?;
        Ok(value)
    }
}

/// Two free ports, the first one even, from a start that differs per process.
fn free_pair(address: Ipv4Addr) -> Result<Sockets, String> {
    let pairs = PORTS.len() as u32 / 2;
    let start = std::process::id().wrapping_mul(31) % pairs;
    for step in 0..pairs {
        let port = PORTS.start + 2 * ((start + step) % pairs) as u16;
        if let (Ok(rtp), Ok(rtcp)) = (UdpSocket::bind((address, port)), UdpSocket::bind((address, port + 1)))
        {
            for socket in [&rtp, &rtcp] {
                socket.set_read_timeout(Some(Duration::from_millis(200))).map_err(|e| e.to_string())?;
            }
            return Ok(Sockets { rtp, rtcp });
        }
    }
    Err(format!("no free pair of ports on {address}"))
}

fn receive(socket: &UdpSocket, receiver: &Mutex<Receiver>, inbox: &Mutex<Inbox>, stop: &AtomicBool) {
    let mut buffer = [0u8; 2048];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                if !lock(inbox).take(&buffer[..length]) {
                    lock(receiver).datagram(&buffer[..length]);
                }
            }
            // ConnectionRefused is the other side's closed port, told by ICMP.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock
                        | ErrorKind::TimedOut
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::Interrupted
                ) => {}
            Err(_) => return,
        }
    }
}

/// When the packet after one is due that was due at `due` and leaves `now`: who was not let run for long speaks later, not faster, lest
/// the PBX's buffers overflow.
fn next_due(due: Instant, now: Instant) -> Instant {
    (if now.saturating_duration_since(due) < LONG { due } else { now }) + FRAME_TIME
}

fn send(
    sockets: &Sockets,
    sending: &Mutex<Sending>,
    stop: &AtomicBool,
    play: &Play,
    audio: &[u8],
) -> Result<(), String> {
    let frames = audio.chunks_exact(FRAME);
    let per_round = frames.len() as u64;
    let mut number = 0u64;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) && (play.repeat || number < per_round) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due = next_due(due, Instant::now());
        let at = (number % per_round) as usize * FRAME;
        one_packet(sockets, &mut lock(sending), play, number, &audio[at..at + FRAME])?;
        number += 1;
    }
    Ok(())
}

fn one_packet(
    sockets: &Sockets,
    state: &mut Sending,
    play: &Play,
    number: u64,
    audio: &[u8],
) -> Result<(), String> {
    let header = rtp::Header {
        length: rtp::FIXED_HEADER,
        payload_type: play.payload_type,
        sequence: state.sequence,
        timestamp: state.timestamp,
        ssrc: play.ssrc,
    };
    state.sequence = state.sequence.wrapping_add(1);
    state.timestamp = state.timestamp.wrapping_add(FRAME as u32);
    let remote = state.remote.ok_or("no remote address")?;
    if play.lose.holds(number) {
        return Ok(());
    }
    let mut packet = rtp::build(&header, number == 0, audio);
    match &mut state.keys {
        _ if play.clear.holds(number) => {}
        Some(keys) => keys.rtp(&mut packet)?,
        None if state.clear => {}
        None => return Err("neither keys nor the word that there are none".into()),
    }
    if play.corrupt.holds(number)
        && let Some(last) = packet.last_mut()
    {
        *last ^= 1;
    }
    for _ in 0..play.copies {
        deliver(&sockets.rtp, &packet, remote)?;
        state.packets += 1;
    }
    state.bytes += audio.len() as u64;
    if play.rtcp && number % 50 == 25 {
        let mut report =
            rtp::sender_report(play.ssrc, state.timestamp, state.packets as u32, state.bytes as u32);
        let state = &mut *state;
        if let Some(keys) = state.rtcp_keys.as_mut().or(state.keys.as_mut()) {
            keys.rtcp(&mut report)?;
        }
        let above = SocketAddrV4::new(*remote.ip(), remote.port().wrapping_add(1));
        let (socket, to) = if state.mux { (&sockets.rtp, remote) } else { (&sockets.rtcp, above) };
        deliver(socket, &report, to)?;
        state.rtcp += 1;
    }
    Ok(())
}

/// Hostile datagrams out of a xorshift generator.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Random bytes of 0 to 1499, three quarters of them dressed as RTP or RTCP whose lengths may lie.
    fn datagram(&mut self) -> Vec<u8> {
        let length = (self.next() % 1500) as usize >> (self.next() % 8);
        let mut datagram: Vec<u8> = (0..length).map(|_| (self.next() >> 32) as u8).collect();
        if let [first, second, ..] = &mut datagram[..] {
            match self.next() % 4 {
                0 => *first = 0x80,
                1 => *first = 0x90 | (*first & 0x2f),
                2 => (*first, *second) = (0x80 | (*first & 0x3f), 200 + (*second % 8)),
                _ => {}
            }
        }
        datagram
    }
}

fn deliver(socket: &UdpSocket, packet: &[u8], remote: SocketAddrV4) -> Result<(), String> {
    match socket.send_to(packet, remote) {
        Ok(_) => Ok(()),
        // A closed port is a fact about the peer that the judgement shows anyway.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(format!("send to {remote}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_made_up_for_after_a_moment_and_not_after_seconds() {
        let due = Instant::now();
        assert_eq!(next_due(due, due + Duration::from_millis(150)), due + FRAME_TIME);
        assert_eq!(next_due(due, due + Duration::from_secs(3)), due + Duration::from_secs(3) + FRAME_TIME);
    }
}
