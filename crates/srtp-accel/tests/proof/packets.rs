//! Lengths, headers, offsets, keys and tags.

use sealrtp_srtp_accel::{CmHmacSha1, Gcm, Path};

use crate::suite::random::Random;
use crate::suite::{Given, Suite};

/// The longest payload that is compared at every length.
const LONGEST: usize = 2048;
/// What stands around a packet in its buffer, and must stand there afterwards.
const AROUND: u8 = 0xa5;
const SLACK: usize = 80;

/// A kernel for every path of this processor that has one for the suite.
pub fn kernels<S: Suite>(given: &Given) -> Vec<(Path, S)> {
    Path::available().filter_map(|path| Some((path, S::new(path, &given.key, &given.auth)?))).collect()
}

/// Lengths of headers of RTP: fixed, with 0 to 15 CSRCs, and with an extension of up to 150 words (RFC 3550 section 5.1); and none.
fn headers() -> impl Iterator<Item = usize> {
    let extended =
        (0..=150).step_by(7).flat_map(|words| [0, 1, 15].map(|sources| 12 + 4 * sources + 4 + 4 * words));
    std::iter::once(0).chain((0..=15).map(|sources| 12 + 4 * sources)).chain(extended)
}

/// Seals, refuses and opens one packet on every path.
fn compare<S: Suite>(
    random: &mut Random,
    key_len: usize,
    from: usize,
    payload: usize,
    offset: usize,
    tag_lens: &[usize],
) {
    let given = random.given(key_len);
    let plain = random.bytes(from + payload);
    let (expected, expected_tag) = S::expected(&given, &plain, from);
    for (path, kernel) in kernels::<S>(&given) {
        let case =
            format!("{path}, key of {key_len}, header of {from}, payload of {payload}, offset {offset}");
        let mut buf = vec![AROUND; offset + plain.len() + SLACK];
        let here = offset..offset + plain.len();
        buf[here.clone()].copy_from_slice(&plain);
        let tag = kernel.seal(&given, &mut buf[offset..], from, plain.len());
        assert!(buf[here.clone()] == expected, "{case}: sealed otherwise");
        assert_eq!(tag.as_ref(), expected_tag, "{case}: the tag");

        for &tag_len in tag_lens {
            let packet = &mut buf[here.clone()];
            let mut received = expected_tag[..tag_len].to_vec();
            random.flip(&mut received);
            assert!(!kernel.open(&given, packet, from, &received), "{case}: took a wrong tag of {tag_len}");
            assert!(packet == expected, "{case}: changed a packet that it refused");
            assert!(
                kernel.open(&given, packet, from, &expected_tag[..tag_len]),
                "{case}: refused a tag of {tag_len}"
            );
            assert!(packet == plain, "{case}: opened otherwise");
            packet.copy_from_slice(&expected);
        }
        let mut around = buf[..offset].iter().chain(&buf[here.end..]);
        assert!(around.all(|byte| *byte == AROUND), "{case}: changed bytes beside the packet");
    }
}

fn every_payload<S: Suite>() {
    let random = &mut Random::seeded();
    for &key_len in S::KEY_LENS {
        for payload in 0..=LONGEST {
            for from in [0, 12, 12 + 4 + 4, 12 + 60] {
                let (offset, tag_len) = (random.below(64), 1 + random.below(S::TAG_LEN));
                compare::<S>(random, key_len, from, payload, offset, &[tag_len]);
            }
        }
        compare::<S>(random, key_len, 12, 65_507, 0, &[S::TAG_LEN]);
    }
}

fn every_header<S: Suite>() {
    let random = &mut Random::seeded();
    for &key_len in S::KEY_LENS {
        for from in headers() {
            for payload in (0..=130).chain([160, 172, 255, 256, 257, 320, 511, 640, 960, 1200, 1455]) {
                compare::<S>(random, key_len, from, payload, 0, &[]);
            }
        }
        // What no header of RTP has, a kernel takes all the same.
        for from in 0..=300 {
            let payload = random.below(300);
            compare::<S>(random, key_len, from, payload, 0, &[10]);
        }
    }
}

fn every_offset<S: Suite>() {
    let random = &mut Random::seeded();
    for offset in 0..64 {
        for payload in (0..=80).chain([160, 200, 333, 1200]) {
            let key_len = random.one_of(S::KEY_LENS);
            compare::<S>(random, key_len, 12, payload, offset, &[S::TAG_LEN]);
        }
    }
}

fn every_tag<S: Suite>() {
    let random = &mut Random::seeded();
    let all: Vec<usize> = (1..=S::TAG_LEN).collect();
    for &key_len in S::KEY_LENS {
        for payload in [0, 20, 160, 1200] {
            compare::<S>(random, key_len, 12, payload, 3, &all);
        }
    }
    let given = random.given(16);
    let plain = random.bytes(100);
    let (sealed, tag) = S::expected(&given, &plain, 12);
    for (path, kernel) in kernels::<S>(&given) {
        let mut packet = sealed.clone();
        for bit in 0..8 * S::TAG_LEN {
            let mut wrong = tag.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !kernel.open(&given, &mut packet, 12, &wrong),
                "{path}: bit {bit} of the tag does not count"
            );
        }
        for bit in 0..8 * sealed.len() {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let before = forged.clone();
            assert!(
                !kernel.open(&given, &mut forged, 12, &tag),
                "{path}: bit {bit} of the packet does not count"
            );
            assert_eq!(forged, before, "{path}: changed a packet that it refused");
        }
        // A tag of no bytes proves nothing, and one that is longer than the suite's is none.
        let longer = [tag.as_slice(), &[0]].concat();
        for received in [&[], longer.as_slice()] {
            assert!(
                !kernel.open(&given, &mut packet, 12, received),
                "{path}: took a tag of {}",
                received.len()
            );
        }
        assert_eq!(packet, sealed, "{path}: changed a packet that it refused");
    }
}

fn any_packet<S: Suite>() {
    let random = &mut Random::seeded();
    for _ in 0..20_000 {
        let key_len = random.one_of(S::KEY_LENS);
        let longest = random.one_of(&[40, 200, 1500, 2500]);
        let (from, payload) = (random.below(longest), random.below(longest));
        let (offset, tag_len) = (random.below(64), 1 + random.below(S::TAG_LEN));
        compare::<S>(random, key_len, from, payload, offset, &[tag_len]);
    }
}

fn keys_of_aes_only<S: Suite>() {
    let random = &mut Random::seeded();
    for len in 0..=64 {
        let given = random.given(len);
        let made = kernels::<S>(&given).len();
        assert!(made == 0 || S::KEY_LENS.contains(&len), "keys were made of {len} bytes");
    }
}

/// One test for each of the properties above, so that they run side by side and a failure tells which it is.
macro_rules! prove {
    ($($suite:ident: $type:ty),*) => { $(
        mod $suite {
            use super::*;

            #[test]
            fn every_payload_is_as_rustcrypto_has_it() {
                every_payload::<$type>();
            }

            #[test]
            fn every_header_is_as_rustcrypto_has_it() {
                every_header::<$type>();
            }

            #[test]
            fn every_offset_is_as_rustcrypto_has_it() {
                every_offset::<$type>();
            }

            #[test]
            fn every_bit_counts_and_a_refused_packet_stays() {
                every_tag::<$type>();
            }

            #[test]
            fn any_packet_is_as_rustcrypto_has_it() {
                any_packet::<$type>();
            }

            #[test]
            fn a_key_of_another_length_is_refused() {
                keys_of_aes_only::<$type>();
            }
        }
    )* };
}

prove!(cm: CmHmacSha1, gcm: Gcm);

/// Otherwise nothing above has compared anything.
#[test]
fn every_path_but_the_portable_one_has_kernels() {
    let given = Random::seeded().given(16);
    let kernels = [
        kernels::<CmHmacSha1>(&given).iter().map(|kernel| kernel.0).collect::<Vec<Path>>(),
        kernels::<Gcm>(&given).iter().map(|kernel| kernel.0).collect(),
    ];
    for path in Path::available() {
        assert_eq!(
            kernels.each_ref().map(|paths| paths.contains(&path)),
            [path != Path::Portable; 2],
            "{path}"
        );
    }
    if Path::best() == Path::Portable {
        println!("SKIPPED kernels against RustCrypto: this processor has no instructions for them");
    }
}
