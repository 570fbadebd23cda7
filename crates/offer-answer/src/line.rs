//! One m-line over the whole call: what was offered, what was agreed on.

use sealrtp_dtls::{Fingerprints, Setup, Sha1, TlsId};
use sealrtp_policy::{Carried, Config, Method, Offer};
use sealrtp_sdes::{NegotiationError, Negotiator, Outcome};
use sealrtp_sdp::{Media, Profile};
use sealrtp_zrtp::HelloHash;
use zeroize::Zeroizing;

use crate::exchange::Role;

/// What the peer's description says of its DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DtlsPeer {
    pub(crate) setup: Setup,
    pub(crate) fingerprints: Vec<String>,
    pub(crate) tls_id: Option<TlsId>,
}

/// Where a line's keys come from, as offer and answer have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Nothing was agreed on yet.
    Open,
    Clear,
    /// ZRTP, without a word of it from the peer.
    InBand,
    Zrtp(HelloHash),
    Sdes,
    Dtls(DtlsPeer),
}

impl Agreement {
    /// Whether keys were agreed on that an offer or answer without any would take away. ZRTP's keys stay whatever the SDP
    /// says.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self, Self::Sdes | Self::Dtls(_))
    }

    /// What a re-offer of ours carries.
    pub(crate) fn method(&self) -> Option<Method> {
        match self {
            Self::Open | Self::Clear | Self::InBand => None,
            Self::Zrtp(_) => Some(Method::Zrtp),
            Self::Sdes => Some(Method::Sdes),
            Self::Dtls(_) => Some(Method::Dtls),
        }
    }
}

/// Who described the line first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Nothing,
    /// We did, with this.
    Ours(Offer),
    Theirs,
}

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) sdes: Negotiator,
    pub(crate) offered: Offered,
    /// Of the offer in force; the answer has the same.
    pub(crate) profile: Profile,
    pub(crate) agreement: Agreement,
    /// SDES keys that no session has yet.
    pub(crate) fresh_keys: bool,
    /// It had keys, and was forgotten since.
    pub(crate) had_keys: bool,
}

impl Line {
    /// The values of our `a=crypto` lines, if there are to be any.
    pub(crate) fn crypto(&mut self, role: Role) -> Result<Vec<Zeroizing<String>>, NegotiationError> {
        let attributes = match (role, &self.offered, &self.agreement) {
            (Role::Offer, Offered::Ours(offer), _) if offer.methods.contains(&Method::Sdes) => {
                self.sdes.offer()?
            }
            (Role::Answer, _, Agreement::Sdes) => self.sdes.answer().map_or(&[][..], std::slice::from_ref),
            _ => &[],
        };
        Ok(attributes
            .iter()
            .map(|attribute| Zeroizing::new(format!("crypto:{}", *attribute.to_value())))
            .collect())
    }

    /// The methods that a description of the peer carries, read when asked for.
    pub(crate) fn carried(
        sdes: &mut Negotiator,
        fresh_keys: &mut bool,
        found: &mut Found,
        theirs: &Media<'_>,
        config: &Config,
        role: Role,
        method: Method,
    ) -> Carried {
        match method {
            Method::Sdes => {
                let values: Vec<&str> = theirs.crypto().collect();
                if values.is_empty() {
                    return Carried::Not;
                }
                if role == Role::Offer {
                    // Ours, if one is open, is void.
                    sdes.expect_offer();
                }
                match sdes.remote_all(values) {
                    Ok(Outcome::Unchanged) => Carried::Usable,
                    Ok(Outcome::KeysChanged { .. }) => {
                        *fresh_keys = true;
                        Carried::Usable
                    }
                    Err(error) => Carried::Unusable(error.to_string()),
                }
            }
            Method::Dtls => match dtls_peer(theirs, config, role) {
                Ok(None) => Carried::Not,
                Ok(Some(peer)) => {
                    found.dtls = Some(peer);
                    Carried::Usable
                }
                Err(why) => Carried::Unusable(why),
            },
            Method::Zrtp => {
                let mut why = None;
                for value in theirs.zrtp_hashes() {
                    match value.parse::<HelloHash>() {
                        Ok(hash) => {
                            found.zrtp = Some(hash);
                            return Carried::Usable;
                        }
                        Err(error) => why = Some(error.to_string()),
                    }
                }
                why.map_or(Carried::Not, Carried::Unusable)
            }
        }
    }
}

/// What was read of the methods that were asked for.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) dtls: Option<DtlsPeer>,
    pub(crate) zrtp: Option<HelloHash>,
}

fn dtls_peer(theirs: &Media<'_>, config: &Config, role: Role) -> Result<Option<DtlsPeer>, String> {
    let fingerprints: Vec<String> = theirs.fingerprints().map(str::to_owned).collect();
    if fingerprints.is_empty() {
        return if theirs.profile().is_dtls() { Err("no a=fingerprint".into()) } else { Ok(None) };
    }
    let sha1 = if config.dtls().sha1() { Sha1::Allowed } else { Sha1::Refused };
    Fingerprints::from_values(fingerprints.iter().map(String::as_str), sha1).map_err(|e| e.to_string())?;
    let Some(setup) = theirs.setup() else { return Err("no a=setup".into()) };
    let setup: Setup = setup.parse().map_err(|e: sealrtp_dtls::SetupError| e.to_string())?;
    if role == Role::Answer && setup == Setup::ActPass {
        return Err("a=setup:actpass is no answer".into());
    }
    let tls_id = theirs.tls_id().and_then(|id| id.parse().ok());
    Ok(Some(DtlsPeer { setup, fingerprints, tls_id }))
}
