#!/usr/bin/env python3
"""SealRTP's commands behind the Makefile: check, test, demo, the benches, fuzz.

Each command is a list of steps. A step installs nothing by itself: `needs` names the Debian packages it wants, and they
are installed first. Every step is counted, by its own runner's numbers where it has one; a step that cannot run here says
SKIPPED and why. A test of calls that failed because something came too late, and for nothing else (`late.py`), is run once more,
alone, and named. The last line is the sum: "N passed, N failed, N skipped".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from late import LINES, Failure, failures_of, judge

TOP = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("SEALRTP_CACHE", "/var/cache/sealrtp"))
VENV = CACHE / "venv"
TOOLS = CACHE / "tools"
CARGO_DENY = "0.20.2"

BUILD = ["gcc", "g++", "make", "pkg-config", "libssl-dev", "libclang-dev", "libsrtp2-1", "libbzrtp-dev", "openssl", "gnutls-bin"]
LINT = ["clang-format"]
CALLS = ["debootstrap", "valgrind", "tcpdump", "linphone-cli", "baresip", "iproute2"]


@dataclass
class Count:
    """What a step's runner counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    # Of those that passed: tests that came too late at first.
    late: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
                     self.notes + other.notes, self.late + other.late)


@dataclass
class Step:
    """One line of the summary."""

    name: str
    run: Callable[[], Count]
    needs: list[str] = field(default_factory=list)


class Heartbeat:
    """Says every half minute that a silent step is still at work."""

    def __init__(self, name: str) -> None:
        self.name, self.started, self.spoken = name, time.monotonic(), time.monotonic()
        self.done = threading.Event()

    def __enter__(self) -> Heartbeat:
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()

    def _beat(self) -> None:
        while not self.done.wait(5):
            now = time.monotonic()
            if now - self.spoken >= 30:
                self.spoken = now
                say(f"    ... {self.name}, {now - self.started:.0f} s")


def say(line: str) -> None:
    print(line, flush=True)


def lines_of(argv: list[str], name: str, **environment: str) -> Iterator[str | int]:
    """Runs a command, gives its output line by line and last its exit code."""
    process = subprocess.Popen(argv, cwd=TOP, env=os.environ | environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert process.stdout
    with Heartbeat(name) as heartbeat:
        for line in process.stdout:
            heartbeat.spoken = time.monotonic()
            yield line.rstrip("\n")
        yield process.wait()


def command(argv: list[str], show: bool = False, **environment: str) -> Count:
    """A command that passes or fails as a whole; its output is shown when it fails."""
    said: list[str] = []
    for line in lines_of(argv, " ".join(argv[:3]), **environment):
        if isinstance(line, int):
            if line != 0:
                say("\n".join([] if show else said[-80:]))
                return Count(failed=1, notes=[f"exit code {line}: {' '.join(argv)}"])
        elif show:
            say(line)
        else:
            said.append(line)
    return Count(passed=1)


def cargo_test(*arguments: str) -> Count:
    """cargo test, counted."""
    return counted(["cargo", "test", "--locked", "--no-fail-fast", *arguments, "--", "--show-output"])


def counted(argv: list[str], **environment: str) -> Count:
    """cargo test, counted by its own result lines. What passing tests print is shown too: one that found nothing to test with
    says SKIPPED and why there, and each such line counts once."""
    count, said, skipped = Count(), [], set()
    result = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")
    failures = CargoFailures()
    for line in lines_of(argv, "cargo test", **environment):
        if isinstance(line, int):
            if line != 0:
                say("\n".join(said[-150:]))
                count.failed += not count.failed
            break
        said.append(line)
        failures.read(line)
        if found := result.search(line):
            count += Count(*(int(number) for number in found.groups()))
        if line.startswith("SKIPPED") and line not in skipped:
            skipped.add(line)
            count += Count(skipped=1, notes=[line])
        if line.lstrip().startswith(("Running", "Doc-tests", "test result")):
            say(f"    {line.strip()}")
    return count + Count(notes=failures.notes())


class CargoFailures:
    """Which tests of cargo test fail, and the beginning of what each says: the summary repeats it."""

    def __init__(self) -> None:
        self.program = ""
        self.said: dict[str, list[str]] = {}
        self.telling: list[str] | None = None

    def read(self, line: str) -> None:
        if found := re.match(r"\s*(?:Running|Doc-tests) (.+)", line):
            self.program, self.telling = found[1], None
        elif found := re.match(r"test (.+) \.\.\. FAILED", line):
            self.said[f"{self.program}: {found[1]}"] = []
        elif found := re.match(r"---- (.+) stdout ----", line):
            self.telling = self.said.get(f"{self.program}: {found[1]}")
        elif "process didn't exit successfully" in line:
            self.said[f"{self.program}: {line.strip()}"] = []
        elif line == "failures:":
            self.telling = None
        elif self.telling is not None and line.strip() and len(self.telling) < LINES:
            self.telling.append(line[:300])

    def notes(self) -> list[str]:
        return [note for name, said in self.said.items() for note in (f"FAILED: {name}", *(f"    {line}" for line in said))]


def test_programs() -> dict[str, str]:
    """The test programs of the workspace, which cargo builds where they are not built yet, and the names of their packages' folders."""
    built = subprocess.run(["cargo", "test", "--locked", "--workspace", "--no-run", "--quiet", "--message-format=json"], cwd=TOP,
                           capture_output=True, text=True)
    artifacts = [line for line in map(json.loads, built.stdout.splitlines()) if line["reason"] == "compiler-artifact"]
    if built.returncode != 0:
        say(built.stderr[-4000:])
    return {artifact["executable"]: Path(artifact["manifest_path"]).parent.name for artifact in artifacts
            if artifact["executable"] and artifact["profile"]["test"]}


def every_path() -> Count:
    """The tests of packets on each path (set of instructions) that the processor has."""
    programs = sorted(program for program, package in test_programs().items() if package in ("srtp", "differential"))
    asked = subprocess.run(["cargo", "run", "--locked", "--quiet", "-p", "sealrtp-cli", "--", "--version"], cwd=TOP,
                           capture_output=True, text=True)
    found = re.search(r"^of this processor's (.+)$", asked.stdout, re.M)
    if not programs or not found:
        say(asked.stderr[-4000:])
        return Count(failed=1, notes=["the programs or the paths to run them on were not found"])
    total = Count()
    for path in found[1].split():
        say(f"    path {path}")
        counts = [counted([program, "--show-output"], SEALRTP_SRTP_PATH=path) for program in programs]
        count = sum(counts, Count())
        total += count + Count(notes=[f"{path}: {count.passed} passed, {count.failed} failed"])
    return total


def without_avx() -> Count:
    """The kernels for processors without AVX, under an emulator of such processors: there an instruction of AVX ends the program."""
    from older_x86 import PROCESSORS, Absent, command_on
    programs = sorted(test_programs().items())
    proof = next((program for program, package in programs if package == "srtp-accel" and "/proof-" in program), None)
    packets = next((program for program, package in programs if package == "srtp" and "/sealrtp_srtp-" in program), None)
    if not proof or not packets:
        return Count(failed=1, notes=["the programs to run were not found"])
    total = Count()
    for processor, path in PROCESSORS.items():
        try:
            runs = [command_on(processor, proof, ["every_payload", "every_bit"]),
                    command_on(processor, packets, ["crypto::paths"], SEALRTP_SRTP_PATH=path)]
        except Absent as reason:
            return Count(skipped=1, notes=[f"SKIPPED: packets on processors without AVX: {reason}"])
        count = sum((counted(argv, **environment) for argv, environment in runs), Count())
        total += count + Count(notes=[f"{processor}, {path}: {count.passed} passed, {count.failed} failed"])
    return total


def aarch64() -> Count:
    """The packet path's tests as compiled for aarch64, under an emulator."""
    from aarch64 import Absent, cargo
    try:
        argv, environment = cargo(["test", "--locked", "--no-fail-fast", "-p", "sealrtp-srtp-accel", "-p", "sealrtp-srtp",
                                   "--", "--show-output"])
    except Absent as reason:
        return Count(skipped=1, notes=[f"SKIPPED: nothing was compiled for aarch64: {reason}"])
    return counted(argv, **environment)


def pytest_of(*paths: str, report: str = "pytest") -> tuple[Count, list[Failure]]:
    """pytest in its own environment, counted by its report, and what failed."""
    xml = CACHE / f"{report}.xml"
    xml.unlink(missing_ok=True)
    argv = [str(VENV / "bin/python"), "-m", "pytest", "-v", "--tb=short", "-rs", "-p", "no:cacheprovider",
            f"--junitxml={xml}", *paths]
    code = 1
    for line in lines_of(argv, "pytest", PYTHONDONTWRITEBYTECODE="1"):
        if isinstance(line, int):
            code = line
        else:
            say(f"    {line}")
    count, failures = Count(), []
    if xml.exists():
        for suite in ElementTree.parse(xml).getroot().iter("testsuite"):
            total, failed, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
            failed += int(suite.get("errors", 0))
            count += Count(total - failed - skipped, failed, skipped)
        failures = failures_of(xml)
    if code != 0 and count.failed == 0:
        count += Count(failed=1, notes=[f"pytest ended with exit code {code}"])
    return count, failures


def alone(test: str) -> list[str] | None:
    """Runs one test by itself: None when it passed, else why not."""
    say(f"    once more, alone: {test}")
    count, failures = pytest_of(test, report="pytest-alone")
    if (count.passed, count.failed) == (1, 0):
        return None
    return [line for failure in failures for line in failure.said] or count.notes or ["it was not run"]


def pytest(*runs: tuple[Count, list[Failure]]) -> Count:
    """The sum of runs of pytest that have ended; tests that were but late are run again, each alone."""
    count = sum((count for count, _ in runs), Count())
    verdict = judge((failure for _, failures in runs for failure in failures), alone)
    return count + Count(passed=verdict.passed, failed=-verdict.flaws, late=verdict.passed, notes=verdict.notes)


def calls() -> Count:
    """The table of calls beside everything else that needs a PBX: both mostly wait for calls that last as long as calls do,
    and every PBX has ports of its own."""
    table = "tests/calls/test_calls.py"
    others = ["tests/c_abi", "tests/zrtp_derivations", "tests/aiortc", "tests/pbx", "tests/calls", f"--ignore={table}",
              "tests/webrtc", "tests/zrtp_peer"]
    with ThreadPoolExecutor() as side_by_side:
        halves = [side_by_side.submit(pytest_of, table, report="pytest-table"), side_by_side.submit(pytest_of, *others)]
        runs = [half.result() for half in halves]
    return pytest(*runs)


def programs() -> Count:
    """What takes part in the calls, built before the first of them: a compiler beside a call makes it late."""
    return sum((command(["cargo", "build", "--locked", "--release", "-p", package]) for package in ("sealrtp-judge", "sealrtp-cli")), Count()) \
        + command(["cargo", "build", "--locked", "-p", "sealrtp-cli"])


def no_freeswitch() -> str:
    """Why nothing of FreeSWITCH can be built or tested here; "" where it can."""
    from freeswitch.installation import absent
    return absent()


def freeswitch_module() -> Count:
    """mod_sealrtp.so against the headers that are here."""
    if reason := no_freeswitch():
        return Count(skipped=1, notes=[f"SKIPPED: mod_sealrtp was not built: {reason}"])
    return python("tests/freeswitch/module.py")


def freeswitch_calls() -> Count:
    """Stock FreeSWITCH with its flaws, and FreeSWITCH with mod_sealrtp."""
    if reason := no_freeswitch():
        return Count(skipped=1, notes=[f"SKIPPED: calls through FreeSWITCH: {reason}"])
    return pytest(pytest_of("tests/freeswitch"))


def freeswitch_bench() -> Count:
    """CPU time per call beside FreeSWITCH's own SRTP; skipped, with the reason, where there is no FreeSWITCH."""
    if reason := no_freeswitch():
        return Count(skipped=1, notes=[f"SKIPPED: CPU time per call through FreeSWITCH: {reason}"])
    return python("tests/freeswitch/bench.py")


def freeswitch_demo() -> Count:
    if reason := no_freeswitch():
        return Count(skipped=1, notes=[f"SKIPPED: {reason}"])
    return python("tests/freeswitch/demo.py")


def clang_format() -> Count:
    files = subprocess.run(["git", "ls-files", "*.c", "asterisk_module/*.h", "freeswitch_module/*.h"], cwd=TOP, capture_output=True, text=True,
                           check=True).stdout.split()
    return command(["clang-format", "--dry-run", "-Werror", *files])


def deny() -> Count:
    """Licences, sources and bans; the advisory database is not in the registry."""
    program = TOOLS / "bin/cargo-deny"
    if not program.exists():
        return Count(skipped=1, notes=["SKIPPED: cargo-deny is not installed; `make test` installs it"])
    return command([str(program), "--log-level", "error", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])


def get_cargo_deny() -> Count:
    if (TOOLS / "bin/cargo-deny").exists():
        return Count()
    built = command(["cargo", "install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--root", str(TOOLS),
                     "--target-dir", str(CACHE / "target/cargo-deny")])
    return Count() if built.failed == 0 else built


def get_venv() -> Count:
    """pytest and, as a peer, aiortc, from PyPI, outside the tree. Without aiortc its tests are skipped and say why."""
    install_package = [str(VENV / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    made = Count()
    if not (VENV / "bin/pytest").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = command([sys.executable, "-m", "venv", str(VENV)])
        if made.failed == 0:
            made = command([*install_package, "pytest"])
    if made.failed == 0 and not list(VENV.glob("lib/*/site-packages/aiortc")):
        command([*install_package, "aiortc"])
    return Count() if made.failed == 0 else made


def get_browser() -> Count:
    """Chromium and SIP.js; where they cannot be had, the browser's calls are skipped and say why."""
    command([sys.executable, "tests/webrtc/install.py"], show=True)
    return Count()


def bench(*arguments: str) -> Count:
    return command(["cargo", "run", "--release", "--locked", "-q", "-p", "sealrtp-bench", "--", *arguments], show=True)


def python(*arguments: str, show: bool = True) -> Count:
    return command([sys.executable, *arguments], show=show)


def fuzz(seconds: int) -> Count:
    return python("tests/fuzz/run.py", str(seconds))


def install(packages: list[str]) -> None:
    """Installs the Debian packages that are missing."""
    known = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
                           capture_output=True, text=True).stdout
    have = {line.split()[0].split(":")[0] for line in known.splitlines() if line.endswith(" installed")}
    missing = [package for package in packages if package not in have]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"Missing Debian packages: {' '.join(missing)}. Install them, or run this as root.")
    say(f"==> installing {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    for argv in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]):
        if command(argv, **quiet).failed:
            sys.exit("apt-get failed: see above. The packages are needed; nothing was tested.")


# The fuzz targets are a workspace of their own.
OF_FUZZ = ["--manifest-path", "tests/fuzz/Cargo.toml"]

CHECK = [
    Step("format: Rust", lambda: command(["cargo", "fmt", "--all", "--check"])),
    Step("format: fuzz targets", lambda: command(["cargo", "fmt", *OF_FUZZ, "--check"])),
    Step("format: C", clang_format, LINT),
    Step("lints", lambda: command(["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
         BUILD),
    Step("lints of the fuzz targets", lambda: command(["cargo", "clippy", *OF_FUZZ, "--target-dir", "target", "--locked", "--all-targets",
                                                       "--", "-D", "warnings"]), BUILD),
    Step("documentation", lambda: command(["cargo", "doc", "--locked", "--workspace", "--no-deps", "--quiet"],
                                          RUSTDOCFLAGS="-D warnings")),
    Step("licences and sources", deny),
    Step("unit and property tests, header", lambda: cargo_test("--workspace"), BUILD),
    Step("packets on every path", every_path, BUILD),
    Step("seeds of the fuzz targets",
         lambda: cargo_test(*OF_FUZZ, "--target-dir", "target"), BUILD),
]

ROOTS = Step("private Debian roots", lambda: Count() + python("tests/pbx/roots.py", "ensure", "testing", "bullseye"), CALLS)
MODULES = Step("module built for each Asterisk", lambda: python("tests/pbx/module.py", "testing", "bullseye"))
FREESWITCH = [Step("FreeSWITCH: module", freeswitch_module)]
TEST = [
    Step("tools", lambda: get_venv() + get_cargo_deny() + get_browser(), BUILD),
    *CHECK,
    Step("library", lambda: command(["make", "lib"])),
    Step("packet path on aarch64, emulated", aarch64, ["debootstrap"]),
    Step("packet path without AVX, emulated", without_avx, ["debootstrap"]),
    ROOTS,
    MODULES,
    Step("programs of the calls", programs),
    Step("C client, derivations, PBXs, calls", calls),
    *FREESWITCH,
    Step("FreeSWITCH: calls", freeswitch_calls),
]


def demo_steps(pbx: str) -> list[Step]:
    if pbx == "freeswitch" and (reason := no_freeswitch()):
        return [Step("FreeSWITCH", lambda: Count(skipped=1, notes=[f"SKIPPED: {reason}"]))]
    if pbx == "freeswitch":
        # SIPp with SRTP is in the testing root.
        return [Step("private Debian root", lambda: python("tests/pbx/roots.py", "ensure", "testing"), BUILD + CALLS), *FREESWITCH,
                Step("calls", freeswitch_demo)]
    roots = {"asterisk22": ["testing"]}.get(pbx, ["testing", "bullseye"])
    return [
        Step("private Debian roots", lambda: python("tests/pbx/roots.py", "ensure", *roots), BUILD + CALLS),
        Step("module built for each Asterisk", lambda: python("tests/pbx/module.py", *roots)),
        Step("browser", get_browser),
        Step("calls", lambda: python("tests/calls/demo.py", "--pbx", pbx)),
        *([*FREESWITCH, Step("calls through FreeSWITCH", freeswitch_demo)] if pbx == "all" else []),
    ]


def run(steps: list[Step]) -> int:
    """Runs the steps and prints the summary; the exit code is 1 if anything failed."""
    install(sorted({package for step in steps for package in step.needs}))
    total, rows = Count(), []
    for number, step in enumerate(steps, 1):
        say(f"==> [{number}/{len(steps)}] {step.name}")
        started = time.monotonic()
        count = step.run()
        total += count
        rows.append((step.name, count, time.monotonic() - started))
    say("")
    for name, count, seconds in rows:
        verdict = "FAILED" if count.failed else "ok"
        say(f"{verdict:7} {name:40} {count.passed:4} passed {count.failed:3} failed {count.skipped:3} skipped {seconds:6.0f} s")
        for note in count.notes:
            say(f"        {note}")
    late = f", {total.late} of those that passed were late at first" if total.late else ""
    say(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped{late}")
    return 1 if total.failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="format, lints, unit and property tests, header")
    test = commands.add_parser("test", help="everything")
    demo = commands.add_parser("demo", help="real calls through real PBXs")
    demo.add_argument("--pbx", default="all", choices=["all", "asterisk22", "asterisk16-pjsip", "asterisk16-sip", "freeswitch"])
    commands.add_parser("bench", help="our packet path beside libsrtp's")
    asterisk = commands.add_parser("bench-asterisk", help="CPU time per call through Asterisk 22: clear, its own SRTP, ours")
    asterisk.add_argument("--quick", action="store_true", help="two minutes, 100 calls, no result file")
    performance = commands.add_parser("performance", help="docs/performance.md, measured anew")
    performance.add_argument("--libsrtp", action="append", default=[], help="another build of libsrtp 2.x to measure beside")
    commands.add_parser("bench-freeswitch", help="CPU time per call through FreeSWITCH, beside its own SRTP")
    fuzzing = commands.add_parser("fuzz", help="every fuzz target on its corpus")
    for command_with_fuzz in (test, fuzzing):
        command_with_fuzz.add_argument("--seconds", type=int, default=20, help="for each fuzz target")
    chosen = parser.parse_args()
    if not shutil.which("cargo"):
        sys.exit("cargo is not there: install Rust 1.89 or newer (rustup, or your distribution's package).")
    match chosen.command:
        case "check":
            return run(CHECK)
        case "test":
            return run([*TEST, Step("fuzzing", lambda: fuzz(chosen.seconds), ["g++"])])
        case "demo":
            return run(demo_steps(chosen.pbx))
        case "bench":
            return run([Step("bench", lambda: bench(), BUILD)])
        case "performance":
            return run([Step("docs/performance.md", lambda: bench("--page", "docs", *(
                word for path in chosen.libsrtp for word in ("--library", path))), BUILD)])
        case "bench-asterisk":
            return run([Step("private Debian root", lambda: python("tests/pbx/roots.py", "ensure", "testing"), BUILD + CALLS),
                        Step("Asterisk: CPU time per call",
                             lambda: python("tests/calls/bench.py", *(["--quick"] if chosen.quick else [])), ["util-linux"])])
        case "bench-freeswitch":
            return run([Step("private Debian root", lambda: python("tests/pbx/roots.py", "ensure", "testing"), BUILD + CALLS),
                        Step("FreeSWITCH: CPU time per call", freeswitch_bench, ["strace"])])
        case "fuzz":
            return run([Step("fuzzing", lambda: fuzz(chosen.seconds), ["g++"])])
    return 2


if __name__ == "__main__":
    sys.exit(main())
