//! Everything that touches packet bytes with keys. The packet path's seam: whatever protects packets faster replaces
//! what is behind [`RtpKeys`] and [`RtcpKeys`], and nothing else.

mod gcm;
mod hmac;
mod kdf;
mod stream_cipher;

use sealrtp_srtp_accel::CmHmacSha1;
use subtle::ConstantTimeEq;

use self::gcm::{Aead, NONCE_LEN, PortableGcm};
use self::hmac::HmacSha1;
use self::kdf::{Derived, derive};
use self::stream_cipher::{PacketIv, SessionKey, StreamCipher};
use crate::event::Protocol;
use crate::header::{RTCP_CLEAR, RtpHeader, SRTCP_WORD};
use crate::keys::{MAX_SALT_LEN, MasterKey, SessionParams};
use crate::suite::{CipherKind, Suite};

/// The packet is not one that its sender's key protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthFailed;

/// The E flag of an SRTCP packet (RFC 3711 section 3.4).
const E_FLAG: u32 = 1 << 31;

/// SRTP session keys, expanded.
#[expect(clippy::large_enum_variant, reason = "the largest variant is the one of nearly every packet")]
pub(crate) enum RtpKeys {
    /// Encrypt, then authenticate packet and ROC; MKI and tag follow. `tag_len` 0: no authentication.
    CipherThenMac { cipher: StreamCipher, salt: [u8; MAX_SALT_LEN], mac: HmacSha1, tag_len: usize },
    /// The same for AES_CM with a tag, where the processor has instructions for both.
    Accelerated { keys: CmHmacSha1, salt: u128, tag_len: usize },
    /// RFC 7714: the MKI follows the tag.
    Aead { aead: Aead, salt: [u8; NONCE_LEN] },
}

impl RtpKeys {
    /// `r` is the packet index DIV key derivation rate.
    pub(crate) fn derive(master: &MasterKey, params: SessionParams, r: u64) -> Self {
        let suite = master.suite();
        let derived = derive(master, Protocol::Srtp, r, params.libsrtp_aes192);
        if suite.is_aead() {
            let aead = Aead::new(&derived.session.key[..suite.key_len()], suite.rtp_tag_len());
            return Self::Aead { aead, salt: aead_salt(&derived.session) };
        }
        let tag_len = if params.unauthenticated_srtp { 0 } else { suite.rtp_tag_len() };
        if suite.cipher() == CipherKind::AesCm && !params.unencrypted_srtp && tag_len > 0 {
            let key = &derived.session.key[..suite.key_len()];
            if let Some(keys) = CmHmacSha1::new(key, &derived.auth) {
                let mut block = [0; 16];
                block[..MAX_SALT_LEN].copy_from_slice(&derived.session.salt);
                return Self::Accelerated { keys, salt: u128::from_be_bytes(block), tag_len };
            }
        }
        Self::portable(suite, !params.unencrypted_srtp, &derived, tag_len)
    }

    fn portable(suite: Suite, encrypted: bool, derived: &Derived, tag_len: usize) -> Self {
        Self::CipherThenMac {
            cipher: StreamCipher::new(suite, encrypted, &derived.session),
            salt: derived.session.salt,
            mac: HmacSha1::new(&derived.auth),
            tag_len,
        }
    }

    /// Protects `buf[..len]` in place and returns the new length. The caller has made room for MKI and tag.
    #[inline(always)]
    pub(crate) fn seal(
        &self,
        buf: &mut [u8],
        len: usize,
        header: RtpHeader,
        index: u64,
        mki: &[u8],
    ) -> usize {
        match self {
            Self::CipherThenMac { cipher, salt, mac, tag_len } => {
                let iv = rtp_iv(buf, header.ssrc, index);
                cipher.apply(salt, iv, &mut buf[header.len..len]);
                let tag = mac_unless_empty(mac, *tag_len, &buf[..len], roc(index));
                let end = append(buf, len, mki);
                append(buf, end, &tag[..*tag_len])
            }
            Self::Accelerated { keys, salt, tag_len } => {
                let counter = salt ^ counter(header.ssrc, index);
                let tag = keys.seal(counter, buf, header.len, len, roc(index));
                let end = append(buf, len, mki);
                append(buf, end, &tag[..*tag_len])
            }
            Self::Aead { aead, salt } => {
                let (aad, payload) = buf.split_at_mut(header.len);
                let sealed = aead.seal(rtp_nonce(salt, header.ssrc, index), aad, payload, len - header.len);
                append(buf, header.len + sealed, mki)
            }
        }
    }

    /// Opens `packet` in place and returns the length of the RTP packet. After a failure of an AEAD suite the payload may
    /// be wiped.
    #[inline(always)]
    pub(crate) fn open(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
        mki_len: usize,
    ) -> Result<usize, AuthFailed> {
        match self {
            Self::CipherThenMac { cipher, salt, mac, tag_len } => {
                let end = packet.len() - tag_len - mki_len;
                if *tag_len != 0 {
                    let tag = mac.tag(&packet[..end], roc(index));
                    if !same_tag(&tag, &packet[packet.len() - tag_len..]) {
                        return Err(AuthFailed);
                    }
                }
                let iv = rtp_iv(packet, header.ssrc, index);
                cipher.apply(salt, iv, &mut packet[header.len..end]);
                Ok(end)
            }
            Self::Accelerated { keys, salt, tag_len } => {
                let end = packet.len() - tag_len - mki_len;
                let counter = salt ^ counter(header.ssrc, index);
                let (body, behind) = packet.split_at_mut(end);
                let opened = keys.open(counter, body, header.len, roc(index), &behind[mki_len..]);
                if opened { Ok(end) } else { Err(AuthFailed) }
            }
            Self::Aead { aead, salt } => {
                let end = packet.len() - mki_len;
                let (aad, payload) = packet[..end].split_at_mut(header.len);
                aead.open(rtp_nonce(salt, header.ssrc, index), aad, payload).map(|len| header.len + len)
            }
        }
    }
}

/// SRTCP session keys. RTCP is rare: AES keys are expanded for each packet, on the stack, which keeps a direction small.
pub(crate) struct RtcpKeys {
    suite: Suite,
    session: SessionKey,
    protection: RtcpProtection,
}

enum RtcpProtection {
    CipherThenMac(HmacSha1),
    Aead { salt: [u8; NONCE_LEN] },
}

impl RtcpKeys {
    /// `r` is the SRTCP index DIV key derivation rate.
    pub(crate) fn derive(master: &MasterKey, params: SessionParams, r: u64) -> Self {
        let suite = master.suite();
        let derived = derive(master, Protocol::Srtcp, r, params.libsrtp_aes192);
        let protection = if suite.is_aead() {
            RtcpProtection::Aead { salt: aead_salt(&derived.session) }
        } else {
            RtcpProtection::CipherThenMac(HmacSha1::new(&derived.auth))
        };
        Self { suite, session: derived.session, protection }
    }

    fn gcm(&self) -> PortableGcm {
        PortableGcm::new(&self.session.key[..self.suite.key_len()], self.suite.rtcp_tag_len())
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
        match &self.protection {
            RtcpProtection::CipherThenMac(mac) => {
                let iv = rtcp_iv(buf, word, ssrc, index);
                let cipher = StreamCipher::new(self.suite, encrypt, &self.session);
                cipher.apply(&self.session.salt, iv, &mut buf[RTCP_CLEAR..len]);
                let tag = mac.tag(&buf[..len], word);
                let end = append(buf, len, &word);
                let end = append(buf, end, mki);
                append(buf, end, &tag[..self.suite.rtcp_tag_len()])
            }
            RtcpProtection::Aead { salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let end = if encrypt {
                    let (clear, payload) = buf.split_at_mut(RTCP_CLEAR);
                    RTCP_CLEAR + self.gcm().seal(nonce, &rtcp_aad(clear, word), payload, len - RTCP_CLEAR)
                } else {
                    // All of the packet and the index is associated data: the tag is made behind them, then moved in front.
                    let aad_end = append(buf, len, &word);
                    let (aad, tail) = buf.split_at_mut(aad_end);
                    let tag_len = self.gcm().seal(nonce, aad, tail, 0);
                    buf.copy_within(aad_end..aad_end + tag_len, len);
                    len + tag_len
                };
                let end = append(buf, end, &word);
                append(buf, end, mki)
            }
        }
    }

    /// Opens `packet` in place and returns the length of the RTCP packet. `encrypted` is its E flag.
    pub(crate) fn open(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
        encrypted: bool,
        mki_len: usize,
    ) -> Result<usize, AuthFailed> {
        let word = if encrypted { index | E_FLAG } else { index }.to_be_bytes();
        let tag_len = self.suite.rtcp_tag_len();
        match &self.protection {
            RtcpProtection::CipherThenMac(mac) => {
                let end = packet.len() - tag_len - mki_len - SRTCP_WORD;
                let tag = mac.tag(&packet[..end], word);
                if !same_tag(&tag, &packet[packet.len() - tag_len..]) {
                    return Err(AuthFailed);
                }
                let iv = rtcp_iv(packet, word, ssrc, index);
                let cipher = StreamCipher::new(self.suite, encrypted, &self.session);
                cipher.apply(&self.session.salt, iv, &mut packet[RTCP_CLEAR..end]);
                Ok(end)
            }
            RtcpProtection::Aead { salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let end = packet.len() - mki_len - SRTCP_WORD;
                if encrypted {
                    let (clear, sealed) = packet[..end].split_at_mut(RTCP_CLEAR);
                    return self
                        .gcm()
                        .open(nonce, &rtcp_aad(clear, word), sealed)
                        .map(|len| RTCP_CLEAR + len);
                }
                // The other way round than in `seal`: index and tag change places.
                let plain = end - tag_len;
                packet.copy_within(plain..end, plain + SRTCP_WORD);
                packet[plain..plain + SRTCP_WORD].copy_from_slice(&word);
                let (aad, tag) = packet[..end + SRTCP_WORD].split_at_mut(plain + SRTCP_WORD);
                self.gcm().open(nonce, aad, tag).map(|_| plain)
            }
        }
    }
}

/// Reads E flag and SRTCP index in front of MKI and tag.
pub(crate) fn srtcp_word(packet: &[u8], behind: usize) -> (bool, u32) {
    let at = packet.len() - behind - SRTCP_WORD;
    let word = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    (word & E_FLAG != 0, word & !E_FLAG)
}

/// Compares a received tag of 1 to 16 bytes with the front of ours, in constant time: as one number, since a loop over the
/// bytes costs a tenth of a small packet.
#[inline(always)]
fn same_tag(ours: &[u8; 20], received: &[u8]) -> bool {
    let mut word = [0u8; 16];
    word[..received.len()].copy_from_slice(received);
    let mask = u128::MAX << (128 - 8 * received.len() as u32);
    let ours = u128::from_be_bytes(*ours.first_chunk().expect("16 of 20 bytes")) & mask;
    ours.ct_eq(&u128::from_be_bytes(word)).into()
}

#[inline(always)]
fn append(buf: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[inline(always)]
fn mac_unless_empty(mac: &HmacSha1, tag_len: usize, message: &[u8], roc: [u8; 4]) -> [u8; 20] {
    if tag_len == 0 { [0; 20] } else { mac.tag(message, roc) }
}

/// RFC 3711 section 4.1.1, without the salt.
fn counter(ssrc: u32, index: u64) -> u128 {
    u128::from(ssrc) << 64 | u128::from(index) << 16
}

fn rtp_iv(packet: &[u8], ssrc: u32, index: u64) -> PacketIv {
    let mut f8 = [0; 16];
    f8[1..12].copy_from_slice(&packet[1..12]);
    f8[12..].copy_from_slice(&roc(index));
    PacketIv { counter: counter(ssrc, index).to_be_bytes(), f8 }
}

fn rtcp_iv(packet: &[u8], word: [u8; 4], ssrc: u32, index: u32) -> PacketIv {
    let mut f8 = [0; 16];
    f8[4..8].copy_from_slice(&word);
    f8[8..].copy_from_slice(&packet[..RTCP_CLEAR]);
    PacketIv { counter: counter(ssrc, u64::from(index)).to_be_bytes(), f8 }
}

fn aead_salt(session: &SessionKey) -> [u8; NONCE_LEN] {
    std::array::from_fn(|i| session.salt[i])
}

/// RFC 7714 section 8.1.
fn rtp_nonce(salt: &[u8; NONCE_LEN], ssrc: u32, index: u64) -> [u8; NONCE_LEN] {
    nonce(salt, u128::from(ssrc) << 48 | u128::from(index))
}

/// RFC 7714 section 9.1.
fn rtcp_nonce(salt: &[u8; NONCE_LEN], ssrc: u32, index: u32) -> [u8; NONCE_LEN] {
    nonce(salt, u128::from(ssrc) << 48 | u128::from(index))
}

fn nonce(salt: &[u8; NONCE_LEN], packet: u128) -> [u8; NONCE_LEN] {
    let packet = packet.to_be_bytes();
    std::array::from_fn(|i| salt[i] ^ packet[i + 16 - NONCE_LEN])
}

/// RFC 7714 section 9.2.
fn rtcp_aad(clear: &[u8], word: [u8; 4]) -> [u8; RTCP_CLEAR + SRTCP_WORD] {
    let mut aad = [0; RTCP_CLEAR + SRTCP_WORD];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    aad
}

/// RFC 7714 gives its vectors at the level of session keys.
#[cfg(test)]
mod rfc_7714 {
    use super::*;
    use crate::test_util::hex;

    const SALT: &str = "517569642070726f2071756f";
    const RTP: &str = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const RTCP: &str = "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

    fn srtp(key_len: u8, expected: &str) {
        let key: Vec<u8> = (0..key_len).collect();
        let (aead, salt) = (Aead::new(&key, 16), hex(SALT).try_into().unwrap());
        let keys = RtpKeys::Aead { aead, salt };
        let plain = hex(RTP);
        let mut buf = plain.clone();
        buf.resize(plain.len() + 16, 0);
        let header = RtpHeader::parse(&plain, 0).unwrap();
        let index = u64::from(header.seq);
        assert_eq!(keys.seal(&mut buf, plain.len(), header, index, &[]), buf.len());
        assert_eq!(buf, hex(expected));
        assert_eq!(keys.open(&mut buf, header, index, 0), Ok(plain.len()));
        assert_eq!(buf[..plain.len()], plain);
    }

    fn srtcp(key_len: u8, encrypt: bool, expected: &str) {
        let mut session = SessionKey { key: [0; 32], salt: [0; MAX_SALT_LEN] };
        session.key[..usize::from(key_len)].copy_from_slice(&(0..key_len).collect::<Vec<u8>>());
        let suite = if key_len == 16 { Suite::AeadAes128Gcm } else { Suite::AeadAes256Gcm };
        let protection = RtcpProtection::Aead { salt: hex(SALT).try_into().unwrap() };
        let keys = RtcpKeys { suite, session, protection };
        let plain = hex(RTCP);
        let mut buf = plain.clone();
        buf.resize(plain.len() + 20, 0);
        let (ssrc, index) = (0x4d61_7273, 0x5d4);
        assert_eq!(keys.seal(&mut buf, plain.len(), ssrc, index, encrypt, &[]), buf.len());
        assert_eq!(buf, hex(expected));
        assert_eq!(srtcp_word(&buf, 0), (encrypt, index));
        assert_eq!(keys.open(&mut buf, ssrc, index, encrypt, 0), Ok(plain.len()));
        assert_eq!(buf[..plain.len()], plain);
    }

    #[test]
    fn srtp_is_that_of_section_16_1_1() {
        srtp(
            16,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
             8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
    }

    #[test]
    fn srtp_is_that_of_section_16_2_1() {
        srtp(
            32,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
             b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
    }

    #[test]
    fn srtcp_is_that_of_section_17_1() {
        srtcp(
            16,
            true,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
             0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        );
    }

    #[test]
    fn srtcp_authenticated_only_is_that_of_section_17_3() {
        srtcp(
            16,
            false,
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef
             deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4",
        );
    }
}

#[cfg(test)]
mod accelerated {
    use super::*;
    use crate::header::RtpHeader;

    #[test]
    fn the_accelerated_path_is_the_portable_one_byte_for_byte() {
        let mut compared = 0;
        for suite in Suite::ALL.into_iter().filter(|s| s.cipher() == CipherKind::AesCm && s.rtp_tag_len() > 0)
        {
            let key: Vec<u8> = (0..suite.key_len()).map(|i| i as u8 * 7 + 1).collect();
            let master = MasterKey::new(suite, &key, &[9; 14]).unwrap();
            let fast = RtpKeys::derive(&master, SessionParams::default(), 0);
            if !matches!(fast, RtpKeys::Accelerated { .. }) {
                println!("SKIPPED: this processor lacks the instructions");
                return;
            }
            let slow = RtpKeys::portable(
                suite,
                true,
                &derive(&master, Protocol::Srtp, 0, false),
                suite.rtp_tag_len(),
            );
            for payload in 0..=1500 {
                let len = 12 + payload;
                let mut a: Vec<u8> = (0..len + 30).map(|i| (i * 31 + i / 256) as u8).collect();
                a[..12].copy_from_slice(&[0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
                let plain = a.clone();
                let mut b = a.clone();
                let header = RtpHeader::parse(&a[..len], 0).unwrap();
                let index = u64::from(payload as u32) << 20 | u64::from(header.seq);
                let sealed = fast.seal(&mut a, len, header, index, &[1, 2, 3]);
                assert_eq!(slow.seal(&mut b, len, header, index, &[1, 2, 3]), sealed);
                assert_eq!(a, b, "{suite} {payload}");
                assert_eq!(fast.open(&mut a[..sealed], header, index, 3), Ok(len));
                assert_eq!(a[..len], plain[..len]);
                assert_eq!(slow.open(&mut b[..sealed], header, index, 3), Ok(len));
                b[len + 3] ^= 1;
                assert_eq!(fast.open(&mut b[..sealed], header, index, 3), Err(AuthFailed));
                compared += 1;
            }
        }
        assert_eq!(compared, 6 * 1501);
    }
}
