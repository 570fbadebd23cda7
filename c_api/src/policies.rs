//! The sections of `sealrtp.conf`: what holds for each end point, and under each policy.

use std::ffi::c_char;
use std::mem;

use sealrtp_policy::{Builder, Config, Fault, Key, Policies};

use crate::boundary::{give, guard, guard_or, shared, take_back, text, unique, write_text};
use crate::config::sealrtp_config;
use crate::result::sealrtp_result::{self, *};

/// A configuration file: taken line by line, then finished, then read.
#[allow(non_camel_case_types)]
pub struct sealrtp_policies {
    stage: Stage,
    /// What `sealrtp_policies_set` has told.
    told: Vec<Fault>,
}

enum Stage {
    Taking(Builder),
    Ready(Box<Policies>),
    Refused,
}

impl sealrtp_policies {
    fn ready(&self) -> Result<&Policies, sealrtp_result> {
        match &self.stage {
            Stage::Ready(policies) => Ok(policies),
            _ => Err(SEALRTP_E_ARGUMENT),
        }
    }

    /// On success the warnings, else what nobody has told yet; a line each.
    fn finish(&mut self) -> Result<Result<String, String>, sealrtp_result> {
        let Stage::Taking(builder) = &mut self.stage else { return Err(SEALRTP_E_ARGUMENT) };
        let builder = mem::take(builder);
        self.stage = Stage::Refused;
        let lines = |lines: Vec<String>| lines.join("\n");
        Ok(match builder.finish() {
            Ok((policies, warnings)) => {
                self.stage = Stage::Ready(Box::new(policies));
                Ok(lines(warnings.iter().map(ToString::to_string).collect()))
            }
            Err(faults) => {
                let untold = faults.iter().filter(|fault| !self.told.contains(fault));
                Err(lines(untold.map(ToString::to_string).collect()))
            }
        })
    }
}

/// An empty file. Null only if the library is at fault.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_policies_new() -> *mut sealrtp_policies {
    guard_or(std::ptr::null_mut(), || {
        give(sealrtp_policies { stage: Stage::Taking(Policies::builder()), told: Vec::new() })
    })
}

/// Takes a line of the file: `line` from 1 on, 0 if it is not known, `section` without brackets. On SEALRTP_E_CONFIG `message` says file, line,
/// section, key, value and what was expected, the line counts for nothing, and `sealrtp_policies_finish` will fail; on
/// SEALRTP_OK it holds a warning, or is empty.
///
/// # Safety
/// `policies` is a handle or null; `file`, `section`, `key` and `value` are C strings or null; `message` has
/// `message_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_set(
    policies: *mut sealrtp_policies,
    file: *const c_char,
    line: u32,
    section: *const c_char,
    key: *const c_char,
    value: *const c_char,
    message: *mut c_char,
    message_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let policies = unsafe { unique(policies)? };
        // SAFETY: the caller's promise.
        let (file, section, key, value) = unsafe { (text(file)?, text(section)?, text(key)?, text(value)?) };
        let Stage::Taking(builder) = &mut policies.stage else { return Err(SEALRTP_E_ARGUMENT) };
        let (result, said) = match builder.set(file, line, section, key, value) {
            Ok(None) => (SEALRTP_OK, String::new()),
            Ok(Some(warning)) => (SEALRTP_OK, warning.to_string()),
            Err(fault) => {
                let said = fault.to_string();
                policies.told.push(fault);
                (SEALRTP_E_CONFIG, said)
            }
        };
        // SAFETY: the caller's promise. A message that was cut is still one.
        let _ = unsafe { write_text(message, message_size, &said) };
        Ok(result)
    })
}

/// The file is at its end. On SEALRTP_E_CONFIG `message` has the faults that `sealrtp_policies_set` has not told, on
/// SEALRTP_OK warnings; a line each, none if it is empty. From here on it is read only, and only after SEALRTP_OK.
///
/// # Safety
/// `policies` is a handle or null; `message` has `message_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_finish(
    policies: *mut sealrtp_policies,
    message: *mut c_char,
    message_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (result, said) = match unsafe { unique(policies)? }.finish()? {
            Ok(said) => (SEALRTP_OK, said),
            Err(said) => (SEALRTP_E_CONFIG, said),
        };
        // SAFETY: the caller's promise. A message that was cut is still one.
        let _ = unsafe { write_text(message, message_size, &said) };
        Ok(result)
    })
}

/// What holds for end points without a section, as a configuration of its own. Null if not finished.
///
/// # Safety
/// `policies` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_general(policies: *const sealrtp_policies) -> *mut sealrtp_config {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let found = unsafe { shared(policies) }.and_then(|policies| policies.ready().map(Policies::general));
        found.map_or(std::ptr::null_mut(), |config| give(sealrtp_config(config.clone())))
    })
}

/// Hands out a configuration of its own for an end point by its name, e.g. "PJSIP/alice": the section `[PJSIP/alice]`, else
/// `[alice]`, else `[general]`.
///
/// # Safety
/// `policies` is a handle or null, `endpoint` a C string or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_endpoint(
    policies: *const sealrtp_policies,
    endpoint: *const c_char,
    out: *mut *mut sealrtp_config,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { hand_out(policies, endpoint, out, |policies, endpoint| Some(policies.endpoint(endpoint))) }
}

/// Hands out a configuration of its own for calls under a policy, of the file or built in. SEALRTP_DONE: there is none of
/// that name.
///
/// # Safety
/// `policies` is a handle or null, `policy` a C string or null, `out` points to a pointer or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_named(
    policies: *const sealrtp_policies,
    policy: *const c_char,
    out: *mut *mut sealrtp_config,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { hand_out(policies, policy, out, Policies::policy) }
}

/// # Safety
/// `policies` is a handle or null, `name` a C string or null, `out` points to a pointer or is null.
unsafe fn hand_out(
    policies: *const sealrtp_policies,
    name: *const c_char,
    out: *mut *mut sealrtp_config,
    find: impl for<'a> FnOnce(&'a Policies, &str) -> Option<&'a Config>,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (policies, name, out) = unsafe { (shared(policies)?, text(name)?, unique(out)?) };
        match find(policies.ready()?, name) {
            Some(config) => *out = give(sealrtp_config(config.clone())),
            None => return Ok(SEALRTP_DONE),
        }
        Ok(SEALRTP_OK)
    })
}

/// What a section is.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_section_kind {
    /// `[general]`
    SEALRTP_SECTION_GENERAL = 0,
    /// A policy, of the file or built in.
    SEALRTP_SECTION_POLICY = 1,
    /// An end point.
    SEALRTP_SECTION_ENDPOINT = 2,
}

/// Enumerates `[general]`, the policies and the end points: what holds there, as a configuration of its own, and which
/// `sealrtp_section_kind` it is. SEALRTP_DONE behind the last one.
///
/// # Safety
/// `policies` is a handle or null, `out` points to a pointer or is null, `kind` points to a number or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_section(
    policies: *const sealrtp_policies,
    index: u32,
    out: *mut *mut sealrtp_config,
    kind: *mut u32,
) -> sealrtp_result {
    use sealrtp_section_kind::*;
    guard(|| {
        // SAFETY: the caller's promise.
        let (policies, out, kind) = unsafe { (shared(policies)?.ready()?, unique(out)?, unique(kind)?) };
        let general = [(SEALRTP_SECTION_GENERAL, policies.general())].into_iter();
        let of_policies = policies.policies().map(|config| (SEALRTP_SECTION_POLICY, config));
        let of_endpoints = policies.endpoints().map(|config| (SEALRTP_SECTION_ENDPOINT, config));
        match general.chain(of_policies).chain(of_endpoints).nth(index as usize) {
            Some((its_kind, config)) => {
                (*out, *kind) = (give(sealrtp_config(config.clone())), its_kind as u32);
                Ok(SEALRTP_OK)
            }
            None => Ok(SEALRTP_DONE),
        }
    })
}

/// What a whole file asks for: bits of `sealrtp_policies_wants`.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_wants {
    /// Somebody offers or accepts a method, or demands security: calls need a look at all.
    SEALRTP_WANTS_SECURITY = 1,
    /// Somebody has ZRTP.
    SEALRTP_WANTS_ZRTP = 2,
    /// Somebody has `fallback = reject`: until it is known whose call it is, nothing clear may pass.
    SEALRTP_WANTS_NOTHING_CLEAR = 4,
    /// Somebody has `recording = refuse`.
    SEALRTP_WANTS_NO_RECORDING = 8,
}

/// What `[general]`, the end points' sections and the file's own policies ask for together; built-in policies count once a
/// section begins under them. All bits for null and before it is finished.
///
/// # Safety
/// `policies` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_wants(policies: *const sealrtp_policies) -> u32 {
    use sealrtp_wants::*;
    let all = SEALRTP_WANTS_SECURITY as u32
        | SEALRTP_WANTS_ZRTP as u32
        | SEALRTP_WANTS_NOTHING_CLEAR as u32
        | SEALRTP_WANTS_NO_RECORDING as u32;
    guard_or(all, || {
        // SAFETY: the caller's promise.
        let ready = unsafe { shared(policies) }.and_then(sealrtp_policies::ready);
        ready.map_or(all, |policies| {
            let bit = |wanted: bool, bit: sealrtp_wants| if wanted { bit as u32 } else { 0 };
            bit(policies.any_secures(), SEALRTP_WANTS_SECURITY)
                | bit(policies.any_has_zrtp(), SEALRTP_WANTS_ZRTP)
                | bit(policies.any_rejects(), SEALRTP_WANTS_NOTHING_CLEAR)
                | bit(policies.any_refuses_recording(), SEALRTP_WANTS_NO_RECORDING)
        })
    })
}

/// The name of the section whose values these are: "general", a policy's or an end point's; empty for what
/// `sealrtp_config_new` gives.
///
/// # Safety
/// `config` is a handle or null, `name` has `name_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_section(
    config: *const sealrtp_config,
    name: *mut c_char,
    name_size: usize,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { write_text(name, name_size, shared(config)?.0.section())? };
        Ok(SEALRTP_OK)
    })
}

/// A key's value as text. SEALRTP_E_CONFIG: there is no such key.
///
/// # Safety
/// `config` is a handle or null, `key` a C string or null, `value` has `value_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_get(
    config: *const sealrtp_config,
    key: *const c_char,
    value: *mut c_char,
    value_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { tell(config, key, value, value_size, Config::get) }
}

/// A key with its value and where that comes from, e.g. "fallback = reject (sealrtp.conf line 12, `[strict]`)".
/// SEALRTP_E_CONFIG: there is no such key.
///
/// # Safety
/// `config` is a handle or null, `key` a C string or null, `rule` has `rule_size` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_rule(
    config: *const sealrtp_config,
    key: *const c_char,
    rule: *mut c_char,
    rule_size: usize,
) -> sealrtp_result {
    // SAFETY: the caller's promise.
    unsafe { tell(config, key, rule, rule_size, Config::rule) }
}

/// # Safety
/// `config` is a handle or null, `key` a C string or null, `to` has `size` bytes or is null.
unsafe fn tell(
    config: *const sealrtp_config,
    key: *const c_char,
    to: *mut c_char,
    size: usize,
    what: impl FnOnce(&Config, Key) -> String,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (config, key) = unsafe { (shared(config)?, text(key)?) };
        let key = Key::from_name(key).ok_or(SEALRTP_E_CONFIG)?;
        // SAFETY: the caller's promise.
        unsafe { write_text(to, size, &what(&config.0, key))? };
        Ok(SEALRTP_OK)
    })
}

/// Frees the file; configurations that it handed out stay. Null is nothing.
///
/// # Safety
/// `policies` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_policies_free(policies: *mut sealrtp_policies) {
    // SAFETY: the caller's promise.
    unsafe { take_back(policies) }
}
