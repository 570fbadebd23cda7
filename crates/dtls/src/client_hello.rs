//! A ClientHello's parts that are needed before OpenSSL is given it (RFC 6347 section 4.3.2, RFC 5764 section 4.1.1).

use crate::event::HandshakeType;
use crate::record::records;

const USE_SRTP: u16 = 14;
const RANDOM: usize = 32;

/// The first fragment of a ClientHello in a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientHello<'a> {
    /// Of its record, 48 bits.
    pub(crate) record: u64,
    /// Of the handshake message: 0, or 1 after a HelloVerifyRequest.
    pub(crate) number: u16,
    pub(crate) head: Head<'a>,
}

impl<'a> ClientHello<'a> {
    /// The last one of a datagram: a client whose timer ended sends its first again, and the one with the cookie after it.
    pub(crate) fn find(datagram: &'a [u8]) -> Option<Self> {
        let hellos = records(datagram).filter(|record| record.epoch == 0).filter_map(|record| {
            let first = |f: &crate::record::Fragment| f.kind == HandshakeType::CLIENT_HELLO && f.offset == 0;
            let fragment = record.fragments().find(first)?;
            let head = Head::read(fragment.body)?;
            Some(Self { record: record.sequence, number: fragment.sequence, head })
        });
        hellos.last()
    }
}

/// The head of a ClientHello, which its first fragment must hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// Version, random and session id with its length: what a cookie is bound to.
    pub(crate) bound: &'a [u8],
    pub(crate) cookie: &'a [u8],
    rest: &'a [u8],
}

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

fn take_u8(from: &mut &[u8]) -> Option<usize> {
    take(from, 1).map(|b| usize::from(b[0]))
}

fn take_u16(from: &mut &[u8]) -> Option<u16> {
    take(from, 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

impl<'a> Head<'a> {
    /// Reads the body of a first fragment.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let mut at = body;
        take(&mut at, 2 + RANDOM)?;
        let session_id = take_u8(&mut at)?;
        if session_id > 32 {
            return None;
        }
        take(&mut at, session_id)?;
        let bound = &body[..body.len() - at.len()];
        let cookie = take_u8(&mut at)?;
        let cookie = take(&mut at, cookie)?;
        Some(Self { bound, cookie, rest: at })
    }

    /// The profiles of use_srtp in the client's order; none if the extension is absent, malformed or not in this fragment.
    pub(crate) fn profiles(&self) -> Option<Vec<u16>> {
        let mut at = self.rest;
        let suites = take_u16(&mut at)?;
        take(&mut at, usize::from(suites))?;
        let compression = take_u8(&mut at)?;
        take(&mut at, compression)?;
        let extensions = take_u16(&mut at)?;
        let mut at = take(&mut at, usize::from(extensions))?;
        while !at.is_empty() {
            let kind = take_u16(&mut at)?;
            let len = take_u16(&mut at)?;
            let mut body = take(&mut at, usize::from(len))?;
            if kind == USE_SRTP {
                let len = take_u16(&mut body)?;
                let list = take(&mut body, usize::from(len))?;
                return Some(list.chunks_exact(2).map(|p| u16::from_be_bytes([p[0], p[1]])).collect());
            }
        }
        None
    }
}
