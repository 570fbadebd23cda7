//! What has become of a line, for who asks.

use std::net::SocketAddr;
use std::sync::Arc;

use sealrtp_offer_answer::Applied;
use sealrtp_relay::Counters as RelayCounters;
use sealrtp_session::{Component, DirectionStats, Secured, State, Way, ZrtpSecured};
use sealrtp_srtp::Suite;

use crate::line::Line;
use crate::text::Side;

/// What has become of an m-line. Holds no key.
#[derive(Clone, Debug)]
pub struct LineInfo {
    /// "audio", "video", ...
    pub media: Arc<str>,
    /// Of the stream that carries it; none: it is declined, or not RTP.
    pub stream: Option<StreamInfo>,
}

/// What has become of a stream.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// Where its keys come from.
    pub method: Applied,
    /// Whether RTP passes, and how.
    pub state: State,
    /// Whether RTCP passes, and how.
    pub rtcp_state: State,
    /// RTP and RTCP share a port (RFC 5761).
    pub mux: bool,
    /// Our port towards the peer; RTCP's is the next one.
    pub outer_port: u16,
    /// Our port towards the PBX; RTCP's is the next one.
    pub inner_port: u16,
    /// Where RTP for the peer goes now; none: nowhere, it is on hold or not known yet.
    pub peer: Option<SocketAddr>,
    /// What we receive.
    pub inbound: DirectionStats,
    /// What we send.
    pub outbound: DirectionStats,
    /// What the relay has passed on and dropped.
    pub relay: RelayCounters,
    /// What DTLS agreed on, for RTP.
    pub dtls: Option<Secured>,
    /// What ZRTP agreed on.
    pub zrtp: Option<ZrtpSecured>,
    /// Bytes of the session, without keys and heap.
    pub memory_bytes: usize,
}

impl StreamInfo {
    /// The suite of what we send.
    pub fn suite(&self) -> Option<Suite> {
        self.outbound.suite
    }

    /// Of a direction.
    pub fn stats(&self, way: Way) -> &DirectionStats {
        match way {
            Way::Inbound => &self.inbound,
            Way::Outbound => &self.outbound,
        }
    }
}

impl LineInfo {
    pub(crate) fn new(line: &Line, peer: Option<&Side>, mux: bool) -> Self {
        let stream = line.carried.as_ref().and_then(|carried| {
            carried.stream(|stream| {
                let relay = stream.counters();
                let described = peer.and_then(|side| side.to);
                stream.with(|session, _| StreamInfo {
                    method: carried.method(),
                    state: session.state(Component::Rtp),
                    rtcp_state: session.state(Component::Rtcp),
                    mux,
                    outer_port: carried.outer_port,
                    inner_port: carried.inner_port,
                    peer: described.map(|described| relay.learned[0].unwrap_or(described)),
                    inbound: session.counters().inbound(),
                    outbound: session.counters().outbound(),
                    relay,
                    dtls: session.dtls_secured(Component::Rtp).cloned(),
                    zrtp: session.zrtp_secured().cloned(),
                    memory_bytes: session.memory_bytes(),
                })
            })
        });
        Self { media: Arc::clone(&line.media), stream }
    }
}
