"""Runs calls of the table against PBXs, several at a time, each PBX started once."""

from __future__ import annotations

import concurrent.futures
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from late import Late

from calls import calls_dtls, calls_dtls_flaws, calls_dtls_more, calls_dtls_phones  # noqa: F401 (they fill the table)
from calls import calls_downgrade  # noqa: F401
from calls import calls_flaws, calls_media, calls_media_rules, calls_modules, calls_more, calls_phones, calls_sdp_hook, calls_sipp  # noqa: F401
from calls import calls_recording  # noqa: F401
from calls import calls_passthrough  # noqa: F401
from calls import calls_zrtp, calls_zrtp_legs, calls_zrtp_numbers, calls_zrtp_peers, calls_zrtp_rules  # noqa: F401
from calls import site as sites
from calls.audio import skips
from calls.media import Capture
from calls.phones import host_address
from calls.registry import PLAIN, SCENARIOS, Flaw, Outcome, Scenario, Skipped, enough
from calls.site import KINDS, Kind, Site
from calls.streams import check_ours

# Calls at a time on one PBX; a call is mostly waiting.
AT_ONCE = 6


@dataclass
class Result:
    """How a call went."""

    scenario: Scenario
    kind: Kind
    srtp: str
    outcome: Outcome | None
    error: Exception | None
    seconds: float

    @property
    def verdict(self) -> str:
        if isinstance(self.error, Skipped):
            return "SKIPPED"
        return "FAIL" if self.error else "PASS"

    @property
    def why(self) -> str:
        """One line of what went wrong."""
        if self.error is None:
            return ""
        text = str(self.error) or type(self.error).__name__
        return text.splitlines()[0] if isinstance(self.error, (AssertionError, Skipped)) else f"{type(self.error).__name__}: {text.splitlines()[0]}"

    @property
    def trace(self) -> str:
        return "".join(traceback.format_exception(self.error)) if self.error else ""


def require_nothing_clear(entry: Scenario, seen: SimpleNamespace) -> None:
    """AssertionError when a capture, judged, has clear media."""
    found = seen.from_pbx.found + ([] if entry.sends_clear else seen.to_pbx.found)
    assert not found, f"the capture has {len(found)} datagrams that are not secured: {found[0]}"
    assert not seen.from_pbx.of_baresip, "the PBX sent clear RTCP"


def is_watched(entry: Scenario, site: Site) -> bool:
    return site.capture is not None and bool(site.watched) and "NULL" not in entry.suite


def nothing_clear(entry: Scenario, site: Site, outcome: Outcome) -> str:
    """Looks for clear media in the capture at the ports that the call watches; what was there. AssertionError when some is clear.

    baresip's two clear RTCP packets, which say nothing, are told and allowed, as is RTP that it sends too early by DTLS and the PBX refuses.
    """
    if not is_watched(entry, site):
        return ""
    # What is still on its way is looked at too.
    time.sleep(0.1)
    seen = site.look()
    assert not entry.sends_clear or seen.to_pbx.found, "what was sent clear on purpose was not seen"
    require_nothing_clear(entry, seen)
    assert not seen.to_pbx.of_baresip or entry.peer == "baresip", "the peer sent clear RTCP"
    clear = seen.to_pbx.early_rtp + seen.to_pbx.of_baresip
    assert outcome.unauthentic <= clear, f"{outcome.unauthentic} packets do not authenticate, and only {clear} are clear"
    early = seen.to_pbx.early_rtp
    assert outcome.refused is None or early <= outcome.refused, f"{early} packets came clear, and only {outcome.refused} were refused"
    assert not outcome.received or seen.to_pbx.srtp + seen.from_pbx.srtp, "the capture has missed the media"
    both = {name: getattr(seen.to_pbx, name) + getattr(seen.from_pbx, name) for name in ("dtls", "srtp", "srtcp", "stun", "zrtp", "of_baresip", "early_rtp")}
    told = f"0 clear from the PBX, {seen.to_pbx.clear_rtp} to it on purpose" if entry.sends_clear else "0 clear"
    return f"{told}, " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in both.items() if count)


def place(entry: Scenario, site: Site) -> Result:
    """Places one call; every error is in the result."""
    started = time.monotonic()
    outcome, error = None, None
    enough.set(0.6 if site.pbx.valgrind else 0.8)
    skips.set(site.kind.skips * (10 if entry.heavy else 1))
    try:
        own = site.for_call(entry.name)
        try:
            outcome = entry.run(own)
        except Late:
            # What came too late must not hide what was clear.
            if is_watched(entry, own):
                require_nothing_clear(entry, own.look())
            raise
        outcome.captured = nothing_clear(entry, own, outcome)
    except Exception as raised:  # noqa: BLE001 (a call that fails in any way is a failed call)
        error = raised
    return Result(entry, site.kind, site.pbx.srtp, outcome, error, time.monotonic() - started)


def place_on_stock(entry: Scenario, site: Site) -> Result:
    """The same on stock Asterisk: the call must show the flaw, unless this kind of it is known to be good."""
    result = place(entry, site)
    if entry.flaw_of_stock and site.kind.name not in entry.stock_is_good and not isinstance(result.error, Skipped):
        if isinstance(result.error, Flaw):
            result.error = None
        elif result.error is None:
            result.error = AssertionError(f"stock {site.kind.title} does not show the flaw: this test does not bite")
    return result


@contextmanager
def running(kind: Kind, directory: Path, srtp: str, configuration: str, place: str = "loopback") -> Iterator[Site]:
    """A PBX for some calls. Raises when it dies, or when ours is not the module that does SRTP."""
    address = host_address() if place == "host" else "127.0.0.1"
    site = sites.start(kind, directory, srtp, sealrtp_conf=configuration, address=address)
    try:
        if srtp == "sealrtp":
            check_ours(site.pbx)
            first, last = site.pbx.ports.rtp
            site.capture = Capture(directory / "media.pcap", f"udp portrange {first}-{last}", busy=True)
        yield site
        if site.capture is not None:
            site.capture.stop()
        if srtp == "sealrtp":
            check_ours(site.pbx)
            site.pbx.wait_idle()
    except BaseException:
        site.pbx.stop()
        raise
    finally:
        if site.capture is not None:
            site.capture.end()
    died = not site.pbx.running
    code = site.pbx.stop()
    if died or code != 0:
        raise RuntimeError(f"{kind.title} ended {'in mid-run ' if died else ''}with code {code}; its log is in {directory}")


def place_all(entries: Iterable[Scenario], site: Site, told: Callable[[Result], None], how: Callable[[Scenario, Site], Result] = place) -> None:
    """Places the calls, several at a time, those that must be alone at the end; `told` hears each result as it comes."""
    entries = list(entries)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(how, entry, site) for entry in entries if not entry.alone(site.pbx.srtp)]
        for done in concurrent.futures.as_completed(waiting):
            told(done.result())
    for entry in entries:
        if entry.alone(site.pbx.srtp):
            told(how(entry, site))


@dataclass(frozen=True)
class Group:
    """Calls that can share one PBX."""

    kind: Kind
    srtp: str
    configuration: str
    place: str
    number: int
    entries: tuple[Scenario, ...] = field(compare=False)

    @property
    def name(self) -> str:
        return f"{self.kind.name}-{self.srtp}" + (f"-{self.number}" if self.number else "")


def entries_of(kind: Kind, srtp: str) -> list[Scenario]:
    """The calls that make sense there: on stock those that show a flaw of it."""
    return [entry for entry in SCENARIOS.values()
            if kind.name in entry.kinds and (srtp != "stock" or (entry.flaw_of_stock and kind.name not in entry.stock_is_good))]


def groups(kind: Kind, srtp: str, entries: Iterable[Scenario] | None = None) -> list[Group]:
    """The calls of a kind of PBX by what their PBX must be like; stock has no configuration of ours."""
    sorted_out: dict[tuple[str, str], list[Scenario]] = {}
    for entry in entries_of(kind, srtp) if entries is None else entries:
        sorted_out.setdefault((PLAIN if srtp == "stock" else entry.configuration, entry.place), []).append(entry)
    return [Group(kind, srtp, configuration, place, number, tuple(members))
            for number, ((configuration, place), members) in enumerate(sorted_out.items())]


__all__ = ["KINDS", "SCENARIOS", "Group", "Result", "entries_of", "groups", "place", "place_all", "place_on_stock", "running"]
