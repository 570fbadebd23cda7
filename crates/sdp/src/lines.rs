//! A body's lines. CRLF, LF and CR alone end one, as the parsers behind us have it: what one of them sees, we see.

use std::ops::Range;

use crate::{Fault, MAX_LINE_LEN, SdpError};

/// One line that is not empty.
#[derive(Clone)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The letter before `=`.
    pub kind: u8,
    /// What stands behind `=`.
    pub value: &'a [u8],
    /// Where `value` begins in the body.
    pub value_start: usize,
    /// Where the line is in the body, with its line end.
    pub range: Range<usize>,
    /// Its line end; empty if it is the last and has none.
    pub end: &'a [u8],
}

/// Reads the lines one by one; empty ones are counted and passed over.
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, SdpError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            let rest = &self.text[start..];
            if rest.is_empty() {
                return None;
            }
            self.number += 1;
            let len = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let (line, behind) = rest.split_at(len);
            let end_len = match behind {
                [b'\r', b'\n', ..] => 2,
                [_, ..] => 1,
                [] => 0,
            };
            self.at += len + end_len;
            let fault = match line {
                [] => continue,
                _ if line.len() > MAX_LINE_LEN => Fault::TooLong,
                _ if line.contains(&0) => Fault::Nul,
                [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => {
                    return Some(Ok(Line {
                        number: self.number,
                        kind: *kind,
                        value,
                        value_start: start + 2,
                        range: start..self.at,
                        end: &behind[..end_len],
                    }));
                }
                _ => Fault::NotAField,
            };
            // What follows a refused line is not read.
            self.at = self.text.len();
            return Some(Err(SdpError::Line { number: self.number, fault }));
        }
    }
}
