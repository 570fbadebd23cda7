//! Which ClientHellos a server takes, and which it answers with a HelloVerifyRequest (RFC 6347 section 4.2.1).

use std::net::SocketAddr;

use crate::client_hello::ClientHello;
use crate::context::{Asked, Unproven};
use crate::cookie;
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
    Take(Asked, Option<Unproven>),
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
            CookieExchange::Skipped => return Verdict::Take(Asked::No, None),
            CookieExchange::UnknownSources if expected => {
                if let Some(unproven) = context.admit_unproven() {
                    return Verdict::Take(Asked::No, Some(unproven));
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
        1 if cookie::same(&cookie, hello.head.cookie) => Verdict::Take(Asked::Yes(cookie), None),
        _ => Verdict::Ignore(Why::Cookie),
    }
}
