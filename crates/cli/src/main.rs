//! `sealrtp`: tools for who tests and debugs secured media.
#![forbid(unsafe_code)]

mod arguments;
mod codec;
mod conf;
mod keying;
mod meter;
mod net;
mod outcome;
mod output;
mod peer;
mod relay;
mod report;
mod rtcp;
mod rtp;
mod sdp;
mod signalling;
mod stream;
mod tone;
mod wav;
mod zrtp;
mod zrtp_cache;

use std::process::ExitCode;

use clap::Parser;
use sealrtp_srtp::Path;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    if let Err(error) = Path::requested() {
        eprintln!("sealrtp: {error}; taking {}", Path::chosen());
    }
    match arguments.command {
        arguments::Command::Peer(arguments) => peer::run(&arguments).exit_code(),
        arguments::Command::Relay(arguments) => relay::run(&arguments).exit_code(),
        arguments::Command::Zrtp(arguments) => zrtp_cache::run(&arguments),
    }
}
