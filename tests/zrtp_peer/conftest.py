"""Builds the program once, and lets the calls run several at a time, each a test of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
if str(TOP / "tests") not in sys.path:
    sys.path.insert(0, str(TOP / "tests"))

pytest.register_assert_rewrite(*(f"zrtp_peer.{name}" for name in ("between_peers", "phone", "place", "retained", "with_phone")))

from calls.registry import Skipped  # noqa: E402
from zrtp_peer.place import Case, Place  # noqa: E402

# Calls at once: each sleeps most of its time.
AT_ONCE = 6


@pytest.fixture(scope="session")
def sealrtp() -> Path:
    """The program, built here."""
    built = subprocess.run(["cargo", "build", "--locked", "-p", "sealrtp-cli", "--message-format=json"], cwd=TOP, check=True,
                           capture_output=True, text=True).stdout
    programs = [message["executable"] for message in map(json.loads, built.splitlines()) if message.get("executable")]
    return Path(programs[-1])


@pytest.fixture(scope="session")
def runs(sealrtp: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """Every call that this run of pytest wants, begun."""
    wanted: list[Case] = [item.callspec.params["case"] for item in request.session.items
                          if item.path.parent == Path(__file__).parent and hasattr(item, "callspec")]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {case.name: pool.submit(case.run, Place(sealrtp, tmp_path_factory.mktemp(case.name, numbered=False))) for case in wanted}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def judged(runs: dict[str, Future[None]]):
    """Waits for a call, and raises what was wrong with it."""

    def judge(case: Case) -> None:
        try:
            runs[case.name].result()
        except Skipped as error:
            pytest.skip(f"SKIPPED: {error}")

    return judge
