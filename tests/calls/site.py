"""A running PBX as the calls see it: which kind, whose SRTP, free endpoints, and a directory for each call."""

from __future__ import annotations

import functools
import itertools
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from pbx.asterisk import Asterisk
from pbx.configuration import RECORDERS
from pbx.endpoints import NATIVE, ZRTP_WHERE_KNOWN, Endpoint, Media
from pbx.roots import Root, choose
from pbx.sounds import ON_HOLD, PLAYBACK

from calls.algorithms import SETS, Algorithms

if TYPE_CHECKING:
    from calls.media import Capture

# Endpoints of each sort that may be called; a call takes one for itself.
CALLEES = 10
CALLED = (Media.SDES, Media.CLEAR, Media.DTLS, Media.ZRTP)


@dataclass(frozen=True)
class Kind:
    """A PBX and its channel driver."""

    name: str
    title: str
    major: int
    chan: str
    # Frames of 20 ms that it may drop of what it passes on.
    skips: int = 0


KINDS = {kind.name: kind for kind in (
    Kind("asterisk22", "Asterisk 22 chan_pjsip", 22, "pjsip"),
    Kind("asterisk16-pjsip", "Asterisk 16 chan_pjsip", 16, "pjsip"),
    Kind("asterisk16-sip", "Asterisk 16 chan_sip", 16, "sip"),
)}

CALLERS = {"secure": Media.SDES, "plain": Media.CLEAR, "recorded": Media.CLEAR, "recorded-first": Media.CLEAR,
           "either": Media.OPTIMISTIC, "linphonec-echo": Media.SDES,
           "linphonec-playback": Media.SDES, "baresip-echo": Media.SDES, "baresip-playback": Media.SDES, "fingerprinted": Media.DTLS,
           "linphonec-dtls-echo": Media.DTLS, "linphonec-dtls-hold": Media.DTLS, "baresip-dtls-echo": Media.DTLS,
           "baresip-dtls-hold": Media.DTLS, "baresip-dtls-bridge": Media.DTLS, "feedback": Media.DTLS}
# baresip speaks AVPF with DTLS. As a client it takes the strongest profile; as a server it takes its own first, which is the weakest.
BARESIP_DTLS = {"pjsip": {"use_avpf": "yes", "dtls_setup": "passive"}, "sip": {"avpf": "yes", "dtlssetup": "passive"}}
CALLER_OPTIONS = {
    "baresip-dtls-echo": BARESIP_DTLS, "baresip-dtls-hold": BARESIP_DTLS, "baresip-dtls-bridge": BARESIP_DTLS,
    "feedback": {"pjsip": {"use_avpf": "yes"}, "sip": {"avpf": "yes", "rtcp_mux": "yes"}},
}
# Callers with ZRTP and nothing clear.
ZRTP_CALLERS = tuple(f"zrtp-{name}" for name in (
    "retained", "speak", "hold", "to-sdes", "to-zrtp", "blind", "attended",
    "reload", "unload", "silent", "hundred", "numbers", *SETS))
ZRTP_ENROLLED = ("zrtp-relayed", "zrtp-enrolled")
# And those whose media is clear unless they turn out to have ZRTP.
ZRTP_PERHAPS = ("zrtp-perhaps", "zrtp-never", "zrtp-late")
# Callers whose calls are recorded, by what recording = is for them and how they are secured; and those who are so before there are keys,
# or long after.
RECORDED = {f"{rule}-{media.value}": (rule, media) for rule in ("refuse", "disclose", "allow") for media in (Media.SDES, Media.DTLS, Media.ZRTP)}
RECORDED |= {name + when: RECORDED[name] for when, names in (
    ("-early", ("refuse-sdes", "refuse-dtls", "refuse-zrtp", "disclose-zrtp", "allow-zrtp")), ("-late", ("refuse-sdes", "disclose-zrtp")),
) for name in names}
# Pairs of phones that the PBX passes through to one another: a caller, and who it calls.
PASSTHROUGH = {"zrtp_mode": "passthrough"}
PASSED_STRICT = ("pass", "pass-hold", "pass-silent", "pass-mixed")
PASSED_OR_CLEAR = ("pass-or-clear", "pass-alone", "pass-clear-first", "pass-transfer")
# Callers that were secured and are not any more: by what their sections say of it.
LAPSED = {"lapsed": {}, "lapsed-ends": {"on_failure": "hangup"}, "lapsed-blocks": {"on_failure": "block"}}
ZRTP_LAPSED = "zrtp-lapsed"
# End points of chan_pjsip whose descriptions are policy's: callers, and phones that are called, each by one call.
HOOK_POLICY = {"offer": "zrtp,dtls,sdes", "accept": "sdes,dtls,zrtp", "fallback": "rtp", "sdes_signalling": "any"}
HOOK_NO_ZRTP = HOOK_POLICY | {"offer": "dtls,sdes", "accept": "sdes,dtls"}
HOOK_STRICT = HOOK_POLICY | {"fallback": "reject"}
HOOK_CALLERS = {"hook": HOOK_POLICY, "hook-direct": HOOK_NO_ZRTP, "hook-strict": HOOK_STRICT, "hook-strict-sdes": HOOK_STRICT | {"offer": "sdes", "accept": "sdes"},
                "hook-lapsed": HOOK_POLICY | {"on_failure": "hangup"}}
HOOK_CALLED = {"hook-sdes": HOOK_POLICY, "hook-direct-called": HOOK_NO_ZRTP, "hook-dtls": HOOK_POLICY, "hook-clear": HOOK_NO_ZRTP, "hook-early": HOOK_POLICY,
               "hook-forked": HOOK_POLICY, "hook-prack": HOOK_POLICY, "hook-challenged": HOOK_POLICY, "hook-logged": HOOK_POLICY,
               "hook-needs-tls": HOOK_STRICT | {"offer": "sdes", "accept": "sdes", "sdes_signalling": "tls"},
               "hook-refused": HOOK_STRICT | {"offer": "dtls", "accept": "dtls"}}
HOOK_OPTIONS = {**dict.fromkeys(("hook-direct", "hook-direct-called"), {"pjsip": {"direct_media": "yes"}}),
                "hook-challenged": {"pjsip": {"outbound_auth": "hook-challenged-auth"}}}
ENDPOINTS = tuple(
    # chan_sip calls a peer by no user at all unless told; baresip wants its own.
    Endpoint(f"{media.value}{number}", media, options={"sip": {"defaultuser": f"{media.value}{number}"}},
             policy=Algorithms().policy if media is Media.ZRTP else {})
    for media in CALLED for number in range(CALLEES)
) + (
    Endpoint("video", Media.SDES, options={"pjsip": {"allow": "ulaw,h264"}, "sip": {"videosupport": "yes", "allow": "ulaw,h264"}}),
    Endpoint("dtls-video", Media.DTLS, options={"pjsip": {"allow": "ulaw,h264"}, "sip": {"videosupport": "yes", "allow": "ulaw,h264"}}),
    Endpoint("zrtp-video", Media.ZRTP, options={"pjsip": {"allow": "ulaw,vp8"}, "sip": {"videosupport": "yes", "allow": "ulaw,vp8"}},
             policy=Algorithms().policy),
    *(Endpoint(name + part, media, options={"pjsip": {"direct_media": "yes"}, "sip": {"directmedia": "yes", "defaultuser": name + part}})
      for name, media in (("dtls-direct", Media.DTLS), ("clear-direct", Media.CLEAR)) for part in ("", "-callee")),
    # Callers; nobody calls them, so any number of calls may share one.
    *(Endpoint(name, Media.ZRTP, policy=SETS.get(name.removeprefix("zrtp-"), Algorithms()).policy) for name in ZRTP_CALLERS),
    # Enrolled phones know this PBX by its one ZID.
    *(Endpoint(name, Media.ZRTP, policy=Algorithms().policy | {"zrtp_mitm": "yes"}) for name in ZRTP_ENROLLED),
    *(Endpoint(name, Media.CLEAR, policy=ZRTP_WHERE_KNOWN) for name in ZRTP_PERHAPS),
    *(Endpoint(name + part, media, options={"sip": {"defaultuser": name + part}}, policy=policy | PASSTHROUGH)
      for names, media, policy in ((PASSED_STRICT, Media.ZRTP, {}), (PASSED_OR_CLEAR, Media.CLEAR, ZRTP_WHERE_KNOWN))
      for name in names for part in ("", "-callee")),
    *(Endpoint(name, Media.OPTIMISTIC, policy={"offer": "sdes", "accept": "sdes", **policy}) for name, policy in LAPSED.items()),
    Endpoint(ZRTP_LAPSED, Media.CLEAR, policy=ZRTP_WHERE_KNOWN),
    # Phones that are called for their algorithms.
    *(Endpoint(f"zrtp-{label}-called", Media.ZRTP, options={"sip": {"defaultuser": f"zrtp-{label}-called"}}, policy=algorithms.policy)
      for label, algorithms in SETS.items()),
    *(Endpoint(name, media, policy={"recording": rule}) for name, (rule, media) in RECORDED.items()),
    # And two who are called.
    *(Endpoint(name, Media.SDES, options={"sip": {"defaultuser": name}}, policy={"recording": "refuse"})
      for name in ("refuse-called", "refuse-dialled")),
    *(Endpoint(name, media, options=CALLER_OPTIONS.get(name, {})) for name, media in CALLERS.items()),
    *(Endpoint(name, Media.CLEAR, policy=policy, options=HOOK_OPTIONS.get(name, {}))
      for name, policy in (HOOK_CALLERS | HOOK_CALLED).items()),
)


class Watched(NamedTuple):
    """Media ports of a peer, at which nothing may be clear."""

    address: str
    first: int
    last: int
    # baresip by DTLS: its first RTP may leave before its SRTP is in place. The PBX must refuse it.
    early_rtp: bool = False


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
        for media in CALLED:
            self.free[media] = queue.Queue()
            for number in range(CALLEES):
                self.free[media].put(f"{media.value}{number}")
        self.numbers = itertools.count(1)
        # tcpdump over all media of the PBX, and the media ports of this call that may carry no clear media.
        self.capture: Capture | None = None
        self.watched: list[Watched] = []
        self.started = 0.0
        self.peers = PeerPorts(*pbx.ports.peers_rtp)

    def for_call(self, name: str) -> Site:
        """The same site with another directory."""
        own = object.__new__(type(self))
        own.__dict__.update(self.__dict__)
        own.directory = self.directory / name
        own.directory.mkdir(parents=True, exist_ok=True)
        own.watched = []
        own.started = time.time()
        return own

    def unique(self, prefix: str) -> str:
        return f"{prefix}-{next(self.numbers)}"

    def port_of(self, user: str) -> int:
        """The port at which the PBX calls this user; 0 (any) for those that only call."""
        only_calls = (user in (*CALLERS, *RECORDED, *HOOK_CALLERS, *ZRTP_CALLERS, *ZRTP_PERHAPS, *ZRTP_ENROLLED, *LAPSED, ZRTP_LAPSED)
                      or user.endswith("video"))
        return 0 if only_calls else self.pbx.contact_port(user)

    def peer_ports(self, count: int) -> tuple[int, int]:
        """First and last of `count` ports in a row for a test peer's media; they come round again after a while."""
        return self.peers.take(count)

    def watch(self, first: int, last: int = 0, early_rtp: bool = False) -> None:
        """Media ports of a peer of this call: nothing clear may go to them or come from them, from the first packet on."""
        self.watched.append(Watched(self.address, first, last or first, early_rtp))

    def look(self) -> SimpleNamespace:
        """What was captured at the watched ports, by direction and kind."""
        from calls.audio import OTHER_SPEECH, SPEECH

        assert self.capture is not None
        known = []
        for name, audio in (("speech", SPEECH), ("other", OTHER_SPEECH), ("playback", PLAYBACK), ("hold", ON_HOLD)):
            path = self.capture.path.with_name(f"known-{name}.ul")
            if not path.exists():
                path.write_bytes(audio)
            known.append(path)
        return self.capture.look(self.watched, self.started, known)

    @staticmethod
    def demands(user: str) -> bool:
        """Whether this endpoint has no clear media."""
        return any(endpoint.name == user and endpoint.media in (Media.SDES, Media.DTLS, Media.ZRTP) for endpoint in ENDPOINTS)

    @contextmanager
    def callee(self, media: Media) -> Iterator[str]:
        """The name (and extension) of an endpoint that this call alone uses."""
        name = self.free[media].get(timeout=900)
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


def start(kind: Kind, directory: Path, srtp: str, *, module: Path | None = None, sealrtp_conf: str = NATIVE,
          address: str = "127.0.0.1", valgrind: bool = False) -> Site:
    """Starts a PBX of this kind; the caller stops site.pbx."""
    root = choose(kind.major, kind.chan)
    if srtp == "sealrtp" and module is None:
        module = module_for(root)
    recorders = RECORDERS if kind.major > 20 else ("res_monitor",)
    pbx = Asterisk(root, directory / "pbx", chan=kind.chan, srtp=srtp, module=module, endpoints=ENDPOINTS, modules=() if valgrind else recorders,
                   sealrtp_conf=sealrtp_conf, address=address, valgrind=valgrind)
    pbx.start()
    return Site(kind, pbx, directory)
