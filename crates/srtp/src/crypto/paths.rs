//! Keys on the path that this process chose against keys of RustCrypto's parts.

use sealrtp_srtp_accel::Path;

use super::kernel::Kernel;
use super::salt::Salt;
use super::*;
use crate::event::Protocol;
use crate::header::RtpHeader;
use crate::keys::{MasterKey, SessionParams};
use crate::suite::{CipherKind, Suite};

fn prf(suite: Suite) -> Prf {
    let key: Vec<u8> = (0..suite.key_len()).map(|i| i as u8 * 7 + 1).collect();
    Prf::new(&MasterKey::new(suite, &key, &vec![9; suite.salt_len()]).unwrap(), false)
}

fn portable(suite: Suite) -> RtpKeys {
    let derived = prf(suite).derive(Protocol::Srtp, 0);
    RtpKeys::from_parts(
        Salt::new(suite, &derived.session),
        suite.rtp_tag_len() as u8,
        Kernel::portable(suite, true, &derived),
    )
}

#[test]
fn the_path_that_the_environment_names_is_the_one_in_use() {
    if let Ok(name) = std::env::var(sealrtp_srtp_accel::PATH_VARIABLE) {
        assert_eq!(Path::chosen().name(), name, "packets would go another way than the tests are told");
    }
    for suite in Suite::ALL {
        let keys = RtpKeys::derive(&prf(suite), SessionParams::default(), 0);
        let has_kernel = match suite.cipher() {
            CipherKind::AesCm => suite.rtp_tag_len() > 0,
            CipherKind::AesGcm => true,
            CipherKind::AesF8 | CipherKind::Null => false,
        };
        assert_eq!(keys.is_accelerated(), has_kernel && Path::chosen() != Path::Portable, "{suite}");
    }
}

#[test]
fn every_suite_gives_the_bytes_of_the_portable_form_at_every_length() {
    for suite in Suite::ALL {
        let ours = RtpKeys::derive(&prf(suite), SessionParams::default(), 0);
        let portable = portable(suite);
        for payload in (0..=300).chain((301..=1500).step_by(37)) {
            let len = 12 + payload;
            let mut a: Vec<u8> = (0..len + 30).map(|i| (i * 31 + i / 256) as u8).collect();
            a[..12].copy_from_slice(&[0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
            let plain = a.clone();
            let mut b = a.clone();
            let header = RtpHeader::parse(&a[..len], 0).unwrap();
            let index = u64::from(payload as u32) << 20 | u64::from(header.seq);
            let id = PacketId { header_len: header.len, ssrc: header.ssrc, index };
            let sealed = ours.seal(&mut a, len, id, &[1, 2, 3]);
            assert_eq!(portable.seal(&mut b, len, id, &[1, 2, 3]), sealed);
            assert_eq!(a, b, "{suite} {payload}");
            assert_eq!(ours.open(&mut a[..sealed], id, 3), Ok(len));
            assert_eq!(a[..len], plain[..len]);
            assert_eq!(portable.open(&mut b[..sealed], id, 3), Ok(len));
            assert_eq!(b[..len], plain[..len]);
        }
    }
}

#[test]
fn a_packet_that_does_not_authenticate_stays_as_it_was() {
    for suite in Suite::ALL.into_iter().filter(|suite| suite.rtp_tag_len() > 0) {
        for keys in [RtpKeys::derive(&prf(suite), SessionParams::default(), 0), portable(suite)] {
            for payload in [0, 1, 15, 16, 20, 160, 500, 1200] {
                let len = 12 + payload;
                let mut packet = vec![0x80; len + 30];
                let header = RtpHeader::parse(&packet[..len], 0).unwrap();
                let id = PacketId { header_len: header.len, ssrc: header.ssrc, index: 7 };
                let sealed = keys.seal(&mut packet, len, id, &[]);
                packet.truncate(sealed);
                for changed in [0, 11, len - 1, len, sealed - 1] {
                    packet[changed] ^= 0x10;
                    let forged = packet.clone();
                    assert_eq!(keys.open(&mut packet, id, 0), Err(AuthFailed), "{suite} {payload}");
                    assert!(packet == forged, "{suite} {payload}: changed by a failure");
                    packet[changed] ^= 0x10;
                }
                assert_eq!(keys.open(&mut packet, id, 0), Ok(len), "{suite} {payload}");
            }
        }
    }
}

#[test]
fn an_srtcp_packet_that_does_not_authenticate_stays_as_it_was() {
    for suite in Suite::ALL {
        let keys = RtcpKeys::derive(&prf(suite), 0);
        for (encrypt, mki) in [(true, &[][..]), (false, &[]), (true, &[1, 2]), (false, &[1, 2])] {
            let mut packet = vec![0x81; 28 + 40];
            let sealed = keys.seal(&mut packet, 28, 5, 9, encrypt, mki);
            packet.truncate(sealed);
            for changed in 0..28 {
                packet[changed] ^= 0x10;
                let forged = packet.clone();
                assert_eq!(keys.open(&mut packet, 5, 9, encrypt, mki.len()), Err(AuthFailed), "{suite}");
                assert!(packet == forged, "{suite}: changed by a failure");
                packet[changed] ^= 0x10;
            }
            assert_eq!(keys.open(&mut packet, 5, 9, encrypt, mki.len()), Ok(28), "{suite}");
            assert_eq!(packet[..28], [0x81; 28]);
        }
    }
}
