//! What `sealrtp relay` takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use sealrtp_policy::{Fallback, Method, Signalling};

use super::{CertificateArguments, HandArguments, RtcpWanted, bind, seconds};
use crate::outcome::Outcome;

pub(super) const ABOUT: &str = "\
A relay in front of a device that speaks clear RTP only: a phone, an analogue adapter, a test tool. On the device's side media is \
clear, on the peer's side it is secured by SDES, DTLS-SRTP or ZRTP, as one policy decides: plain options, or a section of the \
sealrtp.conf that the modules for the PBXs read. One call per process; the SIP between the two is somebody else's.

Who is on either side comes from SDP (the device's own in --device-sdp, what it is given in --to-device-sdp; the peer's in --remote-sdp, \
what it is given in --local-sdp), or from the command line (--method, --device, --remote and the keys).

Addresses and our fingerprint or ZID stand on stderr at the start, the SAS as soon as it is there. Towards the peer nothing is sent or taken in \
the clear but with --fallback rtp. Keys stand in no output but our own a=crypto lines in the SDP for the peer.";

/// What follows the options in `--help`; each example runs as it stands.
pub(super) fn examples() -> String {
    format!(
        "\
Examples:
  # The device (here a peer without security) calls; the far end answers by DTLS. The relay ends a second after the last packet.
  sealrtp peer --offer --method none --local-sdp device.sdp --remote-sdp to-device.sdp --duration 2 &
  sealrtp relay --offer --device-sdp device.sdp --to-device-sdp to-device.sdp --local-sdp offer.sdp --remote-sdp answer.sdp \\
    --method dtls --idle 1 &
  sealrtp peer --remote-sdp offer.sdp --local-sdp answer.sdp --duration 2
  wait

  # The device is called, under a policy of sealrtp.conf: ZRTP or no call. Relay and caller show the same SAS.
  printf '[vault]\\ntype = policy\\noffer = zrtp\\naccept = zrtp\\nfallback = reject\\n' > sealrtp.conf
  sealrtp peer --offer --zrtp --local-sdp caller.sdp --remote-sdp to-caller.sdp --duration 2 &
  sealrtp relay --remote-sdp caller.sdp --to-device-sdp to-callee.sdp --device-sdp callee.sdp --local-sdp to-caller.sdp \\
    --config sealrtp.conf --policy vault --idle 1 &
  sealrtp peer --method none --remote-sdp to-callee.sdp --local-sdp callee.sdp --duration 2
  wait

  # Without SDP: SDES with keys from files, the device at 41200, the peer wherever its first packet comes from.
  echo '1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz' > ours.key
  echo '1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR' > theirs.key
  sealrtp relay --method sdes --local-crypto @ours.key --remote-crypto @theirs.key --bind 127.0.0.1:41000 \\
    --device-bind 127.0.0.1:41100 --device 127.0.0.1:41200 --idle 1 &
  sealrtp peer --method none --bind 127.0.0.1:41200 --remote 127.0.0.1:41100 --duration 2 &
  sealrtp peer --method sdes --local-crypto @theirs.key --remote-crypto @ours.key --remote 127.0.0.1:41000 --duration 2
  wait

Exit codes, and \"result\" in the JSON line:
{}
Audio that came back is for the relay RTP from either side. The JSON line is printed for every exit code but 2 of arguments that could not \
be read. SIGINT and SIGTERM end a call as --duration does.",
        Outcome::table()
    )
}

fn method(name: &str) -> Result<Method, String> {
    let found = Method::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| "not one of sdes, dtls, zrtp".into())
}

fn fallback(name: &str) -> Result<Fallback, String> {
    let found = Fallback::ALL.into_iter().find(|fallback| fallback.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| "not one of rtp, reject".into())
}

/// `KEY=VALUE`; what they mean is the policy's.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE expected, as a line of sealrtp.conf has it")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// How the peer's SDP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignallingWanted {
    /// Over TLS, all the way to us.
    Tls,
    /// Otherwise.
    Clear,
}

impl From<SignallingWanted> for Signalling {
    fn from(wanted: SignallingWanted) -> Self {
        match wanted {
            SignallingWanted::Tls => Self::Tls,
            SignallingWanted::Clear => Self::Clear,
        }
    }
}

/// `sealrtp relay`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("sides").args(["remote_sdp", "device"]).required(true)))]
pub struct RelayArguments {
    /// The device's own SDP: a file, waited for until --timeout, or - for stdin
    #[arg(long, value_name = "FILE", requires = "remote_sdp", help_heading = "Description")]
    pub device_sdp: Option<PathBuf>,

    /// Where the SDP goes that the device is to be given in the place of the peer's: a file, or - for stdout
    #[arg(long, value_name = "FILE", requires = "remote_sdp", help_heading = "Description")]
    pub to_device_sdp: Option<PathBuf>,

    /// The peer's SDP, the answer with --offer: a file, waited for until --timeout, or - for stdin
    #[arg(long, value_name = "FILE", requires_all = ["device_sdp", "to_device_sdp"], help_heading = "Description")]
    pub remote_sdp: Option<PathBuf>,

    /// Where the SDP goes that the peer is to be given in the place of the device's: a file, which appears whole, or - for stdout
    #[arg(long, value_name = "FILE", default_value = "-", help_heading = "Description")]
    pub local_sdp: PathBuf,

    /// The device offers, and --remote-sdp is the answer; without it the peer offers, and --device-sdp is the answer
    #[arg(long, requires = "remote_sdp", help_heading = "Description")]
    pub offer: bool,

    /// How the peer's SDP travels: sdes_signalling of a policy asks for it
    #[arg(long, value_enum, default_value = "clear", requires = "remote_sdp", help_heading = "Description")]
    pub signalling: SignallingWanted,

    /// Methods to offer or accept, best first: sdes, dtls, zrtp; without SDP the one method [default: the policy's]
    #[arg(long, value_delimiter = ',', value_parser = method, help_heading = "Security")]
    pub method: Vec<Method>,

    /// No method in common: reject, or rtp, which goes on in the clear [default: reject; with --config or --policy theirs]
    #[arg(long, value_parser = fallback, help_heading = "Security")]
    pub fallback: Option<Fallback>,

    /// A configuration as the modules for the PBXs read it
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub config: Option<PathBuf>,

    /// A policy of --config or a built-in one (strict, opportunistic, clear), or an end point's section of --config [default: its [general]]
    #[arg(long, value_name = "NAME", help_heading = "Security")]
    pub policy: Option<String>,

    /// Any key of sealrtp.conf, on top of the policy, e.g. suites=AEAD_AES_256_GCM; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting, help_heading = "Security")]
    pub set: Vec<(String, String)>,

    /// Keys without SDP.
    #[command(flatten)]
    pub hand: HandArguments,

    /// Our certificate.
    #[command(flatten)]
    pub certificate: CertificateArguments,

    /// ZRTP: our ZID and what is kept of peers from call to call [default: zrtp_cache of --config; else a ZID for this run]
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub zrtp_cache: Option<PathBuf>,

    /// ZRTP: say that the users have compared the SAS
    #[arg(long, help_heading = "Security")]
    pub zrtp_verified: bool,

    /// Our address towards the peer; without a port the system chooses, further m-lines have the ports above
    #[arg(long, value_parser = bind, default_value = "127.0.0.1", value_name = "ADDRESS[:PORT]",
          help_heading = "Network")]
    pub bind: SocketAddr,

    /// The address that the SDP for the peer names [default: that of --bind]
    #[arg(long, value_name = "ADDRESS", requires = "remote_sdp", help_heading = "Network")]
    pub advertise: Option<IpAddr>,

    /// Our address towards the device; a port only without SDP [default: loopback, where the device must be then]
    #[arg(long, value_parser = bind, value_name = "ADDRESS[:PORT]", help_heading = "Network")]
    pub device_bind: Option<SocketAddr>,

    /// Without SDP: the device's RTP address
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        conflicts_with = "remote_sdp",
        requires = "method",
        help_heading = "Network"
    )]
    pub device: Option<SocketAddr>,

    /// Without SDP: the device's RTCP address [default: the port above RTP's; with --rtcp mux RTP's]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "device", help_heading = "Network")]
    pub device_rtcp: Option<SocketAddr>,

    /// Without SDP: the peer's RTP address [default: where the first packet comes from that proves to be the peer's]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "device", help_heading = "Network")]
    pub remote: Option<SocketAddr>,

    /// Without SDP: the peer's RTCP address [default: the port above RTP's]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "remote", help_heading = "Network")]
    pub remote_rtcp: Option<SocketAddr>,

    /// Without SDP: where RTCP goes, on both sides
    #[arg(long, value_enum, default_value = "mux", help_heading = "Network")]
    pub rtcp: RtcpWanted,

    /// Seconds until there must be keys, from the start
    #[arg(long, value_parser = seconds, default_value = "10", value_name = "SECONDS", help_heading = "Verdict")]
    pub timeout: Duration,

    /// Seconds of media, from the moment it may flow [default: until SIGINT or SIGTERM]
    #[arg(long, value_parser = seconds, value_name = "SECONDS", help_heading = "Verdict")]
    pub duration: Option<Duration>,

    /// End after so many seconds in which nothing came from either side, once media may flow
    #[arg(long, value_parser = seconds, value_name = "SECONDS", help_heading = "Verdict")]
    pub idle: Option<Duration>,

    /// Print each step of a DTLS handshake and each message of ZRTP on stderr
    #[arg(long, help_heading = "Output")]
    pub trace: bool,

    /// Print nothing else on stderr but errors
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}
