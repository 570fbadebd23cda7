//! AES-GCM (RFC 7714) of RustCrypto's parts, for [`Path::Portable`](sealrtp_srtp_accel::Path).

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

use super::kernel::Aead;

/// Bytes of a GCM nonce.
pub(crate) const NONCE_LEN: usize = 12;
/// Bytes of GCM's own tag; some suites cut it to 8 (NIST SP 800-38D appendix C).
pub(crate) const FULL_TAG_LEN: usize = 16;

/// A session key; zeroises itself on drop.
pub(crate) struct PortableGcm {
    aes: Aes,
    ghash: GHash,
}

impl PortableGcm {
    pub(crate) fn new(key: &[u8]) -> Self {
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

impl Aead for PortableGcm {
    fn seal(&self, nonce: [u8; NONCE_LEN], buf: &mut [u8], from: usize, len: usize) -> [u8; FULL_TAG_LEN] {
        let (aad, payload) = buf[..len].split_at_mut(from);
        self.apply(nonce, payload);
        self.tag(nonce, aad, payload)
    }

    fn open(&self, nonce: [u8; NONCE_LEN], packet: &mut [u8], from: usize, received: &[u8]) -> bool {
        let (aad, payload) = packet.split_at_mut(from);
        let authentic = bool::from(self.tag(nonce, aad, payload)[..received.len()].ct_eq(received));
        if authentic {
            self.apply(nonce, payload);
        }
        authentic
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
