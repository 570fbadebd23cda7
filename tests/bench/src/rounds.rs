//! Speed: every implementation does the same packets in turn, round after round.

use std::hint::black_box;
use std::time::Instant;

use sealrtp_srtp::Suite;
use sealrtp_test_libsrtp::Library;

use crate::memory;
use crate::side::{Ours, Peer, Receiver, Sender, Side, SplitMix, StreamKeys};

/// RTP header without CSRCs, in bytes.
pub const HEADER: usize = 12;
/// Room behind a packet, in bytes; more than any suite here adds.
pub const ROOM: usize = 36;
/// Packets timed at once: few enough to lie in the cache, as they would when they come from the network, and enough that
/// reading the clock costs nothing.
const CHUNK: usize = 64;
/// Packets of a round, or as many as there are streams.
const PACKETS: usize = 2_000;
/// Rounds before those that count.
const WARM_UP: usize = 3;
/// An implementation so many times slower than ours takes part in one of [`SLOW_EVERY`] rounds, or it would take most of
/// the time: NSS needs tens of microseconds a packet when there are many streams.
const SLOW: f64 = 20.0;
const SLOW_EVERY: usize = 8;

/// What is measured at once.
#[derive(Clone, Copy)]
pub struct Cell {
    /// Streams that take turns.
    pub streams: usize,
    /// The suite.
    pub suite: Suite,
    /// Bytes of payload.
    pub payload: usize,
    /// The streams lie in memory in the order of their turns, so that the processor fetches the next before it is asked for.
    /// Otherwise they are scattered, as those of calls that come and go.
    pub in_order: bool,
}

/// Median nanoseconds per packet.
#[derive(Clone, Copy)]
pub struct Speed {
    /// Of protecting.
    pub protect: f64,
    /// Of opening.
    pub unprotect: f64,
}

/// Speeds in one cell, ours and each peer's in the order given.
pub fn measure(cell: Cell, peers: &[&'static Library], rounds: usize) -> (Speed, Vec<Speed>) {
    let keys: Vec<StreamKeys> = (0..cell.streams as u32).map(|n| StreamKeys::new(cell.suite, n)).collect();
    let mut packets = Packets::new(cell, &keys);
    let order = if cell.in_order { (0..cell.streams).collect() } else { scattered(cell.streams) };
    let mut lanes: Vec<Box<dyn Lane>> = vec![Box::new(Streams::new(Ours, &keys, &order, false))];
    for library in peers {
        lanes.push(Box::new(Streams::new(Peer(library), &keys, &order, true)));
    }
    let mut every = vec![1; lanes.len()];
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            let ours = lanes[0].speed();
            for (every, lane) in every.iter_mut().zip(&mut lanes) {
                if lane.speed().protect > SLOW * ours.protect {
                    *every = SLOW_EVERY;
                }
                lane.forget();
            }
        }
        packets.next_round();
        // Nobody always runs behind the same neighbour.
        let mut turn: Vec<usize> =
            (0..lanes.len()).filter(|at| round.abs_diff(WARM_UP) % every[*at] == 0).collect();
        let first = round % turn.len();
        turn.rotate_left(first);
        for &at in &turn {
            lanes[at].protect(&mut packets);
        }
        for &at in &turn {
            lanes[at].unprotect(&mut packets);
        }
    }
    (lanes[0].speed(), lanes[1..].iter().map(|lane| lane.speed()).collect())
}

/// Places in an order that looks random and is the same in every run.
fn scattered(number: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..number).collect();
    let mut random = SplitMix(0x5ea1);
    for last in (1..number).rev() {
        order.swap(last, random.next() as usize % (last + 1));
    }
    order
}

/// The packets of a round, clear and protected.
struct Packets {
    stride: usize,
    clear_len: usize,
    wire_len: usize,
    streams: usize,
    clear: Vec<u8>,
    wire: Vec<u8>,
    hot: Vec<u8>,
    lens: Vec<usize>,
    /// Makes the protected packets, outside of what is timed; not one of the implementations' own streams.
    reference: Vec<sealrtp_test_libsrtp::Session>,
    sent_per_stream: u64,
}

impl Packets {
    fn new(cell: Cell, keys: &[StreamKeys]) -> Self {
        let clear_len = HEADER + cell.payload;
        let stride = (clear_len + ROOM).next_multiple_of(64);
        let packets = PACKETS.next_multiple_of(cell.streams);
        let mut clear = vec![0u8; packets * stride];
        for (i, packet) in clear.chunks_exact_mut(stride).enumerate() {
            packet[0] = 0x80;
            packet[8..HEADER].copy_from_slice(&keys[i % cell.streams].ssrc.to_be_bytes());
            for (j, byte) in packet[HEADER..clear_len].iter_mut().enumerate() {
                *byte = (i * 7 + j * 31) as u8;
            }
        }
        let reference = Peer(Library::openssl());
        Self {
            stride,
            clear_len,
            wire_len: clear_len + cell.suite.rtp_tag_len(),
            streams: cell.streams,
            wire: vec![0; clear.len()],
            clear,
            hot: vec![0; CHUNK * stride],
            lens: vec![0; CHUNK],
            reference: keys.iter().map(|keys| reference.out(keys)).collect(),
            sent_per_stream: 0,
        }
    }

    fn next_round(&mut self) {
        for (i, packet) in self.clear.chunks_exact_mut(self.stride).enumerate() {
            let seq = self.sent_per_stream + (i / self.streams) as u64;
            packet[2..4].copy_from_slice(&(seq as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(seq as u32).wrapping_mul(160).to_be_bytes());
        }
        self.sent_per_stream += (self.clear.len() / self.stride / self.streams) as u64;
        self.wire.copy_from_slice(&self.clear);
        for (i, packet) in self.wire.chunks_exact_mut(self.stride).enumerate() {
            let len = self.reference[i % self.streams].protect(packet, self.clear_len);
            assert_eq!(len, self.wire_len, "the suite's tag");
        }
    }

    /// Runs `work(stream, buffer)` over copies of the packets; returns its nanoseconds per packet. What comes out must be
    /// the packets of `to`, byte for byte.
    fn time(&mut self, way: Way, mut work: impl FnMut(usize, &mut [u8]) -> usize, may_allocate: bool) -> f64 {
        let (from, to, len) = match way {
            Way::Protect => (&self.clear, &self.wire, self.wire_len),
            Way::Unprotect => (&self.wire, &self.clear, self.clear_len),
        };
        let chunk_bytes = CHUNK * self.stride;
        let mut total = 0;
        for (chunk, (from, to)) in from.chunks(chunk_bytes).zip(to.chunks(chunk_bytes)).enumerate() {
            let hot = &mut self.hot[..from.len()];
            hot.copy_from_slice(from);
            let first = chunk * CHUNK % self.streams;
            let allocated = memory::allocations();
            let start = Instant::now();
            let mut stream = first;
            for (buffer, len) in hot.chunks_exact_mut(self.stride).zip(&mut self.lens) {
                *len = work(stream, black_box(buffer));
                stream += 1;
                if stream == self.streams {
                    stream = 0;
                }
            }
            total += start.elapsed().as_nanos();
            assert!(may_allocate || memory::allocations() == allocated, "a packet allocated memory");
            for ((got, expected), got_len) in
                hot.chunks_exact(self.stride).zip(to.chunks_exact(self.stride)).zip(&self.lens)
            {
                assert_eq!(*got_len, len, "{way:?}");
                assert!(got[..len] == expected[..len], "{way:?}: another result than the reference's");
            }
        }
        total as f64 / (self.clear.len() / self.stride) as f64
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Protect,
    Unprotect,
}

/// One implementation's streams and times.
trait Lane {
    fn protect(&mut self, packets: &mut Packets);
    fn unprotect(&mut self, packets: &mut Packets);
    /// Medians of the rounds since the last [`forget`](Self::forget).
    fn speed(&self) -> Speed;
    fn forget(&mut self);
}

struct Streams<S: Side> {
    // Boxed one by one, as a PBX holds them.
    #[allow(clippy::vec_box)]
    out: Vec<Box<S::Out>>,
    #[allow(clippy::vec_box)]
    inn: Vec<Box<S::In>>,
    may_allocate: bool,
    protect: Vec<f64>,
    unprotect: Vec<f64>,
}

impl<S: Side> Streams<S> {
    /// `order`: that in which the streams are made.
    fn new(side: S, keys: &[StreamKeys], order: &[usize], may_allocate: bool) -> Self {
        let keys: Vec<S::Keys> = keys.iter().map(|keys| side.keys(keys)).collect();
        let mut made: Vec<_> = order
            .iter()
            .map(|&at| (at, Box::new(side.out(&keys[at])), Box::new(side.inn(&keys[at]))))
            .collect();
        made.sort_unstable_by_key(|(at, _, _)| *at);
        let (out, inn) = made.into_iter().map(|(_, out, inn)| (out, inn)).unzip();
        Self { out, inn, may_allocate, protect: Vec::new(), unprotect: Vec::new() }
    }
}

impl<S: Side> Lane for Streams<S> {
    fn protect(&mut self, packets: &mut Packets) {
        let (out, len) = (&mut self.out, packets.clear_len);
        let ns =
            packets.time(Way::Protect, |stream, buffer| out[stream].protect(buffer, len), self.may_allocate);
        self.protect.push(ns);
    }

    fn unprotect(&mut self, packets: &mut Packets) {
        let (inn, len) = (&mut self.inn, packets.wire_len);
        let ns = packets.time(
            Way::Unprotect,
            |stream, buffer| inn[stream].unprotect(&mut buffer[..len]),
            self.may_allocate,
        );
        self.unprotect.push(ns);
    }

    fn speed(&self) -> Speed {
        Speed { protect: median(&self.protect), unprotect: median(&self.unprotect) }
    }

    fn forget(&mut self) {
        self.protect.clear();
        self.unprotect.clear();
    }
}

/// The middle of some times.
pub fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
