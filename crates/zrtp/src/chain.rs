//! The hash chain that tells false packets from true ones (RFC 6189 section 9).

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::{random, sha256};

/// H0 to H3 of this end.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct HashChain {
    pub(crate) h0: [u8; 32],
    pub(crate) h1: [u8; 32],
    pub(crate) h2: [u8; 32],
    pub(crate) h3: [u8; 32],
}

impl HashChain {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self::from_h0(random()?))
    }

    /// The images of a beginning, ours or one that a Confirm told.
    pub(crate) fn from_h0(h0: [u8; 32]) -> Self {
        let h1 = sha256(&h0);
        let h2 = sha256(&h1);
        let h3 = sha256(&h2);
        Self { h0, h1, h2, h3 }
    }
}
