//! One generation of keys, from its installation to the next re-key: master keys with their expanded session keys and
//! use, and the SSRCs seen under them.
//!
//! What every SRTP packet touches stands together and is small; the rest is behind one pointer.

use sealrtp_srtp_accel::Path;
use smallvec::SmallVec;

use crate::crypto::{Prf, RtcpKeys, RtpKeys};
use crate::event::{Event, EventQueue, Protocol};
use crate::keys::{KeySelector, KeySet, MasterKey};
use crate::limits::Limits;
use crate::ssrc_table::SsrcTable;
use crate::suite::Suite;

#[repr(C)]
pub(crate) struct Generation {
    pub(crate) rtp: SsrcTable,
    rest: Box<Rest>,
    /// Bytes that SRTP adds to a packet: an MKI of 128 bytes and a tag of 16 at most.
    rtp_trailer: u8,
    mki_len: u8,
    /// One master key that no MKI or range selects, derived from once: nothing to look up for a packet.
    plain: bool,
    first: ActiveKey,
}

/// What every SRTP packet under a master key touches.
#[repr(C)]
struct ActiveKey {
    /// Packets until there is something to tell, or the key's end.
    left: u64,
    keys: RtpKeys,
}

/// What a stream of plain SRTP packets does not touch.
struct Rest {
    installed: KeySet,
    limits: Limits,
    /// The key that SRTP used last: SRTCP follows it where keys go by <From,To> (RFC 3711 section 8.1.1).
    last: usize,
    ssrc_limit_told: bool,
    rtcp: SsrcTable,
    keys: SmallVec<[KeyRest; 1]>,
    /// The master keys after the first.
    further: Vec<ActiveKey>,
}

/// The rest of a master key.
struct KeyRest {
    rtcp: RtcpKeys,
    rtcp_left: u64,
    rtp_told: Told,
    rtcp_told: Told,
    /// Packet index DIV key derivation rate of the session keys (RFC 3711 section 4.3.1).
    rtp_r: u64,
    rtcp_r: u64,
}

/// What the owner of a key was told.
#[derive(Default)]
struct Told {
    expiring: bool,
    expired: bool,
}

/// Packets before the warning that a key with this lifetime is about to end: seven eighths.
fn unwarned(lifetime: u64) -> u64 {
    lifetime - lifetime / 8
}

impl Told {
    /// The countdown of `left` ran out: the warning, and what is left then.
    #[cold]
    fn warn(&mut self, lifetime: u64, protocol: Protocol, events: &mut EventQueue) -> u64 {
        if std::mem::replace(&mut self.expiring, true) {
            return 0;
        }
        let remaining = lifetime / 8;
        events.push(Event::KeyExpiring { protocol, remaining });
        remaining
    }

    #[cold]
    fn end(&mut self, protocol: Protocol, events: &mut EventQueue) {
        if !std::mem::replace(&mut self.expired, true) {
            events.push(Event::KeyExpired { protocol });
        }
    }
}

impl Generation {
    pub(crate) fn new(keys: &KeySet, limits: Limits) -> Self {
        let (suite, params) = (keys.suite(), keys.params());
        let tag = if params.unauthenticated_srtp { 0 } else { suite.rtp_tag_len() };
        let expanded = |master: &MasterKey| {
            let prf = Prf::new(master, params.libsrtp_aes192);
            let active = ActiveKey {
                left: unwarned(master.lifetime().srtp()),
                keys: RtpKeys::derive(&prf, params, 0),
            };
            let rest = KeyRest {
                rtcp: RtcpKeys::derive(&prf, 0),
                rtcp_left: unwarned(master.lifetime().srtcp()),
                rtp_told: Told::default(),
                rtcp_told: Told::default(),
                rtp_r: 0,
                rtcp_r: 0,
            };
            (active, rest)
        };
        let [first, further @ ..] = keys.keys() else { unreachable!("a key set has a key") };
        let (first, rest) = expanded(first);
        let mut key_rests = SmallVec::from_buf([rest]);
        let further = further
            .iter()
            .map(|master| {
                let (active, rest) = expanded(master);
                key_rests.push(rest);
                active
            })
            .collect();
        Self {
            rtp: SsrcTable::default(),
            rtp_trailer: (keys.mki_len() + tag) as u8,
            mki_len: keys.mki_len() as u8,
            plain: matches!(keys.keys(), [only] if *only.selector() == KeySelector::Only)
                && params.key_derivation_rate == 0,
            first,
            rest: Box::new(Rest {
                installed: keys.clone(),
                limits,
                last: 0,
                ssrc_limit_told: false,
                rtcp: SsrcTable::default(),
                keys: key_rests,
                further,
            }),
        }
    }

    /// Whether `keys` are the ones installed.
    pub(crate) fn is_under(&self, keys: &KeySet) -> bool {
        self.rest.installed.same_as(keys)
    }

    /// Other keys for receiving: the ROC goes on (RFC 3711 section 3.3.1), nothing was received under them yet.
    pub(crate) fn receiving_successor(&self, keys: &KeySet) -> Self {
        let size = self.rest.limits.replay_window();
        self.successor(keys, self.rtp.carried(size), self.rest.rtcp.carried(size))
    }

    /// Other keys for sending: the ROC goes on, and what was sent stays sent.
    pub(crate) fn sending_successor(&self, keys: &KeySet) -> Self {
        self.successor(keys, self.rtp.clone(), self.rest.rtcp.clone())
    }

    fn successor(&self, keys: &KeySet, rtp: SsrcTable, rtcp: SsrcTable) -> Self {
        let mut next = Self::new(keys, self.rest.limits);
        next.rtp = rtp;
        next.rest.rtcp = rtcp;
        next
    }

    pub(crate) fn suite(&self) -> Suite {
        self.rest.installed.suite()
    }

    /// What SRTP packets go through.
    pub(crate) fn path(&self) -> Path {
        match self.first.keys.is_accelerated() {
            true if self.suite().is_aead() => Path::chosen(),
            true => Path::chosen_for_cm(),
            false => Path::Portable,
        }
    }

    /// Whether packets have nothing to look up and a tag is `AES_CM`'s, made by a kernel that takes several at a time, and whether
    /// the key lasts for so many without anything to tell.
    #[inline(always)]
    pub(crate) fn takes_together(&self, packets: usize) -> bool {
        self.plain && self.first.left > packets as u64 && self.first.keys.takes_together()
    }

    #[inline(always)]
    pub(crate) fn mki_len(&self) -> usize {
        self.mki_len.into()
    }

    pub(crate) fn encrypts_rtcp(&self) -> bool {
        !self.rest.installed.params().unencrypted_srtcp && self.suite().encrypts()
    }

    /// Bytes that SRTP adds to a packet.
    #[inline(always)]
    pub(crate) fn rtp_trailer(&self) -> usize {
        self.rtp_trailer.into()
    }

    /// Bytes that SRTCP adds to a packet, its index included.
    pub(crate) fn rtcp_trailer(&self) -> usize {
        self.mki_len() + self.suite().rtcp_tag_len() + crate::header::SRTCP_WORD
    }

    /// Bytes behind the SRTCP index.
    pub(crate) fn behind_srtcp_word(&self) -> usize {
        self.mki_len() + if self.suite().is_aead() { 0 } else { self.suite().rtcp_tag_len() }
    }

    /// The MKI of a received SRTP packet, long enough for [`rtp_trailer`](Self::rtp_trailer).
    fn rtp_mki<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let tag = if self.suite().is_aead() { 0 } else { self.rtp_trailer() - self.mki_len() };
        let end = packet.len() - tag;
        &packet[end - self.mki_len()..end]
    }

    /// The MKI of a received SRTCP packet, long enough for [`rtcp_trailer`](Self::rtcp_trailer).
    fn rtcp_mki<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let tag = self.behind_srtcp_word() - self.mki_len();
        let end = packet.len() - tag;
        &packet[end - self.mki_len()..end]
    }

    /// Whether packets have nothing to look up: one master key that no MKI or range selects, derived from once. Then, and
    /// only then, the functions below may be called with `PLAIN`.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The number of the key of a received SRTP packet.
    #[inline(always)]
    pub(crate) fn rtp_key<const PLAIN: bool>(&self, packet: &[u8], index: u64) -> Option<usize> {
        if PLAIN { Some(0) } else { self.selected(self.rtp_mki(packet), index) }
    }

    #[cold]
    fn selected(&self, mki: &[u8], index: u64) -> Option<usize> {
        self.rest.installed.keys().iter().position(|key| match key.selector() {
            KeySelector::Only => true,
            KeySelector::Mki(own) => own[..] == *mki,
            KeySelector::FromTo(from, to) => (from..=to).contains(&&index),
        })
    }

    fn goes_by_index(&self) -> bool {
        matches!(self.rest.installed.keys()[0].selector(), KeySelector::FromTo(..))
    }

    /// The number of the key of a received SRTCP packet.
    pub(crate) fn rtcp_key(&self, packet: &[u8]) -> Option<usize> {
        if self.goes_by_index() { Some(self.rest.last) } else { self.selected(self.rtcp_mki(packet), 0) }
    }

    /// The number of the key to send an SRTP packet under: the first, in order of preference, whose lifetime is not over.
    #[inline(always)]
    pub(crate) fn rtp_sending_key<const PLAIN: bool>(
        &mut self,
        index: u64,
        events: &mut EventQueue,
    ) -> Option<usize> {
        if PLAIN {
            return (!self.is_rtp_key_over(0, events)).then_some(0);
        }
        self.preferred(index, events)
    }

    #[cold]
    fn preferred(&mut self, index: u64, events: &mut EventQueue) -> Option<usize> {
        (0..self.rest.keys.len()).find(|&at| {
            let fits = match self.rest.installed.keys()[at].selector() {
                KeySelector::FromTo(from, to) => (from..=to).contains(&&index),
                KeySelector::Only | KeySelector::Mki(_) => true,
            };
            fits && !self.is_rtp_key_over(at, events)
        })
    }

    /// The number of the key to send an SRTCP packet under.
    pub(crate) fn rtcp_sending_key(&mut self, events: &mut EventQueue) -> Option<usize> {
        if self.goes_by_index() {
            let last = self.rest.last;
            return (!self.is_rtcp_key_over(last, events)).then_some(last);
        }
        (0..self.rest.keys.len()).find(|&at| !self.is_rtcp_key_over(at, events))
    }

    #[inline(always)]
    fn active(&mut self, at: usize) -> &mut ActiveKey {
        match at {
            0 => &mut self.first,
            _ => &mut self.rest.further[at - 1],
        }
    }

    /// Whether the lifetime of a key is over for SRTP; its owner is told once.
    #[inline(always)]
    pub(crate) fn is_rtp_key_over(&mut self, at: usize, events: &mut EventQueue) -> bool {
        let over = self.active(at).left == 0;
        if over {
            self.rest.keys[at].rtp_told.end(Protocol::Srtp, events);
        }
        over
    }

    /// The same for SRTCP.
    pub(crate) fn is_rtcp_key_over(&mut self, at: usize, events: &mut EventQueue) -> bool {
        let key = &mut self.rest.keys[at];
        let over = key.rtcp_left == 0;
        if over {
            key.rtcp_told.end(Protocol::Srtcp, events);
        }
        over
    }

    /// The session keys for the packet `index`, and the MKI.
    #[inline(always)]
    pub(crate) fn rtp_keys<const PLAIN: bool>(&mut self, at: usize, index: u64) -> (&RtpKeys, &[u8]) {
        if PLAIN {
            return (&self.first.keys, &[]);
        }
        self.rtp_keys_at(at, index)
    }

    #[cold]
    fn rtp_keys_at(&mut self, at: usize, index: u64) -> (&RtpKeys, &[u8]) {
        let params = self.rest.installed.params();
        if let Some(r) = index.checked_div(params.key_derivation_rate)
            && std::mem::replace(&mut self.rest.keys[at].rtp_r, r) != r
        {
            let prf = Prf::new(&self.rest.installed.keys()[at], params.libsrtp_aes192);
            let keys = RtpKeys::derive(&prf, params, r);
            self.active(at).keys = keys;
        }
        let active = match at {
            0 => &self.first,
            _ => &self.rest.further[at - 1],
        };
        (&active.keys, self.rest.installed.keys()[at].mki())
    }

    /// The session keys of [a plain generation](Self::takes_together).
    #[inline(always)]
    pub(crate) fn plain_keys(&self) -> &RtpKeys {
        &self.first.keys
    }

    /// The session keys for the SRTCP packet `index`, and the MKI.
    pub(crate) fn rtcp_keys(&mut self, at: usize, index: u32) -> (&RtcpKeys, &[u8]) {
        let Rest { installed, keys, .. } = &mut *self.rest;
        let (master, params) = (&installed.keys()[at], installed.params());
        let key = &mut keys[at];
        if let Some(r) = u64::from(index).checked_div(params.key_derivation_rate)
            && std::mem::replace(&mut key.rtcp_r, r) != r
        {
            key.rtcp = RtcpKeys::derive(&Prf::new(master, params.libsrtp_aes192), r);
        }
        (&key.rtcp, master.mki())
    }

    /// Counts an SRTP packet that was protected or authenticated under the key.
    #[inline(always)]
    pub(crate) fn used_for_rtp<const PLAIN: bool>(&mut self, at: usize, events: &mut EventQueue) {
        if !PLAIN {
            self.rest.last = at;
        }
        let active = self.active(at);
        active.left -= 1;
        if active.left == 0 {
            let lifetime = self.rest.installed.keys()[at].lifetime().srtp();
            self.active(at).left = self.rest.keys[at].rtp_told.warn(lifetime, Protocol::Srtp, events);
        }
    }

    /// The same for SRTCP.
    pub(crate) fn used_for_rtcp(&mut self, at: usize, events: &mut EventQueue) {
        let lifetime = self.rest.installed.keys()[at].lifetime().srtcp();
        let key = &mut self.rest.keys[at];
        key.rtcp_left -= 1;
        if key.rtcp_left == 0 {
            key.rtcp_left = key.rtcp_told.warn(lifetime, Protocol::Srtcp, events);
        }
    }

    pub(crate) fn rtcp(&mut self) -> &mut SsrcTable {
        &mut self.rest.rtcp
    }

    /// Whether there is room for one more stream of SRTP. The owner is told once that there is none.
    pub(crate) fn has_rtp_room(&mut self, ssrc: u32, events: &mut EventQueue) -> bool {
        self.has_room(self.rtp.len(), ssrc, events)
    }

    /// The same for SRTCP.
    pub(crate) fn has_rtcp_room(&mut self, ssrc: u32, events: &mut EventQueue) -> bool {
        self.has_room(self.rest.rtcp.len(), ssrc, events)
    }

    #[cold]
    fn has_room(&mut self, streams: usize, ssrc: u32, events: &mut EventQueue) -> bool {
        let room = streams < usize::from(self.rest.limits.max_ssrcs());
        if !room && !std::mem::replace(&mut self.rest.ssrc_limit_told, true) {
            events.push(Event::SsrcLimit { ssrc });
        }
        room
    }

    /// Records an SRTP index, and with its first the SSRC.
    #[inline(always)]
    pub(crate) fn record_rtp(&mut self, ssrc: u32, index: u64) {
        match self.rtp.find(ssrc) {
            Some(window) => window.commit(index),
            None => self.rtp.insert(ssrc, index, self.rest.limits.replay_window()),
        }
    }

    /// Records an SRTCP index, and with its first the SSRC.
    pub(crate) fn record_rtcp(&mut self, ssrc: u32, index: u64) {
        match self.rest.rtcp.find(ssrc) {
            Some(window) => window.commit(index),
            None => self.rest.rtcp.insert(ssrc, index, self.rest.limits.replay_window()),
        }
    }
}
