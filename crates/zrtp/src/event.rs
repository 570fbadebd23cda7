//! What a stream tells.

use std::time::Duration;

use sealrtp_srtp::{KeySet, Suite};

use crate::message::{ErrorCode, MessageType, Name, Zid};
use crate::negotiation::Terms;
use crate::retained::Role;
use crate::sas::Sas;
use crate::secret::ExportedKey;

/// Most [`Event::Alert`]s kept until they are polled; later ones are dropped, other events never.
pub const MAX_ALERTS: usize = 64;

/// What has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first Hello of a peer: it does ZRTP.
    PeerFound {
        /// Its ZID.
        zid: Zid,
        /// Its software.
        client: String,
    },
    /// Nobody answered our Hellos. One that comes late is still answered.
    NoAnswer,
    /// Keys of what the peer sends. The initiator has them before [`Event::Secured`]: the first packet that authenticates
    /// under them is to be told with [`Stream::srtp_received`](crate::Stream::srtp_received).
    Inbound(KeySet),
    /// Keys for both directions.
    Secured(Box<Secured>),
    /// A secret was kept of this peer, and it has another one or none: a man in the middle, or a cache that was lost. The
    /// SAS must be compared; until [`Stream::set_verified`](crate::Stream::set_verified) nothing new is kept.
    CacheMismatch {
        /// Whose.
        peer: Zid,
    },
    /// The cache could not be read or written; the call goes on.
    CacheUnusable(String),
    /// A PBX relays the SAS of the far end; only of a PBX that we are enrolled at.
    RelayedSas(Sas),
    /// The peer wants to go on without SRTP, and that is allowed: keys are gone, nothing may be sent until the user agrees.
    Cleared,
    /// Something that should not happen, and was not obeyed.
    Alert(Alert),
    /// No keys, and there will be none from this stream.
    Failed(Failure),
}

/// What the cache had to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The first call with this peer, or its secret had expired.
    New,
    /// Both had the same retained secret.
    Match,
    /// See [`Event::CacheMismatch`].
    Mismatch,
    /// No cache, or Multistream mode.
    Unused,
}

/// What came of an exchange.
#[derive(Clone, Debug)]
pub struct Secured {
    /// SRTP's suite.
    pub suite: Suite,
    /// Keys of what the peer sends. No MKI.
    pub inbound: KeySet,
    /// Keys of what we send. No MKI.
    pub outbound: KeySet,
    /// Our role.
    pub role: Role,
    /// The algorithms.
    pub terms: Terms,
    /// To compare; in Multistream mode that of the call's first stream.
    pub sas: Sas,
    /// The peer.
    pub peer_zid: Zid,
    /// The peer's software.
    pub peer_client: String,
    /// The SAS was compared in an earlier call, both say so, and the secrets match.
    pub verified: bool,
    /// The cache's part.
    pub continuity: Continuity,
    /// auxsecret, where we have one: whether the peer has the same.
    pub aux_match: Option<bool>,
    /// The peer shares our pbxsecret: it is a PBX we are enrolled at, or a phone enrolled here.
    pub enrolled: bool,
    /// The peer offers enrolment ([`Stream::accept_enrolment`](crate::Stream::accept_enrolment)).
    pub enrolment_offered: bool,
    /// The peer may disclose keys (RFC 6189 section 11).
    pub disclosure: bool,
    /// The peer takes GoClear.
    pub peer_allows_clear: bool,
    /// The peer's Hello said that it is a PBX in the middle.
    pub mitm: bool,
    /// Type of a signature that came with the Confirm and was not verified.
    pub signature: Option<Name>,
    /// For other uses of the application (section 4.5.2); not in Multistream mode.
    pub exported: Option<ExportedKey>,
    /// From the peer's first Hello.
    pub took: Duration,
    /// How often a message of ours went out again.
    pub retransmissions: u32,
}

/// What was not obeyed. None of these ends an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// A packet with a wrong CRC.
    Damaged,
    /// A message that cannot be parsed.
    Malformed,
    /// A Hello whose hash is not the signalling's `a=zrtp-hash`.
    HelloHash,
    /// Another Hello than the one of the peer we are secure with.
    AnotherHello,
    /// A Hello with our own ZID.
    EqualZids,
    /// A packet with our own SSRC.
    SsrcCollision,
    /// A Hello of a version that we cannot do.
    Version,
    /// A message outside the hash chain of the peer's Hello: forged.
    HashChain(MessageType),
    /// A message whose MAC, checked once its key was known, is wrong: changed on its way.
    MessageMac(MessageType),
    /// A DHPart2 that the Commit did not commit to.
    Hvi,
    /// A Confirm, SASrelay or GoClear under other keys than ours.
    Mac(MessageType),
    /// A Commit that chose what we cannot do.
    Unsupported(ErrorCode),
    /// An Error message, which anybody can send.
    PeerError(ErrorCode),
    /// A GoClear though we did not allow it.
    GoClear,
    /// A peer that is not the one of the call's first stream, or does not show that it is by Multistream mode.
    NotOfThisCall,
    /// A Commit with a nonce of this call that was used before: replayed.
    NonceReuse,
    /// More exchanges begun than anybody needs.
    Flood,
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer stopped answering; with the last Error message that came, if any did.
    #[error("no answer to {sent}{}", .error.map(|code| format!("; the peer said: {code}")).unwrap_or_default())]
    TimedOut {
        /// What was sent last.
        sent: MessageType,
        /// Of an Error message, not authenticated.
        error: Option<ErrorCode>,
    },
    /// Every Confirm had a wrong MAC: messages were changed on their way, or the peer computes otherwise.
    #[error("the peer's Confirm has another MAC: messages were changed on their way")]
    ConfirmMac,
    /// The peer's public value would give the key away.
    #[error("the peer's public value is one that gives the key away")]
    PublicValue,
    /// DHPart2 was not the one committed to, and no right one came.
    #[error("the peer's DHPart2 is not the one it committed to: messages were changed on their way")]
    Hvi,
    /// The signalling's `a=zrtp-hash` is not that of the only peer that is there, or that we were secure with when it came.
    #[error("the peer is not the one whose a=zrtp-hash the signalling brought")]
    HelloHash,
    /// Randomness or OpenSSL failed.
    #[error("cryptography failed: {0}")]
    Crypto(String),
}
