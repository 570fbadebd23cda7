//! What can go wrong.

use openssl::error::ErrorStack;
use sealrtp_srtp::Suite;

use crate::{Alert, Fingerprint, Fingerprints};

/// Why an [`Identity`](crate::Identity) cannot be had. Never carries a key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// No certificate in the PEM text.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// No private key in the PEM text, or one with a passphrase.
    #[error("no private key without passphrase in the PEM text")]
    NoKey,
    /// The key is neither EC nor RSA.
    #[error("the private key is neither EC nor RSA")]
    KeyKind,
    /// The key is not the certificate's.
    #[error("the private key is not that of the certificate")]
    KeyOfAnother,
    /// The time cannot be written into a certificate.
    #[error("the system's time cannot be written into a certificate")]
    Clock,
    /// OpenSSL's own words.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Why a [`Config`](crate::Config) cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    /// No SRTP profile.
    #[error("no SRTP protection profile to offer or accept")]
    NoProfile,
    /// DTLS-SRTP has no profile for this suite.
    #[error("DTLS-SRTP has no protection profile for {0}")]
    NotAProfile(Suite),
    /// An MTU outside 256 to 16,384 bytes.
    #[error("the MTU is 256 to 16384 bytes of datagram, got {0}")]
    Mtu(usize),
    /// OpenSSL's own words, for a cipher list, a group, a certificate it refuses.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Why an association failed. Before any of these no key was given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer's certificate is not the one that the signalling told of.
    #[error("the peer's certificate has fingerprint {got}, its a=fingerprint says {expected}")]
    FingerprintMismatch {
        /// Of the signalling.
        expected: Fingerprints,
        /// Of the certificate, by the same hash function.
        got: Fingerprint,
    },
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// The certificate is not trusted by the CA asked for; OpenSSL's reason.
    #[error("the peer's certificate is not trusted: {0}")]
    Untrusted(String),
    /// No SRTP protection profile in common, or no use_srtp at all.
    #[error("no SRTP protection profile in common with the peer")]
    NoCommonProfile,
    /// The peer does not do extended master secrets (RFC 7627), and the configuration asks for it.
    #[error("the peer did not agree to an extended master secret")]
    NoExtendedMasterSecret,
    /// Another version than DTLS 1.2 was agreed on.
    #[error("the peer agreed to {0}, not to DTLS 1.2")]
    Version(String),
    /// The time for a handshake has passed.
    #[error("no finished handshake within the time for it")]
    TimedOut,
    /// The peer ended the handshake with a fatal alert.
    #[error("the peer ended the handshake: alert {0}")]
    Alert(Alert),
    /// The handshake failed; OpenSSL's reason.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}
