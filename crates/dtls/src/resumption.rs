//! Sessions that a later association of the same media stream may resume (RFC 5246 section 7.3, RFC 7627 section 5.3).

use std::fmt;
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext};

use crate::context::Asked;
use crate::{Context, Fingerprints};

/// What the associations of one media stream share, so that the second handshake, of an RTCP that has a port of its own, may
/// resume the session of the first ([`Association::resuming`](crate::Association::resuming)). Cheap to clone.
///
/// Bound to one [`Context`] and one peer's [`Fingerprints`]: no association outside of it can resume its sessions, and the
/// peer's certificate, the profile and the extended master secret are checked as in a full handshake. At most
/// [`MAX_SESSIONS`] sessions; they are wiped when the last clone goes and no handshake of it runs any more.
///
/// Servers let clients resume. Our own clients do not ask for it and make full handshakes: OpenSSL takes the session to
/// resume only through `SSL_set_session`, which the `openssl` crate has as an unsafe function alone.
#[derive(Clone)]
pub struct Resumption(Arc<Inner>);

/// Most sessions that a [`Resumption`] remembers; the oldest goes first.
pub const MAX_SESSIONS: usize = 4;

/// What OpenSSL's context takes with one session in it, as `malloc` counts.
const CONTEXT_BYTES: usize = 16 * 1024;

struct Inner {
    context: Context,
    expected: Fingerprints,
    /// OpenSSL looks sessions up in its context: one for each kind of cookie exchange, made when it is first needed.
    contexts: [OnceLock<SslContext>; 2],
}

impl Resumption {
    /// Costs nothing until a server's first ClientHello comes: then some 0.2 ms and 16 KiB for OpenSSL's context.
    pub fn new(context: &Context, expected: Fingerprints) -> Self {
        Self(Arc::new(Inner {
            context: context.clone(),
            expected,
            contexts: [OnceLock::new(), OnceLock::new()],
        }))
    }

    /// Bytes this takes, OpenSSL's part by measurement.
    pub fn memory_bytes(&self) -> usize {
        let made = self.0.contexts.iter().filter(|context| context.get().is_some()).count();
        size_of::<Inner>() + made * CONTEXT_BYTES
    }

    pub(crate) fn context(&self) -> &Context {
        &self.0.context
    }

    pub(crate) fn expected(&self) -> &Fingerprints {
        &self.0.expected
    }

    /// For a server.
    pub(crate) fn new_ssl(&self, asked: &Asked) -> Result<Ssl, ErrorStack> {
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
