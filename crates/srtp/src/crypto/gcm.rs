//! AES-GCM (RFC 7714), with its own 16-byte tag and with the 8-byte tag of the drafts before it.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes256Enc};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

use super::AuthFailed;

/// Bytes of a GCM nonce.
pub(crate) const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const SHORT_TAG_LEN: usize = 8;

/// A session key of AES-GCM; both variants zeroise themselves on drop.
pub(crate) enum Aead {
    /// Through AWS-LC.
    Full(LessSafeKey),
    /// AWS-LC opens no cut tags through its safe interface, so this form stands on RustCrypto's parts.
    ShortTag(Box<ShortTag>),
}

impl Aead {
    pub(crate) fn new(key: &[u8], tag_len: usize) -> Self {
        if tag_len == SHORT_TAG_LEN {
            return Self::ShortTag(Box::new(ShortTag::new(key)));
        }
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, key).expect("a suite's key has the algorithm's length");
        Self::Full(LessSafeKey::new(key))
    }

    pub(crate) fn tag_len(&self) -> usize {
        match self {
            Self::Full(_) => TAG_LEN,
            Self::ShortTag(_) => SHORT_TAG_LEN,
        }
    }

    /// Encrypts `buf[..len]` in place and writes the tag behind it; returns the length of both.
    #[inline]
    pub(crate) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buf: &mut [u8], len: usize) -> usize {
        let (payload, rest) = buf.split_at_mut(len);
        match self {
            Self::Full(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(aad), payload)
                    .expect("a packet is far below the limit of GCM");
                rest[..TAG_LEN].copy_from_slice(tag.as_ref());
                len + TAG_LEN
            }
            Self::ShortTag(key) => {
                key.apply(nonce, payload);
                rest[..SHORT_TAG_LEN].copy_from_slice(&key.tag(nonce, aad, payload));
                len + SHORT_TAG_LEN
            }
        }
    }

    /// Decrypts `buf`, ciphertext and tag, in place; returns the payload's length. After a failure `buf` may be wiped.
    #[inline]
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        buf: &mut [u8],
    ) -> Result<usize, AuthFailed> {
        match self {
            Self::Full(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::from(aad), buf).map(|plain| plain.len()).map_err(|_| AuthFailed)
            }
            Self::ShortTag(key) => {
                let (payload, tag) = buf.split_last_chunk_mut::<SHORT_TAG_LEN>().ok_or(AuthFailed)?;
                if !bool::from(key.tag(nonce, aad, payload).ct_eq(tag)) {
                    return Err(AuthFailed);
                }
                key.apply(nonce, payload);
                Ok(payload.len())
            }
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "it is boxed as a whole")]
enum Aes {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

/// AES-GCM with a tag cut to 8 bytes (NIST SP 800-38D appendix C).
pub(crate) struct ShortTag {
    aes: Aes,
    ghash: GHash,
}

impl ShortTag {
    fn new(key: &[u8]) -> Self {
        let aes = match key.len() {
            16 => Aes::Aes128(Aes128Enc::new(key.into())),
            _ => Aes::Aes256(Aes256Enc::new(key.into())),
        };
        let mut h = zeroize::Zeroizing::new([0u8; 16]);
        aes.encrypt_block(&mut h);
        Self { ghash: GHash::new((&*h).into()), aes }
    }

    fn apply(&self, nonce: [u8; NONCE_LEN], payload: &mut [u8]) {
        match &self.aes {
            Aes::Aes128(aes) => counter_32(aes, nonce, payload),
            Aes::Aes256(aes) => counter_32(aes, nonce, payload),
        }
    }

    fn tag(&self, nonce: [u8; NONCE_LEN], aad: &[u8], ciphertext: &[u8]) -> [u8; SHORT_TAG_LEN] {
        let mut ghash = self.ghash.clone();
        ghash.update_padded(aad);
        ghash.update_padded(ciphertext);
        let lengths = u128::from(aad.len() as u64 * 8) << 64 | u128::from(ciphertext.len() as u64 * 8);
        ghash.update(&[lengths.to_be_bytes().into()]);
        let mut mask = counter_block(nonce, 1);
        self.aes.encrypt_block(&mut mask);
        let hash = ghash.finalize();
        std::array::from_fn(|i| hash[i] ^ mask[i])
    }
}

impl Aes {
    fn encrypt_block(&self, block: &mut [u8; 16]) {
        match self {
            Self::Aes128(aes) => aes.encrypt_block(block.into()),
            Self::Aes256(aes) => aes.encrypt_block(block.into()),
        }
    }
}

fn counter_block(nonce: [u8; NONCE_LEN], counter: u32) -> [u8; 16] {
    let mut block = [0; 16];
    block[..NONCE_LEN].copy_from_slice(&nonce);
    block[NONCE_LEN..].copy_from_slice(&counter.to_be_bytes());
    block
}

fn counter_32<C>(aes: &C, nonce: [u8; NONCE_LEN], payload: &mut [u8])
where
    C: BlockEncrypt + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&C, Ctr32BE>::inner_iv_slice_init(aes, &counter_block(nonce, 2))
        .expect("the counter block has a block's length");
    core.apply_keystream_partial(payload.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_tag_form_is_the_full_form_with_its_tag_cut() {
        for key_len in [16, 32] {
            let key: Vec<u8> = (0..key_len).map(|i| i * 3 + 1).collect();
            let (full, short) = (Aead::new(&key, TAG_LEN), Aead::new(&key, SHORT_TAG_LEN));
            for len in 0..200 {
                let nonce = [len as u8; NONCE_LEN];
                let aad: Vec<u8> = (0..len % 37).map(|i| i as u8).collect();
                let plain: Vec<u8> = (0..len + TAG_LEN).map(|i| (i * 5) as u8).collect();
                let (mut a, mut b) = (plain.clone(), plain.clone());
                assert_eq!(full.seal(nonce, &aad, &mut a, len), len + TAG_LEN);
                assert_eq!(short.seal(nonce, &aad, &mut b, len), len + SHORT_TAG_LEN);
                assert_eq!(a[..len + SHORT_TAG_LEN], b[..len + SHORT_TAG_LEN]);
                assert_eq!(short.open(nonce, &aad, &mut b[..len + SHORT_TAG_LEN]), Ok(len));
                assert_eq!(b[..len], plain[..len]);
                b[len] ^= 1;
                assert_eq!(short.open(nonce, &aad, &mut b[..len + SHORT_TAG_LEN]), Err(AuthFailed));
            }
        }
    }
}
