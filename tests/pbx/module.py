#!/usr/bin/env python3
"""res_sealrtp.so and res_sealrtp_pjsip.so for a PBX: built against the Asterisk headers of its root, with the compiler and C library there.

    python3 tests/pbx/module.py testing|bullseye|host ...   build what is out of date, print where it is

A module that was linked on the host would not load in an older root. So cargo runs inside the root: the host's Rust
toolchain, the source tree and cargo's registry are mounted read-only, the network is not needed, and the target
directory is ${SEALRTP_CACHE:-/var/cache/sealrtp}/target/<root>.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pbx.namespace import Bind, MissingPermission, environment
from pbx.roots import Root, RootError, cache_directory, ensure, locked, run_step

SOURCE = Path(__file__).resolve().parents[2]
# The module, and the one that shows it chan_pjsip's SDP.
PACKAGES = ("res_sealrtp", "res_sealrtp_pjsip")
CARGO = ("build", "--release", "--offline", "--locked", *(word for package in PACKAGES for word in ("-p", package)))


def rust_sysroot() -> Path:
    """The host's Rust toolchain: a directory that can be mounted into a root as a whole."""
    try:
        found = subprocess.run(["rustc", "--print", "sysroot"], cwd=SOURCE, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise RootError("rustc is not in PATH: the module needs a Rust toolchain") from None
    except subprocess.CalledProcessError as error:
        raise RootError(f"rustc --print sysroot: {error.stderr.strip()}") from None
    sysroot = Path(found.stdout.strip())
    if sysroot == Path("/usr") or not (sysroot / "bin/cargo").exists():
        raise RootError(f"the Rust toolchain in {sysroot} cannot be mounted into a private root: use one by rustup")
    return sysroot


def cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def fetch_crates(log: Path) -> None:
    """Brings the crates of Cargo.lock to the host; nothing is asked of the network when all are there."""
    offline = subprocess.run(["cargo", "fetch", "--offline", "--locked"], cwd=SOURCE, capture_output=True)
    if offline.returncode != 0:
        run_step("cargo fetch", ["cargo", "fetch", "--locked"], log, cwd=SOURCE)


def build_module(root: Root) -> Path:
    """Builds the modules for this root (cargo finds out what is out of date) and returns the path of res_sealrtp.so, beside which
    the other one lies. Raises RootError."""
    if not (root.headers / "asterisk.h").exists():
        raise RootError(f"{root.name}: no Asterisk headers in {root.headers}")
    target = cache_directory() / "target" / root.name
    target.mkdir(parents=True, exist_ok=True)
    log = target / "build.log"
    with locked(target.with_suffix(".lock"), f"module for {root.name}"):
        log.write_text("")
        fetch_crates(log)
        title = f"{PACKAGES[0]}.so for {root.name}"
        if root.is_host:
            argv = ["nice", "cargo", *CARGO]
            run_step(title, argv, log, cwd=SOURCE, env=os.environ | {"CARGO_TARGET_DIR": str(target)})
        else:
            run_step(title, command_inside(root, target), log, env=environment({
                "PATH": "/run/rust/bin:" + environment()["PATH"], "CARGO_HOME": "/run/cargo",
                "CARGO_TARGET_DIR": "/run/target", "CARGO_TERM_COLOR": "never"}))
        for package in PACKAGES:
            built = target / "release" / f"lib{package}.so"
            if not built.exists():
                raise RootError(f"{title}: cargo made no {built.name}")
            result = target / f"{package}.so"
            if not result.exists() or result.read_bytes() != built.read_bytes():
                fresh = result.with_suffix(".new")
                shutil.copyfile(built, fresh)
                fresh.replace(result)
    return target / f"{PACKAGES[0]}.so"


def command_inside(root: Root, target: Path) -> list[str]:
    """cargo inside the root, without network."""
    home = cargo_home()
    binds = [Bind(SOURCE, "/run/source"), Bind(rust_sysroot(), "/run/rust"), Bind(home / "registry", "/run/cargo/registry"),
             Bind(target, "/run/target", writable=True)]
    # Where the crates come from may be configured there; credentials are not taken along.
    binds += [Bind(home / name, f"/run/cargo/{name}") for name in ("config.toml", "config") if (home / name).is_file()]
    return root.command(["nice", "cargo", *CARGO], binds=binds, directory="/run/source")


def main() -> int:
    if not sys.argv[1:] or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for name in sys.argv[1:]:
            print(build_module(ensure(name)))
    except (RootError, MissingPermission) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
