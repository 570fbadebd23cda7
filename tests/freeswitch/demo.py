#!/usr/bin/env python3
"""`make demo PBX=freeswitch`: real calls through a real FreeSWITCH with mod_sealrtp, one line per call, as the Asterisk demo has them.

    python3 tests/freeswitch/demo.py [--only PART ...]

Where there is no FreeSWITCH it says SKIPPED and why. The exit code is 1 if any line is a FAIL.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from calls.demo import tell
from calls.media import judge_binary
from calls.registry import Skipped
from calls.runner import Result, place_all

from freeswitch.groups import Group, groups
from freeswitch.installation import find
from freeswitch.place import KIND, running
from freeswitch.table_of_all import CALLS


def place_group(group: Group, directory: Path) -> int:
    """Places the calls of one FreeSWITCH; how many failed."""
    failed = 0

    def told(result: Result) -> None:
        nonlocal failed
        failed += result.verdict == "FAIL"
        tell(result)
        if result.verdict == "FAIL":
            (directory / f"{result.scenario.name}.trace").write_text(result.trace)

    print(f"# {KIND.title}: starting, {len(group.entries)} calls", flush=True)
    started = time.monotonic()
    with running(directory, group.srtp, group.place) as site:
        place_all(group.entries, site, told)
        secured = [event for event in site.switch.socket.events if event.name == "sealrtp::secured"]
        if not secured:
            print(f"FAIL    {KIND.title:23} no sealrtp::secured came while the calls ran")
            failed += 1
        suites = sorted({event.get("Suite") for event in secured} - {""})
        print(f"# {KIND.title}: {len(secured)} lines secured by mod_sealrtp, suites {', '.join(suites)}; {time.monotonic() - started:.0f} s", flush=True)
    return failed


def place_calls(directory: Path, only: list[str]) -> tuple[int, int]:
    """Places the demo's calls: how many, and how many failed. Raises Skipped where there is no FreeSWITCH."""
    print(f"# FreeSWITCH {find().version}", flush=True)
    placed = failed = 0
    chosen = [entry for entry in CALLS.values() if entry.demo and (not only or any(part in entry.name for part in only))]
    for group in groups("sealrtp", chosen):
        placed += len(group.entries)
        try:
            failed += place_group(group, directory / group.name)
        except Skipped as reason:
            print(f"SKIPPED {KIND.title:23} {len(group.entries)} calls: {reason}", flush=True)
        except Exception as error:  # noqa: BLE001 (whatever it is, the demo goes on and tells)
            failed += 1
            print(f"FAIL    {KIND.title:23} {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
    return placed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Real calls through a real FreeSWITCH with SealRTP's module.")
    parser.add_argument("--only", nargs="*", default=[], metavar="PART", help="only calls whose name has one of these parts")
    arguments = parser.parse_args()
    try:
        find()
    except Skipped as reason:
        print(f"SKIPPED {KIND.title:23} {reason}", flush=True)
        return 0
    print("# building the judge (libsrtp)", flush=True)
    judge_binary()
    directory = Path(tempfile.mkdtemp(prefix="sealrtp-demo-"))
    placed, failed = place_calls(directory, arguments.only)
    print(f"# {placed} calls, {failed} failed" + (f"; logs and captures are in {directory}" if failed else ""))
    if not failed:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed or not placed else 0


if __name__ == "__main__":
    sys.exit(main())
