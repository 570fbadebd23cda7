//! What becomes of a call whose security has failed.

use sealrtp_policy::Config;
use sealrtp_policy::Consequence::{self, Block, Continue, Hangup, Nothing};
use sealrtp_policy::Failure::{self, CacheMismatch, Downgrade, Dtls, Fingerprint, Zrtp};

fn consequence(settings: &[(&str, &str)], failure: Failure) -> Consequence {
    let mut config = Config::default();
    for (key, value) in settings {
        config.set(key, value).unwrap();
    }
    config.consequence(failure)
}

/// The order of the table's columns.
const FAILURES: [Failure; 5] = [Dtls, Fingerprint, Zrtp, CacheMismatch, Downgrade];

#[test]
fn each_failure_has_the_consequence_of_the_table() {
    let (rtp, reject) = (("fallback", "rtp"), ("fallback", "reject"));
    for (settings, expected) in [
        (&[][..], [Hangup, Hangup, Continue, Continue, Continue]),
        (&[rtp], [Hangup, Hangup, Continue, Continue, Continue]),
        (&[reject], [Hangup, Hangup, Hangup, Continue, Block]),
        (&[rtp, ("on_failure", "hangup")], [Hangup; 5]),
        (&[reject, ("on_failure", "hangup")], [Hangup; 5]),
        (&[rtp, ("on_failure", "block")], [Block; 5]),
        (&[reject, ("on_failure", "block")], [Block; 5]),
        (&[rtp, ("on_failure", "warn")], [Block, Block, Continue, Continue, Continue]),
        (&[reject, ("on_failure", "warn")], [Block, Block, Block, Continue, Block]),
    ] {
        let got = FAILURES.map(|failure| consequence(settings, failure));
        assert_eq!(got, expected, "{settings:?}");
    }
}

#[test]
fn nothing_goes_on_in_the_clear_where_that_is_refused_whatever_is_written() {
    for written in ["hangup", "block", "warn"] {
        for failure in [Dtls, Fingerprint, Zrtp, Downgrade] {
            let settings = [("fallback", "reject"), ("on_failure", written)];
            assert_ne!(consequence(&settings, failure), Continue, "{written}, {failure:?}");
        }
    }
}

#[test]
fn an_end_point_that_is_to_be_clear_is_no_downgrade() {
    let clear = [("offer", "none"), ("accept", "none"), ("on_failure", "hangup")];
    assert_eq!(consequence(&clear, Downgrade), Nothing);
    assert_eq!(consequence(&clear[1..], Downgrade), Hangup, "it offers everything");
    assert_eq!(consequence(&clear, Dtls), Hangup, "its own DTLS-SRTP");
}
