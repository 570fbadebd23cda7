"""ZRTP between linphonec and the PBX: every algorithm that the phone has, in both directions, and what both remember of one another."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pbx.endpoints import Media
from pbx.manager import Message

from calls.algorithms import SETS, Algorithms
from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_phones import HEARD, packets
from calls.legs import good_media, legs
from calls.phones import require_heard, wait_heard
from calls.registry import Outcome, Scenario, add, scenario
from calls.site import Site
from calls.zrtp import Line, ZrtpPhone, event_of, is_yes, line_of, spoil_cache

PEER = "linphonec"
SHOWN_IN_DEMO = ("dh3k", "x255", "all")


@contextmanager
def zrtp_phone(site: Site, user: str, *, say: bytes = SPEECH, algorithms: Algorithms = Algorithms(), home: str = "", watched: bool = True,
               **how: object) -> Iterator[ZrtpPhone]:
    """linphonec with ZRTP; with the same `home` it is the same phone. What it sends and gets may not be clear if `watched`."""
    (rtp, last) = site.peer_ports(10)
    if watched:
        site.watch(rtp, last - 1)
    with ZrtpPhone(site.directory / (home or user), say, user=user, address=site.address, sip=site.port_of(user) or last, rtp=rtp + rtp % 2,
                   algorithms=algorithms, **how) as phone:
        yield phone


def dial(site: Site, phone: ZrtpPhone, user: str, extension: str = "zrtp", call: int = 1) -> tuple[Line, Message]:
    """The phone calls an extension of the dialplan that waits until it is secured: the line, and what the dialplan was told.

    AssertionError unless both ends and the dialplan have the same SAS.
    """
    start = len(site.pbx.manager.events)
    phone.call(f"sip:{extension}@{site.address}:{site.pbx.sip_port}")
    sas = phone.sas(call)
    line = line_of(site, user)
    assert line.sas == sas, f"the phone shows {sas}, the PBX {line.sas}"
    told = event_of(site, "UserEvent", line.channel, start)
    assert (told["Status"], told["method"].upper(), told["suite"], told["sas"]) == ("SECURE", "ZRTP", line.suite, sas), (
        f"the dialplan is told {told['Status']}, {told['method']}, {told['suite']}, {told['sas']}")
    secured = event_of(site, "SealRTPSecured", line.channel, start)
    assert secured["Method"].upper() == "ZRTP", f"the manager's event tells method {secured['Method']}"
    return line, told


def tells_algorithms(site: Site, line: Line, wanted: Algorithms) -> None:
    """AssertionError unless the PBX tells of these."""
    assert line.suite == wanted.suite, f"the PBX tells {line.suite}, not {wanted.suite}"
    shown = site.pbx.cli(f"sealrtp show stream {line.channel}")
    missing = [name for name in (*wanted.names, line.sas, line.peer_zid) if name not in shown]
    assert not missing, f"`sealrtp show stream` does not show {', '.join(missing)}:\n{shown}"


def require_agreed(phone: ZrtpPhone, wanted: Algorithms) -> None:
    """AssertionError unless the phone, which has ended, tells of these."""
    agreed = phone.agreed()
    assert agreed == wanted, f"the phone tells {agreed}, not {wanted}"


def outcome(phone: ZrtpPhone, line: Line, share: float | None = None, detail: str = "") -> Outcome:
    """What a good call tells."""
    heard = "" if share is None else f"{share:.0%} of the sound"
    # linphonec's SRTCP has tags of 32 bits then, which RFC 3711 (5.2) does not allow: no packet of it is taken.
    row = line.row if not line.suite.endswith("_32") or int(line.row["AuthFail"]) > 3 else {**line.row, "AuthFail": "0"}
    return Outcome(line.suite, detail=", ".join(part for part in (detail, heard) if part), sas=both_sas(phone.sas(), line)).add(
        *packets(row), True)


def both_sas(of_phone: str, line: Line) -> tuple[str, ...]:
    """For the outcome: what each end of a line shows."""
    assert of_phone == line.sas, f"the phone shows {of_phone}, the PBX {line.sas}"
    return (f"phone {of_phone}", f"PBX {line.sas}")


def calls(site: Site, label: str) -> Outcome:
    """A phone that wants these algorithms calls the echo."""
    user = f"zrtp-{label}"
    with zrtp_phone(site, user, algorithms=SETS[label]) as phone:
        line, _ = dial(site, phone, user)
        wait_heard(HEARD, (SPEECH, phone.heard))
        line = line_of(site, user)
        tells_algorithms(site, line, SETS[label])
        phone.hang_up()
        time.sleep(0.5)
    require_agreed(phone, SETS[label])
    share = require_heard(SPEECH, phone.heard(), HEARD)
    return outcome(phone, line, share, str(SETS[label]))


def called(site: Site, label: str) -> Outcome:
    """A clear caller calls a phone that wants these algorithms; both hear one another."""
    user = f"zrtp-{label}-called"
    with zrtp_phone(site, user, say=OTHER_SPEECH, algorithms=SETS[label], answer=True) as phone, legs(site, "plain") as (caller,):
        start = len(site.pbx.manager.events)
        status = caller.invite(user).status
        assert status == 200, f"the answer is {status}"
        sas = phone.sas()
        caller.say(SPEECH, repeat=True)
        wait_heard(HEARD, (SPEECH, phone.heard), (OTHER_SPEECH, lambda: caller.report().audio))
        caller.media.stop()
        line = line_of(site, user)
        assert line.sas == sas, f"the phone shows {sas}, the PBX {line.sas}"
        event_of(site, "SealRTPSecured", line.channel, start)
        tells_algorithms(site, line, SETS[label])
        assert caller.call is not None
        caller.call.bye()
        time.sleep(0.5)
        report = caller.report()
    require_agreed(phone, SETS[label])
    good_media(report, secured=False)
    share, back = require_heard(SPEECH, phone.heard(), HEARD, "the phone"), require_heard(OTHER_SPEECH, report.audio, HEARD, "the caller")
    return outcome(phone, line, min(share, back), str(SETS[label]))


for _label, _algorithms in SETS.items():
    add(Scenario(f"zrtp-echo-{_label}", "echo", lambda site, label=_label: calls(site, label), PEER, suite=_algorithms.suite, method="ZRTP",
                 place="host", demo=_label in SHOWN_IN_DEMO))
    add(Scenario(f"zrtp-called-{_label}", "called", lambda site, label=_label: called(site, label), PEER, suite=_algorithms.suite,
                 method="ZRTP", place="host", demo=_label in SHOWN_IN_DEMO))


# --- what is remembered --------------------------------------------------------------------------------------------------


@scenario("zrtp-retained", "six calls: met, verified, forgotten", PEER, suite=Algorithms().suite, method="ZRTP", place="host")
def retained(site: Site) -> Outcome:
    """New, then met before. Once both users have said that the SAS is the same, both ends know it in the next call. When one end has
    forgotten the other, who has not is warned and nothing counts as verified, until it is compared again."""
    user = "zrtp-retained"
    shown: list[str] = []
    short_call(site, user, shown, known=False)
    line, _ = short_call(site, user, shown, known=False, compare=True)
    line, phone = short_call(site, user, shown, known=True)
    assert not phone.mismatches, "the phone warns of a mismatch between calls that remember one another"
    said = site.pbx.cli(f"sealrtp zrtp show {line.peer_zid}")
    assert re.search(rf"^{line.peer_zid} +Yes ", said, re.M), f"`sealrtp zrtp show` does not tell that the phone is verified:\n{said}"
    said = site.pbx.cli(f"sealrtp zrtp forget {line.peer_zid}")
    assert "forgotten" in said, said
    line, phone = short_call(site, user, shown, known=False, compare=True)
    assert phone.mismatches, "the phone does not warn though the PBX has forgotten it"
    assert not told_of_mismatch(site, line), "the PBX warns of a mismatch though it is the phone that remembers"
    short_call(site, user, shown, known=True)
    assert spoil_cache(phone.home), "the phone has retained nothing"
    line, _ = short_call(site, user, shown, known=False)
    mismatch = event_of(site, "SealRTPCacheMismatch", line.channel)
    assert mismatch["PeerZID"] == line.peer_zid, f"the warning does not name the peer: {mismatch.fields}"
    assert len(set(shown)) == len(shown), f"a SAS came twice: {shown}"
    return Outcome(line.suite, heard=True, detail="the last of six calls", sas=both_sas(shown[-1], line))


def told_of_mismatch(site: Site, line: Line) -> bool:
    return any(event["Event"] == "SealRTPCacheMismatch" and event["Channel"] == line.channel for event in site.pbx.manager.events)


def short_call(site: Site, user: str, shown: list[str], *, known: bool, compare: bool = False) -> tuple[Line, ZrtpPhone]:
    """A call of the same phone; both ends must say alike whether the SAS was verified before. With `compare` both users say in it that
    the SAS is the same."""
    site.pbx.manager.action("Setvar", Variable=f"VERIFY_{user}", Value="yes" if compare else "")
    start = len(site.pbx.manager.events)
    with zrtp_phone(site, user) as phone:
        line, told = dial(site, phone, user)
        shown.append(line.sas)
        if compare:
            phone.set_verified()
            event_of(site, "SealRTPVerified", line.channel, start)
            assert line_of(site, user).verified, "SEALRTP(sas_verified) is not yes after SealRTPVerified(yes)"
        # So that both have written down what they retain.
        time.sleep(0.3)
        phone.hang_up()
    verified = {"phone": phone.was_verified(), "PBX": is_yes(told["sas_verified"])}
    assert verified == dict.fromkeys(verified, known), f"in call {len(shown)} it should be {known} that the SAS was verified: {verified}"
    return line, phone


@scenario("zrtp-called-retained", "called twice, verified", PEER, suite=Algorithms().suite, method="ZRTP", place="host", demo=False)
def called_retained(site: Site) -> Outcome:
    """The same when the PBX calls: what the phone's user has compared holds in the next call."""
    shown = []
    with site.callee(Media.ZRTP) as user, legs(site, "plain") as (caller,):
        for known in (False, True):
            with zrtp_phone(site, user, home="called-phone", answer=True) as phone:
                assert caller.invite(user).status == 200
                sas = phone.sas()
                line = line_of(site, user)
                assert line.sas == sas, f"the phone shows {sas}, the PBX {line.sas}"
                assert line.verified == known, f"the PBX tells {line.verified} of whether the SAS was verified"
                if not known:
                    phone.set_verified()
                    site.pbx.cli(f"sealrtp zrtp verify {line.peer_zid}")
                shown.append(sas)
                time.sleep(0.3)
                assert caller.call is not None
                caller.call.bye()
                site.pbx.manager.wait_event("Hangup", lambda event: event["Channel"] == line.channel)
            assert phone.was_verified() == known, f"the phone tells {not known} of whether the SAS was verified"
            assert not phone.mismatches, "the phone warns of a mismatch"
    return Outcome(line.suite, heard=True, sas=both_sas(shown[-1], line))
