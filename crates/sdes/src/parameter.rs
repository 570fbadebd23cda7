//! The session parameters of RFC 4568 section 6.3, by name.

use std::fmt;

/// A session parameter of RFC 4568 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionParameter {
    /// `KDR=n`: session keys are derived anew every 2^n packets. Declarative, always accepted.
    KeyDerivationRate,
    /// `UNENCRYPTED_SRTP`: RTP payloads stay clear. Negotiated.
    UnencryptedSrtp,
    /// `UNENCRYPTED_SRTCP`: RTCP stays clear. Negotiated.
    UnencryptedSrtcp,
    /// `UNAUTHENTICATED_SRTP`: SRTP carries no authentication tag. Negotiated.
    UnauthenticatedSrtp,
    /// `FEC_ORDER=FEC_SRTP|SRTP_FEC`. Declarative. `FEC_SRTP` (error correction inside SRTP, the default) is always
    /// accepted; `SRTP_FEC` has to be configured.
    FecOrder,
    /// `FEC_KEY=inline:..`: keys of a separate error correction stream. Declarative.
    FecKey,
    /// `WSH=n`: a hint for the size of the replay window. Declarative, always accepted.
    WindowSizeHint,
}

/// One row for each parameter: name, what its value must be, whether it gives up protection, whether it applies to both
/// directions (negotiated) or only to what its sender sends (declarative), whether it needs no configuration.
struct Row {
    parameter: SessionParameter,
    name: &'static str,
    expects: &'static str,
    weak: bool,
    negotiated: bool,
    always_accepted: bool,
}

#[rustfmt::skip]
const TABLE: [Row; 7] = {
    use SessionParameter::*;
    const BARE: &str = "no value";
    [
        Row { parameter: KeyDerivationRate, name: "KDR", expects: "a number from 0 to 24",
              weak: false, negotiated: false, always_accepted: true },
        Row { parameter: UnencryptedSrtp, name: "UNENCRYPTED_SRTP", expects: BARE,
              weak: true, negotiated: true, always_accepted: false },
        Row { parameter: UnencryptedSrtcp, name: "UNENCRYPTED_SRTCP", expects: BARE,
              weak: true, negotiated: true, always_accepted: false },
        Row { parameter: UnauthenticatedSrtp, name: "UNAUTHENTICATED_SRTP", expects: BARE,
              weak: true, negotiated: true, always_accepted: false },
        Row { parameter: FecOrder, name: "FEC_ORDER", expects: "FEC_SRTP or SRTP_FEC",
              weak: false, negotiated: false, always_accepted: false },
        Row { parameter: FecKey, name: "FEC_KEY", expects: "key parameters of the attribute's suite",
              weak: false, negotiated: false, always_accepted: false },
        Row { parameter: WindowSizeHint, name: "WSH", expects: "a number of packets, 64 or more",
              weak: false, negotiated: false, always_accepted: true },
    ]
};

impl SessionParameter {
    /// Every parameter, in the order of RFC 4568 section 6.3.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::KeyDerivationRate; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].parameter;
            assert!(all[i] as usize == i, "the table is in the order of the enum");
            i += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name in the attribute, e.g. `UNENCRYPTED_SRTCP`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a parameter by its name in any letter case.
    ///
    /// ```
    /// use sealrtp_sdes::SessionParameter;
    /// assert_eq!(SessionParameter::from_name("kdr"), Some(SessionParameter::KeyDerivationRate));
    /// assert_eq!(SessionParameter::from_name("SECRET"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| row.parameter)
    }

    /// What value the parameter takes, in words.
    pub(crate) const fn expects(self) -> &'static str {
        self.row().expects
    }

    /// Whether it gives up encryption or authentication: accepted only where the configuration names it.
    pub const fn is_weak(self) -> bool {
        self.row().weak
    }

    /// Whether it holds for both directions, so that the answer must agree with the offer. Others are declarative: each
    /// side tells how it sends itself.
    pub const fn is_negotiated(self) -> bool {
        self.row().negotiated
    }

    /// Whether it is accepted without being configured.
    pub const fn is_always_accepted(self) -> bool {
        self.row().always_accepted
    }
}

impl fmt::Display for SessionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
