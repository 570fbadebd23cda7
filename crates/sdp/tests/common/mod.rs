//! Bodies that phones, browsers and trunks send.

#![allow(dead_code)]

/// A carrier trunk's client: nine suites in RTP/AVP.
pub const TRUNK_OFFER: &[u8] = include_bytes!("../../../sdes/tests/field/trunk-offer.sdp");
/// What the carrier answers.
pub const TRUNK_ANSWER: &[u8] = include_bytes!("../../../sdes/tests/field/trunk-answer.sdp");
/// Lifetime and MKI; two m-lines without a session's level.
pub const VIDEO_THEN_AUDIO: &[u8] = include_bytes!("../../../sdes/tests/field/audio-video-lifetime-mki.sdp");

/// The form of Chromium's offers: BUNDLE, a line that is only in it, a data channel.
pub const CHROMIUM: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
    a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n\
    m=audio 50001 UDP/TLS/RTP/SAVPF 111 0 8\r\nc=IN IP4 192.0.2.1\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.1 50001 typ host generation 0\r\na=ice-ufrag:F7gI\r\n\
    a=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:B9:A3:F4:70:03:E7:43:91:73:23:5E\r\n\
    a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\n\
    a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\n\
    a=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:B9:A3:F4:70:03:E7:43:91:73:23:5E\r\n\
    a=setup:actpass\r\na=sctp-port:5000\r\n";

/// The form of linphone's offers with ZRTP.
pub const ZRTP_PHONE: &str = "v=0\r\no=alice 2365 3312 IN IP4 192.0.2.1\r\ns=Talk\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
    m=audio 7078 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:101 telephone-event/48000\r\n\
    a=zrtp-hash:1.10 eabab2cd9e53b3fbb0deb3bb2fd6aa0b61c4bd3ce0a5a4dcdbc2dafc50fe1a05\r\na=rtcp-fb:* trr-int 5000\r\n";

/// A body with `session` in the session's level and `media` in an audio m-line of RTP/AVP.
pub fn body(session: &str, media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{session}m=audio 4000 RTP/AVP 0\r\n{media}"
    )
}
