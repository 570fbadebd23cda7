//! `a=fingerprint` and `a=tls-id` as text.

mod common;

use common::{Kind, pem};
use proptest::prelude::*;
use sealrtp_dtls::{
    Fingerprint, FingerprintError, Fingerprints, HashFunction, MAX_FINGERPRINTS, Sha1, TlsId, TlsIdError,
};

/// As `openssl x509 -fingerprint` prints it.
fn by_openssl(hash: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fingerprint-{hash}.pem"));
    std::fs::write(&file, &pem(Kind::Rsa).certificate).unwrap();
    let out = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", &format!("-{hash}"), "-in"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.trim().split_once('=').expect("name=hex").1.to_owned()
}

#[test]
fn fingerprints_are_those_that_openssl_prints() {
    for hash in HashFunction::ALL {
        let ours = pem(Kind::Rsa).identity().fingerprint(hash).unwrap().to_string();
        assert_eq!(ours, format!("{hash} {}", by_openssl(&hash.name().replace('-', ""))));
    }
}

#[test]
fn the_example_of_rfc_8122_is_read() {
    let value = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n";
    let read: Fingerprint = value.parse().unwrap();
    assert_eq!((read.hash(), &read.digest()[..2]), (HashFunction::Sha1, &[0x4a, 0xad][..]));
    assert_eq!(read, value.to_lowercase().parse().unwrap());
}

#[test]
fn malformed_fingerprints_are_refused() {
    use FingerprintError::{Length, Syntax, UnknownHash};
    for value in [
        "",
        "sha-256",
        "sha-1 4A:A",
        "sha-1 4AAD",
        "sha-1 +A:AD",
        "sha-1 4A:AD:",
        "sha-1 4A::AD",
        "sha-1 4A AD",
    ] {
        assert_eq!(value.parse::<Fingerprint>(), Err(Syntax), "{value:?}");
    }
    assert_eq!("md5 00:11".parse::<Fingerprint>(), Err(UnknownHash));
    assert_eq!("sha-1 4A:AD".parse::<Fingerprint>(), Err(Length { hash: HashFunction::Sha1, got: 2 }));
    let long = format!("sha-512 {}", vec!["00"; 1000].join(":"));
    assert_eq!(long.parse::<Fingerprint>(), Err(Length { hash: HashFunction::Sha512, got: 1000 }));
    assert_eq!(
        Fingerprints::from_values(["sha-256 00", "sha-1 zz"], Sha1::Allowed),
        Err(Length { hash: HashFunction::Sha256, got: 1 })
    );
    let many = vec!["md5 00"; MAX_FINGERPRINTS + 1];
    assert_eq!(Fingerprints::from_values(many, Sha1::Allowed), Err(FingerprintError::TooMany));
}

#[test]
fn tls_ids_are_random_and_their_grammar_is_kept() {
    let (one, two) = (TlsId::random().unwrap(), TlsId::random().unwrap());
    assert_ne!(one, two);
    assert_eq!(one.to_string().parse(), Ok(one));
    let long = "a".repeat(256);
    for bad in ["", "abcdefghijklmnopqrs", "abcdefghijklmnopqrs!", "abcdefghij klmnopqrstu", &long] {
        assert_eq!(bad.parse::<TlsId>(), Err(TlsIdError), "{bad:?}");
    }
    assert_eq!(
        " abc3de65cddef001be82+/-_\r\n".parse::<TlsId>().unwrap().as_str(),
        "abc3de65cddef001be82+/-_"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(hash in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 64), upper: bool) {
        let hash = HashFunction::ALL[hash];
        let hex: Vec<_> = bytes[..hash.digest_len()].iter().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect();
        let value = format!("{hash} {}", hex.join(":"));
        let read: Fingerprint = value.parse().unwrap();
        prop_assert_eq!(read.digest(), &bytes[..hash.digest_len()]);
        prop_assert_eq!(read.to_string().parse(), Ok(read));
        prop_assert!(read.to_string().eq_ignore_ascii_case(&value));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,300}") {
        let _ = text.parse::<Fingerprint>();
        let _ = text.parse::<TlsId>();
        let _ = text.parse::<sealrtp_dtls::Setup>();
        let _ = format!("sha-256 {text}").parse::<Fingerprint>();
    }
}
