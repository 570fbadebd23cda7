//! What the streams of one call share: configuration, cache, ZRTPSess, and the right to run Diffie-Hellman.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::algorithm::Hash;
use crate::cache::Cache;
use crate::config::{Config, ConfigError, Lists};
use crate::crypto::Digested;
use crate::message::Zid;
use crate::sas::Sas;

/// Most nonces of Multistream mode in one call, each a stream or a return from clear.
const MAX_NONCES: usize = 256;

/// The first stream's session, from which the others get their keys.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) hash: Hash,
    pub(crate) zrtp_sess: Digested,
    /// Of the first stream's initiator.
    pub(crate) zid_i: Zid,
    /// Of the first stream's responder.
    pub(crate) zid_r: Zid,
    pub(crate) peer: Zid,
    pub(crate) sas: Sas,
    /// The peer has shown that it has the keys, too; until then it may begin Multistream mode, but we may not.
    pub(crate) confirmed: bool,
}

/// Who runs the call's one exchange that changes retained secrets (section 4.4.1).
struct Lease {
    stream: u64,
    /// hvi, or nonce of a Preshared Commit, while the Commit is unanswered and may lose to the peer's on another stream.
    value: Option<[u8; 32]>,
}

#[derive(Default)]
pub(crate) struct Shared {
    streams: u64,
    session: Option<Session>,
    lease: Option<Lease>,
    nonces: Vec<[u8; 16]>,
}

/// One call with one peer: makes its streams. A clone is the same association.
#[derive(Clone)]
pub struct Association {
    pub(crate) config: Arc<Config>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) zid: Zid,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    shared: Arc<Mutex<Shared>>,
}

impl Association {
    /// Without a cache every call begins anew, and the peer is told not to keep a secret either (section 4.9.1).
    ///
    /// # Errors
    /// A [`ConfigError`] for lists that no Hello can hold.
    pub fn new(config: Arc<Config>, zid: Zid, cache: Option<Arc<dyn Cache>>) -> Result<Self, ConfigError> {
        config.check()?;
        let lists = Arc::new(config.lists()?);
        Ok(Self { config, lists, zid, cache, shared: Arc::default() })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_stream(&self) -> u64 {
        let mut shared = self.shared();
        shared.streams += 1;
        shared.streams
    }

    /// The call's session, with whomever.
    pub(crate) fn session(&self) -> Option<Session> {
        self.shared().session.clone()
    }

    pub(crate) fn session_with(&self, peer: &Zid) -> Option<Session> {
        self.shared().session.clone().filter(|session| session.peer == *peer)
    }

    pub(crate) fn set_session(&self, session: Session) {
        self.shared().session = Some(session);
    }

    /// Changes the session, if there is one.
    pub(crate) fn update_session(&self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.shared().session {
            change(session);
        }
    }

    pub(crate) fn drop_session(&self) {
        self.shared().session = None;
    }

    pub(crate) fn drop_unconfirmed_session(&self) {
        let mut shared = self.shared();
        if shared.session.as_ref().is_some_and(|session| !session.confirmed) {
            shared.session = None;
        }
    }

    /// Whether this stream may send a Commit that is not Multistream.
    pub(crate) fn may_lead(&self, stream: u64) -> bool {
        self.shared().lease.as_ref().is_none_or(|lease| lease.stream == stream)
    }

    /// This stream sends such a Commit.
    pub(crate) fn lead(&self, stream: u64, value: [u8; 32]) {
        self.shared().lease = Some(Lease { stream, value: Some(value) });
    }

    /// Whether the lease is this stream's.
    pub(crate) fn leads(&self, stream: u64) -> bool {
        self.shared().lease.as_ref().is_some_and(|lease| lease.stream == stream)
    }

    /// This stream got the peer's Commit with this hvi, or goes on after its own: nothing takes the lease from it any more.
    /// False if another stream's exchange goes first.
    pub(crate) fn settle(&self, stream: u64, value: &[u8; 32]) -> bool {
        let mut shared = self.shared();
        let free = match &shared.lease {
            None => true,
            Some(lease) => lease.stream == stream || lease.value.is_some_and(|ours| ours < *value),
        };
        if free {
            shared.lease = Some(Lease { stream, value: None });
        }
        free
    }

    pub(crate) fn release(&self, stream: u64) {
        let mut shared = self.shared();
        if shared.lease.as_ref().is_some_and(|lease| lease.stream == stream) {
            shared.lease = None;
        }
    }

    /// Whether no exchange of this call came to keys with a nonce, and one more may.
    pub(crate) fn is_fresh(&self, nonce: &[u8; 16]) -> bool {
        let shared = self.shared();
        !shared.nonces.contains(nonce) && shared.nonces.len() < MAX_NONCES
    }

    /// An exchange with this nonce has keys.
    pub(crate) fn use_nonce(&self, nonce: &[u8; 16]) {
        if self.is_fresh(nonce) {
            self.shared().nonces.push(*nonce);
        }
    }
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association")
            .field("zid", &self.zid)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
