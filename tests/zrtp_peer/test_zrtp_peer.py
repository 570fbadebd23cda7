"""Every call of the table; several take place at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from zrtp_peer import between_peers, retained, with_phone  # noqa: F401 (they fill the table)
from zrtp_peer.place import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=str)
def test_call(case: Case, judged: Callable[[Case], None], runs: dict[str, Future[None]]) -> None:
    judged(case)
