//! Keys by ZRTP: what passes before, while and after they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sealrtp_session::{
    CHANGEOVER, Component, Event, Received, Refusal, Session, State, WithoutKeys, ZrtpSecured,
};
use sealrtp_srtp::{KeySet, Limits, MasterKey, Suite};
use sealrtp_zrtp::message::{MessageType, Zid};
use sealrtp_zrtp::packet::Packet;
use sealrtp_zrtp::{Association, Cache, Config, Continuity, Failure, MemoryCache};

const RTP_LEN: usize = 172;

fn from() -> SocketAddr {
    "127.0.0.1:4000".parse().unwrap()
}

fn cache() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(SystemTime::now))
}

fn association(number: u8, cache: Option<Arc<dyn Cache>>) -> Association {
    Association::new(Arc::new(Config::default()), Zid([number; 12]), cache).unwrap()
}

/// Two ends of one stream, in virtual time.
struct Call {
    ends: [Session; 2],
    sequences: [u16; 2],
    events: [Vec<Event>; 2],
    now: Instant,
}

impl Call {
    fn between(associations: [&Association; 2], rules: [WithoutKeys; 2]) -> Self {
        let now = Instant::now();
        let mut numbers = 1..;
        let ends = [0, 1].map(|end| {
            let mut session = Session::new(Limits::default(), rules[end]);
            session.zrtp_use(associations[end], numbers.next().unwrap(), now).unwrap();
            session
        });
        Self { ends, sequences: [0; 2], events: [Vec::new(), Vec::new()], now }
    }

    fn new(rules: [WithoutKeys; 2]) -> Self {
        Self::between([&association(1, None), &association(2, None)], rules)
    }

    fn start(&mut self) {
        let now = self.now;
        self.ends.iter_mut().for_each(|end| end.zrtp_start(now));
    }

    /// Carries what is to be sent until nothing is, or until a datagram for which `stops` is true.
    fn carry_until(&mut self, mut stops: impl FnMut(usize, &[u8]) -> bool) {
        loop {
            let mut idle = true;
            for end in 0..2 {
                while let Some(mut out) = self.ends[end].poll_transmit() {
                    idle = false;
                    assert_eq!(out.component, Component::Rtp);
                    if stops(end, &out.datagram) {
                        return self.collect();
                    }
                    let received =
                        self.ends[1 - end].receive(Component::Rtp, &mut out.datagram, from(), self.now);
                    assert_eq!(received, Received::Consumed);
                }
            }
            self.collect();
            if idle {
                return;
            }
        }
    }

    fn collect(&mut self) {
        for (end, events) in self.ends.iter_mut().zip(&mut self.events) {
            events.extend(std::iter::from_fn(|| end.poll_event()));
        }
    }

    /// To the next deadline of either end, and what it brings about.
    fn wait(&mut self) {
        let next = self.ends.iter().filter_map(Session::poll_timeout).min().expect("somebody waits");
        self.now = self.now.max(next);
        let now = self.now;
        self.ends.iter_mut().for_each(|end| end.handle_timeout(now));
        self.carry_until(|_, _| false);
    }

    fn packet(&mut self, end: usize) -> Vec<u8> {
        self.sequences[end] += 1;
        let mut packet = vec![0; RTP_LEN + 40];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&self.sequences[end].to_be_bytes());
        packet[11] = end as u8;
        packet
    }

    /// An RTP packet from one end to the other: as it went, and what became of it.
    fn media(&mut self, end: usize) -> (Vec<u8>, Received) {
        let mut packet = self.packet(end);
        let len = self.ends[end].protect_rtp(&mut packet, RTP_LEN).unwrap();
        packet.truncate(len);
        let sent = packet.clone();
        let received = self.ends[1 - end].receive(Component::Rtp, &mut packet, from(), self.now);
        self.collect();
        (sent, received)
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end| self.ends[end].state(Component::Rtp))
    }

    fn secured(&self, end: usize) -> &ZrtpSecured {
        self.ends[end].zrtp_secured().expect("keys by ZRTP")
    }
}

fn is(datagram: &[u8], kind: MessageType) -> bool {
    let packet = Packet::parse(datagram).unwrap();
    sealrtp_zrtp::message::Message::parse(packet.message).unwrap().kind() == kind
}

#[test]
fn a_clear_call_goes_over_to_srtp_and_no_packet_is_lost_whenever_it_is_sent() {
    // Media both ways between any two datagrams of the exchange.
    for stop in 0..12 {
        let mut call = Call::new([WithoutKeys::Pass; 2]);
        call.start();
        let mut seen = 0;
        loop {
            let mut held = None;
            call.carry_until(|end, datagram| {
                seen += 1;
                let stops = seen > stop;
                if stops {
                    held = Some((end, datagram.to_vec()));
                }
                stops
            });
            for end in 0..2 {
                let (_, received) = call.media(end);
                assert_eq!(received, Received::Rtp(RTP_LEN), "stop {stop}, {:?}", call.states());
            }
            let Some((end, mut datagram)) = held else { break };
            call.ends[1 - end].receive(Component::Rtp, &mut datagram, from(), call.now);
            call.collect();
        }
        assert_eq!(call.states(), [State::Secure; 2], "stop {stop}");
        assert_eq!(call.secured(0).sas.to_string(), call.secured(1).sas.to_string());
        for end in 0..2 {
            let (sent, received) = call.media(end);
            assert_eq!((sent.len() > RTP_LEN, received), (true, Received::Rtp(RTP_LEN)));
        }
    }
}

#[test]
fn clear_packets_of_a_peer_that_has_its_keys_later_pass_for_the_changeover_and_not_longer() {
    let mut call = Call::new([WithoutKeys::Pass; 2]);
    let early: Vec<_> = (0..3).map(|_| call.packet(0)[..RTP_LEN].to_vec()).collect();
    call.start();
    call.carry_until(|_, _| false);
    let receive = |call: &mut Call, clear: &[u8]| {
        call.ends[1].receive(Component::Rtp, &mut clear.to_vec(), from(), call.now)
    };
    assert_eq!(call.states(), [State::Bypass; 2], "no packet has come under the keys");
    assert_eq!(receive(&mut call, &early[0]), Received::Rtp(RTP_LEN));
    let (sent, received) = call.media(0);
    assert_eq!((sent.len() > RTP_LEN, received), (true, Received::Rtp(RTP_LEN)));
    assert_eq!(call.states()[1], State::Secure);
    assert!(matches!(receive(&mut call, &early[1]), Received::Refused(Refusal::Unprotect(_))));

    // The other way nothing comes at all.
    let clear = call.packet(1)[..RTP_LEN].to_vec();
    assert_eq!(call.states()[0], State::Bypass);
    call.now += CHANGEOVER;
    let now = call.now;
    assert!(call.ends[0].poll_timeout().is_some_and(|deadline| deadline <= now));
    call.ends[0].handle_timeout(now);
    assert_eq!(call.states()[0], State::Secure);
    let received = call.ends[0].receive(Component::Rtp, &mut clear.clone(), from(), now);
    assert!(matches!(received, Received::Refused(Refusal::Unprotect(_))), "{received:?}");
}

#[test]
fn under_block_nothing_clear_passes_before_while_and_after() {
    let mut call = Call::new([WithoutKeys::Block; 2]);
    call.start();
    let mut between = 0;
    loop {
        let mut held = None;
        call.carry_until(|end, datagram| {
            held = Some((end, datagram.to_vec()));
            true
        });
        for end in 0..2 {
            let mut packet = call.packet(end);
            let clear = packet.clone();
            if let Ok(len) = call.ends[end].protect_rtp(&mut packet, RTP_LEN) {
                assert_ne!(packet[12..len], clear[12..len], "clear media left");
            }
            let received =
                call.ends[end].receive(Component::Rtp, &mut clear[..RTP_LEN].to_vec(), from(), call.now);
            assert!(matches!(received, Received::Refused(_)), "{received:?}");
        }
        let Some((end, mut datagram)) = held else { break };
        between += 1;
        call.ends[1 - end].receive(Component::Rtp, &mut datagram, from(), call.now);
        call.collect();
    }
    assert!(between >= 8, "{between} datagrams");
    assert_eq!(call.states(), [State::Secure; 2]);
}

#[test]
fn media_counts_as_conf2ack() {
    for rule in [WithoutKeys::Pass, WithoutKeys::Block] {
        let mut call = Call::new([rule; 2]);
        call.start();
        let mut initiator = 2;
        call.carry_until(|end, datagram| {
            initiator = 1 - end;
            is(datagram, MessageType::Conf2Ack)
        });
        let responder = 1 - initiator;
        assert!(call.ends[initiator].zrtp_secured().is_none(), "Conf2ACK is lost");
        let (sent, received) = call.media(responder);
        assert_eq!((sent.len() > RTP_LEN, received), (true, Received::Rtp(RTP_LEN)));
        assert_eq!(call.secured(initiator).sas, call.secured(responder).sas);
        assert_eq!(call.ends[initiator].state(Component::Rtp), State::Secure);
    }
}

#[test]
fn where_the_packet_path_knows_no_time_the_next_timeout_is_at_once() {
    let mut call = Call::new([WithoutKeys::Pass; 2]);
    call.start();
    let mut initiator = 2;
    call.carry_until(|end, datagram| {
        initiator = 1 - end;
        is(datagram, MessageType::Conf2Ack)
    });
    let mut packet = call.packet(1 - initiator);
    let len = call.ends[1 - initiator].protect_rtp(&mut packet, RTP_LEN).unwrap();
    assert_eq!(call.ends[initiator].unprotect_rtp(&mut packet[..len]), Ok(RTP_LEN));
    assert!(call.ends[initiator].has_event());
    let now = call.now;
    call.ends[initiator].handle_timeout(now);
    assert_eq!(call.ends[initiator].state(Component::Rtp), State::Secure);
    assert!(matches!(call.ends[initiator].poll_event(), Some(Event::ZrtpSecured(_))));
}

#[test]
fn a_peer_without_zrtp_stays_clear_or_blocked_as_the_rule_says() {
    for rule in [WithoutKeys::Pass, WithoutKeys::Block] {
        let mut session = Session::new(Limits::default(), rule);
        let mut now = Instant::now();
        session.zrtp_use(&association(1, None), 1, now).unwrap();
        session.zrtp_start(now);
        let mut hellos = 0;
        while let Some(deadline) = session.poll_timeout() {
            now = now.max(deadline);
            session.handle_timeout(now);
            hellos += std::iter::from_fn(|| session.poll_transmit()).count();
        }
        assert_eq!(hellos, 21, "the first and 20 more");
        assert!(matches!(session.poll_event(), Some(Event::ZrtpNoAnswer)));
        let mut packet = [0u8; RTP_LEN];
        packet[0] = 0x80;
        let received = session.receive(Component::Rtp, &mut packet, from(), now);
        match rule {
            WithoutKeys::Pass => assert_eq!(received, Received::Rtp(RTP_LEN)),
            WithoutKeys::Block => assert_eq!(received, Received::Refused(Refusal::NoKeys)),
        }
    }
}

#[test]
fn two_streams_of_a_call_share_a_sas_and_have_keys_of_their_own() {
    let (alice, bob) = (association(1, None), association(2, None));
    let mut audio = Call::between([&alice, &bob], [WithoutKeys::Block; 2]);
    let mut video = Call::between([&alice, &bob], [WithoutKeys::Block; 2]);
    audio.start();
    video.start();
    for _ in 0..200 {
        if video.states() == [State::Secure; 2] && audio.states() == [State::Secure; 2] {
            break;
        }
        audio.carry_until(|_, _| false);
        video.carry_until(|_, _| false);
        video.wait();
    }
    assert_eq!((audio.states(), video.states()), ([State::Secure; 2], [State::Secure; 2]));
    assert_eq!(audio.secured(0).sas, video.secured(1).sas);
    let multistream = [&audio, &video].map(|call| [0, 1].map(|end| call.secured(end).is_multistream()));
    assert!(multistream == [[false; 2], [true; 2]] || multistream == [[true; 2], [false; 2]]);
    let mut packet = audio.packet(0);
    let len = audio.ends[0].protect_rtp(&mut packet, RTP_LEN).unwrap();
    let received = video.ends[1].receive(Component::Rtp, &mut packet[..len], from(), video.now);
    assert!(matches!(received, Received::Refused(_)), "audio's keys are not video's");
    for (call, first) in [(&mut audio, !multistream[0][0]), (&mut video, !multistream[1][0])] {
        let now = call.now;
        assert_eq!(call.ends[0].zrtp_set_verified(true, now), first, "the SAS is the first stream's");
    }
}

#[test]
fn a_peer_met_again_is_known_and_verified_and_a_lost_cache_is_told() {
    let (ours, theirs) = (cache(), cache());
    let call_with = |theirs: &Arc<dyn Cache>| {
        let ends = [&association(1, Some(ours.clone())), &association(2, Some(theirs.clone()))];
        let mut call = Call::between(ends, [WithoutKeys::Block; 2]);
        call.start();
        call.carry_until(|_, _| false);
        call
    };
    let mut first = call_with(&theirs);
    assert_eq!(first.secured(0).continuity, Continuity::New);
    for end in 0..2 {
        let now = first.now;
        assert!(first.ends[end].zrtp_set_verified(true, now));
        assert!(first.secured(end).verified);
    }
    first.collect();
    assert!(first.events[0].iter().any(|event| matches!(event, Event::ZrtpVerified(true))));
    let second = call_with(&theirs);
    assert_eq!((second.secured(0).continuity, second.secured(0).verified), (Continuity::Match, true));
    let third = call_with(&cache());
    assert_eq!((third.secured(0).continuity, third.secured(0).verified), (Continuity::Mismatch, false));
    assert!(third.events[0].iter().any(|event| matches!(event, Event::ZrtpCacheMismatch(_))));
}

#[test]
fn a_peer_that_is_not_the_one_of_the_signalling_gets_no_keys() {
    let mut call = Call::new([WithoutKeys::Block; 2]);
    let other = Call::new([WithoutKeys::Block; 2]);
    let now = call.now;
    call.ends[0].zrtp_remote_hash(&other.ends[1].zrtp_local_hash().unwrap(), now);
    call.start();
    for _ in 0..60 {
        call.carry_until(|_, _| false);
        if call.ends.iter().all(|end| end.poll_timeout().is_none()) {
            break;
        }
        call.wait();
    }
    assert_eq!(call.states(), [State::Block; 2]);
    assert!(call.events[0].iter().any(|event| event.to_string().contains("HelloHash")), "{:?}", call.events);

    // A hash that comes after the keys voids them.
    let mut call = Call::new([WithoutKeys::Pass; 2]);
    call.start();
    call.carry_until(|_, _| false);
    call.media(0);
    call.media(1);
    assert_eq!(call.states(), [State::Secure; 2]);
    call.ends[0].zrtp_remote_hash(&other.ends[1].zrtp_local_hash().unwrap(), now);
    call.collect();
    assert_eq!(call.states()[0], State::Block);
    assert!(call.events[0].iter().any(|event| matches!(event, Event::ZrtpFailed(Failure::HelloHash))));
}

#[test]
fn keys_of_another_method_end_zrtp_and_keep_media_secured() {
    let mut call = Call::new([WithoutKeys::Pass; 2]);
    call.start();
    let keys = KeySet::single(MasterKey::new(Suite::AesCm128HmacSha1_80, &[1; 16], &[2; 14]).unwrap());
    call.ends[0].set_inbound(&keys);
    call.ends[0].set_outbound(&keys);
    assert_eq!((call.states()[0], call.ends[0].zrtp_state()), (State::Secure, None));
    assert!(call.ends[0].poll_timeout().is_none());
    let now = call.now;
    let hello = call.ends[1].poll_transmit().unwrap().datagram;
    assert!(!call.ends[0].receive_zrtp(&hello, now));
}

#[test]
fn a_second_exchange_takes_over_from_the_first_one_without_a_gap() {
    let mut call = Call::new([WithoutKeys::Block; 2]);
    call.start();
    call.carry_until(|_, _| false);
    let before = call.secured(0).sas.clone();
    let now = call.now;
    for (end, number) in [(0, 1), (1, 3)] {
        call.ends[end].zrtp_use(&association(number, None), 7 + end as u32, now).unwrap();
        assert_eq!(call.secured(end).sas, before, "the keys in use are the first exchange's");
    }
    call.start();
    call.carry_until(|end, datagram| end == 9 || is(datagram, MessageType::Conf2Ack));
    call.carry_until(|_, _| false);
    while call.secured(0).sas == before || call.secured(1).sas == before {
        call.wait();
    }
    assert_eq!(
        (call.secured(0).sas.clone(), call.states()),
        (call.secured(1).sas.clone(), [State::Secure; 2])
    );
    for end in [0, 1, 0, 1] {
        assert_eq!(call.media(end).1, Received::Rtp(RTP_LEN));
    }
}

#[test]
fn a_trace_has_a_line_for_each_message_and_nothing_printed_is_secret() {
    let mut call = Call::new([WithoutKeys::Block; 2]);
    call.ends[0].set_trace(true);
    let now = call.now;
    call.ends[0].zrtp_use(&association(1, None), 1, now).unwrap();
    call.start();
    call.carry_until(|_, _| false);
    call.collect();
    let lines: Vec<_> = call.events[0]
        .iter()
        .filter_map(|event| match event {
            Event::ZrtpTrace(line) => Some(line.as_str()),
            _ => None,
        })
        .collect();
    for begin in ["ZRTP -> Hello", "ZRTP <- Hello", "Confirm1", "Confirm2", "Conf2ACK"] {
        assert!(lines.iter().any(|line| line.contains(begin)), "{begin}: {lines:#?}");
    }
    assert!(call.events[1].iter().all(|event| !matches!(event, Event::ZrtpTrace(_))));
}

#[test]
fn an_exchange_that_cannot_end_leaves_the_rule_in_force() {
    for rule in [WithoutKeys::Pass, WithoutKeys::Block] {
        let mut call = Call::new([rule; 2]);
        call.start();
        for _ in 0..200 {
            // Nothing after the DHParts arrives.
            for end in 0..2 {
                while let Some(mut out) = call.ends[end].poll_transmit() {
                    if !is(&out.datagram, MessageType::Confirm1) {
                        let now = call.now;
                        call.ends[1 - end].receive(Component::Rtp, &mut out.datagram, from(), now);
                    }
                }
            }
            call.collect();
            let Some(next) = call.ends.iter().filter_map(Session::poll_timeout).min() else { break };
            call.now = call.now.max(next) + Duration::from_millis(1);
            let now = call.now;
            call.ends.iter_mut().for_each(|end| end.handle_timeout(now));
        }
        for end in 0..2 {
            let failed = |event: &Event| matches!(event, Event::ZrtpFailed(Failure::TimedOut { .. }));
            assert!(call.events[end].iter().any(failed), "{:?}", call.events[end]);
        }
        let expected = if rule == WithoutKeys::Pass { State::Bypass } else { State::Block };
        assert_eq!(call.states(), [expected; 2]);
    }
}

#[test]
fn zrtp_goes_under_the_ssrc_of_the_rtp_that_was_sent_last_and_never_under_the_peers() {
    let now = Instant::now();
    let mut ends = [1u32, 2].map(|number| {
        let mut session = Session::new(Limits::default(), WithoutKeys::Block);
        session.zrtp_use(&association(number as u8, None), number, now).unwrap();
        session.zrtp_start(now);
        session
    });
    let hello = |end: &mut Session, at: Instant| -> Vec<u8> {
        end.handle_timeout(at);
        let sent: Vec<_> = std::iter::from_fn(|| end.poll_transmit()).collect();
        sent.into_iter().map(|sent| sent.datagram).find(|datagram| is(datagram, MessageType::Hello)).unwrap()
    };
    let send = |end: &mut Session, ssrc: u32| {
        let mut packet = [0; RTP_LEN + 148];
        packet[0] = 0x80;
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        // It is refused, and labels the messages all the same.
        assert_eq!(end.protect_rtp(&mut packet, RTP_LEN), Err(Refusal::NoKeys));
    };
    let ssrc = |datagram: &[u8]| Packet::parse(datagram).unwrap().ssrc;
    let [ours, theirs] = &mut ends;
    assert_eq!(ssrc(&hello(ours, now)), 1, "no RTP was sent");
    for (times, number) in [(1, 0xdead_beef), (2, 0xfeed_f00d)] {
        send(ours, number);
        assert_eq!(ssrc(&hello(ours, now + times * Duration::from_secs(1))), number);
    }
    // An echo has the peer's own: a collision (RFC 6189 section 5.9) that is none.
    send(ours, 2);
    let of_peer = hello(theirs, now);
    assert!(ours.receive_zrtp(&of_peer, now + Duration::from_secs(2)));
    send(ours, 2);
    let answers: Vec<_> = std::iter::from_fn(|| ours.poll_transmit()).collect();
    assert!(answers.iter().any(|sent| is(&sent.datagram, MessageType::HelloAck)));
    assert_eq!(ssrc(&hello(ours, now + Duration::from_secs(3))), 1);
}
