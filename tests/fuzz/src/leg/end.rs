//! A PBX's leg, with what it is made of and what it tells.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use sealrtp_dtls::{Context, Identity};
use sealrtp_leg::{Associations, Event, Happened, Leg, MAX_STREAMS, Observer, Ports, Terms};
use sealrtp_policy::Config;
use sealrtp_relay::Relay;
use sealrtp_session::State;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Timer};

/// No leg's sessions take more, in bytes, whatever comes.
const MEMORY_CEILING: usize = MAX_STREAMS << 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Any ports that the system has, counted.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Ports for Counted {
    fn take(&self) -> Option<u16> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(0)
    }

    fn give_back(&self, _: u16) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a leg tells, as text.
#[derive(Default)]
struct Heard {
    over: AtomicBool,
    texts: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn event(&self, event: Event) {
        let text = event.to_string();
        // The relay would take a panic here for one of its own.
        if self.over.load(Ordering::Acquire)
            || text.lines().count() != 1
            || matches!(event.what, Happened::Broken)
        {
            locked(&self.faults).push(text.clone());
        }
        locked(&self.texts).push(text);
    }
}

/// A peer that answers at once; `hasty`, it gives up at once, too.
struct Zrtp(Zid, bool);

impl Associations for Zrtp {
    fn begin(&self, config: &Config, disclosure: bool) -> Option<Association> {
        let mut exchange = config.zrtp().clone();
        exchange.disclosure = disclosure;
        let millis = Duration::from_millis;
        let sends = if self.1 { 3 } else { 1000 };
        exchange.t1 = Timer { first: millis(2), cap: millis(8), sends };
        exchange.t2 = Timer { first: millis(4), cap: millis(16), sends };
        if self.1 {
            exchange.hello_span = millis(10);
        }
        Association::new(Arc::new(exchange), self.0, None).ok()
    }
}

/// One context for each way to be configured, since making one costs more than a run.
fn context(hasty: bool) -> Context {
    static MADE: OnceLock<[Context; 2]> = OnceLock::new();
    let make = || {
        let identity = Identity::generate(SystemTime::now()).expect("a certificate");
        [60_000, 20].map(|millis| {
            let timeout = Duration::from_millis(millis);
            let config = sealrtp_dtls::Config { timeout, ..sealrtp_dtls::Config::default() };
            Context::new(config, &identity).expect("a context")
        })
    };
    MADE.get_or_init(make)[usize::from(hasty)].clone()
}

/// A PBX's leg.
pub struct End {
    /// The leg.
    pub leg: Leg,
    ports: Arc<Counted>,
    heard: Arc<Heard>,
}

impl End {
    /// With a ZID of this number.
    pub fn new(relay: &Relay, number: u8, config: Config, hasty: bool) -> Self {
        let mut terms = Terms::beside("end", config, context(hasty), Ipv4Addr::LOCALHOST.into());
        terms.zrtp = Some(Box::new(Zrtp(Zid([number; 12]), hasty)));
        let (ports, heard) = (Arc::new(Counted::default()), Arc::new(Heard::default()));
        Self { leg: Leg::new(relay, terms, ports.clone(), heard.clone()), ports, heard }
    }

    /// What holds at any time. `keys`: what nobody may be told.
    pub fn check(&self, keys: &[String]) {
        let lines = self.leg.lines();
        let streams: Vec<_> = lines.iter().filter_map(|line| line.stream.as_ref()).collect();
        assert!(lines.len() <= sealrtp_sdp::MAX_MEDIA, "{} lines", lines.len());
        assert!(streams.len() <= MAX_STREAMS, "{} streams", streams.len());
        assert_eq!(self.ports.0.load(Ordering::Relaxed), streams.len(), "a port for each stream");
        let bytes: usize = streams.iter().map(|stream| stream.memory_bytes).sum();
        assert!(bytes < MEMORY_CEILING, "{bytes} bytes");
        let faults = locked(&self.heard.faults);
        assert!(faults.is_empty(), "{faults:?}");
        for text in locked(&self.heard.texts).drain(..) {
            assert!(!keys.iter().any(|key| text.contains(key)), "a key is told");
        }
    }

    /// The line's state; none without a stream.
    pub fn state(&self, line: usize) -> Option<State> {
        self.leg.line(line)?.stream.map(|stream| stream.state)
    }

    /// Packets of a line that have passed in the clear: received, and sent.
    pub fn clear(&self, line: usize) -> u64 {
        let stream = self.leg.line(line).and_then(|info| info.stream);
        stream.map_or(0, |stream| stream.inbound.clear + stream.outbound.clear)
    }

    /// Whether each line that is looked at has keys.
    pub fn is_secure(&self) -> bool {
        self.leg.lines().iter().filter_map(|line| line.stream.as_ref()).all(|it| it.state == State::Secure)
    }

    /// Ends it: nothing stays open, and nothing is told any more.
    pub fn end(self) {
        let Self { leg, ports, heard } = self;
        drop(leg);
        heard.over.store(true, Ordering::Release);
        assert_eq!(ports.0.load(Ordering::Relaxed), 0, "ports are not given back");
        assert!(locked(&heard.faults).is_empty());
    }
}
