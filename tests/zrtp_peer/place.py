"""Where a call takes place: its folder, its ports, the program; and the table of calls."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pbx.ports
from late import PATIENCE, Late, wait_for

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    name: str
    run: Callable[[Place], None]

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []


def case(name: str) -> Callable[[Callable[[Place], None]], Callable[[Place], None]]:
    """Puts a call into the table."""

    def put(run: Callable[[Place], None]) -> Callable[[Place], None]:
        CASES.append(Case(name, run))
        return run

    return put


class Ports:
    """Small blocks of free UDP ports, out of one that is kept for this process as long as it lives."""

    lock = threading.Lock()
    kept: pbx.ports.Ports | None = None
    next = 0

    @classmethod
    def take(cls, count: int) -> int:
        """The first of so many free ones, even."""
        with cls.lock:
            cls.kept = cls.kept or pbx.ports.free_ports()
            first, last = cls.kept.base, cls.kept.base + pbx.ports.BLOCK
            for _ in range(0, pbx.ports.BLOCK, 20):
                base = cls.next or first
                cls.next = base + 20 if base + 40 <= last else first
                if all(is_free(port) for port in range(base, base + count)):
                    return base
        raise OSError("no block of free UDP ports")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


@dataclass
class Ended:
    """What a run of `sealrtp peer` came to."""

    code: int
    report: dict[str, Any]
    said: str

    @property
    def zrtp(self) -> dict[str, Any]:
        return self.report["zrtp"]

    @property
    def untrue_rtcp(self) -> int:
        """How many packets may fail authentication: linphonec tags SRTCP with 32 bits where HS32 was agreed on, and RFC 3711
        section 5.2 wants 80, so its few RTCP packets are refused."""
        zrtp = self.report["zrtp"] or {}
        return 3 if zrtp.get("auth_tag") == "HS32" and (zrtp.get("peer_client") or "").startswith("BZRTP") else 0

    def ok(self) -> Ended:
        """AssertionError unless all went well and nothing was refused."""
        assert (self.code, self.report["result"]) == (0, "ok"), f"{self.code}: {self.report}\n{self.said}"
        for counter in ("replays", "malformed"):
            assert self.report[counter] == 0, f"{counter}: {self.report}"
        assert self.report["auth_failures"] <= self.untrue_rtcp, self.report
        return self

    def secured(self) -> Ended:
        """AssertionError unless media was secured both ways from the first packet on."""
        self.ok()
        assert self.report["secured"] and self.report["rtcp_secured"] and self.report["method"] == "zrtp", self.report
        assert self.report["clear_sent"] == self.report["clear_received"] == 0, self.report
        return self

    def failed(self, code: int, result: str) -> Ended:
        """AssertionError unless it ended so, and no media passed."""
        assert (self.code, self.report["result"]) == (code, result), f"{self.code}: {self.report}\n{self.said}"
        assert self.report["packets_sent"] == self.report["packets_received"] == 0, self.report
        return self


class Peer:
    """A run of `sealrtp peer`, ended with its test."""

    def __init__(self, program: Path, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ours, self.theirs = folder / "ours.sdp", folder / "theirs.sdp"
        self.errors = open(folder / "stderr", "w+")
        self.process = subprocess.Popen([program, "peer", "--local-sdp", self.ours, "--remote-sdp", self.theirs, *options], cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def sdp(self) -> str:
        """Its description, once it is there."""
        def written() -> bool:
            assert self.ours.exists() or self.process.poll() is None, f"sealrtp peer ended without a description: {self.said()}"
            return self.ours.exists()

        wait_for(written, "the description of sealrtp peer", every=0.02)
        return self.ours.read_bytes().decode()

    def hear(self, sdp: str) -> None:
        """The other's description, whole."""
        beside = self.theirs.with_suffix(".new")
        beside.write_bytes(sdp.encode())
        beside.rename(self.theirs)

    def said(self) -> str:
        return Path(self.errors.name).read_text()

    def end(self) -> Ended:
        try:
            output, _ = self.process.communicate(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Late("sealrtp peer does not end") from error
        lines = output.splitlines()
        assert lines, f"sealrtp peer printed nothing: {self.said()}"
        return Ended(self.process.returncode, json.loads(lines[-1]), self.said())


@dataclass
class Place:
    """A folder, and what runs in it."""

    program: Path
    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def peer(self, *options: str) -> Peer:
        """Starts `sealrtp peer` in a folder of its own."""
        return Peer(self.program, self.folder / f"peer-{next(self.numbers)}", *options)

    def between(self, offering: tuple[str, ...], answering: tuple[str, ...], edit: Callable[[str], str] = str) -> tuple[Ended, Ended]:
        """A call of two of them; `edit` is done to the answer on its way."""
        with self.peer("--offer", *offering) as caller, self.peer(*answering) as callee:
            callee.hear(caller.sdp())
            caller.hear(edit(callee.sdp()))
            return caller.end(), callee.end()
