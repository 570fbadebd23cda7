//! Expanded session keys: on the instructions of the [`Path`] that this process chose, or by RustCrypto's crates.

use sealrtp_srtp_accel::{CmHmacSha1, Gcm, Path, TAG_LEN};
use subtle::ConstantTimeEq;

use super::gcm::{FULL_TAG_LEN, NONCE_LEN, PortableGcm};
use super::hmac::HmacSha1;
use super::kdf::Derived;
use super::stream_cipher::{PacketIv, StreamCipher};
use crate::suite::{CipherKind, Suite};

/// Expanded session keys; each zeroises itself on drop.
#[expect(
    clippy::large_enum_variant,
    reason = "keys of nearly every packet stand where the rest of its stream does"
)]
pub(crate) enum Kernel {
    /// AES_CM with HMAC-SHA1.
    Cm(CmHmacSha1),
    /// The AEAD suites.
    Gcm(Gcm),
    /// Suites with HMAC-SHA1 that no path has a kernel for, and all of them on [`Path::Portable`].
    PortableMac(Box<CipherThenMac>),
    /// The AEAD suites on [`Path::Portable`].
    PortableGcm(Box<PortableGcm>),
}

impl Kernel {
    /// `encrypted`, `authenticated`: what the session parameters and the suite leave of both.
    pub(crate) fn new(suite: Suite, encrypted: bool, authenticated: bool, derived: &Derived) -> Self {
        let (path, key) = (Path::chosen(), &derived.session.key[..suite.key_len()]);
        let accelerated = match suite.cipher() {
            CipherKind::AesCm if encrypted && authenticated => {
                CmHmacSha1::new(Path::chosen_for_cm(), key, &derived.auth).map(Self::Cm)
            }
            CipherKind::AesGcm => Gcm::new(path, key).map(Self::Gcm),
            CipherKind::AesCm | CipherKind::AesF8 | CipherKind::Null => None,
        };
        accelerated.unwrap_or_else(|| Self::portable(suite, encrypted, derived))
    }

    /// The same without instructions of a path.
    pub(super) fn portable(suite: Suite, encrypted: bool, derived: &Derived) -> Self {
        if suite.is_aead() {
            return Self::PortableGcm(Box::new(PortableGcm::new(&derived.session.key[..suite.key_len()])));
        }
        Self::PortableMac(Box::new(CipherThenMac {
            cipher: StreamCipher::new(suite, encrypted, &derived.session),
            mac: HmacSha1::new(&derived.auth),
        }))
    }
}

/// AES-GCM on any path.
pub(crate) trait Aead {
    /// Encrypts `buf[from..len]` and gives the tag, `buf[..from]` being the associated data.
    fn seal(&self, nonce: [u8; NONCE_LEN], buf: &mut [u8], from: usize, len: usize) -> [u8; FULL_TAG_LEN];
    /// Decrypts `packet[from..]` if `received` is the front of its tag; otherwise leaves it as it was and gives false.
    fn open(&self, nonce: [u8; NONCE_LEN], packet: &mut [u8], from: usize, received: &[u8]) -> bool;
}

impl Aead for Gcm {
    #[inline(always)]
    fn seal(&self, nonce: [u8; NONCE_LEN], buf: &mut [u8], from: usize, len: usize) -> [u8; FULL_TAG_LEN] {
        self.seal(nonce, buf, from, len)
    }

    #[inline(always)]
    fn open(&self, nonce: [u8; NONCE_LEN], packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        self.open(nonce, packet, from, received)
    }
}

/// A stream cipher and HMAC-SHA1, of RustCrypto's parts.
pub(crate) struct CipherThenMac {
    cipher: StreamCipher,
    mac: HmacSha1,
}

impl CipherThenMac {
    /// Encrypts `buf[from..]` and gives the tag over `buf || suffix`.
    pub(crate) fn seal(&self, iv: PacketIv, buf: &mut [u8], from: usize, suffix: [u8; 4]) -> [u8; TAG_LEN] {
        self.cipher.apply(iv, &mut buf[from..]);
        self.mac.tag(buf, suffix)
    }

    /// Encrypts or decrypts what nothing authenticates.
    pub(crate) fn apply(&self, iv: PacketIv, payload: &mut [u8]) {
        self.cipher.apply(iv, payload);
    }

    /// Decrypts `packet[from..]` if `received` is the front of the tag over `packet || suffix`; otherwise changes nothing
    /// and gives false.
    pub(crate) fn open(
        &self,
        iv: PacketIv,
        packet: &mut [u8],
        from: usize,
        suffix: [u8; 4],
        received: &[u8],
    ) -> bool {
        let authentic = bool::from(self.mac.tag(packet, suffix)[..received.len()].ct_eq(received));
        if authentic {
            self.cipher.apply(iv, &mut packet[from..]);
        }
        authentic
    }
}
