//! Ping and PingACK (RFC 6189 sections 5.15 and 5.16).

use super::{MessageError, Reader};

/// A ZRTP proxy asks who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// `1.10`.
    pub version: [u8; 4],
    /// Of the sender.
    pub endpoint_hash: [u8; 8],
}

impl Ping {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        Ok(Self { version: reader.array()?, endpoint_hash: reader.array()? })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version);
        out.extend_from_slice(&self.endpoint_hash);
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingAck {
    /// `1.10`.
    pub version: [u8; 4],
    /// Of the sender of the PingACK.
    pub endpoint_hash: [u8; 8],
    /// Of the Ping.
    pub ping_endpoint_hash: [u8; 8],
    /// Source identifier of the packet that held the Ping.
    pub ping_ssrc: u32,
}

impl PingAck {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            version: reader.array()?,
            endpoint_hash: reader.array()?,
            ping_endpoint_hash: reader.array()?,
            ping_ssrc: reader.word()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version);
        out.extend_from_slice(&self.endpoint_hash);
        out.extend_from_slice(&self.ping_endpoint_hash);
        out.extend_from_slice(&self.ping_ssrc.to_be_bytes());
    }
}
