//! A handshake's CPU time beside that of bare OpenSSL with the same certificate, groups and MTU, interleaved in one process.
//! `cargo run --release -p sealrtp-dtls --example handshake_cost`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::X509;
use sealrtp_dtls::{
    Association, Config, Context, CookieExchange, Event, Fingerprints, HashFunction, Identity, Role, Sha1,
};

const ROUNDS: usize = 1000;

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// Two queues as a network for bare OpenSSL.
struct Pipe(Queue, Queue);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.0.borrow_mut().pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> std::io::Result<usize> {
        self.1.borrow_mut().push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn bare(context: &SslContext) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let (a, b) = (Queue::default(), Queue::default());
    let new = |from: &Queue, to: &Queue| -> Result<_, Box<dyn Error>> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(1200)?;
        Ok(SslStream::new(ssl, Pipe(Rc::clone(from), Rc::clone(to)))?)
    };
    let (mut client, mut server) = (new(&a, &b)?, new(&b, &a)?);
    while client.connect().is_err() | server.accept().is_err() {}
    let mut keys = [0; 88];
    for side in [&client, &server] {
        side.ssl().export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None)?;
    }
    Ok(start.elapsed())
}

fn ours(context: &Context, known: &Fingerprints) -> Result<Duration, Box<dyn Error>> {
    let from = "127.0.0.1:4000".parse()?;
    let start = Instant::now();
    let mut client = Association::new(context, Role::Client, known.clone(), start)?;
    let mut server = Association::new(context, Role::Server, known.clone(), start)?;
    let mut connected = 0;
    while connected < 2 {
        while let Some(out) = client.poll_transmit() {
            server.receive(&out.datagram, from, start);
        }
        while let Some(out) = server.poll_transmit() {
            client.receive(&out.datagram, from, start);
        }
        for side in [&mut client, &mut server] {
            while let Some(event) = side.poll_event() {
                match event {
                    Event::Connected(_) => connected += 1,
                    other => return Err(format!("{other:?}").into()),
                }
            }
        }
    }
    Ok(start.elapsed())
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group)?)?;
    let mut builder = openssl::x509::X509Builder::new()?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*openssl::asn1::Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*openssl::asn1::Asn1Time::days_from_now(30)?)?;
    builder.sign(&key, openssl::hash::MessageDigest::sha256())?;
    let pem = builder.build().to_pem()?;
    let identity = Identity::from_pem(&pem, &key.private_key_to_pem_pkcs8()?)?;
    assert!(!identity.is_due(SystemTime::now()));

    let line = identity.fingerprint(HashFunction::Sha256)?.to_string();
    let known = Fingerprints::from_values([line.as_str()], Sha1::Refused)?;
    let config = Config { cookies: CookieExchange::Skipped, ..Config::default() };
    let with_cookies = Context::new(Config::default(), &identity)?;

    let mut same = SslContext::builder(SslMethod::dtls())?;
    same.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
    same.set_certificate(&*X509::from_pem(&pem)?)?;
    same.set_private_key(&key)?;
    same.set_cipher_list(&config.ciphers)?;
    same.set_groups_list(&config.groups)?;
    same.set_tlsext_use_srtp("SRTP_AEAD_AES_256_GCM")?;
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    same.set_verify_callback(mode, |_, _| true);
    let same = same.build();
    let context = Context::new(config, &identity)?;

    let (mut theirs, mut mine, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(bare(&same)?);
        mine.push(ours(&context, &known)?);
        cookies.push(ours(&with_cookies, &known)?);
    }
    let (theirs, mine, cookies) = (median(theirs), median(mine), median(cookies));
    let ratio = |time: Duration| time.as_secs_f64() / theirs.as_secs_f64();
    println!("both ends of an ECDSA P-256 handshake with X25519, median of {ROUNDS}:");
    println!("bare OpenSSL       {theirs:>10.1?}");
    println!("an association     {mine:>10.1?}  {:.3} of bare", ratio(mine));
    println!("with a cookie      {cookies:>10.1?}  {:.3} of bare", ratio(cookies));
    Ok(())
}
