//! `a=fingerprint` (RFC 8122 section 5).

use std::fmt;
use std::str::FromStr;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::X509Ref;

/// Most `a=fingerprint` lines read.
pub const MAX_FINGERPRINTS: usize = 32;

const MAX_DIGEST: usize = 64;

/// A hash function of RFC 8122 section 5 that can be used, weakest first. MD2 and MD5 are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
    /// `sha-1`: only where the configuration allows it.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    /// Every one, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    const fn row(self) -> (&'static str, usize) {
        match self {
            Self::Sha1 => ("sha-1", 20),
            Self::Sha224 => ("sha-224", 28),
            Self::Sha256 => ("sha-256", 32),
            Self::Sha384 => ("sha-384", 48),
            Self::Sha512 => ("sha-512", 64),
        }
    }

    /// The name in SDP.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Bytes of a digest.
    pub const fn digest_len(self) -> usize {
        self.row().1
    }

    /// Finds one by its name, in any letter case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    fn openssl(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

impl fmt::Display for HashFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether fingerprints by SHA-1 count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha1 {
    /// They are passed over like those of unknown hash functions.
    Refused,
    /// They are used where the peer gives nothing stronger.
    Allowed,
}

/// Why `a=fingerprint` lines cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not `<hash function> <hex bytes with colons>`.
    #[error("a fingerprint is a hash function, a space and hex bytes with colons between them")]
    Syntax,
    /// The hash function is not one of [`HashFunction`].
    #[error("a fingerprint's hash function is not one of sha-1, sha-224, sha-256, sha-384, sha-512")]
    UnknownHash,
    /// The digest's length does not fit its hash function.
    #[error("a {hash} fingerprint has {} bytes, got {got}", hash.digest_len())]
    Length {
        /// The hash function named.
        hash: HashFunction,
        /// Bytes given.
        got: usize,
    },
    /// More than [`MAX_FINGERPRINTS`] lines.
    #[error("more than {MAX_FINGERPRINTS} fingerprints")]
    TooMany,
    /// No line has a hash function that may be used.
    #[error("no fingerprint of the peer's certificate by a hash function that may be used")]
    None,
}

/// The digest of a certificate's DER form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: HashFunction,
    digest: [u8; MAX_DIGEST],
}

impl Fingerprint {
    /// Of a certificate.
    pub(crate) fn of(certificate: &X509Ref, hash: HashFunction) -> Result<Self, ErrorStack> {
        let bytes = certificate.digest(hash.openssl())?;
        let mut digest = [0; MAX_DIGEST];
        digest[..bytes.len()].copy_from_slice(&bytes);
        Ok(Self { hash, digest })
    }

    /// The hash function.
    pub fn hash(&self) -> HashFunction {
        self.hash
    }

    /// The digest, as many bytes as the hash function gives.
    pub fn digest(&self) -> &[u8] {
        &self.digest[..self.hash.digest_len()]
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads the value of one attribute, e.g. `sha-256 4A:AD:...`, in any letter case.
    fn from_str(value: &str) -> Result<Self, FingerprintError> {
        let (name, hex) =
            value.trim_matches([' ', '\r', '\n']).split_once(' ').ok_or(FingerprintError::Syntax)?;
        let hash = HashFunction::from_name(name).ok_or(FingerprintError::UnknownHash)?;
        let mut digest = [0; MAX_DIGEST];
        let mut got = 0;
        for pair in hex.trim_start_matches(' ').split(':') {
            let two = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            let byte = u8::from_str_radix(pair, 16).ok().filter(|_| two).ok_or(FingerprintError::Syntax)?;
            if let Some(slot) = digest.get_mut(got) {
                *slot = byte;
            }
            got += 1;
        }
        if got != hash.digest_len() {
            return Err(FingerprintError::Length { hash, got });
        }
        Ok(Self { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    /// The value of the attribute, hex in upper case as RFC 8122 section 5 has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        let mut before = ' ';
        for byte in self.digest() {
            write!(f, "{before}{byte:02X}")?;
            before = ':';
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The fingerprints that decide about a peer: at least one, all by the strongest hash function that the peer gave and that
/// may be used (RFC 8122 section 5). Weaker ones beside it do not count, so they cannot be used to get around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints(Vec<Fingerprint>);

impl Fingerprints {
    /// Reads the values of all `a=fingerprint` lines that hold for an m-line. Unknown hash functions are passed over.
    ///
    /// # Errors
    /// A [`FingerprintError`]: a malformed line, too many lines, or none that may be used.
    pub fn from_values<'a>(
        values: impl IntoIterator<Item = &'a str>,
        sha1: Sha1,
    ) -> Result<Self, FingerprintError> {
        let mut all = Vec::new();
        for (i, value) in values.into_iter().enumerate() {
            if i == MAX_FINGERPRINTS {
                return Err(FingerprintError::TooMany);
            }
            match value.parse::<Fingerprint>() {
                Ok(one) if one.hash == HashFunction::Sha1 && sha1 == Sha1::Refused => {}
                Ok(one) => all.push(one),
                Err(FingerprintError::UnknownHash) => {}
                Err(error) => return Err(error),
            }
        }
        let strongest = all.iter().map(|one| one.hash).max().ok_or(FingerprintError::None)?;
        all.retain(|one| one.hash == strongest);
        Ok(Self(all))
    }

    /// The hash function of all of them.
    pub fn hash(&self) -> HashFunction {
        self.0.first().map_or(HashFunction::Sha512, |one| one.hash)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.iter()
    }

    pub(crate) fn as_slice(&self) -> &[Fingerprint] {
        &self.0
    }

    /// Whether `seen` is one of them.
    pub fn contains(&self, seen: &Fingerprint) -> bool {
        self.0.contains(seen)
    }
}

impl fmt::Display for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
