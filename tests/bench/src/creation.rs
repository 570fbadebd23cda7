//! What making a stream costs, and what it holds: one direction, with the keys of RTP and of RTCP.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sealrtp_srtp::{Protocol, Suite};

use crate::memory;
use crate::rounds::median;
use crate::side::{Receiver, Sender, Side, StreamKeys};

/// Streams made at once.
const STREAMS: u32 = 200;
/// Bytes that a packet gets to lie in.
const BUFFER: usize = 128;

/// One direction of one stream.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Nanoseconds to make it and to have its first packets of RTP and RTCP through, less those of its second packets: keys
    /// that are derived when they are first needed are paid for. Median.
    pub ns: f64,
    /// Nanoseconds of its second packet of RTCP. Median.
    pub control_ns: f64,
    /// Bytes it holds after its first packets of RTP and RTCP, its own size included.
    pub bytes: usize,
}

/// A packet and its length.
type Packet = ([u8; BUFFER], usize);
/// First and second packets of a stream, RTP before RTCP.
type Packets = [[Packet; 2]; 2];

/// Costs of the sending and the receiving direction.
pub fn measure<S: Side>(side: &S, suite: Suite, rounds: usize) -> (Cost, Cost) {
    let streams: Vec<StreamKeys> = (0..STREAMS).map(|n| StreamKeys::new(suite, n)).collect();
    let keys: Vec<S::Keys> = streams.iter().map(|keys| side.keys(keys)).collect();
    let clear: Vec<Packets> =
        streams.iter().map(|keys| [1, 2].map(|seq| [rtp(keys, seq), rtcp(keys)])).collect();
    let protect = |out: &mut S::Out, (packet, len): &mut Packet, of: Protocol| {
        *len = match of {
            Protocol::Srtp => out.protect(packet, *len),
            Protocol::Srtcp => out.protect_control(packet, *len),
        };
    };
    let mut wire = clear.clone();
    for (packets, keys) in wire.iter_mut().zip(&keys) {
        let mut out = side.out(keys);
        for [rtp, rtcp] in packets {
            protect(&mut out, rtp, Protocol::Srtp);
            protect(&mut out, rtcp, Protocol::Srtcp);
        }
    }
    let unprotect = |inn: &mut S::In, (packet, len): &mut Packet, of: Protocol| {
        let packet = &mut packet[..*len];
        *len = match of {
            Protocol::Srtp => inn.unprotect(packet),
            Protocol::Srtcp => inn.unprotect_control(packet),
        };
    };
    (
        made(rounds, &keys, &clear, |keys| side.out(keys), protect),
        made(rounds, &keys, &wire, |keys| side.inn(keys), unprotect),
    )
}

fn placed(bytes: &[u8]) -> Packet {
    let mut buffer = [0; BUFFER];
    buffer[..bytes.len()].copy_from_slice(bytes);
    (buffer, bytes.len())
}

fn rtp(keys: &StreamKeys, seq: u8) -> Packet {
    let mut packet = vec![0x80, 0, 0, seq, 0, 0, 0, 160];
    packet.extend(keys.ssrc.to_be_bytes());
    packet.extend([0x55; 20]);
    placed(&packet)
}

/// An empty receiver report.
fn rtcp(keys: &StreamKeys) -> Packet {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(keys.ssrc.to_be_bytes());
    placed(&packet)
}

fn made<K, D>(
    rounds: usize,
    keys: &[K],
    packets: &[Packets],
    make: impl Fn(&K) -> D,
    through: impl Fn(&mut D, &mut Packet, Protocol),
) -> Cost {
    let (mut times, mut control_times) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    let mut bytes = 0;
    for _ in 0..rounds {
        let mut packets = packets.to_vec();
        let mut made: Vec<D> = Vec::with_capacity(keys.len());
        let before = memory::heap_in_use();
        let first = elapsed(|| {
            for (keys, [[rtp, rtcp], _]) in keys.iter().zip(&mut packets) {
                let mut direction = make(black_box(keys));
                through(&mut direction, rtp, Protocol::Srtp);
                through(&mut direction, rtcp, Protocol::Srtcp);
                made.push(direction);
            }
        });
        let heap = memory::heap_in_use() - before;
        bytes = size_of::<D>() + heap / keys.len();
        let second = elapsed(|| {
            for (direction, [_, [rtp, _]]) in made.iter_mut().zip(&mut packets) {
                through(direction, rtp, Protocol::Srtp);
            }
        });
        let control = elapsed(|| {
            for (direction, [_, [_, rtcp]]) in made.iter_mut().zip(&mut packets) {
                through(direction, rtcp, Protocol::Srtcp);
            }
        });
        black_box(&packets);
        let each = |time: Duration| time.as_nanos() as f64 / keys.len() as f64;
        times.push(each(first) - each(second) - each(control));
        control_times.push(each(control));
    }
    Cost { ns: median(&times), control_ns: median(&control_times), bytes }
}

fn elapsed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
