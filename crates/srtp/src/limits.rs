//! What one direction of a stream may hold.

/// Bounds of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    replay_window: u32,
    max_ssrcs: u16,
}

/// A bound was out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// RFC 3711 section 3.3.2 asks for at least 64.
    #[error("a replay window has {min} to {max} packets, got {0}", min = Limits::MIN_REPLAY_WINDOW, max = Limits::MAX_REPLAY_WINDOW)]
    ReplayWindow(u32),
    /// No SSRC at all, or more than [`Limits::MAX_SSRCS`].
    #[error("a direction has 1 to {max} SSRCs, got {0}", max = Limits::MAX_SSRCS)]
    MaxSsrcs(u32),
}

impl Limits {
    /// Smallest replay window, in packets.
    pub const MIN_REPLAY_WINDOW: u32 = 64;
    /// Largest replay window, in packets: half of the sequence numbers, beyond which an index cannot be told.
    pub const MAX_REPLAY_WINDOW: u32 = 32_768;
    /// Most SSRCs one direction can be allowed.
    pub const MAX_SSRCS: u16 = 4096;

    /// `replay_window` in packets (rounded up to whole 64s), `max_ssrcs` in SSRCs per direction; RTP and RTCP count apart.
    ///
    /// # Errors
    /// A [`LimitsError`] that names the range.
    pub fn new(replay_window: u32, max_ssrcs: u32) -> Result<Self, LimitsError> {
        if !(Self::MIN_REPLAY_WINDOW..=Self::MAX_REPLAY_WINDOW).contains(&replay_window) {
            return Err(LimitsError::ReplayWindow(replay_window));
        }
        match u16::try_from(max_ssrcs) {
            Ok(max_ssrcs @ 1..=Self::MAX_SSRCS) => {
                Ok(Self { replay_window: replay_window.next_multiple_of(64), max_ssrcs })
            }
            _ => Err(LimitsError::MaxSsrcs(max_ssrcs)),
        }
    }

    /// Packets in the replay window.
    pub fn replay_window(self) -> u32 {
        self.replay_window
    }

    /// SSRCs per direction.
    pub fn max_ssrcs(self) -> u16 {
        self.max_ssrcs
    }
}

impl Default for Limits {
    /// A replay window of 128 packets (64 bytes an SSRC) and 1024 SSRCs: a bridged leg sends under the SSRCs of every leg it is
    /// bridged to in its life.
    fn default() -> Self {
        Self { replay_window: 128, max_ssrcs: 1024 }
    }
}
