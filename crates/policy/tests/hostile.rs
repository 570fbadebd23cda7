//! Any configuration: no panic, no growth, and what is taken reads back.

use std::time::{Duration, Instant};

use sealrtp_policy::{Config, Key, Policies};

const SEEDS: [&str; 4] = [
    "[general]\noffer = dtls, zrtp\naccept = none\nfallback = rtp\nsdes_signalling = any\nrecording = refuse\n\
     zrtp_mode = passthrough\nzrtp_upgrade = yes\non_failure = block\n",
    "[alice]\npolicy = vault\n[vault]\ntype = policy\npolicy = strict\nrecording = refuse\n[bob]\npolicy = clear\n",
    "[general]\nsuites = AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80\nreplay_window = 1024\nlifetime = 2^31\nmki_length = 4\n\
     key_derivation_rate = 2^16\nsession_parameters = UNENCRYPTED_SRTCP\ndtls_mtu = 600\ndtls_timeout = 10\n",
    "[x]\nzrtp_key_agreements = X255, DH3k\nzrtp_hashes = S384, S256\nzrtp_sas = B256, B32\nzrtp_cache_expiry = never\n",
];

/// Lines of `key = value` under `[section]`; whether they came to policies.
fn exercise(text: &str) -> bool {
    let mut builder = Policies::builder();
    let mut section = "general";
    for (line, number) in text.lines().zip(1..) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=')
            && let Err(fault) = builder.set("sealrtp.conf", number, section, key, value)
        {
            assert!(fault.to_string().starts_with(&format!("sealrtp.conf line {number}, [")), "{fault}");
        }
    }
    let Ok((policies, _)) = builder.finish() else { return false };
    for config in policies.endpoints().chain([policies.general()]) {
        let mut again = Config::default();
        for key in [Key::Suites, Key::Fallback, Key::Offer, Key::OnFailure, Key::Lifetime, Key::ZrtpHashes] {
            again.set(key.name(), &config.get(key)).unwrap();
            assert_eq!(again.get(key), config.get(key));
        }
    }
    true
}

/// Pages of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages")
}

/// How long something takes. A machine that stands still now and then makes it no slower twice: the quickest of several
/// times, where the first is long.
fn timed<T>(something: impl Fn() -> T) -> (T, Duration) {
    let once = || {
        let start = Instant::now();
        (something(), start.elapsed())
    };
    let (result, mut took) = once();
    for _ in 0..20 {
        if took < Duration::from_secs(1) {
            break;
        }
        took = took.min(once().1);
    }
    (result, took)
}

/// xorshift64: the same files in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn mutate(&mut self, text: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(text.len());
        let len = self.below(40).min(text.len() - at);
        match self.below(6) {
            0 => text[at] ^= 1 << self.below(8),
            1 => drop(text.drain(at..at + len)),
            2 => {
                let from = self.below(other.len());
                let piece = other[from..other.len().min(from + 60)].to_vec();
                text.splice(at..at, piece);
            }
            3 => {
                let words: [&[u8]; 6] = [
                    b"\n[vault]\n",
                    b"\npolicy = vault\n",
                    b"\ntype = policy\n",
                    b", ",
                    b"99999999999999999999",
                    b"\xff\0",
                ];
                text.splice(at..at, words[self.below(6)].iter().copied());
            }
            4 => {
                // Values and names beyond their bounds, and many of them.
                let line = text[at..at + len].repeat(1 + self.below(100));
                text.splice(at..at, line);
            }
            _ => {
                // Whole lines in another order.
                let start = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1);
                let line =
                    text[start..].split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
                text.splice(0..0, line);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_mutated_files_neither_panic_nor_grow_the_process() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut slowest, mut before) = (0, Duration::ZERO, 0);
    for round in 0..100_000 {
        if round == 10_000 {
            before = resident();
        }
        let mut text = SEEDS[random.below(SEEDS.len())].as_bytes().to_vec();
        for _ in 0..random.below(4) {
            if text.is_empty() {
                break;
            }
            let other = SEEDS[random.below(SEEDS.len())];
            random.mutate(&mut text, other.as_bytes());
        }
        let (taken, took) = timed(|| exercise(&String::from_utf8_lossy(&text)));
        read += usize::from(taken);
        slowest = slowest.max(took);
    }
    // Both sorts must be among them, or this tests nothing.
    assert!((20_000..90_000).contains(&read), "{read} of 100,000 were taken");
    assert!(slowest < Duration::from_secs(5), "a file took {slowest:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 1024, "{grown} pages more than after the first 10,000");
}
