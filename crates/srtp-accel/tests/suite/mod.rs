//! The suites with kernels, each with the packet that RustCrypto makes of the same: one way to call them all.

pub mod guarded;
pub mod random;

use aes::cipher::{KeyIvInit, StreamCipher};
use aes_gcm::{AeadInPlace, Aes128Gcm, Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use sealrtp_srtp_accel::{
    AUTH_KEY_LEN, BLOCK, CmHmacSha1, CmOpen, CmSeal, GCM_NONCE_LEN, GCM_TAG_LEN, Gcm, Path,
};

/// What a packet is sealed with, except for the kernel.
#[derive(Clone, Debug)]
pub struct Given {
    /// A key of AES.
    pub key: Vec<u8>,
    /// A key of HMAC, where the suite has one.
    pub auth: [u8; AUTH_KEY_LEN],
    /// The first counter, or in front the nonce.
    pub number: [u8; BLOCK],
    /// What a tag covers behind the packet, where the suite has that.
    pub suffix: [u8; 4],
}

/// A packet of a batch.
pub struct Job<'a, S> {
    pub keys: &'a S,
    pub given: &'a Given,
    pub packet: &'a mut [u8],
    pub from: usize,
}

/// Kernels of a suite of SRTP.
pub trait Suite: Sized {
    /// Bytes of keys of AES.
    const KEY_LENS: &'static [usize];
    /// Bytes of an uncut tag.
    const TAG_LEN: usize;
    /// A tag.
    type Tag: AsRef<[u8]>;

    fn new(path: Path, key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Option<Self>;
    fn seal(&self, given: &Given, buf: &mut [u8], from: usize, len: usize) -> Self::Tag;
    fn open(&self, given: &Given, packet: &mut [u8], from: usize, received: &[u8]) -> bool;
    fn seal_many(jobs: &mut [Job<'_, Self>]) -> Vec<Self::Tag>;
    fn open_many(jobs: &mut [Job<'_, Self>], received: &[&[u8]]) -> Vec<bool>;
    /// The sealed packet and its tag as RustCrypto has them.
    fn expected(given: &Given, plain: &[u8], from: usize) -> (Vec<u8>, Vec<u8>);
}

impl Suite for CmHmacSha1 {
    const KEY_LENS: &'static [usize] = &[16, 24, 32];
    const TAG_LEN: usize = sealrtp_srtp_accel::TAG_LEN;
    type Tag = [u8; Self::TAG_LEN];

    fn new(path: Path, key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Option<Self> {
        Self::new(path, key, auth)
    }

    fn seal(&self, given: &Given, buf: &mut [u8], from: usize, len: usize) -> Self::Tag {
        self.seal(counter(given), buf, from, len, given.suffix)
    }

    fn open(&self, given: &Given, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        self.open(counter(given), packet, from, given.suffix, received)
    }

    fn seal_many(jobs: &mut [Job<'_, Self>]) -> Vec<Self::Tag> {
        let mut tags = vec![[0; Self::TAG_LEN]; jobs.len()];
        let mut packets: Vec<_> = jobs
            .iter_mut()
            .zip(&mut tags)
            .map(|(job, tag)| CmSeal {
                keys: job.keys,
                counter: counter(job.given),
                buf: job.packet,
                from: job.from,
                suffix: job.given.suffix,
                tag,
            })
            .collect();
        Self::seal_many(&mut packets);
        tags
    }

    fn open_many(jobs: &mut [Job<'_, Self>], received: &[&[u8]]) -> Vec<bool> {
        let mut packets: Vec<_> = jobs
            .iter_mut()
            .zip(received)
            .enumerate()
            .map(|(i, (job, received))| CmOpen {
                keys: job.keys,
                counter: counter(job.given),
                packet: job.packet,
                from: job.from,
                suffix: job.given.suffix,
                received,
                // Whatever is there must be overwritten.
                authentic: i % 2 == 0,
            })
            .collect();
        Self::open_many(&mut packets);
        packets.iter().map(|packet| packet.authentic).collect()
    }

    fn expected(given: &Given, plain: &[u8], from: usize) -> (Vec<u8>, Vec<u8>) {
        let mut sealed = plain.to_vec();
        let (key, number) = (given.key.as_slice(), &counter(given).to_be_bytes().into());
        let payload = &mut sealed[from..];
        match key.len() {
            16 => ctr::Ctr128BE::<aes::Aes128>::new(key.into(), number).apply_keystream(payload),
            24 => ctr::Ctr128BE::<aes::Aes192>::new(key.into(), number).apply_keystream(payload),
            _ => ctr::Ctr128BE::<aes::Aes256>::new(key.into(), number).apply_keystream(payload),
        }
        let mut mac = <Hmac<sha1::Sha1> as Mac>::new_from_slice(&given.auth).expect("any length is a key");
        mac.update(&sealed);
        mac.update(&given.suffix);
        (sealed, mac.finalize().into_bytes().to_vec())
    }
}

/// Its last two bytes count blocks, from zero (RFC 3711 section 4.1.1).
pub fn counter(given: &Given) -> u128 {
    u128::from_be_bytes(given.number) & !0xffff
}

impl Suite for Gcm {
    const KEY_LENS: &'static [usize] = &[16, 32];
    const TAG_LEN: usize = GCM_TAG_LEN;
    type Tag = [u8; Self::TAG_LEN];

    fn new(path: Path, key: &[u8], _: &[u8; AUTH_KEY_LEN]) -> Option<Self> {
        Self::new(path, key)
    }

    fn seal(&self, given: &Given, buf: &mut [u8], from: usize, len: usize) -> Self::Tag {
        self.seal(nonce(given), buf, from, len)
    }

    fn open(&self, given: &Given, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        self.open(nonce(given), packet, from, received)
    }

    fn seal_many(jobs: &mut [Job<'_, Self>]) -> Vec<Self::Tag> {
        jobs.iter_mut()
            .map(|job| Suite::seal(job.keys, job.given, job.packet, job.from, job.packet.len()))
            .collect()
    }

    fn open_many(jobs: &mut [Job<'_, Self>], received: &[&[u8]]) -> Vec<bool> {
        let both = jobs.iter_mut().zip(received);
        both.map(|(job, received)| Suite::open(job.keys, job.given, job.packet, job.from, received)).collect()
    }

    fn expected(given: &Given, plain: &[u8], from: usize) -> (Vec<u8>, Vec<u8>) {
        fn sealed<A: AeadInPlace + KeyInit>(given: &Given, plain: &[u8], from: usize) -> (Vec<u8>, Vec<u8>) {
            let mut sealed = plain.to_vec();
            let (header, payload) = sealed.split_at_mut(from);
            let cipher = A::new_from_slice(&given.key).expect("the key has the length");
            let tag = cipher.encrypt_in_place_detached(nonce(given).as_slice().into(), header, payload);
            (sealed, tag.expect("the packet is not too long").to_vec())
        }
        match given.key.len() {
            16 => sealed::<Aes128Gcm>(given, plain, from),
            _ => sealed::<Aes256Gcm>(given, plain, from),
        }
    }
}

fn nonce(given: &Given) -> [u8; GCM_NONCE_LEN] {
    *given.number.first_chunk().expect("a counter is longer")
}
