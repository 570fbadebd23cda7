"""Plain good calls: every suite, playback, bridges, hold, re-keying, transfer."""

from __future__ import annotations

import time

from late import PATIENCE
from pbx.endpoints import Media
from pbx.sounds import ON_HOLD, PLAYBACK

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.legs import Leg, good_media, legs
from calls.registry import Flaw, Outcome, Scenario, add, configuration_for, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site
from calls.streams import counts_of, require_counts, row_of

PEER = "libsrtp"
CM80, CM32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
GCM = "AEAD_AES_256_GCM"
# What Debian's own Asterisk cannot do.
BEYOND_STOCK = tuple(suite for suite in sdp.SUITES if suite not in (CM80, CM32) and not suite.startswith("NULL"))
SECOND = 8000


def shown(site: Site, leg: Leg, suite: str) -> None:
    """AssertionError unless our module shows the leg's stream with its suite (on stock there is nobody to ask)."""
    if not site.stock:
        assert leg.call is not None
        row = row_of(site.pbx, sdp.read(leg.call.remote_sdp).port)
        assert suite in row.values(), f"`sealrtp show streams` does not tell {suite}: {row}"


def echo(site: Site, suite: str) -> Outcome:
    with legs(site, "secure", known_audio=SPEECH) as (leg,):
        final = leg.invite("echo", [Crypto.fresh(1, suite)])
        if final.status == 488:
            raise Flaw(f"{suite} is refused with 488")
        assert final.status == 200, final.start
        sent = SPEECH[:3 * SECOND]
        leg.say(sent, rtcp=True)
        leg.media.drain()
        leg.settle(len(sent) // 160 - 10)
        shown(site, leg, suite)
        if not site.stock:
            assert leg.call is not None
            require_counts(site.pbx, sdp.read(leg.call.remote_sdp).port, lambda: {"Method": "SDES", **counts_of(leg.report())})
        report = leg.report()
        good_media(report)
        if not suite.startswith("NULL"):
            assert not report.plain_on_wire, f"{report.plain_on_wire} packets are not encrypted"
        # The first packets may come before Echo() listens.
        heard = require_audio(SPEECH, report, len(sent) // 160 - 10)
        return Outcome(suite).add(report.sent, report.packets, heard)


for _suite in sdp.SUITES:
    add(Scenario(f"echo-{_suite}", "echo", lambda site, suite=_suite: echo(site, suite), PEER, suite=_suite,
                 flaw_of_stock=_suite in BEYOND_STOCK,
                 configuration=configuration_for(_suite)))


@scenario("playback", "playback", PEER, suite=CM80)
def playback(site: Site) -> Outcome:
    with legs(site, "secure") as (leg,):
        final = leg.invite("playback", [Crypto.fresh(1, CM80)])
        assert final.status == 200, final.start
        assert leg.call is not None
        leg.call.wait_end()
        report = leg.report()
        good_media(report)
        heard = require_audio(PLAYBACK, report, len(PLAYBACK) // 160)
        return Outcome(CM80).add(report.sent, report.packets, heard)


@scenario("record", "record", PEER, suite=CM80, demo=False)
def record(site: Site) -> Outcome:
    """What the PBX itself hears is what was said."""
    with legs(site, "secure") as (leg,):
        final = leg.invite("record", [Crypto.fresh(1, CM80)])
        assert final.status == 200, final.start
        leg.say(SPEECH[:2 * SECOND])
        leg.media.drain()
        assert leg.call is not None
        leg.call.bye()
    time.sleep(0.5)
    heard = compare(SPEECH, site.pbx.recording("secure"))
    assert heard.whole and heard.frames >= 85, f"the recording is not what was said: {heard}"
    return Outcome(CM80).add(100, 0, heard)


@scenario("clear", "echo", PEER, method="none", demo=False)
def clear(site: Site) -> Outcome:
    """A clear endpoint is left alone; and its capture, looked at as that of a secured call is, shows that every packet is clear."""
    with legs(site, "plain") as (leg,):
        final = leg.invite("echo")
        assert final.status == 200, final.start
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report, secured=False)
        if site.capture is not None:
            site.watch(leg.media.port)
            seen = site.look()
            site.watched.clear()
            assert (seen.to_pbx.clear_rtp, seen.from_pbx.clear_rtp) == (report.sent, report.packets), f"clear media is not seen as clear: {seen}"
        return Outcome().add(report.sent, report.packets, require_audio(SPEECH, report, 40))


def bridge(site: Site, caller_suite: str | None, callee_suite: str | None) -> Outcome:
    """Two legs, each its own suite (None: clear); both hear what the other says."""
    with site.callee(Media.SDES if callee_suite else Media.CLEAR) as name, \
            legs(site, "secure" if caller_suite else "plain", name) as (caller, callee):
        connect(caller, callee, caller_suite, callee_suite)
        caller.say(SPEECH[:3 * SECOND], rtcp=True)
        callee.say(OTHER_SPEECH[:3 * SECOND], rtcp=True)
        caller.media.drain()
        callee.media.drain()
        caller.settle(140)
        callee.settle(140)
        for leg, suite in ((caller, caller_suite), (callee, callee_suite)):
            if suite:
                shown(site, leg, suite)
        at_caller, at_callee = caller.report(), callee.report()
        good_media(at_caller, secured=caller_suite is not None)
        good_media(at_callee, secured=callee_suite is not None)
        # The first packets may arrive before the bridge is there.
        require_audio(OTHER_SPEECH, at_caller, 140)
        heard = require_audio(SPEECH, at_callee, 140)
        return Outcome(f"{caller_suite or 'RTP'} to {callee_suite or 'RTP'}").add(
            at_caller.sent + at_callee.sent, at_caller.packets + at_callee.packets, heard)


def connect(caller: Leg, callee: Leg, caller_suite: str | None, callee_suite: str | None) -> sdp.Media:
    """The caller calls the callee's endpoint, which answers; the offer that the callee saw."""
    caller.offered = [Crypto.fresh(1, caller_suite)] if caller_suite else []
    caller.call = caller.phone.call(callee.user, caller.body(caller.offered))
    offer = callee.accept(callee_suite)
    final = caller.call.wait_final()
    assert final.status == 200, final.start
    caller.take_answer(final.body)
    return offer


for _name, _legs in {"srtp-to-rtp": (CM80, None), "rtp-to-srtp": (None, CM80), "srtp-to-srtp": (CM32, CM80)}.items():
    add(Scenario(f"bridge-{_name}", "bridge", lambda site, pair=_legs: bridge(site, *pair), PEER,
                 suite=" to ".join(suite or "RTP" for suite in _legs)))


@scenario("bridge-gcm-to-cm", "bridge", PEER, suite=f"{GCM} to {CM80}", flaw_of_stock=True)
def bridge_gcm(site: Site) -> Outcome:
    with legs(site, "secure") as (probe,):
        final = probe.invite("echo", [Crypto.fresh(1, GCM)])
        if final.status == 488:
            raise Flaw(f"{GCM} is refused with 488")
    return bridge(site, GCM, CM80)


@scenario("hold-same-key", "hold, resume", PEER, suite=CM80)
def hold_same_key(site: Site) -> Outcome:
    """Re-INVITEs that repeat the keys change nothing: index and replay state go on, every packet authenticates in one context."""
    return hold(site, new_key=False)


@scenario("hold-new-key", "hold, re-key", PEER, suite=CM80)
def hold_new_key(site: Site) -> Outcome:
    """A re-INVITE with a new key re-keys the call; media goes on under the new key."""
    return hold(site, new_key=True)


def hold(site: Site, new_key: bool) -> Outcome:
    with site.callee(Media.CLEAR) as name, legs(site, "secure", name) as (caller, callee):
        connect(caller, callee, CM80, None)
        assert caller.call is not None and caller.ours is not None
        # A start just below the wrap: an index that was lost on hold would be wrong by a whole cycle afterwards.
        caller.say(SPEECH, sequence=65500, repeat=True)
        callee.say(OTHER_SPEECH, repeat=True)
        for leg in (caller, callee):
            leg.media.wait_more(60)
        before = caller.report()
        good_media(before)
        assert caller.call.reinvite(caller.body([caller.ours], direction="sendonly")).status == 200
        # Music on hold.
        callee.media.wait_more(50, callee.report().packets)
        if new_key:
            caller.offered = [Crypto.fresh(1, CM80)]
            # A fresh key starts with rollover counter 0: keep clear of the wrap.
            caller.media.stop()
        final = caller.call.reinvite(caller.body(caller.offered))
        assert final.status == 200, final.start
        caller.take_answer(final.body)
        resumed_at = callee.report().clear
        if new_key:
            caller.say(SPEECH, sequence=2000, repeat=True)
        callee.media.wait_more(100, resumed_at)
        caller.media.wait_more(110, caller.report().packets)
        caller.media.stop()
        callee.media.stop()
        caller.settle()
        callee.settle()
        after, at_callee = caller.report(), callee.report()
        assert not after.auth_failures and not after.duplicates and not after.conflicts, (
            f"{after.auth_failures} packets do not authenticate, {after.duplicates} are copies, {after.conflicts} reuse an index")
        late = at_callee.clear - resumed_at
        assert late >= 80, f"only {late} of 100 packets reached the other side after the resume"
        if new_key:
            assert after.by_keys[-1] >= 80, f"only {after.by_keys[-1]} packets came under the new key"
        else:
            assert after.by_keys == [after.authenticated], "the PBX changed its key though ours was the same"
        tail = compare(OTHER_SPEECH, after.audio[-80 * 160:])
        assert tail.whole, f"after the resume the caller hears {tail}"
        tail = compare(SPEECH, at_callee.audio[-80 * 160:])
        assert tail.whole, f"after the resume the callee hears {tail}"
        music = compare(ON_HOLD, at_callee.audio)
        assert music.matched >= 25, f"the held side heard {music.matched} frames of music on hold"
        return Outcome(CM80).add(after.sent + at_callee.sent, after.packets + at_callee.packets, tail)


@scenario("attended-transfer", "attended transfer", PEER, suite=f"{CM80} to {CM32}")
def attended_transfer(site: Site) -> Outcome:
    """A calls B, then C, and puts them together: B (SRTP) and C (SRTP, another suite) hear one another."""
    with site.callee(Media.SDES) as b_name, site.callee(Media.SDES) as c_name, site.callee(Media.SDES) as a_name, \
            legs(site, a_name, b_name, c_name) as (a, b, c):
        b_offer = connect(a, b, CM80, CM80)
        first = a.call
        assert first is not None and b.call is not None and b_offer.cryptos
        assert first.reinvite(a.body(a.offered, direction="sendonly")).status == 200
        a.offered = [Crypto.fresh(1, CM80)]
        a.call = second = a.phone.call(c.user, a.body(a.offered))
        c.accept(prefer=CM32)
        final = second.wait_final()
        assert final.status == 200, final.start
        a.take_answer(final.body)
        time.sleep(0.5)
        answer = first.refer(f"<sip:{c.user}@{site.pbx.address}:{site.pbx.sip_port}>", replaces=second)
        assert answer.status == 202, answer.start
        first.phone.wait(lambda: next((n for n in first.notifies if "SIP/2.0 200" in n.body), None), PATIENCE, "the transfer's success")
        first.bye()
        second.wait_end()
        b.say(SPEECH[:3 * SECOND])
        c.say(OTHER_SPEECH[:3 * SECOND])
        b.media.drain()
        c.media.drain()
        b.settle(140)
        c.settle(140)
        at_b, at_c = b.report(), c.report()
        for report in (at_b, at_c):
            assert report.packets == report.authenticated and not report.conflicts, f"{report.auth_failures} do not authenticate"
        tail = compare(OTHER_SPEECH, at_b.audio[-100 * 160:])
        assert tail.whole, f"B hears {tail}"
        tail = compare(SPEECH, at_c.audio[-100 * 160:])
        assert tail.whole, f"C hears {tail}"
        return Outcome(f"{CM80} to {CM32}").add(at_b.sent + at_c.sent, at_b.packets + at_c.packets, tail)
