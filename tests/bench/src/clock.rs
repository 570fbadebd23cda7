//! CPU time of the calling thread, medians, and how times are printed.

use std::time::Duration;

/// In microseconds.
pub fn micros(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}

/// In milliseconds.
pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The middle one.
pub fn median(all: &mut [Duration]) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// CPU time of the calling thread: others on the machine are not measured with us.
pub fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours and writable.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "the thread's clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs something and adds its CPU time.
pub fn timed<T>(sum: &mut Duration, run: impl FnOnce() -> T) -> T {
    let start = cpu();
    let out = run();
    *sum += cpu() - start;
    out
}
