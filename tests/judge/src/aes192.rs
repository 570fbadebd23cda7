//! AES_192_CM_HMAC_SHA1 written from RFC 3711 and RFC 6188, plainly: a peer for the suites that no libsrtp at hand derives.
//!
//! Shares nothing with `sealrtp-srtp` but the block cipher and hash crates; checked by the vectors of RFC 6188.

use crate::crypto::Fault;
use crate::rtp;
use aes::Aes192;
use aes::cipher::{BlockEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::collections::{HashMap, HashSet};

const KEY: usize = 24;
const SALT: usize = 14;
const AUTH_KEY: usize = 20;
/// SRTCP's tag is 80 bits whatever RTP's is (RFC 4568 section 6.2.2, RFC 6188 section 4).
const RTCP_TAG: usize = 10;

/// Session keys of RTP or of RTCP.
struct Keys {
    cipher: Aes192,
    auth: Hmac<Sha1>,
    salt: [u8; SALT],
}

/// Bytes of the AES counter-mode key stream from the 128-bit counter block `iv` on (RFC 3711 section 4.1.1).
fn key_stream(cipher: &Aes192, iv: u128, length: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(length + 16);
    let mut counter = iv;
    while stream.len() < length {
        let mut block = counter.to_be_bytes().into();
        cipher.encrypt_block(&mut block);
        stream.extend_from_slice(&block);
        counter = counter.wrapping_add(1);
    }
    stream.truncate(length);
    stream
}

/// The 112-bit salt as the upper bits of a counter block.
fn salt_block(salt: &[u8]) -> u128 {
    salt.iter().fold(0, |block, byte| block << 8 | u128::from(*byte)) << 16
}

/// `length` bytes of session key for a label (RFC 3711 section 4.3, rate 0).
fn derive(master: &Aes192, salt: &[u8], label: u8, length: usize) -> Vec<u8> {
    key_stream(master, salt_block(salt) ^ u128::from(label) << 64, length)
}

impl Keys {
    fn new(master: &Aes192, salt: &[u8], first_label: u8) -> Self {
        let key = derive(master, salt, first_label, KEY);
        let auth = derive(master, salt, first_label + 1, AUTH_KEY);
        let mut session_salt = [0; SALT];
        session_salt.copy_from_slice(&derive(master, salt, first_label + 2, SALT));
        Self {
            cipher: Aes192::new_from_slice(&key).expect("24 bytes"),
            auth: <Hmac<Sha1> as Mac>::new_from_slice(&auth).expect("any length"),
            salt: session_salt,
        }
    }

    fn crypt(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let iv = salt_block(&self.salt) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        let stream = key_stream(&self.cipher, iv, bytes.len());
        for (byte, key) in bytes.iter_mut().zip(stream) {
            *byte ^= key;
        }
    }

    fn tag(&self, parts: &[&[u8]], length: usize) -> Vec<u8> {
        let mut mac = self.auth.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()[..length].to_vec()
    }
}

/// One direction, any SSRC.
pub struct Context {
    rtp: Keys,
    rtcp: Keys,
    tag: usize,
    highest: HashMap<u32, u64>,
    seen: HashSet<(u32, u64)>,
    seen_rtcp: HashSet<(u32, u32)>,
    next_rtcp: u32,
}

impl Context {
    /// `secret` is 24 bytes of master key and 14 of salt; `tag` is 10 or 4.
    pub fn new(secret: &[u8], tag: usize) -> Self {
        let master = Aes192::new_from_slice(&secret[..KEY]).expect("24 bytes");
        let salt = &secret[KEY..];
        Self {
            rtp: Keys::new(&master, salt, 0),
            rtcp: Keys::new(&master, salt, 3),
            tag,
            highest: HashMap::new(),
            seen: HashSet::new(),
            seen_rtcp: HashSet::new(),
            next_rtcp: 0,
        }
    }

    /// The index nearest to the highest one seen (RFC 3711 section 3.3.1).
    fn index(&self, header: &rtp::Header) -> u64 {
        let Some(highest) = self.highest.get(&header.ssrc) else { return u64::from(header.sequence) };
        let ahead = i64::from(header.sequence.wrapping_sub(*highest as u16) as i16);
        highest.checked_add_signed(ahead).unwrap_or(u64::from(header.sequence))
    }

    fn remember(&mut self, ssrc: u32, index: u64) {
        let highest = self.highest.entry(ssrc).or_insert(index);
        *highest = index.max(*highest);
    }

    /// Encrypts and authenticates a packet that we built.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) {
        let header = rtp::parse(packet).expect("a packet of our own");
        let index = self.index(&header);
        self.remember(header.ssrc, index);
        self.rtp.crypt(header.ssrc, index, &mut packet[header.length..]);
        let tag = self.rtp.tag(&[packet, &((index >> 16) as u32).to_be_bytes()], self.tag);
        packet.extend(tag);
    }

    /// Authenticates and decrypts.
    pub fn unprotect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), Fault> {
        let header = rtp::parse(packet).ok_or(Fault::Malformed)?;
        let end =
            packet.len().checked_sub(self.tag).filter(|end| *end >= header.length).ok_or(Fault::Malformed)?;
        let index = self.index(&header);
        if self.rtp.tag(&[&packet[..end], &((index >> 16) as u32).to_be_bytes()], self.tag) != packet[end..] {
            return Err(Fault::Authentication);
        }
        if !self.seen.insert((header.ssrc, index)) {
            return Err(Fault::Replay);
        }
        self.remember(header.ssrc, index);
        packet.truncate(end);
        self.rtp.crypt(header.ssrc, index, &mut packet[header.length..]);
        Ok(())
    }

    /// Encrypts and authenticates an RTCP packet (RFC 3711 section 3.4).
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) {
        let ssrc = u32::from_be_bytes(packet[4..8].try_into().expect("a packet of our own"));
        self.next_rtcp += 1;
        self.rtcp.crypt(ssrc, u64::from(self.next_rtcp), &mut packet[8..]);
        packet.extend((0x8000_0000 | self.next_rtcp).to_be_bytes());
        let tag = self.rtcp.tag(&[packet], RTCP_TAG);
        packet.extend(tag);
    }

    /// Authenticates and decrypts an RTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Fault> {
        let end = packet.len().checked_sub(RTCP_TAG + 4).filter(|end| *end >= 8).ok_or(Fault::Malformed)?;
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"));
        let (ssrc, trailer) = (word(4), word(end));
        if self.rtcp.tag(&[&packet[..end + 4]], RTCP_TAG) != packet[end + 4..] {
            return Err(Fault::Authentication);
        }
        if !self.seen_rtcp.insert((ssrc, trailer & 0x7fff_ffff)) {
            return Err(Fault::Replay);
        }
        packet.truncate(end);
        if trailer >> 31 == 1 {
            self.rtcp.crypt(ssrc, u64::from(trailer & 0x7fff_ffff), &mut packet[8..]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    const MASTER: &str = "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1c8522f3acd4ce86d5add78edbb11";

    #[test]
    fn key_derivation_is_that_of_rfc_6188_section_7_4() {
        let secret = bytes(MASTER);
        let master = Aes192::new_from_slice(&secret[..KEY]).unwrap();
        assert_eq!(
            derive(&master, &secret[KEY..], 0, KEY),
            bytes("31874736a8f1143870c26e4857d8a5b2c4a354407faadabb")
        );
        assert_eq!(derive(&master, &secret[KEY..], 2, SALT), bytes("2372b82d639b6d8503a47adc0a6c"));
    }

    #[test]
    fn what_is_protected_opens_once_and_survives_a_wrap() {
        let secret = bytes(MASTER);
        let (mut out, mut input) = (Context::new(&secret, 4), Context::new(&secret, 4));
        for sequence in [65534, 65535, 0, 1] {
            let header = rtp::Header { length: 12, payload_type: 0, sequence, timestamp: 0, ssrc: 5 };
            let clear = rtp::build(&header, false, &[7; 160]);
            let mut wire = clear.clone();
            out.protect_rtp(&mut wire);
            assert_ne!(wire[12..172], clear[12..]);
            let mut broken = wire.clone();
            broken[20] ^= 1;
            assert_eq!(input.unprotect_rtp(&mut broken), Err(Fault::Authentication));
            let mut opened = wire.clone();
            assert_eq!(input.unprotect_rtp(&mut opened), Ok(()));
            assert_eq!(opened, clear);
            assert_eq!(input.unprotect_rtp(&mut wire), Err(Fault::Replay));
        }
        let clear = rtp::sender_report(1, 2, 3, 4);
        let mut report = clear.clone();
        out.protect_rtcp(&mut report);
        assert_eq!(input.unprotect_rtcp(&mut report), Ok(()));
        assert_eq!(report, clear);
    }
}
