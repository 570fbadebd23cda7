//! AES in counter mode with HMAC-SHA1: the AES_CM suites (RFC 3711 sections 4.1.1 and 4.2.1, RFC 6188).

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Path;
#[cfg(target_arch = "aarch64")]
use crate::aarch64::cm as cm_armv8;
use crate::round_keys::RoundKeys;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::{avx, cm_lanes_many, cm_vaes, cm_vaes_many, sha_ni, sha_ssse3, sse};

/// Bytes of an authentication key (RFC 3711 section 8.2).
pub const AUTH_KEY_LEN: usize = 20;
/// Bytes of an uncut HMAC-SHA1 tag.
pub const TAG_LEN: usize = 20;

/// SHA-1's initial state, FIPS 180-4 section 5.3.1.
pub(crate) const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// What a kernel needs of a session, the bytes that no packet of AES-128 touches last.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct Keys {
    /// SHA-1's state behind the inner key block of HMAC (RFC 2104), in the order in which the path loads it.
    pub(crate) inner: [u32; 5],
    /// The same behind the outer key block.
    pub(crate) outer: [u32; 5],
    pub(crate) aes: RoundKeys,
}

/// Session keys of a suite AES_CM with HMAC-SHA1, 288 bytes; zeroised on drop.
///
/// That a value exists proves that the processor has the instructions: [`new`](Self::new) is the only way to one.
#[repr(C)]
pub struct CmHmacSha1 {
    path: Path,
    keys: Keys,
}

/// Calls a kernel of the path of `$this`: one table for everything that is done with keys. It has so few lines that it is compiled to
/// comparisons, and the rest stands in [`kernel_of_sse`]: a jump table makes short packets slower by a tenth.
macro_rules! kernel {
    ($this:expr, $function:ident ( $($argument:expr),* ), else $otherwise:ident) => {
        match $this.path {
            // SAFETY: the value proves that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::Vaes512 => unsafe { cm_vaes::$function(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::AesNi => unsafe { avx::cm_lanes::$function::<sha_ssse3::State<true>>(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi => unsafe { avx::cm_lanes::$function::<sha_ni::State<false>>(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Path::Armv8 => unsafe { cm_armv8::$function(&$this.keys, $($argument),*) },
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
            Path::AesNiSse => unsafe { sse::cm_lanes::$function::<sha_ssse3::State<false>>(&$this.keys, $($argument),*) },
            // SAFETY: as above.
            Path::ShaNiSse => unsafe { sse::cm_lanes::$function::<sha_ni::State<false, true>>(&$this.keys, $($argument),*) },
            _ => unreachable!("keys are made for paths that have a kernel"),
        }
    };
}

const _: () = assert!(size_of::<CmHmacSha1>() == 288 && align_of::<CmHmacSha1>() == 4);

impl CmHmacSha1 {
    /// Expands the session keys; `key` has 16, 24 or 32 bytes. `None` if the path has no kernel for the suite, the processor
    /// lacks its instructions, or the key has another length.
    pub fn new(path: Path, key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Option<Self> {
        if !path.is_available() || !matches!(key.len(), 16 | 24 | 32) {
            return None;
        }
        let keys = match path {
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::AesNiSse => unsafe { sse::cm_lanes::expand::<sha_ssse3::State<false>>(key, auth) },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::AesNi => unsafe { avx::cm_lanes::expand::<sha_ssse3::State<true>>(key, auth) },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::ShaNiSse => unsafe { sse::cm_lanes::expand::<sha_ni::State<false, true>>(key, auth) },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi | Path::Vaes512 => unsafe {
                avx::cm_lanes::expand::<sha_ni::State<false>>(key, auth)
            },
            // SAFETY: the processor has the instructions.
            #[cfg(target_arch = "aarch64")]
            Path::Armv8 => unsafe { cm_armv8::expand(key, auth) },
            _ => return None,
        };
        Some(Self { path, keys })
    }

    /// Encrypts `buf[from..len]` under `counter`, whose last two bytes count blocks from zero, and gives the tag over `buf[..len] || suffix`.
    ///
    /// # Panics
    /// Unless `from <= len <= buf.len()`.
    #[inline]
    pub fn seal(
        &self,
        counter: u128,
        buf: &mut [u8],
        from: usize,
        len: usize,
        suffix: [u8; 4],
    ) -> [u8; TAG_LEN] {
        kernel!(self, seal(counter, &mut buf[..len], from, suffix), else seal_on_sse)
    }

    #[inline(never)]
    #[cfg(target_arch = "x86_64")]
    fn seal_on_sse(&self, counter: u128, buf: &mut [u8], from: usize, suffix: [u8; 4]) -> [u8; TAG_LEN] {
        kernel_of_sse!(self, seal(counter, buf, from, suffix))
    }

    /// Decrypts `packet[from..]` under `counter`, whose last two bytes count blocks from zero, if `received` is the front
    /// of the tag over `packet || suffix`, 1 to 20 bytes of it; otherwise changes nothing and gives false. In constant time for the tag.
    ///
    /// # Panics
    /// Unless `from <= packet.len()`.
    #[inline]
    #[must_use]
    pub fn open(
        &self,
        counter: u128,
        packet: &mut [u8],
        from: usize,
        suffix: [u8; 4],
        received: &[u8],
    ) -> bool {
        if !(1..=TAG_LEN).contains(&received.len()) {
            return false;
        }
        kernel!(self, open(counter, packet, from, suffix, received), else open_on_sse)
    }

    #[inline(never)]
    #[cfg(target_arch = "x86_64")]
    fn open_on_sse(
        &self,
        counter: u128,
        packet: &mut [u8],
        from: usize,
        suffix: [u8; 4],
        received: &[u8],
    ) -> bool {
        kernel_of_sse!(self, open(counter, packet, from, suffix, received))
    }
}

/// Packets whose hashes run side by side: with four, SHA-1's instructions leave the processor no more waits to fill. Three are as fast
/// where registers are few (`sha-ni`), but divide fewer bursts.
const AT_A_TIME: usize = 4;

/// A packet for [`CmHmacSha1::seal_many`]; the fields are what [`CmHmacSha1::seal`] takes and gives.
pub struct CmSeal<'a> {
    /// The session's keys.
    pub keys: &'a CmHmacSha1,
    /// The first counter.
    pub counter: u128,
    /// The packet, whose `buf[from..]` is encrypted.
    pub buf: &'a mut [u8],
    /// Bytes of the header.
    pub from: usize,
    /// What the tag covers behind the packet.
    pub suffix: [u8; 4],
    /// Gets the front of the tag: at most 20 bytes.
    pub tag: &'a mut [u8],
}

/// A packet for [`CmHmacSha1::open_many`]; the fields are what [`CmHmacSha1::open`] takes and gives.
pub struct CmOpen<'a> {
    /// The session's keys.
    pub keys: &'a CmHmacSha1,
    /// The first counter.
    pub counter: u128,
    /// The packet without its tag, whose `packet[from..]` is decrypted.
    pub packet: &'a mut [u8],
    /// Bytes of the header.
    pub from: usize,
    /// What the tag covers behind the packet.
    pub suffix: [u8; 4],
    /// The tag of the packet, 1 to 20 bytes.
    pub received: &'a [u8],
    /// The result: whether the tag was right and the packet is decrypted.
    pub authentic: bool,
}

impl CmHmacSha1 {
    /// Whether a packet is faster as one of several than by itself.
    #[inline]
    pub fn gains_in_company(&self) -> bool {
        // Without instructions for SHA-1 a chain has no waits: its steps fill the processor. `ShaNiSse` would gain, but has no kernel for it.
        matches!(self.path, Path::ShaNi | Path::Vaes512)
    }

    /// [`seal`](Self::seal) for each packet, several at a time where the path can: faster than one after the other.
    ///
    /// # Panics
    /// As `seal` does, and if a tag has more than 20 bytes.
    pub fn seal_many(packets: &mut [CmSeal<'_>]) {
        for group in packets.chunks_mut(AT_A_TIME) {
            match common_path(group.iter().map(|packet| packet.keys)) {
                // SAFETY: the keys prove that the processor has the instructions.
                #[cfg(target_arch = "x86_64")]
                Some(Path::Vaes512) => unsafe { cm_vaes_many::seal_many(group) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Some(Path::ShaNi) => unsafe { cm_lanes_many::seal_many(group) },
                _ => {
                    for CmSeal { keys, counter, buf, from, suffix, tag } in group {
                        copy_front(&keys.seal(*counter, buf, *from, buf.len(), *suffix), tag);
                    }
                }
            }
        }
    }

    /// [`open`](Self::open) for each packet, several at a time where the path can: faster than one after the other.
    ///
    /// # Panics
    /// As `open` does.
    pub fn open_many(packets: &mut [CmOpen<'_>]) {
        for group in packets.chunks_mut(AT_A_TIME) {
            match common_path(group.iter().map(|packet| packet.keys)) {
                // SAFETY: the keys prove that the processor has the instructions.
                #[cfg(target_arch = "x86_64")]
                Some(Path::Vaes512) => unsafe { cm_vaes_many::open_many(group) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Some(Path::ShaNi) => unsafe { cm_lanes_many::open_many(group) },
                _ => {
                    for packet in group {
                        let CmOpen { keys, counter, from, suffix, received, .. } = *packet;
                        packet.authentic = keys.open(counter, packet.packet, from, suffix, received);
                    }
                }
            }
        }
    }

    /// The keys, for the kernels.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// The path that several keys have in common.
#[inline(always)]
fn common_path<'a>(mut keys: impl ExactSizeIterator<Item = &'a CmHmacSha1>) -> Option<Path> {
    if keys.len() < 2 {
        return None;
    }
    let path = keys.next()?.path;
    keys.all(|keys| keys.path == path).then_some(path)
}

/// Fills `to`, at most 20 bytes, with the front of `tag`. The lengths that SRTP has are written without a loop.
#[inline]
pub(crate) fn copy_front(tag: &[u8; TAG_LEN], to: &mut [u8]) {
    match to.len() {
        4 => to.copy_from_slice(&tag[..4]),
        10 => to.copy_from_slice(&tag[..10]),
        len => to.copy_from_slice(&tag[..len]),
    }
}

/// Whether `received`, of 1 to 20 bytes, is the front of `tag`, in constant time. The lengths that SRTP has are compared as numbers: a loop over
/// their bytes costs a tenth of a small packet.
#[inline]
pub(crate) fn same_tag(tag: &[u8; TAG_LEN], received: &[u8]) -> bool {
    fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        *bytes[at..].first_chunk().expect("the arm has the length")
    }
    let same = match received.len() {
        4 => u32::from_ne_bytes(word(tag, 0)).ct_eq(&u32::from_ne_bytes(word(received, 0))),
        10 => {
            u64::from_ne_bytes(word(tag, 0)).ct_eq(&u64::from_ne_bytes(word(received, 0)))
                & u16::from_ne_bytes(word(tag, 8)).ct_eq(&u16::from_ne_bytes(word(received, 8)))
        }
        len @ 1..=TAG_LEN => tag[..len].ct_eq(received),
        _ => return false,
    };
    same.into()
}
