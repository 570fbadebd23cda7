//! The suites that libsrtp speaks, as its policies.

use srtp2_sys::{
    srtp_crypto_policy_t, srtp_sec_serv_t, srtp_sec_serv_t_sec_serv_auth, srtp_sec_serv_t_sec_serv_conf,
    srtp_sec_serv_t_sec_serv_conf_and_auth,
};

/// A crypto suite. There is no f8 in libsrtp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the RFCs'
pub enum Suite {
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
    /// Keys are not derived as RFC 6188 says: libsrtp runs AES-256 over key, salt and zeros.
    AesCm192HmacSha1_80,
    /// Keys are not derived as RFC 6188 says: libsrtp runs AES-256 over key, salt and zeros.
    AesCm192HmacSha1_32,
    AesCm256HmacSha1_80,
    AesCm256HmacSha1_32,
    AeadAes128Gcm,
    AeadAes256Gcm,
    AeadAes128Gcm8,
    AeadAes256Gcm8,
    NullHmacSha1_80,
    NullHmacSha1_32,
    AesCm128NullAuth,
}

// Cipher and authentication numbers of srtp.h and crypto_types.h.
const NULL_CIPHER: u32 = 0;
const AES_ICM_128: u32 = 1;
const AES_ICM_192: u32 = 4;
const AES_ICM_256: u32 = 5;
const AES_GCM_128: u32 = 6;
const AES_GCM_256: u32 = 7;
const NULL_AUTH: u32 = 0;
const HMAC_SHA1: u32 = 3;

/// One row of the table; lengths in bytes.
struct Row {
    suite: Suite,
    name: &'static str,
    cipher: u32,
    key_len: usize,
    salt_len: usize,
    rtp_tag_len: usize,
    rtcp_tag_len: usize,
}

#[rustfmt::skip]
const TABLE: [Row; 13] = {
    use Suite::*;
    [
        Row { suite: AesCm128HmacSha1_80, name: "AES_CM_128_HMAC_SHA1_80", cipher: AES_ICM_128, key_len: 16, salt_len: 14, rtp_tag_len: 10, rtcp_tag_len: 10 },
        Row { suite: AesCm128HmacSha1_32, name: "AES_CM_128_HMAC_SHA1_32", cipher: AES_ICM_128, key_len: 16, salt_len: 14, rtp_tag_len: 4, rtcp_tag_len: 10 },
        Row { suite: AesCm192HmacSha1_80, name: "AES_192_CM_HMAC_SHA1_80", cipher: AES_ICM_192, key_len: 24, salt_len: 14, rtp_tag_len: 10, rtcp_tag_len: 10 },
        Row { suite: AesCm192HmacSha1_32, name: "AES_192_CM_HMAC_SHA1_32", cipher: AES_ICM_192, key_len: 24, salt_len: 14, rtp_tag_len: 4, rtcp_tag_len: 10 },
        Row { suite: AesCm256HmacSha1_80, name: "AES_256_CM_HMAC_SHA1_80", cipher: AES_ICM_256, key_len: 32, salt_len: 14, rtp_tag_len: 10, rtcp_tag_len: 10 },
        Row { suite: AesCm256HmacSha1_32, name: "AES_256_CM_HMAC_SHA1_32", cipher: AES_ICM_256, key_len: 32, salt_len: 14, rtp_tag_len: 4, rtcp_tag_len: 10 },
        Row { suite: AeadAes128Gcm, name: "AEAD_AES_128_GCM", cipher: AES_GCM_128, key_len: 16, salt_len: 12, rtp_tag_len: 16, rtcp_tag_len: 16 },
        Row { suite: AeadAes256Gcm, name: "AEAD_AES_256_GCM", cipher: AES_GCM_256, key_len: 32, salt_len: 12, rtp_tag_len: 16, rtcp_tag_len: 16 },
        Row { suite: AeadAes128Gcm8, name: "AEAD_AES_128_GCM_8", cipher: AES_GCM_128, key_len: 16, salt_len: 12, rtp_tag_len: 8, rtcp_tag_len: 8 },
        Row { suite: AeadAes256Gcm8, name: "AEAD_AES_256_GCM_8", cipher: AES_GCM_256, key_len: 32, salt_len: 12, rtp_tag_len: 8, rtcp_tag_len: 8 },
        Row { suite: NullHmacSha1_80, name: "NULL_HMAC_SHA1_80", cipher: NULL_CIPHER, key_len: 16, salt_len: 14, rtp_tag_len: 10, rtcp_tag_len: 10 },
        Row { suite: NullHmacSha1_32, name: "NULL_HMAC_SHA1_32", cipher: NULL_CIPHER, key_len: 16, salt_len: 14, rtp_tag_len: 4, rtcp_tag_len: 10 },
        Row { suite: AesCm128NullAuth, name: "AES_CM_128_NULL_AUTH", cipher: AES_ICM_128, key_len: 16, salt_len: 14, rtp_tag_len: 0, rtcp_tag_len: 10 },
    ]
};

impl Suite {
    /// Every suite.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::AesCm128HmacSha1_80; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].suite;
            assert!(all[i] as usize == i, "the table is in the order of the enum");
            i += 1;
        }
        all
    };

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name as in the RFCs.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a suite by the RFCs' name, or by the spelling with `CM` before the key size (`AES_CM_256_HMAC_SHA1_80`).
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace("AES_CM_192", "AES_192_CM").replace("AES_CM_256", "AES_256_CM");
        TABLE.iter().find(|row| row.name == name).map(|row| row.suite)
    }

    /// Bytes of the master key.
    pub fn key_len(self) -> usize {
        self.row().key_len
    }

    /// Bytes of the master salt.
    pub fn salt_len(self) -> usize {
        self.row().salt_len
    }

    /// Bytes of the authentication tag of an SRTP packet.
    pub fn rtp_tag_len(self) -> usize {
        self.row().rtp_tag_len
    }

    /// Bytes of the authentication tag of an SRTCP packet.
    pub fn rtcp_tag_len(self) -> usize {
        self.row().rtcp_tag_len
    }

    pub(crate) fn rtp_policy(self) -> srtp_crypto_policy_t {
        self.crypto_policy(self.row().rtp_tag_len)
    }

    pub(crate) fn rtcp_policy(self) -> srtp_crypto_policy_t {
        self.crypto_policy(self.row().rtcp_tag_len)
    }

    fn crypto_policy(self, tag_len: usize) -> srtp_crypto_policy_t {
        let row = self.row();
        let aead = matches!(row.cipher, AES_GCM_128 | AES_GCM_256);
        let (auth_type, auth_key_len) = if aead || tag_len == 0 { (NULL_AUTH, 0) } else { (HMAC_SHA1, 20) };
        srtp_crypto_policy_t {
            cipher_type: row.cipher,
            // libsrtp's own NULL policies say 0 here, and it then derives the HMAC key from zeros instead of the master
            // key. With the length of key and salt it derives what RFC 3711 says.
            cipher_key_len: i32::try_from(row.key_len + row.salt_len).expect("at most 46"),
            auth_type,
            auth_key_len,
            auth_tag_len: i32::try_from(tag_len).expect("at most 16"),
            sec_serv: Self::services(row.cipher != NULL_CIPHER, tag_len != 0),
        }
    }

    fn services(encrypts: bool, authenticates: bool) -> srtp_sec_serv_t {
        match (encrypts, authenticates) {
            (true, true) => srtp_sec_serv_t_sec_serv_conf_and_auth,
            (true, false) => srtp_sec_serv_t_sec_serv_conf,
            (false, _) => srtp_sec_serv_t_sec_serv_auth,
        }
    }
}
