//! What an association tells.

use std::fmt;
use std::time::Duration;

use sealrtp_srtp::{KeySet, Suite};

use crate::{Failure, Fingerprint, Fingerprints, Role};

/// Most [`Trace`]s kept until they are polled; later ones are dropped, other events never.
pub const MAX_TRACES: usize = 256;

/// What has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step of the handshake; only with [`Config::trace`](crate::Config::trace).
    Trace(Trace),
    /// Keys are there, and the peer is who the signalling said.
    Connected(Box<Connected>),
    /// No keys, and there will be none.
    Failed(Failure),
    /// [`Association::close`](crate::Association::close), or the peer's close_notify while the handshake was going on.
    Closed,
}

/// What came of a handshake.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The SRTP protection profile.
    pub suite: Suite,
    /// Keys of what the peer sends. No MKI.
    pub inbound: KeySet,
    /// Keys of what we send. No MKI.
    pub outbound: KeySet,
    /// Of our certificate, by SHA-256.
    pub local_fingerprint: Fingerprint,
    /// Of the peer's certificate, by the hash function of its `a=fingerprint`.
    pub remote_fingerprint: Fingerprint,
    /// OpenSSL's name of the DTLS cipher suite.
    pub cipher: String,
    /// `DTLSv1.2`.
    pub version: String,
    /// Whether RFC 7627 was agreed on.
    pub extended_master_secret: bool,
    /// Whether the session of an earlier association was resumed ([`Resumption`](crate::Resumption)).
    pub resumed: bool,
    /// From the first ClientHello sent or taken to this event.
    pub took: Duration,
    /// How often a flight of ours went out again.
    pub retransmissions: u32,
}

/// Whether a message came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Sent.
    Out,
    /// Received. Not authenticated before the handshake is over.
    In,
}

/// A step of the handshake. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The association was made.
    Started {
        /// Our role.
        role: Role,
        /// Of our certificate.
        local: Fingerprint,
        /// Of the signalling.
        remote: Fingerprints,
    },
    /// A message came or went.
    Message {
        /// Which way.
        direction: Direction,
        /// Its name.
        message: Message,
        /// Whether this end had sent it before.
        again: bool,
    },
    /// A ClientHello came or went with the extension use_srtp.
    Offered {
        /// Which way.
        direction: Direction,
        /// The profiles' numbers in its order.
        profiles: Vec<u16>,
    },
    /// The retransmission timer ended and the flight went out again.
    Timeout {
        /// How often already.
        retransmissions: u32,
        /// Until the next.
        next: Duration,
    },
    /// A datagram or message was not used.
    Ignored {
        /// Bytes of it.
        len: usize,
        /// Why.
        why: Why,
    },
    /// Our flight, the last of the handshake, was sent again for a peer whose Finished came again.
    LastFlightRepeated,
    /// The session was stored for a later association to resume.
    SessionStored,
    /// This end closed the association.
    Closed,
    /// OpenSSL's state was given back.
    Released,
}

/// Why something was not used at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not a DTLS record of DTLS 1.0 or 1.2.
    NotDtls,
    /// Records that are malformed, or of a kind that has no place in a handshake; the others of the datagram were used.
    Malformed,
    /// A server waits for the first fragment of a ClientHello.
    NotAClientHello,
    /// A ClientHello with a cookie that is not ours for its source.
    Cookie,
    /// Not the ClientHello that the handshake began with, and of a client that may not begin another.
    OtherClientHello,
    /// Records of an epoch that has not begun: kept for it by OpenSSL within its bounds.
    NextEpoch,
    /// Nothing is expected any more.
    Over,
    /// Too much waits to be sent.
    Full,
}

/// A DTLS message by what its clear part tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A handshake message or a fragment of one.
    Handshake {
        /// Its type.
        kind: HandshakeType,
        /// Its number.
        sequence: u16,
        /// Bytes of the whole message.
        len: u32,
        /// Where this fragment begins.
        offset: u32,
    },
    /// An encrypted handshake message: in DTLS 1.2 without renegotiation a Finished.
    Encrypted,
    /// ChangeCipherSpec.
    ChangeCipherSpec,
    /// An alert in the clear.
    Alert(Alert),
    /// An encrypted alert.
    EncryptedAlert,
    /// Application data, for which DTLS-SRTP has no use.
    ApplicationData,
    /// A record that its own header does not fit.
    Malformed,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake { kind, sequence, len, offset } => {
                write!(f, "{kind} seq {sequence} len {len}")?;
                if *offset > 0 { write!(f, " from {offset}") } else { Ok(()) }
            }
            Self::Encrypted => f.write_str("Finished (encrypted)"),
            Self::ChangeCipherSpec => f.write_str("ChangeCipherSpec"),
            Self::Alert(alert) => write!(f, "Alert {alert}"),
            Self::EncryptedAlert => f.write_str("Alert (encrypted)"),
            Self::ApplicationData => f.write_str("ApplicationData"),
            Self::Malformed => f.write_str("malformed record"),
        }
    }
}

/// HandshakeType of RFC 5246 section 7.4 and RFC 6347 section 4.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeType(pub u8);

impl HandshakeType {
    pub(crate) const CLIENT_HELLO: Self = Self(1);
}

const HANDSHAKE_TYPES: [(u8, &str); 14] = [
    (0, "HelloRequest"),
    (1, "ClientHello"),
    (2, "ServerHello"),
    (3, "HelloVerifyRequest"),
    (4, "NewSessionTicket"),
    (11, "Certificate"),
    (12, "ServerKeyExchange"),
    (13, "CertificateRequest"),
    (14, "ServerHelloDone"),
    (15, "CertificateVerify"),
    (16, "ClientKeyExchange"),
    (20, "Finished"),
    (21, "CertificateURL"),
    (22, "CertificateStatus"),
];

impl fmt::Display for HandshakeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match HANDSHAKE_TYPES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "handshake message {}", self.0),
        }
    }
}

/// AlertDescription of RFC 5246 section 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert(pub u8);

const ALERTS: [(u8, &str); 26] = [
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (110, "unsupported_extension"),
];

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ALERTS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}
