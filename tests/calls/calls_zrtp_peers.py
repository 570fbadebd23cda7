"""ZRTP calls of `sealrtp peer`: a hundred at once, enrolment, and a SAS that the PBX relays to an enrolled phone."""

from __future__ import annotations

import contextlib
import time

from late import wait_for
from pbx.endpoints import Media

from calls.audio import OTHER_SPEECH
from calls.calls_zrtp import both_sas, zrtp_phone
from calls.calls_zrtp_legs import SUITE, same_sas
from calls.registry import Outcome, scenario
from calls.sealrtp import SealrtpPeer
from calls.site import Site
from calls.zrtp import line_of

PEER = "sealrtp"
AT_ONCE = 100


def secured_since(site: Site, start: int, user: str) -> dict[str, str]:
    """The SAS that the manager's events tell for the lines of this user, by channel."""
    return {event["Channel"]: event["SAS"] for event in site.pbx.manager.events[start:]
            if event["Event"] == "SealRTPSecured" and event["Method"] == "ZRTP" and f"/{user}-" in event["Channel"]}


@scenario("zrtp-hundred-calls", f"echo, {AT_ONCE} calls", PEER, suite=SUITE, method="ZRTP", heavy=True, kinds=("asterisk22", "asterisk16-sip"))
def hundred_calls(site: Site) -> Outcome:
    """So many calls at once, each secured by a handshake of its own: all hear themselves, and each SAS is that of its line."""
    user = "zrtp-hundred"
    start = len(site.pbx.manager.events)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(SealrtpPeer(site, user, "--zrtp", "require", "--timeout", "20", "--duration", "6", "--tone", "1000",
                                                 "--expect-tone", "1000")) for _ in range(AT_ONCE)]
        for peer in peers:
            peer.invite("echo")
        for peer in peers:
            peer.connect()
        reports = [peer.report() for peer in peers]
        shown = site.pbx.cli("sealrtp show streams")
        assert shown.count(" ZRTP ") >= AT_ONCE and shown.count(" SECURE ") >= AT_ONCE, f"not {AT_ONCE} streams are secured by ZRTP:\n{shown}"
    wait_for(lambda: len(secured_since(site, start, user)) >= AT_ONCE, f"{AT_ONCE} events")
    told = secured_since(site, start, user)
    assert len(told) == AT_ONCE, f"{len(told)} lines were secured"
    assert sorted(told.values()) == sorted(report.zrtp.sas for report in reports), "the lines' SAS are not those of the peers"
    slowest = max(report.time_to_secure_ms for report in reports)
    lost = sum(report.packets_lost for report in reports)
    assert not any(report.auth_failures or report.replays for report in reports), "packets do not authenticate"
    return Outcome(reports[0].suite, sum(report.packets_sent for report in reports), sum(report.packets_received for report in reports), True,
                   f"the slowest was secured after {slowest:.0f} ms, {lost} packets lost")


def enrol(site: Site, user: str, options: tuple[str, ...]) -> None:
    """The phone calls the extension for enrolment, and its user accepts."""
    with SealrtpPeer(site, user, *options, "--zrtp-enrol", "accept") as peer:
        peer.invite("enrol")
        peer.connect()
        first = peer.report()
        assert first.zrtp.enrolment_offered and first.zrtp.mitm, f"the PBX offered no enrolment: {first.zrtp}"
    # So that the PBX has written it down.
    time.sleep(0.3)


@scenario("zrtp-enrolment", "enrolment, then called", PEER, suite=SUITE, method="ZRTP", place="host", demo=False)
def enrolment(site: Site) -> Outcome:
    """A phone calls the extension for enrolment and its user accepts: both keep a secret by which the PBX is known as a trusted middle."""
    user = "zrtp-enrolled"
    cache = site.directory / "phone.db"
    options = ("--zrtp", "require", "--zrtp-cache", str(cache), "--duration", "2")
    enrol(site, user, options)
    peers = [line.split() for line in site.pbx.cli("sealrtp zrtp show").splitlines() if line[:24].isalnum() and len(line.split()) >= 6]
    assert any(row[2] == "Yes" for row in peers), f"`sealrtp zrtp show` tells of no enrolled phone: {peers}"
    with SealrtpPeer(site, user, *options) as peer:
        peer.invite("echo")
        peer.connect()
        again = peer.report()
    assert again.zrtp.enrolled and again.zrtp.cache == "match", f"in the next call: {again.zrtp}"
    return Outcome(again.suite, again.packets_sent, again.packets_received, True, sas=(f"phone {again.zrtp.sas}",))


@scenario("zrtp-relayed-sas", "SAS relayed to an enrolled phone", PEER, suite=f"{SUITE} to {SUITE}", method="ZRTP", place="host")
def relayed_sas(site: Site) -> Outcome:
    """An enrolled phone calls another through the PBX, which relays the other's SAS: the two users compare one string."""
    user = "zrtp-relayed"
    options = ("--zrtp", "require", "--zrtp-cache", str(site.directory / "phone.db"), "--duration")
    enrol(site, user, (*options, "2"))
    with site.callee(Media.ZRTP) as name, zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, \
            SealrtpPeer(site, user, *options, "6") as caller:
        caller.invite(name)
        caller.connect()
        far = same_sas(site, callee, name)
        told = caller.report()
        assert told.zrtp.relayed_sas == far.sas, f"{told.zrtp.relayed_sas} was relayed, the called phone shows {far.sas}"
        assert told.zrtp.sas != far.sas, "two lines have one SAS"
        line = line_of(site, user)
        assert line.sas == told.zrtp.sas, f"the calling phone shows {told.zrtp.sas}, the PBX {line.sas}"
    shown = (f"caller shows {told.zrtp.relayed_sas} for the called phone", *both_sas(callee.sas(), far))
    return Outcome(told.suite, told.packets_sent, told.packets_received, True, sas=shown)
