"""Port numbers of a test PBX: a block of its own, so that several can run at once."""

from __future__ import annotations

import fcntl
import socket
from dataclasses import dataclass, field
from typing import BinaryIO

from pbx.roots import cache_directory

BLOCK = 2000
# Below the kernel's ephemeral ports (32768 and up).
FIRST, LAST = 10000, 32000


@dataclass(frozen=True)
class Ports:
    """The block from `base`: SIP, manager, contacts of endpoints and test peers from +10, RTP from +1000 to +1999."""

    base: int
    # The open file whose lock reserves the block, until this object is gone.
    reservation: BinaryIO | None = field(default=None, repr=False, compare=False)

    @property
    def sip(self) -> int:
        return self.base

    @property
    def manager(self) -> int:
        return self.base + 1

    @property
    def sips(self) -> int:
        """SIP over TLS."""
        return self.base + 3

    @property
    def rtp(self) -> tuple[int, int]:
        return self.base + 1000, self.base + 1999

    def contact(self, index: int) -> int:
        """The SIP port of the endpoint number `index`; every second one, a peer may want the next."""
        return self.base + 10 + 2 * index

    @property
    def peers_rtp(self) -> tuple[int, int]:
        """For the media of test peers (SIPp and others)."""
        return self.base + 300, self.base + 999


def free_ports() -> Ports:
    """A block that no other test PBX has and whose SIP and manager ports are free; reserved as long as the
    returned object lives."""
    directory = cache_directory() / "ports"
    directory.mkdir(parents=True, exist_ok=True)
    for base in range(FIRST, LAST, BLOCK):
        lock = open(directory / str(base), "wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        ports = Ports(base, lock)
        if not (_free(socket.SOCK_DGRAM, ports.sip) and _free(socket.SOCK_STREAM, ports.manager)):
            lock.close()
            continue
        return ports
    raise RuntimeError(f"all blocks of ports from {FIRST} to {LAST} are taken; reservations are in {directory}")


def _free(kind: int, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
