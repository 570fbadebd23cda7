//! Ports that a leg has, and gives back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sealrtp_relay::Sockets;

/// Most ports that are asked for in a row, if somebody has bound them all.
const TRIES: usize = 8;

/// Where a leg has its outer ports from.
pub trait Ports: Send + Sync {
    /// An even port of which the next one is free as well; 0: any that the system has. None: there is none left.
    fn take(&self) -> Option<u16>;

    /// Takes back what [`take`](Self::take) gave; its sockets are closed.
    fn give_back(&self, port: u16);
}

/// A port that is given back in any case.
pub(crate) struct Port {
    ports: Arc<dyn Ports>,
    number: u16,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.give_back(self.number);
    }
}

/// Sockets of a new stream, with the port that they have to give back after they are closed.
pub(crate) fn bind(ports: &Arc<dyn Ports>, address: IpAddr, inner: IpAddr) -> io::Result<(Sockets, Port)> {
    // Given back at the end, so that each try gets another.
    let mut in_use = Vec::new();
    loop {
        let number = ports.take().ok_or_else(|| {
            io::Error::new(io::ErrorKind::AddrNotAvailable, "no RTP port is left: enlarge the PBX's range")
        })?;
        let port = Port { ports: Arc::clone(ports), number };
        match Sockets::bind(SocketAddr::new(address, number), inner) {
            Ok(sockets) => return Ok((sockets, port)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && in_use.len() + 1 < TRIES => {
                in_use.push(port);
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{address} port {number}: {error}")));
            }
        }
    }
}
