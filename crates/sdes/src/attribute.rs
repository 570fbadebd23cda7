//! One `a=crypto` attribute: RFC 4568 sections 4, 6 and 9.

use std::fmt;

use sealrtp_srtp::{KeyError, KeySet, Lifetime, MAX_KEYS, MAX_MKI_LEN, MasterKey, SessionParams, Suite};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{LineError, PeerWord, Reason, SessionParameter, base64, mki};

/// Longest attribute value that is read, in bytes: 16 keys with an MKI of 128 bytes fit.
pub const MAX_LINE_LEN: usize = 8192;
/// Most session parameters in one attribute, ignorable ones included.
pub const MAX_PARAMETERS: usize = 16;
/// No value that a [`Negotiator`](crate::Negotiator) writes is longer, in bytes.
pub const MAX_LOCAL_LEN: usize = 256;

/// RFC 4568 section 6.3.6: the smallest window hint.
const MIN_WINDOW_SIZE_HINT: u32 = 64;
/// 2^24 is the largest key derivation rate (RFC 3711 section 4.3.1).
const MAX_KDR: u32 = 24;

/// Where forward error correction takes place on the sending side (RFC 4568 section 6.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FecOrder {
    /// First error correction, then SRTP: the order SRTP has by default.
    FecSrtp,
    /// First SRTP, then error correction.
    SrtpFec,
}

impl FecOrder {
    const fn name(self) -> &'static str {
        match self {
            Self::FecSrtp => "FEC_SRTP",
            Self::SrtpFec => "SRTP_FEC",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::FecSrtp, Self::SrtpFec].into_iter().find(|order| order.name().eq_ignore_ascii_case(name))
    }
}

/// One `a=crypto` attribute with its keys. It has no `Display`, so that keys reach text only by
/// [`to_value`](Self::to_value).
#[derive(Clone)]
pub struct CryptoAttribute {
    tag: u32,
    keys: KeySet,
    fec_order: Option<FecOrder>,
    fec_keys: Option<KeySet>,
    window_size_hint: Option<u32>,
}

impl CryptoAttribute {
    /// An attribute without FEC parameters and window hint.
    pub(crate) fn new(tag: u32, keys: KeySet) -> Self {
        Self { tag, keys, fec_order: None, fec_keys: None, window_size_hint: None }
    }

    /// Reads the text behind `a=crypto:`.
    ///
    /// ```
    /// use sealrtp_sdes::CryptoAttribute;
    /// use sealrtp_srtp::Suite;
    ///
    /// let value = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4 KDR=1";
    /// let line = CryptoAttribute::parse(value)?;
    /// assert_eq!(line.tag(), 1);
    /// assert_eq!(line.suite(), Suite::AesCm128HmacSha1_80);
    /// assert_eq!(line.keys().keys()[0].lifetime().srtp(), 1 << 20);
    /// assert_eq!(line.keys().keys()[0].mki(), [0, 0, 0, 1]);
    /// assert_eq!(line.keys().params().key_derivation_rate, 2);
    /// # Ok::<(), sealrtp_sdes::LineError>(())
    /// ```
    ///
    /// Read more freely than the RFC has it written: names in any letter case (as ABNF has strings anyhow), leading zeros,
    /// an MKI of 0, white space around the value, base64 without padding.
    ///
    /// # Errors
    /// A [`LineError`] that names the tag, if there is one, and the reason; never the key.
    pub fn parse(value: &str) -> Result<Self, LineError> {
        let at = |tag, reason| LineError { tag, reason };
        if value.len() > MAX_LINE_LEN {
            return Err(at(None, Reason::TooLong(value.len())));
        }
        let mut words = value.trim().split([' ', '\t']).filter(|word| !word.is_empty());
        let tag = parse_tag(words.next().unwrap_or("")).ok_or_else(|| at(None, Reason::Tag))?;
        Self::parse_words(tag, words).map_err(|reason| at(Some(tag), reason))
    }

    fn parse_words<'a>(tag: u32, mut words: impl Iterator<Item = &'a str> + Clone) -> Result<Self, Reason> {
        if words.clone().any(|word| !word.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Reason::Character);
        }
        let suite = words.next().ok_or(Reason::Missing("the suite"))?;
        let suite = Suite::from_name(suite).ok_or_else(|| Reason::UnknownSuite(PeerWord::suite(suite)))?;
        let keys = parse_keys(suite, words.next().ok_or(Reason::Missing("the key"))?)?;

        let mut params = SessionParams::default();
        let mut this = Self::new(tag, KeySet::new(keys.clone(), params)?);
        let mut seen = [false; SessionParameter::ALL.len()];
        for (i, word) in words.enumerate() {
            if i == MAX_PARAMETERS {
                return Err(Reason::TooManyParameters);
            }
            if word.starts_with('-') {
                // Section 6.3.7: an extension so marked may be ignored.
                continue;
            }
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let parameter = SessionParameter::from_name(name)
                .ok_or_else(|| Reason::UnknownParameter(PeerWord::parameter(word)))?;
            if std::mem::replace(&mut seen[parameter as usize], true) {
                return Err(Reason::RepeatedParameter(parameter));
            }
            this.set_parameter(parameter, value, &mut params)?;
        }
        this.keys = KeySet::new(keys, params)?;
        if this.repeats_a_key() { Err(Reason::RepeatedKey) } else { Ok(this) }
    }

    /// Section 6.1: master keys are unique, those of a FEC stream included.
    fn repeats_a_key(&self) -> bool {
        let keys: Vec<_> =
            self.keys.keys().iter().chain(self.fec_keys.iter().flat_map(KeySet::keys)).collect();
        keys.iter().enumerate().any(|(i, key)| keys[..i].iter().any(|other| same_secrets(key, other)))
    }

    fn set_parameter(
        &mut self,
        parameter: SessionParameter,
        value: Option<&str>,
        params: &mut SessionParams,
    ) -> Result<(), Reason> {
        let wrong = || Reason::ParameterValue(parameter);
        match (parameter, value) {
            (SessionParameter::UnencryptedSrtp, None) => params.unencrypted_srtp = true,
            (SessionParameter::UnencryptedSrtcp, None) => params.unencrypted_srtcp = true,
            (SessionParameter::UnauthenticatedSrtp, None) => params.unauthenticated_srtp = true,
            (SessionParameter::KeyDerivationRate, Some(value)) => {
                // The text of section 6.3.1 begins with 1, the grammar with 0: 2^0 is a rate of RFC 3711.
                let n = number(value, 2).filter(|n| *n <= u64::from(MAX_KDR)).ok_or_else(wrong)?;
                params.key_derivation_rate = 1 << n;
            }
            (SessionParameter::WindowSizeHint, Some(value)) => {
                let n = number(value, 9).and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong)?;
                self.window_size_hint = Some(n).filter(|n| *n >= MIN_WINDOW_SIZE_HINT);
                self.window_size_hint.ok_or_else(wrong)?;
            }
            (SessionParameter::FecOrder, Some(value)) => {
                self.fec_order = Some(FecOrder::from_name(value).ok_or_else(wrong)?);
            }
            (SessionParameter::FecKey, Some(value)) => {
                self.fec_keys =
                    Some(KeySet::new(parse_keys(self.suite(), value)?, SessionParams::default())?);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The text behind `a=crypto:`, zeroised when dropped. Numbers lose their leading zeros and a lifetime is written
    /// only where it is shorter than the longest; otherwise it reads back as it was.
    pub fn to_value(&self) -> Zeroizing<String> {
        // Sized once: growing would leave copies of the keys behind.
        let key_count = self.keys.keys().len() + self.fec_keys.as_ref().map_or(0, |keys| keys.keys().len());
        let mki_digits = self.keys.mki_len() + self.fec_keys.as_ref().map_or(0, KeySet::mki_len);
        let mut out = Zeroizing::new(String::with_capacity(256 + key_count * (128 + 3 * mki_digits)));
        out.push_str(&format!("{} {} ", self.tag, self.suite()));
        write_keys(&self.keys, &mut out);
        for parameter in self.parameters() {
            out.push(' ');
            out.push_str(parameter.name());
            match parameter {
                SessionParameter::KeyDerivationRate => {
                    out.push_str(&format!("={}", self.keys.params().key_derivation_rate.trailing_zeros()));
                }
                SessionParameter::WindowSizeHint => {
                    out.push_str(&format!("={}", self.window_size_hint.unwrap_or(MIN_WINDOW_SIZE_HINT)));
                }
                SessionParameter::FecOrder => {
                    out.push('=');
                    out.push_str(self.fec_order.unwrap_or(FecOrder::FecSrtp).name());
                }
                SessionParameter::FecKey => {
                    out.push('=');
                    self.fec_keys.iter().for_each(|keys| write_keys(keys, &mut out));
                }
                SessionParameter::UnencryptedSrtp
                | SessionParameter::UnencryptedSrtcp
                | SessionParameter::UnauthenticatedSrtp => {}
            }
        }
        out
    }

    /// The tag, 0 to 999999999: names the attribute within its m-line.
    pub fn tag(&self) -> u32 {
        self.tag
    }

    pub(crate) fn set_tag(&mut self, tag: u32) {
        self.tag = tag;
    }

    /// The crypto suite.
    pub fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// The master keys with lifetimes and MKIs, and the parameters that change the packets.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// `FEC_ORDER`.
    pub fn fec_order(&self) -> Option<FecOrder> {
        self.fec_order
    }

    /// `FEC_KEY`: the keys of a separate error correction stream.
    pub fn fec_keys(&self) -> Option<&KeySet> {
        self.fec_keys.as_ref()
    }

    /// `WSH`: a hint in packets for the size of the replay window, 64 or more.
    pub fn window_size_hint(&self) -> Option<u32> {
        self.window_size_hint
    }

    /// Whether the session parameter is given.
    pub fn has(&self, parameter: SessionParameter) -> bool {
        let params = self.keys.params();
        match parameter {
            SessionParameter::KeyDerivationRate => params.key_derivation_rate != 0,
            SessionParameter::UnencryptedSrtp => params.unencrypted_srtp,
            SessionParameter::UnencryptedSrtcp => params.unencrypted_srtcp,
            SessionParameter::UnauthenticatedSrtp => params.unauthenticated_srtp,
            SessionParameter::FecOrder => self.fec_order.is_some(),
            SessionParameter::FecKey => self.fec_keys.is_some(),
            SessionParameter::WindowSizeHint => self.window_size_hint.is_some(),
        }
    }

    /// The session parameters given.
    pub fn parameters(&self) -> impl Iterator<Item = SessionParameter> + '_ {
        SessionParameter::ALL.into_iter().filter(|parameter| self.has(*parameter))
    }
}

impl fmt::Debug for CryptoAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoAttribute")
            .field("tag", &self.tag)
            .field("suite", &self.suite())
            .field("keys", &self.keys.keys().len())
            .field("parameters", &self.parameters().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Whether key and salt are the same, in constant time.
pub(crate) fn same_secrets(a: &MasterKey, b: &MasterKey) -> bool {
    bool::from(a.key().ct_eq(b.key()) & a.salt().ct_eq(b.salt()))
}

fn parse_tag(text: &str) -> Option<u32> {
    number(text, 9).and_then(|tag| u32::try_from(tag).ok())
}

/// A decimal number of 1 to `max_digits` digits and nothing else.
fn number(text: &str, max_digits: usize) -> Option<u64> {
    let plain = (1..=max_digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// `key-params`: one or more `inline:key-info` with `;` between.
fn parse_keys(suite: Suite, text: &str) -> Result<Vec<MasterKey>, Reason> {
    // Sized once: growing would leave copies of the keys behind.
    let mut keys = Vec::with_capacity(text.split(';').count().min(MAX_KEYS));
    for param in text.split(';') {
        if keys.len() == MAX_KEYS {
            return Err(Reason::TooManyKeys);
        }
        let (method, info) = param.split_once(':').ok_or(Reason::KeyMethod)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(Reason::KeyMethod);
        }
        keys.push(parse_key(suite, info)?);
    }
    Ok(keys)
}

/// `key-salt ["|" lifetime] ["|" mki]`, section 6.1.
fn parse_key(suite: Suite, info: &str) -> Result<MasterKey, Reason> {
    let mut fields = info.split('|');
    let text = fields.next().unwrap_or("");
    let decoded = base64::decode(text, suite.key_len() + suite.salt_len()).map_err(|e| e.reason(suite))?;
    let (key, salt) = decoded.bytes().split_at(suite.key_len());
    let mut key = MasterKey::new(suite, key, salt)?;

    let mut next = fields.next();
    if let Some(field) = next.filter(|field| !field.contains(':')) {
        key = key.with_lifetime(parse_lifetime(field)?);
        next = fields.next();
    }
    if let Some(field) = next {
        let (value, length) = field.split_once(':').ok_or(Reason::KeyInfo)?;
        let length = number(length, 3).filter(|n| (1..=MAX_MKI_LEN as u64).contains(n)).ok_or(Reason::Mki)?;
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::Mki);
        }
        let mut buffer = [0; MAX_MKI_LEN];
        let mki = &mut buffer[..length as usize];
        if !mki::from_decimal(value, mki) {
            return Err(Reason::MkiValue(mki.len()));
        }
        key = key.with_mki(mki)?;
    }
    if fields.next().is_some() {
        return Err(Reason::KeyInfo);
    }
    Ok(key)
}

/// `2^n` or a number of packets.
fn parse_lifetime(text: &str) -> Result<Lifetime, Reason> {
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => number(exponent, 2).and_then(|n| 1u64.checked_shl(n as u32)),
        None => number(text, 19),
    };
    Lifetime::signalled(packets.ok_or(Reason::Lifetime)?).map_err(|error| match error {
        KeyError::Lifetime => Reason::Lifetime,
        other => Reason::Keys(other),
    })
}

fn write_keys(keys: &KeySet, out: &mut Zeroizing<String>) {
    for (i, key) in keys.keys().iter().enumerate() {
        out.push_str(if i == 0 { "inline:" } else { ";inline:" });
        base64::encode(key.key(), key.salt(), out);
        let packets = key.lifetime().srtp();
        if key.lifetime() != Lifetime::MAX {
            out.push_str(&if packets.is_power_of_two() {
                format!("|2^{}", packets.trailing_zeros())
            } else {
                format!("|{packets}")
            });
        }
        if !key.mki().is_empty() {
            out.push_str(&format!("|{}:{}", mki::to_decimal(key.mki()), key.mki().len()));
        }
    }
}
