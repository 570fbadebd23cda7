//! Two ends in virtual time over a network that loses, repeats, delays and reorders.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{
    Alert, Association, Cache, Config, Event, Failure, MemoryCache, Received, Secured, Stream,
};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Default)]
pub struct Told {
    pub secured: Vec<Secured>,
    pub failed: Vec<Failure>,
    pub alerts: Vec<Alert>,
    pub others: Vec<Event>,
}

impl Told {
    pub fn done(&self) -> bool {
        self.secured.len() + self.failed.len() > 0
    }

    pub fn mismatches(&self) -> usize {
        self.others.iter().filter(|event| matches!(event, Event::CacheMismatch { .. })).count()
    }

    pub fn hear(&mut self, stream: &mut Stream) {
        while let Some(event) = stream.poll_event() {
            match event {
                Event::Secured(secured) => self.secured.push(*secured),
                Event::Failed(failure) => self.failed.push(failure),
                Event::Alert(alert) => self.alerts.push(alert),
                other => self.others.push(other),
            }
        }
    }
}

pub fn memory() -> Arc<MemoryCache> {
    Arc::new(MemoryCache::new(|| SystemTime::UNIX_EPOCH))
}

pub fn zid(end: usize) -> Zid {
    Zid([end as u8 + 1; 12])
}

pub fn association(end: usize, config: Config, cache: Option<Arc<MemoryCache>>) -> Association {
    Association::new(Arc::new(config), zid(end), cache.map(|cache| cache as Arc<dyn Cache>)).unwrap()
}

#[derive(Clone, Copy)]
pub struct Network {
    /// Percent.
    pub loss: u64,
    pub repeat: u64,
    /// Longest delay in ms; each datagram has its own.
    pub delay: u64,
    /// When each end starts, in ms.
    pub start: [u64; 2],
}

pub const GOOD: Network = Network { loss: 0, repeat: 0, delay: 0, start: [0, 0] };

/// What the network may do to a datagram beside: nothing, one or several instead of it. The end is that of the sender.
pub type Meddle<'a> = dyn FnMut(usize, Vec<u8>) -> Vec<Vec<u8>> + 'a;

/// One media stream at both ends.
pub struct Pair {
    pub ends: [Stream; 2],
    pub told: [Told; 2],
    pub now: Instant,
    pub begin: Instant,
    pub sent: [u64; 2],
}

impl Pair {
    pub fn new(a: &Association, b: &Association) -> Self {
        let now = Instant::now();
        let ends = [Stream::new(a, 0xa, now).unwrap(), Stream::new(b, 0xb, now).unwrap()];
        Self { ends, told: Default::default(), now, begin: now, sent: [0; 2] }
    }

    pub fn of(a: Config, b: Config) -> Self {
        Self::new(&association(0, a, None), &association(1, b, None))
    }

    pub fn run(&mut self, network: Network, seed: u64) {
        self.run_with(network, seed, &mut |_, datagram| vec![datagram]);
    }

    /// Until both are done and a while longer, or nothing more will happen.
    pub fn run_with(&mut self, network: Network, seed: u64, meddle: &mut Meddle<'_>) {
        let mut random = Random(seed);
        let mut air: BTreeMap<(Instant, u64), (usize, Vec<u8>)> = BTreeMap::new();
        let mut starts: Vec<(Instant, usize)> =
            (0..2).map(|end| (self.now + Duration::from_millis(network.start[end]), end)).collect();
        let (mut steps, mut enough) = (0, None);
        loop {
            starts.retain(|(at, end)| {
                if *at <= self.now {
                    self.ends[*end].start(self.now);
                }
                *at > self.now
            });
            for end in 0..2 {
                while let Some(datagram) = self.ends[end].poll_transmit() {
                    self.sent[end] += 1;
                    for datagram in meddle(end, datagram) {
                        for _ in 0..1 + u64::from(random.chance(network.repeat)) {
                            steps += 1;
                            if !random.chance(network.loss) {
                                let delay = Duration::from_millis(random.below(network.delay + 1));
                                air.insert((self.now + delay, steps), (1 - end, datagram.clone()));
                            }
                        }
                    }
                }
                self.told[end].hear(&mut self.ends[end]);
            }
            if enough.is_none() && self.told.iter().all(Told::done) {
                enough = Some(self.now + Duration::from_secs(3));
            }
            let timers = self.ends.iter().filter_map(Stream::poll_timeout);
            let arrival = air.keys().next().map(|(at, _)| *at);
            let next = timers.chain(arrival).chain(starts.iter().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|next| enough.is_none_or(|enough| *next < enough)) else { break };
            steps += 1;
            assert!(steps < 20_000, "seed {seed}: goes on for ever");
            self.now = self.now.max(next);
            while let Some(entry) = air.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (end, datagram) = entry.remove();
                assert_eq!(self.ends[end].receive(&datagram, self.now), Received::Taken);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
    }

    pub fn took(&self) -> Duration {
        self.now - self.begin
    }

    /// Both secure, once, with each other's keys and the same SAS.
    pub fn assert_secure(&self, what: &str) {
        let [a, b] = &self.told;
        assert!(a.failed.is_empty() && b.failed.is_empty(), "{what}: {:?} {:?}", a.failed, b.failed);
        assert!(
            a.secured.len() == 1 && b.secured.len() == 1,
            "{what}: {} {}",
            a.secured.len(),
            b.secured.len()
        );
        let (a, b) = (&a.secured[0], &b.secured[0]);
        assert!(a.inbound.same_as(&b.outbound) && a.outbound.same_as(&b.inbound), "{what}: keys differ");
        assert!(!a.inbound.same_as(&a.outbound), "{what}: one key for both directions");
        assert!(a.sas == b.sas && a.terms == b.terms && a.suite == b.suite && a.role != b.role, "{what}");
        assert!(a.peer_zid != b.peer_zid);
    }
}
