//! DTLS-SRTP: what a handshake costs beside OpenSSL alone, what associations hold, what a burst of handshakes does to the media
//! of other calls, and when the first secured packet can go out.

mod bare;
mod burst;
mod cost;
mod first_audio;
mod held;
mod ours;

use std::error::Error;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Builder};
use sealrtp_dtls::{Fingerprints, HashFunction, Identity, Sha1};

use crate::clock::{micros, millis};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a handshake of ours may cost, in that of OpenSSL alone.
const COST_CEILING: f64 = 1.15;
/// When the first secured packet may go out at the latest, in round trips, the CPU time of the handshake not counted.
const ROUND_TRIPS_CEILING: f64 = 1.5;
/// What an association with keys stays below, in bytes.
const HELD_CEILING: usize = 4_096;

/// A certificate that ours and bare OpenSSL share.
struct Certificate {
    name: &'static str,
    x509: X509,
    key: PKey<Private>,
    identity: Identity,
    fingerprints: Fingerprints,
}

impl Certificate {
    fn new(name: &'static str, key: PKey<Private>) -> Result<Self> {
        let mut builder = X509Builder::new()?;
        builder.set_version(2)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let x509 = builder.build();
        let identity = Identity::from_pem(&x509.to_pem()?, &key.private_key_to_pem_pkcs8()?)?;
        let line = identity.fingerprint(HashFunction::Sha256)?.to_string();
        let fingerprints = Fingerprints::from_values([line.as_str()], Sha1::Refused)?;
        Ok(Self { name, x509, key, identity, fingerprints })
    }

    fn ecdsa() -> Result<Self> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        Self::new("ECDSA P-256", PKey::from_ec_key(EcKey::generate(&group)?)?)
    }

    fn rsa() -> Result<Self> {
        Self::new("RSA 2048", PKey::from_rsa(Rsa::generate(2048)?)?)
    }
}

/// Runs all and prints a table in Markdown. Returns what missed its mark.
pub fn run(quick: bool) -> Result<Vec<String>> {
    let mut misses = Vec::new();
    let (ecdsa, rsa) = (Certificate::ecdsa()?, Certificate::rsa()?);
    println!("DTLS {}", openssl::version::version());
    println!("| DTLS-SRTP, X25519, certificates at both ends | ours | OpenSSL alone | |");
    println!("|---|---|---|---|");

    for certificate in [&ecdsa, &rsa] {
        for row in cost::measure(certificate, if quick { 300 } else { 1000 })? {
            let ratio = row.ours.as_secs_f64() / row.bare.as_secs_f64();
            println!(
                "| CPU of a handshake, {}, {} | {} | {} | {ratio:.3} of OpenSSL's |",
                certificate.name,
                row.what,
                micros(row.ours),
                micros(row.bare)
            );
            if ratio > COST_CEILING {
                misses.push(format!("{} {} {ratio:.3} (ceiling {COST_CEILING})", certificate.name, row.what));
            }
        }
    }
    let held = held::measure(&ecdsa)?;
    println!("| heap of 1,000 in mid-handshake | {} B each | {} B each | |", held.running.0, held.running.1);
    println!(
        "| heap of 1,000 with keys | {} B each | {} B each | by memory_bytes(): {} B |",
        held.keyed.0, held.keyed.1, held.said
    );
    if held.keyed.0 >= HELD_CEILING {
        misses.push(format!("{} bytes with keys (ceiling {HELD_CEILING})", held.keyed.0));
    }
    for row in first_audio::measure(&ecdsa, if quick { 21 } else { 101 })? {
        let round_trips = row.network.as_secs_f64() / row.round_trip.as_secs_f64();
        println!(
            "| first secured packet goes out, round trip {} ms, {} | {:.1} round trips + {} CPU | | the other end's after {:.1} |",
            row.round_trip.as_millis(),
            row.what,
            round_trips,
            micros(row.cpu),
            row.other.as_secs_f64() / row.round_trip.as_secs_f64(),
        );
        if row.limited && round_trips > ROUND_TRIPS_CEILING {
            misses.push(format!("{} {round_trips} round trips (ceiling {ROUND_TRIPS_CEILING})", row.what));
        }
    }
    for certificate in [&ecdsa, &rsa] {
        let burst = burst::measure(certificate, if quick { 4 } else { 12 })?;
        println!(
            "| {} handshakes at once on {} threads, {} | all secured after {} (median; worst {}) | | {} lost |",
            burst::CALLS,
            burst::THREADS,
            certificate.name,
            millis(burst.median),
            millis(burst.worst),
            burst.lost
        );
        println!(
            "| meanwhile, media of {} secured calls: delay of a packet | p99 {}, worst {} | | without handshakes: p99 {}, worst {} |",
            burst::SECURED,
            millis(burst.busy.p99),
            millis(burst.busy.worst),
            millis(burst.idle.p99),
            millis(burst.idle.worst),
        );
        if burst.lost > 0 {
            misses.push(format!("{} of a burst's calls lost", burst.lost));
        }
    }
    Ok(misses)
}
