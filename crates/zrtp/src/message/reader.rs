//! Bounded reading of a message's fields.

use super::{MessageError, Name, Zid};

/// What is left of a message's body. Every read is checked.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], MessageError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(MessageError::Length)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(MessageError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn word(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn name(&mut self) -> Result<Name, MessageError> {
        self.array().map(Name)
    }

    pub(super) fn zid(&mut self) -> Result<Zid, MessageError> {
        self.array().map(Zid)
    }

    pub(super) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(super) fn end(self) -> Result<(), MessageError> {
        if self.0.is_empty() { Ok(()) } else { Err(MessageError::Length) }
    }
}
