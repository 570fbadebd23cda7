//! The kernels give, byte for byte, what RustCrypto gives.

use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sealrtp_srtp_accel::CmHmacSha1;

/// The longest packet that is compared at every length.
const LONGEST: usize = 2048;

fn made(key: &[u8], auth: &[u8; 20]) -> Option<CmHmacSha1> {
    let keys = CmHmacSha1::new(key, auth);
    if keys.is_none() {
        println!("SKIPPED: this processor lacks AES-NI, SHA-NI or SSE4.1, so there is nothing to compare");
    }
    keys
}

fn encrypted(key: &[u8], counter: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    match key.len() {
        16 => ctr::Ctr128BE::<aes::Aes128>::new(key.into(), counter.into()).apply_keystream(&mut data),
        24 => ctr::Ctr128BE::<aes::Aes192>::new(key.into(), counter.into()).apply_keystream(&mut data),
        _ => ctr::Ctr128BE::<aes::Aes256>::new(key.into(), counter.into()).apply_keystream(&mut data),
    }
    data
}

fn tag(auth: &[u8; 20], message: &[u8], suffix: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(auth).unwrap();
    mac.update(message);
    mac.update(suffix);
    mac.finalize().into_bytes().to_vec()
}

fn pattern(len: usize, by: usize) -> Vec<u8> {
    (0..len).map(|i| (i * by + i / 251) as u8).collect()
}

/// What surrounds the packet in its buffer must stay as it is.
fn compare(key: &[u8], auth: &[u8; 20], counter: [u8; 16], plain: &[u8], from: usize, offset: usize) {
    let Some(keys) = made(key, auth) else { return };
    let number = u128::from_be_bytes(counter);
    let suffix = [1, 2, 3, plain.len() as u8];
    let mut expected = plain[..from].to_vec();
    expected.extend(encrypted(key, &counter, &plain[from..]));
    let expected_tag = tag(auth, &expected, &suffix);

    let mut buf = vec![0xa5u8; offset + plain.len() + 32];
    buf[offset..offset + plain.len()].copy_from_slice(plain);
    let sealed_tag = keys.seal(number, &mut buf[offset..], from, plain.len(), suffix);
    let sealed = &buf[offset..offset + plain.len()];
    assert_eq!(sealed, expected, "ciphertext, length {}, header {from}, offset {offset}", plain.len());
    assert_eq!(sealed_tag[..], expected_tag, "tag, length {}, header {from}, offset {offset}", plain.len());
    for tag_len in [1, 4, 10, 20] {
        let mut wrong = expected_tag[..tag_len].to_vec();
        wrong[tag_len - 1] ^= 0x80;
        let packet = &mut buf[offset..offset + plain.len()];
        assert!(!keys.open(number, packet, from, suffix, &wrong), "length {}", plain.len());
        assert_eq!(packet, expected, "a refused packet changed, length {}", plain.len());
        assert!(keys.open(number, packet, from, suffix, &expected_tag[..tag_len]), "length {}", plain.len());
        assert_eq!(packet, plain, "opened, length {}, header {from}, offset {offset}", plain.len());
        packet.copy_from_slice(&expected);
    }
    let around = buf[..offset].iter().chain(&buf[offset + plain.len()..]);
    assert!(
        around.copied().all(|byte| byte == 0xa5),
        "length {}: bytes outside the packet changed",
        plain.len()
    );
}

#[test]
fn every_length_is_as_rustcrypto_has_it() {
    let auth: [u8; 20] = std::array::from_fn(|i| (i as u8).wrapping_mul(11) ^ 3);
    for key_len in [16, 24, 32] {
        let key = pattern(key_len, 7);
        let mut counter: [u8; 16] = std::array::from_fn(|i| (i as u8).wrapping_mul(17));
        counter[14..].fill(0);
        for len in 0..=LONGEST {
            compare(&key, &auth, counter, &pattern(12 + len, 31), 12, 0);
        }
        for header in 0..=200 {
            compare(&key, &auth, counter, &pattern(header + 333, 13), header, header % 17);
        }
        compare(&key, &auth, counter, &pattern(65_507, 13), 12, 0);
    }
}

#[test]
fn a_key_of_no_aes_length_is_refused() {
    for len in [0, 15, 17, 20, 31, 33] {
        assert!(CmHmacSha1::new(&vec![0; len], &[0; 20]).is_none());
    }
}

proptest! {
    #[test]
    fn any_packet_is_as_rustcrypto_has_it(
        key in prop::sample::select(vec![16usize, 24, 32]).prop_flat_map(|n| prop::collection::vec(any::<u8>(), n)),
        auth in any::<[u8; 20]>(),
        counter in any::<[u8; 14]>(),
        plain in prop::collection::vec(any::<u8>(), 0..1600),
        from in 0usize..100,
        offset in 0usize..64,
    ) {
        let mut full = [0; 16];
        full[..14].copy_from_slice(&counter);
        let from = from.min(plain.len());
        compare(&key, &auth, full, &plain, from, offset);
    }
}
