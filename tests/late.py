"""What only came too late, as against what is wrong; and which tests are run once more for it.

A machine that stalls makes a PBX, a phone or a browser late, however long one waits. Helpers that wait raise `Late`. Every other failure is
a finding (a clear packet, a wrong key, a secret in a log, a wrong state), and a test with a finding is never run again.
"""

from __future__ import annotations

import queue
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
# Seconds that are waited for what should come at once: the wait ends when it comes.
PATIENCE = 60.0
# Tests that may have been late in a run of them all; more are no accident, and none of them is run again.
MOST = 5
# Lines of a failure's message that the summary repeats.
LINES = 12
# Under which names a failure's kind and test stand in pytest's report.
LATE, TEST = "late", "test"


class Late(AssertionError):
    """What was waited for did not come in time."""


def wait_for(ready: Callable[[], T | None], what: str, timeout: float = PATIENCE, every: float = 0.05) -> T:
    """The first result of `ready` that is neither None nor False. Raises Late."""
    until = time.monotonic() + timeout
    while True:
        found = ready()
        if found is not None and found is not False:
            return found
        if time.monotonic() > until:
            raise Late(f"waited {timeout:g} s for {what}")
        time.sleep(every)


def only_late(error: BaseException | None) -> bool:
    """Whether an exception is Late, and was not raised while another kind of failure was on its way."""
    if not isinstance(error, Late):
        return False
    before: BaseException | None = error
    while before is not None:
        if not isinstance(before, (Late, TimeoutError, subprocess.TimeoutExpired, queue.Empty, ConnectionError)):
            return False
        before = before.__cause__ or before.__context__
    return True


@dataclass(frozen=True)
class Failure:
    """A test that failed: its name for pytest, the beginning of what it said, and whether it was but late."""

    test: str
    said: tuple[str, ...]
    late: bool
    # Failures that pytest counts of it: it may fail at its end too.
    flaws: int = 1


def failures_of(report: Path) -> list[Failure]:
    """The failures in a report of pytest's; `tests/conftest.py` has told there which were late."""
    # A test that fails at its end too is there twice, and the second time with all that is told of it.
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        cases.setdefault(f"{case.get('classname')}::{case.get('name')}", []).append(case)
    found = []
    for name, parts in cases.items():
        flaws = [flaw for part in parts for kind in ("failure", "error") for flaw in part.iter(kind)]
        told = [(each.get("name"), each.get("value", "")) for each in parts[-1].iter("property")]
        said = tuple(line[:300] for flaw in flaws for line in (flaw.get("message") or "").splitlines()[:LINES])
        if flaws:
            found.append(Failure(next((value for key, value in told if key == TEST), name), said, len(flaws) == sum(key == LATE for key, _ in told),
                                 len(flaws)))
    return found


@dataclass
class Verdict:
    """What is left of some failures: lines for the summary, how many tests passed when they were run again, and their failures before."""

    notes: list[str] = field(default_factory=list)
    passed: int = 0
    flaws: int = 0


def judge(failures: Iterable[Failure], alone: Callable[[str], list[str] | None]) -> Verdict:
    """Runs tests that were but late once more by `alone`, which says None of a test that passed and else why not."""
    failures = list(failures)
    late = sum(failure.late for failure in failures)
    verdict = Verdict()
    for failure in failures:
        again: list[str] | None = []
        if failure.late and late <= MOST:
            again = alone(failure.test)
        if again is None:
            verdict.passed += 1
            verdict.flaws += failure.flaws
            verdict.notes.append(f"LATE, then passed alone: {failure.test}: {failure.said[0] if failure.said else ''}")
        else:
            verdict.notes += [f"FAILED: {failure.test}", *(f"    {line}" for line in failure.said), *(f"    then, alone: {line}" for line in again)]
    if late > MOST:
        verdict.notes.append(f"{late} tests were late; more than {MOST} are no accident, and none was run again")
    return verdict
