//! SRTP and SRTCP packet transforms (RFC 3711, 6188, 7714): sans-IO, in place.
#![forbid(unsafe_code)]

mod crypto;
mod header;
mod keys;
mod suite;
#[cfg(test)]
mod test_util;

pub use keys::{
    KeyError, KeySelector, KeySet, Lifetime, MAX_KEY_LEN, MAX_KEYS, MAX_MKI_LEN, MAX_SALT_LEN, MasterKey, SessionParams,
};
pub use suite::Suite;
