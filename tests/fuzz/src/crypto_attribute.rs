//! SDP after SDP of a peer into an SDES negotiation.
//!
//! Input: a byte of options, then text. Each line is an attribute value; an empty line ends one SDP and begins the next. A
//! line `offer` makes us (re-)offer, `answer` reads our answer, `local` reads without telling which, `rejected` tells that
//! our offer was rejected.

use sealrtp_sdes::{Config, CryptoAttribute, Negotiator, Outcome, SessionParameter};
use sealrtp_srtp::{KeySet, Suite};

/// Bits of the first byte.
mod options {
    /// All suites and parameters are configured, not only the strong ones.
    pub const WEAK: u8 = 1;
    /// Our keys carry lifetime, MKI and KDR.
    pub const SIGNAL: u8 = 2;
    /// Lines are handed over one by one until one is accepted.
    pub const ONE_BY_ONE: u8 = 4;
    /// Our order of suites is turned round.
    pub const REVERSED: u8 = 8;
}

fn config(bits: u8) -> Config {
    let weak = bits & options::WEAK != 0;
    let mut suites: Vec<_> = Suite::ALL.into_iter().filter(|suite| weak || !suite.is_weak()).collect();
    if bits & options::REVERSED != 0 {
        suites.reverse();
    }
    let mut config = Config { suites, ..Config::default() };
    if weak {
        config.session_parameters = SessionParameter::ALL.to_vec();
    }
    if bits & options::SIGNAL != 0 {
        (config.lifetime, config.mki_length, config.key_derivation_rate) = (Some(1 << 31), 2, 16);
    }
    config
}

/// Runs one input. Returns how many SDPs were accepted.
pub fn run(data: &[u8]) -> usize {
    let Some((&bits, text)) = data.split_first() else { return 0 };
    let text = String::from_utf8_lossy(text);
    let config = config(bits);
    let mut us = Negotiator::new(config.clone()).expect("a valid configuration");
    let mut accepted = 0;
    let mut sdp: Vec<&str> = Vec::new();
    for line in text.split('\n').chain([""]) {
        match line {
            "" => {
                if !sdp.is_empty() {
                    accepted +=
                        usize::from(negotiate(&mut us, &config, &sdp, bits & options::ONE_BY_ONE != 0));
                    sdp.clear();
                }
            }
            "offer" => drop(us.offer().expect("random keys").to_vec()),
            "local" => drop(us.local().expect("random keys").to_vec()),
            "answer" => drop(us.answer().cloned()),
            "rejected" => us.offer_rejected(),
            line => {
                parse(line);
                sdp.push(line);
            }
        }
    }
    accepted
}

/// What parses is written and read back the same; what does not says so without the key.
fn parse(line: &str) {
    match CryptoAttribute::parse(line) {
        Ok(one) => {
            let two = CryptoAttribute::parse(&one.to_value()).expect("reads back");
            assert_eq!((one.tag(), one.suite()), (two.tag(), two.suite()));
            assert!(one.keys().same_as(two.keys()));
            assert_eq!(one.window_size_hint(), two.window_size_hint());
            assert_eq!(one.fec_order(), two.fec_order());
            assert!(one.parameters().eq(two.parameters()));
        }
        Err(error) => {
            // Other keys of the same length must give the same error.
            let other = CryptoAttribute::parse(&with_other_keys(line)).expect_err("as malformed as before");
            assert_eq!(error, other, "an error depends on the key");
        }
    }
}

/// The text with another base64 character for every one behind `inline:`, up to where a key ends. What was the same before
/// is the same after, to the bit.
fn with_other_keys(line: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = line.as_bytes().to_vec();
    let mut in_key = false;
    for (at, byte) in bytes.iter_mut().enumerate() {
        if in_key && b"|; \t".contains(byte) {
            in_key = false;
        }
        if let (true, Some(value)) = (in_key, ALPHABET.iter().position(|c| c == byte)) {
            *byte = ALPHABET[value ^ 32];
        }
        let read = &line.as_bytes()[..=at];
        in_key |= read.len() >= 7 && read[read.len() - 7..].eq_ignore_ascii_case(b"inline:");
    }
    String::from_utf8(bytes).expect("only ASCII was exchanged")
}

struct Running(Option<(KeySet, KeySet)>);

impl Running {
    fn of(us: &Negotiator) -> Self {
        Self(us.inbound().zip(us.outbound()))
    }

    fn same_as(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => a.0.same_as(&b.0) && a.1.same_as(&b.1),
            _ => false,
        }
    }
}

fn negotiate(us: &mut Negotiator, config: &Config, sdp: &[&str], one_by_one: bool) -> bool {
    let before = Running::of(us);
    let outcome = if one_by_one {
        sdp.iter().find_map(|line| us.remote_line(line).ok())
    } else {
        us.remote_all(sdp.iter().copied()).ok()
    };
    let after = Running::of(us);
    match outcome {
        None => assert!(before.same_as(&after), "refused and changed"),
        Some(Outcome::Unchanged) => {
            assert!(after.0.is_some() && before.same_as(&after), "changed and did not say so");
        }
        Some(Outcome::KeysChanged { suite, ref inbound, ref outbound }) => {
            assert!(after.same_as(&Running(Some((inbound.clone(), outbound.clone())))));
            assert!(!before.same_as(&after), "said that keys changed");
            assert!(!inbound.same_as(outbound), "one key for both directions");
            assert!(config.suites.contains(&suite));
            assert_eq!((inbound.suite(), outbound.suite()), (suite, suite));
            let [theirs, ours] = [inbound.params(), outbound.params()];
            assert!(!config.session_parameters.is_empty() || !theirs.is_weak() && !ours.is_weak());
            assert_eq!(
                (theirs.unencrypted_srtp, theirs.unencrypted_srtcp, theirs.unauthenticated_srtp),
                (ours.unencrypted_srtp, ours.unencrypted_srtcp, ours.unauthenticated_srtp),
            );
        }
    }
    if let (Some(remote), Some((_, outbound))) = (us.remote().cloned(), after.0) {
        let tag = remote.tag();
        let answer =
            CryptoAttribute::parse(&us.answer().expect("negotiated").to_value()).expect("reads back");
        assert_eq!((answer.tag(), answer.suite()), (tag, outbound.suite()));
        assert!(answer.keys().same_as(&outbound));
        return outcome.is_some();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::with_other_keys;

    #[test]
    fn only_keys_are_exchanged() {
        assert_eq!(
            with_other_keys("1 A_B inline:AZaz09+/==|2^9|1:2;INLINE:Q KDR=1"),
            "1 A_B inline:g56TUdef==|2^9|1:2;INLINE:w KDR=1"
        );
    }
}
