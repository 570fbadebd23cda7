//! `sealrtp zrtp`: the peers of a ZRTP cache, for an administrator. Secrets are neither asked for nor printed.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use sealrtp_zid_cache::{Peer, ZidCache};
use serde::Serialize;

/// Where SealRTP's module for Asterisk has it on Debian.
const DEFAULT: &str = "/var/lib/asterisk/sealrtp/zid.db";

/// Fewer characters do not name a peer by the beginning of its ZID or name.
const SHORTEST: usize = 2;

/// `sealrtp zrtp`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
PEER is a ZID, a name, or the beginning of either if no other peer has it.

Exit codes:
  0  done
  1  no such peer, or several
  2  arguments or a file that cannot be used")]
pub struct ZrtpCacheArguments {
    /// The cache: what zrtp_cache in sealrtp.conf names
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT)]
    cache: PathBuf,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the peers, a row for each number of ours under which they know us, the one met last first
    List {
        /// As one JSON line; times as in RFC 3339
        #[arg(long)]
        json: bool,
    },
    /// Name a peer: at most 64 bytes; '' takes its name away
    Name {
        /// ZID, name, or the beginning of either
        peer: String,
        /// The name
        name: String,
    },
    /// Say that the SAS was compared with a peer
    Verify {
        /// ZID, name, or the beginning of either
        peer: String,
        /// Say that it was not
        #[arg(long)]
        no: bool,
    },
    /// Forget a peer, its enrolment and name too: the next call is like the first one
    Forget {
        /// ZID, name, or the beginning of either
        peer: String,
    },
}

/// Why nothing was done.
enum Refusal {
    Peer(String),
    Unusable(String),
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// Runs the command.
pub fn run(arguments: &ZrtpCacheArguments) -> ExitCode {
    let (code, text) = match act(arguments) {
        Ok(text) => {
            // Who reads it may have gone.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Peer(text)) => (1, text),
        Err(Refusal::Unusable(text)) => (2, text),
    };
    eprintln!("sealrtp zrtp: {text}");
    ExitCode::from(code)
}

fn act(arguments: &ZrtpCacheArguments) -> Result<String, Refusal> {
    let cache = ZidCache::open_existing(&arguments.cache, SystemTime::now)?;
    let peers = cache.peers()?;
    let gone = |peer: &Peer| Refusal::Peer(format!("{} is not known any more", called(peer)));
    match &arguments.action {
        Action::List { json: true } => Ok(json(&cache, &peers)?),
        Action::List { json: false } => Ok(table(&peers)),
        Action::Name { peer, name } => {
            let peer = find(&peers, peer)?;
            if !cache.set_name(&peer.zid, name)? {
                return Err(gone(peer));
            }
            let named =
                if name.is_empty() { "has no name now".into() } else { format!("is called {name} now") };
            Ok(format!("{} {named}\n", called(peer)))
        }
        Action::Verify { peer, no } => {
            let peer = find(&peers, peer)?;
            if !peers.iter().any(|row| row.zid == peer.zid && row.retained) {
                let why = "its secrets have expired; compare the SAS in the next call";
                return Err(Refusal::Peer(format!("{}: {why}", called(peer))));
            }
            if !cache.set_verified(&peer.zid, !no)? {
                return Err(gone(peer));
            }
            Ok(format!("{} is {} now\n", called(peer), if *no { "not verified" } else { "verified" }))
        }
        Action::Forget { peer } => {
            let peer = find(&peers, peer)?;
            if !cache.forget(&peer.zid)? {
                return Err(gone(peer));
            }
            Ok(format!("{} is forgotten\n", called(peer)))
        }
    }
}

fn name_of(peer: &Peer) -> &str {
    peer.name.as_deref().unwrap_or_default()
}

/// The peer that is meant: a whole ZID or name goes before the beginning of another's. It may have several rows.
fn find<'a>(peers: &'a [Peer], text: &str) -> Result<&'a Peer, Refusal> {
    let hex = text.to_ascii_lowercase();
    let whole = |peer: &&Peer| peer.zid.to_string() == hex || (!text.is_empty() && name_of(peer) == text);
    let begins = |peer: &&Peer| {
        text.chars().count() >= SHORTEST
            && (peer.zid.to_string().starts_with(&hex) || name_of(peer).starts_with(text))
    };
    let mut found: Vec<&Peer> = peers.iter().filter(|peer| whole(peer)).collect();
    if found.is_empty() {
        found = peers.iter().filter(|peer| begins(peer)).collect();
    }
    let mut seen = HashSet::new();
    found.retain(|peer| seen.insert(peer.zid.0));
    // What was typed goes to a terminal: no control characters.
    let typed = text.escape_debug();
    match found[..] {
        [] => Err(Refusal::Peer(format!("no peer is called {typed} or has a ZID that begins so"))),
        [one] => Ok(one),
        _ => {
            let some: Vec<String> = found.iter().take(5).map(|peer| called(peer)).collect();
            let more = if found.len() > some.len() { ", .." } else { "" };
            Err(Refusal::Peer(format!("{typed} is {} peers: {}{more}", found.len(), some.join(", "))))
        }
    }
}

fn called(peer: &Peer) -> String {
    match &peer.name {
        Some(name) => format!("{} ({name})", peer.zid),
        None => peer.zid.to_string(),
    }
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

fn table(peers: &[Peer]) -> String {
    let head = ["Peer", "ZID", "Number", "Verified", "Enrolled", "Last seen (UTC)", "Expires (UTC)"]
        .map(String::from);
    let expires = |peer: &Peer| match peer.expires {
        _ if !peer.retained => "-".into(),
        None => "never".into(),
        Some(time) => date(time, ' ', ""),
    };
    let row = |peer: &Peer| {
        [
            peer.name.clone().unwrap_or_else(|| "-".into()),
            peer.zid.to_string(),
            peer.number.clone().unwrap_or_else(|| "-".into()),
            yes_or_no(peer.verified),
            yes_or_no(peer.enrolled),
            date(peer.last_seen, ' ', ""),
            expires(peer),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(peers.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let count = peers.iter().map(|peer| peer.zid.0).collect::<HashSet<_>>().len();
    let _ = writeln!(text, "{count} {}", if count == 1 { "peer" } else { "peers" });
    text
}

#[derive(Serialize)]
struct List<'a> {
    /// Our own.
    zid: String,
    peers: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    zid: String,
    /// Ours, under which it knows us; null: it knows `List::zid`.
    number: Option<&'a str>,
    name: Option<&'a str>,
    verified: bool,
    enrolled: bool,
    retained: bool,
    first_seen: String,
    last_seen: String,
    expires: Option<String>,
}

impl<'a> Line<'a> {
    fn new(peer: &'a Peer) -> Self {
        let time = |time| date(time, 'T', "Z");
        Self {
            zid: peer.zid.to_string(),
            number: peer.number.as_deref(),
            name: peer.name.as_deref(),
            verified: peer.verified,
            enrolled: peer.enrolled,
            retained: peer.retained,
            first_seen: time(peer.first_seen),
            last_seen: time(peer.last_seen),
            expires: peer.expires.map(time),
        }
    }
}

fn json(cache: &ZidCache, peers: &[Peer]) -> Result<String, serde_json::Error> {
    let list = List { zid: cache.zid().to_string(), peers: peers.iter().map(Line::new).collect() };
    Ok(serde_json::to_string(&list)? + "\n")
}

/// Date and time of day in UTC, by the Gregorian calendar; before 1970 it is the beginning of 1970.
fn date(time: SystemTime, between: char, zone: &str) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March end with the leap day; 400 of them are 146,097 days, and 1970 begins 719,468 days after
    // the March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!(
        "{:04}-{month:02}-{day_of_month:02}{between}{:02}:{:02}:{:02}{zone}",
        era * 400 + year,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use sealrtp_zrtp::message::Zid;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let of = |seconds| date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), 'T', "Z");
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (978_307_199, "2000-12-31T23:59:59Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(of(seconds), text);
        }
        assert_eq!(date(SystemTime::UNIX_EPOCH - Duration::from_secs(1), ' ', ""), "1970-01-01 00:00:00");
    }

    fn peer(zid: [u8; 12], name: Option<&str>) -> Peer {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_210_096);
        Peer {
            zid: Zid(zid),
            number: None,
            name: name.map(String::from),
            verified: true,
            enrolled: false,
            retained: true,
            first_seen: now,
            last_seen: now,
            expires: None,
        }
    }

    #[test]
    fn a_peer_is_found_by_what_names_it_alone() {
        let peers = [
            peer([0xab; 12], Some("Bob")),
            peer([0xac; 12], Some("Bobby")),
            peer([0xb0; 12], None),
            peer([0xb1; 12], Some("b0b")),
        ];
        let found = |text: &str| match find(&peers, text) {
            Ok(found) => Ok(found.zid.0[0]),
            Err(Refusal::Peer(text) | Refusal::Unusable(text)) => Err(text),
        };
        assert_eq!(found("Bob"), Ok(0xab), "a whole name goes before the beginning of another");
        assert_eq!(found("Bobb"), Ok(0xac));
        assert_eq!(found("ABAB"), Ok(0xab));
        assert_eq!(found(&"ac".repeat(12)), Ok(0xac));
        assert_eq!(found("b0b0"), Ok(0xb0));
        let rows =
            [peer([0xab; 12], Some("Bob")), peer([0xab; 12], Some("Bob")), peer([0xac; 12], Some("Al"))];
        assert!(find(&rows, "Bob").is_ok_and(|found| found.zid.0[0] == 0xab), "two rows are one peer");
        assert!(found("Bo").unwrap_err().contains("is 2 peers: abab"));
        assert!(found("b0").unwrap_err().contains("2 peers"), "of a ZID and of a name");
        for none in ["", "a", "b", "Carol", "-", "abac", "\u{1b}[2J"] {
            let told = found(none).unwrap_err();
            assert!(told.starts_with("no peer") && !told.contains('\u{1b}'), "{told}");
        }
    }

    #[test]
    fn columns_stand_under_their_heads_whatever_the_names() {
        let mut peers = [peer([1; 12], Some("Zoë, 2nd floor")), peer([2; 12], None)];
        peers[1].retained = false;
        peers[1].number = Some("from:+4930123456".into());
        let text = table(&peers);
        let lines: Vec<&str> = text.lines().collect();
        let heads: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|head| !head.is_empty()).collect();
        assert_eq!(
            heads,
            ["Peer", "ZID", "Number", "Verified", "Enrolled", "Last seen (UTC)", "Expires (UTC)"]
        );
        for (line, end) in [(lines[1], "never"), (lines[2], "-")] {
            let at = |text: &str, what: &str| {
                text.chars().count() - text[text.find(what).unwrap()..].chars().count()
            };
            assert_eq!(at(line, "2024-02-29 12:34:56"), at(lines[0], "Last seen"));
            assert!(line.ends_with(end), "{line}");
        }
        assert_eq!(lines[3], "2 peers");
    }
}
