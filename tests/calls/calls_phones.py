"""Calls of real phones: linphonec and baresip call the PBX and are called by it; the sound they recorded is compared."""

from __future__ import annotations

import time
from collections.abc import Callable

from late import PATIENCE, Late
from pbx.endpoints import Media
from pbx.sounds import PLAYBACK

from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80, GCM, SECOND
from calls.legs import good_media, legs
from calls.phones import Baresip, Linphone, Program, require_heard, wait_heard
from calls.registry import Outcome, Scenario, add, scenario
from calls.site import Site
from calls.streams import row_of_user, rows_of_user

# Seconds of the sound that must be heard.
HEARD = 2.5


def linphone(site: Site, say: bytes, user: str, answer: bool = False, encryption: str = "srtp") -> Linphone:
    (rtp, last) = site.peer_ports(10)
    site.watch(rtp, last - 1)
    sip = site.port_of(user) or last
    return Linphone(site.directory / user, say, user=user, address=site.address, sip=sip, rtp=rtp + rtp % 2, answer=answer,
                    encryption=encryption)


def baresip(site: Site, say: bytes, user: str, answer: bool = False, dtls: bool = False) -> Baresip:
    (rtp, last) = site.peer_ports(12)
    site.watch(rtp, last - 2, early_rtp=dtls)
    return Baresip(site.directory / user, say, user=user, address=site.address, pbx_port=site.pbx.sip_port, sip=site.port_of(user) or last,
                   rtp=(rtp, last - 2), control=last - 1, answer=answer, encryption="dtls_srtp" if dtls else "srtp-mand")


def calls_extension(site: Site, phone: Callable[[Site, bytes, str], Program], extension: str, user: str) -> Outcome:
    """A phone calls echo or playback and records what it hears; `user` tells its stream from others'."""
    with phone(site, SPEECH, user) as program:
        program.call(f"sip:{extension}@{site.address}:{site.pbx.sip_port}")
        if extension == "playback":
            row = last_row(site, user)
        else:
            wait_heard(HEARD, (SPEECH, program.heard))
            row = {} if site.stock else row_of_user(site.pbx, user)
            program.hang_up()
        # So that the phone has written down what it heard.
        time.sleep(0.8)
    playback = len(PLAYBACK) / SECOND
    share = require_heard(*((PLAYBACK, program.heard(), playback) if extension == "playback" else (SPEECH, program.heard(), HEARD)))
    sent, received = packets(row)
    return Outcome(row.get("Suite-In", ""), detail=f"{share:.0%} of the sound recorded").add(sent, received, True)


def last_row(site: Site, user: str) -> dict[str, str]:
    """The user's stream as it was last shown before the PBX ended the call; {} on stock, where the end is waited for too."""
    row: dict[str, str] = {}
    until = time.monotonic() + PATIENCE
    while site.pbx.channels_of(user):
        if time.monotonic() > until:
            raise Late(f"the PBX does not end the call of {user}")
        if not site.stock:
            row = next(iter(rows_of_user(site.pbx, user)), row)
        time.sleep(0.1)
    return row


def packets(row: dict[str, str], unauthentic: int = 0) -> tuple[int, int]:
    """What the phone sent and got, as the PBX counts it; nothing is known on stock. So many of its packets may have been refused."""
    if not row:
        return 0, 0
    assert int(row["AuthFail"]) <= unauthentic and row["Replays"] == "0", f"`sealrtp show streams` counts failures: {row}"
    sent, received = int(row["Packets-In"]), int(row["Packets-Out"])
    assert received > 100, f"`sealrtp show streams` counts only {received} packets to the phone: {row}"
    return sent, received


for _phone, _name in ((linphone, "linphonec"), (baresip, "baresip")):
    for _extension in ("echo", "playback"):
        add(Scenario(f"{_name}-{_extension}", _extension,
                     lambda site, phone=_phone, extension=_extension, name=_name: calls_extension(site, phone, extension, f"{name}-{extension}"),
                     _name, suite=CM80, place="host"))


def called(site: Site, phone: Callable[..., Program], suite: str | None) -> Outcome:
    """A clear caller calls the phone through the PBX, which offers the phone all its suites; both hear one another."""
    with site.callee(Media.SDES) as name, phone(site, OTHER_SPEECH, name, True) as program, legs(site, "plain") as (caller,):
        assert caller.invite(name).status == 200
        caller.say(SPEECH, repeat=True)
        wait_heard(HEARD, (SPEECH, program.heard), (OTHER_SPEECH, lambda: caller.report().audio))
        caller.media.stop()
        row = {} if site.stock else row_of_user(site.pbx, name)
        assert caller.call is not None
        caller.call.bye()
        time.sleep(0.5)
        report = caller.report()
    good_media(report, secured=False)
    share, back = require_heard(SPEECH, program.heard(), HEARD, "the phone"), require_heard(OTHER_SPEECH, report.audio, HEARD, "the caller")
    if row and suite:
        assert suite in (row["Suite-In"], row["Suite-Out"]), f"{suite} was expected: {row}"
    sent, received = packets(row)
    return Outcome(row.get("Suite-In", suite or ""), detail=f"{share:.0%} and {back:.0%} of the sound").add(sent, received, True)


@scenario("linphonec-called", "called", "linphonec", suite="AES_256_CM_HMAC_SHA1_80", place="host")
def linphone_called(site: Site) -> Outcome:
    return called(site, linphone, "AES_256_CM_HMAC_SHA1_80")


@scenario("baresip-called", "called", "baresip", suite=GCM, place="host")
def baresip_called(site: Site) -> Outcome:
    return called(site, baresip, GCM)
