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

fn main() -> ExitCode {
    match arguments::Arguments::parse().command {
        arguments::Command::Peer(arguments) => peer::run(&arguments).exit_code(),
        arguments::Command::Relay(arguments) => relay::run(&arguments).exit_code(),
        arguments::Command::Zrtp(arguments) => zrtp_cache::run(&arguments),
    }
}
