//! The JSON line. Holds no key.

use std::time::Duration;

use sealrtp_dtls::{Failure, Role};
use sealrtp_session::Secured;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::zrtp::ZrtpReport;

/// What a run came to; `null` where there is nothing to tell.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The word for the exit code.
    pub result: &'static str,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// Whether RTP had keys at the end, both ways.
    pub secured: bool,
    /// Whether RTCP had keys at the end, both ways: with DTLS and a port of its own it needs a handshake of its own.
    pub rtcp_secured: bool,
    /// `dtls`, `sdes`, `zrtp` or `none`.
    pub method: Option<&'static str>,
    /// The suite of SRTP; with DTLS the protection profile's.
    pub suite: Option<&'static str>,
    /// Of DTLS.
    #[serde(flatten)]
    pub handshake: Handshake,
    /// Our RTP address.
    pub local: Option<String>,
    /// The peer's RTP address.
    pub remote: Option<String>,
    /// `mux` or `separate`.
    pub rtcp: Option<&'static str>,
    /// What we send.
    pub codec: Option<&'static str>,
    /// Milliseconds in a packet of ours.
    pub ptime_ms: Option<u32>,
    /// From when both descriptions were known to the keys, in ms.
    pub time_to_secure_ms: Option<f64>,
    /// From when both descriptions were known to the first RTP packet that opened, in ms.
    pub first_secured_packet_ms: Option<f64>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and opened.
    pub packets_received: u64,
    /// Those of the packets sent that were clear.
    pub clear_sent: u64,
    /// Those of the packets received that were clear.
    pub clear_received: u64,
    /// RTP packets missing between the first and the last one received.
    pub packets_lost: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), in ms.
    pub jitter_ms: f64,
    /// RTP packets received whose payload is not G.711.
    pub packets_other_payload: u64,
    /// RTCP packets sent.
    pub rtcp_sent: u64,
    /// RTCP packets received and opened.
    pub rtcp_received: u64,
    /// By the peer's reports, in ms.
    pub round_trip_ms: Option<f64>,
    /// What the peer reports of our packets.
    pub peer_lost: Option<u32>,
    /// Whether the peer said goodbye.
    pub peer_bye: bool,
    /// Packets whose authentication failed.
    pub auth_failures: u64,
    /// Packets received before, or older than the replay window.
    pub replays: u64,
    /// Packets that are no RTP or RTCP.
    pub malformed: u64,
    /// Packets refused for another reason, e.g. before there were keys.
    pub refused: u64,
    /// Of all refused packets, those of the length that clear G.711 has.
    pub clear_refused: u64,
    /// Datagrams of other protocols: STUN, ZRTP, TURN.
    pub other_datagrams: u64,
    /// Datagrams that the system did not take for sending.
    pub send_failures: u64,
    /// Level of all audio received, in dBov (RFC 6464: a full sine has -3.01).
    pub audio_level_dbov: Option<f64>,
    /// The loudest 50 ms of it.
    pub audio_loudest_dbov: Option<f64>,
    /// How much of it was louder than `--min-level`, in ms.
    pub audible_ms: u64,
    /// The strongest frequency, to 20 Hz.
    pub dominant_hz: Option<f64>,
    /// How much of the audio is the tone that is played or expected, 0 to 1.
    pub tone_share: Option<f64>,
    /// With `--zrtp`.
    pub zrtp: Option<ZrtpReport>,
}

/// What a DTLS handshake came to; `null` where there is nothing to tell.
#[derive(Debug, Default, Serialize)]
pub struct Handshake {
    /// OpenSSL's name of the DTLS cipher suite.
    pub cipher: Option<String>,
    /// `DTLSv1.2`.
    pub dtls_version: Option<String>,
    /// Ours: `client` or `server`.
    pub role: Option<&'static str>,
    /// Of our certificate, as our description has it.
    pub local_fingerprint: Option<String>,
    /// Of the certificate that the peer showed.
    pub remote_fingerprint: Option<String>,
    /// From the first ClientHello to the keys, in ms.
    pub handshake_ms: Option<f64>,
}

impl Handshake {
    /// Notes what was agreed on.
    pub fn secured(&mut self, secured: &Secured) {
        self.handshake_ms = Some(milliseconds(secured.took));
        self.role = Some(match secured.role {
            Role::Client => "client",
            Role::Server => "server",
        });
        self.cipher = Some(secured.cipher.clone());
        self.dtls_version = Some(secured.version.clone());
        self.remote_fingerprint = Some(secured.remote_fingerprint.to_string());
    }

    /// Notes why there are no keys, and how a run ends for it.
    pub fn failed(&mut self, failure: &Failure) -> Outcome {
        if let Failure::FingerprintMismatch { got, .. } = failure {
            self.remote_fingerprint = Some(got.to_string());
        }
        match failure {
            Failure::FingerprintMismatch { .. } => Outcome::FingerprintMismatch,
            Failure::NoCommonProfile => Outcome::NothingInCommon,
            Failure::TimedOut => Outcome::NotSecured,
            _ => Outcome::HandshakeFailed,
        }
    }
}

/// In ms, with two decimals.
pub fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

/// One line of JSON.
pub fn json(report: &impl Serialize) -> String {
    // Numbers, words and texts: nothing in it can fail.
    serde_json::to_string(report)
        .unwrap_or_else(|error| format!("{{\"result\":\"usage\",\"reason\":\"{error}\"}}"))
}

/// Two decimals are enough for whoever reads it.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
