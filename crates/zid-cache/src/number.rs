//! One of our numbers as an end point of its own: its ZID and its rows.

use std::fmt;
use std::sync::Arc;

use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Cache, CacheError, Entry};
use sha2::{Digest, Sha256};

use crate::peer::fits_a_line;
use crate::row::Key;
use crate::{PATIENCE, ZidCache};

/// Most bytes (UTF-8) of a number that are kept for people to read. The ZID is made of all of it.
pub const MAX_NUMBER: usize = 64;

/// The ZID of one of our numbers: the same for all time, and telling neither the number nor `own` to whom does not
/// know the other. The number "" has `own` itself.
pub fn zid_of_number(own: &Zid, number: &str) -> Zid {
    if number.is_empty() {
        return *own;
    }
    let digest =
        Sha256::new().chain_update(b"SealRTP ZID of a number\0").chain_update(own.0).chain_update(number);
    let mut zid = [0; 12];
    zid.copy_from_slice(&digest.finalize()[..12]);
    Zid(zid)
}

/// The number as a person may see it: no longer than [`MAX_NUMBER`], in one word.
fn readable(number: &str) -> Option<String> {
    let mut readable = String::new();
    for c in number.chars() {
        let c = if fits_a_line(c) && !c.is_whitespace() { c } else { '?' };
        if readable.len() + c.len_utf8() > MAX_NUMBER {
            break;
        }
        readable.push(c);
    }
    Some(readable).filter(|readable| !readable.is_empty())
}

/// The cache as one of our numbers has it, by [`ZidCache::of_number`].
#[derive(Clone)]
pub struct Numbered {
    cache: Arc<ZidCache>,
    zid: Zid,
    number: Option<String>,
}

impl Numbered {
    pub(crate) fn new(cache: Arc<ZidCache>, number: &str) -> Self {
        Self { zid: zid_of_number(&cache.zid(), number), number: readable(number), cache }
    }

    /// Our ZID under this number.
    pub fn zid(&self) -> Zid {
        self.zid
    }
}

impl Cache for Numbered {
    fn load(&self, peer: &Zid) -> Result<Option<Entry>, CacheError> {
        let key = Key { own: self.zid, peer: *peer };
        self.cache.worker.ask(PATIENCE, move |database| database.load(&key))
    }

    fn store(&self, peer: &Zid, entry: &Entry, expiry: u32) -> Result<(), CacheError> {
        let key = Key { own: self.zid, peer: *peer };
        let (number, entry) = (self.number.clone(), entry.clone());
        self.cache
            .worker
            .ask(PATIENCE, move |database| database.store(&key, number.as_deref(), &entry, expiry))
    }
}

impl fmt::Debug for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cache, zid, number } = self;
        f.debug_struct("Numbered").field("cache", cache).field("zid", zid).field("number", number).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zid_is_of_both_our_zid_and_the_number() {
        let own = Zid([7; 12]);
        assert_eq!(zid_of_number(&own, ""), own);
        let zids = ["100", "200", "1000", "100 ", "from:100"].map(|number| zid_of_number(&own, number));
        for (at, zid) in zids.iter().enumerate() {
            assert!(*zid != own && !zids[..at].contains(zid));
        }
        assert_ne!(zid_of_number(&Zid([8; 12]), "100"), zids[0]);
        // Phones know us by it: it must stay the same in every version.
        assert_eq!(zids[0].to_string(), "b5c562157c5ff3a59f356d6f");
    }

    #[test]
    fn a_number_is_shown_in_one_word_of_64_bytes_at_most() {
        assert_eq!(readable(""), None);
        assert_eq!(readable("+49 30\u{1b}[2J\u{202e}").as_deref(), Some("+49?30?[2J?"));
        assert_eq!(readable(&"é".repeat(5000)), Some("é".repeat(32)));
        assert_eq!(readable(&format!("{}é", "x".repeat(63))), Some("x".repeat(63)));
    }
}
