//! Where the values of a configuration come from.

use std::fmt;
use std::sync::Arc;

use crate::Key;
use crate::error::Given;

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Name of the file.
    pub file: Arc<str>,
    /// Number of the line, from 1 on; 0: not known.
    pub line: u32,
    /// Name of the section, without brackets.
    pub section: Arc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Given(&self.file))?;
        if self.line != 0 {
            write!(f, " line {}", self.line)?;
        }
        write!(f, ", [{}]", Given(&self.section))
    }
}

/// Who has set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// A call of `Config::set`.
    Caller,
    /// The policy of that name, which is in no file.
    BuiltIn(&'static str),
    Line(Arc<Place>),
}

/// The origin of each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origins(Box<[Origin]>);

impl Default for Origins {
    fn default() -> Self {
        Self(vec![Origin::Default; Key::ALL.len()].into())
    }
}

impl Origins {
    pub(crate) fn set(&mut self, key: Key, origin: Origin) {
        self.0[key as usize] = origin;
    }

    pub(crate) fn get(&self, key: Key) -> &Origin {
        &self.0[key as usize]
    }

    /// The line that has set a value.
    pub(crate) fn place(&self, key: Key) -> Option<Arc<Place>> {
        match self.get(key) {
            Origin::Line(place) => Some(Arc::clone(place)),
            _ => None,
        }
    }

    /// The origin behind a value: empty, or ` (...)`.
    pub(crate) fn note(&self, key: Key) -> String {
        match self.get(key) {
            Origin::Default => " (default)".into(),
            Origin::Caller => String::new(),
            Origin::BuiltIn(name) => format!(" (built-in policy {name})"),
            Origin::Line(place) => format!(" ({place})"),
        }
    }
}
