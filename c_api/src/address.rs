//! IP addresses with a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An IP address and a port.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct sealrtp_address {
    /// In network order; an IPv4 address is in the first 4 bytes.
    pub ip: [u8; 16],
    /// In the machine's order.
    pub port: u16,
    /// 4 or 6; 0 is no address.
    pub family: u16,
}

impl sealrtp_address {
    pub(crate) const NONE: Self = Self { ip: [0; 16], port: 0, family: 0 };

    pub(crate) fn read(&self) -> Option<SocketAddr> {
        let ip = match self.family {
            4 => {
                let [a, b, c, d, ..] = self.ip;
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            6 => IpAddr::V6(Ipv6Addr::from(self.ip)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.port))
    }
}

impl From<SocketAddr> for sealrtp_address {
    fn from(address: SocketAddr) -> Self {
        let mut ip = [0; 16];
        let family = match address.ip() {
            IpAddr::V4(v4) => {
                ip[..4].copy_from_slice(&v4.octets());
                4
            }
            IpAddr::V6(v6) => {
                ip = v6.octets();
                6
            }
        };
        Self { ip, port: address.port(), family }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_went() {
        for text in ["192.0.2.1:5004", "[2001:db8::1]:65535", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(sealrtp_address::from(address).read(), Some(address));
        }
        assert_eq!(sealrtp_address::NONE.read(), None);
        assert_eq!(sealrtp_address { family: 5, ..sealrtp_address::NONE }.read(), None);
    }
}
