//! Whether the peer is who the signalling said, asked the moment its certificate comes and again before keys are exported.

use std::sync::OnceLock;

use openssl::ssl::SslRef;
use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};
use sealrtp_srtp::Suite;

use crate::{Config, Failure, Fingerprint, Fingerprints, Verify, profile};

/// The rules for one peer, and the first of them that it broke.
#[derive(Debug)]
pub(crate) struct PeerCheck {
    expected: Fingerprints,
    chain: Chain,
    refusal: OnceLock<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Ignored,
    Needed,
}

impl PeerCheck {
    pub(crate) fn new(config: &Config, expected: Fingerprints) -> Self {
        let chain = match config.verify {
            Verify::Fingerprint => Chain::Ignored,
            Verify::Ca(_) => Chain::Needed,
        };
        Self { expected, chain, refusal: OnceLock::new() }
    }

    /// Why the peer was refused while its certificate was looked at.
    pub(crate) fn refusal(&self) -> Option<&Failure> {
        self.refusal.get()
    }

    /// OpenSSL's question about one certificate of the chain, with its own opinion.
    pub(crate) fn verify(&self, trusted: bool, context: &mut X509StoreContextRef) -> bool {
        match self.judge(trusted, context) {
            Ok(()) => true,
            Err(failure) => {
                let _ = self.refusal.set(failure);
                context.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
                false
            }
        }
    }

    fn judge(&self, trusted: bool, context: &X509StoreContextRef) -> Result<(), Failure> {
        if context.error_depth() == 0 {
            let certificate = context.current_cert().ok_or(Failure::NoCertificate)?;
            self.fingerprint(certificate)?;
            let slot = X509StoreContext::ssl_idx().map_err(handshake_error)?;
            let ssl = context.ex_data(slot).ok_or_else(|| Failure::Handshake("no SSL object".into()))?;
            profile_of(ssl)?;
        }
        if self.chain == Chain::Needed && !trusted {
            return Err(Failure::Untrusted(context.error().error_string().into()));
        }
        Ok(())
    }

    /// The certificate's fingerprint, if it is one that the signalling gave.
    pub(crate) fn fingerprint(&self, certificate: &X509Ref) -> Result<Fingerprint, Failure> {
        let got = Fingerprint::of(certificate, self.expected.hash()).map_err(handshake_error)?;
        if self.expected.contains(&got) {
            return Ok(got);
        }
        Err(Failure::FingerprintMismatch { expected: self.expected.clone(), got })
    }
}

/// The profile agreed on.
pub(crate) fn profile_of(ssl: &SslRef) -> Result<Suite, Failure> {
    let profile = ssl.selected_srtp_profile().ok_or(Failure::NoCommonProfile)?;
    profile::suite(profile.id().as_raw()).ok_or(Failure::NoCommonProfile)
}

/// OpenSSL's reason as a failure.
pub(crate) fn handshake_error(error: openssl::error::ErrorStack) -> Failure {
    let reason = error.errors().first().and_then(|first| first.reason());
    Failure::Handshake(reason.unwrap_or("OpenSSL gives no reason").into())
}
