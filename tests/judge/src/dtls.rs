//! DTLS-SRTP of the live end point (RFC 5764): OpenSSL as it is, nothing of our own.

use crate::crypto::{KeySet, MasterKey};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Ref};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a read waits; between two of them OpenSSL looks at its own timer.
const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes of a datagram of the handshake.
const MTU: u32 = 1200;

/// OpenSSL's profile name, the suite, bytes of master key and of salt (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
const PROFILES: [(&str, &str, usize, usize); 4] = [
    ("SRTP_AEAD_AES_256_GCM", "AEAD_AES_256_GCM", 32, 12),
    ("SRTP_AEAD_AES_128_GCM", "AEAD_AES_128_GCM", 16, 12),
    ("SRTP_AES128_CM_SHA1_80", "AES_CM_128_HMAC_SHA1_80", 16, 14),
    ("SRTP_AES128_CM_SHA1_32", "AES_CM_128_HMAC_SHA1_32", 16, 14),
];

/// The suites of all profiles, strongest first.
pub fn suites() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|profile| profile.1)
}

/// Key of a certificate.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// ECDSA on P-256.
    Ec,
    /// RSA of 2048 bits.
    Rsa,
}

/// Who starts.
#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends the ClientHello: a=setup:active.
    Client,
    /// Waits for it: a=setup:passive.
    Server,
}

/// A self-signed certificate with its key.
#[derive(Clone)]
pub struct Identity {
    key: PKey<Private>,
    certificate: X509,
}

impl Identity {
    /// A fresh one.
    pub fn new(kind: KeyKind) -> Result<Self, ErrorStack> {
        let key = match kind {
            KeyKind::Ec => PKey::from_ec_key(EcKey::generate(
                EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?.as_ref(),
            )?)?,
            KeyKind::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
        };
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "judge")?;
        let name = name.build();
        let mut builder = X509Builder::new()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(std::process::id())?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        let (before, after) = (Asn1Time::from_unix(0)?, Asn1Time::days_from_now(30)?);
        builder.set_not_before(&before)?;
        builder.set_not_after(&after)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key, certificate: builder.build() })
    }

    /// Its fingerprints as a=fingerprint has them, by hash.
    pub fn fingerprints(&self) -> Result<BTreeMap<&'static str, String>, ErrorStack> {
        fingerprints(&self.certificate)
    }
}

fn fingerprints(certificate: &X509Ref) -> Result<BTreeMap<&'static str, String>, ErrorStack> {
    let hashes = [
        ("sha-1", MessageDigest::sha1()),
        ("sha-224", MessageDigest::sha224()),
        ("sha-256", MessageDigest::sha256()),
        ("sha-384", MessageDigest::sha384()),
        ("sha-512", MessageDigest::sha512()),
    ];
    hashes
        .into_iter()
        .map(|(name, hash)| {
            let bytes = certificate.digest(hash)?;
            Ok((name, bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")))
        })
        .collect()
}

/// How far a handshake is, for the report.
#[derive(Serialize, Clone, Default)]
pub struct Status {
    /// "going", "done", "failed" or "closed".
    pub state: &'static str,
    profile: String,
    cipher: String,
    version: String,
    /// The peer's certificate by hash.
    peer: BTreeMap<&'static str, String>,
    error: String,
    milliseconds: u64,
}

impl Status {
    /// Of a handshake that starts.
    pub fn going() -> Self {
        Self { state: "going", ..Self::default() }
    }
}

/// What a handshake is to use.
pub struct Terms {
    pub role: Role,
    /// Suites whose profiles are offered or taken, in order; without any there is no use_srtp.
    pub profiles: Vec<String>,
    /// What is shown to the other side; a client may show nothing.
    pub identity: Option<Identity>,
    pub remote: SocketAddrV4,
}

/// Keys that a handshake has agreed on.
pub struct Keys {
    pub send: KeySet,
    pub receive: KeySet,
}

/// What OpenSSL reads and writes: datagrams that the receiving thread puts into the channel, and the socket.
struct Wire {
    socket: UdpSocket,
    remote: SocketAddrV4,
    inbox: Receiver<Vec<u8>>,
    ended: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inbox.recv_timeout(PATIENCE) {
            Ok(datagram) => {
                let length = datagram.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram[..length]);
                Ok(length)
            }
            Err(error) => {
                self.ended = error == RecvTimeoutError::Disconnected;
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        // A closed port of the other side is no reason to give up.
        Ok(self.socket.send_to(datagram, self.remote).unwrap_or(datagram.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs one association until the channel of its datagrams is closed; `secured` is called with the keys.
pub fn run(
    terms: &Terms,
    socket: UdpSocket,
    inbox: Receiver<Vec<u8>>,
    status: &Arc<Mutex<Status>>,
    secured: impl FnOnce(Keys) -> Result<(), String>,
) {
    let set =
        |change: &dyn Fn(&mut Status)| change(&mut status.lock().unwrap_or_else(PoisonError::into_inner));
    let fail = |error: String| {
        set(&|status| (status.state, status.error) = ("failed", error.clone()));
    };
    let started = Instant::now();
    let mut stream = match stream(terms, socket, inbox) {
        Ok(stream) => stream,
        Err(error) => return fail(error.to_string()),
    };
    while let Err(error) = stream.do_handshake() {
        if !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) {
            return fail(error.to_string());
        }
        if stream.get_ref().ended {
            return;
        }
    }
    match agreed(stream.ssl(), terms.role) {
        Ok((profile, keys)) => {
            let ssl = stream.ssl();
            let peer = ssl.peer_certificate().and_then(|it| fingerprints(&it).ok()).unwrap_or_default();
            // The keys must be in their place before anybody is told.
            if let Err(error) = secured(keys) {
                return fail(error);
            }
            set(&|status| {
                status.state = "done";
                status.profile = profile.clone();
                status.cipher = ssl.current_cipher().map_or("", |cipher| cipher.name()).into();
                status.version = ssl.version_str().into();
                status.peer = peer.clone();
                status.milliseconds = started.elapsed().as_millis() as u64;
            });
        }
        Err(error) => return fail(error),
    }
    // What comes later: a flight of the peer again, or close_notify.
    let mut buffer = [0; 2048];
    while !stream.get_ref().ended {
        // Errors that somebody left in the thread's queue would be taken for this read's.
        drop(ErrorStack::get());
        if let Err(error) = stream.ssl_read(&mut buffer)
            && !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
        {
            return set(&|status| (status.state, status.error) = ("closed", error.to_string()));
        }
    }
}

fn stream(terms: &Terms, socket: UdpSocket, inbox: Receiver<Vec<u8>>) -> Result<SslStream<Wire>, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    if let Some(identity) = &terms.identity {
        context.set_certificate(&identity.certificate)?;
        context.set_private_key(&identity.key)?;
    }
    context.set_options(SslOptions::NO_QUERY_MTU);
    // Whose certificate it is the test decides, from the report.
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    let names: Vec<_> = terms
        .profiles
        .iter()
        .filter_map(|suite| PROFILES.iter().find(|profile| profile.1 == suite))
        .map(|profile| profile.0)
        .collect();
    if !names.is_empty() {
        context.set_tlsext_use_srtp(&names.join(":"))?;
    }
    let mut ssl = Ssl::new(&context.build())?;
    match terms.role {
        Role::Client => ssl.set_connect_state(),
        Role::Server => ssl.set_accept_state(),
    }
    ssl.set_mtu(MTU)?;
    SslStream::new(ssl, Wire { socket, remote: terms.remote, inbox, ended: false })
}

/// The suite and its keys (RFC 5764 section 4.2).
fn agreed(ssl: &openssl::ssl::SslRef, role: Role) -> Result<(String, Keys), String> {
    let chosen = ssl.selected_srtp_profile().ok_or("no SRTP profile was agreed on")?;
    let (_, suite, key, salt) = *PROFILES
        .iter()
        .find(|profile| profile.0 == chosen.name())
        .ok_or_else(|| format!("profile {} is not known here", chosen.name()))?;
    let mut material = vec![0; 2 * (key + salt)];
    ssl.export_keying_material(&mut material, "EXTRACTOR-dtls_srtp", None).map_err(|e| e.to_string())?;
    let (keys, salts) = material.split_at(2 * key);
    let set = |at: usize| {
        let secret = [&keys[at * key..][..key], &salts[at * salt..][..salt]].concat();
        KeySet { suite: suite.into(), keys: vec![MasterKey::new(secret, Vec::new())], libsrtp_aes192: false }
    };
    let (client, server) = (set(0), set(1));
    let keys = match role {
        Role::Client => Keys { send: client, receive: server },
        Role::Server => Keys { send: server, receive: client },
    };
    Ok((suite.into(), keys))
}

/// The first byte of a DTLS record (RFC 7983).
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}
