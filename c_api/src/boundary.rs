//! The border to C: pointers become references, text becomes C strings, and no panic goes further than here.

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::result::sealrtp_result::{self, *};

/// Longest text taken from C, in bytes: more is no attribute and no configuration value.
pub(crate) const MAX_TEXT: usize = 8192;

/// Runs a call's body; a panic in it becomes [`SEALRTP_E_INTERNAL`].
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> Result<sealrtp_result, sealrtp_result>) -> sealrtp_result {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result) | Err(result)) => result,
        Err(_) => SEALRTP_E_INTERNAL,
    }
}

/// Runs a call that answers something else than a result; a panic in it becomes `fault`.
pub(crate) fn guard_or<T>(fault: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fault)
}

/// A reference to what a handle points to.
///
/// # Safety
/// `ptr` is null, or points to a live `T` that nobody changes meanwhile.
#[inline]
pub(crate) unsafe fn shared<'a, T>(ptr: *const T) -> Result<&'a T, sealrtp_result> {
    // SAFETY: the caller's promise.
    unsafe { ptr.as_ref() }.ok_or(SEALRTP_E_ARGUMENT)
}

/// A unique reference to what a pointer points to.
///
/// # Safety
/// `ptr` is null, or points to a live `T` that nobody else uses meanwhile.
#[inline]
pub(crate) unsafe fn unique<'a, T>(ptr: *mut T) -> Result<&'a mut T, sealrtp_result> {
    // SAFETY: the caller's promise.
    unsafe { ptr.as_mut() }.ok_or(SEALRTP_E_ARGUMENT)
}

/// A slice of C's memory to read.
///
/// # Safety
/// `ptr` is null, or points to `len` bytes that nobody changes meanwhile.
pub(crate) unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> Result<&'a [u8], sealrtp_result> {
    if ptr.is_null() || len > isize::MAX as usize {
        return Err(SEALRTP_E_ARGUMENT);
    }
    // SAFETY: the caller's promise; null and the length were checked.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// A slice of C's memory to change.
///
/// # Safety
/// `ptr` is null, or points to `len` initialised bytes that nobody else uses meanwhile.
#[inline]
pub(crate) unsafe fn bytes_mut<'a>(ptr: *mut u8, len: usize) -> Result<&'a mut [u8], sealrtp_result> {
    if ptr.is_null() || len > isize::MAX as usize {
        return Err(SEALRTP_E_ARGUMENT);
    }
    // SAFETY: the caller's promise; null and the length were checked.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr, len) })
}

/// Text from C: UTF-8 of at most [`MAX_TEXT`] bytes.
///
/// # Safety
/// `ptr` is null, or points to a string with a NUL at its end that nobody changes meanwhile.
pub(crate) unsafe fn text<'a>(ptr: *const c_char) -> Result<&'a str, sealrtp_result> {
    if ptr.is_null() {
        return Err(SEALRTP_E_ARGUMENT);
    }
    // SAFETY: not null, and the caller's promise.
    let text = unsafe { CStr::from_ptr(ptr) };
    match text.to_str() {
        Ok(text) if text.len() <= MAX_TEXT => Ok(text),
        _ => Err(SEALRTP_E_ARGUMENT),
    }
}

/// Writes `text` with a NUL into C's buffer; what does not fit is cut and reported. A null or empty buffer takes nothing.
///
/// # Safety
/// `to` is null, or points to `size` bytes that nobody else uses meanwhile.
pub(crate) unsafe fn write_text(to: *mut c_char, size: usize, text: &str) -> Result<(), sealrtp_result> {
    if to.is_null() || size == 0 {
        return Err(SEALRTP_E_BUFFER);
    }
    let mut fits = text.len().min(size - 1);
    while !text.is_char_boundary(fits) {
        fits -= 1;
    }
    // SAFETY: not null, `fits + 1 <= size`, and C's buffer cannot overlap a Rust string.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), to.cast::<u8>(), fits);
        *to.add(fits) = 0;
    }
    if fits == text.len() { Ok(()) } else { Err(SEALRTP_E_BUFFER) }
}

/// Writes `text` with a NUL into an array of ours; what does not fit is cut.
pub(crate) fn put(array: &mut [c_char], text: &str) {
    // SAFETY: the array is ours and has that size.
    let _ = unsafe { write_text(array.as_mut_ptr(), array.len(), text) };
}

/// Hands a new object to C.
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes an object back from C and drops it; null is nothing.
///
/// # Safety
/// `ptr` is null, or came from [`give`] and is not used again.
pub(crate) unsafe fn take_back<T>(ptr: *mut T) {
    if !ptr.is_null() {
        // SAFETY: the caller's promise.
        let object = unsafe { Box::from_raw(ptr) };
        guard_or((), || drop(object));
    }
}

/// Fills a struct of C's whose first member says how many bytes it has: an older caller's is shorter and gets the
/// members it knows.
///
/// # Safety
/// `to` is null, or points to a struct whose first member is a `size_t` with the struct's size in bytes.
pub(crate) unsafe fn write_sized<T: Copy>(to: *mut T, value: &T) -> Result<(), sealrtp_result> {
    if to.is_null() {
        return Err(SEALRTP_E_ARGUMENT);
    }
    // SAFETY: the first member is a size_t.
    let size = unsafe { to.cast::<usize>().read() };
    if size < size_of::<usize>() {
        return Err(SEALRTP_E_ARGUMENT);
    }
    let skip = size_of::<usize>();
    let len = size.min(size_of::<T>()) - skip;
    // SAFETY: both structs have at least `skip + len` bytes; C's memory and ours are apart.
    unsafe {
        let from = std::ptr::from_ref(value).cast::<u8>().add(skip);
        std::ptr::copy_nonoverlapping(from, to.cast::<u8>().add(skip), len);
    }
    Ok(())
}
