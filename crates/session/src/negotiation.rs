//! What offers and answers say about a DTLS association, in whatever order a PBX tells it (RFC 5763 section 5, RFC 8842).

use sealrtp_dtls::{
    Connection, Fingerprint, FingerprintError, Fingerprints, MAX_FINGERPRINTS, Named, Role, Setup,
    SetupError, Sha1, Terms, TlsId,
};

use crate::DtlsError;

/// Where offer and answer stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    /// Nothing was said.
    Nothing,
    /// Our offer went out.
    Offered(Setup),
    /// Both sides have spoken: what ours says, and what follows.
    Agreed { local: Setup, connection: Connection },
}

/// The `a=fingerprint` values of the peer's description.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Collected {
    /// Of the description that is being read.
    Open(Vec<String>),
    /// Of the last one; the next value begins a new one.
    Whole(Vec<String>),
}

pub(crate) struct Negotiation {
    /// What we would rather be.
    wanted: Setup,
    sha1: Sha1,
    exchange: Exchange,
    fingerprints: Collected,
    name: Named,
}

impl Negotiation {
    pub(crate) fn new(wanted: Setup, sha1: Sha1) -> Self {
        Self {
            wanted,
            sha1,
            exchange: Exchange::Nothing,
            fingerprints: Collected::Whole(Vec::new()),
            name: Named::Not,
        }
    }

    /// Our `a=setup`: of the answer if the peer has offered, otherwise of an offer, which names the role there is.
    pub(crate) fn local_setup(&mut self) -> Setup {
        self.end_of_description();
        match self.exchange {
            Exchange::Nothing => {
                self.exchange = Exchange::Offered(self.wanted);
                self.wanted
            }
            Exchange::Offered(setup) | Exchange::Agreed { local: setup, .. } => setup,
        }
    }

    /// The peer's `a=setup`: the answer to our offer if it can be one, otherwise an offer.
    pub(crate) fn remote_setup(&mut self, remote: Setup) -> Result<(), SetupError> {
        let role = match self.exchange {
            Exchange::Offered(ours) => match Setup::offerer(ours, remote) {
                Ok(connection) => {
                    self.exchange = Exchange::Agreed { local: after(ours, connection), connection };
                    return Ok(());
                }
                // Both have offered: the peer's stands, ours will be made anew.
                Err(_) if remote == Setup::ActPass => self.wanted_role(),
                Err(error) => return Err(error),
            },
            Exchange::Agreed { connection: Connection::Wanted(role), .. } => role,
            Exchange::Nothing | Exchange::Agreed { connection: Connection::Held, .. } => self.wanted_role(),
        };
        let local = remote.answer(role);
        let connection = Setup::answerer(remote, local)?;
        self.exchange = Exchange::Agreed { local, connection };
        Ok(())
    }

    /// As who offers nothing in particular, the one that answers sends the ClientHello: it saves a round trip (RFC 5763
    /// section 5).
    fn wanted_role(&self) -> Role {
        match self.wanted {
            Setup::Passive => Role::Server,
            Setup::Active | Setup::ActPass | Setup::HoldConn => Role::Client,
        }
    }

    /// One `a=fingerprint` value of the peer's description. Those by unknown hash functions are taken and not kept.
    pub(crate) fn remote_fingerprint(&mut self, value: &str) -> Result<(), FingerprintError> {
        let fingerprint = match value.parse::<Fingerprint>() {
            Ok(fingerprint) => Some(fingerprint),
            Err(FingerprintError::UnknownHash) => None,
            Err(error) => return Err(error),
        };
        if matches!(self.fingerprints, Collected::Whole(_)) {
            self.fingerprints = Collected::Open(Vec::new());
        }
        let (Collected::Open(known), Some(fingerprint)) = (&mut self.fingerprints, fingerprint) else {
            return Ok(());
        };
        // As we write it: the peer's may be padded with as many spaces as it likes.
        let value = fingerprint.to_string();
        if !known.contains(&value) {
            if known.len() >= MAX_FINGERPRINTS {
                return Err(FingerprintError::TooMany);
            }
            known.push(value);
        }
        Ok(())
    }

    /// The peer's `a=tls-id`.
    pub(crate) fn remote_tls_id(&mut self, name: TlsId) {
        self.name = Named::By(name);
    }

    /// What is agreed on; none while the peer holds the connection.
    pub(crate) fn terms(&mut self) -> Result<Option<Terms>, DtlsError> {
        self.end_of_description();
        let role = match self.exchange {
            Exchange::Agreed { connection: Connection::Wanted(role), .. } => role,
            Exchange::Agreed { connection: Connection::Held, .. } => return Ok(None),
            Exchange::Nothing | Exchange::Offered(_) => return Err(DtlsError::NoSetup),
        };
        let values = match &self.fingerprints {
            Collected::Open(values) | Collected::Whole(values) => values,
        };
        let fingerprints = Fingerprints::from_values(values.iter().map(String::as_str), self.sha1)?;
        Ok(Some(Terms { name: self.name.clone(), fingerprints, role }))
    }

    fn end_of_description(&mut self) {
        if let Collected::Open(values) = &mut self.fingerprints {
            self.fingerprints = Collected::Whole(std::mem::take(values));
        }
    }
}

/// What an offer of ours has become.
fn after(offered: Setup, connection: Connection) -> Setup {
    match connection {
        Connection::Wanted(Role::Client) => Setup::Active,
        Connection::Wanted(Role::Server) => Setup::Passive,
        Connection::Held => offered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(byte: &str) -> String {
        format!("sha-256 {}", vec![byte; 32].join(":"))
    }

    fn role(negotiation: &mut Negotiation) -> Role {
        negotiation.terms().unwrap().unwrap().role
    }

    #[test]
    fn an_offer_of_actpass_is_answered_by_active_and_the_answer_of_active_makes_us_passive() {
        let mut answerer = Negotiation::new(Setup::ActPass, Sha1::Refused);
        answerer.remote_setup(Setup::ActPass).unwrap();
        answerer.remote_fingerprint(&fingerprint("ab")).unwrap();
        assert_eq!(answerer.local_setup(), Setup::Active);
        assert_eq!(role(&mut answerer), Role::Client);

        let mut offerer = Negotiation::new(Setup::ActPass, Sha1::Refused);
        assert_eq!(offerer.local_setup(), Setup::ActPass);
        offerer.remote_setup(Setup::Active).unwrap();
        offerer.remote_fingerprint(&fingerprint("ab")).unwrap();
        assert_eq!(role(&mut offerer), Role::Server);
    }

    #[test]
    fn every_offer_has_an_answer_that_rfc_4145_allows_whatever_we_would_rather_be() {
        for wanted in [Setup::ActPass, Setup::Active, Setup::Passive] {
            for offer in [Setup::ActPass, Setup::Active, Setup::Passive, Setup::HoldConn] {
                let mut negotiation = Negotiation::new(wanted, Sha1::Refused);
                negotiation.remote_setup(offer).unwrap();
                assert!(Setup::answerer(offer, negotiation.local_setup()).is_ok(), "{wanted} {offer}");
            }
        }
    }

    #[test]
    fn a_description_that_is_told_twice_changes_nothing_and_a_re_offer_keeps_the_roles() {
        for (wanted, first) in [(Setup::Passive, Setup::ActPass), (Setup::ActPass, Setup::ActPass)] {
            let mut negotiation = Negotiation::new(wanted, Sha1::Refused);
            negotiation.remote_setup(first).unwrap();
            negotiation.remote_fingerprint(&fingerprint("ab")).unwrap();
            let local = negotiation.local_setup();
            let before = negotiation.terms().unwrap();
            negotiation.remote_setup(first).unwrap();
            negotiation.remote_fingerprint(&fingerprint("AB")).unwrap();
            assert_eq!(negotiation.local_setup(), local);
            assert_eq!(negotiation.terms().unwrap(), before);
        }
    }

    #[test]
    fn an_answer_that_leaves_two_clients_or_two_servers_is_refused() {
        let mut negotiation = Negotiation::new(Setup::Active, Sha1::Refused);
        assert_eq!(negotiation.local_setup(), Setup::Active);
        assert!(negotiation.remote_setup(Setup::Active).is_err());
        assert_eq!(negotiation.terms().unwrap_err(), DtlsError::NoSetup);
    }

    #[test]
    fn after_glare_the_peers_offer_stands() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        assert_eq!(negotiation.local_setup(), Setup::ActPass);
        negotiation.remote_setup(Setup::ActPass).unwrap();
        assert_eq!(negotiation.local_setup(), Setup::Active);
    }

    #[test]
    fn fingerprints_of_one_description_are_collected_and_those_of_the_next_take_their_place() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        negotiation.remote_setup(Setup::ActPass).unwrap();
        for byte in ["aa", "bb", "aa"] {
            negotiation.remote_fingerprint(&fingerprint(byte)).unwrap();
        }
        let both = negotiation.terms().unwrap().unwrap().fingerprints;
        assert_eq!(both.to_string().matches("sha-256").count(), 2);
        negotiation.remote_fingerprint(&fingerprint("cc")).unwrap();
        let one = negotiation.terms().unwrap().unwrap().fingerprints;
        assert_eq!(one.to_string(), fingerprint("CC"));
    }

    #[test]
    fn without_a_fingerprint_that_may_be_used_there_are_no_terms() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        negotiation.remote_setup(Setup::ActPass).unwrap();
        assert_eq!(negotiation.terms().unwrap_err(), DtlsError::NoFingerprint(FingerprintError::None));
        negotiation.remote_fingerprint(&format!("sha-1 {}", ["aa"; 20].join(":"))).unwrap();
        negotiation.remote_fingerprint("md5 aa:bb").unwrap();
        assert_eq!(negotiation.terms().unwrap_err(), DtlsError::NoFingerprint(FingerprintError::None));
        assert!(negotiation.remote_fingerprint("sha-256 aa:bb").is_err());
    }

    #[test]
    fn a_held_connection_has_no_terms_and_is_no_error() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        negotiation.remote_setup(Setup::HoldConn).unwrap();
        assert_eq!(negotiation.local_setup(), Setup::HoldConn);
        assert_eq!(negotiation.terms().unwrap(), None);
        negotiation.remote_setup(Setup::ActPass).unwrap();
        assert_eq!(negotiation.local_setup(), Setup::Active);
    }

    #[test]
    fn what_is_kept_of_a_fingerprint_has_the_length_of_its_digest_however_long_its_value() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        negotiation.remote_fingerprint(&format!("rot-13 {}", "ab:".repeat(2000))).unwrap();
        let padded = fingerprint("ab").replace(' ', &" ".repeat(4000));
        negotiation.remote_fingerprint(&padded).unwrap();
        negotiation.remote_fingerprint(&fingerprint("AB")).unwrap();
        assert_eq!(negotiation.fingerprints, Collected::Open(vec![fingerprint("AB")]));
    }

    #[test]
    fn the_number_of_fingerprints_is_bounded() {
        let mut negotiation = Negotiation::new(Setup::ActPass, Sha1::Refused);
        let refused = (0..=u8::MAX)
            .filter(|n| negotiation.remote_fingerprint(&fingerprint(&format!("{n:02x}"))).is_err())
            .count();
        assert_eq!(refused, 256 - MAX_FINGERPRINTS);
    }
}
