//! DTLS-SRTP (RFC 5763, 5764, 6347, 8122, 8842), sans-IO: datagrams, the time and a source address go in; datagrams, a
//! deadline and [`Event`]s come out. DTLS 1.2 itself is the system's OpenSSL; nothing here knows sockets or threads.
//!
//! A [`Context`] holds what all calls share: [`Config`] and [`Identity`]. An [`Association`] is one handshake with one peer,
//! whose [`Fingerprints`] came through the signalling. Keys leave it only once the peer has shown a certificate that has one
//! of those fingerprints; without fingerprints no association can be made.
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use sealrtp_dtls::{Association, Config, Context, Event, Fingerprints, HashFunction, Identity, Role, Sha1};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (Identity::generate(SystemTime::now())?, Identity::generate(SystemTime::now())?);
//! let line = |who: &Identity| who.fingerprint(HashFunction::Sha256).map(|f| f.to_string());
//! let (of_alice, of_bob) = (line(&alice)?, line(&bob)?);
//! let known = |line: &str| Fingerprints::from_values([line], Sha1::Refused);
//!
//! let now = Instant::now();
//! let here = "127.0.0.1:4000".parse()?;
//! let mut client =
//!     Association::new(&Context::new(Config::default(), &alice)?, Role::Client, known(&of_bob)?, now)?;
//! let mut server =
//!     Association::new(&Context::new(Config::default(), &bob)?, Role::Server, known(&of_alice)?, now)?;
//! let (mut ours, mut theirs) = (None, None);
//! while ours.is_none() || theirs.is_none() {
//!     while let Some(out) = client.poll_transmit() {
//!         server.receive(&out.datagram, here, now);
//!     }
//!     while let Some(out) = server.poll_transmit() {
//!         client.receive(&out.datagram, here, now);
//!     }
//!     for (side, keys) in [(&mut client, &mut ours), (&mut server, &mut theirs)] {
//!         while let Some(event) = side.poll_event() {
//!             if let Event::Connected(connected) = event {
//!                 *keys = Some(connected);
//!             }
//!         }
//!     }
//! }
//! assert!(ours.unwrap().outbound.same_as(&theirs.unwrap().inbound));
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//! `now` must be the machine's monotonic clock, read when the call is made. OpenSSL keeps the retransmission timer of
//! RFC 6347 section 4.2.4 itself (1 s, doubling to 60 s), by the machine's own clock, and retransmits when it is run after
//! the timer has ended. An association runs its own deadline beside it and runs OpenSSL when that has passed; where OpenSSL
//! does not agree yet, it asks again a little later. So the deadline decides when OpenSSL is asked, and OpenSSL whether it
//! retransmits: a `now` that runs ahead of the machine's clock makes nothing happen sooner, and a step of the wall clock
//! delays or hastens one retransmission. Giving up ([`Config::timeout`]) goes by `now` alone.
//!
//! # Cookies and round trips
//! Both ends have keys two round trips after the ClientHello, the server half a round trip earlier. A cookie (RFC 6347 section
//! 4.2.1) puts one more in front. So a server asks only clients that are not where signalling said
//! ([`Association::expect_source`]), and everybody while [`MAX_UNPROVEN`] handshakes go on with clients that were not
//! asked ([`CookieExchange::UnknownSources`]). An association runs one handshake at a time whoever calls, so a flood costs
//! no more than the associations that wait for a peer do.
//!
//! # RTCP on a port of its own
//! RFC 5764 section 3 makes a second association for it. A [`Resumption`] lets a client resume the first one's session
//! there and spare both ends the certificates and signatures. Servers allow it always. For a client OpenSSL takes the session
//! only through a function that the `openssl` crate declares unsafe: its user brings that line ([`SetSession`]), or else
//! each handshake is a full one.
//!
//! # Memory
//! OpenSSL's state is released at the moment the keys are exported. What is kept is the handshake's last flight, at the end
//! that sent it, to answer a peer whose Finished comes again because that flight was lost, for [`REPEAT_FOR`] and at most
//! [`MAX_REPEATS`] times; and a close_notify alert made beforehand for [`Association::close`]. The price: a close_notify of
//! the peer that comes later can no longer be authenticated and is ignored; the end of a call is known from its signalling.
#![forbid(unsafe_code)]

mod admission;
mod association;
mod client_hello;
mod config;
mod context;
mod continuity;
mod cookie;
mod error;
mod event;
mod fingerprint;
mod handshake;
mod identity;
mod peer_check;
mod profile;
mod record;
mod resumption;
mod session_flags;
mod setup;
mod tls_id;
mod wire;

pub use association::{
    Association, Destination, MAX_REPEATS, MAX_TRANSMITS, REPEAT_FOR, Role, Taken, Transmit,
};
pub use config::{Config, CookieExchange, ExtendedMasterSecret, MAX_UNPROVEN, Verify};
pub use context::Context;
pub use continuity::{Continuity, Named, Terms};
pub use error::{ConfigError, Failure, IdentityError};
pub use event::{Alert, Connected, Direction, Event, HandshakeType, MAX_TRACES, Message, Trace, Why};
pub use fingerprint::{Fingerprint, FingerprintError, Fingerprints, HashFunction, MAX_FINGERPRINTS, Sha1};
pub use identity::Identity;
pub use profile::suite_of_profile;
pub use resumption::{MAX_SESSIONS, Resumption, SetSession};
pub use setup::{Connection, Setup, SetupError};
pub use tls_id::{TlsId, TlsIdError};
