#!/usr/bin/env python3
"""`make demo`: real calls through a real Asterisk with the module, one line per call.

    python3 tests/calls/demo.py [--pbx asterisk22|asterisk16-pjsip|asterisk16-sip|all] [--only PART ...]

A line begins with PASS, FAIL or SKIPPED and tells PBX and channel driver, what was done, method, suite, peer, packets to
and from the PBX, whether the audio was heard as it was sent, the time, and what tcpdump saw of the call from the first packet on:
nothing clear, by a judge that has no keys. Below a call with DTLS are the fingerprints, below one with ZRTP what each end of a line shows
as SAS. The exit code is 1 if any line is a FAIL.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from pbx.manager import ManagerError
from pbx.namespace import MissingPermission, check_permission
from pbx.roots import RootError

from calls.calls_policy import KIND as POLICY_KIND
from calls.media import judge_binary
from calls.policy_demo import place_rows
from calls.registry import Skipped
from calls.runner import KINDS, Group, Result, entries_of, groups, place, place_all, running
from calls.site import Site
from calls.streams import rows
from webrtc.demo import place_calls as place_browser_calls

FORMAT = "{verdict:7} {pbx:23} {title:32} {method:5} {suite:50} {peer:10} {sent:>6} to, {received:>6} from  audio {heard:9} {seconds:5.1f} s"


class Watch:
    """Looks at `sealrtp show streams` while calls run, so that the demo can tell that the module was at work."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.most = 0
        self.suites: set[str] = set()
        self.packets = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def look(self) -> None:
        while not self.done.wait(1.0):
            try:
                shown = rows(self.site.pbx)
            except (ManagerError, OSError):
                continue
            self.most = max(self.most, len(shown))
            self.suites |= {row["Suite-In"] for row in shown if row["Suite-In"] != "-"}
            self.packets = max([self.packets, *(int(row["Packets-In"]) for row in shown)])


def tell(result: Result) -> None:
    outcome = result.outcome
    entry = result.scenario
    # Refused and broken-off calls have no audio: that is their point.
    heard = "-" if outcome is None else "heard" if outcome.heard else "-" if not outcome.sent else "NOT heard"
    print(FORMAT.format(verdict=result.verdict, pbx=result.kind.title, title=entry.title, method=entry.method,
                        suite=(outcome.suite if outcome and outcome.suite else entry.suite) or "-", peer=entry.peer,
                        sent=outcome.sent if outcome else 0, received=outcome.received if outcome else 0, heard=heard,
                        seconds=result.seconds)
          + (f"  captured: {outcome.captured}" if outcome and outcome.captured else "") + (f"  {result.why}" if result.error else ""), flush=True)
    if outcome and outcome.fingerprints:
        print("          fingerprints " + "  ".join(outcome.fingerprints), flush=True)
    if outcome and outcome.sas:
        print("          SAS " + "  ".join(outcome.sas), flush=True)


def place_group(group: Group, directory: Path) -> int:
    """Places the calls of one PBX; how many failed."""
    failed = 0

    def told(result: Result) -> None:
        nonlocal failed
        failed += result.verdict == "FAIL"
        tell(result)
        if result.verdict == "FAIL":
            (directory / f"{result.scenario.name}.trace").write_text(result.trace)

    print(f"# {group.kind.title}: starting, {len(group.entries)} calls", flush=True)
    started = time.monotonic()
    with running(group.kind, directory, group.srtp, group.configuration, group.place) as site, Watch(site) as watch:
        place_all(group.entries, site, told, place)
        if watch.most == 0 or watch.packets == 0:
            print(f"FAIL    {group.kind.title:23} `sealrtp show streams` showed no stream while the calls ran")
            failed += 1
        else:
            print(f"# {group.kind.title}: res_srtp.so not loaded; `sealrtp show streams` showed up to {watch.most} streams at once, "
                  f"suites {', '.join(sorted(watch.suites))}; {time.monotonic() - started:.0f} s", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Real calls through a real Asterisk with SealRTP's module.")
    parser.add_argument("--pbx", default="all", choices=["all", *KINDS])
    parser.add_argument("--only", nargs="*", default=[], metavar="PART", help="only calls whose name has one of these parts")
    arguments = parser.parse_args()
    try:
        check_permission()
    except MissingPermission as error:
        print(f"FAIL    {error}")
        return 1
    print("# building the judge (libsrtp)", flush=True)
    judge_binary()
    directory = Path(tempfile.mkdtemp(prefix="sealrtp-demo-"))
    failed = placed = 0
    for kind in KINDS.values() if arguments.pbx == "all" else [KINDS[arguments.pbx]]:
        entries = [entry for entry in entries_of(kind, "sealrtp")
                   if entry.demo and (not arguments.only or any(part in entry.name for part in arguments.only))]
        for group in groups(kind, "sealrtp", entries):
            placed += len(group.entries)
            try:
                failed += place_group(group, directory / group.name)
            except Skipped as reason:
                print(f"SKIPPED {kind.title:23} {len(group.entries)} calls: {reason}", flush=True)
            except Exception as error:  # noqa: BLE001 (whatever it is, the demo goes on and tells)
                failed += 1
                print(f"FAIL    {kind.title:23} {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
        if kind is POLICY_KIND:
            try:
                rows_placed, rows_failed = place_rows(directory / "policy", arguments.only)
                placed, failed = placed + rows_placed, failed + rows_failed
            except Exception as error:  # noqa: BLE001
                failed += 1
                print(f"FAIL    {kind.title:23} policies: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
        for result in place_browser_calls(kind, directory / f"{kind.name}-browser", arguments.only):
            placed += 1
            failed += result.verdict == "FAIL"
            tell(result)
    print(f"# {placed} calls, {failed} failed" + (f"; logs and captures are in {directory}" if failed else ""))
    if not failed:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed or not placed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RootError as problem:
        print(f"FAIL    {problem}")
        sys.exit(1)
