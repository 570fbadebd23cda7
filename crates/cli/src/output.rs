//! Lines out, in one piece since others may write there too. Whoever has closed the pipe does not want them.

use std::io::Write;

/// A line on stderr.
pub fn tell(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A line on stdout.
pub fn print(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}
