//! Configuration files: what is read reads back, order of sections does not matter, and every fault has its line.
//!
//! Input: text of `[section]` and `key = value` lines; `;` begins a comment.

use sealrtp_policy::{Config, Consequence, Failure, Fault, GENERAL, Key, Policies};

/// A line of a file: its number, section, key and value.
type Line<'a> = (u32, &'a str, &'a str, &'a str);

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut section = GENERAL;
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.split(';').next().unwrap_or("").trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            lines.push((number, section, key, value.trim_start_matches('>')));
        }
    }
    lines
}

fn read(lines: &[Line<'_>]) -> Result<Policies, Vec<Fault>> {
    let mut builder = Policies::builder();
    let mut refused = Vec::new();
    for &(number, section, key, value) in lines {
        if let Err(fault) = builder.set("sealrtp.conf", number, section, key, value) {
            assert_eq!(fault.place().line, number);
            refused.push(fault);
        }
    }
    let finished = builder.finish();
    match &finished {
        Ok(_) => assert!(refused.is_empty(), "{refused:?} was passed over"),
        Err(faults) => {
            assert!(!faults.is_empty() && refused.iter().all(|fault| faults.contains(fault)));
            assert!(faults.is_sorted_by_key(|fault| fault.place().line));
            assert!(faults.iter().all(|fault| !fault.to_string().contains(['\n', '\r', '\0'])));
        }
    }
    finished.map(|(policies, _)| policies)
}

/// What is configured can be written and read, and nothing is clear where that is refused.
fn check(config: &Config) {
    let mut again = Config::default();
    for key in Key::ALL {
        let text = config.get(key);
        again.set(key.name(), &text).expect("its own words");
        assert_eq!(again.get(key), text);
    }
    assert!(!config.suites().is_empty() && !config.dtls().profiles().is_empty());
    let clear_refused = config.fallback() == sealrtp_policy::Fallback::Reject;
    for failure in [Failure::Dtls, Failure::Fingerprint, Failure::Zrtp, Failure::Downgrade] {
        let goes_on = config.consequence(failure) == Consequence::Continue;
        assert!(!(goes_on && clear_refused), "{failure:?}: goes on in the clear");
        assert!(!(goes_on && matches!(failure, Failure::Dtls | Failure::Fingerprint)));
    }
}

/// Runs one input. Returns how many sections and policies came of it.
pub fn run(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data);
    let lines = lines(&text);
    let Ok(policies) = read(&lines) else { return 0 };
    // Within a section the order of lines counts: the last one of a key is its value.
    let mut backwards = lines;
    backwards.reverse();
    let mut sections: Vec<String> = Vec::new();
    for (_, section, ..) in &backwards {
        let section = section.trim().to_ascii_lowercase();
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    backwards.reverse();
    let place = |line: &Line<'_>| {
        let section = line.1.trim().to_ascii_lowercase();
        sections.iter().position(|known| *known == section)
    };
    backwards.sort_by_key(place);
    let same = read(&backwards).expect("the same lines");

    check(policies.general());
    let mut count = 1;
    for config in policies.endpoints() {
        check(config);
        assert_eq!(config.describe(), same.endpoint(config.section()).describe());
        count += 1;
    }
    for config in policies.policies() {
        check(config);
        assert_eq!(config.describe(), same.policy(config.section()).expect("the same lines").describe());
        count += 1;
    }
    assert_eq!(policies.any_rejects(), same.any_rejects());
    count
}
