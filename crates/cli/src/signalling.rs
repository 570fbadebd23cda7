//! Descriptions in and out: files, or stdin and stdout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use crate::sdp;

/// How often a file that is not there yet is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes our description, which holds our SDES keys: a new file is readable by its owner only, and appears whole.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, body: &str) -> Result<()> {
    if is_standard(path) {
        let mut out = io::stdout().lock();
        return out.write_all(body.as_bytes()).and_then(|()| out.flush()).context("stdout");
    }
    let name = || path.display().to_string();
    // A pipe or a device is written to as it is.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, body).with_context(name);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).with_context(name)?;
    let written = file.write_all(body.as_bytes()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(name)
}

/// When a file of ours was written, by the file system's clock.
pub fn written(path: &Path) -> Option<SystemTime> {
    if is_standard(path) { None } else { fs::metadata(path).and_then(|metadata| metadata.modified()).ok() }
}

/// Reads a description in a thread of its own, which hands it on: stdin and pipes may take their time, and a file is
/// waited for. One that is older than `not_before`, e.g. of the run before, does not count.
///
/// # Errors
/// The system gives no thread.
pub fn read(
    path: &Path,
    not_before: Option<SystemTime>,
    hand_on: impl FnOnce(Result<Zeroizing<String>>) + Send + 'static,
) -> Result<()> {
    let path = path.to_owned();
    thread::Builder::new().name("description".into()).spawn(move || {
        hand_on(wait_and_read(&path, not_before).with_context(|| path.display().to_string()));
    })?;
    Ok(())
}

fn wait_and_read(path: &Path, not_before: Option<SystemTime>) -> Result<Zeroizing<String>> {
    if is_standard(path) {
        return read_bounded(io::stdin().lock());
    }
    let mut before = None;
    loop {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => break,
            Ok(metadata) => {
                // Whoever does not write it at once: it is whole when it does not grow any more.
                let now = (metadata.len(), metadata.modified().ok());
                let fresh = not_before.is_none_or(|earliest| now.1.is_none_or(|at| at >= earliest));
                if fresh && now.0 > 0 && before == Some(now) {
                    break;
                }
                before = Some(now);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(LOOK_AGAIN);
    }
    read_bounded(File::open(path)?)
}

/// One byte more than is taken, so that a longer one is told from one that fits.
fn read_bounded(from: impl Read) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(sdp::MAX_LEN + 1));
    from.take(sdp::MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow::anyhow!("the SDP is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
