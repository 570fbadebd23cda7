//! The JSON line of `sealrtp relay`. Holds no key.

use sealrtp_relay::{Dropped, Flow};
use sealrtp_session::DirectionStats;
use sealrtp_zrtp::message::Zid;
use serde::Serialize;

use crate::report::Handshake;
use crate::zrtp::ZrtpReport;

/// What a run came to; `null` where there is nothing to tell.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The word for the exit code.
    pub result: &'static str,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// The section of `sealrtp.conf` that the call was under; with plain options empty.
    pub policy: Option<String>,
    /// Whether every RTP stream had keys at the end, both ways.
    pub secured: bool,
    /// From when both descriptions were known to the end, in ms.
    pub duration_ms: Option<f64>,
    /// RTP m-lines, in their order.
    pub media: Vec<Line>,
}

/// One RTP m-line.
#[derive(Debug, Default, Serialize)]
pub struct Line {
    /// `audio`, `video`.
    pub kind: String,
    /// `dtls`, `sdes`, `zrtp` or `none`.
    pub method: Option<&'static str>,
    /// The suite of SRTP; with DTLS the protection profile's.
    pub suite: Option<&'static str>,
    /// Whether RTP had keys at the end, both ways.
    pub secured: bool,
    /// Whether RTCP had.
    pub rtcp_secured: bool,
    /// `mux` or `separate`.
    pub rtcp: Option<&'static str>,
    /// Our address towards the peer.
    pub local: String,
    /// Where the peer's RTP goes: by its description, or learned from packets that proved to be its.
    pub remote: Option<String>,
    /// Our address towards the device.
    pub device_local: String,
    /// Where the device's RTP goes.
    pub device: Option<String>,
    /// From when both descriptions were known to the keys, in ms.
    pub time_to_secure_ms: Option<f64>,
    /// Of DTLS.
    #[serde(flatten)]
    pub handshake: Handshake,
    /// From the peer to the device.
    pub to_device: Way,
    /// From the device to the peer.
    pub to_peer: Way,
    /// With ZRTP.
    pub zrtp: Option<ZrtpReport>,
}

impl Line {
    /// What is told of ZRTP, of ours with this ZID.
    pub fn zrtp(&mut self, zid: Option<Zid>) -> &mut ZrtpReport {
        self.zrtp.get_or_insert_with(|| zid.map(ZrtpReport::new).unwrap_or_default())
    }
}

/// One direction.
#[derive(Debug, Default, Serialize)]
pub struct Way {
    /// RTP packets that the keys opened or protected.
    pub rtp: u64,
    /// RTCP packets that they did.
    pub rtcp: u64,
    /// Packets that passed in the clear, RTP and RTCP.
    pub clear: u64,
    /// RTP and RTCP packets sent on.
    pub sent: u64,
    /// Bytes of these, as they were sent.
    pub bytes: u64,
    /// Datagrams of DTLS and ZRTP.
    pub handshake: u64,
    /// What was not sent on.
    pub dropped: Drops,
}

/// Datagrams that were not sent on, by reason.
#[derive(Debug, Default, Serialize)]
pub struct Drops {
    /// Authentication failed.
    pub auth_failures: u64,
    /// Received before, or older than the replay window.
    pub replays: u64,
    /// No RTP or RTCP, or lengths that lie.
    pub malformed: u64,
    /// The keys' lifetime was over.
    pub expired: u64,
    /// Another reason of the session's, above all: clear, or before there were keys.
    pub refused: u64,
    /// Of another protocol (STUN, TURN), or RTP on RTCP's port.
    pub not_media: u64,
    /// To the device's side, and not from the device.
    pub not_the_device: u64,
    /// Nobody told where to send it, or the call is on hold.
    pub no_address: u64,
    /// The system did not take it.
    pub not_sent: u64,
}

impl Way {
    /// What the session and the relay have counted.
    pub fn new(session: &DirectionStats, flow: &Flow) -> Self {
        Self {
            rtp: session.rtp_packets,
            rtcp: session.rtcp_packets,
            clear: session.clear,
            sent: flow.packets,
            bytes: flow.bytes,
            handshake: flow.handshake,
            dropped: Drops {
                auth_failures: session.auth_failures,
                replays: session.replays,
                malformed: session.malformed,
                expired: session.expired,
                refused: session.refused,
                not_media: flow.dropped(Dropped::NotMedia),
                not_the_device: flow.dropped(Dropped::NotThePbx),
                no_address: flow.dropped(Dropped::NoAddress),
                not_sent: flow.dropped(Dropped::NotSent),
            },
        }
    }
}
