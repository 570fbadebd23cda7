//! Everything that touches packet bytes with keys. The packet path's seam: whatever protects packets faster replaces
//! what is behind [`RtpKeys`] and [`RtcpKeys`], and nothing else.

mod gcm;
mod hmac;
mod kdf;
mod kernel;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod rfc_7714;
mod rtcp;
mod rtp;
mod salt;
mod stream_cipher;

pub(crate) use self::kdf::Prf;
pub(crate) use self::rtcp::{RtcpKeys, srtcp_word};
pub(crate) use self::rtp::RtpKeys;

/// What the key stream and the tag of an SRTP packet depend on, beside its bytes.
#[derive(Clone, Copy)]
pub(crate) struct PacketId {
    /// Bytes of its header, which is not encrypted.
    pub(crate) header_len: usize,
    pub(crate) ssrc: u32,
    pub(crate) index: u64,
}

/// The packet is not one that its sender's key protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthFailed;

/// Puts bytes, whose number the compiler seldom knows, behind a packet; returns their end.
fn append(buf: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// The same for the front of a tag: the lengths of the suites are written without a loop.
#[inline(always)]
fn append_tag(buf: &mut [u8], at: usize, tag: &[u8], len: usize) -> usize {
    #[inline(always)]
    fn fixed<const N: usize>(buf: &mut [u8], at: usize, tag: &[u8]) {
        buf[at..at + N].copy_from_slice(&tag[..N]);
    }
    // No jump table: the branches of a stream always go the same way.
    if len == 10 {
        fixed::<10>(buf, at, tag);
    } else if len == 16 {
        fixed::<16>(buf, at, tag);
    } else if len == 4 {
        fixed::<4>(buf, at, tag);
    } else {
        return append(buf, at, &tag[..len]);
    }
    at + len
}
