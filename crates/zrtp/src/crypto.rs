//! The negotiated hash with its MAC and KDF (RFC 6189 sections 4.5.1, 5.1.2), the implicit ones, and CFB.

use aes::{Aes128, Aes192, Aes256};
use cfb_mode::cipher::{AsyncStreamCipher, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::algorithm::{Cipher, Hash};
use crate::message::{MAC_LEN, split_mac};

/// Bytes of the longest hash.
pub(crate) const MAX_HASH: usize = 48;

/// The output of a hash, a MAC or the KDF: up to 48 bytes, zeroised on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Digested {
    bytes: [u8; MAX_HASH],
    len: u8,
}

impl Digested {
    fn new(output: &[u8]) -> Self {
        let mut bytes = [0; MAX_HASH];
        bytes[..output.len()].copy_from_slice(output);
        Self { bytes, len: output.len() as u8 }
    }

    /// Leftmost bytes.
    pub(crate) fn cut(mut self, len: usize) -> Self {
        self.len = self.len.min(len as u8);
        self
    }

    /// Leftmost bytes, as many as the array has.
    pub(crate) fn first<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[..N]);
        out
    }
}

impl std::ops::Deref for Digested {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Hash {
    /// The hash of all parts one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Digested {
        fn run<D: Digest>(parts: &[&[u8]]) -> Digested {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            let mut output = digest.finalize();
            let digested = Digested::new(&output);
            output.as_mut_slice().zeroize();
            digested
        }
        match self {
            Self::S256 => run::<Sha256>(parts),
            Self::S384 => run::<Sha384>(parts),
        }
    }

    /// The HMAC of all parts one after the other, whole.
    pub(crate) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Digested {
        // Not a generic function: HMAC's bounds fill pages.
        macro_rules! run {
            ($hash:ty) => {{
                let mut mac =
                    <Hmac<$hash> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
                parts.iter().for_each(|part| mac.update(part));
                let mut output = mac.finalize().into_bytes();
                let digested = Digested::new(&output);
                output.as_mut_slice().zeroize();
                digested
            }};
        }
        match self {
            Self::S256 => run!(Sha256),
            Self::S384 => run!(Sha384),
        }
    }

    /// The HMAC cut to 64 bits.
    pub(crate) fn short_mac(self, key: &[u8], parts: &[&[u8]]) -> [u8; MAC_LEN] {
        self.mac(key, parts).first()
    }

    /// Whether a MAC of 64 bits is right, in constant time.
    pub(crate) fn verify(self, key: &[u8], parts: &[&[u8]], mac: &[u8; MAC_LEN]) -> bool {
        self.short_mac(key, parts).ct_eq(mac).into()
    }

    /// KDF of section 4.5.1; `len` in bytes, at most the hash's.
    pub(crate) fn kdf(self, key: &[u8], label: &str, context: &[&[u8]], len: usize) -> Digested {
        let bits = (len as u32 * 8).to_be_bytes();
        let counter = 1u32.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&counter, label.as_bytes(), &[0]];
        parts.extend_from_slice(context);
        parts.push(&bits);
        self.mac(key, &parts).cut(len)
    }
}

/// The implicit hash of section 5.1.2.1.
pub(crate) const IMPLICIT: Hash = Hash::S256;

/// SHA-256, the implicit hash.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    IMPLICIT.digest(&[bytes]).first()
}

/// Writes the MAC that ends a Hello, Commit or DHPart, made with a hash image as key.
pub(crate) fn sign(key: &[u8; 32], message: &mut [u8]) {
    if let Some((covered, _)) = split_mac(message) {
        let mac = IMPLICIT.short_mac(key, &[covered]);
        let at = message.len() - MAC_LEN;
        message[at..].copy_from_slice(&mac);
    }
}

/// Whether the MAC that ends a Hello, Commit or DHPart was made with this hash image.
pub(crate) fn signed_by(key: &[u8; 32], message: &[u8]) -> bool {
    split_mac(message).is_some_and(|(covered, mac)| IMPLICIT.verify(key, &[covered], mac))
}

/// Why a cipher was not run: a key of another length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyLength;

impl Cipher {
    /// CFB with a feedback of 128 bits, section 5.7.
    pub(crate) fn encrypt(self, key: &[u8], iv: &[u8; 16], bytes: &mut [u8]) -> Result<(), KeyLength> {
        macro_rules! run {
            ($aes:ty) => {
                cfb_mode::Encryptor::<$aes>::new_from_slices(key, iv).map_err(|_| KeyLength)?.encrypt(bytes)
            };
        }
        match self {
            Self::Aes1 => run!(Aes128),
            Self::Aes2 => run!(Aes192),
            Self::Aes3 => run!(Aes256),
        }
        Ok(())
    }

    /// The inverse.
    pub(crate) fn decrypt(self, key: &[u8], iv: &[u8; 16], bytes: &mut [u8]) -> Result<(), KeyLength> {
        macro_rules! run {
            ($aes:ty) => {
                cfb_mode::Decryptor::<$aes>::new_from_slices(key, iv).map_err(|_| KeyLength)?.decrypt(bytes)
            };
        }
        match self {
            Self::Aes1 => run!(Aes128),
            Self::Aes2 => run!(Aes192),
            Self::Aes3 => run!(Aes256),
        }
        Ok(())
    }
}

/// Fills with the system's random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
