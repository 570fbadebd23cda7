//! Why an attribute or a whole offer or answer was refused. Nothing here can hold key material.

use std::fmt;

use sealrtp_srtp::{KeyError, Suite};

use crate::{MAX_LINE_LEN, MAX_LINES, MAX_PARAMETERS, SessionParameter};

/// One `a=crypto` attribute of the peer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LineError {
    /// The attribute's tag, where it could be read.
    pub tag: Option<u32>,
    /// What is wrong with it.
    pub reason: Reason,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            Some(tag) => write!(f, "crypto tag {tag}: {}", self.reason),
            None => write!(f, "crypto without a tag: {}", self.reason),
        }
    }
}

/// What is wrong with an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Longer than [`MAX_LINE_LEN`].
    #[error("{0} bytes long, at most {MAX_LINE_LEN} are read")]
    TooLong(usize),
    /// A character other than visible ASCII, space and tab.
    #[error("holds a character that is neither visible ASCII nor white space")]
    Character,
    /// No tag of 1 to 9 digits.
    #[error("the tag is not a number of 1 to 9 digits")]
    Tag,
    /// Suite or key parameters are missing.
    #[error("tag, suite and key parameters expected, {0} missing")]
    Missing(&'static str),
    /// A suite this implementation does not know.
    #[error("unknown suite {0}")]
    UnknownSuite(PeerWord),
    /// A key method other than `inline`.
    #[error("the key method is not inline")]
    KeyMethod,
    /// More keys than [`MAX_KEYS`](sealrtp_srtp::MAX_KEYS).
    #[error("more than {} keys", sealrtp_srtp::MAX_KEYS)]
    TooManyKeys,
    /// The key is not base64.
    #[error("the key is not base64")]
    Base64,
    /// Key and salt together have another length than the suite's.
    #[error("{suite} takes {expected} bytes of key and salt, got {got}")]
    KeyLength {
        /// Suite of the attribute.
        suite: Suite,
        /// Bytes of key and salt that the suite takes.
        expected: usize,
        /// Bytes that the base64 text holds.
        got: usize,
    },
    /// Behind the key is something else than a lifetime and an MKI.
    #[error("behind a key come a lifetime (2^n or a number) and an MKI (number:length), each at most once")]
    KeyInfo,
    /// The lifetime is not a number of packets that can be.
    #[error("a lifetime is 2^0 to 2^48 packets, or a number from 1 to 2^48")]
    Lifetime,
    /// The MKI's length is not 1 to 128 bytes, or its value is not a number.
    #[error("an MKI is a decimal number and its length of 1 to 128 bytes")]
    Mki,
    /// The MKI's value needs more bytes than its length says.
    #[error("the MKI's value does not fit into {0} bytes")]
    MkiValue(usize),
    /// The keys cannot be used together or with these parameters.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Two keys are the same, which section 6.1 forbids.
    #[error("two keys are the same")]
    RepeatedKey,
    /// More session parameters than [`MAX_PARAMETERS`].
    #[error("more than {MAX_PARAMETERS} session parameters")]
    TooManyParameters,
    /// A session parameter that is unknown and not marked as ignorable by a leading `-` (RFC 4568 section 6.3.7).
    #[error("unknown session parameter {0}")]
    UnknownParameter(PeerWord),
    /// A session parameter appears twice.
    #[error("{0} is given twice")]
    RepeatedParameter(SessionParameter),
    /// A session parameter's value is not what it takes.
    #[error("{name} expects {what}", name = .0.name(), what = .0.expects())]
    ParameterValue(SessionParameter),
    /// An earlier attribute of the m-line has the same tag.
    #[error("an earlier line has the same tag")]
    RepeatedTag,
    /// The suite is known and not among the configured ones.
    #[error("{0} is not allowed by the configuration")]
    SuiteNotAllowed(Suite),
    /// The session parameter is known and not allowed by the configuration.
    #[error("{0} is not allowed by the configuration")]
    ParameterNotAllowed(SessionParameter),
    /// The answer's tag is none that we offered.
    #[error("answers a tag that was not offered")]
    NotOffered,
    /// The answer's tag is ours, its suite is not the one offered under it.
    #[error("answers {answered}, offered under this tag was {offered}")]
    AnswerSuite {
        /// Suite that was offered under the tag.
        offered: Suite,
        /// Suite of the answer.
        answered: Suite,
    },
    /// The answer adds or leaves out a negotiated session parameter.
    #[error("{0} must be in the answer exactly if it was in the offer")]
    AnswerParameter(SessionParameter),
    /// The peer sends back a key of ours, which sections 7.1.1 and 7.1.2 forbid: one keystream for both directions would
    /// give the media away.
    #[error("carries our own key")]
    OwnKey,
}

/// Why an offer or answer was refused. The negotiated keys, if there are any, stay as they were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The m-line has no `a=crypto` at all.
    #[error("no crypto attribute")]
    NoLine,
    /// More attributes than [`MAX_LINES`].
    #[error("{0} crypto attributes, at most {MAX_LINES} are read")]
    TooManyLines(usize),
    /// No attribute can be accepted; one reason for each.
    #[error("{}", joined(.0))]
    Refused(Vec<LineError>),
    /// An answer must carry exactly one attribute (RFC 4568 section 5.1.2).
    #[error("the answer carries {0} crypto attributes instead of one")]
    AnswerLines(usize),
    /// The system's random generator failed: there is no key to send with.
    #[error("no random key: {0}")]
    Random(getrandom::Error),
}

impl NegotiationError {
    pub(crate) fn line(tag: Option<u32>, reason: Reason) -> Self {
        Self::Refused(vec![LineError { tag, reason }])
    }
}

fn joined(lines: &[LineError]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A name out of the peer's text, repeated only if it cannot be (a piece of) a key; otherwise it shows as `(not shown)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerWord(Option<Box<str>>);

impl PeerWord {
    /// Standard base64 has no underscore, and no key is that short.
    pub(crate) fn suite(text: &str) -> Self {
        Self::only_if(text, |c| c.is_ascii_alphanumeric() || c == '_', text.contains('_'))
    }

    /// The name before `=`, if it is all upper case as the names of the RFC are.
    pub(crate) fn parameter(text: &str) -> Self {
        let (name, _) = text.split_once('=').unwrap_or((text, ""));
        Self::only_if(name, |c| c.is_ascii_uppercase() || c == '_', name.contains('_') || name.len() <= 4)
    }

    fn only_if(text: &str, allowed: impl Fn(char) -> bool, plausible: bool) -> Self {
        const LONGEST: usize = 32;
        let shown = plausible && (1..=LONGEST).contains(&text.len()) && text.chars().all(allowed);
        Self(shown.then(|| text.into()))
    }
}

impl fmt::Display for PeerWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("(not shown)"))
    }
}
