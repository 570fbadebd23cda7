//! The UDP relay that carries the media of legs.

use ::sealrtp_relay::{MAX_THREADS, Relay};

use crate::boundary::{give, guard, guard_or, shared, take_back, unique};
use crate::result::sealrtp_result::{self, *};

/// Threads and sockets of a relay: between a PBX, which sends and receives clear media on loopback, and its peers. One serves all
/// calls of a process; its functions may be called from any thread.
#[allow(non_camel_case_types)]
pub struct sealrtp_relay(pub(crate) Relay);

/// Starts a relay of so many threads, 1 to 64; 0: one for each processor, 8 at most. SEALRTP_E_SYSTEM: the machine has no thread
/// or no file descriptor left.
///
/// # Safety
/// `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_relay_new(threads: u32, out: *mut *mut sealrtp_relay) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { unique(out)? };
        let threads = match threads as usize {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(8),
            threads if threads <= MAX_THREADS => threads,
            _ => return Err(SEALRTP_E_ARGUMENT),
        };
        *out = give(sealrtp_relay(Relay::start(threads).map_err(|_| SEALRTP_E_SYSTEM)?));
        Ok(SEALRTP_OK)
    })
}

/// Frees the handle; the relay ends with its last leg. Null is nothing.
///
/// # Safety
/// `relay` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_relay_free(relay: *mut sealrtp_relay) {
    // SAFETY: the caller's promise.
    unsafe { take_back(relay) }
}

/// How many streams it carries now; 0 for null.
///
/// # Safety
/// `relay` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_relay_streams(relay: *const sealrtp_relay) -> u32 {
    guard_or(0, || {
        // SAFETY: the caller's promise.
        unsafe { shared(relay) }.map_or(0, |relay| u32::try_from(relay.0.streams()).unwrap_or(u32::MAX))
    })
}
