//! What the help says is so.

mod common;

use std::process::Command;

use common::{Folder, Peer, enough, patiently, run};
use serde_json::Value;

fn help() -> String {
    let ended = run(&["--help"]);
    assert_eq!(ended.code, 0);
    ended.stdout
}

fn help_of_relay() -> String {
    let ended = Peer::relay(&Folder::new(), &["--help"]).end();
    assert_eq!(ended.code, 0);
    ended.stdout
}

/// Runs the examples of a help: the JSON lines and stderr.
fn examples(help: &str) -> (Vec<Value>, String) {
    let examples = help.split_once("Examples:\n").unwrap().1.split_once("Exit codes").unwrap().0;
    let folder = Folder::new();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_sealrtp")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("{examples}\nwait\n");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // Their calls last a second or two: on a machine that stands still so long nothing is heard in them.
    enough(lines.iter().all(|json| json["result"] != "no_audio"), || format!("{lines:#?}\n{stderr}"));
    (lines, stderr)
}

#[test]
fn the_examples_of_the_help_run_as_they_stand() {
    patiently(|| {
        let (lines, stderr) = examples(&help());
        let results: Vec<_> = lines.iter().map(|json| json["result"].as_str().unwrap()).collect();
        assert_eq!(results.iter().filter(|result| **result == "ok").count(), 6, "{lines:#?}\n{stderr}");
        assert_eq!(
            results.iter().filter(|result| **result == "not_secured").count(),
            1,
            "{lines:#?}\n{stderr}"
        );
        let methods: Vec<_> = lines.iter().map(|json| json["method"].as_str().unwrap()).collect();
        assert_eq!(methods.iter().filter(|method| **method == "sdes").count(), 2);
        let sas: Vec<_> = lines.iter().filter_map(|json| json["zrtp"]["sas"].as_str()).collect();
        assert!(sas.len() == 2 && sas[0] == sas[1], "{lines:#?}");
        assert!(lines.iter().all(|json| json["clear_sent"] == 0 || json["secured"] == true), "{lines:#?}");
        assert!(stderr.contains("DTLS RTP == start as server"), "{stderr}");
    });
}

#[test]
fn the_examples_of_the_relays_help_run_as_they_stand() {
    patiently(|| {
        let (lines, stderr) = examples(&help_of_relay());
        assert_eq!(lines.len(), 9, "{lines:#?}\n{stderr}");
        assert!(lines.iter().all(|json| json["result"] == "ok"), "{lines:#?}\n{stderr}");
        let relays: Vec<_> = lines.iter().filter(|json| json["media"].is_array()).collect();
        assert!(relays.len() == 3 && relays.iter().all(|json| json["secured"] == true), "{lines:#?}");
        let mut methods: Vec<_> =
            relays.iter().map(|json| json["media"][0]["method"].as_str().unwrap()).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["dtls", "sdes", "zrtp"]);
        let of_relay = relays.iter().find_map(|json| json["media"][0]["zrtp"]["sas"].as_str()).unwrap();
        assert!(lines.iter().any(|json| json["zrtp"]["sas"] == of_relay), "{lines:#?}");
    });
}

#[test]
fn the_helps_name_every_exit_code_once() {
    for help in [help(), help_of_relay()] {
        let codes = help.split_once("Exit codes").unwrap().1;
        for code in [0, 2, 3, 4, 5, 6, 7, 8, 9] {
            let line = format!("\n  {code}  ");
            assert_eq!(codes.matches(&line).count(), 1, "{code}: {codes}");
        }
    }
}

#[test]
fn the_version_names_the_instructions_that_packets_go_through() {
    let version = |path: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sealrtp"))
            .arg("--version")
            .env("SEALRTP_SRTP_PATH", path)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let portable = version("portable");
    assert!(portable.contains("\nSRTP path           portable\n"), "{portable}");
    let (_, paths) = portable.split_once("of this processor's ").unwrap();
    for path in paths.split_whitespace() {
        assert!(version(path).contains(&format!("SRTP path           {path}\n")), "{path}");
    }
    let best = paths.split_whitespace().last().unwrap();
    assert!(version("mmx").contains(&format!("SRTP path           {best}\n")));
}

#[test]
fn a_path_that_cannot_be_taken_is_told_on_stderr() {
    let output = Command::new(env!("CARGO_BIN_EXE_sealrtp"))
        .args(["zrtp", "list", "--cache", "/nonexistent/cache"])
        .env("SEALRTP_SRTP_PATH", "mmx")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("SEALRTP_SRTP_PATH=\"mmx\" is no path of packets; there are portable"),
        "{stderr}"
    );
}
