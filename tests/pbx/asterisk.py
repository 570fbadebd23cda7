#!/usr/bin/env python3
"""A real Asterisk with a configuration of ours, on loopback.

By hand: python3 tests/pbx/asterisk.py testing|bullseye|host [--chan pjsip|sip] [--srtp sealrtp|stock|none]
starts one, reads CLI commands from standard input and ends with it.
"""

from __future__ import annotations

import argparse
import atexit
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import ParseError

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from late import PATIENCE, Late
from pbx.ari import Ari
from pbx.certificates import EC, make_certificate
from pbx.configuration import COMMON, DRIVERS, PROVIDERS, SDP_MODULES, configuration_files, manager_conf, write_configuration
from pbx.endpoints import ENDPOINTS, NATIVE, Endpoint, Site
from pbx.manager import Manager, ManagerError
from pbx.namespace import Bind, MissingPermission, environment
from pbx.ports import Ports, free_ports
from pbx.roots import ASTERISK, Root, RootError, ensure
from pbx.valgrind import Finding, read_findings

# The run's directory as a private root sees it.
INSIDE = "/run/pbx"
MANAGER_USER = "test"
VALGRIND = ("valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite",
            "--num-callers=30", "--keep-debuginfo=yes", "--vgdb=no", "--trace-children=no")


class PbxError(RuntimeError):
    """The PBX did not start, or died; the text says what it last said."""


class Asterisk:
    """One Asterisk process and its run directory.

    root       where it comes from (pbx.roots.ensure)
    workdir    the run's directory on the host: etc, log, modules, recordings, ...; made when missing
    chan       "pjsip" or "sip"
    srtp       who does SRTP: "sealrtp" (ours; `module` is its file), "stock" (res_srtp.so) or "none"
    ports      a block of ports; by default a free one
    contacts   SIP ports of endpoints with a fixed contact, by name; the default is contact_port(name)
    address    what SIP and RTP are bound to
    modules    further modules to load, without ".so"; `without` are left out
    files      further configuration files by name, or others in place of ours
    check      start() raises PbxError when a module that was asked for does not run
    tls        chan_pjsip listens for SIP over TLS too, at ports.sips, as transport-tls
    valgrind   run under valgrind (leak check at the end): after stop(), valgrind_findings()
    debug      core debug level; 0 is none
    """

    def __init__(self, root: Root, workdir: Path, *, chan: str = "pjsip", srtp: str = "sealrtp", module: Path | None = None,
                 ports: Ports | None = None, contacts: Mapping[str, int] | None = None, address: str = "127.0.0.1",
                 endpoints: Sequence[Endpoint] = ENDPOINTS, sealrtp_conf: str = NATIVE, modules: Sequence[str] = (),
                 without: Sequence[str] = (), files: Mapping[str, str] | None = None, check: bool = True,
                 tls: bool = False, valgrind: bool = False, valgrind_options: Sequence[str] = (), debug: int = 0) -> None:
        if chan not in DRIVERS or srtp not in PROVIDERS:
            raise ValueError(f"chan is one of {', '.join(DRIVERS)}, srtp one of {', '.join(PROVIDERS)}")
        if (module is not None) != (srtp == "sealrtp"):
            raise ValueError("srtp='sealrtp' needs module, the path of res_sealrtp.so; the others have none")
        if not root.has_driver(chan):
            raise PbxError(f"{root.name}: its Asterisk has no chan_{chan}")
        self.root = root
        self.workdir = workdir.resolve()
        self.chan = chan
        self.srtp = srtp
        self.module = module
        self.ports = ports or free_ports()
        self.address = address
        self.endpoints = tuple(endpoints)
        self.contacts = {endpoint.name: self.ports.contact(index) for index, endpoint in enumerate(self.endpoints)}
        self.contacts |= contacts or {}
        self.password = secrets.token_hex(8)
        self.sealrtp_conf = sealrtp_conf
        sdp = (SDP_MODULES[chan],) if srtp == "sealrtp" and chan in SDP_MODULES else ()
        wanted = (*COMMON, *DRIVERS[chan], *PROVIDERS[srtp], *sdp, *modules)
        self.modules = tuple(name for name in dict.fromkeys(wanted) if name not in without)
        self.files = dict(files or {})
        self.check = check
        self.tls = tls
        self.valgrind = valgrind
        self.valgrind_options = tuple(valgrind_options)
        self.debug = debug
        self.process: subprocess.Popen[bytes] | None = None
        self._manager: Manager | None = None
        self._secret = secrets.token_hex(16)
        # The run's directory as Asterisk sees it.
        self.here = str(self.workdir) if root.is_host else INSIDE

    # --- life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Asterisk:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        died = self.process is not None and self.process.poll() is not None
        code = self.stop()
        # An exception on its way already tells of something; else a PBX that died on its own is a failure.
        if kind is None and (died or code != 0):
            raise PbxError(f"Asterisk ended {'by itself ' if died else ''}with {describe_exit(code)}\n{self._last_words()}")

    def start(self, timeout: float | None = None) -> Asterisk:
        """Writes the configuration, starts Asterisk in the foreground and waits until it is fully booted.

        `timeout` in seconds, by default 120, and 400 under valgrind. Raises PbxError, and Late when it is not up by then.
        """
        if self.process is not None:
            raise PbxError("it is running already")
        timeout = timeout or (400 if self.valgrind else 120)
        self.write()
        argv = [ASTERISK, "-f", "-C", f"{self.here}/etc/asterisk.conf"]
        if self.valgrind:
            argv = [*VALGRIND, "--xml=yes", f"--xml-file={self.here}/log/valgrind.xml", *self.valgrind_options, *argv]
        with open(self.workdir / "log/console", "ab") as console:
            self.process = subprocess.Popen(self.root.command(argv, binds=self._binds), stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=subprocess.STDOUT, env=environment(),
                                            cwd=self.workdir, start_new_session=True)
        atexit.register(self.stop)
        (self.workdir / "asterisk.pid").write_text(f"{self.process.pid}\n")
        deadline = time.monotonic() + timeout
        try:
            while not self._booted():
                if self.process.poll() is not None:
                    raise PbxError(f"Asterisk did not start: {describe_exit(self.process.returncode)}\n{self._last_words()}")
                if time.monotonic() > deadline:
                    raise Late(f"Asterisk was not fully booted after {timeout:.0f} s\n{self._last_words()}")
                time.sleep(0.05)
            if self.check and (missing := set(self.modules) - self.running_modules()):
                raise PbxError(f"these modules do not run: {', '.join(sorted(missing))}\n{self._last_words()}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, timeout: float | None = None) -> int:
        """Ends this process: "core stop now", then SIGTERM, then SIGKILL. Returns its exit code, negative for a signal."""
        process, self.process = self.process, None
        if process is None:
            return 0
        timeout = timeout or (180 if self.valgrind else PATIENCE)
        if process.poll() is None and self._manager is not None:
            try:
                self._manager.command("core stop now")
            except (ManagerError, Late, OSError):
                pass  # It may close the connection before it has answered.
            self._wait(process, timeout)
        for last_resort in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(last_resort)
                self._wait(process, timeout)
        if self._manager is not None:
            self._manager.close()
            self._manager = None
        (self.workdir / "asterisk.pid").unlink(missing_ok=True)
        atexit.unregister(self.stop)
        return process.returncode

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], timeout: float) -> None:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass

    def _booted(self) -> bool:
        if self._manager is None:
            try:
                self._manager = Manager(self.ports.manager, MANAGER_USER, self._secret)
            except (OSError, ManagerError, Late):
                return False
        return any(event["Event"] == "FullyBooted" for event in self._manager.events)

    @property
    def pid(self) -> int:
        """The process id of Asterisk (or of valgrind with it inside)."""
        if self.process is None:
            raise PbxError("it is not running")
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # --- talking to it -----------------------------------------------------------------------------------------------

    @property
    def sip_port(self) -> int:
        return self.ports.sip

    def contact_port(self, name: str) -> int:
        """Where the PBX sends calls to an endpoint with a fixed contact."""
        return self.contacts[name]

    @property
    def manager(self) -> Manager:
        """The manager connection of this object."""
        if self._manager is None:
            raise PbxError("it is not running")
        return self._manager

    def new_manager(self) -> Manager:
        """A further manager connection, the caller's to close."""
        return Manager(self.ports.manager, MANAGER_USER, self._secret)

    def ari(self, application: str) -> Ari:
        """The REST interface, as this application; the caller's to close. Needs RECORDERS among the modules."""
        return Ari(self.ports.http, MANAGER_USER, self._secret, application)

    def cli(self, command: str) -> str:
        """What a CLI command prints."""
        try:
            return self.manager.command(command)
        except ManagerError as error:
            if "blacklisted" not in str(error):
                raise
        # The manager does not load and unload modules; Asterisk's own remote console does.
        argv = [ASTERISK, "-C", f"{self.here}/etc/asterisk.conf", "-rx", command]
        done = subprocess.run(self.root.command(argv, binds=self._binds), capture_output=True, text=True, env=environment(),
                              cwd=self.workdir, timeout=120)
        return (done.stdout + done.stderr).strip()

    def running_modules(self) -> set[str]:
        """The modules that are loaded and running, without ".so"."""
        return set(re.findall(r"^(\S+)\.so\s.*\s(?<!Not )Running\s", self.cli("module show"), re.M))

    def channels(self) -> int:
        """Active channels now."""
        found = re.search(r"^(\d+) active channel", self.cli("core show channels count"), re.M)
        if found is None:
            raise PbxError("no channel count in the output of 'core show channels count'")
        return int(found[1])

    def channels_of(self, user: str) -> int:
        """Active channels of this endpoint or user."""
        return len(re.findall(rf"^\w+/{re.escape(user)}-[0-9a-f]+!", self.cli("core show channels concise"), re.M))

    def wait_idle(self, timeout: float = PATIENCE) -> None:
        """Waits until no channel is left. Raises PbxError."""
        deadline = time.monotonic() + timeout
        while (count := self.channels()) != 0:
            if time.monotonic() > deadline:
                raise PbxError(f"{count} channels after {timeout:.0f} s:\n" + self.cli("core show channels concise"))
            time.sleep(0.1)

    # --- what it said ------------------------------------------------------------------------------------------------

    def log_text(self) -> str:
        """Asterisk's own log so far; its length is a mark for wait_log."""
        path = self.workdir / "log/full"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern: str, *, start: int = 0, timeout: float = PATIENCE) -> re.Match[str]:
        """The first match of a regular expression in the log from the character `start` on. Raises Late."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.log_text()[start:]
            found = re.search(pattern, text, re.M)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise Late(f"no {pattern!r} in the log after {timeout:.0f} s; it ends:\n{text[-2000:]}")
            time.sleep(0.1)

    def valgrind_findings(self) -> list[Finding]:
        """Errors and leaks of the run that has ended. Raises PbxError when the report is not complete."""
        try:
            return read_findings(self.workdir / "log/valgrind.xml")
        except (OSError, ParseError) as error:
            raise PbxError(f"valgrind's report is not complete: {error}") from None

    def recording(self, user: str) -> bytes:
        """The u-law bytes that extension "record" got from the caller with this From user."""
        return (self.workdir / f"recordings/{user}.ulaw").read_bytes()

    def _last_words(self) -> str:
        """What Asterisk complained of, and the end of its console when it never came to a log."""
        complaints = [line for line in self.log_text().splitlines() if re.search(r" (WARNING|ERROR)\[", line)]
        console = self.workdir / "log/console"
        said = console.read_text(errors="replace").splitlines() if console.exists() and not complaints else []
        return "\n".join(said[-25:] + list(dict.fromkeys(complaints))[-25:])

    # --- how it is set up --------------------------------------------------------------------------------------------

    @property
    def _binds(self) -> list[Bind]:
        return [Bind(self.workdir, INSIDE, writable=True)]

    def write(self) -> None:
        """Writes configuration, sounds and the module directory; start() does it too."""
        site = Site(self.address, self.ports.sip, self.contacts, self.password,
                    rtp_engine="sealrtp" if self.srtp == "sealrtp" else "", tls_port=self.ports.sips if self.tls else 0,
                    tls_directory=f"{self.here}/etc")
        files = configuration_files(self.here, self.chan, site, self.endpoints, self.modules,
                                    manager=manager_conf(self.ports.manager, MANAGER_USER, self._secret),
                                    http=(self.ports.http, MANAGER_USER, self._secret),
                                    rtp_ports=self.ports.rtp, sealrtp_conf=self.sealrtp_conf, debug=self.debug)
        write_configuration(self.workdir, files | self.files)
        if self.tls:
            make_certificate(self.workdir / "etc", "tls", *EC)
        self._fill_module_directory()

    def _fill_module_directory(self) -> None:
        """The root's own modules by symbolic link, ours as a copy: the root is never touched."""
        farm = self.workdir / "modules"
        shutil.rmtree(farm)
        farm.mkdir()
        for module in self.root.inside(self.root.module_directory).glob("*.so"):
            (farm / module.name).symlink_to(f"{self.root.module_directory}/{module.name}")
        if self.module is not None:
            others = [self.module.with_name(f"{name}.so") for name in SDP_MODULES.values()]
            for name, path in {"res_sealrtp.so": self.module, **{path.name: path for path in others if path.exists()}}.items():
                (farm / name).unlink(missing_ok=True)
                shutil.copyfile(path, farm / name)


def describe_exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Starts a test PBX; reads CLI commands from standard input.")
    parser.add_argument("root", help="testing (Asterisk 22), bullseye (Asterisk 16) or host")
    parser.add_argument("--chan", choices=list(DRIVERS), default="pjsip")
    parser.add_argument("--srtp", choices=list(PROVIDERS), default="sealrtp")
    parser.add_argument("--module", type=Path, help="res_sealrtp.so; built for this root when not given")
    parser.add_argument("--workdir", type=Path, help="default: a new directory under the system's temporary one")
    parser.add_argument("--base-port", type=int, help="first port of the block (SIP); default: a free block")
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--debug", type=int, default=0)
    arguments = parser.parse_args()
    try:
        root = ensure(arguments.root)
        module = arguments.module
        if arguments.srtp == "sealrtp" and module is None:
            from pbx.module import build_module
            module = build_module(root)
        workdir = arguments.workdir or Path(tempfile.mkdtemp(prefix="sealrtp-pbx-"))
        workdir.mkdir(parents=True, exist_ok=True)
        pbx = Asterisk(root, workdir, chan=arguments.chan, srtp=arguments.srtp, module=module, valgrind=arguments.valgrind,
                       ports=Ports(arguments.base_port) if arguments.base_port else None, debug=arguments.debug)
        with pbx:
            print(f"{root.name}, chan_{pbx.chan}, SRTP by {pbx.srtp}: pid {pbx.pid}, SIP {pbx.address}:{pbx.sip_port}, "
                  f"run directory {workdir}, password of the phones {pbx.password}")
            for endpoint in pbx.endpoints:
                where = "registers" if endpoint.registers else f"127.0.0.1:{pbx.contact_port(endpoint.name)}"
                print(f"  {endpoint.name:8} {endpoint.media.value:10} {where}", flush=True)
            for line in sys.stdin:
                if line.strip():
                    try:
                        print(pbx.cli(line.strip()), flush=True)
                    except ManagerError as error:
                        print(error, flush=True)
        if arguments.valgrind:
            for finding in pbx.valgrind_findings():
                print(finding)
    except KeyboardInterrupt:
        return 130
    except (RootError, MissingPermission, PbxError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
