//! Many handshakes at once over loopback sockets, one thread for all clients and one for all servers, while another thread
//! sends and receives the media of calls that are secured already.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealrtp_dtls::{Association, Connected, Context, CookieExchange, Event, Role};
use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey, Outbound, Suite};

use super::{Certificate, Result, ours};
use crate::clock::median;

/// Handshakes at once.
pub const CALLS: usize = 200;
/// That run them.
pub const THREADS: usize = 2;
/// Calls whose media goes on meanwhile.
pub const SECURED: usize = 50;

const PACKET_TIME: Duration = Duration::from_millis(20);
const PAYLOAD: usize = 160;
/// A burst that takes longer has lost its calls.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a thread that found nothing to read sleeps.
const IDLE: Duration = Duration::from_micros(500);

/// Of the packets' delays: from when a packet is due to when it is opened at the other end.
pub struct Delay {
    pub p99: Duration,
    pub worst: Duration,
}

pub struct Burst {
    /// Until all calls were secured, over the bursts.
    pub median: Duration,
    pub worst: Duration,
    /// Calls that came to no keys, or to keys that do not open the other end's packets.
    pub lost: usize,
    pub busy: Delay,
    pub idle: Delay,
}

pub fn measure(certificate: &Certificate, bursts: usize) -> Result<Burst> {
    let context = ours::context(certificate, CookieExchange::UnknownSources)?;
    let (mut times, mut lost) = (Vec::new(), 0);
    let (mut busy, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..bursts {
        let sockets: Vec<_> = (0..CALLS).map(|_| pair()).collect::<Result<_>>()?;
        let (clients, servers): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        let stop = AtomicBool::new(false);
        let begin = Barrier::new(THREADS + 1);
        thread::scope(|scope| -> Result<()> {
            let media = scope.spawn(|| media(&stop).map_err(|error| error.to_string()));
            // The media runs in before the handshakes begin.
            thread::sleep(Duration::from_millis(200));
            let run = |role, sockets| {
                let (context, begin) = (&context, &begin);
                scope.spawn(move || {
                    ends(context, certificate, role, sockets, begin).map_err(|error| error.to_string())
                })
            };
            let (clients, servers) = (run(Role::Client, &clients), run(Role::Server, &servers));
            begin.wait();
            let start = Instant::now();
            let clients = clients.join().map_err(|_| "a thread of clients panicked")??;
            let servers = servers.join().map_err(|_| "a thread of servers panicked")??;
            let end = Instant::now();
            // What it takes without them, for as long.
            thread::sleep((end - start).max(Duration::from_millis(200)));
            stop.store(true, Ordering::Relaxed);
            let packets = media.join().map_err(|_| "the thread of the media panicked")??;
            times.push(end - start);
            lost += clients.iter().zip(&servers).filter(|(client, server)| !fits(client, server)).count();
            for (due, delay) in packets {
                if (start..end).contains(&due) {
                    busy.push(delay);
                } else {
                    idle.push(delay);
                }
            }
            Ok(())
        })?;
    }
    let worst = times.iter().max().copied().unwrap_or_default();
    Ok(Burst { median: median(&mut times), worst, lost, busy: delay(busy)?, idle: delay(idle)? })
}

fn delay(mut all: Vec<Duration>) -> Result<Delay> {
    all.sort_unstable();
    let worst = *all.last().ok_or("no packet")?;
    Ok(Delay { p99: all[(all.len() - 1) * 99 / 100], worst })
}

/// Two sockets that are connected with each other.
fn pair() -> Result<(UdpSocket, UdpSocket)> {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    a.connect(b.local_addr()?)?;
    b.connect(a.local_addr()?)?;
    a.set_nonblocking(true)?;
    b.set_nonblocking(true)?;
    Ok((a, b))
}

/// Runs one end of all calls until each has keys, or the time is over.
fn ends(
    context: &Context,
    certificate: &Certificate,
    role: Role,
    sockets: &[UdpSocket],
    begin: &Barrier,
) -> Result<Vec<Option<Box<Connected>>>> {
    let mut keys: Vec<Option<Box<Connected>>> = sockets.iter().map(|_| None).collect();
    begin.wait();
    let start = Instant::now();
    let mut all = Vec::with_capacity(sockets.len());
    for socket in sockets {
        let known = certificate.fingerprints.clone();
        let mut association = Association::new(context, role, known, start)?;
        association.expect_source(socket.peer_addr()?);
        flush(&mut association, socket)?;
        all.push(association);
    }
    let mut buffer = [0; 2048];
    while keys.iter().any(Option::is_none) && start.elapsed() < DEADLINE {
        let mut idle = true;
        for ((association, socket), keys) in all.iter_mut().zip(sockets).zip(&mut keys) {
            match socket.recv(&mut buffer) {
                Ok(len) => {
                    idle = false;
                    association.receive(&buffer[..len], socket.peer_addr()?, Instant::now());
                }
                // A full queue of the loopback interface is a loss like any other.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            association.handle_timeout(Instant::now());
            flush(association, socket)?;
            while let Some(event) = association.poll_event() {
                if let Event::Connected(connected) = event {
                    *keys = Some(connected);
                }
            }
        }
        if idle {
            thread::sleep(IDLE);
        }
    }
    Ok(keys)
}

fn flush(association: &mut Association, socket: &UdpSocket) -> Result<()> {
    while let Some(out) = association.poll_transmit() {
        socket.send(&out.datagram)?;
    }
    Ok(())
}

/// Whether each end opens what the other protects.
fn fits(client: &Option<Box<Connected>>, server: &Option<Box<Connected>>) -> bool {
    let (Some(client), Some(server)) = (client, server) else { return false };
    let opens = |from: &KeySet, to: &KeySet| {
        let mut buffer = [0x80; 12 + PAYLOAD + 32];
        let sealed = Outbound::new(from, Limits::default()).protect_rtp(&mut buffer, 12 + PAYLOAD);
        sealed.is_ok_and(|len| {
            Inbound::new(to, Limits::default()).unprotect_rtp(&mut buffer[..len]) == Ok(12 + PAYLOAD)
        })
    };
    opens(&client.outbound, &server.inbound) && opens(&server.outbound, &client.inbound)
}

/// The media of secured calls, each with a packet every 20 ms, evenly spread: when each was due, and how much later it was open
/// at the other end.
fn media(stop: &AtomicBool) -> Result<Vec<(Instant, Duration)>> {
    let suite = Suite::AeadAes256Gcm;
    let mut calls = Vec::new();
    for number in 0..SECURED {
        let key = MasterKey::new(suite, &vec![number as u8; suite.key_len()], &vec![7; suite.salt_len()])?;
        let keys = KeySet::single(key);
        let (from, to) = pair()?;
        to.set_nonblocking(false)?;
        to.set_read_timeout(Some(Duration::from_secs(1)))?;
        calls.push((
            Outbound::new(&keys, Limits::default()),
            Inbound::new(&keys, Limits::default()),
            from,
            to,
        ));
    }
    let mut delays = Vec::with_capacity(1 << 16);
    let mut buffer = [0; 12 + PAYLOAD + 32];
    let begin = Instant::now();
    for packet in 0u32.. {
        let (sequence, number) = (packet / SECURED as u32, packet as usize % SECURED);
        let due = begin + PACKET_TIME * packet / SECURED as u32;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
        let (outbound, inbound, from, to) = &mut calls[number];
        buffer[..12].copy_from_slice(&[
            0x80,
            0,
            (sequence >> 8) as u8,
            sequence as u8,
            0,
            0,
            0,
            0,
            1,
            2,
            3,
            4,
        ]);
        buffer[12..12 + PAYLOAD].fill(0x55);
        let len = outbound.protect_rtp(&mut buffer, 12 + PAYLOAD)?;
        from.send(&buffer[..len])?;
        let len = to.recv(&mut buffer)?;
        if inbound.unprotect_rtp(&mut buffer[..len])? != 12 + PAYLOAD {
            return Err("a packet of another length".into());
        }
        delays.push((due, due.elapsed()));
    }
    Ok(delays)
}
