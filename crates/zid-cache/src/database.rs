//! The open file and what is done with it. Owned by one thread.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{CacheError, Entry};

use crate::error::{Failure, OpenError};
use crate::file::{Found, Identity, Place};
use crate::peer::Peer;
use crate::row::{Millis, Row, millis};
use crate::schema;

/// Most peers that are kept. The one met longest ago makes room, but none that is verified, enrolled or has a name.
pub const MAX_PEERS: usize = 100_000;

/// Rows that one store clears of what has expired, at most.
const SWEEP: usize = 16;

/// How long opening waits for another process that opens.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same in mid-call.
const PATIENCE_IN_CALL: Duration = Duration::from_millis(100);

pub(crate) type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// What an open has to tell.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub set_aside: Option<PathBuf>,
    pub warning: Option<String>,
}

pub(crate) struct Database {
    place: Place,
    clock: Clock,
    /// `None` after it was given up and before it is opened again.
    open: Option<(Connection, Identity)>,
    zid: Zid,
    max_peers: usize,
    /// A file was set aside in mid-call, and no caller has been told yet.
    news: Option<CacheError>,
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = Connection::open_with_flags(path, flags)?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// Opens a file and finds out whether it is one of ours; it is changed by nothing but SQLite's own recovery before.
fn accept(place: &Place) -> Result<(Connection, Zid), Failure> {
    let db = connect(place.path())?;
    schema::settings(&db)?;
    schema::examine(&db)?;
    if db.is_readonly("main")? {
        return Err(Failure::Damaged("its header forbids to write".into()));
    }
    schema::durable(&db)?;
    let zid = schema::own(&db)?;
    Ok((db, zid))
}

/// An open cache.
struct Accepted {
    db: Connection,
    identity: Identity,
    zid: Zid,
    /// Others could read or write it.
    was_open_to_others: bool,
}

/// What came of opening what stands at the path.
enum Attempt {
    Accepted(Accepted),
    /// Nothing stands there.
    Nothing,
    /// To be set aside, and why.
    Unfit(String),
    /// Another process put something else there meanwhile.
    Replaced,
}

fn attempt(place: &Place) -> Result<Attempt, OpenError> {
    let (identity, was_open_to_others) = match place.look()? {
        Found::Nothing => return Ok(Attempt::Nothing),
        Found::Foreign(what) => return Ok(Attempt::Unfit(what.into())),
        Found::File { identity, open_to_others } => (identity, open_to_others),
    };
    place.accessible()?;
    let accepted = accept(place);
    if place.identity() != Some(identity) {
        return Ok(Attempt::Replaced);
    }
    match accepted {
        Ok((db, zid)) => Ok(Attempt::Accepted(Accepted { db, identity, zid, was_open_to_others })),
        Err(Failure::Damaged(reason)) => Ok(Attempt::Unfit(reason)),
        Err(refused) => Err(refused.of(place.path())),
    }
}

fn make(place: &Place, zid: Option<Zid>, owner: Option<(u32, u32)>) -> Result<(), OpenError> {
    let zid = match zid {
        Some(zid) => zid,
        None => {
            let mut bytes = [0; 12];
            getrandom::fill(&mut bytes)
                .map_err(|error| Failure::Refused(error.to_string()).of(place.path()))?;
            Zid(bytes)
        }
    };
    let draft = place.make_draft()?;
    let filled = connect(&draft).and_then(|mut db| {
        schema::create(&mut db, &zid)?;
        // The last connection's end brings all from the WAL file into the main one, and syncs it.
        db.close().map_err(|(_, error)| error.into())
    });
    let made = filled.map_err(|failure| failure.of(place.path())).and_then(|()| place.publish_draft(owner));
    if made.is_err() {
        let _ = place.drop_draft();
    }
    made
}

impl Database {
    /// Opens, makes or sets aside. `zid`: a new file gets this one, and one with another is refused.
    fn obtain(
        place: &Place,
        clock: &Clock,
        zid: Option<Zid>,
        patience: Duration,
    ) -> Result<(Accepted, Notes), OpenError> {
        let mut notes = Notes::default();
        let refuse = |reason: &str| Failure::Refused(reason.into()).of(place.path());
        let accepted = match attempt(place)? {
            Attempt::Accepted(accepted) => accepted,
            _ => {
                let _lock = place.lock(patience)?;
                // Another may have been faster.
                let unfit = match attempt(place)? {
                    Attempt::Accepted(accepted) => Ok(accepted),
                    Attempt::Replaced => return Err(refuse("it was replaced while it was opened")),
                    Attempt::Unfit(reason) => Err(reason),
                    Attempt::Nothing => Err("its -wal or -shm file stood there alone".into()),
                };
                match unfit {
                    Ok(accepted) => accepted,
                    Err(reason) => {
                        let owner = place.owner_to_keep();
                        notes.set_aside = place.set_aside(millis(clock()), &reason)?;
                        notes.warning = notes.set_aside.as_ref().map(|aside| {
                            format!(
                                "{} was no usable ZRTP cache ({reason}); it is now {}, and a new one has begun in which \
                                 no peer is known",
                                place.path().display(),
                                aside.display()
                            )
                        });
                        make(place, zid, owner)?;
                        match attempt(place)? {
                            Attempt::Accepted(accepted) => accepted,
                            Attempt::Unfit(reason) => return Err(refuse(&reason)),
                            _ => return Err(refuse("it was replaced while it was opened")),
                        }
                    }
                }
            }
        };
        if accepted.was_open_to_others {
            place.make_private()?;
            notes.warning.get_or_insert(format!(
                "the ZRTP cache {} could be read or written by other users; it cannot any more (mode 0600), but its \
                 secrets may be known",
                place.path().display()
            ));
        }
        if zid.is_some_and(|zid| zid != accepted.zid) {
            return Err(refuse("it was replaced by one that has another ZID: restart to use it"));
        }
        Ok((accepted, notes))
    }

    /// The cache at a path, made if need be.
    pub fn open(path: &Path, clock: Clock) -> Result<(Self, Notes), OpenError> {
        let place = Place::new(path)?;
        let (accepted, notes) = Self::obtain(&place, &clock, None, PATIENCE)?;
        let mut new = Self::with(place, clock, accepted);
        new.sweep_all().map_err(|failure| failure.of(path))?;
        Ok((new, notes))
    }

    /// The cache at a path, as it is.
    pub fn open_existing(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let place = Place::new(path)?;
        match attempt(&place)? {
            Attempt::Accepted(accepted) => Ok(Self::with(place, clock, accepted)),
            Attempt::Nothing => Err(OpenError::Absent(path.to_owned())),
            Attempt::Unfit(reason) => Err(Failure::Damaged(reason).of(path)),
            Attempt::Replaced => Err(Failure::Refused("it was replaced while it was opened".into()).of(path)),
        }
    }

    fn with(place: Place, clock: Clock, Accepted { db, identity, zid, .. }: Accepted) -> Self {
        Self { place, clock, open: Some((db, identity)), zid, max_peers: MAX_PEERS, news: None }
    }

    pub fn zid(&self) -> Zid {
        self.zid
    }

    fn now(&self) -> Millis {
        millis((self.clock)())
    }

    /// Runs an operation on the file that stands at the path now: one that was deleted, moved or set aside by another
    /// process is not written to any more.
    fn run<T>(
        &mut self,
        operation: impl Fn(&mut Connection, Millis) -> Result<T, Failure>,
    ) -> Result<T, CacheError> {
        let now = self.now();
        let current = self.place.identity();
        if self.open.as_ref().is_some_and(|(_, identity)| Some(*identity) != current) {
            self.open = None;
        }
        if self.open.is_none() {
            self.reopen()?;
        }
        let Some((db, _)) = &mut self.open else { return Err(CacheError("not open".into())) };
        match operation(db, now) {
            Ok(done) => Ok(done),
            Err(Failure::Refused(reason)) => {
                Err(CacheError(format!("{}: {reason}", self.place.path().display())))
            }
            Err(Failure::Damaged(reason)) => {
                self.open = None;
                self.reopen()?;
                Err(CacheError(format!("{}: {reason}; it was opened anew", self.place.path().display())))
            }
        }
    }

    /// In mid-call; our ZID stays what it is. That a file was set aside is an error, once.
    fn reopen(&mut self) -> Result<(), CacheError> {
        let (accepted, notes) = Self::obtain(&self.place, &self.clock, Some(self.zid), PATIENCE_IN_CALL)
            .map_err(|error| CacheError(error.to_string()))?;
        self.open = Some((accepted.db, accepted.identity));
        self.news = notes.set_aside.and(notes.warning).map(CacheError);
        self.news.clone().map_or(Ok(()), Err)
    }

    /// What a caller is still to be told of, instead of what it asks for.
    pub fn news(&self) -> Option<CacheError> {
        self.news.clone()
    }

    /// A caller has had its answer, which were the news if there are any.
    pub fn told(&mut self) {
        self.news = None;
    }

    /// The same in a transaction that waits for other writers first.
    fn write<T>(
        &mut self,
        change: impl Fn(&Connection, Millis) -> Result<T, Failure>,
    ) -> Result<T, CacheError> {
        self.run(|db, now| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction, now)?;
            transaction.commit()?;
            Ok(changed)
        })
    }

    pub fn load(&mut self, zid: &Zid) -> Result<Option<Entry>, CacheError> {
        self.run(|db, now| Ok(Row::load(db, zid)?.and_then(|row| row.living(now))))
    }

    pub fn store(&mut self, zid: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        let max_peers = self.max_peers;
        self.write(|db, now| {
            sweep(db, now, SWEEP)?;
            let row = match Row::load(db, zid)? {
                Some(row) => row,
                None => {
                    make_room(db, max_peers)?;
                    Row::new(*zid, now)
                }
            };
            let expires = (expiry != u32::MAX).then(|| now.saturating_add(i64::from(expiry) * 1000));
            let row = Row { entry: entry.clone(), last_seen: now, expires, ..row };
            // With an expiry of 0 nothing of it is ever written.
            match row.clone().without_expired(now) {
                Some(row) => row.save(db),
                None => Row::remove(db, zid).map(|_| ()),
            }
        })
    }

    pub fn peers(&mut self) -> Result<Vec<Peer>, CacheError> {
        self.run(|db, now| {
            let mut peers = Vec::new();
            Row::each(db, |row| peers.extend(row.peer(now)))?;
            Ok(peers)
        })
    }

    pub fn peer(&mut self, zid: &Zid) -> Result<Option<Peer>, CacheError> {
        self.run(|db, now| Ok(Row::load(db, zid)?.and_then(|row| row.peer(now))))
    }

    /// Changes a peer that is known; `false` from `change`: it cannot be changed so.
    pub fn change(&mut self, zid: &Zid, change: impl Fn(&mut Row) -> bool) -> Result<bool, CacheError> {
        self.write(|db, now| {
            let row = Row::load(db, zid)?.and_then(|row| row.without_expired(now));
            let Some(mut row) = row else { return Ok(false) };
            let changed = change(&mut row);
            match row.without_expired(now) {
                _ if !changed => {}
                Some(row) => row.save(db)?,
                None => drop(Row::remove(db, zid)?),
            }
            Ok(changed)
        })
    }

    pub fn forget(&mut self, zid: &Zid) -> Result<bool, CacheError> {
        let known = self.write(|db, _| Row::remove(db, zid))?;
        // The secrets leave the WAL file too; while another process reads they leave it at its next checkpoint.
        let _ = self.run(|db, _| {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        });
        Ok(known)
    }

    fn sweep_all(&mut self) -> Result<(), Failure> {
        let now = self.now();
        let Some((db, _)) = &mut self.open else { return Ok(()) };
        if !has_expired(db, now)? {
            return Ok(());
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sweep(&transaction, now, usize::MAX)?;
        transaction.commit()?;
        Ok(())
    }
}

const EXPIRED: &str = "SELECT zid FROM peers WHERE expires <= ?1 AND (rs1 IS NOT NULL OR rs2 IS NOT NULL OR verified \
                       OR (name IS NULL AND aux IS NULL AND pbx IS NULL)) LIMIT ?2";

fn expired(db: &Connection, now: Millis, most: usize) -> Result<Vec<Zid>, Failure> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(EXPIRED)?;
    let zids = statement.query_map((now, most), |row| row.get(0).map(Zid))?;
    Ok(zids.collect::<Result<_, _>>()?)
}

fn has_expired(db: &Connection, now: Millis) -> Result<bool, Failure> {
    Ok(!expired(db, now, 1)?.is_empty())
}

/// What has expired leaves the file.
fn sweep(db: &Connection, now: Millis, most: usize) -> Result<(), Failure> {
    for zid in expired(db, now, most)? {
        match Row::load(db, &zid)?.and_then(|row| row.without_expired(now)) {
            Some(row) => row.save(db)?,
            None => drop(Row::remove(db, &zid)?),
        }
    }
    Ok(())
}

/// Before a new peer is kept: strangers, who cost their makers one exchange each, cannot fill the disk.
fn make_room(db: &Connection, max_peers: usize) -> Result<(), Failure> {
    let peers: i64 = db.prepare_cached("SELECT count(*) FROM peers")?.query_row([], |row| row.get(0))?;
    if usize::try_from(peers).is_ok_and(|peers| peers < max_peers) {
        return Ok(());
    }
    let removed = db
        .prepare_cached(
            "DELETE FROM peers WHERE zid = (SELECT zid FROM peers \
             WHERE NOT verified AND pbx IS NULL AND aux IS NULL AND name IS NULL ORDER BY last_seen LIMIT 1)",
        )?
        .execute([])?;
    if removed > 0 {
        return Ok(());
    }
    Err(Failure::Refused(format!("it is full: {max_peers} peers, each verified, enrolled or named")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealrtp_zrtp::Secret;

    #[test]
    fn a_full_cache_lets_strangers_go_and_keeps_whom_we_know() {
        let folder = std::env::temp_dir().join(format!("sealrtp-zid-cache-full-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let clock = now.clone();
        let clock = move || {
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let (mut database, _) = Database::open(&folder.join("zid.db"), Box::new(clock)).unwrap();
        database.max_peers = 5;
        let secret = Some(Secret::new([7; 32]));
        let stranger = Entry { rs1: secret.clone(), ..Entry::default() };
        let zid = |number| Zid([number; 12]);
        database.store(&zid(1), &Entry { verified: true, ..stranger.clone() }, u32::MAX).unwrap();
        database.store(&zid(2), &Entry { pbx: secret.clone(), ..stranger.clone() }, u32::MAX).unwrap();
        database.store(&zid(3), &stranger, u32::MAX).unwrap();
        database.change(&zid(3), |row| row.name.insert("Carol".into()).len() == 5).unwrap();
        for number in 10..30 {
            database.store(&zid(number), &stranger, u32::MAX).unwrap();
        }
        let left: Vec<Zid> = database.peers().unwrap().iter().map(|peer| peer.zid).collect();
        assert_eq!(left, [zid(29), zid(28), zid(3), zid(2), zid(1)]);
        for number in [28, 29] {
            database
                .store(&zid(number), &Entry { aux: secret.clone(), ..Entry::default() }, u32::MAX)
                .unwrap();
        }
        let full = database.store(&zid(30), &stranger, u32::MAX).unwrap_err();
        assert!(full.0.contains("full"), "{full}");
        database.store(&zid(1), &stranger, u32::MAX).unwrap();
        drop(database);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
