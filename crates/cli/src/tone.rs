//! Levels and sines, and how much of a block of samples is a sine of a given frequency (Goertzel).

use std::f64::consts::TAU;

/// The overload point of 16-bit samples: a square wave of this amplitude has 0 dBov (RFC 6464 section 3).
pub const OVERLOAD: f64 = 32_767.0;
/// Below this, RFC 6464 does not tell levels apart.
pub const SILENCE_DBOV: f64 = -127.0;

/// The level of a mean square of 16-bit samples, in dBov.
pub fn dbov(mean_square: f64) -> f64 {
    (10.0 * (mean_square / (OVERLOAD * OVERLOAD)).log10()).max(SILENCE_DBOV)
}

/// A sine that goes on from block to block.
#[derive(Clone, Debug)]
pub struct Sine {
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Sine {
    /// `hertz` at `rate` samples a second, `level` in dBov; a full sine has -3.01.
    pub fn new(hertz: f64, level: f64, rate: u32) -> Self {
        let amplitude = OVERLOAD * 10f64.powf(level / 20.0) * std::f64::consts::SQRT_2;
        Self { phase: 0.0, step: TAU * hertz / f64::from(rate), amplitude: amplitude.min(OVERLOAD) }
    }
}

impl Iterator for Sine {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        let sample = (self.amplitude * self.phase.sin()).round() as i16;
        self.phase = (self.phase + self.step) % TAU;
        Some(sample)
    }
}

/// The mean square that a sine of `hertz` has in `samples`.
pub fn goertzel(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + coefficient * last - before;
        before = last;
        last = next;
    }
    let length = samples.len().max(1) as f64;
    2.0 * (last * last + before * before - coefficient * last * before) / (length * length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_square(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn a_sine_has_the_level_asked_for_and_a_square_wave_none() {
        for level in [-3.02, -20.0, -45.5] {
            let samples: Vec<i16> = Sine::new(1000.0, level, 8000).take(8000).collect();
            let got = dbov(mean_square(&samples));
            assert!((got - level).abs() < 0.05, "{level}: {got}");
        }
        assert!(dbov(mean_square(&[32_767, -32_767])).abs() < 1e-9);
        assert_eq!(dbov(0.0), SILENCE_DBOV);
    }

    #[test]
    fn goertzel_finds_a_sine_at_its_frequency_and_nothing_elsewhere() {
        let samples: Vec<i16> = Sine::new(440.0, -20.0, 8000).take(400).collect();
        let all = mean_square(&samples);
        assert!((goertzel(&samples, 440.0, 8000) / all - 1.0).abs() < 0.01);
        assert!(goertzel(&samples, 1000.0, 8000) / all < 0.001);
        assert_eq!(goertzel(&[], 440.0, 8000), 0.0);
    }
}
