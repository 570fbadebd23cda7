//! The packet path of SRTP on the processor's own instructions.
//!
//! SHA-1 is a chain in which each step waits for the last, so that most of the processor idles: encryption of the bytes
//! that come next runs in that time. Where a [`Path`] has no kernel for a suite, [`CmHmacSha1::new`] gives nothing and
//! the caller goes its own, portable way. Every result is held against RustCrypto's byte for byte in the tests.
//!
//! This is the one crate of SealRTP with processor intrinsics. Nothing in it branches on, or indexes by, keys or data.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod cm;
mod gcm;
mod path;
mod prefetch;
mod round_keys;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use cm::{AUTH_KEY_LEN, CmHmacSha1, CmOpen, CmSeal, TAG_LEN};
pub use gcm::{GCM_NONCE_LEN, GCM_TAG_LEN, Gcm};
pub use path::{PATH_VARIABLE, Path, PathError};
pub use prefetch::{prefetch, prefetch_lines};

/// Bytes of an AES block and of a counter.
pub const BLOCK: usize = 16;
