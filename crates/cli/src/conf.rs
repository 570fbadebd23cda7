//! `sealrtp.conf` where no PBX reads it: its lines, and the policy of a call out of them.

use std::path::PathBuf;

use sealrtp_policy::{Builder, Config, GENERAL, Key, Policies};

use crate::arguments::RelayArguments;
use crate::keying::read_file;
use crate::outcome::Ended;

/// Where the modules keep ZRTP's cache; read by them, not by the policy.
const ZRTP_CACHE: &str = "zrtp_cache";
/// Value of `zrtp_cache` that keeps nothing on disk.
const IN_MEMORY: &str = "none";

/// What a call is under.
#[derive(Debug)]
pub struct Terms {
    /// Its rules and algorithms.
    pub config: Config,
    /// `zrtp_cache` of the file, or of the command line.
    pub zrtp_cache: Option<PathBuf>,
    /// What should be thought over.
    pub warnings: Vec<String>,
}

/// A configuration file, read.
#[derive(Debug, Default)]
struct Read {
    builder: Builder,
    zrtp_cache: Option<PathBuf>,
    warnings: Vec<String>,
    faults: Vec<String>,
}

/// One line: nothing, a section, a key with its value; or what is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    Section(&'a str),
    Key(&'a str, &'a str),
    Wrong(&'static str),
}

/// As Asterisk reads its files, without templates, includes and block comments.
fn line(text: &str) -> Line<'_> {
    if text.trim_start().starts_with(";--") && !text.trim_start().starts_with(";---") {
        return Line::Wrong("block comments are not read here");
    }
    // A backslash before it takes a semicolon its meaning.
    let comment = text.match_indices(';').find(|(at, _)| !text[..*at].ends_with('\\'));
    let text = comment.map_or(text, |(at, _)| &text[..at]).trim();
    if text.is_empty() {
        return Line::Empty;
    }
    if text.starts_with('#') {
        return Line::Wrong("#include and #exec are not read here");
    }
    if let Some(rest) = text.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((name, "")) => Line::Section(name.trim()),
            Some(_) => Line::Wrong("templates are not read here"),
            None => Line::Wrong("a ] expected"),
        };
    }
    match text.split_once('=') {
        Some((key, value)) => Line::Key(key.trim(), value.strip_prefix('>').unwrap_or(value).trim()),
        None => Line::Wrong("[section] or key = value expected"),
    }
}

impl Read {
    /// Takes a whole file.
    fn text(file: &str, text: &str) -> Self {
        let mut this = Self::default();
        let mut section: Option<&str> = None;
        for (text, number) in text.lines().zip(1..) {
            let wrong = |what: &str| format!("{file} line {number}: {what}");
            match (line(text), section) {
                (Line::Empty, _) => {}
                (Line::Wrong(what), _) => this.faults.push(wrong(what)),
                (Line::Section(name), _) => section = Some(name),
                (Line::Key(..), None) => this.faults.push(wrong("a [section] expected before the first key")),
                (Line::Key(key, value), Some(section)) if key.eq_ignore_ascii_case(ZRTP_CACHE) => {
                    if section.eq_ignore_ascii_case(GENERAL) {
                        this.zrtp_cache = Some(value).filter(|value| *value != IN_MEMORY).map(PathBuf::from);
                    } else {
                        this.faults.push(wrong("zrtp_cache is of all calls and stands in [general] alone"));
                    }
                }
                (Line::Key(key, value), Some(section)) => {
                    // What is refused comes again at the end.
                    if let Ok(Some(warning)) = this.builder.set(file, number, section, key, value) {
                        this.warnings.push(warning.to_string());
                    }
                }
            }
        }
        this
    }

    fn finish(self) -> Result<(Policies, Vec<String>, Option<PathBuf>), String> {
        let mut faults = self.faults;
        match self.builder.finish() {
            Ok((policies, more)) if faults.is_empty() => {
                let mut warnings = self.warnings;
                warnings.extend(more.iter().map(ToString::to_string));
                Ok((policies, warnings, self.zrtp_cache))
            }
            Ok(_) => Err(faults.join("; ")),
            Err(more) => {
                faults.extend(more.iter().map(ToString::to_string));
                Err(faults.join("; "))
            }
        }
    }
}

/// What a call of the command line is under: the policy it names, or the safe default, and what it says besides.
///
/// # Errors
/// [`Outcome::Usage`](crate::outcome::Outcome::Usage): a file, line, name or value that cannot be used.
pub fn terms(arguments: &RelayArguments) -> Result<Terms, Ended> {
    let (policies, mut warnings, zrtp_cache) = match &arguments.config {
        None => (Policies::default(), Vec::new(), None),
        Some(path) => {
            let bytes = read_file(path)?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Ended::usage(format!("{}: not text", path.display())))?;
            let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            Read::text(&file, text).finish().map_err(Ended::usage)?
        }
    };
    let mut config = match &arguments.policy {
        Some(name) => named(&policies, name)?.clone(),
        None => policies.general().clone(),
    };
    let mut set = |key: &str, value: &str| {
        let warning = config.set(key, value).map_err(|error| Ended::usage(format!("--set {error}")))?;
        warnings.extend(warning.map(|warning| warning.to_string()));
        Ok::<_, Ended>(())
    };
    if arguments.config.is_none() && arguments.policy.is_none() {
        // As `sealrtp peer`: nothing clear, and whoever has the SDP's files may have its keys.
        set(Key::Fallback.name(), "reject")?;
        set(Key::SdesSignalling.name(), "any")?;
    }
    if !arguments.method.is_empty() {
        let methods: Vec<_> = arguments.method.iter().map(|method| method.name()).collect();
        set(Key::Offer.name(), &methods.join(","))?;
        set(Key::Accept.name(), &methods.join(","))?;
    }
    if let Some(fallback) = arguments.fallback {
        set(Key::Fallback.name(), fallback.name())?;
    }
    for (key, value) in &arguments.set {
        set(key, value)?;
    }
    if arguments.config.is_none() && arguments.policy.is_none() {
        warnings.retain(|warning| !warning.starts_with(Key::SdesSignalling.name()));
    }
    warnings.extend(config.doubts().iter().map(ToString::to_string));
    let zrtp_cache = arguments.zrtp_cache.clone().or(zrtp_cache);
    Ok(Terms { config, zrtp_cache, warnings })
}

/// A policy, or an end point's section.
fn named<'a>(policies: &'a Policies, name: &str) -> Result<&'a Config, Ended> {
    let section = || policies.endpoints().find(|config| config.section().eq_ignore_ascii_case(name));
    policies.policy(name).or_else(section).ok_or_else(|| {
        let known: Vec<_> =
            policies.policies().chain(policies.endpoints()).map(|config| config.section()).collect();
        Ended::usage(format!("--policy {name}: no such policy or section; known are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealrtp_policy::Fallback;

    fn read(text: &str) -> Result<(Policies, Vec<String>, Option<PathBuf>), String> {
        Read::text("sealrtp.conf", text).finish()
    }

    #[test]
    fn the_sample_of_the_modules_reads_and_says_nothing_but_the_defaults() {
        let sample = include_str!("../../../asterisk_module/sealrtp.conf.sample");
        let (policies, warnings, cache) = read(sample).unwrap();
        let changed =
            |config: &Config| Key::ALL.into_iter().any(|key| config.get(key) != Config::default().get(key));
        assert!(!changed(policies.general()));
        assert_eq!((warnings, cache), (vec![], None));
    }

    #[test]
    fn sections_keys_comments_and_arrows_are_read_as_asterisk_reads_them() {
        let text = "; nothing\n[general]\nzrtp_cache=/var/zid.db ; here\n [vault] \r\ntype => policy\nfallback = reject;x\n";
        let (policies, _, cache) = read(text).unwrap();
        assert_eq!(policies.policy("vault").unwrap().fallback(), Fallback::Reject);
        assert_eq!(cache, Some("/var/zid.db".into()));
        assert_eq!(line("a = b\\;c"), Line::Key("a", "b\\;c"));
        assert_eq!(read("[general]\nzrtp_cache = none\n").unwrap().2, None);
    }

    #[test]
    fn every_wrong_line_is_told_with_its_number() {
        let text = "offer = dtls\n[general\n[a](!)\n#include b\nnothing\n[alice]\nfallback = maybe\nzrtp_cache = x\n";
        let error = read(text).unwrap_err();
        for part in [
            "line 1: a [section]",
            "line 2: a ]",
            "line 3: templates",
            "line 4: #include",
            "line 5: [section]",
            "line 7, [alice]: fallback = maybe",
            "line 8: zrtp_cache",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
