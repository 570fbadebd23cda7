//! Error codes (RFC 6189 section 5.9).

use std::fmt;

/// The code of an Error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $name: Self = Self($code);)*
        }

        /// Table 8 of RFC 6189.
        const CODES: &[(ErrorCode, &str)] = &[$((ErrorCode::$name, $text),)*];
    };
}

codes! {
    MALFORMED = 0x10, "malformed packet";
    SOFTWARE = 0x20, "critical software error";
    VERSION = 0x30, "unsupported ZRTP version";
    HELLO_MISMATCH = 0x40, "Hello components mismatch";
    HASH = 0x51, "hash type not supported";
    CIPHER = 0x52, "cipher type not supported";
    AGREEMENT = 0x53, "public key exchange not supported";
    AUTH_TAG = 0x54, "SRTP auth tag not supported";
    SAS_TYPE = 0x55, "SAS rendering scheme not supported";
    NO_SHARED_SECRET = 0x56, "no shared secret available, DH mode required";
    PUBLIC_VALUE = 0x61, "DH error: bad pvi or pvr";
    HVI = 0x62, "DH error: hvi is not the hash of DHPart2";
    UNTRUSTED_MITM = 0x63, "received relayed SAS from untrusted MiTM";
    CONFIRM_MAC = 0x70, "bad Confirm MAC";
    NONCE_REUSE = 0x80, "nonce reuse";
    EQUAL_ZIDS = 0x90, "equal ZIDs in Hello";
    SSRC_COLLISION = 0x91, "SSRC collision";
    UNAVAILABLE = 0xa0, "service unavailable";
    TIMEOUT = 0xb0, "protocol timeout error";
    GO_CLEAR = 0x100, "GoClear message received, but not allowed";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = CODES.iter().find(|(code, _)| code == self).map_or("unknown", |(_, text)| text);
        write!(f, "{text} (0x{:x})", self.0)
    }
}
