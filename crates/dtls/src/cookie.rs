//! The cookie exchange (RFC 6347 section 4.2.1), without any state: a server answers a ClientHello out of what the datagram
//! itself says, and makes an SSL object only for a source that has sent our cookie back.

use std::net::{IpAddr, SocketAddr};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use subtle::ConstantTimeEq;

use crate::record::{HANDSHAKE, HANDSHAKE_HEADER, HEADER};

pub(crate) const COOKIE: usize = 32;
pub(crate) type Cookie = [u8; COOKIE];

/// The key of all cookies of a context.
pub(crate) struct CookieKey(PKey<Private>);

impl CookieKey {
    pub(crate) fn random() -> Result<Self, ErrorStack> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        openssl::rand::rand_priv_bytes(&mut *key)?;
        PKey::hmac(&*key).map(Self)
    }

    /// The cookie for a ClientHello's `bound` part from a source.
    pub(crate) fn cookie(&self, from: SocketAddr, bound: &[u8]) -> Result<Cookie, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.0)?;
        let address = match from.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        signer.update(&address.octets())?;
        signer.update(&from.port().to_be_bytes())?;
        signer.update(bound)?;
        let mut cookie = [0; COOKIE];
        signer.sign(&mut cookie)?;
        Ok(cookie)
    }
}

/// Whether two cookies are the same.
pub(crate) fn same(ours: &Cookie, theirs: &[u8]) -> bool {
    bool::from(ours[..].ct_eq(theirs))
}

/// A HelloVerifyRequest in a datagram; its record has the sequence number of the ClientHello that it answers.
pub(crate) fn hello_verify_request(sequence: u64, cookie: &Cookie) -> Vec<u8> {
    const BODY: u8 = 2 + 1 + COOKIE as u8;
    const MESSAGE: u8 = HANDSHAKE_HEADER as u8 + BODY;
    let mut out = Vec::with_capacity(HEADER + usize::from(MESSAGE));
    out.extend([HANDSHAKE, 0xfe, 0xff, 0, 0]);
    out.extend(&sequence.to_be_bytes()[2..]);
    out.extend([0, MESSAGE]);
    out.extend([3, 0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY]);
    // RFC 6347 section 4.2.1: always DTLS 1.0 here, whatever will be agreed on.
    out.extend([0xfe, 0xff, COOKIE as u8]);
    out.extend(cookie);
    out
}

/// A ClientHello without cookie that stands in for the one which was answered without state: OpenSSL wants to have seen a
/// first one before it takes the one with the cookie. It reads nothing of it but that there is no cookie.
pub(crate) const FIRST_CLIENT_HELLO: [u8; HEADER + HANDSHAKE_HEADER + 42] = {
    let mut hello = [0; HEADER + HANDSHAKE_HEADER + 42];
    let head = [
        HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 0xfe,
        0xfd,
    ];
    let tail = [0, 0, 0, 2, 0xc0, 0x2b, 1, 0];
    let mut i = 0;
    while i < head.len() {
        hello[i] = head[i];
        i += 1;
    }
    let mut i = 0;
    while i < tail.len() {
        hello[hello.len() - tail.len() + i] = tail[i];
        i += 1;
    }
    hello
};
