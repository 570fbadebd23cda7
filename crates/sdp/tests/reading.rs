//! What is read out of a body, and what is refused with its line.

mod common;

use common::{CHROMIUM, TRUNK_ANSWER, TRUNK_OFFER, VIDEO_THEN_AUDIO, body};
use sealrtp_sdp::SdpError;
use sealrtp_sdp::{Description, Direction, Fault, MAX_ATTRIBUTES, MAX_LEN, MAX_LINE_LEN, MAX_MEDIA, Profile};

fn read(text: &[u8]) -> Description<'_> {
    Description::parse(text).unwrap()
}

fn refused(text: &str) -> (usize, Fault) {
    match Description::parse(text.as_bytes()).unwrap_err() {
        SdpError::Line { number, fault } => (number, fault),
        other => panic!("{other}"),
    }
}

#[test]
fn the_trunks_opportunistic_offer_has_nine_suites_in_a_clear_profile() {
    let description = read(TRUNK_OFFER);
    let [audio] = description.media() else { panic!("one m-line") };
    assert_eq!((audio.kind(), audio.port(), audio.port_count()), ("audio", 51895, 1));
    assert_eq!((audio.profile(), audio.line_number()), (Profile::Avp, 6));
    assert_eq!(audio.formats().collect::<Vec<_>>(), ["0", "101"]);
    assert_eq!(audio.crypto().count(), 9);
    assert!(audio.crypto().next().unwrap().starts_with("1 AEAD_AES_256_GCM_8 inline:URvowj9N"));
    assert!(audio.crypto().last().unwrap().ends_with("fFHOn"), "no line end in the value");
}

#[test]
fn the_trunks_answer_has_a_secure_profile_and_one_suite() {
    let description = read(TRUNK_ANSWER);
    let [audio] = description.media() else { panic!("one m-line") };
    assert_eq!(audio.profile(), Profile::Savp);
    assert!(audio.profile().is_secure());
    assert_eq!(audio.crypto().count(), 1);
}

#[test]
fn each_m_line_has_its_own_crypto_even_in_a_body_without_a_session_level() {
    let description = read(VIDEO_THEN_AUDIO);
    let [video, audio] = description.media() else { panic!("two m-lines") };
    assert_eq!((video.kind(), audio.kind()), ("video", "audio"));
    assert!(video.crypto().next().unwrap().contains("HMAC_SHA1_80"));
    assert!(audio.crypto().next().unwrap().contains("HMAC_SHA1_32"));
}

#[test]
fn a_browsers_bundle_shares_the_transport_of_its_first_m_line() {
    let description = read(CHROMIUM.as_bytes());
    let [audio, video, data] = description.media() else { panic!("three m-lines") };
    assert_eq!((audio.profile(), video.profile()), (Profile::UdpTlsSavpf, Profile::UdpTlsSavpf));
    assert_eq!((data.profile(), data.transport()), (Profile::Other, "UDP/DTLS/SCTP"));
    assert_eq!((audio.mid(), video.mid(), data.mid()), (Some("0"), Some("1"), Some("2")));
    assert!(video.bundle_only() && !audio.bundle_only());
    assert!(audio.rtcp_mux() && video.rtcp_mux() && !data.rtcp_mux());
    assert_eq!([0, 1, 2].map(|index| description.transport_of(index)), [Some(0); 3]);
    assert_eq!(description.transport_of(3), None);
    assert_eq!((audio.fingerprints().count(), audio.setup()), (1, Some("actpass")));
}

#[test]
fn m_lines_outside_of_a_group_have_their_own_transport() {
    let text = body("a=group:LS 0 1\r\na=group:BUNDLE 1 2\r\n", "a=mid:0\r\n")
        + "m=video 2 RTP/AVP 0\r\na=mid:1\r\nm=video 3 RTP/AVP 0\r\na=mid:2\r\nm=video 4 RTP/AVP 0\r\n";
    let description = read(text.as_bytes());
    assert_eq!([0, 1, 2, 3].map(|index| description.transport_of(index).unwrap()), [0, 1, 1, 3]);
}

#[test]
fn an_m_line_takes_from_the_session_what_it_has_not_itself() {
    let session = "a=fingerprint:sha-256 AA\r\na=fingerprint:sha-1 BB\r\na=setup:actpass\r\na=connection:new\r\n\
                   a=tls-id:of-the-session-0123456789\r\na=sendonly\r\na=zrtp-hash:1.10 no\r\na=crypto:1 no\r\n";
    let text = body(session, "")
        + "m=video 6 RTP/SAVP 0\r\na=fingerprint:sha-256 CC\r\na=setup:passive\r\na=inactive\r\n";
    let description = read(text.as_bytes());
    let [audio, video] = description.media() else { panic!("two m-lines") };
    assert_eq!(audio.fingerprints().collect::<Vec<_>>(), ["sha-256 AA", "sha-1 BB"]);
    assert_eq!((audio.setup(), audio.connection()), (Some("actpass"), Some("new")));
    assert_eq!(audio.tls_id(), Some("of-the-session-0123456789"));
    assert_eq!((audio.direction(), video.direction()), (Direction::SendOnly, Direction::Inactive));
    assert_eq!(video.fingerprints().collect::<Vec<_>>(), ["sha-256 CC"]);
    assert_eq!((video.setup(), video.connection()), (Some("passive"), Some("new")));
    // RFC 4568 and RFC 6189 have these at the m-line only.
    assert_eq!((audio.crypto().count(), audio.zrtp_hashes().count()), (0, 0));
    assert_eq!(description.session().fingerprints().count(), 2);
}

#[test]
fn names_are_read_in_any_letter_case_and_values_without_white_space_around_them() {
    let text = body(
        "",
        "a=CRYPTO: 1 x \r\na=Zrtp-Hash:1.10 ab\t\r\na=crypto 2 y\r\na=cryptography:no\r\na=key-mgmt:mikey x\r\n",
    );
    let description = read(text.as_bytes());
    let audio = &description.media()[0];
    // Without a colon there is a name and no value.
    assert_eq!(audio.crypto().collect::<Vec<_>>(), ["1 x", ""]);
    assert_eq!(audio.zrtp_hashes().collect::<Vec<_>>(), ["1.10 ab"]);
    assert!(audio.has_key_mgmt());
}

#[test]
fn a_declined_m_line_several_ports_and_extra_white_space_are_read() {
    let text =
        "v=0\nm=audio 0 RTP/AVP 0\nm=video  49170/2 \tRTP/AVP  31 32 \nm=image 4000 udptl t38\nm=x 1 y\n";
    let description = read(text.as_bytes());
    let media = description.media();
    assert_eq!(media[0].port(), 0);
    assert_eq!((media[1].port(), media[1].port_count(), media[1].profile()), (49170, 2, Profile::Avp));
    assert_eq!(media[1].formats().collect::<Vec<_>>(), ["31", "32"]);
    assert_eq!((media[2].profile(), media[2].transport()), (Profile::Other, "udptl"));
    assert_eq!(media[3].formats().count(), 0);
}

#[test]
fn crlf_lf_and_cr_alone_end_a_line_so_that_nothing_hides_from_us() {
    for end in ["\r\n", "\n", "\r"] {
        let text = ["v=0", "m=audio 4000 RTP/SAVP 0", "a=ptime:20", "a=crypto:1 x"].join(end);
        let description = read(text.as_bytes());
        assert_eq!(description.media()[0].crypto().collect::<Vec<_>>(), ["1 x"]);
    }
    let description = read(b"m=audio 4000 RTP/AVP 0\r\na=tool:x\ra=crypto:1 hidden\n");
    assert_eq!(description.media()[0].crypto().count(), 1);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    assert_eq!(refused("v=0\r\n\r\nsession\r\n"), (3, Fault::NotAField));
    assert_eq!(refused("v=0\r\n a=crypto:1 x\r\n"), (2, Fault::NotAField));
    assert_eq!(refused("v=0\ns=\0\n"), (2, Fault::Nul));
    assert_eq!(refused("v=0\nm=audio 4000 RTP/AVP 0\na=crypto:1 \u{e9}\n"), (3, Fault::NotAscii));
    assert_eq!(refused(&format!("v=0\ns={}\n", "x".repeat(MAX_LINE_LEN - 1))), (2, Fault::TooLong));
    for media in [
        "",
        "audio",
        "audio 1",
        "audio x RTP/AVP 0",
        "audio 65536 RTP/AVP 0",
        "audio -1 RTP/AVP 0",
        "audio +1 RTP/AVP 0",
        "audio 1/ RTP/AVP 0",
        "audio 1/x RTP/AVP 0",
        "audio 1/2/3 RTP/AVP 0",
        "\u{e9} 1 RTP/AVP 0",
    ] {
        assert_eq!(refused(&format!("v=0\ns=-\nm={media}\n")), (3, Fault::Media), "{media}");
    }
    assert_eq!(refused(&"m=audio 1 RTP/AVP 0\n".repeat(MAX_MEDIA + 1)), (MAX_MEDIA + 1, Fault::TooManyMedia));
    let many = format!("m=audio 1 RTP/AVP 0\n{}", "a=crypto:1 x\n".repeat(MAX_ATTRIBUTES + 1));
    assert_eq!(refused(&many), (MAX_ATTRIBUTES + 2, Fault::TooManyAttributes));
    let long = vec![b'\n'; MAX_LEN + 1];
    assert_eq!(Description::parse(&long).unwrap_err(), SdpError::TooLong(MAX_LEN + 1));
}

#[test]
fn as_much_as_is_allowed_is_read() {
    let m_line = "m=audio 1 RTP/AVP 0\n";
    assert_eq!(read(m_line.repeat(MAX_MEDIA).as_bytes()).media().len(), MAX_MEDIA);
    let many = format!("{m_line}{}", "a=crypto:1 x\n".repeat(MAX_ATTRIBUTES));
    assert_eq!(read(many.as_bytes()).media()[0].crypto().count(), MAX_ATTRIBUTES);
    let others = format!("{m_line}{}", "a=x:1 x\n".repeat(8 * MAX_ATTRIBUTES));
    assert_eq!(read(others.as_bytes()).media().len(), 1, "unknown attributes are not counted");
    read(format!("s={}\n", "x".repeat(MAX_LINE_LEN - 2)).as_bytes());
    read(&vec![b'\n'; MAX_LEN]);
    read(b"");
    read("v=0\ns=caf\u{e9}\ni=\u{fffd}\n".as_bytes());
    read(b"s=\xff\xfe\n");
}

#[test]
fn an_error_names_the_line_and_never_its_text() {
    let secret = "inline:c2VjcmV0";
    for text in [
        format!("v=0\n{secret}\n"),
        format!("v=0\na=crypto:1 {secret}\u{e9}\n"),
        format!("v=0\nm=audio {secret}\n"),
    ] {
        let error = Description::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.line(), Some(2));
        let said = format!("{error} {error:?}");
        assert!(said.starts_with("line 2 of the SDP: ") && !said.contains("c2Vj"), "{said}");
    }
}

#[test]
fn no_key_shows_in_debug() {
    let description = read(TRUNK_OFFER);
    let mut rewrite = sealrtp_sdp::Rewrite::new(&description);
    let mut line = rewrite.line(0).unwrap();
    line.insert("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0").unwrap();
    let said = format!("{line:?}") + &format!("{rewrite:?} {description:?} {:?}", description.session());
    assert!(!said.contains("inline") && !said.contains("c2Vj"), "{said}");
}

#[test]
fn any_attribute_of_an_m_line_is_found_by_its_name_and_none_of_another_m_line() {
    let body = b"v=0\r\na=ptime:10\r\nm=audio 4000 RTP/AVP 0 8\r\ni=a=ptime:5\r\na=rtpmap:0 PCMU/8000\r\nA=RTPMAP: 8 PCMA/8000 \r\n\
        a=sendrecv\r\nb=AS:64\r\na=rtpmapper:1\r\na=rtpmap:\xff\r\nm=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let description = read(body);
    let values = |index, name| description.values(index, name).collect::<Vec<_>>();
    assert_eq!(values(0, "rtpmap"), ["0 PCMU/8000", "8 PCMA/8000"]);
    assert_eq!((values(0, "sendrecv"), values(0, "ptime")), (vec![""], vec![]));
    assert_eq!((values(1, "rtpmap"), values(2, "rtpmap")), (vec!["96 VP8/90000"], vec![]));
}
