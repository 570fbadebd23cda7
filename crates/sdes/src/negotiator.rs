//! Offer and answer for one m-line (RFC 4568 sections 5.1 and 7.1).

use sealrtp_srtp::{KeySet, Lifetime, MasterKey, SessionParams, Suite};
use zeroize::Zeroizing;

use crate::attribute::same_secrets;
use crate::{
    Config, ConfigError, CryptoAttribute, FecOrder, LineError, NegotiationError, Reason, SessionParameter,
};

/// Most `a=crypto` attributes of one m-line that are read.
pub const MAX_LINES: usize = 64;

/// What an accepted offer or answer changed.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The running keys were repeated: ROC and replay state must go on untouched.
    Unchanged,
    /// At least one direction has new keys; the other's are those it had.
    KeysChanged {
        /// Suite of both directions.
        suite: Suite,
        /// Keys the peer sends with.
        inbound: KeySet,
        /// Keys we send with.
        outbound: KeySet,
    },
}

/// The attribute of each side that is in force.
#[derive(Clone)]
struct Chosen {
    local: CryptoAttribute,
    remote: CryptoAttribute,
}

/// Offer and answer for one m-line, over the whole call.
///
/// Either side may begin. [`offer`](Self::offer) gives our attributes, and what the peer then sends is the answer; or the
/// peer's offer comes first and [`answer`](Self::answer) gives ours. A refused offer or answer changes nothing.
///
/// A PBX does not always know whether an SDP of its peer offers or answers: forks answer one offer several times, early
/// media is answered before the call is, and both sides may re-offer. So:
/// - While we were the last to offer, a single attribute with a tag and suite of ours is an answer. It changes the peer's
///   keys only, or switches to the other attribute that it names; our keys are the ones we told the peer.
/// - Before anything is negotiated, an answer that fits none of our attributes is refused, as section 5.1.3 demands.
/// - Once keys are negotiated, what cannot be an answer is an offer: ours may have been rejected meanwhile.
/// - An offer with the running keys, whatever else it lists, changes nothing: an offer of new keys also gets a fresh key
///   of ours.
#[derive(Clone)]
pub struct Negotiator {
    config: Config,
    /// The attributes of our first offer, for as long as answers to it may come.
    offered: Vec<CryptoAttribute>,
    chosen: Option<Chosen>,
    /// Our chosen attribute went out again, perhaps as an offer.
    reoffered: bool,
    /// The peer offered and nobody has read our answer yet.
    answer_unread: bool,
    next_mki: u64,
}

impl Negotiator {
    /// Nothing offered, nothing negotiated.
    ///
    /// # Errors
    /// A [`ConfigError`] if the configuration contradicts itself.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            offered: Vec::new(),
            chosen: None,
            reoffered: false,
            answer_unread: false,
            next_mki: 1,
        })
    }

    /// Our attributes to offer: before negotiation one for each configured suite, each with a key of its own and the same
    /// whenever asked; afterwards the chosen one.
    ///
    /// # Errors
    /// [`NegotiationError::Random`] if the system gives no random key.
    pub fn offer(&mut self) -> Result<&[CryptoAttribute], NegotiationError> {
        match self.chosen {
            Some(ref chosen) => {
                self.reoffered = true;
                Ok(std::slice::from_ref(&chosen.local))
            }
            None => self.first_offer(),
        }
    }

    fn first_offer(&mut self) -> Result<&[CryptoAttribute], NegotiationError> {
        if self.offered.is_empty() {
            let mut offered = Vec::with_capacity(self.config.suites.len());
            for (suite, tag) in self.config.suites.iter().zip(1..) {
                offered.push(self.own_attribute(tag, *suite, SessionParams::default())?);
            }
            self.next_mki += 1;
            self.offered = offered;
        }
        Ok(&self.offered)
    }

    /// The attribute of our answer, once negotiated.
    pub fn answer(&mut self) -> Option<&CryptoAttribute> {
        self.answer_unread = false;
        self.chosen.as_ref().map(|chosen| &chosen.local)
    }

    /// Our attributes for whatever SDP is being written, for a PBX that does not tell whether it offers or answers: the
    /// answer right after a peer's offer, an offer otherwise. Ask once for each SDP.
    ///
    /// # Errors
    /// [`NegotiationError::Random`] if the system gives no random key.
    pub fn local(&mut self) -> Result<&[CryptoAttribute], NegotiationError> {
        if std::mem::take(&mut self.answer_unread) {
            return Ok(self.chosen.as_ref().map_or(&[], |chosen| std::slice::from_ref(&chosen.local)));
        }
        self.offer()
    }

    /// Takes all `a=crypto` values of one m-line of the peer, as offer or answer. Of an offer it accepts the attribute
    /// whose suite comes first in our order.
    ///
    /// An attribute that is malformed, unknown or not allowed is passed over with its reason (section 5.1.2); the whole is
    /// refused only if none is left.
    ///
    /// # Errors
    /// A [`NegotiationError`] with the reasons; the negotiated keys stay as they were.
    pub fn remote_all<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Outcome, NegotiationError> {
        let mut lines: Vec<Result<CryptoAttribute, LineError>> = Vec::new();
        let mut count = 0;
        for value in values {
            count += 1;
            if count <= MAX_LINES {
                let line = self.read(value, &lines);
                lines.push(line);
            }
        }
        match count {
            0 => return Err(NegotiationError::NoLine),
            1..=MAX_LINES => {}
            _ => return Err(NegotiationError::TooManyLines(count)),
        }
        let mut refused = Vec::new();
        let mut usable = Vec::new();
        for line in lines {
            match line {
                Ok(line) => usable.push(line),
                Err(error) => refused.push(error),
            }
        }
        if self.repeats_running_keys(&usable) {
            return Ok(Outcome::Unchanged);
        }
        if self.may_be_answered() {
            if let ([line], 1) = (usable.as_slice(), count) {
                match self.take_answer(line) {
                    Ok(outcome) => return Ok(outcome),
                    Err(error) if self.chosen.is_none() => return Err(error),
                    Err(_) => {}
                }
            } else if self.chosen.is_none() && count > 1 {
                return Err(NegotiationError::AnswerLines(count));
            }
        }
        let rank =
            |line: &CryptoAttribute| self.config.suites.iter().position(|suite| *suite == line.suite());
        match usable.into_iter().min_by_key(rank) {
            Some(line) => self.take_offer(line),
            None => Err(NegotiationError::Refused(refused)),
        }
    }

    /// Takes one `a=crypto` value of the peer, for a PBX that hands them over one by one until one is accepted.
    ///
    /// # Errors
    /// As [`remote_all`](Self::remote_all).
    pub fn remote_line(&mut self, value: &str) -> Result<Outcome, NegotiationError> {
        self.remote_all([value])
    }

    /// Tells that the peer rejected our re-offer: the keys run on (section 7.1.4), and what it sends next is an offer.
    pub fn offer_rejected(&mut self) {
        self.reoffered = false;
        if self.chosen.is_some() {
            self.offered.clear();
        }
    }

    /// Tells that what the peer sends next is an offer: ours, if one is open, is void. The keys run on.
    pub fn expect_offer(&mut self) {
        self.reoffered = false;
        self.offered.clear();
    }

    /// The negotiated suite.
    pub fn suite(&self) -> Option<Suite> {
        self.chosen.as_ref().map(|chosen| chosen.local.suite())
    }

    /// The keys the peer sends with.
    pub fn inbound(&self) -> Option<KeySet> {
        self.chosen.as_ref().map(|chosen| self.key_set(&chosen.remote))
    }

    /// The keys we send with.
    pub fn outbound(&self) -> Option<KeySet> {
        self.chosen.as_ref().map(|chosen| self.key_set(&chosen.local))
    }

    /// The peer's accepted attribute, with its hints.
    pub fn remote(&self) -> Option<&CryptoAttribute> {
        self.chosen.as_ref().map(|chosen| &chosen.remote)
    }

    /// Parses one value and holds it against configuration, earlier lines and our own keys.
    fn read(
        &self,
        value: &str,
        earlier: &[Result<CryptoAttribute, LineError>],
    ) -> Result<CryptoAttribute, LineError> {
        let line = CryptoAttribute::parse(value)?;
        let tag = Some(line.tag());
        let repeated = earlier.iter().any(|other| match other {
            Ok(other) => Some(other.tag()) == tag,
            Err(error) => error.tag == tag,
        });
        let checked = if repeated { Err(Reason::RepeatedTag) } else { self.acceptable(&line) };
        checked.map(|()| line).map_err(|reason| LineError { tag, reason })
    }

    fn acceptable(&self, line: &CryptoAttribute) -> Result<(), Reason> {
        if !self.config.suites.contains(&line.suite()) {
            return Err(Reason::SuiteNotAllowed(line.suite()));
        }
        for parameter in line.parameters() {
            // Error correction inside SRTP is what happens anyhow.
            let harmless =
                parameter == SessionParameter::FecOrder && line.fec_order() == Some(FecOrder::FecSrtp);
            let allowed =
                parameter.is_always_accepted() || self.config.session_parameters.contains(&parameter);
            if !harmless && !allowed {
                return Err(Reason::ParameterNotAllowed(parameter));
            }
        }
        let ours = self.offered.iter().chain(self.chosen.as_ref().map(|chosen| &chosen.local));
        for own in ours.flat_map(|attribute| attribute.keys().keys()) {
            if line.keys().keys().iter().any(|key| same_secrets(own, key)) {
                return Err(Reason::OwnKey);
            }
        }
        Ok(())
    }

    /// Whether the peer repeats the keys that run already. Only the tag may be new, and ours follows it.
    fn repeats_running_keys(&mut self, usable: &[CryptoAttribute]) -> bool {
        let Some(chosen) = &mut self.chosen else { return false };
        let Some(line) = usable.iter().find(|line| same_keys(line.keys(), chosen.remote.keys())) else {
            return false;
        };
        chosen.local.set_tag(line.tag());
        chosen.remote.set_tag(line.tag());
        true
    }

    fn may_be_answered(&self) -> bool {
        self.reoffered || !self.offered.is_empty()
    }

    /// Section 5.1.3: tag and suite must be of one attribute that we offered, negotiated parameters as offered.
    fn take_answer(&mut self, line: &CryptoAttribute) -> Result<Outcome, NegotiationError> {
        let refuse = |reason| NegotiationError::line(Some(line.tag()), reason);
        let running = self.chosen.as_ref().map(|chosen| &chosen.local);
        let ours = running.into_iter().chain(&self.offered);
        let mut with_tag = ours.filter(|own| own.tag() == line.tag()).peekable();
        let Some(first) = with_tag.peek().copied() else { return Err(refuse(Reason::NotOffered)) };
        let Some(own) = with_tag.find(|own| own.suite() == line.suite()) else {
            return Err(refuse(Reason::AnswerSuite { offered: first.suite(), answered: line.suite() }));
        };
        let changed = SessionParameter::ALL
            .into_iter()
            .find(|parameter| parameter.is_negotiated() && own.has(*parameter) != line.has(*parameter));
        if let Some(parameter) = changed {
            return Err(refuse(Reason::AnswerParameter(parameter)));
        }
        let local = own.clone();
        // A key that the peer moved away from never comes back: its packet indices may be used up.
        if let Some(left) =
            self.chosen.as_ref().filter(|chosen| !same_keys(chosen.local.keys(), local.keys()))
        {
            self.offered.retain(|own| !same_keys(own.keys(), left.local.keys()));
        }
        Ok(self.choose(local, line.clone()))
    }

    /// Sections 5.1.2 and 7.1.2: the answer has the offer's tag and suite, its negotiated parameters, and a fresh key of
    /// ours.
    fn take_offer(&mut self, line: CryptoAttribute) -> Result<Outcome, NegotiationError> {
        let negotiated = SessionParams { key_derivation_rate: 0, ..line.keys().params() };
        let local = self.own_attribute(line.tag(), line.suite(), negotiated)?;
        self.next_mki += 1;
        self.offered.clear();
        self.reoffered = false;
        self.answer_unread = true;
        Ok(self.choose(local, line))
    }

    fn choose(&mut self, local: CryptoAttribute, remote: CryptoAttribute) -> Outcome {
        let outcome = Outcome::KeysChanged {
            suite: local.suite(),
            inbound: self.key_set(&remote),
            outbound: self.key_set(&local),
        };
        self.chosen = Some(Chosen { local, remote });
        outcome
    }

    /// An attribute of ours with a fresh key from the system's generator.
    fn own_attribute(
        &self,
        tag: u32,
        suite: Suite,
        negotiated: SessionParams,
    ) -> Result<CryptoAttribute, NegotiationError> {
        let mut random = Zeroizing::new([0; sealrtp_srtp::MAX_KEY_LEN + sealrtp_srtp::MAX_SALT_LEN]);
        let random = &mut random[..suite.key_len() + suite.salt_len()];
        getrandom::fill(random).map_err(NegotiationError::Random)?;
        let (key, salt) = random.split_at(suite.key_len());
        let refuse = |error| NegotiationError::line(Some(tag), Reason::Keys(error));
        let mut key = MasterKey::new(suite, key, salt).map_err(refuse)?;
        if let Some(packets) = self.config.lifetime {
            key = key.with_lifetime(Lifetime::signalled(packets).map_err(refuse)?);
        }
        if self.config.mki_length > 0 {
            let mut mki = [0; sealrtp_srtp::MAX_MKI_LEN];
            // Counted up with each fresh key, so that packets under the last one are told apart.
            let count = self.next_mki.to_be_bytes();
            mki[sealrtp_srtp::MAX_MKI_LEN - count.len()..].copy_from_slice(&count);
            let mki = &mki[sealrtp_srtp::MAX_MKI_LEN - self.config.mki_length..];
            key = key.with_mki(mki).map_err(refuse)?;
        }
        let params = SessionParams { key_derivation_rate: self.config.key_derivation_rate, ..negotiated };
        Ok(CryptoAttribute::new(tag, KeySet::new(vec![key], params).map_err(refuse)?))
    }

    /// The attribute's keys with what the configuration adds to them.
    fn key_set(&self, attribute: &CryptoAttribute) -> KeySet {
        let keys = attribute.keys();
        let params = SessionParams { libsrtp_aes192: self.config.libsrtp_aes192, ..keys.params() };
        // The keys were checked when they were read, and the switch is none of what is checked.
        KeySet::new(keys.keys().to_vec(), params).unwrap_or_else(|_| keys.clone())
    }
}

/// Whether two sets are the same keys under the same parameters. Their lifetimes do not count: a key that is repeated with
/// another lifetime is no new key, and keeps the one it had.
fn same_keys(a: &KeySet, b: &KeySet) -> bool {
    a.suite() == b.suite()
        && a.params() == b.params()
        && a.keys().len() == b.keys().len()
        && a.keys().iter().zip(b.keys()).all(|(a, b)| a.selector() == b.selector() && same_secrets(a, b))
}
