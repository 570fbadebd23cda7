//! CPU time of a handshake, both ends together, ours and libbzrtp's in turn: from making the ends until both have keys and are
//! gone again.

use std::time::Duration;

use sealrtp_zrtp::algorithm::{Cipher, Hash, KeyAgreement};
use sealrtp_zrtp::measure::{KeyPair, derive};

use super::{Result, bzrtp, config, ours};
use crate::clock::{median, timed};

pub struct Cost {
    pub ours: Duration,
    pub theirs: Option<Duration>,
    /// Nothing for a mode without Diffie-Hellman.
    pub split: Option<Split>,
}

/// Where our time goes, both ends together.
pub struct Split {
    pub key_pairs: Duration,
    pub agreements: Duration,
    pub derivations: Duration,
    /// Hash chain, MACs, CRC, parsing, encryption, the state machine: the rest.
    pub messages: Duration,
}

/// Two ends of one kind until both are secure.
macro_rules! shake {
    ($ends:expr) => {{
        let [a, b] = $ends;
        a.start();
        b.start();
        let mut to_a = Vec::new();
        let mut turns = 0;
        while !(a.is_secure() && b.is_secure()) {
            turns += 1;
            if turns > ours::TURNS {
                return Err("a handshake that does not go on".into());
            }
            let to_b = a.run(to_a)?;
            to_a = b.run(to_b)?;
        }
    }};
}

/// One handshake; a macro, since both kinds of ends have the same methods and nothing else in common.
macro_rules! handshake {
    ($agreement:expr, $new:expr) => {{
        let mut time = Duration::ZERO;
        let new = $new;
        if $agreement == KeyAgreement::Multistream {
            let mut first = [new(1)?, new(2)?];
            {
                let [a, b] = &mut first;
                shake!([a, b]);
            }
            let mut second =
                timed(&mut time, || -> Result<_> { Ok([first[0].second(3)?, first[1].second(4)?]) })?;
            timed(&mut time, || -> Result<()> {
                let [a, b] = &mut second;
                shake!([a, b]);
                Ok(())
            })?;
            timed(&mut time, || drop(second));
            drop(first);
        } else {
            timed(&mut time, || -> Result<()> {
                let mut ends = [new(1)?, new(2)?];
                let [a, b] = &mut ends;
                shake!([a, b]);
                Ok(())
            })?;
        }
        time
    }};
}

/// The agreement of the first stream, when the second one's handshake is measured.
fn first(agreement: KeyAgreement) -> KeyAgreement {
    if agreement == KeyAgreement::Multistream { KeyAgreement::X255 } else { agreement }
}

pub fn measure(agreement: KeyAgreement, library: Option<&bzrtp::Library>, rounds: usize) -> Result<Cost> {
    let library = library.filter(|_| bzrtp::has(agreement));
    let config = config(first(agreement));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut parts: [Vec<Duration>; 3] = Default::default();
    for _ in 0..rounds {
        ours.push(handshake!(agreement, |number| ours::End::new(&config, number)));
        if let Some(library) = library {
            theirs.push(handshake!(agreement, |number| bzrtp::End::new(library, first(agreement), number)));
        }
        if agreement != KeyAgreement::Multistream {
            for (times, part) in parts.iter_mut().zip(parts_of_one(agreement, config.hashes[0])?) {
                times.push(part);
            }
        }
    }
    let ours = median(&mut ours);
    let split = (agreement != KeyAgreement::Multistream).then(|| {
        let [key_pairs, agreements, derivations] = parts.each_mut().map(|times| median(times));
        let messages = ours.saturating_sub(key_pairs + agreements + derivations);
        Split { key_pairs, agreements, derivations, messages }
    });
    Ok(Cost { ours, theirs: library.map(|_| median(&mut theirs)), split })
}

/// Key pairs, agreements and derivations of both ends.
fn parts_of_one(agreement: KeyAgreement, hash: Hash) -> Result<[Duration; 3]> {
    let mut parts = [Duration::ZERO; 3];
    let pair = || KeyPair::generate(agreement, Cipher::Aes1);
    let (a, b) = timed(&mut parts[0], || (pair(), pair()));
    let (a, b) = (a?, b?);
    timed(&mut parts[1], || a.agree(b.public()).and_then(|()| b.agree(a.public())))?;
    timed(&mut parts[2], || (0..2).for_each(|_| derive(hash, Cipher::Aes1, a.public().len())));
    Ok(parts)
}
