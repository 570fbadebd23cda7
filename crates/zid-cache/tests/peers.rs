//! What the cache tells of its peers and what can be changed.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use common::{
    Clock, Folder, Patient, entry, forget, open, peer_of, peers_of, secret, set_name, set_verified, zid,
};
use sealrtp_zid_cache::{NameError, ZidCache};
use sealrtp_zrtp::Entry;

#[test]
fn what_was_stored_is_there_after_the_file_was_closed() {
    let folder = Folder::new();
    let first = open(&folder.file());
    assert!(first.set_aside.is_none() && first.warning.is_none());
    let ours = first.cache.zid();
    assert_eq!(first.cache.recall(&zid(1)).unwrap(), None);
    for number in 1..100 {
        first.cache.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    }
    drop(first);
    assert_eq!(folder.names(), ["zid.db"], "closed, all is in one file");
    let again = open(&folder.file());
    assert!(again.set_aside.is_none() && again.warning.is_none());
    assert_eq!(again.cache.zid(), ours);
    for number in 1..100 {
        assert_eq!(again.cache.recall(&zid(number)).unwrap(), Some(entry(number)));
    }
    assert_ne!(open(&Folder::new().file()).cache.zid(), ours, "made at random");
}

#[test]
fn retained_secrets_expire_and_enrolment_auxsecret_and_name_do_not() {
    let folder = Folder::new();
    let clock = Clock::at(1_800_000_000_000);
    let cache = ZidCache::open(&folder.file(), clock.reader()).unwrap().cache;
    let known = Entry { verified: true, rs1: Some(secret(1)), ..Entry::default() };
    let enrolled = Entry { pbx: Some(secret(2)), aux: Some(secret(3)), ..known.clone() };
    for (peer, kept) in [(1, &known), (2, &enrolled), (3, &known)] {
        cache.keep(&zid(peer), kept, 60).unwrap();
    }
    cache.keep(&zid(4), &known, u32::MAX).unwrap();
    cache.keep(&zid(5), &known, 0).unwrap();
    set_name(&cache, &zid(3), "Carol");
    assert!(cache.recall(&zid(5)).unwrap().is_none());
    clock.pass(Duration::from_millis(59_999));
    assert_eq!(cache.recall(&zid(1)).unwrap(), Some(known.clone()));
    clock.pass(Duration::from_millis(1));
    assert_eq!(cache.recall(&zid(1)).unwrap(), None);
    let left = Entry { rs1: None, verified: false, ..enrolled };
    assert_eq!(cache.recall(&zid(2)).unwrap(), Some(left.clone()));
    assert_eq!(cache.recall(&zid(3)).unwrap(), None);
    assert!(!set_verified(&cache, &zid(1), true) && !set_verified(&cache, &zid(2), true));
    clock.pass(Duration::from_secs(u64::from(u32::MAX)));
    assert_eq!(cache.recall(&zid(4)).unwrap(), Some(known));
    let seen = peers_of(&cache);
    assert_eq!(seen.iter().map(|peer| peer.zid).collect::<Vec<_>>(), [zid(2), zid(3), zid(4)]);
    assert!(seen[0].enrolled && !seen[0].verified && !seen[0].retained);
    assert_eq!(seen[1].name.as_deref(), Some("Carol"));

    // Nothing of what has expired stays in the file.
    drop(cache);
    let cache = ZidCache::open(&folder.file(), clock.reader()).unwrap().cache;
    assert_eq!(cache.recall(&zid(2)).unwrap(), Some(left));
    drop(cache);
    let bytes = fs::read(folder.file()).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(secret(2).bytes()) && !holds(&zid(1).0));
}

#[test]
fn peers_come_newest_first_with_their_marks_and_without_secrets() {
    let folder = Folder::new();
    let clock = Clock::at(1_800_000_000_000);
    let cache = ZidCache::open(&folder.file(), clock.reader()).unwrap().cache;
    let start = clock.now();
    for number in 1..=3 {
        cache.keep(&zid(number), &entry(number), 1000).unwrap();
        clock.pass(Duration::from_secs(1));
    }
    cache.keep(&zid(1), &entry(6), 1000).unwrap();
    let peers = peers_of(&cache);
    assert_eq!(peers.iter().map(|peer| peer.zid).collect::<Vec<_>>(), [zid(1), zid(3), zid(2)]);
    let first = &peers[0];
    assert_eq!(peer_of(&cache, &zid(1)).as_ref(), Some(first));
    assert_eq!((first.first_seen, first.last_seen), (start, clock.now()));
    assert_eq!(first.expires, Some(clock.now() + Duration::from_secs(1000)));
    assert!(first.enrolled && first.retained && !first.verified && first.name.is_none());
    assert_eq!(peer_of(&cache, &zid(9)), None);
}

#[test]
fn a_peer_is_named_verified_and_forgotten() {
    let folder = Folder::new();
    let cache = open(&folder.file()).cache;
    cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    assert!(!set_name(&cache, &zid(2), "Bob"), "not known");
    assert!(set_name(&cache, &zid(1), "Bob") && set_verified(&cache, &zid(1), true));
    assert_eq!(cache.recall(&zid(1)).unwrap(), Some(Entry { verified: true, ..entry(1) }));
    cache.keep(&zid(1), &Entry { verified: true, ..entry(7) }, u32::MAX).unwrap();
    let bob = peer_of(&cache, &zid(1)).unwrap();
    assert_eq!((bob.name.as_deref(), bob.verified), (Some("Bob"), true), "the name outlasts a call");
    assert!(set_verified(&cache, &zid(1), false) && set_name(&cache, &zid(1), ""));
    let bob = peer_of(&cache, &zid(1)).unwrap();
    assert_eq!((bob.name, bob.verified), (None, false));
    assert_eq!(cache.set_name(&zid(1), "a\u{1b}[2Jb"), Err(NameError::Unfit));
    assert!(forget(&cache, &zid(1)) && !forget(&cache, &zid(1)));
    assert_eq!((cache.recall(&zid(1)).unwrap(), peers_of(&cache)), (None, vec![]));
}

#[test]
fn a_forgotten_peers_secrets_are_in_no_file() {
    let folder = Folder::new();
    let cache = open(&folder.file()).cache;
    cache.keep(&zid(1), &entry(6), u32::MAX).unwrap();
    cache.keep(&zid(2), &entry(70), u32::MAX).unwrap();
    let holds = |what: &[u8]| {
        let files = folder.names().into_iter().map(|name| fs::read(folder.path().join(name)).unwrap());
        files.into_iter().any(|bytes| bytes.windows(what.len()).any(|window| window == what))
    };
    assert!(holds(secret(6).bytes()) && holds(&zid(1).0));
    assert!(forget(&cache, &zid(1)));
    for gone in [6, 5, 6 ^ 0xaaaa, 6 ^ 0x5555] {
        assert!(!holds(secret(gone).bytes()));
    }
    assert!(!holds(&zid(1).0) && holds(secret(70).bytes()), "the other one stays");
}

#[test]
fn nothing_printed_holds_a_secret() {
    let folder = Folder::new();
    let opened = open(&folder.file());
    let number = 6;
    opened.cache.keep(&zid(1), &entry(number), u32::MAX).unwrap();
    let printed = format!("{opened:?} {:?}", peers_of(&opened.cache));
    let bytes = secret(number).bytes().map(|byte| byte.to_string()).join(", ");
    let hex: String = secret(number).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!printed.contains(&bytes) && !printed.contains(&hex) && printed.contains(&zid(1).to_string()));
}

#[test]
fn a_clock_before_1970_or_at_the_end_of_time_breaks_nothing() {
    let folder = Folder::new();
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX >> 2);
    for clock in [SystemTime::UNIX_EPOCH - Duration::from_secs(5), SystemTime::UNIX_EPOCH, far] {
        let cache = ZidCache::open(&folder.file(), move || clock).unwrap().cache;
        cache.keep(&zid(1), &entry(1), u32::MAX - 1).unwrap();
        let _ = cache.recall(&zid(1)).unwrap();
        let _ = peers_of(&cache);
    }
}

#[test]
fn the_files_can_be_read_by_their_owner_alone() {
    let folder = Folder::new();
    let modes = || -> Vec<(String, u32)> {
        let mode =
            |name: &String| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
        folder.names().into_iter().map(|name| (name.clone(), mode(&name))).collect()
    };
    let private = |names: &[&str]| -> Vec<(String, u32)> {
        names.iter().map(|name| (name.to_string(), 0o600)).collect()
    };
    let all = ["zid.db", "zid.db-shm", "zid.db-wal"];
    let opened = open(&folder.file());
    opened.cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    assert_eq!(modes(), private(&all));

    // One that was copied carelessly.
    for name in all {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o664)).unwrap();
    }
    let second = open(&folder.file());
    assert_eq!(modes(), private(&all));
    let warning = second.warning.unwrap();
    assert!(
        warning.contains("could be read or written by other users") && second.set_aside.is_none(),
        "{warning}"
    );
    drop((opened, second.cache));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let third = open(&folder.file());
    third.cache.keep(&zid(1), &entry(2), u32::MAX).unwrap();
    assert_eq!(modes(), private(&all));
    assert!(third.warning.is_some() && third.set_aside.is_none());
}

#[test]
fn a_backup_made_while_it_is_in_use_is_a_whole_cache() {
    let folder = Folder::new();
    let pbx = open(&folder.file()).cache;
    for number in 1..50 {
        pbx.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    }
    let sql = |sql: &str| rusqlite::Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
    let copy = |name: &str| folder.path().join(name);
    sql(&format!("VACUUM INTO '{}'", copy("vacuum.db").display()));
    // What the sqlite3 program's .backup does.
    let mut backup = rusqlite::Connection::open(copy("backup.db")).unwrap();
    let source = rusqlite::Connection::open(folder.file()).unwrap();
    rusqlite::backup::Backup::new(&source, &mut backup)
        .unwrap()
        .run_to_completion(100, Duration::ZERO, None)
        .unwrap();
    drop((backup, source));
    pbx.keep(&zid(99), &entry(99), u32::MAX).unwrap();
    for name in ["vacuum.db", "backup.db"] {
        let opened = open(&copy(name));
        assert!(opened.set_aside.is_none(), "{:?}", opened.warning);
        assert_eq!((opened.cache.zid(), peers_of(&opened.cache).len()), (pbx.zid(), 49));
        assert_eq!(opened.cache.recall(&zid(7)).unwrap(), Some(entry(7)));
        assert_eq!(fs::metadata(copy(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
