//! The choice of algorithms (RFC 6189 sections 4.1.2, 5.1.5, 5.2).

use crate::algorithm::{Algorithm, AuthTag, Cipher, Hash, KeyAgreement, SasType};
use crate::config::Config;
use crate::message::{Commit, ErrorCode, Hello, Name, Names};

/// What a Commit chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Hash.
    pub hash: Hash,
    /// Cipher.
    pub cipher: Cipher,
    /// SRTP's tag.
    pub auth_tag: AuthTag,
    /// Key agreement.
    pub agreement: KeyAgreement,
    /// The name the Commit called it by.
    pub agreement_name: Name,
    /// SAS type.
    pub sas_type: SasType,
}

/// Ours, with the mandatory ones that are not listed at the end.
fn ours<A: Algorithm>(listed: &[A]) -> impl Iterator<Item = A> {
    listed.iter().chain(A::MANDATORY.iter().filter(|must| !listed.contains(must))).copied()
}

/// What a Hello lists, with the mandatory ones that are not listed at the end.
fn theirs<A: Algorithm>(listed: &Names) -> Vec<A> {
    let mut all: Vec<A> = listed.as_slice().iter().filter_map(|name| A::from_name(*name).ok()).collect();
    all.extend(A::MANDATORY.iter().filter(|must| !all.contains(must)).copied().collect::<Vec<_>>());
    all
}

fn first<A: Algorithm>(listed: &[A], peer: &Names) -> A {
    let theirs = theirs::<A>(peer);
    ours(listed).find(|algorithm| theirs.contains(algorithm)).unwrap_or(A::MANDATORY[0])
}

/// Whether a Hello lists a key agreement by any of its names.
pub(crate) fn lists(hello: &Hello, agreement: KeyAgreement) -> bool {
    theirs::<KeyAgreement>(&hello.agreements).contains(&agreement)
}

impl Terms {
    /// What we choose as initiator, the key agreement being one with Diffie-Hellman.
    pub(crate) fn choose(config: &Config, peer: &Hello) -> Self {
        let s384 = ours(&config.hashes).any(|hash| hash == Hash::S384)
            && theirs::<Hash>(&peer.hashes).contains(&Hash::S384);
        let usable = |agreement: &KeyAgreement| {
            agreement.public_value_len().is_some() && (s384 || agreement.fits(Hash::S256))
        };
        let theirs: Vec<KeyAgreement> = theirs(&peer.agreements).into_iter().filter(usable).collect();
        let ours: Vec<KeyAgreement> = ours(&config.agreements).filter(usable).collect();
        let our_first = ours.iter().find(|agreement| theirs.contains(agreement));
        let their_first = theirs.iter().find(|agreement| ours.contains(agreement));
        // Each compares the first of both lists; the faster one is taken, so that both ends begin with the same one.
        let agreement = our_first.into_iter().chain(their_first).min().copied().unwrap_or(KeyAgreement::Dh3k);
        let hash = if agreement.fits(Hash::S256) { first(&config.hashes, &peer.hashes) } else { Hash::S384 };
        let agreement_name = agreement
            .names()
            .find(|name| peer.agreements.as_slice().contains(name))
            .unwrap_or(agreement.name());
        Self {
            hash,
            cipher: first(&config.ciphers, &peer.ciphers),
            auth_tag: first(&config.auth_tags, &peer.auth_tags),
            agreement,
            agreement_name,
            sas_type: first(&config.sas_types, &peer.sas_types),
        }
    }

    /// The same with a mode that has no Diffie-Hellman.
    pub(crate) fn with_mode(self, agreement: KeyAgreement) -> Self {
        Self { agreement, agreement_name: agreement.name(), ..self }
    }

    /// What a peer's Commit chose, if we can do it.
    pub(crate) fn accept(config: &Config, commit: &Commit) -> Result<Self, ErrorCode> {
        fn taken<A: Algorithm>(listed: &[A], name: Name) -> Result<A, ErrorCode> {
            A::from_name(name).ok().filter(|chosen| ours(listed).any(|own| own == *chosen)).ok_or(A::ERROR)
        }
        let hash = taken(&config.hashes, commit.hash)?;
        let agreement = match KeyAgreement::from_name(commit.agreement) {
            Ok(KeyAgreement::Multistream) => KeyAgreement::Multistream,
            _ => taken(&config.agreements, commit.agreement)?,
        };
        if !agreement.fits(hash) {
            return Err(ErrorCode::HASH);
        }
        let sas_type = match agreement {
            // Ignored in Multistream mode, whatever it says.
            KeyAgreement::Multistream => SasType::B32,
            _ => taken(&config.sas_types, commit.sas_type)?,
        };
        Ok(Self {
            hash,
            cipher: taken(&config.ciphers, commit.cipher)?,
            auth_tag: taken(&config.auth_tags, commit.auth_tag)?,
            agreement,
            agreement_name: commit.agreement,
            sas_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Zid;

    fn hello(agreements: &[&[u8; 4]]) -> Hello {
        let names =
            |list: &[&[u8; 4]]| Names::new(&list.iter().map(|n| Name(**n)).collect::<Vec<_>>()).unwrap();
        Hello {
            version: *b"1.10",
            client: [b' '; 16],
            h3: [0; 32],
            zid: Zid([0; 12]),
            signatures: false,
            mitm: false,
            passive: false,
            hashes: names(&[b"N256", b"S384"]),
            ciphers: names(&[]),
            auth_tags: names(&[b"GCM "]),
            agreements: names(agreements),
            sas_types: names(&[]),
            mac: [0; 8],
        }
    }

    fn choose(ours: &[KeyAgreement], theirs: &[&[u8; 4]]) -> Terms {
        Terms::choose(&Config { agreements: ours.to_vec(), ..Config::default() }, &hello(theirs))
    }

    #[test]
    fn the_rfcs_example_ends_with_the_faster_of_both_first_choices() {
        use KeyAgreement::*;
        assert_eq!(choose(&[Dh2k, Dh3k, Ec25], &[b"EC38", b"EC25", b"DH3k"]).agreement, Ec25);
        assert_eq!(choose(&[Ec38, Ec25, Dh3k], &[b"DH2k", b"DH3k", b"EC25"]).agreement, Ec25);
    }

    #[test]
    fn the_mandatory_ones_are_there_though_nobody_lists_them() {
        let terms = choose(&[KeyAgreement::X255], &[]);
        assert_eq!(terms.agreement, KeyAgreement::Dh3k);
        assert_eq!(
            (terms.cipher, terms.auth_tag, terms.sas_type),
            (Cipher::Aes1, AuthTag::Hs80, SasType::B32)
        );
    }

    #[test]
    fn x25519_is_called_as_the_peer_calls_it() {
        for name in [b"X255", b"E255"] {
            let terms = choose(&[KeyAgreement::X255], &[name]);
            assert_eq!((terms.agreement, terms.agreement_name), (KeyAgreement::X255, Name(*name)));
        }
    }

    #[test]
    fn p384_comes_with_sha384_or_not_at_all() {
        assert_eq!(choose(&[KeyAgreement::Ec38], &[b"EC38"]).hash, Hash::S384);
        let mut without = hello(&[b"EC38"]);
        without.hashes = Names::default();
        let config = Config { agreements: vec![KeyAgreement::Ec38], ..Config::default() };
        assert_eq!(Terms::choose(&config, &without).agreement, KeyAgreement::Dh3k);
    }
}
