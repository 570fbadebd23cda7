//! The short authentication string (RFC 6189 sections 4.5.2, 5.1.6 and 7).

use std::fmt;

use crate::algorithm::SasType;
use crate::words::{EVEN, ODD};

const BASE32: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// What two people compare. Not a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Sas {
    kind: SasType,
    hash: [u8; 32],
}

impl Sas {
    /// Of a sashash.
    pub fn new(kind: SasType, hash: [u8; 32]) -> Self {
        Self { kind, hash }
    }

    /// How it is shown.
    pub fn kind(&self) -> SasType {
        self.kind
    }

    /// The whole sashash, of which the shown string is the beginning: what a PBX relays.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

fn word(list: &'static str, byte: u8) -> &'static str {
    list.split_ascii_whitespace().nth(usize::from(byte)).unwrap_or_default()
}

impl fmt::Display for Sas {
    /// Four characters, or two words with a colon between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.hash;
        match self.kind {
            SasType::B32 => {
                let bits = u32::from_be_bytes([a, b, c, d]);
                [27, 22, 17, 12]
                    .into_iter()
                    .try_for_each(|shift| write!(f, "{}", char::from(BASE32[(bits >> shift & 31) as usize])))
            }
            SasType::B256 => write!(f, "{}:{}", word(EVEN, a), word(ODD, b)),
        }
    }
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sas({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(kind: SasType, begin: [u8; 4]) -> String {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&begin);
        Sas::new(kind, hash).to_string()
    }

    #[test]
    fn the_leftmost_20_bits_are_four_characters() {
        assert_eq!(show(SasType::B32, [0; 4]), "yyyy");
        assert_eq!(show(SasType::B32, [0xff; 4]), "9999");
        assert_eq!(show(SasType::B32, [0, 0, 0x0f, 0xff]), "yyyy", "the rest means nothing");
        // 00001 00010 00011 00100
        assert_eq!(show(SasType::B32, [0b0000_1000, 0b1000_0110, 0b0100_0000, 0]), "bndr");
    }

    #[test]
    fn the_leftmost_16_bits_are_two_words() {
        assert_eq!(show(SasType::B256, [0; 4]), "aardvark:adroitness");
        assert_eq!(show(SasType::B256, [0xff; 4]), "Zulu:Yucatan");
        // The example of the PGP word list's own description: E582 94F2.
        assert_eq!(show(SasType::B256, [0xe5, 0x82, 0, 0]), "topmost:Istanbul");
        assert_eq!(show(SasType::B256, [0x94, 0xf2, 0, 0]), "Pluto:vagabond");
    }

    #[test]
    fn each_list_has_256_different_words() {
        for list in [EVEN, ODD] {
            let words: std::collections::HashSet<_> = list.split_ascii_whitespace().collect();
            assert_eq!((words.len(), list.split_ascii_whitespace().count()), (256, 256));
        }
    }
}
