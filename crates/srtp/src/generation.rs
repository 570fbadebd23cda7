//! One generation of keys, from its installation to the next re-key: master keys with their expanded session keys and
//! use, and the SSRCs seen under them.

use smallvec::SmallVec;

use crate::crypto::{RtcpKeys, RtpKeys};
use crate::event::{Event, EventQueue, Protocol};
use crate::keys::{KeySelector, KeySet, Lifetime, MasterKey, SessionParams};
use crate::ssrc_table::SsrcTable;
use crate::suite::Suite;

pub(crate) struct Generation {
    installed: KeySet,
    suite: Suite,
    params: SessionParams,
    mki_len: usize,
    keys: SmallVec<[KeyContext; 1]>,
    /// The key that SRTP used last: SRTCP follows it where keys go by <From,To> (RFC 3711 section 8.1.1).
    last: usize,
    ssrc_limit_told: bool,
    pub(crate) rtp: SsrcTable,
    pub(crate) rtcp: SsrcTable,
}

/// A master key in use.
pub(crate) struct KeyContext {
    selector: KeySelector,
    lifetime: Lifetime,
    derivation: Derivation,
    pub(crate) rtp: RtpKeys,
    pub(crate) rtcp: RtcpKeys,
    rtp_use: Use,
    rtcp_use: Use,
}

/// RFC 3711 section 4.3.1: session keys are derived once, or whenever index DIV rate changes.
enum Derivation {
    Once,
    Every(Box<Rate>),
}

struct Rate {
    log2: u32,
    master: MasterKey,
    params: SessionParams,
    rtp_r: u64,
    rtcp_r: u64,
}

/// How many packets a key has protected, and what its owner was told.
#[derive(Default)]
struct Use {
    packets: u64,
    told_expiring: bool,
    told_expired: bool,
}

impl Use {
    fn is_over(&mut self, lifetime: u64, protocol: Protocol, events: &mut EventQueue) -> bool {
        let over = self.packets >= lifetime;
        if over && !std::mem::replace(&mut self.told_expired, true) {
            events.push(Event::KeyExpired { protocol });
        }
        over
    }

    #[inline(always)]
    fn count(&mut self, lifetime: u64, protocol: Protocol, events: &mut EventQueue) {
        self.packets += 1;
        let remaining = lifetime - self.packets;
        if remaining <= lifetime / 8 && !std::mem::replace(&mut self.told_expiring, true) {
            events.push(Event::KeyExpiring { protocol, remaining });
        }
    }
}

impl KeyContext {
    fn new(master: &MasterKey, params: SessionParams) -> Self {
        let derivation = match params.key_derivation_rate {
            0 => Derivation::Once,
            rate => Derivation::Every(Box::new(Rate {
                log2: rate.trailing_zeros(),
                master: master.clone(),
                params,
                rtp_r: 0,
                rtcp_r: 0,
            })),
        };
        Self {
            selector: master.selector().clone(),
            lifetime: master.lifetime(),
            derivation,
            rtp: RtpKeys::derive(master, params, 0),
            rtcp: RtcpKeys::derive(master, params, 0),
            rtp_use: Use::default(),
            rtcp_use: Use::default(),
        }
    }

    pub(crate) fn mki(&self) -> &[u8] {
        match &self.selector {
            KeySelector::Mki(mki) => mki,
            KeySelector::Only | KeySelector::FromTo(..) => &[],
        }
    }

    /// The session keys for the packet `index`.
    #[inline(always)]
    pub(crate) fn rtp_at(&mut self, index: u64) -> &RtpKeys {
        if let Derivation::Every(rate) = &mut self.derivation {
            let r = index >> rate.log2;
            if std::mem::replace(&mut rate.rtp_r, r) != r {
                self.rtp = RtpKeys::derive(&rate.master, rate.params, r);
            }
        }
        &self.rtp
    }

    /// The session keys for the SRTCP packet `index`.
    pub(crate) fn rtcp_at(&mut self, index: u32) -> &RtcpKeys {
        if let Derivation::Every(rate) = &mut self.derivation {
            let r = u64::from(index) >> rate.log2;
            if std::mem::replace(&mut rate.rtcp_r, r) != r {
                self.rtcp = RtcpKeys::derive(&rate.master, rate.params, r);
            }
        }
        &self.rtcp
    }

    pub(crate) fn is_expired(&mut self, protocol: Protocol, events: &mut EventQueue) -> bool {
        match protocol {
            Protocol::Srtp => self.rtp_use.is_over(self.lifetime.srtp(), protocol, events),
            Protocol::Srtcp => self.rtcp_use.is_over(self.lifetime.srtcp(), protocol, events),
        }
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, protocol: Protocol, events: &mut EventQueue) {
        match protocol {
            Protocol::Srtp => self.rtp_use.count(self.lifetime.srtp(), protocol, events),
            Protocol::Srtcp => self.rtcp_use.count(self.lifetime.srtcp(), protocol, events),
        }
    }
}

impl Generation {
    pub(crate) fn new(keys: &KeySet) -> Self {
        Self {
            installed: keys.clone(),
            suite: keys.suite(),
            params: keys.params(),
            mki_len: keys.mki_len(),
            keys: keys.keys().iter().map(|key| KeyContext::new(key, keys.params())).collect(),
            last: 0,
            ssrc_limit_told: false,
            rtp: SsrcTable::default(),
            rtcp: SsrcTable::default(),
        }
    }

    /// Whether `keys` are the ones installed.
    pub(crate) fn is_under(&self, keys: &KeySet) -> bool {
        self.installed.same_as(keys)
    }

    /// Other keys for receiving: the ROC goes on (RFC 3711 section 3.3.1), nothing was received under them yet.
    pub(crate) fn receiving_successor(&self, keys: &KeySet, replay_window: u32) -> Self {
        Self {
            rtp: self.rtp.carried(replay_window),
            rtcp: self.rtcp.carried(replay_window),
            ..Self::new(keys)
        }
    }

    /// Other keys for sending: the ROC goes on, and what was sent stays sent.
    pub(crate) fn sending_successor(&self, keys: &KeySet) -> Self {
        Self { rtp: self.rtp.clone(), rtcp: self.rtcp.clone(), ..Self::new(keys) }
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn mki_len(&self) -> usize {
        self.mki_len
    }

    pub(crate) fn encrypts_rtcp(&self) -> bool {
        !self.params.unencrypted_srtcp && self.suite.encrypts()
    }

    /// Bytes that SRTP adds to a packet.
    pub(crate) fn rtp_trailer(&self) -> usize {
        let tag = if self.params.unauthenticated_srtp { 0 } else { self.suite.rtp_tag_len() };
        self.mki_len + tag
    }

    /// Bytes that SRTCP adds to a packet, its index included.
    pub(crate) fn rtcp_trailer(&self) -> usize {
        self.mki_len + self.suite.rtcp_tag_len() + crate::header::SRTCP_WORD
    }

    /// Bytes behind the SRTCP index.
    pub(crate) fn behind_srtcp_word(&self) -> usize {
        self.mki_len + if self.suite.is_aead() { 0 } else { self.suite.rtcp_tag_len() }
    }

    /// The MKI of a received SRTP packet, long enough for [`rtp_trailer`](Self::rtp_trailer).
    pub(crate) fn rtp_mki<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let tag = if self.suite.is_aead() { 0 } else { self.rtp_trailer() - self.mki_len };
        let end = packet.len() - tag;
        &packet[end - self.mki_len..end]
    }

    /// The MKI of a received SRTCP packet, long enough for [`rtcp_trailer`](Self::rtcp_trailer).
    pub(crate) fn rtcp_mki<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let tag = self.behind_srtcp_word() - self.mki_len;
        let end = packet.len() - tag;
        &packet[end - self.mki_len..end]
    }

    /// The key of a received SRTP packet.
    #[inline(always)]
    pub(crate) fn rtp_key(&self, mki: &[u8], index: u64) -> Option<usize> {
        self.keys.iter().position(|key| match &key.selector {
            KeySelector::Only => true,
            KeySelector::Mki(own) => own[..] == *mki,
            KeySelector::FromTo(from, to) => (from..=to).contains(&&index),
        })
    }

    /// The key of a received SRTCP packet.
    pub(crate) fn rtcp_key(&self, mki: &[u8]) -> Option<usize> {
        match self.keys[0].selector {
            KeySelector::FromTo(..) => Some(self.last),
            KeySelector::Only | KeySelector::Mki(_) => self.rtp_key(mki, 0),
        }
    }

    /// The key to send an SRTP packet under: the first, in order of preference, whose lifetime is not over.
    #[inline(always)]
    pub(crate) fn rtp_sending_key(&mut self, index: u64, events: &mut EventQueue) -> Option<usize> {
        (0..self.keys.len()).find(|&at| {
            let key = &mut self.keys[at];
            let fits = match &key.selector {
                KeySelector::FromTo(from, to) => (from..=to).contains(&&index),
                KeySelector::Only | KeySelector::Mki(_) => true,
            };
            fits && !key.is_expired(Protocol::Srtp, events)
        })
    }

    /// The key to send an SRTCP packet under.
    pub(crate) fn rtcp_sending_key(&mut self, events: &mut EventQueue) -> Option<usize> {
        if matches!(self.keys[0].selector, KeySelector::FromTo(..)) {
            let last = self.last;
            return (!self.keys[last].is_expired(Protocol::Srtcp, events)).then_some(last);
        }
        (0..self.keys.len()).find(|&at| !self.keys[at].is_expired(Protocol::Srtcp, events))
    }

    #[inline(always)]
    pub(crate) fn key(&mut self, at: usize) -> &mut KeyContext {
        &mut self.keys[at]
    }

    /// Counts an SRTP packet that was protected or authenticated under the key.
    #[inline(always)]
    pub(crate) fn used_for_rtp(&mut self, at: usize, events: &mut EventQueue) {
        self.last = at;
        self.keys[at].count(Protocol::Srtp, events);
    }

    /// Tells the owner once per generation that SSRCs are refused.
    pub(crate) fn tell_ssrc_limit(&mut self, ssrc: u32, events: &mut EventQueue) {
        if !std::mem::replace(&mut self.ssrc_limit_told, true) {
            events.push(Event::SsrcLimit { ssrc });
        }
    }
}
