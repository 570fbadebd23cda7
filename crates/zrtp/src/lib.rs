//! ZRTP (RFC 6189), sans-IO.
#![forbid(unsafe_code)]

#[allow(dead_code)] // for the state machine
mod agreement;
pub mod algorithm;
#[allow(dead_code)] // for the state machine
mod chain;
#[allow(dead_code)] // for the state machine
mod crypto;
#[allow(dead_code)] // for the state machine
mod derive;
pub mod message;
pub mod packet;
#[allow(dead_code)] // for the state machine
mod retained;
mod sas;
mod secret;
mod words;

pub use retained::Role;
pub use sas::Sas;
pub use secret::Secret;
