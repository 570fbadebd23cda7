//! What an administrator configures: the keys and values of `sealrtp.conf` as types and back as text ([`Config`]), and its
//! sections for end points and policies ([`Policies`]).
//!
//! One vocabulary serves every PBX. [`Config::set`] takes a key and its value as they stand in the file; what it refuses it
//! says with the key, the value given and the value expected. Weak choices are taken only where they are named, and come
//! with a [`Warning`].
//!
//! ```
//! use sealrtp_policy::Config;
//! use sealrtp_srtp::Suite;
//!
//! let mut config = Config::default();
//! assert_eq!(config.set("suites", "AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80")?, None);
//! assert_eq!(config.suites(), [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80]);
//!
//! let warning = config.set("session_parameters", "UNENCRYPTED_SRTCP")?.unwrap();
//! assert_eq!(warning.to_string(), "session_parameters: UNENCRYPTED_SRTCP gives up encryption or authentication");
//!
//! let error = config.set("replay_window", "7").unwrap_err();
//! assert_eq!(error.to_string(), "replay_window = 7: expected a number of packets from 64 to 32768");
//! # Ok::<(), sealrtp_policy::ConfigError>(())
//! ```

#![forbid(unsafe_code)]

mod config;
mod decision;
mod error;
mod failure;
mod key;
mod origin;
mod policies;
mod rules;
mod value;

pub use config::{Config, Dtls};
pub use decision::{Carried, Decision, Offer, PolicyRefusal, Security, Signalling, Taken};
pub use error::{ConfigError, Fault, FaultKind, Warning};
pub use failure::{Consequence, Failure};
pub use key::{Key, Scope};
pub use origin::Place;
pub use policies::{Builder, GENERAL, MAX_DEPTH, MAX_NAME, MAX_SECTIONS, MAX_VALUE, Policies};
pub use rules::{Fallback, Method, OnFailure, Recording, SdesSignalling, ZrtpMode, ZrtpRule};
