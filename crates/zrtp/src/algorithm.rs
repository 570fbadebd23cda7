//! The algorithms and their names, in tables (RFC 6189 sections 5.1.2 to 5.1.6).

use std::fmt;

use sealrtp_srtp::Suite;

use crate::message::{ErrorCode, Name};

/// Why an algorithm cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// A name that stands for nothing.
    #[error("{0} is no ZRTP {1} known here")]
    Unknown(Name, &'static str),
    /// A name of RFC 6189 that nobody ever gave a meaning, or that is too weak or too rare to be done here.
    #[error("{0} is refused: {1}")]
    Refused(Name, &'static str),
}

/// A kind of algorithm that Hello lists and Commit chooses from.
pub trait Algorithm: Copy + Eq + fmt::Debug + Sized + 'static {
    /// What the kind is called in messages to people.
    const KIND: &'static str;
    /// Said to a peer that chose what we do not do.
    const ERROR: ErrorCode;
    /// What every end point can do though its Hello does not say so.
    const MANDATORY: &'static [Self];
    /// Every name with what it stands for, our order of preference. One algorithm may have several names.
    const TABLE: &'static [(Name, Self)];
    /// Names of RFC 6189 that are refused, with the reason.
    const REFUSED: &'static [(Name, &'static str)] = &[];

    /// What a name stands for.
    ///
    /// # Errors
    /// [`AlgorithmError`] if that is nothing known.
    fn from_name(name: Name) -> Result<Self, AlgorithmError> {
        if let Some((_, algorithm)) = Self::TABLE.iter().find(|(known, _)| *known == name) {
            return Ok(*algorithm);
        }
        match Self::REFUSED.iter().find(|(known, _)| *known == name) {
            Some((_, reason)) => Err(AlgorithmError::Refused(name, reason)),
            None => Err(AlgorithmError::Unknown(name, Self::KIND)),
        }
    }

    /// Its names, ours first.
    fn names(self) -> impl Iterator<Item = Name> {
        Self::TABLE.iter().filter(move |(_, algorithm)| *algorithm == self).map(|(name, _)| *name)
    }

    /// Its first name.
    fn name(self) -> Name {
        self.names().next().unwrap_or_default()
    }
}

macro_rules! algorithm {
    ($kind:ident, $what:literal, $error:ident, mandatory $mandatory:expr, { $($name:literal => $variant:ident,)* }
     $(refused { $($refused:literal => $reason:literal,)* })?) => {
        impl Algorithm for $kind {
            const KIND: &'static str = $what;
            const ERROR: ErrorCode = ErrorCode::$error;
            const MANDATORY: &'static [Self] = $mandatory;
            const TABLE: &'static [(Name, Self)] = &[$((Name(*$name), Self::$variant),)*];
            $(const REFUSED: &'static [(Name, &'static str)] = &[$((Name(*$refused), $reason),)*];)?
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.name().fmt(f)
            }
        }
    };
}

/// Hash, MAC and KDF of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    S256,
    /// SHA-384.
    S384,
}

algorithm!(Hash, "hash", HASH, mandatory &[Self::S256], {
    b"S256" => S256,
    b"S384" => S384,
} refused {
    b"N256" => "RFC 6189 left SHA-3 open, and no document has defined it for ZRTP since",
    b"N384" => "RFC 6189 left SHA-3 open, and no document has defined it for ZRTP since",
});

impl Hash {
    /// Bytes of its output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::S256 => 32,
            Self::S384 => 48,
        }
    }
}

/// Cipher of SRTP and of the Confirm messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES with 128-bit keys.
    Aes1,
    /// AES with 192-bit keys.
    Aes2,
    /// AES with 256-bit keys.
    Aes3,
}

algorithm!(Cipher, "cipher", CIPHER, mandatory &[Self::Aes1], {
    b"AES1" => Aes1,
    b"AES3" => Aes3,
    b"AES2" => Aes2,
} refused {
    b"2FS1" => "SRTP here has no TwoFish",
    b"2FS2" => "SRTP here has no TwoFish",
    b"2FS3" => "SRTP here has no TwoFish",
});

impl Cipher {
    /// Bytes of a key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes1 => 16,
            Self::Aes2 => 24,
            Self::Aes3 => 32,
        }
    }
}

/// Authentication tag of SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthTag {
    /// HMAC-SHA1 cut to 80 bits.
    Hs80,
    /// HMAC-SHA1 cut to 32 bits.
    Hs32,
}

algorithm!(AuthTag, "authentication tag", AUTH_TAG, mandatory &[Self::Hs32, Self::Hs80], {
    b"HS80" => Hs80,
    b"HS32" => Hs32,
} refused {
    b"SK32" => "SRTP here has no Skein",
    b"SK64" => "SRTP here has no Skein",
});

/// SRTP's suite for a cipher and a tag.
pub const fn suite(cipher: Cipher, auth_tag: AuthTag) -> Suite {
    match (cipher, auth_tag) {
        (Cipher::Aes1, AuthTag::Hs80) => Suite::AesCm128HmacSha1_80,
        (Cipher::Aes1, AuthTag::Hs32) => Suite::AesCm128HmacSha1_32,
        (Cipher::Aes2, AuthTag::Hs80) => Suite::AesCm192HmacSha1_80,
        (Cipher::Aes2, AuthTag::Hs32) => Suite::AesCm192HmacSha1_32,
        (Cipher::Aes3, AuthTag::Hs80) => Suite::AesCm256HmacSha1_80,
        (Cipher::Aes3, AuthTag::Hs32) => Suite::AesCm256HmacSha1_32,
    }
}

/// Key agreement. The order is that of speed, fastest first (RFC 6189 section 4.1.2, with X25519 put in front).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAgreement {
    /// X25519 (RFC 7748). Linphone calls it X255, GNU ZRTP E255.
    X255,
    /// The 2048-bit MODP group of RFC 3526.
    Dh2k,
    /// P-256.
    Ec25,
    /// The 3072-bit MODP group of RFC 3526.
    Dh3k,
    /// P-384; only with [`Hash::S384`].
    Ec38,
    /// P-521.
    Ec52,
    /// Preshared mode.
    Preshared,
    /// Multistream mode.
    Multistream,
}

algorithm!(KeyAgreement, "key agreement", AGREEMENT, mandatory &[Self::Dh3k], {
    b"X255" => X255,
    b"E255" => X255,
    b"EC25" => Ec25,
    b"DH3k" => Dh3k,
    b"EC38" => Ec38,
    b"EC52" => Ec52,
    b"DH2k" => Dh2k,
    b"Prsh" => Preshared,
    b"Mult" => Multistream,
});

impl KeyAgreement {
    /// Bytes of a public value; nothing for the modes without Diffie-Hellman.
    pub const fn public_value_len(self) -> Option<usize> {
        match self {
            Self::X255 => Some(32),
            Self::Dh2k => Some(256),
            Self::Ec25 => Some(64),
            Self::Dh3k => Some(384),
            Self::Ec38 => Some(96),
            Self::Ec52 => Some(132),
            Self::Preshared | Self::Multistream => None,
        }
    }

    /// Whether it may be used with this hash (RFC 6189 section 5.1.5).
    pub fn fits(self, hash: Hash) -> bool {
        self != Self::Ec38 || hash == Hash::S384
    }
}

/// How the SAS is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SasType {
    /// Four characters.
    B32,
    /// Two words.
    B256,
}

algorithm!(SasType, "SAS type", SAS_TYPE, mandatory &[Self::B32], {
    b"B32 " => B32,
    b"B256" => B256,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_names_say_why() {
        for name in [b"N256", b"N384"] {
            let error = Hash::from_name(Name(*name)).unwrap_err();
            assert!(matches!(error, AlgorithmError::Refused(..)), "{error}");
        }
        assert!(matches!(Cipher::from_name(Name(*b"2FS1")), Err(AlgorithmError::Refused(..))));
        assert!(matches!(SasType::from_name(Name(*b"B64 ")), Err(AlgorithmError::Unknown(..))));
    }

    #[test]
    fn x25519_has_two_names() {
        assert_eq!(KeyAgreement::from_name(Name(*b"X255")), KeyAgreement::from_name(Name(*b"E255")));
        assert!(KeyAgreement::X255.names().map(|name| name.to_string()).eq(["X255", "E255"]));
    }

    #[test]
    fn suites_take_the_ciphers_keys() {
        for (_, cipher) in Cipher::TABLE {
            for (_, tag) in AuthTag::TABLE {
                assert_eq!(suite(*cipher, *tag).key_len(), cipher.key_len());
            }
        }
    }
}
