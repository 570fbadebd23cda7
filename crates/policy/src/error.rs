//! What is said about a value that was refused, or taken with doubts.

use std::fmt;

use crate::Key;

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

/// A value that was taken and should be thought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub(crate) key: Key,
    pub(crate) text: String,
}

impl Warning {
    pub(crate) fn of(key: Key, text: String) -> Self {
        Self { key, text }
    }

    /// Key that was set.
    pub fn key(&self) -> Key {
        self.key
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
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
