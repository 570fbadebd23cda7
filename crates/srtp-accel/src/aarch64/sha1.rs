//! SHA-1 (FIPS 180-4) on the instructions for it.

use std::arch::aarch64::*;

use super::load;
use crate::BLOCK;

/// Bytes of a SHA-1 block.
pub(crate) const SHA_BLOCK: usize = 64;

/// The constants of the four times twenty rounds, FIPS 180-4 section 4.2.1.
const CONSTANTS: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// The five state words: a to d with a in the lowest lane, and e.
#[derive(Clone, Copy)]
pub(crate) struct State {
    abcd: uint32x4_t,
    e: u32,
}

impl State {
    #[inline]
    #[target_feature(enable = "sha2")]
    pub(crate) fn load(words: &[u32; 5]) -> Self {
        let [abcd @ .., e] = words;
        // SAFETY: four words can be read.
        Self { abcd: unsafe { vld1q_u32(abcd.as_ptr()) }, e: *e }
    }

    #[inline]
    #[target_feature(enable = "sha2")]
    pub(crate) fn words(self) -> [u32; 5] {
        let mut words = [0; 4];
        // SAFETY: four words can be written.
        unsafe { vst1q_u32(words.as_mut_ptr(), self.abcd) };
        let [a, b, c, d] = words;
        [a, b, c, d, self.e]
    }

    /// FIPS 180-4 section 6.1.2.
    #[inline]
    #[target_feature(enable = "sha2")]
    pub(crate) fn add(&mut self, block: &[u8; SHA_BLOCK]) {
        let (lanes, _) = block.as_chunks::<BLOCK>();
        let words = |i: usize| vreinterpretq_u32_u8(vrev32q_u8(load(&lanes[i])));
        let (mut w0, mut w1, mut w2, mut w3) = (words(0), words(1), words(2), words(3));
        let [k0, k1, k2, k3] = CONSTANTS.map(|constant| vdupq_n_u32(constant));
        let Self { mut abcd, mut e } = *self;
        // Four rounds with the words given, then the same with the next words from the message schedule.
        macro_rules! rounds {
            ($function:ident, $constant:ident, $words:expr) => {
                let next = vsha1h_u32(vgetq_lane_u32::<0>(abcd));
                abcd = $function(abcd, e, vaddq_u32($words, $constant));
                e = next;
            };
        }
        macro_rules! scheduled {
            ($function:ident, $constant:ident, $w0:ident, $w1:ident, $w2:ident, $w3:ident) => {
                $w0 = vsha1su1q_u32(vsha1su0q_u32($w0, $w1, $w2), $w3);
                rounds!($function, $constant, $w0);
            };
        }
        rounds!(vsha1cq_u32, k0, w0);
        rounds!(vsha1cq_u32, k0, w1);
        rounds!(vsha1cq_u32, k0, w2);
        rounds!(vsha1cq_u32, k0, w3);
        scheduled!(vsha1cq_u32, k0, w0, w1, w2, w3);
        scheduled!(vsha1pq_u32, k1, w1, w2, w3, w0);
        scheduled!(vsha1pq_u32, k1, w2, w3, w0, w1);
        scheduled!(vsha1pq_u32, k1, w3, w0, w1, w2);
        scheduled!(vsha1pq_u32, k1, w0, w1, w2, w3);
        scheduled!(vsha1pq_u32, k1, w1, w2, w3, w0);
        scheduled!(vsha1mq_u32, k2, w2, w3, w0, w1);
        scheduled!(vsha1mq_u32, k2, w3, w0, w1, w2);
        scheduled!(vsha1mq_u32, k2, w0, w1, w2, w3);
        scheduled!(vsha1mq_u32, k2, w1, w2, w3, w0);
        scheduled!(vsha1mq_u32, k2, w2, w3, w0, w1);
        scheduled!(vsha1pq_u32, k3, w3, w0, w1, w2);
        scheduled!(vsha1pq_u32, k3, w0, w1, w2, w3);
        scheduled!(vsha1pq_u32, k3, w1, w2, w3, w0);
        scheduled!(vsha1pq_u32, k3, w2, w3, w0, w1);
        scheduled!(vsha1pq_u32, k3, w3, w0, w1, w2);
        self.abcd = vaddq_u32(abcd, self.abcd);
        self.e = self.e.wrapping_add(e);
    }
}
