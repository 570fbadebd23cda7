//! What all associations of a process share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::X509;
use sealrtp_srtp::Suite;

use crate::cookie::{self, Cookie, CookieKey};
use crate::{ConfigError, Fingerprint, HashFunction, Identity, profile};

const MTU: std::ops::RangeInclusive<usize> = 256..=16_384;

/// Whether a server asks a client to show that it receives at its source address (RFC 6347 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieExchange {
    /// Always: one more round trip; ClientHellos of spoofed sources leave no state.
    Required,
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
    /// Every profile, strongest first; MTU 1200; cookies; forward secrecy only; one minute.
    fn default() -> Self {
        Self {
            profiles: profile::all(),
            mtu: 1200,
            cookies: CookieExchange::Required,
            extended_master_secret: ExtendedMasterSecret::Required,
            verify: Verify::Fingerprint,
            ciphers: "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK".into(),
            groups: "X25519:P-256:P-384".into(),
            timeout: Duration::from_secs(60),
            trace: false,
        }
    }
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) local: Fingerprint,
    ssl: SslContext,
    cookie_key: CookieKey,
    /// Where an SSL object keeps the cookie that its peer must show.
    cookie_slot: Index<Ssl, Cookie>,
}

/// A [`Config`] and an [`Identity`], ready for use; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

impl Context {
    /// Checks the configuration and hands it to OpenSSL. Make one for each identity, not for each call.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn new(config: Config, identity: &Identity) -> Result<Self, ConfigError> {
        if config.profiles.is_empty() {
            return Err(ConfigError::NoProfile);
        }
        if !MTU.contains(&config.mtu) {
            return Err(ConfigError::Mtu(config.mtu));
        }
        let name = |suite: &Suite| profile::openssl_name(*suite).ok_or(ConfigError::NotAProfile(*suite));
        let profiles = config.profiles.iter().map(name).collect::<Result<Vec<_>, _>>()?;

        let mut ssl = SslContext::builder(SslMethod::dtls())?;
        ssl.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        ssl.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
        ssl.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_TICKET | SslOptions::NO_COMPRESSION);
        // Without it OpenSSL asks the wire for an MTU, and for a smaller one after timeouts.
        ssl.set_options(SslOptions::NO_QUERY_MTU);
        ssl.set_session_cache_mode(SslSessionCacheMode::OFF);
        ssl.set_cipher_list(&config.ciphers)?;
        ssl.set_groups_list(&config.groups)?;
        ssl.set_tlsext_use_srtp(&profiles.join(":"))?;
        ssl.set_certificate(identity.certificate())?;
        for certificate in identity.chain() {
            ssl.add_extra_chain_cert(certificate.clone())?;
        }
        ssl.set_private_key(identity.key())?;
        ssl.check_private_key()?;
        if let Verify::Ca(pem) = &config.verify {
            for certificate in X509::stack_from_pem(pem)? {
                ssl.cert_store_mut().add_cert(certificate)?;
            }
        }
        let cookie_slot = Ssl::new_ex_index()?;
        if config.cookies == CookieExchange::Required {
            require_cookies(&mut ssl, cookie_slot);
        }
        Ok(Self(Arc::new(Inner {
            local: identity.fingerprint(HashFunction::Sha256)?,
            ssl: ssl.build(),
            cookie_key: CookieKey::random()?,
            cookie_slot,
            config,
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Of our certificate, by SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.local
    }

    pub(crate) fn cookie_key(&self) -> &CookieKey {
        &self.0.cookie_key
    }

    pub(crate) fn new_ssl(&self) -> Result<Ssl, ErrorStack> {
        Ssl::new(&self.0.ssl)
    }

    /// Tells an SSL object which cookie its peer must show.
    pub(crate) fn expect_cookie(&self, ssl: &mut Ssl, cookie: Cookie) {
        ssl.set_ex_data(self.0.cookie_slot, cookie);
    }
}

/// OpenSSL's part of the cookie exchange: the same cookie that went out without state must be in the ClientHello it takes.
fn require_cookies(ssl: &mut SslContextBuilder, slot: Index<Ssl, Cookie>) {
    ssl.set_options(SslOptions::COOKIE_EXCHANGE);
    ssl.set_cookie_generate_cb(move |ssl, out| {
        let cookie = ssl.ex_data(slot).ok_or_else(ErrorStack::get)?;
        let out = out.get_mut(..cookie.len()).ok_or_else(ErrorStack::get)?;
        out.copy_from_slice(cookie);
        Ok(out.len())
    });
    ssl.set_cookie_verify_cb(move |ssl, theirs| {
        ssl.ex_data(slot).is_some_and(|ours| cookie::same(ours, theirs))
    });
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("config", &self.0.config)
            .field("local", &self.0.local)
            .finish_non_exhaustive()
    }
}
