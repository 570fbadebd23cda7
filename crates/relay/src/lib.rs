//! The media relay: for each stream of a call two pairs of UDP sockets, the outer ones towards the peer, the inner ones on
//! loopback towards the PBX, and a [`Session`](sealrtp_session::Session) in between. The PBX speaks clear RTP and RTCP and
//! never learns the peer's address, so it cannot send the peer anything clear.
//!
//! ```text
//! peer <- SRTP, SRTCP, DTLS, ZRTP -> outer sockets [ session ] inner sockets <- RTP, RTCP -> PBX
//! ```
//!
//! A small pool of threads serves all streams; each stream belongs to one thread, which waits with epoll. No packet of media
//! makes it allocate. A stream is guarded by a lock that its thread takes once a datagram; others take it only
//! with a call of [`Stream`]'s, so a packet hardly ever waits.
//!
//! **Where datagrams go.** To the PBX: where [`Stream::set_pbx`] says, and only what comes from there is taken. To the peer:
//! where its description says ([`Stream::set_peer`]), until a packet authenticates or a DTLS handshake ends that came from
//! elsewhere: from then on there. Clear media, where the policy lets it pass, goes to the described address alone and moves
//! none. Handshakes are answered to where they come from.
//!
//! ```
//! use std::sync::Arc;
//! use sealrtp_relay::{Observer, Relay, Sockets};
//! use sealrtp_session::{Event, Session, WithoutKeys};
//! use sealrtp_srtp::Limits;
//!
//! struct Log;
//! impl Observer for Log {
//!     fn event(&self, event: Event) {
//!         println!("{event}");
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let relay = Relay::start(1)?;
//! let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap(), "127.0.0.1".parse().unwrap())?;
//! let session = Session::new(Limits::default(), WithoutKeys::Block);
//! let stream = relay.open(sockets, session, Arc::new(Log))?;
//! stream.set_pbx([Some("127.0.0.1:16384".parse().unwrap()), Some("127.0.0.1:16385".parse().unwrap())]);
//! println!("m=audio {} RTP/SAVP 0", stream.peer_port());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod addresses;
mod counters;
mod early;
mod epoll;
mod media;
mod relay;
mod sockets;
mod stream;
mod worker;

pub use counters::{Counters, Dropped, Flow};
pub use relay::{MAX_THREADS, Relay};
pub use sockets::{Sockets, bind_pair};
pub use stream::{Observer, Stream};
