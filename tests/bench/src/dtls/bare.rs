//! OpenSSL alone: the same certificate, groups, cipher suites and MTU, datagrams through queues, keys exported.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use sealrtp_dtls::{Config, Role};

use super::{Certificate, Result};

/// Datagrams to and from one end.
#[derive(Debug, Default)]
pub struct Queues {
    pub inbound: VecDeque<Vec<u8>>,
    pub outbound: VecDeque<Vec<u8>>,
}

impl Read for Queues {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Queues {
    fn write(&mut self, datagram: &[u8]) -> std::io::Result<usize> {
        self.outbound.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn context(certificate: &Certificate) -> Result<SslContext> {
    let config = Config::default();
    let mut ssl = SslContext::builder(SslMethod::dtls())?;
    ssl.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
    ssl.set_certificate(&certificate.x509)?;
    ssl.set_private_key(&certificate.key)?;
    ssl.set_cipher_list(&config.ciphers)?;
    ssl.set_groups_list(&config.groups)?;
    ssl.set_tlsext_use_srtp("SRTP_AEAD_AES_256_GCM")?;
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    ssl.set_verify_callback(mode, |_, _| true);
    Ok(ssl.build())
}

/// One end of a handshake.
pub struct End {
    stream: SslStream<Queues>,
    pub keys: bool,
}

impl End {
    pub fn new(context: &SslContext, role: Role) -> Result<Self> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(u32::try_from(Config::default().mtu)?)?;
        match role {
            Role::Client => ssl.set_connect_state(),
            Role::Server => ssl.set_accept_state(),
        }
        Ok(Self { stream: SslStream::new(ssl, Queues::default())?, keys: false })
    }

    /// Takes datagrams, goes on as far as it can, and exports the keys when they are there.
    pub fn run(&mut self, datagrams: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        self.stream.get_mut().inbound.extend(datagrams);
        // OpenSSL returns without reading when its timer has ended.
        let mut done = self.stream.do_handshake().is_ok();
        while !done && !self.stream.get_ref().inbound.is_empty() {
            done = self.stream.do_handshake().is_ok();
        }
        if done && !self.keys {
            let mut keys = [0; 88];
            self.stream.ssl().export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None)?;
            self.keys = true;
        }
        Ok(self.stream.get_mut().outbound.drain(..).collect())
    }
}
