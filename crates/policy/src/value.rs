//! Values between text and type. An error is what was expected, in words.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use sealrtp_sdes::SessionParameter;
use sealrtp_srtp::{Lifetime, Limits, MAX_MKI_LEN, Suite};
use sealrtp_zrtp::algorithm::Algorithm;

use crate::config::PROFILES;
use crate::error::Given;
use crate::rules::Method;

type Expected = Cow<'static, str>;

/// A value was read, perhaps with a warning; or what was expected.
pub(crate) type Parsed = Result<Option<String>, Expected>;

/// `none`, or methods in order without repetition.
pub(crate) fn methods(text: &str) -> Result<Vec<Method>, Expected> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let from_name =
        |word: &str| Method::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(word));
    let named = list(text, from_name, |bad| {
        format!("none, or methods out of sdes, dtls, zrtp, best first; not {bad}")
    })?;
    if named.is_empty() { Err("none, or at least one of sdes, dtls, zrtp".into()) } else { Ok(named) }
}

pub(crate) fn write_methods(methods: &[Method]) -> String {
    if methods.is_empty() { "none".into() } else { join(methods.iter()) }
}

/// One of the words that a key has.
pub(crate) fn word<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, Expected> {
    let found = all.iter().copied().find(|value| name(*value).eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("one of {}", join(all.iter().map(|value| name(*value)))).into())
}

/// An ordered list of suites without repetition, at least one.
pub(crate) fn suites(text: &str) -> Result<(Vec<Suite>, Option<String>), Expected> {
    let named = list(text, Suite::from_name, |bad| {
        format!(
            "suites by name, best first, out of {}; not {bad}",
            join(Suite::ALL.map(Suite::name).into_iter())
        )
    })?;
    if named.is_empty() {
        return Err("at least one suite".into());
    }
    let weak: Vec<_> = named.iter().filter(|suite| suite.is_weak()).collect();
    let warning = match weak.as_slice() {
        [] => None,
        [one] => Some(format!("{one} is weak")),
        more => Some(format!("{} are weak", join(more.iter()))),
    };
    Ok((named, warning))
}

/// An ordered list of suites that have a protection profile, without repetition, at least one.
pub(crate) fn profiles(text: &str) -> Result<(Vec<Suite>, Option<String>), Expected> {
    let named = list(
        text,
        |word| Suite::from_name(word).filter(|suite| PROFILES.contains(suite)),
        |bad| format!("profiles by name, best first, out of {}; not {bad}", join(PROFILES.iter())),
    )?;
    if named.is_empty() { Err("at least one profile".into()) } else { Ok((named, None)) }
}

/// `none`, or session parameters without repetition.
pub(crate) fn session_parameters(text: &str) -> Result<(Vec<SessionParameter>, Option<String>), Expected> {
    if text.eq_ignore_ascii_case("none") {
        return Ok((Vec::new(), None));
    }
    let named = list(text, SessionParameter::from_name, |bad| {
        let names = SessionParameter::ALL.map(SessionParameter::name);
        format!("none, or session parameters by name out of {}; not {bad}", join(names.into_iter()))
    })?;
    let weak: Vec<_> = named.iter().filter(|parameter| parameter.is_weak()).collect();
    let warning = match weak.as_slice() {
        [] => None,
        [one] => Some(format!("{one} gives up encryption or authentication")),
        more => Some(format!("{} give up encryption or authentication", join(more.iter()))),
    };
    Ok((named, warning))
}

/// `limits` with another replay window.
pub(crate) fn replay_window(text: &str, limits: Limits) -> Result<Limits, Expected> {
    number(text)
        .and_then(|n| Limits::new(u32::try_from(n).ok()?, u32::from(limits.max_ssrcs())).ok())
        .ok_or_else(|| {
            let (min, max) = (Limits::MIN_REPLAY_WINDOW, Limits::MAX_REPLAY_WINDOW);
            format!("a number of packets from {min} to {max}").into()
        })
}

/// `limits` with another number of SSRCs.
pub(crate) fn max_ssrcs(text: &str, limits: Limits) -> Result<Limits, Expected> {
    number(text)
        .and_then(|n| Limits::new(limits.replay_window(), u32::try_from(n).ok()?).ok())
        .ok_or_else(|| format!("a number of SSRCs from 1 to {}", Limits::MAX_SSRCS).into())
}

/// `none`, a number of packets or a power `2^n`.
pub(crate) fn lifetime(text: &str) -> Result<Option<u64>, Expected> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    number(text)
        .filter(|n| Lifetime::signalled(*n).is_ok())
        .map(Some)
        .ok_or_else(|| "none, or packets from 1 to 2^48 as a number or as 2^n".into())
}

pub(crate) fn mki_length(text: &str) -> Result<usize, Expected> {
    number(text)
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n <= MAX_MKI_LEN)
        .ok_or_else(|| format!("a number of bytes from 0 (no MKI) to {MAX_MKI_LEN}").into())
}

/// 0, or a power of two up to 2^24, also written as such.
pub(crate) fn key_derivation_rate(text: &str) -> Result<u64, Expected> {
    number(text)
        .filter(|n| *n == 0 || n.is_power_of_two() && *n <= 1 << 24)
        .ok_or_else(|| "0 (derive once), or packets that are a power of two up to 2^24".into())
}

/// The words for on and off that both PBXs take.
pub(crate) fn yes_no(text: &str) -> Result<bool, Expected> {
    const YES: [&str; 4] = ["yes", "true", "on", "1"];
    const NO: [&str; 4] = ["no", "false", "off", "0"];
    let is = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(YES) {
        Ok(true)
    } else if is(NO) {
        Ok(false)
    } else {
        Err("yes or no".into())
    }
}

pub(crate) fn write_yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

pub(crate) fn dtls_mtu(text: &str) -> Result<usize, Expected> {
    number(text)
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (256..=16_384).contains(n))
        .ok_or_else(|| "a number of bytes from 256 to 16384".into())
}

pub(crate) fn dtls_timeout(text: &str) -> Result<Duration, Expected> {
    number(text)
        .filter(|n| (1..=600).contains(n))
        .map(Duration::from_secs)
        .ok_or_else(|| "a number of seconds from 1 to 600".into())
}

/// A list for OpenSSL, which says itself whether it knows the names.
pub(crate) fn openssl_list(text: &str) -> Result<String, Expected> {
    const LONGEST: usize = 512;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b":+-!@=_.".contains(&b);
    let good = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits);
    good.then(|| text.to_owned()).ok_or_else(|| "names in OpenSSL's words with colons between them".into())
}

/// `exchange` with another list of algorithms: an ordered one without repetition, at least one, and no more than a Hello
/// can hold.
pub(crate) fn zrtp_list<A: Algorithm + Display>(
    text: &str,
    exchange: &sealrtp_zrtp::Config,
    field: impl Fn(&mut sealrtp_zrtp::Config) -> &mut Vec<A>,
) -> Result<sealrtp_zrtp::Config, Expected> {
    let names = || A::TABLE.iter().map(|(name, _)| name.to_string()).filter(|name| name != MULTISTREAM);
    let from_name = |word: &str| {
        let mut known = A::TABLE.iter().filter(|(name, _)| name.to_string().eq_ignore_ascii_case(word));
        known.next().map(|(_, algorithm)| *algorithm).filter(|_| !word.eq_ignore_ascii_case(MULTISTREAM))
    };
    let named = list(text, from_name, |bad| {
        format!("each {} by name, best first, out of {}; not {bad}", A::KIND, join(names()))
    })?;
    if named.is_empty() {
        return Err(format!("at least one {}", A::KIND).into());
    }
    let mut changed = exchange.clone();
    *field(&mut changed) = named;
    changed.check().map_err(|error| error.to_string())?;
    Ok(changed)
}

/// Always done, so it is in no list of an administrator's.
const MULTISTREAM: &str = "Mult";

/// `never`, or seconds; 0 retains nothing.
pub(crate) fn zrtp_cache_expiry(text: &str) -> Result<u32, Expected> {
    if text.eq_ignore_ascii_case("never") {
        return Ok(u32::MAX);
    }
    number(text)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n < u32::MAX)
        .ok_or_else(|| format!("never, or seconds from 0 (nothing is retained) to {}", u32::MAX - 1).into())
}

pub(crate) fn write_zrtp_cache_expiry(seconds: u32) -> String {
    if seconds == u32::MAX { "never".into() } else { seconds.to_string() }
}

/// A number as [`number`] reads it: powers of two from 2^10 on as such.
pub(crate) fn packets(n: u64) -> String {
    if n >= 1 << 10 && n.is_power_of_two() { format!("2^{}", n.trailing_zeros()) } else { n.to_string() }
}

pub(crate) fn join(names: impl Iterator<Item = impl Display>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// A number of decimal digits, or `2^n`.
fn number(text: &str) -> Option<u64> {
    let plain =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    match text.strip_prefix("2^") {
        Some(exponent) => plain(exponent).and_then(|n| 1u64.checked_shl(u32::try_from(n).ok()?)),
        None => plain(text),
    }
}

/// Words between commas or white space, each once; `expected` says what was expected instead of a word.
fn list<T: PartialEq>(
    text: &str,
    from_name: impl Fn(&str) -> Option<T>,
    expected: impl Fn(&str) -> String,
) -> Result<Vec<T>, Expected> {
    let mut named = Vec::new();
    for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
        let item = from_name(word).ok_or_else(|| expected(&Given(word).to_string()))?;
        if named.contains(&item) {
            return Err(format!("each name once, {word} comes twice").into());
        }
        named.push(item);
    }
    Ok(named)
}
