//! The two sides and what they say of a packet.

use sealrtp_srtp::{
    Inbound, KeySet, Limits, MAX_TRAILER_LEN, MasterKey, Outbound, ProtectError, SessionParams,
    UnprotectError,
};
use sealrtp_test_libsrtp::{Error, Key, Library, Policy, Session, Ssrc, Suite};

/// The builds of libsrtp that are here. Says so when Debian's is not.
pub fn libraries() -> Vec<&'static Library> {
    let mut all = vec![Library::openssl()];
    match Library::debian() {
        Ok(library) => all.push(library),
        Err(absent) => println!("{absent}"),
    }
    all
}

/// A verdict on a packet, as far as both sides tell reasons apart.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken; the packet that came out.
    Taken(Vec<u8>),
    /// Its index was used before, or is older than the window.
    Replay,
    /// Refused for another reason.
    Refused,
}

impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(packet) => {
                write!(f, "Taken({} bytes:", packet.len())?;
                packet.iter().take(48).try_for_each(|byte| write!(f, " {byte:02x}"))?;
                write!(f, ")")
            }
            Self::Replay => write!(f, "Replay"),
            Self::Refused => write!(f, "Refused"),
        }
    }
}

impl From<Result<Vec<u8>, Error>> for Verdict {
    fn from(result: Result<Vec<u8>, Error>) -> Self {
        match result {
            Ok(packet) => Self::Taken(packet),
            Err(error) if error.is_replay() => Self::Replay,
            Err(_) => Self::Refused,
        }
    }
}

impl From<Result<Vec<u8>, UnprotectError>> for Verdict {
    fn from(result: Result<Vec<u8>, UnprotectError>) -> Self {
        match result {
            Ok(packet) => Self::Taken(packet),
            Err(UnprotectError::Replayed | UnprotectError::TooOld) => Self::Replay,
            Err(_) => Self::Refused,
        }
    }
}

impl From<Result<Vec<u8>, ProtectError>> for Verdict {
    fn from(result: Result<Vec<u8>, ProtectError>) -> Self {
        match result {
            Ok(packet) => Self::Taken(packet),
            Err(ProtectError::IndexUsed) => Self::Replay,
            Err(_) => Self::Refused,
        }
    }
}

/// Master keys that both sides are made from.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The suite, as libsrtp calls it.
    pub suite: Suite,
    /// Key, salt and MKI; one without MKI, or several with.
    pub keys: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    /// Packets in the replay windows.
    pub window: u32,
}

impl Keys {
    /// One key without MKI, made from a seed, and windows of 128 packets.
    pub fn one(suite: Suite, seed: u8) -> Self {
        Self { suite, keys: vec![Self::material(suite, seed, &[])], window: 128 }
    }

    /// One key for each MKI.
    pub fn with_mkis(suite: Suite, mkis: &[Vec<u8>]) -> Self {
        let keys = mkis.iter().enumerate().map(|(i, mki)| Self::material(suite, i as u8, mki)).collect();
        Self { suite, keys, window: 128 }
    }

    fn material(suite: Suite, seed: u8, mki: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let bytes = |from: usize, len: usize| -> Vec<u8> {
            (from..from + len)
                .map(|i| (i as u8).wrapping_mul(73).wrapping_add(seed.wrapping_mul(29)) ^ 0xa5)
                .collect()
        };
        (bytes(1, suite.key_len()), bytes(101, suite.salt_len()), mki.to_vec())
    }

    /// Our key set. AES-192 keys are derived as libsrtp derives them.
    pub fn ours(&self) -> KeySet {
        self.ours_with(SessionParams { libsrtp_aes192: true, ..SessionParams::default() })
    }

    /// Our key set with other session parameters.
    pub fn ours_with(&self, params: SessionParams) -> KeySet {
        let suite =
            sealrtp_srtp::Suite::from_name(self.suite.name()).expect("we speak every suite of libsrtp");
        let keys = self.keys.iter().map(|(key, salt, mki)| {
            let master = MasterKey::new(suite, key, salt).expect("both sides agree on the lengths");
            if mki.is_empty() { master } else { master.with_mki(mki).expect("an MKI in range") }
        });
        KeySet::new(keys.collect(), params).expect("keys that can be told apart")
    }

    fn session(&self, library: &'static Library, ssrc: Ssrc) -> Session {
        let keys: Vec<Key<'_>> = self.keys.iter().map(|(key, salt, mki)| Key { key, salt, mki }).collect();
        let policy = Policy { window: self.window as usize, ..Policy::new(self.suite, ssrc, &keys) };
        Session::new(library, &policy).expect("libsrtp takes the keys")
    }
}

/// libsrtp in both directions.
pub struct Oracle {
    out: Session,
    inn: Session,
}

impl Oracle {
    /// Under these keys, for any SSRC.
    pub fn new(library: &'static Library, keys: &Keys) -> Self {
        Self { out: keys.session(library, Ssrc::AnyOutbound), inn: keys.session(library, Ssrc::AnyInbound) }
    }

    /// Sends with another of the keys.
    pub fn send_with_key(&mut self, at: usize) {
        self.out.send_with_key(at).expect("one of the keys");
    }

    /// Protects an RTP packet.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Verdict {
        self.out.protected_rtp(packet).into()
    }

    /// Protects an RTCP packet.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Verdict {
        self.out.protected_rtcp(packet).into()
    }

    /// Opens an SRTP packet.
    pub fn unprotect_rtp(&mut self, packet: &[u8]) -> Verdict {
        self.inn.unprotected_rtp(packet).into()
    }

    /// Opens an SRTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Verdict {
        self.inn.unprotected_rtcp(packet).into()
    }

    /// The receiver's rollover counter of a stream.
    pub fn received_roc(&self, ssrc: u32) -> u32 {
        self.inn.roc(ssrc).expect("a stream that was received")
    }
}

/// Ours in both directions.
pub struct Ours {
    out: Outbound,
    inn: Inbound,
}

impl Ours {
    /// Under these keys.
    pub fn new(keys: &Keys) -> Self {
        Self::under(&keys.ours(), keys.window)
    }

    /// Under a key set; `window` in packets.
    pub fn under(keys: &KeySet, window: u32) -> Self {
        let limits = Limits::new(window, 64).expect("limits in range");
        Self { out: Outbound::new(keys, limits), inn: Inbound::new(keys, limits) }
    }

    /// Protects an RTP packet.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Verdict {
        grown(packet, |buf| self.out.protect_rtp(buf, packet.len())).into()
    }

    /// Protects an RTCP packet.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Verdict {
        grown(packet, |buf| self.out.protect_rtcp(buf, packet.len())).into()
    }

    /// Opens an SRTP packet.
    pub fn unprotect_rtp(&mut self, packet: &[u8]) -> Verdict {
        shrunk(packet, |buf| self.inn.unprotect_rtp(buf)).into()
    }

    /// Opens an SRTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Verdict {
        shrunk(packet, |buf| self.inn.unprotect_rtcp(buf)).into()
    }
}

fn grown<E>(packet: &[u8], protect: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Vec<u8>, E> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + MAX_TRAILER_LEN, 0xee);
    let len = protect(&mut buf)?;
    buf.truncate(len);
    Ok(buf)
}

fn shrunk<E>(packet: &[u8], unprotect: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Vec<u8>, E> {
    let mut buf = packet.to_vec();
    let len = unprotect(&mut buf)?;
    buf.truncate(len);
    Ok(buf)
}
