//! How handshakes are done.

use std::time::Duration;

use sealrtp_srtp::Suite;

use crate::profile;

/// Most handshakes of a [`Context`](crate::Context)'s servers that go on with clients who have not shown their address, before clients at
/// expected addresses are asked for a cookie, too ([`CookieExchange::UnknownSources`]). Each takes some 56 KiB meanwhile.
pub const MAX_UNPROVEN: usize = 512;

pub(crate) const MTU: std::ops::RangeInclusive<usize> = 256..=16_384;

/// Which clients a server asks to show that they receive at their source address (RFC 6347 section 4.2.1). Being asked costs
/// a client one more round trip; ClientHellos of spoofed sources then leave no state and are not amplified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieExchange {
    /// All.
    Required,
    /// All but those at the address that [`Association::expect_source`](crate::Association::expect_source) was told, and those
    /// too while [`MAX_UNPROVEN`] handshakes with clients that were not asked go on.
    ///
    /// A forger must know that address and our port before the handshake is over. He can have one handshake's flight sent to the
    /// peer, as he could send it one in our name; and he does not keep the peer out, since a client at the expected address
    /// that answers with a cookie takes the place of one that was not asked.
    UnknownSources,
    /// Never: for sources that something else has proven, e.g. an ICE connectivity check.
    Skipped,
}

/// Whether RFC 7627 is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedMasterSecret {
    /// Peers without it fail.
    Required,
    /// Used with peers that have it.
    Offered,
}

/// Who decides about the peer's certificate. Its fingerprint always must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// `a=fingerprint` alone (RFC 5763 section 5); names and dates in the certificate mean nothing.
    Fingerprint,
    /// Also a chain to one of these certificates, PEM, valid now.
    Ca(Vec<u8>),
}

/// How handshakes are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// SRTP protection profiles to offer and accept, best first; a server's order wins. `AEAD_AES_256_GCM`,
    /// `AEAD_AES_128_GCM`, `AES_CM_128_HMAC_SHA1_80` and `_32` have one.
    pub profiles: Vec<Suite>,
    /// Most bytes of a datagram sent, without IP and UDP headers: 256 to 16,384.
    pub mtu: usize,
    /// Whether a server makes clients show their address.
    pub cookies: CookieExchange,
    /// Whether peers must do extended master secrets.
    pub extended_master_secret: ExtendedMasterSecret,
    /// Who decides about the peer's certificate.
    pub verify: Verify,
    /// DTLS cipher suites in OpenSSL's words.
    pub ciphers: String,
    /// Groups of the key exchange in OpenSSL's words, best first.
    pub groups: String,
    /// How long an association may take, from its making.
    pub timeout: Duration,
    /// Whether associations tell each step ([`Association::set_trace`](crate::Association::set_trace) changes it for one).
    pub trace: bool,
}

impl Default for Config {
    /// Every profile, strongest first; MTU 1200; cookies of unknown sources; forward secrecy only; one minute.
    fn default() -> Self {
        Self {
            profiles: profile::all(),
            mtu: 1200,
            cookies: CookieExchange::UnknownSources,
            extended_master_secret: ExtendedMasterSecret::Required,
            verify: Verify::Fingerprint,
            ciphers: "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK".into(),
            groups: "X25519:P-256:P-384".into(),
            timeout: Duration::from_secs(60),
            trace: false,
        }
    }
}
