//! A thread of the relay, and the way to reach it.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::epoll::{Epoll, Ready};
use crate::media::{PLACES, ROOM};
use crate::stream::Shared;

/// Sockets of a stream, each with a number: the stream's times this, and its own place.
const SOCKETS: usize = PLACES.len();

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
    epoll: Arc<Epoll>,
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

    /// What the thread waits with.
    pub(crate) fn epoll(&self) -> &Arc<Epoll> {
        &self.epoll
    }

    /// Gives the thread a stream, and returns its number.
    pub(crate) fn open(&self, shared: &Arc<Shared>) -> io::Result<usize> {
        let number = {
            let mut numbers = locked(&self.numbers);
            numbers.free.pop_first().unwrap_or_else(|| {
                numbers.next += 1;
                numbers.next - 1
            })
        };
        self.streams.fetch_add(1, Ordering::Relaxed);
        // First the message, so that the thread knows the stream when it hears of its sockets.
        self.post(Message::Open(number, Arc::clone(shared)));
        let waited_for = shared.each_socket(|place, socket| self.epoll.add(socket, number * SOCKETS + place));
        if let Err(error) = waited_for {
            self.post(Message::Close(number));
            return Err(error);
        }
        Ok(number)
    }

    pub(crate) fn post(&self, message: Message) {
        let mut messages = locked(&self.messages);
        let first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if first {
            self.epoll.wake();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.epoll.wake();
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *locked(&self.messages))
    }

    fn closed(&self, number: usize) {
        locked(&self.numbers).free.insert(number);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a thread.
pub(crate) fn start() -> io::Result<(Arc<Mailbox>, JoinHandle<()>)> {
    let mailbox = Arc::new(Mailbox {
        epoll: Arc::new(Epoll::new()?),
        messages: Mutex::default(),
        numbers: Mutex::default(),
        streams: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    });
    let worker = Worker {
        mailbox: Arc::clone(&mailbox),
        streams: Vec::new(),
        timers: BTreeSet::new(),
        buffer: vec![0; ROOM].into_boxed_slice(),
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
    streams: Vec<Option<Entry>>,
    timers: BTreeSet<(Instant, usize)>,
    buffer: Box<[u8]>,
}

impl Worker {
    fn run(mut self) {
        let mut ready = Ready::new();
        while !self.mailbox.stopped.load(Ordering::Acquire) {
            if self.mailbox.epoll.wait(&mut ready, self.patience()).is_err() {
                // Nothing that a stream does brings this about; without waiting the thread would spin.
                thread::sleep(Duration::from_millis(1));
            }
            self.read_messages();
            for number in ready.numbers() {
                self.read(number / SOCKETS, number % SOCKETS);
            }
            self.run_timers();
        }
    }

    /// How long to wait at most.
    fn patience(&self) -> Option<Duration> {
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

    fn read(&mut self, number: usize, place: usize) {
        let Some(Some(entry)) = self.streams.get(number) else { return };
        let due = entry.shared.read(place, &mut self.buffer);
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
