//! Confirm1, Confirm2 and SASrelay: the encrypted form and what is inside (RFC 6189 sections 5.7 and 5.13).

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{MAC_LEN, MessageError, Name, Reader};

/// Words that the nine bits of a signature's length can say.
const MAX_SIGNATURE_WORDS: usize = 511;
/// Fewest bytes of what is encrypted: that of a Confirm or SASrelay without signature.
const MIN_SEALED: usize = 40;

/// A message whose content is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Over `sealed`.
    pub mac: [u8; MAC_LEN],
    /// CFB's initialisation vector.
    pub iv: [u8; 16],
    /// 40 to 2084 bytes, a multiple of four.
    pub sealed: Box<[u8]>,
}

impl Sealed {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let (mac, iv) = (reader.array()?, reader.array()?);
        let len = reader.remaining();
        if !(MIN_SEALED..=MIN_SEALED + 4 * MAX_SIGNATURE_WORDS).contains(&len) {
            return Err(MessageError::Length);
        }
        Ok(Self { mac, iv, sealed: reader.bytes(len)?.into() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mac);
        out.extend_from_slice(&self.iv);
        out.extend_from_slice(&self.sealed);
    }
}

/// The flag octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// E: a PBX offers enrolment. Not in SASrelay.
    pub enrolment: bool,
    /// V: the SAS of an earlier call was compared.
    pub verified: bool,
    /// A: the sender takes GoClear.
    pub allow_clear: bool,
    /// D: the sender may disclose keys (RFC 6189 section 11).
    pub disclosure: bool,
}

impl Flags {
    fn from_byte(byte: u8) -> Self {
        Self {
            enrolment: byte & 8 != 0,
            verified: byte & 4 != 0,
            allow_clear: byte & 2 != 0,
            disclosure: byte & 1 != 0,
        }
    }

    fn to_byte(self) -> u8 {
        u8::from(self.enrolment) << 3
            | u8::from(self.verified) << 2
            | u8::from(self.allow_clear) << 1
            | u8::from(self.disclosure)
    }
}

/// A signature of the SAS (RFC 6189 section 7.2): carried, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `PGP ` or `X509`.
    pub kind: Name,
    /// 0 to 2040 bytes, a multiple of four.
    pub block: Box<[u8]>,
}

impl Signature {
    fn read(reader: &mut Reader<'_>, words: usize) -> Result<Option<Self>, MessageError> {
        match words.checked_sub(1) {
            None => Ok(None),
            Some(words) => Ok(Some(Self { kind: reader.name()?, block: reader.bytes(4 * words)?.into() })),
        }
    }

    fn words(signature: Option<&Self>) -> Result<u16, MessageError> {
        let Some(signature) = signature else { return Ok(0) };
        let words = 1 + signature.block.len() / 4;
        if !signature.block.len().is_multiple_of(4) || words > MAX_SIGNATURE_WORDS {
            return Err(MessageError::TooLong);
        }
        Ok(words as u16)
    }

    fn write(signature: Option<&Self>, out: &mut Vec<u8>) {
        if let Some(signature) = signature {
            out.extend_from_slice(&signature.kind.0);
            out.extend_from_slice(&signature.block);
        }
    }
}

/// The word of unused bits, signature length and flags.
fn read_lengths(reader: &mut Reader<'_>) -> Result<(usize, Flags), MessageError> {
    let word = reader.word()?;
    Ok(((word >> 8 & 0x1ff) as usize, Flags::from_byte(word as u8)))
}

fn write_lengths(words: u16, flags: Flags, out: &mut Vec<u8>) {
    out.extend_from_slice(&(u32::from(words) << 8 | u32::from(flags.to_byte())).to_be_bytes());
}

/// What a Confirm has encrypted. Zeroised on drop: H0 is a MAC key.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ConfirmBody {
    /// The hash chain's secret beginning.
    pub h0: [u8; 32],
    /// Flags of the sender.
    #[zeroize(skip)]
    pub flags: Flags,
    /// How long the sender keeps the new secret, in seconds; `0xffffffff` is for ever.
    #[zeroize(skip)]
    pub cache_expiry: u32,
    /// A signature of the SAS.
    #[zeroize(skip)]
    pub signature: Option<Signature>,
}

impl ConfirmBody {
    /// Reads what was decrypted.
    ///
    /// # Errors
    /// [`MessageError::Length`] unless the signature fills it to the end.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let h0 = reader.array()?;
        let (words, flags) = read_lengths(&mut reader)?;
        let cache_expiry = reader.word()?;
        let signature = Signature::read(&mut reader, words)?;
        reader.end()?;
        Ok(Self { h0, flags, cache_expiry, signature })
    }

    /// The bytes to encrypt.
    ///
    /// # Errors
    /// [`MessageError::TooLong`] for a signature that does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        let words = Signature::words(self.signature.as_ref())?;
        // Never grows, so that no copy of H0 stays behind.
        let mut out = Vec::with_capacity(MIN_SEALED + 4 * usize::from(words));
        out.extend_from_slice(&self.h0);
        write_lengths(words, self.flags, &mut out);
        out.extend_from_slice(&self.cache_expiry.to_be_bytes());
        Signature::write(self.signature.as_ref(), &mut out);
        Ok(out)
    }
}

impl std::fmt::Debug for ConfirmBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfirmBody")
            .field("flags", &self.flags)
            .field("cache_expiry", &self.cache_expiry)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// What a SASrelay has encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SasRelayBody {
    /// V, A and D as the far end said them.
    pub flags: Flags,
    /// How the far end shows its SAS.
    pub sas_type: Name,
    /// The far end's sashash; zeros for a receiver that is not enrolled.
    pub sas_hash: [u8; 32],
    /// A signature of the PBX.
    pub signature: Option<Signature>,
}

impl SasRelayBody {
    /// Reads what was decrypted.
    ///
    /// # Errors
    /// [`MessageError::Length`] unless the signature fills it to the end.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let (words, flags) = read_lengths(&mut reader)?;
        let sas_type = reader.name()?;
        let sas_hash = reader.array()?;
        let signature = Signature::read(&mut reader, words)?;
        reader.end()?;
        Ok(Self { flags, sas_type, sas_hash, signature })
    }

    /// The bytes to encrypt.
    ///
    /// # Errors
    /// [`MessageError::TooLong`] for a signature that does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        let words = Signature::words(self.signature.as_ref())?;
        let mut out = Vec::with_capacity(MIN_SEALED + 4 * usize::from(words));
        write_lengths(words, self.flags, &mut out);
        out.extend_from_slice(&self.sas_type.0);
        out.extend_from_slice(&self.sas_hash);
        Signature::write(self.signature.as_ref(), &mut out);
        Ok(out)
    }
}
