//! One end of ours, as [`super::bare::End`] is one of OpenSSL's.

use std::net::SocketAddr;
use std::time::Instant;

use sealrtp_dtls::{Association, Config, Connected, Context, CookieExchange, Event, Role};

use super::{Certificate, Result};

/// Where all clients are.
pub fn client_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

pub fn context(certificate: &Certificate, cookies: CookieExchange) -> Result<Context> {
    Ok(Context::new(Config { cookies, ..Config::default() }, &certificate.identity)?)
}

pub struct End {
    pub association: Association,
    pub keys: Option<Box<Connected>>,
}

impl End {
    /// An end whose peer is where signalling said.
    pub fn new(context: &Context, certificate: &Certificate, role: Role) -> Result<Self> {
        let known = certificate.fingerprints.clone();
        let mut association = Association::new(context, role, known, Instant::now())?;
        association.expect_source(client_address());
        Ok(Self { association, keys: None })
    }

    /// Takes datagrams and goes on as far as it can.
    pub fn run(&mut self, datagrams: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        for datagram in datagrams {
            self.association.receive(&datagram, client_address(), Instant::now());
        }
        while let Some(event) = self.association.poll_event() {
            match event {
                Event::Connected(connected) => self.keys = Some(connected),
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(std::iter::from_fn(|| self.association.poll_transmit().map(|out| out.datagram)).collect())
    }
}
