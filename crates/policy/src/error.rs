//! What is said about a value that was refused, or taken with doubts.

use std::fmt;

use std::sync::Arc;

use crate::policies::{GENERAL, MAX_DEPTH, MAX_NAME, MAX_SECTIONS, MAX_VALUE};
use crate::{Key, Place};

/// A key or value was refused; the configuration is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such key.
    #[error("{}: unknown key, expected one of {}", Given(.0), known_keys())]
    UnknownKey(String),
    /// The key is no more.
    #[error("{key}: this key is gone, write {instead}")]
    ReplacedKey {
        /// Its name.
        key: &'static str,
        /// What to write, in words.
        instead: &'static str,
    },
    /// The key does not take the value.
    #[error("{key} = {}: expected {expected}", Given(.given))]
    Value {
        /// Key that was to be set.
        key: Key,
        /// Value as given.
        given: String,
        /// What the key takes, in words.
        expected: String,
    },
}

/// What a line of a configuration file is refused for, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {kind}")]
pub struct Fault {
    place: Arc<Place>,
    kind: FaultKind,
}

impl Fault {
    pub(crate) fn new(place: Arc<Place>, kind: FaultKind) -> Self {
        Self { place, kind }
    }

    /// The line.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }
}

/// What a line of a configuration file is refused for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Its key or its value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key stands in the section of an end point or of a policy.
    #[error("{0} belongs into [{GENERAL}], all calls share it")]
    OnlyInGeneral(Key),
    /// The key makes or names a policy.
    #[error(
        "{0} belongs into the section of an end point or of a policy, what [{GENERAL}] says holds for all of them"
    )]
    NotInGeneral(String),
    /// The section has a type that is none.
    #[error("type = {}: expected policy or endpoint", Given(.0))]
    Type(String),
    /// No such policy.
    #[error("policy = {}: expected one of {known}", Given(.given))]
    UnknownPolicy {
        /// Its name.
        given: String,
        /// Names of policies that there are.
        known: String,
    },
    /// A policy begins under itself.
    #[error("policy = {}: this policy begins under itself", Given(.0))]
    Loop(String),
    /// Too many policies, of which one begins under the next.
    #[error("policy: expected at most {MAX_DEPTH} policies, of which one begins under the next")]
    TooDeep,
    /// The section's name is empty or too long.
    #[error("expected a name of 1 to {MAX_NAME} bytes without control characters between the brackets")]
    SectionName,
    /// There are too many sections.
    #[error("expected at most {MAX_SECTIONS} sections")]
    TooManySections,
    /// The key's value is too long.
    #[error("{}: expected a value of at most {MAX_VALUE} bytes", Given(.0))]
    LongValue(String),
}

/// A value that was taken and should be thought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    key: Option<Key>,
    text: String,
    place: Option<Arc<Place>>,
}

impl Warning {
    pub(crate) fn of(key: Key, text: String) -> Self {
        Self { key: Some(key), text, place: None }
    }

    pub(crate) fn of_section(text: String, place: Arc<Place>) -> Self {
        Self { key: None, text, place: Some(place) }
    }

    pub(crate) fn at(self, place: Option<Arc<Place>>) -> Self {
        Self { place, ..self }
    }

    /// The key; none for what concerns a whole section.
    pub fn key(&self) -> Option<Key> {
        self.key
    }

    /// The line, where one is known.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(key) = self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

fn known_keys() -> String {
    Key::ALL.map(Key::name).join(", ")
}

/// Text of the administrator's, on one line and cut where it is long.
pub(crate) struct Given<'a>(pub(crate) &'a str);

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        if self.0.is_empty() {
            return f.write_str("(nothing)");
        }
        for c in self.0.chars().take(SHOWN) {
            write!(f, "{}", if c.is_control() { ' ' } else { c })?;
        }
        if self.0.chars().nth(SHOWN).is_some() { f.write_str("...") } else { Ok(()) }
    }
}
