//! Several packets in one call beside the same packets one by one: a burst of one stream, or one packet for each of several.
//!
//! The list of packets is made where it is read: to move it would cost more than to protect one of them.

use std::hint::black_box;
use std::time::Instant;

use sealrtp_srtp::{Inbound, Outbound, Protect, Suite, Unprotect};
use smallvec::SmallVec;

use crate::measured::Way;
use crate::rounds::{HEADER, ROOM, median};
use crate::side::{Ours, Side, StreamKeys};

/// Packets in one call.
pub const BATCHES: [usize; 5] = [1, 2, 4, 8, MOST];
/// The most of them.
const MOST: usize = 16;
/// Packets of a round; they lie in the cache together.
const PACKETS: usize = 64;
/// Rounds before those that count.
const WARM_UP: usize = 20;

/// What is measured at once.
#[derive(Clone, Copy)]
pub struct Cell {
    /// The suite.
    pub suite: Suite,
    /// Bytes of payload.
    pub payload: usize,
    /// Packets in one call; a divisor of [`PACKETS`].
    pub packets: usize,
    /// Each of another stream.
    pub fan: bool,
}

/// Median nanoseconds per packet: in one call, and one by one; of protecting and of opening.
pub fn measure(cell: Cell, rounds: usize) -> [(Way, f64, f64); 2] {
    let streams = if cell.fan { cell.packets } else { 1 };
    let keys: Vec<StreamKeys> =
        (0..streams as u32).map(|number| StreamKeys::new(cell.suite, number)).collect();
    let sets: Vec<_> = keys.iter().map(|keys| Ours.keys(keys)).collect();
    let outs = || -> Vec<Outbound> { sets.iter().map(|set| Ours.out(set)).collect() };
    let inns = || -> Vec<Inbound> { sets.iter().map(|set| Ours.inn(set)).collect() };
    let (mut reference, mut together, mut alone) = (outs(), outs(), outs());
    let (mut open_together, mut open_alone) = (inns(), inns());
    let clear_len = HEADER + cell.payload;
    let wire_len = clear_len + cell.suite.rtp_tag_len();
    let stride = (clear_len + ROOM).next_multiple_of(64);
    let (mut clear, mut wire) = (vec![0u8; PACKETS * stride], vec![0u8; PACKETS * stride]);
    let mut hot = clear.clone();
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..WARM_UP + rounds {
        for (i, packet) in clear.chunks_exact_mut(stride).enumerate() {
            packet[0] = 0x80;
            let seq = round * PACKETS / streams + i / streams;
            packet[2..4].copy_from_slice(&(seq as u16).to_be_bytes());
            packet[8..HEADER].copy_from_slice(&keys[i % streams].ssrc.to_be_bytes());
        }
        wire.copy_from_slice(&clear);
        for (i, packet) in wire.chunks_exact_mut(stride).enumerate() {
            let len = reference[i % streams].protect_rtp(packet, clear_len);
            assert_eq!(len, Ok(wire_len), "the suite's tag");
        }
        let mut run = |way: Way, call: usize, work: &mut dyn FnMut(&mut [u8])| {
            let (from, to, len) = match way {
                Way::Protect => (&clear, &wire, wire_len),
                Way::Unprotect => (&wire, &clear, clear_len),
            };
            hot.copy_from_slice(from);
            let start = Instant::now();
            for group in hot.chunks_exact_mut(stride * cell.packets) {
                work(black_box(group));
            }
            let ns = start.elapsed().as_nanos() as f64 / PACKETS as f64;
            for (got, expected) in hot.chunks_exact(stride).zip(to.chunks_exact(stride)) {
                assert!(got[..len] == expected[..len], "{way:?}: another result than one by one");
            }
            if round >= WARM_UP {
                times[way as usize][call].push(ns);
            }
        };
        run(Way::Protect, 0, &mut |group| {
            let packets = group.chunks_exact_mut(stride).map(|buf| Protect::new(buf, clear_len));
            if cell.fan {
                let mut pairs = SmallVec::<[_; MOST]>::new();
                pairs.extend(together.iter_mut().zip(packets));
                Outbound::protect_rtp_fan_out(&mut pairs);
                assert!(pairs.iter().all(|(_, packet)| packet.result.is_ok()));
            } else {
                let mut burst = SmallVec::<[_; MOST]>::new();
                burst.extend(packets);
                together[0].protect_rtp_batch(&mut burst);
                assert!(burst.iter().all(|packet| packet.result.is_ok()));
            }
        });
        run(Way::Protect, 1, &mut |group| {
            for (i, buf) in group.chunks_exact_mut(stride).enumerate() {
                assert!(alone[i % streams].protect_rtp(buf, clear_len).is_ok());
            }
        });
        run(Way::Unprotect, 0, &mut |group| {
            let packets = group.chunks_exact_mut(stride).map(|buf| Unprotect::new(&mut buf[..wire_len]));
            if cell.fan {
                let mut pairs = SmallVec::<[_; MOST]>::new();
                pairs.extend(open_together.iter_mut().zip(packets));
                Inbound::unprotect_rtp_fan_in(&mut pairs);
                assert!(pairs.iter().all(|(_, packet)| packet.result.is_ok()));
            } else {
                let mut burst = SmallVec::<[_; MOST]>::new();
                burst.extend(packets);
                open_together[0].unprotect_rtp_batch(&mut burst);
                assert!(burst.iter().all(|packet| packet.result.is_ok()));
            }
        });
        run(Way::Unprotect, 1, &mut |group| {
            for (i, buf) in group.chunks_exact_mut(stride).enumerate() {
                assert!(open_alone[i % streams].unprotect_rtp(&mut buf[..wire_len]).is_ok());
            }
        });
    }
    Way::BOTH.map(|way| (way, median(&times[way as usize][0]), median(&times[way as usize][1])))
}
