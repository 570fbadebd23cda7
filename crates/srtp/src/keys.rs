//! Master keys and what was signalled with them (RFC 3711 sections 3.2, 8.1; RFC 4568 sections 6.1, 6.3).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Suite;

/// Longest master key, in bytes.
pub const MAX_KEY_LEN: usize = 32;
/// Longest master salt, in bytes.
pub const MAX_SALT_LEN: usize = 14;
/// Longest MKI, in bytes (RFC 4568 section 6.1).
pub const MAX_MKI_LEN: usize = 128;
/// Most master keys one [`KeySet`] may hold.
pub const MAX_KEYS: usize = 16;

/// Why key material was refused. Never carries a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key's length does not fit the suite.
    #[error("{suite} takes a master key of {expected} bytes, got {got}")]
    KeyLength {
        /// Suite asked for.
        suite: Suite,
        /// Bytes the suite takes.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// The salt's length does not fit the suite.
    #[error("{suite} takes a master salt of {expected} bytes, got {got}")]
    SaltLength {
        /// Suite asked for.
        suite: Suite,
        /// Bytes the suite takes.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// No master key, or more than [`MAX_KEYS`].
    #[error("{0} master keys, 1 to {MAX_KEYS} can be used")]
    KeyCount(usize),
    /// An MKI longer than [`MAX_MKI_LEN`] bytes, or an empty one.
    #[error("an MKI has 1 to {MAX_MKI_LEN} bytes, got {0}")]
    MkiLength(usize),
    /// Several keys must all be told apart the same way: by MKIs of one length, or by ranges.
    #[error("several master keys need MKIs of one length, or <From,To> ranges, on all of them")]
    MixedSelectors,
    /// Two keys have the same MKI.
    #[error("two master keys have the same MKI")]
    DuplicateMki,
    /// A <From,To> range that is empty, beyond 48 bits or shared by two keys.
    #[error("a <From,To> range is empty, beyond 48 bits or overlaps another")]
    Range,
    /// A lifetime of 0 packets, or above 2^48 (SRTP) or 2^31 (SRTCP).
    #[error("a key lifetime is 1 to 2^48 packets (SRTP) and 1 to 2^31 packets (SRTCP)")]
    Lifetime,
    /// A key derivation rate that is not 0 or 2^0 to 2^24.
    #[error("a key derivation rate is 0 or a power of two up to 2^24, got {0}")]
    KeyDerivationRate(u64),
    /// The AEAD suites always encrypt and authenticate SRTP (RFC 7714 section 14).
    #[error("{0} does not allow UNENCRYPTED_SRTP or UNAUTHENTICATED_SRTP")]
    AeadParameter(Suite),
}

/// How many packets a master key may protect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    srtp: u64,
    srtcp: u64,
}

impl Lifetime {
    /// RFC 3711 section 9.2: 2^48 SRTP and 2^31 SRTCP packets, which no packet index can exceed.
    pub const MAX: Self = Self { srtp: 1 << 48, srtcp: 1 << 31 };

    /// Limits in packets. One signalled number (RFC 4568 section 6.1) counts for SRTP and SRTCP each, SRTCP's cut to 2^31.
    ///
    /// # Errors
    /// [`KeyError::Lifetime`] for 0 or more than 2^48 packets.
    pub fn signalled(packets: u64) -> Result<Self, KeyError> {
        if packets == 0 || packets > Self::MAX.srtp {
            return Err(KeyError::Lifetime);
        }
        Ok(Self { srtp: packets, srtcp: packets.min(Self::MAX.srtcp) })
    }

    /// SRTP packets.
    pub const fn srtp(self) -> u64 {
        self.srtp
    }

    /// SRTCP packets.
    pub const fn srtcp(self) -> u64 {
        self.srtcp
    }
}

/// How a packet tells which master key it is under (RFC 3711 section 8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySelector {
    /// The only key.
    Only,
    /// By the master key identifier that every packet carries.
    Mki(Box<[u8]>),
    /// By the packet's 48-bit index: both ends included. SRTCP uses the key that SRTP last used.
    FromTo(u64, u64),
}

/// A master key and salt, zeroised on drop, with what was signalled about them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    key: [u8; MAX_KEY_LEN],
    salt: [u8; MAX_SALT_LEN],
    #[zeroize(skip)]
    suite: Suite,
    #[zeroize(skip)]
    selector: KeySelector,
    #[zeroize(skip)]
    lifetime: Lifetime,
}

impl MasterKey {
    /// Takes key and salt as the suite wants them; the only key, for its longest lifetime.
    ///
    /// # Errors
    /// A [`KeyError`] that names the lengths expected and got.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, KeyError> {
        if key.len() != suite.key_len() {
            return Err(KeyError::KeyLength { suite, expected: suite.key_len(), got: key.len() });
        }
        if salt.len() != suite.salt_len() {
            return Err(KeyError::SaltLength { suite, expected: suite.salt_len(), got: salt.len() });
        }
        let mut this = Self {
            key: [0; MAX_KEY_LEN],
            salt: [0; MAX_SALT_LEN],
            suite,
            selector: KeySelector::Only,
            lifetime: Lifetime::MAX,
        };
        this.key[..key.len()].copy_from_slice(key);
        this.salt[..salt.len()].copy_from_slice(salt);
        Ok(this)
    }

    /// Gives the key a master key identifier, big-endian as on the wire.
    ///
    /// # Errors
    /// [`KeyError::MkiLength`] unless it has 1 to [`MAX_MKI_LEN`] bytes.
    pub fn with_mki(mut self, mki: &[u8]) -> Result<Self, KeyError> {
        if mki.is_empty() || mki.len() > MAX_MKI_LEN {
            return Err(KeyError::MkiLength(mki.len()));
        }
        self.selector = KeySelector::Mki(mki.into());
        Ok(self)
    }

    /// Limits the key to packets with an index from `from` to `to`, both included.
    ///
    /// # Errors
    /// [`KeyError::Range`] if the range is empty or beyond 48 bits.
    pub fn with_range(mut self, from: u64, to: u64) -> Result<Self, KeyError> {
        if from > to || to >= 1 << 48 {
            return Err(KeyError::Range);
        }
        self.selector = KeySelector::FromTo(from, to);
        Ok(self)
    }

    /// Sets how many packets the key may protect.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The suite the key was made for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key; a secret.
    pub fn key(&self) -> &[u8] {
        &self.key[..self.suite.key_len()]
    }

    /// The master salt; handled like a secret.
    pub fn salt(&self) -> &[u8] {
        &self.salt[..self.suite.salt_len()]
    }

    /// How packets tell that they are under this key.
    pub fn selector(&self) -> &KeySelector {
        &self.selector
    }

    /// The MKI; empty if there is none.
    pub fn mki(&self) -> &[u8] {
        match &self.selector {
            KeySelector::Mki(mki) => mki,
            KeySelector::Only | KeySelector::FromTo(..) => &[],
        }
    }

    /// How many packets the key may protect.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Whether key, salt and selector are those of `other`, in constant time for the secrets.
    pub fn same_as(&self, other: &Self) -> bool {
        let secrets = self.key.ct_eq(&other.key) & self.salt.ct_eq(&other.salt);
        bool::from(secrets)
            && (self.suite, &self.selector, self.lifetime) == (other.suite, &other.selector, other.lifetime)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("suite", &self.suite)
            .field("selector", &self.selector)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Session parameters that change what a packet looks like (RFC 4568 section 6.3). The default is RFC 3711's: everything
/// encrypted and authenticated, keys derived once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionParams {
    /// `UNENCRYPTED_SRTP`: RTP payloads stay clear.
    pub unencrypted_srtp: bool,
    /// `UNENCRYPTED_SRTCP`: RTCP stays clear.
    pub unencrypted_srtcp: bool,
    /// `UNAUTHENTICATED_SRTP`: SRTP carries no tag.
    pub unauthenticated_srtp: bool,
    /// `KDR`: session keys are derived anew every so many packets; 0 (never) or 2^0 to 2^24.
    pub key_derivation_rate: u64,
    /// Derive AES-192 session keys as libsrtp up to 2.5 does, not as RFC 6188 says. Off unless a peer needs it.
    pub libsrtp_aes192: bool,
}

impl SessionParams {
    /// Whether any parameter gives up protection.
    pub fn is_weak(self) -> bool {
        self.unencrypted_srtp || self.unencrypted_srtcp || self.unauthenticated_srtp
    }
}

/// The master keys of one direction, with suite and session parameters.
#[derive(Clone, Debug)]
pub struct KeySet {
    suite: Suite,
    keys: Vec<MasterKey>,
    params: SessionParams,
}

impl KeySet {
    /// One key without MKI under the default parameters.
    pub fn single(key: MasterKey) -> Self {
        Self { suite: key.suite, keys: vec![key], params: SessionParams::default() }
    }

    /// Several keys, in order of preference for sending.
    ///
    /// # Errors
    /// A [`KeyError`] if keys are of different suites or cannot be told apart, or parameters do not fit the suite.
    pub fn new(keys: Vec<MasterKey>, params: SessionParams) -> Result<Self, KeyError> {
        let count = keys.len();
        let Some(first) = keys.first() else { return Err(KeyError::KeyCount(0)) };
        if count > MAX_KEYS {
            return Err(KeyError::KeyCount(count));
        }
        let suite = first.suite;
        if let Some(other) = keys.iter().find(|k| k.suite != suite) {
            return Err(KeyError::KeyLength { suite, expected: suite.key_len(), got: other.suite.key_len() });
        }
        for (i, key) in keys.iter().enumerate() {
            for other in &keys[i + 1..] {
                match (&key.selector, &other.selector) {
                    (KeySelector::Mki(a), KeySelector::Mki(b)) if a.len() != b.len() => {
                        return Err(KeyError::MixedSelectors);
                    }
                    (KeySelector::Mki(a), KeySelector::Mki(b)) if a == b => {
                        return Err(KeyError::DuplicateMki);
                    }
                    (KeySelector::FromTo(a, b), KeySelector::FromTo(c, d)) if a <= d && c <= b => {
                        return Err(KeyError::Range);
                    }
                    (KeySelector::Mki(_), KeySelector::Mki(_))
                    | (KeySelector::FromTo(..), KeySelector::FromTo(..)) => {}
                    _ => return Err(KeyError::MixedSelectors),
                }
            }
        }
        let rate = params.key_derivation_rate;
        if rate != 0 && (!rate.is_power_of_two() || rate > 1 << 24) {
            return Err(KeyError::KeyDerivationRate(rate));
        }
        if suite.is_aead() && (params.unencrypted_srtp || params.unauthenticated_srtp) {
            return Err(KeyError::AeadParameter(suite));
        }
        Ok(Self { suite, keys, params })
    }

    /// The suite of every key.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The keys, in order of preference for sending.
    pub fn keys(&self) -> &[MasterKey] {
        &self.keys
    }

    /// The session parameters.
    pub fn params(&self) -> SessionParams {
        self.params
    }

    /// Bytes of the MKI in each packet, 0 if there is none.
    pub fn mki_len(&self) -> usize {
        self.keys.first().map_or(0, |key| key.mki().len())
    }

    /// Whether `other` holds the same keys under the same parameters, in constant time for the secrets.
    pub fn same_as(&self, other: &Self) -> bool {
        self.params == other.params
            && self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(|(a, b)| a.same_as(b))
    }
}
