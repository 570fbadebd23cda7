//! The relay's handle and its threads.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use sealrtp_session::Session;

use crate::sockets::Waited;
use crate::stream::Shared;
use crate::worker::{self, Mailbox};
use crate::{Observer, Sockets, Stream};

/// Most threads of a relay.
pub const MAX_THREADS: usize = 64;

/// The threads of a relay; they end with it.
pub(crate) struct Pool {
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    streams: AtomicUsize,
}

impl Pool {
    pub(crate) fn closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // An observer may have dropped the last stream.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Streams of which a thread has always something to do. Before that a further thread would only make both sleep and wake for
/// every packet, which costs more than carrying it.
const BUSY: usize = 128;

/// A relay: threads that carry streams. Clones are handles of the same one; the threads end when the last handle and the last
/// [`Stream`] are gone.
#[derive(Clone)]
pub struct Relay(Arc<Pool>);

impl Relay {
    /// Starts so many threads, 1 to [`MAX_THREADS`]. One carries many hundred calls; more than there are processors are of no
    /// use.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for another number; or the system's.
    pub fn start(threads: usize) -> io::Result<Self> {
        if threads == 0 || threads > MAX_THREADS {
            let reason = format!("a relay of {threads} threads is not possible; choose 1 to {MAX_THREADS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let mut pool =
            Pool { mailboxes: Vec::new(), threads: Mutex::default(), streams: AtomicUsize::new(0) };
        for _ in 0..threads {
            let (mailbox, thread) = worker::start()?;
            pool.mailboxes.push(mailbox);
            pool.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(Self(Arc::new(pool)))
    }

    /// Carries a stream. Nothing passes until [`Stream::set_pbx`] and [`Stream::set_peer`] say where to.
    ///
    /// # Errors
    /// The system's: the sockets' addresses cannot be read, or they cannot be waited for.
    pub fn open(
        &self,
        sockets: Sockets,
        session: Session,
        observer: Arc<dyn Observer>,
    ) -> io::Result<Stream> {
        let addresses = [sockets.peer[0].local_addr()?, sockets.pbx[0].local_addr()?];
        for socket in sockets.peer.iter().chain(&sockets.pbx) {
            socket.set_nonblocking(true)?;
        }
        let streams: Vec<usize> = self.0.mailboxes.iter().map(|mailbox| mailbox.streams()).collect();
        let Some(mailbox) = thread_for_one_more(&streams).and_then(|thread| self.0.mailboxes.get(thread))
        else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let sockets = Waited::new(sockets, Arc::clone(mailbox.epoll()));
        let shared = Arc::new(Shared::new(session, sockets, observer));
        let number = mailbox.open(&shared)?;
        self.0.streams.fetch_add(1, Ordering::Relaxed);
        Ok(Stream::new(shared, Arc::clone(mailbox), number, addresses, Arc::clone(&self.0)))
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }
}

/// Which thread carries one more stream, by how many each has: the first that is not busy, else the one with the fewest.
fn thread_for_one_more(streams: &[usize]) -> Option<usize> {
    let fewest = || streams.iter().enumerate().min_by_key(|(_, count)| **count).map(|(thread, _)| thread);
    streams.iter().position(|count| *count < BUSY).or_else(fewest)
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("threads", &self.0.mailboxes.len())
            .field("streams", &self.streams())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_filled_before_the_next_begins_and_busy_ones_share_evenly() {
        for (streams, thread) in [
            (&[0, 0][..], 0),
            (&[BUSY - 1, 0], 0),
            (&[BUSY, 3], 1),
            (&[BUSY, BUSY], 0),
            (&[BUSY + 1, BUSY], 1),
            (&[2, 200], 0),
        ] {
            assert_eq!(thread_for_one_more(streams), Some(thread), "{streams:?}");
        }
        assert_eq!(thread_for_one_more(&[]), None);
    }
}
