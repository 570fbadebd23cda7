//! SRTP session keys, and what they do with a packet (RFC 3711 section 3.3, RFC 7714 section 8).

use sealrtp_srtp_accel::{CmOpen, CmSeal, TAG_LEN};

use super::kdf::Prf;
use super::kernel::{Aead, CipherThenMac, Kernel};
use super::salt::Salt;
use super::stream_cipher::PacketIv;
use super::{AuthFailed, PacketId, append, append_tag};
use crate::event::Protocol;
use crate::keys::SessionParams;

/// SRTP session keys, expanded.
#[repr(C)]
pub(crate) struct RtpKeys {
    salt: Salt,
    /// 0: no authentication.
    tag_len: u8,
    kernel: Kernel,
}

impl RtpKeys {
    /// `r` is the packet index DIV key derivation rate.
    pub(crate) fn derive(prf: &Prf, params: SessionParams, r: u64) -> Self {
        let suite = prf.suite();
        let derived = prf.derive(Protocol::Srtp, r);
        let tag_len = if params.unauthenticated_srtp { 0 } else { suite.rtp_tag_len() };
        Self {
            salt: Salt::new(suite, &derived.session),
            tag_len: tag_len as u8,
            kernel: Kernel::new(suite, !params.unencrypted_srtp, tag_len > 0, &derived),
        }
    }

    #[cfg(test)]
    pub(super) fn from_parts(salt: Salt, tag_len: u8, kernel: Kernel) -> Self {
        Self { salt, tag_len, kernel }
    }

    pub(crate) fn is_accelerated(&self) -> bool {
        matches!(self.kernel, Kernel::Cm(_) | Kernel::Gcm(_))
    }

    /// Whether [`sealing`](Self::sealing) and [`opening`](Self::opening) give something, and packets gain by it.
    #[inline(always)]
    pub(crate) fn takes_together(&self) -> bool {
        matches!(&self.kernel, Kernel::Cm(keys) if keys.gains_in_company())
    }

    /// Protects `buf[..len]` in place and returns the new length. The caller has made room for MKI and tag.
    #[inline(always)]
    pub(crate) fn seal(&self, buf: &mut [u8], len: usize, id: PacketId, mki: &[u8]) -> usize {
        match &self.kernel {
            Kernel::Cm(keys) => {
                let counter = self.salt.counter(id.ssrc, id.index);
                let tag = keys.seal(counter, buf, id.header_len, len, roc(id.index));
                self.finish(buf, len, mki, &tag)
            }
            Kernel::Gcm(keys) => self.seal_aead(keys, buf, len, id, mki),
            Kernel::PortableMac(keys) => self.seal_portably(keys, buf, len, id, mki),
            Kernel::PortableGcm(keys) => self.seal_aead(&**keys, buf, len, id, mki),
        }
    }

    /// RFC 7714: the MKI follows the tag.
    #[inline(always)]
    fn seal_aead(&self, keys: &impl Aead, buf: &mut [u8], len: usize, id: PacketId, mki: &[u8]) -> usize {
        let tag = keys.seal(self.salt.nonce(id.ssrc, id.index), buf, id.header_len, len);
        let end = append_tag(buf, len, &tag, self.tag_len.into());
        if mki.is_empty() { end } else { append(buf, end, mki) }
    }

    /// MKI and tag of a suite that is not AEAD.
    #[inline(always)]
    pub(crate) fn finish(&self, buf: &mut [u8], len: usize, mki: &[u8], tag: &[u8; TAG_LEN]) -> usize {
        let end = if mki.is_empty() { len } else { append(buf, len, mki) };
        append_tag(buf, end, tag, self.tag_len.into())
    }

    #[inline(never)]
    fn seal_portably(
        &self,
        keys: &CipherThenMac,
        buf: &mut [u8],
        len: usize,
        id: PacketId,
        mki: &[u8],
    ) -> usize {
        let iv = self.iv(buf, id);
        if self.tag_len == 0 {
            keys.apply(iv, &mut buf[id.header_len..len]);
            return append(buf, len, mki);
        }
        let tag = keys.seal(iv, &mut buf[..len], id.header_len, roc(id.index));
        self.finish(buf, len, mki, &tag)
    }

    /// Opens `packet` in place and returns the length of the RTP packet. A failure leaves it as it was.
    #[inline(always)]
    pub(crate) fn open(&self, packet: &mut [u8], id: PacketId, mki_len: usize) -> Result<usize, AuthFailed> {
        let end = packet.len() - mki_len - usize::from(self.tag_len);
        let (body, behind) = packet.split_at_mut(end);
        let authentic = match &self.kernel {
            Kernel::Cm(keys) => {
                let counter = self.salt.counter(id.ssrc, id.index);
                keys.open(counter, body, id.header_len, roc(id.index), &behind[mki_len..])
            }
            Kernel::Gcm(keys) => {
                let received = &behind[..self.tag_len.into()];
                keys.open(self.salt.nonce(id.ssrc, id.index), body, id.header_len, received)
            }
            Kernel::PortableMac(keys) => self.open_portably(keys, body, id, &behind[mki_len..]),
            Kernel::PortableGcm(keys) => {
                let received = &behind[..self.tag_len.into()];
                keys.open(self.salt.nonce(id.ssrc, id.index), body, id.header_len, received)
            }
        };
        if authentic { Ok(end) } else { Err(AuthFailed) }
    }

    #[inline(never)]
    fn open_portably(&self, keys: &CipherThenMac, body: &mut [u8], id: PacketId, received: &[u8]) -> bool {
        let iv = self.iv(body, id);
        if self.tag_len == 0 {
            keys.apply(iv, &mut body[id.header_len..]);
            return true;
        }
        keys.open(iv, body, id.header_len, roc(id.index), received)
    }

    /// The packet `buf[..len]`, without MKI, as one of several for [`seal_many`](sealrtp_srtp_accel::CmHmacSha1::seal_many), which also
    /// puts the tag behind it; and the length with it.
    #[inline(always)]
    pub(crate) fn sealing<'a>(
        &'a self,
        buf: &'a mut [u8],
        len: usize,
        id: PacketId,
    ) -> Option<(CmSeal<'a>, usize)> {
        let Kernel::Cm(keys) = &self.kernel else { return None };
        let counter = self.salt.counter(id.ssrc, id.index);
        let (buf, behind) = buf.split_at_mut(len);
        let tag = &mut behind[..self.tag_len.into()];
        let end = len + tag.len();
        Some((CmSeal { keys, counter, buf, from: id.header_len, suffix: roc(id.index), tag }, end))
    }

    /// The packet, which has no MKI, as one of several for [`open_many`](sealrtp_srtp_accel::CmHmacSha1::open_many).
    #[inline(always)]
    pub(crate) fn opening<'a>(&'a self, packet: &'a mut [u8], id: PacketId) -> Option<CmOpen<'a>> {
        let Kernel::Cm(keys) = &self.kernel else { return None };
        let counter = self.salt.counter(id.ssrc, id.index);
        let (packet, received) = packet.split_at_mut(packet.len() - usize::from(self.tag_len));
        let suffix = roc(id.index);
        Some(CmOpen { keys, counter, packet, from: id.header_len, suffix, received, authentic: false })
    }

    fn iv(&self, packet: &[u8], id: PacketId) -> PacketIv {
        let mut f8 = [0; 16];
        f8[1..12].copy_from_slice(&packet[1..12]);
        f8[12..].copy_from_slice(&roc(id.index));
        PacketIv { counter: self.salt.counter(id.ssrc, id.index).to_be_bytes(), f8 }
    }
}

/// What the tag of SRTP covers behind the packet (RFC 3711 section 4.2).
#[inline(always)]
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
