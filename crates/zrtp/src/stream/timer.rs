//! Retransmission and the bound on work (RFC 6189 section 6).

use std::time::{Duration, Instant};

use crate::config::Timer;

/// A message that goes out until it is answered. Every repetition is the same message in a packet of its own.
pub(super) struct Repeat {
    pub(super) message: Vec<u8>,
    next: Instant,
    interval: Duration,
    cap: Duration,
    left: u32,
    pub(super) sent: u32,
}

pub(super) enum Due {
    Not,
    Again,
    Exhausted,
}

impl Repeat {
    /// The message has just gone out for the first time.
    pub(super) fn new(message: Vec<u8>, timer: Timer, sends: u32, now: Instant) -> Self {
        Self { message, next: now + timer.first, interval: timer.first, cap: timer.cap, left: sends, sent: 0 }
    }

    pub(super) fn at(&self) -> Instant {
        self.next
    }

    pub(super) fn extend(&mut self, sends: u32) {
        self.left = self.left.max(sends.saturating_sub(self.sent));
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Not;
        }
        if self.left == 0 {
            return Due::Exhausted;
        }
        self.left -= 1;
        self.sent += 1;
        self.interval = (self.interval * 2).min(self.cap);
        self.next = now + self.interval;
        Due::Again
    }
}

/// A token bucket: so many at once, one more after each period.
pub(super) struct Budget {
    tokens: u32,
    most: u32,
    period: Duration,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(most: u32, period: Duration, now: Instant) -> Self {
        Self { tokens: most, most, period, filled: now }
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.tokens < self.most && self.filled + self.period <= now {
            self.tokens += 1;
            self.filled += self.period;
        }
        if self.tokens == self.most {
            self.filled = now;
        }
        self.tokens > 0 && {
            self.tokens -= 1;
            true
        }
    }
}
