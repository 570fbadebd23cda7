//! RTCP (RFC 3550 section 6), as little as an end point needs: sender and receiver reports, CNAME, BYE.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::rtp::Reception;

/// Room that every compound packet of ours fits into, in bytes.
pub const MAX_LEN: usize = 128;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const REPORT_BLOCK: usize = 24;
/// Seconds from 1900, where NTP's time begins, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// An NTP timestamp's middle 32 bits, in 65536ths of a second.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn ntp(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + NTP_TO_UNIX) << 32 | fraction
}

/// This moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic one.
    pub instant: Instant,
    /// The wall's, for NTP times.
    pub wall: SystemTime,
}

impl Now {
    /// Reads them.
    pub fn read() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }
}

/// What we send, for a report.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Our SSRC.
    pub ssrc: u32,
    /// The RTP timestamp that belongs to now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// What the peer's RTCP tells us, and what we need of it for our own reports.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The middle of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
    /// From our sender report to the peer's report about it, without the peer's own delay.
    pub round_trip: Option<Duration>,
    /// What the peer last said of our stream: lost since its report before, in 256ths.
    pub fraction_lost: Option<u8>,
    /// What the peer last said of our stream: lost altogether.
    pub lost: Option<u32>,
    /// The peer said goodbye.
    pub bye: bool,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

impl Told {
    /// Reads a compound packet; stops at the first part that is malformed. `ssrc` is ours.
    pub fn read(&mut self, packet: &[u8], ssrc: u32, now: Now) {
        let mut rest = packet;
        while let Some((header, _)) = rest.split_first_chunk::<4>() {
            let length = 4 + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
            let Some(part) = rest.get(..length).filter(|_| header[0] >> 6 == 2) else { return };
            rest = &rest[length..];
            let count = usize::from(header[0] & 0x1f);
            let blocks = match header[1] {
                SENDER_REPORT => {
                    let Some(time) = word(part, 8).zip(word(part, 12)) else { return };
                    self.last_report =
                        Some((middle(u64::from(time.0) << 32 | u64::from(time.1)), now.instant));
                    part.get(28..)
                }
                RECEIVER_REPORT => part.get(8..),
                BYE => {
                    self.bye = true;
                    None
                }
                _ => None,
            };
            let blocks = blocks.unwrap_or(&[]).chunks_exact(REPORT_BLOCK).take(count);
            blocks.filter(|block| word(block, 0) == Some(ssrc)).for_each(|block| self.block(block, now.wall));
        }
    }

    fn block(&mut self, block: &[u8], wall: SystemTime) {
        self.fraction_lost = block.get(4).copied();
        self.lost = word(block, 4).map(|lost| lost & 0xff_ffff);
        if let (Some(of @ 1..), Some(delay)) = (word(block, 16), word(block, 20)) {
            let units = middle(ntp(wall)).wrapping_sub(of).wrapping_sub(delay);
            // Below zero, or above a minute: the peer's figures cannot be right.
            let plausible = units < 60 << 16;
            self.round_trip = plausible.then(|| Duration::from_secs_f64(f64::from(units) / 65_536.0));
        }
    }

    /// Our report, at most [`MAX_LEN`] bytes: a sender report once we have sent something, what we received
    /// if there is anything, our CNAME, and a BYE if we are leaving.
    pub fn write(
        &self,
        sent: Sent,
        received: Option<Reception>,
        cname: &str,
        leaving: bool,
        now: Now,
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_LEN);
        let count = u8::from(received.is_some());
        let kind = if sent.packets > 0 { SENDER_REPORT } else { RECEIVER_REPORT };
        part(&mut bytes, count, kind, |body| {
            body.extend(sent.ssrc.to_be_bytes());
            if kind == SENDER_REPORT {
                body.extend(ntp(now.wall).to_be_bytes());
                body.extend(
                    [sent.timestamp, sent.packets, sent.octets].into_iter().flat_map(u32::to_be_bytes),
                );
            }
            if let Some(of) = received {
                let (last, delay) = self.last_report.map_or((0, 0), |(last, at)| {
                    (last, (now.instant.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32)
                });
                let lost = u32::from(of.fraction_lost) << 24 | of.lost;
                let words = [of.ssrc, lost, of.highest, of.jitter, last, delay];
                body.extend(words.into_iter().flat_map(u32::to_be_bytes));
            }
        });
        part(&mut bytes, 1, SOURCE_DESCRIPTION, |body| {
            body.extend(sent.ssrc.to_be_bytes());
            body.extend([1, cname.len().min(32) as u8]);
            body.extend(cname.bytes().take(32));
            // The list of items ends with at least one zero, at a whole word.
            body.resize(body.len() + 4 - body.len() % 4, 0);
        });
        if leaving {
            part(&mut bytes, 1, BYE, |body| body.extend(sent.ssrc.to_be_bytes()));
        }
        bytes
    }
}

/// One packet of a compound; its length is filled in.
fn part(bytes: &mut Vec<u8>, count: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let mut inside = Vec::new();
    body(&mut inside);
    bytes.extend([0x80 | count, kind]);
    bytes.extend(((inside.len() / 4) as u16).to_be_bytes());
    bytes.extend(inside);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Sent = Sent { ssrc: 7, timestamp: 160, packets: 1, octets: 160 };
    const RECEIVED: Reception = Reception { ssrc: 9, fraction_lost: 64, lost: 3, highest: 12, jitter: 1 };

    #[test]
    fn two_ends_learn_loss_round_trip_and_goodbye_of_each_other() {
        let (mut seven, mut nine) = (Told::default(), Told::default());
        let now = Now::read();
        let at = |ms| {
            let later = Duration::from_millis(ms);
            Now { instant: now.instant + later, wall: now.wall + later }
        };
        let report = seven.write(SENT, None, "seven", false, now);
        nine.read(&report, 9, at(10));
        let of_nine = Sent { ssrc: 9, ..SENT };
        let about_seven = Reception { ssrc: 7, ..RECEIVED };
        let report = nine.write(of_nine, Some(about_seven), "nine", true, at(110));
        seven.read(&report, 7, at(130));
        assert_eq!((seven.fraction_lost, seven.lost, seven.bye), (Some(64), Some(3), true));
        let round_trip = seven.round_trip.unwrap().as_secs_f64();
        assert!((round_trip - 0.030).abs() < 0.001, "{round_trip}");
        assert_eq!((nine.round_trip, nine.bye), (None, false));
    }

    #[test]
    fn who_has_sent_nothing_writes_a_receiver_report_and_no_packet_outgrows_its_room() {
        let (told, now) = (Told::default(), Now::read());
        let nothing = Sent { packets: 0, octets: 0, ..SENT };
        let report = told.write(nothing, Some(RECEIVED), "c", false, now);
        assert_eq!(report[..4], [0x81, RECEIVER_REPORT, 0, 7]);
        let report = told.write(SENT, Some(RECEIVED), &"c".repeat(200), true, now);
        assert!(report.len() % 4 == 0 && report.len() <= MAX_LEN);
        assert_eq!(report[..4], [0x81, SENDER_REPORT, 0, 12]);
    }

    proptest! {
        #[test]
        fn no_packet_makes_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            Told::default().read(&bytes, 7, Now::read());
        }
    }
}
