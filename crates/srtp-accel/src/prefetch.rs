//! Memory that will be needed soon.

/// Asks the processor to bring the line of the cache at an address; it reads nothing and faults on no address.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Bytes of a line of the cache on every processor that has a path.
const LINE: usize = 64;

/// The same for the first `LINES` lines of a value, or all that it has, at once.
#[inline(always)]
pub fn prefetch_lines<T, const LINES: usize>(value: &T) {
    for line in 0..LINES.min(size_of::<T>().div_ceil(LINE)) {
        prefetch(std::ptr::from_ref(value).cast::<u8>().wrapping_add(line * LINE));
    }
}
