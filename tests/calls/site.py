"""A running PBX as the calls see it: which kind, whose SRTP, free endpoints, and a directory for each call."""

from __future__ import annotations

import functools
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
from pbx.roots import Root, choose

# Endpoints of each sort that may be called; a call takes one for itself.
CALLEES = 10


@dataclass(frozen=True)
class Kind:
    """A PBX and its channel driver."""

    name: str
    title: str
    major: int
    chan: str


KINDS = {kind.name: kind for kind in (
    Kind("asterisk22", "Asterisk 22 chan_pjsip", 22, "pjsip"),
    Kind("asterisk16-pjsip", "Asterisk 16 chan_pjsip", 16, "pjsip"),
    Kind("asterisk16-sip", "Asterisk 16 chan_sip", 16, "sip"),
)}

CALLERS = {"secure": Media.SDES, "plain": Media.CLEAR, "either": Media.OPTIMISTIC, "linphonec-echo": Media.SDES,
           "linphonec-playback": Media.SDES, "baresip-echo": Media.SDES, "baresip-playback": Media.SDES}
ENDPOINTS = tuple(
    # chan_sip calls a peer by no user at all unless told; baresip wants its own.
    Endpoint(f"{media.value}{number}", media, options={"sip": {"defaultuser": f"{media.value}{number}"}}) for media in (Media.SDES, Media.CLEAR) for number in range(CALLEES)
) + (
    Endpoint("video", Media.SDES, options={"pjsip": {"allow": "ulaw,h264"}, "sip": {"videosupport": "yes", "allow": "ulaw,h264"}}),
    # Callers; nobody calls them, so any number of calls may share one.
    *(Endpoint(name, media) for name, media in CALLERS.items()),
)


class PeerPorts:
    """Hands out runs of media ports."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.next = first, last, first
        self.lock = threading.Lock()

    def take(self, count: int) -> tuple[int, int]:
        with self.lock:
            if self.next + count - 1 > self.last:
                self.next = self.first
            low = self.next
            self.next += count
        return low, low + count - 1


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
        self.peers = PeerPorts(*pbx.ports.peers_rtp)

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
        """The port at which the PBX calls this user; 0 (any) for those that only call."""
        return 0 if user in CALLERS or user == "video" else self.pbx.contact_port(user)

    def peer_ports(self, count: int) -> tuple[int, int]:
        """First and last of `count` ports in a row for a test peer's media; they come round again after a while."""
        return self.peers.take(count)

    @contextmanager
    def callee(self, media: Media) -> Iterator[str]:
        """The name (and extension) of an endpoint that this call alone uses."""
        name = self.free[media].get(timeout=120)
        try:
            yield name
        finally:
            self.free[media].put(name)

    @property
    def address(self) -> str:
        """Where the PBX and everybody who talks to it are bound."""
        return self.pbx.address

    @property
    def stock(self) -> bool:
        return self.pbx.srtp == "stock"


@functools.cache
def module_for(root: Root) -> Path:
    """res_sealrtp.so for this root, built once: every call of a run meets the same module."""
    from pbx.module import build_module
    return build_module(root)


def start(kind: Kind, directory: Path, srtp: str, *, module: Path | None = None, sealrtp_conf: str = "[general]\n",
          address: str = "127.0.0.1", valgrind: bool = False) -> Site:
    """Starts a PBX of this kind; the caller stops site.pbx."""
    root = choose(kind.major, kind.chan)
    if srtp == "sealrtp" and module is None:
        module = module_for(root)
    pbx = Asterisk(root, directory / "pbx", chan=kind.chan, srtp=srtp, module=module, endpoints=ENDPOINTS,
                   sealrtp_conf=sealrtp_conf, address=address, valgrind=valgrind)
    pbx.start()
    return Site(kind, pbx, directory)
