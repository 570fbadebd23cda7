//! For build scripts: compiles C files of ours as a module of the Asterisk whose headers are here.
//!
//! `SEALRTP_ASTERISK_INCLUDE`: the folder that holds `asterisk.h`; default `/usr/include`.
//! `SEALRTP_ASTERISK_MAJOR`: the major version these headers are of, where neither `asterisk -V` nor dpkg can tell.
//! `CFLAGS` adds flags of one's own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles every C file of `sources` into the module `name`, which the crate's cdylib becomes; `folders` hold its headers.
pub fn compile(name: &str, sources: &Path, folders: &[&str]) {
    println!("cargo:rerun-if-env-changed=SEALRTP_ASTERISK_INCLUDE");
    let include =
        PathBuf::from(env::var_os("SEALRTP_ASTERISK_INCLUDE").unwrap_or_else(|| "/usr/include".into()));
    if !include.join("asterisk.h").exists() {
        println!(
            "cargo:warning=no Asterisk headers in {}: {name} is built without the Asterisk module",
            include.display()
        );
        return;
    }
    let major = asterisk_major()
        .expect("set SEALRTP_ASTERISK_MAJOR: neither `asterisk -V` nor dpkg tells the version");
    let mut build = cc::Build::new();
    build
        .files(c_sources(sources))
        .includes(folders)
        .flag("-isystem")
        .flag(include.as_os_str())
        .define("_GNU_SOURCE", None)
        .define("AST_MODULE", format!("\"{name}\"").as_str())
        .define("AST_MODULE_SELF_SYM", format!("__internal_{name}_self").as_str())
        .define("SEALRTP_ASTERISK_MAJOR", major.as_str())
        .pic(true)
        .opt_level(2)
        .flag("-pthread")
        // Log lines name the file, not its folder.
        .flag(format!("-fmacro-prefix-map={}=", sources.join("").display()))
        .flag("-fvisibility=hidden")
        .extra_warnings(true)
        .warnings(true)
        .warnings_into_errors(true)
        // Linked whole below: nothing refers to the constructor that registers the module.
        .cargo_metadata(false)
        .compile("asterisk_shim");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static:+whole-archive=asterisk_shim");
}

/// The headers do not say which Asterisk they are of, and a module for one major version crashes in another.
fn asterisk_major() -> Option<String> {
    println!("cargo:rerun-if-env-changed=SEALRTP_ASTERISK_MAJOR");
    if let Ok(major) = env::var("SEALRTP_ASTERISK_MAJOR") {
        return Some(major);
    }
    let asks: [(&str, &[&str]); 3] = [
        ("dpkg-query", &["-W", "-f", "${Version}", "asterisk-dev"]),
        ("asterisk", &["-V"]),
        ("/usr/sbin/asterisk", &["-V"]),
    ];
    asks.iter().find_map(|(program, arguments)| {
        let output =
            Command::new(program).args(*arguments).output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Debian puts an epoch in front ("1:22.10.1"), `asterisk -V` its name ("Asterisk 22.10.1").
        let version = text.rsplit_once([':', ' ']).map_or(text.as_str(), |(_, version)| version);
        let major: String = version.chars().take_while(char::is_ascii_digit).collect();
        (!major.is_empty()).then_some(major)
    })
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
