//! The protection profiles of `use_srtp` (RFC 5764 section 4.1.2, RFC 7714 section 14.2), in one table.

use sealrtp_srtp::Suite;

/// One row: the suite, its number on the wire, OpenSSL's name for it.
struct Row {
    suite: Suite,
    id: u16,
    openssl: &'static str,
}

const TABLE: [Row; 4] = [
    Row { suite: Suite::AeadAes256Gcm, id: 0x0008, openssl: "SRTP_AEAD_AES_256_GCM" },
    Row { suite: Suite::AeadAes128Gcm, id: 0x0007, openssl: "SRTP_AEAD_AES_128_GCM" },
    Row { suite: Suite::AesCm128HmacSha1_80, id: 0x0001, openssl: "SRTP_AES128_CM_SHA1_80" },
    Row { suite: Suite::AesCm128HmacSha1_32, id: 0x0002, openssl: "SRTP_AES128_CM_SHA1_32" },
];

/// Every suite that has a profile, strongest first.
pub(crate) fn all() -> Vec<Suite> {
    TABLE.iter().map(|row| row.suite).collect()
}

/// The suite of a profile on the wire.
pub(crate) fn suite(id: u64) -> Option<Suite> {
    TABLE.iter().find(|row| u64::from(row.id) == id).map(|row| row.suite)
}

/// The suite of a protection profile's number.
pub fn suite_of_profile(number: u16) -> Option<Suite> {
    suite(u64::from(number))
}

/// OpenSSL's name for a suite's profile.
pub(crate) fn openssl_name(suite: Suite) -> Option<&'static str> {
    TABLE.iter().find(|row| row.suite == suite).map(|row| row.openssl)
}
