//! What a policy makes of a recorder.

use crate::{Method, Recording};

/// What becomes of a recorder on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordingAction {
    /// It goes on.
    Nothing,
    /// It goes on, and the peer is told by the means that the call's method has: ZRTP's disclosure flag.
    Disclose,
    /// It gets silence, and is taken off the call where it can be.
    Withhold,
}

impl RecordingAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Disclose, Self::Withhold];
}

impl Recording {
    /// What becomes of a recorder on a stream whose keys come by `method` (`None` where nobody makes any), and are there or
    /// not yet (`secured`).
    ///
    /// Clear media is nobody's secret: what is refused is refused from the first secured packet on. ZRTP's flag goes out
    /// with the keys (RFC 6189 section 5.7), so it is decided before there are any; SDES and DTLS-SRTP have none.
    pub fn action(self, method: Option<Method>, secured: bool) -> RecordingAction {
        match (self, method, secured) {
            (Self::Refuse, Some(_), true) => RecordingAction::Withhold,
            (Self::Disclose, Some(Method::Zrtp), _) => RecordingAction::Disclose,
            _ => RecordingAction::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods() -> impl Iterator<Item = Option<Method>> {
        Method::ALL.into_iter().map(Some).chain([None])
    }

    #[test]
    fn what_is_refused_is_withheld_once_it_is_secured_by_whatever_method() {
        for method in Method::ALL {
            assert_eq!(Recording::Refuse.action(Some(method), true), RecordingAction::Withhold, "{method}");
        }
    }

    #[test]
    fn clear_media_is_never_withheld() {
        for rule in Recording::ALL {
            for method in methods() {
                assert_ne!(rule.action(method, false), RecordingAction::Withhold, "{rule} {method:?}");
            }
            assert_eq!(rule.action(None, false), RecordingAction::Nothing, "{rule}");
        }
    }

    #[test]
    fn only_zrtp_has_a_means_to_disclose_before_its_keys_and_after() {
        for method in methods() {
            for secured in [false, true] {
                let expected = if method == Some(Method::Zrtp) {
                    RecordingAction::Disclose
                } else {
                    RecordingAction::Nothing
                };
                assert_eq!(Recording::Disclose.action(method, secured), expected, "{method:?} {secured}");
            }
        }
    }

    #[test]
    fn what_is_allowed_goes_on_in_silence() {
        for method in methods() {
            for secured in [false, true] {
                assert_eq!(
                    Recording::Allow.action(method, secured),
                    RecordingAction::Nothing,
                    "{method:?} {secured}"
                );
            }
        }
    }
}
