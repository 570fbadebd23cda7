//! What is no cache of ours is set aside, and calls go on with a new one.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use common::{Clock, Folder, Patient, child, entry, once_within, open, peers_of, told_folder, zid};
use sealrtp_zid_cache::{MAX_SET_ASIDE, OpenError, Opened, ZidCache};
use sealrtp_zrtp::Cache;

/// A whole cache with some peers, closed.
fn fill(file: &Path) -> ZidCache {
    let cache = open(file).cache;
    for number in 1..=5 {
        cache.keep(&zid(number), &entry(number), u32::MAX).unwrap();
    }
    cache
}

/// The new one works, and the warning says what happened.
fn check(opened: Opened, folder: &Folder, why: &str) {
    let aside = opened.set_aside.expect("set aside");
    assert!(fs::symlink_metadata(&aside).is_ok(), "{aside:?}");
    let name = aside.file_name().unwrap().to_str().unwrap();
    let stamp = name.strip_prefix("zid.db.damaged-").expect("named after the file and the time");
    assert!(stamp.parse::<u64>().is_ok());
    let warning = opened.warning.unwrap();
    assert!(warning.contains(why) && warning.contains(name) && warning.contains("zid.db was"), "{warning}");
    assert!(peers_of(&opened.cache).is_empty());
    opened.cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    drop(opened.cache);
    let again = open(&folder.file());
    assert!(again.set_aside.is_none() && again.cache.recall(&zid(1)).unwrap() == Some(entry(1)));
}

fn sql(file: &Path, text: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(text).unwrap();
}

#[test]
fn what_is_no_cache_of_ours_is_set_aside_unchanged_with_the_reason() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 12] = [
        ("not an SQLite file", |file| fs::write(file, "; sip.conf\n[general]\n".repeat(100)).unwrap()),
        ("not an SQLite file", |file| fs::write(file, "x").unwrap()),
        ("it is empty", |file| fs::write(file, "").unwrap()),
        ("it is a folder", |file| fs::create_dir(file).unwrap()),
        ("it is a symbolic link", |file| symlink("/nowhere/zid.db", file).unwrap()),
        ("another application", |file| sql(file, "CREATE TABLE astdb (key TEXT PRIMARY KEY, value TEXT)")),
        ("another application", |file| sql(file, "PRAGMA application_id = 252006673; CREATE TABLE t (a)")),
        ("version 2, this is version 1", |file| {
            drop(fill(file));
            sql(file, "PRAGMA user_version = 2");
        }),
        ("version 0, this is version 1", |file| {
            drop(fill(file));
            sql(file, "PRAGMA user_version = 0");
        }),
        ("schema is not ours", |file| {
            drop(fill(file));
            sql(file, "CREATE TRIGGER t AFTER INSERT ON peers BEGIN DELETE FROM peers; END");
        }),
        ("our ZID is not in it", |file| {
            drop(fill(file));
            sql(file, "DELETE FROM own");
        }),
        ("a peer's row is damaged", |file| {
            drop(fill(file));
            sql(file, "UPDATE peers SET verified = 1 - verified WHERE zid = (SELECT min(zid) FROM peers)");
        }),
    ];
    for (why, make) in cases {
        let folder = Folder::fast();
        make(&folder.file());
        let before = fs::read(folder.file()).ok();
        let refused = ZidCache::open_existing(&folder.file(), std::time::SystemTime::now).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Unfit { .. }) && refused.to_string().contains(why),
            "{refused}"
        );
        assert_eq!(fs::read(folder.file()).ok(), before, "a tool changes nothing");
        let opened = open(&folder.file());
        assert_eq!(fs::read(opened.set_aside.as_ref().unwrap()).ok(), before, "{why}");
        check(opened, &folder, why);
    }
}

#[test]
fn a_symbolic_links_target_stays_where_it_is_and_a_folder_above_may_be_one() {
    let (folder, other) = (Folder::new(), Folder::new());
    drop(fill(&other.file()));
    symlink(other.file(), folder.file()).unwrap();
    let opened = open(&folder.file());
    assert!(fs::symlink_metadata(opened.set_aside.as_ref().unwrap()).unwrap().is_symlink());
    check(opened, &folder, "symbolic link");
    assert_eq!(peers_of(&open(&other.file()).cache).len(), 5);

    let link = folder.path().join("link");
    symlink(other.path(), &link).unwrap();
    let opened = open(&link.join("zid.db"));
    assert!(opened.set_aside.is_none() && peers_of(&opened.cache).len() == 5);
}

#[test]
fn what_others_need_is_left_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.file()).unwrap();
    fs::write(folder.file().join("modules.conf"), "").unwrap();
    let refused = |path: &Path| ZidCache::open(path, std::time::SystemTime::now).unwrap_err();
    assert!(matches!(refused(&folder.file()), OpenError::NotAFile { .. }));
    assert_eq!(folder.names(), ["zid.db"]);
    assert!(matches!(refused(Path::new("/dev/null")), OpenError::NotAFile { .. }));
    assert!(Path::new("/dev/null").exists());
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(matches!(refused(&socket), OpenError::NotAFile { .. }));
    for path in ["/", "", "..", "/nowhere/at/all/zid.db"] {
        let error = refused(Path::new(path));
        assert!(matches!(error, OpenError::NoFile(_) | OpenError::Folder { .. }), "{path:?} {error}");
    }
    let error = refused(&folder.path().join("absent/zid.db")).to_string();
    assert!(error.contains("mkdir") && error.contains("absent"), "{error}");
    let absent =
        ZidCache::open_existing(&folder.path().join("zid2.db"), std::time::SystemTime::now).unwrap_err();
    assert!(matches!(absent, OpenError::Absent(_)));
}

#[test]
fn ten_files_are_set_aside_and_then_an_administrator_is_needed() {
    let folder = Folder::fast();
    let clock = Clock::at(1_800_000_000_000);
    for number in 0..MAX_SET_ASIDE {
        fs::write(folder.file(), number.to_string()).unwrap();
        let opened = ZidCache::open(&folder.file(), clock.reader()).unwrap();
        assert!(opened.set_aside.is_some());
    }
    fs::write(folder.file(), "one more").unwrap();
    let refused = ZidCache::open(&folder.file(), clock.reader()).unwrap_err();
    assert!(matches!(refused, OpenError::TooManySetAside { .. }), "{refused}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "one more", "it is not lost");
    // All of one second, none written over another.
    let mut kept: Vec<String> = folder
        .names()
        .iter()
        .filter(|name| name.contains("damaged"))
        .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, (0..MAX_SET_ASIDE).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_file_that_goes_away_in_mid_call_is_made_anew_with_our_zid() {
    let folder = Folder::new();
    let (one, two) = (fill(&folder.file()), open(&folder.file()).cache);
    for name in folder.names() {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert_eq!(one.recall(&zid(1)).unwrap(), None);
    one.keep(&zid(9), &entry(9), u32::MAX).unwrap();
    assert_eq!(two.recall(&zid(9)).unwrap(), Some(entry(9)), "the other has the new file too");
    two.keep(&zid(10), &entry(10), u32::MAX).unwrap();
    let ours = one.zid();
    drop((one, two));
    let later = open(&folder.file());
    assert!(later.set_aside.is_none() && later.cache.zid() == ours);
    assert_eq!(peers_of(&later.cache).len(), 2);
}

#[test]
fn a_file_that_is_found_damaged_in_mid_call_is_set_aside_and_one_call_is_told() {
    let folder = Folder::new();
    let cache = fill(&folder.file());
    let ours = cache.zid();
    fs::write(folder.path().join("other"), "no cache").unwrap();
    fs::rename(folder.path().join("other"), folder.file()).unwrap();
    let error = cache.recall(&zid(1)).unwrap_err();
    assert!(error.0.contains("set aside") || error.0.contains("damaged-"), "{error}");
    assert_eq!(cache.recall(&zid(1)).unwrap(), None);
    cache.keep(&zid(1), &entry(1), u32::MAX).unwrap();
    assert_eq!((cache.recall(&zid(1)).unwrap(), cache.zid()), (Some(entry(1)), ours));
    assert!(folder.names().iter().any(|name| name.starts_with("zid.db.damaged-")));
}

#[test]
fn a_cache_of_another_zid_is_not_taken_up_in_mid_call() {
    let (folder, other) = (Folder::new(), Folder::new());
    let cache = fill(&folder.file());
    drop(fill(&other.file()));
    fs::rename(other.file(), folder.file()).unwrap();
    let error = cache.recall(&zid(1)).unwrap_err();
    assert!(error.0.contains("another ZID"), "{error}");
    assert!(cache.keep(&zid(1), &entry(1), u32::MAX).is_err());
    drop(cache);
    assert_eq!(peers_of(&open(&folder.file()).cache).len(), 5);
}

/// In a child.
fn opens_as_nobody(folder: &Path) {
    let refused = |path: &Path| ZidCache::open(path, std::time::SystemTime::now).unwrap_err();
    let error = refused(&folder.join("shut/zid.db"));
    assert!(matches!(error, OpenError::Folder { .. }) && error.to_string().contains("chown"), "{error}");
    let error = refused(&folder.join("rooms/zid.db"));
    assert!(matches!(error, OpenError::Access { .. }) && error.to_string().contains("chown"), "{error}");
    // One that is readable, but another's: its secrets cannot be taken from others.
    let error = refused(&folder.join("readable/zid.db"));
    assert!(matches!(error, OpenError::Access { .. }), "{error}");
    assert!(open(&folder.join("ours/zid.db")).set_aside.is_none());
    eprintln!("opened as another user");
}

#[test]
fn a_folder_or_file_of_another_user_is_an_error_that_says_what_to_do() {
    if let Some(folder) = told_folder() {
        return opens_as_nobody(&folder);
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let folder = Folder::new();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        eprintln!("SKIPPED: needs root, to become another user");
        return;
    }
    let nobody = 65534;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    for name in ["shut", "rooms", "readable", "ours"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["rooms", "readable", "ours"] {
        drop(fill(&folder.path().join(name).join("zid.db")));
        chown(folder.path().join(name), Some(nobody), Some(nobody)).unwrap();
    }
    chown(folder.path().join("ours/zid.db"), Some(nobody), Some(nobody)).unwrap();
    mode(&folder.path().join("readable/zid.db"), 0o666);
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    let template = child("a_folder_or_file_of_another_user_is_an_error_that_says_what_to_do", folder.path());
    let mut command = std::process::Command::new(&program);
    command.args(template.get_args()).env("SEALRTP_CACHE_FOLDER", folder.path()).current_dir("/");
    let output = command.uid(nobody).gid(nobody).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("opened as another user"), "{text}");
    // What root opens stays its owner's, the files beside it too.
    let cache =
        ZidCache::open_existing(&folder.path().join("ours/zid.db"), std::time::SystemTime::now).unwrap();
    cache.keep(&zid(7), &entry(7), u32::MAX).unwrap();
    for name in ["zid.db", "zid.db-wal", "zid.db-shm"] {
        assert_eq!(fs::metadata(folder.path().join("ours").join(name)).unwrap().uid(), nobody, "{name}");
    }
    drop(cache);
    fs::write(folder.path().join("ours/zid.db"), "damaged").unwrap();
    let opened = open(&folder.path().join("ours/zid.db"));
    assert!(opened.set_aside.is_some());
    assert_eq!(fs::metadata(folder.path().join("ours/zid.db")).unwrap().uid(), nobody);
}

#[test]
fn a_loose_or_a_tight_umask_changes_no_mode() {
    if let Some(folder) = told_folder() {
        return opens_stores_and_shows_modes(&folder);
    }
    use std::os::unix::fs::PermissionsExt;
    for umask in ["000", "777", "022"] {
        let folder = Folder::new();
        let template = child("a_loose_or_a_tight_umask_changes_no_mode", folder.path());
        let mut command = std::process::Command::new("sh");
        command
            .arg("-c")
            .arg(format!("umask {umask}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap());
        command.args(template.get_args()).env("SEALRTP_CACHE_FOLDER", folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mode = fs::metadata(folder.file()).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "umask {umask}");
    }
}

/// In a child.
fn opens_stores_and_shows_modes(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let cache = fill(&folder.join("zid.db"));
    for name in ["zid.db", "zid.db-wal", "zid.db-shm"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{name}");
    }
    drop(cache);
}

#[test]
fn a_lock_that_another_holds_ends_the_wait_in_time() {
    let folder = Folder::new();
    let held = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(once_within(Duration::from_secs(6), || {
        let refused = ZidCache::open(&folder.file(), std::time::SystemTime::now).unwrap_err();
        assert!(matches!(refused, OpenError::Locked(_)), "{refused}");
    }));
    drop(held);
    let cache = fill(&folder.file());
    let held = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fs::write(folder.path().join("other"), "no cache").unwrap();
    fs::rename(folder.path().join("other"), folder.file()).unwrap();
    assert!(once_within(Duration::from_millis(400), || assert!(cache.load(&zid(1)).is_err())));
}

/// In a child.
fn stores_until_the_disk_is_full(folder: &Path) {
    let cache = open(&folder.join("zid.db")).cache;
    let mut stored = 0;
    let error = loop {
        match cache.keep(&zid(stored), &entry(stored), u32::MAX) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the limit is not there");
    };
    eprintln!("{stored} stored, then: {error}");
    for number in 0..stored {
        assert_eq!(cache.recall(&zid(number)).unwrap(), Some(entry(number)));
    }
    fs::write(folder.join("stored"), stored.to_string()).unwrap();
}

#[test]
fn a_full_disk_is_an_error_of_the_store_and_takes_nothing_that_was_there() {
    if let Some(folder) = told_folder() {
        return stores_until_the_disk_is_full(&folder);
    }
    let folder = Folder::fast();
    let template =
        child("a_full_disk_is_an_error_of_the_store_and_takes_nothing_that_was_there", folder.path());
    let mut command = std::process::Command::new("sh");
    // A file that may not grow any more stands for the disk.
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 2600; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    command.args(template.get_args()).env("SEALRTP_CACHE_FOLDER", folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stored: u64 = fs::read_to_string(folder.path().join("stored")).unwrap().parse().unwrap();
    assert!(stored > 1000, "{stored}");
    let opened = open(&folder.file());
    assert!(opened.set_aside.is_none() && opened.warning.is_none());
    for number in 0..stored {
        assert_eq!(opened.cache.recall(&zid(number)).unwrap(), Some(entry(number)));
    }
    opened.cache.keep(&zid(stored), &entry(stored), u32::MAX).unwrap();
}
