"""Where FreeSWITCH is on this machine, by FREESWITCH_PREFIX or by pkg-config."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from calls.registry import Skipped

# Modules of FreeSWITCH's own that the tests load, in this order.
MODULES = ("mod_console", "mod_logfile", "mod_event_socket", "mod_commands", "mod_dptools", "mod_dialplan_xml", "mod_sofia", "mod_loopback",
           "mod_sndfile", "mod_native_file", "mod_tone_stream")
# Loaded where they are there: conferences, and T.38.
PERHAPS = ("mod_conference", "mod_spandsp")


@dataclass(frozen=True)
class Installation:
    """A FreeSWITCH with its headers."""

    program: Path
    modules: Path
    libraries: Path
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """What its programs need in their environment."""
        libraries = os.pathsep.join(filter(None, (str(self.libraries), os.environ.get("LD_LIBRARY_PATH", ""))))
        return os.environ | {"LD_LIBRARY_PATH": libraries}

    @property
    def loaded(self) -> tuple[str, ...]:
        """The modules that a test's FreeSWITCH loads."""
        return MODULES + tuple(name for name in PERHAPS if (self.modules / f"{name}.so").exists())


def absent() -> str:
    """Why nothing of FreeSWITCH can be tested here; "" where it can."""
    try:
        find()
    except Skipped as reason:
        return str(reason)
    return ""


@functools.cache
def find() -> Installation:
    """The installation. Raises Skipped, with what to do, where there is none."""
    prefix = os.environ.get("FREESWITCH_PREFIX", "")
    path = os.environ.get("PKG_CONFIG_PATH", "")
    if prefix:
        path = os.pathsep.join(filter(None, (f"{prefix}/lib/pkgconfig", path)))
    version = ask(path, "--modversion")
    if not version:
        where = f"below FREESWITCH_PREFIX={prefix}" if prefix else "by pkg-config freeswitch"
        raise Skipped(f"no FreeSWITCH was found {where}: install it with its headers (your vendor's packages), or set FREESWITCH_PREFIX to where it is")
    modules, libraries = Path(ask(path, "--variable=modulesdir")), Path(ask(path, "--variable=libdir"))
    program = next((candidate for candidate in (Path(ask(path, "--variable=bindir")) / "freeswitch", Path(prefix or "/usr") / "bin/freeswitch",
                                                Path(shutil.which("freeswitch") or "/")) if candidate.is_file()), None)
    if program is None:
        raise Skipped(f"pkg-config knows FreeSWITCH {version}, and its program is not there: install that, too")
    missing = [name for name in MODULES if not (modules / f"{name}.so").exists()]
    if missing:
        raise Skipped(f"FreeSWITCH {version} has no {', '.join(missing)} in {modules}: install {'them' if missing[1:] else 'it'}")
    return Installation(program, modules, libraries, version)


def ask(path: str, question: str) -> str:
    """pkg-config's answer about freeswitch; "" where it knows nothing."""
    try:
        done = subprocess.run(["pkg-config", question, "freeswitch"], capture_output=True, text=True,
                              env=os.environ | ({"PKG_CONFIG_PATH": path} if path else {}))
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
