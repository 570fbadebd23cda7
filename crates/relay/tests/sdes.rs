//! Whole relays over loopback whose keys came from SDES.

mod common;

use common::{Call, rtp};
use sealrtp_session::{State, WithoutKeys};

#[test]
fn secured_media_goes_through_both_ways_and_is_clear_inside() {
    let call = Call::new(WithoutKeys::Block);
    call.key();
    for number in 0..50 {
        call.peer_sends(&rtp(number));
        assert_eq!(call.pbx_hears(), Some(rtp(number)));
        call.pbx_sends(&rtp(number));
        assert_eq!(call.peer_hears(), Some(rtp(number)));
    }
    let counters = call.stream.counters();
    assert_eq!((counters.to_pbx.packets, counters.to_peer.packets), (50, 50));
    assert_eq!(call.stream.with(|session, _| session.state(sealrtp_session::Component::Rtp)), State::Secure);
}
