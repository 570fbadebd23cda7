"""What FreeSWITCH tells of a scripted leg: its channel (whose UUID is the Call-ID here), how it is secured, why it was not."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from late import Late

from calls.legs import Leg
from calls.registry import Flaw, Outcome

from freeswitch.event_socket import Event
from freeswitch.place import SwitchSite

# Seconds within which a call that cannot be secured must end.
SOON = 2.5
# A line of the log that an administrator sees by default.
LOUD = r"\[(?:WARNING|ERR|CRIT)\]"


class Mark(NamedTuple):
    """How far the log and the events are."""

    log: int
    events: int


def now(site: SwitchSite) -> Mark:
    return Mark(len(site.switch.log_text()), len(site.switch.socket.events))


def channel(leg: Leg) -> str:
    """The UUID of the leg's channel."""
    assert leg.call is not None
    return leg.call.call_id


def told(site: SwitchSite, uuid: str, method: str, suite: str, timeout: float = 3.0) -> dict[str, str]:
    """The channel's variables; {} on stock. AssertionError unless the channel is secured so."""
    if site.stock:
        return {}
    wanted = {"sealrtp_method": method, "sealrtp_suite": suite}
    until = time.monotonic() + timeout
    while True:
        shown = {name: site.switch.variable(uuid, name) for name in wanted}
        if shown["sealrtp_method"].upper().startswith(method) and shown["sealrtp_suite"] == suite:
            return shown
        assert time.monotonic() < until, f"the channel's variables tell another story than {method} {suite}: {shown}"
        time.sleep(0.1)


def failed(site: SwitchSite, leg: Leg, mark: Mark, timeout: float = SOON, *, says: Sequence[str] = ()) -> Outcome:
    """The call ends within the time, no media ever came, the log tells why (with each of `says`), and so does sealrtp::failed.

    Raises Flaw when the call stays up or media came.
    """
    assert leg.call is not None
    try:
        leg.call.wait_end(4 * timeout if site.switch.valgrind else timeout)
        leg.media.judge_early()
    except Late:
        leg.media.judge_early()
        packets = leg.report().packets
        raise Flaw(f"the call stays up, {f'{packets} packets came' if packets else 'silent'}") from None
    if packets := leg.report().packets:
        raise Flaw(f"{packets} packets came though there was never a key to trust")
    if site.stock:
        return Outcome("none")
    event = event_of(site, "sealrtp::failed", channel(leg), mark)
    said = reasons(site, mark)
    missing = [text for text in says if text.lower() not in said.lower()]
    assert not missing, f"the log does not tell {missing[0]}: {said[-500:]}"
    return Outcome("none", detail=event.get("Reason") or said.splitlines()[-1])


def event_of(site: SwitchSite, name: str, uuid: str, mark: Mark = Mark(0, 0), timeout: float = 3.0) -> Event:
    return site.switch.socket.wait_event(name, lambda event: event.channel == uuid, start=mark.events, timeout=timeout)


def reasons(site: SwitchSite, mark: Mark, what: str = r"refused|failed") -> str:
    """The log's lines from `mark` on, loud ones, that speak of `what`."""
    site.switch.wait_log(rf"(?i){LOUD}.*({what})", start=mark.log, timeout=3)
    return "\n".join(line for line in site.switch.log_text()[mark.log:].splitlines() if re.search(LOUD, line) and re.search(what, line, re.I))


def refused(site: SwitchSite, leg: Leg, body: str, number: str = "music", *, secrets: Sequence[str] = ()) -> Outcome:
    """An offer that must be refused with 488, nothing sent, and the reason in the log, which tells none of `secrets`.

    Raises Flaw when it is taken, telling what then came of it.
    """
    mark = now(site)
    leg.call = leg.phone.call(number, body)
    final = leg.call.wait_final(15)
    if final.status == 200:
        time.sleep(1.5)
        leg.media.judge_early()
        report = leg.report()
        answered = re.search(r"^m=audio .*$", final.body, re.M)
        raise Flaw(f"answered 200 with {answered[0].strip() if answered else 'no m=audio'}, and {report.packets} packets came, nothing of them secured")
    assert final.status == 488, f"488 was expected: {final.start}"
    leg.media.judge_early()
    assert not leg.report().packets, "media came though the call was refused"
    if site.stock:
        return Outcome("none", detail="488")
    said = reasons(site, mark)
    log = site.switch.log_text()[mark.log:]
    assert not any(secret in log for secret in secrets), "the log tells a key"
    return Outcome("none", detail="488: " + said.splitlines()[0].rpartition("refused: ")[2].strip())
