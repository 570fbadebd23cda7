//! Our certificate and its private key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use crate::{Fingerprint, HashFunction, IdentityError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = DAY.saturating_mul(30);

/// How long an identity is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Made here: until this time.
    Until(SystemTime),
    /// From files: as long as the administrator wants.
    Unlimited,
}

/// A certificate with its chain and private key. Debug and errors never show the key.
#[derive(Clone)]
pub struct Identity {
    certificate: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
    used: Use,
}

impl Identity {
    /// Makes a self-signed ECDSA P-256 certificate, as RFC 8827 section 6.5 asks for, without anything that tells who it is.
    ///
    /// It is to be used for new associations for 30 days ([`Identity::is_due`]) and is valid from one day before `now` to one
    /// day after that, so that clocks which differ by a day and calls that last over the change do no harm.
    ///
    /// # Errors
    /// [`IdentityError::OpenSsl`], or [`IdentityError::Clock`] if `now` is before 1970.
    pub fn generate(now: SystemTime) -> Result<Self, IdentityError> {
        let since = now.duration_since(UNIX_EPOCH).map_err(|_| IdentityError::Clock)?;
        let time = |t: Duration| {
            let seconds = i64::try_from(t.as_secs()).map_err(|_| IdentityError::Clock)?;
            Asn1Time::from_unix(seconds).map_err(IdentityError::from)
        };
        let until = now.checked_add(MONTH).ok_or(IdentityError::Clock)?;
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;

        let mut serial = BigNum::new()?;
        serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "sealrtp")?;
        let name = name.build();

        let mut builder = X509Builder::new()?;
        builder.set_version(2)?;
        builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*time(since.saturating_sub(DAY))?)?;
        builder.set_not_after(&*time(since + MONTH + DAY)?)?;
        builder.set_pubkey(&key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), chain: Vec::new(), key, used: Use::Until(until) })
    }

    /// Takes a certificate from PEM text (others after it are its chain) and its key, EC or RSA, without passphrase.
    ///
    /// # Errors
    /// [`IdentityError`]: no certificate, no key of a kind that can be used, or one that does not fit the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let mut chain = X509::stack_from_pem(certificates).map_err(|_| IdentityError::NoCertificate)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let certificate = chain.remove(0);
        // The callback keeps OpenSSL from asking for a passphrase on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(|_| IdentityError::NoKey)?;
        if !matches!(key.id(), Id::EC | Id::RSA) {
            return Err(IdentityError::KeyKind);
        }
        if !certificate.public_key()?.public_eq(&key) {
            return Err(IdentityError::KeyOfAnother);
        }
        Ok(Self { certificate, chain, key, used: Use::Unlimited })
    }

    /// Whether it is time to make a new one for the associations to come.
    pub fn is_due(&self, now: SystemTime) -> bool {
        match self.used {
            Use::Until(until) => now >= until,
            Use::Unlimited => false,
        }
    }

    /// What our `a=fingerprint` says.
    ///
    /// # Errors
    /// OpenSSL's, e.g. where its provider refuses the hash function.
    pub fn fingerprint(&self, hash: HashFunction) -> Result<Fingerprint, ErrorStack> {
        Fingerprint::of(&self.certificate, hash)
    }

    /// The certificate without its chain, as PEM text.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn certificate_pem(&self) -> Result<Vec<u8>, ErrorStack> {
        self.certificate.to_pem()
    }

    pub(crate) fn certificate(&self) -> &X509 {
        &self.certificate
    }

    pub(crate) fn chain(&self) -> &[X509] {
        &self.chain
    }

    pub(crate) fn key(&self) -> &PKey<Private> {
        &self.key
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("chain", &self.chain.len())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
