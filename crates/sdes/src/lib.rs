//! SDP security descriptions (RFC 4568): the `a=crypto` grammar, and who ends up with which key.
//!
//! [`CryptoAttribute`] reads and writes one attribute; [`Negotiator`] runs offer and answer for one m-line. Sans-IO: text
//! goes in, text and [`KeySet`](sealrtp_srtp::KeySet)s come out. The only outside thing touched is the system's random
//! generator, for keys of our own.
//!
//! Everything read is bounded: [`MAX_LINE_LEN`], [`MAX_LINES`], [`MAX_PARAMETERS`] and
//! [`MAX_KEYS`](sealrtp_srtp::MAX_KEYS). An error names the tag and the reason and never repeats key material; keys are
//! zeroised on drop and compared in constant time.
//!
//! ```
//! use sealrtp_sdes::{Config, Negotiator, Outcome};
//! use sealrtp_srtp::Suite;
//!
//! let config = Config { suites: vec![Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80], ..Config::default() };
//! let mut alice = Negotiator::new(config.clone())?;
//! let mut bob = Negotiator::new(config)?;
//!
//! let offer: Vec<_> = alice.offer()?.iter().map(|line| line.to_value()).collect();
//! assert!(matches!(bob.remote_all(offer.iter().map(|v| v.as_str()))?, Outcome::KeysChanged { .. }));
//! let answer = bob.answer().unwrap().to_value();
//! assert!(answer.starts_with("1 AEAD_AES_256_GCM inline:"));
//! let Outcome::KeysChanged { inbound, outbound, .. } = alice.remote_line(&answer)? else { unreachable!() };
//! assert!(inbound.same_as(&bob.outbound().unwrap()));
//! assert!(outbound.same_as(&bob.inbound().unwrap()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rollover counter at a re-key
//! SDES does not signal the ROC: each SSRC starts with ROC 0 (RFC 4568 section 6.4). A new master key alone does not
//! change that count: RFC 3711 section 3.3.1 has it go on. But whoever changes its transport address in an offer or answer
//! must bring a new key and starts a new crypto context with ROC 0 (RFC 4568 section 7.1.4), since the media may have moved
//! to another device; and many implementations start anew whenever a key changes. This crate hands out keys only; what
//! receives with new ones should therefore go on with its ROC and, where that does not authenticate, try 0.

#![forbid(unsafe_code)]

mod attribute;
mod base64;
mod config;
mod error;
mod mki;
mod negotiator;
mod parameter;

pub use attribute::{CryptoAttribute, FecOrder, MAX_LINE_LEN, MAX_LOCAL_LEN, MAX_PARAMETERS};
pub use config::{Config, ConfigError};
pub use error::{LineError, NegotiationError, PeerWord, Reason};
pub use negotiator::{MAX_LINES, Negotiator, Outcome};
pub use parameter::SessionParameter;
