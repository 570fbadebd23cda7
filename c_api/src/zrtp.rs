//! ZRTP for all calls: our ZID, what is kept of peers, and what the streams of one call share.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::sealrtp_zrtp::message::Zid;
use ::sealrtp_zrtp::{Association, Cache, CacheError, Entry, MemoryCache};
use sealrtp_policy::Config;
use sealrtp_zid_cache::{NameError, Peer, ZidCache, zid_of_number};

use crate::boundary::{give, guard, put, shared, take_back, text, unique, write_text};
use crate::config::sealrtp_config;
use crate::result::sealrtp_result::{self, *};

/// Our ZID and the cache of retained secrets, for calls in any thread. Sessions keep what they need of it.
#[allow(non_camel_case_types)]
pub struct sealrtp_zrtp {
    zid: Zid,
    store: Store,
}

#[derive(Clone)]
enum Store {
    File(Arc<ZidCache>),
    /// Until the process ends.
    Memory(Arc<MemoryCache>),
}

/// The part of a cache in memory that belongs to one ZID of ours.
struct MemoryOf {
    cache: Arc<MemoryCache>,
    own: Zid,
}

impl MemoryOf {
    /// One key of both ZIDs.
    fn key(&self, peer: &Zid) -> Zid {
        zid_of_number(&self.own, &peer.to_string())
    }
}

impl Cache for MemoryOf {
    fn load(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        self.cache.load(&self.key(peer))
    }

    fn store(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        self.cache.store(&self.key(peer), entry, expiry)
    }
}

/// Who we are under a number, and what is kept under it.
fn of_number(zid: &Zid, store: &Store, number: &str) -> (Zid, Arc<dyn Cache>) {
    let own = zid_of_number(zid, number);
    let cache: Arc<dyn Cache> = match store {
        Store::File(cache) => Arc::new(cache.of_number(number)),
        Store::Memory(cache) => Arc::new(MemoryOf { cache: cache.clone(), own }),
    };
    (own, cache)
}

impl sealrtp_zrtp {
    fn in_memory() -> Result<Self, sealrtp_result> {
        let mut zid = [0; 12];
        getrandom::fill(&mut zid).map_err(|_| SEALRTP_E_RANDOM)?;
        Ok(Self { zid: Zid(zid), store: Store::Memory(Arc::new(MemoryCache::new(SystemTime::now))) })
    }

    /// Makes associations of calls; `outgoing`: we call, and `number` is the caller's.
    pub(crate) fn maker(&self, enrolment: bool, number: &str, outgoing: bool) -> Maker {
        let number =
            if outgoing && !number.is_empty() { format!("from:{number}") } else { number.to_owned() };
        Maker { zid: self.zid, store: self.store.clone(), enrolment, number }
    }

    /// What an administrator asks of the file; SEALRTP_DONE where there is none.
    fn of_file(
        &self,
        ask: impl FnOnce(&ZidCache) -> Result<bool, NameError>,
    ) -> Result<sealrtp_result, sealrtp_result> {
        match &self.store {
            Store::Memory(_) => Ok(SEALRTP_DONE),
            Store::File(cache) => match ask(cache) {
                Ok(true) => Ok(SEALRTP_OK),
                Ok(false) => Ok(SEALRTP_DONE),
                Err(NameError::Unfit) => Err(SEALRTP_E_ARGUMENT),
                Err(_) => Err(SEALRTP_E_ZRTP),
            },
        }
    }
}

/// What is kept of a peer under one number of ours; never a secret. The texts end with a NUL, times are seconds since 1970.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_zrtp_peer {
    /// Set by the caller: sizeof(sealrtp_zrtp_peer).
    pub size: usize,
    /// 24 hex digits.
    pub zid: [c_char; 32],
    /// As the administrator named it, or "".
    pub name: [c_char; 80],
    /// 1: the SAS was compared.
    pub verified: u32,
    /// 1: it is enrolled here, or this is enrolled there.
    pub enrolled: u32,
    /// When it was first met.
    pub first_seen: i64,
    /// When it was last met.
    pub last_seen: i64,
    /// When its secrets expire; 0: never.
    pub expires: i64,
    /// The number under which it knows us, in one word, "from:" before it when we called; "": it knows our own ZID.
    pub number: [c_char; 72],
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

impl sealrtp_zrtp_peer {
    fn new(peer: &Peer) -> Self {
        let mut this = Self {
            size: size_of::<Self>(),
            zid: [0; 32],
            name: [0; 80],
            verified: u32::from(peer.verified),
            enrolled: u32::from(peer.enrolled),
            first_seen: seconds(peer.first_seen),
            last_seen: seconds(peer.last_seen),
            expires: peer.expires.map_or(0, seconds),
            number: [0; 72],
        };
        put(&mut this.zid, &peer.zid.to_string());
        put(&mut this.name, peer.name.as_deref().unwrap_or_default());
        put(&mut this.number, peer.number.as_deref().unwrap_or_default());
        this
    }
}

/// Opens the cache, or makes it: the file, not its folder. Null `cache_file`: what is kept ends with the process. When the
/// file cannot be used it is the same, and `message` says why and what to do; it is empty if all is well.
///
/// # Safety
/// `cache_file` is a C string or null, `out` points to a pointer or is null, `message` has `message_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_new(
    cache_file: *const c_char,
    out: *mut *mut sealrtp_zrtp,
    message: *mut c_char,
    message_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { unique(out)? };
        let (zrtp, said) = if cache_file.is_null() {
            (sealrtp_zrtp::in_memory()?, None)
        } else {
            // SAFETY: the caller's promise.
            let path = Path::new(unsafe { text(cache_file)? });
            match ZidCache::open(path, SystemTime::now) {
                Ok(opened) => {
                    let cache = Arc::new(opened.cache);
                    (sealrtp_zrtp { zid: cache.zid(), store: Store::File(cache) }, opened.warning)
                }
                Err(error) => {
                    let said = format!("{error}. Until then ZRTP's secrets are lost when the process ends");
                    (sealrtp_zrtp::in_memory()?, Some(said))
                }
            }
        };
        // SAFETY: the caller's promise. A message that was cut is still one.
        let _ = unsafe { write_text(message, message_size, &said.unwrap_or_default()) };
        *out = give(zrtp);
        Ok(SEALRTP_OK)
    })
}

/// Frees the handle; calls that are up keep the cache. Null is nothing.
///
/// # Safety
/// `zrtp` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_free(zrtp: *mut sealrtp_zrtp) {
    // SAFETY: the caller's promise.
    unsafe { take_back(zrtp) }
}

/// Writes our ZID, 24 hex digits.
///
/// # Safety
/// `zrtp` is a handle or null, `zid` has `zid_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_zid(
    zrtp: *const sealrtp_zrtp,
    zid: *mut c_char,
    zid_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(zid, zid_size, &shared(zrtp)?.zid.to_string())? };
        Ok(SEALRTP_OK)
    })
}

/// Tells `tell` every peer that is kept, once for each number of ours under which it knows us, the one met last first, with `data` as it came. May wait for the file, up to 3 s.
/// SEALRTP_E_ZRTP: the cache cannot be read. SEALRTP_DONE: there is no file.
///
/// # Safety
/// `zrtp` is a handle or null; `tell` is a function or null that does not keep what it gets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_peers(
    zrtp: *const sealrtp_zrtp,
    tell: Option<unsafe extern "C" fn(data: *mut c_void, peer: *const sealrtp_zrtp_peer)>,
    data: *mut c_void,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, tell) = unsafe { (shared(zrtp)?, tell.ok_or(SEALRTP_E_ARGUMENT)?) };
        let Store::File(cache) = &zrtp.store else { return Ok(SEALRTP_DONE) };
        for peer in cache.peers().map_err(|CacheError(_)| SEALRTP_E_ZRTP)? {
            // SAFETY: the caller's function, and a struct that lives as long as the call.
            unsafe { tell(data, &sealrtp_zrtp_peer::new(&peer)) };
        }
        Ok(SEALRTP_OK)
    })
}

fn zid_of(zid: &str) -> Result<Zid, sealrtp_result> {
    zid.parse().map_err(|_| SEALRTP_E_ARGUMENT)
}

/// What is kept of one peer, under the number it was met under last. May wait for the file, up to 3 s. SEALRTP_DONE: nothing. SEALRTP_E_ARGUMENT: no ZID.
///
/// # Safety
/// `zrtp` is a handle or null, `zid` a C string or null, `peer` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_get_peer(
    zrtp: *const sealrtp_zrtp,
    zid: *const c_char,
    peer: *mut sealrtp_zrtp_peer,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, zid) = unsafe { (shared(zrtp)?, zid_of(text(zid)?)?) };
        let Store::File(cache) = &zrtp.store else { return Ok(SEALRTP_DONE) };
        let Some(known) = cache.peer(&zid).map_err(|CacheError(_)| SEALRTP_E_ZRTP)? else {
            return Ok(SEALRTP_DONE);
        };
        // SAFETY: the caller's promise.
        unsafe { crate::boundary::write_sized(peer, &sealrtp_zrtp_peer::new(&known))? };
        Ok(SEALRTP_OK)
    })
}

/// The administrator says whether a peer's SAS was compared, for calls to come under the numbers it knows now. May wait for the file, up to 3 s.
/// SEALRTP_DONE: no secret of such a peer is kept. SEALRTP_E_ARGUMENT: no ZID.
///
/// # Safety
/// `zrtp` is a handle or null, `zid` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_verify_peer(
    zrtp: *const sealrtp_zrtp,
    zid: *const c_char,
    verified: u32,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, zid) = unsafe { (shared(zrtp)?, zid_of(text(zid)?)?) };
        zrtp.of_file(|cache| Ok(cache.set_verified(&zid, verified != 0)?))
    })
}

/// Names a peer, under all numbers; "" takes the name. May wait for the file, up to 3 s. SEALRTP_DONE: no such peer is kept.
/// SEALRTP_E_ARGUMENT: no ZID, or a name of more than 64 bytes or with control characters.
///
/// # Safety
/// `zrtp` is a handle or null; `zid` and `name` are C strings or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_name_peer(
    zrtp: *const sealrtp_zrtp,
    zid: *const c_char,
    name: *const c_char,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, zid, name) = unsafe { (shared(zrtp)?, zid_of(text(zid)?)?, text(name)?) };
        zrtp.of_file(|cache| cache.set_name(&zid, name))
    })
}

/// Forgets a peer under all numbers, with its enrolment: the next call with it is the first one. May wait for the file, up to 3 s.
/// SEALRTP_DONE: no such peer is kept. SEALRTP_E_ARGUMENT: no ZID.
///
/// # Safety
/// `zrtp` is a handle or null, `zid` a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_forget_peer(
    zrtp: *const sealrtp_zrtp,
    zid: *const c_char,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, zid) = unsafe { (shared(zrtp)?, zid_of(text(zid)?)?) };
        zrtp.of_file(|cache| Ok(cache.forget(&zid)?))
    })
}

/// What a single call decides.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_zrtp_options {
    /// Set by the caller: sizeof(sealrtp_zrtp_options).
    pub size: usize,
    /// 1: this PBX offers enrolment (RFC 6189 section 7.3.1), and says that it is one.
    pub enrolment: u32,
    /// 1: what runs here may disclose keys or media (RFC 6189 section 11).
    pub disclosure: u32,
    /// Under which the peer knows us: the one that it dialled, or the caller's that it was shown. Null or "": our own ZID.
    /// A phone keeps its secrets by the URI and the ZID of whom it talked to, so a PBX of one ZID is a stranger to it under
    /// each new number; with this, each number is an end point with a ZID and secrets of its own. Not heeded with `zrtp_mitm`
    /// or `enrolment`: phones know a PBX in the middle by its one ZID. Any bytes; of a long one all count.
    pub number: *const c_char,
    /// 1: we called, and `number` is the caller's. What the phone dials under the same number may be another URI.
    pub outgoing: u32,
}

/// A number of C's, any bytes.
///
/// # Safety
/// `number` is null or a C string.
pub(crate) unsafe fn number_of(number: *const c_char) -> String {
    if number.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { CStr::from_ptr(number) }.to_string_lossy().into_owned()
}

/// Makes associations of calls with one peer.
pub(crate) struct Maker {
    zid: Zid,
    store: Store,
    enrolment: bool,
    /// What the peer knows us by, as one text; empty: our own ZID.
    number: String,
}

impl Maker {
    pub(crate) fn association(
        &self,
        config: &Config,
        disclosure: bool,
    ) -> Result<Association, sealrtp_result> {
        let mut exchange = config.zrtp().clone();
        exchange.enrolment = self.enrolment;
        exchange.mitm |= exchange.enrolment;
        exchange.disclosure = disclosure;
        let number = if exchange.mitm { "" } else { &self.number };
        let (zid, cache) = of_number(&self.zid, &self.store, number);
        Association::new(Arc::new(exchange), zid, Some(cache)).map_err(|_| SEALRTP_E_CONFIG)
    }
}

/// One call with one peer, whose streams share a SAS: the first one runs Diffie-Hellman, the others Multistream mode. Its
/// streams may be used in different threads.
#[allow(non_camel_case_types)]
pub struct sealrtp_zrtp_call(pub(crate) Association);

/// Makes a call; null `options`: none of them.
///
/// # Safety
/// `zrtp` and `config` are handles or null, `options` points to a struct with its size set, whose `number` is a C string or
/// null, or is null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_call_new(
    zrtp: *const sealrtp_zrtp,
    config: *const sealrtp_config,
    options: *const sealrtp_zrtp_options,
    out: *mut *mut sealrtp_zrtp_call,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (zrtp, config, options, out) =
            unsafe { (shared(zrtp)?, shared(config)?, options.as_ref(), unique(out)?) };
        let association = match options {
            None => zrtp.maker(false, "", false).association(&config.0, false)?,
            Some(options) if options.size < size_of::<sealrtp_zrtp_options>() => {
                return Err(SEALRTP_E_ARGUMENT);
            }
            Some(options) => {
                // SAFETY: the caller's promise; the struct is of this size.
                let number = unsafe { number_of(options.number) };
                let maker = zrtp.maker(options.enrolment != 0, &number, options.outgoing != 0);
                maker.association(&config.0, options.disclosure != 0)?
            }
        };
        *out = give(sealrtp_zrtp_call(association));
        Ok(SEALRTP_OK)
    })
}

/// Frees the handle; streams that use it keep what they need. Null is nothing.
///
/// # Safety
/// `call` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_zrtp_call_free(call: *mut sealrtp_zrtp_call) {
    // SAFETY: the caller's promise.
    unsafe { take_back(call) }
}
