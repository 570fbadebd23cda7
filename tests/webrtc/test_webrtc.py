"""A real browser's calls over WSS, ICE and DTLS-SRTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calls.registry import Skipped

from webrtc.calls_browser import CALLS, SETUPS, Setup
from webrtc.web import Web

CASES = [(setup, name) for setup in SETUPS.values() for name in setup.calls]


class Running:
    """The setup that is running; cases come in their order, so each is started once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.setup: Setup | None = None
        self.web: Web | None = None
        self.error: Exception | None = None
        # How those that ran have ended.
        self.ends: dict[str, Exception | None] = {}

    def get(self, setup: Setup) -> Web:
        """The setup's PBX and browser. Raises what kept it from starting, every time it is asked for."""
        if self.setup is not setup:
            self.stop()
            self.setup, self.error = setup, None
            try:
                self.web = setup.start(self.directory / setup.name)
            except Exception as error:  # noqa: BLE001 (it fails, or skips, all cases of the setup)
                self.error = error
        if self.error is not None:
            raise self.error
        assert self.web is not None
        return self.web

    def stop(self) -> None:
        """Ends PBX and browser; how that went is kept."""
        web, self.web = self.web, None
        if web is not None:
            assert self.setup is not None
            self.ends[self.setup.name] = None
            try:
                web.__exit__(None, None, None)
            except Exception as error:  # noqa: BLE001 (the test of the end raises it)
                self.ends[self.setup.name] = error


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("webrtc"))
    yield running
    running.stop()


@pytest.mark.parametrize("case", CASES, ids=[f"{setup.name}-{name}" for setup, name in CASES])
def test_browser_call(running: Running, case: tuple[Setup, str]) -> None:
    setup, name = case
    try:
        web = running.get(setup)
        CALLS[name](web)
    except Skipped as reason:
        pytest.skip(f"SKIPPED: {reason}")


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_the_pbx_lived_to_its_end_and_valgrind_found_nothing_of_ours(running: Running, setup: Setup) -> None:
    running.stop()
    if setup.name not in running.ends:
        pytest.skip("SKIPPED: its PBX was not started")
    error = running.ends[setup.name]
    if error is not None:
        raise error


def test_every_call_is_placed_somewhere() -> None:
    assert {name for setup in SETUPS.values() for name in setup.calls} == set(CALLS)
