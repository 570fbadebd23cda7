//! Whole relays over loopback whose keys came from SDES.

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use common::{Call, NEVER, SOON, Until, addresses, next, pair, rtcp, rtp};
use sealrtp_relay::{Dropped, Relay};
use sealrtp_session::{Component, State, WithoutKeys};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn secured_media_goes_through_both_ways_and_is_clear_inside() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    for number in 0..50 {
        call.peer_sends(&rtp(number));
        assert_eq!(call.pbx_hears(), Some(rtp(number)));
        call.reaches(&call.peer[0], number);
    }
    let counters = call.stream.counters();
    assert_eq!((counters.to_pbx.packets, counters.to_peer.packets), (50, 50));
    assert_eq!((counters.to_pbx.bytes, counters.to_peer.bytes), (50 * 172, 50 * 182));
    assert_eq!(call.stream.with(|session, _| session.state(Component::Rtp)), State::Secure);
}

#[test]
fn it_does_the_same_over_ipv6() {
    let call = Call::of(WithoutKeys::Block, IpAddr::V6(Ipv6Addr::LOCALHOST));
    call.key();
    call.peer_sends(&rtp(1));
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    call.reaches(&call.peer[0], 1);
    let elsewhere = pair(call.ip);
    elsewhere[0].send_to(&call.protected(&rtp(2)), call.outer(Component::Rtp)).unwrap();
    assert_eq!(call.pbx_hears(), Some(rtp(2)));
    call.reaches(&elsewhere[0], 2);
}

#[test]
fn rtcp_has_its_own_ports_unless_it_is_muxed() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    for (mux, component) in [(false, Component::Rtcp), (true, Component::Rtp), (false, Component::Rtcp)] {
        call.stream.set_mux(mux);
        let number = component as usize;
        call.peer[number].send_to(&call.protected(&rtcp()), call.outer(component)).unwrap();
        assert_eq!(next(&call.pbx[number], SOON), Some(rtcp()));
        call.pbx[number].send_to(&rtcp(), call.inner(component)).unwrap();
        let packet = next(&call.peer[number], SOON).unwrap();
        assert_eq!(call.peer_opens(packet, component), Some(rtcp()));
    }
}

#[test]
fn rtcp_that_comes_on_the_other_transport_leaves_on_the_right_one() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    call.peer[0].send_to(&call.protected(&rtcp()), call.outer(Component::Rtp)).unwrap();
    assert_eq!(next(&call.pbx[1], SOON), Some(rtcp()), "muxed by the peer alone");
    call.stream.set_mux(true);
    call.peer[1].send_to(&call.protected(&rtcp()), call.outer(Component::Rtcp)).unwrap();
    assert_eq!(next(&call.pbx[0], SOON), Some(rtcp()), "sent before the peer knew of mux");
}

#[test]
fn without_keys_block_lets_nothing_clear_through_in_either_direction() {
    let call = Call::new(WithoutKeys::Block);
    for number in 0..20 {
        call.peer[0].send_to(&rtp(number), call.outer(Component::Rtp)).unwrap();
        call.peer[0].send_to(&rtcp(), call.outer(Component::Rtp)).unwrap();
        call.peer[1].send_to(&rtcp(), call.outer(Component::Rtcp)).unwrap();
        call.pbx[0].send_to(&rtp(number), call.inner(Component::Rtp)).unwrap();
        call.pbx[0].send_to(&rtcp(), call.inner(Component::Rtp)).unwrap();
        call.pbx[1].send_to(&rtcp(), call.inner(Component::Rtcp)).unwrap();
    }
    call.waits_for(|counters| {
        counters.to_pbx.dropped(Dropped::Refused) == 60 && counters.to_peer.dropped(Dropped::Refused) == 60
    });
    for socket in call.peer.iter().chain(&call.pbx) {
        assert_eq!(next(socket, NEVER), None);
    }
    // Nor does one key: the other direction still has none.
    call.stream.with(|session, _| session.set_inbound(&common::key(1)));
    call.pbx_sends(&rtp(1));
    call.waits_for(|counters| counters.to_peer.dropped(Dropped::Refused) == 61);
    assert_eq!(next(&call.peer[0], NEVER), None);
    call.key();
    call.reaches(&call.peer[0], 2);
}

#[test]
fn only_a_packet_that_authenticates_moves_the_address() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    let [stranger, moved] = [pair(LOCALHOST), pair(LOCALHOST)];
    let forged = {
        let other = Call::new(WithoutKeys::Block);
        let mut far = other.far.lock().unwrap();
        far.set_outbound(&common::key(9));
        far.set_inbound(&common::key(9));
        drop(far);
        other.protected(&rtp(1))
    };
    let genuine = call.protected(&rtp(1));
    for hostile in [&forged, &rtp(1), &genuine[..genuine.len() - 1].to_vec(), &vec![0x80; 20]] {
        stranger[0].send_to(hostile, call.outer(Component::Rtp)).unwrap();
    }
    call.waits_for(|counters| counters.to_pbx.dropped(Dropped::Refused) == 4);
    assert_eq!(call.stream.counters().learned, [None; 2]);
    call.reaches(&call.peer[0], 1);
    assert_eq!(next(&stranger[0], NEVER), None);

    moved[0].send_to(&genuine, call.outer(Component::Rtp)).unwrap();
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    call.reaches(&moved[0], 2);
    assert_eq!(call.stream.counters().learned, [addresses(&moved)[0], None]);
    // Somebody who has overheard it.
    stranger[0].send_to(&genuine, call.outer(Component::Rtp)).unwrap();
    call.waits_for(|counters| counters.to_pbx.dropped(Dropped::Refused) == 5);
    call.reaches(&moved[0], 3);
}

#[test]
fn a_learned_address_stands_until_the_description_names_another() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    let [behind_nat, next_phone] = [pair(LOCALHOST), pair(LOCALHOST)];
    behind_nat[0].send_to(&call.protected(&rtp(1)), call.outer(Component::Rtp)).unwrap();
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    call.stream.set_peer(addresses(&call.peer));
    call.reaches(&behind_nat[0], 1);
    // On hold nothing goes out, and after it all is as before.
    call.stream.set_peer([None; 2]);
    call.pbx_sends(&rtp(2));
    call.waits_for(|counters| counters.to_peer.dropped(Dropped::NoAddress) == 1);
    call.stream.set_peer([Some("0.0.0.0:4000".parse().unwrap()); 2]);
    call.pbx_sends(&rtp(3));
    call.waits_for(|counters| counters.to_peer.dropped(Dropped::NoAddress) == 2);
    call.stream.set_peer(addresses(&call.peer));
    call.reaches(&behind_nat[0], 4);
    call.stream.set_peer(addresses(&next_phone));
    call.reaches(&next_phone[0], 5);
    assert_eq!(next(&call.peer[0], NEVER), None);
}

#[test]
fn clear_media_of_a_fallback_goes_to_the_described_address_and_moves_it_not() {
    let call = Call::new(WithoutKeys::Pass);
    let stranger = pair(LOCALHOST);
    stranger[0].send_to(&rtp(1), call.outer(Component::Rtp)).unwrap();
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    assert_eq!(call.stream.counters().learned, [None; 2]);
    call.pbx_sends(&rtp(1));
    assert_eq!(next(&call.peer[0], SOON), Some(rtp(1)));
    assert_eq!(next(&stranger[0], NEVER), None);
}

#[test]
fn inner_ports_take_from_the_pbx_alone() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    let stranger = pair(LOCALHOST);
    for _ in 0..5 {
        stranger[0].send_to(&rtp(1), call.inner(Component::Rtp)).unwrap();
    }
    assert_eq!(next(&call.peer[0], NEVER), None);
    // A PBX that moves, e.g. by a re-INVITE; what it sent before is not taken any more.
    call.stream.set_pbx(addresses(&stranger));
    call.pbx_sends(&rtp(2));
    assert_eq!(next(&call.peer[0], NEVER), None);
    stranger[0].send_to(&rtp(3), call.inner(Component::Rtp)).unwrap();
    assert_eq!(call.peer_hears(), Some(rtp(3)));
    call.peer_sends(&rtp(4));
    assert_eq!(next(&stranger[0], SOON), Some(rtp(4)));
    call.stream.set_pbx([None; 2]);
    call.peer_sends(&rtp(5));
    call.waits_for(|counters| counters.to_pbx.dropped(Dropped::NoAddress) == 1);
}

#[test]
fn what_is_no_media_goes_nowhere() {
    let call = Call::new(WithoutKeys::Pass);
    let others: [&[u8]; 7] = [&[], &[0], &[0, 1, 0, 0], &[22; 60], &[0x10; 40], &[64; 30], &[255; 100]];
    for other in others {
        call.peer[0].send_to(other, call.outer(Component::Rtp)).unwrap();
        call.pbx[0].send_to(other, call.inner(Component::Rtp)).unwrap();
        call.pbx[1].send_to(other, call.inner(Component::Rtcp)).unwrap();
    }
    // RTP has no place on RTCP's ports.
    call.peer[1].send_to(&rtp(1), call.outer(Component::Rtcp)).unwrap();
    call.pbx[1].send_to(&rtp(1), call.inner(Component::Rtcp)).unwrap();
    // What may be an early ClientHello is kept.
    call.waits_for(|counters| {
        counters.to_pbx.dropped(Dropped::NotMedia) == 7 && counters.to_peer.dropped(Dropped::NotMedia) == 15
    });
    for socket in call.peer.iter().chain(&call.pbx) {
        assert_eq!(next(socket, NEVER), None);
    }
}

#[test]
fn a_burst_goes_through_whole_and_in_order() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    for round in 0..20 {
        let burst = round * 100..round * 100 + 100;
        burst.clone().for_each(|number| call.peer_sends(&rtp(number)));
        for number in burst {
            assert_eq!(call.pbx_hears(), Some(rtp(number)));
        }
    }
}

#[test]
fn packets_up_to_the_longest_of_udp_pass_or_are_counted() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    for (number, len) in [1500, 9000, 65_497].into_iter().enumerate() {
        let mut packet = rtp(number as u16);
        packet.resize(len, 3);
        call.pbx_sends(&packet);
        assert_eq!(call.peer_hears(), Some(packet));
    }
    let mut packet = rtp(100);
    packet.resize(65_507, 3);
    call.pbx_sends(&packet);
    call.waits_for(|counters| counters.to_peer.dropped(Dropped::Refused) == 1);
    call.reaches(&call.peer[0], 101);
}

#[test]
fn a_pbx_that_has_no_port_open_yet_costs_no_packet_once_it_has() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    // Of an address that nothing else has: nobody is given the port while it is closed.
    let [rtp_port, _] = pair(Ipv4Addr::new(127, 0, 77, 1).into());
    let address = rtp_port.local_addr().unwrap();
    drop(rtp_port);
    call.stream.set_pbx([Some(address), None]);
    for number in 0..10 {
        call.peer_sends(&rtp(number));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // None of them is still on its way when the port is there.
    call.waits_for(|counters| {
        let dropped = Dropped::ALL.map(|why| counters.to_pbx.dropped(why));
        counters.to_pbx.packets + dropped.iter().sum::<u64>() == 10
    });
    let late = std::net::UdpSocket::bind(address).unwrap();
    for number in 10..20 {
        call.peer_sends(&rtp(number));
        assert_eq!(next(&late, SOON), Some(rtp(number)));
    }
    late.send_to(&rtp(1), call.inner(Component::Rtp)).unwrap();
    assert_eq!(call.peer_hears(), Some(rtp(1)));
}

#[test]
fn a_flooded_call_does_not_silence_another_of_its_thread() {
    let relay = Relay::start(1).unwrap();
    let calls = [0, 1].map(|_| Call::on(relay.clone(), WithoutKeys::Block, LOCALHOST));
    calls.iter().for_each(Call::key);
    let [flooded, other] = &calls;
    let (target, done) = (flooded.outer(Component::Rtp), AtomicBool::new(false));
    let refused = || flooded.stream.counters().to_pbx.dropped(Dropped::Refused);
    std::thread::scope(|scope| {
        let _until = Until(&done);
        scope.spawn(|| {
            let [socket, _] = pair(LOCALHOST);
            while !done.load(Ordering::Relaxed) {
                let _ = socket.send_to(&rtp(1), target);
            }
        });
        let end = Instant::now() + SOON;
        for number in 0..200 {
            // Amid the flood from the first packet to the last.
            let before = refused();
            while refused() == before {
                assert!(Instant::now() < end, "there is no flood");
                std::thread::yield_now();
            }
            other.peer_sends(&rtp(number));
            assert_eq!(other.pbx_hears(), Some(rtp(number)));
        }
    });
    assert!(refused() >= 200);
}
