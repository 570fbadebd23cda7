//! One direction of a libsrtp session.

use std::ffi::{c_int, c_ulong, c_void};
use std::ptr;

use srtp2_sys as sys;

use crate::library::{Ctx, Library, Open, Status, Transform};
use crate::suite::Suite;

/// Longest key and salt that libsrtp reads, in bytes.
const MAX_KEY_SALT: usize = sys::SRTP_MAX_KEY_LEN as usize;
/// Bytes that libsrtp may write behind a packet besides the MKI: the longest tag and SRTCP's E bit and index.
const MAX_TAG_AND_INDEX: usize = 16 + 4;

/// What libsrtp says when it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the messages tell
pub enum Error {
    #[error("authentication failed")]
    Auth,
    #[error("the index was seen before")]
    ReplayRepeat,
    #[error("the index is older than the replay window")]
    ReplayOld,
    #[error("no master key has the packet's MKI")]
    BadMki,
    #[error("the packet's lengths do not fit together")]
    Parse,
    #[error("a parameter is out of range, or the packet is too short")]
    BadParam,
    #[error("no stream has this SSRC")]
    NoContext,
    #[error("the key has expired")]
    KeyExpired,
    #[error("the buffer has no room for the trailer")]
    NoRoom,
    #[error("libsrtp's status {0}")]
    Other(u32),
}

impl Error {
    fn from_status(status: Status) -> Result<(), Self> {
        Err(match status {
            0 => return Ok(()),
            2 => Self::BadParam,
            7 => Self::Auth,
            9 => Self::ReplayRepeat,
            10 => Self::ReplayOld,
            13 => Self::NoContext,
            15 => Self::KeyExpired,
            21 => Self::Parse,
            25 => Self::BadMki,
            other => Self::Other(other),
        })
    }

    /// True for both ways of being a replay.
    pub fn is_replay(self) -> bool {
        matches!(self, Self::ReplayRepeat | Self::ReplayOld)
    }
}

/// Which streams a session serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ssrc {
    /// Any that comes in.
    AnyInbound,
    /// Any that goes out.
    AnyOutbound,
    /// This one only.
    One(u32),
}

/// A master key.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// Master key, [`Suite::key_len`] bytes.
    pub key: &'a [u8],
    /// Master salt, [`Suite::salt_len`] bytes.
    pub salt: &'a [u8],
    /// Master key identifier, up to 128 bytes; empty for none.
    pub mki: &'a [u8],
}

/// What a session is made from.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    /// The suite of every key.
    pub suite: Suite,
    /// Which streams the session serves.
    pub ssrc: Ssrc,
    /// One key, or up to 16 that all have an MKI. The first is sent with until [`Session::send_with_key`].
    pub keys: &'a [Key<'a>],
    /// Packets in the replay window, 64 to 32767; 0 for libsrtp's 128.
    pub window: usize,
    /// On send, let a sequence number be used again.
    pub allow_repeat_tx: bool,
}

impl<'a> Policy<'a> {
    /// A policy with libsrtp's defaults.
    pub fn new(suite: Suite, ssrc: Ssrc, keys: &'a [Key<'a>]) -> Self {
        Self { suite, ssrc, keys, window: 0, allow_repeat_tx: false }
    }
}

/// A libsrtp session used in one direction.
pub struct Session {
    library: &'static Library,
    ctx: Ctx,
    has_mki: bool,
    key_index: u32,
    key_count: usize,
    room: usize,
}

// SAFETY: a session is memory of its own that libsrtp touches only through the handle; no thread owns it.
unsafe impl Send for Session {}

impl Session {
    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::BadParam`] for lengths that do not fit the suite or keys without an MKI among several; else libsrtp's own.
    pub fn new(library: &'static Library, policy: &Policy<'_>) -> Result<Self, Error> {
        let has_mki = policy.keys.iter().any(|k| !k.mki.is_empty());
        let lengths_fit = policy.keys.iter().all(|k| {
            k.key.len() == policy.suite.key_len()
                && k.salt.len() == policy.suite.salt_len()
                && k.mki.len() <= 128
        });
        let count_fits = match policy.keys.len() {
            1 => true,
            2..=16 => policy.keys.iter().all(|k| !k.mki.is_empty()),
            _ => false,
        };
        if !lengths_fit || !count_fits {
            return Err(Error::BadParam);
        }
        let mut secrets: Vec<[u8; MAX_KEY_SALT]> = policy
            .keys
            .iter()
            .map(|k| {
                let mut secret = [0; MAX_KEY_SALT];
                secret[..k.key.len()].copy_from_slice(k.key);
                secret[k.key.len()..][..k.salt.len()].copy_from_slice(k.salt);
                secret
            })
            .collect();
        let mut mkis: Vec<Vec<u8>> = policy.keys.iter().map(|k| k.mki.to_vec()).collect();
        let mut masters: Vec<sys::srtp_master_key_t> = secrets
            .iter_mut()
            .zip(&mut mkis)
            .map(|(secret, mki)| sys::srtp_master_key_t {
                key: secret.as_mut_ptr(),
                mki_id: mki.as_mut_ptr(),
                mki_size: mki.len() as u32,
            })
            .collect();
        let mut pointers: Vec<*mut sys::srtp_master_key_t> = masters.iter_mut().map(ptr::from_mut).collect();

        let (kind, value) = match policy.ssrc {
            Ssrc::One(ssrc) => (sys::srtp_ssrc_type_t_ssrc_specific, ssrc),
            Ssrc::AnyInbound => (sys::srtp_ssrc_type_t_ssrc_any_inbound, 0),
            Ssrc::AnyOutbound => (sys::srtp_ssrc_type_t_ssrc_any_outbound, 0),
        };
        let (keys, count) =
            if has_mki { (pointers.as_mut_ptr(), pointers.len()) } else { (ptr::null_mut(), 0) };
        let raw = sys::srtp_policy_t {
            ssrc: sys::srtp_ssrc_t { type_: kind, value },
            rtp: policy.suite.rtp_policy(),
            rtcp: policy.suite.rtcp_policy(),
            key: if has_mki { ptr::null_mut() } else { secrets[0].as_mut_ptr() },
            keys,
            num_master_keys: count as c_ulong,
            ekt: ptr::null_mut(),
            window_size: policy.window as c_ulong,
            allow_repeat_tx: c_int::from(policy.allow_repeat_tx),
            enc_xtn_hdr: ptr::null_mut(),
            enc_xtn_hdr_count: 0,
            next: ptr::null_mut(),
        };
        let mut ctx: Ctx = ptr::null_mut();
        // SAFETY: `raw` and all it points to outlive the call, which copies keys and MKIs; `ctx` is written on success.
        Error::from_status(unsafe { (library.functions.create)(&raw mut ctx, &raw const raw) })?;
        let longest_mki = mkis.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self {
            library,
            ctx,
            has_mki,
            key_index: 0,
            key_count: policy.keys.len(),
            room: MAX_TAG_AND_INDEX + longest_mki,
        })
    }

    /// Sends with the key at this place in [`Policy::keys`] from now on.
    ///
    /// # Errors
    /// [`Error::BadParam`] if there is none.
    pub fn send_with_key(&mut self, index: usize) -> Result<(), Error> {
        if index >= self.key_count {
            return Err(Error::BadParam);
        }
        self.key_index = index as u32;
        Ok(())
    }

    /// Protects the RTP packet in the first `len` bytes of `buf`, in place; returns its new length. There must be room
    /// for 20 bytes and the MKI behind it.
    ///
    /// # Errors
    /// libsrtp's, or [`Error::NoRoom`].
    #[inline]
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Error> {
        self.protect(self.library.functions.protect, buf, len)
    }

    /// [`Self::protect_rtp`] for an RTCP packet.
    ///
    /// # Errors
    /// libsrtp's, or [`Error::NoRoom`].
    #[inline]
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, Error> {
        self.protect(self.library.functions.protect_rtcp, buf, len)
    }

    /// Authenticates and decrypts an SRTP packet in place; returns the length of the RTP packet.
    ///
    /// # Errors
    /// libsrtp's.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        self.unprotect(self.library.functions.unprotect, packet)
    }

    /// [`Self::unprotect_rtp`] for an SRTCP packet.
    ///
    /// # Errors
    /// libsrtp's.
    #[inline]
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        self.unprotect(self.library.functions.unprotect_rtcp, packet)
    }

    /// A protected copy of an RTP packet.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn protected_rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buf = self.with_room(packet);
        let len = self.protect_rtp(&mut buf, packet.len())?;
        buf.truncate(len);
        Ok(buf)
    }

    /// A protected copy of an RTCP packet.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn protected_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buf = self.with_room(packet);
        let len = self.protect_rtcp(&mut buf, packet.len())?;
        buf.truncate(len);
        Ok(buf)
    }

    /// A decrypted copy of an SRTP packet.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn unprotected_rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buf = packet.to_vec();
        let len = self.unprotect_rtp(&mut buf)?;
        buf.truncate(len);
        Ok(buf)
    }

    /// A decrypted copy of an SRTCP packet.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn unprotected_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buf = packet.to_vec();
        let len = self.unprotect_rtcp(&mut buf)?;
        buf.truncate(len);
        Ok(buf)
    }

    /// Sets the rollover counter of a stream that the session already knows; it counts from the next packet.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), Error> {
        // SAFETY: the handle is live.
        Error::from_status(unsafe { (self.library.functions.set_roc)(self.ctx, ssrc, roc) })
    }

    /// The rollover counter of a stream.
    ///
    /// # Errors
    /// libsrtp's.
    pub fn roc(&self, ssrc: u32) -> Result<u32, Error> {
        let mut roc = 0;
        // SAFETY: the handle is live and `roc` may be written.
        Error::from_status(unsafe { (self.library.functions.get_roc)(self.ctx, ssrc, &raw mut roc) })?;
        Ok(roc)
    }

    fn with_room(&self, packet: &[u8]) -> Vec<u8> {
        let mut buf = packet.to_vec();
        buf.resize(packet.len() + self.room, 0);
        buf
    }

    #[inline]
    fn protect(&self, transform: Transform, buf: &mut [u8], len: usize) -> Result<usize, Error> {
        if buf.len() < len || buf.len() - len < self.room {
            return Err(Error::NoRoom);
        }
        let mut octets = c_int::try_from(len).map_err(|_| Error::BadParam)?;
        // SAFETY: the handle is live; `buf` holds `octets` bytes and room for tag, index and MKI behind them.
        let status = unsafe {
            transform(
                self.ctx,
                buf.as_mut_ptr().cast::<c_void>(),
                &raw mut octets,
                u32::from(self.has_mki),
                self.key_index,
            )
        };
        Error::from_status(status)?;
        Ok(octets as usize)
    }

    #[inline]
    fn unprotect(&self, open: Open, packet: &mut [u8]) -> Result<usize, Error> {
        let mut octets = c_int::try_from(packet.len()).map_err(|_| Error::BadParam)?;
        // SAFETY: the handle is live; `packet` holds `octets` bytes and only shrinks.
        let status = unsafe {
            open(self.ctx, packet.as_mut_ptr().cast::<c_void>(), &raw mut octets, u32::from(self.has_mki))
        };
        Error::from_status(status)?;
        Ok(octets as usize)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the handle is live and not used again.
        let status = unsafe { (self.library.functions.dealloc)(self.ctx) };
        debug_assert_eq!(status, 0, "srtp_dealloc");
    }
}
