//! Our numbers, each an end point of its own to phones.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{
    Clock, Folder, Patient, child, entry, forget, open, peer_of, peers_of, secret, set_name, set_verified,
    told, zid,
};
use sealrtp_zid_cache::{ZidCache, zid_of_number};
use sealrtp_zrtp::{Association, Config, Entry};

#[test]
fn each_number_has_a_zid_and_secrets_of_its_own_after_the_file_was_closed_too() {
    let folder = Folder::fast();
    let cache = Arc::new(open(&folder.file()).cache);
    let ours = cache.zid();
    let numbers = ["", "100", "200"];
    let zids = numbers.map(|number| cache.of_number(number).zid());
    assert!(zids[0] == ours && zids[1] != ours && zids[2] != ours && zids[1] != zids[2]);
    for (number, kept) in numbers.iter().zip(1..) {
        let numbered = cache.of_number(number);
        assert_eq!(numbered.recall(&zid(1)).unwrap(), None, "{number}: nothing of another number's");
        numbered.keep(&zid(1), &entry(kept), u32::MAX).unwrap();
    }
    drop(cache);
    let cache = Arc::new(open(&folder.file()).cache);
    assert_eq!(numbers.map(|number| cache.of_number(number).zid()), zids);
    for (number, kept) in numbers.iter().zip(1..) {
        assert_eq!(cache.of_number(number).recall(&zid(1)).unwrap(), Some(entry(kept)), "{number}");
    }
    assert_eq!(cache.recall(&zid(1)).unwrap(), Some(entry(1)), "without a number it is our own");
    assert_eq!(cache.of_number("300").recall(&zid(1)).unwrap(), None);
}

#[test]
fn meets_a_peer_under_a_number() {
    let Some(folder) = told("FOLDER") else { return };
    let cache = Arc::new(open(&Path::new(&folder).join("zid.db")).cache);
    let numbered = cache.of_number("100");
    numbered.keep(&zid(1), &entry(7), u32::MAX).unwrap();
    fs::write(Path::new(&folder).join("zid"), numbered.zid().to_string()).unwrap();
}

#[test]
fn two_processes_have_one_zid_for_one_number_and_see_each_others_secrets() {
    let folder = Folder::fast();
    let cache = Arc::new(open(&folder.file()).cache);
    assert!(child("meets_a_peer_under_a_number", folder.path()).status().unwrap().success());
    let numbered = cache.of_number("100");
    assert_eq!(fs::read_to_string(folder.path().join("zid")).unwrap(), numbered.zid().to_string());
    assert_eq!(numbered.recall(&zid(1)).unwrap(), Some(entry(7)));
    assert_eq!(cache.recall(&zid(1)).unwrap(), None);
}

#[test]
fn what_an_administrator_says_of_a_peer_holds_under_all_numbers() {
    let folder = Folder::fast();
    let clock = Clock::at(1_800_000_000_000);
    let cache = Arc::new(ZidCache::open(&folder.file(), clock.reader()).unwrap().cache);
    let known = |number| Entry { rs1: Some(secret(number)), ..Entry::default() };
    for (number, kept) in [("", 1), ("100", 2), ("200", 3)] {
        cache.of_number(number).keep(&zid(1), &known(kept), u32::MAX).unwrap();
        clock.pass(Duration::from_secs(1));
    }
    cache.of_number("100").keep(&zid(2), &known(4), u32::MAX).unwrap();
    assert!(set_name(&cache, &zid(1), "Carol") && set_verified(&cache, &zid(1), true));
    cache.of_number("300").keep(&zid(1), &known(5), u32::MAX).unwrap();
    let rows = || -> Vec<_> {
        let rows = peers_of(&cache).into_iter().filter(|peer| peer.zid == zid(1));
        rows.map(|peer| (peer.number.unwrap_or_default(), peer.name.unwrap_or_default(), peer.verified))
            .collect()
    };
    let row = |number: &str, verified| (number.to_owned(), "Carol".to_owned(), verified);
    let all = [row("300", false), row("200", true), row("100", true), row("", true)];
    assert_eq!(rows(), all, "a name is the peer's, but under a new number nobody has compared the SAS");
    assert_eq!(peer_of(&cache, &zid(1)).unwrap().number.as_deref(), Some("300"), "the one met last");
    let other = peer_of(&cache, &zid(2)).unwrap();
    assert!(other.name.is_none() && !other.verified, "another peer under the same number");
    assert!(set_verified(&cache, &zid(1), false));
    assert!(rows().iter().all(|(_, _, verified)| !verified));
    assert!(forget(&cache, &zid(1)) && !forget(&cache, &zid(1)));
    for number in ["", "100", "200", "300"] {
        assert_eq!(cache.of_number(number).recall(&zid(1)).unwrap(), None);
    }
    assert_eq!(cache.of_number("100").recall(&zid(2)).unwrap(), Some(known(4)));
}

#[test]
fn an_expired_row_comes_back_with_the_name_its_peer_was_given_meanwhile() {
    let folder = Folder::fast();
    let clock = Clock::at(1_800_000_000_000);
    let cache = Arc::new(ZidCache::open(&folder.file(), clock.reader()).unwrap().cache);
    cache.of_number("100").keep(&zid(1), &entry(1), 60).unwrap();
    cache.of_number("200").keep(&zid(1), &entry(1), u32::MAX).unwrap();
    clock.pass(Duration::from_secs(60));
    assert!(set_name(&cache, &zid(1), "Carol"));
    cache.of_number("100").keep(&zid(1), &entry(3), 60).unwrap();
    assert!(peers_of(&cache).iter().all(|peer| peer.name.as_deref() == Some("Carol")));
}

#[test]
fn an_enrolment_is_of_our_own_zid_and_outlasts_calls_under_numbers() {
    let folder = Folder::fast();
    let clock = Clock::at(1_800_000_000_000);
    let cache = Arc::new(ZidCache::open(&folder.file(), clock.reader()).unwrap().cache);
    let enrolled = Entry { pbx: Some(secret(9)), ..Entry::default() };
    cache.keep(&zid(1), &enrolled, u32::MAX).unwrap();
    let met = Entry { rs1: Some(secret(1)), ..Entry::default() };
    for number in 0..300 {
        cache.of_number(&number.to_string()).keep(&zid(1), &met, 60).unwrap();
    }
    assert_eq!(cache.of_number("299").recall(&zid(1)).unwrap(), Some(met));
    clock.pass(Duration::from_secs(60));
    drop(cache);
    let cache = Arc::new(ZidCache::open(&folder.file(), clock.reader()).unwrap().cache);
    assert_eq!(cache.recall(&zid(1)).unwrap(), Some(enrolled));
    let left: Vec<_> = peers_of(&cache);
    assert!(left.len() == 1 && left[0].number.is_none() && left[0].enrolled);
}

#[test]
fn a_number_of_any_bytes_breaks_neither_file_nor_terminal() {
    let folder = Folder::fast();
    let cache = Arc::new(open(&folder.file()).cache);
    let long = "9".repeat(100_000);
    for number in
        ["\u{0}", "a\u{1b}[2Jb\u{202e}", "'); DROP TABLE peers; --", "née", &long, &format!("{long}1")]
    {
        let numbered = cache.of_number(number);
        assert_eq!(numbered.zid(), zid_of_number(&cache.zid(), number));
        numbered.keep(&zid(1), &entry(1), u32::MAX).unwrap();
        assert_eq!(numbered.recall(&zid(1)).unwrap(), Some(entry(1)));
    }
    drop(cache);
    let opened = ZidCache::open(&folder.file(), SystemTime::now).unwrap();
    assert!(opened.set_aside.is_none());
    let mut shown: Vec<_> = peers_of(&opened.cache).into_iter().filter_map(|peer| peer.number).collect();
    shown.sort();
    let cut = "9".repeat(64);
    assert_eq!(shown, ["');?DROP?TABLE?peers;?--", cut.as_str(), cut.as_str(), "?", "a?[2Jb?", "née"]);
}

#[test]
fn a_call_can_be_made_under_a_number() {
    let folder = Folder::fast();
    let cache = Arc::new(open(&folder.file()).cache);
    let numbered = cache.of_number("100");
    let zid = numbered.zid();
    Association::new(Arc::new(Config::default()), zid, Some(Arc::new(numbered))).unwrap();
}
