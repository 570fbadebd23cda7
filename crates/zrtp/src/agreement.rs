//! Diffie-Hellman: secret and public values, and the peer's checked (RFC 6189 sections 4.4.1, 5.1.5).

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{Cipher, KeyAgreement};
use crate::crypto::random;

/// Why there is no shared secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgreementError {
    /// 0, 1, p-1, p or more; not a point of the curve; a point that leads to zero; a value of another length.
    #[error("the peer's public value is not one that may be used")]
    PublicValue,
    /// A mode without Diffie-Hellman.
    #[error("no Diffie-Hellman in this mode")]
    NotDh,
    /// No random bytes.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// OpenSSL's own words.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// A number that is wiped when dropped.
struct SecretNumber(BigNum);

impl Drop for SecretNumber {
    fn drop(&mut self) {
        self.0.clear();
    }
}

enum Secret {
    X25519(StaticSecret),
    Modp { prime: BigNum, exponent: SecretNumber },
    Ec { group: EcGroup, key: EcKey<Private> },
}

/// Our secret value of one exchange, with its public value.
pub(crate) struct KeyPair {
    agreement: KeyAgreement,
    secret: Secret,
    public: Vec<u8>,
}

fn big_endian(number: &BigNumRef, len: usize) -> Result<Vec<u8>, ErrorStack> {
    number.to_vec_padded(len as i32)
}

impl KeyPair {
    /// A fresh secret value; the cipher tells how long an exponent has to be.
    pub(crate) fn generate(agreement: KeyAgreement, cipher: Cipher) -> Result<Self, AgreementError> {
        let len = agreement.public_value_len().ok_or(AgreementError::NotDh)?;
        let modp = |prime: BigNum| -> Result<_, AgreementError> {
            // Twice the cipher's key (section 5.1.5): 256 to 512 bits, which also keeps the exponentiation short.
            let mut bytes = Zeroizing::new([0u8; 64]);
            let bytes = &mut bytes[..2 * cipher.key_len()];
            getrandom::fill(bytes)?;
            let mut exponent = SecretNumber(BigNum::new_secure()?);
            exponent.0.copy_from_slice(bytes)?;
            bytes.zeroize();
            // Section 4.8: 1 < k. Never seen in a working generator.
            if exponent.0.num_bits() < 2 {
                return Err(AgreementError::Random(getrandom::Error::UNEXPECTED));
            }
            exponent.0.set_const_time();
            let mut public = BigNum::new()?;
            let mut context = BigNumContext::new_secure()?;
            public.mod_exp(&*BigNum::from_u32(2)?, &exponent.0, &prime, &mut context)?;
            Ok((Secret::Modp { prime, exponent }, big_endian(&public, len)?))
        };
        let ec = |curve: Nid| -> Result<_, AgreementError> {
            let group = EcGroup::from_curve_name(curve)?;
            let key = EcKey::generate(&group)?;
            let form = PointConversionForm::UNCOMPRESSED;
            let mut context = BigNumContext::new()?;
            let point = key.public_key().to_bytes(&group, form, &mut context)?;
            Ok((Secret::Ec { group, key }, point[1..].to_vec()))
        };
        let (secret, public) = match agreement {
            KeyAgreement::X255 => {
                let mut seed = random::<32>()?;
                let secret = StaticSecret::from(seed);
                seed.zeroize();
                let public = PublicKey::from(&secret).as_bytes().to_vec();
                (Secret::X25519(secret), public)
            }
            KeyAgreement::Dh2k => modp(BigNum::get_rfc3526_prime_2048()?)?,
            KeyAgreement::Dh3k => modp(BigNum::get_rfc3526_prime_3072()?)?,
            KeyAgreement::Ec25 => ec(Nid::X9_62_PRIME256V1)?,
            KeyAgreement::Ec38 => ec(Nid::SECP384R1)?,
            KeyAgreement::Ec52 => ec(Nid::SECP521R1)?,
            KeyAgreement::Preshared | KeyAgreement::Multistream => return Err(AgreementError::NotDh),
        };
        debug_assert_eq!(public.len(), len);
        Ok(Self { agreement, secret, public })
    }

    pub(crate) fn agreement(&self) -> KeyAgreement {
        self.agreement
    }

    /// pvi or pvr as DHPart carries it.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// DHResult, of fixed length. The peer's public value is checked first.
    pub(crate) fn shared_secret(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, AgreementError> {
        if Some(peer.len()) != self.agreement.public_value_len() {
            return Err(AgreementError::PublicValue);
        }
        match &self.secret {
            Secret::X25519(secret) => {
                let peer: [u8; 32] = peer.try_into().map_err(|_| AgreementError::PublicValue)?;
                let shared = secret.diffie_hellman(&PublicKey::from(peer));
                if !shared.was_contributory() {
                    return Err(AgreementError::PublicValue);
                }
                Ok(Zeroizing::new(shared.as_bytes().to_vec()))
            }
            Secret::Modp { prime, exponent } => {
                let value = BigNum::from_slice(peer)?;
                let mut last = BigNum::new()?;
                last.checked_sub(prime, &*BigNum::from_u32(1)?)?;
                if value <= BigNum::from_u32(1)? || value >= last {
                    return Err(AgreementError::PublicValue);
                }
                let mut shared = SecretNumber(BigNum::new_secure()?);
                let mut context = BigNumContext::new_secure()?;
                shared.0.mod_exp(&value, &exponent.0, prime, &mut context)?;
                Ok(Zeroizing::new(big_endian(&shared.0, peer.len())?))
            }
            Secret::Ec { group, key } => {
                let mut context = BigNumContext::new_secure()?;
                let mut bytes = Vec::with_capacity(1 + peer.len());
                bytes.push(4);
                bytes.extend_from_slice(peer);
                // Refuses a point that is not on the curve or has a coordinate beyond the field.
                let point = EcPoint::from_bytes(group, &bytes, &mut context)
                    .map_err(|_| AgreementError::PublicValue)?;
                if point.is_infinity(group) || !point.is_on_curve(group, &mut context)? {
                    return Err(AgreementError::PublicValue);
                }
                // These curves have no cofactor, so a point on the curve is of the right order; OpenSSL's whole check, and the one
                // of its derivation, would each cost as much as the agreement.
                let mut product = EcPoint::new(group)?;
                product.mul2(group, &point, key.private_key(), &mut context)?;
                let (mut x, mut y) =
                    (SecretNumber(BigNum::new_secure()?), SecretNumber(BigNum::new_secure()?));
                product.affine_coordinates(group, &mut x.0, &mut y.0, &mut context)?;
                // Written over by a point that anybody may know: it is freed without being wiped.
                product.add(group, &point, &point, &mut context)?;
                Ok(Zeroizing::new(big_endian(&x.0, peer.len() / 2)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;

    fn with_dh() -> impl Iterator<Item = KeyAgreement> {
        let mut all: Vec<_> = KeyAgreement::TABLE.iter().map(|(_, agreement)| *agreement).collect();
        all.dedup();
        all.into_iter().filter(|agreement| agreement.public_value_len().is_some())
    }

    fn pair(agreement: KeyAgreement) -> KeyPair {
        KeyPair::generate(agreement, Cipher::Aes3).unwrap()
    }

    #[test]
    fn both_ends_get_the_same_secret_of_the_fixed_length() {
        for agreement in with_dh() {
            for _ in 0..4 {
                let (a, b) = (pair(agreement), pair(agreement));
                assert_eq!(Some(a.public().len()), agreement.public_value_len());
                let secret = a.shared_secret(b.public()).unwrap();
                assert_eq!(secret, b.shared_secret(a.public()).unwrap());
                let expected = match agreement {
                    KeyAgreement::X255 => 32,
                    KeyAgreement::Dh2k | KeyAgreement::Dh3k => a.public().len(),
                    _ => a.public().len() / 2,
                };
                assert_eq!(secret.len(), expected, "{agreement}");
            }
        }
    }

    fn refused(pair: &KeyPair, value: &[u8]) -> bool {
        matches!(pair.shared_secret(value), Err(AgreementError::PublicValue))
    }

    #[test]
    fn every_public_value_that_gives_the_secret_away_is_refused() {
        for agreement in [KeyAgreement::Dh2k, KeyAgreement::Dh3k] {
            let pair = pair(agreement);
            let prime = match agreement {
                KeyAgreement::Dh2k => BigNum::get_rfc3526_prime_2048(),
                _ => BigNum::get_rfc3526_prime_3072(),
            }
            .unwrap()
            .to_vec();
            let number = |low: u8| {
                let mut value = vec![0; prime.len()];
                *value.last_mut().unwrap() = low;
                value
            };
            // The primes end in 64 ones, so one less or more stays within the last bytes.
            let mut below = prime.clone();
            *below.last_mut().unwrap() -= 1;
            let mut two_below = prime.clone();
            *two_below.last_mut().unwrap() -= 2;
            assert!(refused(&pair, &number(0)) && refused(&pair, &number(1)));
            assert!(
                refused(&pair, &below) && refused(&pair, &prime) && refused(&pair, &vec![0xff; prime.len()])
            );
            assert!(!refused(&pair, &number(2)) && !refused(&pair, &two_below));
        }
        for agreement in [KeyAgreement::Ec25, KeyAgreement::Ec38, KeyAgreement::Ec52] {
            let pair = pair(agreement);
            let mut off = pair.public().to_vec();
            assert!(!refused(&pair, &off));
            *off.last_mut().unwrap() ^= 1;
            assert!(refused(&pair, &off), "a point beside the curve");
            assert!(refused(&pair, &vec![0; off.len()]) && refused(&pair, &vec![0xff; off.len()]));
        }
        let pair = pair(KeyAgreement::X255);
        let low_order: [[u8; 32]; 4] = [
            [0; 32],
            {
                let mut one = [0; 32];
                one[0] = 1;
                one
            },
            // p-1 and p, little-endian.
            {
                let mut p = [0xff; 32];
                p[0] = 0xec;
                p[31] = 0x7f;
                p
            },
            {
                let mut p = [0xff; 32];
                p[0] = 0xed;
                p[31] = 0x7f;
                p
            },
        ];
        for value in low_order {
            assert!(refused(&pair, &value), "{value:?}");
        }
    }

    #[test]
    fn a_public_value_of_another_length_or_curve_is_refused() {
        for agreement in with_dh() {
            let ours = pair(agreement);
            for other in with_dh().filter(|other| *other != agreement) {
                assert!(refused(&ours, pair(other).public()), "{agreement} {other}");
            }
            assert!(refused(&ours, &ours.public()[1..]) && refused(&ours, &[]));
        }
    }

    #[test]
    fn p256_is_that_of_rfc_5114_appendix_a_6() {
        let hex = |text: &str| BigNum::from_hex_str(text).unwrap();
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let d = hex("814264145F2F56F2E96A8E337A1284993FAF432A5ABCE59E867B7291D507A3AF");
        let x = "2AF502F3BE8952F2C9B5A8D4160D09E97165BE50BC42AE4A5E8D3B4BA83AEB15";
        let y = "EB0FAF4CA986C4D38681A0F9872D79D56795BD4BFF6E6DE3C0F5015ECE5EFD85";
        let mut context = BigNumContext::new().unwrap();
        let mut public = EcPoint::new(&group).unwrap();
        public.mul_generator2(&group, &d, &mut context).unwrap();
        let key = EcKey::from_private_components(&group, &d, &public).unwrap();
        let (mut px, mut py) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        public.affine_coordinates(&group, &mut px, &mut py, &mut context).unwrap();
        assert!(px == hex(x) && py == hex(y));
        let pair =
            KeyPair { agreement: KeyAgreement::Ec25, secret: Secret::Ec { group, key }, public: vec![] };
        let peer_x = hex("B120DE4AA36492795346E8DE6C2C8646AE06AAEA279FA775B3AB0715F6CE51B0").to_vec();
        let peer_y = hex("9F1B7EECE20D7B5ED8EC685FA3F071D83727027092A8411385C34DDE5708B2B6").to_vec();
        let shared = pair.shared_secret(&[peer_x, peer_y].concat()).unwrap();
        assert_eq!(*shared, hex("DD0F5396219D1EA393310412D19A08F1F5811E9DC8EC8EEA7F80D21C820C2788").to_vec());
    }
}
