//! Against OpenSSL's own `s_server` and `s_client` over loopback: both roles, every profile, EC and RSA, same exporter output.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{Kind, Side, Told, pem};
use sealrtp_dtls::{
    Association, Config, Connected, CookieExchange, Destination, ExtendedMasterSecret, Failure, Role,
};
use sealrtp_srtp::Suite;

const PROFILES: [(Suite, &str); 4] = [
    (Suite::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
    (Suite::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
];

/// A process that is ended with the test, and the lines it prints.
struct Process {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        Self::run(Command::new("openssl").args(arguments))
    }

    /// With a configuration file of its own.
    fn with_config(arguments: &[&str], config: &str) -> Self {
        Self::run(Command::new("openssl").args(arguments).env("OPENSSL_CONF", config))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is there, its library is linked");
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, heard: Vec::new() }
    }

    /// The rest of the first line, from now on, that has `mark`.
    fn line(&mut self, mark: &str) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let found = line.find(mark).map(|at| line[at + mark.len()..].trim().to_owned());
            self.heard.push(line);
            if let Some(found) = found {
                return found;
            }
        }
        panic!("no {mark:?} in {:#?}", self.heard);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PEM files that go away with the test.
struct Files(PathBuf);

impl Files {
    fn new(kind: Kind) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), &pem(kind).certificate).unwrap();
        std::fs::write(folder.join("key.pem"), &pem(kind).key).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().into()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs an association on a socket until it has connected or failed.
fn run(association: &mut Association, socket: &UdpSocket) -> Told {
    let mut told = Told::default();
    let mut buffer = [0; 65_536];
    let until = Instant::now() + Duration::from_secs(20);
    let mut peer = socket.peer_addr().ok();
    loop {
        while let Some(out) = association.poll_transmit() {
            match (out.to, peer) {
                (Destination::Source(to), _) | (Destination::Peer, Some(to))
                    if socket.peer_addr().is_err() =>
                {
                    let _ = socket.send_to(&out.datagram, to);
                }
                // The peer's socket may not be there yet: the timer sends it again.
                _ => drop(socket.send(&out.datagram)),
            }
        }
        told.hear(association);
        if !told.connected.is_empty() || !told.failed.is_empty() {
            return told;
        }
        let now = Instant::now();
        assert!(now < until, "neither connected nor failed: {told:?}");
        let wait =
            association.poll_timeout().map_or(Duration::from_secs(1), |at| at.saturating_duration_since(now));
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), Duration::from_secs(1)))).unwrap();
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            peer = peer.or(Some(from));
            association.receive(&buffer[..len], from, Instant::now());
        }
        association.handle_timeout(Instant::now());
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the RFC 5705 exporter gave, in the order of RFC 5764 section 4.2.
fn exported(keys: &Connected, role: Role) -> String {
    let (client, server) = match role {
        Role::Client => (&keys.outbound, &keys.inbound),
        Role::Server => (&keys.inbound, &keys.outbound),
    };
    let (client, server) = (&client.keys()[0], &server.keys()[0]);
    [client.key(), server.key(), client.salt(), server.salt()]
        .concat()
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect()
}

fn export_len(suite: Suite) -> String {
    (2 * (suite.key_len() + suite.salt_len())).to_string()
}

fn side(profile: Suite, cookies: CookieExchange) -> Side {
    Side::new(Config { profiles: vec![profile], cookies, ..Config::default() })
}

/// Our client and `s_server`, which asks for our certificate.
fn client(suite: Suite, name: &str, kind: Kind, more: &[&str]) -> (Told, Process) {
    let files = Files::new(kind);
    let (port, length) = (free_port().to_string(), export_len(suite));
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let address = format!("127.0.0.1:{port}");
    #[rustfmt::skip]
    let mut arguments = vec![
        "s_server", "-dtls1_2", "-accept", &address, "-cert", &cert, "-key", &key, "-Verify", "1",
        "-use_srtp", name, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length,
    ];
    arguments.extend(more);
    let mut process = Process::start(&arguments);
    process.line("ACCEPT");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(&address).unwrap();
    let peer = Side::of(Config::default(), kind);
    let context = side(suite, CookieExchange::Required).context();
    let mut association =
        Association::new(&context, Role::Client, peer.fingerprints(), Instant::now()).unwrap();
    (run(&mut association, &socket), process)
}

/// Our server and `s_client`.
fn server(suite: Suite, name: &str, kind: Kind, cookies: CookieExchange, more: &[&str]) -> (Told, Process) {
    let files = Files::new(kind);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, length) = (socket.local_addr().unwrap().to_string(), export_len(suite));
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    #[rustfmt::skip]
    let mut arguments = vec![
        "s_client", "-dtls1_2", "-connect", &address, "-cert", &cert, "-key", &key,
        "-use_srtp", name, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length,
    ];
    arguments.extend(more);
    let process = Process::start(&arguments);
    let peer = Side::of(Config::default(), kind);
    let context = side(suite, cookies).context();
    let mut association =
        Association::new(&context, Role::Server, peer.fingerprints(), Instant::now()).unwrap();
    (run(&mut association, &socket), process)
}

#[test]
fn s_server_exports_what_our_client_exports() {
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            for more in [&[][..], &["-listen"], &["-mtu", "300"]] {
                let (told, mut process) = client(suite, name, kind, more);
                let keys = told.keys();
                assert_eq!(keys.suite, suite);
                assert_eq!(
                    process.line("Keying material: "),
                    exported(keys, Role::Client),
                    "{name} {kind:?} {more:?}"
                );
            }
        }
    }
}

#[test]
fn s_client_exports_what_our_server_exports() {
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            for cookies in [CookieExchange::Required, CookieExchange::Skipped] {
                for more in [&[][..], &["-mtu", "300"]] {
                    let (told, mut process) = server(suite, name, kind, cookies, more);
                    let keys = told.keys();
                    assert_eq!(keys.suite, suite);
                    assert_eq!(
                        process.line("Keying material: "),
                        exported(keys, Role::Server),
                        "{name} {kind:?} {more:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_peer_without_our_profile_fails() {
    let (suite, other) = (Suite::AeadAes256Gcm, PROFILES[2].1);
    let (told, _process) = client(suite, other, Kind::Ec, &[]);
    assert_eq!(told.failure(), &Failure::NoCommonProfile);
    let (told, _process) = server(suite, other, Kind::Ec, CookieExchange::Required, &[]);
    assert_eq!(told.failure(), &Failure::NoCommonProfile);
}

#[test]
fn a_client_that_shows_no_certificate_fails() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let _process =
        Process::start(&["s_client", "-dtls1_2", "-connect", &address, "-use_srtp", PROFILES[0].1]);
    let side = side(PROFILES[0].0, CookieExchange::Required);
    let mut association =
        Association::new(&side.context(), Role::Server, side.fingerprints(), Instant::now()).unwrap();
    assert_eq!(run(&mut association, &socket).failure(), &Failure::NoCertificate);
}

#[test]
fn a_peer_of_dtls_1_0_fails() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let _process = Process::start(&[
        "s_client",
        "-dtls1",
        "-connect",
        &address,
        "-use_srtp",
        PROFILES[0].1,
        "-cipher",
        "ALL:@SECLEVEL=0",
    ]);
    let side = side(PROFILES[0].0, CookieExchange::Required);
    let mut association =
        Association::new(&side.context(), Role::Server, side.fingerprints(), Instant::now()).unwrap();
    let told = run(&mut association, &socket);
    assert!(
        matches!(told.failure(), Failure::Handshake(why) if why.contains("protocol")),
        "{:?}",
        told.failed
    );
}

#[test]
fn a_peer_without_extended_master_secret_fails_where_it_is_required_and_is_shown_where_not() {
    let files = Files::new(Kind::Ec);
    let config = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n";
    std::fs::write(files.path("openssl.cnf"), config).unwrap();
    for required in [true, false] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
        #[rustfmt::skip]
        let arguments = ["s_client", "-dtls1_2", "-connect", &address, "-cert", &cert, "-key", &key, "-use_srtp", PROFILES[0].1];
        let _process = Process::with_config(&arguments, &files.path("openssl.cnf"));
        let extended_master_secret =
            if required { ExtendedMasterSecret::Required } else { ExtendedMasterSecret::Offered };
        let side = Side::new(Config { extended_master_secret, ..Config::default() });
        let known = Side::of(Config::default(), Kind::Ec).fingerprints();
        let mut association = Association::new(&side.context(), Role::Server, known, Instant::now()).unwrap();
        let told = run(&mut association, &socket);
        if required {
            assert_eq!(told.failure(), &Failure::NoExtendedMasterSecret);
        } else {
            assert!(!told.keys().extended_master_secret);
        }
    }
}
