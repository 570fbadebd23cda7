//! The ciphers that produce a key stream: AES in counter mode (RFC 3711 section 4.1.1, RFC 6188), AES in f8 mode
//! (RFC 3711 section 4.1.2), and none.

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher as _,
    StreamCipherCoreWrapper,
};
use aes::{Aes128, Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::{MAX_KEY_LEN, MAX_SALT_LEN};
use crate::suite::{CipherKind, Suite};

/// Bytes of an AES block.
pub(crate) const BLOCK: usize = 16;

/// Session encryption key and salt as derived, before the cipher expands them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SessionKey {
    pub(crate) key: [u8; MAX_KEY_LEN],
    pub(crate) salt: [u8; MAX_SALT_LEN],
}

/// An expanded session encryption key; every variant zeroises itself on drop.
pub(crate) enum StreamCipher {
    Cm128(Aes128Enc),
    Cm192(Aes192Enc),
    Cm256(Aes256Enc),
    F8(Box<F8>),
    Null,
}

/// What a packet contributes to its key stream.
#[derive(Clone, Copy)]
pub(crate) struct PacketIv {
    /// RFC 3711 section 4.1.1: salt, SSRC and packet index.
    pub(crate) counter: [u8; BLOCK],
    /// RFC 3711 sections 4.1.2.2 and 4.1.2.3: header fields for f8.
    pub(crate) f8: [u8; BLOCK],
}

impl StreamCipher {
    pub(crate) fn new(suite: Suite, encrypted: bool, session: &SessionKey) -> Self {
        let key = &session.key[..suite.key_len()];
        match (suite.cipher(), key.len()) {
            _ if !encrypted => Self::Null,
            (CipherKind::AesCm, 16) => Self::Cm128(Aes128Enc::new(key.into())),
            (CipherKind::AesCm, 24) => Self::Cm192(Aes192Enc::new(key.into())),
            (CipherKind::AesCm, _) => Self::Cm256(Aes256Enc::new(key.into())),
            (CipherKind::AesF8, _) => Self::F8(Box::new(F8::new(session))),
            (CipherKind::Null | CipherKind::AesGcm, _) => Self::Null,
        }
    }

    /// Adds the key stream of the packet to `payload`: encrypts or decrypts it.
    #[inline(always)]
    pub(crate) fn apply(&self, iv: PacketIv, payload: &mut [u8]) {
        match self {
            Self::Cm128(aes) => counter_mode(aes, iv.counter, payload),
            Self::Cm192(aes) => counter_mode(aes, iv.counter, payload),
            Self::Cm256(aes) => counter_mode(aes, iv.counter, payload),
            Self::F8(f8) => f8.apply(iv.f8, payload),
            Self::Null => {}
        }
    }
}

#[inline(always)]
fn counter_mode<C>(aes: &C, iv: [u8; BLOCK], data: &mut [u8])
where
    C: BlockEncrypt + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&C, Ctr128BE>::inner_iv_slice_init(aes, &iv).expect("the IV has a block's length");
    StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
}

/// AES in f8 mode: the key, and the key under which the IV is encrypted.
pub(crate) struct F8 {
    aes: Aes128,
    aes_masked: Aes128,
}

impl F8 {
    fn new(session: &SessionKey) -> Self {
        // RFC 3711 section 4.1.2.1: the mask is the salt, filled up with 0x55.
        let mut masked = [0x55u8; BLOCK];
        masked[..MAX_SALT_LEN].copy_from_slice(&session.salt);
        for (m, k) in masked.iter_mut().zip(&session.key) {
            *m ^= k;
        }
        let this =
            Self { aes: Aes128::new(session.key[..BLOCK].into()), aes_masked: Aes128::new((&masked).into()) };
        masked.zeroize();
        this
    }

    fn apply(&self, mut iv: [u8; BLOCK], payload: &mut [u8]) {
        self.aes_masked.encrypt_block((&mut iv).into());
        let mut stream = [0u8; BLOCK];
        for (j, chunk) in payload.chunks_mut(BLOCK).enumerate() {
            let number = (j as u128).to_be_bytes();
            for i in 0..BLOCK {
                stream[i] ^= iv[i] ^ number[i];
            }
            self.aes.encrypt_block((&mut stream).into());
            for (p, s) in chunk.iter_mut().zip(stream) {
                *p ^= s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::hex;

    fn session(key: &str, salt: &str) -> SessionKey {
        let (key, salt) = (hex(key), hex(salt));
        let mut session = SessionKey { key: [0; MAX_KEY_LEN], salt: [0; MAX_SALT_LEN] };
        session.key[..key.len()].copy_from_slice(&key);
        session.salt[..salt.len()].copy_from_slice(&salt);
        session
    }

    /// RFC 3711 B.2 and RFC 6188 section 7.1 number key stream blocks from 0 to 0xff02 under SSRC 0, index 0.
    fn counter_mode_vector(suite: Suite, key: &str, salt: &str, first: &str, last: &str) {
        let session = session(key, salt);
        let cipher = StreamCipher::new(suite, true, &session);
        let mut stream = vec![0u8; 0xff03 * BLOCK];
        let mut counter = [0; BLOCK];
        counter[..MAX_SALT_LEN].copy_from_slice(&session.salt);
        cipher.apply(PacketIv { counter, f8: [0; BLOCK] }, &mut stream);
        assert_eq!(stream[..3 * BLOCK], hex(first));
        assert_eq!(stream[0xfeff * BLOCK..][..3 * BLOCK], hex(last)[..3 * BLOCK]);
    }

    #[test]
    fn counter_mode_is_that_of_rfc_3711_b_2() {
        counter_mode_vector(
            Suite::AesCm128HmacSha1_80,
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "F0F1F2F3F4F5F6F7F8F9FAFBFCFD",
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0",
            "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44",
        );
    }

    #[test]
    fn counter_mode_is_that_of_rfc_6188_7_1_with_192_bits() {
        counter_mode_vector(
            Suite::AesCm192HmacSha1_80,
            "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
            "f0f1f2f3f4f5f6f7f8f9fafbfcfd",
            "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a 474a40c77894bc17180202272a4c264d",
            "d108d1a31a00bad6367ec23eb044b415 c8f57129fdeb970b59f917b257662d4c a5dab625811034e8cebdfeb6dc158dd3",
        );
    }

    #[test]
    fn counter_mode_is_that_of_rfc_6188_7_1_with_256_bits() {
        counter_mode_vector(
            Suite::AesCm256HmacSha1_80,
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "f0f1f2f3f4f5f6f7f8f9fafbfcfd",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f",
        );
    }

    #[test]
    fn f8_is_that_of_rfc_3711_b_1() {
        let session = session("234829008467be186c3de14aae72d62c", "32f2870d");
        // The example's salt has 32 bits: RFC 3711's mask fills the rest with 0x55.
        let mut padded = session.clone();
        padded.salt[4..].fill(0x55);
        let f8 = F8::new(&padded);
        let mut payload =
            hex("70736575646f72616e646f6d6e657373206973 20746865206e6578742062657374207468696e67");
        let iv: [u8; BLOCK] = hex("006e5cba50681de55c621599d462564a").try_into().unwrap();
        f8.apply(iv, &mut payload);
        assert_eq!(
            payload,
            hex("019ce7a26e7854014a6366aa95d4eefd 1ad4172a14f9faf455b7f1d4b62bd08f 562c0eef7c4802")
        );
    }
}
