//! What a rewrite changes, and that everything else stays byte for byte.

mod common;

use std::net::IpAddr;

use common::{CHROMIUM, TRUNK_ANSWER, TRUNK_OFFER, VIDEO_THEN_AUDIO, ZRTP_PHONE, body};
use sealrtp_sdp::{Description, EditError, Host, MAX_LEN, MAX_LINE_LEN, Profile, Rewrite};

/// The body as a PBX without security gets it.
fn cleared(text: impl AsRef<[u8]>) -> String {
    let description = Description::parse(text.as_ref()).unwrap();
    let mut rewrite = Rewrite::new(&description);
    rewrite.strip_session();
    for (index, media) in description.media().iter().enumerate() {
        if let Some(mut line) = rewrite.line(index) {
            line.profile(media.profile().clear()).strip();
        }
    }
    String::from_utf8(rewrite.finish().to_vec()).unwrap()
}

fn inserted(text: &str, index: usize, attributes: &[&str]) -> String {
    let description = Description::parse(text.as_bytes()).unwrap();
    let mut rewrite = Rewrite::new(&description);
    for attribute in attributes {
        rewrite.line(index).unwrap().insert(attribute).unwrap();
    }
    String::from_utf8(rewrite.finish().to_vec()).unwrap()
}

/// `text` without the lines that `is_out` names.
fn without(text: &str, is_out: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| !is_out(line)).collect()
}

#[test]
fn without_edits_each_body_comes_back_as_it_was() {
    for text in [
        TRUNK_OFFER,
        TRUNK_ANSWER,
        VIDEO_THEN_AUDIO,
        CHROMIUM.as_bytes(),
        ZRTP_PHONE.as_bytes(),
        b"",
        b"\r\n\n",
    ] {
        let description = Description::parse(text).unwrap();
        assert_eq!(*Rewrite::new(&description).finish(), text);
        assert_eq!(description.text(), text);
    }
}

#[test]
fn the_trunks_offer_loses_its_crypto_lines_and_nothing_else() {
    let text = str::from_utf8(TRUNK_OFFER).unwrap();
    assert_eq!(cleared(text), without(text, |line| line.starts_with("a=crypto:")));
}

#[test]
fn the_trunks_answer_becomes_a_clear_one_in_its_place() {
    let text = str::from_utf8(TRUNK_ANSWER).unwrap();
    let expected = without(text, |line| line.starts_with("a=crypto:")).replace("RTP/SAVP", "RTP/AVP");
    assert_eq!(cleared(text), expected);
}

#[test]
fn a_browsers_offer_loses_dtls_on_its_rtp_lines_and_keeps_ice_and_the_data_channel() {
    let (rtp, data) = CHROMIUM.split_at(CHROMIUM.find("m=application").unwrap());
    let out = |line: &str| line.starts_with("a=fingerprint") || line.starts_with("a=setup");
    let expected = without(rtp, out).replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF") + data;
    assert_eq!(cleared(CHROMIUM), expected);
    assert!(expected.contains("a=ice-ufrag") && expected.contains("a=rtcp-mux"));
}

#[test]
fn every_attribute_of_media_security_goes_from_an_rtp_line() {
    let security = "a=crypto:1 x\r\na=Fingerprint:sha-256 AA\r\na=setup:actpass\r\na=connection:new\r\na=tls-id:x\r\n\
                    a=zrtp-hash:1.10 x\r\na=key-mgmt:mikey x\r\nk=clear:x\r\na=crypto without colon\r\n";
    let rest = "a=x-crypto:1\r\na=ptime:20\r\n";
    assert_eq!(cleared(body("", &(security.to_owned() + rest))), body("", rest));
    let session = "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\na=connection:new\r\na=tls-id:x\r\na=key-mgmt:mikey x\r\n";
    assert_eq!(cleared(body(&(session.to_owned() + "a=tool:x\r\n"), rest)), body("a=tool:x\r\n", rest));
}

#[test]
fn setup_and_connection_go_only_where_they_are_dtls_srtps() {
    let role = "a=setup:active\r\na=connection:new\r\n";
    // No fingerprint, no DTLS profile: whatever that is, it is not ours.
    assert_eq!(cleared(body(role, role)), body(role, role));
    assert_eq!(cleared(body("", role).replace("RTP/AVP", "UDP/TLS/RTP/SAVP")), body("", ""));
    // The session's fingerprint makes the m-line one of DTLS-SRTP.
    assert_eq!(cleared(body("a=fingerprint:sha-256 AA\r\n", role)), body("", ""));
    assert_eq!(cleared(body(role, "a=fingerprint:sha-256 AA\r\n")), body("", ""));
}

#[test]
fn a_line_of_another_transport_keeps_its_attributes_and_what_it_takes_from_the_session() {
    let session = "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n";
    for (other, kept) in [
        ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", session),
        ("m=application 9 TCP/TLS/BFCP *\r\na=setup:active\r\n", "a=fingerprint:sha-256 AA\r\n"),
        ("m=message 9 TCP/MSRP *\r\n", "a=setup:actpass\r\n"),
        ("m=audio 9 TCP/RTP/SAVP 0\r\na=crypto:1 x\r\na=fingerprint:x\r\na=setup:active\r\n", ""),
        ("m=application 9 UDP/DTLS/SCTP x\r\na=fingerprint:x\r\na=setup:active\r\n", ""),
        ("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n", ""),
        ("m=image 9 udptl t38\r\n", ""),
    ] {
        assert_eq!(cleared(body(session, "") + other), body(kept, "") + other);
    }
    let description = Description::parse(b"m=audio 9 TCP/RTP/SAVP 0\r\n").unwrap();
    let mut rewrite = Rewrite::new(&description);
    assert!(rewrite.line(0).is_none(), "not RTP over UDP");
    assert!(rewrite.line(1).is_none(), "no such line");
}

#[test]
fn a_profile_is_replaced_where_it_stands_and_white_space_stays() {
    let text = "v=0\nm=audio\t4000/2  rtp/savpf   0 101 \na=ptime:20";
    assert_eq!(cleared(text), text.replace("rtp/savpf", "RTP/AVPF"));
    let description = Description::parse(text.as_bytes()).unwrap();
    let mut rewrite = Rewrite::new(&description);
    rewrite.line(0).unwrap().profile(Profile::UdpTlsSavpf).profile(Profile::Other);
    assert_eq!(*rewrite.finish(), text.as_bytes(), "Other leaves it as it is");
}

#[test]
fn lines_are_put_behind_the_m_lines_own_with_its_own_line_end() {
    let two = "v=0\r\nm=audio 1 RTP/AVP 0\r\na=x\r\nm=video 2 RTP/AVP 0\nc=IN IP4 192.0.2.1\n\n";
    let expected =
        "v=0\r\nm=audio 1 RTP/AVP 0\r\na=x\r\na=A\r\na=B\r\nm=video 2 RTP/AVP 0\nc=IN IP4 192.0.2.1\n\n";
    assert_eq!(inserted(two, 0, &["A", "B"]), expected);
    let expected = "v=0\r\nm=audio 1 RTP/AVP 0\r\na=x\r\nm=video 2 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=A\n\n";
    assert_eq!(inserted(two, 1, &["A"]), expected);
}

#[test]
fn a_last_line_without_an_end_gets_one_only_if_something_comes_behind_it() {
    assert_eq!(inserted("v=0\nm=audio 1 RTP/AVP 0", 0, &["A"]), "v=0\nm=audio 1 RTP/AVP 0\na=A\n");
    assert_eq!(inserted("m=audio 1 RTP/AVP 0", 0, &["A"]), "m=audio 1 RTP/AVP 0\r\na=A\r\n");
    assert_eq!(inserted("m=audio 1 RTP/AVP 0\r\na=x", 0, &[]), "m=audio 1 RTP/AVP 0\r\na=x");
    assert_eq!(cleared("m=audio 1 RTP/AVP 0\r\na=x\r\na=crypto:1 x"), "m=audio 1 RTP/AVP 0\r\na=x\r\n");
}

#[test]
fn what_is_stripped_and_put_in_reads_as_what_was_put_in() {
    let description = Description::parse(TRUNK_OFFER).unwrap();
    let mut rewrite = Rewrite::new(&description);
    rewrite.line(0).unwrap().insert("crypto:1 ours").unwrap().strip().insert("setup:active").unwrap();
    let text = rewrite.finish();
    let again = Description::parse(&text).unwrap();
    assert_eq!(again.media()[0].crypto().collect::<Vec<_>>(), ["1 ours"]);
    assert_eq!(again.media()[0].setup(), Some("active"));
}

#[test]
fn what_would_not_be_one_line_is_not_put_in() {
    let description = Description::parse(b"m=audio 1 RTP/AVP 0\r\n").unwrap();
    let mut rewrite = Rewrite::new(&description);
    let mut line = rewrite.line(0).unwrap();
    for text in ["", "a\r", "a\nb", "a\0", "caf\u{e9}", &"x".repeat(MAX_LINE_LEN - 1)] {
        assert_eq!(line.insert(text).unwrap_err(), EditError::Text);
    }
    let longest = "x".repeat(MAX_LINE_LEN - 2);
    for _ in 0..MAX_LEN / (MAX_LINE_LEN + 2) {
        line.insert(&longest).unwrap();
    }
    assert_eq!(line.insert(&longest).unwrap_err(), EditError::TooLong);
    assert!(rewrite.finish().len() <= 2 * MAX_LEN);
}

/// The body as it is when a relay at `address` carries its RTP lines, from port 6000 on.
fn relayed(text: &str, address: &str) -> String {
    let description = Description::parse(text.as_bytes()).unwrap();
    let address: IpAddr = address.parse().unwrap();
    let mut rewrite = Rewrite::new(&description);
    rewrite.strip_session_transport();
    for index in 0..description.media().len() {
        if let Some(mut line) = rewrite.line(index) {
            line.strip_transport().address(address).port(6000 + 2 * index as u16);
        }
    }
    String::from_utf8(rewrite.finish().to_vec()).unwrap()
}

#[test]
fn a_relayed_line_has_another_port_and_its_own_c_line_and_the_session_keeps_its_own() {
    assert_eq!(
        relayed(&body("", "i=a title\r\na=ptime:20\r\n"), "127.0.0.1"),
        body("", "i=a title\r\nc=IN IP4 127.0.0.1\r\na=ptime:20\r\n").replace("4000", "6000")
    );
    let own = "b=AS:64\r\nc=IN IP4 192.0.2.7\r\na=rtcp:4711 IN IP4 192.0.2.8\r\na=ptime:20\r\nc=IN IP4 192.0.2.9\r\n";
    let expected = "b=AS:64\r\nc=IN IP6 ::1\r\na=ptime:20\r\n";
    assert_eq!(relayed(&body("", own), "::1"), body("", expected).replace("4000", "6000"));
    // An m-line without a line end, of several ports, whose own c= is the last line.
    assert_eq!(
        relayed("m=audio 4000/2 RTP/AVP 0", "127.0.0.1"),
        "m=audio 6000 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n"
    );
    assert_eq!(relayed("m=audio 4 RTP/AVP 0\nc=x", "::1"), "m=audio 6000 RTP/AVP 0\nc=IN IP6 ::1");
}

#[test]
fn a_browsers_offer_loses_ice_and_bundle_and_what_is_only_in_the_bundle() {
    let out = |line: &str| {
        ["a=candidate", "a=ice-", "a=group:BUNDLE", "a=bundle-only", "a=rtcp:"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let expected = without(CHROMIUM, out)
        .replace("audio 50001", "audio 6000")
        .replace("video 0", "video 6002")
        .replacen("c=IN IP4 192.0.2.1", "c=IN IP4 127.0.0.1", 1)
        .replacen("c=IN IP4 0.0.0.0", "c=IN IP4 127.0.0.1", 1);
    assert_eq!(relayed(CHROMIUM, "127.0.0.1"), expected);
    let session = "a=ice-lite\r\na=ice-options:x\r\na=group:bundle 1\r\na=group:LS 1 2\r\na=tool:x\r\n";
    let kept = "a=group:LS 1 2\r\na=tool:x\r\n";
    assert_eq!(
        relayed(&body(session, ""), "192.0.2.1"),
        body(kept, "c=IN IP4 192.0.2.1\r\n").replace("4000", "6000")
    );
}

#[test]
fn a_line_of_any_transport_can_be_declined() {
    let text = "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\nm=audio 4002/2 RTP/AVP 0\r\n";
    let description = Description::parse(text.as_bytes()).unwrap();
    let mut rewrite = Rewrite::new(&description);
    rewrite.decline(0).decline(1).decline(2);
    let declined = String::from_utf8(rewrite.finish().to_vec()).unwrap();
    assert_eq!(declined, text.replace("4000", "0").replace("4002/2", "0"));
}

#[test]
fn where_media_goes_is_read_at_both_levels() {
    let ip = |text: &str| Some(Host::Ip(text.parse().unwrap()));
    fn host(text: &str) -> Option<Host<'_>> {
        Description::parse(text.as_bytes()).unwrap().media()[0].host()
    }
    assert_eq!(host(&body("", "")), ip("192.0.2.1"));
    assert_eq!(host(&body("", "c=IN IP6 2001:db8::5\r\n")), ip("2001:db8::5"));
    assert_eq!(host(&body("", "c=IN IP4 0.0.0.0\r\n")), ip("0.0.0.0"));
    assert_eq!(host(&body("", "c=nonsense\r\n")), None, "what cannot be read is not the session's either");
    assert_eq!(host("m=audio 1 RTP/AVP 0\r\n"), None);
    let text = body("", "a=rtcp:53020 IN IP6 ::5\r\na=ice-ufrag:x\r\na=candidate:\u{e4}\r\n");
    let description = Description::parse(text.as_bytes()).unwrap();
    let audio = &description.media()[0];
    let rtcp = audio.rtcp().unwrap();
    assert_eq!((rtcp.port, rtcp.host, audio.has_ice()), (53020, ip("::5"), true));
    assert!(!Description::parse(body("", "").as_bytes()).unwrap().media()[0].has_ice());
}
