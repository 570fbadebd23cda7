//! A process is ended with SIGKILL in the middle of its writes: what it had acknowledged is there, whole.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Folder, Numbers, Patient, child, entry, open, told_folder, zid};
use sealrtp_zid_cache::ZidCache;

/// Lanes that run beside each other, and processes that are killed in each.
const LANES: u64 = 4;
const KILLS: u64 = 250;

const PEERS: u64 = 8;

/// The numbers that were acknowledged: 8 bytes each, in order.
fn acknowledged(folder: &Path) -> Vec<u64> {
    let bytes = fs::read(folder.join("acknowledged")).unwrap_or_default();
    bytes.chunks_exact(8).map(|number| u64::from_be_bytes(number.try_into().unwrap())).collect()
}

/// Every peer has the entry that was acknowledged last, or the one that was under way when the process ended. Returns the
/// number that comes next.
fn verify(cache: &ZidCache, folder: &Path) -> u64 {
    let acknowledged = acknowledged(folder);
    let next = acknowledged.last().map_or(1, |last| last + 1);
    for peer in 0..PEERS {
        let last = acknowledged.iter().rfind(|number| **number % PEERS == peer).map(|number| entry(*number));
        let under_way = (next % PEERS == peer).then(|| entry(next));
        let found = cache.recall(&zid(peer)).unwrap();
        assert!(found == last || (found.is_some() && found == under_way), "peer {peer}, {next} is next");
    }
    next
}

/// In a child.
fn writes_until_it_is_killed(folder: &Path) {
    let opened = open(&folder.join("zid.db"));
    assert!(opened.set_aside.is_none() && opened.warning.is_none(), "{:?}", opened.warning);
    let mut log = OpenOptions::new().append(true).create(true).open(folder.join("acknowledged")).unwrap();
    for number in verify(&opened.cache, folder).. {
        opened.cache.keep(&zid(number % PEERS), &entry(number), u32::MAX).unwrap();
        log.write_all(&number.to_be_bytes()).unwrap();
    }
}

/// Runs a child and kills it after a while; a child that ends by itself has found something wrong.
fn kill_after(mut command: Command, delay: Duration) {
    let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    thread::sleep(delay);
    if let Some(status) = process.try_wait().unwrap() {
        let output = process.wait_with_output().unwrap();
        panic!("{status}: {}", String::from_utf8_lossy(&output.stderr));
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

/// How long a child takes to its first write.
fn start_up(folder: &Path) -> Duration {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..3 {
        let before = acknowledged(folder).len();
        let start = Instant::now();
        let mut process = child("nothing_acknowledged_is_lost_and_no_secret_is_half_when_1000_processes_are_killed_while_they_write", folder).spawn().unwrap();
        while acknowledged(folder).len() < before + 2 {
            assert!(start.elapsed() < Duration::from_secs(20) && process.try_wait().unwrap().is_none());
            thread::sleep(Duration::from_micros(500));
        }
        times.push(start.elapsed());
        process.kill().unwrap();
        process.wait().unwrap();
    }
    times.sort();
    times[1]
}

#[test]
fn nothing_acknowledged_is_lost_and_no_secret_is_half_when_1000_processes_are_killed_while_they_write() {
    if let Some(folder) = told_folder() {
        return writes_until_it_is_killed(&folder);
    }
    let start = Instant::now();
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            thread::spawn(move || {
                let folder = Folder::new();
                let usual = start_up(folder.path());
                let ours = open(&folder.file()).cache.zid();
                let mut numbers = Numbers(lane);
                let (mut wrote, mut since_measured) = (0, usual);
                for kill in 0..KILLS {
                    let before = acknowledged(folder.path()).len();
                    // Some while it recovers, most while it writes.
                    let most = u64::try_from(since_measured.as_micros()).unwrap() * 3 / 2;
                    let delay = Duration::from_micros(numbers.below(most.max(2000)));
                    kill_after(child("nothing_acknowledged_is_lost_and_no_secret_is_half_when_1000_processes_are_killed_while_they_write", folder.path()), delay);
                    wrote += u64::from(acknowledged(folder.path()).len() > before);
                    if kill % 50 == 49 {
                        let opened = open(&folder.file());
                        assert!(
                            opened.set_aside.is_none()
                                && opened.warning.is_none()
                                && opened.cache.zid() == ours
                        );
                        verify(&opened.cache, folder.path());
                        drop(opened);
                        since_measured = start_up(folder.path());
                    }
                }
                let opened = open(&folder.file());
                assert!(opened.set_aside.is_none() && opened.cache.zid() == ours);
                verify(&opened.cache, folder.path());
                (wrote, acknowledged(folder.path()).len())
            })
        })
        .collect();
    let ended: Vec<_> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    let wrote: u64 = ended.iter().map(|(wrote, _)| wrote).sum();
    let stored: usize = ended.iter().map(|(_, stored)| stored).sum();
    println!(
        "{} processes killed, {wrote} of them after their first write, {stored} entries acknowledged, {:.1} s",
        LANES * KILLS,
        start.elapsed().as_secs_f64()
    );
    assert!(wrote > LANES * KILLS / 10, "too few were killed while they wrote: {wrote}");
}

/// In a child.
fn opens_and_waits(folder: &Path) {
    let opened = open(&folder.join("zid.db"));
    fs::write(folder.join("zid"), opened.cache.zid().to_string()).unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_process_that_is_killed_while_it_makes_the_file_leaves_none_or_a_whole_one() {
    if let Some(folder) = told_folder() {
        return opens_and_waits(&folder);
    }
    let mut numbers = Numbers(99);
    let (mut none, mut whole) = (0, 0);
    let start = Instant::now();
    let measured = Folder::new();
    let mut process =
        child("a_process_that_is_killed_while_it_makes_the_file_leaves_none_or_a_whole_one", measured.path())
            .spawn()
            .unwrap();
    while !measured.path().join("zid").exists() {
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_micros(500));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let most = u64::try_from(start.elapsed().as_micros()).unwrap() * 5 / 4;
    for _ in 0..100 {
        let folder = Folder::new();
        kill_after(
            child(
                "a_process_that_is_killed_while_it_makes_the_file_leaves_none_or_a_whole_one",
                folder.path(),
            ),
            Duration::from_micros(numbers.below(most)),
        );
        if folder.file().exists() {
            whole += 1
        } else {
            none += 1
        }
        let opened = open(&folder.file());
        assert!(opened.set_aside.is_none() && opened.warning.is_none(), "{:?}", opened.warning);
        opened.cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
        if let Ok(told) = fs::read_to_string(folder.path().join("zid"))
            && !told.is_empty()
        {
            assert_eq!(told, opened.cache.zid().to_string());
        }
        assert!(!folder.names().iter().any(|name| name.contains(".new")), "{:?}", folder.names());
    }
    println!("killed before there was a file: {none}, after: {whole}");
    assert!(none > 0 && whole > 0);
}
