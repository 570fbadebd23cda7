//! Any bytes: no panic, nothing lost, no growth.

mod common;

use std::time::{Duration, Instant};

use common::{CHROMIUM, TRUNK_ANSWER, TRUNK_OFFER, VIDEO_THEN_AUDIO, ZRTP_PHONE, body};
use proptest::prelude::*;
use sealrtp_sdp::{Description, Fault, Host, MAX_LEN, Profile, Rewrite, SdpError};

/// The lines of `text`, with CR alone as a line end, too.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()).collect()
}

fn is_security(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    let names = [
        "a=crypto",
        "a=fingerprint",
        "a=tls-id",
        "a=zrtp-hash",
        "a=key-mgmt",
        "k=",
        "a=setup",
        "a=connection",
    ];
    names.iter().any(|name| line.starts_with(name.as_bytes()))
}

/// What a relay changes reads back as it was said, and nothing else is lost.
fn exercise_transport(text: &[u8], description: &Description<'_>) {
    let mut rewrite = Rewrite::new(description);
    rewrite.strip_session_transport();
    for index in 0..description.media().len() {
        match rewrite.line(index) {
            Some(mut line) if index % 3 < 2 => {
                line.strip_transport().port(6000).address([192, 0, 2, 9].into());
            }
            _ => {
                rewrite.decline(index);
            }
        }
    }
    let changed = rewrite.finish();
    if changed.len() > MAX_LEN {
        return;
    }
    let kept = |line: &&[u8]| {
        let line = line.to_ascii_lowercase();
        let gone = [
            "m=",
            "c=",
            "a=rtcp",
            "a=candidate",
            "a=ice-",
            "a=end-of-",
            "a=remote-",
            "a=group",
            "a=bundle-only",
        ];
        !gone.iter().any(|name| line.starts_with(name.as_bytes()))
    };
    let (before, after) = (lines(text), lines(&changed));
    assert!(
        before.into_iter().filter(kept).eq(after.into_iter().filter(kept)),
        "a line was lost, or changed"
    );
    let again = match Description::parse(&changed) {
        Ok(again) => again,
        // The c= lines that were put in.
        Err(error) => {
            return assert!(matches!(error, SdpError::Line { fault: Fault::TooManyAttributes, .. }));
        }
    };
    assert_eq!(again.media().len(), description.media().len());
    assert_eq!(again.session().bundles().count(), 0);
    for (index, (after, before)) in again.media().iter().zip(description.media()).enumerate() {
        if before.profile().is_rtp() && index % 3 < 2 {
            assert_eq!((after.port(), after.port_count(), after.rtcp()), (6000, 1, None));
            assert_eq!(after.host(), Some(Host::Ip([192, 0, 2, 9].into())));
            assert!(!after.has_ice() && !after.bundle_only());
        } else {
            assert_eq!(after.port(), 0);
        }
        assert_eq!(after.transport(), before.transport());
    }
}

/// Parse, strip, insert: checks what must hold for any body, and returns whether it could be read.
fn exercise(text: &[u8]) -> bool {
    let Ok(description) = Description::parse(text) else { return false };
    let mut rewrite = Rewrite::new(&description);
    assert_eq!(*rewrite.finish(), text, "no edits, other bytes");

    rewrite.strip_session();
    for index in 0..description.media().len() {
        if let Some(mut line) = rewrite.line(index) {
            line.strip();
        }
    }
    let stripped = rewrite.finish();
    // In order, every line is there but some of media security.
    let mut left = lines(&stripped).into_iter().peekable();
    for line in lines(text) {
        if left.peek() == Some(&line) {
            left.next();
        } else {
            assert!(is_security(line), "lost: {}", String::from_utf8_lossy(line));
        }
    }
    assert_eq!(left.next(), None, "strip adds nothing");
    let again = Description::parse(&stripped).expect("was read before");
    assert_eq!(again.media().len(), description.media().len());
    for media in again.media().iter().filter(|media| media.profile().is_rtp()) {
        assert_eq!((media.crypto().count(), media.zrtp_hashes().count()), (0, 0));
        assert!(media.tls_id().is_none() || !again.media().iter().all(|media| media.profile().is_rtp()));
        assert!(!media.has_key_mgmt());
    }

    // Costly, and about few lines: every fourth body.
    if text.len().is_multiple_of(4) {
        exercise_transport(text, &description);
    }
    let mut put = false;
    for (index, media) in description.media().iter().enumerate() {
        if let Some(mut line) = rewrite.line(index) {
            line.profile(media.profile().dtls_srtp()).insert("crypto:1 ours").unwrap();
            line.insert("fingerprint:sha-256 ours").unwrap();
            put = true;
        }
    }
    let rewritten = rewrite.finish();
    if !put {
        assert_eq!(rewritten, stripped);
        return true;
    }
    if rewritten.len() > MAX_LEN {
        return true;
    }
    match Description::parse(&rewritten) {
        Ok(again) => {
            assert_eq!(again.media().len(), description.media().len());
            for media in again.media().iter().filter(|media| media.profile().is_rtp()) {
                assert!(media.profile().is_dtls());
                assert_eq!(media.crypto().collect::<Vec<_>>(), ["1 ours"]);
                assert_eq!(media.fingerprints().collect::<Vec<_>>(), ["sha-256 ours"]);
            }
        }
        // Two more were too many.
        Err(error) => {
            assert!(matches!(error, SdpError::Line { fault: Fault::TooManyAttributes, .. }), "{error}");
        }
    }
    true
}

/// Pages of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages")
}

/// How long something takes. A machine that stands still now and then makes it no slower twice: the quickest of several
/// times, where the first is long.
fn timed<T>(something: impl Fn() -> T) -> (T, Duration) {
    let once = || {
        let start = Instant::now();
        (something(), start.elapsed())
    };
    let (result, mut took) = once();
    for _ in 0..20 {
        if took < Duration::from_secs(1) {
            break;
        }
        took = took.min(once().1);
    }
    (result, took)
}

/// xorshift64: the same bodies in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn mutate(&mut self, text: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(text.len());
        let len = self.below(40).min(text.len() - at);
        match self.below(8) {
            0 => text[at] ^= 1 << self.below(8),
            1 => text[at] = b"\r\n\0=:a m/0\xff"[self.below(11)],
            2 => drop(text.drain(at..at + len)),
            3 => text.truncate(at + 1),
            4 => {
                let copy = text[at..at + len].to_vec();
                let to = self.below(text.len());
                text.splice(to..to, copy);
            }
            5 => {
                let from = self.below(other.len());
                let piece = other[from..other.len().min(from + 200)].to_vec();
                text.splice(at..at, piece);
            }
            6 => {
                let words: [&[u8]; 6] = [
                    b"\na=crypto:1 x",
                    b"\na=fingerprint:x y",
                    b"\rm=audio 1 RTP/SAVP 0",
                    b"\r\na=setup:active",
                    b"RTP/",
                    b"\nk=x",
                ];
                text.splice(at..at, words[self.below(6)].iter().copied());
            }
            _ => {
                let line = text[at..at + len].repeat(1 + self.below(200));
                text.splice(at..at, line);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_mutated_bodies_neither_panic_nor_lose_a_line_nor_grow_the_process() {
    let seeds = [TRUNK_OFFER, TRUNK_ANSWER, VIDEO_THEN_AUDIO, CHROMIUM.as_bytes(), ZRTP_PHONE.as_bytes()];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut slowest, mut before) = (0, Duration::ZERO, 0);
    for round in 0..100_000 {
        if round == 10_000 {
            before = resident();
        }
        let mut text = seeds[random.below(seeds.len())].to_vec();
        for _ in 0..=random.below(4) {
            if text.is_empty() {
                break;
            }
            let other = seeds[random.below(seeds.len())];
            random.mutate(&mut text, other);
        }
        let (taken, took) = timed(|| exercise(&text));
        read += usize::from(taken);
        slowest = slowest.max(took);
    }
    // Both sorts must be among them, or this tests nothing.
    assert!((20_000..95_000).contains(&read), "{read} of 100,000 were read");
    assert!(slowest < Duration::from_secs(2), "a body took {slowest:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 1024, "{grown} pages more than after the first 10,000");
}

#[test]
fn the_largest_bodies_take_milliseconds() {
    let lines = "a=crypto:1 x\r\n".repeat(256);
    let m_line = format!("m=audio 1 RTP/SAVP 0\r\n{}", "a=fingerprint:x y\n".repeat(40));
    let many = [
        vec![b'\n'; MAX_LEN],
        b"a=x\n".repeat(MAX_LEN / 4),
        (body("", &lines) + &m_line.repeat(63)).into_bytes(),
        ("a=fingerprint:x y\n".repeat(256) + &"m=audio 1 RTP/AVP 0\n".repeat(64)).into_bytes(),
        ("a=setup:active\n".repeat(256) + &"m=audio 1 TCP/TLS/X 0\n".repeat(64)).into_bytes(),
    ];
    for text in many {
        let (read, took) = timed(|| exercise(&text));
        assert!(read, "{} bytes", text.len());
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back_as_they_were_or_are_refused(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&text);
    }

    #[test]
    fn any_lines_lose_only_those_of_media_security(
        lines in proptest::collection::vec(
            "(m=(audio|video|x) [0-9]{1,4} (RTP/S?AVPF?|UDP/TLS/RTP/SAVPF?|TCP/TLS/X|UDP/DTLS/SCTP) 0|[b-z]=\\PC{0,20}|a=(crypto|fingerprint|setup|connection|tls-id|zrtp-hash|key-mgmt|mid|group|x)[ :]?[ -~]{0,20}|)(\r\n|\n|\r)",
            0..30
        ),
        last in "(a=crypto:x|)",
    ) {
        let text = lines.concat() + &last;
        exercise(text.as_bytes());
    }

    #[test]
    fn a_profile_reads_as_it_was_written(index in 0_usize..6, port in any::<u16>()) {
        let profile = [Profile::Avp, Profile::Avpf, Profile::Savp, Profile::Savpf, Profile::UdpTlsSavp, Profile::UdpTlsSavpf][index];
        let text = format!("m=audio {port} RTP/AVP 0\r\n");
        let description = Description::parse(text.as_bytes()).unwrap();
        let mut rewrite = Rewrite::new(&description);
        rewrite.line(0).unwrap().profile(profile);
        let text = rewrite.finish();
        let again = Description::parse(&text).unwrap();
        prop_assert_eq!((again.media()[0].profile(), again.media()[0].port()), (profile, port));
    }
}
