//! Delays, and how they are shown.

/// Upper ends of the classes, in microseconds.
const CLASSES: [u32; 16] = [3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 200, 500, 1_000, u32::MAX];
const WIDTH: usize = 40;

/// Delays of one way of forwarding, sorted.
pub struct Histogram(Vec<u32>);

impl Histogram {
    pub fn new(mut delays: Vec<u32>) -> Self {
        delays.sort_unstable();
        Self(delays)
    }

    /// In microseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (last as f64 * percent / 100.0).round() as usize;
        self.0.get(place).map_or(f64::NAN, |delay| f64::from(*delay) / 1000.0)
    }

    /// Share of each class.
    fn shares(&self) -> Vec<f64> {
        let below = |end: u32| self.0.partition_point(|delay| u64::from(*delay) < u64::from(end) * 1000);
        let ends = CLASSES.iter().map(|end| if *end == u32::MAX { self.0.len() } else { below(*end) });
        let mut before = 0;
        ends.map(|end| (std::mem::replace(&mut before, end), end))
            .map(|(from, to)| (to - from) as f64 / self.0.len().max(1) as f64)
            .collect()
    }
}

/// Beside each other, without the classes that nothing is in.
pub fn print(named: &[(&str, &Histogram)]) {
    let shares: Vec<Vec<f64>> = named.iter().map(|(_, histogram)| histogram.shares()).collect();
    for (class, end) in CLASSES.iter().enumerate() {
        if shares.iter().all(|shares| shares[class] == 0.0) {
            continue;
        }
        for ((name, _), shares) in named.iter().zip(&shares) {
            let share = shares[class];
            let bar = "#".repeat((share * WIDTH as f64).round() as usize);
            let class = if *end == u32::MAX { "longer  ".to_owned() } else { format!("<{end:>5} us") };
            println!("{class} {name:<10} {:7.3} % {bar}", share * 100.0);
        }
    }
}
