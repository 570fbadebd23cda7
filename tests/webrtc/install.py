#!/usr/bin/env python3
"""Brings what the browser's calls need: Chromium from Debian, and SIP.js by npm, pinned by package-lock.json.

What cannot be had is told and is no error: the tests then skip, and say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from pbx.roots import cache_directory

# Debian packages by the program that is looked for: npm may have come with another Node.js than Debian's.
PROGRAMS = {"chromium": "chromium", "npm": "npm"}
PINNED = ("package.json", "package-lock.json")


def run(argv: list[str], **how: object) -> bool:
    """Whether it ended well; else the end of what it said is shown."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)  # type: ignore[call-overload]
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-15:]))
    return done.returncode == 0


def install_programs() -> bool:
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not missing:
        return True
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"the browser's calls will be skipped: missing {' '.join(missing)}, and this is not root on a Debian")
        return False
    print(f"installing {' '.join(missing)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return all(run(["apt-get", "-qq", *argv], env=environment)
               for argv in (["update"], ["install", "-y", "--no-install-recommends", *missing]))


def install_library() -> bool:
    """npm checks the package against the hash of the lock file; no script of a package is run."""
    place = cache_directory() / "npm/webrtc"
    if (place / "node_modules/sip.js").exists() and all(
            (place / name).exists() and (place / name).read_bytes() == (HERE / name).read_bytes() for name in PINNED):
        return True
    if not shutil.which("npm"):
        print("the browser's calls will be skipped: there is no npm to fetch SIP.js by")
        return False
    place.mkdir(parents=True, exist_ok=True)
    for name in PINNED:
        shutil.copyfile(HERE / name, place / name)
    if run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place):
        return True
    # A half-made directory must not be taken for a whole one.
    shutil.rmtree(place)
    print("the browser's calls will be skipped: npm could not fetch SIP.js")
    return False


if __name__ == "__main__":
    sys.exit(0 if all([install_programs(), install_library()]) else 1)
