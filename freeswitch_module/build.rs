//! Compiles the C shim of `mod_sealrtp.so`, where FreeSWITCH's headers are.
//!
//! They are found by `pkg-config freeswitch`, or in `include/freeswitch` of the folder that `FREESWITCH_PREFIX` names. `CFLAGS`
//! adds flags of one's own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the first words of the shim's header need.
const HEADER: &str = "switch.h";

fn main() {
    println!("cargo:rerun-if-changed=.");
    println!("cargo:rerun-if-changed=../include/sealrtp.h");
    for variable in ["FREESWITCH_PREFIX", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let Some(folders) = folders() else {
        println!(
            "cargo:warning=no FreeSWITCH headers: mod_sealrtp is SKIPPED. Install your FreeSWITCH's -dev package (pkg-config must \
             know `freeswitch`), or set FREESWITCH_PREFIX"
        );
        return;
    };
    let mut build = cc::Build::new();
    build.files(c_sources(Path::new("."))).includes(["../include", "."]);
    for folder in folders {
        println!("cargo:rerun-if-changed={}", folder.join(HEADER).display());
        build.flag("-isystem").flag(folder.as_os_str());
    }
    build
        .define("_GNU_SOURCE", None)
        .std("gnu11")
        .pic(true)
        .opt_level(2)
        .flag("-pthread")
        .flag("-fvisibility=hidden")
        .extra_warnings(true)
        .warnings(true)
        .warnings_into_errors(true)
        // FreeSWITCH's macros leave parameters of its callbacks unused.
        .flag("-Wno-unused-parameter")
        .compile("sealrtp_shim");
}

/// The folders with FreeSWITCH's headers.
fn folders() -> Option<Vec<PathBuf>> {
    let prefix = env::var_os("FREESWITCH_PREFIX").map(PathBuf::from);
    let direct = prefix.as_ref().map(|prefix| prefix.join("include/freeswitch"));
    if let Some(folder) = direct.filter(|folder| folder.join(HEADER).exists()) {
        return Some(vec![folder]);
    }
    let output = Command::new("pkg-config").args(["--cflags-only-I", "freeswitch"]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let folders: Vec<PathBuf> =
        text.split_whitespace().filter_map(|word| word.strip_prefix("-I")).map(PathBuf::from).collect();
    folders.iter().any(|folder| folder.join(HEADER).exists()).then_some(folders)
}

fn c_sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the shim's folder is there");
    let mut sources: Vec<PathBuf> = entries
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    sources.sort();
    sources
}
