//! Numbers by chance from a seed that a failed test prints.

use super::Given;

/// Names the seed of an earlier run, as it was printed.
const SEED_VARIABLE: &str = "SEALRTP_SEED";

/// SplitMix64: of no use for secrets, good enough to choose what is tested.
pub struct Random(pub u64);

impl Random {
    /// From the seed in the environment, or from a new one; prints it.
    pub fn seeded() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => text.parse().expect("the seed is a number"),
            Err(_) => u64::from(std::process::id()) ^ nanoseconds(),
        };
        println!("{SEED_VARIABLE}={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }

    /// Changes one bit.
    pub fn flip(&mut self, bytes: &mut [u8]) {
        let bit = self.below(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }

    pub fn given(&mut self, key_len: usize) -> Given {
        let mut given = Given { key: self.bytes(key_len), auth: [0; _], number: [0; _], suffix: [0; _] };
        self.fill(&mut given.auth);
        self.fill(&mut given.number);
        self.fill(&mut given.suffix);
        given
    }
}

fn nanoseconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a clock past 1970").as_nanos() as u64
}
