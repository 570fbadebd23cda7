//! What decides over a call's security, as types.

use std::fmt;

/// An enum whose values are words of the configuration file.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$of:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$of])* $value,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word in the configuration file.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// How a stream gets its keys.
    Method {
        /// In the signalling (RFC 4568).
        Sdes = "sdes",
        /// By a handshake in the media path, with fingerprints in the signalling (RFC 5763, RFC 5764).
        Dtls = "dtls",
        /// In the media path alone (RFC 6189).
        Zrtp = "zrtp",
    }
}

words! {
    /// What becomes of a call without a common method.
    Fallback {
        /// It goes on in clear RTP (RFC 8643), and ZRTP may still secure it.
        Rtp = "rtp",
        /// It is refused with 488; nothing clear passes, ever.
        Reject = "reject",
    }
}

words! {
    /// Over which signalling SDES is done: its keys are as secret as the signalling.
    SdesSignalling {
        /// TLS alone; SDES is neither offered nor taken over anything else.
        Tls = "tls",
        /// Any.
        Any = "any",
    }
}

words! {
    /// Whether secured calls may be recorded.
    Recording {
        /// They may, and the peer is told: ZRTP's disclosure flag (RFC 6189 section 11).
        Disclose = "disclose",
        /// They may, silently.
        Allow = "allow",
        /// They may not: recorders get silence.
        Refuse = "refuse",
    }
}

words! {
    /// Who is the other end of a phone's ZRTP.
    ZrtpMode {
        /// The PBX.
        Endpoint = "endpoint",
        /// The other phone: the PBX passes ZRTP and SRTP on untouched, and has no keys.
        Passthrough = "passthrough",
    }
}

words! {
    /// What becomes of a call whose handshake failed, whose peer is not who it was, or whose security was lost.
    OnFailure {
        /// It ends.
        Hangup = "hangup",
        /// It stays, and nothing passes.
        Block = "block",
        /// It goes on where the policy would allow that anyway, with an event and a line in the log.
        Warn = "warn",
    }
}

words! {
    /// Whether ZRTP is done on streams without keys of another method.
    ZrtpRule {
        /// It is not.
        No = "no",
        /// Where the peer does it; clear media passes before, and where it does not.
        Yes = "yes",
        /// No clear media passes, ever.
        Required = "required",
    }
}

/// The decisions of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) offer: Vec<Method>,
    pub(crate) accept: Vec<Method>,
    pub(crate) fallback: Fallback,
    pub(crate) sdes_signalling: SdesSignalling,
    pub(crate) recording: Recording,
    pub(crate) zrtp_mode: ZrtpMode,
    pub(crate) zrtp_upgrade: bool,
    pub(crate) on_failure: OnFailure,
}

impl Default for Rules {
    /// Everything is offered, ZRTP first; of an offer SDES is taken first, as phones do; clear RTP where nothing is
    /// common; SDES over TLS alone; recording is disclosed; what fails ends the call.
    fn default() -> Self {
        Self {
            offer: vec![Method::Zrtp, Method::Dtls, Method::Sdes],
            accept: vec![Method::Sdes, Method::Dtls, Method::Zrtp],
            fallback: Fallback::Rtp,
            sdes_signalling: SdesSignalling::Tls,
            recording: Recording::Disclose,
            zrtp_mode: ZrtpMode::Endpoint,
            zrtp_upgrade: false,
            on_failure: OnFailure::Hangup,
        }
    }
}
