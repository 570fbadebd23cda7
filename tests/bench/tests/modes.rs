//! The modes of the bench that nothing else in the tests runs: quickly, in a debug build, so that numbers mean nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealrtp-bench")).args(arguments).output().expect("the bench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A folder of documents with the page of the repository in it.
fn documents(name: &str) -> PathBuf {
    let documents = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&documents);
    fs::create_dir_all(documents.join("performance")).expect("a folder");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    fs::copy(page, documents.join("performance.md")).expect("the page");
    documents
}

/// The page without what stands between its markers, and the sections between them.
fn parts(page: &str) -> (String, Vec<(String, String)>) {
    let (mut outside, mut sections) = (String::new(), Vec::new());
    let mut rest = page;
    while let Some((before, behind)) = rest.split_once(": written by make performance -->") {
        outside += before;
        let name = before.rsplit("<!-- ").next().expect("a marker has a name").to_owned();
        let (section, behind) = behind.split_once(&format!("<!-- {name}: end -->")).expect("an end");
        sections.push((name, section.to_owned()));
        rest = behind;
    }
    (outside + rest, sections)
}

#[test]
fn gates_are_judged_on_every_path() {
    let output =
        bench(&["--gates", "--processes", "1", "--rounds", "1", "--suite", "CM128_80", "--payload", "20"]);
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}{errors}");
    for path in sealrtp_srtp_accel::Path::available() {
        assert!(said.contains(&format!("\n{path} (")), "{path}: {said}{errors}");
    }
    // One suite, one payload, both ways, where there is a gate.
    let judged = said.matches(" met\n").count() + said.matches(" MISSED\n").count();
    let gated = sealrtp_srtp_accel::Path::available()
        .filter(|path| path.name() != "portable" && path.name() != "armv8");
    assert_eq!(judged, 2 * gated.count(), "{said}");
    assert_eq!(output.status.code() == Some(0), !said.contains(" MISSED\n"), "{said}");
}

#[test]
fn batches_are_judged_where_chains_go_side_by_side() {
    let only =
        ["--processes", "1", "--rounds", "1", "--suite", "CM128_80", "--payload", "160", "--streams", "1"];
    let output = bench(&[&["--gates"], only.as_slice()].concat());
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}{errors}");
    let judged = said.lines().filter(|line| line.contains("in a call"));
    let judged = judged.filter(|line| line.ends_with(": met") || line.ends_with(": MISSED")).count();
    let gated =
        sealrtp_srtp_accel::Path::available().filter(|path| ["sha-ni", "vaes-512"].contains(&path.name()));
    // Of one stream and of several, both ways.
    assert_eq!(judged, 4 * gated.count(), "{said}{errors}");
}

#[test]
fn what_a_stream_costs_is_judged() {
    let path = sealrtp_srtp_accel::Path::best().name();
    let output = bench(&["--worker", "creation", "--path", path, "--rounds", "1"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    // Five suites, two directions.
    assert_eq!(said.matches("Creation").count(), 10, "{said}");
    assert_eq!(said.matches("Control").count(), 10, "{said}");
}

#[test]
fn a_page_is_filled_between_its_markers_and_nowhere_else() {
    let documents = documents("page");
    fs::write(
        documents.join("performance/asterisk.json"),
        r#"{"asterisk": "Asterisk 22", "processor": "a processor", "rounds": 2, "seconds": 5, "limit": 0.2,
            "results": [{"calls": 100, "shares": {"AES_CM_128_HMAC_SHA1_80": 0.25}, "variants": [
                {"name": "clear", "suite": null, "median": 0.1, "user": 0.04, "system": 0.06, "added": 0, "rounds": [0.1]},
                {"name": "res_srtp", "suite": "AES_CM_128_HMAC_SHA1_80", "median": 0.18, "user": 0.12, "system": 0.06,
                 "added": 0.08, "rounds": [0.18]}]}]}"#,
    )
    .expect("a file");
    let page = documents.join("performance.md");
    let before = fs::read_to_string(&page).expect("a page");
    let measured = ["machine", "gates", "peers", "payloads", "instructions", "streams", "batch", "asterisk"];
    let output = bench(&[
        "--page",
        documents.to_str().expect("a path in UTF-8"),
        "--section",
        &measured.join(","),
        "--processes",
        "1",
        "--rounds",
        "1",
        "--path",
        sealrtp_srtp_accel::Path::best().name(),
        "--suite",
        "CM128_80,GCM128",
        "--payload",
        "20",
        "--streams",
        "1",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let after = fs::read_to_string(&page).expect("a page");
    let ((outside, empty), (outside_now, filled)) = (parts(&before), parts(&after));
    assert_eq!(outside, outside_now);
    assert_eq!(empty.len(), filled.len());
    for (name, section) in filled.iter().filter(|(name, _)| measured.contains(&name.as_str())) {
        assert!(section.contains("|---|") || section.contains("!["), "{name}: {section}");
        for plot in section.split("](").skip(1).filter_map(|link| link.split_once(')')) {
            let svg = fs::read_to_string(documents.join(plot.0)).expect("a plot that is shown is there");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{}", plot.0);
            assert!(svg.contains("prefers-color-scheme"), "{}", plot.0);
        }
    }
    assert!(
        after.contains("SealRTP adds 0.25 of what res_srtp adds to a clear call (at most 0.2), **missed**")
    );
}

#[test]
fn a_page_without_a_marker_is_left_alone() {
    let documents = documents("unmarked");
    let page = documents.join("performance.md");
    fs::write(&page, "# Another page\n").expect("a page");
    let output = bench(&["--page", documents.to_str().expect("UTF-8"), "--section", "machine"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("lacks the marker"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&page).expect("a page"), "# Another page\n");
}
