//! Session keys from master keys: the AES-CM PRF of RFC 3711 section 4.3 and RFC 6188 section 3.

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::{Zeroize, Zeroizing};

use super::hmac::AUTH_KEY_LEN;
use super::stream_cipher::{SessionKey, counter_mode};
use crate::event::Protocol;
use crate::keys::{MAX_KEY_LEN, MAX_SALT_LEN, MasterKey};

impl Protocol {
    /// The first of the three labels: encryption key, authentication key, salt.
    const fn first_label(self) -> u8 {
        match self {
            Self::Srtp => 0,
            Self::Srtcp => 3,
        }
    }
}

/// The keys of one protocol under one master key and one value of `r` (packet index DIV key derivation rate).
pub(crate) struct Derived {
    pub(crate) session: SessionKey,
    pub(crate) auth: Zeroizing<[u8; AUTH_KEY_LEN]>,
}

enum Prf {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

/// Derives the session keys. `libsrtp_aes192` selects what libsrtp up to 2.5 computes for AES-192: AES-256 over key,
/// salt and zeros.
pub(crate) fn derive(master: &MasterKey, protocol: Protocol, r: u64, libsrtp_aes192: bool) -> Derived {
    let mut salt = [0u8; MAX_SALT_LEN];
    salt[..master.salt().len()].copy_from_slice(master.salt());
    let key = master.key();
    let prf = match key.len() {
        16 => Prf::Aes128(Aes128Enc::new(key.into())),
        24 if libsrtp_aes192 => {
            let mut joined = Zeroizing::new([0u8; 46]);
            joined[..24].copy_from_slice(key);
            joined[24..38].copy_from_slice(&salt);
            salt.copy_from_slice(&joined[32..]);
            Prf::Aes256(Aes256Enc::new(joined[..32].into()))
        }
        24 => Prf::Aes192(Aes192Enc::new(key.into())),
        _ => Prf::Aes256(Aes256Enc::new(key.into())),
    };
    let fill = |label: u8, out: &mut [u8]| {
        let mut x = [0u8; 16];
        x[7] = label;
        x[8..14].copy_from_slice(&r.to_be_bytes()[2..]);
        out.fill(0);
        match &prf {
            Prf::Aes128(aes) => counter_mode(aes, &salt, x, out),
            Prf::Aes192(aes) => counter_mode(aes, &salt, x, out),
            Prf::Aes256(aes) => counter_mode(aes, &salt, x, out),
        }
    };
    let label = protocol.first_label();
    let mut derived = Derived {
        session: SessionKey { key: [0; MAX_KEY_LEN], salt: [0; MAX_SALT_LEN] },
        auth: Zeroizing::new([0; AUTH_KEY_LEN]),
    };
    fill(label, &mut derived.session.key[..key.len()]);
    fill(label + 1, &mut derived.auth[..]);
    fill(label + 2, &mut derived.session.salt[..master.salt().len()]);
    salt.zeroize();
    derived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;
    use crate::test_util::hex;

    fn check(
        suite: Suite,
        key: &str,
        salt: &str,
        expected_key: &str,
        expected_salt: &str,
        expected_auth: &str,
    ) {
        let master = MasterKey::new(suite, &hex(key), &hex(salt)).unwrap();
        let derived = derive(&master, Protocol::Srtp, 0, false);
        assert_eq!(derived.session.key[..suite.key_len()], hex(expected_key));
        assert_eq!(derived.session.salt[..], hex(expected_salt));
        assert_eq!(derived.auth[..], hex(expected_auth)[..AUTH_KEY_LEN]);
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        check(
            Suite::AesCm128HmacSha1_80,
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2DC68",
        );
    }

    #[test]
    fn session_keys_are_those_of_rfc_6188_7_4() {
        check(
            Suite::AesCm192HmacSha1_80,
            "73edc66c4fa15776fb57f9505c1713655 0ffda71f3e8e5f1",
            "c8522f3acd4ce86d5add78edbb11",
            "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
            "2372b82d639b6d8503a47adc0a6c",
            "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
        );
    }

    #[test]
    fn session_keys_are_those_of_rfc_6188_7_2() {
        check(
            Suite::AesCm256HmacSha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        );
    }
}
