//! Reads a fuzz input from its front; what is missing at the end reads as zeros or as nothing.

use sealrtp_srtp::{KeySet, Lifetime, Limits, MasterKey, SessionParams, Suite};

/// The rest of a fuzz input.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, big-endian.
    pub fn word(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// At most `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front
    }

    /// A word of length and as many bytes.
    pub fn packet(&mut self) -> &'a [u8] {
        let len = self.word();
        self.take(len)
    }
}

/// How a stream is set up, out of two bytes of input: the suite's place in [`Suite::ALL`], and [`options`].
pub struct Setup {
    suite: Suite,
    options: u8,
    key: Vec<u8>,
}

/// The bits of the second byte.
pub mod options {
    /// Master key and salt follow in the input.
    pub const KEY_GIVEN: u8 = 1;
    /// An MKI of 4 bytes.
    pub const MKI: u8 = 2;
    /// Two keys, each with an MKI.
    pub const TWO_KEYS: u8 = 4;
    /// Session keys anew every 16 packets.
    pub const KEY_DERIVATION_RATE: u8 = 8;
    /// UNENCRYPTED_SRTP.
    pub const UNENCRYPTED_SRTP: u8 = 16;
    /// UNENCRYPTED_SRTCP.
    pub const UNENCRYPTED_SRTCP: u8 = 32;
    /// UNAUTHENTICATED_SRTP.
    pub const UNAUTHENTICATED_SRTP: u8 = 64;
    /// A lifetime of 8 packets, two SSRCs.
    pub const TIGHT: u8 = 128;
}

impl Setup {
    /// Reads the two bytes, and the key if one is given.
    pub fn read(input: &mut Input) -> Self {
        let suite = Suite::ALL[usize::from(input.byte()) % Suite::ALL.len()];
        let options = input.byte();
        let mut key = vec![0x5a; suite.key_len() + suite.salt_len()];
        if options & options::KEY_GIVEN != 0 {
            let given = input.take(key.len());
            key[..given.len()].copy_from_slice(given);
        }
        Self { suite, options, key }
    }

    fn has(&self, option: u8) -> bool {
        self.options & option != 0
    }

    /// The keys after `rekeys` re-keys; none if the suite does not go with the options.
    pub fn keys(&self, rekeys: u8) -> Option<KeySet> {
        let params = SessionParams {
            unencrypted_srtp: self.has(options::UNENCRYPTED_SRTP),
            unencrypted_srtcp: self.has(options::UNENCRYPTED_SRTCP),
            unauthenticated_srtp: self.has(options::UNAUTHENTICATED_SRTP),
            key_derivation_rate: if self.has(options::KEY_DERIVATION_RATE) { 16 } else { 0 },
            libsrtp_aes192: false,
        };
        let count = if self.has(options::TWO_KEYS) { 2 } else { 1 };
        let keys = (0..count)
            .map(|number| {
                let mut bytes = self.key.clone();
                bytes[0] ^= rekeys;
                bytes[1] ^= number;
                let (key, salt) = bytes.split_at(self.suite.key_len());
                let mut key = MasterKey::new(self.suite, key, salt).expect("lengths of the suite");
                if self.has(options::MKI | options::TWO_KEYS) {
                    key = key.with_mki(&[0, 0, rekeys, number + 1]).expect("4 bytes");
                }
                if self.has(options::TIGHT) {
                    key = key.with_lifetime(Lifetime::signalled(8).expect("in range"));
                }
                key
            })
            .collect();
        KeySet::new(keys, params).ok()
    }

    /// The bounds of each direction.
    pub fn limits(&self) -> Limits {
        if self.has(options::TIGHT) { Limits::new(64, 2).expect("in range") } else { Limits::default() }
    }

    /// Whether SRTP carries an authentication tag; SRTCP always does.
    pub fn authenticates_rtp(&self) -> bool {
        self.suite.rtp_tag_len() > 0 && !self.has(options::UNAUTHENTICATED_SRTP)
    }
}
