//! What all associations of a process share.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::X509;

use crate::config::MTU;
use crate::cookie::{self, Cookie, CookieKey};
use crate::{Config, ConfigError, Fingerprint, HashFunction, Identity, MAX_UNPROVEN, Verify, profile};

/// Whether a server's client was asked for a cookie, and has shown it.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    No,
    Yes(Cookie),
}

struct Inner {
    config: Config,
    identity: Identity,
    local: Fingerprint,
    /// For clients, and for servers whose client is not asked for a cookie.
    unasked: SslContext,
    /// For servers whose client has shown a cookie.
    asked: SslContext,
    cookie_key: CookieKey,
    /// Handshakes that go on with clients who were not asked for a cookie.
    unproven: AtomicUsize,
}

/// A [`Config`] and an [`Identity`], ready for use; cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
    trace: bool,
}

impl Context {
    /// Checks the configuration and hands it to OpenSSL. Make one for each identity, not for each call.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn new(config: Config, identity: &Identity) -> Result<Self, ConfigError> {
        config.check()?;
        let mut asked = builder(&config, identity)?;
        require_cookies(&mut asked, cookie_slot()?);
        let trace = config.trace;
        let inner = Arc::new(Inner {
            local: identity.fingerprint(HashFunction::Sha256)?,
            unasked: builder(&config, identity)?.build(),
            asked: asked.build(),
            cookie_key: CookieKey::random()?,
            unproven: AtomicUsize::new(0),
            identity: identity.clone(),
            config,
        });
        Ok(Self { inner, trace })
    }

    /// The same for associations that tell each step, or do not, whatever [`Config::trace`] says.
    pub fn traced(&self, trace: bool) -> Self {
        Self { inner: Arc::clone(&self.inner), trace }
    }

    pub(crate) fn trace(&self) -> bool {
        self.trace
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Of our certificate, by SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.local
    }

    pub(crate) fn cookie_key(&self) -> &CookieKey {
        &self.inner.cookie_key
    }

    pub(crate) fn client_ssl(&self) -> Result<Ssl, ErrorStack> {
        Ssl::new(&self.inner.unasked)
    }

    pub(crate) fn server_ssl(&self, asked: &Asked) -> Result<Ssl, ErrorStack> {
        let context = match asked {
            Asked::No => &self.inner.unasked,
            Asked::Yes(_) => &self.inner.asked,
        };
        self.ssl_of(context, asked)
    }

    /// Of one of this context's kin in OpenSSL.
    pub(crate) fn ssl_of(&self, context: &SslContext, asked: &Asked) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        if let Asked::Yes(cookie) = asked {
            ssl.set_ex_data(cookie_slot()?, *cookie);
        }
        Ok(ssl)
    }

    /// A context of OpenSSL's as those here, whose servers remember at most so many sessions.
    pub(crate) fn remembering(&self, asked: &Asked, sessions: usize) -> Result<SslContext, ErrorStack> {
        let mut ssl = builder(&self.inner.config, &self.inner.identity)?;
        if let Asked::Yes(_) = asked {
            require_cookies(&mut ssl, cookie_slot()?);
        }
        // OpenSSL wants a name for its sessions where it asks for certificates.
        ssl.set_session_id_context(b"sealrtp")?;
        ssl.set_session_cache_mode(SslSessionCacheMode::SERVER);
        ssl.set_session_cache_size(i32::try_from(sessions).unwrap_or(i32::MAX));
        Ok(ssl.build())
    }

    /// Counts one more handshake with a client that was not asked for a cookie, if there may be one.
    pub(crate) fn admit_unproven(&self) -> Option<Unproven> {
        let more = |count| (count < MAX_UNPROVEN).then_some(count + 1);
        self.inner.unproven.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Unproven(self.clone()))
    }
}

/// A handshake with a client that was not asked for a cookie, counted until this goes.
pub(crate) struct Unproven(Context);

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.inner.unproven.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where an SSL object keeps the cookie that its peer must show. One for the process: OpenSSL never takes one back.
fn cookie_slot() -> Result<Index<Ssl, Cookie>, ErrorStack> {
    static SLOT: OnceLock<Index<Ssl, Cookie>> = OnceLock::new();
    if let Some(slot) = SLOT.get() {
        return Ok(*slot);
    }
    let made = Ssl::new_ex_index()?;
    Ok(*SLOT.get_or_init(|| made))
}

impl Config {
    /// Whether OpenSSL knows all that is named, without a certificate. Leaves nothing behind in OpenSSL, unlike
    /// [`Context::new`].
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.profiles.is_empty() {
            return Err(ConfigError::NoProfile);
        }
        if !MTU.contains(&self.mtu) {
            return Err(ConfigError::Mtu(self.mtu));
        }
        if let Some(other) = self.profiles.iter().find(|suite| profile::openssl_name(**suite).is_none()) {
            return Err(ConfigError::NotAProfile(*other));
        }
        settings(self)?;
        Ok(())
    }
}

/// What is said to OpenSSL without a certificate.
fn settings(config: &Config) -> Result<SslContextBuilder, ErrorStack> {
    let profiles: Vec<_> = config.profiles.iter().filter_map(|suite| profile::openssl_name(*suite)).collect();

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
    Ok(ssl)
}

fn builder(config: &Config, identity: &Identity) -> Result<SslContextBuilder, ErrorStack> {
    let mut ssl = settings(config)?;
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
    Ok(ssl)
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
            .field("config", &self.inner.config)
            .field("local", &self.inner.local)
            .finish_non_exhaustive()
    }
}
