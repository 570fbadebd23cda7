//! Every path of packets in processes of its own: this program, started again.

use std::error::Error;
use std::process::{Command, Stdio};

use sealrtp_srtp_accel::{PATH_VARIABLE, Path};

use crate::measured::{Line, Measured};
use crate::options::{Options, Part};
use crate::suites;

/// OpenSSL's variable for instructions that it shall not see.
const OPENSSL_VARIABLE: &str = "OPENSSL_ia32cap";
/// In OpenSSL's first word of capabilities (CPUID leaf 1: EDX, then ECX): AVX and FMA.
const AVX: u64 = 1 << (32 + 28) | 1 << (32 + 12);
/// In its second word (CPUID leaf 7: EBX, then ECX): AVX2, BMI1, BMI2 and ADX.
const AVX2: u64 = 1 << 5 | 1 << 3 | 1 << 8 | 1 << 19;
/// SHA-NI.
const SHA: u64 = 1 << 29;
/// AVX512F, VAES and VPCLMULQDQ.
const AVX512: u64 = 1 << 16 | 1 << (32 + 9) | 1 << (32 + 10);

/// Runs a part of the measurements in so many processes for each path; one path after the other, again and again, so that
/// what the machine does meanwhile hits all of them.
///
/// # Errors
/// If a process does not run through.
pub fn measure(
    part: Part,
    paths: &[Path],
    processes: usize,
    options: &Options,
) -> Result<Measured, Box<dyn Error>> {
    let mut measured = Measured::default();
    for process in 1..=processes {
        for &path in paths {
            eprintln!("{}: {path}, process {process} of {processes}", part.name());
            measured.add(path, lines(part, path, options)?);
        }
    }
    Ok(measured)
}

/// Paths that the filter leaves of this processor's, slowest first.
pub fn paths(options: &Options) -> Vec<Path> {
    let wanted = &options.filter.paths;
    Path::available().filter(|path| wanted.is_empty() || wanted.contains(path)).collect()
}

/// What OpenSSL is kept from, in words, so that libsrtp runs on the same processor as a path does.
pub fn kept_from(path: Path) -> &'static str {
    match path {
        Path::AesNiSse => "SHA-NI, AVX, AVX2, BMI, ADX, AVX-512, VAES and VPCLMULQDQ",
        Path::AesNi => "SHA-NI, AVX-512, VAES and VPCLMULQDQ",
        Path::ShaNiSse => "AVX, AVX2, BMI, ADX, AVX-512, VAES and VPCLMULQDQ",
        Path::ShaNi => "AVX-512, VAES and VPCLMULQDQ",
        Path::Portable | Path::Vaes512 | Path::Armv8 => "nothing",
    }
}

/// The same for OpenSSL, in its two words of capabilities.
fn hidden(path: Path) -> [u64; 2] {
    match path {
        Path::AesNiSse => [AVX, SHA | AVX2 | AVX512],
        Path::AesNi => [0, SHA | AVX512],
        Path::ShaNiSse => [AVX, AVX2 | AVX512],
        Path::ShaNi => [0, AVX512],
        Path::Portable | Path::Vaes512 | Path::Armv8 => [0, 0],
    }
}

/// Runs one process.
fn lines(part: Part, path: Path, options: &Options) -> Result<Vec<Line>, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--worker", part.name()]).env(PATH_VARIABLE, path.name()).env_remove(OPENSSL_VARIABLE);
    let [first, second] = hidden(path);
    if [first, second] != [0, 0] {
        command.env(OPENSSL_VARIABLE, format!("~{first:#x}:~{second:#x}"));
    }
    let filter = &options.filter;
    let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    for (option, value) in [
        ("--suite", filter.suites.iter().map(|suite| suites::name(*suite)).collect::<Vec<_>>().join(",")),
        ("--payload", list(&filter.payloads)),
        ("--streams", list(&filter.streams)),
        ("--rounds", list(filter.rounds.as_slice())),
    ] {
        if !value.is_empty() {
            command.args([option, &value]);
        }
    }
    if filter.in_order {
        command.arg("--in-order");
    }
    for library in &options.libraries {
        command.arg("--library").arg(library);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the process for {path} ended with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}").into())).collect()
}
