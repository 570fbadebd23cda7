"""DTLS-SRTP calls of real phones: baresip with AES-GCM, linphonec with an RSA certificate and a handshake of its own for RTCP."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable

from pbx.endpoints import Media

from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80
from calls.calls_phones import HEARD, baresip, linphone, packets
from calls.dtls import GCM256, DtlsLeg, dtls_legs
from calls.legs import Leg, good_media, legs
from calls.phones import Program, require_heard, wait_heard
from calls.registry import Outcome, Scenario, add
from calls.site import Site
from calls.streams import row_of_user, wait_more_packets

PHONES: dict[str, tuple[Callable[..., Program], str]] = {
    "baresip": (functools.partial(baresip, dtls=True), GCM256),
    "linphonec": (functools.partial(linphone, encryption="dtls"), CM80),
}


def with_packets(outcome: Outcome, row: dict[str, str]) -> Outcome:
    """The outcome with the packets of the phone's stream; nothing is known on stock."""
    if row:
        outcome.unauthentic = int(row["AuthFail"])
        outcome.refused = outcome.unauthentic + int(row["Refused"])
    return outcome.add(*packets(row, outcome.unauthentic), True)


def told(site: Site, user: str, suite: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The stream of a phone as our module shows it, and the fingerprints; nothing on stock."""
    if site.stock:
        return {}, ()
    row = row_of_user(site.pbx, user)
    assert (row["Method"], row["Suite-In"], row["Suite-Out"]) == ("DTLS", suite, suite), f"{suite} by DTLS was expected: {row}"
    shown = site.pbx.cli(f"sealrtp show stream {row['Channel']}")
    values = re.findall(r"(?i)sha-256[ :]+((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", shown)
    assert len(set(values)) == 2, f"`sealrtp show stream` does not show two fingerprints:\n{shown}"
    return row, (f"PBX sha-256 {values[0]}", f"peer sha-256 {values[1]}")


def echo(site: Site, name: str) -> Outcome:
    """A phone calls the echo."""
    phone, suite = PHONES[name]
    user = f"{name}-dtls-echo"
    with phone(site, SPEECH, user) as program:
        program.call(f"sip:echo@{site.address}:{site.pbx.sip_port}")
        wait_heard(HEARD, (SPEECH, program.heard))
        row, fingerprints = told(site, user, suite)
        program.hang_up()
        time.sleep(0.5)
    share = require_heard(SPEECH, program.heard(), HEARD)
    return with_packets(Outcome(suite, detail=f"{share:.0%} of the sound recorded", fingerprints=fingerprints), row)


def hold(site: Site, name: str) -> Outcome:
    """A phone holds the echo and resumes: the association is kept, the sound comes back."""
    phone, suite = PHONES[name]
    user = f"{name}-dtls-hold"
    with phone(site, SPEECH, user) as program:
        program.call(f"sip:echo@{site.address}:{site.pbx.sip_port}")
        wait_heard(1, (SPEECH, program.heard))
        _, fingerprints = told(site, user, suite)
        program.hold()
        time.sleep(1.5)
        program.resume()
        time.sleep(0.5)
        counted, _ = told(site, user, suite)
        if counted:
            wait_more_packets(lambda: [row_of_user(site.pbx, user)], [counted])
        row, after = told(site, user, suite)
        assert after == fingerprints, "another association"
        program.hang_up()
        time.sleep(0.5)
    return with_packets(Outcome(suite, fingerprints=fingerprints), row)


def called(site: Site, name: str) -> Outcome:
    """A clear caller calls the phone through the PBX; both hear one another."""
    phone, suite = PHONES[name]
    with site.callee(Media.DTLS) as user, phone(site, OTHER_SPEECH, user, True) as program, legs(site, "plain") as (caller,):
        return converse(site, caller, caller.invite(user).status, program, user, suite)


def converse(site: Site, caller: Leg, status: int, program: Program, user: str, suite: str) -> Outcome:
    """The caller's call has been answered by the phone: both talk until each has heard the other."""
    assert status == 200, f"the answer is {status}"
    if isinstance(caller, DtlsLeg):
        caller.secured()
    time.sleep(0.3)
    caller.say(SPEECH, repeat=True)
    wait_heard(HEARD, (SPEECH, program.heard), (OTHER_SPEECH, lambda: caller.report().audio))
    caller.media.stop()
    row, fingerprints = told(site, user, suite)
    assert caller.call is not None
    caller.call.bye()
    time.sleep(0.5)
    report = caller.report()
    good_media(report, secured=isinstance(caller, DtlsLeg) or bool(caller.ours))
    share, back = require_heard(SPEECH, program.heard(), HEARD, "the phone"), require_heard(OTHER_SPEECH, report.audio, HEARD, "the caller")
    return with_packets(Outcome(suite, detail=f"{share:.0%} and {back:.0%} of the sound", fingerprints=fingerprints), row)


def phone_to_phone(site: Site) -> Outcome:
    """baresip calls linphonec: two DTLS legs, GCM on one and CM on the other."""
    (calling, suite), (answering, other) = PHONES["baresip"], PHONES["linphonec"]
    user = "baresip-dtls-bridge"
    with site.callee(Media.DTLS) as name, answering(site, OTHER_SPEECH, name, True) as callee, calling(site, SPEECH, user) as caller:
        caller.call(f"sip:{name}@{site.address}:{site.pbx.sip_port}")
        wait_heard(HEARD, (SPEECH, callee.heard), (OTHER_SPEECH, caller.heard))
        row, fingerprints = told(site, user, suite)
        told(site, name, other)
        caller.hang_up()
        time.sleep(0.7)
    require_heard(SPEECH, callee.heard(), HEARD, "linphonec")
    require_heard(OTHER_SPEECH, caller.heard(), HEARD, "baresip")
    return with_packets(Outcome(f"{suite} to {other}", fingerprints=fingerprints), row)


def phone_to_leg(site: Site, name: str) -> Outcome:
    """A scripted caller with DTLS calls a phone with DTLS."""
    phone, suite = PHONES[name]
    with site.callee(Media.DTLS) as user, phone(site, OTHER_SPEECH, user, True) as program, \
            dtls_legs(site, "fingerprinted", profiles=[CM80]) as (caller,):
        return converse(site, caller, caller.dial(user).status, program, user, suite)


for _name, (_, _suite) in PHONES.items():
    for _title, _what, _run in (("echo", "echo", echo), ("hold", "hold, resume", hold), ("called", "called", called),
                                ("by-dtls", "called over DTLS", phone_to_leg)):
        add(Scenario(f"{_name}-dtls-{_title}", _what, lambda site, run=_run, name=_name: run(site, name), _name, suite=_suite, method="DTLS",
                     place="host", demo=_title != "by-dtls"))
add(Scenario("baresip-dtls-to-linphonec", "baresip calls linphonec", phone_to_phone, "baresip", suite=f"{GCM256} to {CM80}", method="DTLS",
             place="host"))
