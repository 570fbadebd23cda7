//! Offer and answer (RFC 3264) of one call with one peer, with media security in it: SDES, DTLS-SRTP and ZRTP, by policy.
//!
//! The way of a description: the peer's text goes into [`OfferAnswer::remote`], which decides by policy and gives the text for
//! a PBX that knows of no security. The PBX's own text goes into [`OfferAnswer::local`]; each of its lines is then
//! [described](OfferAnswer::describe) with the [`Session`](sealrtp_session::Session) of its stream, and
//! [`OfferAnswer::write`] gives the text for the peer. When a line is agreed on, [`OfferAnswer::apply`] puts its keys, or what
//! the handshake needs, into the session.
//!
//! Sans-IO: text and sessions come from the caller, who also knows the sockets. Keys are in the texts and in sessions, never in
//! [`OfferAnswer::explain`], in errors or in `Debug`.

#![forbid(unsafe_code)]

mod error;
mod exchange;
mod explanation;
mod handshake;
mod line;
mod offer_answer;

pub use error::Refusal;
pub use exchange::Message;
pub use handshake::dtls_config;
pub use offer_answer::{Applied, Local, Means, OfferAnswer, Plan, Remote};
