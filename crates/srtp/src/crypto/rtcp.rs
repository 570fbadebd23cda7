//! SRTCP session keys, and what they do with a packet (RFC 3711 section 3.4, RFC 7714 section 9).

use super::gcm::{FULL_TAG_LEN, NONCE_LEN};
use super::kdf::{Derived, Prf};
use super::kernel::{Aead, Kernel};
use super::salt::Salt;
use super::stream_cipher::PacketIv;
use super::{AuthFailed, append};
use crate::event::Protocol;
use crate::header::{RTCP_CLEAR, SRTCP_WORD};
use crate::suite::Suite;

/// The E flag of an SRTCP packet (RFC 3711 section 3.4).
const E_FLAG: u32 = 1 << 31;

/// SRTCP session keys, expanded.
pub(crate) struct RtcpKeys {
    salt: Salt,
    tag_len: u8,
    kernel: Kernel,
}

/// Reads E flag and SRTCP index in front of MKI and tag.
pub(crate) fn srtcp_word(packet: &[u8], behind: usize) -> (bool, u32) {
    let at = packet.len() - behind - SRTCP_WORD;
    let word = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    (word & E_FLAG != 0, word & !E_FLAG)
}

impl RtcpKeys {
    /// `r` is the SRTCP index DIV key derivation rate.
    pub(crate) fn derive(prf: &Prf, r: u64) -> Self {
        Self::expand(prf.suite(), &prf.derive(Protocol::Srtcp, r))
    }

    /// SRTCP is always authenticated; where nothing is encrypted, the cipher gets nothing to do.
    pub(super) fn expand(suite: Suite, derived: &Derived) -> Self {
        Self {
            salt: Salt::new(suite, &derived.session),
            tag_len: suite.rtcp_tag_len() as u8,
            kernel: Kernel::new(suite, true, true, derived),
        }
    }

    /// Protects `buf[..len]` in place and returns the new length. The caller has made room for SRTCP index, MKI and tag.
    pub(crate) fn seal(
        &self,
        buf: &mut [u8],
        len: usize,
        ssrc: u32,
        index: u32,
        encrypt: bool,
        mki: &[u8],
    ) -> usize {
        let word = if encrypt { index | E_FLAG } else { index }.to_be_bytes();
        let from = if encrypt { RTCP_CLEAR } else { len };
        let (salt, tag_len) = (&self.salt, usize::from(self.tag_len));
        let tag = match &self.kernel {
            Kernel::Cm(keys) => keys.seal(salt.counter(ssrc, index.into()), buf, from, len, word),
            Kernel::PortableMac(keys) => {
                let iv = iv(salt, buf, word, ssrc, index);
                keys.seal(iv, &mut buf[..len], from, word)
            }
            Kernel::Gcm(keys) => {
                let tag = seal_aead(keys, salt.nonce(ssrc, index.into()), buf, len, encrypt, word);
                return finish_aead(buf, len, &tag[..tag_len], word, mki);
            }
            Kernel::PortableGcm(keys) => {
                let tag = seal_aead(&**keys, salt.nonce(ssrc, index.into()), buf, len, encrypt, word);
                return finish_aead(buf, len, &tag[..tag_len], word, mki);
            }
        };
        let end = append(buf, len, &word);
        let end = append(buf, end, mki);
        append(buf, end, &tag[..tag_len])
    }

    /// Opens `packet` in place and returns the length of the RTCP packet. `encrypted` is its E flag. A failure leaves the
    /// packet as it was.
    pub(crate) fn open(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
        encrypted: bool,
        mki_len: usize,
    ) -> Result<usize, AuthFailed> {
        let word = if encrypted { index | E_FLAG } else { index }.to_be_bytes();
        let (salt, tag_len) = (&self.salt, usize::from(self.tag_len));
        let end = packet.len() - tag_len - mki_len - SRTCP_WORD;
        let from = if encrypted { RTCP_CLEAR } else { end };
        let (body, behind) = packet.split_at_mut(end);
        let received = &behind[SRTCP_WORD + mki_len..];
        let authentic = match &self.kernel {
            Kernel::Cm(keys) => keys.open(salt.counter(ssrc, index.into()), body, from, word, received),
            Kernel::PortableMac(keys) => {
                let iv = iv(salt, body, word, ssrc, index);
                keys.open(iv, body, from, word, received)
            }
            Kernel::Gcm(keys) => {
                open_aead(keys, salt.nonce(ssrc, index.into()), packet, (end, tag_len), encrypted, word)
            }
            Kernel::PortableGcm(keys) => {
                open_aead(&**keys, salt.nonce(ssrc, index.into()), packet, (end, tag_len), encrypted, word)
            }
        };
        if authentic { Ok(end) } else { Err(AuthFailed) }
    }
}

fn iv(salt: &Salt, packet: &[u8], word: [u8; 4], ssrc: u32, index: u32) -> PacketIv {
    let mut f8 = [0; 16];
    f8[4..8].copy_from_slice(&word);
    f8[8..].copy_from_slice(&packet[..RTCP_CLEAR]);
    PacketIv { counter: salt.counter(ssrc, index.into()).to_be_bytes(), f8 }
}

/// Behind an AEAD packet tag, index and MKI follow each other.
fn finish_aead(buf: &mut [u8], len: usize, tag: &[u8], word: [u8; 4], mki: &[u8]) -> usize {
    let end = append(buf, len, tag);
    let end = append(buf, end, &word);
    append(buf, end, mki)
}

/// RFC 7714 section 9.2: the clear header and the index are associated data, as is all of a packet that stays clear. The
/// index takes its place between header and payload for as long as it takes, within the room behind the packet.
fn seal_aead(
    keys: &impl Aead,
    nonce: [u8; NONCE_LEN],
    buf: &mut [u8],
    len: usize,
    encrypt: bool,
    word: [u8; 4],
) -> [u8; FULL_TAG_LEN] {
    let clear = if encrypt { RTCP_CLEAR } else { len };
    let (from, end) = (clear + SRTCP_WORD, len + SRTCP_WORD);
    buf.copy_within(clear..len, from);
    buf[clear..from].copy_from_slice(&word);
    let tag = keys.seal(nonce, buf, from, end);
    buf.copy_within(from..end, clear);
    tag
}

/// The way back: `len` bytes of packet, then a tag of `tag_len`.
fn open_aead(
    keys: &impl Aead,
    nonce: [u8; NONCE_LEN],
    packet: &mut [u8],
    (len, tag_len): (usize, usize),
    encrypted: bool,
    word: [u8; 4],
) -> bool {
    let clear = if encrypted { RTCP_CLEAR } else { len };
    let (from, end) = (clear + SRTCP_WORD, len + SRTCP_WORD);
    let mut tag = [0; FULL_TAG_LEN];
    tag[..tag_len].copy_from_slice(&packet[len..len + tag_len]);
    packet.copy_within(clear..len, from);
    packet[clear..from].copy_from_slice(&word);
    let authentic = keys.open(nonce, &mut packet[..end], from, &tag[..tag_len]);
    packet.copy_within(from..end, clear);
    packet[len..len + tag_len].copy_from_slice(&tag[..tag_len]);
    authentic
}
