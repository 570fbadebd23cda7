//! libbzrtp, found at run time: Linphone's ZRTP.

use std::ffi::{c_char, c_int, c_void};

use libloading::os::unix::{Library as SharedObject, RTLD_LOCAL, RTLD_NOW};
use sealrtp_zrtp::algorithm::KeyAgreement;

use super::Result;

/// As Debian's package libbzrtp0 installs it.
const NAME: &str = "libbzrtp.so.0";

type Context = *mut c_void;
type OnSend = unsafe extern "C" fn(*mut c_void, *const u8, u16) -> c_int;
type OnStart = unsafe extern "C" fn(*mut c_void, *const c_void, i32) -> c_int;

/// bzrtpCallbacks_t of bzrtp.h.
#[repr(C)]
struct Callbacks {
    status_message: Option<unsafe extern "C" fn(*mut c_void, u8, u8, *const c_char) -> c_int>,
    message_level: c_int,
    send_data: Option<OnSend>,
    srtp_secrets_available: Option<unsafe extern "C" fn(*mut c_void, *const c_void, u8) -> c_int>,
    start_srtp_session: Option<OnStart>,
    context_ready_for_exported_keys: Option<unsafe extern "C" fn(*mut c_void, c_int, u8) -> c_int>,
}

struct Functions {
    create: unsafe extern "C" fn() -> Context,
    set_callbacks: unsafe extern "C" fn(Context, *const Callbacks) -> c_int,
    set_types: unsafe extern "C" fn(Context, u8, *mut u8, u8),
    init: unsafe extern "C" fn(Context, u32) -> c_int,
    set_client_data: unsafe extern "C" fn(Context, u32, *mut c_void) -> c_int,
    add_channel: unsafe extern "C" fn(Context, u32) -> c_int,
    start: unsafe extern "C" fn(Context, u32) -> c_int,
    iterate: unsafe extern "C" fn(Context, u32, u64) -> c_int,
    process: unsafe extern "C" fn(Context, u32, *mut u8, u16) -> c_int,
    destroy: unsafe extern "C" fn(Context, u32) -> c_int,
}

/// The loaded library.
pub struct Library {
    functions: Functions,
    _object: SharedObject,
}

impl Library {
    /// # Errors
    /// A line that says SKIPPED and why.
    pub fn open() -> std::result::Result<Self, String> {
        let absent = |error| format!("SKIPPED libbzrtp: {error} (Debian: libbzrtp0)");
        // SAFETY: libbzrtp's constructors only set up its own data.
        let object = unsafe { SharedObject::open(Some(NAME), RTLD_NOW | RTLD_LOCAL) }.map_err(absent)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type is that of bzrtp.h.
                *unsafe { object.get($name) }.map_err(absent)?
            };
        }
        let functions = Functions {
            create: function!(b"bzrtp_createBzrtpContext"),
            set_callbacks: function!(b"bzrtp_setCallbacks"),
            set_types: function!(b"bzrtp_setSupportedCryptoTypes"),
            init: function!(b"bzrtp_initBzrtpContext"),
            set_client_data: function!(b"bzrtp_setClientData"),
            add_channel: function!(b"bzrtp_addChannel"),
            start: function!(b"bzrtp_startChannelEngine"),
            iterate: function!(b"bzrtp_iterate"),
            process: function!(b"bzrtp_processMessage"),
            destroy: function!(b"bzrtp_destroyBzrtpContext"),
        };
        Ok(Self { functions, _object: object })
    }
}

/// Types and algorithms by their numbers in bzrtp.h; nothing for what it does not have.
fn number(agreement: KeyAgreement) -> Option<u8> {
    match agreement {
        KeyAgreement::Dh2k => Some(0x41),
        KeyAgreement::X255 => Some(0x42),
        KeyAgreement::Dh3k => Some(0x45),
        KeyAgreement::Multistream => Some(0x4f),
        // Debian's build has these names and no code for them.
        KeyAgreement::Ec25 | KeyAgreement::Ec38 | KeyAgreement::Ec52 | KeyAgreement::Preshared => None,
    }
}

/// Whether libbzrtp has it.
pub fn has(agreement: KeyAgreement) -> bool {
    number(agreement).is_some()
}

#[derive(Default)]
struct Heard {
    out: Vec<Vec<u8>>,
    secure: bool,
}

unsafe extern "C" fn on_send(data: *mut c_void, packet: *const u8, len: u16) -> c_int {
    // SAFETY: the client data is the end's Box, which outlives the context, and the packet has this length.
    let (heard, packet) =
        unsafe { (&mut *data.cast::<Heard>(), std::slice::from_raw_parts(packet, len.into())) };
    heard.out.push(packet.to_vec());
    0
}

unsafe extern "C" fn on_start(data: *mut c_void, _secrets: *const c_void, _verified: i32) -> c_int {
    // SAFETY: as above.
    unsafe { (*data.cast::<Heard>()).secure = true };
    0
}

/// One end of a call's stream.
pub struct End<'a> {
    functions: &'a Functions,
    context: Context,
    ssrc: u32,
    /// Written by callbacks: only touched by its pointer.
    heard: *mut Heard,
    now: u64,
    taken: Vec<u8>,
}

impl<'a> End<'a> {
    /// The first stream of a call.
    pub fn new(library: &'a Library, agreement: KeyAgreement, number_of_end: u8) -> Result<Self> {
        let functions = &library.functions;
        let ssrc = u32::from(number_of_end);
        let agreement = number(agreement).ok_or("libbzrtp does not have it")?;
        // SAFETY: the functions are libbzrtp's, called in the order of its manual; the arrays are read during the call.
        unsafe {
            let context = (functions.create)();
            let callbacks = Callbacks {
                status_message: None,
                message_level: 0,
                send_data: Some(on_send),
                srtp_secrets_available: None,
                start_srtp_session: Some(on_start),
                context_ready_for_exported_keys: None,
            };
            (functions.set_callbacks)(context, &callbacks);
            for (kind, types) in [(1, &mut [0x11][..]), (2, &mut [0x21]), (8, &mut [agreement, 0x4f])] {
                (functions.set_types)(context, kind, types.as_mut_ptr(), types.len() as u8);
            }
            if (functions.init)(context, ssrc) != 0 {
                return Err("libbzrtp does not begin".into());
            }
            Ok(Self::with(functions, context, ssrc))
        }
    }

    /// Another stream of the same call, which must be dropped first.
    pub fn second(&self, number_of_end: u8) -> Result<Self> {
        let ssrc = u32::from(number_of_end);
        // SAFETY: the context lives.
        if unsafe { (self.functions.add_channel)(self.context, ssrc) } != 0 {
            return Err("libbzrtp takes no second stream".into());
        }
        Ok(Self::with(self.functions, self.context, ssrc))
    }

    fn with(functions: &'a Functions, context: Context, ssrc: u32) -> Self {
        let heard = Box::into_raw(Box::<Heard>::default());
        // SAFETY: the context lives, and the pointer until `drop`.
        unsafe { (functions.set_client_data)(context, ssrc, heard.cast()) };
        Self { functions, context, ssrc, heard, now: 1000, taken: Vec::new() }
    }

    pub fn start(&mut self) {
        // SAFETY: the context lives.
        unsafe { (self.functions.start)(self.context, self.ssrc) };
    }

    /// Takes datagrams and goes on as far as it can.
    pub fn run(&mut self, datagrams: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        for datagram in datagrams {
            self.taken.clear();
            self.taken.extend(datagram);
            let len = self.taken.len() as u16;
            // SAFETY: the context lives, and the buffer has this length. What it answers to what it needs no more is no error.
            unsafe { (self.functions.process)(self.context, self.ssrc, self.taken.as_mut_ptr(), len) };
        }
        // SAFETY: as above; callbacks have returned.
        unsafe {
            (self.functions.iterate)(self.context, self.ssrc, self.now);
            Ok(std::mem::take(&mut (*self.heard).out))
        }
    }

    pub fn is_secure(&self) -> bool {
        // SAFETY: no callback is running.
        unsafe { (*self.heard).secure }
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        // SAFETY: each stream of a context is destroyed once, and the context with its last one; then the callbacks' data.
        unsafe {
            (self.functions.destroy)(self.context, self.ssrc);
            drop(Box::from_raw(self.heard));
        }
    }
}
