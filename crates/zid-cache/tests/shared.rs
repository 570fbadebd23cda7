//! Several processes and threads with one file.

mod common;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Folder, LONG, Patient, child, entry, forget, once_within, open, secret, set_name, set_verified, told,
    told_folder, zid,
};
use sealrtp_zid_cache::ZidCache;
use sealrtp_zrtp::{Cache, Entry};

/// Stores, and again when other processes were writing for too long, which a call would be told. How long the caller was
/// held up each time.
fn store(cache: &ZidCache, peer: u64, kept: &Entry, waits: &mut Vec<Duration>) {
    let (end, first) = (Instant::now() + LONG, waits.len());
    loop {
        let start = Instant::now();
        let stored = cache.store(&zid(peer), kept, u32::MAX);
        waits.push(start.elapsed());
        match stored {
            Ok(()) => return,
            Err(error) if Instant::now() > end => panic!("refused {} times: {error}", waits.len() - first),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A peer; asked again while a store that was given up still runs.
fn load(cache: &ZidCache, peer: u64) -> Option<Entry> {
    let end = Instant::now() + LONG;
    loop {
        match cache.load(&zid(peer)) {
            Ok(found) => return found,
            Err(error) if Instant::now() > end => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn wait_for(file: &Path) {
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

/// In a child.
fn writes_its_own_peers_and_one_that_all_share(folder: &Path) {
    let number: u64 = told("NUMBER").unwrap().parse().unwrap();
    wait_for(&folder.join("go"));
    let cache = open(&folder.join("zid.db")).cache;
    fs::write(folder.join(format!("zid{number}")), cache.zid().to_string()).unwrap();
    let mut waits = Vec::new();
    for round in 0..40 {
        let peer = 1 + number * 1000 + round;
        store(&cache, peer, &entry(peer), &mut waits);
        store(&cache, 0, &entry(number * 1000 + round), &mut waits);
        let own = 1 + number * 1000 + round / 2;
        assert_eq!(load(&cache, own), Some(entry(own)));
        // Whoever wrote it last: it is of one call.
        let all = load(&cache, 0).unwrap();
        assert!((0..5).any(|n| (0..40).any(|round| all == entry(n * 1000 + round))));
    }
    // 200 ms, and what a machine with more processes than processors adds; one that stands still adds to some.
    waits.sort();
    assert!(waits[waits.len() / 2] < Duration::from_secs(1), "{waits:?}");
    fs::write(folder.join(format!("done{number}")), "").unwrap();
}

#[test]
fn five_processes_that_make_and_write_one_file_at_once_have_one_zid_and_lose_nothing() {
    if let Some(folder) = told_folder() {
        return writes_its_own_peers_and_one_that_all_share(&folder);
    }
    let folder = Folder::new();
    let test = "five_processes_that_make_and_write_one_file_at_once_have_one_zid_and_lose_nothing";
    let mut processes: Vec<Child> = (0..5)
        .map(|number| {
            child(test, folder.path()).env("SEALRTP_CACHE_NUMBER", number.to_string()).spawn().unwrap()
        })
        .collect();
    fs::write(folder.path().join("go"), "").unwrap();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let opened = open(&folder.file());
    assert!(opened.set_aside.is_none() && opened.warning.is_none(), "{:?}", opened.warning);
    for number in 0..5 {
        let told = fs::read_to_string(folder.path().join(format!("zid{number}"))).unwrap();
        assert_eq!(told, opened.cache.zid().to_string());
        fs::read_to_string(folder.path().join(format!("done{number}"))).unwrap();
        for round in 0..40 {
            let peer = 1 + number * 1000 + round;
            assert_eq!(opened.cache.recall(&zid(peer)).unwrap(), Some(entry(peer)), "{peer}");
        }
    }
    assert!(!folder.names().iter().any(|name| name.contains("damaged") || name.contains(".new")));
}

#[test]
fn twenty_threads_that_open_one_file_at_once_have_one_zid() {
    for _ in 0..10 {
        let folder = Folder::fast();
        let start = Arc::new(Barrier::new(20));
        let threads: Vec<_> = (0..20)
            .map(|_| {
                let (file, start) = (folder.file(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let opened = open(&file);
                    assert!(opened.set_aside.is_none() && opened.warning.is_none());
                    opened.cache
                })
            })
            .collect();
        let caches: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(caches.iter().all(|cache| cache.zid() == caches[0].zid()));
        caches[0].keep(&zid(1), &entry(1), u32::MAX).unwrap();
        assert!(caches.iter().all(|cache| cache.recall(&zid(1)).unwrap() == Some(entry(1))));
    }
}

/// In a child.
fn holds_a_write_lock(folder: &Path) {
    let db = rusqlite::Connection::open(folder.join("zid.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    fs::write(folder.join("held"), "").unwrap();
    wait_for(&folder.join("enough"));
    db.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn a_process_that_holds_the_file_locked_delays_a_call_by_200_ms_at_most_and_readers_not_at_all() {
    if let Some(folder) = told_folder() {
        return holds_a_write_lock(&folder);
    }
    let folder = Folder::new();
    let cache = open(&folder.file()).cache;
    cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    let mut holder = child(
        "a_process_that_holds_the_file_locked_delays_a_call_by_200_ms_at_most_and_readers_not_at_all",
        folder.path(),
    )
    .spawn()
    .unwrap();
    wait_for(&folder.path().join("held"));
    // 200 ms, and what a busy machine adds.
    assert!(once_within(Duration::from_millis(400), || {
        let refused = cache.store(&zid(1), &entry(2), u32::MAX).unwrap_err();
        assert!(!refused.0.is_empty());
    }));
    assert!(once_within(Duration::from_millis(200), || assert_eq!(load(&cache, 1), Some(entry(1)))));
    fs::write(folder.path().join("enough"), "").unwrap();
    assert!(holder.wait().unwrap().success());
    store(&cache, 1, &entry(3), &mut Vec::new());
    assert_eq!(load(&cache, 1), Some(entry(3)));
}

#[test]
fn who_opens_waits_for_another_that_has_the_file_to_itself_for_a_while() {
    let folder = Folder::fast();
    drop(open(&folder.file()));
    // Longer than a call would wait. A machine that stands still may make that too long for who opens too, but not each time.
    let opens = (0..20).any(|_| {
        let other = rusqlite::Connection::open(folder.file()).unwrap();
        other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; ROLLBACK").unwrap();
        let leaves = Arc::new(AtomicBool::new(false));
        let left = leaves.clone();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(500));
            left.store(true, Ordering::SeqCst);
            drop(other);
        });
        let opened = ZidCache::open(&folder.file(), std::time::SystemTime::now);
        assert!(opened.is_err() || leaves.load(Ordering::SeqCst), "it did not have it to itself");
        other.join().unwrap();
        opened.is_ok_and(|opened| opened.set_aside.is_none())
    });
    assert!(opens);
}

#[test]
fn what_one_process_changes_another_sees() {
    let folder = Folder::new();
    let (pbx, tool) = (
        open(&folder.file()).cache,
        ZidCache::open_existing(&folder.file(), std::time::SystemTime::now).unwrap(),
    );
    pbx.keep(&zid(1), &Entry { rs1: Some(secret(1)), ..Entry::default() }, u32::MAX).unwrap();
    assert!(set_verified(&tool, &zid(1), true) && set_name(&tool, &zid(1), "Bob"));
    assert!(pbx.recall(&zid(1)).unwrap().unwrap().verified);
    assert!(forget(&tool, &zid(1)));
    assert!(pbx.recall(&zid(1)).unwrap().is_none());
}
