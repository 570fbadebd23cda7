//! SRTP and SRTCP packet transforms (RFC 3711, 6188, 7714), sans-IO: packets are changed in place, nothing is allocated
//! or locked per SRTP packet, and nothing here knows sockets, clocks or threads.
//!
//! An [`Outbound`] protects what is sent and an [`Inbound`] opens what is received, each under a [`KeySet`] of
//! [`MasterKey`]s of one [`Suite`]:
//!
//! ```
//! use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey, Outbound, Suite, UnprotectError};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[7; 16], &[9; 14])?);
//! let mut sender = Outbound::new(&key, Limits::default());
//! let mut receiver = Inbound::new(&key, Limits::default());
//!
//! let mut packet = [0u8; 200];
//! packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]);
//! let len = sender.protect_rtp(&mut packet, 12 + 160)?;
//! assert_eq!(len, 12 + 160 + 10);
//!
//! let mut replayed = packet;
//! assert_eq!(receiver.unprotect_rtp(&mut packet[..len])?, 12 + 160);
//! assert_eq!(receiver.unprotect_rtp(&mut replayed[..len]), Err(UnprotectError::Replayed));
//! # Ok(())
//! # }
//! ```
//!
//! A packet's way in: `header` (lengths), `ssrc_table` and `window` (index, replay), `generation` (which master key, its
//! lifetime), `crypto` (authentication, decryption), then back to `window` to remember it.
#![forbid(unsafe_code)]

mod batch;
mod crypto;
mod event;
mod generation;
mod header;
mod inbound;
mod keys;
mod limits;
mod outbound;
mod ssrc_table;
mod suite;
#[cfg(test)]
mod test_util;
mod window;

pub use batch::{Protect, Unprotect};
pub use event::{Event, Protocol};
pub use header::MAX_PACKET_LEN;
pub use inbound::{Inbound, UnprotectError};
pub use keys::{
    KeyError, KeySelector, KeySet, Lifetime, MAX_KEY_LEN, MAX_KEYS, MAX_MKI_LEN, MAX_SALT_LEN, MasterKey,
    SessionParams,
};
pub use limits::{Limits, LimitsError};
pub use outbound::{Outbound, ProtectError};
pub use sealrtp_srtp_accel::{PATH_VARIABLE, Path, PathError};
pub use suite::Suite;

/// Cache lines of a direction that packets touch, of 64 bytes each: all, since keys are the last in it.
const HOT_LINES: usize = 10;

/// Most bytes that protection adds to a packet: MKI, SRTCP index and a 16-byte tag.
pub const MAX_TRAILER_LEN: usize = MAX_MKI_LEN + header::SRTCP_WORD + 16;
