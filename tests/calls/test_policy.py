"""The policy matrix: every row a call through Asterisk 22, several at a time, and a test of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.namespace import MissingPermission, check_permission

from calls.calls_policy import Placed, place_all, running
from calls.policy_matrix import Row, table

ROWS = {row.name: row for row in table()}
# Rows that fail today, and why; one that passes all the same fails the test, so that this list stays true.
EXPECTED_FAILURES: dict[str, str] = {}


class Run:
    """The results of the rows that are wanted; the first one asked for places all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.placed: dict[str, Placed] = {}
        self.error: Exception | None = None

    def result(self, row: Row, wanted: list[Row]) -> Placed:
        if not self.placed and self.error is None:
            try:
                with running(self.directory, wanted) as site:
                    place_all(wanted, site, lambda placed: self.placed.update({placed.row.name: placed}))
            except Exception as error:  # noqa: BLE001 (a PBX that does not start or dies is the failure of all its calls)
                self.error = error
        if self.error is not None:
            raise self.error
        return self.placed[row.name]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    yield Run(tmp_path_factory.mktemp("policy"))


@pytest.mark.parametrize("name", ROWS)
def test_row(run: Run, name: str, request: pytest.FixtureRequest) -> None:
    chosen = [ROWS[item.callspec.params["name"]] for item in request.session.items
              if item.path == request.node.path and hasattr(item, "callspec")]
    placed = run.result(ROWS[name], chosen)
    if name in EXPECTED_FAILURES:
        assert placed.error is not None, f"it passes, and is listed as one that fails: {EXPECTED_FAILURES[name]}"
        pytest.xfail(EXPECTED_FAILURES[name])
    if placed.error is not None:
        raise placed.error


def test_the_matrix_is_as_large_as_it_must_be() -> None:
    """A row that is no longer in the table would be missed in silence."""
    assert len(table()) == len(ROWS) >= 120
    assert set(EXPECTED_FAILURES) <= set(ROWS)
    for way in ("in", "out"):
        for fallback in ("rtp", "reject"):
            for far in ("sdes", "dtls", "zrtp", "all", "none"):
                orders = {(row.policy.offer if way == "out" else row.policy.accept) for row in ROWS.values()
                          if (row.way, row.policy.fallback, row.far, row.lie, row.tls) == (way, fallback, far, "", False)}
                assert len(orders) >= 7, f"{way} {fallback} {far}: {orders}"


def test_what_is_expected_is_never_less_than_strict() -> None:
    """No row of a policy that rejects clear media expects a clear call."""
    assert not [row.name for row in ROWS.values() if row.policy.fallback == "reject" and row.expected == "clear"]
