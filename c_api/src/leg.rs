//! One call leg whose media a relay carries: descriptions in and out, and what has become of its lines.

use std::ffi::{c_char, c_void};
use std::net::IpAddr;
use std::sync::Arc;

use ::sealrtp_leg::{
    Applied, Associations, Event, Happened, Leg, LineInfo, Observer, Ports, Refusal, StreamInfo, Terms, Text,
};
use ::sealrtp_relay::{Dropped, Flow};
use ::sealrtp_session::{Event as SessionEvent, State};
use ::sealrtp_zrtp::Association;
use sealrtp_policy::Config;

use crate::boundary::{
    bytes, bytes_mut, give, guard, put, shared, take_back, text, unique, write_sized, write_text,
};
use crate::config::{consequence_number, sealrtp_config};
use crate::counters::{sealrtp_direction_stats, sealrtp_session_stats};
use crate::dtls::{sealrtp_dtls, sealrtp_dtls_options};
use crate::event::{sealrtp_event, sealrtp_event_kind, sealrtp_failure};
use crate::offer_answer::{read, result_of, sealrtp_method, sealrtp_sdp_message, write_body};
use crate::relay::sealrtp_relay;
use crate::result::sealrtp_result::{self, *};
use crate::session_dtls::{sealrtp_dtls_info, set_session};
use crate::session_zrtp::{far_end_of, sealrtp_zrtp_info};
use crate::zrtp::{Maker, number_of, sealrtp_zrtp};

/// One leg of a call: its offers and answers, and a stream of a relay for each RTP m-line. Its functions may be called from any
/// thread, but not from within its own callbacks.
#[allow(non_camel_case_types)]
pub struct sealrtp_leg(Leg);

/// Something that has happened to a leg, to log or to act on.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_event {
    /// sizeof(sealrtp_leg_event) of the library: it may be longer than the caller's.
    pub size: usize,
    /// A `sealrtp_event_kind`.
    pub kind: u32,
    /// Which m-line, from 0 on.
    pub line: u32,
    /// A `sealrtp_method`: whose the event is.
    pub method: u32,
    /// A `sealrtp_consequence` if it is a failure (FAILED, CLOSED, CLEARED, CACHE_MISMATCH, and NO_ANSWER where nothing clear may
    /// pass); otherwise 0. HANGUP: end the call. BLOCK: the line's media is stopped already. With either nothing passes any more.
    pub consequence: u32,
    /// Of FAILED a `sealrtp_failure`; otherwise as the kind says.
    pub value: u64,
    /// 1 if it is about RTCP's own handshake.
    pub rtcp: u32,
    /// "audio", "video", ...
    pub media: [c_char; 16],
    /// Of SECURED the SRTP suite, otherwise "".
    pub suite: [c_char; 40],
    /// The event in English, for a log; no keys.
    pub text: [c_char; 1024],
}

impl sealrtp_leg_event {
    fn new(event: &Event) -> Self {
        use sealrtp_event_kind::*;
        let mut this = Self {
            size: size_of::<Self>(),
            kind: 0,
            line: u32::try_from(event.line).unwrap_or(u32::MAX),
            method: method_number(event.method),
            consequence: event.consequence.map_or(0, consequence_number),
            value: 0,
            rtcp: 0,
            media: [0; 16],
            suite: [0; 40],
            text: [0; 1024],
        };
        let suite = match &event.what {
            Happened::Session(told) => {
                let told_to_c = sealrtp_event::new(told);
                (this.kind, this.value, this.rtcp) = (told_to_c.kind, told_to_c.value, told_to_c.rtcp);
                match told {
                    SessionEvent::Secured(secured) => Some(secured.suite),
                    SessionEvent::ZrtpSecured(secured) => Some(secured.suite),
                    _ => None,
                }
            }
            Happened::Keyed(suite) => {
                this.kind = SEALRTP_EVENT_SECURED as u32;
                Some(*suite)
            }
            Happened::Clear => {
                this.kind = SEALRTP_EVENT_CLEAR as u32;
                None
            }
            Happened::Warning(_) => {
                this.kind = SEALRTP_EVENT_WARNING as u32;
                None
            }
            Happened::Broken => {
                this.kind = SEALRTP_EVENT_FAILED as u32;
                this.value = sealrtp_failure::SEALRTP_FAILURE_OTHER as u64;
                None
            }
        };
        put(&mut this.media, &event.media);
        put(&mut this.suite, suite.map_or("", |suite| suite.name()));
        put(&mut this.text, &event.to_string());
        this
    }
}

/// What a leg is made of. Zero what is not said: memset, then set `size`.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_options {
    /// Set by the caller: sizeof(sealrtp_leg_options).
    pub size: usize,
    /// For texts, e.g. "sofia/internal/1000@example.org".
    pub name: *const c_char,
    /// IP address, without port, that the sockets towards the peer bind. The PBX's own media sockets are at this address as well.
    pub address: *const c_char,
    /// The call's policy; copied.
    pub config: *const sealrtp_config,
    /// Our certificates; what is needed is copied.
    pub dtls: *const sealrtp_dtls,
    /// Which of them; null: the one made by the library.
    pub dtls_options: *const sealrtp_dtls_options,
    /// ZID and cache; null: no ZRTP. Copied.
    pub zrtp: *const sealrtp_zrtp,
    /// 1: this PBX offers enrolment, see `sealrtp_zrtp_options`.
    pub enrolment: u32,
    /// 1: what runs here may disclose keys or media, see `sealrtp_zrtp_options`.
    pub disclosure: u32,
    /// Under which the peer knows us, see `sealrtp_zrtp_options`; null or "": our own ZID.
    pub number: *const c_char,
    /// 1: we called, and `number` is the caller's.
    pub outgoing: u32,
    /// 1: what hands the peer's descriptions over prints UDP/TLS/RTP/SAVP as RTP/SAVP, as sofia-sip does. An RTP/SAVP line with
    /// a=fingerprint and no a=crypto is then read as UDP/TLS/RTP/SAVP.
    pub savp_fingerprint_is_udp_tls: u32,
    /// Gives a free even UDP port of `address`, whose odd neighbour is free for RTCP; 0: there is none left. Called within
    /// `sealrtp_leg_remote` and `_local`, several times if a port turns out to be used.
    pub take_port: Option<unsafe extern "C" fn(data: *mut c_void) -> u32>,
    /// Takes such a port back. Called within any function of the leg.
    pub give_port: Option<unsafe extern "C" fn(data: *mut c_void, port: u32)>,
    /// Tells an event: in a thread of the relay, or in the caller's before a function of the leg returns. One at a time for a leg, with no
    /// lock of the relay held. It must not block, and must not call a function of this leg or free it: queue what is to be done. Null: nothing is told.
    pub event: Option<unsafe extern "C" fn(data: *mut c_void, event: *const sealrtp_leg_event)>,
    /// For the three functions; lives until `sealrtp_leg_free` has returned.
    pub data: *mut c_void,
}

/// The caller's functions. They may be called in any thread, as the caller was told.
#[derive(Clone, Copy)]
struct Callbacks {
    take_port: unsafe extern "C" fn(*mut c_void) -> u32,
    give_port: unsafe extern "C" fn(*mut c_void, u32),
    event: Option<unsafe extern "C" fn(*mut c_void, *const sealrtp_leg_event)>,
    data: *mut c_void,
}

// SAFETY: `data` is only handed to the caller's functions, which it allows in any thread.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Ports for Callbacks {
    fn take(&self) -> Option<u16> {
        // SAFETY: the caller's function, whose data lives as long as the leg.
        let port = unsafe { (self.take_port)(self.data) };
        u16::try_from(port).ok().filter(|port| *port != 0)
    }

    fn give_back(&self, port: u16) {
        // SAFETY: as above.
        unsafe { (self.give_port)(self.data, port.into()) }
    }
}

impl Observer for Callbacks {
    fn event(&self, event: Event) {
        if let Some(tell) = self.event {
            // SAFETY: as above; the struct lives as long as the call.
            unsafe { tell(self.data, &sealrtp_leg_event::new(&event)) }
        }
    }
}

impl Associations for Maker {
    fn begin(&self, config: &Config, disclosure: bool) -> Option<Association> {
        self.association(config, disclosure).ok()
    }
}

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

fn method_number(method: Applied) -> u32 {
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

/// What an options struct says, with what is the machine's.
///
/// # Safety
/// As [`sealrtp_leg_new`].
unsafe fn terms(options: &sealrtp_leg_options) -> Result<Terms, (sealrtp_result, String)> {
    let argument = |what: &str| (SEALRTP_E_ARGUMENT, what.to_owned());
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(options.name).map_err(|_| argument("name is missing, or no text"))?;
        let address = text(options.address).ok().and_then(|address| address.parse::<IpAddr>().ok());
        let address = address.ok_or_else(|| argument("address is missing, or no IP address"))?;
        let config = shared(options.config).map_err(|_| argument("config is missing"))?;
        let dtls = shared(options.dtls).map_err(|_| argument("dtls is missing"))?;
        let local =
            dtls.local_of(options.dtls_options).map_err(|_| argument("dtls_options cannot be read"))?;
        let local = local.map_err(|said| (SEALRTP_E_DTLS, said))?;
        let mut terms = Terms::beside(name, config.0.clone(), local.context, address);
        terms.resume = Some(set_session);
        if let Some(zrtp) = options.zrtp.as_ref() {
            let number = number_of(options.number);
            terms.zrtp = Some(Box::new(zrtp.maker(options.enrolment != 0, &number, options.outgoing != 0)));
        }
        terms.disclosure = options.disclosure != 0;
        terms.savp_fingerprint_is_udp_tls = options.savp_fingerprint_is_udp_tls != 0;
        Ok(terms)
    }
}

/// Begins a leg whose media `relay` carries. Nothing is bound before its first description. On SEALRTP_E_ARGUMENT and SEALRTP_E_DTLS
/// `reason` says why.
///
/// # Safety
/// `relay` is a handle or null, `options` points to a struct with its size set, whose handles and texts are what they say or null, or
/// is null, `out` points to a pointer or is null, `reason` has `reason_size` bytes or is null. The callbacks may be called in any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_new(
    relay: *const sealrtp_relay,
    options: *const sealrtp_leg_options,
    out: *mut *mut sealrtp_leg,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (relay, options, out) = unsafe { (shared(relay)?, shared(options)?, unique(out)?) };
        if options.size < size_of::<sealrtp_leg_options>() {
            return Err(SEALRTP_E_ARGUMENT);
        }
        let refuse = |(result, said): (sealrtp_result, String)| {
            // SAFETY: the caller's promise. A reason that was cut is still one.
            let _ = unsafe { write_text(reason, reason_size, &said) };
            result
        };
        let (Some(take_port), Some(give_port)) = (options.take_port, options.give_port) else {
            return Err(refuse((SEALRTP_E_ARGUMENT, "take_port and give_port are missing".into())));
        };
        // SAFETY: the caller's promise.
        let terms = unsafe { terms(options) }.map_err(refuse)?;
        let callbacks = Callbacks { take_port, give_port, event: options.event, data: options.data };
        let leg = Leg::new(&relay.0, terms, Arc::new(callbacks), Arc::new(callbacks));
        *out = give(sealrtp_leg(leg));
        Ok(SEALRTP_OK)
    })
}

/// Ends a leg: DTLS associations are closed, sockets too, ports are given back, keys zeroised. An event that runs is waited for, and none comes
/// after it. Null is nothing.
///
/// # Safety
/// `leg` is null or a handle that is not used again; no callback of the leg runs in this thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_free(leg: *mut sealrtp_leg) {
    // SAFETY: the caller's promise.
    unsafe { take_back(leg) }
}

/// Takes the peer's description of `sdp_len` bytes, offer or answer by `message`, and writes the one for the PBX: clear RTP on the
/// relay's loopback ports. `*len` is the size of `out` and becomes the text's length, without a NUL. The same text once more changes nothing
/// and is answered the same.
///
/// SEALRTP_E_POLICY: refuse it, an offer with 488, an answer by ending the call; `reason` says why and what to change.
/// SEALRTP_E_SDP: it cannot be read. SEALRTP_E_SYSTEM: no port or socket; 500. After these nothing has changed and nothing clear passes that
/// did not before. SEALRTP_E_BUFFER: `*len` bytes are needed; ask again with the same text.
///
/// # Safety
/// `leg` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is null, `len` to
/// a number or is null, `out` has `*len` bytes or is null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_remote(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    out: *mut c_char,
    len: *mut usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { describe(leg, message, (sdp, sdp_len), (out, len), (reason, reason_size), Leg::remote) }
}

/// Takes the PBX's own description, offer or answer by `message`, and writes the one for the peer: the relay's outer ports, profile and keys
/// by policy. The rest as `sealrtp_leg_remote`; on an error nothing may be sent. The text holds keys: wipe it after use, and mask it for logs,
/// `sealrtp_sdp_mask`.
///
/// # Safety
/// As `sealrtp_leg_remote`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_local(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: *const c_char,
    sdp_len: usize,
    out: *mut c_char,
    len: *mut usize,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { describe(leg, message, (sdp, sdp_len), (out, len), (reason, reason_size), Leg::local) }
}

/// One side's description in, the other's out.
///
/// # Safety
/// As [`sealrtp_leg_remote`].
unsafe fn describe(
    leg: *mut sealrtp_leg,
    message: *const sealrtp_sdp_message,
    sdp: (*const c_char, usize),
    (out, len): (*mut c_char, *mut usize),
    reason: (*mut c_char, usize),
    take: impl FnOnce(&Leg, &[u8], &::sealrtp_leg::Message) -> Result<Text, Refusal>,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, body, message) = unsafe { (shared(leg)?, bytes(sdp.0.cast(), sdp.1)?, read(message)?) };
        match take(&leg.0, body, &message) {
            // SAFETY: the caller's promise.
            Ok(text) => unsafe { write_body(out, len, &text) },
            // SAFETY: the caller's promise.
            Err(refusal) => Err(unsafe { refuse(reason, &refusal) }),
        }
    })
}

/// # Safety
/// `reason` is null or has `size` bytes.
unsafe fn refuse((reason, size): (*mut c_char, usize), refusal: &Refusal) -> sealrtp_result {
    // SAFETY: the caller's promise. A reason that was cut is still one.
    let _ = unsafe { write_text(reason, size, &refusal.to_string()) };
    match refusal {
        Refusal::System(_) => SEALRTP_E_SYSTEM,
        refusal => result_of(refusal),
    }
}

/// Another policy for the call from here on: an offer of the peer that is not answered yet is decided anew, what was agreed on
/// stands. SEALRTP_E_POLICY: that offer is to be answered by 488, and `reason` says why.
///
/// # Safety
/// `leg` and `config` are handles or null, `reason` has `reason_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_set_config(
    leg: *mut sealrtp_leg,
    config: *const sealrtp_config,
    reason: *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, config) = unsafe { (shared(leg)?, shared(config)?) };
        let set = leg.0.set_config(config.0.clone());
        // SAFETY: the caller's promise.
        set.map(|()| SEALRTP_OK).map_err(|refusal| unsafe { refuse((reason, reason_size), &refusal) })
    })
}

/// From here on no clear media passes on any line; there is no way back.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_demand_security(leg: *mut sealrtp_leg) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        leg.demand_security();
        Ok(SEALRTP_OK)
    })
}

/// Whether keys or media may be disclosed here (RFC 6189 section 11): exchanges of ZRTP that are not set up yet say so.
/// SEALRTP_DONE: it is set up already, and says what it said.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_disclose(leg: *mut sealrtp_leg, disclosure: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.disclose(disclosure != 0) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// Adds a step to the explanation.
///
/// # Safety
/// `leg` is a handle or null, `step` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_note(leg: *mut sealrtp_leg, step: *const c_char) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, step) = unsafe { (shared(leg)?, text(step)?) };
        leg.0.note(step);
        Ok(SEALRTP_OK)
    })
}

/// Writes each step so far with the rule behind it, one on a line; no keys. SEALRTP_E_BUFFER: `text` holds what fitted.
///
/// # Safety
/// `leg` is a handle or null, `text` has `text_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_explain(
    leg: *const sealrtp_leg,
    text: *mut c_char,
    text_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(text, text_size, &shared(leg)?.0.explain())? };
        Ok(SEALRTP_OK)
    })
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

/// The user has compared the call's SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_verify(leg: *mut sealrtp_leg, verified: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.verify(verified != 0) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_accept_enrolment(leg: *mut sealrtp_leg) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        Ok(if leg.accept_enrolment() { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// Tells the peer, who is enrolled here, the SAS of the far end that it is bridged to (RFC 6189 section 7.3.2): what
/// `sealrtp_leg_get_zrtp_info` says of the other leg's line. Only one of two enrolled ends may be told. SEALRTP_DONE: not secured by ZRTP,
/// or this is no PBX (`zrtp_mitm`).
///
/// # Safety
/// `leg` is a handle or null, `far_end` points to a struct that `sealrtp_leg_get_zrtp_info` has filled or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_relay_sas(
    leg: *mut sealrtp_leg,
    far_end: *const sealrtp_zrtp_info,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (leg, far_end) = unsafe { (shared(leg)?, shared(far_end)?) };
        let (sas, flags) = far_end_of(far_end)?;
        Ok(if leg.0.relay_sas(&sas, flags) { SEALRTP_OK } else { SEALRTP_DONE })
    })
}

/// Whether each step of a handshake is told from now on, as SEALRTP_EVENT_TRACE.
///
/// # Safety
/// `leg` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_leg_set_trace(leg: *mut sealrtp_leg, trace: u32) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let leg = unsafe { &shared(leg)?.0 };
        leg.set_trace(trace != 0);
        Ok(SEALRTP_OK)
    })
}

/// Writes `text`, a description or any text that may have one in it, with each key of `a=crypto`, `a=key-mgmt` and `k=` replaced by as many
/// `*`, for logs, events and variables. It becomes exactly as long as it was, so `out` may be `text` itself and needs `len` bytes.
///
/// # Safety
/// `text` points to `len` bytes or is null, `out` has `len` bytes or is null; they are the same or do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_sdp_mask(
    text: *const c_char,
    len: usize,
    out: *mut c_char,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let masked = unsafe {
            if !std::ptr::eq(text, out) {
                bytes_mut(out.cast(), len)?.copy_from_slice(bytes(text.cast(), len)?);
            }
            bytes_mut(out.cast(), len)?
        };
        sealrtp_sdp::mask(masked);
        Ok(SEALRTP_OK)
    })
}
