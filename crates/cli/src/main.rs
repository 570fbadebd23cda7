//! `sealrtp`: tools for who tests and debugs secured media.
#![forbid(unsafe_code)]

mod arguments;
mod codec;
mod keying;
mod meter;
mod net;
mod outcome;
mod peer;
mod report;
mod rtcp;
mod rtp;
mod sdp;
mod signalling;
mod stream;
mod tone;
mod wav;
mod zrtp;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let outcome = match arguments::Arguments::parse().command {
        arguments::Command::Peer(arguments) => peer::run(&arguments),
    };
    outcome.exit_code()
}
