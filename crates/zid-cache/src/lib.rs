//! What is kept of ZRTP peers between calls (RFC 6189 sections 4.3, 4.9): a [`Cache`] in one SQLite file.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//! use sealrtp_zid_cache::ZidCache;
//! use sealrtp_zrtp::{Association, Config};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("sealrtp-zid-cache-doc-{}", std::process::id()));
//! # std::fs::create_dir(&folder)?;
//! let opened = ZidCache::open(&folder.join("zid.db"), SystemTime::now)?;
//! if let Some(warning) = &opened.warning {
//!     eprintln!("{warning}");
//! }
//! let cache = Arc::new(opened.cache);
//! let call = Association::new(Arc::new(Config::default()), cache.zid(), Some(cache.clone()))?;
//! for peer in cache.peers()? {
//!     println!("{} {}", peer.zid, peer.name.unwrap_or_default());
//! }
//! # drop((call, cache));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//! - A secret that was stored is on the disk when [`store`](Cache::store) returns (WAL, `synchronous=FULL`), whole or not at
//!   all, whatever ends the process or the machine.
//! - Several processes may share the file on a local disk, and have one ZID: that of the file. Not over a network file system.
//! - [`load`](Cache::load) and [`store`](Cache::store) take [`PATIENCE`] at most, then they are a [`CacheError`]. A thread
//!   owns the file, so that a disk that hangs holds up no call; while it hangs no other call waits for it.
//! - File, -wal and -shm have mode 0600. A file that others could read is taken from them and [`Opened::warning`] says so.
//! - What is no whole cache of this version (damaged, cut off, another application's, a symbolic link, an empty folder) is
//!   set aside as `<file>.damaged-<seconds since 1970>`, never deleted, at most [`MAX_SET_ASIDE`] times, and a new one
//!   begins. In mid-call it is the same: the call in which it is found out gets a [`CacheError`] that says so and goes on
//!   without a cache, the next ones have the new file, and our ZID stays. Each row has a checksum: a wrong secret, which
//!   looks like a man in the middle, never leaves a damaged file.
//! - A device, a socket or a folder that holds something is not moved away: [`OpenError::NotAFile`].
//! - A file that is deleted or moved while it is in use is made anew at the next call.
//! - Expired secrets leave the file at the next open or store; what is deleted is overwritten (`secure_delete`), in the WAL
//!   file with its next checkpoint.
//! - To a phone each of our numbers is an end point of its own: [`ZidCache::of_number`].
//! - [`MAX_PEERS`] are kept, and [`MAX_NUMBERS`] of one peer. Then the peer met longest ago goes, but none that is verified, enrolled or named.
//!
//! # What does not
//! The secrets stand in the file as they are: who can read it as the same user or root has them. They are zeroised in our own
//! memory; SQLite's page cache (1 MiB at most) holds pages of the file until it needs the room, and is not overwritten.
#![forbid(unsafe_code)]

mod database;
mod error;
mod file;
mod number;
mod peer;
mod row;
mod schema;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Cache, CacheError, Entry};

pub use database::{MAX_NUMBERS, MAX_PEERS};
pub use error::{NameError, OpenError};
pub use file::MAX_SET_ASIDE;
pub use number::{MAX_NUMBER, Numbered, zid_of_number};
pub use peer::{MAX_NAME, Peer};

use database::Database;
use error::Failure;
use row::Key;
use worker::Worker;

/// How long [`Cache::load`] and [`Cache::store`] wait, 200 ms.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// How long what an administrator asks for waits.
const PATIENCE_OF_A_PERSON: Duration = Duration::from_secs(3);

/// The cache, open. Shared in an [`Arc`] by all calls of a process. Dropping the last one waits for what is
/// under way, and for the disk.
pub struct ZidCache {
    worker: Worker,
    zid: Zid,
    path: PathBuf,
}

/// What [`ZidCache::open`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The cache.
    pub cache: ZidCache,
    /// What stood there was unusable and is here now.
    pub set_aside: Option<PathBuf>,
    /// What an administrator should read: a file was set aside and why, or others could read it. One line.
    pub warning: Option<String>,
}

impl ZidCache {
    /// Opens the cache, and makes it when there is none: the file, not its folder. `clock` is asked when something is read
    /// or written.
    ///
    /// # Errors
    /// [`OpenError`], whose text says what to do. Waits at most 3 s for other processes.
    pub fn open(
        path: &Path,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Opened, OpenError> {
        let (database, notes) = Database::open(path, Box::new(clock))?;
        Ok(Opened { cache: Self::start(path, database)?, set_aside: notes.set_aside, warning: notes.warning })
    }

    /// Opens a cache that is there, for tools: makes nothing, moves nothing and changes no mode.
    ///
    /// # Errors
    /// [`OpenError::Absent`], [`OpenError::Unfit`], and the others.
    pub fn open_existing(
        path: &Path,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        Self::start(path, Database::open_existing(path, Box::new(clock))?)
    }

    fn start(path: &Path, database: Database) -> Result<Self, OpenError> {
        let zid = database.zid();
        let worker = Worker::start(database).map_err(|error| Failure::Refused(error.to_string()).of(path))?;
        Ok(Self { worker, zid, path: path.to_owned() })
    }

    /// Our ZID: made with the file and kept in it, the same for all processes that share it.
    pub fn zid(&self) -> Zid {
        self.zid
    }

    /// The cache of one of our numbers, with a ZID of its own. Phones keep what they know by the URI they called, beside our
    /// ZID: one ZID under two numbers is a stranger to a phone that calls the second one, and looks like an attack to us, who
    /// know the phone. "" is our own ZID and what is kept under it. Cheap; not to be shared between numbers.
    pub fn of_number(self: &Arc<Self>, number: &str) -> Numbered {
        Numbered::new(self.clone(), number)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn person<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Database) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        self.worker.ask(PATIENCE_OF_A_PERSON, operation)
    }

    /// All peers of whom something is left, under each number, the one met last first.
    ///
    /// # Errors
    /// [`CacheError`]
    pub fn peers(&self) -> Result<Vec<Peer>, CacheError> {
        self.person(Database::peers)
    }

    /// A peer, without its secrets; the number it was met under last.
    ///
    /// # Errors
    /// [`CacheError`]
    pub fn peer(&self, zid: &Zid) -> Result<Option<Peer>, CacheError> {
        let zid = *zid;
        self.person(move |database| database.peer(&zid))
    }

    /// Names a peer, or takes its name with an empty one, under all numbers, those to come too. At most [`MAX_NAME`] bytes without control characters. A name
    /// outlasts the retained secrets. `false`: not known.
    ///
    /// # Errors
    /// [`NameError`]
    pub fn set_name(&self, zid: &Zid, name: &str) -> Result<bool, NameError> {
        if !peer::is_name(name) {
            return Err(NameError::Unfit);
        }
        let (zid, name) = (*zid, Some(name.to_owned()).filter(|name| !name.is_empty()));
        let known = self.person(move |database| {
            database.change(&zid, |row| {
                row.name.clone_from(&name);
                true
            })
        });
        Ok(known?)
    }

    /// Says whether the SAS was compared, under all numbers of now. `false`: not known, or there is no retained secret for which that could be said.
    ///
    /// # Errors
    /// [`CacheError`]
    pub fn set_verified(&self, zid: &Zid, verified: bool) -> Result<bool, CacheError> {
        let zid = *zid;
        self.person(move |database| {
            database.change(&zid, |row| {
                let can_be = row.entry.rs1.is_some();
                row.entry.verified = verified && can_be;
                can_be
            })
        })
    }

    /// Forgets a peer under all numbers, its enrolment and name too: the next call is the first one. `false`: not known.
    ///
    /// # Errors
    /// [`CacheError`]
    pub fn forget(&self, zid: &Zid) -> Result<bool, CacheError> {
        let zid = *zid;
        self.person(move |database| database.forget(&zid))
    }
}

impl Cache for ZidCache {
    fn load(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        let key = Key { own: self.zid, peer: *peer };
        self.worker.ask(PATIENCE, move |database| database.load(&key))
    }

    fn store(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        let (key, entry) = (Key { own: self.zid, peer: *peer }, entry.clone());
        self.worker.ask(PATIENCE, move |database| database.store(&key, None, &entry, expiry))
    }
}

impl fmt::Debug for ZidCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZidCache").field("path", &self.path).field("zid", &self.zid).finish_non_exhaustive()
    }
}
