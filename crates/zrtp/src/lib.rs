//! ZRTP (RFC 6189), sans-IO: datagrams and the time go in; datagrams, a deadline and [`Event`]s come out. Two end points
//! agree on SRTP keys in the media path, and get a short string that two people compare.
//!
//! An [`Association`] is one call: [`Config`], our [`Zid`](message::Zid), and a [`Cache`] of what earlier calls left behind. It
//! makes a [`Stream`] for each media stream. The first one runs Diffie-Hellman; the others get keys from its session by
//! Multistream mode and wait for it.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Instant, SystemTime};
//! use sealrtp_zrtp::message::Zid;
//! use sealrtp_zrtp::{Association, Config, Event, MemoryCache, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::now();
//! let cache = || Arc::new(MemoryCache::new(SystemTime::now));
//! let alice = Association::new(Arc::new(Config::default()), Zid([1; 12]), Some(cache()))?;
//! let bob = Association::new(Arc::new(Config::default()), Zid([2; 12]), Some(cache()))?;
//! let mut ends = [Stream::new(&alice, 0xa11ce, now)?, Stream::new(&bob, 0xb0b, now)?];
//!
//! // What an offer and an answer carry: Hellos of others are refused.
//! let hashes = [ends[0].hello_hash().to_string(), ends[1].hello_hash().to_string()];
//! ends[0].set_peer_hello_hash(&hashes[1].parse()?);
//! ends[1].set_peer_hello_hash(&hashes[0].parse()?);
//!
//! let mut sas = vec![];
//! ends.iter_mut().for_each(|end| end.start(now));
//! while sas.len() < 2 {
//!     for end in 0..2 {
//!         while let Some(datagram) = ends[end].poll_transmit() {
//!             ends[1 - end].receive(&datagram, now);
//!         }
//!         while let Some(event) = ends[end].poll_event() {
//!             if let Event::Secured(secured) = event {
//!                 sas.push(secured.sas.to_string()); // and secured.inbound, secured.outbound
//!             }
//!         }
//!     }
//! }
//! assert_eq!(sas[0], sas[1]);
//! # Ok(())
//! # }
//! ```
//!
//! # Who may end what
//! A message is used if the hash chain of the peer's Hello leads to it, and its MAC is checked as soon as the next message
//! brings the key. What does not pass is told as [`Alert`] and ends nothing: an exchange that goes wrong ends by its
//! time-outs, and [`Failure`] then says what was seen. An Error message has no MAC and ends nothing either. A public value that
//! gives the key away, in the chain, ends the exchange at once.
//!
//! The hash chain does not help against who listens and is faster than the peer with a Commit or a DHPart1 of his own; nor, where
//! the signalling brought no `a=zrtp-hash`, against Hellos sent before the peer's. Both can keep two ends from agreeing; neither
//! can make them agree on something else unnoticed. Work is bounded: few answers to what anybody can send, and at most four
//! answers to Commits with Diffie-Hellman in the life of a stream, since each is a guess at the SAS for who abandons it.
//!
//! # Time
//! The RFC's timers: Hello after 50 ms, doubling to 200, 20 times, and for 12 s where the peer is known to do ZRTP; the rest after
//! 150 ms, doubling to 1200, 10 times. A Confirm2 goes on for 71 s: the responder is secure already, and is so alone at most that
//! long, and only where nothing comes through. After the last Hello a stream still listens, and begins again when a Hello
//! comes. A Commit that stays unanswered takes our Hello along, in case a forged HelloACK has kept it from the peer.
#![forbid(unsafe_code)]

mod agreement;
pub mod algorithm;
mod association;
mod cache;
mod chain;
mod config;
mod crypto;
mod derive;
mod event;
mod hello_hash;
#[cfg(feature = "measure")]
pub mod measure;
pub mod message;
mod negotiation;
pub mod packet;
mod retained;
mod sas;
mod secret;
mod stream;
pub mod trace;
mod words;

pub use association::Association;
pub use cache::{Cache, CacheError, Entry, MemoryCache};
pub use config::{Config, ConfigError, Timer};
pub use event::{Alert, Continuity, Event, Failure, MAX_ALERTS, Secured};
pub use hello_hash::{HelloHash, HelloHashError};
pub use negotiation::Terms;
pub use retained::Role;
pub use sas::Sas;
pub use secret::{ExportedKey, Secret};
pub use stream::{Received, Stream, StreamState};
