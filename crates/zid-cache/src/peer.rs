//! What an administrator sees of a peer.

use std::time::SystemTime;

use sealrtp_zrtp::message::Zid;

/// Most bytes (UTF-8) of a peer's name.
pub const MAX_NAME: usize = 64;

/// A peer that the cache knows, without its secrets; of one that knows us under several numbers there is one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its ZID.
    pub zid: Zid,
    /// Ours, under which it knows us ([`ZidCache::of_number`](crate::ZidCache::of_number)), in one word of at most
    /// [`MAX_NUMBER`](crate::MAX_NUMBER) bytes; `None`: it knows our own ZID.
    pub number: Option<String>,
    /// What we call it.
    pub name: Option<String>,
    /// The SAS was compared since the retained secrets began, and they have not expired.
    pub verified: bool,
    /// There is a pbxsecret: it is enrolled with us, or we with it.
    pub enrolled: bool,
    /// There is a retained secret that has not expired: the next call can show that nobody came in between.
    pub retained: bool,
    /// When its first secret was stored.
    pub first_seen: SystemTime,
    /// When its last one was.
    pub last_seen: SystemTime,
    /// When its retained secrets expire; `None` is never.
    pub expires: Option<SystemTime>,
}

/// What a terminal can be given: nothing that would write over it or turn the line it stands in around.
pub(crate) fn fits_a_line(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What can be a name.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.chars().all(fits_a_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_64_bytes_at_most_and_cannot_move_the_cursor() {
        assert!(is_name("Zoë, 2nd floor") && is_name(&"x".repeat(64)) && is_name(&"é".repeat(32)));
        for wrong in ["\u{1b}[2J", "a\nb", "a\tb", "\u{202e}x", "\u{0}", "\u{9b}1m", "\u{2028}"] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
        assert!(!is_name(&"x".repeat(65)) && !is_name(&"é".repeat(33)));
    }
}
