//! Why a description is refused.

/// Why a description is refused, with what to change. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a description that can be read.
    #[error("the SDP cannot be read: {0}")]
    Sdp(String),
    /// Policy does not allow it.
    #[error("{0}")]
    Policy(String),
    /// The machine has no random numbers, or OpenSSL failed.
    #[error("{0}")]
    System(String),
}
