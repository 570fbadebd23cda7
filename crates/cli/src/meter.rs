//! What the audio that came back is like: level, how long it was audible, which frequency leads, how much of it is our tone.

use crate::codec::RATE;
use crate::tone::{dbov, goertzel};

/// Samples that are judged at a time: 50 ms, so that frequencies are 20 Hz apart.
const BLOCK: usize = RATE as usize / 20;
/// Frequencies looked at, lowest first.
const BINS: usize = BLOCK / 2 - 1;
const BIN_HZ: f64 = RATE as f64 / BLOCK as f64;
const BLOCK_MS: u64 = 1000 * BLOCK as u64 / RATE as u64;

/// Measures samples as they come; holds one block of them.
pub struct Meter {
    /// Blocks with a level from here on are audible, in dBov.
    audible_from: f64,
    tone: Option<f64>,
    block: Vec<i16>,
    samples: u64,
    energy: f64,
    audible_ms: u64,
    loudest: f64,
    /// Energy at each of the frequencies, and at the tone.
    spectrum: Vec<f64>,
    tone_energy: f64,
    block_energy: f64,
}

/// What a [`Meter`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Level of all samples, in dBov.
    pub level: f64,
    /// Level of the loudest 50 ms, in dBov.
    pub loudest: f64,
    /// How long it was audible, in ms.
    pub audible_ms: u64,
    /// The strongest of the frequencies 20, 40, 60 .. 3980 Hz, if anything was audible.
    pub dominant_hz: Option<f64>,
    /// How much of the energy is at the tone's frequency, 0 to 1, if a tone is looked for and anything was audible.
    pub tone_share: Option<f64>,
}

impl Meter {
    /// `audible_from` is in dBov, `tone` in Hz.
    pub fn new(audible_from: f64, tone: Option<f64>) -> Self {
        Self {
            audible_from,
            tone,
            block: Vec::with_capacity(BLOCK),
            samples: 0,
            energy: 0.0,
            audible_ms: 0,
            loudest: 0.0,
            spectrum: vec![0.0; BINS],
            tone_energy: 0.0,
            block_energy: 0.0,
        }
    }

    /// Takes the next sample.
    pub fn push(&mut self, sample: i16) {
        self.samples += 1;
        self.energy += f64::from(sample).powi(2);
        self.block.push(sample);
        if self.block.len() == BLOCK {
            self.judge();
            self.block.clear();
        }
    }

    fn judge(&mut self) {
        let energy = self.block.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / BLOCK as f64;
        self.loudest = self.loudest.max(energy);
        if dbov(energy) < self.audible_from {
            return;
        }
        self.audible_ms += BLOCK_MS;
        self.block_energy += energy;
        for (bin, sum) in self.spectrum.iter_mut().enumerate() {
            *sum += goertzel(&self.block, BIN_HZ * (bin + 1) as f64, RATE);
        }
        if let Some(tone) = self.tone {
            self.tone_energy += goertzel(&self.block, tone, RATE);
        }
    }

    /// The result so far; none before the first sample.
    pub fn heard(&self) -> Option<Heard> {
        if self.samples == 0 {
            return None;
        }
        let strongest = self.spectrum.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let audible = self.block_energy > 0.0;
        Some(Heard {
            level: dbov(self.energy / self.samples as f64),
            loudest: dbov(self.loudest),
            audible_ms: self.audible_ms,
            dominant_hz: strongest.filter(|_| audible).map(|(bin, _)| BIN_HZ * (bin + 1) as f64),
            tone_share: self
                .tone
                .filter(|_| audible)
                .map(|_| (self.tone_energy / self.block_energy).min(1.0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Sine;

    fn heard(samples: impl Iterator<Item = i16>, tone: f64) -> Heard {
        let mut meter = Meter::new(-50.0, Some(tone));
        samples.for_each(|sample| meter.push(sample));
        meter.heard().unwrap()
    }

    #[test]
    fn a_tone_is_measured_as_it_was_made() {
        let heard = heard(Sine::new(1000.0, -25.0, RATE).take(RATE as usize), 1000.0);
        assert!((heard.level + 25.0).abs() < 0.05 && (heard.loudest + 25.0).abs() < 0.05, "{heard:?}");
        assert_eq!((heard.audible_ms, heard.dominant_hz), (1000, Some(1000.0)));
        assert!(heard.tone_share.unwrap() > 0.99);
    }

    #[test]
    fn another_tone_is_not_taken_for_ours() {
        let heard = heard(Sine::new(600.0, -25.0, RATE).take(RATE as usize), 1000.0);
        assert_eq!(heard.dominant_hz, Some(600.0));
        assert!(heard.tone_share.unwrap() < 0.01, "{heard:?}");
    }

    #[test]
    fn what_is_quieter_than_asked_for_is_no_audio() {
        let heard = heard(Sine::new(1000.0, -55.0, RATE).take(RATE as usize), 1000.0);
        assert_eq!((heard.audible_ms, heard.dominant_hz, heard.tone_share), (0, None, None));
        assert_eq!(Meter::new(-50.0, None).heard(), None);
    }
}
