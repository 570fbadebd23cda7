"""Plain good DTLS-SRTP calls: every profile, both roles, bridges, hold, new associations, transfer."""

from __future__ import annotations

import time

from late import PATIENCE
from pbx.endpoints import Media
from pbx.sounds import PLAYBACK

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_media import SECOND
from calls.dtls import CM32, CM80, GCM128, GCM256, PROFILES, DtlsLeg, dtls_legs
from calls.legs import Leg, good_media, legs
from calls.registry import Flaw, Outcome, Scenario, add, require_audio, scenario
from calls.site import Site
from calls.streams import counts_of, require_counts, row_of

PEER = "OpenSSL"
CALLER = "fingerprinted"
STRONGEST = PROFILES[0]


def pbx_port(leg: Leg) -> int:
    """The PBX's RTP port of this leg."""
    assert leg.call is not None
    return sdp.read(leg.call.remote_sdp).port


def shown(site: Site, leg: DtlsLeg, suite: str) -> dict[str, str]:
    """The leg's stream as our module shows it, {} on stock. AssertionError unless its method is DTLS with this suite."""
    if site.stock:
        return {}
    row = row_of(site.pbx, pbx_port(leg))
    assert (row["Method"], row["Suite-In"], row["Suite-Out"]) == ("DTLS", suite, suite), f"`sealrtp show streams` tells another story: {row}"
    return row


def profile_of(site: Site, leg: DtlsLeg, wanted: str) -> str:
    """The profile that was agreed on, once keys are there. Flaw when stock does not have it."""
    states = leg.media.wait_dtls(5)
    if site.stock and any(state.state != "done" for state in states) and wanted not in (CM80, CM32):
        raise Flaw(f"{wanted} is not to be had")
    agreed = leg.secured().profile
    assert agreed == wanted, f"{agreed} was agreed on"
    return agreed


def echo(site: Site, leg: DtlsLeg, suite: str, seconds: int = 2, refused: int = 0) -> Outcome:
    """Speaks into an echo whose handshake was started, and judges it; `refused` packets were sent clear before."""
    profile_of(site, leg, suite)
    sent = SPEECH[:seconds * SECOND]
    leg.say(sent, rtcp=True)
    leg.media.drain()
    leg.settle(len(sent) // 160 - 10)
    if shown(site, leg, suite):
        require_counts(site.pbx, pbx_port(leg), lambda: counts_of(leg.report(), refused))
    report = leg.report()
    good_media(report)
    assert not report.plain_on_wire, f"{report.plain_on_wire} packets are not encrypted"
    heard = require_audio(SPEECH, report, len(sent) // 160 - 10)
    return Outcome(suite, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, heard)


def echo_of_profile(site: Site, suite: str) -> Outcome:
    with dtls_legs(site, CALLER, profiles=[suite], known_audio=SPEECH) as (leg,):
        final = leg.dial("echo")
        assert final.status == 200, final.start
        return echo(site, leg, suite)


for _suite in PROFILES:
    add(Scenario(f"dtls-echo-{_suite}", "echo", lambda site, suite=_suite: echo_of_profile(site, suite), PEER, suite=_suite, method="DTLS",
                 flaw_of_stock=_suite in (GCM256, GCM128)))


@scenario("dtls-echo-all-profiles", "echo, all profiles offered", PEER, suite=STRONGEST, method="DTLS", flaw_of_stock=True, demo=False)
def all_profiles(site: Site) -> Outcome:
    """A server takes the strongest of all profiles, also when the peer prefers another."""
    with dtls_legs(site, CALLER, profiles=PROFILES[::-1]) as (leg,):
        assert leg.dial("echo", "active").status == 200
        state = leg.secured()
        if site.stock and state.profile != STRONGEST:
            raise Flaw(f"{state.profile} is taken")
        return echo(site, leg, STRONGEST)


@scenario("dtls-echo-rsa-two-handshakes", "echo, RSA, no rtcp-mux", PEER, suite=CM80, method="DTLS")
def two_handshakes(site: Site) -> Outcome:
    """An RSA certificate, and RTCP on a port of its own with a handshake of its own; SRTCP comes under those keys."""
    with dtls_legs(site, CALLER, certificate="rsa", profiles=[CM80], mux=False) as (leg,):
        assert leg.dial("echo").status == 200
        outcome = echo(site, leg, CM80, 6)
        report = leg.report()
        assert report.rtcp and not report.rtcp_failures, f"{report.rtcp} SRTCP packets came in six seconds, {report.rtcp_failures} of them bad"
        return outcome


for _setup in ("active", "passive"):
    add(Scenario(f"dtls-setup-{_setup}", f"echo, a=setup:{_setup}", lambda site, setup=_setup: setup_offered(site, setup), PEER, suite=CM80,
                 method="DTLS", demo=False))


def setup_offered(site: Site, setup: str) -> Outcome:
    """An offer that leaves no choice of roles."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        assert leg.dial("echo", setup).status == 200
        return echo(site, leg, CM80)


@scenario("dtls-playback", "playback", PEER, suite=CM80, method="DTLS", flaw_of_stock=True, stock_is_good=("asterisk22",))
def playback(site: Site) -> Outcome:
    """Nothing leaves before there are keys, though the PBX has something to say; then it is heard."""
    with dtls_legs(site, CALLER, profiles=[CM80], known_audio=PLAYBACK) as (leg,):
        assert leg.dial("playback", shake=False).status == 200
        assert leg.call is not None
        time.sleep(1)
        if early := leg.report().packets:
            raise Flaw(f"{early} packets left before there were keys")
        media = sdp.read(leg.call.remote_sdp)
        leg.shake("server" if media.values("setup")[0] == "active" else "client", media)
        leg.secured()
        leg.call.wait_end()
        report = leg.report()
        good_media(report)
        heard = require_audio(PLAYBACK, report, len(PLAYBACK) // 160 // 3)
        return Outcome(CM80, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, heard)


@scenario("dtls-record", "record", PEER, suite=CM80, method="DTLS", demo=False)
def record(site: Site) -> Outcome:
    """What the PBX itself hears is what was said."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        assert leg.dial("record").status == 200
        leg.secured()
        leg.say(SPEECH[:2 * SECOND])
        leg.media.drain()
        assert leg.call is not None
        leg.call.bye()
    time.sleep(0.5)
    heard = compare(SPEECH, site.pbx.recording(CALLER))
    assert heard.whole and heard.frames >= 85, f"the recording is not what was said: {heard}"
    return Outcome(CM80).add(100, 0, heard)


# --- two legs ------------------------------------------------------------------------------------------------------------


def dtls_to(caller: DtlsLeg, callee: Leg, callee_setup: str = "active") -> None:
    """The caller calls the callee's endpoint, which answers; with DTLS both have their keys then."""
    caller.call = caller.phone.call(callee.user, caller.describe())
    if isinstance(callee, DtlsLeg):
        callee.take_call(callee_setup)
    else:
        callee.accept(prefer=CM80)
    final = caller.call.wait_final()
    assert final.status == 200, final.start
    caller.take(final.body)
    for leg in (caller, callee):
        if isinstance(leg, DtlsLeg):
            leg.secured()


def talk(caller: Leg, callee: Leg, *, clear: Leg | None = None) -> tuple[int, int]:
    """Both speak for two seconds and hear one another; packets sent and received by both. `clear` is the leg without SRTP."""
    time.sleep(0.3)
    caller.say(SPEECH[:2 * SECOND], rtcp=True)
    callee.say(OTHER_SPEECH[:2 * SECOND], rtcp=True)
    caller.media.drain()
    callee.media.drain()
    caller.settle(90)
    callee.settle(90)
    at_caller, at_callee = caller.report(), callee.report()
    good_media(at_caller, secured=clear is not caller)
    good_media(at_callee, secured=clear is not callee)
    require_audio(OTHER_SPEECH, at_caller, 90)
    require_audio(SPEECH, at_callee, 90)
    return at_caller.sent + at_callee.sent, at_caller.packets + at_callee.packets


def bridge(site: Site, other: Media) -> Outcome:
    with site.callee(other) as name, dtls_legs(site, CALLER, profiles=[CM80]) as (caller,):
        with legs(site, name) if other is not Media.DTLS else dtls_legs(site, name, profiles=[CM32]) as (callee,):
            dtls_to(caller, callee)
            sent, received = talk(caller, callee, clear=callee if other is Media.CLEAR else None)
            shown(site, caller, CM80)
            to = {Media.CLEAR: "RTP", Media.SDES: f"{CM80} (SDES)", Media.DTLS: CM32}[other]
            return Outcome(f"{CM80} to {to}", fingerprints=caller.both_fingerprints).add(sent, received, True)


for _other in (Media.CLEAR, Media.SDES, Media.DTLS):
    add(Scenario(f"dtls-bridge-to-{_other.value}", "bridge", lambda site, other=_other: bridge(site, other), PEER, method="DTLS",
                 suite=f"{CM80} to {_other.value}"))


@scenario("dtls-called-active", "called, a=setup:active", PEER, suite=CM80, method="DTLS", demo=False)
def called_active(site: Site) -> Outcome:
    return called(site, "active")


@scenario("dtls-called-passive", "called, a=setup:passive", PEER, suite=CM80, method="DTLS", demo=False)
def called_passive(site: Site) -> Outcome:
    return called(site, "passive")


def called(site: Site, setup: str) -> Outcome:
    """The PBX offers actpass; the callee chooses."""
    with site.callee(Media.DTLS) as name, dtls_legs(site, name, profiles=[CM80]) as (callee,), legs(site, "plain") as (caller,):
        caller.call = caller.phone.call(name, caller.body())
        callee.take_call(setup)
        caller.take_answer(caller.call.wait_final().body)
        callee.secured()
        sent, received = talk(caller, callee, clear=caller)
        return Outcome(CM80, fingerprints=callee.both_fingerprints).add(sent, received, True)


# --- changes in mid-call -------------------------------------------------------------------------------------------------


@scenario("dtls-hold", "hold, resume", PEER, suite=CM80, method="DTLS")
def hold(site: Site) -> Outcome:
    """Re-INVITEs that repeat the fingerprint keep the association: no handshake, keys and rollover counter go on."""
    with site.callee(Media.CLEAR) as name, dtls_legs(site, CALLER, profiles=[CM80]) as (caller,), legs(site, name) as (callee,):
        dtls_to(caller, callee)
        assert caller.call is not None
        ours = caller.their_fingerprint
        # A start just below the wrap: an index that was lost on hold would be wrong by a whole cycle afterwards.
        caller.say(SPEECH, sequence=65500, repeat=True)
        callee.say(OTHER_SPEECH, repeat=True)
        for leg in (caller, callee):
            leg.media.wait_more(60)
        for direction in ("sendonly", "sendrecv"):
            final = caller.call.reinvite(caller.describe("actpass", direction=direction))
            assert final.status == 200, final.start
            caller.take(final.body, shake=False)
            assert caller.their_fingerprint == ours, "the PBX gives another fingerprint though ours is the same"
            resumed_at = callee.report().clear
            callee.media.wait_more(75, resumed_at)
        caller.media.wait_more(75, caller.report().packets)
        caller.media.stop()
        callee.media.stop()
        caller.settle()
        callee.settle()
        after, at_callee = caller.report(), callee.report()
        assert after.dtls[0].state == "done", f"the association is {after.dtls[0].state}: {after.dtls[0].error}"
        assert not after.auth_failures and not after.duplicates and not after.conflicts, (
            f"{after.auth_failures} packets do not authenticate, {after.duplicates} are copies, {after.conflicts} reuse an index")
        late = at_callee.clear - resumed_at
        assert late >= 60, f"only {late} of 75 packets reached the other side after the resume"
        for who, said, report in (("caller", OTHER_SPEECH, after), ("callee", SPEECH, at_callee)):
            tail = compare(said, report.audio[-50 * 160:])
            assert tail.whole, f"after the resume the {who} hears {tail}"
        return Outcome(CM80, fingerprints=caller.both_fingerprints).add(after.sent + at_callee.sent, after.packets + at_callee.packets, True)


@scenario("dtls-new-association", "re-INVITE, new fingerprint", PEER, suite=CM80, method="DTLS")
def new_association(site: Site) -> Outcome:
    """A re-INVITE with another certificate makes a new association; audio goes on under its keys."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        assert leg.dial("echo").status == 200
        first = echo(site, leg, CM80, 1)
        assert leg.call is not None
        leg.renew()
        final = leg.call.reinvite(leg.describe("actpass"))
        assert final.status == 200, final.start
        leg.take(final.body)
        leg.secured()
        before = leg.report()
        leg.say(SPEECH[:2 * SECOND], sequence=3000)
        leg.media.drain()
        leg.media.settle(before.packets + 90)
        after = leg.report()
        assert len(after.by_keys) == 2 and after.by_keys[1] >= 90, f"packets per association: {after.by_keys}"
        assert after.auth_failures == 0, f"{after.auth_failures} packets do not authenticate"
        heard = compare(SPEECH, after.audio[-90 * 160:])
        assert heard.whole, f"under the new keys {heard}"
        assert before.packets >= first.received
        return Outcome(CM80, detail=f"{after.by_keys[0]} and {after.by_keys[1]} packets", fingerprints=leg.both_fingerprints).add(
            after.sent, after.packets, heard)


@scenario("dtls-attended-transfer", "attended transfer", PEER, suite=f"{CM80} to {CM32}", method="DTLS")
def attended_transfer(site: Site) -> Outcome:
    """A calls B, then C, and puts them together: B and C, each with DTLS, hear one another."""
    with site.callee(Media.DTLS) as a_name, site.callee(Media.DTLS) as b_name, site.callee(Media.DTLS) as c_name, \
            dtls_legs(site, a_name, b_name, profiles=[CM80]) as (a, b), dtls_legs(site, c_name, profiles=[CM32]) as (c,):
        dtls_to(a, b)
        first = a.call
        assert first is not None
        assert first.reinvite(a.describe(direction="sendonly")).status == 200
        # The second call's association is another one.
        a.renew()
        dtls_to(a, c)
        second = a.call
        assert second is not None
        answer = first.refer(f"<sip:{c.user}@{site.pbx.address}:{site.pbx.sip_port}>", replaces=second)
        assert answer.status == 202, answer.start
        first.phone.wait(lambda: next((n for n in first.notifies if "SIP/2.0 200" in n.body), None), PATIENCE, "the transfer's success")
        first.bye()
        second.wait_end()
        b.say(SPEECH[:2 * SECOND])
        c.say(OTHER_SPEECH[:2 * SECOND])
        b.media.drain()
        c.media.drain()
        b.settle(90)
        c.settle(90)
        at_b, at_c = b.report(), c.report()
        for who, said, report in (("B", OTHER_SPEECH, at_b), ("C", SPEECH, at_c)):
            assert report.packets == report.authenticated and not report.conflicts, f"{report.auth_failures} packets to {who} do not authenticate"
            tail = compare(said, report.audio[-70 * 160:])
            assert tail.whole, f"{who} hears {tail}"
        return Outcome(f"{CM80} to {CM32}", fingerprints=b.both_fingerprints).add(at_b.sent + at_c.sent, at_b.packets + at_c.packets, True)
