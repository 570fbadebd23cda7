"""The table of calls: each is a function that places one and raises when something is not as it must be."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass
from types import SimpleNamespace

from late import Late
from pbx.endpoints import NATIVE

from calls.audio import Heard
from calls.site import KINDS, Site


class Flaw(AssertionError):
    """A flaw that stock Asterisk is known for was seen. Ours must not have it; stock must, or the test does not bite."""


class Skipped(Exception):
    """Something that this call needs is not here; the text says what."""


@dataclass
class Outcome:
    """What a call tells of itself when all is well."""

    suite: str = ""
    sent: int = 0
    received: int = 0
    heard: bool = False
    detail: str = ""
    _: KW_ONLY
    # Fingerprints of the PBX's certificate and of the peer's, "hash value".
    fingerprints: tuple[str, ...] = ()
    # What each end shows as SAS of a line: "phone s1nm", "PBX s1nm".
    sas: tuple[str, ...] = ()
    # Packets of the phone that did not authenticate: no more than the capture has clear ones.
    unauthentic: int = 0
    # All of its packets that were refused, where the PBX tells: no fewer than the capture has clear ones.
    refused: int | None = None
    # What the capture of the call held; the runner fills it in.
    captured: str = ""

    def add(self, sent: int, received: int, heard: Heard | bool) -> Outcome:
        """Adds a direction's packets; `heard` when the audio was as sent."""
        self.sent += sent
        self.received += received
        self.heard = heard if isinstance(heard, bool) else heard.whole
        return self


# Suites that are used only where the configuration names them, and a configuration that does.
BY_NAME = ("AES_192_CM_HMAC_SHA1_32", "AEAD_AES_128_GCM_8", "AEAD_AES_256_GCM_8", "NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32")
NAMING = f"{NATIVE}suites = {','.join(BY_NAME)}\n"
PLAIN = NATIVE


@dataclass(frozen=True)
class Scenario:
    """One call."""

    name: str
    title: str
    run: Callable[[Site], Outcome]
    peer: str
    suite: str = ""
    method: str = "SDES"
    # Stock Asterisk shows Flaw here; else it is not run on stock.
    flaw_of_stock: bool = False
    # Kinds of PBX where the call makes sense.
    kinds: tuple[str, ...] = tuple(KINDS)
    # Kinds whose stock version does not have the flaw.
    stock_is_good: tuple[str, ...] = ()
    # Part of `make demo`.
    demo: bool = True
    # It reads the PBX's log, so nobody else may be talking to the PBX.
    reads_log: bool = False
    # It is a load for the machine, so nothing else may run.
    heavy: bool = False
    # Where the PBX listens: "loopback", or "host", the host's own address, for phones that do not bind to loopback.
    place: str = "loopback"
    # The peer sends clear packets on purpose: only what the PBX sends is looked at in the capture.
    sends_clear: bool = False
    # sealrtp.conf that it needs; the PBX is another one then.
    configuration: str = PLAIN

    def alone(self, srtp: str) -> bool:
        """Whether nothing else may run on the PBX meanwhile; stock's log is not read."""
        return self.heavy or (self.reads_log and srtp != "stock")


def configuration_for(suite: str) -> str:
    """A sealrtp.conf under which this suite is spoken."""
    return NAMING if suite in BY_NAME else PLAIN


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, title: str, peer: str, **more: object) -> Callable[[Callable[[Site], Outcome]], Callable[[Site], Outcome]]:
    """Enters a function into the table."""

    def enter(run: Callable[[Site], Outcome]) -> Callable[[Site], Outcome]:
        add(Scenario(name, title, run, peer, **more))  # type: ignore[arg-type]
        return run

    return enter


def add(entry: Scenario) -> None:
    if entry.name in SCENARIOS:
        raise ValueError(f"two calls are named {entry.name}")
    SCENARIOS[entry.name] = entry


# The share of the frames a call asks for that is enough: a loaded machine starts late, and one under valgrind later. What is
# heard must be without gap in any case.
enough: ContextVar[float] = ContextVar("enough", default=0.8)


def require_audio(sent: bytes, report: SimpleNamespace, at_least: int) -> Heard:
    """What was heard; AssertionError unless it is the sent audio without gap, Late unless it is at least so many 20 ms frames."""
    from calls.audio import compare

    heard = compare(sent, report.audio)
    assert heard.whole, f"the audio is not what was sent: {heard}"
    at_least = round(at_least * enough.get())
    if heard.frames < at_least:
        raise Late(f"only {heard.frames} frames were heard, not {at_least}")
    return heard
