//! A process is ended with SIGKILL in the middle of its writes: what it had acknowledged is there, whole.

mod common;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Folder, LONG, Numbers, Patient, child, entry, open, told_folder, zid};
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

/// How many were acknowledged.
fn number_of_acknowledged(folder: &Path) -> u64 {
    fs::metadata(folder.join("acknowledged")).map_or(0, |metadata| metadata.len() / 8)
}

/// A child that is to be killed; one that ends by itself has found something wrong.
struct Doomed(Child);

impl Doomed {
    fn start(mut command: Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// How long it took until something happened.
    fn wait_until(&mut self, happened: impl Fn() -> bool) -> Duration {
        let start = Instant::now();
        while !happened() {
            self.must_run();
            assert!(start.elapsed() < LONG);
            thread::sleep(Duration::from_micros(200));
        }
        start.elapsed()
    }

    fn kill_after(mut self, delay: Duration) {
        thread::sleep(delay);
        self.must_run();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn must_run(&mut self) {
        if let Some(status) = self.0.try_wait().unwrap() {
            let mut said = String::new();
            let _ = self.0.stderr.take().unwrap().read_to_string(&mut said);
            panic!("{status}: {said}");
        }
    }
}

const WRITING: &str =
    "nothing_acknowledged_is_lost_and_no_secret_is_half_when_1000_processes_are_killed_while_they_write";

/// Kills one process after the other, three of four while they write and the others while they open the file and recover.
/// How many wrote, and the entries that were acknowledged.
fn kill_writers(lane: u64) -> (u64, u64) {
    // A lock or a checkpoint takes longer on a disk, and a process in memory gets further.
    let folder = if lane.is_multiple_of(2) { Folder::new() } else { Folder::fast() };
    let ours = open(&folder.file()).cache.zid();
    let mut numbers = Numbers(lane);
    let (mut wrote, mut start_up) = (0, Duration::ZERO);
    for kill in 0..KILLS {
        let before = number_of_acknowledged(folder.path());
        let mut process = Doomed::start(child(WRITING, folder.path()));
        let most = if kill % 4 == 3 {
            start_up
        } else {
            start_up = process.wait_until(|| number_of_acknowledged(folder.path()) > before);
            Duration::from_millis(5)
        };
        process.kill_after(Duration::from_micros(numbers.below(1 + most.as_micros() as u64)));
        wrote += u64::from(number_of_acknowledged(folder.path()) > before);
        if kill % 50 == 49 {
            let opened = open(&folder.file());
            assert!(opened.set_aside.is_none() && opened.warning.is_none() && opened.cache.zid() == ours);
            verify(&opened.cache, folder.path());
        }
    }
    (wrote, number_of_acknowledged(folder.path()))
}

#[test]
fn nothing_acknowledged_is_lost_and_no_secret_is_half_when_1000_processes_are_killed_while_they_write() {
    if let Some(folder) = told_folder() {
        return writes_until_it_is_killed(&folder);
    }
    let start = Instant::now();
    let lanes: Vec<_> = (0..LANES).map(|lane| thread::spawn(move || kill_writers(lane))).collect();
    let ended: Vec<_> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    let wrote: u64 = ended.iter().map(|(wrote, _)| wrote).sum();
    let stored: u64 = ended.iter().map(|(_, stored)| stored).sum();
    println!(
        "{} processes killed, {wrote} of them after their first write, {stored} entries acknowledged, {:.1} s",
        LANES * KILLS,
        start.elapsed().as_secs_f64()
    );
    assert!(wrote >= LANES * KILLS * 3 / 5, "too few were killed while they wrote: {wrote}");
}

/// In a child.
fn opens_and_waits(folder: &Path) {
    let opened = open(&folder.join("zid.db"));
    fs::write(folder.join("zid"), opened.cache.zid().to_string()).unwrap();
    thread::sleep(LONG);
}

const MAKING: &str = "a_process_that_is_killed_while_it_makes_the_file_leaves_none_or_a_whole_one";

#[test]
fn a_process_that_is_killed_while_it_makes_the_file_leaves_none_or_a_whole_one() {
    if let Some(folder) = told_folder() {
        return opens_and_waits(&folder);
    }
    let mut numbers = Numbers(99);
    let (mut none, mut whole) = (0, 0);
    // Found out on the way: half of them are killed before there is a file.
    let mut most = Duration::from_millis(20);
    for _ in 0..100 {
        let folder = Folder::new();
        let process = Doomed::start(child(MAKING, folder.path()));
        process.kill_after(Duration::from_micros(numbers.below(1 + most.as_micros() as u64)));
        if folder.file().exists() {
            whole += 1;
            most = most * 3 / 4;
        } else {
            none += 1;
            most = (most * 4 / 3).min(LONG / 4);
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
