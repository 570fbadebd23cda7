"""One running FreeSWITCH: private directories, started and ended by its process, asked over its event socket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pbx.certificates import EC, make_certificate
from pbx.ports import Ports, free_ports
from pbx.valgrind import Finding, read_findings

from freeswitch.configuration import PASSWORD, contact_port, freeswitch_xml, write_configuration
from freeswitch.event_socket import EventSocket, EventSocketError
from freeswitch.installation import Installation
from freeswitch.users import sealrtp_conf

# What valgrind is to look at; FreeSWITCH re-executes itself for its stack size unless told not to.
VALGRIND = ("valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--keep-debuginfo=yes", "--num-callers=40", "--fair-sched=yes",
            "--child-silent-after-fork=yes")
DIRECTORIES = ("conf", "log", "db", "run", "mod", "sounds", "recordings", "storage", "cache", "temp", "scripts", "grammar", "htdocs")


class SwitchError(RuntimeError):
    """FreeSWITCH did not start, or not end, as it must."""


class FreeSwitch:
    """A FreeSWITCH of a test's own. `srtp` is "sealrtp", with `module` loaded, or "stock"."""

    def __init__(self, installation: Installation, directory: Path, *, srtp: str, module: Path | None = None, address: str = "127.0.0.1",
                 valgrind: bool = False, sections: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None, debug: bool = True,
                 profile: Mapping[str, object] | None = None, load: bool = True, rtp_ports: int = 0) -> None:
        """`sections` are more of sealrtp.conf, see users.sealrtp_conf(); unless `load`, our module is there but not loaded at the start;
        `rtp_ports` is how many ports media may have, 0 for all of the block."""
        assert (module is not None) == (srtp == "sealrtp")
        self.installation, self.directory, self.srtp, self.address, self.valgrind = installation, directory, srtp, address, valgrind
        self.ports: Ports = free_ports()
        self.sip_port = self.ports.sip
        modules = [*installation.loaded, *(["mod_sealrtp"] if module and load else [])]
        self.xml = lambda sections: freeswitch_xml(
            directory, ports=self.ports, address=address, modules=modules, sealrtp_conf=sealrtp_conf(sections) if module else "", debug=debug,
            profile=profile or {}, rtp=(self.ports.rtp[0], self.ports.rtp[0] + rtp_ports - 1) if rtp_ports else self.ports.rtp)
        write_configuration(directory, self.xml(sections))
        for name in installation.loaded:
            link(directory / f"mod/{name}.so", installation.modules / f"{name}.so")
        if module is not None:
            link(directory / "mod/mod_sealrtp.so", module)
        make_certificate(directory / "tls", "agent", *EC)
        agent = directory / "tls/agent.pem"
        agent.write_text(agent.read_text() + (directory / "tls/agent.key").read_text())
        self.process: subprocess.Popen[bytes] | None = None
        self.events: EventSocket | None = None

    def __enter__(self) -> FreeSwitch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life ---

    def start(self) -> None:
        options = [word for name in DIRECTORIES for word in (f"-{name}", str(self.directory / name))]
        argv = [str(self.installation.program), "-nf", "-nc", "-nonat", "-certs", str(self.directory / "tls"), *options]
        if self.valgrind:
            argv = [*VALGRIND, "--xml=yes", f"--xml-file={self.directory}/valgrind.xml", argv[0], "-waste", "-vg", *argv[1:]]
        self.output = open(self.directory / "log/output", "wb")
        self.process = subprocess.Popen(argv, cwd=self.directory, env=self.installation.environment, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT)
        try:
            self.wait_ready(120 if self.valgrind else 30)
        except BaseException:
            self.stop()
            raise

    def processor_seconds(self) -> float:
        """What it has used of the processors since its start, its own and the system's on its behalf; 0 once it has ended."""
        assert self.process is not None
        try:
            columns = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")

    def wait_ready(self, timeout: float) -> None:
        """`timeout` in seconds of its own: a busy machine gives it less of a processor, and that is not its fault. One that waits for
        something that does not come is given up after five times as long."""
        until = time.monotonic() + 5 * timeout
        while True:
            if not self.running:
                raise SwitchError(f"FreeSWITCH ended at its start: {self.said()}")
            try:
                self.events = self.events or EventSocket(self.ports.manager, PASSWORD)
                if "is ready" in self.events.api("status") and "RUNNING" in self.events.api("sofia status"):
                    return
            except (OSError, EventSocketError):
                self.events = None
            if time.monotonic() > until or self.processor_seconds() > timeout:
                used = self.processor_seconds()
                raise SwitchError(f"FreeSWITCH is not ready after {used:g} s of processor time: {self.said()}")
            time.sleep(0.2)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout: float = 0.0) -> int:
        """Ends it; its exit code (negative for a signal's). A FreeSWITCH that does not end is killed, which is a SwitchError."""
        if self.process is None:
            return 0
        timeout = timeout or (180 if self.valgrind else 40)
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise SwitchError(f"FreeSWITCH does not end within {timeout:g} s: {self.said()}") from None
        finally:
            if self.events is not None:
                self.events.close()
                self.events = None
            self.output.close()
        return code

    def said(self) -> str:
        """The end of what it has logged, and of what it said before that."""
        return "\n".join((self.log_text().splitlines() or (self.directory / "log/output").read_text(errors="replace").splitlines())[-12:])

    # --- asking it ---

    @property
    def socket(self) -> EventSocket:
        assert self.events is not None, "FreeSWITCH is not running"
        return self.events

    def api(self, command: str) -> str:
        return self.socket.api(command)

    def configure(self, sections: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
        """Writes another sealrtp.conf and has FreeSWITCH read it."""
        (self.directory / "conf/freeswitch.xml").write_text(self.xml(sections))
        self.socket.require("reloadxml")

    def contact_port(self, name: str) -> int:
        return contact_port(name, self.ports)

    def log_text(self) -> str:
        path = self.directory / "log/freeswitch.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern: str, *, start: int = 0, timeout: float = 5.0) -> re.Match[str]:
        """The first match in the log from that place on."""
        until = time.monotonic() + timeout
        while not (found := re.search(pattern, self.log_text()[start:], re.M)):
            if time.monotonic() > until:
                raise SwitchError(f"the log does not say {pattern!r} within {timeout:g} s: {self.log_text()[start:][-600:]}")
            time.sleep(0.1)
        return found

    @property
    def channels(self) -> int:
        """How many channels there are."""
        found = re.search(r"(\d+) total", self.api("show channels count"))
        return int(found[1]) if found else -1

    def channel_of(self, user: str) -> str:
        """The UUID of the newest channel of this user, calling or called; "" for none."""
        lines = self.api("show channels as delim |").splitlines()
        if not lines or "uuid" not in lines[0]:
            return ""
        names = lines[0].split("|")
        rows = [dict(zip(names, line.split("|"))) for line in lines[1:] if line.count("|") >= len(names) - 1]
        own = [row for row in rows if user in (row.get("cid_num", "") if row.get("direction") == "inbound" else row.get("dest", ""),)
               or re.search(rf"/{re.escape(user)}@", row.get("name", ""))]
        return own[-1]["uuid"] if own else ""

    def variable(self, channel: str, name: str) -> str:
        """A variable of a channel; "" when it is not set."""
        value = self.api(f"uuid_getvar {channel} {name}")
        return "" if value in ("_undef_", "") or value.startswith("-ERR") else value

    def wait_idle(self, timeout: float) -> None:
        """Waits until no channel is left."""
        until = time.monotonic() + timeout
        while self.channels:
            if time.monotonic() > until:
                raise SwitchError(f"channels are left after {timeout:g} s: {self.api('show channels')}")
            time.sleep(0.2)

    def has_module(self, name: str) -> bool:
        """Whether it is loaded."""
        return self.api(f"module_exists {name}") == "true"

    def sockets(self) -> set[tuple[str, int]]:
        """Address and port of its UDP sockets, out of /proc; addresses as the kernel writes them."""
        assert self.process is not None
        inodes = set()
        for entry in os.scandir(f"/proc/{self.process.pid}/fd"):
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry.path))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
        rows = [line.split() for table in ("udp", "udp6") for line in Path(f"/proc/{self.process.pid}/net/{table}").read_text().splitlines()[1:]]
        places = (row[1].split(":") for row in rows if row[9] in inodes)
        return {(address, int(port, 16)) for address, port in places}

    def media_sockets(self) -> set[tuple[str, int]]:
        """Those that are neither SIP's nor anything else that stays."""
        return {(address, port) for address, port in self.sockets() if port not in (self.ports.sip, self.ports.sips)}

    def valgrind_findings(self) -> list[Finding]:
        """What valgrind has found, once FreeSWITCH has ended."""
        return read_findings(self.directory / "valgrind.xml")


def link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target.resolve())


__all__: Sequence[str] = ("FreeSwitch", "SwitchError", "VALGRIND")
