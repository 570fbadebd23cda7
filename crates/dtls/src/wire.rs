//! What OpenSSL takes for a network: one datagram to read at a time, a few to write.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Most datagrams of one flight kept; OpenSSL's largest message in the smallest fragments stays below.
const MAX_FLIGHT: usize = 512;

/// A datagram on its way into OpenSSL, and those that came out.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    inbound: Inbound,
    outbound: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
enum Inbound {
    #[default]
    Empty,
    Datagram(Vec<u8>),
}

impl Wire {
    /// Puts a datagram where OpenSSL reads it.
    pub(crate) fn put(&mut self, datagram: &[u8]) {
        self.inbound = Inbound::Datagram(datagram.to_vec());
    }

    /// Whether OpenSSL has yet to read the datagram.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self.inbound, Inbound::Datagram(_))
    }

    /// Whether OpenSSL has written anything since it was last taken.
    pub(crate) fn has_written(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// What OpenSSL has written, and nothing left to read.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        self.inbound = Inbound::Empty;
        std::mem::take(&mut self.outbound)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match std::mem::take(&mut self.inbound) {
            Inbound::Empty => Err(Error::from(ErrorKind::WouldBlock)),
            Inbound::Datagram(datagram) => {
                // What does not fit is cut off, as with a socket; the record's length then does not fit and it is dropped.
                let len = datagram.len().min(buffer.len());
                buffer[..len].copy_from_slice(&datagram[..len]);
                Ok(len)
            }
        }
    }
}

impl Write for Wire {
    /// One write is one datagram. One too many is lost, as on a network.
    fn write(&mut self, datagram: &[u8]) -> Result<usize> {
        if self.outbound.len() < MAX_FLIGHT {
            self.outbound.push(datagram.to_vec());
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
