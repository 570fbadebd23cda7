//! What is kept of peers between calls (RFC 6189 sections 4.3, 4.9).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::message::Zid;
use crate::secret::Secret;

/// What is kept of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The retained secret of the last call.
    pub rs1: Option<Secret>,
    /// The one before.
    pub rs2: Option<Secret>,
    /// A secret agreed on in another way.
    pub aux: Option<Secret>,
    /// Of an enrolment.
    pub pbx: Option<Secret>,
    /// The SAS was compared since the secrets began.
    pub verified: bool,
}

/// A cache that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ZRTP cache cannot be used: {0}")]
pub struct CacheError(pub String);

/// Where secrets are kept, by the peer's ZID. One cache belongs to one ZID of ours. Its own clock tells what has expired.
pub trait Cache: Send + Sync {
    /// What is kept of a peer and has not expired. pbxsecret does not expire.
    ///
    /// # Errors
    /// [`CacheError`]; the call goes on as if there were no cache.
    fn load(&self, peer: &Zid) -> Result<Option<Entry>, CacheError>;

    /// Replaces what is kept of a peer. rs1 and rs2 expire after `expiry` seconds from now: [`u32::MAX`] never, 0 at once.
    ///
    /// # Errors
    /// [`CacheError`], told by an event.
    fn store(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError>;
}

type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// A cache that lasts as long as the process.
pub struct MemoryCache {
    clock: Clock,
    entries: Mutex<HashMap<Zid, (Entry, Option<SystemTime>)>>,
}

impl MemoryCache {
    /// Empty; `clock` is asked when something is read or written.
    pub fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), entries: Mutex::default() }
    }

    /// Forgets a peer.
    pub fn forget(&self, peer: &Zid) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }
}

impl Cache for MemoryCache {
    fn load(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((entry, until)) = entries.get(peer) else { return Ok(None) };
        if until.is_none_or(|until| (self.clock)() < until) {
            return Ok(Some(entry.clone()));
        }
        let left = Entry { aux: entry.aux.clone(), pbx: entry.pbx.clone(), ..Entry::default() };
        Ok((left != Entry::default()).then_some(left))
    }

    fn store(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        let seconds = Duration::from_secs(expiry.into());
        let until = if expiry == u32::MAX { None } else { (self.clock)().checked_add(seconds) };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(*peer, (entry.clone(), until));
        Ok(())
    }
}

impl std::fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peers = self.entries.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("MemoryCache").field("peers", &peers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn retained_secrets_expire_and_an_enrolment_does_not() {
        let time = Arc::new(AtomicU64::new(1000));
        let clock = time.clone();
        let cache = MemoryCache::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed))
        });
        let (a, b) = (Zid([1; 12]), Zid([2; 12]));
        let rs1 = Some(Secret::new([7; 32]));
        let known = Entry { rs1: rs1.clone(), verified: true, ..Entry::default() };
        let enrolled = Entry { pbx: rs1, ..known.clone() };
        cache.store(&a, &known, 60).unwrap();
        cache.store(&b, &enrolled, 60).unwrap();
        time.store(1059, Ordering::Relaxed);
        assert_eq!(cache.load(&a).unwrap(), Some(known.clone()));
        time.store(1060, Ordering::Relaxed);
        assert_eq!(cache.load(&a).unwrap(), None);
        let left = cache.load(&b).unwrap().unwrap();
        assert!(left.rs1.is_none() && left.pbx.is_some() && !left.verified);
        cache.store(&a, &known, u32::MAX).unwrap();
        time.store(u64::from(u32::MAX), Ordering::Relaxed);
        assert!(cache.load(&a).unwrap().is_some());
        cache.store(&a, &known, 0).unwrap();
        assert!(cache.load(&a).unwrap().is_none());
    }
}
