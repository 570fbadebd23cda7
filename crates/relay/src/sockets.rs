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
        Ok(Self { peer: bind_pair(peer, None)?, pbx: bind_pair(SocketAddr::new(pbx, 0), None)? })
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
