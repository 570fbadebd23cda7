//! One handshake under way: OpenSSL's SSL object, run with at most one datagram at a time.

use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslStream, SslVerifyMode};
use sealrtp_srtp::{KeySet, MasterKey, Suite};
use zeroize::Zeroizing;

use crate::config::ExtendedMasterSecret;
use crate::context::Asked;
use crate::cookie::FIRST_CLIENT_HELLO;
use crate::peer_check::{PeerCheck, handshake_error, profile_of};
use crate::wire::Wire;
use crate::{
    Alert, Config, Context, Failure, Fingerprint, Fingerprints, Resumption, Role, record, session_flags,
};

/// RFC 5764 section 4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// OpenSSL's reasons above this are alerts of the peer.
const ALERT_REASONS: std::ops::RangeInclusive<i32> = 1000..=1255;

/// How often OpenSSL is run again to finish with a datagram.
const MAX_STEPS: usize = 4;

/// How far a handshake is.
pub(crate) enum Progress {
    Going,
    Done,
    /// The peer said close_notify.
    Closed,
    Failed(Failure),
}

/// What a handshake has agreed on.
pub(crate) struct Agreed {
    pub(crate) suite: Suite,
    pub(crate) inbound: KeySet,
    pub(crate) outbound: KeySet,
    pub(crate) remote: Fingerprint,
    pub(crate) cipher: String,
    pub(crate) version: String,
    pub(crate) extended_master_secret: bool,
    pub(crate) resumed: bool,
}

pub(crate) struct Handshake {
    stream: SslStream<Wire>,
    check: Arc<PeerCheck>,
    role: Role,
    /// Whether a whole flight of ours has gone out, so a server has chosen.
    answered: bool,
    mtu: usize,
    /// Added to the sequence numbers that OpenSSL gives records of epoch 0.
    renumber: u64,
}

impl Handshake {
    pub(crate) fn client(
        context: &Context,
        resumption: Option<&Resumption>,
        expected: Fingerprints,
    ) -> Result<Self, ErrorStack> {
        let mut ssl = context.client_ssl()?;
        if let Some(resumption) = resumption {
            resumption.offer(&mut ssl)?;
        }
        Self::new(context, ssl, Role::Client, expected)
    }

    /// A server that takes a ClientHello whose record has number `sequence`. After a cookie our ServerHello's takes that number
    /// over (RFC 6347 section 4.2.1).
    pub(crate) fn server(
        context: &Context,
        resumption: Option<&Resumption>,
        expected: Fingerprints,
        asked: Asked,
        sequence: u64,
    ) -> Result<Self, ErrorStack> {
        let ssl = match resumption {
            Some(resumption) => resumption.server_ssl(&asked)?,
            None => context.server_ssl(&asked)?,
        };
        let mut this = Self::new(context, ssl, Role::Server, expected)?;
        if let Asked::Yes(_) = asked {
            // The HelloVerifyRequest that comes of it has gone out already.
            this.run(Some(&FIRST_CLIENT_HELLO));
            this.answered = false;
            this.renumber = sequence.wrapping_sub(1);
        }
        Ok(this)
    }

    fn new(context: &Context, mut ssl: Ssl, role: Role, expected: Fingerprints) -> Result<Self, ErrorStack> {
        match role {
            Role::Client => ssl.set_connect_state(),
            Role::Server => ssl.set_accept_state(),
        }
        let check = Arc::new(PeerCheck::new(context.config(), expected));
        let asked = Arc::clone(&check);
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        ssl.set_verify_callback(mode, move |trusted, certificate| asked.verify(trusted, certificate));
        ssl.set_mtu(u32::try_from(context.config().mtu).unwrap_or(u32::MAX))?;
        let stream = SslStream::new(ssl, Wire::default())?;
        Ok(Self { stream, check, role, answered: false, mtu: context.config().mtu, renumber: 0 })
    }

    /// Runs OpenSSL with a datagram, or to have it look at its timer. Returns what it wants to send.
    pub(crate) fn run(&mut self, datagram: Option<&[u8]>) -> (Progress, Vec<Vec<u8>>) {
        if let Some(datagram) = datagram {
            self.stream.get_mut().put(datagram);
        }
        let mut progress = self.step();
        // OpenSSL returns without reading on when it found its timer ended and has sent the flight again.
        for _ in 0..MAX_STEPS {
            if !matches!(progress, Progress::Going) || self.stream.get_ref().unread() == 0 {
                break;
            }
            progress = self.step();
        }
        self.answered |= matches!(progress, Progress::Going) && self.stream.get_ref().has_written();
        (progress, self.take())
    }

    fn step(&mut self) -> Progress {
        let Err(error) = self.stream.do_handshake() else { return Progress::Done };
        match error.code() {
            ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Progress::Going,
            ErrorCode::ZERO_RETURN => Progress::Closed,
            _ => Progress::Failed(self.failure(error.ssl_error())),
        }
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut flight = together(self.stream.get_mut().take(), self.mtu);
        for datagram in &mut flight {
            record::renumber(datagram, self.renumber);
        }
        flight
    }

    fn failure(&self, error: Option<&ErrorStack>) -> Failure {
        if let Some(refusal) = self.check.refusal() {
            return refusal.clone();
        }
        let Some(error) = error.filter(|stack| !stack.errors().is_empty()) else {
            return Failure::Handshake("the peer closed".into());
        };
        let first = &error.errors()[0];
        let code = first.reason_code();
        // A client that finds no profile in our ServerHello says no more than handshake_failure: we know why.
        let agreed = self.role == Role::Client || self.stream.ssl().selected_srtp_profile().is_some();
        if !agreed && self.answered {
            return Failure::NoCommonProfile;
        }
        if ALERT_REASONS.contains(&code) {
            return Failure::Alert(Alert(u8::try_from(code - ALERT_REASONS.start()).unwrap_or(u8::MAX)));
        }
        if first.reason().is_some_and(|reason| reason.contains("peer did not return a certificate")) {
            return Failure::NoCertificate;
        }
        handshake_error(error.clone())
    }

    /// Checks all once more and exports the keys. A client's session is kept for the next one.
    pub(crate) fn agreed(&self, config: &Config, resumption: Option<&Resumption>) -> Result<Agreed, Failure> {
        let ssl = self.stream.ssl();
        let version = ssl.version_str().to_owned();
        if version != "DTLSv1.2" {
            return Err(Failure::Version(version));
        }
        let certificate = ssl.peer_certificate().ok_or(Failure::NoCertificate)?;
        let remote = self.check.fingerprint(&certificate)?;
        let suite = profile_of(ssl)?;
        if !config.profiles.contains(&suite) {
            return Err(Failure::NoCommonProfile);
        }
        let session = ssl.session().ok_or_else(|| Failure::Handshake("no session".into()))?;
        let extended_master_secret =
            session_flags::extended_master_secret(session).map_err(handshake_error)?;
        if !extended_master_secret && config.extended_master_secret == ExtendedMasterSecret::Required {
            return Err(Failure::NoExtendedMasterSecret);
        }
        let cipher = ssl.current_cipher().map_or("", |cipher| cipher.name()).to_owned();

        let (key, salt) = (suite.key_len(), suite.salt_len());
        let mut material = Zeroizing::new(vec![0; 2 * (key + salt)]);
        ssl.export_keying_material(&mut material, LABEL, None).map_err(handshake_error)?;
        // RFC 5764 section 4.2: the client's key, the server's, the client's salt, the server's.
        let (keys, salts) = material.split_at(2 * key);
        let (client_key, server_key) = keys.split_at(key);
        let (client_salt, server_salt) = salts.split_at(salt);
        let set = |key, salt| match MasterKey::new(suite, key, salt) {
            Ok(master) => Ok(KeySet::single(master)),
            Err(error) => Err(Failure::Handshake(error.to_string())),
        };
        let (client, server) = (set(client_key, client_salt)?, set(server_key, server_salt)?);
        let (inbound, outbound) = match self.role {
            Role::Client => (server, client),
            Role::Server => (client, server),
        };
        let resumed = ssl.session_reused();
        if let (Role::Client, Some(resumption)) = (self.role, resumption) {
            resumption.keep(session);
        }
        Ok(Agreed { suite, inbound, outbound, remote, cipher, version, extended_master_secret, resumed })
    }

    /// A close_notify alert, as datagrams.
    pub(crate) fn close(&mut self) -> Vec<Vec<u8>> {
        // Fails before there are keys to close with; there is then nothing to send.
        let _ = self.stream.shutdown();
        self.take()
    }
}

/// Puts datagrams together while the MTU allows. OpenSSL sends each message of a retransmitted flight by itself, and takes
/// a ChangeCipherSpec only in its place: together they are not lost one by one, nor overtaken by each other.
fn together(datagrams: Vec<Vec<u8>>, mtu: usize) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::with_capacity(datagrams.len());
    for datagram in datagrams {
        match out.last_mut() {
            Some(last) if last.len() + datagram.len() <= mtu => last.extend(datagram),
            _ => out.push(datagram),
        }
    }
    out
}
