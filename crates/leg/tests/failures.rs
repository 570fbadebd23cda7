//! When security fails: what is told, what becomes of the call, and that nothing clear passes.

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use common::{AUDIO, End, answer, config, exchange, offer, only, silent, talk};
use sealrtp_leg::{Associations, Event, Happened, Refusal};
use sealrtp_policy::{Config, Consequence};
use sealrtp_session::{Event as SessionEvent, State};
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, MemoryCache};

fn failed(end: &End, is: impl Fn(&SessionEvent) -> bool + Copy) -> Event {
    let is = move |what: &Happened| matches!(what, Happened::Session(event) if is(event));
    end.wait("the failure", |end| !end.happened(is).is_empty());
    end.happened(is).remove(0)
}

/// The text with another first byte in each fingerprint.
fn forged(text: &str) -> String {
    let (before, behind) = text.split_once("a=fingerprint:sha-256 ").unwrap();
    let other = if behind.starts_with("00") { "01" } else { "00" };
    format!("{before}a=fingerprint:sha-256 {other}{}", &behind[2..])
}

#[test]
fn another_certificate_than_the_sdp_says_ends_the_call_in_either_role() {
    for forge_offer in [true, false] {
        for (on_failure, consequence) in [("hangup", Consequence::Hangup), ("warn", Consequence::Block)] {
            let policy = || {
                config(&[
                    ("offer", "dtls"),
                    ("accept", "dtls"),
                    ("fallback", "rtp"),
                    ("on_failure", on_failure),
                ])
            };
            let (alice, bob) = (End::new("alice", policy()), End::new("bob", policy()));
            let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
            bob.remote(&if forge_offer { forged(&offered) } else { offered }, &offer(1)).unwrap();
            let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
            alice.remote(&if forge_offer { answered } else { forged(&answered) }, &answer(1)).unwrap();
            let victim = if forge_offer { &bob } else { &alice };
            let event = failed(victim, |event| matches!(event, SessionEvent::Failed { .. }));
            assert_eq!(event.consequence, Some(consequence), "{event}");
            assert_eq!(victim.stream(0).state, State::Block);
            silent(&alice, &bob, 0);
            silent(&bob, &alice, 0);
            assert!(victim.leg.explain().contains("failed"));
            // No description brings a failed line back.
            let _ = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 2);
            silent(victim, if forge_offer { &alice } else { &bob }, 0);
        }
    }
}

#[test]
fn a_peer_without_zrtp_is_silent_under_reject_and_clear_under_rtp() {
    for (fallback, consequence) in [("reject", Some(Consequence::Hangup)), ("rtp", None)] {
        let (alice, bob) = (End::new("alice", only("zrtp", fallback)), End::new("bob", only("sdes", "rtp")));
        exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
        let event = failed(&alice, |event| matches!(event, SessionEvent::ZrtpNoAnswer));
        assert_eq!(event.consequence, consequence);
        if fallback == "reject" {
            assert_eq!(alice.stream(0).state, State::Block);
            silent(&alice, &bob, 0);
            silent(&bob, &alice, 0);
        } else {
            talk(&alice, &bob, 0, 1);
        }
    }
}

/// With a cache.
struct Remembering(Zid, Arc<MemoryCache>);

impl Associations for Remembering {
    fn begin(&self, config: &Config, _: bool) -> Option<Association> {
        Association::new(Arc::new(config.zrtp().clone()), self.0, Some(self.1.clone())).ok()
    }
}

fn cache() -> Arc<MemoryCache> {
    Arc::new(MemoryCache::new(SystemTime::now))
}

#[test]
fn a_peer_that_lost_its_secrets_is_told_of_and_stopped_where_policy_says_so() {
    for (on_failure, consequence) in [
        (None, Consequence::Continue),
        (Some("block"), Consequence::Block),
        (Some("hangup"), Consequence::Hangup),
    ] {
        let caches = [cache(), cache()];
        let call = |of_bob: &Arc<MemoryCache>| {
            let mut policy = only("zrtp", "rtp");
            if let Some(value) = on_failure {
                policy.set("on_failure", value).unwrap();
            }
            let end = |name, zid, cache: &Arc<MemoryCache>| {
                End::at(name, policy.clone(), "127.0.0.1", |terms| {
                    terms.zrtp = Some(Box::new(Remembering(Zid([zid; 12]), cache.clone())));
                })
            };
            let (alice, bob) = (end("alice", 1, &caches[0]), end("bob", 2, of_bob));
            exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
            (alice, bob)
        };
        let (alice, bob) = call(&caches[1]);
        alice.wait_secure(0);
        bob.wait_secure(0);
        drop((alice, bob));
        let (alice, bob) = call(&cache());
        let event = failed(&alice, |event| matches!(event, SessionEvent::ZrtpCacheMismatch(_)));
        assert_eq!(event.consequence, Some(consequence));
        if consequence == Consequence::Continue {
            alice.wait_secure(0);
            bob.wait_secure(0);
            talk(&alice, &bob, 0, 1);
        } else {
            alice.wait("BLOCK", |end| end.stream(0).state == State::Block);
            silent(&alice, &bob, 0);
            silent(&bob, &alice, 0);
        }
    }
}

#[test]
fn a_refused_re_offer_changes_nothing() {
    let (alice, bob) = (End::new("alice", only("sdes", "reject")), End::new("bob", only("sdes", "reject")));
    let call = exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    let wrong = [
        call.offer.replace("a=crypto", "a=x-crypto"),
        call.offer.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x-crypto"),
        call.offer.replace("inline:", "inline:!"),
        "m=audio x RTP/AVP 0\r\n".into(),
        "no sdp".into(),
    ];
    for (wrong, first) in wrong.iter().zip((10..).step_by(10)) {
        assert!(matches!(bob.remote(wrong, &offer(2)), Err(Refusal::Policy(_) | Refusal::Sdp(_))), "{wrong}");
        assert_eq!(bob.stream(0).state, State::Secure);
        talk(&alice, &bob, 0, first);
    }
}

#[test]
fn a_refused_answer_leaves_no_line_of_an_opportunistic_offer_open() {
    let (alice, bob) = (End::new("alice", only("sdes", "rtp")), End::new("bob", only("sdes", "rtp")));
    let offered = alice.local(&[AUDIO], &offer(1)).unwrap();
    assert_eq!(alice.stream(0).state, State::Bypass);
    bob.remote(&offered, &offer(1)).unwrap();
    let answered = bob.local(&[AUDIO], &answer(1)).unwrap();
    let wrong = answered.replace("inline:", "inline:!");
    assert!(matches!(alice.remote(&wrong, &answer(1)), Err(Refusal::Policy(_))));
    assert_eq!(alice.stream(0).state, State::Block);
}

#[test]
fn nothing_is_told_after_the_end() {
    let (alice, bob) = (End::new("alice", only("dtls", "reject")), End::new("bob", only("dtls", "reject")));
    exchange(&alice, &bob, &[AUDIO], &[AUDIO], 1).unwrap();
    let heard = [alice.heard.clone(), bob.heard.clone()];
    drop((alice, bob));
    let counts = || heard.iter().map(|heard| heard.0.lock().unwrap().len()).collect::<Vec<_>>();
    let before = counts();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(counts(), before);
}
