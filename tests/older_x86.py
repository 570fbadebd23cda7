"""Programs of this host on x86-64 processors that lack AVX, in QEMU's user mode out of a private root."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from pbx.namespace import Bind, MissingPermission, environment
from pbx.roots import RootError, ensure

# Processors as QEMU names them, and the best path of packets on them.
PROCESSORS: Mapping[str, str] = {"Westmere": "aes-ni-sse", "Denverton": "sha-ni-sse"}
PROGRAMS = "/run/programs"


class Absent(RuntimeError):
    """There is no such emulator here; the text says why."""


def command_on(processor: str, program: str, tests: Sequence[str], **variables: str) -> tuple[list[str], Mapping[str, str]]:
    """The argument vector and the environment that run those tests of a test program on a processor."""
    if platform.machine() != "x86_64":
        raise Absent(f"the programs here are of {platform.machine()}")
    try:
        root = ensure("aarch64")
    except (RootError, MissingPermission) as error:
        raise Absent(str(error).splitlines()[0]) from error
    path = Path(program)
    argv = ["qemu-x86_64", "-cpu", processor, f"{PROGRAMS}/{path.name}", *tests, "--show-output"]
    return root.command(argv, binds=[Bind(path.parent, PROGRAMS)]), environment(variables)
