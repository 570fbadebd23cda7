//! What OpenSSL takes for a network: the records of one datagram to read, a flight to write.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};

use crate::record::{self, CHANGE_CIPHER_SPEC, HEADER, records};

/// Most datagrams of one flight kept; OpenSSL's largest message in the smallest fragments stays below.
const MAX_FLIGHT: usize = 512;

/// Records on their way into OpenSSL, and datagrams that came out.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    inbound: VecDeque<Vec<u8>>,
    /// Records taken so far.
    numbered: u64,
    outbound: Vec<Vec<u8>>,
    /// The peer's ChangeCipherSpec, once it has come.
    change: Vec<u8>,
}

impl Wire {
    /// Puts a datagram where OpenSSL reads it: each record by itself, since what follows a record in OpenSSL's own buffer is
    /// lost when its timer ends in between.
    ///
    /// Records of epoch 0 are numbered anew. Nothing authenticates their numbers, so a forged high one would move OpenSSL's
    /// replay window past those of the peer; their handshake messages have numbers of their own against replay.
    pub(crate) fn put(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        for record in records(datagram) {
            let (whole, after) = rest.split_at(HEADER + record.body.len());
            rest = after;
            if record.content == CHANGE_CIPHER_SPEC {
                self.change = whole.to_vec();
            }
            self.push(whole.to_vec(), record.sequence);
        }
        // OpenSSL keeps all that comes early but this, which it drops: it gets it again after each datagram that may have
        // been in front of it.
        let change = self.change.clone();
        if let Some(record) = records(&change).next() {
            self.push(change.clone(), record.sequence);
        }
    }

    fn push(&mut self, mut record: Vec<u8>, sequence: u64) {
        record::renumber(&mut record, self.numbered.wrapping_sub(sequence));
        self.numbered += 1;
        self.inbound.push_back(record);
    }

    /// Records that OpenSSL has yet to read.
    pub(crate) fn unread(&self) -> usize {
        self.inbound.len()
    }

    /// Whether OpenSSL has written anything since it was last taken.
    pub(crate) fn has_written(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// What OpenSSL has written, and nothing left to read.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        self.inbound.clear();
        std::mem::take(&mut self.outbound)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let record = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        // What does not fit is cut off, as with a socket; the record's length then does not fit and it is dropped.
        let len = record.len().min(buffer.len());
        buffer[..len].copy_from_slice(&record[..len]);
        Ok(len)
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
