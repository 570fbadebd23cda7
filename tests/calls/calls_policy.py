"""One row of the policy matrix as a real call, and the PBX that all rows share."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from late import Late
from pbx.asterisk import Asterisk, PbxError
from pbx.endpoints import Endpoint, Media
from pbx.manager import ManagerError
from pbx.roots import choose

from calls import sdp
from calls.media import Capture
from calls.policy_far import Judged, ZrtpPeer, carried, far_end
from calls.policy_matrix import (AVP, DECLINED, DTLS, ENDED, NOT_CALLED, PROFILE_OF, REFUSED, SDES, SECURE, WITHIN, ZRTP, Row)
from calls.policy_signalling import Scripted, Sipp, signalling_for
from calls.registry import Outcome
from calls.site import KINDS, Site, module_for
from calls.streams import check_ours, rows_of_user

KIND = KINDS["asterisk22"]
# Calls at a time; a call is mostly waiting.
AT_ONCE = 8
# A handshake that nobody answers is given up after a few seconds; ZRTP gives up by itself in fewer.
GENERAL = "[general]\ndtls_timeout = 8\n\n"
ENDS_WITHIN = 90.0


@dataclass
class Placed:
    """How the call of a row went."""

    row: Row
    outcome: Outcome | None
    error: Exception | None
    seconds: float


def endpoint_of(row: Row) -> Endpoint:
    """Every row has an end point of its own, so none remembers another's calls."""
    return Endpoint(row.name, Media.CLEAR, options={"pjsip": {"transport": "transport-tls"}} if row.tls else {},
                    policy=row.policy.keys)


@contextlib.contextmanager
def running(directory: Path, rows: Iterable[Row]) -> Iterator[Site]:
    """The PBX of these rows, with all of its media captured. Raises when it dies."""
    pbx = Asterisk(choose(KIND.major, KIND.chan), directory / "pbx", module=module_for(choose(KIND.major, KIND.chan)), tls=True,
                   endpoints=[endpoint_of(row) for row in rows], sealrtp_conf=GENERAL)
    with pbx:
        check_ours(pbx)
        site = Site(KIND, pbx, directory)
        first, last = pbx.ports.rtp
        with Capture(directory / "media.pcap", f"udp portrange {first}-{last}", busy=True) as site.capture:
            yield site
        check_ours(pbx)
        try:
            pbx.wait_idle()
        except PbxError as error:
            raise AssertionError(f"calls are left: {error}") from error


def place(row: Row, site: Site) -> Placed:
    """Places the call of a row; every error is in the result."""
    started = time.monotonic()
    outcome, error = None, None
    try:
        outcome = run(row, site.for_call(row.name))
    except Exception as raised:  # noqa: BLE001 (a call that fails in any way is a failed call)
        error = raised
    return Placed(row, outcome, error, time.monotonic() - started)


def place_all(rows: Iterable[Row], site: Site, told: Callable[[Placed], None]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(place, row, site) for row in rows]):
            told(done.result())


def run(row: Row, site: Site, while_up: Callable[[], None] = lambda: None) -> Outcome:
    """The call of a row. AssertionError when anything is not as the row expects. `while_up` is called while a secured call is up."""
    with contextlib.ExitStack() as stack:
        signalling = signalling_for(site, row.name, row.way, row.tls)
        stack.callback(signalling.close)
        far = far_end(site, row)
        stack.callback(far.close)
        try:
            return (calls_in if row.way == "in" else called_out)(row, site, signalling, far, while_up)
        except Exception as error:
            if isinstance(error, Late) and row.expected in (*SECURE, ENDED):
                # What came too late must not hide what was clear.
                require_nothing_clear(row, site.look())
            # What passed, for whoever looks into it; the keys in it are this call's alone.
            note(site, signalling, error)
            # Else it would be taken for one that the PBX has forgotten.
            with contextlib.suppress(ManagerError):
                site.pbx.manager.action("Hangup", Channel=f"/^PJSIP.{row.name}-[0-9a-f]+$/")
            raise


def note(site: Site, signalling: Scripted | Sipp, error: Exception) -> None:
    (site.directory / "failure").write_text("\n".join([
        "".join(traceback.format_exception(error)), signalling.trace, "far end's SDP:", signalling.ours, "PBX's SDP:", signalling.theirs]))


def calls_in(row: Row, site: Site, signalling: Scripted | Sipp, far: Judged | ZrtpPeer,
         while_up: Callable[[], None]) -> Outcome:
    """The far end calls the echo."""
    reply = signalling.invite("echo", far.offer())
    if row.expected == REFUSED:
        assert reply.status == 488, f"the offer is answered {reply.status}, not 488"
        return Outcome(detail="488")
    assert reply.status == 200, f"the offer is answered {reply.status}, not 200"
    far.take_answer(reply.body)
    return talk(row, site, signalling, far, while_up)


def called_out(row: Row, site: Site, signalling: Scripted | Sipp, far: Judged | ZrtpPeer,
         while_up: Callable[[], None]) -> Outcome:
    """The PBX calls the far end."""
    signalling.let_call()
    if row.expected == NOT_CALLED:
        signalling.wait_failure()
        assert not signalling.was_called, "the PBX has called though it had nothing to offer"
        return Outcome(detail="no INVITE")
    body = signalling.wait_offer()
    check_offer(row, sdp.read(body))
    if row.expected == DECLINED:
        signalling.decline()
        signalling.wait_failure()
        return Outcome(detail="488 by the far end")
    signalling.answer(far.answer(body))
    return talk(row, site, signalling, far, while_up)


def check_offer(row: Row, offer: sdp.Media) -> None:
    """AssertionError unless the PBX's offer is what the policy says: all its methods, in the profile of its first where it is strict."""
    methods = row.policy.without_sdes(row.policy.offers, row.tls)
    profile = PROFILE_OF[methods[0]] if row.policy.fallback == "reject" else AVP
    methods = [method for method in methods if method in WITHIN[profile]]
    assert offer.profile == profile, f"the offer's profile is {offer.profile}, not {profile}"
    assert carried(offer) == set(methods), f"the offer carries {carried(offer)}, not {set(methods)}"
    assert offer.values("setup") == (["actpass"] if DTLS in methods else []), f"a=setup:{offer.values('setup')}"


def talk(row: Row, site: Site, signalling: Scripted | Sipp, far: Judged | ZrtpPeer,
         while_up: Callable[[], None]) -> Outcome:
    """Media, or none, as expected; what the PBX shows; and nothing clear in the capture where none is allowed."""
    site.watch(far.port, far.port + 1)
    if row.expected == ENDED:
        far.talk_in_vain()
        reason = signalling.wait_end(ENDS_WITHIN)
        assert reason, "the PBX has ended the call and gives no reason"
        far.heard_nothing()
        nothing_clear(row, site)
        return Outcome(detail=f"ended: {reason}")
    shown: list[dict[str, str]] = []
    if isinstance(far, ZrtpPeer):
        # It hangs up by itself when it has heard enough.
        site.pbx.manager.wait_event("SealRTPSecured", lambda event: f"/{row.name}-" in event["Channel"], start=signalling.start)
        shown = rows_of_user(site.pbx, row.name)
    if row.expected in SECURE:
        while_up()
    suite, packets = far.talk()
    # A stream that never had keys is not shown at all.
    shown = shown or rows_of_user(site.pbx, row.name) or [{"Method": "-", "Suite-In": ""}]
    (line,) = shown
    if row.expected in SECURE:
        assert line["Method"].lower() == row.expected, f"the PBX shows method {line['Method']}, not {row.expected}"
    else:
        # With the method that was tried in the media, if any.
        assert line["Suite-In"] in ("", "-") and line["Method"] in ("-", "ZRTP"), f"the PBX shows {line}"
    assert not signalling.ended, "the PBX has ended the call"
    signalling.bye()
    if row.expected in SECURE:
        nothing_clear(row, site)
    return Outcome(suite or line["Suite-In"]).add(packets.sent, packets.received, True)


def nothing_clear(row: Row, site: Site) -> None:
    """AssertionError when the capture has anything clear from the PBX; or from the far end of a secured call."""
    # What is still on its way is looked at too.
    time.sleep(0.2)
    seen = site.look()
    require_nothing_clear(row, seen)
    if row.expected in (SDES, DTLS):
        assert seen.to_pbx.srtp and seen.from_pbx.srtp, "the capture has missed the media"


def require_nothing_clear(row: Row, seen: SimpleNamespace) -> None:
    """AssertionError when a capture, judged, has anything clear that may not be."""
    found = list(seen.from_pbx.found)
    if row.expected in (SDES, DTLS):
        found += seen.to_pbx.found
    # An opportunistic call may be clear until ZRTP has made keys.
    if row.expected != ZRTP or row.policy.fallback == "reject":
        assert not found, f"the capture has {len(found)} datagrams that are not secured: {found[0]}"
