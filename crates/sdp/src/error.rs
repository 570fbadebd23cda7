//! Why a body or an edit was refused. Nothing here holds text of the body.

use crate::{MAX_ATTRIBUTES, MAX_LEN, MAX_LINE_LEN, MAX_MEDIA};

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_LEN`].
    #[error("the SDP has {0} bytes, at most {MAX_LEN} are read")]
    TooLong(usize),
    /// One of its lines.
    #[error("line {number} of the SDP: {fault}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl SdpError {
    /// The line that is wrong, counted from 1; none if it is the whole body.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLong(_) => None,
            Self::Line { number, .. } => Some(*number),
        }
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than [`MAX_LINE_LEN`].
    #[error("longer than {MAX_LINE_LEN} bytes")]
    TooLong,
    /// Not a letter and `=`.
    #[error("<letter>=<value> expected")]
    NotAField,
    /// A byte of value 0, which RFC 8866 section 9 has nowhere.
    #[error("holds a byte of value 0")]
    Nul,
    /// An m-line that cannot be read.
    #[error("m=<media> <port>[/<count>] <transport> <formats> in ASCII with a port up to 65535 expected")]
    Media,
    /// More m-lines than [`MAX_MEDIA`].
    #[error("more than {MAX_MEDIA} m-lines")]
    TooManyMedia,
    /// More known attributes in one level than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes of media security in one level")]
    TooManyAttributes,
    /// A known attribute with a value that is not ASCII.
    #[error("an attribute of media security holds a character that is not ASCII")]
    NotAscii,
}

/// Why a line cannot be put into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Empty, longer than a line can be, not ASCII, or with a control character: a line end would begin another line.
    #[error("an attribute is 1 to {max} bytes of ASCII without control characters", max = MAX_LINE_LEN - 2)]
    Text,
    /// More than [`MAX_LEN`] bytes put in.
    #[error("more than {MAX_LEN} bytes to put in")]
    TooLong,
}
