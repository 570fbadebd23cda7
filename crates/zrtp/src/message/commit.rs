//! Commit in its three forms (RFC 6189 section 5.4).

use super::{MAC_LEN, MessageError, Name, Reader, Zid};

/// Begins a key agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Hash image whose hash is the Hello's H3.
    pub h2: [u8; 32],
    /// The initiator.
    pub zid: Zid,
    /// Hash algorithm chosen.
    pub hash: Name,
    /// Cipher chosen.
    pub cipher: Name,
    /// SRTP authentication tag chosen.
    pub auth_tag: Name,
    /// Key agreement chosen: `Mult` and `Prsh` have a [`CommitMode`] of their own.
    pub agreement: Name,
    /// SAS type chosen.
    pub sas_type: Name,
    /// What depends on the key agreement.
    pub mode: CommitMode,
    /// Made with the initiator's H1 as key.
    pub mac: [u8; MAC_LEN],
}

/// What a Commit carries beside the choice of algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Hash of the initiator's DHPart2 and the responder's Hello.
    Dh {
        /// Cut to 256 bits.
        hvi: [u8; 32],
    },
    /// `Mult`.
    Multistream {
        /// Random, never used before between these two.
        nonce: [u8; 16],
    },
    /// `Prsh`.
    Preshared {
        /// Random, never used before between these two.
        nonce: [u8; 16],
        /// Tells which secrets the initiator used.
        key_id: [u8; 8],
    },
}

impl Commit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let h2 = reader.array()?;
        let zid = reader.zid()?;
        let [hash, cipher, auth_tag, agreement, sas_type] =
            [reader.name()?, reader.name()?, reader.name()?, reader.name()?, reader.name()?];
        let mode = match &agreement.0 {
            b"Mult" => CommitMode::Multistream { nonce: reader.array()? },
            b"Prsh" => CommitMode::Preshared { nonce: reader.array()?, key_id: reader.array()? },
            _ => CommitMode::Dh { hvi: reader.array()? },
        };
        let mac = reader.array()?;
        Ok(Self { h2, zid, hash, cipher, auth_tag, agreement, sas_type, mode, mac })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.h2);
        out.extend_from_slice(&self.zid.0);
        for name in [self.hash, self.cipher, self.auth_tag, self.agreement, self.sas_type] {
            out.extend_from_slice(&name.0);
        }
        match &self.mode {
            CommitMode::Dh { hvi } => out.extend_from_slice(hvi),
            CommitMode::Multistream { nonce } => out.extend_from_slice(nonce),
            CommitMode::Preshared { nonce, key_id } => {
                out.extend_from_slice(nonce);
                out.extend_from_slice(key_id);
            }
        }
        out.extend_from_slice(&self.mac);
    }
}
