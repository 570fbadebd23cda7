"""DTLS calls that go wrong on purpose: fingerprints, odd offers, missing handshakes, clear RTP; and what stock does badly there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from late import PATIENCE, Late
from pbx.endpoints import NATIVE, Media

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_dtls import CALLER, PEER, echo, pbx_port
from calls.calls_flaws import reasons
from calls.calls_media import SECOND
from calls.dtls import CM80, GCM256, DtlsLeg, dtls_legs
from calls.legs import good_media, legs
from calls.registry import Flaw, Outcome, Scenario, add, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site
from calls.streams import wait_row

# Seconds after which a call that stock has not ended, though it cannot be secured, stays up.
SOON = 2.5
# What an administrator may change, at once: a handshake that nobody answers is given up soon, SHA-1 is allowed, one profile is left.
CHANGED = f"{NATIVE}dtls_timeout = 6\ndtls_sha1 = yes\ndtls_profiles = {GCM256}\n"


class Mark(NamedTuple):
    """How far the log and the manager's events are."""

    log: int
    events: int


def now(site: Site) -> Mark:
    return Mark(len(site.pbx.log_text()), len(site.pbx.manager.events))


def failed(site: Site, leg: DtlsLeg, mark: Mark, timeout: float = SOON, *, told: Sequence[str] = ()) -> Outcome:
    """The call ends, the log tells why (with each of `told`), the manager too, and no media ever came.

    Raises Flaw when the call stays up, with stock for the time.
    """
    assert leg.call is not None
    try:
        leg.call.wait_end(timeout if site.stock else PATIENCE)
    except Late:
        packets = leg.report().packets
        raise Flaw(f"the call stays up, {f'{packets} packets came' if packets else 'silent'}") from None
    report = leg.report()
    if report.packets:
        raise Flaw(f"{report.packets} packets came though there was never a key to trust")
    if site.stock:
        return Outcome("none")
    said = "\n".join(reasons(site, mark.log, WHY))
    missing = [text for text in told if text.lower() not in said.lower()]
    assert not missing, f"the log does not tell {missing[0]}: {said[-400:]}"
    event = site.pbx.manager.wait_event("SealRTPFailed", lambda it: f"/{leg.user}-" in it["Channel"] and it["Method"] == "DTLS-SRTP",
                                        start=mark.events)
    return Outcome("none", detail=event["Reason"])


# What the log of a failed handshake speaks of.
WHY = r"dtls|fingerprint"


def other_fingerprint(leg: DtlsLeg) -> str:
    """The fingerprint of no certificate: ours with one bit turned."""
    shown = leg.fingerprint()
    return f"{shown[:-1]}{int(shown[-1], 16) ^ 1:X}"


def zero_fingerprint(leg: DtlsLeg) -> str:
    """The fingerprint of no certificate: ours with a first byte of zero, which stock takes for no fingerprint at all."""
    while leg.fingerprints["sha-256"].startswith("00"):
        leg.renew()
    return f"sha-256 00{leg.fingerprints['sha-256'][2:]}"


@scenario("dtls-wrong-fingerprint", "music, wrong fingerprint", PEER, method="DTLS", reads_log=True)
def wrong_fingerprint(site: Site) -> Outcome:
    """Another certificate than the description says: the call ends at once, with both fingerprints in the log and a security event."""
    return mismatch(site, other_fingerprint)


@scenario("dtls-wrong-fingerprint-of-zero", "music, wrong fingerprint, 00 first", PEER, method="DTLS", reads_log=True, flaw_of_stock=True)
def wrong_fingerprint_of_zero(site: Site) -> Outcome:
    """The same where the fingerprint in the description begins with a zero: stock does not compare such ones, and talks to whoever it is."""
    return mismatch(site, zero_fingerprint)


def mismatch(site: Site, other: Callable[[DtlsLeg], str]) -> Outcome:
    mark = now(site)
    with dtls_legs(site, CALLER) as (leg,):
        shown = other(leg)
        assert leg.dial("music", fingerprints=[shown]).status == 200
        outcome = failed(site, leg, mark, told=() if site.stock else (shown.split()[1], leg.fingerprints["sha-256"]))
        if not site.stock:
            site.pbx.manager.wait_event("RequestNotAllowed", lambda it: "sealrtp" in str(it.fields).lower(), start=mark.events)
        return outcome


@scenario("dtls-wrong-fingerprint-of-callee", "called, wrong fingerprint", PEER, method="DTLS", reads_log=True, demo=False)
def wrong_fingerprint_of_callee(site: Site) -> Outcome:
    """The called side's certificate is another than its answer says: both legs end."""
    mark = now(site)
    with site.callee(Media.DTLS) as name, dtls_legs(site, name) as (callee,), legs(site, "plain", known_audio=OTHER_SPEECH) as (caller,):
        caller.call = caller.phone.call(name, caller.body())
        callee.take_call(fingerprints=[other_fingerprint(callee)])
        outcome = failed(site, callee, mark, told=() if site.stock else (callee.fingerprints["sha-256"],))
        final = caller.call.wait_final()
        if final.status == 200:
            caller.call.wait_end()
        return outcome


def refused_or_ended(site: Site, leg: DtlsLeg, mark: Mark, body: str, timeout: float = SOON) -> Outcome:
    """An offer that brings no security is refused with 488, or its call ends soon; nothing is sent in either case."""
    leg.call = leg.phone.call("music", body)
    final = leg.call.wait_final()
    if final.status == 488:
        assert not leg.report().packets
        return Outcome("none", detail="488")
    assert final.status == 200, final.start
    leg.media.remote(sdp.read(final.body).remote)
    return failed(site, leg, mark, timeout)


@scenario("dtls-no-fingerprint", "no fingerprint", PEER, method="DTLS", flaw_of_stock=True, reads_log=True)
def no_fingerprint(site: Site) -> Outcome:
    """An offer of DTLS without a fingerprint never becomes a silent call."""
    mark = now(site)
    with dtls_legs(site, CALLER) as (leg,):
        return refused_or_ended(site, leg, mark, leg.describe(fingerprints=[]))


@scenario("dtls-no-fingerprint-in-answer", "called, no fingerprint", PEER, method="DTLS", flaw_of_stock=True, reads_log=True, demo=False)
def no_fingerprint_in_answer(site: Site) -> Outcome:
    """An answer without a fingerprint ends the call."""
    mark = now(site)
    with site.callee(Media.DTLS) as name, dtls_legs(site, name) as (callee,), legs(site, "plain") as (caller,):
        caller.call = caller.phone.call(name, caller.body())
        callee.take_call(fingerprints=[], shake=False)
        return failed(site, callee, mark)


def unusual(site: Site, fingerprints: Callable[[DtlsLeg], list[str]], suite: str = CM80) -> Outcome:
    """Fingerprints that must be understood."""
    with dtls_legs(site, CALLER, profiles=[suite]) as (leg,):
        assert leg.dial("echo", fingerprints=fingerprints(leg)).status == 200
        return echo(site, leg, suite, 1)


UNUSUAL: dict[str, Callable[[DtlsLeg], list[str]]] = {
    "lower-case": lambda leg: [leg.fingerprint().lower()],
    "upper-case-hash": lambda leg: [leg.fingerprint().replace("sha", "SHA")],
    # RFC 8122 section 5: several hashes of one certificate, and several certificates.
    "several-hashes": lambda leg: [leg.fingerprint("sha-512"), leg.fingerprint("sha-256"), leg.fingerprint("sha-1")],
    "several-certificates": lambda leg: [other_fingerprint(leg), leg.fingerprint()],
}
for _name, _make in UNUSUAL.items():
    add(Scenario(f"dtls-fingerprint-{_name}", f"echo, {_name.replace('-', ' ')}", lambda site, make=_make: unusual(site, make), PEER, suite=CM80,
                 method="DTLS", demo=False))


def only(site: Site, hash_name: str) -> Outcome:
    """An offer whose one fingerprint has a hash that is not taken here: refused or ended, never silent."""
    mark = now(site)
    with dtls_legs(site, CALLER) as (leg,):
        return refused_or_ended(site, leg, mark, leg.describe(fingerprints=[leg.fingerprint(hash_name)]))


add(Scenario("dtls-sha-1-only", "sha-1 only, not allowed", lambda site: only(site, "sha-1"), PEER, method="DTLS", reads_log=True))
# Asterisk itself drops a=fingerprint lines with these before any engine sees them.
for _hash in ("sha-384", "sha-512"):
    add(Scenario(f"dtls-{_hash}-only", f"{_hash} only", lambda site, name=_hash: only(site, name), PEER, method="DTLS", reads_log=True, demo=False))


@scenario("dtls-sha-1-allowed", "echo, dtls_sha1 = yes", PEER, suite=GCM256, method="DTLS", demo=False, configuration=CHANGED)
def sha_1_allowed(site: Site) -> Outcome:
    """A peer that gives nothing stronger, where the administrator allows it."""
    return unusual(site, lambda leg: [leg.fingerprint("sha-1")], GCM256)


@scenario("dtls-no-common-profile", "no common profile", PEER, method="DTLS", reads_log=True, flaw_of_stock=True)
def no_common_profile(site: Site) -> Outcome:
    """A peer that speaks DTLS without use_srtp: no keys, so no call."""
    mark = now(site)
    with dtls_legs(site, CALLER, profiles=[]) as (leg,):
        assert leg.dial("music").status == 200
        return failed(site, leg, mark)


@scenario("dtls-profiles-of-the-administrator", "dtls_profiles = AEAD_AES_256_GCM", PEER, suite=GCM256, method="DTLS", reads_log=True, demo=False,
          configuration=CHANGED)
def profiles_of_the_administrator(site: Site) -> Outcome:
    """Profiles that are not in dtls_profiles are not taken, those in it are."""
    mark = now(site)
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        assert leg.dial("music").status == 200
        failed(site, leg, mark)
    with dtls_legs(site, CALLER, profiles=[CM80, GCM256]) as (leg,):
        assert leg.dial("echo").status == 200
        return echo(site, leg, GCM256, 1)


def nobody_answers(site: Site, setup: str) -> Outcome:
    mark = now(site)
    with dtls_legs(site, CALLER) as (leg,):
        assert leg.dial("music", setup, shake=False).status == 200
        return failed(site, leg, mark, 8.0)


for _setup, _waits in (("active", "the PBX waits"), ("passive", "the PBX asks")):
    add(Scenario(f"dtls-never-{_setup}", f"no handshake, {_waits}", lambda site, setup=_setup: nobody_answers(site, setup), PEER, method="DTLS",
                 flaw_of_stock=True, reads_log=True, configuration=CHANGED, demo=False))


# --- offers --------------------------------------------------------------------------------------------------------------


@scenario("dtls-session-level-fingerprint", "echo, session-level fingerprint", PEER, suite=CM80, method="DTLS", demo=False)
def session_level(site: Site) -> Outcome:
    """a=fingerprint and a=setup before the m-line count for it (RFC 8122 section 5)."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        body = leg.describe("", fingerprints=[], session=[f"fingerprint:{leg.fingerprint()}", "setup:actpass"])
        leg.setup = "actpass"
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        leg.take(final.body)
        return echo(site, leg, CM80, 1)


@scenario("dtls-savpf", "echo, UDP/TLS/RTP/SAVPF", PEER, method="DTLS", demo=False)
def savpf(site: Site) -> Outcome:
    """The profile of WebRTC at an endpoint without AVPF: chan_sip takes it, chan_pjsip refuses with 488 before any module is asked."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        profile = "UDP/TLS/RTP/SAVPF"
        leg.call = leg.phone.call("echo", leg.describe(profile=profile))
        final = leg.call.wait_final()
        if final.status == 488 and site.kind.chan == "pjsip":
            return Outcome("none", detail="488")
        assert final.status == 200, final.start
        leg.take(final.body, profile)
        return echo(site, leg, CM80, 1)


@scenario("dtls-savpf-with-avpf", "echo, UDP/TLS/RTP/SAVPF", PEER, suite=CM80, method="DTLS", demo=False)
def savpf_with_avpf(site: Site) -> Outcome:
    """The same at an endpoint with AVPF."""
    with dtls_legs(site, "feedback", profiles=[CM80]) as (leg,):
        assert leg.dial("echo", profile="UDP/TLS/RTP/SAVPF").status == 200
        return echo(site, leg, CM80, 1)


@scenario("dtls-tls-id", "echo, a=tls-id", PEER, suite=CM80, method="DTLS", demo=False)
def tls_id(site: Site) -> Outcome:
    """RFC 8842's attribute does no harm."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        assert leg.dial("echo", lines=["tls-id:abc3de65cddef001be82"]).status == 200
        return echo(site, leg, CM80, 1)


@scenario("dtls-crypto-only", "488, a=crypto alone", PEER, method="DTLS", demo=False)
def crypto_only(site: Site) -> Outcome:
    """An SDES offer to an endpoint with DTLS: 488, or, as chan_sip does, SDES; never a call without keys."""
    with legs(site, CALLER, known_audio=SPEECH) as (leg,):
        leg.offered = [Crypto.fresh(1, CM80)]
        leg.call = leg.phone.call("echo", leg.body(leg.offered))
        final = leg.call.wait_final()
        if final.status == 488:
            return Outcome("none", detail="488")
        assert final.status == 200, final.start
        leg.take_answer(final.body)
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report)
        return Outcome(CM80).add(report.sent, report.packets, require_audio(SPEECH, report, 40))


@scenario("dtls-clear-offer", "488, clear offer", PEER, method="DTLS", demo=False)
def clear_offer(site: Site) -> Outcome:
    """A clear offer to an endpoint with DTLS is refused."""
    with legs(site, CALLER) as (leg,):
        final = leg.invite("echo")
        assert final.status == 488, f"488 was expected: {final.start}"
        return Outcome("none", detail="488")


@scenario("dtls-holdconn", "a=setup:holdconn, then actpass", PEER, suite=CM80, method="DTLS", demo=False, sends_clear=True, flaw_of_stock=True,
          stock_is_good=("asterisk22",))
def holdconn(site: Site) -> Outcome:
    """No association for now (RFC 4145): nothing is sent; the re-INVITE that wants one gets it."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        leg.call = leg.phone.call("echo", leg.describe("holdconn"))
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        answer = sdp.read(final.body)
        assert answer.values("setup") in ([], ["holdconn"]), f"a=setup:{answer.values('setup')} is no answer to holdconn"
        leg.media.remote(answer.remote)
        leg.say(SPEECH[:SECOND], clear={"from": 0, "count": 50})
        leg.media.drain()
        if echoed := leg.report().packets:
            raise Flaw(f"{echoed} packets came though there is no association")
        assert not leg.call.ended, "the call has ended"
        final = leg.call.reinvite(leg.describe("actpass"))
        assert final.status == 200, final.start
        leg.take(final.body)
        return echo(site, leg, CM80, 1, refused=50)


# --- clear RTP -----------------------------------------------------------------------------------------------------------

EARLY = 50


@scenario("dtls-clear-before-keys-echo", "echo, clear RTP before keys", PEER, method="DTLS", suite=CM80, flaw_of_stock=True,
          stock_is_good=("asterisk22",), sends_clear=True)
def clear_before_keys_echo(site: Site) -> Outcome:
    """Clear RTP before the handshake is not echoed, neither in the clear nor later under the keys."""
    with dtls_legs(site, CALLER, profiles=[CM80], known_audio=SPEECH) as (leg,):
        assert leg.dial("echo", shake=False).status == 200
        leg.say(SPEECH[:EARLY * 160], clear={"from": 0, "count": EARLY})
        leg.media.drain()
        leg.media.settle(1 if site.stock else 0)
        early = leg.report().packets
        if early:
            raise Flaw(f"{early} of {EARLY} clear packets were echoed before there were keys")
        assert leg.call is not None
        media = sdp.read(leg.call.remote_sdp)
        leg.shake("server" if media.values("setup")[0] == "active" else "client", media)
        leg.secured()
        leg.say(OTHER_SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report)
        heard = require_audio(OTHER_SPEECH, report, 40)
        return Outcome(CM80, detail=f"{EARLY} clear packets refused", fingerprints=leg.both_fingerprints).add(report.sent, report.packets, heard)


@scenario("dtls-clear-into-bridge", "bridge, clear RTP before and after keys", PEER, method="DTLS", suite=f"{CM80} to RTP", flaw_of_stock=True,
          sends_clear=True)
def clear_into_bridge(site: Site) -> Outcome:
    """Clear RTP on a DTLS leg, before the handshake and after it, never reaches the other leg, and is counted."""
    with site.callee(Media.CLEAR) as name, dtls_legs(site, CALLER, profiles=[CM80]) as (caller,), legs(site, name) as (callee,):
        caller.call = caller.phone.call(name, caller.describe())
        callee.accept()
        final = caller.call.wait_final()
        assert final.status == 200, final.start
        media = caller.take(final.body, shake=False)
        caller.say(SPEECH[:EARLY * 160], clear={"from": 0, "count": EARLY})
        caller.media.drain()
        callee.media.settle(1 if site.stock else 0)
        early = callee.report().packets
        if early:
            raise Flaw(f"{early} of {EARLY} clear packets reached the other leg before there were keys")
        caller.shake("server" if media.values("setup")[0] == "active" else "client", media)
        caller.secured()
        caller.say(SPEECH[:2 * SECOND], clear={"from": 40, "count": 30})
        caller.media.drain()
        callee.settle(70)
        report = callee.report()
        heard = compare(SPEECH, report.audio)
        assert heard.matched == heard.frames and 60 <= heard.frames <= 70, f"70 packets were secured, and {heard}"
        if not site.stock:
            row = wait_row(site.pbx, pbx_port(caller), lambda row: int(row["Refused"]) + int(row["AuthFail"]) >= EARLY + 30,
                           f"{EARLY + 30} clear packets were sent")
            assert int(row["Refused"]) + int(row["AuthFail"]) == EARLY + 30, f"{EARLY + 30} clear packets were sent: {row}"
        outcome = Outcome(f"{CM80} to RTP", detail=f"{EARLY + 30} clear packets refused", fingerprints=caller.both_fingerprints)
        return outcome.add(caller.report().sent, report.packets, True)


@scenario("dtls-both-legs-before-keys", "bridge, one leg without keys", PEER, method="DTLS", suite=f"{CM80} to {CM80}", demo=False,
          flaw_of_stock=True, stock_is_good=("asterisk22",))
def both_legs_before_keys(site: Site) -> Outcome:
    """While one leg has no keys yet, nothing goes to it, whatever the other says; afterwards both hear one another."""
    with site.callee(Media.DTLS) as name, dtls_legs(site, CALLER, name, profiles=[CM80], known_audio=SPEECH) as (caller, callee):
        caller.call = caller.phone.call(name, caller.describe())
        offer = callee.take_call("active", shake=False)
        caller.take(caller.call.wait_final().body)
        caller.secured()
        caller.say(SPEECH[:SECOND])
        caller.media.drain()
        if early := callee.report().packets:
            raise Flaw(f"{early} packets went to a leg without keys")
        callee.shake("client", offer)
        callee.secured()
        caller.say(SPEECH[:2 * SECOND])
        caller.media.drain()
        callee.settle(100)
        report = callee.report()
        assert report.packets == report.authenticated >= 80, f"of {report.packets} packets {report.authenticated} authenticate"
        heard = compare(SPEECH, report.audio[-80 * 160:])
        assert heard.whole, f"the callee hears {heard}"
        return Outcome(f"{CM80} to {CM80}").add(caller.report().sent, report.packets, heard)


