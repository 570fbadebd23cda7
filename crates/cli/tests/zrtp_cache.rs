//! `sealrtp zrtp`, as an administrator uses it.

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use common::Folder;
use sealrtp_zid_cache::ZidCache;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Cache, CacheError, Entry, Secret};
use serde_json::Value;

const A: &str = "0101010101010101010101a1";
const B: &str = "0202020202020202020202b2";

/// What a cache answers; asked again while the machine or its disk stands still, which a call would be told.
fn again<T>(ask: impl Fn() -> Result<T, CacheError>) -> T {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        match ask() {
            Err(error) if error.to_string().contains("in time") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer.unwrap(),
        }
    }
}

/// Three peers: one verified, one enrolled, one stranger.
fn fill(folder: &Folder) -> ZidCache {
    let cache = ZidCache::open(Path::new(&folder.file("zid.db")), SystemTime::now).unwrap().cache;
    let secret = |byte| Some(Secret::new([byte; 32]));
    let plain = Entry { rs1: secret(0xc1), rs2: secret(0xc2), ..Entry::default() };
    let verified = Entry { verified: true, ..plain.clone() };
    let enrolled = Entry { pbx: secret(0xc3), aux: secret(0xc4), ..plain.clone() };
    for (text, entry, expiry) in
        [(A, verified, u32::MAX), (B, enrolled, 3600), ("0202020202020202020202c3", plain, u32::MAX)]
    {
        again(|| cache.store(&text.parse::<Zid>().unwrap(), &entry, expiry));
        // Of different milliseconds.
        std::thread::sleep(Duration::from_millis(3));
    }
    cache
}

fn zrtp(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealrtp"));
    command.args(["zrtp", "--cache", "zid.db"]).args(arguments).current_dir(folder.path());
    let output = command.output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        for secret in ["c1c1c1c1", "c2c2c2c2", "c3c3c3c3", "c4c4c4c4", "193, 193"] {
            assert!(!text.contains(secret), "a secret is printed: {text}");
        }
    }
    output
}

#[track_caller]
fn done(folder: &Folder, arguments: &[&str]) -> String {
    let output = zrtp(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(folder: &Folder, arguments: &[&str], code: i32) -> String {
    let output = zrtp(folder, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(code), true), "{told}");
    told
}

fn listed(folder: &Folder) -> Value {
    serde_json::from_str(&done(folder, &["list", "--json"])).unwrap()
}

#[test]
fn the_list_shows_each_peer_newest_first_while_a_pbx_has_the_file_open() {
    let folder = Folder::new();
    let pbx = fill(&folder);
    done(&folder, &["name", A, "Zoë, 2nd floor"]);
    let text = done(&folder, &["list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("Peer ") && lines[4] == "3 peers");
    let row = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
    assert_eq!(row(1)[..5], ["-", "0202020202020202020202c3", "-", "no", "no"]);
    assert_eq!(row(2)[..5], ["-", B, "-", "no", "yes"]);
    assert_eq!(row(3)[..7], ["Zoë,", "2nd", "floor", A, "-", "yes", "no"]);
    assert_eq!(row(3).last(), Some(&"never"));
    let json = listed(&folder);
    assert_eq!(json["zid"], pbx.zid().to_string());
    let peers = json["peers"].as_array().unwrap();
    assert_eq!(
        (&peers[1]["zid"], &peers[1]["enrolled"], &peers[1]["name"]),
        (&B.into(), &true.into(), &Value::Null)
    );
    assert_eq!((&peers[2]["name"], &peers[2]["verified"]), (&"Zoë, 2nd floor".into(), &true.into()));
    assert!(peers[2]["expires"].is_null() && peers[1]["expires"].as_str().unwrap().ends_with('Z'));
    assert_eq!(peers[0].as_object().unwrap().len(), 9);
}

#[test]
fn a_peer_is_named_verified_and_forgotten_by_zid_name_or_beginning() {
    let folder = Folder::new();
    let pbx = fill(&folder);
    let zid: Zid = A.parse().unwrap();
    assert_eq!(done(&folder, &["name", "0101", "Alice"]), format!("{A} is called Alice now\n"));
    assert_eq!(done(&folder, &["verify", "Alice", "--no"]), format!("{A} (Alice) is not verified now\n"));
    assert!(!again(|| pbx.load(&zid)).unwrap().verified);
    assert_eq!(done(&folder, &["verify", "Ali"]), format!("{A} (Alice) is verified now\n"));
    assert!(again(|| pbx.load(&zid)).unwrap().verified);
    assert_eq!(done(&folder, &["name", &A.to_uppercase(), ""]), format!("{A} (Alice) has no name now\n"));
    assert_eq!(done(&folder, &["forget", A]), format!("{A} is forgotten\n"));
    assert!(again(|| pbx.load(&zid)).is_none());
    assert_eq!(listed(&folder)["peers"].as_array().unwrap().len(), 2);
}

#[test]
fn what_names_no_peer_or_several_changes_nothing() {
    let folder = Folder::new();
    let _pbx = fill(&folder);
    let before = listed(&folder);
    assert!(refused(&folder, &["forget", "0202"], 1).contains("is 2 peers"));
    assert!(refused(&folder, &["verify", "Nobody"], 1).contains("no peer is called Nobody"));
    assert!(refused(&folder, &["forget", ""], 1).contains("no peer"));
    let told = refused(&folder, &["name", A, "a\u{1b}[2Jb"], 2);
    assert!(told.contains("64 bytes") && !told.contains('\u{1b}'), "{told}");
    refused(&folder, &["name", A, &"x".repeat(65)], 2);
    refused(&folder, &["frobnicate"], 2);
    assert_eq!(listed(&folder), before);
}

#[test]
fn a_file_that_is_no_cache_is_named_and_neither_made_nor_moved() {
    let folder = Folder::new();
    assert!(refused(&folder, &["list"], 2).contains("there is no ZRTP cache zid.db"));
    folder.write("zid.db", "[general]\n");
    assert!(refused(&folder, &["forget", A], 2).contains("not an SQLite file"));
    assert_eq!(folder.read("zid.db"), "[general]\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_peer_that_knows_us_under_several_numbers_is_one_peer_with_a_row_for_each() {
    let folder = Folder::new();
    let pbx = Arc::new(fill(&folder));
    let zid: Zid = A.parse().unwrap();
    for number in ["100", "from:200"] {
        std::thread::sleep(Duration::from_millis(3));
        let entry = Entry { rs1: Some(Secret::new([0xc1; 32])), ..Entry::default() };
        again(|| pbx.of_number(number).store(&zid, &entry, u32::MAX));
    }
    assert_eq!(done(&folder, &["name", "0101", "Alice"]), format!("{A} is called Alice now\n"));
    done(&folder, &["verify", "Alice"]);
    let text = done(&folder, &["list"]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..4], ["Alice", A, "from:200", "yes"]);
    assert_eq!(rows[2][..4], ["Alice", A, "100", "yes"]);
    assert_eq!(rows[5][..4], ["Alice", A, "-", "yes"]);
    assert_eq!(text.lines().last(), Some("3 peers"));
    assert_eq!(listed(&folder)["peers"][0]["number"], "from:200");
    done(&folder, &["forget", "Alice"]);
    assert_eq!(listed(&folder)["peers"].as_array().unwrap().len(), 2);
    assert!(again(|| pbx.of_number("100").load(&zid)).is_none());
}

#[test]
fn an_expired_peer_cannot_be_verified() {
    let folder = Folder::new();
    let pbx = fill(&folder);
    let enrolled = again(|| pbx.load(&B.parse().unwrap())).unwrap();
    again(|| pbx.store(&B.parse().unwrap(), &enrolled, 0));
    assert!(refused(&folder, &["verify", B], 1).contains("expired"));
}
