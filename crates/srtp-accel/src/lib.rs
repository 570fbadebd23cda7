//! AES in counter mode with HMAC-SHA1 on the processor's own instructions: the packet path of the AES_CM suites of SRTP.
//!
//! SHA-1 is a chain in which each step waits for the last, so that most of the processor idles: encryption of the bytes
//! that come next runs in that time. Where the instructions are missing (x86-64 without AES-NI, SHA-NI and SSE4.1, or
//! another processor) [`CmHmacSha1::new`] gives nothing and the caller goes its own, portable way. Every result is held
//! against RustCrypto's byte for byte in the tests.
//!
//! This is the one crate of SealRTP with processor intrinsics. Nothing in it branches on, or indexes by, keys or data.

#[cfg(target_arch = "x86_64")]
mod aes_ni;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub use x86_64::CmHmacSha1;

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(not(target_arch = "x86_64"))]
pub use absent::CmHmacSha1;

/// Bytes of an AES block and of a counter.
pub const BLOCK: usize = 16;
/// Bytes of an authentication key (RFC 3711 section 8.2).
pub const AUTH_KEY_LEN: usize = 20;
/// Bytes of an uncut HMAC-SHA1 tag.
pub const TAG_LEN: usize = 20;
