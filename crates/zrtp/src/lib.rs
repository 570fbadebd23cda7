//! ZRTP (RFC 6189), sans-IO.
#![forbid(unsafe_code)]

pub mod message;
pub mod packet;
