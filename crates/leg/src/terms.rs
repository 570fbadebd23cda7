//! What a leg is made of.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sealrtp_dtls::{Context, SetSession};
use sealrtp_policy::Config;
use sealrtp_zrtp::Association;

/// Makes the ZRTP associations of a leg: it knows our ZID, the cache and what the peer knows us by.
pub trait Associations: Send + Sync {
    /// One for a call under this policy; `disclosure`: keys or media may be disclosed here (RFC 6189 section 11). None: no ZRTP,
    /// for the policy's lists do not fit into a Hello.
    fn begin(&self, config: &Config, disclosure: bool) -> Option<Association>;
}

/// What a leg is made of.
pub struct Terms {
    /// For texts, e.g. `sofia/internal/1000@example.org`.
    pub name: String,
    /// The call's policy.
    pub config: Config,
    /// Our certificate.
    pub dtls: Context,
    /// Lets a client resume RTP's session for RTCP; see [`sealrtp_dtls`].
    pub resume: Option<SetSession>,
    /// None: no ZRTP.
    pub zrtp: Option<Box<dyn Associations>>,
    /// Keys or media may be disclosed here.
    pub disclosure: bool,
    /// The outer sockets' address.
    pub address: IpAddr,
    /// What the RTP lines of our descriptions say instead of the PBX's own `c=`; none: what it says.
    pub advertise: Option<IpAddr>,
    /// The inner sockets' address, and what the PBX is told.
    pub inner: IpAddr,
    /// Where the PBX's media sockets are; none: where its description says.
    pub pbx: Option<IpAddr>,
    /// What hands the peer's descriptions over prints `UDP/TLS/RTP/SAVP` as `RTP/SAVP`, as sofia-sip does: a line of that profile
    /// with `a=fingerprint` and without `a=crypto` is read as what it was.
    pub savp_fingerprint_is_udp_tls: bool,
}

impl Terms {
    /// A leg beside a PBX of the same machine, whose own media sockets are at `address`, too: the inner sockets are on loopback.
    pub fn beside(name: &str, config: Config, dtls: Context, address: IpAddr) -> Self {
        let inner = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        Self {
            name: name.to_owned(),
            config,
            dtls,
            resume: None,
            zrtp: None,
            disclosure: false,
            address,
            advertise: None,
            inner,
            pbx: Some(address),
            savp_fingerprint_is_udp_tls: false,
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
