//! The file's schema and settings, and what makes a file one of ours.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use sealrtp_zrtp::message::Zid;

use crate::error::Failure;
use crate::row::Row;

/// PRAGMA application_id: "sZID".
pub(crate) const APPLICATION_ID: i32 = 0x735a_4944;

/// PRAGMA user_version.
pub(crate) const VERSION: i32 = 1;

/// How long SQLite waits in mid-call for another process's transaction; the rest of [`PATIENCE`](crate::PATIENCE) is for the disk.
pub(crate) const BUSY: Duration = Duration::from_millis(100);

/// Pages of the WAL file (4 KiB each) after which its content goes into the main file.
const CHECKPOINT: i64 = 256;

/// What sqlite_schema holds, in its order: (name, sql).
const SCHEMA: [(&str, &str); 4] = [
    (
        "own",
        "CREATE TABLE own (id INTEGER PRIMARY KEY CHECK (id = 1), zid BLOB NOT NULL CHECK (length(zid) = 12), crc INTEGER NOT NULL) STRICT",
    ),
    (
        "peers",
        "CREATE TABLE peers (\
         zid BLOB NOT NULL CHECK (length(zid) = 12), \
         own BLOB NOT NULL CHECK (length(own) = 12), \
         number TEXT CHECK (length(CAST(number AS BLOB)) BETWEEN 1 AND 64), \
         name TEXT CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64), \
         rs1 BLOB CHECK (length(rs1) = 32), \
         rs2 BLOB CHECK (length(rs2) = 32), \
         aux BLOB CHECK (length(aux) = 32), \
         pbx BLOB CHECK (length(pbx) = 32), \
         verified INTEGER NOT NULL CHECK (verified IN (0, 1)), \
         first_seen INTEGER NOT NULL, \
         last_seen INTEGER NOT NULL, \
         expires INTEGER, \
         crc INTEGER NOT NULL, \
         PRIMARY KEY (zid, own)) STRICT, WITHOUT ROWID",
    ),
    // Of all rows: integrity_check does not count what a partial index holds too much.
    ("peers_by_expires", "CREATE INDEX peers_by_expires ON peers (expires)"),
    ("peers_by_last_seen", "CREATE INDEX peers_by_last_seen ON peers (last_seen)"),
];

const CRC: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_XZ);

fn own_crc(zid: &[u8]) -> i64 {
    CRC.checksum(zid).cast_signed()
}

/// What holds for one connection, not for the file. `patience` is for other processes' transactions.
pub(crate) fn settings(db: &Connection, patience: Duration) -> Result<(), Failure> {
    db.busy_timeout(patience)?;
    // A file is data: nothing in it may run, and no SQL may write past SQLite's own care.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    // FULL: each commit is on the disk when it is acknowledged. secure_delete: what is deleted or replaced is overwritten.
    db.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;",
    )?;
    Ok(())
}

/// Once the file is known to be ours.
pub(crate) fn durable(db: &Connection) -> Result<(), Failure> {
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Refused(format!("SQLite does not go to WAL mode but stays with {mode}")));
    }
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    let _: i64 = db.query_row("PRAGMA secure_delete = ON", [], |row| row.get(0))?;
    let _: i64 = db.query_row(&format!("PRAGMA wal_autocheckpoint = {CHECKPOINT}"), [], |row| row.get(0))?;
    let _: i64 = db.query_row("PRAGMA journal_size_limit = 1048576", [], |row| row.get(0))?;
    Ok(())
}

/// Fills a new file.
pub(crate) fn create(db: &mut Connection, zid: &Zid) -> Result<(), Failure> {
    settings(db, BUSY)?;
    durable(db)?;
    let change = db.transaction()?;
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", VERSION)?;
    for (_, sql) in SCHEMA {
        change.execute(sql, [])?;
    }
    change.execute("INSERT INTO own VALUES (1, ?1, ?2)", (&zid.0[..], own_crc(&zid.0)))?;
    change.commit()?;
    Ok(())
}

fn number(db: &Connection, pragma: &str) -> Result<i32, Failure> {
    Ok(db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?)
}

/// Whether a file is one of ours, of this version and whole. Reads all of it.
pub(crate) fn examine(db: &Connection) -> Result<(), Failure> {
    let damaged = |reason: String| Err(Failure::Damaged(reason));
    if number(db, "page_count")? == 0 {
        return damaged("not an SQLite file".into());
    }
    let application = number(db, "application_id")?;
    if application != APPLICATION_ID {
        return damaged("an SQLite file of another application".into());
    }
    let version = number(db, "user_version")?;
    if version != VERSION {
        return damaged(format!("its schema has version {version}, this is version {VERSION}"));
    }
    let sound: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return damaged("the file is damaged".into());
    }
    let mut statement =
        db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name LIMIT 10")?;
    let found: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    if !found.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).eq(SCHEMA) {
        return damaged("its schema is not ours".into());
    }
    own(db)?;
    Row::each(db, |_| ())
}

/// Our ZID.
pub(crate) fn own(db: &Connection) -> Result<Zid, Failure> {
    let row = db
        .query_row("SELECT zid, crc FROM own WHERE id = 1", [], |row| {
            Ok((row.get::<_, [u8; 12]>(0)?, row.get(1)?))
        })
        .optional()?;
    match row {
        Some((zid, crc)) if own_crc(&zid) == crc => Ok(Zid(zid)),
        _ => Err(Failure::Damaged("our ZID is not in it".into())),
    }
}
