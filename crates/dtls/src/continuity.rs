//! Whether a later offer and answer keep an association or ask for a new one (RFC 8842 sections 3.1 and 5).

use crate::{Fingerprints, Role, TlsId};

/// `a=tls-id` of one description: peers before RFC 8842 send none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// No `a=tls-id`: fingerprints, role and transport alone decide.
    Not,
    /// Its value.
    By(TlsId),
}

/// What one end's description says of its association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The `a=tls-id`.
    pub name: Named,
    /// The `a=fingerprint`s.
    pub fingerprints: Fingerprints,
    /// The role that offer and answer give this end.
    pub role: Role,
}

/// What is to happen with the association there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// It goes on, with its keys.
    Keep,
    /// A new one takes its place.
    New,
}

impl Terms {
    /// Compares with what the same end says in a later description. A change of the transport (with ICE: none of the
    /// candidates stays) asks for a new association too, and is the caller's to see.
    pub fn then(&self, later: &Self) -> Continuity {
        if self == later { Continuity::Keep } else { Continuity::New }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sha1;

    fn terms(name: Named, fingerprint: &str, role: Role) -> Terms {
        let value = format!("sha-1 {}", vec![fingerprint; 20].join(":"));
        Terms {
            name,
            fingerprints: Fingerprints::from_values([value.as_str()], Sha1::Allowed).unwrap(),
            role,
        }
    }

    #[test]
    fn the_same_terms_keep_an_association_and_any_change_asks_for_a_new_one() {
        let named = |name: &str| Named::By(name.parse().unwrap());
        let first = terms(named("abcdefghijklmnopqrst"), "aa", Role::Client);
        assert_eq!(first.then(&terms(named("abcdefghijklmnopqrst"), "AA", Role::Client)), Continuity::Keep);
        assert_eq!(first.then(&terms(named("bbcdefghijklmnopqrst"), "aa", Role::Client)), Continuity::New);
        assert_eq!(first.then(&terms(named("abcdefghijklmnopqrst"), "ab", Role::Client)), Continuity::New);
        assert_eq!(first.then(&terms(named("abcdefghijklmnopqrst"), "aa", Role::Server)), Continuity::New);
        let old = terms(Named::Not, "aa", Role::Client);
        assert_eq!(old.then(&old.clone()), Continuity::Keep);
        assert_eq!(old.then(&first), Continuity::New);
    }
}
