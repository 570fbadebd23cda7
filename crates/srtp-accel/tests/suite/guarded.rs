//! Memory whose neighbours on both sides may not be touched.

use std::ptr::{NonNull, null_mut};
use std::slice;

/// Pages between two that crash the process when they are read or written.
pub struct Guarded {
    base: NonNull<u8>,
    page: usize,
    room: usize,
}

impl Guarded {
    /// `room` is rounded up to whole pages.
    pub fn new(room: usize) -> Self {
        // SAFETY: asks a number of the system.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a page has a size");
        let room = room.next_multiple_of(page);
        let whole = room + 2 * page;
        // SAFETY: new memory, which is nobody's yet.
        let base = unsafe {
            libc::mmap(null_mut(), whole, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert!(base != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        let base = NonNull::new(base.cast::<u8>()).expect("memory is not at 0");
        // SAFETY: the pages are within the mapping just made.
        let opened = unsafe {
            libc::mprotect(base.add(page).as_ptr().cast(), room, libc::PROT_READ | libc::PROT_WRITE)
        };
        assert_eq!(opened, 0, "mprotect: {}", std::io::Error::last_os_error());
        Self { base, page, room }
    }

    /// `len` bytes behind the first guard.
    pub fn at_start(&mut self, len: usize) -> &mut [u8] {
        self.slice(0, len)
    }

    /// `len` bytes before the last guard.
    pub fn at_end(&mut self, len: usize) -> &mut [u8] {
        self.slice(self.room - len, len)
    }

    /// A copy of `bytes` before the last guard.
    pub fn copy_at_end(&mut self, bytes: &[u8]) -> &mut [u8] {
        let copy = self.at_end(bytes.len());
        copy.copy_from_slice(bytes);
        copy
    }

    fn slice(&mut self, at: usize, len: usize) -> &mut [u8] {
        assert!(at <= self.room && len <= self.room - at);
        // SAFETY: within the pages that can be read and written, which are borrowed as a whole, and which mmap zeroed.
        unsafe { slice::from_raw_parts_mut(self.base.add(self.page + at).as_ptr(), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's alone, and no slice of it outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.room + 2 * self.page) };
    }
}
