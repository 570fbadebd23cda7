//! AES-192: libsrtp up to 2.5 does not derive session keys as RFC 6188 says. We do, and can do as libsrtp does.

use sealrtp_differential::{Keys, Oracle, Ours, Verdict, libraries, rtp};
use sealrtp_srtp::SessionParams;
use sealrtp_test_libsrtp::Suite;

#[test]
fn aes_192_is_libsrtps_only_behind_the_switch() {
    for library in libraries() {
        for suite in [Suite::AesCm192HmacSha1_80, Suite::AesCm192HmacSha1_32] {
            let keys = Keys::one(suite, 4);
            let packet = rtp(9, 1, b"payload");
            let Verdict::Taken(wire) = Oracle::new(library, &keys).protect_rtp(&packet) else {
                panic!("{suite:?}")
            };

            let mut by_the_rfc = Ours::under(&keys.ours_with(SessionParams::default()), 128);
            assert_eq!(by_the_rfc.unprotect_rtp(&wire), Verdict::Refused, "{library:?} {suite:?}");
            let Verdict::Taken(by_the_rfc) = by_the_rfc.protect_rtp(&packet) else { panic!("{suite:?}") };
            assert_eq!(
                Oracle::new(library, &keys).unprotect_rtp(&by_the_rfc),
                Verdict::Refused,
                "{library:?} {suite:?}"
            );

            let params = SessionParams { libsrtp_aes192: true, ..SessionParams::default() };
            let mut like_libsrtp = Ours::under(&keys.ours_with(params), 128);
            assert_eq!(like_libsrtp.unprotect_rtp(&wire), Verdict::Taken(packet), "{library:?} {suite:?}");
        }
    }
}
