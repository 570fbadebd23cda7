//! SDP bodies: what is not edited stays byte for byte, strip takes out security alone, and what is put in reads back.
//!
//! Input: the body.

use sealrtp_sdp::{Description, Fault, MAX_LEN, Profile, Rewrite, SdpError};

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
