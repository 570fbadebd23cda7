//! ZRTP of a run: what the command line asks for, what our description says of it, and what the JSON line tells.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sealrtp_leg::Associations;
use sealrtp_session::{Session, ZrtpSecured};
use sealrtp_zid_cache::ZidCache;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Alert, Association, Cache, Config, Continuity, Failure, HelloHash, HelloHashError, Role};
use serde::Serialize;

use crate::arguments::{EnrolmentWanted, HashWanted, ZrtpArguments};
use crate::outcome::{Ended, Outcome};
use crate::report::rounded;

/// Most alerts that the JSON line lists.
const MAX_ALERTS: usize = 64;

/// Our ZID, the cache that it belongs to, and what is to be said of its file.
pub struct Ours {
    zid: Zid,
    cache: Option<Arc<dyn Cache>>,
    warning: Option<String>,
}

impl Ours {
    /// From a cache's file; without one a ZID for this run.
    ///
    /// # Errors
    /// [`Outcome::Usage`]: it cannot be used.
    pub fn open(file: Option<&Path>) -> Result<Self, Ended> {
        let Some(file) = file else {
            let mut zid = Zid([0; 12]);
            getrandom::fill(&mut zid.0)
                .map_err(|error| Ended::usage(format!("no random numbers: {error}")))?;
            return Ok(Self { zid, cache: None, warning: None });
        };
        let opened = ZidCache::open(file, SystemTime::now)
            .map_err(|error| Ended::usage(format!("--zrtp-cache {}: {error}", file.display())))?;
        Ok(Self { zid: opened.cache.zid(), cache: Some(Arc::new(opened.cache)), warning: opened.warning })
    }

    /// Our ZID.
    pub fn zid(&self) -> Zid {
        self.zid
    }

    /// What is to be said before the call.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Of one call.
    ///
    /// # Errors
    /// [`Outcome::Usage`]: more names than a Hello can hold.
    pub fn association(&self, config: Config) -> Result<Association, Ended> {
        let made = Association::new(Arc::new(config), self.zid, self.cache.clone());
        made.map_err(|error| Ended::usage(format!("ZRTP: {error}")))
    }
}

/// For a leg's one call.
impl Associations for Ours {
    fn begin(&self, config: &sealrtp_policy::Config, disclosure: bool) -> Option<Association> {
        self.association(Config { disclosure, ..config.zrtp().clone() }).ok()
    }
}

/// A list of the command line in the place of the default, if there is one.
fn listed<A: Clone>(default: &mut Vec<A>, given: &[A]) {
    if !given.is_empty() {
        *default = given.to_vec();
    }
}

/// What the command line says of exchanges.
pub fn config(arguments: &ZrtpArguments) -> Config {
    let mut config = Config {
        mitm: arguments.zrtp_mitm
            || arguments.zrtp_relay_sas.is_some()
            || arguments.zrtp_enrol == Some(EnrolmentWanted::Offer),
        enrolment: arguments.zrtp_enrol == Some(EnrolmentWanted::Offer),
        disclosure: arguments.zrtp_disclosure,
        ..Config::default()
    };
    listed(&mut config.agreements, &arguments.zrtp_key_agreements);
    listed(&mut config.hashes, &arguments.zrtp_hashes);
    listed(&mut config.ciphers, &arguments.zrtp_ciphers);
    listed(&mut config.auth_tags, &arguments.zrtp_auth_tags);
    listed(&mut config.sas_types, &arguments.zrtp_sas);
    config
}

/// How a run ends for which ZRTP has given no keys.
pub fn outcome(failure: &Failure) -> Outcome {
    match failure {
        Failure::TimedOut { .. } => Outcome::NotSecured,
        Failure::HelloHash => Outcome::FingerprintMismatch,
        _ => Outcome::HandshakeFailed,
    }
}

/// No keys in time; `wrong_hello`: a Hello came that is not the one of the peer's `a=zrtp-hash`.
pub fn no_keys(wrong_hello: bool) -> Ended {
    if wrong_hello {
        let reason = "no keys in time: the peer's Hello is not the one its a=zrtp-hash tells of";
        return Ended::new(Outcome::FingerprintMismatch, reason);
    }
    Ended::new(Outcome::NotSecured, "no keys in time")
}

/// The value of the `a=zrtp-hash` of our description.
pub fn local_hash(wanted: HashWanted, session: &Session) -> Option<String> {
    let value = session.zrtp_local_hash()?.to_string();
    match wanted {
        HashWanted::On => Some(value),
        HashWanted::Off => None,
        // Another last digit, so that it can still be read.
        HashWanted::Wrong => value.split_at_checked(value.len() - 1).map(|(most, last)| {
            let other = if last == "0" { "1" } else { "0" };
            format!("{most}{other}")
        }),
    }
}

/// The peer's hash out of the values of its `a=zrtp-hash`: the first of our version.
///
/// # Errors
/// [`Outcome::Usage`]: one of our version that cannot be read.
pub fn remote_hash(values: &[String]) -> Result<Option<HelloHash>, Ended> {
    for value in values {
        match value.parse() {
            Ok(hash) => return Ok(Some(hash)),
            Err(HelloHashError::Version) => {}
            Err(error @ HelloHashError::Syntax) => return Err(Ended::usage(error)),
        }
    }
    Ok(None)
}

/// `zrtp` of the JSON line; `null` where there is nothing to tell.
#[derive(Debug, Default, Serialize)]
pub struct ZrtpReport {
    /// Our ZID.
    zid: String,
    /// Ours: `initiator` or `responder`.
    role: Option<&'static str>,
    /// By the name in the Commit.
    key_agreement: Option<String>,
    hash: Option<String>,
    cipher: Option<String>,
    auth_tag: Option<String>,
    sas_type: Option<String>,
    /// What the users compare.
    sas: Option<String>,
    /// The far end's SAS, by a PBX that we are enrolled at.
    relayed_sas: Option<String>,
    /// Whether the users have compared it: with `--zrtp-verify`, or in an earlier call whose secrets both have kept.
    verified: Option<bool>,
    /// `new`, `match`, `mismatch` or `unused`.
    cache: Option<&'static str>,
    peer_zid: Option<String>,
    /// The peer's software, as it calls itself.
    peer_client: Option<String>,
    /// Whether the peer may disclose the keys.
    disclosure: Option<bool>,
    /// Whether both had the secret of an enrolment.
    enrolled: Option<bool>,
    /// Whether the peer offered enrolment.
    enrolment_offered: Option<bool>,
    /// Whether we accepted it.
    enrolment_accepted: Option<bool>,
    /// Whether `--zrtp-relay-sas` was sent.
    sas_relayed: Option<bool>,
    /// Whether the peer says that it is a PBX in the middle.
    mitm: Option<bool>,
    /// From the peer's first Hello to the keys, in ms.
    handshake_ms: Option<f64>,
    /// How often a message of ours went out again.
    retransmissions: Option<u32>,
    /// Why there are no keys, with `--zrtp allow`.
    failure: Option<String>,
    /// What came and was not obeyed.
    alerts: Vec<String>,
}

impl ZrtpReport {
    /// Of a run with our ZID.
    pub fn new(zid: Zid) -> Self {
        Self { zid: zid.to_string(), ..Self::default() }
    }

    /// Our ZID.
    pub fn zid(&self) -> &str {
        &self.zid
    }

    /// Notes what was not obeyed.
    pub fn alert(&mut self, alert: Alert) {
        if self.alerts.len() < MAX_ALERTS {
            self.alerts.push(format!("{alert:?}"));
        }
    }

    /// Whether a Hello came that is not the one of the peer's `a=zrtp-hash`.
    pub fn wrong_hello(&self) -> bool {
        self.alerts.iter().any(|alert| *alert == format!("{:?}", Alert::HelloHash))
    }

    /// Notes why there are no keys.
    pub fn failed(&mut self, reason: impl std::fmt::Display) {
        self.failure = Some(reason.to_string());
    }

    /// Notes what became of an offered enrolment.
    pub fn enrolment(&mut self, accepted: bool) {
        self.enrolment_accepted = Some(accepted);
    }

    /// Notes whether a far end's SAS was sent.
    pub fn relay(&mut self, sent: bool) {
        self.sas_relayed = Some(sent);
    }

    /// Notes what was agreed on.
    pub fn secured(&mut self, secured: &ZrtpSecured) {
        let terms = &secured.terms;
        self.role = Some(match secured.role {
            Role::Initiator => "initiator",
            Role::Responder => "responder",
        });
        self.key_agreement = Some(terms.agreement_name.to_string());
        self.hash = Some(terms.hash.to_string());
        self.cipher = Some(terms.cipher.to_string());
        self.auth_tag = Some(terms.auth_tag.to_string());
        self.sas_type = Some(terms.sas_type.to_string());
        self.sas = Some(secured.sas.to_string());
        self.relayed_sas = secured.relayed_sas.as_ref().map(ToString::to_string);
        self.verified = Some(secured.verified);
        self.cache = Some(match secured.continuity {
            Continuity::New => "new",
            Continuity::Match => "match",
            Continuity::Mismatch => "mismatch",
            Continuity::Unused => "unused",
        });
        self.peer_zid = Some(secured.peer_zid.to_string());
        self.peer_client = Some(secured.peer_client.escape_default().to_string());
        self.disclosure = Some(secured.disclosure);
        self.enrolled = Some(secured.enrolled);
        self.enrolment_offered = Some(secured.enrolment_offered);
        self.mitm = Some(secured.mitm);
        self.handshake_ms = Some(rounded(secured.took.as_secs_f64() * 1000.0));
        self.retransmissions = Some(secured.retransmissions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df";

    #[test]
    fn the_first_hash_of_our_version_counts_and_one_that_cannot_be_read_is_refused() {
        let read = |values: &[&str]| remote_hash(&values.iter().map(ToString::to_string).collect::<Vec<_>>());
        let other = VALUE.replace("1.10", "2.00");
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[&other]).unwrap().is_none());
        assert_eq!(read(&[&other, VALUE]).unwrap().unwrap().to_string(), VALUE);
        assert!(read(&["1.10 beef"]).is_err());
    }

    #[test]
    fn a_list_of_the_command_line_takes_the_place_of_the_default() {
        let mut list = vec![1, 2];
        listed(&mut list, &[]);
        assert_eq!(list, [1, 2]);
        listed(&mut list, &[3]);
        assert_eq!(list, [3]);
    }
}
