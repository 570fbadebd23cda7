//! The crypto suites, in one table.

use std::ffi::CStr;
use std::fmt;

/// A crypto suite: cipher, authentication and tag lengths that two ends agree on by name.
///
/// The discriminants are stable: the C ABI uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Suite {
    /// RFC 4568 section 6.2.1.
    AesCm128HmacSha1_80 = 1,
    /// RFC 4568 section 6.2.2; SRTCP keeps an 80-bit tag.
    AesCm128HmacSha1_32 = 2,
    /// RFC 6188 section 2.
    AesCm192HmacSha1_80 = 3,
    /// RFC 6188 section 2.
    AesCm192HmacSha1_32 = 4,
    /// RFC 6188 section 2.
    AesCm256HmacSha1_80 = 5,
    /// RFC 6188 section 2.
    AesCm256HmacSha1_32 = 6,
    /// RFC 7714 section 12.
    AeadAes128Gcm = 7,
    /// RFC 7714 section 12.
    AeadAes256Gcm = 8,
    /// The 8-byte tag form of the drafts before RFC 7714, still offered by trunks.
    AeadAes128Gcm8 = 9,
    /// The 8-byte tag form of the drafts before RFC 7714, still offered by trunks.
    AeadAes256Gcm8 = 10,
    /// RFC 4568 section 6.2.3 (AES in f8 mode).
    F8_128HmacSha1_80 = 11,
    /// Authentication without encryption (RFC 3711 section 4.1.3).
    NullHmacSha1_80 = 12,
    /// Authentication without encryption (RFC 3711 section 4.1.3), 32-bit SRTP tag.
    NullHmacSha1_32 = 13,
    /// Encryption without authentication of SRTP; SRTCP stays authenticated, as RFC 3711 section 3.4 demands.
    AesCm128NullAuth = 14,
}

/// How the payload is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CipherKind {
    /// AES counter mode, RFC 3711 section 4.1.1.
    AesCm,
    /// AES in f8 mode, RFC 3711 section 4.1.2.
    AesF8,
    /// AES-GCM, RFC 7714.
    AesGcm,
    /// No encryption.
    Null,
}

/// One row of the table.
struct Row {
    suite: Suite,
    /// Ends with a NUL, so that C can be given it as it stands.
    name: &'static CStr,
    other_names: &'static [&'static str],
    cipher: CipherKind,
    key_len: usize,
    salt_len: usize,
    rtp_tag_len: usize,
    rtcp_tag_len: usize,
    weak: bool,
}

const SALT: usize = 14;
const AEAD_SALT: usize = 12;

#[rustfmt::skip]
const TABLE: [Row; 14] = {
    use CipherKind::*;
    use Suite::*;
    [
        Row { suite: AesCm128HmacSha1_80, name: c"AES_CM_128_HMAC_SHA1_80", other_names: &["AES_128_CM_HMAC_SHA1_80"],
              cipher: AesCm, key_len: 16, salt_len: SALT, rtp_tag_len: 10, rtcp_tag_len: 10, weak: false },
        Row { suite: AesCm128HmacSha1_32, name: c"AES_CM_128_HMAC_SHA1_32", other_names: &["AES_128_CM_HMAC_SHA1_32"],
              cipher: AesCm, key_len: 16, salt_len: SALT, rtp_tag_len: 4, rtcp_tag_len: 10, weak: false },
        Row { suite: AesCm192HmacSha1_80, name: c"AES_192_CM_HMAC_SHA1_80", other_names: &["AES_CM_192_HMAC_SHA1_80"],
              cipher: AesCm, key_len: 24, salt_len: SALT, rtp_tag_len: 10, rtcp_tag_len: 10, weak: false },
        Row { suite: AesCm192HmacSha1_32, name: c"AES_192_CM_HMAC_SHA1_32", other_names: &["AES_CM_192_HMAC_SHA1_32"],
              cipher: AesCm, key_len: 24, salt_len: SALT, rtp_tag_len: 4, rtcp_tag_len: 10, weak: false },
        Row { suite: AesCm256HmacSha1_80, name: c"AES_256_CM_HMAC_SHA1_80", other_names: &["AES_CM_256_HMAC_SHA1_80"],
              cipher: AesCm, key_len: 32, salt_len: SALT, rtp_tag_len: 10, rtcp_tag_len: 10, weak: false },
        Row { suite: AesCm256HmacSha1_32, name: c"AES_256_CM_HMAC_SHA1_32", other_names: &["AES_CM_256_HMAC_SHA1_32"],
              cipher: AesCm, key_len: 32, salt_len: SALT, rtp_tag_len: 4, rtcp_tag_len: 10, weak: false },
        Row { suite: AeadAes128Gcm, name: c"AEAD_AES_128_GCM", other_names: &["AEAD_AES_128_GCM_16"],
              cipher: AesGcm, key_len: 16, salt_len: AEAD_SALT, rtp_tag_len: 16, rtcp_tag_len: 16, weak: false },
        Row { suite: AeadAes256Gcm, name: c"AEAD_AES_256_GCM", other_names: &["AEAD_AES_256_GCM_16"],
              cipher: AesGcm, key_len: 32, salt_len: AEAD_SALT, rtp_tag_len: 16, rtcp_tag_len: 16, weak: false },
        Row { suite: AeadAes128Gcm8, name: c"AEAD_AES_128_GCM_8", other_names: &[],
              cipher: AesGcm, key_len: 16, salt_len: AEAD_SALT, rtp_tag_len: 8, rtcp_tag_len: 8, weak: false },
        Row { suite: AeadAes256Gcm8, name: c"AEAD_AES_256_GCM_8", other_names: &[],
              cipher: AesGcm, key_len: 32, salt_len: AEAD_SALT, rtp_tag_len: 8, rtcp_tag_len: 8, weak: false },
        Row { suite: F8_128HmacSha1_80, name: c"F8_128_HMAC_SHA1_80", other_names: &["AES_F8_128_HMAC_SHA1_80"],
              cipher: AesF8, key_len: 16, salt_len: SALT, rtp_tag_len: 10, rtcp_tag_len: 10, weak: true },
        Row { suite: NullHmacSha1_80, name: c"NULL_HMAC_SHA1_80", other_names: &["NULL_CIPHER_HMAC_SHA1_80"],
              cipher: Null, key_len: 16, salt_len: SALT, rtp_tag_len: 10, rtcp_tag_len: 10, weak: true },
        Row { suite: NullHmacSha1_32, name: c"NULL_HMAC_SHA1_32", other_names: &["NULL_CIPHER_HMAC_SHA1_32"],
              cipher: Null, key_len: 16, salt_len: SALT, rtp_tag_len: 4, rtcp_tag_len: 10, weak: true },
        Row { suite: AesCm128NullAuth, name: c"AES_CM_128_NULL_AUTH", other_names: &["AES_128_CM_NULL_AUTH"],
              cipher: AesCm, key_len: 16, salt_len: SALT, rtp_tag_len: 0, rtcp_tag_len: 10, weak: true },
    ]
};

impl Suite {
    /// Every suite, in the order of their numbers.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::AesCm128HmacSha1_80; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].suite;
            assert!(all[i] as usize == i + 1, "the table is in the order of the discriminants");
            i += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize - 1]
    }

    /// The name as in the RFCs, e.g. `AES_CM_128_HMAC_SHA1_80`.
    pub const fn name(self) -> &'static str {
        match self.c_name().to_str() {
            Ok(name) => name,
            Err(_) => panic!("the table's names are ASCII"),
        }
    }

    /// The same for C.
    pub const fn c_name(self) -> &'static CStr {
        self.row().name
    }

    /// Finds a suite by any spelling met in the field, in any letter case (RFC 4568's ABNF strings have none).
    ///
    /// ```
    /// use sealrtp_srtp::Suite;
    /// assert_eq!(Suite::from_name("AES_CM_256_HMAC_SHA1_80"), Some(Suite::AesCm256HmacSha1_80));
    /// assert_eq!(Suite::from_name("AES_256_CM_HMAC_SHA1_80"), Some(Suite::AesCm256HmacSha1_80));
    /// assert_eq!(Suite::from_name("ROT13"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| {
            let mut names = std::iter::once(suite.name()).chain(suite.row().other_names.iter().copied());
            names.any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// Finds a suite by its number, the `repr` of this enum.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| *suite as u32 == id)
    }

    /// Bytes of a master key: 16, 24 or 32.
    pub const fn key_len(self) -> usize {
        self.row().key_len
    }

    /// Bytes of a master salt: 14, or 12 for the AEAD suites.
    pub const fn salt_len(self) -> usize {
        self.row().salt_len
    }

    /// Bytes of the authentication tag of an SRTP packet; 0 for `AES_CM_128_NULL_AUTH`.
    pub const fn rtp_tag_len(self) -> usize {
        self.row().rtp_tag_len
    }

    /// Bytes of the authentication tag of an SRTCP packet.
    pub const fn rtcp_tag_len(self) -> usize {
        self.row().rtcp_tag_len
    }

    /// True for the AEAD suites of RFC 7714 and their 8-byte forms.
    pub const fn is_aead(self) -> bool {
        matches!(self.row().cipher, CipherKind::AesGcm)
    }

    /// True for suites that give up encryption or authentication, or that the field has left (f8): they are used only
    /// where the configuration names them.
    pub const fn is_weak(self) -> bool {
        self.row().weak
    }

    /// False for the NULL cipher.
    pub(crate) const fn encrypts(self) -> bool {
        !matches!(self.row().cipher, CipherKind::Null)
    }

    pub(crate) const fn cipher(self) -> CipherKind {
        self.row().cipher
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_one_suite() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
            assert_eq!(Suite::from_name(&suite.name().to_ascii_lowercase()), Some(suite));
            assert_eq!(Suite::from_id(suite as u32), Some(suite));
            for other in suite.row().other_names {
                assert_eq!(Suite::from_name(other), Some(suite));
            }
        }
        assert_eq!(Suite::from_id(0), None);
        assert_eq!(Suite::from_id(15), None);
        assert_eq!(Suite::from_id(257), None);
    }
}
