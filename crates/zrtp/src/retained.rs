//! Which secrets both ends still have (RFC 6189 sections 4.3 and 4.4.2).

use subtle::ConstantTimeEq;

use crate::algorithm::Hash;
use crate::crypto::random;
use crate::message::DhPart;
use crate::secret::Secret;

/// The role in one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its Commit counts.
    Initiator,
    /// The other one.
    Responder,
}

impl Role {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Initiator => "Initiator",
            Self::Responder => "Responder",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// What we have of a peer when an exchange begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) rs1: Option<Secret>,
    pub(crate) rs2: Option<Secret>,
    pub(crate) aux: Option<Secret>,
    pub(crate) pbx: Option<Secret>,
}

/// The eight-byte IDs of a DHPart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) rs1: [u8; 8],
    pub(crate) rs2: [u8; 8],
    pub(crate) aux: [u8; 8],
    pub(crate) pbx: [u8; 8],
}

impl Ids {
    pub(crate) fn of(part: &DhPart) -> Self {
        Self { rs1: part.rs1_id, rs2: part.rs2_id, aux: part.aux_id, pbx: part.pbx_id }
    }
}

/// s1, s2 and s3: what both have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    pub(crate) s1: Option<Secret>,
    pub(crate) s2: Option<Secret>,
    pub(crate) s3: Option<Secret>,
}

impl Known {
    /// The IDs that a sender in `role` gives of these secrets; random ones of those that are missing, so that nobody who
    /// listens learns which there are.
    pub(crate) fn ids(&self, hash: Hash, role: Role, h3: &[u8; 32]) -> Result<Ids, getrandom::Error> {
        let id = |secret: &Option<Secret>, text: &[u8]| match secret {
            Some(secret) => Ok(hash.short_mac(secret.bytes(), &[text])),
            None => random(),
        };
        let label = role.label().as_bytes();
        Ok(Ids {
            rs1: id(&self.rs1, label)?,
            rs2: id(&self.rs2, label)?,
            aux: id(&self.aux, h3)?,
            pbx: id(&self.pbx, label)?,
        })
    }

    /// What we share with the sender of `theirs`, who is in the other role than `ours` and has `peer_h3` in its Hello.
    pub(crate) fn shared(&self, hash: Hash, ours: Role, theirs: &Ids, peer_h3: &[u8; 32]) -> Shared {
        let label = ours.other().label().as_bytes();
        let is = |secret: &Secret, text: &[u8], id: &[u8; 8]| -> bool {
            hash.short_mac(secret.bytes(), &[text]).ct_eq(id).into()
        };
        // The initiator's rs1 first, then its rs2, each against both of the responder's.
        let retained = || [&self.rs1, &self.rs2].into_iter().flatten();
        let s1 = match ours {
            Role::Initiator => retained().find(|s| is(s, label, &theirs.rs1) || is(s, label, &theirs.rs2)),
            Role::Responder => {
                [&theirs.rs1, &theirs.rs2].into_iter().find_map(|id| retained().find(|s| is(s, label, id)))
            }
        };
        Shared {
            s1: s1.cloned(),
            s2: self.aux.clone().filter(|aux| is(aux, peer_h3, &theirs.aux)),
            s3: self.pbx.clone().filter(|pbx| is(pbx, label, &theirs.pbx)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H3: ([u8; 32], [u8; 32]) = ([3; 32], [4; 32]);

    fn secret(byte: u8) -> Option<Secret> {
        (byte != 0).then(|| Secret::new([byte; 32]))
    }

    /// s1 as both ends see it, when initiator and responder have these rs1 and rs2; 0 is none.
    fn s1(initiator: [u8; 2], responder: [u8; 2]) -> u8 {
        let known = |[rs1, rs2]: [u8; 2]| Known { rs1: secret(rs1), rs2: secret(rs2), ..Known::default() };
        let (i, r) = (known(initiator), known(responder));
        let hash = Hash::S256;
        let of_i = i.ids(hash, Role::Initiator, &H3.0).unwrap();
        let of_r = r.ids(hash, Role::Responder, &H3.1).unwrap();
        let at_i = i.shared(hash, Role::Initiator, &of_r, &H3.1).s1;
        let at_r = r.shared(hash, Role::Responder, &of_i, &H3.0).s1;
        assert_eq!(at_i, at_r, "{initiator:?} {responder:?}");
        at_i.map_or(0, |secret| secret.bytes()[0])
    }

    #[test]
    fn s1_is_the_initiators_rs1_or_else_its_rs2_if_the_responder_has_it() {
        assert_eq!(s1([1, 2], [1, 2]), 1);
        assert_eq!(s1([1, 2], [2, 1]), 1, "the initiator's order counts");
        assert_eq!(s1([2, 1], [1, 2]), 2);
        assert_eq!(s1([1, 2], [2, 3]), 2, "the responder lost one step");
        assert_eq!(s1([2, 3], [1, 2]), 2, "the initiator lost one step");
        assert_eq!(s1([1, 2], [4, 1]), 1);
        assert_eq!(s1([1, 0], [1, 0]), 1);
        assert_eq!(s1([1, 2], [3, 4]), 0);
        assert_eq!(s1([0, 0], [3, 4]), 0);
        assert_eq!(s1([0, 0], [0, 0]), 0);
    }

    #[test]
    fn aux_and_pbx_secrets_count_only_if_both_have_the_same() {
        let known = |aux, pbx| Known { aux: secret(aux), pbx: secret(pbx), ..Known::default() };
        for (i, r, expected) in [
            (known(1, 2), known(1, 2), (true, true)),
            (known(1, 2), known(1, 3), (true, false)),
            (known(9, 2), known(1, 2), (false, true)),
            (known(0, 2), known(1, 0), (false, false)),
            (known(1, 2), known(2, 1), (false, false)),
        ] {
            let hash = Hash::S384;
            let of_i = i.ids(hash, Role::Initiator, &H3.0).unwrap();
            let of_r = r.ids(hash, Role::Responder, &H3.1).unwrap();
            for shared in
                [i.shared(hash, Role::Initiator, &of_r, &H3.1), r.shared(hash, Role::Responder, &of_i, &H3.0)]
            {
                assert_eq!((shared.s2.is_some(), shared.s3.is_some()), expected);
            }
        }
    }

    #[test]
    fn ids_of_missing_secrets_are_random_and_never_the_same() {
        let ids = || Known::default().ids(Hash::S256, Role::Initiator, &H3.0).unwrap();
        let (a, b) = (ids(), ids());
        assert!(a.rs1 != b.rs1 && a.rs2 != b.rs2 && a.aux != b.aux && a.pbx != b.pbx && a.rs1 != a.rs2);
    }
}
