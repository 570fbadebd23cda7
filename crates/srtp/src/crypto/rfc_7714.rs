//! RFC 7714 gives its vectors at the level of session keys.

use zeroize::Zeroizing;

use super::kdf::Derived;
use super::kernel::Kernel;
use super::salt::Salt;
use super::stream_cipher::SessionKey;
use super::*;
use crate::header::RtpHeader;
use crate::keys::{MAX_KEY_LEN, MAX_SALT_LEN};
use crate::suite::Suite;
use crate::test_util::hex;

const SALT: &str = "517569642070726f2071756f";
const RTP: &str =
    "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTCP: &str = "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

fn session(key_len: u8) -> (Suite, Derived) {
    let mut session = SessionKey { key: [0; MAX_KEY_LEN], salt: [0; MAX_SALT_LEN] };
    session.key[..usize::from(key_len)].copy_from_slice(&(0..key_len).collect::<Vec<u8>>());
    session.salt[..12].copy_from_slice(&hex(SALT));
    let suite = if key_len == 16 { Suite::AeadAes128Gcm } else { Suite::AeadAes256Gcm };
    (suite, Derived { session, auth: Zeroizing::new([0; 20]) })
}

fn srtp(key_len: u8, expected: &str) {
    let (suite, derived) = session(key_len);
    let salt = Salt::new(suite, &derived.session);
    let keys = RtpKeys::from_parts(salt, 16, Kernel::new(suite, true, true, &derived));
    let plain = hex(RTP);
    let mut buf = plain.clone();
    buf.resize(plain.len() + 16, 0);
    let header = RtpHeader::parse(&plain, 0).unwrap();
    let id = PacketId { header_len: header.len, ssrc: header.ssrc, index: header.seq.into() };
    assert_eq!(keys.seal(&mut buf, plain.len(), id, &[]), buf.len());
    assert_eq!(buf, hex(expected));
    assert_eq!(keys.open(&mut buf, id, 0), Ok(plain.len()));
    assert_eq!(buf[..plain.len()], plain);
}

fn srtcp(key_len: u8, encrypt: bool, expected: &str) {
    let (suite, derived) = session(key_len);
    let keys = RtcpKeys::expand(suite, &derived);
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
