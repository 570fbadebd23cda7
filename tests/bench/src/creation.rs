//! What making a stream costs, and what it holds.

use std::hint::black_box;
use std::time::Instant;

use sealrtp_srtp::Suite;

use crate::memory;
use crate::rounds::median;
use crate::side::{Receiver, Sender, Side, StreamKeys};

/// Streams made at once.
const STREAMS: u32 = 200;

/// One direction of one stream.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Nanoseconds to make it, keys derived and ready for its first packet; median.
    pub ns: f64,
    /// Bytes it holds after its first packet, its own size included.
    pub bytes: usize,
}

/// Costs of the sending and the receiving direction.
pub fn measure<S: Side>(side: &S, suite: Suite, rounds: usize) -> (Cost, Cost) {
    let streams: Vec<StreamKeys> = (0..STREAMS).map(|n| StreamKeys::new(suite, n)).collect();
    let keys: Vec<S::Keys> = streams.iter().map(|keys| side.keys(keys)).collect();
    let mut packets: Vec<Vec<u8>> = streams.iter().map(packet).collect();

    let out_cost = made(
        rounds,
        &keys,
        |keys| side.out(keys),
        |i, out: &mut S::Out| {
            let mut buffer = [0u8; 128];
            let len = packets[i].len();
            buffer[..len].copy_from_slice(&packets[i]);
            black_box(out.protect(&mut buffer, len));
        },
    );
    for (packet, keys) in packets.iter_mut().zip(&keys) {
        let mut buffer = [0u8; 128];
        buffer[..packet.len()].copy_from_slice(packet);
        let len = side.out(keys).protect(&mut buffer, packet.len());
        *packet = buffer[..len].to_vec();
    }
    let in_cost = made(
        rounds,
        &keys,
        |keys| side.inn(keys),
        |i, inn: &mut S::In| {
            let mut buffer = [0u8; 128];
            let len = packets[i].len();
            buffer[..len].copy_from_slice(&packets[i]);
            black_box(inn.unprotect(&mut buffer[..len]));
        },
    );
    (out_cost, in_cost)
}

fn packet(keys: &StreamKeys) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 160];
    packet.extend(keys.ssrc.to_be_bytes());
    packet.extend([0x55; 20]);
    packet
}

fn made<K, D>(rounds: usize, keys: &[K], make: impl Fn(&K) -> D, use_once: impl Fn(usize, &mut D)) -> Cost {
    let mut times = Vec::with_capacity(rounds);
    let mut bytes = 0;
    for _ in 0..rounds {
        let mut made: Vec<D> = Vec::with_capacity(keys.len());
        let before = memory::heap_in_use();
        let start = Instant::now();
        for keys in keys {
            made.push(make(black_box(keys)));
        }
        times.push(start.elapsed().as_nanos() as f64 / keys.len() as f64);
        for (i, direction) in made.iter_mut().enumerate() {
            use_once(i, direction);
        }
        let heap = memory::heap_in_use() - before;
        bytes = size_of::<D>() + heap / keys.len();
    }
    Cost { ns: median(&times), bytes }
}
