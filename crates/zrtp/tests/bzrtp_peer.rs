//! Against libbzrtp (Linphone's engine), where it can be linked (Debian: libbzrtp-dev): it runs in our virtual time.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::bzrtp::{Bzrtp, hex};
use common::net::{Network, Random, Told, association, memory};
use sealrtp_zrtp::algorithm::{AuthTag, Cipher, Hash, KeyAgreement, SasType};
use sealrtp_zrtp::{Alert, Association, Config, Continuity, MemoryCache, Role, Secret, Secured, Stream};

/// A call between one of our streams (two with `video`) and libbzrtp.
struct Call {
    bzrtp: Bzrtp,
    streams: Vec<Stream>,
    told: Vec<Told>,
    begin: Instant,
    ms: u64,
}

impl Call {
    fn new(association: &Association, setup: &[String]) -> Option<Self> {
        let mut bzrtp = Bzrtp::new()?;
        setup.iter().for_each(|line| bzrtp.command(line));
        let begin = Instant::now();
        let streams = vec![Stream::new(association, 0x2001, begin).unwrap()];
        Some(Self { bzrtp, streams, told: vec![Told::default()], begin, ms: 0 })
    }

    fn now(&self) -> Instant {
        self.begin + Duration::from_millis(self.ms)
    }

    /// Runs until the channel is done at both ends, and a second longer. `start[0]` is ours; [`u64::MAX`]: already started.
    fn run(&mut self, channel: usize, network: Network, seed: u64) {
        let mut random = Random(seed);
        let mut air: BTreeMap<(u64, u64), (bool, usize, Vec<u8>)> = BTreeMap::new();
        let (origin, mut count, mut enough) = (self.ms, 0, u64::MAX);
        let mut starts = network.start.map(|start| Some(origin + start));
        while self.ms < origin + 30_000 && self.ms < enough {
            let now = self.now();
            if starts[0].take_if(|at| *at <= self.ms).is_some() {
                self.streams[channel].start(now);
            }
            if starts[1].take_if(|at| *at <= self.ms).is_some() {
                self.bzrtp.command(if channel == 0 { "start" } else { "channel" });
            }
            while let Some(entry) = air.first_entry().filter(|entry| entry.key().0 <= self.ms) {
                let (to_us, channel, datagram) = entry.remove();
                if to_us {
                    self.streams[channel].receive(&datagram, now);
                } else if starts[1].is_none() {
                    self.bzrtp.command(&format!("packet {channel} {}", hex(&datagram)));
                }
            }
            self.streams.iter_mut().for_each(|stream| {
                if stream.poll_timeout().is_some_and(|at| at <= now) {
                    stream.handle_timeout(now);
                }
            });
            // libbzrtp must hear the time from its beginning on; 0 would mean no timer to it.
            if starts[1].is_none() {
                self.bzrtp.command(&format!("time {}", self.ms + 1000));
            }
            let mut sent: Vec<(bool, usize, Vec<u8>)> = vec![];
            for (i, stream) in self.streams.iter_mut().enumerate() {
                sent.extend(
                    std::iter::from_fn(|| stream.poll_transmit()).map(|datagram| (false, i, datagram)),
                );
                self.told[i].hear(stream);
            }
            sent.extend(self.bzrtp.out.drain(..).map(|(i, datagram)| (true, i, datagram)));
            for (to_us, i, datagram) in sent {
                for _ in 0..1 + u64::from(random.chance(network.repeat)) {
                    count += 1;
                    if !random.chance(network.loss) {
                        let at = self.ms + random.below(network.delay + 1);
                        air.insert((at, count), (to_us, i, datagram.clone()));
                    }
                }
            }
            if enough == u64::MAX
                && self.told[channel].done()
                && self.bzrtp.line(&format!("secure {channel} ")).is_some()
            {
                enough = self.ms + 1000;
            }
            let due = air.first_key_value().is_some_and(|((at, _), _)| *at <= self.ms);
            self.ms += if due { 0 } else { 5 };
        }
    }

    /// Both secure with the same keys.
    fn assert_secure(&self, channel: usize, what: &str) {
        let told = &self.told[channel];
        assert!(told.failed.is_empty(), "{what}: {:?} {:?} {:?}", told.failed, told.alerts, self.bzrtp.told);
        assert_eq!(told.secured.len(), 1, "{what}: {:?} {:?}", told.alerts, self.bzrtp.told);
        let ours = &told.secured[0];
        let keys = |set: &sealrtp_srtp::KeySet| {
            format!("{} {}", hex(set.keys()[0].key()), hex(set.keys()[0].salt()))
        };
        assert_eq!(self.bzrtp.line(&format!("sender {channel} ")).unwrap(), keys(&ours.inbound), "{what}");
        assert_eq!(self.bzrtp.line(&format!("receiver {channel} ")).unwrap(), keys(&ours.outbound), "{what}");
        if channel == 0 {
            assert_eq!(self.bzrtp.field(0, "sas").unwrap(), ours.sas.to_string(), "{what}");
            let role = if ours.role == Role::Initiator { "responder" } else { "initiator" };
            assert_eq!(self.bzrtp.line("role ").unwrap_or(role), role, "{what}");
        }
    }
}

const QUICK: Network = Network { loss: 0, repeat: 0, delay: 10, start: [0, 0] };

/// Every combination that libbzrtp has, with its numbers for "set".
fn combinations() -> Vec<(Config, [String; 5])> {
    let mut all = vec![];
    for (agreement, ka) in
        [(KeyAgreement::X255, "42"), (KeyAgreement::Dh2k, "41"), (KeyAgreement::Dh3k, "45")]
    {
        for (hash, hash_number) in [(Hash::S256, "11"), (Hash::S384, "12")] {
            for (cipher, cipher_number) in [(Cipher::Aes1, "21"), (Cipher::Aes3, "23")] {
                for (tag, tag_number) in [(AuthTag::Hs32, "31"), (AuthTag::Hs80, "32")] {
                    for (sas, sas_number) in [(SasType::B32, "51"), (SasType::B256, "52")] {
                        let config = Config {
                            agreements: vec![agreement],
                            hashes: vec![hash],
                            ciphers: vec![cipher],
                            auth_tags: vec![tag],
                            sas_types: vec![sas],
                            ..Config::default()
                        };
                        let setup = [
                            format!("set 8 {ka} 4f"),
                            format!("set 1 {hash_number}"),
                            format!("set 2 {cipher_number}"),
                            format!("set 4 {tag_number}"),
                            format!("set 10 {sas_number}"),
                        ];
                        all.push((config, setup));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_algorithm_that_libbzrtp_has_gives_the_same_keys_and_the_same_sas_in_either_role() {
    for (config, setup) in combinations() {
        for passive in [false, true] {
            let config = Config { passive, ..config.clone() };
            let Some(mut call) = Call::new(&association(0, config.clone(), None), &setup) else { return };
            call.run(0, QUICK, 1);
            let what = format!("{setup:?}");
            call.assert_secure(0, &what);
            let Secured { terms, role, .. } = &call.told[0].secured[0];
            assert_eq!((terms.agreement, terms.hash), (config.agreements[0], config.hashes[0]), "{what}");
            assert_eq!((terms.cipher, terms.auth_tag), (config.ciphers[0], config.auth_tags[0]), "{what}");
            assert_eq!(terms.sas_type, config.sas_types[0], "{what}");
            assert!(!passive || *role == Role::Responder);
            assert!(call.told[0].alerts.is_empty(), "{:?}", call.told[0].alerts);
        }
    }
}

fn seeds() -> u64 {
    std::env::var("SEALRTP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150)
}

#[test]
fn over_a_bad_network_with_either_side_six_seconds_late_the_keys_are_the_same() {
    let (mut secure, mut given_up) = (0, 0);
    for seed in 0..seeds() {
        let config =
            Config { agreements: vec![KeyAgreement::X255], passive: seed % 5 == 4, ..Config::default() };
        let setup = ["set 8 42 4f".to_owned()];
        let Some(mut call) = Call::new(&association(0, config, None), &setup) else { return };
        let start = [[0, 0], [0, 6000], [6000, 0]][seed as usize % 3];
        call.run(0, Network { loss: 30, repeat: 10, delay: 100, start }, seed);
        let theirs = call.bzrtp.line("secure 0 ").is_some();
        if call.told[0].secured.len() == 1 && theirs {
            call.assert_secure(0, &format!("seed {seed}"));
            secure += 1;
        } else {
            given_up += 1;
            println!("seed {seed}: {:?} {:?} theirs {theirs}", call.told[0].failed, call.told[0].alerts);
        }
    }
    println!("{secure} secure, {given_up} given up");
    assert!(given_up * 20 <= seeds(), "{given_up} of {} given up", seeds());
}

#[test]
fn a_second_stream_by_multistream_has_the_same_keys_at_libbzrtp() {
    for seed in 0..10 {
        let ours = association(0, Config { passive: seed % 2 == 0, ..Config::default() }, None);
        let Some(mut call) = Call::new(&ours, &["set 8 42 45 4f".to_owned()]) else { return };
        call.run(0, QUICK, seed);
        call.assert_secure(0, "audio");
        call.streams.push(Stream::new(&ours, 0x2002, call.now()).unwrap());
        call.told.push(Told::default());
        call.run(1, QUICK, seed);
        call.assert_secure(1, &format!("video, seed {seed}"));
        assert_eq!(call.told[1].secured[0].terms.agreement, KeyAgreement::Multistream);
        assert_eq!(call.bzrtp.field(1, "ka"), Some("4f"));
    }
}

#[test]
fn auxiliary_secrets_match_or_not_at_both_ends() {
    for (theirs, expected) in [(7, "0"), (8, "1")] {
        let setup = [format!("aux {}", hex(&[theirs; 32]))];
        let Some(mut call) = Call::new(&association(0, Config::default(), None), &setup) else { return };
        call.streams[0].set_aux_secret(Secret::new([7; 32]));
        call.run(0, QUICK, 1);
        call.assert_secure(0, "aux");
        assert_eq!(call.told[0].secured[0].aux_match, Some(expected == "0"));
        assert_eq!(call.bzrtp.field(0, "aux"), Some(expected));
    }
}

#[test]
fn each_believes_the_others_zrtp_hash_and_libbzrtp_refuses_a_wrong_one() {
    let ours = association(0, Config::default(), None);
    let Some(mut call) = Call::new(&ours, &[]) else { return };
    let hash = call.streams[0].hello_hash().to_string();
    call.bzrtp.command(&format!("hello-hash 0 {hash}"));
    call.bzrtp.command("own-hash");
    let theirs = call.bzrtp.line("own-hash ").unwrap().parse().unwrap();
    call.streams[0].set_peer_hello_hash(&theirs);
    call.run(0, QUICK, 1);
    call.assert_secure(0, "hash");
    assert!(!call.told[0].alerts.contains(&Alert::HelloHash));
    let mut call = Call::new(&ours, &[]).unwrap();
    call.bzrtp.command(&format!("hello-hash 0 {hash}"));
    call.run(0, QUICK, 1);
    assert!(call.bzrtp.line("secure 0 ").is_none() && call.told[0].secured.is_empty());
}

/// One call of a series, in which both ends keep caches.
fn kept(cache: &Arc<MemoryCache>, file: &std::path::Path, seed: u64) -> Option<Call> {
    let setup = [format!("cache {}", file.display())];
    let mut call = Call::new(&association(0, Config::default(), Some(cache.clone())), &setup)?;
    call.run(0, QUICK, seed);
    call.assert_secure(0, &format!("call {seed}"));
    Some(call)
}

#[test]
fn retained_secrets_verified_flags_and_mismatches_are_seen_alike() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("zid-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("cache.sqlite");
    let _ = std::fs::remove_file(&file);
    let cache = memory();
    let Some(mut call) = kept(&cache, &file, 1) else { return };
    assert_eq!(call.told[0].secured[0].continuity, Continuity::New);
    assert_eq!(call.bzrtp.field(0, "mismatch"), Some("0"));
    call.streams[0].set_verified(true);
    call.bzrtp.command("verified");
    drop(call);
    for seed in 2..6 {
        let call = kept(&cache, &file, seed).unwrap();
        let ours = &call.told[0].secured[0];
        assert_eq!((ours.continuity, ours.verified), (Continuity::Match, true), "call {seed}");
        assert_eq!(
            (call.bzrtp.field(0, "verified"), call.bzrtp.field(0, "mismatch")),
            (Some("1"), Some("0"))
        );
    }
    // We forget: libbzrtp sees the mismatch. Verified anew, both go on.
    let forgotten = memory();
    let mut call = kept(&forgotten, &file, 6).unwrap();
    assert_eq!(call.bzrtp.field(0, "mismatch"), Some("1"));
    assert_eq!(call.told[0].secured[0].continuity, Continuity::New);
    call.streams[0].set_verified(true);
    call.bzrtp.command("verified");
    drop(call);
    let call = kept(&forgotten, &file, 7).unwrap();
    assert_eq!((call.bzrtp.field(0, "mismatch"), call.told[0].secured[0].verified), (Some("0"), true));
    drop(call);
    // The old secrets come back: mismatch at both ends.
    let call = kept(&cache, &file, 8).unwrap();
    assert_eq!(call.bzrtp.field(0, "mismatch"), Some("1"));
    assert_eq!((call.told[0].secured[0].continuity, call.told[0].mismatches()), (Continuity::Mismatch, 1));
    let _ = std::fs::remove_dir_all(&folder);
}
