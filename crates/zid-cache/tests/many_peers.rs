//! How it does with many peers.

mod common;

use std::time::{Duration, Instant};

use common::{Folder, Numbers, entry, open, zid};
use sealrtp_zrtp::Cache;

const PEERS: u64 = 10_000;

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[test]
fn ten_thousand_peers_slow_no_call_down() {
    // Met in memory, as 10,000 waits for a disk would take a minute; then the file goes to the disk.
    let (memory, folder) = (Folder::fast(), Folder::new());
    let met = open(&memory.file()).cache;
    let start = Instant::now();
    for number in 0..PEERS {
        while met.store(&zid(number), &entry(number), u32::MAX).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60));
        }
    }
    let in_memory = start.elapsed() / u32::try_from(PEERS).unwrap();
    drop(met);
    std::fs::copy(memory.file(), folder.file()).unwrap();
    let cache = open(&folder.file()).cache;
    let timed = |operation: &mut dyn FnMut(u64), numbers: &mut dyn FnMut(u64) -> u64, times: u64| {
        let each = |at| {
            let number = numbers(at);
            let start = Instant::now();
            operation(number);
            start.elapsed()
        };
        median((0..times).map(each).collect())
    };
    // A disk that stalls makes a store an error; the peer is met again.
    let mut late = 0;
    let mut store = |number| {
        while cache.store(&zid(number), &entry(number), u32::MAX).is_err() {
            late += 1;
            assert!(late < 200);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let first = timed(&mut store, &mut |at| PEERS + at, 300);
    let mut numbers = Numbers(1);
    let again = timed(&mut store, &mut |_| numbers.below(PEERS), 300);
    let mut load = |number| assert_eq!(cache.load(&zid(number)).unwrap(), Some(entry(number)));
    let loaded = timed(&mut load, &mut |_| numbers.below(PEERS), 10_000);
    let start = Instant::now();
    assert_eq!(cache.peers().unwrap().len(), 10_300);
    let listed = start.elapsed();
    drop(cache);
    let start = Instant::now();
    let opened = open(&folder.file());
    let reopened = start.elapsed();
    assert!(opened.set_aside.is_none());
    let size = std::fs::metadata(folder.file()).unwrap().len();
    println!("{PEERS} peers, {} KiB; median and 99th percentile:", size / 1024);
    println!("  store, file in memory {in_memory:>8.1?} (mean)");
    println!("  store, a new peer    {:>9.1?} {:>9.1?}", first.0, first.1);
    println!("  store, a known one   {:>9.1?} {:>9.1?}", again.0, again.1);
    println!("  load                 {:>9.1?} {:>9.1?}", loaded.0, loaded.1);
    println!("  list all {listed:.1?}, open and check all {reopened:.1?}, {late} stores were late");
    assert!(
        loaded.0 < Duration::from_millis(5) && reopened < Duration::from_secs(3),
        "{loaded:?} {reopened:?}"
    );
    assert!(size < 8 << 20, "{size}");
}
