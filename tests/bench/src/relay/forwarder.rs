//! What the relay is measured against: a bare UDP forwarder with the same sockets and as many threads, level-triggered epoll, one
//! datagram in and out per event, and nothing else.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealrtp_relay::Sockets;

use super::sys::Epoll;

/// The outer socket and the inner one of a component.
struct Pair {
    peer: UdpSocket,
    pbx: UdpSocket,
    to_peer: SocketAddr,
}

pub struct Forwarder {
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Between the sockets of each call and where its datagrams go.
    pub fn start(
        threads: usize,
        calls: Vec<Sockets>,
        to_peer: SocketAddr,
        to_pbx: SocketAddr,
    ) -> io::Result<Self> {
        let mut shares: Vec<Vec<Pair>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, Sockets { peer, pbx }) in calls.into_iter().enumerate() {
            for (peer, pbx) in peer.into_iter().zip(pbx) {
                pbx.connect(to_pbx)?;
                peer.set_nonblocking(true)?;
                pbx.set_nonblocking(true)?;
                shares[number % threads].push(Pair { peer, pbx, to_peer });
            }
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let mut running = Vec::new();
        for share in shares {
            let epoll = Epoll::new()?;
            for (number, pair) in share.iter().enumerate() {
                epoll.add(&pair.peer, 2 * number)?;
                epoll.add(&pair.pbx, 2 * number + 1)?;
            }
            let stopped = Arc::clone(&stopped);
            running.push(thread::spawn(move || forward(epoll, &share, &stopped)));
        }
        Ok(Self { stopped, threads: running })
    }
}

fn forward(mut epoll: Epoll, pairs: &[Pair], stopped: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !stopped.load(Ordering::Relaxed) {
        for number in epoll.wait(Duration::from_millis(50)) {
            let pair = &pairs[number / 2];
            // What cannot be sent is lost, and counted by who waits for it.
            let _ = if number % 2 == 0 {
                pair.peer.recv_from(&mut buffer).and_then(|(len, _)| pair.pbx.send(&buffer[..len]))
            } else {
                pair.pbx.recv(&mut buffer).and_then(|len| pair.peer.send_to(&buffer[..len], pair.to_peer))
            };
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a forwarder's thread");
        }
    }
}
