//! The audio of a run: what is played or echoed, what comes back, and RTCP about both.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::codec::{Codec, RATE};
use crate::meter::Meter;
use crate::report::{Report, rounded};
use crate::rtcp::{self, Now, Sent, Told};
use crate::rtp::{self, Packet, Receiver, Sender};
use crate::tone::Sine;
use crate::wav::Recording;

/// Most payload bytes that are sent or echoed.
pub const MAX_PAYLOAD: usize = 1500;

/// What is played.
pub enum Source {
    /// A sine.
    Tone(Sine),
    /// Samples, again and again.
    Wav(std::iter::Cycle<std::vec::IntoIter<i16>>),
    /// Nothing audible.
    Silence,
    /// What comes.
    Echo,
}

/// Both directions.
pub struct Stream {
    source: Source,
    codec: Codec,
    ptime: u32,
    sender: Sender,
    receiver: Receiver,
    meter: Meter,
    recording: Option<Recording>,
    told: Told,
    cname: String,
    began: Instant,
    other_payload: u64,
}

/// Random numbers of a stream (RFC 3550 sections 5.1 and 8.1, RFC 7022).
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes)
}

/// An SSRC for a stream of ours.
///
/// # Errors
/// The system gives no random numbers.
pub fn random_ssrc() -> Result<u32> {
    random().map(u32::from_be_bytes)
}

impl Stream {
    /// Sends from `ssrc`, as PCMU in packets of 20 ms until something else is agreed on.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(
        source: Source,
        ssrc: u32,
        meter: Meter,
        recording: Option<Recording>,
        now: Instant,
    ) -> Result<Self> {
        let [a, b, c, d] = random()?;
        Ok(Self {
            source,
            codec: Codec::Pcmu,
            ptime: 20,
            sender: Sender::new(ssrc, u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, a, b])),
            receiver: Receiver::default(),
            meter,
            recording,
            told: Told::default(),
            cname: random::<12>()?.iter().map(|byte| format!("{byte:02x}")).collect(),
            began: now,
            other_payload: 0,
        })
    }

    /// What was agreed on: G.711's law, and ms in a packet of ours.
    pub fn agree(&mut self, codec: Codec, ptime: u32) {
        (self.codec, self.ptime) = (codec, ptime);
    }

    /// From one packet to the next; none for an echo, which sends when something comes.
    pub fn interval(&self) -> Option<Duration> {
        (!matches!(self.source, Source::Echo)).then(|| Duration::from_millis(u64::from(self.ptime)))
    }

    /// Writes the next packet to play and gives its length.
    pub fn play(&mut self, out: &mut [u8]) -> usize {
        let samples = self.ptime * RATE / 1000;
        let codec = self.codec;
        let payload: Vec<u8> = match &mut self.source {
            Source::Tone(sine) => sine.take(samples as usize).map(|s| codec.encode(s)).collect(),
            Source::Wav(wav) => wav.take(samples as usize).map(|s| codec.encode(s)).collect(),
            Source::Silence | Source::Echo => vec![codec.encode(0); samples as usize],
        };
        self.sender.write(codec.payload_type(), &payload, samples, out)
    }

    /// Leaves packets out that should have been sent long ago.
    pub fn skip(&mut self, packets: u32) {
        self.sender.skip(packets.saturating_mul(self.ptime * RATE / 1000));
    }

    /// Takes an opened RTP packet; false if it is none. An echo of it is written to `echo`, with its length there.
    ///
    /// # Errors
    /// The recording cannot be written.
    pub fn receive(&mut self, packet: &[u8], now: Instant, echo: &mut [u8]) -> Result<Option<usize>> {
        let Some(packet) = Packet::read(packet) else { return Ok(None) };
        let since = now.saturating_duration_since(self.began);
        // Modulo 2^32, like timestamps.
        let arrival = (since.as_micros() * u128::from(RATE) / 1_000_000) as u32;
        self.receiver.count(&packet, arrival);
        let Some(codec) = Codec::from_payload_type(packet.payload_type) else {
            self.other_payload += 1;
            return Ok(None);
        };
        let samples = packet.payload.iter().map(|octet| codec.decode(*octet));
        samples.clone().for_each(|sample| self.meter.push(sample));
        if let Some(recording) = &mut self.recording {
            recording.put(packet.timestamp, samples)?;
        }
        let fits = matches!(self.source, Source::Echo) && packet.payload.len() <= MAX_PAYLOAD;
        Ok(fits.then(|| {
            let samples = packet.payload.len() as u32;
            self.sender.write(packet.payload_type, packet.payload, samples, echo)
        }))
    }

    /// Takes an opened RTCP packet.
    pub fn receive_rtcp(&mut self, packet: &[u8], now: Now) {
        self.told.read(packet, self.sender.ssrc(), now);
    }

    /// Writes our RTCP report and gives its length.
    pub fn report_rtcp(&mut self, leaving: bool, now: Now, out: &mut [u8]) -> usize {
        let sent = Sent {
            ssrc: self.sender.ssrc(),
            timestamp: self.sender.timestamp(),
            packets: self.sender.packets(),
            octets: self.sender.octets(),
        };
        let report = self.receiver.report();
        let bytes = self.told.write(sent, report, &self.cname, leaving, now);
        out[..bytes.len()].copy_from_slice(&bytes);
        bytes.len()
    }

    /// How long audio has been heard, in ms, and how much of it was the tone looked for.
    pub fn heard(&self) -> (u64, Option<f64>) {
        self.meter.heard().map_or((0, None), |heard| (heard.audible_ms, heard.tone_share))
    }

    /// Fills in what the stream knows, and completes the recording.
    ///
    /// # Errors
    /// The recording cannot be written.
    pub fn finish(&mut self, report: &mut Report) -> Result<()> {
        report.codec = Some(self.codec.name());
        report.ptime_ms = Some(self.ptime);
        report.packets_received = self.receiver.received();
        report.packets_lost = self.receiver.lost();
        report.jitter_ms = rounded(self.receiver.jitter() * 1000.0 / f64::from(RATE));
        report.packets_other_payload = self.other_payload;
        report.round_trip_ms = self.told.round_trip.map(|time| rounded(time.as_secs_f64() * 1000.0));
        report.peer_lost = self.told.lost;
        report.peer_bye = self.told.bye;
        if let Some(heard) = self.meter.heard() {
            report.audio_level_dbov = Some(rounded(heard.level));
            report.audio_loudest_dbov = Some(rounded(heard.loudest));
            report.audible_ms = heard.audible_ms;
            report.dominant_hz = heard.dominant_hz;
            report.tone_share = heard.tone_share.map(rounded);
        }
        self.recording.take().map_or(Ok(()), Recording::finish)
    }
}

/// Room for a packet of ours with what protection adds, in bytes.
pub const ROOM: usize = rtp::HEADER + MAX_PAYLOAD + sealrtp_srtp::MAX_TRAILER_LEN;
const _: () = assert!(ROOM > rtcp::MAX_LEN + sealrtp_srtp::MAX_TRAILER_LEN);
