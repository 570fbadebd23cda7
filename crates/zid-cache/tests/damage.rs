//! A file is damaged in every place and cut off at many lengths: it is opened with what it held, or set aside. Never a panic,
//! never a wrong secret.

mod common;

use std::fs;

use common::{Folder, Numbers, Patient, entry, open, peers_of, secret, zid};
use sealrtp_zid_cache::ZidCache;
use sealrtp_zrtp::Entry;

const PEERS: u64 = 60;

fn small(number: u64) -> Entry {
    Entry { rs1: Some(secret(number)), ..Entry::default() }
}

/// The bytes of a closed cache.
fn whole() -> Vec<u8> {
    let folder = Folder::fast();
    let cache = open(&folder.file()).cache;
    for number in 0..PEERS {
        cache.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    }
    drop(cache);
    fs::read(folder.file()).unwrap()
}

/// A cache in use, as a power loss leaves it: main file, WAL file. One peer for each number.
fn in_use(peers: u64) -> (Vec<u8>, Vec<u8>) {
    let folder = Folder::fast();
    let cache = open(&folder.file()).cache;
    for number in 0..peers {
        cache.keep(&zid(number), &small(number), u32::MAX).unwrap();
    }
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let both = (read("zid.db"), read("zid.db-wal"));
    drop(cache);
    both
}

#[derive(Debug, PartialEq)]
enum Came {
    Opened,
    SetAside,
}

/// Opens it, with all it held or as a new one.
fn look(image: &[u8], what: &str) -> Came {
    let folder = Folder::fast();
    fs::write(folder.file(), image).unwrap();
    let opened =
        ZidCache::open(&folder.file(), std::time::SystemTime::now).unwrap_or_else(|e| panic!("{what}: {e}"));
    for number in 0..PEERS {
        let expected = opened.set_aside.is_none().then(|| entry(number));
        assert_eq!(opened.cache.recall(&zid(number)).unwrap(), expected, "{what}");
    }
    opened.cache.keep(&zid(1), &entry(77), u32::MAX).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(opened.cache.recall(&zid(1)).unwrap(), Some(entry(77)), "{what}");
    match opened.set_aside {
        None => Came::Opened,
        Some(aside) => {
            assert!(fs::read(aside).unwrap() == image, "{what}: kept as it was");
            Came::SetAside
        }
    }
}

#[test]
fn a_page_that_is_lost_is_found_out() {
    let whole = whole();
    assert_eq!(look(&whole, "whole"), Came::Opened);
    let page = 4096;
    assert!(whole.len() > 4 * page && whole.len().is_multiple_of(page));
    let mut numbers = Numbers(3);
    for at in (0..whole.len()).step_by(page) {
        for pattern in 0..4 {
            let mut image = whole.clone();
            for byte in &mut image[at..at + page] {
                *byte = match pattern {
                    0 => 0,
                    1 => 0xff,
                    2 => numbers.below(256) as u8,
                    _ => *byte ^ 0x80,
                };
            }
            let what = format!("page at {at}, pattern {pattern}");
            assert_eq!(look(&image, &what), Came::SetAside, "{what}");
        }
        // The page of another place.
        let mut image = whole.clone();
        let other = (at + page) % whole.len();
        image.copy_within(other..other + page, at);
        if image != whole {
            assert_eq!(look(&image, "moved"), Came::SetAside, "page {other} at {at}");
        }
    }
}

#[test]
fn a_file_cut_off_at_any_length_is_set_aside() {
    let whole = whole();
    let lengths = (0..whole.len()).step_by(509).chain((0..whole.len()).step_by(4096)).chain(1..120);
    for length in lengths.chain([whole.len() - 1]) {
        assert_eq!(look(&whole[..length], "cut off"), Came::SetAside, "{length} bytes");
    }
    let longer = [&whole[..], &[0; 5000]].concat();
    look(&longer, "longer");
}

#[test]
fn a_turned_bit_is_found_out_or_changes_nothing() {
    let whole = whole();
    let mut numbers = Numbers(7);
    let mut set_aside = 0;
    // All of the header that means something, and a thousand other places.
    let header = (0..100).map(|at| at * 8 + 3);
    let places = header.chain((0..1000).map(|_| numbers.below(whole.len() as u64 * 8))).collect::<Vec<_>>();
    for bit in &places {
        let mut image = whole.clone();
        image[(bit / 8) as usize] ^= 1 << (bit % 8);
        set_aside += u32::from(look(&image, &format!("bit {bit}")) == Came::SetAside);
    }
    println!("{} bits turned: {set_aside} files set aside, the others hold what they held", places.len());
    assert!(set_aside > 100);
}

/// Opens what a power loss left and returns how many of the stores, in their order, are there.
fn stored(db: &[u8], wal: &[u8], peers: u64, what: &str) -> u64 {
    let folder = Folder::fast();
    fs::write(folder.file(), db).unwrap();
    fs::write(folder.path().join("zid.db-wal"), wal).unwrap();
    let opened =
        ZidCache::open(&folder.file(), std::time::SystemTime::now).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(opened.set_aside.is_none(), "{what}: {:?}", opened.warning);
    let there = |number| match opened.cache.recall(&zid(number)).unwrap() {
        None => false,
        Some(found) => {
            assert_eq!(found, small(number), "{what}");
            true
        }
    };
    let first = (0..peers).take_while(|number| there(*number)).count() as u64;
    assert!((first..peers).all(|number| !there(number)), "{what}: a later store without an earlier one");
    first
}

#[test]
fn a_wal_file_cut_off_at_any_length_holds_the_stores_up_to_there_and_no_part_of_one() {
    let peers = 40;
    let (db, wal) = in_use(peers);
    assert_eq!(stored(&db, &wal, peers, "whole"), peers);
    let mut before = 0;
    let (mut lengths, mut steps) = (0, 0);
    for length in (0..wal.len()).step_by(1024).chain([wal.len()]) {
        let now = stored(&db, &wal[..length], peers, &format!("{length} bytes"));
        assert!(now >= before, "more bytes, fewer stores");
        lengths += 1;
        steps += u32::from(now > before);
        before = now;
    }
    println!("{lengths} lengths of a WAL file of {} stores, {steps} different states", peers);
    assert_eq!(before, peers);
    assert!(steps > 20);
}

#[test]
fn a_wal_file_with_a_lost_block_holds_the_stores_before_it() {
    let peers = 40;
    let (db, wal) = in_use(peers);
    let mut numbers = Numbers(11);
    for round in 0..300 {
        let mut torn = wal.clone();
        let at = numbers.below(wal.len() as u64) as usize;
        let what = if round % 2 == 0 {
            torn[at] ^= 1 << numbers.below(8);
            format!("bit in byte {at}")
        } else {
            let end = (at + 512).min(wal.len());
            torn[at..end].fill(0);
            format!("block at {at}")
        };
        let left = stored(&db, &torn, peers, &what);
        // Each store's frames lie in order: none from behind the damage can be there.
        if torn != wal {
            assert!(left < peers || at + 4096 > wal.len() || at < 32, "{what}: {left}");
        }
    }
}

#[test]
fn a_lost_or_wrong_shm_file_changes_nothing() {
    let peers = 10;
    let (db, wal) = in_use(peers);
    for shm in [vec![], vec![0; 32768], vec![0xff; 32768], vec![0x5a; 100]] {
        let folder = Folder::fast();
        fs::write(folder.file(), &db).unwrap();
        fs::write(folder.path().join("zid.db-wal"), &wal).unwrap();
        fs::write(folder.path().join("zid.db-shm"), &shm).unwrap();
        let opened = open(&folder.file());
        assert!(opened.set_aside.is_none());
        assert_eq!(peers_of(&opened.cache).len(), 10);
    }
}

#[test]
fn a_wal_file_without_its_file_is_not_mixed_into_a_new_one() {
    let (_, wal) = in_use(10);
    let folder = Folder::fast();
    fs::write(folder.path().join("zid.db-wal"), &wal).unwrap();
    let opened = open(&folder.file());
    assert!(peers_of(&opened.cache).is_empty());
    let aside = opened.set_aside.unwrap();
    let name = format!("{}-wal", aside.file_name().unwrap().to_str().unwrap());
    assert_eq!(fs::read(folder.path().join(name)).unwrap(), wal);
}

#[test]
fn a_disk_block_that_goes_bad_in_mid_call_gives_one_error_and_no_wrong_secret() {
    let folder = Folder::fast();
    // More than SQLite keeps in memory.
    let peers = 8000;
    let cache = open(&folder.file()).cache;
    for number in 0..peers {
        cache.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    }
    drop(cache);
    let cache = open(&folder.file()).cache;
    let mut image = fs::read(folder.file()).unwrap();
    let mut numbers = Numbers(5);
    for at in (8192..image.len()).step_by(4096) {
        image[at + 8..at + 4096].iter_mut().for_each(|byte| *byte ^= numbers.below(256) as u8);
    }
    // In place, under SQLite's feet.
    fs::write(folder.file(), &image).unwrap();
    let (mut errors, mut right) = (0, 0);
    for number in 0..peers {
        match cache.recall(&zid(number)) {
            Ok(None) => {}
            Ok(Some(found)) => {
                assert_eq!(found, entry(number));
                right += 1;
            }
            Err(error) => {
                assert!(error.0.contains("damaged-"), "{error}");
                errors += 1;
            }
        }
    }
    println!("{right} from memory, {errors} error");
    assert_eq!(errors, 1);
    cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    assert_eq!(cache.recall(&zid(1)).unwrap(), Some(entry(1)));
}
