//! A relay, a peer with a session of its own, and a PBX, over loopback.
#![allow(dead_code)]

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealrtp_relay::{Observer, Relay, Sockets, Stream};
use sealrtp_session::{Component, Event, Kind, Received, Session, WithoutKeys};
use sealrtp_srtp::{KeySet, Limits, MasterKey, Suite};

/// Long enough for anything that comes at all, on a machine that stands still now and then.
pub const SOON: Duration = Duration::from_secs(60);
/// Long enough to say that nothing comes.
pub const NEVER: Duration = Duration::from_millis(150);

/// Passes events on.
pub struct Ear(Mutex<Sender<Event>>);

impl Observer for Ear {
    fn event(&self, event: Event) {
        let _ = self.0.lock().unwrap().send(event);
    }
}

pub fn ear() -> (Arc<Ear>, Receiver<Event>) {
    let (sender, events) = channel();
    (Arc::new(Ear(Mutex::new(sender))), events)
}

pub fn key(number: u8) -> KeySet {
    let suite = Suite::AesCm128HmacSha1_80;
    KeySet::single(MasterKey::new(suite, &[number; 16], &[number; 14]).unwrap())
}

/// A packet of G.711.
pub fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 7];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend([sequence as u8; 160]);
    packet
}

/// A sender report without reports.
pub fn rtcp() -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
    packet.extend([5; 20]);
    packet
}

/// Ends what another thread does until then, also when the test fails.
pub struct Until<'a>(pub &'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn pair(ip: IpAddr) -> [UdpSocket; 2] {
    let Sockets { peer, .. } = Sockets::bind(SocketAddr::new(ip, 0), ip).unwrap();
    peer
}

pub fn addresses(sockets: &[UdpSocket; 2]) -> [Option<SocketAddr>; 2] {
    [0, 1].map(|number: usize| Some(sockets[number].local_addr().unwrap()))
}

/// The next packet of media, secured or not. A handshake's datagram that was sent again, since its answer was late, is passed over.
pub fn next_media(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    loop {
        let datagram = next(socket, patience)?;
        if !matches!(Kind::of(&datagram), Kind::Dtls | Kind::Zrtp) {
            return Some(datagram);
        }
    }
}

/// The next datagram, or none in that time.
pub fn next(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    socket.set_read_timeout(Some(patience)).unwrap();
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((len, _)) => {
                buffer.truncate(len);
                return Some(buffer);
            }
            // The process was stopped and goes on.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

pub struct Call {
    pub stream: Stream,
    pub relay: Relay,
    pub events: Receiver<Event>,
    pub ip: IpAddr,
    /// The peer's sockets and session.
    pub peer: [UdpSocket; 2],
    pub far: Mutex<Session>,
    pub pbx: [UdpSocket; 2],
}

impl Call {
    pub fn new(rule: WithoutKeys) -> Self {
        Self::of(rule, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub fn of(rule: WithoutKeys, ip: IpAddr) -> Self {
        Self::on(Relay::start(1).unwrap(), rule, ip)
    }

    pub fn on(relay: Relay, rule: WithoutKeys, ip: IpAddr) -> Self {
        let (ear, events) = ear();
        let sockets = Sockets::bind(SocketAddr::new(ip, 0), ip).unwrap();
        let stream = relay.open(sockets, Session::new(Limits::default(), rule), ear).unwrap();
        let (peer, pbx) = (pair(ip), pair(ip));
        stream.set_peer(addresses(&peer));
        stream.set_pbx(addresses(&pbx));
        let far = Mutex::new(Session::new(Limits::default(), rule));
        Self { stream, relay, events, ip, peer, far, pbx }
    }

    /// Keys of SDES at both ends.
    pub fn key(&self) {
        self.stream.with(|session, _| {
            session.set_inbound(&key(1));
            session.set_outbound(&key(2));
        });
        let mut far = self.far.lock().unwrap();
        far.set_inbound(&key(2));
        far.set_outbound(&key(1));
    }

    pub fn outer(&self, component: Component) -> SocketAddr {
        SocketAddr::new(self.ip, self.stream.peer_port() + component as u16)
    }

    pub fn inner(&self, component: Component) -> SocketAddr {
        SocketAddr::new(self.ip, self.stream.pbx_port() + component as u16)
    }

    /// What the peer makes of a clear packet.
    pub fn protected(&self, packet: &[u8]) -> Vec<u8> {
        let mut far = self.far.lock().unwrap();
        let mut buffer = [0; 2048];
        buffer[..packet.len()].copy_from_slice(packet);
        let len = if is_rtcp(packet) {
            far.protect_rtcp(&mut buffer, packet.len()).unwrap()
        } else {
            far.protect_rtp(&mut buffer, packet.len()).unwrap()
        };
        buffer[..len].to_vec()
    }

    pub fn peer_sends(&self, packet: &[u8]) {
        self.peer[0].send_to(&self.protected(packet), self.outer(Component::Rtp)).unwrap();
    }

    pub fn pbx_sends(&self, packet: &[u8]) {
        self.pbx[0].send_to(packet, self.inner(Component::Rtp)).unwrap();
    }

    /// What a session of the far end has to send and to take, until `over` or until it is too late.
    pub fn play(&self, over: impl FnMut(&mut Session) -> bool) {
        self.play_from(&self.peer, over);
    }

    /// The same from other sockets than those described.
    pub fn play_from(&self, sockets: &[UdpSocket; 2], mut over: impl FnMut(&mut Session) -> bool) {
        let mut far = self.far.lock().unwrap();
        let end = Instant::now() + SOON;
        let mut buffer = vec![0; 65_536];
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        while !over(&mut far) {
            assert!(Instant::now() < end, "the far end got no further: {far:?}");
            for (component, socket) in Component::BOTH.into_iter().zip(sockets) {
                while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    far.receive(component, &mut buffer[..len], from, Instant::now());
                }
            }
            if far.poll_timeout().is_some_and(|due| due <= Instant::now()) {
                far.handle_timeout(Instant::now());
            }
            while let Some(out) = far.poll_transmit() {
                let socket = &sockets[out.component as usize];
                socket.send_to(&out.datagram, self.outer(out.component)).unwrap();
            }
            while far.poll_event().is_some() {}
            std::thread::sleep(Duration::from_millis(1));
        }
        sockets.iter().for_each(|socket| socket.set_nonblocking(false).unwrap());
    }

    /// Waits for an event.
    pub fn hears_of(&self, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let end = Instant::now() + SOON;
        loop {
            let event = self.events.recv_timeout(end.saturating_duration_since(Instant::now()));
            match event.expect("an event of that kind in time") {
                event if wanted(&event) => return event,
                _ => {}
            }
        }
    }

    /// That a packet of the PBX's is heard there, and it is secured.
    pub fn reaches(&self, socket: &UdpSocket, sequence: u16) {
        self.pbx_sends(&rtp(sequence));
        let packet = next_media(socket, SOON).expect("the PBX's media at the peer");
        assert_ne!(packet, rtp(sequence), "clear");
        assert_eq!(self.peer_opens(packet, Component::Rtp), Some(rtp(sequence)));
    }

    /// Waits until the relay has dropped so many datagrams from a side.
    pub fn waits_for(&self, mut reached: impl FnMut(&sealrtp_relay::Counters) -> bool) {
        let end = Instant::now() + SOON;
        while !reached(&self.stream.counters()) {
            assert!(Instant::now() < end, "{:?}", self.stream.counters());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn pbx_hears(&self) -> Option<Vec<u8>> {
        next(&self.pbx[0], SOON)
    }

    /// The next RTP or RTCP that the peer hears on RTP's port, opened.
    pub fn peer_hears(&self) -> Option<Vec<u8>> {
        self.peer_opens(next_media(&self.peer[0], SOON)?, Component::Rtp)
    }

    pub fn peer_opens(&self, mut packet: Vec<u8>, component: Component) -> Option<Vec<u8>> {
        let from = self.outer(component);
        let received = self.far.lock().unwrap().receive(component, &mut packet, from, Instant::now());
        let (Received::Rtp(len) | Received::Rtcp(len)) = received else { return None };
        packet.truncate(len);
        Some(packet)
    }
}

fn is_rtcp(packet: &[u8]) -> bool {
    (192..=223).contains(&packet[1])
}
