//! Session keys from master keys: the AES-CM PRF of RFC 3711 section 4.3 and RFC 6188 section 3.

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::{Zeroize, Zeroizing};

use super::hmac::AUTH_KEY_LEN;
use super::stream_cipher::{BLOCK, SessionKey};
use crate::event::Protocol;
use crate::keys::{MAX_KEY_LEN, MAX_SALT_LEN, MasterKey};
use crate::suite::Suite;

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

/// A master key, expanded: the keys of both protocols come from one. Every part zeroises itself on drop.
pub(crate) struct Prf {
    suite: Suite,
    aes: Aes,
    salt: Zeroizing<[u8; MAX_SALT_LEN]>,
}

enum Aes {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Prf {
    /// `libsrtp_aes192` selects what libsrtp up to 2.5 computes for AES-192: AES-256 over key, salt and zeros.
    pub(crate) fn new(master: &MasterKey, libsrtp_aes192: bool) -> Self {
        let mut salt = Zeroizing::new([0; MAX_SALT_LEN]);
        salt[..master.salt().len()].copy_from_slice(master.salt());
        let key = master.key();
        let aes = match key.len() {
            16 => Aes::Aes128(Aes128Enc::new(key.into())),
            24 if libsrtp_aes192 => {
                let mut joined = Zeroizing::new([0u8; 46]);
                joined[..24].copy_from_slice(key);
                joined[24..38].copy_from_slice(&salt[..]);
                salt.copy_from_slice(&joined[32..]);
                Aes::Aes256(Aes256Enc::new(joined[..32].into()))
            }
            24 => Aes::Aes192(Aes192Enc::new(key.into())),
            _ => Aes::Aes256(Aes256Enc::new(key.into())),
        };
        Self { suite: master.suite(), aes, salt }
    }

    /// The suite of the master key.
    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    /// Derives the session keys of a protocol; `r` is the packet index DIV key derivation rate.
    pub(crate) fn derive(&self, protocol: Protocol, r: u64) -> Derived {
        let mut x = [0u8; BLOCK];
        x[..MAX_SALT_LEN].copy_from_slice(&self.salt[..]);
        for (x, r) in x[8..14].iter_mut().zip(&r.to_be_bytes()[2..]) {
            *x ^= r;
        }
        // RFC 3711 section 4.3.1, the blocks of all three side by side: two of the key, two of the authentication key, one of the salt.
        let mut blocks = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)].map(|(label, counter)| {
            let mut block = x;
            block[7] ^= protocol.first_label() + label;
            block[BLOCK - 1] = counter;
            block.into()
        });
        match &self.aes {
            Aes::Aes128(aes) => aes.encrypt_blocks(&mut blocks),
            Aes::Aes192(aes) => aes.encrypt_blocks(&mut blocks),
            Aes::Aes256(aes) => aes.encrypt_blocks(&mut blocks),
        }
        let mut derived = Derived {
            session: SessionKey { key: [0; MAX_KEY_LEN], salt: [0; MAX_SALT_LEN] },
            auth: Zeroizing::new([0; AUTH_KEY_LEN]),
        };
        let [key, rest, auth, auth_rest, salt] = &mut blocks;
        let longer = self.suite.key_len() - BLOCK;
        derived.session.key[..BLOCK].copy_from_slice(key);
        derived.session.key[BLOCK..][..longer].copy_from_slice(&rest[..longer]);
        derived.auth[..BLOCK].copy_from_slice(auth);
        derived.auth[BLOCK..].copy_from_slice(&auth_rest[..AUTH_KEY_LEN - BLOCK]);
        let salt_len = self.suite.salt_len();
        derived.session.salt[..salt_len].copy_from_slice(&salt[..salt_len]);
        for block in &mut blocks {
            block.zeroize();
        }
        derived
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let derived = Prf::new(&master, false).derive(Protocol::Srtp, 0);
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
