//! AES-GCM: a step is encrypted while the step before it is hashed.

use std::arch::aarch64::*;

use subtle::ConstantTimeEq;

use super::aes::{self, Counter, STEP};
use super::ghash::{self, Hash};
use super::store;
use crate::BLOCK;
use crate::gcm::{GCM_TAG_LEN, Keys, Nonce};

/// The session key; `key` has 16 or 32 bytes.
#[target_feature(enable = "aes")]
pub(crate) fn expand(key: &[u8]) -> Keys {
    let aes = aes::expand(key);
    let [hash_key] = aes::encrypt(&aes, [vdupq_n_u8(0)]);
    Keys { powers: ghash::powers(hash_key), aes }
}

/// Encrypts `buf[from..]` and gives the tag over it and over `buf[..from]`.
#[target_feature(enable = "aes")]
pub(crate) fn seal(keys: &Keys, nonce: Nonce, buf: &mut [u8], from: usize) -> [u8; GCM_TAG_LEN] {
    let mut counter = counter(nonce);
    let mask = counter.block(&keys.aes);
    let mut hash = Hash::new(&keys.powers);
    let (additional, payload) = buf.split_at_mut(from);
    hash.add_padded(additional);
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    for i in 0..steps.len() {
        counter.apply_step(&keys.aes, &mut steps[i]);
        // A step behind: it does not wait for what was just written.
        if let Some(before) = i.checked_sub(1) {
            hash.add_step(&steps[before]);
        }
    }
    counter.apply_rest(&keys.aes, rest);
    if let Some(last) = steps.last() {
        hash.add_step(last);
    }
    hash.add_padded(rest);
    tag(hash.finish(additional.len(), payload.len()), mask)
}

/// Decrypts `packet[from..]` if `received`, of 1 to 16 bytes, is the front of the tag over it and over `packet[..from]`, else
/// changes nothing and gives false.
#[target_feature(enable = "aes")]
pub(crate) fn open(keys: &Keys, nonce: Nonce, packet: &mut [u8], from: usize, received: &[u8]) -> bool {
    let mut counter = counter(nonce);
    let mask = counter.block(&keys.aes);
    let mut hash = Hash::new(&keys.powers);
    let (additional, payload) = packet.split_at_mut(from);
    hash.add_padded(additional);
    hash.add_padded(payload);
    let tag = tag(hash.finish(additional.len(), payload.len()), mask);
    if !bool::from(tag[..received.len()].ct_eq(received)) {
        return false;
    }
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    for step in steps {
        counter.apply_step(&keys.aes, step);
    }
    counter.apply_rest(&keys.aes, rest);
    true
}

/// From the block that masks the tag on (NIST SP 800-38D section 7.1).
#[inline]
#[target_feature(enable = "aes")]
fn counter(nonce: Nonce) -> Counter {
    let first = u128::from(nonce.front.swap_bytes()) << 64 | u128::from(nonce.back.swap_bytes()) << 32 | 1;
    Counter::new(first)
}

#[inline]
#[target_feature(enable = "aes")]
fn tag(hash: uint8x16_t, mask: uint8x16_t) -> [u8; GCM_TAG_LEN] {
    let mut tag = [0; BLOCK];
    store(&mut tag, veorq_u8(hash, mask));
    tag
}
