//! What 1,000 streams hold on the heap, each the first of its call, in the middle of their handshakes and with keys.

use sealrtp_zrtp::algorithm::KeyAgreement;

use super::{Result, bzrtp, config, ours};
use crate::memory::heap_in_use;

/// Calls, of two ends each.
const CALLS: usize = 500;
/// Turns of both ends until Hellos, a Commit and its answer have passed.
const HALF: usize = 3;

/// Bytes of each end, ours and libbzrtp's.
pub struct Held {
    pub running: [Option<usize>; 2],
    pub keyed: [Option<usize>; 2],
}

macro_rules! grow {
    ($new:expr, $end:ty) => {{
        let new = $new;
        let pair = || -> Result<_> {
            let mut ends = [new(1)?, new(2)?];
            ends.iter_mut().for_each(|end| end.start());
            Ok((ends, Vec::new()))
        };
        let turn = |ends: &mut [$end; 2], to_a: &mut Vec<Vec<u8>>| -> Result<()> {
            let [a, b] = ends;
            let to_b = a.run(std::mem::take(to_a))?;
            *to_a = b.run(to_b)?;
            Ok(())
        };
        // One before, so that what is loaded once is not counted.
        let (mut ends, mut on_the_way) = pair()?;
        for _ in 0..ours::TURNS {
            turn(&mut ends, &mut on_the_way)?;
        }
        drop((ends, on_the_way));
        let mut calls = Vec::with_capacity(CALLS);
        let before = heap_in_use();
        for _ in 0..CALLS {
            let (mut ends, mut on_the_way) = pair()?;
            for _ in 0..HALF {
                turn(&mut ends, &mut on_the_way)?;
            }
            calls.push((ends, on_the_way));
        }
        let datagrams = calls.iter().flat_map(|(_, on_the_way)| on_the_way).map(Vec::capacity).sum::<usize>();
        let own = size_of::<$end>();
        let running = (heap_in_use() - before - datagrams) / (2 * CALLS) + own;
        for (ends, on_the_way) in &mut calls {
            if ends.iter().any(|end| end.is_secure()) {
                return Err("the middle of the handshake was missed".into());
            }
            for _ in 0..ours::TURNS {
                turn(ends, on_the_way)?;
            }
            if !ends.iter().all(|end| end.is_secure()) {
                return Err("no keys".into());
            }
            *on_the_way = Vec::new();
        }
        let keyed = (heap_in_use() - before) / (2 * CALLS) + own;
        (running, keyed)
    }};
}

pub fn measure(agreement: KeyAgreement, library: Option<&bzrtp::Library>) -> Result<Held> {
    let config = config(agreement);
    let ours = grow!(|number| ours::End::new(&config, number), ours::End);
    let theirs = match library {
        Some(library) => Some(grow!(|number| bzrtp::End::new(library, agreement, number), bzrtp::End<'_>)),
        None => None,
    };
    Ok(Held {
        running: [Some(ours.0), theirs.map(|held| held.0)],
        keyed: [Some(ours.1), theirs.map(|held| held.1)],
    })
}
