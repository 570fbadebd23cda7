#!/usr/bin/env python3
"""What SDES costs FreeSWITCH: with mod_sealrtp and its relay, with its own SRTP, and clear; CPU time per minute of a call, in the same run.

    python3 tests/freeswitch/bench.py [--calls 100] [--seconds 20] [--rounds 3] [--no-detail]

In each round SIPp places the same G.711 calls to an echo once per variant, one FreeSWITCH after the other. CPU time is FreeSWITCH's own, with
what the system did for it (user and system time of all its threads, from before the first call to after the last), by the packets that it
has received: 3000 of them are a minute. A busy machine changes it less than a clock would. The relay's threads are told from the rest, and at the
end strace counts the system calls that both make for a packet: what intercepting FreeSWITCH's socket calls instead of relaying would save.
The exit code is 1 if ours costs more than LIMIT times its own.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
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

from calls.audio import OTHER_SPEECH, SPEECH
from calls.registry import Skipped
from calls.sipp import Sipp

from freeswitch.installation import find
from freeswitch.module import build_module
from freeswitch.place import SwitchSite
from freeswitch.switch import FreeSwitch

LIMIT = 1.3
ATTEMPTS = 5
# strace slows FreeSWITCH down: fewer calls are looked into.
LOOKED_INTO = 20
# In the environment: this is the process with a loopback of its own.
ALONE = "SEALRTP_BENCH_ALONE"
SUITE = "AES_CM_128_HMAC_SHA1_80"
# RTP packets of 20 ms.
PER_MINUTE = 3000
TICK = os.sysconf("SC_CLK_TCK")
RELAY_THREAD = "sealrtp-relay"


class TooBusy(RuntimeError):
    """Others need the machine: what was measured means nothing."""


@dataclass(frozen=True)
class Variant:
    name: str
    srtp: str
    user: str
    suite: str | None


VARIANTS = (Variant("clear", "stock", "plain", None), Variant("stock SDES", "stock", "secure", SUITE), Variant("mod_sealrtp SDES", "sealrtp", "secure", SUITE))
CLEAR, STOCK, OURS = VARIANTS


@dataclass(frozen=True)
class Cpu:
    """Seconds."""

    user: float
    system: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)

    @property
    def total(self) -> float:
        return self.user + self.system


@dataclass(frozen=True)
class Cost:
    """Of one run: all threads, the relay's among them, and RTP packets received."""

    all: Cpu
    relay: Cpu
    packets: int

    def per_minute(self, cpu: Cpu) -> float:
        return cpu.total * PER_MINUTE / self.packets

    @property
    def minute(self) -> float:
        """CPU seconds per minute of a call."""
        return self.per_minute(self.all)


def cpu_of(path: Path) -> tuple[str, Cpu]:
    """Name and CPU time of a process or thread."""
    text = path.read_text()
    name, _, rest = text[text.index("(") + 1:].rpartition(")")
    fields = rest.split()
    return name, Cpu(int(fields[11]) / TICK, int(fields[12]) / TICK)


def cpu_now(pid: int) -> tuple[Cpu, Cpu]:
    """All threads, those that have ended too, and the relay's."""
    relay = Cpu(0, 0)
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, cpu = cpu_of(task / "stat")
        except FileNotFoundError:
            continue
        if name == RELAY_THREAD:
            relay = Cpu(relay.user + cpu.user, relay.system + cpu.system)
    return cpu_of(Path(f"/proc/{pid}/stat"))[1], relay


def place_calls(variant: Variant, directory: Path, calls: int, seconds: int, look: list[str] | None = None) -> Cost:
    """One FreeSWITCH with its calls. With `look` what strace sees in the middle of it goes there."""
    switch = FreeSwitch(find(), directory / "pbx", srtp=variant.srtp, module=build_module() if variant.srtp == "sealrtp" else None, debug=False)
    site = SwitchSite(switch, directory)
    with switch:
        assert switch.process is not None
        pid = switch.process.pid
        if variant.srtp == "sealrtp":
            assert switch.has_module("mod_sealrtp"), f"mod_sealrtp is not loaded: {switch.said()}"
        said = ((SPEECH + OTHER_SPEECH) * seconds)[:seconds * 8000]
        before = cpu_now(pid)
        with Sipp(site, "bench", "caller", said, suite=variant.suite, port=0, user=variant.user, extension="echo", calls=calls, rate=50,
                  talk_ms=seconds * 1000, rtp=site.peer_ports(4 * calls + 50)) as sipp:
            if look is not None:
                time.sleep(calls / 50 + 3)
                look += system_calls(pid, directory)
            sipp.wait(seconds + 120)
        switch.wait_idle(30)
        time.sleep(1)
        after = cpu_now(pid)
        until = time.monotonic() + 20
        while len(ended := [event for event in switch.socket.events if event.name == "CHANNEL_HANGUP_COMPLETE"]) < calls:
            assert time.monotonic() < until, f"{variant.name}: {len(ended)} of {calls} calls have ended"
            time.sleep(0.2)
        packets = [int(event.get("variable_rtp_audio_in_packet_count") or 0) for event in ended]
    expected = calls * seconds * 50
    if not 0.9 * expected < sum(packets) < 1.1 * expected:
        raise TooBusy(f"{variant.name}: {sum(packets)} packets came, {expected} were to be sent: the machine is too busy")
    cost = Cost(after[0] - before[0], after[1] - before[1], sum(packets))
    assert (cost.relay.total > 0) == (variant.srtp == "sealrtp"), f"{variant.name}: the relay's threads took {cost.relay.total:.2f} s"
    return cost


def place_calls_in_peace(variant: Variant, directory: Path, calls: int, seconds: int, look: list[str] | None = None) -> Cost:
    """The same, again if the machine was too busy."""
    for attempt in range(ATTEMPTS):
        try:
            return place_calls(variant, directory / str(attempt), calls, seconds, look)
        except TooBusy as busy:
            print(f"# again: {busy}", flush=True)
            time.sleep(5)
    raise TooBusy(f"{ATTEMPTS} times; wait until nothing else runs here")


# --- looking into a run --------------------------------------------------------------------------------------------------


def system_calls(pid: int, directory: Path) -> list[str]:
    if shutil.which("strace") is None:
        return ["SKIPPED: system calls (strace is not installed)"]
    output = directory / "strace"
    output.mkdir()
    names = {task.name: cpu_of(task / "stat")[0] for task in Path(f"/proc/{pid}/task").iterdir()}
    calls = "recvfrom,sendto,sendmsg,recvmsg,read,epoll_wait,epoll_pwait,poll,ppoll,futex"
    # Into a file for each thread, so that calls stand in one line.
    tracer = subprocess.Popen(["strace", "-ff", "-q", "-e", f"trace={calls}", "-e", "signal=none", "-p", str(pid), "-o", str(output / "of")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(20)
    counts: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for path in output.iterdir():
        side = counts[names.get(path.suffix[1:]) == RELAY_THREAD]
        for name, result in re.findall(r"^(\w+)\(.*= (-?\d+)", path.read_text(errors="replace"), re.M):
            name = f"{name} in vain" if int(result) < 0 else name
            side[name] = side.get(name, 0) + 1
    received = sum(counts[False].get(name, 0) for name in ("recvfrom", "recvmsg"))
    if not received:
        return [f"SKIPPED: system calls (strace saw none of FreeSWITCH's: {counts})"]
    lines = []
    for relay, title in ((True, "relay's threads"), (False, "FreeSWITCH's threads")):
        shown = sorted(counts[relay].items(), key=lambda item: -item[1])
        lines.append(f"{title} make for each packet that FreeSWITCH receives " +
                     ", ".join(f"{count / received:.2f} {name}" for name, count in shown if count / received >= 0.01))
    return lines


# --- the numbers ---------------------------------------------------------------------------------------------------------


def report(costs: dict[str, list[Cost]]) -> float:
    """Prints the table; how much ours costs beside stock, as the median of the rounds."""
    print(f"\n{'variant':18} CPU seconds per call-minute: median (of rounds)     user   system   relay's threads")
    for variant in VARIANTS:
        own = costs[variant.name]
        median = statistics.median(cost.minute for cost in own)
        middle = min(own, key=lambda cost: abs(cost.minute - median))
        rounds = " ".join(f"{cost.minute:.4f}" for cost in own)
        split = Cost(Cpu(middle.all.user, 0), middle.relay, middle.packets), Cost(Cpu(middle.all.system, 0), middle.relay, middle.packets)
        print(f"{variant.name:18} {median:.4f} ({rounds})".ljust(66) + f" {split[0].minute:.4f}   {split[1].minute:.4f}   "
              f"{middle.per_minute(middle.relay):.4f}")
    ratios = [ours.minute / stock.minute for ours, stock in zip(costs[OURS.name], costs[STOCK.name])]
    ratio = statistics.median(ratios)
    print(f"\nmod_sealrtp SDES / stock SDES: {ratio:.2f} (rounds {' '.join(f'{each:.2f}' for each in ratios)}), at most {LIMIT} is allowed")
    print(f"stock SDES / clear: {statistics.median(s.minute / c.minute for s, c in zip(costs[STOCK.name], costs[CLEAR.name])):.2f}")
    own = costs[OURS.name]
    middle = min(own, key=lambda cost: abs(cost.minute - statistics.median(each.minute for each in own)))
    stock = statistics.median(cost.minute for cost in costs[STOCK.name])
    rest = middle.minute - middle.per_minute(middle.relay)
    user, system = (middle.per_minute(Cpu(middle.relay.user, 0)), middle.per_minute(Cpu(0, middle.relay.system)))
    print(f"of ours: relay's threads {user + system:.4f} ({user:.4f} user, {system:.4f} system), the rest of FreeSWITCH {rest:.4f}")
    print("intercepting FreeSWITCH's socket calls would do the relay's SRTP in them and have none of its system calls: about "
          f"{rest + user:.4f}, {(rest + user) / stock:.2f} of stock, {1 - (rest + user) / middle.minute:.0%} less than relaying")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=20, help="of media in each call")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-detail", action="store_true", help="without strace")
    arguments = parser.parse_args()
    try:
        version = find().version
        build_module()
    except Skipped as reason:
        print(f"SKIPPED FreeSWITCH's CPU benchmark: {reason}")
        return 0
    if ALONE not in os.environ and subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0:
        # Loopback of our own: what others capture on the machine's costs for every packet that passes, and ours passes twice as often.
        inside = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", __file__, *sys.argv[1:]]
        return subprocess.run(inside, env=os.environ | {ALONE: "1"}).returncode
    print(f"# FreeSWITCH {version}; {arguments.rounds} rounds of {arguments.calls} G.711 echo calls of {arguments.seconds} s with {SUITE}"
          f"{'' if ALONE in os.environ else ', on the loopback that others use, too'}", flush=True)
    costs: dict[str, list[Cost]] = {variant.name: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory(prefix="sealrtp-bench-") as directory:
        for number in range(arguments.rounds):
            for variant in VARIANTS:
                cost = place_calls_in_peace(variant, Path(directory) / f"{number}-{variant.name.replace(' ', '-')}", arguments.calls, arguments.seconds)
                costs[variant.name].append(cost)
                print(f"round {number + 1}  {variant.name:18} {cost.packets} packets in, {cost.all.user:.2f} s user, {cost.all.system:.2f} s system"
                      f", relay's threads {cost.relay.total:.2f} s: {cost.minute:.4f} per call-minute", flush=True)
        if not arguments.no_detail:
            lines: list[str] = []
            place_calls_in_peace(OURS, Path(directory) / "detail", min(arguments.calls, LOOKED_INTO), 20, lines)
            print("\n" + "\n".join(lines))
    return int(report(costs) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
