"""Tells in pytest's report which failures were but late: `tests/run.py` runs those tests once more."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from late import LATE, TEST, only_late  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and only_late(call.excinfo.value):
        item.user_properties += [(TEST, item.nodeid), (LATE, str(call.excinfo.value).partition("\n")[0])]
    return (yield)
