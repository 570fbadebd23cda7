//! A secret of 256 bits, and how it is compared.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret of 32 bytes that two end points keep: rs1, rs2, auxsecret, pbxsecret. Zeroised on drop, compared in constant
/// time, without its bytes in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes: for a cache to write down.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// ExportedKey of RFC 6189 section 4.5.2: 32 or 48 bytes, as long as the hash. Zeroised on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ExportedKey(pub(crate) crate::crypto::Digested);

impl ExportedKey {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ExportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportedKey(..)")
    }
}
