//! How long it takes on loopback, with default timers, from the first Hello until each end has heard secured audio of the other:
//! two threads, two sockets, real time.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use sealrtp_srtp::{Inbound, Limits, Outbound};
use sealrtp_zrtp::algorithm::KeyAgreement;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Config, Event, Received, Stream};

use super::{Result, config};
use crate::clock::median;

/// A packet each.
const PACKET_TIME: Duration = Duration::from_millis(20);
/// When a call is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of header and of audio.
const PACKET: (usize, usize) = (12, 160);

struct End {
    socket: UdpSocket,
    stream: Stream,
    inbound: Option<Inbound>,
    outbound: Option<(Outbound, Instant)>,
    sequence: u16,
    heard: Option<Instant>,
}

impl End {
    fn new(config: &Arc<Config>, number: u8, socket: UdpSocket) -> Result<Self> {
        let association = Association::new(config.clone(), Zid([number; 12]), None)?;
        let stream = Stream::new(&association, number.into(), Instant::now())?;
        Ok(Self { socket, stream, inbound: None, outbound: None, sequence: 0, heard: None })
    }

    /// Until it has heard the other and a little longer; when it first heard it.
    fn run(mut self, begin: &Barrier) -> std::result::Result<(Instant, Instant), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        begin.wait();
        let start = Instant::now();
        self.stream.start(start);
        let mut datagram = [0; 2048];
        // The other may need a packet of ours after we are done.
        while self.heard.is_none_or(|heard| heard.elapsed() < 2 * PACKET_TIME) {
            let now = Instant::now();
            if now > start + PATIENCE {
                return Err("no secured audio".into());
            }
            self.stream.handle_timeout(now);
            while let Some(out) = self.stream.poll_transmit() {
                self.socket.send(&out).map_err(|error| said(&error))?;
            }
            while let Some(event) = self.stream.poll_event() {
                match event {
                    Event::Inbound(keys) => self.inbound = Some(Inbound::new(&keys, Limits::default())),
                    Event::Secured(secured) => {
                        self.inbound.get_or_insert_with(|| Inbound::new(&secured.inbound, Limits::default()));
                        self.outbound = Some((Outbound::new(&secured.outbound, Limits::default()), now));
                    }
                    Event::Failed(failure) => return Err(said(&failure)),
                    _ => {}
                }
            }
            let mut next = self.stream.poll_timeout().unwrap_or(now + PACKET_TIME);
            if let Some((outbound, due)) = &mut self.outbound {
                if *due <= now {
                    *due += PACKET_TIME;
                    self.sequence += 1;
                    let len = PACKET.0 + PACKET.1;
                    let mut packet = [0x55; PACKET.0 + PACKET.1 + 36];
                    packet[..PACKET.0].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
                    packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
                    let len = outbound.protect_rtp(&mut packet, len).map_err(|error| said(&error))?;
                    self.socket.send(&packet[..len]).map_err(|error| said(&error))?;
                }
                next = next.min(*due);
            }
            let wait = next.saturating_duration_since(now).clamp(Duration::from_millis(1), PACKET_TIME);
            self.socket.set_read_timeout(Some(wait)).map_err(|error| said(&error))?;
            let len = match self.socket.recv(&mut datagram) {
                Ok(len) => len,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => return Err(said(&error)),
            };
            let now = Instant::now();
            if self.stream.receive(&datagram[..len], now) == Received::NotZrtp
                && let Some(inbound) = &mut self.inbound
                && inbound.unprotect_rtp(&mut datagram[..len]).is_ok()
            {
                self.stream.srtp_received(now);
                self.heard.get_or_insert(now);
            }
        }
        self.heard.map(|heard| (start, heard)).ok_or_else(|| "no secured audio".into())
    }
}

/// Median and longest of some calls.
pub fn measure(agreement: KeyAgreement, calls: usize) -> Result<(Duration, Duration)> {
    let config = config(agreement);
    let mut times = Vec::new();
    for _ in 0..calls {
        let sockets = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
        sockets[0].connect(sockets[1].local_addr()?)?;
        sockets[1].connect(sockets[0].local_addr()?)?;
        let [a, b] = sockets;
        let (a, b) = (End::new(&config, 1, a)?, End::new(&config, 2, b)?);
        let begin = Barrier::new(2);
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| a.run(&begin));
            let b = b.run(&begin);
            (a.join().unwrap_or_else(|_| Err("an end panicked".into())), b)
        });
        let ((start_a, heard_a), (start_b, heard_b)) = (a?, b?);
        times.push(heard_a.max(heard_b) - start_a.min(start_b));
    }
    let worst = times.iter().max().copied().unwrap_or_default();
    Ok((median(&mut times), worst))
}
