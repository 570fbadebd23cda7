//! Two bridged legs whose phones secure their media end to end.

use std::ffi::c_char;
use std::time::{Duration, Instant};

use ::sealrtp_session::WithoutKeys;
use ::sealrtp_session::passthrough::{Decision, Leg, LegMode, Outcome, Passthrough, Side, Verdict};
use sealrtp_policy::ZrtpMode;

use crate::boundary::{
    bytes, give, guard, guard_or, put, shared, take_back, unique, write_sized, write_text,
};
use crate::config::sealrtp_config;
use crate::result::sealrtp_result::{self, *};

/// Two legs that are passed through, of one kind of media. One thread at a time may use it.
#[allow(non_camel_case_types)]
pub struct sealrtp_passthrough(Passthrough);

/// One of two legs.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_side {
    /// The first.
    SEALRTP_LEFT = 0,
    /// The second.
    SEALRTP_RIGHT = 1,
}

/// What a leg's policy asks for.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_leg_mode {
    /// It is not known yet whose call it is.
    SEALRTP_LEG_UNKNOWN = 0,
    /// We are the end of its ZRTP, or it has none.
    SEALRTP_LEG_ENDPOINT = 1,
    /// Passthrough.
    SEALRTP_LEG_PASSTHROUGH = 2,
}

/// A leg, when two are bridged.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_leg_facts {
    /// Tells it from all others; not 0.
    pub id: u64,
    /// The leg whose phone its phone shares keys with, from a passthrough that was; 0: none.
    pub agreed_with: u64,
    /// A `sealrtp_leg_mode`.
    pub mode: u32,
    /// 1: nothing clear may pass.
    pub demand_security: u32,
    /// 1: we have keys of it, or make some.
    pub keyed: u32,
}

impl sealrtp_leg_facts {
    fn read(&self) -> Leg {
        Leg {
            id: self.id,
            mode: match self.mode {
                0 => LegMode::Unknown,
                2 => LegMode::Passthrough,
                _ => LegMode::Endpoint,
            },
            without_keys: without_keys(self.demand_security),
            keyed: self.keyed != 0,
            agreed_with: (self.agreed_with != 0).then_some(self.agreed_with),
        }
    }
}

/// What becomes of two legs.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_passthrough_decision {
    /// More will be known later: ask again.
    SEALRTP_PASSTHROUGH_WAIT = 0,
    /// They are passed through.
    SEALRTP_PASSTHROUGH_PAIR = 1,
    /// They are not.
    SEALRTP_PASSTHROUGH_CANNOT = 2,
}

/// What becomes of a leg that cannot be passed through, or no longer.
#[allow(non_camel_case_types)]
#[repr(u32)]
pub enum sealrtp_passthrough_outcome {
    /// We are the end of its ZRTP; what passes without keys stays as it is.
    SEALRTP_OUTCOME_ENDPOINT = 0,
    /// We are the end of its ZRTP, and nothing clear passes: its phone has keys and takes nothing clear.
    SEALRTP_OUTCOME_ENDPOINT_SECURED = 1,
    /// The call is refused, or ends.
    SEALRTP_OUTCOME_REFUSE = 2,
}

fn without_keys(demand_security: u32) -> WithoutKeys {
    if demand_security == 0 { WithoutKeys::Pass } else { WithoutKeys::Block }
}

fn side(number: u32) -> Result<Side, sealrtp_result> {
    match number {
        0 => Ok(Side::Left),
        1 => Ok(Side::Right),
        _ => Err(SEALRTP_E_ARGUMENT),
    }
}

/// 1: `zrtp_mode = passthrough`; 0 for null.
///
/// # Safety
/// `config` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_config_passthrough(config: *const sealrtp_config) -> u32 {
    guard_or(0, || {
        // SAFETY: the caller's promise.
        let config = unsafe { shared(config) };
        config.is_ok_and(|config| config.0.zrtp_mode() == ZrtpMode::Passthrough).into()
    })
}

/// Whether a leg and the one it is bridged with (`right`, null: none) can be passed through: a
/// `sealrtp_passthrough_decision`. `waited_ms`: for how long `left` has been up without that; `same_codecs` 1: what one
/// phone sends the other understands; `leads` 1: the stream that decides for its call, the audio. On
/// SEALRTP_PASSTHROUGH_PAIR `*out` is a handle; on SEALRTP_PASSTHROUGH_CANNOT each of two `reasons`, of `reason_size` bytes,
/// tells why to who looks at that leg.
///
/// # Safety
/// `left` and `right` point to legs or are null, `decision` to a number, `out` to a pointer, `reasons` to two pointers to
/// `reason_size` bytes; all may be null.
#[allow(clippy::too_many_arguments)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_decide(
    left: *const sealrtp_leg_facts,
    right: *const sealrtp_leg_facts,
    waited_ms: u32,
    same_codecs: u32,
    leads: u32,
    decision: *mut u32,
    out: *mut *mut sealrtp_passthrough,
    reasons: *const *mut c_char,
    reason_size: usize,
) -> sealrtp_result {
    use sealrtp_passthrough_decision::*;
    guard(|| {
        // SAFETY: the caller's promise.
        let (left, right) = unsafe { (shared(left)?.read(), right.as_ref().map(sealrtp_leg_facts::read)) };
        // SAFETY: the caller's promise.
        let (decision, out) = unsafe { (unique(decision)?, unique(out)?) };
        let waited = Duration::from_millis(waited_ms.into());
        *decision = match Passthrough::decide(
            &left,
            right.as_ref(),
            waited,
            same_codecs != 0,
            leads != 0,
            Instant::now(),
        ) {
            Decision::Wait => SEALRTP_PASSTHROUGH_WAIT,
            Decision::Pair(pair) => {
                *out = give(sealrtp_passthrough(*pair));
                SEALRTP_PASSTHROUGH_PAIR
            }
            Decision::Cannot(why) => {
                for (at, seen_from) in [Side::Left, Side::Right].into_iter().enumerate() {
                    if !reasons.is_null() {
                        // SAFETY: the caller's promise: two pointers. A reason that was cut is still one.
                        let _ = unsafe { write_text(*reasons.add(at), reason_size, why.text(seen_from)) };
                    }
                }
                SEALRTP_PASSTHROUGH_CANNOT
            }
        } as u32;
        Ok(SEALRTP_OK)
    })
}

/// What becomes of a leg that cannot be passed through, or no longer: a `sealrtp_passthrough_outcome`. `demand_security` 1:
/// nothing clear may pass; `agreed` 1: its phone shares keys with another phone.
#[unsafe(no_mangle)]
pub extern "C" fn sealrtp_passthrough_give_up(demand_security: u32, agreed: u32) -> u32 {
    use sealrtp_passthrough_outcome::*;
    (match Outcome::of(without_keys(demand_security), agreed != 0) {
        Outcome::Endpoint => SEALRTP_OUTCOME_ENDPOINT,
        Outcome::EndpointSecured => SEALRTP_OUTCOME_ENDPOINT_SECURED,
        Outcome::Refuse => SEALRTP_OUTCOME_REFUSE,
    }) as u32
}

/// Takes a datagram of a leg's phone. SEALRTP_OK: send it to the other's, untouched, from the socket of `*component` (a
/// `sealrtp_component`; RTP's where RTCP has none of its own). SEALRTP_OK_EVENT: likewise, and both phones have just agreed.
/// SEALRTP_DONE: drop it.
///
/// # Safety
/// `passthrough` is a handle or null, `datagram` points to `len` bytes or is null, `component` to a number or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_receive(
    passthrough: *mut sealrtp_passthrough,
    from: u32,
    datagram: *const u8,
    len: usize,
    component: *mut u32,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (pair, datagram) = unsafe { (&mut unique(passthrough)?.0, bytes(datagram, len)?) };
        // SAFETY: the caller's promise.
        let component = unsafe { unique(component)? };
        let before = pair.has_agreed();
        match pair.receive(side(from)?, datagram) {
            Verdict::Drop => Ok(SEALRTP_DONE),
            Verdict::Forward(to) => {
                *component = to as u32;
                Ok(if pair.has_agreed() == before { SEALRTP_OK } else { SEALRTP_OK_EVENT })
            }
        }
    })
}

/// In how many milliseconds to call `sealrtp_passthrough_handle_timeout`; SEALRTP_DONE: there is nothing to wait for.
///
/// # Safety
/// `passthrough` is a handle or null, `ms` points to a number or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_poll_timeout(
    passthrough: *const sealrtp_passthrough,
    ms: *mut u32,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let (pair, ms) = unsafe { (shared(passthrough)?, unique(ms)?) };
        let Some(due) = pair.0.poll_timeout() else { return Ok(SEALRTP_DONE) };
        let wait = due.saturating_duration_since(Instant::now());
        // Rounded up, or it would be early.
        *ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(SEALRTP_OK)
    })
}

/// Gives up when it is time.
///
/// # Safety
/// `passthrough` is a handle or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_handle_timeout(
    passthrough: *mut sealrtp_passthrough,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { unique(passthrough)? }.0.handle_timeout(Instant::now());
        Ok(SEALRTP_OK)
    })
}

/// What is known of one leg that is passed through.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sealrtp_passthrough_info {
    /// Set by the caller: sizeof(sealrtp_passthrough_info).
    pub size: usize,
    /// Why it was given up, or "".
    pub failed: [c_char; 128],
    /// ZRTP messages that came from this leg and were handed on.
    pub zrtp: u64,
    /// RTP packets, secured or not.
    pub rtp: u64,
    /// RTCP packets, secured or not.
    pub rtcp: u64,
    /// What was dropped of this leg's.
    pub dropped: u64,
    /// 1: both phones have confirmed keys to one another, as far as can be seen.
    pub agreed: u32,
    /// 1: media is handed on.
    pub passes_media: u32,
}

/// Fills what is known of a leg.
///
/// # Safety
/// `passthrough` is a handle or null, `info` points to a struct with its size set or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_get_info(
    passthrough: *const sealrtp_passthrough,
    of: u32,
    info: *mut sealrtp_passthrough_info,
) -> sealrtp_result {
    guard(|| {
        // SAFETY: the caller's promise.
        let pair = &unsafe { shared(passthrough)? }.0;
        let of = side(of)?;
        let passed = pair.passed(of);
        let mut told = sealrtp_passthrough_info {
            size: size_of::<sealrtp_passthrough_info>(),
            failed: [0; 128],
            zrtp: passed.zrtp,
            rtp: passed.rtp,
            rtcp: passed.rtcp,
            dropped: passed.dropped,
            agreed: pair.has_agreed().into(),
            passes_media: pair.passes_media().into(),
        };
        put(&mut told.failed, pair.failed().map_or("", |why| why.text(of)));
        // SAFETY: the caller's promise.
        unsafe { write_sized(info, &told)? };
        Ok(SEALRTP_OK)
    })
}

/// Frees it; null is nothing.
///
/// # Safety
/// `passthrough` is null or a handle that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealrtp_passthrough_free(passthrough: *mut sealrtp_passthrough) {
    // SAFETY: the caller's promise.
    guard_or((), || unsafe { take_back(passthrough) });
}
