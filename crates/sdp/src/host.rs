//! Where media goes: `c=` and `a=rtcp`.

use std::net::IpAddr;

use crate::media::number;

/// Whom a `c=` line or `a=rtcp` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// An IP address. Unspecified (`0.0.0.0`, `::`) it means that no media is wanted (RFC 3264 section 8.4).
    Ip(IpAddr),
    /// Anything else, such as a host's name.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// `IN IP4 192.0.2.1`, of a multicast address without `/<ttl>` and `/<count>`.
    pub(crate) fn read(value: &'a str) -> Option<Self> {
        let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
        words.next().filter(|net| net.eq_ignore_ascii_case("IN"))?;
        words.next().filter(|kind| kind.eq_ignore_ascii_case("IP4") || kind.eq_ignore_ascii_case("IP6"))?;
        let address = words.next()?;
        let address = address.split_once('/').map_or(address, |(address, _)| address);
        Some(address.parse().map_or(Self::Name(address), Self::Ip))
    }

    /// The address, if it is one that media can be sent to: no name, not unspecified, not multicast.
    pub fn unicast(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) if !ip.is_unspecified() && !ip.is_multicast() => Some(ip),
            Self::Ip(_) | Self::Name(_) => None,
        }
    }

    /// Whether no media is wanted: `0.0.0.0` or `::`.
    pub fn is_unspecified(self) -> bool {
        matches!(self, Self::Ip(ip) if ip.is_unspecified())
    }
}

/// The value of `a=rtcp` (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// RTCP's port.
    pub port: u16,
    /// Its address, where it is not that of the `c=` line.
    pub host: Option<Host<'a>>,
}

impl<'a> Rtcp<'a> {
    /// `53020`, or `53020 IN IP4 192.0.2.1`.
    pub(crate) fn read(value: &'a str) -> Option<Self> {
        let (port, host) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let host = match host.trim() {
            "" => None,
            host => Some(Host::read(host)?),
        };
        Some(Self { port: number(port)?, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Host<'static> {
        Host::Ip(text.parse().unwrap())
    }

    #[test]
    fn a_c_line_names_an_address_or_a_host() {
        for (value, host) in [
            ("IN IP4 192.0.2.1", Some(ip("192.0.2.1"))),
            ("in  ip6\t2001:db8::1 x", Some(ip("2001:db8::1"))),
            ("IN IP4 233.252.0.1/127/3", Some(ip("233.252.0.1"))),
            ("IN IP4 0.0.0.0", Some(ip("0.0.0.0"))),
            ("IN IP4 pbx.example.org", Some(Host::Name("pbx.example.org"))),
            ("IN IP6 fe80::1%eth0", Some(Host::Name("fe80::1%eth0"))),
            ("IN IP4", None),
            ("ATM NSAP 1", None),
            ("", None),
        ] {
            assert_eq!(Host::read(value), host, "{value}");
        }
    }

    #[test]
    fn media_goes_to_unicast_addresses_alone() {
        assert_eq!(ip("192.0.2.1").unicast(), Some("192.0.2.1".parse().unwrap()));
        for host in [ip("0.0.0.0"), ip("::"), ip("233.252.0.1"), ip("ff02::1"), Host::Name("x")] {
            assert_eq!(host.unicast(), None);
        }
        assert!(ip("::").is_unspecified() && !ip("233.252.0.1").is_unspecified());
    }

    #[test]
    fn rtcp_has_a_port_and_perhaps_an_address() {
        assert_eq!(Rtcp::read("53020"), Some(Rtcp { port: 53020, host: None }));
        assert_eq!(Rtcp::read("9 IN IP4 0.0.0.0"), Some(Rtcp { port: 9, host: Some(ip("0.0.0.0")) }));
        for wrong in ["", "x", "+1", "65536", "1 IN", "1 IN IP7 x"] {
            assert_eq!(Rtcp::read(wrong), None, "{wrong}");
        }
    }
}
