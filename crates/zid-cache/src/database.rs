//! The open file and what is done with it. Owned by one thread.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{CacheError, Entry};

use crate::error::{Failure, OpenError};
use crate::file::{Found, Identity, Place};
use crate::peer::Peer;
use crate::row::{Key, Millis, Row, millis};
use crate::schema;

/// Most rows that are kept: one for each peer and number of ours. The one met longest ago makes room, but none that is
/// verified, enrolled or has a name.
pub const MAX_PEERS: usize = 100_000;

/// Most numbers of ours under which one peer is kept. The one met longest ago makes room, but none that is verified or
/// enrolled.
pub const MAX_NUMBERS: usize = 256;

/// Rows that one store clears of what has expired, at most.
const SWEEP: usize = 16;

/// How long opening waits for other processes.
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
fn accept(place: &Place, until: Instant) -> Result<(Connection, Zid), Failure> {
    let db = connect(place.path())?;
    schema::settings(&db, until.saturating_duration_since(Instant::now()))?;
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

/// Waits for other processes until then.
fn attempt(place: &Place, until: Instant) -> Result<Attempt, OpenError> {
    let (identity, was_open_to_others) = match place.look()? {
        Found::Nothing => return Ok(Attempt::Nothing),
        Found::Foreign(what) => return Ok(Attempt::Unfit(what.into())),
        Found::File { identity, open_to_others } => (identity, open_to_others),
    };
    place.accessible()?;
    let accepted = accept(place, until);
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
        let until = Instant::now() + patience;
        let mut notes = Notes::default();
        let refuse = |reason: &str| Failure::Refused(reason.into()).of(place.path());
        let accepted = match attempt(place, until)? {
            Attempt::Accepted(accepted) => accepted,
            _ => {
                let _lock = place.lock(until)?;
                // Another may have been faster.
                let unfit = match attempt(place, until)? {
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
                        match attempt(place, until)? {
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
        new.sweep_all().and_then(|()| new.open_to_calls()).map_err(|failure| failure.of(path))?;
        Ok((new, notes))
    }

    /// The cache at a path, as it is.
    pub fn open_existing(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let place = Place::new(path)?;
        match attempt(&place, Instant::now() + PATIENCE)? {
            Attempt::Accepted(accepted) => {
                let new = Self::with(place, clock, accepted);
                new.open_to_calls().map_err(|failure| failure.of(path))?;
                Ok(new)
            }
            Attempt::Nothing => Err(OpenError::Absent(path.to_owned())),
            Attempt::Unfit(reason) => Err(Failure::Damaged(reason).of(path)),
            Attempt::Replaced => Err(Failure::Refused("it was replaced while it was opened".into()).of(path)),
        }
    }

    fn with(place: Place, clock: Clock, Accepted { db, identity, zid, .. }: Accepted) -> Self {
        Self { place, clock, open: Some((db, identity)), zid, max_peers: MAX_PEERS, news: None }
    }

    /// From now on other processes are waited for as in mid-call.
    fn open_to_calls(&self) -> Result<(), Failure> {
        self.open.as_ref().map_or(Ok(()), |(db, _)| Ok(db.busy_timeout(schema::BUSY)?))
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
        self.open_to_calls().map_err(|failure| CacheError(failure.of(self.place.path()).to_string()))?;
        self.news = notes.set_aside.and(notes.warning).map(CacheError);
        self.news.clone().map_or(Ok(()), Err)
    }

    /// What a caller is still to be told of, instead of what it asks for.
    pub fn news(&self) -> Option<CacheError> {
        self.news.clone()
    }

    #[cfg(test)]
    pub fn set_news(&mut self, news: CacheError) {
        self.news = Some(news);
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

    pub fn load(&mut self, key: &Key) -> Result<Option<Entry>, CacheError> {
        self.run(|db, now| Ok(Row::load(db, key)?.and_then(|row| row.living(now))))
    }

    pub fn store(
        &mut self,
        key: &Key,
        number: Option<&str>,
        entry: &Entry,
        expiry: u32,
    ) -> Result<(), CacheError> {
        let max_peers = self.max_peers;
        self.write(|db, now| {
            sweep(db, now, SWEEP)?;
            let row = match Row::load(db, key)? {
                Some(row) => row,
                None => {
                    let others = Row::of_peer(db, &key.peer)?;
                    make_room(db, max_peers, &others)?;
                    let name = others.into_iter().find_map(|row| row.name);
                    Row { name, ..Row::new(*key, number, now) }
                }
            };
            let expires = (expiry != u32::MAX).then(|| now.saturating_add(i64::from(expiry) * 1000));
            let row = Row { entry: entry.clone(), last_seen: now, expires, ..row };
            // With an expiry of 0 nothing of it is ever written.
            match row.clone().without_expired(now) {
                Some(row) => row.save(db),
                None => Row::remove(db, key),
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

    /// The one met last, where there are several numbers.
    pub fn peer(&mut self, zid: &Zid) -> Result<Option<Peer>, CacheError> {
        self.run(|db, now| Ok(Row::of_peer(db, zid)?.into_iter().find_map(|row| row.peer(now))))
    }

    /// Changes a peer that is known, under all numbers; `false` from `change`: it cannot be changed so.
    pub fn change(&mut self, zid: &Zid, change: impl Fn(&mut Row) -> bool) -> Result<bool, CacheError> {
        self.write(|db, now| {
            let mut any = false;
            for row in Row::of_peer(db, zid)? {
                let key = row.key;
                // One that has expired goes: it must not come to life again without what is changed here.
                let Some(mut row) = row.without_expired(now) else {
                    Row::remove(db, &key)?;
                    continue;
                };
                let changed = change(&mut row);
                match row.without_expired(now) {
                    _ if !changed => {}
                    Some(row) => row.save(db)?,
                    None => Row::remove(db, &key)?,
                }
                any |= changed;
            }
            Ok(any)
        })
    }

    pub fn forget(&mut self, zid: &Zid) -> Result<bool, CacheError> {
        let known = self.write(|db, _| Row::remove_peer(db, zid))?;
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

const EXPIRED: &str = "SELECT zid, own FROM peers WHERE expires <= ?1 AND (rs1 IS NOT NULL OR rs2 IS NOT NULL OR verified \
                       OR (name IS NULL AND aux IS NULL AND pbx IS NULL)) LIMIT ?2";

fn expired(db: &Connection, now: Millis, most: usize) -> Result<Vec<Key>, Failure> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(EXPIRED)?;
    let keys = statement
        .query_map((now, most), |row| Ok(Key { peer: row.get(0).map(Zid)?, own: row.get(1).map(Zid)? }))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

fn has_expired(db: &Connection, now: Millis) -> Result<bool, Failure> {
    Ok(!expired(db, now, 1)?.is_empty())
}

/// What has expired leaves the file.
fn sweep(db: &Connection, now: Millis, most: usize) -> Result<(), Failure> {
    for key in expired(db, now, most)? {
        match Row::load(db, &key)?.and_then(|row| row.without_expired(now)) {
            Some(row) => row.save(db)?,
            None => Row::remove(db, &key)?,
        }
    }
    Ok(())
}

/// Before a new row is kept: strangers, who cost their makers one exchange each, cannot fill the disk, and a peer that calls
/// any number takes the room from itself. `others` are the peer's rows, the one met last first.
fn make_room(db: &Connection, max_peers: usize, others: &[Row]) -> Result<(), Failure> {
    if others.len() >= MAX_NUMBERS {
        let known = |row: &&Row| row.entry.verified || row.entry.pbx.is_some() || row.entry.aux.is_some();
        let Some(oldest) = others.iter().rev().find(|row| !known(row)) else {
            let full = format!("it is full: this peer has {MAX_NUMBERS} numbers, each verified or enrolled");
            return Err(Failure::Refused(full));
        };
        return Row::remove(db, &oldest.key);
    }
    let peers: i64 = db.prepare_cached("SELECT count(*) FROM peers")?.query_row([], |row| row.get(0))?;
    if usize::try_from(peers).is_ok_and(|peers| peers < max_peers) {
        return Ok(());
    }
    let removed = db
        .prepare_cached(
            "DELETE FROM peers WHERE (zid, own) = (SELECT zid, own FROM peers \
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
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
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
        let own = database.zid();
        let zid = |number| Zid([number; 12]);
        let key = |number| Key { own, peer: zid(number) };
        database.store(&key(1), None, &Entry { verified: true, ..stranger.clone() }, u32::MAX).unwrap();
        database.store(&key(2), None, &Entry { pbx: secret.clone(), ..stranger.clone() }, u32::MAX).unwrap();
        database.store(&key(3), None, &stranger, u32::MAX).unwrap();
        database.change(&zid(3), |row| row.name.insert("Carol".into()).len() == 5).unwrap();
        for number in 10..30 {
            database.store(&key(number), None, &stranger, u32::MAX).unwrap();
        }
        let left: Vec<Zid> = database.peers().unwrap().iter().map(|peer| peer.zid).collect();
        assert_eq!(left, [zid(29), zid(28), zid(3), zid(2), zid(1)]);
        for number in [28, 29] {
            database
                .store(&key(number), None, &Entry { aux: secret.clone(), ..Entry::default() }, u32::MAX)
                .unwrap();
        }
        let full = database.store(&key(30), None, &stranger, u32::MAX).unwrap_err();
        assert!(full.0.contains("full"), "{full}");
        database.store(&key(1), None, &stranger, u32::MAX).unwrap();
        drop(database);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_peer_that_calls_any_number_takes_the_room_from_itself_and_keeps_what_was_verified() {
        let folder = std::env::temp_dir().join(format!("sealrtp-zid-cache-numbers-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let clock = now.clone();
        let clock = move || {
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let (mut database, _) = Database::open(&folder.join("zid.db"), Box::new(clock)).unwrap();
        let met = Entry { rs1: Some(Secret::new([7; 32])), ..Entry::default() };
        let known = Entry { verified: true, ..met.clone() };
        let (phone, other) = (Zid([1; 12]), Zid([2; 12]));
        let main = Key { own: database.zid(), peer: other };
        database.store(&main, None, &met, u32::MAX).unwrap();
        let key = |number: usize| {
            let mut own = [9; 12];
            own[..8].copy_from_slice(&number.to_be_bytes());
            Key { own: Zid(own), peer: phone }
        };
        database.store(&key(0), Some("100"), &known, u32::MAX).unwrap();
        database.change(&phone, |row| row.name.insert("Carol".into()).len() == 5).unwrap();
        for number in 1..MAX_NUMBERS + 50 {
            database.store(&key(number), Some(&number.to_string()), &met, u32::MAX).unwrap();
        }
        let peers = database.peers().unwrap();
        assert_eq!(peers.len(), MAX_NUMBERS + 1);
        assert_eq!(database.load(&main).unwrap(), Some(met.clone()), "another peer's stays");
        assert_eq!(database.load(&key(0)).unwrap(), Some(known.clone()), "what was verified stays");
        assert_eq!(database.load(&key(50)).unwrap(), None);
        assert_eq!(database.load(&key(51)).unwrap(), Some(met.clone()));
        assert!(
            peers.iter().filter(|peer| peer.zid == phone).all(|peer| peer.name.as_deref() == Some("Carol"))
        );
        database
            .change(&phone, |row| {
                row.entry.verified = true;
                true
            })
            .unwrap();
        let full = database.store(&key(999), Some("999"), &met, u32::MAX).unwrap_err();
        assert!(full.0.contains("full"), "{full}");
        database.store(&key(0), Some("100"), &met, u32::MAX).unwrap();
        drop(database);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
