//! Sessions that a later association of the same media stream may resume (RFC 5246 section 7.3, RFC 7627 section 5.3).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslRef, SslSession, SslSessionRef};

use crate::context::Asked;
use crate::{Context, Fingerprints};

/// What the associations of one media stream share, so that the second handshake, of an RTCP that has a port of its own, may
/// resume the session of the first ([`Association::resuming`](crate::Association::resuming)). Cheap to clone.
///
/// Bound to one [`Context`] and one peer's [`Fingerprints`]: no association outside of it can resume its sessions, and the
/// peer's certificate, the profile and the extended master secret are checked as in a full handshake. At most
/// [`MAX_SESSIONS`] sessions; they are wiped when the last clone goes and no handshake of it runs any more.
///
/// Servers let clients resume, whenever they come. A client offers the session of an association that has connected before,
/// if it may ([`Resumption::for_clients`]); one that begins earlier makes a full handshake.
#[derive(Clone)]
pub struct Resumption(Arc<Inner>);

/// Hands a session to OpenSSL for a client to resume: `SslRef::set_session`, which the `openssl` crate has as an unsafe function
/// alone since the session must not be in the cache of another context. There is no unsafe code in this crate, so its
/// user brings the one line. It is called only with sessions that OpenSSL has in no cache.
pub type SetSession = fn(&mut SslRef, &SslSessionRef) -> Result<(), ErrorStack>;

/// Most sessions that a [`Resumption`] remembers; the oldest goes first.
pub const MAX_SESSIONS: usize = 4;

/// What OpenSSL's context takes with one session in it, as `malloc` counts.
const CONTEXT_BYTES: usize = 16 * 1024;

/// And a client's session, with the peer's certificate.
const SESSION_BYTES: usize = 4 * 1024;

struct Inner {
    context: Context,
    expected: Fingerprints,
    /// OpenSSL looks sessions up in its context: one for each kind of cookie exchange, made when it is first needed.
    contexts: [OnceLock<SslContext>; 2],
    set_session: Option<SetSession>,
    /// The last session that a client made.
    session: Mutex<Option<SslSession>>,
}

impl Resumption {
    /// Costs nothing until a server's first ClientHello comes: then some 0.2 ms and 16 KiB for OpenSSL's context.
    pub fn new(context: &Context, expected: Fingerprints) -> Self {
        Self::make(context, expected, None)
    }

    /// The same, whose clients offer to resume, too. A client's session takes some 4 KiB.
    pub fn for_clients(context: &Context, expected: Fingerprints, set_session: SetSession) -> Self {
        Self::make(context, expected, Some(set_session))
    }

    fn make(context: &Context, expected: Fingerprints, set_session: Option<SetSession>) -> Self {
        Self(Arc::new(Inner {
            context: context.clone(),
            expected,
            contexts: [OnceLock::new(), OnceLock::new()],
            set_session,
            session: Mutex::new(None),
        }))
    }

    /// Bytes this takes, OpenSSL's part by measurement.
    pub fn memory_bytes(&self) -> usize {
        let made = self.0.contexts.iter().filter(|context| context.get().is_some()).count();
        let session = if self.session().is_some() { SESSION_BYTES } else { 0 };
        size_of::<Inner>() + made * CONTEXT_BYTES + session
    }

    pub(crate) fn context(&self) -> &Context {
        &self.0.context
    }

    pub(crate) fn expected(&self) -> &Fingerprints {
        &self.0.expected
    }

    /// Has a client offer the session of the one before it.
    pub(crate) fn offer(&self, ssl: &mut SslRef) -> Result<(), ErrorStack> {
        match (self.0.set_session, &*self.session()) {
            (Some(set_session), Some(session)) => set_session(ssl, session),
            _ => Ok(()),
        }
    }

    /// Keeps a client's session for the next one.
    pub(crate) fn keep(&self, session: &SslSessionRef) {
        if self.0.set_session.is_some() {
            *self.session() = Some(session.to_owned());
        }
    }

    fn session(&self) -> MutexGuard<'_, Option<SslSession>> {
        // Nothing here panics while it is locked.
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a server.
    pub(crate) fn server_ssl(&self, asked: &Asked) -> Result<Ssl, ErrorStack> {
        let slot = &self.0.contexts[usize::from(matches!(asked, Asked::Yes(_)))];
        let made = match slot.get() {
            Some(made) => made,
            None => {
                let made = self.0.context.remembering(asked, MAX_SESSIONS)?;
                slot.get_or_init(|| made)
            }
        };
        self.0.context.ssl_of(made, asked)
    }
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption").field("expected", &self.0.expected).finish_non_exhaustive()
    }
}
