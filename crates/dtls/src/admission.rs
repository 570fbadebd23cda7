//! Which ClientHellos a server takes, and which it answers with a HelloVerifyRequest (RFC 6347 section 4.2.1).

use std::net::SocketAddr;

use crate::client_hello::ClientHello;
use crate::context::Unproven;
use crate::cookie::{self, Cookie};
use crate::{Context, CookieExchange, Why};

/// What is known of a client's source. A client of higher standing may take the place of one of lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    /// It is the one that signalling gave.
    pub(crate) expected: bool,
    /// It has shown that it receives there, or something else has.
    pub(crate) proven: bool,
}

/// What is to be done with a ClientHello.
pub(crate) enum Verdict {
    /// Take it, which was not asked for a cookie.
    Unasked(Option<Unproven>),
    /// Take it with the cookie it has shown.
    Proven(Cookie),
    /// Send this HelloVerifyRequest, and forget it.
    Ask(Vec<u8>),
    Ignore(Why),
}

/// Decides about a ClientHello. `running` is the standing of the client whose handshake goes on, if there is one: only proof
/// takes its place.
pub(crate) fn judge(
    context: &Context,
    hello: &ClientHello,
    from: SocketAddr,
    expected: bool,
    running: Option<Standing>,
) -> Verdict {
    let policy = context.config().cookies;
    if hello.number == 0 && running.is_none() {
        match policy {
            CookieExchange::Skipped => return Verdict::Unasked(None),
            CookieExchange::UnknownSources if expected => {
                if let Some(unproven) = context.admit_unproven() {
                    return Verdict::Unasked(Some(unproven));
                }
            }
            CookieExchange::UnknownSources | CookieExchange::Required => {}
        }
    }
    if policy == CookieExchange::Skipped {
        return Verdict::Ignore(Why::NotAClientHello);
    }
    let Ok(cookie) = context.cookie_key().cookie(from, hello.head.bound) else {
        return Verdict::Ignore(Why::Full);
    };
    match hello.number {
        0 => Verdict::Ask(cookie::hello_verify_request(hello.record, &cookie)),
        1 if cookie::same(&cookie, hello.head.cookie) => Verdict::Proven(cookie),
        _ => Verdict::Ignore(Why::Cookie),
    }
}
