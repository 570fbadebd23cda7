//! DHPart1 and DHPart2 (RFC 6189 sections 5.5 and 5.6).

use super::{MAC_LEN, MessageError, Reader};

/// Most bytes of a public value: that of DH3k.
pub const MAX_PUBLIC_VALUE: usize = 384;

/// A public value, with what tells which secrets its sender has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhPart {
    /// Hash image whose hash is H2.
    pub h1: [u8; 32],
    /// Of the retained secret rs1.
    pub rs1_id: [u8; 8],
    /// Of the retained secret rs2.
    pub rs2_id: [u8; 8],
    /// Of auxsecret.
    pub aux_id: [u8; 8],
    /// Of pbxsecret.
    pub pbx_id: [u8; 8],
    /// pvr or pvi: 4 to [`MAX_PUBLIC_VALUE`] bytes, a multiple of four.
    pub public_value: Box<[u8]>,
    /// Made with the sender's H0 as key.
    pub mac: [u8; MAC_LEN],
}

impl DhPart {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let h1 = reader.array()?;
        let [rs1_id, rs2_id, aux_id, pbx_id] =
            [reader.array()?, reader.array()?, reader.array()?, reader.array()?];
        let len = reader.remaining().checked_sub(MAC_LEN).ok_or(MessageError::Length)?;
        if !(4..=MAX_PUBLIC_VALUE).contains(&len) {
            return Err(MessageError::Length);
        }
        let public_value = reader.bytes(len)?.into();
        Ok(Self { h1, rs1_id, rs2_id, aux_id, pbx_id, public_value, mac: reader.array()? })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.h1);
        for id in [&self.rs1_id, &self.rs2_id, &self.aux_id, &self.pbx_id] {
            out.extend_from_slice(id);
        }
        out.extend_from_slice(&self.public_value);
        out.extend_from_slice(&self.mac);
    }
}
