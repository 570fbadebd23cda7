//! Real programs as peers, over loopback sockets.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use sealrtp_dtls::{Association, Connected, Destination, Role};

use super::{Kind, Told, pem};

/// Longer than anything takes here; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(120);

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
        self.line_while(mark, || ())
    }

    /// The same of a program that may not have had our last flight yet, and asks for it again.
    pub fn line_to(&mut self, mark: &str, association: &mut Association, socket: &UdpSocket) -> String {
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut buffer = [0; 65_536];
        self.line_while(mark, || {
            if let Ok((len, from)) = socket.recv_from(&mut buffer) {
                association.receive(&buffer[..len], from, Instant::now());
                while let Some(out) = association.poll_transmit() {
                    let _ = socket.send_to(&out.datagram, from);
                }
            }
        })
    }

    fn line_while(&mut self, mark: &str, mut work: impl FnMut()) -> String {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            work();
            let line = match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
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
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
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
    let until = Instant::now() + PATIENCE;
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

/// A socket on a loopback address of its own: nobody else is given its port when it is closed, nor gets what is still sent to it.
pub fn socket() -> UdpSocket {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, high | 0x80, low, (number % 254) as u8 + 1);
    UdpSocket::bind((ip, 0)).unwrap()
}

/// Where nothing listens, and nobody else will.
pub fn free_address() -> SocketAddr {
    socket().local_addr().unwrap()
}

/// A port of every address, for programs that cannot be told one; below those that the system gives to whoever asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 64;
        let port = 20000 + (number % 12000) as u16;
        if UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).is_ok() {
            return port;
        }
    }
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
