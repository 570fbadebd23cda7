//! The implementations that are compared, behind one shape that the compiler sees through.

use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey, Outbound, Suite};
use sealrtp_test_libsrtp as peer;

/// Numbers that look random: splitmix64.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Keys of one stream; both sides are made from the same.
#[derive(Clone)]
pub struct StreamKeys {
    /// The suite.
    pub suite: Suite,
    /// The stream's SSRC.
    pub ssrc: u32,
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl StreamKeys {
    /// Keys that differ from stream to stream; not random, so that two runs do the same work.
    pub fn new(suite: Suite, number: u32) -> Self {
        let mut random = SplitMix(u64::from(number) << 8 | suite as u64);
        let mut next = || random.next() as u8;
        let key = (0..suite.key_len()).map(|_| next()).collect();
        let salt = (0..suite.salt_len()).map(|_| next()).collect();
        Self { suite, ssrc: 0x5ea1_0000 + number, key, salt }
    }

    fn key_set(&self) -> KeySet {
        KeySet::single(
            MasterKey::new(self.suite, &self.key, &self.salt).expect("lengths come from the suite"),
        )
    }

    /// libsrtp is told the SSRC, which spares it the search for a template.
    fn session(&self, library: &'static peer::Library) -> peer::Session {
        let suite =
            peer::Suite::from_name(self.suite.name()).expect("only suites that libsrtp knows are measured");
        let keys = [peer::Key { key: &self.key, salt: &self.salt, mki: &[] }];
        peer::Session::new(library, &peer::Policy::new(suite, peer::Ssrc::One(self.ssrc), &keys))
            .expect("libsrtp takes the keys")
    }
}

/// Something that protects packets.
pub trait Sender {
    /// Protects `buf[..len]` in place; returns the new length.
    fn protect(&mut self, buf: &mut [u8], len: usize) -> usize;
    /// The same for an RTCP packet.
    fn protect_control(&mut self, buf: &mut [u8], len: usize) -> usize;
}

/// Something that opens packets.
pub trait Receiver {
    /// Opens `packet` in place; returns the new length.
    fn unprotect(&mut self, packet: &mut [u8]) -> usize;
    /// The same for an RTCP packet.
    fn unprotect_control(&mut self, packet: &mut [u8]) -> usize;
}

impl Sender for Outbound {
    #[inline]
    fn protect(&mut self, buf: &mut [u8], len: usize) -> usize {
        self.protect_rtp(buf, len).expect("a fresh packet is protected")
    }

    fn protect_control(&mut self, buf: &mut [u8], len: usize) -> usize {
        self.protect_rtcp(buf, len).expect("a fresh packet is protected")
    }
}

impl Receiver for Inbound {
    #[inline]
    fn unprotect(&mut self, packet: &mut [u8]) -> usize {
        self.unprotect_rtp(packet).expect("a fresh packet opens")
    }

    fn unprotect_control(&mut self, packet: &mut [u8]) -> usize {
        self.unprotect_rtcp(packet).expect("a fresh packet opens")
    }
}

impl Sender for peer::Session {
    #[inline]
    fn protect(&mut self, buf: &mut [u8], len: usize) -> usize {
        self.protect_rtp(buf, len).expect("a fresh packet is protected")
    }

    fn protect_control(&mut self, buf: &mut [u8], len: usize) -> usize {
        self.protect_rtcp(buf, len).expect("a fresh packet is protected")
    }
}

impl Receiver for peer::Session {
    #[inline]
    fn unprotect(&mut self, packet: &mut [u8]) -> usize {
        self.unprotect_rtp(packet).expect("a fresh packet opens")
    }

    fn unprotect_control(&mut self, packet: &mut [u8]) -> usize {
        self.unprotect_rtcp(packet).expect("a fresh packet opens")
    }
}

/// Makes streams of one implementation.
pub trait Side {
    /// Its sending direction.
    type Out: Sender;
    /// Its receiving direction.
    type In: Receiver;
    /// What the keys are held in before a stream is made; not part of a stream's cost.
    type Keys;

    /// Prepares keys.
    fn keys(&self, keys: &StreamKeys) -> Self::Keys;
    /// A sending direction.
    fn out(&self, keys: &Self::Keys) -> Self::Out;
    /// A receiving direction.
    fn inn(&self, keys: &Self::Keys) -> Self::In;
}

/// Our own.
#[derive(Clone, Copy)]
pub struct Ours;

impl Side for Ours {
    type Out = Outbound;
    type In = Inbound;
    type Keys = KeySet;

    fn keys(&self, keys: &StreamKeys) -> KeySet {
        keys.key_set()
    }

    fn out(&self, keys: &KeySet) -> Outbound {
        Outbound::new(keys, Limits::default())
    }

    fn inn(&self, keys: &KeySet) -> Inbound {
        Inbound::new(keys, Limits::default())
    }
}

/// A build of libsrtp.
#[derive(Clone, Copy)]
pub struct Peer(pub &'static peer::Library);

impl Side for Peer {
    type Out = peer::Session;
    type In = peer::Session;
    type Keys = StreamKeys;

    fn keys(&self, keys: &StreamKeys) -> StreamKeys {
        keys.clone()
    }

    fn out(&self, keys: &StreamKeys) -> peer::Session {
        keys.session(self.0)
    }

    fn inn(&self, keys: &StreamKeys) -> peer::Session {
        keys.session(self.0)
    }
}
