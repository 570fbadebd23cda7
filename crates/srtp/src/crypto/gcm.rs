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
/// Bytes of GCM's own tag.
const FULL_TAG_LEN: usize = 16;

/// A session key of AES-GCM for RTP; both variants zeroise themselves on drop.
pub(crate) enum Aead {
    /// Through AWS-LC, whose safe interface knows only the full tag.
    Full(LessSafeKey),
    Portable(Box<PortableGcm>),
}

impl Aead {
    pub(crate) fn new(key: &[u8], tag_len: usize) -> Self {
        if tag_len != FULL_TAG_LEN {
            return Self::Portable(Box::new(PortableGcm::new(key, tag_len)));
        }
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, key).expect("a suite's key has the algorithm's length");
        Self::Full(LessSafeKey::new(key))
    }

    /// Encrypts `buf[..len]` in place and writes the tag behind it; returns the length of both.
    #[inline]
    pub(crate) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buf: &mut [u8], len: usize) -> usize {
        match self {
            Self::Full(key) => {
                let (payload, rest) = buf.split_at_mut(len);
                let tag = key
                    .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), payload)
                    .expect("a packet is far below the limit of GCM");
                rest[..FULL_TAG_LEN].copy_from_slice(tag.as_ref());
                len + FULL_TAG_LEN
            }
            Self::Portable(gcm) => gcm.seal(nonce, aad, buf, len),
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
            Self::Portable(gcm) => gcm.open(nonce, aad, buf),
        }
    }
}

/// AES-GCM of RustCrypto's parts: for tags cut to 8 bytes (NIST SP 800-38D appendix C), and for RTCP, where a key that is
/// expanded on the stack for each packet costs no memory between packets.
pub(crate) struct PortableGcm {
    aes: Aes,
    ghash: GHash,
    tag_len: usize,
}

impl PortableGcm {
    pub(crate) fn new(key: &[u8], tag_len: usize) -> Self {
        let aes = match key.len() {
            16 => Aes::Aes128(Aes128Enc::new(key.into())),
            _ => Aes::Aes256(Aes256Enc::new(key.into())),
        };
        let mut h = zeroize::Zeroizing::new([0u8; 16]);
        aes.encrypt_block(&mut h);
        Self { ghash: GHash::new((&*h).into()), aes, tag_len }
    }

    /// As [`Aead::seal`].
    pub(crate) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], buf: &mut [u8], len: usize) -> usize {
        let (payload, rest) = buf.split_at_mut(len);
        self.apply(nonce, payload);
        rest[..self.tag_len].copy_from_slice(&self.tag(nonce, aad, payload)[..self.tag_len]);
        len + self.tag_len
    }

    /// As [`Aead::open`], but a failure leaves `buf` as it was.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        buf: &mut [u8],
    ) -> Result<usize, AuthFailed> {
        let len = buf.len().checked_sub(self.tag_len).ok_or(AuthFailed)?;
        let (payload, tag) = buf.split_at_mut(len);
        if !bool::from(self.tag(nonce, aad, payload)[..self.tag_len].ct_eq(tag)) {
            return Err(AuthFailed);
        }
        self.apply(nonce, payload);
        Ok(len)
    }

    fn apply(&self, nonce: [u8; NONCE_LEN], payload: &mut [u8]) {
        match &self.aes {
            Aes::Aes128(aes) => counter_32(aes, nonce, payload),
            Aes::Aes256(aes) => counter_32(aes, nonce, payload),
        }
    }

    fn tag(&self, nonce: [u8; NONCE_LEN], aad: &[u8], ciphertext: &[u8]) -> [u8; FULL_TAG_LEN] {
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

#[expect(clippy::large_enum_variant, reason = "it is boxed as a whole, or on the stack")]
enum Aes {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
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
    fn the_portable_form_is_aws_lcs_with_its_tag_cut() {
        for key_len in [16, 32] {
            let key: Vec<u8> = (0..key_len).map(|i| i * 3 + 1).collect();
            for tag_len in [8, FULL_TAG_LEN] {
                let (full, portable) = (Aead::new(&key, FULL_TAG_LEN), PortableGcm::new(&key, tag_len));
                for len in 0..200 {
                    let nonce = [len as u8; NONCE_LEN];
                    let aad: Vec<u8> = (0..len % 37).map(|i| i as u8).collect();
                    let plain: Vec<u8> = (0..len + FULL_TAG_LEN).map(|i| (i * 5) as u8).collect();
                    let (mut a, mut b) = (plain.clone(), plain.clone());
                    assert_eq!(full.seal(nonce, &aad, &mut a, len), len + FULL_TAG_LEN);
                    assert_eq!(portable.seal(nonce, &aad, &mut b, len), len + tag_len);
                    assert_eq!(a[..len + tag_len], b[..len + tag_len]);
                    assert_eq!(portable.open(nonce, &aad, &mut b[..len + tag_len]), Ok(len));
                    assert_eq!(b[..len], plain[..len]);
                    b[len] ^= 1;
                    assert_eq!(portable.open(nonce, &aad, &mut b[..len + tag_len]), Err(AuthFailed));
                }
            }
        }
    }
}
