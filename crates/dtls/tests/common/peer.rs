//! Real programs as peers, over loopback sockets.

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sealrtp_dtls::{Association, Connected, Destination, Role};

use super::{Kind, Told, pem};

/// A process that is ended with the test, and the lines it prints.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Process {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        Self::run(Command::new(program).args(arguments))
    }

    /// With a configuration file of its own.
    pub fn with_config(arguments: &[&str], config: &str) -> Self {
        Self::run(Command::new("openssl").args(arguments).env("OPENSSL_CONF", config))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is installed");
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
    pub fn line(&mut self, mark: &str) -> String {
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
pub struct Files(PathBuf);

impl Files {
    pub fn new(kind: Kind) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), &pem(kind).certificate).unwrap();
        std::fs::write(folder.join("key.pem"), &pem(kind).key).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().into()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs an association on a socket until it has connected or failed.
pub fn run(association: &mut Association, socket: &UdpSocket) -> Told {
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

pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the RFC 5705 exporter gave, in the order of RFC 5764 section 4.2.
pub fn exported(keys: &Connected, role: Role) -> String {
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
