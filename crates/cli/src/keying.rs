//! Where keys come from: offer and answer, or the command line. Decides which method it is, and hands it to the session.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use sealrtp_dtls::{
    Config as DtlsConfig, Context, CookieExchange, FingerprintError, Fingerprints, Identity, Setup, Sha1,
    TlsId,
};
use sealrtp_sdes::{Config as SdesConfig, CryptoAttribute, Negotiator};
use sealrtp_sdp::Profile;
use sealrtp_session::{RtcpTransport, Session, Started, WithoutKeys};
use sealrtp_srtp::{KeySet, Limits};
use sealrtp_zrtp::message::Zid;
use zeroize::Zeroizing;

use crate::arguments::{
    CertificateArguments, CookiesWanted, HandArguments, HashWanted, Method, PeerArguments, RoleWanted,
    ZrtpWanted,
};
use crate::outcome::{Ended, Outcome};
use crate::sdp::Audio;
use crate::zrtp;

/// Longest PEM or key file that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// What of keys stands in a description of ours.
#[derive(Debug, Default)]
pub struct Lines {
    /// Values of `a=crypto`.
    pub crypto: Zeroizing<Vec<String>>,
    /// `a=fingerprint`, `a=setup`, `a=tls-id`.
    pub dtls: Option<(String, Setup, Option<TlsId>)>,
    /// Value of `a=zrtp-hash`.
    pub zrtp_hash: Option<String>,
}

/// Our certificate as descriptions name it.
struct Ours {
    fingerprint: String,
    tls_id: TlsId,
}

/// What our descriptions say of ZRTP, and our ZID.
struct OurZrtp {
    hash: HashWanted,
    zid: Zid,
    warning: Option<String>,
}

/// The methods of a run and what each needs.
pub struct Keying {
    methods: Vec<Method>,
    sdes: Option<Negotiator>,
    dtls: Option<Ours>,
    zrtp: Option<OurZrtp>,
    sha1: Sha1,
}

fn nothing(reason: impl std::fmt::Display) -> Ended {
    Ended::new(Outcome::NothingInCommon, reason)
}

/// Reads a small file that may hold keys.
///
/// # Errors
/// [`Outcome::Usage`]: it cannot be read, or is longer than 256 KiB.
pub fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Ended> {
    let read = || {
        let length = fs::metadata(path)?.len();
        anyhow::ensure!(length <= MAX_FILE, "longer than {MAX_FILE} bytes");
        Ok(Zeroizing::new(fs::read(path)?))
    };
    read().with_context(|| path.display().to_string()).map_err(Ended::from)
}

/// Methods in order: those given, or all that secure.
fn methods(arguments: &PeerArguments) -> Result<Vec<Method>, Ended> {
    if arguments.zrtp.zrtp.is_some() {
        return Ok(vec![Method::Zrtp]);
    }
    let all = match (arguments.method.as_slice(), arguments.offer) {
        ([], true) => vec![Method::Dtls, Method::Sdes],
        ([], false) => vec![Method::Sdes, Method::Dtls],
        (given, _) => given.to_vec(),
    };
    let repeated = all.iter().enumerate().any(|(i, method)| all[..i].contains(method));
    if repeated || (all.len() > 1 && all.contains(&Method::None)) {
        return Err(Ended::usage("--method names each method once, and none only by itself"));
    }
    if arguments.remote_sdp.is_none() && arguments.method.len() != 1 {
        return Err(Ended::usage("without --remote-sdp, --method must name one method: see --help"));
    }
    Ok(all)
}

fn context(arguments: &PeerArguments, identity: &Identity) -> Result<Context, Ended> {
    let mut config = DtlsConfig {
        mtu: arguments.mtu,
        timeout: arguments.timeout,
        trace: arguments.trace,
        ..DtlsConfig::default()
    };
    if !arguments.profiles.is_empty() {
        config.profiles = arguments.profiles.clone();
    }
    config.cookies = match arguments.cookies {
        CookiesWanted::Always => CookieExchange::Required,
        CookiesWanted::Unknown => CookieExchange::UnknownSources,
        CookiesWanted::Never => CookieExchange::Skipped,
    };
    Context::new(config, identity).map_err(|error| Ended::usage(format!("DTLS: {error}")))
}

/// Our certificate: that of the command line, or one made for this run.
///
/// # Errors
/// [`Outcome::Usage`]: files that cannot be read or used.
pub fn identity(arguments: &CertificateArguments) -> Result<Identity, Ended> {
    let made = match &arguments.cert {
        None => Identity::generate(SystemTime::now()),
        Some(cert) => {
            let certificate = read_file(cert)?;
            let key = arguments.key.as_deref().map(read_file).transpose()?;
            Identity::from_pem(&certificate, key.as_ref().unwrap_or(&certificate))
        }
    };
    made.map_err(|error| Ended::usage(format!("certificate: {error}")))
}

impl Keying {
    /// Makes a session for the methods, which is to send from `ssrc`; it passes clear media only if the one method is none or
    /// ZRTP is allowed and not required.
    ///
    /// # Errors
    /// [`Outcome::Usage`]: arguments that contradict, certificates that cannot be used.
    pub fn new(arguments: &PeerArguments, ssrc: u32, now: Instant) -> Result<(Self, Session), Ended> {
        let methods = methods(arguments)?;
        let clear = methods == [Method::None] || arguments.zrtp.zrtp == Some(ZrtpWanted::Allow);
        let rule = if clear { WithoutKeys::Pass } else { WithoutKeys::Block };
        let mut session = Session::new(Limits::default(), rule);
        session.set_trace(arguments.trace);

        let sha1 = if arguments.allow_sha1 { Sha1::Allowed } else { Sha1::Refused };
        let mut this = Self { sdes: None, dtls: None, zrtp: None, sha1, methods };
        if this.methods.contains(&Method::Sdes) && arguments.remote_sdp.is_some() {
            let suites = match arguments.suites.as_slice() {
                [] => sealrtp_policy::Config::default().suites().to_vec(),
                given => given.to_vec(),
            };
            let made = Negotiator::new(SdesConfig { suites, ..SdesConfig::default() });
            this.sdes = Some(made.map_err(|error| Ended::usage(format!("--suites: {error}")))?);
        }
        if this.methods.contains(&Method::Dtls) {
            let identity = identity(&arguments.certificate)?;
            let openssl = |error| Ended::usage(format!("OpenSSL: {error}"));
            let wanted = match arguments.hand.role {
                Some(RoleWanted::Client) => Setup::Active,
                Some(RoleWanted::Server) => Setup::Passive,
                Some(RoleWanted::Either) | None => Setup::ActPass,
            };
            session.dtls_use(context(arguments, &identity)?, wanted, sha1);
            this.dtls = Some(Ours {
                fingerprint: identity.fingerprint(arguments.hash).map_err(openssl)?.to_string(),
                tls_id: TlsId::random().map_err(openssl)?,
            });
        }
        if this.methods.contains(&Method::Zrtp) {
            let ours = zrtp::Ours::open(arguments.zrtp.zrtp_cache.as_deref())?;
            let association = ours.association(zrtp::config(&arguments.zrtp))?;
            session.zrtp_use(&association, ssrc, now).map_err(Ended::usage)?;
            let hash = arguments.zrtp.zrtp_hash;
            this.zrtp = Some(OurZrtp { hash, zid: ours.zid(), warning: ours.warning().map(str::to_owned) });
        }
        Ok((this, session))
    }

    /// Our `a=fingerprint`.
    pub fn fingerprint(&self) -> Option<&str> {
        self.dtls.as_ref().map(|ours| ours.fingerprint.as_str())
    }

    /// Our ZID.
    pub fn zid(&self) -> Option<Zid> {
        self.zrtp.as_ref().map(|ours| ours.zid)
    }

    /// What is to be said before the call.
    pub fn warning(&self) -> Option<&str> {
        self.zrtp.as_ref().and_then(|ours| ours.warning.as_deref())
    }

    fn zrtp_hash(&self, session: &Session) -> Option<String> {
        self.zrtp.as_ref().and_then(|ours| zrtp::local_hash(ours.hash, session))
    }

    /// What our offer says, and the profile of its m-line: `RTP/SAVP` where it carries SDES too, as phones expect it.
    ///
    /// # Errors
    /// The system gives no random keys.
    pub fn offer(&mut self, session: &mut Session) -> Result<(Lines, Profile), Ended> {
        let mut lines = Lines { zrtp_hash: self.zrtp_hash(session), ..Lines::default() };
        if let Some(sdes) = &mut self.sdes {
            let offer = sdes.offer().map_err(Ended::usage)?;
            lines.crypto = crypto_lines(offer);
        }
        if let Some(ours) = &self.dtls {
            let setup = session.dtls_local_setup().map_err(Ended::usage)?;
            lines.dtls = Some((ours.fingerprint.clone(), setup, Some(ours.tls_id.clone())));
        }
        let profile = match (&self.dtls, &self.sdes) {
            (_, Some(_)) => Profile::Savp,
            (Some(_), None) => Profile::UdpTlsSavp,
            (None, None) => Profile::Avp,
        };
        Ok((lines, profile))
    }

    /// What our answer says, once the peer's offer was taken.
    ///
    /// # Errors
    /// [`Outcome::Usage`]: the method is none of ours.
    pub fn answer(&mut self, method: Method, session: &mut Session, audio: &Audio) -> Result<Lines, Ended> {
        let mut lines = Lines::default();
        match (method, &mut self.sdes, &self.dtls) {
            (Method::Sdes, Some(sdes), _) => {
                lines.crypto = crypto_lines(sdes.answer().map(std::slice::from_ref).unwrap_or_default());
            }
            (Method::Dtls, _, Some(ours)) => {
                let setup = session.dtls_local_setup().map_err(Ended::usage)?;
                // RFC 8842 section 5.3: in an answer only if it was in the offer.
                let tls_id = audio.tls_id.as_ref().map(|_| ours.tls_id.clone());
                lines.dtls = Some((ours.fingerprint.clone(), setup, tls_id));
            }
            (Method::Zrtp, ..) => lines.zrtp_hash = self.zrtp_hash(session),
            _ => {}
        }
        Ok(lines)
    }

    /// Takes the peer's description, offer or answer: the first of our methods that it carries and that can be used.
    ///
    /// # Errors
    /// [`Outcome::NothingInCommon`] or [`Outcome::Usage`], with the reason.
    pub fn take(&mut self, session: &mut Session, audio: &Audio) -> Result<Method, Ended> {
        let mut reasons = Vec::new();
        for method in self.methods.clone() {
            let taken = match method {
                Method::Dtls if !audio.fingerprints.is_empty() => {
                    take_dtls(session, audio.setup, &audio.fingerprints, self.sha1)
                        .map(|()| audio.tls_id.iter().for_each(|id| session.dtls_remote_tls_id(id.clone())))
                }
                Method::Sdes if !audio.crypto.is_empty() => self.take_crypto(session, audio),
                Method::Zrtp => take_zrtp(session, audio),
                Method::None if !audio.profile.is_secure() => Ok(()),
                Method::Dtls => Err(nothing("the SDP has no a=fingerprint")),
                Method::Sdes => Err(nothing("the SDP has no a=crypto")),
                Method::None => Err(nothing(format!("the SDP asks for {}", audio.profile))),
            };
            match taken {
                Ok(()) => {
                    if self.dtls.is_some() && method != Method::Dtls {
                        session.dtls_stop();
                    }
                    return Ok(method);
                }
                Err(ended) => reasons.push(ended),
            }
        }
        // What is wrong with a description tells more than what is not in it.
        let usage = reasons.iter().any(|ended| ended.outcome == Outcome::Usage);
        let outcome = if usage { Outcome::Usage } else { Outcome::NothingInCommon };
        let words: Vec<_> = reasons.into_iter().map(|ended| ended.reason).collect();
        Err(Ended::new(outcome, words.join("; ")))
    }

    fn take_crypto(&mut self, session: &mut Session, audio: &Audio) -> Result<(), Ended> {
        let Some(sdes) = &mut self.sdes else { return Err(nothing("SDES is not wanted")) };
        sdes.remote_all(audio.crypto.iter().map(String::as_str)).map_err(nothing)?;
        let (Some(inbound), Some(outbound)) = (sdes.inbound(), sdes.outbound()) else {
            return Err(nothing("no keys were negotiated"));
        };
        session.set_inbound(&inbound);
        session.set_outbound(&outbound);
        Ok(())
    }

    /// Takes what the command line says instead of descriptions.
    ///
    /// # Errors
    /// [`Outcome::Usage`] or [`Outcome::NothingInCommon`], with the reason.
    pub fn take_arguments(
        &mut self,
        session: &mut Session,
        arguments: &PeerArguments,
    ) -> Result<Method, Ended> {
        let method = self.methods.first().copied().unwrap_or(Method::None);
        take_by_hand(session, method, &arguments.hand, arguments.remote.is_some(), self.sha1)?;
        Ok(method)
    }
}

/// Takes what the command line says of a method's keys; `at` tells whether the peer's address is among it. DTLS must be set up.
///
/// # Errors
/// [`Outcome::Usage`] or [`Outcome::NothingInCommon`], with the reason.
pub fn take_by_hand(
    session: &mut Session,
    method: Method,
    hand: &HandArguments,
    at: bool,
    sha1: Sha1,
) -> Result<(), Ended> {
    match method {
        Method::None | Method::Zrtp => {}
        Method::Sdes => {
            let (Some(local), Some(remote)) = (&hand.local_crypto, &hand.remote_crypto) else {
                return Err(Ended::usage("--method sdes takes --local-crypto and --remote-crypto, or SDP"));
            };
            let (local, remote) = (crypto("--local-crypto", local)?, crypto("--remote-crypto", remote)?);
            if local.suite() != remote.suite() {
                let both = format!("our suite is {}, the peer's {}", local.suite(), remote.suite());
                return Err(nothing(both));
            }
            if local.same_as(&remote) {
                return Err(Ended::usage("one key must not serve both directions"));
            }
            session.set_inbound(&remote);
            session.set_outbound(&local);
        }
        Method::Dtls => {
            let theirs = match hand.role {
                Some(RoleWanted::Client) if !at => {
                    return Err(Ended::usage("a DTLS client needs --remote"));
                }
                Some(RoleWanted::Client) => Setup::Passive,
                Some(RoleWanted::Server) => Setup::Active,
                Some(RoleWanted::Either) | None => {
                    return Err(Ended::usage("--method dtls takes --role client or server, or SDP"));
                }
            };
            session.dtls_local_setup().map_err(Ended::usage)?;
            if hand.fingerprint.is_empty() {
                return Err(Ended::usage("--method dtls takes the peer's --fingerprint, or SDP"));
            }
            take_dtls(session, Some(theirs), &hand.fingerprint, sha1)?;
        }
    }
    Ok(())
}

/// Takes the peer's hash of its Hello; where its m-line forbids clear media none passes.
fn take_zrtp(session: &mut Session, audio: &Audio) -> Result<(), Ended> {
    if audio.profile.is_dtls() {
        return Err(nothing(format!("the SDP asks for {}", audio.profile)));
    }
    if audio.profile.is_secure() {
        session.demand_security();
    }
    if let Some(hash) = zrtp::remote_hash(&audio.zrtp_hashes)? {
        session.zrtp_remote_hash(&hash, Instant::now());
    }
    Ok(())
}

fn crypto_lines(attributes: &[CryptoAttribute]) -> Zeroizing<Vec<String>> {
    Zeroizing::new(attributes.iter().map(|line| std::mem::take(&mut *line.to_value())).collect())
}

/// A key of the command line: a value of `a=crypto`, or a file that holds it.
fn crypto(option: &str, value: &str) -> Result<KeySet, Ended> {
    let from_file = value.strip_prefix('@').map(|path| read_file(Path::new(path))).transpose()?;
    let value = match &from_file {
        Some(bytes) => std::str::from_utf8(bytes).map_err(|_| Ended::usage(format!("{option}: not text")))?,
        None => value,
    };
    let value = value.trim();
    let value = value.strip_prefix("a=crypto:").unwrap_or(value);
    let line = CryptoAttribute::parse(value).map_err(|error| Ended::usage(format!("{option}: {error}")))?;
    Ok(line.keys().clone())
}

/// Takes the peer's setup and fingerprints, after a look whether they can be used at all.
fn take_dtls(
    session: &mut Session,
    setup: Option<Setup>,
    fingerprints: &[String],
    sha1: Sha1,
) -> Result<(), Ended> {
    let setup = setup.ok_or_else(|| Ended::usage("the SDP has an a=fingerprint and no a=setup"))?;
    match Fingerprints::from_values(fingerprints.iter().map(String::as_str), sha1) {
        Err(error @ FingerprintError::None) => return Err(nothing(error)),
        other => other.map_err(Ended::usage)?,
    };
    session.dtls_remote_setup(setup).map_err(Ended::usage)?;
    for value in fingerprints {
        session.dtls_remote_fingerprint(value).map_err(Ended::usage)?;
    }
    Ok(())
}

/// Lets the handshake begin.
///
/// # Errors
/// What keeps it from beginning.
pub fn start_dtls(session: &mut Session, rtcp: RtcpTransport, now: Instant) -> Result<(), Ended> {
    match session.dtls_start(rtcp, false, now) {
        Ok(Started::New | Started::Kept) => Ok(()),
        Ok(Started::Held) => {
            Err(Ended::new(Outcome::NotSecured, "the peer holds the connection: a=setup:holdconn"))
        }
        Err(error) => Err(Ended::usage(error)),
    }
}
