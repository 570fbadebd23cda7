"""Driving sealrtp-judge: a live media end point, and the judgement of a capture. Its SRTP is libsrtp's."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

TESTS = Path(__file__).resolve().parents[1]
REPOSITORY = TESTS.parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from late import PATIENCE, Late, wait_for

from calls.registry import Skipped
from calls.sdp import Crypto
from calls.site import Watched

_built: dict[str, Path] = {}
_building = threading.Lock()


def built(package: str, program: str) -> Path:
    """A program of ours, built by cargo once per process (a no-op for cargo when it is fresh)."""
    with _building:
        if program in _built:
            return _built[program]
        done = subprocess.run(["cargo", "build", "--locked", "--release", "-p", package, "--message-format", "json-render-diagnostics"],
                              cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"cargo build -p {package} failed; its output is above")
        for line in done.stdout.splitlines():
            message = json.loads(line)
            if message.get("executable") and message["target"]["name"] == program:
                _built[program] = Path(message["executable"])
        if program not in _built:
            raise RuntimeError(f"cargo did not tell where {program} is")
        return _built[program]


def judge_binary() -> Path:
    """sealrtp-judge."""
    return built("sealrtp-judge", "sealrtp-judge")


class MediaError(RuntimeError):
    """sealrtp-judge refused a command."""


class EndPoint:
    """A live media end point: a port pair that sends a file as (S)RTP and judges what comes back."""

    def __init__(self, directory: Path, name: str, *, known_audio: bytes = b"", address: str = "127.0.0.1",
                 payload_type: int = 0) -> None:
        self.directory = directory
        self.name = name
        self.address = address
        self.files = 0
        self.process = subprocess.Popen([judge_binary(), "peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        known = {"known_audio": str(self.file(known_audio))} if known_audio else {}
        self.port: int = self.ask(do="bind", address=address, payload_type=payload_type, **known)["port"]

    def __enter__(self) -> EndPoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
            if self.process.stdout is not None:
                self.process.stdout.close()

    def ask(self, **command: object) -> dict[str, object]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"ok": False, "error": "sealrtp-judge is gone"}
        if not answer["ok"]:
            raise MediaError(f"{self.name}: {command['do']}: {answer['error']}")
        return answer

    def file(self, audio: bytes) -> Path:
        self.files += 1
        path = self.directory / f"{self.name}-{self.files}.ul"
        path.write_bytes(audio)
        return path

    def remote(self, address: str) -> None:
        """Where media goes, "address:port"."""
        self.ask(do="remote", address=address)

    def send_with(self, crypto: Crypto | None, which: int = 0) -> None:
        """Keys of ours from now on; None: there are none in either direction. `which` of several keys."""
        if crypto is None:
            self.ask(do="clear")
        else:
            self.ask(do="send_keys", keys=crypto.key_set(), **{"with": which})

    def judge_early(self) -> None:
        """What came before there were keys is counted from now on, as clear where there still are none."""
        self.send_with(None)

    def receive_with(self, crypto: Crypto) -> None:
        """Keys of the peer from now on."""
        self.ask(do="receive_keys", keys=crypto.key_set())

    def certificate(self, kind: str = "ec") -> dict[str, str]:
        """A new certificate ("ec" or "rsa") for the next handshake; its fingerprints by hash. Associations that run end silently."""
        return self.ask(do="certificate", kind=kind)["fingerprints"]  # type: ignore[return-value]

    def handshake(self, role: str, *, profiles: Sequence[str] | None = None, separate_rtcp: bool = False, anonymous: bool = False) -> None:
        """Starts DTLS as "client" or "server"; its keys serve both directions. `profiles` are suites, all of OpenSSL's by default; if
        `anonymous`, no certificate is shown."""
        self.ask(do="handshake", role=role, separate_rtcp=separate_rtcp, anonymous=anonymous,
                 **({} if profiles is None else {"profiles": list(profiles)}))

    def wait_dtls(self, seconds: float = PATIENCE) -> list[SimpleNamespace]:
        """Waits for the end of the handshakes, good or bad; what is known of each, RTP's first."""
        return [SimpleNamespace(**each) for each in self.ask(do="await", seconds=seconds)["dtls"]]  # type: ignore[attr-defined]

    def play(self, audio: bytes, **how: object) -> None:
        """Starts to send `audio`; `how` are the fields of the play command (copies, corrupt, clear, lose, repeat, ...)."""
        self.ask(do="play", file=str(self.file(audio)), **how)

    def garbage(self, count: int, seed: int) -> None:
        """Sends hostile datagrams to the RTP and RTCP ports."""
        self.ask(do="garbage", count=count, seed=seed)

    def drain(self, seconds: float = PATIENCE) -> None:
        """Waits for the end of what is being sent. Raises Late."""
        if self.ask(do="drain", seconds=seconds)["playing"]:
            raise Late(f"{self.name}: still sending after {seconds:g} s")

    def stop(self) -> None:
        self.ask(do="stop")

    def wait_more(self, packets: int, than: int = 0) -> None:
        """Waits until so many packets more than before have come. Raises Late."""
        wait_for(lambda: self.report().packets >= than + packets, f"{packets} packets at {self.name}", every=0.1)

    def settle(self, at_least: int = 0) -> None:
        """Waits until so many packets have come, however late, and then none for a while; at most PATIENCE seconds."""
        until = time.monotonic() + PATIENCE
        before, came = -1, self.report().packets
        while time.monotonic() < until and (came < at_least or came != before):
            time.sleep(0.3)
            before, came = came, self.report().packets

    def report(self) -> SimpleNamespace:
        """The judgement so far, with `audio` as heard."""
        out = self.directory / f"{self.name}-heard.ul"
        answer = self.ask(do="report", out=str(out))
        answer["dtls"] = [SimpleNamespace(**each) for each in answer["dtls"]]  # type: ignore[attr-defined]
        return SimpleNamespace(**answer, audio=out.read_bytes())


def dropped_by_kernel() -> int:
    """UDP datagrams for which the buffers of those who should have read them were full, on this machine since it runs."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:"))
    return int(values[names.index("RcvbufErrors")])


class Capture:
    """tcpdump on loopback, for the flows that no end point of ours sees."""

    def __init__(self, path: Path, filter_text: str, *, busy: bool = False) -> None:
        """`busy`: it may have to keep seconds of many calls while tcpdump is not let run."""
        self.path = path
        self.process: subprocess.Popen[str] | None = None
        if not shutil.which("tcpdump"):
            raise Skipped("tcpdump is not installed (Debian package tcpdump)")
        # What we send here ourselves comes through the capture behind all that was sent before.
        self.marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.marker.bind(("127.0.0.1", 0))
        filter_text = f"({filter_text} or udp dst port {self.marker.getsockname()[1]})"
        self.process = subprocess.Popen(
            ["tcpdump", "-i", "lo", "-n", "-U", "--immediate-mode", "-s", "2048", "-B", str(131072 if busy else 16384), "-w", str(path), filter_text],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"LC_ALL": "C"})
        assert self.process.stderr is not None
        said = ""
        # The line "listening on lo" is said when packets are being captured.
        while "listening on" not in said:
            line = self.process.stderr.readline()
            if not line:
                self.end()
                raise RuntimeError(f"tcpdump did not start: {said}")
            said += line

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.end()

    def end(self) -> str:
        """Ends tcpdump; what it said."""
        if self.process is None or self.process.returncode is not None:
            return ""
        self.process.terminate()
        self.marker.close()
        return self.process.communicate(timeout=PATIENCE)[1]

    def catch_up(self) -> None:
        """Waits until all that was sent until now is in the file. Raises Late."""
        assert self.process is not None
        if self.process.returncode is not None:
            return
        mark = b"mark " + secrets.token_hex(16).encode()
        until = time.monotonic() + PATIENCE
        with open(self.path, "rb") as file:
            seen, sent = file.seek(0, os.SEEK_END), 0.0
            while True:
                if time.monotonic() - sent > 1:
                    sent = time.monotonic()
                    self.marker.sendto(mark, self.marker.getsockname())
                file.seek(seen)
                if mark in file.read():
                    return
                if self.process.poll() is not None:
                    raise RuntimeError(f"tcpdump has ended by itself: {self.process.communicate()[1]}")
                if time.monotonic() > until:
                    raise Late(f"tcpdump has not written in {PATIENCE:g} s what was sent")
                time.sleep(0.01)

    def stop(self) -> None:
        """Ends the capture when all that was sent is in it. RuntimeError when packets were lost."""
        self.catch_up()
        if said := self.end():
            dropped = [line for line in said.splitlines() if "dropped by kernel" in line]
            if dropped and not dropped[0].startswith("0 "):
                raise RuntimeError(f"the capture is not whole: {dropped[0]}")

    def judge(self, flows: Sequence[Mapping[str, object]]) -> list[SimpleNamespace]:
        """The verdict on each flow, with `audio`; stops the capture. See the Job of sealrtp-judge for the fields."""
        self.stop()
        flows = [{"out": str(self.path.with_name(f"{self.path.stem}-{at}.ul")), **flow} for at, flow in enumerate(flows)]
        done = subprocess.run([judge_binary(), "pcap", str(self.path)], input=json.dumps({"flows": flows}), text=True,
                              capture_output=True)
        if done.returncode != 0:
            raise MediaError(done.stderr.strip())
        verdicts = [SimpleNamespace(**json.loads(line)) for line in done.stdout.splitlines()]
        for flow, verdict in zip(flows, verdicts):
            verdict.audio = Path(str(flow["out"])).read_bytes()
        return verdicts

    def look(self, peers: Sequence[Watched], since: float, known_audio: Sequence[Path]) -> SimpleNamespace:
        """What went to and from these media ports since that time, by kind: clear or not, judged without keys.

        The capture goes on.
        """
        self.catch_up()
        job = {"peers": [peer._asdict() for peer in peers],
               "since_us": int(since * 1e6), "known_audio": [str(path) for path in known_audio]}
        done = subprocess.run([judge_binary(), "clear", str(self.path)], input=json.dumps(job), text=True, capture_output=True)
        if done.returncode != 0:
            raise MediaError(done.stderr.strip())
        verdict = json.loads(done.stdout)
        return SimpleNamespace(to_pbx=SimpleNamespace(**verdict["to_pbx"]), from_pbx=SimpleNamespace(**verdict["from_pbx"]))
