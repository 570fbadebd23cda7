//! Certificates and what handshakes need besides, for all calls.

use std::collections::VecDeque;
use std::ffi::c_char;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use ::sealrtp_dtls::{Config, Context, Identity, Sha1, Verify};
use sealrtp_offer_answer::dtls_config;
use zeroize::Zeroizing;

use crate::boundary::{give, guard, shared, take_back, text, unique, write_text};
use crate::config::sealrtp_config;
use crate::result::sealrtp_result::{self, *};

/// Most bytes of a PEM file.
const MAX_FILE: u64 = 1 << 20;
/// Most files of a CA directory.
const MAX_FILES: usize = 1024;
/// Most end points' certificates that are kept ready.
const MAX_READY: usize = 64;

/// What handshakes need, shared by calls in any thread: the configuration, the certificate made here, and those of end
/// points. Made anew when the configuration changes; sessions keep what they took.
#[allow(non_camel_case_types)]
pub struct sealrtp_dtls {
    config: Config,
    pub(crate) sha1: Sha1,
    store: Mutex<Store>,
}

struct Store {
    /// Made here, for end points without a certificate of their own.
    identity: Identity,
    ready: VecDeque<Ready>,
}

struct Ready {
    options: Options,
    /// Of the files, when they were read.
    stamps: Vec<Stamp>,
    local: Local,
}

/// A certificate ready for handshakes.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) identity: Identity,
    pub(crate) context: Context,
}

/// An end point's options. A null text is one that is not given.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_dtls_options {
    /// Set by the caller: sizeof(sealrtp_dtls_options).
    pub size: usize,
    /// PEM file with the certificate, and its chain behind it; null: the certificate made by the library.
    pub cert_file: *const c_char,
    /// PEM file with the private key; null: in `cert_file`.
    pub key_file: *const c_char,
    /// DTLS cipher suites in OpenSSL's words; null: the configuration's.
    pub ciphers: *const c_char,
    /// PEM file with certificates of CAs.
    pub ca_file: *const c_char,
    /// Directory with such files.
    pub ca_path: *const c_char,
    /// 1: the peer's certificate must be of one of those CAs, besides its fingerprint.
    pub verify_certificate: u32,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Options {
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    ciphers: Option<String>,
    ca_file: Option<PathBuf>,
    ca_path: Option<PathBuf>,
    verify_certificate: bool,
}

impl Options {
    /// # Safety
    /// `options` is null, or points to a struct with its size set whose texts are C strings or null.
    unsafe fn read(options: *const sealrtp_dtls_options) -> Result<Self, sealrtp_result> {
        // SAFETY: the caller's promise.
        let given = unsafe {
            match options.as_ref() {
                None => return Ok(Self::default()),
                Some(given) if given.size >= size_of::<sealrtp_dtls_options>() => given,
                Some(_) => return Err(SEALRTP_E_ARGUMENT),
            }
        };
        let words = |pointer: *const c_char| {
            if pointer.is_null() {
                return Ok(None);
            }
            // SAFETY: the caller's promise.
            unsafe { text(pointer) }.map(|text| (!text.is_empty()).then(|| text.to_owned()))
        };
        let path = |pointer| words(pointer).map(|text| text.map(PathBuf::from));
        Ok(Self {
            cert_file: path(given.cert_file)?,
            key_file: path(given.key_file)?,
            ciphers: words(given.ciphers)?,
            ca_file: path(given.ca_file)?,
            ca_path: path(given.ca_path)?,
            verify_certificate: given.verify_certificate != 0,
        })
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.cert_file, &self.key_file, &self.ca_file, &self.ca_path]
            .into_iter()
            .filter_map(|path| path.as_deref())
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files().map(Stamp::of).collect()
    }
}

/// What changes when a file is written.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self {
            modified: metadata.as_ref().and_then(|m| m.modified().ok()),
            len: metadata.map_or(0, |m| m.len()),
        }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // The whole buffer at once, so that no copy of a key is left behind by a longer one.
    let mut bytes = Zeroizing::new(vec![0; MAX_FILE as usize + 1]);
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut len = 0;
    while len < bytes.len() {
        match file.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    if len as u64 > MAX_FILE {
        return Err(format!("{}: more than {MAX_FILE} bytes", path.display()));
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// The PEM text of all CAs.
fn read_cas(options: &Options) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    if let Some(file) = &options.ca_file {
        all.extend_from_slice(&read_file(file)?);
        all.push(b'\n');
    }
    if let Some(directory) = &options.ca_path {
        let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        for entry in entries.flatten().take(MAX_FILES) {
            if entry.path().is_file() {
                all.extend_from_slice(&read_file(&entry.path())?);
                all.push(b'\n');
            }
        }
    }
    if all.is_empty() {
        return Err("verifying certificates needs a CA file or a CA directory".into());
    }
    Ok(all)
}

impl sealrtp_dtls {
    fn new(config: &sealrtp_config) -> Result<Self, String> {
        let dtls = config.0.dtls();
        let identity = Identity::generate(SystemTime::now()).map_err(|error| error.to_string())?;
        let this = Self {
            config: dtls_config(dtls),
            sha1: if dtls.sha1() { Sha1::Allowed } else { Sha1::Refused },
            store: Mutex::new(Store { identity, ready: VecDeque::new() }),
        };
        this.local(&Options::default())?;
        Ok(this)
    }

    /// The certificate for an end point; files that have changed are read again.
    fn local(&self, options: &Options) -> Result<Local, String> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        if store.identity.is_due(now) {
            store.identity = Identity::generate(now).map_err(|error| error.to_string())?;
            store.ready.retain(|ready| ready.options.cert_file.is_some());
        }
        let stamps = options.stamps();
        if let Some(ready) =
            store.ready.iter().find(|ready| ready.options == *options && ready.stamps == stamps)
        {
            return Ok(ready.local.clone());
        }
        let identity = match &options.cert_file {
            None => store.identity.clone(),
            Some(cert_file) => {
                let certificate = read_file(cert_file)?;
                let key_file = options.key_file.as_ref().unwrap_or(cert_file);
                let key = read_file(key_file)?;
                Identity::from_pem(&certificate, &key)
                    .map_err(|error| format!("{} and {}: {error}", cert_file.display(), key_file.display()))?
            }
        };
        let verify =
            if options.verify_certificate { Verify::Ca(read_cas(options)?) } else { Verify::Fingerprint };
        let ciphers = options.ciphers.clone().unwrap_or_else(|| self.config.ciphers.clone());
        let config = Config { verify, ciphers, ..self.config.clone() };
        let context = Context::new(config, &identity).map_err(|error| error.to_string())?;
        let local = Local { identity, context };
        store.ready.retain(|ready| ready.options != *options);
        if store.ready.len() >= MAX_READY {
            store.ready.pop_front();
        }
        store.ready.push_back(Ready { options: options.clone(), stamps, local: local.clone() });
        Ok(local)
    }

    /// # Safety
    /// As [`Options::read`].
    pub(crate) unsafe fn local_of(
        &self,
        options: *const sealrtp_dtls_options,
    ) -> Result<Result<Local, String>, sealrtp_result> {
        // SAFETY: the caller's promise.
        Ok(self.local(&unsafe { Options::read(options)? }))
    }
}

/// Makes the certificate that end points without one of their own use, and checks the configuration's `dtls_` keys. On
/// SEALRTP_E_DTLS `message` says what is wrong.
///
/// From here on OpenSSL, which others in the process may use too, keeps addresses of functions of ours: who unloads the library
/// must take them out first, as `asterisk_module/openssl.c` does.
///
/// # Safety
/// `config` is a handle or null, `out` points to a pointer or is null, `message` has `message_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_dtls_new(
    config: *const sealrtp_config,
    out: *mut *mut sealrtp_dtls,
    message: *mut c_char,
    message_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, out) = unsafe { (shared(config)?, unique(out)?) };
        match sealrtp_dtls::new(config) {
            Ok(dtls) => {
                *out = give(dtls);
                Ok(SEALRTP_OK)
            }
            Err(said) => {
                // SAFETY: the caller's promise. A message that was cut is still one.
                let _ = unsafe { write_text(message, message_size, &said) };
                Err(SEALRTP_E_DTLS)
            }
        }
    })
}

/// Frees what handshakes to come would need; sessions keep what they took. Null is nothing.
///
/// # Safety
/// `dtls` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_dtls_free(dtls: *mut sealrtp_dtls) {
    // SAFETY: the caller's promise.
    unsafe { take_back(dtls) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policy_calls_default_is_the_default_of_the_handshake() {
        assert_eq!(dtls_config(sealrtp_policy::Config::default().dtls()), Config::default());
    }
}
