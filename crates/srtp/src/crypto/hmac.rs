//! HMAC-SHA1 (RFC 2104) with the two key blocks hashed once: a tag costs only the blocks of its message.

use sha1::compress;
use sha1::digest::block_buffer::EagerBuffer;
use sha1::digest::generic_array::{GenericArray, typenum::U64};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a SHA-1 block.
const BLOCK: usize = 64;
/// SHA-1's initial state, FIPS 180-4 section 5.3.1.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A key of HMAC-SHA1, as the states after its inner and outer pad.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

/// Bytes of an SRTP authentication key (RFC 3711 section 8.2).
pub(crate) const AUTH_KEY_LEN: usize = 20;

fn add_block(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    compress(state, std::slice::from_ref(GenericArray::<u8, U64>::from_slice(block)));
}

impl HmacSha1 {
    pub(crate) fn new(key: &[u8; AUTH_KEY_LEN]) -> Self {
        let state_after_pad = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (b, k) in block.iter_mut().zip(key) {
                *b ^= k;
            }
            let mut state = INITIAL;
            add_block(&mut state, &block);
            block.zeroize();
            state
        };
        Self { inner: state_after_pad(0x36), outer: state_after_pad(0x5c) }
    }

    /// The tag over `message || suffix`; the caller cuts it to its length.
    #[inline(always)]
    pub(crate) fn tag(&self, message: &[u8], suffix: [u8; 4]) -> [u8; 20] {
        let mut state = self.inner;
        let mut inner = EagerBuffer::<U64>::default();
        inner.digest_blocks(message, |blocks| compress(&mut state, blocks));
        inner.digest_blocks(&suffix, |blocks| compress(&mut state, blocks));
        // One length field covers the key block, the message and the suffix.
        let bits = (BLOCK + message.len() + suffix.len()) as u64 * 8;
        inner.len64_padding_be(bits, |block| compress(&mut state, std::slice::from_ref(block)));

        let mut words = [0u32; 16];
        words[..5].copy_from_slice(&state);
        words[5] = 0x8000_0000;
        words[15] = (BLOCK as u32 + 20) * 8;
        let mut outer = self.outer;
        let bytes = words.map(u32::to_be_bytes);
        compress(&mut outer, std::slice::from_ref(GenericArray::<u8, U64>::from_slice(bytes.as_flattened())));
        let mut tag = [0u8; 20];
        tag.copy_from_slice(outer.map(u32::to_be_bytes).as_flattened());
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};

    #[test]
    fn the_tag_is_that_of_rfc_2202_case_1() {
        let mac = HmacSha1::new(&[0x0b; 20]);
        let tag = mac.tag(b"Hi T", *b"here");
        assert_eq!(tag[..8], [0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64]);
    }

    #[test]
    fn the_tag_is_that_of_the_hmac_crate_at_every_length() {
        let key: [u8; 20] = std::array::from_fn(|i| i as u8 * 7 + 1);
        let mac = HmacSha1::new(&key);
        let data: Vec<u8> = (0..300u32).map(|i| (i * 31) as u8).collect();
        for len in 0..data.len() {
            let suffix = (len as u32).to_be_bytes();
            let mut reference = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
            reference.update(&data[..len]);
            reference.update(&suffix);
            assert_eq!(
                mac.tag(&data[..len], suffix)[..],
                reference.finalize().into_bytes()[..],
                "length {len}"
            );
        }
    }
}
