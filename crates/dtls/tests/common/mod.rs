//! What the tests share: certificates, and two associations that talk to each other.
#![allow(dead_code, missing_docs)]

pub mod peer;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509Builder, X509NameBuilder};
use sealrtp_dtls::{
    Association, Config, Connected, Context, Event, Failure, Fingerprints, HashFunction, Identity, Role,
    Sha1, Trace,
};

pub struct Pem {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ec,
    Rsa,
}

/// A self-signed certificate as a PBX's administrator makes one; expired, since that must not matter.
pub fn pem(kind: Kind) -> &'static Pem {
    static MADE: [OnceLock<Pem>; 2] = [OnceLock::new(), OnceLock::new()];
    MADE[kind as usize].get_or_init(|| {
        let key = match kind {
            Kind::Ec => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
                PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
            }
            Kind::Rsa => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
        };
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "peer").unwrap();
        let name = name.build();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(1_000_000_000).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(1_100_000_000).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Pem { certificate: builder.build().to_pem().unwrap(), key: key.private_key_to_pem_pkcs8().unwrap() }
    })
}

impl Pem {
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key).unwrap()
    }
}

/// One made here, once.
pub fn generated() -> Identity {
    static MADE: OnceLock<Identity> = OnceLock::new();
    MADE.get_or_init(|| Identity::generate(SystemTime::now()).unwrap()).clone()
}

pub fn fingerprints(of: &Identity, hash: HashFunction) -> Fingerprints {
    Fingerprints::from_values([of.fingerprint(hash).unwrap().to_string().as_str()], Sha1::Allowed).unwrap()
}

pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 4000))
}

/// A client and a server that know each other's fingerprints.
pub struct Pair {
    pub client: Association,
    pub server: Association,
    pub now: Instant,
}

pub struct Side {
    pub config: Config,
    pub identity: Identity,
}

impl Side {
    pub fn new(config: Config) -> Self {
        Self { config, identity: generated() }
    }

    pub fn of(config: Config, kind: Kind) -> Self {
        Self { config, identity: pem(kind).identity() }
    }

    pub fn context(&self) -> Context {
        Context::new(self.config.clone(), &self.identity).unwrap()
    }

    pub fn fingerprints(&self) -> Fingerprints {
        fingerprints(&self.identity, HashFunction::Sha256)
    }
}

impl Pair {
    pub fn new(client: &Side, server: &Side) -> Self {
        Self::knowing(client, server, server.fingerprints(), client.fingerprints())
    }

    /// The fingerprints that the client and the server have of each other.
    pub fn knowing(client: &Side, server: &Side, of_server: Fingerprints, of_client: Fingerprints) -> Self {
        let now = Instant::now();
        Self {
            client: Association::new(&client.context(), Role::Client, of_server, now).unwrap(),
            server: Association::new(&server.context(), Role::Server, of_client, now).unwrap(),
            now,
        }
    }

    /// With contexts that are there already.
    pub fn of(client: &(Context, Fingerprints), server: &(Context, Fingerprints)) -> Self {
        let now = Instant::now();
        Self {
            client: Association::new(&client.0, Role::Client, server.1.clone(), now).unwrap(),
            server: Association::new(&server.0, Role::Server, client.1.clone(), now).unwrap(),
            now,
        }
    }

    /// Passes datagrams on until there are none.
    pub fn settle(&mut self) {
        loop {
            let mut any = false;
            while let Some(out) = self.client.poll_transmit() {
                self.server.receive(&out.datagram, address(1), self.now);
                any = true;
            }
            while let Some(out) = self.server.poll_transmit() {
                self.client.receive(&out.datagram, address(2), self.now);
                any = true;
            }
            if !any {
                return;
            }
        }
    }
}

/// What an association has told so far.
#[derive(Debug, Default)]
pub struct Told {
    pub connected: Vec<Connected>,
    pub failed: Vec<Failure>,
    pub closed: usize,
    pub traces: Vec<Trace>,
}

impl Told {
    pub fn hear(&mut self, association: &mut Association) {
        while let Some(event) = association.poll_event() {
            match event {
                Event::Connected(connected) => self.connected.push(*connected),
                Event::Failed(failure) => self.failed.push(failure),
                Event::Closed => self.closed += 1,
                Event::Trace(trace) => self.traces.push(trace),
            }
        }
    }

    pub fn of(association: &mut Association) -> Self {
        let mut told = Self::default();
        told.hear(association);
        told
    }

    pub fn keys(&self) -> &Connected {
        assert!(self.failed.is_empty(), "{:?}", self.failed);
        assert_eq!(self.connected.len(), 1);
        &self.connected[0]
    }

    pub fn failure(&self) -> &Failure {
        assert!(self.connected.is_empty(), "keys were given out");
        assert_eq!(self.failed.len(), 1, "{:?}", self.failed);
        &self.failed[0]
    }
}

/// Numbers that a seed decides.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
