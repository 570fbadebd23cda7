//! A peer's row: how it is read, checked, changed and written.

use std::time::{Duration, SystemTime};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, named_params};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Entry, Secret};

use crate::error::Failure;
use crate::number::MAX_NUMBER;
use crate::peer::{Peer, fits_a_line, is_name};

/// Milliseconds since 1970.
pub(crate) type Millis = i64;

/// Of the machine's clock, to the millisecond.
pub(crate) fn millis(time: SystemTime) -> Millis {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX),
        Err(before) => Millis::try_from(before.duration().as_millis()).map_or(Millis::MIN, |ms| -ms),
    }
}

fn time(millis: Millis) -> SystemTime {
    let offset = Duration::from_millis(millis.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if millis < 0 { epoch.checked_sub(offset) } else { epoch.checked_add(offset) };
    time.unwrap_or(epoch)
}

/// Whom a row is of: one of our ZIDs and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub own: Zid,
    pub peer: Zid,
}

/// All that is kept of a peer under one of our ZIDs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub key: Key,
    /// Whose `key.own` is, for people.
    pub number: Option<String>,
    pub name: Option<String>,
    pub entry: Entry,
    pub first_seen: Millis,
    pub last_seen: Millis,
    /// Of rs1, rs2 and `verified`; `None` is never.
    pub expires: Option<Millis>,
}

/// The columns, in the order in which [`Row::decode`] reads them.
const SELECT: &str = "SELECT zid, own, number, name, rs1, rs2, aux, pbx, verified, first_seen, last_seen, expires, crc FROM peers";

const CRC: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_XZ);

impl Row {
    /// Of a peer that is met for the first time.
    pub fn new(key: Key, number: Option<&str>, now: Millis) -> Self {
        Self {
            key,
            number: number.map(str::to_owned),
            name: None,
            entry: Entry::default(),
            first_seen: now,
            last_seen: now,
            expires: None,
        }
    }

    /// SQLite checks no content: a bit that a disk has turned would be a wrong secret, which looks like an attack.
    fn crc(&self) -> i64 {
        let mut digest = CRC.digest();
        digest.update(&self.key.peer.0);
        digest.update(&self.key.own.0);
        let Entry { rs1, rs2, aux, pbx, verified } = &self.entry;
        for secret in [rs1, rs2, aux, pbx] {
            digest.update(&[secret.is_some().into()]);
            secret.iter().for_each(|secret| digest.update(secret.bytes()));
        }
        digest.update(&[(*verified).into(), self.name.is_some().into(), self.expires.is_some().into()]);
        for number in [self.first_seen, self.last_seen, self.expires.unwrap_or_default()] {
            digest.update(&number.to_be_bytes());
        }
        for text in [&self.number, &self.name] {
            let text = text.as_deref().unwrap_or_default();
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.finalize().cast_signed()
    }

    fn decode(row: &rusqlite::Row<'_>) -> Result<Self, Failure> {
        let unfit = || Failure::Damaged("a peer's row does not fit the schema".into());
        let zid = |index| -> Result<Zid, Failure> {
            let bytes = row.get_ref(index)?.as_blob().ok().and_then(|zid| zid.try_into().ok());
            bytes.map(Zid).ok_or_else(unfit)
        };
        let secret = |index| match row.get_ref(index)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => {
                let mut bytes: [u8; 32] = bytes.try_into().map_err(|_| unfit())?;
                let secret = Secret::new(bytes);
                zeroize::Zeroize::zeroize(&mut bytes);
                Ok(Some(secret))
            }
            _ => Err(unfit()),
        };
        let entry = Entry {
            rs1: secret(4)?,
            rs2: secret(5)?,
            aux: secret(6)?,
            pbx: secret(7)?,
            verified: row.get(8)?,
        };
        let read = Self {
            key: Key { peer: zid(0)?, own: zid(1)? },
            number: row.get(2)?,
            name: row.get(3)?,
            entry,
            first_seen: row.get(9)?,
            last_seen: row.get(10)?,
            expires: row.get(11)?,
        };
        let is_number = |text: &str| text.len() <= MAX_NUMBER && text.chars().all(fits_a_line);
        let sound = read.crc() == row.get::<_, i64>(12)?
            && read.name.as_deref().is_none_or(is_name)
            && read.number.as_deref().is_none_or(is_number);
        if sound { Ok(read) } else { Err(Failure::Damaged("a peer's row is damaged".into())) }
    }

    /// In the right place: the tree that leads to a row may be damaged too.
    fn placed(self, right: bool) -> Result<Self, Failure> {
        if right { Ok(self) } else { Err(Failure::Damaged("a peer's row stands in another's place".into())) }
    }

    /// Reads a peer's row under one of our ZIDs.
    pub fn load(db: &Connection, key: &Key) -> Result<Option<Self>, Failure> {
        let mut statement = db.prepare_cached(&format!("{SELECT} WHERE zid = ?1 AND own = ?2"))?;
        let row = statement
            .query_row([&key.peer.0[..], &key.own.0[..]], |row| Ok(Self::decode(row)))
            .optional()?
            .transpose()?;
        row.map(|row| {
            let right = row.key == *key;
            row.placed(right)
        })
        .transpose()
    }

    /// Reads all rows of a peer, the one met last first.
    pub fn of_peer(db: &Connection, zid: &Zid) -> Result<Vec<Self>, Failure> {
        let mut statement =
            db.prepare_cached(&format!("{SELECT} WHERE zid = ?1 ORDER BY last_seen DESC, own"))?;
        let mut rows = statement.query([&zid.0[..]])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = Self::decode(row)?;
            let right = row.key.peer == *zid;
            found.push(row.placed(right)?);
        }
        Ok(found)
    }

    /// Hands over every peer, newest first, and stops at the first that is damaged.
    pub fn each(db: &Connection, mut see: impl FnMut(Self)) -> Result<(), Failure> {
        let mut statement = db.prepare_cached(&format!("{SELECT} ORDER BY last_seen DESC, zid, own"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            see(Self::decode(row)?);
        }
        Ok(())
    }

    /// Inserts or replaces. In a transaction of the caller's.
    pub fn save(&self, db: &Connection) -> Result<(), Failure> {
        let mut statement = db.prepare_cached(
            "INSERT OR REPLACE INTO peers VALUES \
             (:zid, :own, :number, :name, :rs1, :rs2, :aux, :pbx, :verified, :first_seen, :last_seen, :expires, :crc)",
        )?;
        let Entry { rs1, rs2, aux, pbx, verified } = &self.entry;
        statement.execute(named_params! {
            ":zid": &self.key.peer.0[..],
            ":own": &self.key.own.0[..],
            ":number": self.number,
            ":name": self.name,
            ":rs1": rs1.as_ref().map(|secret| &secret.bytes()[..]),
            ":rs2": rs2.as_ref().map(|secret| &secret.bytes()[..]),
            ":aux": aux.as_ref().map(|secret| &secret.bytes()[..]),
            ":pbx": pbx.as_ref().map(|secret| &secret.bytes()[..]),
            ":verified": verified,
            ":first_seen": self.first_seen,
            ":last_seen": self.last_seen,
            ":expires": self.expires,
            ":crc": self.crc(),
        })?;
        Ok(())
    }

    /// Removes one row. In a transaction of the caller's.
    pub fn remove(db: &Connection, key: &Key) -> Result<(), Failure> {
        let mut statement = db.prepare_cached("DELETE FROM peers WHERE zid = ?1 AND own = ?2")?;
        statement.execute([&key.peer.0[..], &key.own.0[..]])?;
        Ok(())
    }

    /// Removes a peer; says whether it was there. In a transaction of the caller's.
    pub fn remove_peer(db: &Connection, zid: &Zid) -> Result<bool, Failure> {
        Ok(db.prepare_cached("DELETE FROM peers WHERE zid = ?1")?.execute([&zid.0[..]])? > 0)
    }

    fn expired(&self, now: Millis) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// What has not expired, as [`MemoryCache`](sealrtp_zrtp::MemoryCache) tells it.
    pub fn living(&self, now: Millis) -> Option<Entry> {
        if !self.expired(now) {
            return Some(self.entry.clone());
        }
        let left = Entry { aux: self.entry.aux.clone(), pbx: self.entry.pbx.clone(), ..Entry::default() };
        (left != Entry::default()).then_some(left)
    }

    /// Drops what has expired. `None`: nothing is left, and the row can go.
    pub fn without_expired(mut self, now: Millis) -> Option<Self> {
        if self.expired(now) {
            let left = self.living(now);
            if left.is_none() && self.name.is_none() {
                return None;
            }
            self.entry = left.unwrap_or_default();
        }
        Some(self)
    }

    /// What an administrator may see; `None` when nothing is left.
    pub fn peer(self, now: Millis) -> Option<Peer> {
        let row = self.without_expired(now)?;
        Some(Peer {
            zid: row.key.peer,
            number: row.number,
            name: row.name,
            verified: row.entry.verified,
            enrolled: row.entry.pbx.is_some(),
            retained: row.entry.rs1.is_some(),
            first_seen: time(row.first_seen),
            last_seen: time(row.last_seen),
            expires: row.expires.map(time),
        })
    }
}
