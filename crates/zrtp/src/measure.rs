//! The dear parts of an exchange one by one, for who measures what each costs (feature `measure`). Nothing here serves a call.

use crate::agreement;
use crate::algorithm::{Cipher, Hash, KeyAgreement};
use crate::derive::Context;
use crate::message::Zid;
use crate::retained::Shared;

/// A secret and a public value of Diffie-Hellman.
pub struct KeyPair(agreement::KeyPair);

impl KeyPair {
    /// As an exchange makes one.
    ///
    /// # Errors
    /// What went wrong, as text; always for a mode without Diffie-Hellman.
    pub fn generate(agreement: KeyAgreement, cipher: Cipher) -> Result<Self, String> {
        agreement::KeyPair::generate(agreement, cipher).map(Self).map_err(|error| error.to_string())
    }

    /// The public value.
    pub fn public(&self) -> &[u8] {
        self.0.public()
    }

    /// Checks the peer's public value and makes the shared secret, which stays here.
    ///
    /// # Errors
    /// What went wrong, as text.
    pub fn agree(&self, peer: &[u8]) -> Result<(), String> {
        self.0.shared_secret(peer).map(drop).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({:?})", self.0.agreement())
    }
}

/// Derives s0 and everything that an end derives from it, of a result of Diffie-Hellman of `len` bytes.
pub fn derive(hash: Hash, cipher: Cipher, len: usize) {
    let total_hash = hash.digest(&[&[0; 64]]);
    let context = Context { hash, cipher, zid_i: Zid([1; 12]), zid_r: Zid([2; 12]), total_hash };
    let s0 = context.s0_dh(&vec![0x5a; len], &Shared::default());
    std::hint::black_box((context.stream_keys(&s0), context.session_keys(&s0)));
}
