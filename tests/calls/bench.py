#!/usr/bin/env python3
"""What SRTP costs a whole Asterisk: CPU time per minute of a call, clear, with its own res_srtp and with res_sealrtp, in the same run.

    python3 tests/calls/bench.py [--calls 100 200] [--seconds 15] [--rounds 6] [--quick] [--first] [--profile FOLDER] [--result FILE]

In each round SIPp places the same G.711 calls to an echo once per variant, one Asterisk 22 after the other, and sealrtp-judge, whose SRTP
is libsrtp's, sends 50 packets a second in each and opens every echo. CPU time is Asterisk's own, with what the system did for it (user and
system time of all its threads), over a window in which nothing but media happens, by the packets sent in it: 3000 of them are a minute of a
call. A run in which an echo is missing, wrong or refused does not count; it is made again. Asterisk is kept to one processor and the judge
to another, and the loopback is one of their own.

The exit code is 1 if what ours adds to a clear call is more than LIMIT of what res_srtp adds, with the suite of the gate.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from pbx.asterisk import Asterisk
from pbx.endpoints import Endpoint, Media
from pbx.namespace import MissingPermission
from pbx.roots import ASTERISK, Root, RootError, choose

from calls.media import judge_binary
from calls.registry import configuration_for
from calls.sdp import Crypto
from calls.site import KINDS, Site, module_for
from calls.sipp import Sipp

# Share of what stock adds to a clear call.
LIMIT = 0.2
ATTEMPTS = 4
# In the environment: this is the process with a loopback of its own.
ALONE = "SEALRTP_BENCH_ALONE"
CM80 = "AES_CM_128_HMAC_SHA1_80"
GCM = "AEAD_AES_128_GCM"
# RTP packets of 20 ms.
PER_MINUTE = 3000
TICK = os.sysconf("SC_CLK_TCK")
# Seconds of media before the window: the first packets of a stream make its state.
WARM_UP = 1.5
AFTER = 0.5
# New calls a second.
RATE = 100
RESULT = TESTS.parent / "docs/performance/asterisk.json"


class Unfit(RuntimeError):
    """A run that does not count; the text says why."""


@dataclass(frozen=True)
class Variant:
    name: str
    # As Asterisk's `srtp` in tests/pbx.
    srtp: str
    suite: str | None


CLEAR = Variant("clear", "stock", None)
STOCK, OURS = Variant("res_srtp", "stock", CM80), Variant("res_sealrtp", "sealrtp", CM80)
# Debian's own Asterisk has no AES-GCM.
OURS_GCM = Variant("res_sealrtp GCM", "sealrtp", GCM)
VARIANTS = (CLEAR, STOCK, OURS, OURS_GCM)
USERS = {None: Endpoint("plain", Media.CLEAR)} | {suite: Endpoint("secure", Media.SDES) for suite in (CM80, GCM)}


@dataclass(frozen=True)
class Cost:
    """CPU seconds per minute of a call."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system


def cpu_of(pid: int) -> tuple[float, float]:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK


class Load:
    """sealrtp-judge's end of all calls."""

    def __init__(self, calls: list[dict[str, object]]) -> None:
        self.process = subprocess.Popen([judge_binary(), "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask(json.dumps(calls))

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, line: str = "") -> dict[str, int]:
        """The counts so far."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "sealrtp-judge ended"
        return json.loads(answer)


def processors() -> tuple[int | None, int | None]:
    """Asterisk's processor and that of its peers; none of both where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def settle(pid: int, processor: int | None, first: bool) -> None:
    """Keeps every thread of a process to one processor, those to come too; `first`: before all that others run there."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if processor is not None:
            os.sched_setaffinity(int(task.name), {processor})
        if first:
            os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(10))


def place_calls(root: Root, variant: Variant, directory: Path, calls: int, seconds: int, first: bool, profile: Path | None) -> Cost:
    """One Asterisk with its calls."""
    user = USERS[variant.suite]
    module = module_for(root) if variant.srtp == "sealrtp" else None
    pbx = Asterisk(root, directory / "pbx", srtp=variant.srtp, module=module, endpoints=(user,),
                   sealrtp_conf=configuration_for(variant.suite or CM80))
    own, peers = processors()
    with pbx:
        settle(pbx.pid, own, first)
        site = Site(KINDS["asterisk22"], pbx, directory)
        first, _ = site.peer_ports(2 * calls)
        ports = [first + 2 * number for number in range(calls)]
        fields = [f"{port};{Crypto.fresh(1, variant.suite).line}" if variant.suite else str(port) for port in ports]
        with Sipp(site, "bench", "held", b"", suite=variant.suite, port=0, user=user.name, extension="echo", calls=calls, rate=RATE,
                  talk_ms=(seconds + 60) * 1000, rtp=site.peer_ports(8), fields=fields) as sipp:
            exchanges = answered(sipp, pbx, calls)
            flows = [{"port": exchange.sipp.port, "remote": exchange.pbx.remote, **keys_of(exchange)} for exchange in exchanges]
            with Load(flows) as load:
                settle(load.process.pid, peers, first)
                time.sleep(WARM_UP)
                before, cpu_before = load.ask(), cpu_of(pbx.pid)
                if profile is None:
                    time.sleep(seconds)
                else:
                    look(pbx.pid, profile / f"{variant.name.replace(' ', '-')}-{calls}", seconds)
                cpu_after, after = cpu_of(pbx.pid), load.ask()
                # What was on its way has come by then.
                time.sleep(AFTER)
                last = load.ask()
                pbx.cli("channel request hangup all")
                sipp.wait(30)
        pbx.wait_idle(20)
    sent = after["sent"] - before["sent"]
    if trouble := trouble_in(sent, {name: last[name] - before[name] for name in last}, calls * seconds * 50):
        raise Unfit(f"{variant.name}, {calls} calls: {trouble}")
    minutes = sent / PER_MINUTE
    return Cost(*((late - early) / minutes for early, late in zip(cpu_before, cpu_after)))


def answered(sipp: Sipp, pbx: Asterisk, calls: int) -> list:
    """SDP of both ends of every call, when all are up."""
    until = time.monotonic() + 30
    while pbx.channels() < calls:
        if time.monotonic() > until or sipp.process.poll() is not None:
            raise Unfit(f"{pbx.channels()} of {calls} calls are up")
        time.sleep(0.2)
    while len(exchanges := sipp.exchanges()) < calls:
        if time.monotonic() > until:
            raise Unfit(f"{len(exchanges)} of {calls} calls were answered")
        time.sleep(0.2)
    return exchanges


def keys_of(exchange) -> dict[str, object]:
    ours, theirs = exchange.keys()
    return {"send": ours[0], "receive": theirs[0]} if ours else {}


def trouble_in(sent: int, counts: dict[str, int], expected: int) -> str:
    """What makes a run worthless; empty if nothing does. `sent` are the packets of the window, `counts` go on until the last echo of it."""
    for name in ("missing", "bad", "bad_rtcp"):
        if counts[name]:
            return f"{counts[name]} echoes or reports are {name.replace('_', ' ')} of {sent} packets"
    if abs(sent - expected) > 0.05 * expected:
        return f"{sent} packets were sent in place of {expected}: the machine is too busy"
    if counts["echoed"] < sent:
        return f"{sent} packets were sent and {counts['echoed']} came back"
    return ""


def look(pid: int, stem: Path, seconds: int) -> None:
    """What Asterisk does in the window: a profile by the processor's clock, and its system calls."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-p", str(pid), "-o", f"{stem}.perf", "--", "sleep",
                    str(max(seconds - 3, 1))], check=False)
    subprocess.run(["timeout", "-s", "INT", "2", "strace", "-c", "-f", "-q", "-p", str(pid), "-o", f"{stem}.strace"], check=False)


def place_calls_in_peace(root: Root, variant: Variant, directory: Path, calls: int, seconds: int, first: bool, profile: Path | None) -> Cost:
    """The same, again if a run does not count."""
    for attempt in range(ATTEMPTS):
        try:
            return place_calls(root, variant, directory / str(attempt), calls, seconds, first, profile)
        except Unfit as unfit:
            print(f"# again: {unfit}", flush=True)
            time.sleep(3)
    raise Unfit(f"{variant.name} with {calls} calls: {ATTEMPTS} runs in a row do not count")


# --- the numbers ---------------------------------------------------------------------------------------------------------


def median_of(costs: list[Cost]) -> Cost:
    """The run in the middle; of an even number, the mean of the two there, so that its parts make up its sum."""
    ranked = sorted(costs, key=lambda cost: cost.total)
    middle = ranked[(len(ranked) - 1) // 2:len(ranked) // 2 + 1]
    return Cost(statistics.mean(cost.user for cost in middle), statistics.mean(cost.system for cost in middle))


def report(calls: int, costs: dict[Variant, list[Cost]]) -> dict[str, object]:
    """Prints the table of one number of calls and returns it as the result file has it."""
    medians = {variant: median_of(own) for variant, own in costs.items()}
    clear = medians[CLEAR].total
    print(f"\n{calls} calls: CPU seconds per call-minute\n{'':18} {'median':>8} {'user':>8} {'system':>8} {'added':>8}   rounds")
    rows: list[dict[str, object]] = []
    for variant, median in medians.items():
        print(f"{variant.name:18} {median.total:8.4f} {median.user:8.4f} {median.system:8.4f} {median.total - clear:8.4f}   "
              + " ".join(f"{cost.total:.4f}" for cost in costs[variant]))
        rows.append({"name": variant.name, "suite": variant.suite, "median": round(median.total, 5), "user": round(median.user, 5),
                     "system": round(median.system, 5), "added": round(median.total - clear, 5),
                     "rounds": [round(cost.total, 5) for cost in costs[variant]]})
    shares = {}
    if {STOCK, OURS} <= set(medians):
        shares[CM80] = (medians[OURS].total - clear) / (medians[STOCK].total - clear)
        print(f"{OURS.name} adds {shares[CM80]:.2f} of what {STOCK.name} adds (at most {LIMIT} is allowed)")
    return {"calls": calls, "variants": rows, "shares": {suite: round(share, 4) for suite, share in shares.items()}}


def processor_name() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--seconds", type=int, default=15, help="of the window")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--variants", nargs="+", choices=[variant.name for variant in VARIANTS], default=[variant.name for variant in VARIANTS])
    parser.add_argument("--quick", action="store_true", help="100 calls, two rounds, AES-CM alone, no result file: two minutes")
    parser.add_argument("--first", action="store_true", help="Asterisk and the judge run before all else, for a machine that is not quiet")
    parser.add_argument("--profile", type=Path, help="one round, in which perf and strace look on; what they saw goes there, and no figure counts")
    parser.add_argument("--result", type=Path, default=RESULT, help="the figures, for docs/performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.calls, arguments.rounds, arguments.result = [100], 2, None
        arguments.variants = [variant.name for variant in (CLEAR, STOCK, OURS)]
    try:
        root = choose(22, "pjsip")
        module_for(root)
        judge_binary()
    except (RootError, MissingPermission) as reason:
        print(f"SKIPPED Asterisk's CPU benchmark: {reason}")
        return 0
    if ALONE not in os.environ and subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0:
        # Loopback of our own: what others capture on the machine's costs for every packet that passes.
        inside = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", __file__, *sys.argv[1:]]
        return subprocess.run(inside, env=os.environ | {ALONE: "1"}).returncode
    version = root.run([ASTERISK, "-V"], capture_output=True).stdout.strip()
    chosen = [variant for variant in VARIANTS if variant.name in arguments.variants]
    if arguments.profile:
        arguments.rounds, arguments.result = 1, None
    print(f"# {version}, {processor_name()}; {arguments.rounds} rounds of {' and '.join(map(str, arguments.calls))} G.711 echo calls, "
          f"{arguments.seconds} s each", flush=True)
    results = []
    costs: dict[int, dict[Variant, list[Cost]]] = {calls: {variant: [] for variant in chosen} for calls in arguments.calls}
    with tempfile.TemporaryDirectory(prefix="sealrtp-bench-") as directory:
        for number in range(arguments.rounds):
            for calls in arguments.calls:
                for variant in chosen:
                    place = Path(directory) / f"{number}-{calls}-{variant.name.replace(' ', '-')}"
                    cost = place_calls_in_peace(root, variant, place, calls, arguments.seconds, arguments.first, arguments.profile)
                    shutil.rmtree(place)
                    costs[calls][variant].append(cost)
                    print(f"round {number + 1}  {calls} calls  {variant.name:18} {cost.total:.4f} per call-minute "
                          f"({cost.user:.4f} user, {cost.system:.4f} system)", flush=True)
    if CLEAR not in chosen:
        return 0
    results = [report(calls, costs[calls]) for calls in arguments.calls]
    # The gate is of the two that it names.
    complete = {STOCK, OURS} <= set(chosen) and not arguments.profile
    if arguments.result and complete:
        arguments.result.parent.mkdir(parents=True, exist_ok=True)
        arguments.result.write_text(json.dumps({"asterisk": version, "processor": processor_name(), "rounds": arguments.rounds,
                                                "seconds": arguments.seconds, "limit": LIMIT, "results": results}, indent=1) + "\n")
        print(f"# {arguments.result}")
    return int(complete and any(result["shares"][CM80] > LIMIT for result in results))


if __name__ == "__main__":
    sys.exit(main())
