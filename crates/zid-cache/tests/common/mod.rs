//! What the tests share.
#![allow(dead_code, reason = "each test uses a part")]

use std::cell::Cell;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sealrtp_zid_cache::{Opened, Peer, ZidCache};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Cache, CacheError, Entry, Secret};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// In memory where the system has that, and room in it: a disk that others keep busy is no part of the test.
    pub fn fast() -> Self {
        memory().map_or_else(Self::new, Self::below)
    }

    fn below(parent: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("sealrtp-zid-cache-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("zid.db")
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A clock that the test turns.
#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn at(millis: u64) -> Self {
        Self(Arc::new(AtomicU64::new(millis)))
    }

    pub fn pass(&self, duration: Duration) {
        self.0.fetch_add(duration.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    pub fn reader(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

/// Where files are in memory, if there is room for those of a test.
fn memory() -> Option<&'static Path> {
    let memory = Path::new("/dev/shm");
    let system = rustix::fs::statvfs(memory).ok()?;
    let room = system.f_bavail.saturating_mul(system.f_frsize);
    let writable = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    (room >= 32 << 20 && writable.is_ok()).then_some(memory)
}

pub fn open(path: &Path) -> Opened {
    ZidCache::open(path, SystemTime::now).unwrap_or_else(|error| panic!("{error}"))
}

pub fn zid(number: u64) -> Zid {
    let mut zid = [0xa5; 12];
    zid[4..].copy_from_slice(&number.to_be_bytes());
    Zid(zid)
}

pub fn secret(number: u64) -> Secret {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 * 7) >> 3) as u8 ^ at as u8;
    }
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Secret::new(bytes)
}

/// All secrets of an entry are made of one number.
pub fn entry(number: u64) -> Entry {
    Entry {
        rs1: Some(secret(number)),
        rs2: Some(secret(number.wrapping_sub(1))),
        aux: (number.is_multiple_of(3)).then(|| secret(number ^ 0xaaaa)),
        pbx: (number.is_multiple_of(2)).then(|| secret(number ^ 0x5555)),
        verified: number.is_multiple_of(5),
    }
}

/// This test binary once more, as a process of its own: it runs one test, which finds out by [`told`] that it is the child.
pub fn child(test: &str, folder: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command.env("SEALRTP_CACHE_FOLDER", folder).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command
}

/// In a child: what its parent told it.
pub fn told(name: &str) -> Option<String> {
    std::env::var(format!("SEALRTP_CACHE_{name}")).ok()
}

/// In a child: the folder that its parent told it.
pub fn told_folder() -> Option<PathBuf> {
    told("FOLDER").map(PathBuf::from)
}

/// Numbers that look random and are the same each time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Longer than a machine stands still, or its disk.
pub const LONG: Duration = Duration::from_secs(120);

/// Asks again while the machine or its disk stands still, which a call would be told.
pub fn again<T, E: Display>(ask: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let end = Instant::now() + LONG;
    loop {
        match ask() {
            Err(error) if error.to_string().contains("in time") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// A cache that is asked again while the machine or its disk stands still.
pub trait Patient {
    fn keep(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError>;
    fn recall(&self, peer: &Zid) -> Result<Option<Entry>, CacheError>;
}

impl<C: Cache> Patient for C {
    fn keep(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        again(|| self.store(peer, entry, expiry))
    }

    fn recall(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        again(|| self.load(peer))
    }
}

/// The peers of a cache.
pub fn peers_of(cache: &ZidCache) -> Vec<Peer> {
    again(|| cache.peers()).unwrap()
}

/// A peer, without its secrets.
pub fn peer_of(cache: &ZidCache, peer: &Zid) -> Option<Peer> {
    again(|| cache.peer(peer)).unwrap()
}

pub fn set_name(cache: &ZidCache, peer: &Zid, name: &str) -> bool {
    again(|| cache.set_name(peer, name)).unwrap()
}

pub fn set_verified(cache: &ZidCache, peer: &Zid, verified: bool) -> bool {
    again(|| cache.set_verified(peer, verified)).unwrap()
}

/// Whether the peer was known. One that was forgotten too late to tell is not known any more when that is asked again.
pub fn forget(cache: &ZidCache, peer: &Zid) -> bool {
    let (late, before) = (Cell::new(false), peer_of(cache, peer).is_some());
    let known = again(|| cache.forget(peer).inspect_err(|_| late.set(true))).unwrap();
    known || late.get() && before
}

/// Whether something that takes no longer than `limit` does so at least once in many times: a machine that stands still
/// now and then adds to some of them.
pub fn once_within(limit: Duration, mut something: impl FnMut()) -> bool {
    (0..20).any(|_| {
        let start = Instant::now();
        something();
        start.elapsed() < limit
    })
}
