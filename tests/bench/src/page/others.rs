//! The machine, handshakes and the relay.

use std::error::Error;
use std::fmt::Write;
use std::process::{Command, Stdio};

use sealrtp_srtp_accel::Path;
use sealrtp_test_libsrtp::Library;

use super::common::PEER;
use super::{Done, Page};
use crate::floor;
use crate::options::Options;

/// What it ran on.
pub fn machine(page: &mut Page, _: &Options) -> Done {
    page.put(
        "machine",
        &format!(
            "| | |\n|---|---|\n| processor | {} |\n| system | Linux {} |\n| best path | {} |\n\
             | the peer, `{PEER}` | {}, built here with `-O2` on {} |\n\
             | SHA-1, one chain, a block of 64 bytes | {:.1} ns |\n",
            crate::cpu(),
            std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
            Path::best(),
            Library::openssl().version(),
            openssl::version::version(),
            floor::sha1_block_ns(),
        ),
    )
}

/// DTLS-SRTP and ZRTP.
pub fn handshakes(page: &mut Page, _: &Options) -> Done {
    let text = format!("{}\n{}", tables("--dtls")?, tables("--zrtp")?);
    page.put("handshakes", &text)
}

/// The media relay.
pub fn relay(page: &mut Page, _: &Options) -> Done {
    let text = tables("--relay")?;
    page.put("relay", &text)
}

/// The Markdown tables that another mode of this program prints, in a process of its own.
fn tables(mode: &str) -> Result<String, Box<dyn Error>> {
    let output =
        Command::new(std::env::current_exe()?).args([mode, "--quick"]).stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let mut text = String::new();
    let mut within = false;
    for line in printed.lines() {
        if line.starts_with('|') {
            writeln!(text, "{line}")?;
        } else if within {
            text += "\n";
        }
        within = line.starts_with('|');
    }
    if text.is_empty() {
        return Err(format!("{mode} printed no table:\n{printed}").into());
    }
    Ok(text)
}
