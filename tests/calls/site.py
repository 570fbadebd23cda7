"""A running PBX as the calls see it: which kind, whose SRTP, free endpoints, and a directory for each call."""

from __future__ import annotations

import itertools
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from pbx.asterisk import Asterisk
from pbx.endpoints import Endpoint, Media
from pbx.roots import Root, ensure

# Endpoints of each sort that may be called; a call takes one for itself.
CALLEES = 10


@dataclass(frozen=True)
class Kind:
    """A PBX and its channel driver."""

    name: str
    title: str
    root: str
    chan: str


KINDS = {kind.name: kind for kind in (
    Kind("asterisk22", "Asterisk 22 chan_pjsip", "testing", "pjsip"),
    Kind("asterisk16-pjsip", "Asterisk 16 chan_pjsip", "bullseye", "pjsip"),
    Kind("asterisk16-sip", "Asterisk 16 chan_sip", "bullseye", "sip"),
)}

ENDPOINTS = tuple(
    Endpoint(f"{media.value}{number}", media) for media in (Media.SDES, Media.CLEAR) for number in range(CALLEES)
) + (
    # Callers; nobody calls them, so any number of calls may share one.
    Endpoint("secure", Media.SDES), Endpoint("plain", Media.CLEAR), Endpoint("either", Media.OPTIMISTIC),
    *(Endpoint(f"phone{number}", Media.SDES, registers=True) for number in range(1, 5)),
)


class Site:
    """One PBX (shared by all calls) and, through for_call(), a directory of one call's own."""

    def __init__(self, kind: Kind, pbx: Asterisk, directory: Path) -> None:
        self.kind = kind
        self.pbx = pbx
        self.directory = directory
        self.free: dict[Media, queue.Queue[str]] = {}
        for media in (Media.SDES, Media.CLEAR):
            self.free[media] = queue.Queue()
            for number in range(CALLEES):
                self.free[media].put(f"{media.value}{number}")
        self.numbers = itertools.count(1)
        # Whoever must see the PBX-wide state (a log from a mark on, all streams) alone holds this.
        self.alone = threading.Lock()

    def for_call(self, name: str) -> Site:
        """The same site with another directory."""
        own = object.__new__(Site)
        own.__dict__.update(self.__dict__)
        own.directory = self.directory / name
        own.directory.mkdir(parents=True, exist_ok=True)
        return own

    def unique(self, prefix: str) -> str:
        return f"{prefix}-{next(self.numbers)}"

    def port_of(self, user: str) -> int:
        """The port at which the PBX calls this user; 0 (any) for those that only call or register."""
        endpoint = next(e for e in self.pbx.endpoints if e.name == user)
        shared = user in ("secure", "plain", "either")
        return 0 if endpoint.registers or shared else self.pbx.contact_port(user)

    @contextmanager
    def callee(self, media: Media) -> Iterator[str]:
        """The name (and extension) of an endpoint that this call alone uses."""
        name = self.free[media].get(timeout=120)
        try:
            yield name
        finally:
            self.free[media].put(name)

    @property
    def stock(self) -> bool:
        return self.pbx.srtp == "stock"


def start(kind: Kind, directory: Path, srtp: str, *, module: Path | None = None, sealrtp_conf: str = "[general]\n",
          valgrind: bool = False) -> Site:
    """Starts a PBX of this kind; the caller stops site.pbx."""
    root: Root = ensure(kind.root)
    if srtp == "sealrtp" and module is None:
        from pbx.module import build_module
        module = build_module(root)
    pbx = Asterisk(root, directory / "pbx", chan=kind.chan, srtp=srtp, module=module, endpoints=ENDPOINTS,
                   sealrtp_conf=sealrtp_conf, valgrind=valgrind)
    pbx.start()
    return Site(kind, pbx, directory)
