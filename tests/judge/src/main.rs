//! `sealrtp-judge`: the other end of a secured call, and a judge of captured media, for the whole-call tests.
//!
//! All SRTP here is libsrtp's, all DTLS OpenSSL's, never our own: two ends that share a bug agree. Keys come through standard
//! input or out of a handshake.
//!
//! - `sealrtp-judge pcap FILE`: reads one JSON job from standard input (see [`capture::Job`]), prints one JSON line per flow.
//! - `sealrtp-judge clear FILE`: reads one JSON job (see [`clear::Job`]), counts what is not encrypted, without keys.
//! - `sealrtp-judge peer`: a live end point, driven by JSON lines on standard input (see [`peer::Command`]).
//! - `sealrtp-judge load`: the media of many calls into an echo at once (see [`load::run`]).

mod aes192;
mod capture;
mod clear;
mod crypto;
mod dtls;
mod flow;
mod load;
mod pcap;
mod peer;
mod rtp;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pcap", file] => capture::judge(file, std::io::stdin().lock(), std::io::stdout().lock()),
        ["clear", file] => clear::look(file, std::io::stdin().lock(), std::io::stdout().lock()),
        ["peer"] => peer::run(std::io::stdin().lock(), std::io::stdout().lock()),
        ["load"] => load::run(std::io::BufReader::new(std::io::stdin()), std::io::stdout().lock()),
        _ => {
            Err("usage: sealrtp-judge pcap FILE < JOB | sealrtp-judge clear FILE < JOB | sealrtp-judge peer | sealrtp-judge load"
                .into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealrtp-judge: {error}");
            ExitCode::FAILURE
        }
    }
}
