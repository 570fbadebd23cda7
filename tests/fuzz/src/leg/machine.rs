//! What a leg needs of a machine, for its relay has no stream without sockets: all of them are on loopback, from where the
//! system lets nothing out, whatever address a description names.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sealrtp_relay::{Observer, Relay, Sockets, Stream, bind_pair};
use sealrtp_session::{Event, Session, WithoutKeys};
use sealrtp_srtp::Limits;

use super::packets::{PROBE, rtp};

/// Lines of which media is looked at.
pub const LINES: usize = 2;

/// RTP's socket and RTCP's of each line.
pub type Pairs = [[UdpSocket; 2]; LINES];

/// What all runs share, since making it takes longer than a run.
pub struct Machine {
    /// Of one thread.
    pub relay: Relay,
    /// Of our PBX, and of the peer's.
    pub pbx: [Pairs; 2],
    /// Where a description of the input may send our media.
    pub spies: Pairs,
    /// That nobody has heard of.
    pub stranger: UdpSocket,
    probe: Probe,
}

/// A stream of the same thread, to see how far that thread is.
struct Probe {
    _stream: Stream,
    to: SocketAddr,
    near: UdpSocket,
    far: UdpSocket,
}

struct Deaf;

impl Observer for Deaf {
    fn event(&self, _: Event) {}
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn pairs() -> Pairs {
    [0; LINES].map(|port| {
        let pair = bind_pair(loopback(port), None).expect("two ports");
        pair.each_ref().iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket"));
        pair
    })
}

impl Probe {
    fn start(relay: &Relay) -> Self {
        let [near, far] = bind_pair(loopback(0), None).expect("two ports");
        let sockets = Sockets::bind(loopback(0), Ipv4Addr::LOCALHOST.into()).expect("four ports");
        let session = Session::new(Limits::default(), WithoutKeys::Pass);
        let stream = relay.open(sockets, session, Arc::new(Deaf)).expect("a stream");
        stream.set_pbx([far.local_addr().ok(), None]);
        stream.set_peer([near.local_addr().ok(), None]);
        far.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        Self { to: loopback(stream.peer_port()), _stream: stream, near, far }
    }

    /// Returns when a packet has gone through the relay's thread.
    fn ping(&self) {
        self.near.send_to(&rtp(0, PROBE), self.to).expect("loopback takes it");
        while let Err(error) = self.far.recv(&mut [0; 256]) {
            // libFuzzer's alarm clock.
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "the relay's thread goes on");
        }
    }
}

impl Machine {
    /// For one run at a time.
    pub fn lock() -> MutexGuard<'static, Self> {
        static MACHINE: OnceLock<Mutex<Machine>> = OnceLock::new();
        let start = || {
            let relay = Relay::start(1).expect("a thread");
            let probe = Probe::start(&relay);
            let stranger = UdpSocket::bind(loopback(0)).expect("a port");
            Mutex::new(Self { relay, pbx: [pairs(), pairs()], spies: pairs(), stranger, probe })
        };
        let machine = MACHINE.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
        machine.pbx.iter().chain([&machine.spies]).for_each(|pairs| drop(heard(pairs)));
        machine
    }

    /// Streams that are open, less the probe's.
    pub fn streams(&self) -> usize {
        self.relay.streams() - 1
    }

    /// Returns when the relay's thread has done with what was sent before: it reads the sockets that are ready in turns, so
    /// what was ready at the first packet's time is read before the second one is.
    pub fn catch_up(&self) {
        self.probe.ping();
        self.probe.ping();
    }
}

/// What has come since this was last asked.
pub fn heard(pairs: &Pairs) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    let mut buffer = [0; 2048];
    for socket in pairs.iter().flatten() {
        loop {
            match socket.recv(&mut buffer) {
                Ok(len) => heard.push(buffer[..len].to_vec()),
                // Of a datagram sent before, whose port was closed.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
    }
    heard
}
