//! `a=fingerprint`, `a=setup` and `a=tls-id` values: what is read prints as what is read again, and answers fit their offers.
//!
//! Input: a byte (lowest bit: SHA-1 allowed), then text; each line is a value, read as each of the three.

use sealrtp_dtls::{
    Connection, Fingerprint, Fingerprints, HashFunction, MAX_FINGERPRINTS, Role, Setup, Sha1, TlsId,
};

/// Runs one input. Returns how many values were read.
pub fn run(data: &[u8]) -> usize {
    let Some((&bits, text)) = data.split_first() else { return 0 };
    let sha1 = if bits & 1 == 0 { Sha1::Refused } else { Sha1::Allowed };
    let text = String::from_utf8_lossy(text);
    let mut read = 0;
    let mut setups = Vec::new();
    for line in text.split('\n') {
        if let Ok(fingerprint) = line.parse::<Fingerprint>() {
            read += 1;
            assert_eq!(fingerprint.digest().len(), fingerprint.hash().digest_len());
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
            assert_eq!(line.to_ascii_uppercase().parse(), Ok(fingerprint), "letter case matters");
        }
        if let Ok(name) = line.parse::<TlsId>() {
            read += 1;
            assert!((20..=255).contains(&name.as_str().len()));
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        if let Ok(setup) = line.parse::<Setup>() {
            read += 1;
            assert_eq!(setup.name().parse(), Ok(setup));
            if setups.len() < 8 {
                setups.push(setup);
            }
        }
    }
    for offer in &setups {
        for answer in &setups {
            match (Setup::answerer(*offer, *answer), Setup::offerer(*offer, *answer)) {
                (Ok(Connection::Wanted(ours)), Ok(Connection::Wanted(theirs))) => assert_ne!(ours, theirs),
                (ours, theirs) => assert_eq!(ours, theirs),
            }
        }
        for wanted in [Role::Client, Role::Server] {
            assert!(Setup::answerer(*offer, offer.answer(wanted)).is_ok());
        }
    }
    if let Ok(known) = Fingerprints::from_values(text.split('\n').filter(|l| l.contains(' ')), sha1) {
        assert!((1..=MAX_FINGERPRINTS).contains(&known.iter().count()));
        assert!(known.iter().all(|one| one.hash() == known.hash() && known.contains(one)));
        assert!(sha1 == Sha1::Allowed || known.hash() != HashFunction::Sha1, "SHA-1 though refused");
    }
    read
}
