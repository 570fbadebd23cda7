"""Passthrough: two phones that are secured end to end, the PBX between them; and what becomes of a call that cannot be so."""

from __future__ import annotations

import time

from pbx.endpoints import Media
from pbx.manager import Message
from pbx.sounds import FRAME_BYTES

from calls.audio import OTHER_SPEECH, SPEECH, is_silence
from calls.calls_media import SECOND
from calls.calls_phones import HEARD
from calls.calls_zrtp import PEER, both_sas, zrtp_phone
from calls.calls_zrtp_legs import same_sas, uri
from calls.legs import legs
from calls.phones import require_heard, wait_heard
from calls.registry import Outcome, scenario
from calls.site import Site
from calls.streams import rows_of_user, wait_more_packets
from calls.zrtp import ZrtpPhone, event_of, variable

METHOD = "PASSTHROUGH"


def one_sas(caller: ZrtpPhone, callee: ZrtpPhone) -> str:
    """AssertionError unless both phones show the same SAS."""
    near, far = caller.sas(), callee.sas()
    assert near == far, f"the caller shows {near}, the called phone {far}"
    return near


def is_of(event: Message, user: str) -> bool:
    """Whether a manager's event is about a channel of this end point."""
    return event["Channel"].rpartition("-")[0].endswith(f"/{user}")


def passed_through(site: Site, user: str) -> dict[str, str]:
    """The row of a leg. AssertionError unless the PBX says that it is passed through and knows no key and no SAS of it."""
    found = rows_of_user(site.pbx, user)
    assert found, f"`sealrtp show streams` shows no stream of {user}"
    row = found[-1]
    channel = row["Channel"]
    told = {item: variable(site, channel, f"SEALRTP({item})") for item in ("method", "state", "sas", "suite", "peer_zid")}
    assert (row["Method"], row["State"]) == (METHOD, "FORWARD"), f"`sealrtp show streams` tells {row['Method']}, {row['State']}"
    assert (told["method"], told["state"]) == (METHOD, "FORWARD"), f"SEALRTP() tells {told}"
    assert (row["Suite-In"], told["suite"], told["sas"], told["peer_zid"]) == ("-", "", "", ""), f"the PBX knows {row['Suite-In']}, {told}"
    return row


def recording(site: Site, callee: str, timeout: float = 5.0) -> bytes:
    """What MixMonitor has of a call to a callee; empty where it had nothing to write."""
    path = site.pbx.workdir / "recordings" / f"{callee}.ulaw"
    until = time.monotonic() + timeout
    size = -1
    while time.monotonic() < until and (not path.exists() or path.stat().st_size != size):
        size = path.stat().st_size if path.exists() else -1
        time.sleep(0.5)
    return path.read_bytes() if path.exists() else b""


def is_silent(audio: bytes) -> bool:
    return all(is_silence(audio[at:at + FRAME_BYTES]) for at in range(0, len(audio), FRAME_BYTES))


def heard_both(caller: ZrtpPhone, callee: ZrtpPhone) -> tuple[float, float]:
    """The shares of the sound that reached the callee and the caller. AssertionError unless they are enough."""
    return require_heard(SPEECH, callee.heard(), HEARD, "the called phone"), require_heard(OTHER_SPEECH, caller.heard(), HEARD, "the calling one")


@scenario("passthrough", "linphonec calls linphonec, recorded", PEER, method=METHOD, place="host")
def end_to_end(site: Site) -> Outcome:
    """Both phones show one SAS, hear each other, and the PBX has neither keys nor anything to record."""
    user, name = "pass", "pass-callee"
    start = len(site.pbx.manager.events)
    with zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.call(uri(site, f"recorded-{name}"))
        sas = one_sas(caller, callee)
        near, far = passed_through(site, user), passed_through(site, name)
        for line, other in ((near, far), (far, near)):
            told = event_of(site, "SealRTPSecured", line["Channel"], start)
            assert (told["Method"], told["Peer"]) == (METHOD, other["Channel"]), f"the event tells {told.fields}"
        wait_heard(HEARD, (SPEECH, callee.heard), (OTHER_SPEECH, caller.heard))
        near, far = passed_through(site, user), passed_through(site, name)
        caller.hang_up()
        time.sleep(0.7)
        there, back = heard_both(caller, callee)
    told_of = [event for event in site.pbx.manager.events[start:] if event["Event"] == "SealRTPSecured" and event["Method"] == "ZRTP"
               and event["Channel"] in (near["Channel"], far["Channel"])]
    assert not told_of, "the PBX has made keys of its own"
    counted = [int(row[column]) for row in (near, far) for column in ("Packets-In", "Packets-Out")]
    assert min(counted) >= 100, f"RTP packets in and out of both legs: {counted}"
    recorded = recording(site, name)
    assert is_silent(recorded), f"MixMonitor has sound in its {len(recorded)} bytes"
    return Outcome("the phones' own", counted[1], counted[0], True, f"{there:.0%} and {back:.0%} of the sound, {len(recorded)} silent bytes recorded",
                   sas=(f"caller {sas}", f"called phone {sas}"))


@scenario("passthrough-hold", "hold, resume", PEER, method=METHOD, place="host")
def hold(site: Site) -> Outcome:
    """A hold and a resume leave the phones end to end: the same SAS, and the sound comes back."""
    user, name = "pass-hold", "pass-hold-callee"
    with zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.call(uri(site, name))
        sas = one_sas(caller, callee)
        time.sleep(1.5)
        caller.hold()
        time.sleep(1.5)
        caller.resume()
        time.sleep(0.7)
        before = passed_through(site, user), passed_through(site, name)
        wait_more_packets(lambda: [passed_through(site, user), passed_through(site, name)], list(before))
        after = passed_through(site, user), passed_through(site, name)
        assert one_sas(caller, callee) == sas, "another SAS"
        came = [int(now["Packets-In"]) - int(then["Packets-In"]) for then, now in zip(before, after)]
        caller.hang_up()
    return Outcome("the phones' own", came[0], came[1], True, sas=(f"caller {sas}", f"called phone {sas}"))


@scenario("passthrough-refused", "called phone has no ZRTP, reject", PEER, method=METHOD, place="host", sends_clear=True)
def refused(site: Site) -> Outcome:
    """Where nothing may be clear and one phone has no ZRTP, nothing passes, the call ends, and the log and the event say why."""
    user, name = "pass-silent", "pass-silent-callee"
    start = len(site.pbx.manager.events)
    with legs(site, name) as (callee,), zrtp_phone(site, user) as caller:
        caller.start_call(uri(site, name))
        callee.accept()
        callee.say(SPEECH[:2 * SECOND])
        failed = site.pbx.manager.wait_event("SealRTPFailed", lambda event: is_of(event, user), start=start)
        assert (failed["Method"], failed["Reason"]) == (METHOD, "the other phone has sent no ZRTP"), f"the event tells {failed.fields}"
        assert callee.call is not None
        callee.call.wait_end()
        caller.wait_text("ended")
        report = callee.report()
        assert not report.packets, f"{report.packets} packets of media reached the phone without ZRTP"
        assert caller.secured_calls == 0, "the calling phone shows a SAS"
    return Outcome(detail=f"{failed['Reason']}; the call ended")


@scenario("passthrough-falls-back", "called phone has no ZRTP, rtp", PEER, method="ZRTP", place="host")
def falls_back(site: Site) -> Outcome:
    """Where clear media is allowed and one phone has no ZRTP, the PBX is the end of the other's ZRTP; then there is sound to record."""
    user, name = "pass-or-clear", "pass-or-clear-callee"
    start = len(site.pbx.manager.events)
    with legs(site, name) as (callee,), zrtp_phone(site, user, watched=False) as caller:
        caller.start_call(uri(site, f"recorded-{name}"))
        callee.accept()
        callee.say(OTHER_SPEECH, repeat=True)
        line = same_sas(site, caller, user)
        failed = event_of(site, "SealRTPFailed", line.channel, start)
        assert (failed["Method"], failed["Reason"]) == (METHOD, "the other phone has sent no ZRTP"), f"the event tells {failed.fields}"
        wait_heard(2, (SPEECH, lambda: callee.report().audio), (OTHER_SPEECH, caller.heard))
        caller.hang_up()
        callee.media.stop()
        time.sleep(0.5)
        there = require_heard(SPEECH, callee.report().audio, 2, "the called phone")
        back = require_heard(OTHER_SPEECH, caller.heard(), 2, "the caller")
    assert not is_silent(recording(site, name)), "MixMonitor has nothing: its silence in passthrough tells nothing"
    return Outcome(line.suite, heard=True, detail=f"{failed['Reason']}; {there:.0%} and {back:.0%} of the sound", sas=both_sas(caller.sas(), line))


@scenario("passthrough-alone", "echo", PEER, method="ZRTP", place="host")
def alone(site: Site) -> Outcome:
    """A phone that calls the PBX itself has nobody to be passed through to: the PBX is the end of its ZRTP."""
    user = "pass-alone"
    start = len(site.pbx.manager.events)
    with zrtp_phone(site, user) as phone:
        phone.call(uri(site, "echo"))
        line = same_sas(site, phone, user)
        failed = event_of(site, "SealRTPFailed", line.channel, start)
        assert (failed["Method"], failed["Reason"]) == (METHOD, "it is not bridged with one other phone"), f"the event tells {failed.fields}"
        wait_heard(HEARD, (SPEECH, phone.heard))
        phone.hang_up()
        time.sleep(0.5)
        share = require_heard(SPEECH, phone.heard(), HEARD)
    return Outcome(line.suite, heard=True, detail=f"{failed['Reason']}; {share:.0%} of the sound", sas=both_sas(phone.sas(), line))


@scenario("passthrough-clear-first", "both speak clear before they agree", PEER, method=METHOD, place="host", sends_clear=True)
def clear_first(site: Site) -> Outcome:
    """Where clear media is allowed, the phones' first packets may be clear and pass; they agree end to end all the same."""
    user, name = "pass-clear-first", "pass-clear-first-callee"
    with zrtp_phone(site, name, say=OTHER_SPEECH, answer=True, watched=False, mandatory=False) as callee, \
            zrtp_phone(site, user, watched=False, mandatory=False) as caller:
        caller.call(uri(site, name))
        sas = one_sas(caller, callee)
        wait_heard(HEARD, (SPEECH, callee.heard), (OTHER_SPEECH, caller.heard))
        near = passed_through(site, user)
        caller.hang_up()
        time.sleep(0.7)
        there, back = heard_both(caller, callee)
    return Outcome("the phones' own", int(near["Packets-Out"]), int(near["Packets-In"]), True, f"{there:.0%} and {back:.0%} of the sound",
                   sas=(f"caller {sas}", f"called phone {sas}"))


@scenario("passthrough-mixed", "called phone's policy is endpoint, reject", PEER, method=METHOD, place="host", demo=False)
def mixed(site: Site) -> Outcome:
    """A leg that must be end to end is not bridged with one whose ZRTP ends at the PBX."""
    user = "pass-mixed"
    start = len(site.pbx.manager.events)
    with site.callee(Media.ZRTP) as name, zrtp_phone(site, name, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.start_call(uri(site, name))
        failed = site.pbx.manager.wait_event("SealRTPFailed", lambda event: is_of(event, user), start=start)
        assert (failed["Method"], failed["Reason"]) == (METHOD, "the other leg has no zrtp_mode = passthrough, or has been given up"), (
            f"the event tells {failed.fields}")
        caller.wait_text("ended")
        callee.wait_text("ended")
    return Outcome(detail=f"{failed['Reason']}; the call ended")


@scenario("passthrough-parted", "transferred to the PBX's echo", PEER, method=METHOD, place="host", demo=False)
def parted(site: Site) -> Outcome:
    """A phone that loses the other end of its keys gets nothing clear, also where clear media is allowed. linphonec does not begin ZRTP
    anew, so its call ends."""
    user, name = "pass-transfer", "pass-transfer-callee"
    start = len(site.pbx.manager.events)
    with zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.call(uri(site, name))
        sas = one_sas(caller, callee)
        line = passed_through(site, name)
        caller.command(f"transfer {uri(site, 'echo')}")
        failed = event_of(site, "SealRTPFailed", line["Channel"], start)
        assert (failed["Method"], failed["Reason"]) == (METHOD, "it is not bridged with one other phone"), f"the event tells {failed.fields}"
        ended = site.pbx.manager.wait_event("SealRTPFailed", lambda event: event["Channel"] == line["Channel"] and event["Method"] == "ZRTP",
                                            start=start, timeout=20)
        callee.wait_text("ended")
        assert callee.sas() == sas, "another SAS"
    return Outcome("the phones' own", detail=f"{failed['Reason']}; {ended['Reason']}", sas=(f"caller {sas}", f"called phone {sas}"))
