//! libsrtp behind a small safe interface: an independent peer for the tests and the bench.
//!
//! Two builds live in one process. [`Library::openssl`] is linked in: the source that the crate `srtp2-sys` carries, on
//! OpenSSL. [`Library::debian`] is the `libsrtp2.so.1` of Debian's `libsrtp2-1`, on NSS, loaded when the program runs.
//!
//! This crate knows nothing of `sealrtp-srtp`, on purpose: its suite table is libsrtp's view, so that a mistake in ours shows.

mod library;
mod session;
mod suite;

pub use library::{Absent, Library};
pub use session::{Error, Key, Policy, Session, Ssrc};
pub use suite::Suite;
