//! What a datagram is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4).

use sealrtp_srtp::Protocol;

/// Who a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 16 to 19.
    Zrtp,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 64 to 79.
    TurnChannel,
    /// First byte 128 to 191 and not RTCP.
    Rtp,
    /// First byte 128 to 191 and a payload type of 64 to 95 without the marker bit: packet types 192 to 223.
    Rtcp,
    /// Nothing that has a place on a media port, or nothing at all.
    Unknown,
}

impl Kind {
    /// Of a datagram.
    #[inline]
    pub fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(128..=191) if datagram.get(1).is_some_and(|second| (192..=223).contains(second)) => {
                Self::Rtcp
            }
            Some(128..=191) => Self::Rtp,
            Some(20..=63) => Self::Dtls,
            Some(0..=3) => Self::Stun,
            Some(16..=19) => Self::Zrtp,
            Some(64..=79) => Self::TurnChannel,
            Some(_) | None => Self::Unknown,
        }
    }

    /// The protocol of a media packet.
    pub(crate) fn media(self) -> Option<Protocol> {
        match self {
            Self::Rtp => Some(Protocol::Srtp),
            Self::Rtcp => Some(Protocol::Srtcp),
            Self::Stun | Self::Zrtp | Self::Dtls | Self::TurnChannel | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_belongs_to_the_protocol_of_rfc_7983() {
        for first in 0..=255 {
            let expected = match first {
                0..=3 => Kind::Stun,
                16..=19 => Kind::Zrtp,
                20..=63 => Kind::Dtls,
                64..=79 => Kind::TurnChannel,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(Kind::of(&[first, 0, 0]), expected, "{first}");
        }
        assert_eq!(Kind::of(&[]), Kind::Unknown);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        for second in 0..=255u8 {
            let rtcp = (192..=223).contains(&second);
            assert_eq!(Kind::of(&[0x80, second]), if rtcp { Kind::Rtcp } else { Kind::Rtp }, "{second}");
        }
        assert_eq!(Kind::of(&[0x80]), Kind::Rtp);
    }
}
