//! The command line.

mod keys;
mod relay;
mod zrtp;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use sealrtp_dtls::HashFunction;
use sealrtp_srtp::{Path, Suite};

use crate::codec::Codec;
use crate::outcome::Outcome;

pub use self::keys::{CertificateArguments, HandArguments, RoleWanted};
pub use self::relay::RelayArguments;
pub use self::zrtp::{EnrolmentWanted, HashWanted, ZrtpArguments, ZrtpWanted};

/// SealRTP's tools.
#[derive(Debug, Parser)]
#[command(name = "sealrtp", version, long_version = long_version(), about = "SealRTP's tools for who tests and debugs secured media")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `--version` says; the paths are what `SEALRTP_SRTP_PATH` may name.
fn long_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let paths: Vec<_> = Path::available().map(Path::name).collect();
        format!(
            "{}\nSRTP path           {}\nof this processor's {}",
            env!("CARGO_PKG_VERSION"),
            Path::chosen(),
            paths.join(" ")
        )
    });
    &VERSION
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A media end point: keys by SDES, DTLS-SRTP or ZRTP, plays, measures what comes back, prints one JSON line
    #[command(long_about = ABOUT, after_long_help = examples())]
    Peer(Box<PeerArguments>),
    /// A device that speaks clear RTP on one side, a secured peer on the other, for one call; prints one JSON line
    #[command(long_about = relay::ABOUT, after_long_help = relay::examples())]
    Relay(Box<RelayArguments>),
    /// The peers of a ZRTP cache: list, name, verify, forget
    Zrtp(crate::zrtp_cache::ZrtpCacheArguments),
}

const ABOUT: &str = "\
A media end point for scripts and for who debugs. It gets its keys by SDES, DTLS-SRTP or ZRTP, plays a tone or a WAV \
file (or echoes), measures what comes back, and prints one JSON line at the end.

Who the peer is comes from its SDP (--remote-sdp; --offer if ours is to be first) or from the command line (--method, \
--remote, and --local-crypto with --remote-crypto, or --role with --fingerprint; or --zrtp and --remote).

Addresses and our fingerprint or ZID stand on stderr at the start. Media is never sent in the clear, and clear media never taken, \
except with --method none and --zrtp allow. Keys stand in no output but our own a=crypto lines in the SDP.";

/// What follows the options in `--help`; each example runs as it stands.
fn examples() -> String {
    format!(
        "\
Examples:
  # Two peers find each other through two SDP files. The last line of each is its JSON.
  sealrtp peer --offer --method dtls --local-sdp offer.sdp --remote-sdp answer.sdp --duration 1 &
  sealrtp peer --remote-sdp offer.sdp --local-sdp answer.sdp --duration 1

  # SDES with keys from files; the second one learns the first one's address from its first packet and echoes.
  echo '1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz' > a.key
  echo '1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR' > b.key
  sealrtp peer --method sdes --local-crypto @b.key --remote-crypto @a.key --bind 127.0.0.1:40000 --echo --duration 2 &
  sealrtp peer --method sdes --local-crypto @a.key --remote-crypto @b.key --remote 127.0.0.1:40000 --tone 1000 --duration 1

  # ZRTP that begins clear, and two seconds later is secured; both ends show the same SAS.
  sealrtp peer --offer --zrtp allow --zrtp-after 2 --local-sdp offer2.sdp --remote-sdp answer2.sdp --duration 4 &
  sealrtp peer --remote-sdp offer2.sdp --local-sdp answer2.sdp --zrtp allow --duration 4

  # DTLS by hand, and a handshake's steps: waits for a ClientHello until the timeout, exit code 3.
  sealrtp peer --method dtls --role server --remote 127.0.0.1:40002 --timeout 1 --trace \\
    --fingerprint 'sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB' --allow-sha1

Exit codes, and \"result\" in the JSON line:
{}
The JSON line is printed for every exit code but 2 of arguments that could not be read. SIGINT and SIGTERM end a run as \
--duration does.",
        Outcome::table()
    )
}

/// A method to get keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// DTLS-SRTP (RFC 5763, 5764).
    Dtls,
    /// Keys in the SDP (RFC 4568).
    Sdes,
    /// In the media path (RFC 6189): `--zrtp`.
    #[value(skip)]
    Zrtp,
    /// Clear RTP, for comparison.
    None,
}

impl Method {
    /// The word in the JSON line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dtls => "dtls",
            Self::Sdes => "sdes",
            Self::Zrtp => "zrtp",
            Self::None => "none",
        }
    }
}

/// Which clients are asked for a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CookiesWanted {
    /// All.
    Always,
    /// Those who are not where the peer's media is to come from.
    Unknown,
    /// None.
    Never,
}

/// Where RTCP goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RtcpWanted {
    /// On RTP's port (RFC 5761), where the peer agrees.
    Mux,
    /// On a port of its own.
    Separate,
}

fn suite(name: &str) -> Result<Suite, String> {
    Suite::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Suite::ALL.iter().map(|suite| suite.name()).collect();
        format!("not one of {}", known.join(", "))
    })
}

fn hash(name: &str) -> Result<HashFunction, String> {
    HashFunction::from_name(name).ok_or_else(|| "not one of sha-1, sha-224, sha-256, sha-384, sha-512".into())
}

/// Accepts `ADDRESS`, `ADDRESS:PORT` and `[ADDRESS]:PORT`; without a port the system chooses one.
fn bind(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)).or_else(|_| text.parse());
    address.map_err(|_| "not an IP address, with or without a port".into())
}

/// Seconds with a fraction, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("seconds expected, more than 0 and at most 86400");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if seconds > 0.0 && seconds <= 86_400.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

fn hertz(text: &str) -> Result<f64, String> {
    let hertz: f64 = text.parse().map_err(|_| "a frequency in Hz expected")?;
    if (20.0..=3900.0).contains(&hertz) { Ok(hertz) } else { Err("20 to 3900 Hz can be played".into()) }
}

fn level(text: &str) -> Result<f64, String> {
    let level: f64 = text.parse().map_err(|_| "a level in dBov expected")?;
    if (-90.0..=-3.2).contains(&level) { Ok(level) } else { Err("-90 to -3.2 dBov".into()) }
}

fn ptime(text: &str) -> Result<u32, String> {
    let known = text.parse().ok().filter(|ms| matches!(ms, 10 | 20 | 30 | 40 | 60));
    known.ok_or_else(|| "10, 20, 30, 40 or 60 ms".into())
}

/// `sealrtp peer`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("media").args(["tone", "wav", "echo", "silent"])))]
pub struct PeerArguments {
    /// The peer's SDP, the answer with --offer: a file, waited for until --timeout, or - for stdin
    #[arg(long, value_name = "FILE", help_heading = "Description")]
    pub remote_sdp: Option<PathBuf>,

    /// Our offer goes first, and --remote-sdp is the answer to it
    #[arg(long, requires = "remote_sdp", help_heading = "Description")]
    pub offer: bool,

    /// Where our SDP goes: a file, which appears whole, or - for stdout
    #[arg(long, value_name = "FILE", default_value = "-", help_heading = "Description")]
    pub local_sdp: PathBuf,

    /// Methods to offer or accept, best first [default: dtls,sdes in an offer; sdes,dtls in an answer]
    #[arg(long, value_enum, value_delimiter = ',', help_heading = "Security")]
    pub method: Vec<Method>,

    /// SDES suites to offer or accept, best first [default: as SealRTP's modules have them]
    #[arg(long, value_delimiter = ',', value_parser = suite, value_name = "SUITE", help_heading = "Security")]
    pub suites: Vec<Suite>,

    /// DTLS-SRTP profiles to offer or accept, best first, by their suites' names [default: all four, AEAD first]
    #[arg(long, value_delimiter = ',', value_parser = suite, value_name = "SUITE", help_heading = "Security")]
    pub profiles: Vec<Suite>,

    /// Keys without SDP.
    #[command(flatten)]
    pub hand: HandArguments,

    /// Our certificate.
    #[command(flatten)]
    pub certificate: CertificateArguments,

    /// DTLS: hash function of our a=fingerprint
    #[arg(long, value_parser = hash, default_value = "sha-256", value_name = "NAME", help_heading = "Security")]
    pub hash: HashFunction,

    /// DTLS: accept a sha-1 fingerprint of a peer that gives nothing stronger
    #[arg(long, help_heading = "Security")]
    pub allow_sha1: bool,

    /// DTLS: most bytes of a handshake datagram, 256 to 16384
    #[arg(long, default_value_t = 1200, value_name = "BYTES", help_heading = "Security")]
    pub mtu: usize,

    /// DTLS: as server, which clients must show with a cookie that they receive where they send from
    #[arg(long, value_enum, default_value = "unknown", help_heading = "Security")]
    pub cookies: CookiesWanted,

    /// ZRTP.
    #[command(flatten)]
    pub zrtp: ZrtpArguments,

    /// Our RTP address; without a port the system chooses one
    #[arg(long, value_parser = bind, default_value = "127.0.0.1", value_name = "ADDRESS[:PORT]",
          help_heading = "Network")]
    pub bind: SocketAddr,

    /// Our RTCP port [default: the one above RTP's]
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    pub rtcp_port: Option<u16>,

    /// The address that our SDP names [default: that of --bind]
    #[arg(long, value_name = "ADDRESS", help_heading = "Network")]
    pub advertise: Option<IpAddr>,

    /// Without SDP: the peer's RTP address [default: where the first packet comes from that proves to be the peer's]
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "remote_sdp", help_heading = "Network")]
    pub remote: Option<SocketAddr>,

    /// Without SDP: the peer's RTCP address [default: the port above RTP's]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "remote", help_heading = "Network")]
    pub remote_rtcp: Option<SocketAddr>,

    /// Where RTCP goes
    #[arg(long, value_enum, default_value = "mux", help_heading = "Network")]
    pub rtcp: RtcpWanted,

    /// Seconds between our RTCP reports on average; the first comes after half of it
    #[arg(long, value_parser = seconds, default_value = "5", value_name = "SECONDS", help_heading = "Network")]
    pub rtcp_interval: Duration,

    /// Play a tone [default: 440 Hz]
    #[arg(long, value_parser = hertz, value_name = "HZ", help_heading = "Media")]
    pub tone: Option<f64>,

    /// Its level in dBov, where a full sine has -3.01 (RFC 6464)
    #[arg(long, value_parser = level, default_value = "-20", allow_negative_numbers = true, value_name = "DBOV",
          help_heading = "Media")]
    pub level: f64,

    /// Play a mono PCM WAV file of 8 or 16 kHz, from the beginning again when it is over
    #[arg(long, value_name = "FILE", help_heading = "Media")]
    pub wav: Option<PathBuf>,

    /// Send back what comes
    #[arg(long, help_heading = "Media")]
    pub echo: bool,

    /// Send silence
    #[arg(long, help_heading = "Media")]
    pub silent: bool,

    /// G.711's law [default: the first that the peer's SDP lists, without SDP pcmu]
    #[arg(long, value_enum, help_heading = "Media")]
    pub codec: Option<Codec>,

    /// Milliseconds of audio in a packet of ours [default: as the peer's SDP asks, else 20]
    #[arg(long, value_parser = ptime, value_name = "MS", help_heading = "Media")]
    pub ptime: Option<u32>,

    /// Seconds of media, from the moment there are keys and the peer's address is known [default: the WAV's, else 5]
    #[arg(long, value_parser = seconds, value_name = "SECONDS", help_heading = "Media")]
    pub duration: Option<Duration>,

    /// Record what comes back as a WAV file
    #[arg(long, value_name = "FILE", help_heading = "Media")]
    pub record: Option<PathBuf>,

    /// Seconds until there must be keys, from the start
    #[arg(long, value_parser = seconds, default_value = "10", value_name = "SECONDS", help_heading = "Verdict")]
    pub timeout: Duration,

    /// Audio is what has at least this level, in dBov
    #[arg(long, value_parser = level, default_value = "-50", allow_negative_numbers = true, value_name = "DBOV",
          help_heading = "Verdict")]
    pub min_level: f64,

    /// This tone must make up most of what comes back
    #[arg(long, value_parser = hertz, value_name = "HZ", help_heading = "Verdict")]
    pub expect_tone: Option<f64>,

    /// Packets that may fail authentication
    #[arg(long, default_value_t = 50, value_name = "PACKETS", help_heading = "Verdict")]
    pub max_auth_failures: u64,

    /// Print each step of a DTLS handshake and each message of ZRTP on stderr
    #[arg(long, help_heading = "Output")]
    pub trace: bool,

    /// Print nothing else on stderr but errors
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_address_to_bind_may_leave_the_port_out() {
        assert_eq!(bind("127.0.0.1").unwrap(), "127.0.0.1:0".parse().unwrap());
        assert_eq!(bind("::1").unwrap(), "[::1]:0".parse().unwrap());
        assert_eq!(bind("[::1]:4000").unwrap(), "[::1]:4000".parse().unwrap());
        assert!(bind("localhost").is_err());
    }
}
