//! What a leg is made of.

use std::ffi::{c_char, c_void};
use std::net::IpAddr;

use ::sealrtp_leg::{Associations, Event, Observer, Ports, Terms};
use ::sealrtp_zrtp::Association;
use sealrtp_policy::Config;

use crate::boundary::{shared, text};
use crate::config::sealrtp_config;
use crate::dtls::{sealrtp_dtls, sealrtp_dtls_options};
use crate::leg_event::sealrtp_leg_event;
use crate::result::sealrtp_result::{self, *};
use crate::session_dtls::set_session;
use crate::zrtp::{Maker, number_of, sealrtp_zrtp};

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
pub(crate) struct Callbacks {
    pub(crate) take_port: unsafe extern "C" fn(*mut c_void) -> u32,
    pub(crate) give_port: unsafe extern "C" fn(*mut c_void, u32),
    pub(crate) event: Option<unsafe extern "C" fn(*mut c_void, *const sealrtp_leg_event)>,
    pub(crate) data: *mut c_void,
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

/// What an options struct says, with what is the machine's.
///
/// # Safety
/// As [`sealrtp_leg_new`](crate::leg::sealrtp_leg_new).
pub(crate) unsafe fn terms(options: &sealrtp_leg_options) -> Result<Terms, (sealrtp_result, String)> {
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
