//! The checked-in seeds reach what they are named for. `phone-*` and `bzrtp-*` hold packets that other stacks made, with
//! the keys of those test calls; `refused-*` hold only what must be refused.

use std::path::Path;

use sealrtp_fuzz::stream::Protocol;

fn for_each_seed(target: &str, run: impl Fn(&[u8]) -> usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let reached = run(&std::fs::read(&path).unwrap());
        let refused = name.starts_with("refused-") || name == "clear";
        assert_eq!(reached == 0, refused, "{target}/{name}: {reached} accepted");
        count += 1;
    }
    assert!(count >= 10, "{target} has {count} seeds");
}

#[test]
fn srtp_seeds_open() {
    for_each_seed("rtp_unprotect", |data| sealrtp_fuzz::stream::run(Protocol::Rtp, data));
}

#[test]
fn srtcp_seeds_open() {
    for_each_seed("rtcp_unprotect", |data| sealrtp_fuzz::stream::run(Protocol::Rtcp, data));
}

#[test]
fn header_seeds_are_protected() {
    for_each_seed("protect_headers", sealrtp_fuzz::protect_headers::run);
}

#[test]
fn kernel_seeds_are_compared() {
    for_each_seed("kernels", sealrtp_fuzz::kernels::run);
}

#[test]
fn sdes_seeds_are_accepted() {
    for_each_seed("crypto_attribute", sealrtp_fuzz::crypto_attribute::run);
}

#[test]
fn datagram_seeds_are_answered() {
    for_each_seed("dtls_datagrams", sealrtp_fuzz::dtls::run);
}

#[test]
fn session_seeds_come_to_keys() {
    for_each_seed("session", sealrtp_fuzz::session::run);
}

#[test]
fn client_hello_seeds_are_answered() {
    for_each_seed("dtls_client_hello", sealrtp_fuzz::dtls_client_hello::run);
}

#[test]
fn attribute_seeds_are_read() {
    for_each_seed("dtls_attributes", sealrtp_fuzz::dtls_attributes::run);
}

#[test]
fn offer_and_answer_seeds_are_taken() {
    for_each_seed("offer_answer", sealrtp_fuzz::offer_answer::run);
}

#[test]
fn leg_seeds_carry_secured_media() {
    for_each_seed("leg", sealrtp_fuzz::leg::run);
}

#[test]
fn configuration_seeds_are_read() {
    for_each_seed("policy_config", sealrtp_fuzz::policy_config::run);
}

#[test]
fn sdp_seeds_are_read() {
    for_each_seed("sdp_body", sealrtp_fuzz::sdp_body::run);
}

#[test]
fn zrtp_message_seeds_are_read() {
    for_each_seed("zrtp_message", sealrtp_fuzz::zrtp_message::run);
}

#[test]
fn zrtp_packet_seeds_are_read() {
    for_each_seed("zrtp_packet", sealrtp_fuzz::zrtp_packet::run);
}

#[test]
fn zrtp_stream_seeds_come_to_keys() {
    for_each_seed("zrtp_stream", sealrtp_fuzz::zrtp_stream::run);
}
