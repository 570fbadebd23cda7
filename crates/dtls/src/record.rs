//! The clear part of DTLS 1.2 records (RFC 6347 sections 4.1 and 4.2.2), read within bounds and never trusted.

use crate::Role;
use crate::event::{Alert, HandshakeType, Message};

pub(crate) const HEADER: usize = 13;
pub(crate) const HANDSHAKE_HEADER: usize = 12;
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

/// Longest handshake message that OpenSSL is given to reassemble, in bytes: a certificate chain of some 20 certificates.
const MAX_MESSAGE: u32 = 32 * 1024;
/// Longest encrypted record: a Finished or an alert with the padding and tag of any cipher suite stays below.
const MAX_ENCRYPTED: usize = 512;

/// One record of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) content: u8,
    pub(crate) epoch: u16,
    /// 48 bits.
    pub(crate) sequence: u64,
    pub(crate) body: &'a [u8],
}

/// The records of a datagram, up to the first that is not whole.
pub(crate) struct Records<'a>(&'a [u8]);

pub(crate) fn records(datagram: &[u8]) -> Records<'_> {
    Records(datagram)
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HEADER>()?;
        let [content, major, minor, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = *header;
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&content);
        if !known || major != 0xfe || !matches!(minor, 0xff | 0xfd) {
            return None;
        }
        let (body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        self.0 = rest;
        let sequence = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]);
        Some(Record { content, epoch: u16::from_be_bytes([e0, e1]), sequence, body })
    }
}

/// One fragment of a handshake message in the clear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: HandshakeType,
    pub(crate) len: u32,
    pub(crate) sequence: u16,
    pub(crate) offset: u32,
    pub(crate) body: &'a [u8],
}

/// The handshake messages of a record's body.
pub(crate) struct Fragments<'a>(&'a [u8]);

impl<'a> Record<'a> {
    pub(crate) fn fragments(&self) -> Fragments<'a> {
        Fragments(if self.content == HANDSHAKE && self.epoch == 0 { self.body } else { &[] })
    }

    /// What the record holds, as far as its clear part tells.
    pub(crate) fn messages(&self, mut each: impl FnMut(Message)) {
        match (self.content, self.epoch) {
            (HANDSHAKE, 0) => {
                let mut any = false;
                for Fragment { kind, len, sequence, offset, .. } in self.fragments() {
                    any = true;
                    each(Message::Handshake { kind, sequence, len, offset });
                }
                if !any {
                    each(Message::Malformed);
                }
            }
            (HANDSHAKE, _) => each(Message::Encrypted),
            (CHANGE_CIPHER_SPEC, _) => each(Message::ChangeCipherSpec),
            (ALERT, 0) => each(match self.body {
                [_, description] => Message::Alert(Alert(*description)),
                _ => Message::Malformed,
            }),
            (ALERT, _) => each(Message::EncryptedAlert),
            _ => each(Message::ApplicationData),
        }
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let [kind, l0, l1, l2, q0, q1, o0, o1, o2, f0, f1, f2] = *header;
        let number = |a, b, c| u32::from_be_bytes([0, a, b, c]);
        let (len, offset, here) = (number(l0, l1, l2), number(o0, o1, o2), number(f0, f1, f2));
        let (body, rest) = rest.split_at_checked(usize::try_from(here).ok()?)?;
        if offset + here > len {
            return None;
        }
        self.0 = rest;
        Some(Fragment {
            kind: HandshakeType(kind),
            len,
            sequence: u16::from_be_bytes([q0, q1]),
            offset,
            body,
        })
    }
}

/// The handshake messages that each role sends in the clear: OpenSSL ends a handshake for any other.
const fn sends(role: Role) -> &'static [u8] {
    match role {
        // ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
        Role::Client => &[1, 11, 15, 16],
        // ServerHello, HelloVerifyRequest, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone.
        Role::Server => &[2, 3, 11, 12, 13, 14],
    }
}

/// Those records of a datagram that a DTLS-SRTP handshake with a peer of this role can hold. The others never reach OpenSSL,
/// which ends a handshake for some that RFC 6347 section 4.1.2.7 would have passed over, e.g. a ChangeCipherSpec that anybody
/// has made up, or the ClientHello of a peer that has yet to learn that it is the server.
pub(crate) fn sound(datagram: &[u8], peer: Role) -> Vec<u8> {
    let mut out = Vec::with_capacity(datagram.len());
    let mut at = 0;
    for record in records(datagram) {
        let whole = &datagram[at..at + HEADER + record.body.len()];
        at += whole.len();
        let sound = match (record.content, record.epoch) {
            (CHANGE_CIPHER_SPEC, 0) => record.body == [1],
            (ALERT, 0) => matches!(record.body, [1 | 2, _]),
            (HANDSHAKE, 0) => {
                let small = record
                    .fragments()
                    .all(|fragment| fragment.len <= MAX_MESSAGE && sends(peer).contains(&fragment.kind.0));
                let messages = record.fragments().map(|fragment| HANDSHAKE_HEADER + fragment.body.len());
                small && !record.body.is_empty() && messages.sum::<usize>() == record.body.len()
            }
            (HANDSHAKE | ALERT, 1) => record.body.len() <= MAX_ENCRYPTED,
            _ => false,
        };
        if sound {
            out.extend(whole);
        }
    }
    out
}

/// Adds `by` to the sequence numbers of the records of epoch 0, which nothing authenticates.
pub(crate) fn renumber(datagram: &mut [u8], by: u64) {
    let mut at = 0;
    while let Some(header) = datagram.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<HEADER>()) {
        let [_, _, _, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = *header;
        if [e0, e1] == [0, 0] {
            let sequence = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]).wrapping_add(by);
            header[5..11].copy_from_slice(&sequence.to_be_bytes()[2..]);
        }
        at += HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    }
}
