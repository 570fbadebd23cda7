//! From shared secrets to keys (RFC 6189 sections 4.4.1.4, 4.4.2.4, 4.4.3.2, 4.5, 4.7.2.1 and 7.3.1).

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::algorithm::{Cipher, Hash};
use crate::crypto::Digested;
use crate::message::Zid;
use crate::retained::{Known, Role, Shared};
use crate::secret::Secret;

/// Bytes of an SRTP master salt.
pub(crate) const SALT_LEN: usize = 14;

/// KDF_Context, and the hash and cipher agreed on.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) hash: Hash,
    pub(crate) cipher: Cipher,
    pub(crate) zid_i: Zid,
    pub(crate) zid_r: Zid,
    /// Of Hello of the responder, Commit, and in DH mode DHPart1 and DHPart2.
    pub(crate) total_hash: Digested,
}

/// The keys of one role.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct RoleKeys {
    pub(crate) srtp_key: Digested,
    pub(crate) srtp_salt: Digested,
    pub(crate) mac: Digested,
    pub(crate) zrtp: Digested,
}

/// Everything that s0 gives for a stream.
pub(crate) struct StreamKeys {
    pub(crate) initiator: RoleKeys,
    pub(crate) responder: RoleKeys,
}

impl StreamKeys {
    pub(crate) fn forget_srtp(&mut self) {
        for keys in [&mut self.initiator, &mut self.responder] {
            keys.srtp_key.zeroize();
            keys.srtp_salt.zeroize();
        }
    }

    pub(crate) fn of(&self, role: Role) -> &RoleKeys {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }
}

/// What s0 gives for the whole call: DH and Preshared modes alone.
pub(crate) struct SessionKeys {
    pub(crate) zrtp_sess: Digested,
    pub(crate) sas_hash: [u8; 32],
    pub(crate) exported: Digested,
    pub(crate) rs1: Secret,
}

fn len32(len: usize) -> [u8; 4] {
    (len as u32).to_be_bytes()
}

fn bytes(secret: &Option<Secret>) -> &[u8] {
    secret.as_ref().map_or(&[], |secret| secret.bytes())
}

impl Context {
    fn context(&self) -> [&[u8]; 3] {
        [&self.zid_i.0, &self.zid_r.0, &self.total_hash]
    }

    fn derive(&self, s0: &[u8], label: &str, len: usize) -> Digested {
        self.hash.kdf(s0, label, &self.context(), len)
    }

    /// s0 of DH mode.
    pub(crate) fn s0_dh(&self, dh_result: &[u8], shared: &Shared) -> Digested {
        let [s1, s2, s3] = [&shared.s1, &shared.s2, &shared.s3].map(bytes);
        let [len1, len2, len3] = [s1, s2, s3].map(|s| len32(s.len()));
        let [zid_i, zid_r, total_hash] = self.context();
        self.hash.digest(&[
            &len32(1),
            dh_result,
            b"ZRTP-HMAC-KDF",
            zid_i,
            zid_r,
            total_hash,
            &len1,
            s1,
            &len2,
            s2,
            &len3,
            s3,
        ])
    }

    /// s0 of Multistream mode, from ZRTPSess.
    pub(crate) fn s0_multistream(&self, zrtp_sess: &[u8]) -> Digested {
        self.derive(zrtp_sess, "ZRTP MSK", self.hash.output_len())
    }

    /// s0 of Preshared mode, from preshared_key.
    pub(crate) fn s0_preshared(&self, preshared_key: &[u8]) -> Digested {
        self.derive(preshared_key, "ZRTP PSK", self.hash.output_len())
    }

    pub(crate) fn stream_keys(&self, s0: &[u8]) -> StreamKeys {
        let keys = |role: Role| {
            let name = role.label();
            let derive = |what: &str, len| self.derive(s0, &format!("{name} {what}"), len);
            RoleKeys {
                srtp_key: derive("SRTP master key", self.cipher.key_len()),
                srtp_salt: derive("SRTP master salt", SALT_LEN),
                mac: derive("HMAC key", self.hash.output_len()),
                zrtp: derive("ZRTP key", self.cipher.key_len()),
            }
        };
        StreamKeys { initiator: keys(Role::Initiator), responder: keys(Role::Responder) }
    }

    pub(crate) fn session_keys(&self, s0: &[u8]) -> SessionKeys {
        SessionKeys {
            zrtp_sess: self.derive(s0, "ZRTP Session Key", self.hash.output_len()),
            sas_hash: self.derive(s0, "SAS", 32).first(),
            exported: self.derive(s0, "Exported key", self.hash.output_len()),
            rs1: Secret::new(self.derive(s0, "retained secret", 32).first()),
        }
    }
}

/// preshared_key, which of the secrets it holds being the caller's choice.
pub(crate) fn preshared_key(hash: Hash, known: &Known) -> Digested {
    let [rs1, aux, pbx] = [&known.rs1, &known.aux, &known.pbx].map(bytes);
    let [len1, len2, len3] = [rs1, aux, pbx].map(|s| len32(s.len()));
    hash.digest(&[&len1, rs1, &len2, aux, &len3, pbx])
}

/// The keyID of a Preshared Commit.
pub(crate) fn preshared_key_id(hash: Hash, preshared_key: &[u8]) -> [u8; 8] {
    hash.short_mac(preshared_key, &[b"Prsh"])
}

/// pbxsecret of an enrolment (section 7.3.1).
pub(crate) fn pbx_secret(hash: Hash, zrtp_sess: &[u8], zid_i: &Zid, zid_r: &Zid) -> Secret {
    Secret::new(hash.kdf(zrtp_sess, "Trusted MiTM key", &[&zid_i.0, &zid_r.0], 32).first())
}

/// ZRTPSess after a GoClear (section 4.7.2.1).
pub(crate) fn next_zrtp_sess(hash: Hash, zrtp_sess: &[u8], zid_i: &Zid, zid_r: &Zid) -> Digested {
    hash.kdf(zrtp_sess, "New ZRTP Session", &[&zid_i.0, &zid_r.0], hash.output_len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::message::Name;

    fn name(value: &serde_json::Value) -> Name {
        Name(value.as_str().unwrap().as_bytes().try_into().unwrap())
    }

    fn unhex(value: &serde_json::Value) -> Vec<u8> {
        let text = value.as_str().unwrap();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    /// The vectors were made by tests/vectors/derivations.py, from the RFC's text and without this code.
    #[test]
    fn every_derivation_is_that_of_an_independent_one() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/vectors/derivations.json")).unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in &vectors {
            let get = |what: &str| unhex(&vector[what]);
            let zid = |what: &str| Zid(get(what).try_into().unwrap());
            let secret = |what: &str| {
                Some(get(what)).filter(|s| !s.is_empty()).map(|s| Secret::new(s.try_into().unwrap()))
            };
            let hash = Hash::from_name(name(&vector["hash"])).unwrap();
            let context = Context {
                hash,
                cipher: Cipher::from_name(name(&vector["cipher"])).unwrap(),
                zid_i: zid("zid_i"),
                zid_r: zid("zid_r"),
                total_hash: hash.digest(&[b"the ", b"messages"]),
            };
            assert_eq!(context.total_hash.to_vec(), get("total_hash"));
            let shared = Shared { s1: secret("s1"), s2: secret("s2"), s3: secret("s3") };
            let s0 = context.s0_dh(&get("dh_result"), &shared);
            assert_eq!(s0.to_vec(), get("s0"));
            let keys = context.stream_keys(&s0);
            for (role, end) in [(Role::Initiator, "i"), (Role::Responder, "r")] {
                let keys = keys.of(role);
                assert_eq!(keys.srtp_key.to_vec(), get(&format!("srtp_key_{end}")));
                assert_eq!(keys.srtp_salt.to_vec(), get(&format!("srtp_salt_{end}")));
                assert_eq!(keys.mac.to_vec(), get(&format!("mac_key_{end}")));
                assert_eq!(keys.zrtp.to_vec(), get(&format!("zrtp_key_{end}")));
            }
            let session = context.session_keys(&s0);
            assert_eq!(session.zrtp_sess.to_vec(), get("zrtp_sess"));
            assert_eq!(session.sas_hash.to_vec(), get("sas_hash"));
            assert_eq!(session.exported.to_vec(), get("exported"));
            assert_eq!(session.rs1.bytes().to_vec(), get("rs1"));
            assert_eq!(context.s0_multistream(&session.zrtp_sess).to_vec(), get("s0_multistream"));
            let known = Known { rs1: shared.s1, rs2: None, aux: shared.s2, pbx: shared.s3 };
            let preshared = preshared_key(hash, &known);
            assert_eq!(preshared.to_vec(), get("preshared_key"));
            assert_eq!(preshared_key_id(hash, &preshared).to_vec(), get("preshared_key_id"));
            assert_eq!(context.s0_preshared(&preshared).to_vec(), get("s0_preshared"));
            let (zid_i, zid_r) = (context.zid_i, context.zid_r);
            let pbx = pbx_secret(hash, &session.zrtp_sess, &zid_i, &zid_r);
            assert_eq!(pbx.bytes().to_vec(), get("pbx_secret"));
            let next = next_zrtp_sess(hash, &session.zrtp_sess, &zid_i, &zid_r);
            assert_eq!(next.to_vec(), get("next_zrtp_sess"));
        }
    }
}
