//! Beside the cache in memory: whatever is done to both, they answer the same.

mod common;

use std::time::Duration;

use common::{Clock, Folder, Patient, forget, peer_of, peers_of, secret, set_name, set_verified, zid};
use proptest::prelude::*;
use sealrtp_zid_cache::ZidCache;
use sealrtp_zrtp::{Cache, Entry, MemoryCache};

#[derive(Clone, Debug)]
enum Step {
    Store { peer: u64, entry: Entry, expiry: u32 },
    Pass { millis: u64 },
    Forget { peer: u64 },
    Verify { peer: u64, verified: bool },
    Name { peer: u64, name: String },
    Reopen,
}

fn an_entry() -> impl Strategy<Value = Entry> {
    let kept = || proptest::option::of((0_u64..1000).prop_map(secret));
    (kept(), kept(), kept(), kept(), any::<bool>()).prop_map(|(rs1, rs2, aux, pbx, verified)| Entry {
        rs1,
        rs2,
        aux,
        pbx,
        verified,
    })
}

fn a_step() -> impl Strategy<Value = Step> {
    let peer = || 0_u64..4;
    let expiry = prop_oneof![Just(0), Just(1), 1_u32..20, Just(u32::MAX), Just(u32::MAX - 1)];
    prop_oneof![
        6 => (peer(), an_entry(), expiry).prop_map(|(peer, entry, expiry)| Step::Store { peer, entry, expiry }),
        4 => (0_u64..12_000).prop_map(|millis| Step::Pass { millis }),
        1 => peer().prop_map(|peer| Step::Forget { peer }),
        2 => (peer(), any::<bool>()).prop_map(|(peer, verified)| Step::Verify { peer, verified }),
        1 => (peer(), "[a-zé ]{0,12}").prop_map(|(peer, name)| Step::Name { peer, name }),
        1 => Just(Step::Reopen),
    ]
}

/// The same with what MemoryCache offers: it begins to be so that the expiry stays what it was.
fn verify(model: &MemoryCache, peer: u64, verified: bool, left: u32) {
    if let Some(entry) = model.load(&zid(peer)).unwrap() {
        model.store(&zid(peer), &Entry { verified, ..entry }, left).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_cache_in_memory_does(steps in proptest::collection::vec(a_step(), 1..40)) {
        let folder = Folder::fast();
        // Whole seconds, in which MemoryCache takes an expiry.
        let clock = Clock::at(1_800_000_000_000);
        let open = || ZidCache::open(&folder.file(), clock.reader()).unwrap().cache;
        let (mut cache, model) = (open(), MemoryCache::new(clock.reader()));
        let mut verifiable = true;
        for step in steps {
            match step {
                Step::Store { peer, entry, expiry } => {
                    cache.keep(&zid(peer), &entry, expiry).unwrap();
                    model.store(&zid(peer), &entry, expiry).unwrap();
                }
                Step::Pass { millis } => {
                    verifiable &= millis % 1000 == 0;
                    clock.pass(Duration::from_millis(millis));
                }
                Step::Forget { peer } => {
                    let known = peer_of(&cache, &zid(peer)).is_some();
                    prop_assert_eq!(forget(&cache, &zid(peer)) || !known, true);
                    model.forget(&zid(peer));
                }
                Step::Verify { peer, verified } => {
                    let Some(known) = peer_of(&cache, &zid(peer)) else {
                        prop_assert!(!set_verified(&cache, &zid(peer), verified));
                        continue;
                    };
                    // Only where the time left is of whole seconds can the model be told the same.
                    let left = known.expires.map(|end| end.duration_since(clock.now()).unwrap_or_default());
                    let seconds = match left {
                        None => u32::MAX,
                        Some(left) if verifiable && left.subsec_millis() == 0 => {
                            u32::try_from(left.as_secs()).unwrap()
                        }
                        Some(_) => continue,
                    };
                    let changed = set_verified(&cache, &zid(peer), verified);
                    prop_assert_eq!(changed, known.retained);
                    if changed {
                        verify(&model, peer, verified, seconds);
                    }
                }
                Step::Name { peer, name } => {
                    let known = peer_of(&cache, &zid(peer)).is_some();
                    prop_assert_eq!(set_name(&cache, &zid(peer), &name), known);
                }
                Step::Reopen => {
                    drop(cache);
                    cache = open();
                }
            }
            let peers = peers_of(&cache);
            for peer in 0..4 {
                let (ours, theirs) = (cache.recall(&zid(peer)).unwrap(), model.load(&zid(peer)).unwrap());
                prop_assert_eq!(&ours, &theirs);
                let listed = peers.iter().find(|listed| listed.zid == zid(peer)).cloned();
                prop_assert_eq!(&listed, &peer_of(&cache, &zid(peer)));
                if let Some(entry) = theirs {
                    let listed = listed.unwrap();
                    prop_assert_eq!(
                        (listed.verified, listed.enrolled, listed.retained),
                        (entry.verified, entry.pbx.is_some(), entry.rs1.is_some())
                    );
                }
            }
        }
    }
}
