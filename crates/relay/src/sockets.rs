//! The four sockets of a stream.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::sync::Arc;

use crate::epoll::Epoll;

/// How often a pair of ports is looked for.
const TRIES: usize = 64;

/// The sockets of a stream, of RTP and of RTCP ([`Component`](sealrtp_session::Component) is the index).
#[derive(Debug)]
pub struct Sockets {
    /// Towards the peer.
    pub peer: [UdpSocket; 2],
    /// Towards the PBX.
    pub pbx: [UdpSocket; 2],
}

impl Sockets {
    /// Binds the outer ones to an address, RTP's port and the one above it, or with port 0 to any even port and the one above
    /// it; the inner ones to such a pair of the PBX's side.
    ///
    /// # Errors
    /// The system's: [`io::ErrorKind::AddrInUse`] if a port is taken, or no pair was found.
    pub fn bind(peer: SocketAddr, pbx: IpAddr) -> io::Result<Self> {
        Ok(Self { peer: bind_pair(peer, None)?, pbx: bind_pair(SocketAddr::new(pbx, 0), None)? })
    }
}

/// Sockets that a thread waits for. Their ports are free as soon as they are dropped.
pub(crate) struct Waited {
    sockets: Sockets,
    epoll: Arc<Epoll>,
}

impl Waited {
    pub(crate) fn new(sockets: Sockets, epoll: Arc<Epoll>) -> Self {
        Self { sockets, epoll }
    }
}

impl Deref for Waited {
    type Target = Sockets;

    #[inline]
    fn deref(&self) -> &Sockets {
        &self.sockets
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        self.sockets.peer.iter().chain(&self.sockets.pbx).for_each(|socket| self.epoll.remove(socket));
    }
}

/// Binds a pair, RTP's first: the port of `rtp` and `rtcp_port`, without one the port above RTP's; with port 0 and no
/// `rtcp_port` any even port and the one above it.
///
/// # Errors
/// The system's: [`io::ErrorKind::AddrInUse`] if a port is taken, or no pair was found.
pub fn bind_pair(rtp: SocketAddr, rtcp_port: Option<u16>) -> io::Result<[UdpSocket; 2]> {
    let at = |port| SocketAddr::new(rtp.ip(), port);
    if rtp.port() != 0 || rtcp_port.is_some() {
        let above = || rtp.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable);
        let first = UdpSocket::bind(rtp)?;
        return Ok([first, UdpSocket::bind(at(rtcp_port.map_or_else(above, Ok)?))?]);
    }
    // Those that did not do are kept until the end, so that the system gives others.
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        let first = UdpSocket::bind(rtp)?;
        let port = first.local_addr()?.port();
        if port % 2 == 0
            && let Ok(second) = UdpSocket::bind(at(port + 1))
        {
            return Ok([first, second]);
        }
        tried.push(first);
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::epoll::Ready;

    /// Of these tests alone: nobody else is given a port that is free there.
    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 77, 3));

    fn addresses(sockets: &Sockets) -> [SocketAddr; 4] {
        let all: Vec<_> = sockets.peer.iter().chain(&sockets.pbx).collect();
        [0, 1, 2, 3].map(|place: usize| all[place].local_addr().unwrap())
    }

    #[test]
    fn the_ports_are_free_as_soon_as_they_are_dropped_whatever_the_thread_that_waits_looks_at() {
        let epoll = Arc::new(Epoll::new().unwrap());
        let over = AtomicBool::new(false);
        let sender = UdpSocket::bind((ADDRESS, 0)).unwrap();
        // A datagram is there for each, so that the thread looks at them all the time.
        let open = || {
            let sockets = Sockets::bind((ADDRESS, 0).into(), ADDRESS).unwrap();
            for (socket, address) in sockets.peer.iter().chain(&sockets.pbx).zip(addresses(&sockets)) {
                epoll.add(socket, 1).unwrap();
                sender.send_to(&[1], address).unwrap();
            }
            Waited::new(sockets, Arc::clone(&epoll))
        };
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut ready = Ready::new();
                while !over.load(Ordering::Relaxed) {
                    epoll.wait(&mut ready, Some(Duration::from_millis(10))).unwrap();
                }
            });
            let _others = [open(), open()];
            let mut refused = 0;
            for _ in 0..5000 {
                let sockets = open();
                let addresses = addresses(&sockets);
                drop(sockets);
                refused += addresses.into_iter().filter(|address| UdpSocket::bind(address).is_err()).count();
            }
            over.store(true, Ordering::Relaxed);
            refused
        });
        assert_eq!(refused, 0, "of 20000 ports");
    }
}
