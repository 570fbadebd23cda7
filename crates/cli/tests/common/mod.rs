//! Runs the program as a user does.
#![allow(dead_code)]

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use serde_json::Value;

/// Every test's processes end within this.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a call is made before it counts that it was too short.
const TRIES: u32 = 5;

thread_local! {
    /// How many times as long as written the calls of this thread last, and what they wait for.
    static LONGER: Cell<f64> = const { Cell::new(1.0) };
    /// Whether a call that is too short is made again.
    static PATIENT: Cell<bool> = const { Cell::new(false) };
}

/// What a call says that was over before it came to what is asked of it: on a machine that stands still for a second that is no
/// fault. What must never happen is never excused with it.
struct TooShort(String);

/// Makes a call, again and twice as long each time if it was too short.
pub fn patiently<T>(work: impl Fn() -> T) -> T {
    for number in 0..TRIES {
        LONGER.set(f64::from(1 << number));
        // The last one says itself what it came to.
        PATIENT.set(number + 1 < TRIES);
        let worked = catch_unwind(AssertUnwindSafe(&work));
        LONGER.set(1.0);
        PATIENT.set(false);
        match worked.map_err(|panic| panic.downcast::<TooShort>()) {
            Ok(result) => return result,
            Err(Ok(short)) => println!("too short, once more: {}", short.0),
            Err(Err(panic)) => resume_unwind(panic),
        }
    }
    unreachable!("the last try tells a panic of its own")
}

/// Of a call that is long enough this holds.
#[track_caller]
pub fn enough(holds: bool, what: impl Fn() -> String) {
    if !holds {
        assert!(PATIENT.get(), "{}", what());
        resume_unwind(Box::new(TooShort(format!("{}: {}", Location::caller(), what()))));
    }
}

/// So many seconds, in a longer call more of them.
pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds * LONGER.get())
}

/// Arguments with the times of a longer call.
pub fn lasting(arguments: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    for number in 1..all.len() {
        if ["--duration", "--idle", "--timeout"].contains(&arguments[number - 1])
            && let Ok(written) = all[number].parse()
        {
            all[number] = seconds(written).as_secs_f64().to_string();
        }
    }
    all
}

/// A folder that goes away with the test.
pub struct Folder {
    path: PathBuf,
    ip: Ipv4Addr,
}

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Self { path, ip: Ipv4Addr::new(127, high | 0x80, low, (number % 254) as u8 + 1) }
    }

    /// A loopback address of its own: what one call still sends when its peer has gone comes to no other call that is given the
    /// peer's port.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path.join(name), content).unwrap();
        self.file(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// It was to give up after a time that the test has chosen.
    pub brief: bool,
}

impl Ended {
    /// The JSON line: the last one of stdout.
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON line of a run that ended with `code`, unless it was too short for that: nothing was heard in it, or no keys came
    /// within the few seconds that the test gave it.
    #[track_caller]
    pub fn with(&self, code: i32, result: &str) -> Value {
        let json = self.json();
        let too_short = self.code == 6 || self.code == 3 && self.brief;
        enough(self.code == code || !too_short, || format!("{self:#?}"));
        assert_eq!((self.code, json["result"].as_str()), (code, Some(result)), "{self:#?}");
        json
    }

    #[track_caller]
    pub fn ok(&self) -> Value {
        self.with(0, "ok")
    }
}

/// A run that is going on; ended with the test if it has not by itself.
pub struct Peer {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: BufReader<std::process::ChildStderr>,
    heard: String,
    brief: bool,
}

impl Peer {
    /// In a folder, where relative file names are.
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::with_stdin(folder, arguments, Stdio::null())
    }

    /// `sealrtp relay`.
    pub fn relay(folder: &Folder, arguments: &[&str]) -> Self {
        Self::command(folder, "relay", arguments, Stdio::null())
    }

    pub fn with_stdin(folder: &Folder, arguments: &[&str], stdin: Stdio) -> Self {
        Self::command(folder, "peer", arguments, stdin)
    }

    fn command(folder: &Folder, command: &str, arguments: &[&str], stdin: Stdio) -> Self {
        let ip = folder.ip().to_string();
        let bind = if arguments.contains(&"--bind") { &[][..] } else { &["--bind", &ip] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealrtp"))
            .arg(command)
            .args(lasting(arguments))
            .args(bind)
            .current_dir(folder.path())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let brief = arguments.contains(&"--timeout");
        Self { child, stdout: Some(stdout), stderr, heard: String::new(), brief }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// What stands behind `word` at the beginning of a line on stderr.
    pub fn tells(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "{word} was not told: {}", self.heard);
            self.heard.push_str(&line);
            if let Some(rest) = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Whether it has come to its end.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// As a user who has heard enough.
    pub fn terminate(&self) {
        assert!(Command::new("kill").arg(self.id().to_string()).status().unwrap().success());
    }

    pub fn end(mut self) -> Ended {
        let mut stderr = std::mem::take(&mut self.heard);
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "does not end");
            thread::sleep(Duration::from_millis(10));
        }
        self.stderr.read_to_string(&mut stderr).unwrap();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ended { code, stdout, stderr, brief: self.brief }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(arguments: &[&str]) -> Ended {
    Peer::start(&Folder::new(), arguments).end()
}

/// Two peers that find each other by SDP files of `folder`.
pub fn call_in(folder: &Folder, offerer: &[&str], answerer: &[&str]) -> (Ended, Ended) {
    let mut offers = vec!["--offer", "--local-sdp", "offer.sdp", "--remote-sdp", "answer.sdp"];
    let mut answers = vec!["--remote-sdp", "offer.sdp", "--local-sdp", "answer.sdp"];
    offers.extend(offerer);
    answers.extend(answerer);
    let (offerer, answerer) = (Peer::start(folder, &offers), Peer::start(folder, &answers));
    let offerer = thread::spawn(|| offerer.end());
    let answerer = answerer.end();
    (offerer.join().unwrap(), answerer)
}

pub fn call(offerer: &[&str], answerer: &[&str]) -> (Ended, Ended) {
    call_in(&Folder::new(), offerer, answerer)
}

/// Does the work of each item [`patiently`], a few at a time.
pub fn at_once<T: Copy + Send + 'static>(items: Vec<T>, work: fn(T)) {
    let mut items = items.into_iter();
    loop {
        let running: Vec<_> =
            items.by_ref().take(8).map(|item| thread::spawn(move || patiently(|| work(item)))).collect();
        if running.is_empty() {
            return;
        }
        for thread in running {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ec,
    Rsa,
}

/// A self-signed certificate and its key, PEM, and its fingerprint by SHA-256.
pub struct Certificate {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub fingerprint: String,
}

impl Certificate {
    /// RSA keys take long to make: one serves a whole test program.
    pub fn new(kind: Kind) -> &'static Self {
        static MADE: [OnceLock<Certificate>; 2] = [OnceLock::new(), OnceLock::new()];
        MADE[kind as usize].get_or_init(|| Self::make(kind))
    }

    fn make(kind: Kind) -> Self {
        let key = match kind {
            Kind::Ec => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
                PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
            }
            Kind::Rsa => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
        };
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "peer").unwrap();
        let name = name.build();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate: X509 = builder.build();
        let digest = certificate.digest(MessageDigest::sha256()).unwrap();
        let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Self {
            certificate: certificate.to_pem().unwrap(),
            key: key.private_key_to_pem_pkcs8().unwrap(),
            fingerprint: format!("sha-256 {}", hex.join(":")),
        }
    }

    /// Writes `cert.pem` and `key.pem`.
    pub fn write(&self, folder: &Folder) {
        folder.write("cert.pem", &self.certificate);
        folder.write("key.pem", &self.key);
    }
}

/// The values behind `inline:` in a description: what must stand nowhere else.
pub fn secrets(sdp: &str) -> Vec<&str> {
    sdp.lines().filter_map(|line| line.split_once("inline:").map(|(_, key)| key.trim())).collect()
}

pub const KEY_A: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
pub const KEY_B: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
pub const KEY_C: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
