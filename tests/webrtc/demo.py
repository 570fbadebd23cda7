"""The browser's lines of `make demo`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from calls.registry import Scenario
from calls.runner import Result
from calls.site import Kind

from webrtc.calls_browser import CALLS, SETUPS

# What a line calls each call.
TITLES: Mapping[str, str] = {
    "echo": "WSS echo", "called": "WSS called", "video": "WSS echo, audio and video", "hold": "WSS hold, resume",
    "bridge-sdes": "WSS bridge to SDES", "phone-calls": "WSS called by a clear phone",
    "wrong-fingerprint": "WSS wrong fingerprint", "gcm-echo": "WSS echo, GCM alone allowed",
}


def place_calls(kind: Kind, directory: Path, only: list[str]) -> Iterator[Result]:
    """Places the browser's calls on this kind of PBX and gives each result; one that does not start fails, or skips, its calls."""
    for setup in SETUPS.values():
        names = [name for name in setup.calls if name in TITLES and (not only or any(part in f"browser-{name}" for part in only))]
        if not names or setup.kind is not kind or setup.srtp != "sealrtp" or setup.valgrind:
            continue
        # Those that are still to come, should the PBX or the browser end.
        left = list(names)
        try:
            with setup.start(directory / setup.name) as web:
                for name in names:
                    started = time.monotonic()
                    outcome, error = None, None
                    try:
                        outcome = CALLS[name](web)
                    except Exception as raised:  # noqa: BLE001 (a call that fails in any way is a failed call)
                        error = raised
                    left.remove(name)
                    yield Result(entry(name), kind, setup.srtp, outcome, error, time.monotonic() - started)
        except Exception as raised:  # noqa: BLE001
            for name in left or ["end"]:
                yield Result(entry(name), kind, setup.srtp, None, raised, 0.0)


def entry(name: str) -> Scenario:
    """A call in the terms of the table of all calls."""
    run = CALLS.get(name, CALLS["echo"])
    return Scenario(f"browser-{name}", TITLES.get(name, "WSS, the end of the PBX"), run, "Chromium", method="DTLS")  # type: ignore[arg-type]
