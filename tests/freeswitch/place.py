"""A running FreeSWITCH as the calls see it: a Site like that of an Asterisk, so that end points, phones and SIPp are the same."""

from __future__ import annotations

import itertools
import queue
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pbx.endpoints import Media

from calls.media import Capture
from calls.phones import host_address
from calls.registry import Skipped
from calls.site import Kind, PeerPorts, Site

from freeswitch.installation import find
from freeswitch.module import build_module
from freeswitch.switch import FreeSwitch, SwitchError
from freeswitch.users import CALLED, USERS

# Its RTP timer catches up by dropping frames: one on a leg as a rule, a few when the machine is busy.
KIND = Kind("freeswitch", "FreeSWITCH mod_sofia", 1, "sofia", skips=10)


LOOPBACK_6 = "loopback6"


def loopback_6() -> str:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skipped(f"this machine has no IPv6 on loopback: {error}") from error
    return "::1"


# Where FreeSWITCH and everybody who talks to it are bound, by Scenario.place.
ADDRESSES: Mapping[str, Callable[[], str]] = {"loopback": lambda: "127.0.0.1", "host": host_address, LOOPBACK_6: loopback_6}


class SwitchSite(Site):
    """One FreeSWITCH (shared by all calls) and, through for_call(), a directory of one call's own."""

    def __init__(self, switch: FreeSwitch, directory: Path) -> None:
        self.kind = KIND
        self.pbx = switch  # type: ignore[assignment]
        self.switch = switch
        self.directory = directory
        self.free = {media: queue.Queue() for media in {user.media for user in CALLED.values()}}
        for user in CALLED.values():
            self.free[user.media].put(user.name)
        self.numbers = itertools.count(1)
        self.capture: Capture | None = None
        self.watched: list[tuple[str, int, int]] = []
        self.started = 0.0
        self.peers = PeerPorts(*switch.ports.peers_rtp)

    def calling_sipp(self) -> SwitchSite:
        """The same site, whose callees with SDES are offered no more than SIPp reads."""
        own = object.__new__(type(self))
        own.__dict__.update(self.__dict__)
        own.free = {**self.free, Media.SDES: self.free[Media.OPTIMISTIC]}
        return own

    def port_of(self, user: str) -> int:
        """The port at which the PBX calls this user; 0 (any) for those that only call."""
        return self.switch.contact_port(user) if user in CALLED else 0

    @staticmethod
    def demands(user: str) -> bool:
        """Whether this user has no clear media."""
        return user in USERS and USERS[user].demands


@contextmanager
def running(directory: Path, srtp: str, place: str = "loopback", *, sections: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
            **how: object) -> Iterator[SwitchSite]:
    """A FreeSWITCH for some calls, and tcpdump beside it. Raises when it dies, when calls or sockets of calls are left at the end, or when
    our module is not there."""
    address = ADDRESSES[place]()
    switch = FreeSwitch(find(), directory / "pbx", srtp=srtp, module=build_module() if srtp == "sealrtp" else None, address=address,
                        sections=sections, **how)  # type: ignore[arg-type]
    switch.start()
    site = SwitchSite(switch, directory)
    try:
        idle = switch.media_sockets()
        if srtp == "sealrtp":
            check_ours(switch)
            first, last = switch.ports.rtp
            # The judge of captures knows IPv4.
            site.capture = None if place == LOOPBACK_6 else Capture(directory / "media.pcap", f"udp portrange {first}-{last}")
        yield site
        if site.capture is not None:
            site.capture.stop()
        if srtp == "sealrtp":
            check_ours(switch)
            switch.wait_idle(30)
            ports_given_back(switch, idle)
    except BaseException:
        try:
            switch.stop()
        except SwitchError:
            # What went wrong first is worth more.
            pass
        raise
    finally:
        if site.capture is not None:
            site.capture.end()
    died = not switch.running
    code = switch.stop()
    if died or code != 0:
        raise RuntimeError(f"FreeSWITCH ended {'in mid-run ' if died else ''}with code {code}; its log is in {directory}")


def check_ours(switch: FreeSwitch) -> None:
    """AssertionError unless our module is loaded and says that it is at work."""
    assert switch.has_module("mod_sealrtp"), f"mod_sealrtp is not loaded: {switch.said()}"
    answer = switch.api("sealrtp status")
    assert answer and not answer.startswith("-"), f"`sealrtp status` says {answer!r}"


def ports_given_back(switch: FreeSwitch, idle: set[tuple[str, int]], timeout: float = 10.0) -> None:
    """AssertionError unless every socket of the calls is closed."""
    until = time.monotonic() + timeout
    while left := switch.media_sockets() - idle:
        assert time.monotonic() < until, f"{len(left)} UDP sockets are open with no call left, such as {sorted(left)[0]}"
        time.sleep(0.2)
