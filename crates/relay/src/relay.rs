//! The relay's handle and its threads.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use sealrtp_session::Session;

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
        let shared = Arc::new(Shared::new(session, sockets, observer));
        let Some(mailbox) = self.0.mailboxes.iter().min_by_key(|mailbox| mailbox.streams()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let number = mailbox.open(&shared)?;
        self.0.streams.fetch_add(1, Ordering::Relaxed);
        Ok(Stream::new(shared, Arc::clone(mailbox), number, addresses, Arc::clone(&self.0)))
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("threads", &self.0.mailboxes.len())
            .field("streams", &self.streams())
            .finish()
    }
}
