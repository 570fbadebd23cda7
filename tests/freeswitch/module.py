#!/usr/bin/env python3
"""mod_sealrtp.so, built once against the headers of the FreeSWITCH that is here, as an administrator builds it: make freeswitch-module.

    python3 tests/freeswitch/module.py     builds it and prints where it is
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from calls.registry import Skipped
from freeswitch.installation import find

SOURCE = Path(__file__).resolve().parents[2]


class ModuleError(RuntimeError):
    """The module was not built."""


@functools.cache
def build_module() -> Path:
    """The shared object. Raises Skipped where there is no FreeSWITCH, ModuleError where it does not build."""
    find()
    # The build finds the headers by the same variables; another environment would have cargo build more than the module anew.
    done = subprocess.run(["nice", "make", "--no-print-directory", "freeswitch-module"], cwd=SOURCE, capture_output=True, text=True)
    if done.returncode != 0:
        raise ModuleError(f"make freeswitch-module failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return (SOURCE / os.environ.get("CARGO_TARGET_DIR", "target") / "release/mod_sealrtp.so").resolve()


def main() -> int:
    try:
        print(build_module())
    except Skipped as reason:
        print(f"SKIPPED: {reason}")
    except ModuleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
