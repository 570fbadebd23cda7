//! SDP bodies: what is not edited stays byte for byte, strip takes out security alone, and what is put in reads back; what a
//! relay says anew of ports and addresses reads as it was said; no key is left by the mask.
//!
//! Input: the body.

use std::net::IpAddr;

use sealrtp_sdp::{Description, Fault, Host, MAX_LEN, Profile, Rewrite, SdpError, mask};

/// Runs one input. Returns how many m-lines were read.
pub fn run(data: &[u8]) -> usize {
    let description = match Description::parse(data) {
        Ok(description) => description,
        Err(error) => {
            assert_eq!(error.line().is_none(), data.len() > MAX_LEN);
            return 0;
        }
    };
    let count = description.media().len();
    relay(&description);
    hide(data);
    for (index, media) in description.media().iter().enumerate() {
        assert!(description.transport_of(index).is_some_and(|at| at < count));
        assert_eq!(media.profile().is_rtp(), media.transport().parse() != Ok(Profile::Other));
        assert!(media.crypto().chain(media.fingerprints()).all(|value| value.trim() == value));
    }
    let mut rewrite = Rewrite::new(&description);
    assert_eq!(*rewrite.finish(), data, "no edits, other bytes");

    rewrite.strip_session();
    for index in 0..count {
        if let Some(mut line) = rewrite.line(index) {
            line.strip();
        }
    }
    let stripped = rewrite.finish();
    assert!(stripped.len() <= data.len());
    let again = Description::parse(&stripped).expect("was read before");
    assert_eq!(again.media().len(), count);
    for media in again.media().iter().filter(|media| media.profile().is_rtp()) {
        assert_eq!((media.crypto().count(), media.zrtp_hashes().count()), (0, 0));
        assert!(!media.has_key_mgmt());
    }
    let mut twice = Rewrite::new(&again);
    twice.strip_session();
    for index in 0..count {
        if let Some(mut line) = twice.line(index) {
            line.strip();
        }
    }
    assert_eq!(twice.finish(), stripped, "nothing is left to strip");

    for (index, media) in description.media().iter().enumerate() {
        if let Some(mut line) = rewrite.line(index) {
            line.profile(media.profile().srtp()).insert("crypto:1 ours").expect("fits");
        }
    }
    let rewritten = rewrite.finish();
    match Description::parse(&rewritten) {
        Ok(again) => {
            assert_eq!(again.media().len(), count);
            for media in again.media().iter().filter(|media| media.profile().is_rtp()) {
                assert!(media.profile().is_secure() && !media.profile().is_dtls());
                assert_eq!(media.crypto().collect::<Vec<_>>(), ["1 ours"]);
            }
        }
        Err(SdpError::TooLong(len)) => assert!(len > MAX_LEN),
        Err(SdpError::Line { fault, .. }) => assert_eq!(fault, Fault::TooManyAttributes),
    }
    count
}

/// A relay's ports and addresses.
fn relay(description: &Description<'_>) {
    let address = IpAddr::from([192, 0, 2, 9]);
    let mut rewrite = Rewrite::new(description);
    rewrite.strip_session_transport();
    for index in 0..description.media().len() {
        match rewrite.line(index) {
            Some(mut line) => {
                line.strip_transport().port(6000).address(address);
            }
            None => {
                rewrite.decline(index);
            }
        }
    }
    match Description::parse(&rewrite.finish()) {
        Ok(again) => {
            assert_eq!(again.session().bundles().count(), 0);
            for media in again.media().iter().filter(|media| media.profile().is_rtp()) {
                assert_eq!((media.port(), media.rtcp(), media.has_ice()), (6000, None, false));
                assert_eq!(media.host(), Some(Host::Ip(address)));
            }
            for media in again.media().iter().filter(|media| !media.profile().is_rtp()) {
                assert_eq!(media.port(), 0);
            }
        }
        Err(SdpError::TooLong(len)) => assert!(len > MAX_LEN),
        Err(SdpError::Line { fault, .. }) => assert_eq!(fault, Fault::TooManyAttributes),
    }
}

/// The mask leaves no key, moves nothing and is content with its own work.
fn hide(data: &[u8]) {
    let mut hidden = data.to_vec();
    mask(&mut hidden);
    // An m-line may have a key's mark before its port.
    let described = Description::parse(&hidden).ok();
    for media in described.iter().flat_map(Description::media) {
        for value in media.crypto() {
            let keys = value.to_ascii_lowercase();
            for key in keys.split("inline:").skip(1) {
                let first = key.bytes().next().unwrap_or(b'*');
                assert!(!first.is_ascii_alphanumeric(), "a key is left");
            }
        }
    }
    let again = hidden.clone();
    mask(&mut hidden);
    assert_eq!(hidden, again);
}
