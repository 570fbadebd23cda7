//! AES-CM with HMAC-SHA1: a step is encrypted while the step before it is hashed.

use zeroize::Zeroize;

use super::aes::{self, Counter, STEP};
use super::sha1::{SHA_BLOCK, State};
use crate::cm::{AUTH_KEY_LEN, INITIAL, Keys, TAG_LEN, same_tag};

const _: () = assert!(STEP == SHA_BLOCK);

/// Session keys; `key` has 16, 24 or 32 bytes.
#[target_feature(enable = "aes,sha2")]
pub(crate) fn expand(key: &[u8], auth: &[u8; AUTH_KEY_LEN]) -> Keys {
    let after_pad = |pad: u8| {
        let mut block = [pad; SHA_BLOCK];
        for (byte, key) in block.iter_mut().zip(auth) {
            *byte ^= key;
        }
        let mut state = State::load(&INITIAL);
        state.add(&block);
        block.zeroize();
        state.words()
    };
    Keys { aes: aes::expand(key), inner: after_pad(0x36), outer: after_pad(0x5c) }
}

/// Encrypts `buf[from..]` and gives the tag over `buf || suffix`.
#[target_feature(enable = "aes,sha2")]
pub(crate) fn seal(
    keys: &Keys,
    counter: u128,
    buf: &mut [u8],
    from: usize,
    suffix: [u8; 4],
) -> [u8; TAG_LEN] {
    let mut counter = Counter::new(counter);
    let mut state = State::load(&keys.inner);
    let (mut encrypted, mut hashed) = (from, 0);
    while let Some(step) = buf[encrypted..].first_chunk_mut::<STEP>() {
        counter.apply_step(&keys.aes, step);
        // A step behind: it does not wait for what was just written.
        if encrypted >= hashed + SHA_BLOCK
            && let Some(block) = buf[hashed..].first_chunk::<SHA_BLOCK>()
        {
            state.add(block);
            hashed += SHA_BLOCK;
        }
        encrypted += STEP;
    }
    counter.apply_rest(&keys.aes, &mut buf[encrypted..]);
    finish(keys, state, buf, hashed, suffix)
}

/// Decrypts `packet[from..]` if `received` is the front of the tag over `packet || suffix`, else changes nothing and gives false.
#[target_feature(enable = "aes,sha2")]
pub(crate) fn open(
    keys: &Keys,
    counter: u128,
    packet: &mut [u8],
    from: usize,
    suffix: [u8; 4],
    received: &[u8],
) -> bool {
    let tag = finish(keys, State::load(&keys.inner), packet, 0, suffix);
    if !same_tag(&tag, received) {
        return false;
    }
    let mut counter = Counter::new(counter);
    let (steps, rest) = packet[from..].as_chunks_mut::<STEP>();
    for step in steps {
        counter.apply_step(&keys.aes, step);
    }
    counter.apply_rest(&keys.aes, rest);
    true
}

/// Hashes `message[hashed..] || suffix` with padding behind the inner key block, then the outer block (RFC 2104).
#[inline]
#[target_feature(enable = "aes,sha2")]
fn finish(keys: &Keys, mut state: State, message: &[u8], hashed: usize, suffix: [u8; 4]) -> [u8; TAG_LEN] {
    let (blocks, rest) = message[hashed..].as_chunks::<SHA_BLOCK>();
    for block in blocks {
        state.add(block);
    }
    // One length field covers the key block, the message and the suffix.
    let bits = (SHA_BLOCK + message.len() + suffix.len()) as u64 * 8;
    let mut tail = [0; 2 * SHA_BLOCK];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()..][..suffix.len()].copy_from_slice(&suffix);
    tail[rest.len() + suffix.len()] = 0x80;
    let padded = (rest.len() + suffix.len() + 1 + size_of::<u64>()).next_multiple_of(SHA_BLOCK);
    tail[padded - size_of::<u64>()..padded].copy_from_slice(&bits.to_be_bytes());
    for block in tail[..padded].as_chunks::<SHA_BLOCK>().0 {
        state.add(block);
    }

    let mut outer = State::load(&keys.outer);
    let mut last = [0; SHA_BLOCK];
    last[..TAG_LEN].copy_from_slice(&digest(state));
    last[TAG_LEN] = 0x80;
    last[SHA_BLOCK - size_of::<u64>()..].copy_from_slice(&((SHA_BLOCK + TAG_LEN) as u64 * 8).to_be_bytes());
    outer.add(&last);
    digest(outer)
}

#[inline]
#[target_feature(enable = "sha2")]
fn digest(state: State) -> [u8; TAG_LEN] {
    let mut digest = [0; TAG_LEN];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state.words()) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}
