//! The security of one media stream, sans-IO: tells the datagrams of a media port apart (RFC 7983), runs the method that
//! gives keys, protects what is sent and opens what is received. No sockets, threads or clocks.
//!
//! A [`Session`] is in one of three [`State`]s: BYPASS passes clear media, BLOCK passes none, SECURE passes none that is
//! not secured. From the moment a key or a handshake is there, BYPASS does not come back.
//!
//! Keys come from outside, as with SDES ([`Session::set_inbound`], [`Session::set_outbound`]); or from DTLS-SRTP:
//! [`Session::dtls_use`], what offer and answer say, [`Session::dtls_start`], then datagrams both ways; or from ZRTP:
//! [`Session::zrtp_use`], [`Session::zrtp_start`], then datagrams both ways. ZRTP needs nothing of the signalling, so it may
//! begin while clear media passes, and the media goes over to SRTP without a gap: the peer's clear packets pass until its
//! first SRTP packet, and for [`CHANGEOVER`] after the keys at most.
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use sealrtp_dtls::{Config, Context, HashFunction, Identity, Setup, Sha1};
//! use sealrtp_session::{Component, Received, RtcpTransport, Session, State, WithoutKeys};
//! use sealrtp_srtp::Limits;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::now();
//! let here = "127.0.0.1:4000".parse()?;
//! let mut ends = Vec::new();
//! for _ in 0..2 {
//!     let identity = Identity::generate(SystemTime::now())?;
//!     let mut session = Session::new(Limits::default(), WithoutKeys::Block);
//!     session.dtls_use(Context::new(Config::default(), &identity)?, Setup::ActPass, Sha1::Refused);
//!     ends.push((session, identity.fingerprint(HashFunction::Sha256)?.to_string()));
//! }
//! let [(mut alice, of_alice), (mut bob, of_bob)] = ends.try_into().unwrap();
//!
//! // Alice offers, Bob answers.
//! bob.dtls_remote_setup(alice.dtls_local_setup()?)?;
//! bob.dtls_remote_fingerprint(&of_alice)?;
//! alice.dtls_remote_setup(bob.dtls_local_setup()?)?;
//! alice.dtls_remote_fingerprint(&of_bob)?;
//! alice.dtls_start(RtcpTransport::Muxed, false, now)?;
//! bob.dtls_start(RtcpTransport::Muxed, false, now)?;
//!
//! // What the sockets do.
//! while alice.state(Component::Rtp) != State::Secure || bob.state(Component::Rtp) != State::Secure {
//!     while let Some(mut out) = bob.poll_transmit() {
//!         alice.receive(out.component, &mut out.datagram, here, now);
//!     }
//!     while let Some(mut out) = alice.poll_transmit() {
//!         bob.receive(out.component, &mut out.datagram, here, now);
//!     }
//! }
//! let mut packet = [0u8; 200];
//! packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
//! let len = alice.protect_rtp(&mut packet, 12 + 160)?;
//! assert_eq!(bob.receive(Component::Rtp, &mut packet[..len], here, now), Received::Rtp(12 + 160));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod counters;
mod demux;
mod dtls;
mod event;
mod hold;
mod media;
mod negotiation;
pub mod passthrough;
mod session;
mod zrtp;

pub use counters::{Counters, DirectionStats};
pub use demux::Kind;
pub use dtls::{DtlsError, Started};
pub use event::{Event, Secured};
pub use hold::{MAX_HELD, MAX_HELD_BYTES};
pub use media::{Refusal, State, Way, WithoutKeys};
pub use session::{Component, Held, MAX_EVENTS, Received, RtcpTransport, Session, Transmit};
pub use zrtp::{CHANGEOVER, ZrtpError, ZrtpSecured};
