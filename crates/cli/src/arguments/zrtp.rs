//! What `sealrtp peer` takes for ZRTP.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sealrtp_zrtp::Sas;
use sealrtp_zrtp::algorithm::{Algorithm, AuthTag, Cipher, Hash, KeyAgreement, SasType};
use sealrtp_zrtp::message::Name;

use super::seconds;

/// What passes while ZRTP has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ZrtpWanted {
    /// Clear media, for as long as the peer does no ZRTP.
    Allow,
    /// Nothing.
    Require,
}

/// What our SDP says of our Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashWanted {
    /// Its hash.
    On,
    /// Nothing.
    Off,
    /// The hash of another Hello.
    Wrong,
}

/// Our part in an enrolment (RFC 6189 section 7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnrolmentWanted {
    /// As the PBX, offer it.
    Offer,
    /// As the phone, accept it where it is offered.
    Accept,
}

/// An algorithm by its name of four characters, of which the last may be a space and left out.
fn algorithm<A: Algorithm>(text: &str) -> Result<A, String> {
    let mut name = [b' '; 4];
    let known = || A::TABLE.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
    name.get_mut(..text.len())
        .ok_or_else(|| format!("not one of {}", known()))?
        .copy_from_slice(text.as_bytes());
    A::from_name(Name(name)).map_err(|error| format!("{error}; known are {}", known()))
}

/// A SAS type and a sashash: `B32:` and 64 hexadecimal digits.
fn sas(text: &str) -> Result<Sas, String> {
    let (kind, hex) = text.split_once(':').ok_or("a SAS type, a colon and 64 hexadecimal digits expected")?;
    let mut hash = [0; 32];
    if hex.len() != 2 * hash.len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits expected behind the colon".into());
    }
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
        *byte = digit(digits[0]) << 4 | digit(digits[1]);
    }
    Ok(Sas::new(algorithm(kind)?, hash))
}

/// `sealrtp peer --zrtp`.
#[derive(Debug, Args)]
#[command(next_help_heading = "ZRTP")]
pub struct ZrtpArguments {
    /// Keys by ZRTP, on plain RTP/AVP: allow begins clear, require passes nothing without keys [default: require]
    #[arg(
        long,
        value_enum,
        value_name = "RULE",
        num_args = 0..=1,
        default_missing_value = "require",
        conflicts_with_all = ["method", "local_crypto", "fingerprint"]
    )]
    pub zrtp: Option<ZrtpWanted>,

    /// Key agreements, best first: X255, EC25, DH3k, EC38, EC52, DH2k, Prsh [default: the first four]
    #[arg(long, value_delimiter = ',', value_parser = algorithm::<KeyAgreement>, value_name = "NAME", requires = "zrtp")]
    pub zrtp_key_agreements: Vec<KeyAgreement>,

    /// Hashes, best first: S256, S384 [default: both]
    #[arg(long, value_delimiter = ',', value_parser = algorithm::<Hash>, value_name = "NAME", requires = "zrtp")]
    pub zrtp_hashes: Vec<Hash>,

    /// Ciphers, best first: AES1, AES3, AES2 [default: all three]
    #[arg(long, value_delimiter = ',', value_parser = algorithm::<Cipher>, value_name = "NAME", requires = "zrtp")]
    pub zrtp_ciphers: Vec<Cipher>,

    /// SRTP authentication tags, best first: HS80, HS32 [default: both]
    #[arg(long, value_delimiter = ',', value_parser = algorithm::<AuthTag>, value_name = "NAME", requires = "zrtp")]
    pub zrtp_auth_tags: Vec<AuthTag>,

    /// SAS types, best first: B32, B256 [default: both]
    #[arg(long, value_delimiter = ',', value_parser = algorithm::<SasType>, value_name = "NAME", requires = "zrtp")]
    pub zrtp_sas: Vec<SasType>,

    /// Our ZID and what is kept of peers from call to call [default: a ZID for this run, and nothing is kept]
    #[arg(long, value_name = "FILE", requires = "zrtp")]
    pub zrtp_cache: Option<PathBuf>,

    /// Say that the user has compared the SAS
    #[arg(long, requires = "zrtp")]
    pub zrtp_verify: bool,

    /// What our SDP says in a=zrtp-hash
    #[arg(long, value_enum, value_name = "WHAT", default_value = "on", requires = "zrtp")]
    pub zrtp_hash: HashWanted,

    /// Seconds of clear media before our Hello, with --zrtp allow
    #[arg(long, value_parser = seconds, value_name = "SECONDS", requires = "zrtp")]
    pub zrtp_after: Option<Duration>,

    /// Play a PBX that stands in the middle: flag M
    #[arg(long, requires = "zrtp")]
    pub zrtp_mitm: bool,

    /// Enrolment of a phone at a PBX: offer it as the PBX, or accept it as the phone
    #[arg(long, value_enum, value_name = "PART", requires = "zrtp")]
    pub zrtp_enrol: Option<EnrolmentWanted>,

    /// As the PBX, relay a far end's SAS to an enrolled phone: its type, a colon and its sashash in hexadecimal
    #[arg(long, value_parser = sas, value_name = "TYPE:HASH", requires = "zrtp")]
    pub zrtp_relay_sas: Option<Sas>,

    /// Say that our side may disclose the keys, e.g. because it records: flag D
    #[arg(long, requires = "zrtp")]
    pub zrtp_disclosure: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sas_to_relay_is_a_type_and_a_whole_hash() {
        assert_eq!(sas(&format!("B32:{}", "00".repeat(32))).unwrap().to_string(), "yyyy");
        assert_eq!(sas(&format!("B256:E582{}", "0".repeat(60))).unwrap().to_string(), "topmost:Istanbul");
        for bad in
            ["", "B32", "B32:00", &format!("B64:{}", "00".repeat(32)), &format!("B32:{}", "é".repeat(32))]
        {
            assert!(sas(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn algorithms_are_read_by_their_names_and_refused_with_a_reason() {
        assert_eq!(algorithm::<SasType>("B32"), Ok(SasType::B32));
        assert_eq!(algorithm::<KeyAgreement>("E255"), Ok(KeyAgreement::X255));
        for (text, reason) in
            [("N256", "SHA-3"), ("S25", "known are S256"), ("S256S", "not one of S256"), ("", "known")]
        {
            let error = algorithm::<Hash>(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
