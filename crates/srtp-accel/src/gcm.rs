//! AES-GCM (NIST SP 800-38D): the AEAD suites of RFC 7714.

use zeroize::{Zeroize, ZeroizeOnDrop};

#[cfg(target_arch = "aarch64")]
use crate::aarch64::gcm as gcm_armv8;
use crate::round_keys::RoundKeys;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::{avx, gcm_vaes, sse};
use crate::{BLOCK, Path};

/// Bytes of a nonce (RFC 7714 section 8.1).
pub const GCM_NONCE_LEN: usize = 12;
/// Bytes of an uncut tag.
pub const GCM_TAG_LEN: usize = 16;

/// Powers of the hash key that a session keeps: as many blocks are hashed with one reduction.
pub(crate) const POWERS: usize = 17;

/// What a kernel needs of a session. What every packet touches lies together: the small powers, the first round keys.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct Keys {
    /// The hash key to the powers [`POWERS`] down to 1, multiplied by x, bytes reversed: RFC 8452 appendix A. On aarch64 the
    /// bits of each byte reversed, and that is all.
    pub(crate) powers: [[u8; BLOCK]; POWERS],
    pub(crate) aes: RoundKeys,
}

/// A session key of AES-GCM; zeroised on drop. 520 bytes.
///
/// That a value exists proves that the processor has the instructions: [`new`](Self::new) is the only way to one.
#[repr(C)]
pub struct Gcm {
    keys: Keys,
    path: Path,
}
const _: () = assert!(size_of::<Gcm>() == 520);

/// Calls a kernel of the path of `$this`: one table for everything that is done with keys, but for the lines that [`kernel_of_sse`] has so that
/// this one is compiled to comparisons.
macro_rules! kernel {
    ($this:expr, $function:ident ( $($argument:expr),* ), else $otherwise:ident) => {
        match $this.path {
            // SAFETY: the value proves that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::AesNi | Path::ShaNi => unsafe { avx::gcm_aes_ni::$function(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::Vaes512 => unsafe { gcm_vaes::$function(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Path::Armv8 => unsafe { gcm_armv8::$function(&$this.keys, $($argument),*) },
            #[cfg(target_arch = "x86_64")]
            _ => $this.$otherwise($($argument),*),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("keys are made for paths that have a kernel"),
        }
    };
}

/// The lines that [`kernel`] leaves.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel_of_sse {
    ($this:expr, $function:ident ( $($argument:expr),* )) => {
        match $this.path {
            // SAFETY: the value proves that the processor has the instructions.
            Path::AesNiSse | Path::ShaNiSse => unsafe { sse::gcm_aes_ni::$function(&$this.keys, $($argument),*) },
            _ => unreachable!("keys are made for paths that have a kernel"),
        }
    };
}

impl Gcm {
    /// Expands the session key; `key` has 16 or 32 bytes. `None` if the path has no kernel for the suite, the processor lacks
    /// its instructions, or the key has another length.
    pub fn new(path: Path, key: &[u8]) -> Option<Self> {
        if !path.is_available() || !matches!(key.len(), 16 | 32) {
            return None;
        }
        let keys = match path {
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::AesNiSse | Path::ShaNiSse => unsafe { sse::gcm_aes_ni::expand(key) },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::AesNi | Path::ShaNi | Path::Vaes512 => unsafe { avx::gcm_aes_ni::expand(key) },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "aarch64")]
            Path::Armv8 => unsafe { gcm_armv8::expand(key) },
            _ => return None,
        };
        Some(Self { path, keys })
    }

    /// Encrypts `buf[from..len]` and gives the tag over it and over `buf[..from]`, the additional data.
    ///
    /// # Panics
    /// Unless `from <= len <= buf.len()`.
    #[inline]
    pub fn seal(
        &self,
        nonce: [u8; GCM_NONCE_LEN],
        buf: &mut [u8],
        from: usize,
        len: usize,
    ) -> [u8; GCM_TAG_LEN] {
        let buf = &mut buf[..len];
        assert!(from <= len, "the additional data is part of the packet");
        kernel!(self, seal(Nonce::new(nonce), buf, from), else seal_on_sse)
    }

    #[inline(never)]
    #[cfg(target_arch = "x86_64")]
    fn seal_on_sse(&self, nonce: Nonce, buf: &mut [u8], from: usize) -> [u8; GCM_TAG_LEN] {
        kernel_of_sse!(self, seal(nonce, buf, from))
    }

    /// Decrypts `packet[from..]` if `received`, of 1 to 16 bytes, is the front of the tag over it and over `packet[..from]`, the
    /// additional data; otherwise leaves the packet as it was and gives false. In constant time for the tag.
    ///
    /// # Panics
    /// Unless `from <= packet.len()`.
    #[inline]
    #[must_use]
    pub fn open(&self, nonce: [u8; GCM_NONCE_LEN], packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        assert!(from <= packet.len(), "the additional data is part of the packet");
        if !(1..=GCM_TAG_LEN).contains(&received.len()) {
            return false;
        }
        kernel!(self, open(Nonce::new(nonce), packet, from, received), else open_on_sse)
    }

    #[inline(never)]
    #[cfg(target_arch = "x86_64")]
    fn open_on_sse(&self, nonce: Nonce, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        kernel_of_sse!(self, open(nonce, packet, from, received))
    }
}

/// A nonce in two registers: put together in memory it would have to settle before it could be read as one.
#[derive(Clone, Copy)]
pub(crate) struct Nonce {
    /// The first eight bytes, the first lowest.
    pub(crate) front: u64,
    /// The last four.
    pub(crate) back: u32,
}

impl Nonce {
    #[inline(always)]
    fn new(bytes: [u8; GCM_NONCE_LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self { front: u64::from_le_bytes([a, b, c, d, e, f, g, h]), back: u32::from_le_bytes([i, j, k, l]) }
    }
}
