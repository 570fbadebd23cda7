//! SRTP for the judge: libsrtp, and for AES-192, which libsrtp does not derive as RFC 6188 says, [`crate::aes192`].

use crate::aes192;
use base64ct::{Base64, Encoding};
use sealrtp_test_libsrtp as libsrtp;
use serde::Deserialize;

/// A master key as JSON brings it.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct MasterKey {
    /// Base64 of key and salt, as in `inline:`.
    key: String,
    /// MKI bytes in hexadecimal; empty for none.
    #[serde(default)]
    mki: String,
}

/// A suite and its master keys.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// Name in a=crypto.
    pub suite: String,
    /// One key, or several with MKIs.
    pub keys: Vec<MasterKey>,
    /// AES-192 session keys as libsrtp derives them, not as RFC 6188 says.
    #[serde(default)]
    pub libsrtp_aes192: bool,
}

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The tag is wrong.
    Authentication,
    /// The index has been used.
    Replay,
    /// No key has this MKI.
    UnknownMki,
    /// Anything else that is wrong with the packet.
    Malformed,
}

impl MasterKey {
    /// Key and salt in one, and MKI bytes.
    pub fn new(key: Vec<u8>, mki: Vec<u8>) -> Self {
        Self { key: Base64::encode_string(&key), mki: mki.iter().map(|b| format!("{b:02x}")).collect() }
    }

    fn bytes(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let key = Base64::decode_vec(&self.key).map_err(|e| format!("master key: {e}"))?;
        let digits = self.mki.as_bytes();
        let mki = digits
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
                u8::from_str_radix(pair, 16).map_err(|e| format!("MKI: {e}"))
            })
            .collect::<Result<_, _>>()?;
        Ok((key, mki))
    }
}

enum Engine {
    Libsrtp(libsrtp::Session),
    Aes192(Box<aes192::Context>),
}

impl Engine {
    fn new(set: &KeySet, ssrc: libsrtp::Ssrc, with: usize) -> Result<Self, String> {
        let suite = libsrtp::Suite::from_name(&set.suite).ok_or_else(|| format!("no suite {}", set.suite))?;
        let keys = set.keys.iter().map(MasterKey::bytes).collect::<Result<Vec<_>, _>>()?;
        if keys.iter().any(|(key, _)| key.len() != suite.key_len() + suite.salt_len()) {
            return Err(format!("a key of the wrong length for {}", set.suite));
        }
        if suite.key_len() == 24 && !set.libsrtp_aes192 {
            let [(key, mki)] = &keys[..] else { return Err("AES-192 takes one key here".into()) };
            return mki
                .is_empty()
                .then(|| Self::Aes192(Box::new(aes192::Context::new(key, suite.rtp_tag_len()))))
                .ok_or_else(|| "AES-192 takes no MKI here".into());
        }
        let split: Vec<_> = keys
            .iter()
            .map(|(key, mki)| libsrtp::Key {
                key: &key[..suite.key_len()],
                salt: &key[suite.key_len()..],
                mki,
            })
            .collect();
        let policy = libsrtp::Policy::new(suite, ssrc, &split);
        let mut session =
            libsrtp::Session::new(libsrtp::Library::openssl(), &policy).map_err(|e| e.to_string())?;
        session.send_with_key(with).map_err(|e| e.to_string())?;
        Ok(Self::Libsrtp(session))
    }
}

fn fault(error: libsrtp::Error) -> Fault {
    match error {
        libsrtp::Error::Auth => Fault::Authentication,
        error if error.is_replay() => Fault::Replay,
        libsrtp::Error::BadMki => Fault::UnknownMki,
        _ => Fault::Malformed,
    }
}

/// Keys of a peer, to receive with.
pub struct Inbound(Engine);

impl Inbound {
    /// A fresh context; every SSRC starts with rollover counter 0.
    pub fn new(set: &KeySet) -> Result<Self, String> {
        Engine::new(set, libsrtp::Ssrc::AnyInbound, 0).map(Self)
    }

    /// Authenticates and decrypts in place.
    pub fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.0 {
            Engine::Libsrtp(session) => {
                session.unprotect_rtp(packet).map(|length| packet.truncate(length)).map_err(fault)
            }
            Engine::Aes192(context) => context.unprotect_rtp(packet),
        }
    }

    /// [`Self::rtp`] for RTCP.
    pub fn rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.0 {
            Engine::Libsrtp(session) => {
                session.unprotect_rtcp(packet).map(|length| packet.truncate(length)).map_err(fault)
            }
            Engine::Aes192(context) => context.unprotect_rtcp(packet),
        }
    }
}

/// Keys of ours, to send with.
pub struct Outbound(Engine);

impl Outbound {
    /// A fresh context that sends with key number `with`.
    pub fn new(set: &KeySet, with: usize) -> Result<Self, String> {
        Engine::new(set, libsrtp::Ssrc::AnyOutbound, with).map(Self)
    }

    /// Encrypts and authenticates.
    pub fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), String> {
        match &mut self.0 {
            Engine::Libsrtp(session) => *packet = session.protected_rtp(packet).map_err(|e| e.to_string())?,
            Engine::Aes192(context) => context.protect_rtp(packet),
        }
        Ok(())
    }

    /// [`Self::rtp`] for RTCP.
    pub fn rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), String> {
        match &mut self.0 {
            Engine::Libsrtp(session) => {
                *packet = session.protected_rtcp(packet).map_err(|e| e.to_string())?
            }
            Engine::Aes192(context) => context.protect_rtcp(packet),
        }
        Ok(())
    }
}
