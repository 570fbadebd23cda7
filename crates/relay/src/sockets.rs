//! The four sockets of a stream.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

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
        Ok(Self { peer: pair(peer)?, pbx: pair(SocketAddr::new(pbx, 0))? })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &UdpSocket> {
        self.peer.iter().chain(&self.pbx)
    }
}

fn pair(rtp: SocketAddr) -> io::Result<[UdpSocket; 2]> {
    let at = |port| SocketAddr::new(rtp.ip(), port);
    if rtp.port() != 0 {
        let above = rtp.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        return Ok([UdpSocket::bind(rtp)?, UdpSocket::bind(at(above))?]);
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
