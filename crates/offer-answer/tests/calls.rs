//! Two ends that negotiate by policy, then send each other media.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sealrtp_dtls::{Context, Identity};
use sealrtp_offer_answer::{Applied, Means, Message, OfferAnswer, Refusal, Remote};
use sealrtp_policy::{Config, Signalling};
use sealrtp_session::{Component, Received, RtcpTransport, Session, State, WithoutKeys};
use sealrtp_srtp::Limits;
use sealrtp_zrtp::Association;
use sealrtp_zrtp::message::Zid;

const CLEAR: &str = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

fn config(settings: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    for (key, value) in settings {
        config.set(key, value).unwrap();
    }
    config
}

struct End {
    negotiation: OfferAnswer,
    session: Session,
    context: Context,
    fingerprint: String,
    association: Association,
    ssrc: u32,
    now: Instant,
}

impl End {
    fn new(number: u8, config: Config) -> Self {
        let identity = Identity::generate(SystemTime::now()).unwrap();
        let context = Context::new(sealrtp_dtls::Config::default(), &identity).unwrap();
        let association =
            Association::new(Arc::new(sealrtp_zrtp::Config::default()), Zid([number; 12]), None).unwrap();
        Self {
            fingerprint: context.fingerprint().to_string(),
            negotiation: OfferAnswer::new(config, "PJSIP/alice"),
            session: Session::new(Limits::default(), WithoutKeys::Pass),
            context,
            association,
            ssrc: number.into(),
            now: Instant::now(),
        }
    }

    fn with_means<T>(
        &mut self,
        body: impl FnOnce(&mut OfferAnswer, &mut Session, &Means<'_>, Instant) -> T,
    ) -> T {
        let means = Means {
            dtls: Some((&self.context, &self.fingerprint)),
            zrtp: Some((&self.association, self.ssrc)),
        };
        body(&mut self.negotiation, &mut self.session, &means, self.now)
    }

    /// Our description for the peer.
    fn says(&mut self, message: &Message) -> Result<String, Refusal> {
        let plans = self.negotiation.local(CLEAR.as_bytes(), message)?;
        assert_eq!(plans.len(), 1);
        assert_eq!((plans[0].port, plans[0].rtp), (4000, true));
        self.with_means(|negotiation, session, means, now| negotiation.describe(0, session, means, now))?;
        let text = self.negotiation.write()?.expect("a description");
        Ok(String::from_utf8(text.to_vec()).unwrap())
    }

    /// The peer's description, as the PBX sees it.
    fn hears(&mut self, text: &str, message: &Message) -> Result<String, Refusal> {
        Ok(match self.negotiation.remote(text.as_bytes(), message)? {
            Remote::AsItCame => text.to_owned(),
            Remote::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        })
    }

    fn applies(&mut self) -> Result<Applied, Refusal> {
        self.with_means(|negotiation, session, means, now| negotiation.apply(0, session, means, now))
    }
}

fn from() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn invite(cseq: u32, signalling: Signalling) -> Message {
    Message { request: true, cseq, signalling }
}

fn response(cseq: u32, signalling: Signalling) -> Message {
    Message { request: false, cseq, signalling }
}

struct Call {
    caller: End,
    callee: End,
    offer: String,
    answer: String,
}

/// One offer and its answer.
fn call(caller: Config, callee: Config, signalling: Signalling) -> Result<Call, Refusal> {
    let (mut caller, mut callee) = (End::new(1, caller), End::new(2, callee));
    let (offer, answer) = exchange(&mut caller, &mut callee, 1, signalling)?;
    Ok(Call { caller, callee, offer, answer })
}

fn exchange(
    caller: &mut End,
    callee: &mut End,
    cseq: u32,
    signalling: Signalling,
) -> Result<(String, String), Refusal> {
    let offer = caller.says(&invite(cseq, signalling))?;
    let seen = callee.hears(&offer, &invite(cseq, signalling))?;
    assert_eq!(seen, CLEAR, "the PBX sees a clear call");
    let answer = callee.says(&response(cseq, signalling))?;
    let taken = callee.applies()?;
    let seen = caller.hears(&answer, &response(cseq, signalling))?;
    assert_eq!(seen, CLEAR, "the PBX sees a clear answer");
    assert_eq!(caller.applies()?, taken);
    Ok((offer, answer))
}

impl Call {
    fn ends(&mut self) -> [&mut End; 2] {
        [&mut self.caller, &mut self.callee]
    }

    fn ends_from(&mut self, turned: bool) -> [&mut End; 2] {
        if turned { [&mut self.callee, &mut self.caller] } else { self.ends() }
    }

    /// Begins what begins with media, and carries all datagrams.
    fn connect(&mut self) -> Applied {
        let applied = self.caller.applies().unwrap();
        for end in self.ends() {
            match applied {
                Applied::Dtls => {
                    end.session.dtls_start(RtcpTransport::Muxed, false, end.now).unwrap();
                }
                Applied::Zrtp => end.session.zrtp_start(end.now),
                Applied::Sdes | Applied::Clear | Applied::Open => {}
            }
        }
        for _ in 0..200 {
            let mut idle = true;
            for turned in [false, true] {
                let [a, b] = self.ends_from(turned);
                while let Some(mut out) = a.session.poll_transmit() {
                    idle = false;
                    b.session.receive(Component::Rtp, &mut out.datagram, from(), b.now);
                }
            }
            let secure = self.ends().iter().all(|end| end.session.state(Component::Rtp) == State::Secure);
            let due = self.ends().iter().filter_map(|end| end.session.poll_timeout()).min();
            match due {
                // Nothing is under way: to the next deadline, unless all is done.
                Some(due) if idle && !secure => {
                    for end in self.ends() {
                        end.now = end.now.max(due);
                        end.session.handle_timeout(end.now);
                    }
                }
                _ if idle => break,
                _ => {}
            }
        }
        applied
    }

    /// Whether media passes both ways, and how it looks on the way.
    fn media(&mut self) -> [State; 2] {
        for turned in [false, true] {
            let [a, b] = self.ends_from(turned);
            let mut packet = [0x55; 200];
            packet[..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, a.ssrc as u8]);
            let len = a.session.protect_rtp(&mut packet, 52).expect("it leaves");
            assert_eq!(packet[12..52] == [0x55; 40], a.session.state(Component::Rtp) == State::Bypass);
            match b.session.receive(Component::Rtp, &mut packet[..len], from(), b.now) {
                Received::Rtp(len) => assert_eq!(packet[12..len], [0x55; 40]),
                other => panic!("{other:?}"),
            }
        }
        [self.caller.session.state(Component::Rtp), self.callee.session.state(Component::Rtp)]
    }
}

fn profile(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("m=audio 4000 ")).unwrap().split(' ').next().unwrap()
}

fn has(text: &str, attribute: &str) -> bool {
    text.lines().any(|line| line.starts_with(&format!("a={attribute}:")))
}

#[test]
fn the_first_of_accept_that_the_offer_carries_is_taken_and_its_keys_are_the_same_at_both_ends() {
    let orders = [
        "sdes,dtls,zrtp",
        "sdes,zrtp,dtls",
        "dtls,sdes,zrtp",
        "dtls,zrtp,sdes",
        "zrtp,sdes,dtls",
        "zrtp,dtls,sdes",
    ];
    let offers = [&orders[..], &["sdes", "dtls", "zrtp", "zrtp,dtls", "sdes,zrtp", "dtls,sdes"]].concat();
    for offer in offers {
        for accept in orders {
            let settings = |key| config(&[(key, if key == "offer" { offer } else { accept })]);
            let mut call = call(settings("offer"), settings("accept"), Signalling::Tls).unwrap();
            let expected = accept.split(',').find(|method| offer.contains(method)).unwrap();
            let applied = call.connect();
            let expected = match expected {
                "sdes" => Applied::Sdes,
                "dtls" => Applied::Dtls,
                _ => Applied::Zrtp,
            };
            assert_eq!(applied, expected, "offer {offer}, accept {accept}");
            assert_eq!(profile(&call.offer), "RTP/AVP", "RFC 8643");
            assert_eq!(profile(&call.answer), "RTP/AVP");
            for (attribute, method) in [("crypto", "sdes"), ("fingerprint", "dtls"), ("zrtp-hash", "zrtp")] {
                assert_eq!(has(&call.offer, attribute), offer.contains(method));
            }
            assert_eq!(has(&call.answer, "crypto"), applied == Applied::Sdes);
            assert_eq!(has(&call.answer, "fingerprint"), applied == Applied::Dtls);
            assert_eq!(has(&call.answer, "zrtp-hash"), applied == Applied::Zrtp);
            assert_eq!(call.media(), [State::Secure; 2], "offer {offer}, accept {accept}");
        }
    }
}

#[test]
fn a_strict_offer_has_the_profile_of_its_first_method_and_its_answer_the_same() {
    for (offer, expected) in [
        ("sdes", "RTP/SAVP"),
        ("sdes,dtls", "RTP/SAVP"),
        ("sdes,zrtp", "RTP/SAVP"),
        ("dtls", "UDP/TLS/RTP/SAVP"),
        ("dtls,sdes,zrtp", "UDP/TLS/RTP/SAVP"),
        ("zrtp,dtls,sdes", "RTP/AVP"),
    ] {
        let mut call = call(
            config(&[("offer", offer), ("fallback", "reject")]),
            config(&[("fallback", "reject")]),
            Signalling::Tls,
        )
        .unwrap();
        assert_eq!((profile(&call.offer), profile(&call.answer)), (expected, expected), "{offer}");
        assert_eq!(has(&call.offer, "crypto"), offer.contains("sdes") && !expected.contains("UDP/TLS"));
        call.connect();
        assert_eq!(call.media(), [State::Secure; 2], "{offer}");
    }
}

#[test]
fn without_a_common_method_a_call_is_clear_or_refused_as_fallback_says() {
    let only = |method, fallback| config(&[("offer", method), ("accept", method), ("fallback", fallback)]);
    let mut clear = call(only("sdes", "rtp"), only("dtls", "rtp"), Signalling::Tls).unwrap();
    assert_eq!(clear.connect(), Applied::Clear);
    assert_eq!(clear.media(), [State::Bypass; 2]);
    assert!(!has(&clear.answer, "crypto") && !has(&clear.answer, "fingerprint"));

    for (caller, callee) in [("rtp", "reject"), ("reject", "rtp"), ("reject", "reject")] {
        let refused = call(only("sdes", caller), only("dtls", callee), Signalling::Tls);
        let Err(Refusal::Policy(why)) = refused else { panic!("{caller} {callee}") };
        assert!(why.contains("accept = dtls") || why.contains("fallback = reject"), "{why}");
    }
}

#[test]
fn a_phone_with_avpf_is_shown_to_the_pbx_in_the_profile_that_it_takes_and_answered_in_its_own() {
    let dtls = config(&[("offer", "dtls"), ("fallback", "reject")]);
    let offer = End::new(1, dtls).says(&invite(1, Signalling::Tls)).unwrap().replace("/SAVP ", "/SAVPF ");
    for (feedback, seen) in [(Some(false), "RTP/AVP"), (Some(true), "RTP/AVPF"), (None, "RTP/AVPF")] {
        let mut callee = End::new(2, config(&[]));
        if let Some(feedback) = feedback {
            callee.negotiation.set_feedback(feedback);
        }
        assert_eq!(profile(&callee.hears(&offer, &invite(1, Signalling::Tls)).unwrap()), seen);
        assert_eq!(profile(&callee.says(&response(1, Signalling::Tls)).unwrap()), "UDP/TLS/RTP/SAVPF");
    }
}

#[test]
fn sdes_is_neither_offered_nor_taken_over_signalling_that_anybody_can_read() {
    let sdes = |signalling| config(&[("offer", "sdes"), ("accept", "sdes"), ("sdes_signalling", signalling)]);
    let clear = call(sdes("tls"), sdes("any"), Signalling::Clear).unwrap();
    assert!(!has(&clear.offer, "crypto"));
    let mut clear = call(sdes("any"), sdes("tls"), Signalling::Clear).unwrap();
    assert!(has(&clear.offer, "crypto") && !has(&clear.answer, "crypto"));
    assert_eq!(clear.connect(), Applied::Clear);
    assert!(clear.callee.negotiation.explain().contains("sdes_signalling = any"), "says what to change");
    let mut secure = call(sdes("any"), sdes("any"), Signalling::Clear).unwrap();
    assert_eq!(secure.connect(), Applied::Sdes);
    assert_eq!(secure.media(), [State::Secure; 2]);
}

#[test]
fn a_re_offer_repeats_what_was_agreed_on_and_changes_no_key() {
    for method in ["sdes", "dtls", "zrtp"] {
        let settings = || config(&[("accept", method)]);
        let mut call = call(settings(), settings(), Signalling::Tls).unwrap();
        call.connect();
        assert_eq!(call.media(), [State::Secure; 2]);
        for cseq in 2..5 {
            let Call { caller, callee, .. } = &mut call;
            let (from, to) = if cseq % 2 == 0 { (caller, callee) } else { (callee, caller) };
            let (offer, _) = exchange(from, to, cseq, Signalling::Tls).unwrap();
            let attributes = ["crypto", "fingerprint", "zrtp-hash"].map(|attribute| has(&offer, attribute));
            assert_eq!(attributes, ["sdes", "dtls", "zrtp"].map(|known| known == method), "{offer}");
            assert_eq!(offer.matches("a=crypto").count(), usize::from(method == "sdes"));
        }
        assert_eq!(call.caller.session.counters().inbound().rekeys, 0, "{method}");
        assert_eq!(call.callee.session.counters().outbound().rekeys, 0, "{method}");
    }
}

#[test]
fn in_passthrough_our_hello_is_in_no_description() {
    let settings = || config(&[("offer", "zrtp"), ("accept", "zrtp"), ("zrtp_mode", "passthrough")]);
    for call in [
        call(settings(), config(&[("accept", "zrtp")]), Signalling::Clear).unwrap(),
        call(config(&[("offer", "zrtp")]), settings(), Signalling::Clear).unwrap(),
    ] {
        let from_passthrough = [&call.offer, &call.answer].map(|text| has(text, "zrtp-hash"));
        assert_eq!(from_passthrough.iter().filter(|has| **has).count(), 1, "{}{}", call.offer, call.answer);
    }
}

#[test]
fn a_secured_call_does_not_become_clear_by_a_re_offer_unless_both_keys_say_so() {
    for (settings, allowed) in [
        (&[("accept", "sdes")][..], false),
        (&[("accept", "sdes"), ("on_failure", "warn")], true),
        (&[("accept", "sdes"), ("on_failure", "warn"), ("fallback", "reject")], false),
    ] {
        let mut call = call(config(&[("offer", "sdes")]), config(settings), Signalling::Tls).unwrap();
        let refused = call.callee.hears(CLEAR, &invite(2, Signalling::Tls));
        assert_eq!(refused.is_ok(), allowed, "{settings:?}: {refused:?}");
        if !allowed {
            assert_eq!(call.callee.applies(), Ok(Applied::Sdes), "what was agreed on stands");
            assert_eq!(call.media(), [State::Secure; 2]);
        }
    }
}

#[test]
fn an_answer_that_lies_ends_the_call() {
    let answers = |settings: &[(&str, &str)], answer: &dyn Fn(&str) -> String| {
        let mut caller = End::new(1, config(settings));
        let offer = caller.says(&invite(1, Signalling::Tls)).unwrap();
        caller.hears(&answer(&offer), &response(1, Signalling::Tls))
    };
    let with = |line: &str| format!("{CLEAR}{line}\r\n");
    let key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    type Settings<'a> = &'a [(&'a str, &'a str)];
    type Answer<'a> = &'a dyn Fn(&str) -> String;
    type Lie<'a> = (&'a str, Settings<'a>, Answer<'a>);
    let lies: [Lie<'_>; 8] = [
        ("a tag that was not offered", &[], &|_| with(&format!("a=crypto:77 AES_CM_128_HMAC_SHA1_80 {key}"))),
        ("the suite of another tag", &[], &|_| with(&format!("a=crypto:1 AES_CM_128_HMAC_SHA1_32 {key}"))),
        ("a key of the wrong length", &[], &|_| with("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:AAAA")),
        ("crypto that was not offered", &[("offer", "dtls")], &|_| {
            with(&format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 {key}"))
        }),
        ("RTP/SAVP without keys", &[], &|_| CLEAR.replace("RTP/AVP", "RTP/SAVP")),
        ("UDP/TLS without a fingerprint", &[], &|_| {
            CLEAR.replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + "a=setup:active\r\n"
        }),
        ("a fingerprint without a role", &[], &|_| {
            with(&format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":")))
        }),
        ("our own key", &[], &|offer| {
            let line = offer.lines().find(|line| line.starts_with("a=crypto:1 ")).unwrap();
            with(line)
        }),
    ];
    for (lie, settings, answer) in lies {
        let refused = answers(settings, answer);
        assert!(matches!(refused, Err(Refusal::Policy(_))), "{lie}: {refused:?}");
    }
}

#[test]
fn a_carriers_trunk_answers_rtp_savp_to_our_rtp_avp_and_is_taken() {
    let mut caller = End::new(1, config(&[("offer", "sdes")]));
    let offer = caller.says(&invite(1, Signalling::Tls)).unwrap();
    let tag = offer
        .lines()
        .find_map(|line| line.strip_prefix("a=crypto:")?.split_once(" AES_CM_128_HMAC_SHA1_80 "))
        .unwrap()
        .0
        .to_owned();
    let answer = CLEAR.replace("RTP/AVP", "RTP/SAVP")
        + &format!(
            "a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:7aNj4ZNv8I94feZgZP2sPmVcyNxTGIHjhkbR1rLz\r\n"
        );
    assert_eq!(caller.hears(&answer, &response(1, Signalling::Tls)).unwrap(), CLEAR);
    assert_eq!(caller.applies(), Ok(Applied::Sdes));
    assert_eq!(caller.session.state(Component::Rtp), State::Secure);
}

#[test]
fn each_fork_that_answers_is_heard_and_the_last_one_counts() {
    let mut caller = End::new(1, config(&[("offer", "sdes")]));
    let offer = caller.says(&invite(1, Signalling::Tls)).unwrap();
    let mut forks = [2, 3].map(|number| End::new(number, config(&[])));
    for fork in &mut forks {
        fork.hears(&offer, &invite(1, Signalling::Tls)).unwrap();
        let answer = fork.says(&response(1, Signalling::Tls)).unwrap();
        fork.applies().unwrap();
        for _ in 0..2 {
            caller.hears(&answer, &response(1, Signalling::Tls)).unwrap();
            assert_eq!(caller.applies(), Ok(Applied::Sdes));
        }
    }
    let [_, last] = forks;
    let mut call = Call { caller, callee: last, offer: String::new(), answer: String::new() };
    assert_eq!(call.media(), [State::Secure; 2]);
}

#[test]
fn an_explanation_names_the_rule_of_each_step_and_no_key() {
    let call = call(config(&[]), config(&[("accept", "dtls,sdes")]), Signalling::Tls).unwrap();
    let text = call.callee.negotiation.explain();
    assert!(
        text.contains(
            "[PJSIP/alice] offer from the peer: audio RTP/AVP with SDES (7 attributes), DTLS, ZRTP"
        ),
        "{text}"
    );
    assert!(text.contains("accept = dtls, sdes: dtls is taken"), "{text}");
    let text = call.caller.negotiation.explain();
    assert!(
        text.contains("our offer: audio RTP/AVP with zrtp, dtls, sdes: offer = zrtp, dtls, sdes (default)"),
        "{text}"
    );
    assert!(text.contains("the answer picks dtls of our offer"), "{text}");
    assert!(!text.contains("inline:"));
    let mut negotiation = call.caller.negotiation;
    negotiation.note("DTLS-SRTP failed:\nno answer");
    assert!(negotiation.explain().ends_with("[PJSIP/alice] DTLS-SRTP failed: no answer\n"));
}

#[test]
fn another_policy_decides_anew_over_an_offer_that_is_not_answered_yet_and_not_over_one_that_is() {
    let offered = |settings: &[(&str, &str)]| {
        let mut caller = End::new(1, config(settings));
        let mut callee = End::new(2, config(&[]));
        let offer = caller.says(&invite(1, Signalling::Tls)).unwrap();
        callee.hears(&offer, &invite(1, Signalling::Tls)).unwrap();
        (caller, callee)
    };
    let (mut caller, mut callee) = offered(&[]);
    callee.negotiation.set_config(config(&[("accept", "dtls")])).unwrap();
    let answer = callee.says(&response(1, Signalling::Tls)).unwrap();
    assert!(has(&answer, "fingerprint") && !has(&answer, "crypto"));
    assert_eq!(callee.applies(), Ok(Applied::Dtls));
    caller.hears(&answer, &response(1, Signalling::Tls)).unwrap();
    callee.negotiation.set_config(config(&[("accept", "sdes")])).unwrap();
    assert_eq!(callee.applies(), Ok(Applied::Dtls), "it was answered");

    let (_, mut callee) = offered(&[("offer", "none"), ("accept", "sdes")]);
    let refused = callee.negotiation.set_config(config(&[("accept", "sdes"), ("fallback", "reject")]));
    assert!(
        matches!(&refused, Err(Refusal::Policy(why)) if why.contains("fallback = reject")),
        "{refused:?}"
    );
    assert_eq!(callee.applies(), Ok(Applied::Open), "nothing was agreed on");
}

#[test]
fn keys_that_were_agreed_on_over_tls_do_not_go_out_over_signalling_that_anybody_can_read() {
    let mut call = call(config(&[("offer", "sdes")]), config(&[]), Signalling::Tls).unwrap();
    for end in call.ends() {
        let refused = end.says(&invite(2, Signalling::Clear));
        assert!(
            matches!(&refused, Err(Refusal::Policy(why)) if why.contains("sdes_signalling")),
            "{refused:?}"
        );
        assert_eq!(end.applies(), Ok(Applied::Sdes), "what was agreed on stands");
    }
    assert_eq!(call.media(), [State::Secure; 2]);
    let Call { caller, callee, .. } = &mut call;
    exchange(caller, callee, 3, Signalling::Tls).unwrap();
}

#[test]
fn an_explanation_has_no_control_characters_of_the_peers() {
    let mut callee = End::new(2, config(&[]));
    let offer = CLEAR.replace("m=audio", "m=au\u{1b}[2Jdio");
    callee.hears(&offer, &invite(1, Signalling::Tls)).unwrap();
    let text = callee.negotiation.explain();
    assert!(text.contains("au [2Jdio") && !text.contains('\u{1b}'), "{text:?}");
}
