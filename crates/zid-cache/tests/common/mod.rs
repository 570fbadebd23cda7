//! What the tests share.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sealrtp_zid_cache::{Opened, ZidCache};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Cache, CacheError, Entry, Secret};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// In memory where the system has that: where a power loss is no part of the test, and files are many.
    pub fn fast() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory) } else { Self::new() }
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

/// The cache on a machine that is busy with other tests: what is late there is asked for again.
pub trait Patient {
    fn keep(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError>;
    fn recall(&self, peer: &Zid) -> Result<Option<Entry>, CacheError>;
}

fn again<T>(ask: impl Fn() -> Result<T, CacheError>) -> Result<T, CacheError> {
    let end = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        match ask() {
            Err(CacheError(reason)) if reason.contains("in time") && std::time::Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

impl Patient for ZidCache {
    fn keep(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        again(|| self.store(peer, entry, expiry))
    }

    fn recall(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        again(|| self.load(peer))
    }
}
