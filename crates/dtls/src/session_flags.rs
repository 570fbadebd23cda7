//! Whether a session has an extended master secret. OpenSSL tells it through a function that the `openssl` crate does not
//! have, and through the session's DER form, in `flags [13]`.

use openssl::error::ErrorStack;
use openssl::ssl::SslSessionRef;
use zeroize::Zeroizing;

const FLAGS: u8 = 0xa0 | 13;
const EXTENDED_MASTER_SECRET: u8 = 1;

/// Reads the flag; `false` where OpenSSL's form is not understood.
pub(crate) fn extended_master_secret(session: &SslSessionRef) -> Result<bool, ErrorStack> {
    let der = Zeroizing::new(session.to_der()?);
    Ok(flag(&der).unwrap_or(false))
}

fn flag(der: &[u8]) -> Option<bool> {
    let (tag, mut fields, _) = element(der)?;
    if tag != 0x30 {
        return None;
    }
    while !fields.is_empty() {
        let (tag, body, rest) = element(fields)?;
        if tag == FLAGS {
            let (_, number, _) = element(body)?;
            return number.last().map(|low| low & EXTENDED_MASTER_SECRET != 0);
        }
        fields = rest;
    }
    Some(false)
}

/// Tag, contents and what follows, for the low tag numbers and lengths that sessions have.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = der else { return None };
    let (len, rest) = match *first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
    };
    let (body, rest) = rest.split_at_checked(len)?;
    Some((*tag, body, rest))
}
