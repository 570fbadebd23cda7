//! What has become of the lines of a leg.

use std::ffi::c_char;

use ::sealrtp_leg::{Applied, Leg, LineInfo, StreamInfo};
use ::sealrtp_relay::{Dropped, Flow};
use ::sealrtp_session::State;

use crate::boundary::{guard, put, shared, write_sized};
use crate::counters::{sealrtp_direction_stats, sealrtp_session_stats};
use crate::leg::sealrtp_leg;
use crate::offer_answer::sealrtp_method;
use crate::result::sealrtp_result::{self, *};
use crate::session_dtls::sealrtp_dtls_info;
use crate::session_zrtp::sealrtp_zrtp_info;

/// Packets and bytes that a stream of the relay has carried or dropped.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct sealrtp_relay_counters {
    /// RTP and RTCP packets that were passed on.
    pub packets: u64,
    /// Their bytes, as they were sent.
    pub bytes: u64,
    /// Datagrams of DTLS and ZRTP.
    pub handshake: u64,
    /// Packets that the stream's session refused: no keys, not authentic, replayed, malformed; see `sealrtp_leg_get_stats`.
    pub refused: u64,
    /// Datagrams that are no media.
    pub not_media: u64,
    /// Datagrams from somewhere else than the PBX.
    pub not_the_pbx: u64,
    /// Packets for which no address is known, or on hold.
    pub no_address: u64,
    /// Packets that the system did not take.
    pub not_sent: u64,
}

impl From<&Flow> for sealrtp_relay_counters {
    fn from(flow: &Flow) -> Self {
        Self {
            packets: flow.packets,
            bytes: flow.bytes,
            handshake: flow.handshake,
            refused: flow.dropped(Dropped::Refused),
            not_media: flow.dropped(Dropped::NotMedia),
            not_the_pbx: flow.dropped(Dropped::NotThePbx),
            no_address: flow.dropped(Dropped::NoAddress),
            not_sent: flow.dropped(Dropped::NotSent),
        }
    }
}

/// What has become of an m-line. The texts end with a NUL.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_line {
    /// Set by the caller: sizeof(sealrtp_leg_line).
    pub size: usize,
    /// "audio", "video", ...
    pub media: [c_char; 16],
    /// 1: a stream of the relay carries it. 0: it is declined, or not RTP: then all but `media` is 0.
    pub open: u32,
    /// A `sealrtp_method`.
    pub method: u32,
    /// A `sealrtp_state`, of RTP.
    pub state: u32,
    /// A `sealrtp_state`, of RTCP.
    pub rtcp_state: u32,
    /// 1: RTP and RTCP share a port (RFC 5761).
    pub muxed: u32,
    /// Our port towards the peer; RTCP's is the next one.
    pub peer_side_port: u32,
    /// Our port on loopback towards the PBX; RTCP's is the next one.
    pub pbx_side_port: u32,
    /// Where media for the peer goes now, e.g. `192.0.2.1:5004` or `[2001:db8::1]:5004`; "": nowhere, it is on hold or not known yet.
    pub peer_address: [c_char; 64],
    /// The SRTP suite of what we send; "": no keys (yet).
    pub suite: [c_char; 40],
    /// Peer to PBX.
    pub from_peer: sealrtp_relay_counters,
    /// PBX to peer.
    pub from_pbx: sealrtp_relay_counters,
}

pub(crate) fn method_number(method: Applied) -> u32 {
    use sealrtp_method::*;
    (match method {
        Applied::Open => SEALRTP_METHOD_NONE,
        Applied::Clear => SEALRTP_METHOD_CLEAR,
        Applied::Sdes => SEALRTP_METHOD_SDES,
        Applied::Dtls => SEALRTP_METHOD_DTLS,
        Applied::Zrtp => SEALRTP_METHOD_ZRTP,
    }) as u32
}

impl sealrtp_leg_line {
    fn new(line: &LineInfo) -> Self {
        let mut this = Self {
            size: size_of::<Self>(),
            media: [0; 16],
            open: u32::from(line.stream.is_some()),
            method: sealrtp_method::SEALRTP_METHOD_NONE as u32,
            state: State::Block as u32,
            rtcp_state: State::Block as u32,
            muxed: 0,
            peer_side_port: 0,
            pbx_side_port: 0,
            peer_address: [0; 64],
            suite: [0; 40],
            from_peer: sealrtp_relay_counters::default(),
            from_pbx: sealrtp_relay_counters::default(),
        };
        put(&mut this.media, &line.media);
        if let Some(stream) = &line.stream {
            this.method = method_number(stream.method);
            (this.state, this.rtcp_state) = (stream.state as u32, stream.rtcp_state as u32);
            this.muxed = stream.mux.into();
            this.peer_side_port = stream.outer_port.into();
            this.pbx_side_port = stream.inner_port.into();
            put(&mut this.peer_address, &stream.peer.map(|peer| peer.to_string()).unwrap_or_default());
            put(&mut this.suite, stream.suite().map_or("", |suite| suite.name()));
            this.from_peer = (&stream.relay.to_pbx).into();
            this.from_pbx = (&stream.relay.to_peer).into();
        }
        this
    }
}

fn stream(leg: &Leg, index: u32) -> Option<StreamInfo> {
    leg.line(index as usize)?.stream
}

/// What m-line `index`, from 0 on, has come to. SEALRTP_DONE past the last.
///
/// # Safety
/// `leg` is a handle or null, `line` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_line(
    leg: *const sealrtp_leg,
    index: u32,
    line: *mut sealrtp_leg_line,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        let Some(info) = leg.line(index as usize) else { return Ok(SEALRTP_DONE) };
        // SAFETY: the caller's promise.
        unsafe { write_sized(line, &sealrtp_leg_line::new(&info))? };
        Ok(SEALRTP_OK)
    })
}

/// Counters of an m-line's session. SEALRTP_DONE: no stream carries it.
///
/// # Safety
/// `leg` is a handle or null, `stats` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_stats(
    leg: *const sealrtp_leg,
    index: u32,
    stats: *mut sealrtp_session_stats,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        let Some(stream) = stream(leg, index) else { return Ok(SEALRTP_DONE) };
        let filled = sealrtp_session_stats {
            size: size_of::<sealrtp_session_stats>(),
            inbound: sealrtp_direction_stats::from(stream.inbound),
            outbound: sealrtp_direction_stats::from(stream.outbound),
        };
        // SAFETY: the caller's promise.
        unsafe { write_sized(stats, &filled)? };
        Ok(SEALRTP_OK)
    })
}

/// What the DTLS handshake of an m-line agreed on, for RTP. SEALRTP_DONE: nothing (yet).
///
/// # Safety
/// `leg` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_dtls_info(
    leg: *const sealrtp_leg,
    index: u32,
    info: *mut sealrtp_dtls_info,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        let stream = stream(leg, index);
        let Some((dtls, memory_bytes)) = stream.and_then(|stream| Some((stream.dtls?, stream.memory_bytes)))
        else {
            return Ok(SEALRTP_DONE);
        };
        // SAFETY: the caller's promise.
        unsafe { write_sized(info, &sealrtp_dtls_info::new(&dtls, memory_bytes))? };
        Ok(SEALRTP_OK)
    })
}

/// What ZRTP agreed on for an m-line. SEALRTP_DONE: nothing (yet).
///
/// # Safety
/// `leg` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_get_zrtp_info(
    leg: *const sealrtp_leg,
    index: u32,
    info: *mut sealrtp_zrtp_info,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        let stream = stream(leg, index);
        let Some((zrtp, memory_bytes)) = stream.and_then(|stream| Some((stream.zrtp?, stream.memory_bytes)))
        else {
            return Ok(SEALRTP_DONE);
        };
        // SAFETY: the caller's promise.
        unsafe { write_sized(info, &sealrtp_zrtp_info::new(&zrtp, memory_bytes))? };
        Ok(SEALRTP_OK)
    })
}
