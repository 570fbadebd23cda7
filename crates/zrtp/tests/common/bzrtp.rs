//! libbzrtp, driven through a program of its own: commands in, datagrams and results out.
#![allow(dead_code, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The program, built once; nothing if it cannot be.
fn program() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bzrtp/peer.c");
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bzrtp-peer");
        let flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        let libraries = ["-lbzrtp", "-lbctoolbox", "-l:libsqlite3.so.0"];
        let done = Command::new("cc").args(flags).arg(&program).arg(source).args(libraries).output().ok()?;
        if !done.status.success() {
            println!("{}", String::from_utf8_lossy(&done.stderr));
        }
        done.status.success().then_some(program)
    });
    if built.is_none() {
        assert!(
            !std::path::Path::new("/usr/include/bzrtp/bzrtp.h").exists(),
            "libbzrtp-dev is there, and the peer does not build"
        );
        println!("SKIPPED: libbzrtp is not installed (Debian: libbzrtp-dev)");
    }
    built.as_ref()
}

/// The running program.
pub struct Bzrtp {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it wants to send: channel and datagram.
    pub out: Vec<(usize, Vec<u8>)>,
    /// Other lines.
    pub told: Vec<String>,
}

impl Drop for Bzrtp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Bzrtp {
    pub fn new() -> Option<Self> {
        let mut process =
            Command::new(program()?).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Some(Self { process, input, output, out: vec![], told: vec![] })
    }

    pub fn command(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "libbzrtp died at: {command}");
            let line = line.trim_end();
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["done"] => return,
                ["send", channel, datagram] => self.out.push((channel.parse().unwrap(), unhex(datagram))),
                ["error", ..] => panic!("{command}: {line}"),
                _ => self.told.push(line.to_owned()),
            }
        }
    }

    pub fn line(&self, begin: &str) -> Option<&str> {
        self.told.iter().rev().find_map(|line| line.strip_prefix(begin))
    }

    pub fn field(&self, channel: usize, name: &str) -> Option<&str> {
        self.line(&format!("secure {channel} "))?
            .split(' ')
            .find_map(|f| f.strip_prefix(name)?.strip_prefix('='))
    }
}
