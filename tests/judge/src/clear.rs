//! Looking for clear media in a capture, without any key: every datagram must be STUN, DTLS, ZRTP, SRTP or SRTCP.

use crate::pcap::{self, Datagram};
use crate::rtp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

/// Whose media to look at, and what audio must not be seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Media ports of the PBX's peers; every datagram to or from one of them is looked at.
    peers: Vec<Ports>,
    /// Datagrams captured before are another call's; microseconds since 1970.
    #[serde(default)]
    since_us: u64,
    /// Files of u-law audio that somebody may have sent.
    #[serde(default)]
    known_audio: Vec<PathBuf>,
}

/// A run of ports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    address: Ipv4Addr,
    first: u16,
    last: u16,
    /// The peer may send its first RTP before its SRTP is in place, as baresip does by DTLS.
    #[serde(default)]
    early_rtp: bool,
}

impl Ports {
    fn holds(&self, end: &SocketAddrV4) -> bool {
        *end.ip() == self.address && (self.first..=self.last).contains(&end.port())
    }
}

/// What a datagram on a media port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stun,
    Dtls,
    Zrtp,
    Srtp,
    Srtcp,
    /// Clear RTCP of baresip that tells nothing: an APP packet before keys, which opens a NAT's port, and its goodbye.
    OfBaresip,
    /// Clear RTP ahead of the SRTP of the same flow, from a peer that is known for it.
    EarlyRtp,
    ClearRtp(&'static str),
    ClearRtcp,
    Unknown,
}

/// Datagrams of one direction by kind.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    stun: u64,
    dtls: u64,
    zrtp: u64,
    srtp: u64,
    srtcp: u64,
    of_baresip: u64,
    early_rtp: u64,
    clear_rtp: u64,
    clear_rtcp: u64,
    unknown: u64,
    /// The first few that are clear or unknown, and why.
    found: Vec<String>,
}

/// Of the clear datagrams so many are described.
const DESCRIBED: usize = 5;

impl Tally {
    fn add(&mut self, kind: Kind, datagram: &Datagram) {
        *match kind {
            Kind::Stun => &mut self.stun,
            Kind::Dtls => &mut self.dtls,
            Kind::Zrtp => &mut self.zrtp,
            Kind::Srtp => &mut self.srtp,
            Kind::Srtcp => &mut self.srtcp,
            Kind::OfBaresip => &mut self.of_baresip,
            Kind::EarlyRtp => &mut self.early_rtp,
            Kind::ClearRtp(_) => &mut self.clear_rtp,
            Kind::ClearRtcp => &mut self.clear_rtcp,
            Kind::Unknown => &mut self.unknown,
        } += 1;
        let why = match kind {
            Kind::ClearRtp(why) => why,
            Kind::ClearRtcp => "clear RTCP",
            Kind::Unknown => "neither STUN, DTLS, ZRTP nor SRTP",
            _ => return,
        };
        if self.found.len() < DESCRIBED {
            let (from, to) = (datagram.source, datagram.destination);
            let bytes: String = datagram.payload.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
            self.found.push(format!("{from} to {to}, {} bytes {bytes}..: {why}", datagram.payload.len()));
        }
    }
}

/// The two directions of the calls of a job.
#[derive(Debug, Default, Serialize)]
struct Verdict {
    to_pbx: Tally,
    from_pbx: Tally,
}

/// Bytes of known audio that are looked up at once; shorter runs may come about by chance.
const WINDOW: usize = 16;

/// Audio that must not be seen, in both forms of G.711.
#[derive(Default)]
struct KnownAudio(HashSet<[u8; WINDOW]>);

impl KnownAudio {
    fn add(&mut self, ulaw: &[u8]) {
        let alaw: Vec<u8> = ulaw.iter().map(|byte| alaw_of(*byte)).collect();
        for form in [ulaw, &alaw] {
            let runs = form.windows(WINDOW).filter(|run| varied(run));
            self.0.extend(runs.filter_map(|run| <[u8; WINDOW]>::try_from(run).ok()));
        }
    }

    fn is_in(&self, payload: &[u8]) -> bool {
        payload.windows(WINDOW).any(|run| run.try_into().is_ok_and(|run: [u8; WINDOW]| self.0.contains(&run)))
    }
}

/// Runs of few values are silence, which is everywhere.
fn varied(run: &[u8]) -> bool {
    run.iter().collect::<HashSet<_>>().len() > 3
}

/// The A-law byte nearest to a u-law byte (ITU-T G.711).
fn alaw_of(ulaw: u8) -> u8 {
    let bits = !ulaw;
    let magnitude = (((i32::from(bits & 0x0f) << 3) + 132) << (bits >> 4 & 7)) - 132;
    let level = (magnitude >> 3).min(4095);
    let mut segment = 0;
    while segment < 7 && level >> (segment + 5) > 0 {
        segment += 1;
    }
    let mantissa = if segment < 2 { level >> 1 } else { level >> segment };
    let sign = if bits & 0x80 == 0 { 0x80 } else { 0 };
    (sign | (segment as u8) << 4 | (mantissa & 0x0f) as u8) ^ 0x55
}

/// Pearson's statistic of 16 classes against all of them being alike: of random bytes 15, with a deviation of 5.5.
fn unevenness(classes: impl Iterator<Item = u8>) -> f64 {
    let mut counts = [0u32; 16];
    classes.for_each(|class| counts[usize::from(class & 0x0f)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / 16.0;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

/// Random bytes are above this once in 10^13 packets.
const UNEVEN: f64 = 100.0;
/// Bytes that the statistic needs.
const ENOUGH: usize = 80;
/// The longest MKI, which is the same in each packet, and the longest tag: no part of the ciphertext.
const LONGEST_TRAILER: usize = 32 + 16;
/// The shortest tag in use is that of AES_CM_128_HMAC_SHA1_32.
const SHORTEST_TAG: usize = 4;
/// 10 ms of G.711: any G.711 payload is a multiple of it, and with any tag it is none.
const G711_STEP: usize = 80;

/// Why an RTP packet is not encrypted; `None` for SRTP.
fn clear_media(header: &rtp::Header, payload: &[u8], known: &KnownAudio) -> Option<&'static str> {
    let g711 = matches!(header.payload_type, 0 | 8);
    let front = &payload[..payload.len().saturating_sub(LONGEST_TRAILER)];
    if payload.len() <= SHORTEST_TAG {
        Some("too short for a tag")
    } else if known.is_in(payload) {
        Some("the known audio")
    } else if g711 && payload.len().is_multiple_of(G711_STEP) {
        Some("G.711 without a tag")
    } else if front.len() >= ENOUGH
        && (unevenness(front.iter().map(|byte| byte >> 4)) > UNEVEN
            || unevenness(front.iter().copied()) > UNEVEN)
    {
        Some("its bytes are not as random as a cipher's")
    } else {
        None
    }
}

/// In SRTCP nothing but the first header is to be read: a second packet behind it, or an end of the datagram just there, is
/// clear RTCP. Bytes of a cipher look so once in 100,000.
fn is_clear_rtcp(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    let mut packets = 0;
    while !rest.is_empty() {
        let &[first, kind, high, low, ..] = rest else { break };
        let length = 4 * (1 + usize::from(u16::from_be_bytes([high, low])));
        if first >> 6 != 2 || !(192..=223).contains(&kind) || length > rest.len() {
            break;
        }
        rest = &rest[length..];
        packets += 1;
    }
    rest.is_empty() || packets > 1
}

/// A STUN message whose attributes fill it; those of RFC 3489, which linphone sends, have no cookie.
fn is_stun(datagram: &[u8]) -> bool {
    let Some(mut rest) = datagram.get(20..) else { return false };
    if usize::from(u16::from_be_bytes([datagram[2], datagram[3]])) != rest.len() {
        return false;
    }
    while let &[_, _, high, low, ..] = rest {
        let length = usize::from(u16::from_be_bytes([high, low])).next_multiple_of(4);
        let Some(after) = rest.get(4 + length..) else { return false };
        rest = after;
    }
    rest.is_empty()
}

fn is_of_baresip(datagram: &[u8]) -> bool {
    match datagram.split_at_checked(16) {
        Some((probe, [])) => probe[..4] == [0x80, 204, 0, 3] && probe[8..] == *b"PINGPONG",
        // BYE with a reason, and an SDES packet with the CNAME to the end.
        Some((bye, &[0x81, 202, high, low, ref items @ ..])) => {
            bye[..4] == [0x81, 203, 0, 3]
                && bye[8..] == *b"\x04Adjo\0\0\0"
                && items.len() == 4 * usize::from(u16::from_be_bytes([high, low]))
                && items.get(4) == Some(&1)
                && items.len() <= 64
        }
        _ => false,
    }
}

/// Whole DTLS records of DTLS 1.0 or 1.2, one after the other to the end.
fn is_dtls(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while !rest.is_empty() {
        let &[kind, major, minor, _, _, _, _, _, _, _, _, high, low, ..] = rest else { return false };
        if !(20..=63).contains(&kind) || major != 254 || !matches!(minor, 253 | 255) {
            return false;
        }
        let Some(after) = rest.get(13 + usize::from(u16::from_be_bytes([high, low]))..) else { return false };
        rest = after;
    }
    !datagram.is_empty()
}

/// What a datagram is, by RFC 7983 and then by its whole length.
fn kind_of(datagram: &[u8], known: &KnownAudio) -> Kind {
    match datagram.first() {
        Some(0..=3) if is_stun(datagram) => Kind::Stun,
        Some(0x10) if datagram.get(4..8) == Some(b"ZRTP") => Kind::Zrtp,
        Some(20..=63) if is_dtls(datagram) => Kind::Dtls,
        Some(128..=191) if is_of_baresip(datagram) => Kind::OfBaresip,
        Some(128..=191) if rtp::is_rtcp(datagram) => {
            if is_clear_rtcp(datagram) {
                Kind::ClearRtcp
            } else {
                Kind::Srtcp
            }
        }
        Some(128..=191) => match rtp::parse(datagram) {
            Some(header) => {
                clear_media(&header, &datagram[header.length..], known).map_or(Kind::Srtp, Kind::ClearRtp)
            }
            None => Kind::Unknown,
        },
        _ => Kind::Unknown,
    }
}

/// Clear RTP of a peer with `early_rtp` that is let through in a flow: a second of sound, since a machine under load is late with the
/// end of a handshake.
const EARLY: usize = 50;

/// The datagrams of the job's peers, by direction and kind.
fn judged(job: &Job, datagrams: &[Datagram], known: &KnownAudio) -> Verdict {
    let mut verdict = Verdict::default();
    // Of each flow from a peer with `early_rtp`, clear RTP that no SRTP has followed yet.
    let mut early: HashMap<(SocketAddrV4, SocketAddrV4), Vec<&Datagram>> = HashMap::new();
    let mut secured = HashSet::new();
    for datagram in datagrams.iter().filter(|datagram| datagram.time_us >= job.since_us) {
        let kind = kind_of(&datagram.payload, known);
        if let Some(peer) = job.peers.iter().find(|ports| ports.holds(&datagram.source)) {
            let flow = (datagram.source, datagram.destination);
            if kind == Kind::Srtp && secured.insert(flow) {
                for datagram in early.remove(&flow).unwrap_or_default() {
                    verdict.to_pbx.add(Kind::EarlyRtp, datagram);
                }
            }
            if matches!(kind, Kind::ClearRtp(_)) && peer.early_rtp && !secured.contains(&flow) {
                let early = early.entry(flow).or_default();
                if early.len() < EARLY {
                    early.push(datagram);
                    continue;
                }
            }
            verdict.to_pbx.add(kind, datagram);
        } else if job.peers.iter().any(|ports| ports.holds(&datagram.destination)) {
            verdict.from_pbx.add(kind, datagram);
        }
    }
    for datagram in early.into_values().flatten() {
        verdict.to_pbx.add(kind_of(&datagram.payload, known), datagram);
    }
    verdict
}

/// Reads a [`Job`] from `input`, looks at the capture `file`, and prints one line: a tally for each direction.
pub fn look(file: &str, input: impl Read, mut output: impl Write) -> Result<(), String> {
    let job: Job = serde_json::from_reader(input).map_err(|e| format!("job: {e}"))?;
    let bytes = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let mut known = KnownAudio::default();
    for path in &job.known_audio {
        known.add(&std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?);
    }
    let datagrams = pcap::read(&bytes).map_err(|e| format!("{file}: {e}"))?;
    let line = serde_json::to_string(&judged(&job, &datagrams, &known)).map_err(|e| e.to_string())?;
    writeln!(output, "{line}").map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeySet, MasterKey, Outbound};

    const SUITES: [(&str, usize); 4] = [
        ("AES_CM_128_HMAC_SHA1_80", 30),
        ("AES_CM_128_HMAC_SHA1_32", 30),
        ("AEAD_AES_128_GCM", 28),
        ("AEAD_AES_256_GCM", 44),
    ];

    fn outbound((suite, length): (&str, usize)) -> Outbound {
        let keys = vec![MasterKey::new(vec![7; length], Vec::new())];
        Outbound::new(&KeySet { suite: suite.into(), keys, libsrtp_aes192: false }, 0).unwrap()
    }

    /// u-law of a sine, so many samples.
    fn tone(samples: usize, step: f64, loud: f64) -> Vec<u8> {
        (0..samples)
            .map(|at| {
                let sample = ((at as f64 * step).sin() * loud) as i32;
                let level = (sample.abs() + 132).min(32767);
                let segment = 24 - (level as u32).leading_zeros();
                let bits = (segment << 4) | (level as u32 >> (segment + 3) & 0x0f);
                !(bits as u8 | if sample < 0 { 0x80 } else { 0 })
            })
            .collect()
    }

    fn packet(payload_type: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let header = rtp::Header { length: 12, payload_type, sequence, timestamp: 160, ssrc: 9 };
        rtp::build(&header, false, payload)
    }

    #[test]
    fn what_a_cipher_made_is_never_clear() {
        let mut known = KnownAudio::default();
        let audio = tone(160 * 50, 0.31, 12000.0);
        known.add(&audio);
        for suite in SUITES {
            let mut out = outbound(suite);
            for (number, frame) in audio.chunks_exact(160).cycle().take(4_000).enumerate() {
                let mut wire = packet(0, number as u16, frame);
                out.rtp(&mut wire).unwrap();
                assert_eq!(kind_of(&wire, &known), Kind::Srtp, "{} packet {number}", suite.0);
            }
            let mut report = rtp::sender_report(9, 1, 2, 3);
            out.rtcp(&mut report).unwrap();
            assert_eq!(kind_of(&report, &known), Kind::Srtcp, "{}", suite.0);
        }
    }

    #[test]
    fn clear_audio_is_seen_whatever_it_is() {
        let nothing = KnownAudio::default();
        let clear = |wire: &[u8]| matches!(kind_of(wire, &nothing), Kind::ClearRtp(_));
        for (step, loud) in [(0.31, 12000.0), (0.9, 3000.0), (2.4, 30000.0), (0.05, 800.0)] {
            let audio = tone(164, step, loud);
            assert!(clear(&packet(0, 1, &audio[..160])), "G.711 without a tag");
            assert!(clear(&packet(96, 1, &audio[..160])), "step {step} loudness {loud}, by its bytes");
            assert!(clear(&packet(0, 1, &audio)), "with four bytes more, by its bytes");
        }
        assert!(clear(&packet(0, 1, &[0xff; 160])));
        assert!(clear(&packet(101, 1, &[5, 0x0a, 0, 160])), "a telephone event has no tag");
    }

    #[test]
    fn known_audio_is_seen_in_both_forms_of_g711_at_any_place() {
        let mut known = KnownAudio::default();
        let audio = tone(8000, 0.31, 12000.0);
        known.add(&audio);
        let alaw: Vec<u8> = audio[400..430].iter().map(|byte| alaw_of(*byte)).collect();
        for piece in [&audio[777..797], &alaw] {
            let mut payload = vec![1, 2, 3];
            payload.extend_from_slice(piece);
            assert_eq!(kind_of(&packet(96, 1, &payload), &known), Kind::ClearRtp("the known audio"));
        }
    }

    #[test]
    fn a_law_is_that_of_g711() {
        // u-law byte, A-law byte: ITU-T G.711 table 4.
        for (ulaw, alaw) in [(0xff, 0xd5), (0x7f, 0x55), (0x80, 0xaa), (0x00, 0x2a)] {
            assert_eq!(alaw_of(ulaw), alaw, "{ulaw:02x}");
        }
    }

    #[test]
    fn clear_rtcp_is_seen_and_only_what_baresip_is_known_to_send_is_told_apart() {
        let nothing = KnownAudio::default();
        let mut report = rtp::sender_report(1, 2, 3, 4);
        assert_eq!(kind_of(&report, &nothing), Kind::ClearRtcp);
        report.extend([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(kind_of(&report, &nothing), Kind::ClearRtcp, "authenticated, but not encrypted");
        let mut probe = vec![0x80, 204, 0, 3, 1, 2, 3, 4];
        probe.extend(b"PINGPONG");
        assert_eq!(kind_of(&probe, &nothing), Kind::OfBaresip);
        probe[15] ^= 1;
        assert_eq!(kind_of(&probe, &nothing), Kind::ClearRtcp);
        let mut bye =
            b"\x81\xcb\0\x03\x01\x02\x03\x04\x04Adjo\0\0\0\x81\xca\0\x03\x01\x02\x03\x04\x01\x05abcde\0"
                .to_vec();
        assert_eq!(kind_of(&bye, &nothing), Kind::OfBaresip);
        bye.extend([0; 4]);
        assert_eq!(kind_of(&bye, &nothing), Kind::ClearRtcp);
    }

    #[test]
    fn clear_rtp_ahead_of_srtp_is_told_apart_only_of_peers_known_for_it_and_only_a_little_of_it() {
        let (peer, pbx) = ("127.0.0.1:4000".parse().unwrap(), "127.0.0.1:5000".parse().unwrap());
        let audio = tone(160, 0.31, 12000.0);
        let flow = |clear: u16, secured: u16, again: u16| -> Vec<Datagram> {
            let mut out = outbound(SUITES[0]);
            let datagram = |payload| Datagram { time_us: 1, source: peer, destination: pbx, payload };
            let packets = (0..clear + secured + again).map(|sequence| {
                let mut wire = packet(0, sequence, &audio);
                if (clear..clear + secured).contains(&sequence) {
                    out.rtp(&mut wire).unwrap();
                }
                datagram(wire)
            });
            packets.collect()
        };
        let told = |early_rtp, flow: &[Datagram]| {
            let ports = Ports { address: *peer.ip(), first: 4000, last: 4001, early_rtp };
            let job = Job { peers: vec![ports], since_us: 0, known_audio: Vec::new() };
            let tally = judged(&job, flow, &KnownAudio::default()).to_pbx;
            assert_eq!(tally.early_rtp + tally.clear_rtp + tally.srtp, flow.len() as u64);
            (tally.early_rtp, tally.clear_rtp, tally.found.len())
        };
        assert_eq!(told(true, &flow(2, 5, 0)), (2, 0, 0));
        assert_eq!(told(false, &flow(2, 5, 0)), (0, 2, 2));
        assert_eq!(told(true, &flow(EARLY as u16 + 1, 5, 0)), (EARLY as u64, 1, 1), "more than a little");
        assert_eq!(told(true, &flow(1, 5, 1)), (1, 1, 1), "behind SRTP");
        assert_eq!(told(true, &flow(2, 0, 0)), (0, 2, 2), "no SRTP follows");
    }

    #[test]
    fn stun_is_known_by_its_attributes() {
        let nothing = KnownAudio::default();
        let mut request = [&[0, 1, 0, 8][..], &[7; 16], &[0, 3, 0, 4, 0, 0, 0, 6]].concat();
        assert_eq!(kind_of(&request, &nothing), Kind::Stun);
        request[23] = 5;
        assert_eq!(kind_of(&request, &nothing), Kind::Unknown);
    }

    #[test]
    fn a_constant_mki_is_not_taken_for_clear_media() {
        let mut out = outbound(SUITES[0]);
        for sequence in 0..2000 {
            let mut wire = packet(0, sequence, &tone(160, 0.31, 12000.0));
            out.rtp(&mut wire).unwrap();
            let tag = wire.split_off(wire.len() - 10);
            wire.extend([&[0; 31][..], &[1], &tag].concat());
            assert_eq!(kind_of(&wire, &KnownAudio::default()), Kind::Srtp);
        }
    }

    #[test]
    fn a_clear_payload_dressed_as_something_else_is_unknown() {
        let nothing = KnownAudio::default();
        let audio = tone(160, 0.31, 12000.0);
        for first in [0u8, 0x10, 22, 64, 200] {
            let mut datagram = audio.clone();
            datagram[0] = first;
            assert_eq!(kind_of(&datagram, &nothing), Kind::Unknown, "first byte {first}");
        }
        let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3];
        assert_eq!(kind_of(&record, &nothing), Kind::Dtls);
        record.push(0);
        assert_eq!(kind_of(&record, &nothing), Kind::Unknown);
        assert_eq!(kind_of(&[], &nothing), Kind::Unknown);
    }
}
