"""ZRTP under several numbers of one PBX: linphonec keeps its secrets by the URI of whom it talked to."""

from __future__ import annotations

import time

from pbx.endpoints import Media

from calls.algorithms import Algorithms
from calls.calls_zrtp import PEER, both_sas, zrtp_phone
from calls.legs import legs
from calls.registry import Outcome, scenario
from calls.site import Site
from calls.zrtp import Line, ZrtpPhone, line_of


def remembered(site: Site, user: str, start: int) -> str:
    """What the PBX's cache had to say of the one call of this user that was secured since."""
    site.pbx.manager.wait_event("SealRTPSecured", lambda event: f"/{user}-" in event["Channel"], start=start)
    events = site.pbx.manager.events[start:]
    assert not [event for event in events if event["Event"] == "SealRTPCacheMismatch" and f"/{user}-" in event["Channel"]], "a false alarm"
    secured = [event for event in events if event["Event"] == "SealRTPSecured" and f"/{user}-" in event["Channel"]]
    assert len(secured) == 1, f"{len(secured)} lines were secured"
    return secured[0]["Continuity"]


def require_no_warning(phone: ZrtpPhone) -> None:
    """AssertionError if the phone, which has ended, has warned its user."""
    assert not phone.mismatches, "the phone warns of a mismatch"


@scenario("zrtp-numbers", "two extensions, twice each", PEER, suite=Algorithms().suite, method="ZRTP", place="host", demo=False)
def numbers(site: Site) -> Outcome:
    """A phone calls two extensions, then both again: two strangers at first, two whom it has met then, and never a warning."""
    user = "zrtp-numbers"
    told, line, phone = [], None, None
    for extension in ("zrtp", "music", "zrtp", "music"):
        start = len(site.pbx.manager.events)
        with zrtp_phone(site, user) as phone:
            phone.call(f"sip:{extension}@{site.address}:{site.pbx.sip_port}")
            sas = phone.sas()
            line = line_of(site, user)
            told.append(remembered(site, user, start))
            time.sleep(0.3)
            phone.hang_up()
        require_no_warning(phone)
    assert told == ["new", "new", "match", "match"], f"the PBX's cache says {told}"
    assert isinstance(line, Line)
    shown = [row.split() for row in site.pbx.cli(f"sealrtp zrtp show {line.peer_zid}").splitlines() if row.startswith(line.peer_zid)]
    assert sorted(row[6] for row in shown) == ["music", "zrtp"], f"`sealrtp zrtp show` tells of {shown}"
    return Outcome(line.suite, heard=True, detail="the last of four calls", sas=both_sas(sas, line))


@scenario("zrtp-called-numbers", "called by one, again, by another", PEER, suite=Algorithms().suite, method="ZRTP", place="host", demo=False)
def called_numbers(site: Site) -> Outcome:
    """The PBX calls the phone twice with one caller's number and then with another's."""
    told, line, sas = [], None, ""
    with site.callee(Media.ZRTP) as user:
        for number in ("plain", "plain", "clear-direct"):
            start = len(site.pbx.manager.events)
            with zrtp_phone(site, user, home="numbered-phone", answer=True) as phone, legs(site, number) as (caller,):
                assert caller.invite(user).status == 200
                sas = phone.sas()
                line = line_of(site, user)
                told.append(remembered(site, user, start))
                time.sleep(0.3)
                assert caller.call is not None
                caller.call.bye()
                site.pbx.manager.wait_event("Hangup", lambda event: event["Channel"] == line.channel, start=start)
            require_no_warning(phone)
    assert told == ["new", "match", "new"], f"the PBX's cache says {told}"
    assert isinstance(line, Line)
    return Outcome(line.suite, heard=True, detail="the last of three calls", sas=both_sas(sas, line))
