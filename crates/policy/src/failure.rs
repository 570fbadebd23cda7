//! What becomes of a call whose security has failed or was lost: `on_failure`, as far as the policy lets the call go on.

use crate::origin::Origin;
use crate::rules::{Fallback, OnFailure};
use crate::{Config, Key};

/// What has gone wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A DTLS-SRTP handshake gave no keys.
    Dtls,
    /// Another certificate than that of the peer's `a=fingerprint` showed up.
    Fingerprint,
    /// A ZRTP exchange began and gave no keys.
    Zrtp,
    /// The ZRTP peer does not know the secret of the last call with it.
    CacheMismatch,
    /// An end point whose calls were secured before has a clear one.
    Downgrade,
}

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// It ends.
    Hangup,
    /// It stays up, and no media passes.
    Block,
    /// It goes on as it is.
    Continue,
    /// It goes on, and there is nothing to tell.
    Nothing,
}

impl Config {
    /// What becomes of a call in which `failure` happened: what `on_failure` says, once it is written down.
    ///
    /// As a default it ends calls that could not go on anyway. Where only the trust in the peer has suffered, it is
    /// [`Continue`](Consequence::Continue): people can compare the SAS (RFC 6189 section 4.3.2), and phones are set to clear calls
    /// by their owners.
    ///
    /// Whatever is written, nothing goes on in the clear where `fallback = reject`, and nothing without the keys of a
    /// DTLS-SRTP handshake that was agreed on. An end point that neither offers nor accepts anything is to be clear: that is no
    /// downgrade.
    pub fn consequence(&self, failure: Failure) -> Consequence {
        let may_be_clear = self.fallback() == Fallback::Rtp;
        if failure == Failure::Downgrade && self.offer().is_empty() && self.accept().is_empty() {
            return Consequence::Nothing;
        }
        let written = !matches!(self.origins.get(Key::OnFailure), Origin::Default);
        let chosen = match failure {
            Failure::CacheMismatch | Failure::Downgrade if !written => OnFailure::Warn,
            Failure::Zrtp if !written && may_be_clear => OnFailure::Warn,
            _ => self.on_failure(),
        };
        match (chosen, failure) {
            (OnFailure::Hangup, _) => Consequence::Hangup,
            (OnFailure::Block, _) | (OnFailure::Warn, Failure::Dtls | Failure::Fingerprint) => {
                Consequence::Block
            }
            (OnFailure::Warn, Failure::CacheMismatch) => Consequence::Continue,
            (OnFailure::Warn, Failure::Zrtp | Failure::Downgrade) if may_be_clear => Consequence::Continue,
            (OnFailure::Warn, Failure::Zrtp | Failure::Downgrade) => Consequence::Block,
        }
    }
}
