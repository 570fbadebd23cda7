//! The judgement of one direction of media: what authenticated, what did not, what was lost, and the audio itself.

use crate::crypto::{Fault, Inbound};
use crate::rtp;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Counts of one direction; `packets` is the number of RTP packets and the sum of
/// `authenticated` (or `clear` on a flow without keys), `auth_failures`, `unknown_mki`, `duplicates` and `malformed`.
#[derive(Debug, Default, Clone, Serialize, PartialEq, Eq)]
pub struct Report {
    /// RTP packets seen, good or bad.
    pub packets: u64,
    /// RTP packets that libsrtp authenticated and decrypted.
    pub authenticated: u64,
    /// RTP packets taken as they are, on a flow without keys.
    pub clear: u64,
    /// RTP packets that no key of the flow authenticates.
    pub auth_failures: u64,
    /// RTP packets whose MKI is none of ours.
    pub unknown_mki: u64,
    /// Exact copies of a packet that came before.
    pub duplicates: u64,
    /// Packets that libsrtp refuses for another reason.
    pub malformed: u64,
    /// Of the failures: packets with the index of an authenticated packet, but other bytes.
    pub conflicts: u64,
    /// Of the failures: packets that are RTP of this flow by SSRC and payload type, so may be clear.
    pub clear_looking: u64,
    /// Of the failures: packets that carry the known audio in the clear.
    pub clear_audio: u64,
    /// Of the authenticated: packets whose payload is the same on the wire as after decryption (NULL cipher).
    pub plain_on_wire: u64,
    /// Sequence numbers missing between the first and the last of each SSRC.
    pub lost: u64,
    /// SSRCs of authenticated (or clear) packets, in order of appearance.
    pub ssrcs: Vec<u32>,
    /// Authenticated (or clear, on a flow without keys) packets of other payload types than the audio's, by type.
    pub other_payload_types: BTreeMap<u8, u64>,
    /// RTCP packets that authenticated, or came clear on a flow without keys.
    pub rtcp: u64,
    /// RTCP packets that did not authenticate.
    pub rtcp_failures: u64,
    /// Datagrams that are neither RTP nor RTCP.
    pub not_rtp: u64,
    /// Authenticated packets per set of keys, in the order the sets were installed.
    pub by_keys: Vec<u64>,
    /// Bytes of audio, all SSRCs.
    pub payload_bytes: u64,
}

/// Packets of one SSRC, by extended sequence number.
#[derive(Default)]
struct Stream {
    highest: Option<u64>,
    wire: BTreeMap<u64, Vec<u8>>,
    audio: BTreeMap<u64, Vec<u8>>,
}

impl Stream {
    /// The extended sequence number nearest to the highest one seen; the count starts in the second cycle.
    fn extend(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 | u64::from(sequence) };
        let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        highest.saturating_add_signed(ahead)
    }

    fn lost(&self) -> u64 {
        match (self.wire.keys().next(), self.wire.keys().next_back()) {
            (Some(first), Some(last)) => last - first + 1 - self.wire.len() as u64,
            _ => 0,
        }
    }
}

/// Datagrams kept until it is known how to judge them.
const MAX_EARLY: usize = 1000;

/// Packets that do not authenticate are kept for keys to come, so many of the last: a second of sound. An answer's keys may be in use
/// before the answer has been read.
const MAX_UNOPENED: usize = 50;

/// A packet that no key opens yet.
struct Unopened {
    wire: Vec<u8>,
    header: rtp::Header,
    /// It has been counted as `clear_looking`.
    clear_looking: bool,
}

/// Judges the packets of one direction, one after the other.
pub struct Receiver {
    /// Datagrams that came before keys, or the word that there are none, were given.
    early: Option<Vec<Vec<u8>>>,
    keys: Vec<Inbound>,
    /// Keys of RTCP alone, where it has some; else `keys` serve it too.
    rtcp_keys: Vec<Inbound>,
    /// RTCP kept until it has its keys; `None` when it needs none of its own.
    early_rtcp: Option<Vec<Vec<u8>>>,
    current: usize,
    unopened: VecDeque<Unopened>,
    payload_type: u8,
    known_audio: Vec<u8>,
    streams: HashMap<u32, Stream>,
    report: Report,
}

impl Receiver {
    /// A receiver that waits for [`Self::add_keys`] or [`Self::declare_clear`]; `known_audio` is what `clear_audio` is
    /// counted by.
    pub fn new(payload_type: u8, known_audio: Vec<u8>) -> Self {
        Self {
            early: Some(Vec::new()),
            keys: Vec::new(),
            rtcp_keys: Vec::new(),
            early_rtcp: None,
            current: 0,
            unopened: VecDeque::new(),
            payload_type,
            known_audio,
            streams: HashMap::new(),
            report: Report::default(),
        }
    }

    /// From now on these keys come first; older ones are still tried.
    pub fn add_keys(&mut self, keys: Inbound) {
        self.keys.push(keys);
        self.current = self.keys.len() - 1;
        self.report.by_keys.push(0);
        self.judge_early();
        for Unopened { wire, header, clear_looking } in std::mem::take(&mut self.unopened) {
            let mut packet = wire.clone();
            if self.keys[self.current].rtp(&mut packet).is_ok() {
                self.report.auth_failures -= 1;
                self.report.clear_looking -= u64::from(clear_looking);
                self.opened(self.current, &wire, &packet, &header);
            }
        }
    }

    /// RTCP will have keys of its own, by [`Self::add_rtcp_keys`].
    pub fn await_rtcp_keys(&mut self) {
        self.early_rtcp.get_or_insert_default();
    }

    /// From now on RTCP is judged by these keys, or those it had before.
    pub fn add_rtcp_keys(&mut self, keys: Inbound) {
        self.rtcp_keys.push(keys);
        for datagram in self.early_rtcp.take().unwrap_or_default() {
            self.datagram(&datagram);
        }
    }

    /// There are no keys: RTP is taken as it is.
    pub fn declare_clear(&mut self) {
        self.judge_early();
    }

    fn judge_early(&mut self) {
        for datagram in self.early.take().unwrap_or_default() {
            self.datagram(&datagram);
        }
    }

    /// Judges one datagram.
    pub fn datagram(&mut self, wire: &[u8]) {
        if let Some(early) = &mut self.early {
            if early.len() < MAX_EARLY {
                early.push(wire.to_vec());
            }
            return;
        }
        if rtp::is_rtcp(wire) {
            if let Some(early) = &mut self.early_rtcp {
                if early.len() < MAX_EARLY {
                    early.push(wire.to_vec());
                }
                return;
            }
            let keys = if self.rtcp_keys.is_empty() { &mut self.keys } else { &mut self.rtcp_keys };
            let good =
                keys.is_empty() || keys.iter_mut().rev().any(|keys| keys.rtcp(&mut wire.to_vec()).is_ok());
            *(if good { &mut self.report.rtcp } else { &mut self.report.rtcp_failures }) += 1;
        } else if let Some(header) = rtp::parse(wire) {
            self.report.packets += 1;
            self.media(wire, header);
        } else {
            self.report.not_rtp += 1;
        }
    }

    /// Positions of the keys in the order in which they are tried.
    fn attempts(&self) -> impl Iterator<Item = usize> + use<> {
        let current = self.current;
        std::iter::once(current).chain((0..self.keys.len()).rev().filter(move |at| *at != current))
    }

    fn media(&mut self, wire: &[u8], header: rtp::Header) {
        if self.is_copy(wire, &header) {
            self.report.duplicates += 1;
            return;
        }
        if self.keys.is_empty() {
            self.report.clear += 1;
            self.accept(wire, wire, &header);
            return;
        }
        let mut worst = Fault::Authentication;
        for at in self.attempts() {
            let mut packet = wire.to_vec();
            match self.keys[at].rtp(&mut packet) {
                Ok(()) => {
                    self.current = at;
                    self.opened(at, wire, &packet, &header);
                    return;
                }
                Err(fault) => worst = fault,
            }
        }
        self.refuse(wire, &header, worst);
    }

    fn opened(&mut self, keys: usize, wire: &[u8], packet: &[u8], header: &rtp::Header) {
        self.report.authenticated += 1;
        self.report.by_keys[keys] += 1;
        self.accept(wire, packet, header);
    }

    fn is_copy(&self, wire: &[u8], header: &rtp::Header) -> bool {
        let stream = self.streams.get(&header.ssrc);
        stream.is_some_and(|s| s.wire.get(&s.extend(header.sequence)).is_some_and(|before| before == wire))
    }

    fn accept(&mut self, wire: &[u8], packet: &[u8], header: &rtp::Header) {
        let stream = self.streams.entry(header.ssrc).or_insert_with(|| {
            self.report.ssrcs.push(header.ssrc);
            Stream::default()
        });
        let index = stream.extend(header.sequence);
        stream.highest = stream.highest.max(Some(index));
        let replaced = stream.wire.insert(index, wire.to_vec());
        if replaced.is_some() {
            // Only on a clear flow: libsrtp refuses a second packet with one index.
            self.report.conflicts += 1;
        }
        let payload = packet.get(header.length..).unwrap_or_default();
        if !self.keys.is_empty() && wire[header.length..].starts_with(payload) && !payload.is_empty() {
            self.report.plain_on_wire += 1;
        }
        if header.payload_type == self.payload_type {
            stream.audio.insert(index, payload.to_vec());
        } else {
            *self.report.other_payload_types.entry(header.payload_type).or_default() += 1;
        }
    }

    fn refuse(&mut self, wire: &[u8], header: &rtp::Header, fault: Fault) {
        let index_used = self
            .streams
            .get(&header.ssrc)
            .is_some_and(|stream| stream.wire.contains_key(&stream.extend(header.sequence)));
        let clear_looking =
            header.payload_type == self.payload_type && self.streams.contains_key(&header.ssrc);
        let clear_audio = self.carries_known_audio(&wire[header.length..]);
        match fault {
            // libsrtp looks at the index before the tag; an exact copy has been counted already.
            Fault::Authentication | Fault::Replay => self.report.auth_failures += 1,
            Fault::UnknownMki => self.report.unknown_mki += 1,
            Fault::Malformed => self.report.malformed += 1,
        }
        self.report.conflicts += u64::from(index_used);
        self.report.clear_looking += u64::from(clear_looking);
        self.report.clear_audio += u64::from(clear_audio);
        if fault == Fault::Authentication && !index_used && !clear_audio {
            if self.unopened.len() == MAX_UNOPENED {
                self.unopened.pop_front();
            }
            self.unopened.push_back(Unopened { wire: wire.to_vec(), header: *header, clear_looking });
        }
    }

    fn carries_known_audio(&self, payload: &[u8]) -> bool {
        let varied = payload.iter().any(|byte| Some(byte) != payload.first());
        payload.len() >= 20
            && varied
            && self.known_audio.windows(payload.len()).any(|window| window == payload)
    }

    /// The counts so far.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        let early = self.early.iter().flatten();
        report.packets += early.filter(|wire| rtp::parse(wire).is_some()).count() as u64;
        report.lost = self.streams.values().map(Stream::lost).sum();
        report.payload_bytes =
            self.streams.values().flat_map(|s| s.audio.values()).map(|p| p.len() as u64).sum();
        report
    }

    /// The audio payloads, SSRC after SSRC, each in the order of its sequence numbers.
    pub fn audio(&self) -> Vec<u8> {
        self.report
            .ssrcs
            .iter()
            .flat_map(|ssrc| self.streams[ssrc].audio.values().flatten().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeySet, MasterKey, Outbound};

    const AUDIO: [u8; 32] = *b"the quick brown fox jumps over..";

    fn keys(byte: u8) -> KeySet {
        KeySet {
            suite: "AES_CM_128_HMAC_SHA1_80".into(),
            keys: vec![MasterKey::new(vec![byte; 30], Vec::new())],
            libsrtp_aes192: false,
        }
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let header = rtp::Header { length: 12, payload_type: 0, sequence, timestamp: 160, ssrc: 9 };
        rtp::build(&header, false, &AUDIO)
    }

    fn protected(out: &mut Outbound, sequence: u16) -> Vec<u8> {
        let mut wire = packet(sequence);
        out.rtp(&mut wire).unwrap();
        wire
    }

    #[test]
    fn a_clear_copy_of_a_protected_packet_is_seen_as_clear_audio() {
        let mut receiver = Receiver::new(0, AUDIO.to_vec());
        receiver.add_keys(Inbound::new(&keys(1)).unwrap());
        let mut out = Outbound::new(&keys(1), 0).unwrap();
        receiver.datagram(&protected(&mut out, 5));
        receiver.datagram(&packet(5));
        let report = receiver.report();
        assert_eq!((report.packets, report.authenticated, report.auth_failures), (2, 1, 1));
        assert_eq!((report.conflicts, report.clear_looking, report.clear_audio), (1, 1, 1));
        assert_eq!(report.plain_on_wire, 0);
        assert_eq!(receiver.audio(), AUDIO);
    }

    #[test]
    fn packets_before_the_keys_are_judged_when_the_keys_come() {
        let mut receiver = Receiver::new(0, AUDIO.to_vec());
        let mut out = Outbound::new(&keys(1), 0).unwrap();
        receiver.datagram(&protected(&mut out, 5));
        receiver.datagram(&packet(6));
        assert_eq!((receiver.report().packets, receiver.report().authenticated), (2, 0));
        receiver.add_keys(Inbound::new(&keys(1)).unwrap());
        let report = receiver.report();
        assert_eq!((report.packets, report.authenticated, report.clear_audio), (2, 1, 1));
    }

    #[test]
    fn packets_that_overtake_their_keys_are_judged_again_when_these_come() {
        let mut receiver = Receiver::new(0, AUDIO.to_vec());
        receiver.add_keys(Inbound::new(&keys(1)).unwrap());
        let mut old = Outbound::new(&keys(1), 0).unwrap();
        let mut new = Outbound::new(&keys(2), 0).unwrap();
        receiver.datagram(&protected(&mut old, 1));
        receiver.datagram(&protected(&mut new, 2));
        receiver.datagram(&protected(&mut new, 3));
        receiver.datagram(&packet(4));
        assert_eq!((receiver.report().auth_failures, receiver.report().clear_looking), (3, 3));
        receiver.add_keys(Inbound::new(&keys(2)).unwrap());
        let report = receiver.report();
        assert_eq!((report.packets, report.authenticated, report.auth_failures), (4, 3, 1));
        assert_eq!((report.by_keys, report.clear_looking, report.clear_audio), (vec![1, 2], 1, 1));
        assert_eq!(receiver.audio(), AUDIO.repeat(3));
    }

    #[test]
    fn copies_losses_and_wraps_are_told_apart() {
        let mut receiver = Receiver::new(0, Vec::new());
        receiver.add_keys(Inbound::new(&keys(1)).unwrap());
        let mut out = Outbound::new(&keys(1), 0).unwrap();
        for sequence in [65534u16, 65535, 1, 2] {
            let wire = protected(&mut out, sequence);
            receiver.datagram(&wire);
            receiver.datagram(&wire);
        }
        let report = receiver.report();
        assert_eq!((report.authenticated, report.duplicates, report.lost), (4, 4, 1));
        assert_eq!(report.auth_failures, 0);
    }

    #[test]
    fn packets_under_a_key_that_was_replaced_are_counted_apart() {
        let mut receiver = Receiver::new(0, Vec::new());
        receiver.add_keys(Inbound::new(&keys(1)).unwrap());
        receiver.add_keys(Inbound::new(&keys(2)).unwrap());
        let mut old = Outbound::new(&keys(1), 0).unwrap();
        let mut new = Outbound::new(&keys(2), 0).unwrap();
        let mut stranger = Outbound::new(&keys(3), 0).unwrap();
        receiver.datagram(&protected(&mut old, 1));
        receiver.datagram(&protected(&mut new, 2));
        receiver.datagram(&protected(&mut stranger, 3));
        let report = receiver.report();
        assert_eq!(report.by_keys, [1, 1]);
        assert_eq!((report.auth_failures, report.clear_audio), (1, 0));
    }
}
