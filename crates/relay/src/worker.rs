//! A thread of the relay, and the way to reach it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sealrtp_session::Component;

use crate::Sockets;
use crate::media::{Left, ROOM, Side};
use crate::stream::Shared;

/// Sockets that are told of at once.
const EVENTS: usize = 256;
const WOKEN: Token = Token(usize::MAX);

/// The sockets of a stream by their place in its four tokens.
const SOCKETS: [(Side, Component); 4] = [
    (Side::Peer, Component::Rtp),
    (Side::Peer, Component::Rtcp),
    (Side::Pbx, Component::Rtp),
    (Side::Pbx, Component::Rtcp),
];

pub(crate) enum Message {
    /// A stream is there.
    Open(usize, Arc<Shared>),
    /// Another thread has used a stream.
    Look(usize),
    /// A stream is gone.
    Close(usize),
}

/// Numbers for streams; the lowest free ones, so that tables stay short.
#[derive(Default)]
struct Numbers {
    free: BTreeSet<usize>,
    next: usize,
}

/// What others have of a thread.
pub(crate) struct Mailbox {
    registry: Registry,
    waker: Waker,
    messages: Mutex<Vec<Message>>,
    numbers: Mutex<Numbers>,
    streams: AtomicUsize,
    stopped: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    /// Streams that the thread has.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Gives the thread a stream, and returns its number.
    pub(crate) fn open(&self, shared: Arc<Shared>, sockets: &[i32; 4]) -> io::Result<usize> {
        let number = {
            let mut numbers = locked(&self.numbers);
            numbers.free.pop_first().unwrap_or_else(|| {
                numbers.next += 1;
                numbers.next - 1
            })
        };
        self.streams.fetch_add(1, Ordering::Relaxed);
        // First the message, so that the thread knows the stream when it hears of its sockets.
        self.post(Message::Open(number, shared));
        for (place, socket) in sockets.iter().enumerate() {
            let token = Token(number * SOCKETS.len() + place);
            if let Err(error) = self.registry.register(&mut SourceFd(socket), token, Interest::READABLE) {
                self.post(Message::Close(number));
                return Err(error);
            }
        }
        Ok(number)
    }

    pub(crate) fn post(&self, message: Message) {
        let mut messages = locked(&self.messages);
        let first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if first {
            self.wake();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // Of an eventfd; it fails only if the thread is gone.
        let _ = self.waker.wake();
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *locked(&self.messages))
    }

    fn closed(&self, number: usize) {
        locked(&self.numbers).free.insert(number);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn sockets_of(sockets: &Sockets) -> io::Result<[i32; 4]> {
    for socket in sockets.all() {
        socket.set_nonblocking(true)?;
    }
    let [peer, pbx] = [&sockets.peer, &sockets.pbx];
    Ok([&peer[0], &peer[1], &pbx[0], &pbx[1]].map(AsRawFd::as_raw_fd))
}

/// Starts a thread.
pub(crate) fn start() -> io::Result<(Arc<Mailbox>, JoinHandle<()>)> {
    let poll = Poll::new()?;
    let mailbox = Arc::new(Mailbox {
        registry: poll.registry().try_clone()?,
        waker: Waker::new(poll.registry(), WOKEN)?,
        messages: Mutex::default(),
        numbers: Mutex::default(),
        streams: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    });
    let worker = Worker {
        mailbox: Arc::clone(&mailbox),
        poll,
        streams: Vec::new(),
        timers: BTreeSet::new(),
        buffer: vec![0; ROOM].into_boxed_slice(),
        unread: Vec::new(),
    };
    let thread = thread::Builder::new().name("sealrtp-relay".into()).spawn(|| worker.run())?;
    Ok((mailbox, thread))
}

struct Entry {
    shared: Arc<Shared>,
    /// When its timer is due, as the table of timers has it.
    due: Option<Instant>,
}

struct Worker {
    mailbox: Arc<Mailbox>,
    poll: Poll,
    streams: Vec<Option<Entry>>,
    timers: BTreeSet<(Instant, usize)>,
    buffer: Box<[u8]>,
    /// Sockets that were not read to their end, so that each has its turn.
    unread: Vec<Token>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut unread = Vec::new();
        while !self.mailbox.stopped.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Nothing that a stream does brings this about; without waiting the thread would spin.
                thread::sleep(Duration::from_millis(1));
            }
            self.read_messages();
            std::mem::swap(&mut unread, &mut self.unread);
            for token in unread.drain(..).chain(events.iter().map(|event| event.token())) {
                if token != WOKEN {
                    self.read(token);
                }
            }
            self.run_timers();
        }
    }

    /// How long to wait at most.
    fn patience(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let (due, _) = self.timers.first()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn read_messages(&mut self) {
        for message in self.mailbox.take() {
            match message {
                Message::Open(number, shared) => {
                    if self.streams.len() <= number {
                        self.streams.resize_with(number + 1, || None);
                    }
                    self.streams[number] = Some(Entry { shared, due: None });
                }
                Message::Look(number) => {
                    if let Some(entry) = self.entry(number) {
                        let due = entry.shared.look();
                        self.arm(number, due);
                    }
                }
                Message::Close(number) => {
                    self.arm(number, None);
                    if let Some(entry) = self.streams.get_mut(number) {
                        *entry = None;
                    }
                    self.mailbox.closed(number);
                }
            }
        }
    }

    fn entry(&self, number: usize) -> Option<&Entry> {
        self.streams.get(number)?.as_ref()
    }

    fn read(&mut self, token: Token) {
        let number = token.0 / SOCKETS.len();
        let (side, component) = SOCKETS[token.0 % SOCKETS.len()];
        let Some(Some(entry)) = self.streams.get(number) else { return };
        let (left, due) = entry.shared.read(side, component, &mut self.buffer);
        if left == Left::Perhaps {
            self.unread.push(token);
        }
        self.arm(number, due);
    }

    #[inline]
    fn arm(&mut self, number: usize, due: Option<Instant>) {
        let Some(Some(entry)) = self.streams.get_mut(number) else { return };
        if entry.due == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut entry.due, due) {
            self.timers.remove(&(before, number));
        }
        if let Some(due) = due {
            self.timers.insert((due, number));
        }
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        // Those that are due now, each once.
        while let Some(&(due, number)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            let Some(Some(entry)) = self.streams.get_mut(number) else { continue };
            entry.due = None;
            let next = entry.shared.handle_timeout(now);
            // A session that is late still goes on in steps.
            self.arm(number, next.map(|next| next.max(now + Duration::from_millis(1))));
        }
    }
}
