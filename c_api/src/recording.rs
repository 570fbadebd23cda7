//! Recording of secured calls, as a policy has it.

use sealrtp_policy::{Method, RecordingAction};

use crate::boundary::{guard_or, shared};
use crate::config::sealrtp_config;

/// What becomes of a recorder on a call.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_recording {
    /// It goes on.
    SEALRTP_RECORDING_NOTHING = 0,
    /// It goes on, and ZRTP's disclosure flag tells the peer (RFC 6189 section 11).
    SEALRTP_RECORDING_DISCLOSE = 1,
    /// It gets silence, and is taken off the call where it can be.
    SEALRTP_RECORDING_WITHHOLD = 2,
}

/// The `sealrtp_recording` for a stream under this configuration. `zrtp` is 1 where its keys come by ZRTP, 0 by another
/// method; `secured` is 1 once it has them. SEALRTP_RECORDING_WITHHOLD for null.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_recording_action(
    config: *const sealrtp_config,
    zrtp: u32,
    secured: u32,
) -> u32 {
    use sealrtp_recording::*;
    guard_or(SEALRTP_RECORDING_WITHHOLD as u32, || {
        let method = if zrtp != 0 { Method::Zrtp } else { Method::Sdes };
        // SAFETY: the caller's promise.
        let action = unsafe { shared(config) }.map_or(RecordingAction::Withhold, |config| {
            config.0.recording().action(Some(method), secured != 0)
        });
        (match action {
            RecordingAction::Nothing => SEALRTP_RECORDING_NOTHING,
            RecordingAction::Disclose => SEALRTP_RECORDING_DISCLOSE,
            RecordingAction::Withhold => SEALRTP_RECORDING_WITHHOLD,
        }) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_action_and_nobodys_configuration_refuses() {
        let mut config = sealrtp_config(sealrtp_policy::Config::default());
        for (rule, zrtp, secured, expected) in [
            ("disclose", 1, 0, sealrtp_recording::SEALRTP_RECORDING_DISCLOSE),
            ("disclose", 0, 1, sealrtp_recording::SEALRTP_RECORDING_NOTHING),
            ("allow", 1, 1, sealrtp_recording::SEALRTP_RECORDING_NOTHING),
            ("refuse", 0, 0, sealrtp_recording::SEALRTP_RECORDING_NOTHING),
            ("refuse", 0, 1, sealrtp_recording::SEALRTP_RECORDING_WITHHOLD),
            ("refuse", 1, 1, sealrtp_recording::SEALRTP_RECORDING_WITHHOLD),
        ] {
            config.0.set("recording", rule).unwrap();
            // SAFETY: a live handle.
            let action = unsafe { sealrtp_recording_action(&config, zrtp, secured) };
            assert_eq!(action, expected as u32, "{rule} {zrtp} {secured}");
        }
        // SAFETY: null is allowed.
        let action = unsafe { sealrtp_recording_action(std::ptr::null(), 0, 0) };
        assert_eq!(action, sealrtp_recording::SEALRTP_RECORDING_WITHHOLD as u32);
    }
}
