//! A stream's handle, and what its thread and the handle share.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use sealrtp_session::{Event, Session};

use crate::Counters;
use crate::media::{Media, News, PLACES};
use crate::relay::Pool;
use crate::sockets::Waited;
use crate::worker::{Mailbox, Message};

/// Hears what happens to a stream. It is called on a thread of the relay, one call at a time and in order, with no lock of the
/// relay's held, so it may use the [`Stream`]. It must not block: other streams wait meanwhile.
pub trait Observer: Send + Sync {
    /// The session has something to tell.
    fn event(&self, event: Event);

    /// An error in this library, or in the observer, has closed the stream: no media passes any more.
    fn broken(&self) {}
}

/// What a stream's thread and its handle share.
pub(crate) struct Shared {
    media: Mutex<Media>,
    observer: Arc<dyn Observer>,
    /// The thread that is telling the observer.
    telling: Mutex<Option<ThreadId>>,
    told: Condvar,
    /// A message to look at it is on its way.
    called: AtomicBool,
}

impl Shared {
    pub(crate) fn new(session: Session, sockets: Waited, observer: Arc<dyn Observer>) -> Self {
        Self {
            media: Mutex::new(Media::new(session, sockets)),
            observer,
            telling: Mutex::new(None),
            told: Condvar::new(),
            called: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Media> {
        self.media.lock().unwrap_or_else(|poisoned| {
            self.media.clear_poison();
            let mut media = poisoned.into_inner();
            media.break_down();
            media
        })
    }

    /// The sockets, each with its place; none of a closed stream.
    pub(crate) fn each_socket(
        &self,
        mut act: impl FnMut(usize, &UdpSocket) -> io::Result<()>,
    ) -> io::Result<()> {
        let media = self.lock();
        (0..PLACES.len())
            .filter_map(|place| Some((place, media.socket(place)?)))
            .try_for_each(|(place, socket)| act(place, socket))
    }

    /// Reads a socket, and tells when the stream's timer is due next.
    pub(crate) fn read(&self, place: usize, buffer: &mut [u8]) -> Option<Instant> {
        self.work(|media| media.read(place, buffer, Instant::now()))
    }

    /// Does what is due, and tells when the timer is due next.
    pub(crate) fn handle_timeout(&self, now: Instant) -> Option<Instant> {
        self.work(|media| media.handle_timeout(now))
    }

    /// Looks after what another thread has done, and tells when the timer is due next.
    pub(crate) fn look(&self) -> Option<Instant> {
        self.called.store(false, Ordering::Release);
        self.work(|_| ())
    }

    /// Nothing that goes wrong for this stream reaches the others of its thread.
    fn work(&self, act: impl FnOnce(&mut Media)) -> Option<Instant> {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let mut media = self.lock();
            act(&mut media);
            if !media.has_news() {
                return media.poll_timeout();
            }
            drop(media);
            self.tell();
            self.lock().poll_timeout()
        }));
        worked.unwrap_or_else(|_| {
            self.lock().break_down();
            let _ = catch_unwind(AssertUnwindSafe(|| self.tell()));
            None
        })
    }

    fn tell(&self) {
        let _telling = Telling::begin(self);
        loop {
            // In a statement of its own, so that the lock is gone when the observer hears of it.
            let news = self.lock().poll_news();
            match news {
                Some(News::Event(event)) => self.observer.event(event),
                Some(News::Broken) => self.observer.broken(),
                None => return,
            }
        }
    }

    fn teller(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives the observer may be running.
struct Telling<'a>(&'a Shared);

impl<'a> Telling<'a> {
    fn begin(shared: &'a Shared) -> Self {
        *shared.teller() = Some(thread::current().id());
        Self(shared)
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        *self.0.teller() = None;
        self.0.told.notify_all();
    }
}

/// A stream of a [`Relay`](crate::Relay). Dropping it closes it: the session's last datagrams are sent and the ports are free.
pub struct Stream {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    number: usize,
    ports: [u16; 2],
    pbx: IpAddr,
    /// The relay's threads live as long as a stream does.
    pool: Arc<Pool>,
}

impl Stream {
    pub(crate) fn new(
        shared: Arc<Shared>,
        mailbox: Arc<Mailbox>,
        number: usize,
        [peer, pbx]: [SocketAddr; 2],
        pool: Arc<Pool>,
    ) -> Self {
        Self { shared, mailbox, number, ports: [peer.port(), pbx.port()], pbx: pbx.ip(), pool }
    }

    /// Uses the session, one caller at a time. What it then has to send is sent before this returns; its events are told on the
    /// relay's thread. Not to be called by `act` itself.
    pub fn with<R>(&self, act: impl FnOnce(&mut Session, Instant) -> R) -> R {
        let mut media = self.shared.lock();
        let acted = catch_unwind(AssertUnwindSafe(|| {
            let now = Instant::now();
            let result = act(media.session(), now);
            media.expect_sources();
            media.take_early(now);
            media.pump(None);
            result
        }));
        if acted.is_err() {
            media.break_down();
        }
        let look = media.has_news() || media.poll_timeout().is_some();
        drop(media);
        if look && !self.shared.called.swap(true, Ordering::AcqRel) {
            self.mailbox.post(Message::Look(self.number));
        }
        acted.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Where the peer is by its description, of RTP and of RTCP. None: no media is sent, as on hold. What was learned stands
    /// until the description names another address. Port 0, 0.0.0.0 and :: are none. As long as this was not called, secured
    /// media goes where the peer has shown to be.
    pub fn set_peer(&self, addresses: [Option<SocketAddr>; 2]) {
        let mut media = self.shared.lock();
        media.set_peer(addresses);
        media.expect_sources();
    }

    /// Where the PBX has its sockets, of RTP and of RTCP; datagrams from elsewhere are dropped. None: none is sent, none taken.
    pub fn set_pbx(&self, addresses: [Option<SocketAddr>; 2]) {
        self.shared.lock().set_pbx(addresses);
    }

    /// Whether RTCP is sent on RTP's transport (RFC 5761), on both sides. It is taken from either.
    pub fn set_mux(&self, mux: bool) {
        self.shared.lock().set_mux(mux);
    }

    /// The outer port of RTP, for the description that the peer gets; RTCP's is one above it.
    pub fn peer_port(&self) -> u16 {
        self.ports[0]
    }

    /// The inner port of RTP, for the description that the PBX gets; RTCP's is one above it.
    pub fn pbx_port(&self) -> u16 {
        self.ports[1]
    }

    /// The address of the inner ports.
    pub fn pbx_address(&self) -> IpAddr {
        self.pbx
    }

    /// What was counted until now.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters()
    }

    /// Closes it, and returns when its observer is not running and will not be called any more; within the observer it does not
    /// wait. Dropping never waits.
    pub fn close(self) {
        self.shared.lock().close();
        let this = thread::current().id();
        let mut teller = self.shared.teller();
        while teller.is_some_and(|teller| teller != this) {
            teller = self.shared.told.wait(teller).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let closed = catch_unwind(AssertUnwindSafe(|| self.shared.lock().close()));
        if closed.is_err() {
            self.shared.lock().break_down();
        }
        self.mailbox.post(Message::Close(self.number));
        self.pool.closed();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [peer, pbx] = self.ports;
        f.debug_struct("Stream").field("peer_port", &peer).field("pbx_port", &pbx).finish_non_exhaustive()
    }
}
