//! The transport protocol of an m-line.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// The transport protocol of an m-line, as far as it is RTP over UDP (RFC 3551, 4585, 3711, 5124, 5764).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `RTP/AVP`.
    Avp,
    /// `RTP/AVPF`.
    Avpf,
    /// `RTP/SAVP`.
    Savp,
    /// `RTP/SAVPF`.
    Savpf,
    /// `UDP/TLS/RTP/SAVP`.
    UdpTlsSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    UdpTlsSavpf,
    /// Anything else, such as `TCP/RTP/AVP`, `UDP/DTLS/SCTP` or `udptl`: left alone.
    Other,
}

/// What keys a profile: the two of each row differ in feedback (RFC 4585) alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keying {
    Clear,
    Srtp,
    DtlsSrtp,
}

const PROFILES: [(Profile, &str, Keying, bool); 6] = [
    (Profile::Avp, "RTP/AVP", Keying::Clear, false),
    (Profile::Avpf, "RTP/AVPF", Keying::Clear, true),
    (Profile::Savp, "RTP/SAVP", Keying::Srtp, false),
    (Profile::Savpf, "RTP/SAVPF", Keying::Srtp, true),
    (Profile::UdpTlsSavp, "UDP/TLS/RTP/SAVP", Keying::DtlsSrtp, false),
    (Profile::UdpTlsSavpf, "UDP/TLS/RTP/SAVPF", Keying::DtlsSrtp, true),
];

impl Profile {
    fn row(self) -> Option<&'static (Self, &'static str, Keying, bool)> {
        PROFILES.iter().find(|(profile, ..)| *profile == self)
    }

    /// As an m-line has it; none for [`Other`](Self::Other).
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(_, name, ..)| *name)
    }

    /// Whether this is RTP over UDP: all but [`Other`](Self::Other).
    pub fn is_rtp(self) -> bool {
        self != Self::Other
    }

    /// Whether media must be SRTP: `SAVP` and `SAVPF`, with `UDP/TLS/` or without.
    pub fn is_secure(self) -> bool {
        self.row().is_some_and(|(_, _, keying, _)| *keying != Keying::Clear)
    }

    /// Whether DTLS-SRTP must bring the keys: `UDP/TLS/...`.
    pub fn is_dtls(self) -> bool {
        self.row().is_some_and(|(_, _, keying, _)| *keying == Keying::DtlsSrtp)
    }

    /// Whether it has early feedback: `AVPF` and `SAVPF`.
    pub fn has_feedback(self) -> bool {
        self.row().is_some_and(|(_, _, _, feedback)| *feedback)
    }

    /// `RTP/AVP`, with feedback as here `RTP/AVPF`.
    pub fn clear(self) -> Self {
        self.keyed(Keying::Clear)
    }

    /// `RTP/SAVP`, with feedback as here `RTP/SAVPF`.
    pub fn srtp(self) -> Self {
        self.keyed(Keying::Srtp)
    }

    /// `UDP/TLS/RTP/SAVP`, with feedback as here `UDP/TLS/RTP/SAVPF`.
    pub fn dtls_srtp(self) -> Self {
        self.keyed(Keying::DtlsSrtp)
    }

    fn keyed(self, wanted: Keying) -> Self {
        let fits = |(_, _, keying, feedback): &&(Self, &str, Keying, bool)| {
            *keying == wanted && *feedback == self.has_feedback()
        };
        if self.is_rtp() { PROFILES.iter().find(fits).map_or(self, |row| row.0) } else { self }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("(not RTP over UDP)"))
    }
}

impl FromStr for Profile {
    type Err = Infallible;

    /// Letter case does not matter; what is not known is [`Other`](Self::Other).
    fn from_str(name: &str) -> Result<Self, Infallible> {
        let known = PROFILES.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name));
        Ok(known.map_or(Self::Other, |row| row.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_what_prints_it_and_each_keying_keeps_the_feedback() {
        for (profile, name, ..) in PROFILES {
            assert_eq!(name.parse(), Ok(profile));
            assert_eq!(name.to_ascii_lowercase().parse(), Ok(profile));
            assert_eq!(profile.to_string(), name);
            for other in [profile.clear(), profile.srtp(), profile.dtls_srtp()] {
                assert_eq!(other.has_feedback(), profile.has_feedback());
            }
            assert!(!profile.clear().is_secure() && profile.srtp().is_secure() && !profile.srtp().is_dtls());
            assert!(profile.dtls_srtp().is_secure() && profile.dtls_srtp().is_dtls());
        }
        assert_eq!(Profile::Savpf.dtls_srtp().to_string(), "UDP/TLS/RTP/SAVPF");
    }

    #[test]
    fn other_transports_are_other_and_stay_it() {
        for name in
            ["TCP/RTP/AVP", "TCP/DTLS/RTP/SAVP", "UDP/DTLS/SCTP", "udptl", "DCCP/TLS/RTP/SAVP", "RTP/AVP "]
        {
            let profile: Profile = name.parse().unwrap();
            assert_eq!(profile, Profile::Other);
            assert!(!profile.is_rtp() && !profile.is_secure() && profile.name().is_none());
            assert_eq!([profile.clear(), profile.srtp(), profile.dtls_srtp()], [Profile::Other; 3]);
        }
    }
}
