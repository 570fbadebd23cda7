//! ClientHellos to a server that waits: what it answers without state, and what of that a client can use.
//!
//! Input: a byte that chooses the context as in [`crate::dtls`], a byte of source, then a datagram.

use std::time::Instant;

use sealrtp_dtls::{Association, CookieExchange, Destination, Event, Role, Trace};

use crate::dtls::{context, source};
use crate::input::Input;

/// Record header and handshake header, in bytes.
const HEADERS: usize = 13 + 12;
/// HandshakeType of a HelloVerifyRequest.
const HELLO_VERIFY_REQUEST: u8 = 3;
/// What an association without OpenSSL's state stays below, in bytes.
const STATELESS: usize = 64 * 1024;

/// Runs one input. Returns how many answers there were.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let (context, known) = context(input.byte());
    let from = source(input.byte());
    let datagram = input.0;
    let now = Instant::now();
    let mut server = Association::new(context, Role::Server, known, now).expect("OpenSSL");
    while server.poll_event().is_some() {}
    server.receive(datagram, from, now);
    let mut answers = 0;
    let mut cookie = Vec::new();
    while let Some(out) = server.poll_transmit() {
        answers += 1;
        assert_eq!(out.to, Destination::Source(from), "answered elsewhere");
        if context.config().cookies != CookieExchange::Skipped {
            assert_eq!(out.datagram[13], HELLO_VERIFY_REQUEST, "no state for a source that showed nothing");
            assert!(out.datagram.len() <= datagram.len(), "amplified");
            cookie = out.datagram[HEADERS + 3..].to_vec();
        }
    }
    if context.config().cookies != CookieExchange::Skipped {
        assert!(server.memory_bytes() < STATELESS, "{} bytes", server.memory_bytes());
    }
    offers(&mut server);
    // The cookie where the ClientHello has its own, with the number that a second ClientHello has.
    let session_id = HEADERS + 2 + 32;
    if let (false, Some(len)) = (cookie.is_empty(), datagram.get(session_id)) {
        let at = session_id + 1 + usize::from(*len);
        if let Some((head, rest)) = datagram.split_at_checked(at) {
            let old = rest.first().map_or(0, |len| usize::from(*len) + 1);
            let mut again = head.to_vec();
            again.push(cookie.len() as u8);
            again.extend(&cookie);
            again.extend(rest.get(old..).unwrap_or(&[]));
            let len = again.len() - 13;
            again[11..13].copy_from_slice(&(len as u16).to_be_bytes());
            for (at, value) in [(14, (len - 12) as u32), (22, (len - 12) as u32)] {
                again[at..at + 3].copy_from_slice(&value.to_be_bytes()[1..]);
            }
            again[18] = 1;
            server.receive(&again, from, now);
            while server.poll_transmit().is_some() {
                answers += 1;
            }
            offers(&mut server);
        }
    }
    answers
}

/// Reads the events: no keys come of a ClientHello, and what a trace shows fits into the datagram.
fn offers(server: &mut Association) {
    while let Some(event) = server.poll_event() {
        match event {
            Event::Connected(_) => panic!("keys of a ClientHello"),
            Event::Trace(Trace::Offered { profiles, .. }) => assert!(profiles.len() <= 0x8000),
            Event::Trace(trace) => drop(format!("{trace:?}")),
            Event::Failed(_) | Event::Closed => {}
        }
    }
}
