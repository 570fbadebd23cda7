//! ZRTP: what a handshake costs beside libbzrtp and where its time goes, what streams hold, and how soon the first secured audio
//! is heard.

mod bzrtp;
mod cost;
mod first_audio;
mod held;
mod ours;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealrtp_zrtp::Config;
use sealrtp_zrtp::algorithm::{Cipher, Hash, KeyAgreement};

use crate::clock::{micros, millis};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many times faster than libbzrtp a whole handshake must be.
const FLOOR: f64 = 1.0;
/// From the first Hello until both ends have heard secured audio, on loopback with default timers, at most.
const FIRST_AUDIO_CEILING: Duration = Duration::from_millis(150);
/// What a stream with keys stays below, in bytes, its association included.
const HELD_CEILING: usize = 4_096;
/// The agreements whose speed and delay are checked; the others are for information.
const CHECKED: [KeyAgreement; 2] = [KeyAgreement::X255, KeyAgreement::Dh3k];

/// Offers one agreement, with the cipher and tag that the default puts first.
fn config(agreement: KeyAgreement) -> Arc<Config> {
    let hash = if agreement.fits(Hash::S256) { Hash::S256 } else { Hash::S384 };
    Arc::new(Config {
        agreements: vec![agreement],
        hashes: vec![hash],
        ciphers: vec![Cipher::Aes1],
        ..Config::default()
    })
}

/// Runs all and prints a table in Markdown. Returns what missed its mark.
pub fn run(quick: bool) -> Result<Vec<String>> {
    let mut misses = Vec::new();
    let library = match bzrtp::Library::open() {
        Ok(library) => Some(library),
        Err(absent) => {
            println!("{absent}");
            None
        }
    };
    println!("| ZRTP | ours | libbzrtp | |");
    println!("|---|---|---|---|");

    let rounds = if quick { 51 } else { 301 };
    for agreement in [
        KeyAgreement::X255,
        KeyAgreement::Dh3k,
        KeyAgreement::Dh2k,
        KeyAgreement::Ec25,
        KeyAgreement::Ec38,
        KeyAgreement::Ec52,
        KeyAgreement::Multistream,
    ] {
        let cost = cost::measure(agreement, library.as_ref(), rounds)?;
        let (theirs, ratio) = match cost.theirs {
            Some(theirs) => {
                let ratio = theirs.as_secs_f64() / cost.ours.as_secs_f64();
                if ratio < FLOOR && CHECKED.contains(&agreement) {
                    misses.push(format!(
                        "{agreement} handshake {ratio:.2} of libbzrtp's speed (floor {FLOOR})"
                    ));
                }
                (micros(theirs), format!("{ratio:.2} times as fast"))
            }
            None => ("-".into(), String::new()),
        };
        println!(
            "| CPU of a handshake, both ends, {agreement} | {} | {theirs} | {ratio} |",
            micros(cost.ours)
        );
        if let Some(split) = cost.split {
            println!(
                "| of it key pairs, agreement, derivations, messages | {}, {}, {}, {} | | |",
                micros(split.key_pairs),
                micros(split.agreements),
                micros(split.derivations),
                micros(split.messages),
            );
        }
    }
    for agreement in CHECKED {
        let held = held::measure(agreement, library.as_ref())?;
        for (what, [ours, theirs]) in [("in mid-handshake", held.running), ("with keys", held.keyed)] {
            let theirs = theirs.map_or("-".into(), |bytes| format!("{bytes} B each"));
            println!(
                "| heap of 1,000 {what}, {agreement} | {} B each | {theirs} | |",
                ours.unwrap_or_default()
            );
        }
        let keyed = held.keyed[0].unwrap_or(usize::MAX);
        if keyed >= HELD_CEILING {
            misses.push(format!("{keyed} bytes a stream with keys (ceiling {HELD_CEILING})"));
        }
    }
    for agreement in CHECKED {
        let (median, worst) = first_audio::measure(agreement, if quick { 11 } else { 51 })?;
        println!(
            "| both ends have heard secured audio, loopback, {agreement} | {} after the first Hello (worst {}) | | |",
            millis(median),
            millis(worst)
        );
        if median >= FIRST_AUDIO_CEILING {
            misses.push(format!("{agreement} {} to the first audio", millis(median)));
        }
    }
    Ok(misses)
}
