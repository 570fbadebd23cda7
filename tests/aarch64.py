"""cargo for aarch64: a private root compiles, and an emulator runs what was compiled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pbx.namespace import Bind, MissingPermission, environment
from pbx.roots import RootError, cache_directory, ensure

TOP = Path(__file__).resolve().parent.parent
TARGET = "aarch64-unknown-linux-gnu"
# All that the emulator knows: among others AES, PMULL and SHA-1.
EMULATOR = "qemu-aarch64 -cpu max"
SOURCE, HOME, BUILT = "/run/sealrtp", "/run/cargo", "/run/target"


class Absent(RuntimeError):
    """There is nothing here that compiles for aarch64; the text says why."""


def cargo(arguments: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    """The argument vector and the environment of `cargo ARGUMENTS` for aarch64. The crates are those of the host's cargo."""
    try:
        root = ensure("aarch64")
    except (RootError, MissingPermission) as error:
        raise Absent(str(error).splitlines()[0]) from error
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=TOP, check=True)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    target = cache_directory() / "target/aarch64"
    target.mkdir(parents=True, exist_ok=True)
    binds = [Bind(TOP, SOURCE), Bind(target, BUILT, writable=True), Bind(home / "registry", f"{HOME}/registry")]
    binds += [Bind(path, f"{HOME}/{path.name}") for path in [home / "config.toml"] if path.is_file()]
    setting = f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}"
    return root.command(["cargo", arguments[0], "--offline", "--target", TARGET, *arguments[1:]], binds=binds, directory=SOURCE), \
        environment({
            "CARGO_HOME": HOME,
            "CARGO_TARGET_DIR": BUILT,
            "CARGO_INCREMENTAL": "0",
            f"{setting}_LINKER": "aarch64-linux-gnu-gcc",
            f"{setting}_RUNNER": EMULATOR,
            f"{setting}_RUSTFLAGS": "-D warnings",
        })
