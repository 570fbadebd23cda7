//! Descriptions: what a PBX says, and what becomes of a text on its way.

use sealrtp_sdp::{Description, Host};

use super::machine::Pairs;
use crate::input::Input;

/// What a PBX may have in a description; `{}` stands for the port of the line's sockets.
const BODIES: [&[&str]; 10] = [
    &[AUDIO],
    &[AUDIO, VIDEO],
    &[VIDEO, AUDIO],
    &[AUDIO, IMAGE],
    &[IMAGE],
    &[],
    &[HELD],
    &[NO_AUDIO, VIDEO],
    &[MUXED],
    // One more than a leg carries.
    &[AUDIO, VIDEO, AUDIO, AUDIO, AUDIO, AUDIO, AUDIO, AUDIO, AUDIO],
];
const AUDIO: &str = "m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
const VIDEO: &str = "m=video {} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
const IMAGE: &str = "m=image {} udptl t38\r\n";
const HELD: &str = "m=audio {} RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n";
const NO_AUDIO: &str = "m=audio 0 RTP/AVP 0\r\n";
const MUXED: &str = "m=audio {} RTP/AVP 0\r\na=rtcp-mux\r\n";

/// Lines that change what a description means.
const LINES: [&str; 16] = [
    "m=audio 0 RTP/AVP 0",
    "m=audio 5000 RTP/AVP 0",
    "m=video 5002 RTP/SAVPF 96",
    "m=image 5000 udptl t38",
    "m=audio 65535 RTP/AVP 0",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 ::1",
    "c=IN IP4 192.0.2.9",
    "a=rtcp:0",
    "a=rtcp:5001",
    "a=rtcp-mux",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
    "a=setup:holdconn",
    "a=fingerprint:sha-256 00",
    "a=zrtp-hash:1.10 00",
    "a=group:BUNDLE 0 1",
];

/// What a PBX with these sockets says.
pub fn body(choice: u8, sockets: &Pairs) -> Vec<u8> {
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n");
    for (line, said) in BODIES[usize::from(choice) % BODIES.len()].iter().enumerate() {
        let port = port(sockets, line % sockets.len());
        text.push_str(&said.replace("{}", &port.to_string()));
    }
    text.into_bytes()
}

fn port(sockets: &Pairs, line: usize) -> u16 {
    sockets[line][0].local_addr().expect("bound").port()
}

/// A text of the input: 192.0.2.9 stands for this machine, 5000 to 5003 for the ports of these sockets.
pub fn placed(text: &[u8], sockets: &Pairs) -> Vec<u8> {
    let mut text = replaced(text, b"192.0.2.9", b"127.0.0.1");
    for line in 0..sockets.len() {
        for component in 0..2 {
            let (written, port) = (5000 + 2 * line + component, usize::from(port(sockets, line)) + component);
            text = replaced(&text, written.to_string().as_bytes(), port.to_string().as_bytes());
        }
    }
    text
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        match rest.strip_prefix(from) {
            Some(behind) => {
                out.extend_from_slice(to);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// The text with up to seven changes: a byte of how many, then for each a byte of what, a word of where and a byte.
pub fn changed(text: &[u8], input: &mut Input, sockets: &Pairs) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..input.byte() % 8 {
        let (what, at, byte) = (input.byte() % 5, input.word(), input.byte());
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let within = at % lines.len();
        let line = [LINES[usize::from(byte) % LINES.len()].as_bytes(), b"\r"].concat();
        match what {
            0 if !bytes.is_empty() => {
                let at = at % bytes.len();
                bytes[at] = byte;
                continue;
            }
            0 => continue,
            1 => {
                bytes.truncate(at % (bytes.len() + 1));
                continue;
            }
            2 => drop(lines.remove(within)),
            3 => lines.insert(within, lines[within]),
            _ => lines.insert(within, &line),
        }
        bytes = placed(&lines.join(&b'\n'), sockets);
    }
    bytes
}

/// The PBX gets clear RTP at the relay's inner sockets, and nothing of what secures it.
pub fn check_for_pbx(text: &[u8]) {
    let seen = Description::parse(text).expect("what the PBX gets can be read");
    for media in seen.media().iter().filter(|media| media.profile().is_rtp()) {
        assert!(!media.profile().is_secure() && !media.has_ice());
        assert_eq!((media.crypto().count(), media.zrtp_hashes().count()), (0, 0));
        let held = media.host().is_some_and(Host::is_unspecified);
        let ours = media.host() == Some(Host::Ip(std::net::Ipv4Addr::LOCALHOST.into()));
        assert!(media.port() == 0 || held || ours);
    }
}

/// The peer gets something that it can read, and under a policy that lets nothing clear pass each line has its means.
pub fn check_for_peer(text: &[u8], strict: bool) {
    let seen = Description::parse(text).expect("what the peer gets can be read");
    for media in seen.media().iter().filter(|media| strict && media.port() != 0) {
        assert!(media.profile().is_rtp(), "m={} goes out in the clear", media.kind());
        let means = media.crypto().count() + media.fingerprints().count() + media.zrtp_hashes().count();
        assert!(means > 0, "m={} goes out without keys", media.kind());
    }
}

/// The keys in a text.
pub fn keys(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let key = |rest: &str| rest.split(['|', ' ', ';', '\r']).next().map(str::to_owned);
    text.split("inline:").skip(1).filter_map(key).collect()
}
