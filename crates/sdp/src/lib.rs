//! SDP bodies (RFC 8866): reads what is about media security, rewrites only that and keeps every other byte.
//!
//! [`Description::parse`] borrows the text and finds the m-lines with their transport [`Profile`], `a=crypto` (RFC 4568),
//! `a=fingerprint`, `a=setup`, `a=connection` and `a=tls-id` (RFC 8122, 4145, 8842), `a=zrtp-hash` (RFC 6189) and
//! `a=key-mgmt` (RFC 4567). [`Rewrite`] takes such lines out, puts others in and changes profiles: order, unknown
//! attributes, line ends (CRLF, LF, mixed), white space and a missing last line end stay as they came. What the values
//! mean is read elsewhere; capability negotiation (RFC 5939) is not read and stays in the text.
//!
//! Only RTP over UDP can be rewritten; an m-line with any other transport (TCP, SCTP, UDPTL) is left alone, as is what it
//! takes from the session's level. For who stands between two ends, such as a media relay, it also reads where media goes
//! ([`Media::host`], [`Media::rtcp`]) and says that anew ([`LineRewrite::port`], [`LineRewrite::address`]), takes ICE and
//! BUNDLE out ([`LineRewrite::strip_transport`]) and declines lines ([`Rewrite::decline`]).
//!
//! Everything read is bounded: [`MAX_LEN`], [`MAX_LINE_LEN`], [`MAX_MEDIA`] and [`MAX_ATTRIBUTES`]. An error names the line
//! and never repeats its text. Text that may hold keys is zeroised where this crate owns it, and `Debug` shows no values.
//!
//! ```
//! use sealrtp_sdp::{Description, Profile, Rewrite};
//!
//! let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
//!     m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...\r\na=ptime:20\r\n";
//! let description = Description::parse(body)?;
//! let audio = &description.media()[0];
//! assert_eq!((audio.kind(), audio.port(), audio.profile()), ("audio", 4000, Profile::Savp));
//! assert_eq!(audio.crypto().collect::<Vec<_>>(), ["1 AES_CM_128_HMAC_SHA1_80 inline:..."]);
//!
//! let mut rewrite = Rewrite::new(&description);
//! rewrite.strip_session();
//! rewrite.line(0).unwrap().profile(Profile::Avp).strip();
//! assert!(rewrite.finish().ends_with(b"m=audio 4000 RTP/AVP 0\r\na=ptime:20\r\n"));
//! # Ok::<(), sealrtp_sdp::SdpError>(())
//! ```

#![forbid(unsafe_code)]

mod arrange;
mod attribute;
mod description;
mod error;
mod host;
mod lines;
mod mask;
mod media;
mod profile;
mod rewrite;

pub use arrange::Slot;
pub use description::{Description, SessionLevel};
pub use error::{EditError, Fault, SdpError};
pub use host::{Host, Rtcp};
pub use mask::mask;
pub use media::{Direction, Media};
pub use profile::Profile;
pub use rewrite::{LineRewrite, Rewrite};

/// Longest body that is read, and most bytes that a [`Rewrite`] puts into one.
pub const MAX_LEN: usize = 64 * 1024;
/// Longest line that is read, in bytes without its line end.
pub const MAX_LINE_LEN: usize = 8192;
/// Most m-lines of a body.
pub const MAX_MEDIA: usize = 64;
/// Most attributes of the session's level, or of one m-line, that this crate knows; others are not counted.
pub const MAX_ATTRIBUTES: usize = 256;
