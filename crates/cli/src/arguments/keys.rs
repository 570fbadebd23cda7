//! What both `sealrtp peer` and `sealrtp relay` take for keys: by hand where there is no SDP, and our certificate.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleWanted {
    /// We do: a=setup:active.
    Client,
    /// The peer does: a=setup:passive.
    Server,
    /// As the peer wants: a=setup:actpass in an offer, active in an answer.
    Either,
}

/// Keys without SDP.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub struct HandArguments {
    /// SDES without SDP: what stands behind our a=crypto:, or @FILE that holds it
    #[arg(long, value_name = "CRYPTO", conflicts_with = "remote_sdp", requires = "remote_crypto")]
    pub local_crypto: Option<String>,

    /// SDES without SDP: what stands behind the peer's a=crypto:, or @FILE that holds it
    #[arg(long, value_name = "CRYPTO", conflicts_with = "remote_sdp", requires = "local_crypto")]
    pub remote_crypto: Option<String>,

    /// DTLS: who sends the ClientHello [default: either; without SDP it must be given]
    #[arg(long, value_enum)]
    pub role: Option<RoleWanted>,

    /// DTLS without SDP: the peer's a=fingerprint, e.g. 'sha-256 4A:AD:..'; may be given several times
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "remote_sdp")]
    pub fingerprint: Vec<String>,
}

/// Our certificate.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub struct CertificateArguments {
    /// DTLS: our certificate, EC or RSA, PEM [default: an EC one made for this run]
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// DTLS: its private key, PEM without passphrase [default: in --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
}
