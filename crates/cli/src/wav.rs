//! WAV files: what is played (mono PCM, 8 or 16 kHz) and what is recorded (8 kHz, 16 bits).

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::codec::RATE;

/// Most samples that are read: ten minutes at 16 kHz.
const MAX_SAMPLES: usize = 10 * 60 * 16_000;
/// Longest silence put in for packets that did not come, in samples: two seconds.
const MAX_GAP: u32 = 2 * RATE;

/// Reads a mono PCM file of 8 or 16 kHz with 8 or 16 bits as samples of 8 kHz.
///
/// # Errors
/// The file cannot be read, is of another kind, empty, or longer than ten minutes at 16 kHz.
pub fn read(path: &Path) -> Result<Vec<i16>> {
    let mut reader = WavReader::open(path).with_context(|| format!("{}", path.display()))?;
    let spec = reader.spec();
    let known = spec.channels == 1
        && spec.sample_format == SampleFormat::Int
        && matches!(spec.bits_per_sample, 8 | 16)
        && matches!(spec.sample_rate, RATE | 16_000);
    ensure!(
        known,
        "{}: a mono PCM WAV of 8 or 16 kHz with 8 or 16 bits is expected, this one has {} channels, {} Hz, {} bits {:?}",
        path.display(),
        spec.channels,
        spec.sample_rate,
        spec.bits_per_sample,
        spec.sample_format
    );
    let widen = if spec.bits_per_sample == 8 { 8 } else { 0 };
    let mut samples = Vec::new();
    for sample in reader.samples::<i16>() {
        ensure!(samples.len() < MAX_SAMPLES, "{}: longer than ten minutes", path.display());
        samples.push(sample.with_context(|| format!("{}", path.display()))? << widen);
    }
    ensure!(!samples.is_empty(), "{}: no samples in it", path.display());
    Ok(if spec.sample_rate == RATE { samples } else { halve(&samples) })
}

/// Every second sample, behind a low pass: a Hamming-windowed sinc of 47 taps with its edge at 3.6 kHz.
fn halve(samples: &[i16]) -> Vec<i16> {
    const HALF: i32 = 23;
    const EDGE: f64 = 3600.0 / 16_000.0;
    let pi = std::f64::consts::PI;
    let tap = |n: i32| {
        let window = 0.54 + 0.46 * (pi * f64::from(n) / f64::from(HALF)).cos();
        let sinc =
            if n == 0 { 2.0 * EDGE } else { (2.0 * pi * EDGE * f64::from(n)).sin() / (pi * f64::from(n)) };
        window * sinc
    };
    let taps: Vec<f64> = (-HALF..=HALF).map(tap).collect();
    let whole: f64 = taps.iter().sum();
    (0..samples.len())
        .step_by(2)
        .map(|at| {
            let from = at as i64 - i64::from(HALF);
            let sum: f64 = taps
                .iter()
                .zip(from..)
                .filter_map(|(tap, i)| Some(tap * f64::from(*samples.get(usize::try_from(i).ok()?)?)))
                .sum();
            (sum / whole).round() as i16
        })
        .collect()
}

/// Records what was received, at the places its RTP timestamps give.
pub struct Recording {
    writer: WavWriter<BufWriter<File>>,
    next: Option<u32>,
}

impl Recording {
    /// Makes the file.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let spec =
            WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let writer = WavWriter::create(path, spec).with_context(|| format!("{}", path.display()))?;
        Ok(Self { writer, next: None })
    }

    /// Takes a packet's samples. Silence stands for packets that are missing before it; a packet that comes late is left
    /// out, since its place is taken.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, timestamp: u32, samples: impl ExactSizeIterator<Item = i16>) -> Result<()> {
        let gap = timestamp.wrapping_sub(self.next.unwrap_or(timestamp));
        if gap > u32::MAX / 2 && gap.wrapping_neg() <= MAX_GAP {
            return Ok(());
        }
        self.next = Some(timestamp.wrapping_add(u32::try_from(samples.len())?));
        // A jump that is no loss, e.g. a new stream: the recording goes on without a gap.
        let silence = if gap <= MAX_GAP { gap } else { 0 };
        for sample in (0..silence).map(|_| 0).chain(samples) {
            self.writer.write_sample(sample)?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<()> {
        Ok(self.writer.finalize()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Sine, dbov, goertzel};

    #[test]
    fn halving_keeps_a_tone_and_its_level_and_drops_what_would_fold_over() {
        let level = |hertz| {
            let samples: Vec<i16> = Sine::new(hertz, -20.0, 16_000).take(16_000).collect();
            let half = halve(&samples);
            assert_eq!(half.len(), 8000);
            let middle = &half[2000..6000];
            dbov(middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 4000.0)
        };
        assert!((level(1000.0) + 20.0).abs() < 0.1, "{}", level(1000.0));
        assert!(level(5000.0) < -60.0, "{}", level(5000.0));
        let samples: Vec<i16> = Sine::new(1000.0, -20.0, 16_000).take(16_000).collect();
        assert!(dbov(goertzel(&halve(&samples)[2000..2400], 1000.0, RATE)) > -20.2);
    }
}
