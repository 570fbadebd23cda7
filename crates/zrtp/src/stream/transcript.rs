//! Whole calls with everything that went into their keys and everything that came out, for tests/zrtp_derivations to derive anew
//! from the RFC's text. Written to the file that SEALRTP_TRANSCRIPTS names, if it names one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value};

use super::{Step, Stream, initiator};
use crate::algorithm::{Algorithm, AuthTag, Cipher, Hash, KeyAgreement, SasType};
use crate::association::Association;
use crate::cache::{Cache, Entry, MemoryCache};
use crate::config::Config;
use crate::event::{Event, Secured};
use crate::message::{Message, Zid};
use crate::packet::Packet;
use crate::retained::Role;
use crate::secret::Secret;

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// A call's configuration, and the secrets that both ends have of earlier ones; 0 is none, and rs1, rs2, aux, pbx their order.
struct Case {
    agreement: KeyAgreement,
    hash: Hash,
    cipher: Cipher,
    auth_tag: AuthTag,
    sas_type: SasType,
    kept: [[u8; 4]; 2],
}

struct Call {
    ends: [Stream; 2],
    caches: [Arc<MemoryCache>; 2],
    now: Instant,
    secured: [Vec<Secured>; 2],
    dh_result: Vec<u8>,
    /// The last message of each type and sender.
    messages: BTreeMap<(String, usize), Vec<u8>>,
    datagrams: Vec<Vec<u8>>,
}

fn secret(byte: u8) -> Option<Secret> {
    (byte != 0).then(|| Secret::new([byte; 32]))
}

impl Call {
    /// The first end becomes the initiator.
    fn new(case: &Case) -> (Self, [Association; 2]) {
        let now = Instant::now();
        let caches = [0, 1].map(|_| Arc::new(MemoryCache::new(|| SystemTime::UNIX_EPOCH)));
        let associations = [0, 1].map(|end: usize| {
            let [rs1, rs2, aux, pbx] = case.kept[end].map(secret);
            let entry = Entry { rs1, rs2, aux, pbx, verified: true };
            caches[end].store(&Zid([1 - end as u8 + 0xa0; 12]), &entry, u32::MAX).unwrap();
            let mut agreements = vec![case.agreement];
            if case.agreement == KeyAgreement::Preshared {
                agreements.push(KeyAgreement::X255);
            }
            let config = Config {
                agreements,
                hashes: vec![case.hash],
                ciphers: vec![case.cipher],
                auth_tags: vec![case.auth_tag],
                sas_types: vec![case.sas_type],
                passive: end == 1,
                allow_clear: end == 1,
                mitm: end == 0,
                enrolment: end == 0,
                ..Config::default()
            };
            let cache = caches[end].clone() as Arc<dyn Cache>;
            Association::new(Arc::new(config), Zid([end as u8 + 0xa0; 12]), Some(cache)).unwrap()
        });
        let ends = [0, 1].map(|end| Stream::new(&associations[end], 10 + end as u32, now).unwrap());
        (Self::of(ends, caches, now), associations)
    }

    fn of(ends: [Stream; 2], caches: [Arc<MemoryCache>; 2], now: Instant) -> Self {
        let (dh_result, messages, datagrams) = (vec![], BTreeMap::new(), vec![]);
        Self { ends, caches, now, secured: Default::default(), dh_result, messages, datagrams }
    }

    fn run(&mut self) {
        let now = self.now;
        self.ends.iter_mut().for_each(|end| end.start(now));
        for _ in 0..12 {
            for end in 0..2 {
                while let Some(datagram) = self.ends[end].poll_transmit() {
                    let raw = Packet::parse(&datagram).unwrap().message.to_vec();
                    let message = Message::parse(&raw).unwrap();
                    self.messages.insert((message.kind().name().to_lowercase(), end), raw);
                    if let (Message::DhPart1(part), Step::Committed(state)) = (&message, &self.ends[0].step)
                        && let initiator::Mode::Dh(dh) = &state.with
                    {
                        self.dh_result = dh.key.shared_secret(&part.public_value).unwrap().to_vec();
                    }
                    self.ends[1 - end].receive(&datagram, now);
                    self.datagrams.push(datagram);
                }
                while let Some(event) = self.ends[end].poll_event() {
                    if let Event::Secured(secured) = event {
                        self.secured[end].push(*secured);
                    }
                }
            }
        }
    }

    /// What went in and came out; both ends must have had the same come out.
    fn transcript(&self, name: &str, case: &Case, zrtp_sess_before: &[u8]) -> Value {
        let [i, r] = self.secured.each_ref().map(|secured| secured.last().expect("secure"));
        assert_eq!((i.role, r.role), (Role::Initiator, Role::Responder));
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| drop(out.insert(name.into(), value));
        put("name", name.into());
        for (name, value) in [
            ("hash", case.hash.name()),
            ("cipher", case.cipher.name()),
            ("auth_tag", case.auth_tag.name()),
            ("sas_type", case.sas_type.name()),
            ("agreement", i.terms.agreement_name),
        ] {
            put(name, value.to_string().into());
        }
        for ((kind, end), raw) in &self.messages {
            put(&format!("{kind}_{}", ["i", "r"][*end]), hex(raw));
        }
        put("datagrams", self.datagrams.iter().map(|datagram| hex(datagram)).collect());
        put("dh_result", hex(&self.dh_result));
        put("zrtp_sess_before", hex(zrtp_sess_before));
        for (end, kept) in case.kept.iter().enumerate() {
            for (name, byte) in ["rs1", "rs2", "aux", "pbx"].iter().zip(kept) {
                let bytes = secret(*byte).map_or(vec![], |secret| secret.bytes().to_vec());
                put(&format!("kept_{name}_{}", ["i", "r"][end]), hex(&bytes));
            }
        }
        let key = |keys: &sealrtp_srtp::KeySet| (hex(keys.keys()[0].key()), hex(keys.keys()[0].salt()));
        assert!(i.outbound.same_as(&r.inbound) && i.inbound.same_as(&r.outbound) && i.sas == r.sas);
        for (end, (key, salt)) in [("i", key(&i.outbound)), ("r", key(&i.inbound))] {
            put(&format!("srtp_key_{end}"), key);
            put(&format!("srtp_salt_{end}"), salt);
        }
        let keys = self.ends.each_ref().map(|end| match &end.step {
            Step::Secure(state) => &state.keyed.keys,
            _ => panic!("not secure"),
        });
        for (role, end) in [(Role::Initiator, "i"), (Role::Responder, "r")] {
            let [ours, theirs] = keys.map(|keys| keys.of(role));
            assert_eq!((&*ours.mac, &*ours.zrtp), (&*theirs.mac, &*theirs.zrtp));
            put(&format!("mac_key_{end}"), hex(&ours.mac));
            put(&format!("zrtp_key_{end}"), hex(&ours.zrtp));
        }
        put("sas", i.sas.to_string().into());
        put("sas_hash", hex(i.sas.hash()));
        let exported = [i, r].map(|end| end.exported.as_ref().map_or(vec![], |key| key.bytes().to_vec()));
        assert_eq!(exported[0], exported[1]);
        put("exported", hex(&exported[0]));
        let sessions = self.ends.each_ref().map(|end| end.core.association.session().unwrap());
        assert_eq!(&*sessions[0].zrtp_sess, &*sessions[1].zrtp_sess);
        put("zrtp_sess", hex(&sessions[0].zrtp_sess));
        let entries = [0, 1]
            .map(|end| self.caches[end].load(&Zid([1 - end as u8 + 0xa0; 12])).unwrap().expect("an entry"));
        assert_eq!(entries[0].rs1, entries[1].rs1);
        let bytes =
            |secret: &Option<Secret>| secret.as_ref().map_or(vec![], |secret| secret.bytes().to_vec());
        put("rs1", hex(&bytes(&entries[0].rs1)));
        put("pbx_secret", hex(&bytes(&entries[0].pbx)));
        out.into()
    }
}

fn cases() -> Vec<(&'static str, Case)> {
    use AuthTag::*;
    use Cipher::*;
    use Hash::*;
    use KeyAgreement::*;
    use SasType::*;
    let case = |agreement, hash, cipher, auth_tag, sas_type, kept| Case {
        agreement,
        hash,
        cipher,
        auth_tag,
        sas_type,
        kept,
    };
    vec![
        ("nothing kept", case(X255, S256, Aes1, Hs80, B32, [[0; 4]; 2])),
        ("rs1", case(Ec25, S384, Aes3, Hs32, B256, [[1, 0, 0, 0]; 2])),
        ("the responder lost a step", case(Dh3k, S256, Aes2, Hs80, B32, [[1, 2, 0, 0], [2, 3, 0, 0]])),
        ("rs2 at both", case(Dh2k, S256, Aes1, Hs32, B256, [[1, 2, 0, 0], [3, 2, 0, 0]])),
        ("auxsecret", case(Ec38, S384, Aes1, Hs80, B256, [[0, 0, 5, 0]; 2])),
        ("auxsecret of one alone", case(X255, S384, Aes3, Hs80, B32, [[0, 0, 5, 0], [0; 4]])),
        ("everything", case(Ec52, S384, Aes3, Hs80, B32, [[1, 2, 5, 6]; 2])),
        ("pbxsecret", case(X255, S256, Aes1, Hs80, B256, [[0, 0, 0, 6]; 2])),
        ("Preshared", case(Preshared, S256, Aes1, Hs80, B32, [[1, 0, 0, 0]; 2])),
        ("Preshared, everything", case(Preshared, S384, Aes3, Hs32, B256, [[1, 2, 5, 6]; 2])),
    ]
}

#[test]
fn both_ends_of_every_mode_derive_the_same_and_write_down_from_what() {
    let mut transcripts = Vec::new();
    for (name, case) in cases() {
        let (mut call, associations) = Call::new(&case);
        call.run();
        transcripts.push(call.transcript(name, &case, &[]));
        let session = || associations[0].session().unwrap().zrtp_sess;
        // A second stream, then the first one clear and back: both in Multistream mode.
        let before = session();
        let ends = [0, 1].map(|end| Stream::new(&associations[end], 20 + end as u32, call.now).unwrap());
        let mut second = Call::of(ends, call.caches.clone(), call.now);
        second.run();
        transcripts.push(second.transcript(&format!("{name}: second stream"), &case, &before));
        assert!(call.ends[0].go_clear(call.now), "the peer allows it");
        call.run();
        assert_ne!(&*session(), &*before);
        let changed = session();
        assert!(call.ends[0].go_secure(call.now));
        call.run();
        let mut back = call.transcript(&format!("{name}: clear and back"), &case, &changed);
        back["zrtp_sess_before_clear"] = hex(&before);
        transcripts.push(back);
    }
    assert!(transcripts.len() == 30);
    if let Some(path) = std::env::var_os("SEALRTP_TRANSCRIPTS") {
        std::fs::write(path, serde_json::to_string_pretty(&transcripts).unwrap()).unwrap();
    }
}
