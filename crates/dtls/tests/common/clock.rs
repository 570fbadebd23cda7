//! OpenSSL's retransmission timer reads `gettimeofday`; a test program that has this module brings its own, which stands still but
//! for what the test adds: a machine on which a second goes by between two lines makes nothing be sent again.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// `struct timeval` of 64-bit Linux.
#[repr(C)]
struct Timeval {
    seconds: i64,
    micros: i64,
}

thread_local! {
    static MICROS: Cell<i64> = const { Cell::new(1_700_000_000_000_000) };
}

/// Virtual time of the calling thread.
///
/// # Safety
/// As C's: `out` must be writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(out: *mut Timeval, _zone: *mut c_void) -> c_int {
    let micros = MICROS.get();
    // SAFETY: the caller's promise, and OpenSSL gives the address of a local variable.
    unsafe { out.write(Timeval { seconds: micros / 1_000_000, micros: micros % 1_000_000 }) };
    0
}

/// The calling thread's virtual time, in microseconds.
pub fn micros() -> i64 {
    MICROS.get()
}

/// Sets it to what it was then and so much more.
pub fn set(then: i64, more: Duration) {
    MICROS.set(then + more.as_micros() as i64);
}
