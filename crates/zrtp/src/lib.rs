//! ZRTP (RFC 6189), sans-IO.
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
pub mod message;
mod negotiation;
pub mod packet;
mod retained;
mod sas;
mod secret;
mod stream;
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
