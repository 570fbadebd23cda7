//! Hello (RFC 6189 section 5.2).

use super::{MAC_LEN, MessageError, Name, Names, Reader, Zid};

const SIGNATURES: u8 = 0x40;
const MITM: u8 = 0x20;
const PASSIVE: u8 = 0x10;

/// What an end point can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// `1.10`; the first three bytes count.
    pub version: [u8; 4],
    /// The software, filled up with spaces, or with NULs by bzrtp.
    pub client: [u8; 16],
    /// Last image of the hash chain.
    pub h3: [u8; 32],
    /// Whose Hello this is.
    pub zid: Zid,
    /// S: the sender can verify signatures.
    pub signatures: bool,
    /// M: the sender is a PBX that may send SASrelay.
    pub mitm: bool,
    /// P: the sender never sends a Commit.
    pub passive: bool,
    /// Hash algorithms.
    pub hashes: Names,
    /// Ciphers.
    pub ciphers: Names,
    /// SRTP authentication tags.
    pub auth_tags: Names,
    /// Key agreements.
    pub agreements: Names,
    /// SAS types.
    pub sas_types: Names,
    /// Made with the sender's H2 as key.
    pub mac: [u8; MAC_LEN],
}

impl Hello {
    /// The software in printable ASCII, what is not escaped.
    pub fn client_name(&self) -> String {
        let filled =
            self.client.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
        self.client[..filled].escape_ascii().to_string()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let version = reader.array()?;
        let client = reader.array()?;
        let h3 = reader.array()?;
        let zid = reader.zid()?;
        let [flags, counts @ ..]: [u8; 4] = reader.array()?;
        let counts = [counts[1] >> 4, counts[0] & 15, counts[1] & 15, counts[2] >> 4, counts[2] & 15];
        let [ciphers, hashes, auth_tags, agreements, sas_types] = counts;
        let mut list = |count: u8| -> Result<Names, MessageError> {
            if usize::from(count) > super::MAX_NAMES {
                return Err(MessageError::TooManyNames);
            }
            let mut names = [Name::default(); super::MAX_NAMES];
            let names = &mut names[..usize::from(count)];
            for name in names.iter_mut() {
                *name = reader.name()?;
            }
            Names::new(names)
        };
        Ok(Self {
            version,
            client,
            h3,
            zid,
            signatures: flags & SIGNATURES != 0,
            mitm: flags & MITM != 0,
            passive: flags & PASSIVE != 0,
            hashes: list(hashes)?,
            ciphers: list(ciphers)?,
            auth_tags: list(auth_tags)?,
            agreements: list(agreements)?,
            sas_types: list(sas_types)?,
            mac: reader.array()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version);
        out.extend_from_slice(&self.client);
        out.extend_from_slice(&self.h3);
        out.extend_from_slice(&self.zid.0);
        let lists = [&self.hashes, &self.ciphers, &self.auth_tags, &self.agreements, &self.sas_types];
        let [hc, cc, ac, kc, sc] = lists.map(|list| list.as_slice().len() as u8);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.signatures, SIGNATURES) | flag(self.mitm, MITM) | flag(self.passive, PASSIVE);
        out.extend_from_slice(&[flags, hc, cc << 4 | ac, kc << 4 | sc]);
        for name in lists.into_iter().flat_map(|list| list.as_slice()) {
            out.extend_from_slice(&name.0);
        }
        out.extend_from_slice(&self.mac);
    }
}
