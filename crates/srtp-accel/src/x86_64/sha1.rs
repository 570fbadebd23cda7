//! What the kernels need of SHA-1 (FIPS 180-4), whichever instructions it is on.

use std::arch::x86_64::*;

use super::load;
use crate::BLOCK;
use crate::cm::TAG_LEN;

/// Bytes of a SHA-1 block.
pub(crate) const SHA_BLOCK: usize = 64;
/// Registers of a SHA-1 block.
pub(crate) const LANES: usize = SHA_BLOCK / BLOCK;

/// A state of SHA-1.
pub(crate) trait Sha1: Copy {
    /// A state from what [`save`](Self::save) gave, or SHA-1's initial state. These are the only ways to a value, so that the
    /// other functions are safe.
    ///
    /// # Safety
    /// The processor has the instructions of the implementation.
    unsafe fn load(saved: Option<&[u32; 5]>) -> Self;

    /// The words of the state, in the order in which they are loaded fastest.
    fn save(self) -> [u32; 5];

    /// Hashes a block, its bytes in their order.
    fn add(&mut self, lanes: [__m128i; LANES]);

    /// Hashes the only block of HMAC's outer hash: `inner` as message, padded as the 84 bytes that it ends.
    fn add_digest(&mut self, inner: Self);

    /// The digest: the words' bytes, big-endian.
    fn digest(self) -> [u8; TAG_LEN];
}

/// The four registers of a block.
#[inline(always)]
pub(crate) fn lanes(block: &[u8; SHA_BLOCK]) -> [__m128i; LANES] {
    let (lanes, _) = block.as_chunks::<BLOCK>();
    std::array::from_fn(|i| load(&lanes[i]))
}
