//! One leg of a call between a PBX and a peer, whose media a [relay](sealrtp_relay) carries: both sides' descriptions in and out,
//! ports, a stream for each RTP m-line, and the handshakes on it.
//!
//! ```text
//! peer <- a=crypto, a=fingerprint, a=zrtp-hash, outer ports -> [ Leg ] <- RTP/AVP, loopback ports -> PBX
//! ```
//!
//! The peer's description goes into [`Leg::remote`], which gives the one for the PBX: clear RTP at the relay's inner ports. The
//! PBX's own goes into [`Leg::local`], which gives the one for the peer: profile and keys by policy, the relay's outer ports. What
//! is an offer and what an answer, and what is taken, [`sealrtp_offer_answer`] decides. When an offer is answered, of whichever
//! side, the streams get their addresses, keys are put into their sessions, and DTLS or ZRTP begins.
//!
//! **When clear media passes.** A stream is there from the first description on that names its line. Of an offer of the peer's it
//! is in BLOCK until our answer says what was decided; of an offer of ours it is in BLOCK where policy demands security, and
//! otherwise what RFC 8643 calls opportunistic. A refusal changes nothing that was agreed on, and a line whose security has failed
//! stays silent, whatever later descriptions say.
//!
//! **What is taken out.** The relay does no ICE and no BUNDLE: both go from both texts. Lines that are not RTP over UDP, such as
//! T.38's, are not relayed: they are left alone where clear media may pass, and declined where it may not.
//!
//! **Lines have their places** (RFC 3264): an answer of the PBX's that has them in another order, or leaves some out, is put into the
//! order of the offer, and what it knows nothing of is declined.
//!
//! **The same description again**, as some PBXs hand it over several times, changes nothing and gives the same text.

#![forbid(unsafe_code)]

mod align;
mod event;
mod leg;
mod line;
mod ports;
mod status;
mod terms;
mod text;

pub use event::{Event, Happened, Observer};
pub use leg::Leg;
pub use ports::Ports;
pub use sealrtp_offer_answer::{Applied, Message, Refusal};
pub use status::{LineInfo, StreamInfo};
pub use terms::{Associations, Terms};
pub use text::MAX_STREAMS;

/// Text that may hold keys.
pub type Text = zeroize::Zeroizing<Vec<u8>>;
