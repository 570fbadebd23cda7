//! The key-and-salt text of RFC 4568 section 6.1: standard base64, with padding or without.

use base64ct::{Base64, Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use crate::Reason;

/// Longest key and salt of any suite, in bytes.
const MAX_BYTES: usize = sealrtp_srtp::MAX_KEY_LEN + sealrtp_srtp::MAX_SALT_LEN;
/// Characters of that many bytes, in whole groups of four.
const MAX_TEXT: usize = MAX_BYTES.div_ceil(3) * 4;

/// Key and salt as decoded, and how many bytes of them count.
pub(crate) struct Decoded {
    bytes: Zeroizing<[u8; MAX_TEXT / 4 * 3]>,
    len: usize,
}

impl Decoded {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Why a text was not decoded.
pub(crate) enum DecodeError {
    /// It is base64 of this many bytes, which is not the number expected.
    Length(usize),
    /// It is not base64.
    NotBase64,
}

impl DecodeError {
    pub(crate) fn reason(self, suite: sealrtp_srtp::Suite) -> Reason {
        match self {
            Self::NotBase64 => Reason::Base64,
            Self::Length(got) => {
                Reason::KeyLength { suite, expected: suite.key_len() + suite.salt_len(), got }
            }
        }
    }
}

/// Decodes exactly `expected` bytes, in constant time for their values.
///
/// Bits beyond the last whole byte are dropped: phones that draw random characters instead of random bytes leave them set.
pub(crate) fn decode(text: &str, expected: usize) -> Result<Decoded, DecodeError> {
    let data = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if !data.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/') || data.len() % 4 == 1 {
        return Err(DecodeError::NotBase64);
    }
    let got = data.len() * 3 / 4;
    if got != expected || data.len() > MAX_TEXT {
        return Err(DecodeError::Length(got));
    }
    // Filled up with zero bits to whole groups, so that set bits beyond the last byte are no error.
    let mut whole = Zeroizing::new([b'A'; MAX_TEXT]);
    whole[..data.len()].copy_from_slice(data.as_bytes());
    let whole_len = data.len().next_multiple_of(4);
    let mut decoded = Decoded { bytes: Zeroizing::new([0; MAX_TEXT / 4 * 3]), len: got };
    Base64Unpadded::decode(&whole[..whole_len], &mut *decoded.bytes).map_err(|_| DecodeError::NotBase64)?;
    Ok(decoded)
}

/// Appends the padded base64 of `key` followed by `salt`.
pub(crate) fn encode(key: &[u8], salt: &[u8], out: &mut Zeroizing<String>) {
    let mut bytes = Zeroizing::new([0; MAX_BYTES]);
    let len = key.len() + salt.len();
    bytes[..key.len()].copy_from_slice(key);
    bytes[key.len()..len].copy_from_slice(salt);
    let mut text = Zeroizing::new([0; MAX_TEXT]);
    // A key and salt always fit: both arrays are sized by the longest.
    if let Ok(text) = Base64::encode(&bytes[..len], &mut *text) {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_goes_there_and_back() {
        for len in 0..=MAX_BYTES {
            let bytes: Vec<u8> = (0..len as u8).map(|i| i.wrapping_mul(37) ^ 0xa5).collect();
            let mut text = Zeroizing::new(String::new());
            encode(&bytes[..len / 2], &bytes[len / 2..], &mut text);
            assert_eq!(text.len(), len.div_ceil(3) * 4);
            let back = decode(&text, len).unwrap_or_else(|_| panic!("{len} padded"));
            assert_eq!(back.bytes(), bytes);
            let back = decode(text.trim_end_matches('='), len).unwrap_or_else(|_| panic!("{len} unpadded"));
            assert_eq!(back.bytes(), bytes);
        }
    }

    #[test]
    fn set_bits_beyond_the_last_byte_are_dropped() {
        assert_eq!(decode("//", 1).ok().unwrap().bytes(), [0xff]);
        assert_eq!(decode("///", 2).ok().unwrap().bytes(), [0xff, 0xff]);
    }

    #[test]
    fn wrong_lengths_are_counted_and_other_text_is_no_base64() {
        assert!(matches!(decode("AAAA", 30), Err(DecodeError::Length(3))));
        assert!(matches!(decode("", 30), Err(DecodeError::Length(0))));
        assert!(matches!(decode(&"A".repeat(8000), 30), Err(DecodeError::Length(6000))));
        for bad in ["A", "AAAAA", "A=A=", "AA===", "AA_-", "AA A", "äö", "===="] {
            assert!(matches!(decode(bad, 1), Err(DecodeError::NotBase64)), "{bad}");
        }
    }
}
