//! How it does with many peers.

mod common;

use std::time::{Duration, Instant};

use common::{Folder, Numbers, Patient, entry, once_within, open, peers_of, zid};

const PEERS: u64 = 10_000;

#[derive(Debug)]
struct Times {
    quickest_tenth: Duration,
    median: Duration,
    /// Of 99 of 100.
    most: Duration,
}

fn sorted(mut times: Vec<Duration>) -> Times {
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    Times { quickest_tenth: at(10), median: at(50), most: at(99) }
}

#[test]
fn ten_thousand_peers_slow_no_call_down() {
    // Met in memory, as 10,000 waits for a disk would take a minute; then the file goes to the disk.
    let (memory, folder) = (Folder::fast(), Folder::new());
    let met = open(&memory.file()).cache;
    let start = Instant::now();
    for number in 0..PEERS {
        met.keep(&zid(number), &entry(number), u32::MAX).unwrap();
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
        sorted((0..times).map(each).collect())
    };
    // A disk that stands still makes a store an error; the peer is met again.
    let mut store = |number| cache.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    let first = timed(&mut store, &mut |at| PEERS + at, 300);
    let mut numbers = Numbers(1);
    let again = timed(&mut store, &mut |_| numbers.below(PEERS), 300);
    let mut load = |number| assert_eq!(cache.recall(&zid(number)).unwrap(), Some(entry(number)));
    let loaded = timed(&mut load, &mut |_| numbers.below(PEERS), 10_000);
    let start = Instant::now();
    assert_eq!(peers_of(&cache).len(), 10_300);
    let listed = start.elapsed();
    drop(cache);
    let mut reopened = Duration::MAX;
    let opens_soon = once_within(Duration::from_secs(3), || {
        let start = Instant::now();
        assert!(open(&folder.file()).set_aside.is_none());
        reopened = start.elapsed();
    });
    let size = std::fs::metadata(folder.file()).unwrap().len();
    println!("{PEERS} peers, {} KiB; median and 99th percentile:", size / 1024);
    println!("  store, file in memory {in_memory:>8.1?} (mean)");
    println!("  store, a new peer    {:>9.1?} {:>9.1?}", first.median, first.most);
    println!("  store, a known one   {:>9.1?} {:>9.1?}", again.median, again.most);
    println!("  load                 {:>9.1?} {:>9.1?}", loaded.median, loaded.most);
    println!("  list all {listed:.1?}, open and check all {reopened:.1?}");
    assert!(opens_soon, "{reopened:?}");
    // Whoever looks through all of them is slow each time, whoever waits for a processor now and then.
    assert!(loaded.quickest_tenth < Duration::from_millis(5), "{loaded:?}");
    assert!(size < 8 << 20, "{size}");
}
