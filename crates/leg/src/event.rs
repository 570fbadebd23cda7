//! What a leg tells, and what becomes of its media when security fails.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use sealrtp_dtls::Failure as DtlsFailure;
use sealrtp_offer_answer::Applied;
use sealrtp_policy::{Config, Consequence, Failure};
use sealrtp_relay::Stream;
use sealrtp_session::{Component, Event as SessionEvent, State};
use sealrtp_srtp::Suite;

/// Most steps for the explanation that wait until somebody uses the leg.
const MAX_NOTES: usize = 32;

/// Something has happened to a leg. Prints as a line for a log, without any secret.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which m-line, from 0 on.
    pub line: usize,
    /// "audio", "video", ...
    pub media: Arc<str>,
    /// Whose it is.
    pub method: Applied,
    /// What becomes of the call, where it is a failure. With [`Hangup`](Consequence::Hangup) and [`Block`](Consequence::Block)
    /// the line's media is stopped already, and for good.
    pub consequence: Option<Consequence>,
    /// What.
    pub what: Happened,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A line's session tells this.
    Session(SessionEvent),
    /// Offer and answer gave SDES keys.
    Keyed(Suite),
    /// Offer and answer have left the line clear.
    Clear,
    /// The administrator should know.
    Warning(String),
    /// An error in this library has closed the stream.
    Broken,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Happened::Session(event) => write!(f, "{}: {event}", self.media),
            Happened::Keyed(suite) => write!(f, "{}: RTP secured by SDES: {suite}", self.media),
            Happened::Clear => write!(f, "{}: not secured, media is clear", self.media),
            Happened::Warning(text) => f.write_str(text),
            Happened::Broken => write!(f, "{}: a fault of the library has stopped this stream", self.media),
        }
    }
}

/// Hears what happens to a leg, one event at a time: on a thread of the relay, or in the thread of who uses the leg, before the
/// call returns. It must not block, and must not use the leg: what is to be done is for another thread, or for later.
pub trait Observer: Send + Sync {
    /// It has.
    fn event(&self, event: Event);
}

/// A stream that its leg and the relay's thread share. Whoever uses the stream holds the lock.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Stream>>);

impl Slot {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the lines of a leg share with the relay's threads.
pub(crate) struct Gate {
    observer: Arc<dyn Observer>,
    /// One event at a time.
    serial: Mutex<()>,
    closed: AtomicBool,
    config: Mutex<Config>,
    notes: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    pub(crate) fn new(observer: Arc<dyn Observer>, config: Config) -> Self {
        Self {
            observer,
            serial: Mutex::default(),
            closed: AtomicBool::new(false),
            config: Mutex::new(config),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn set_config(&self, config: Config) {
        *lock(&self.config) = config;
    }

    /// Nothing is told from here on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn tell(&self, event: Event) {
        let _one = lock(&self.serial);
        if !self.closed.load(Ordering::Acquire) {
            self.observer.event(event);
        }
    }

    fn note(&self, event: &Event) {
        let mut notes = lock(&self.notes);
        if notes.len() < MAX_NOTES {
            notes.push(event.to_string());
        }
    }

    /// Steps for the explanation since this was last asked.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.notes))
    }
}

/// Hears the session of one stream.
pub(crate) struct LineObserver {
    gate: Arc<Gate>,
    line: usize,
    media: Arc<str>,
    slot: OnceLock<Weak<Slot>>,
    method: AtomicU32,
    /// Security has failed, and policy lets nothing pass any more.
    stopped: AtomicBool,
    /// Nobody has answered ZRTP's Hello.
    unanswered: AtomicBool,
}

const METHODS: [Applied; 5] = [Applied::Open, Applied::Clear, Applied::Sdes, Applied::Dtls, Applied::Zrtp];

impl LineObserver {
    pub(crate) fn new(gate: Arc<Gate>, line: usize, media: Arc<str>) -> Self {
        Self {
            gate,
            line,
            media,
            slot: OnceLock::new(),
            method: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            unanswered: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_slot(&self, slot: &Arc<Slot>) {
        let _ = self.slot.set(Arc::downgrade(slot));
    }

    pub(crate) fn set_method(&self, method: Applied) {
        let index = METHODS.iter().position(|known| *known == method).unwrap_or(0);
        self.method.store(index as u32, Ordering::Release);
    }

    pub(crate) fn method(&self) -> Applied {
        METHODS.get(self.method.load(Ordering::Acquire) as usize).copied().unwrap_or(Applied::Open)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Whether nobody has answered ZRTP's Hello since this was last asked.
    pub(crate) fn take_unanswered(&self) -> bool {
        self.unanswered.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn happened(&self, what: Happened) -> Event {
        self.event_of(self.method(), None, what)
    }

    fn event_of(&self, method: Applied, consequence: Option<Consequence>, what: Happened) -> Event {
        Event { line: self.line, media: Arc::clone(&self.media), method, consequence, what }
    }

    /// Nothing passes any more, whatever comes.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let Some(slot) = self.slot.get().and_then(Weak::upgrade) else { return };
        if let Some(stream) = &*slot.lock() {
            stream.with(|session, _| {
                session.close();
                session.zrtp_stop();
            });
        }
    }

    fn state(&self) -> State {
        let slot = self.slot.get().and_then(Weak::upgrade);
        let state = slot.and_then(|slot| {
            slot.lock().as_ref().map(|stream| stream.with(|session, _| session.state(Component::Rtp)))
        });
        state.unwrap_or(State::Block)
    }

    /// What becomes of the call; nothing goes on in the clear where it was not clear anyway.
    fn consequence(&self, failure: Failure) -> Consequence {
        lock(&self.gate.config).consequence(failure)
    }

    fn failure(&self, event: &SessionEvent) -> Option<Consequence> {
        let consequence = match event {
            SessionEvent::Failed { failure: DtlsFailure::FingerprintMismatch { .. }, .. } => {
                self.consequence(Failure::Fingerprint)
            }
            SessionEvent::Failed { .. } | SessionEvent::Closed { .. } => self.consequence(Failure::Dtls),
            SessionEvent::ZrtpCacheMismatch(_) => self.consequence(Failure::CacheMismatch),
            SessionEvent::ZrtpFailed(_) | SessionEvent::ZrtpCleared => self.of_zrtp(),
            SessionEvent::ZrtpNoAnswer if self.state() == State::Block => self.of_zrtp(),
            _ => return None,
        };
        Some(consequence)
    }

    /// Where nothing passes any more, a call that policy would let go on would be a silent one.
    fn of_zrtp(&self) -> Consequence {
        match (self.consequence(Failure::Zrtp), self.state()) {
            (Consequence::Continue | Consequence::Nothing, State::Block) => Consequence::Hangup,
            (consequence, _) => consequence,
        }
    }

    fn method_of(&self, event: &SessionEvent) -> Applied {
        match event {
            SessionEvent::Secured(_)
            | SessionEvent::Failed { .. }
            | SessionEvent::Closed { .. }
            | SessionEvent::NoRtcp
            | SessionEvent::Trace { .. } => Applied::Dtls,
            SessionEvent::Srtp { .. } => self.method(),
            _ => Applied::Zrtp,
        }
    }
}

impl sealrtp_relay::Observer for LineObserver {
    fn event(&self, event: SessionEvent) {
        let consequence = self.failure(&event);
        if matches!(consequence, Some(Consequence::Hangup | Consequence::Block)) {
            self.stop();
        }
        if matches!(event, SessionEvent::ZrtpNoAnswer) {
            self.unanswered.store(true, Ordering::Release);
        }
        let trace = matches!(
            event,
            SessionEvent::Trace { .. }
                | SessionEvent::ZrtpTrace(_)
                | SessionEvent::ZrtpAlert(_)
                | SessionEvent::Srtp { .. }
        );
        let event = self.event_of(self.method_of(&event), consequence, Happened::Session(event));
        if !trace {
            self.gate.note(&event);
        }
        self.gate.tell(event);
    }

    fn broken(&self) {
        self.stopped.store(true, Ordering::Release);
        self.gate.tell(self.event_of(self.method(), Some(Consequence::Hangup), Happened::Broken));
    }
}
