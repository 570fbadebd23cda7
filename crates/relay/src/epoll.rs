//! Waiting for many sockets: level-triggered epoll, so that one datagram is read each time and none needs a second call to see that
//! there is no other; and an eventfd that ends the waiting.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// Sockets that are told of at once.
const EVENTS: usize = 256;
const ALARM: u64 = u64::MAX;

pub(crate) struct Epoll {
    epoll: OwnedFd,
    alarm: OwnedFd,
}

/// What came of waiting, used again and again.
pub(crate) struct Ready(Vec<Event>);

impl Ready {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// The numbers of the sockets.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.0
            .iter()
            .map(|event| event.data.u64())
            .filter(|number| *number != ALARM)
            .map(|number| number as usize)
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM), EventFlags::IN)?;
        Ok(Self { epoll, alarm })
    }

    /// Waits for a socket as well, until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Waits for a socket no more. Whoever waits has looked at it for the last time when this returns: Linux, from 6.10 on, holds a
    /// socket that it looks at, and its port is taken until then though it is closed.
    pub(crate) fn remove(&self, socket: impl AsFd) {
        // It fails only if the socket was never added.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits until something comes, or for so long.
    pub(crate) fn wait(&self, ready: &mut Ready, patience: Option<Duration>) -> io::Result<()> {
        ready.0.clear();
        // Longer than any timer of a session.
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        match epoll::wait(&self.epoll, spare_capacity(&mut ready.0), patience.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if ready.0.iter().any(|event| event.data.u64() == ALARM) {
            // It fails only if the alarm is off already.
            let _ = rustix::io::read(&self.alarm, &mut [0; 8]);
        }
        Ok(())
    }

    /// Ends the waiting, or the next one.
    pub(crate) fn wake(&self) {
        // It fails only if the alarm is on already, as often as can be counted.
        let _ = rustix::io::write(&self.alarm, &1u64.to_ne_bytes());
    }
}
