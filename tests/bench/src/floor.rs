//! What HMAC-SHA1 takes at least: a chain of blocks, each of which waits for the last.

use std::hint::black_box;
use std::time::Instant;

use crate::rounds::{HEADER, median};

/// Blocks hashed at once.
const BLOCKS: usize = 1_000;
const ROUNDS: usize = 31;

/// Nanoseconds of a block of 64 bytes, by the crate `sha1` on the processor's best instructions.
pub fn sha1_block_ns() -> f64 {
    let blocks = vec![[0x5a; 64].into(); BLOCKS];
    let mut state = [0x0123_4567; 5];
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            sha1::compress(black_box(&mut state), black_box(&blocks));
            start.elapsed().as_nanos() as f64 / BLOCKS as f64
        })
        .collect();
    median(&times)
}

/// SHA-1 blocks of a packet's tag when the states behind the key's two pads are kept: header, payload, ROC, padding of at least
/// nine bytes, and the outer block.
pub fn sha1_blocks(payload: usize) -> usize {
    (HEADER + payload + 4 + 9).div_ceil(64) + 1
}
