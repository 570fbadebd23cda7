#!/usr/bin/env python3
"""Private Debian roots: with a real Asterisk and SIPp in them, or with a Rust for aarch64.

    python3 tests/pbx/roots.py ensure testing|bullseye|aarch64 ...   build what is missing, print where it is
    python3 tests/pbx/roots.py run testing -- COMMAND ...    a command inside a root (the root is read-only)
    python3 tests/pbx/roots.py list | remove NAME

A root is made once by debootstrap and apt, from the Debian mirror the host's own apt uses, and kept under
${SEALRTP_CACHE:-/var/cache/sealrtp}/roots. The host is left alone.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pbx.namespace import Bind, MissingPermission, check_permission, chroot_command, environment

PROGRESS_SECONDS = 5.0
ASTERISK = "/usr/sbin/asterisk"
STAMP = ".sealrtp-complete"
# Changed when the way a root is made changes, so that old ones are made anew.
RECIPE = "1"


class RootError(RuntimeError):
    """A root could not be made; the text says which step and why."""


@dataclass(frozen=True)
class Recipe:
    """What a root is made of."""

    suite: str
    # The major version of the Asterisk in it, if it has one.
    asterisk: int | None
    packages: tuple[str, ...]
    # A second Debian architecture that packages can be of, such as "rustc:arm64".
    foreign: str | None = None


BUILD = ("gcc", "make", "libc6-dev", "libc6-dbg", "valgrind", "asterisk", "asterisk-dev", "procps",
         "pkg-config", "libssl-dev")
RECIPES: Mapping[str, Recipe] = {
    # Asterisk 22 with chan_pjsip; SIPp 3.8 with SRTP.
    "testing": Recipe("testing", 22, BUILD + ("sip-tester", "python3")),
    # Asterisk 16.28 with chan_pjsip and chan_sip.
    "bullseye": Recipe("bullseye", 16, BUILD),
    # A Rust that compiles for aarch64, and an emulator that runs the result, and programs of x86-64 as older processors would.
    "aarch64": Recipe("testing", None, ("cargo", "rustc", "libstd-rust-dev:arm64", "gcc-aarch64-linux-gnu", "libc6-dev:arm64",
                                        "qemu-user"), foreign="arm64"),
}


@dataclass(frozen=True)
class Root:
    """A file system, most often with an Asterisk in it: a private root, or "/" for the host's own."""

    name: str
    path: Path

    @property
    def is_host(self) -> bool:
        return self.path == Path("/")

    def inside(self, path: str) -> Path:
        """Where the host sees `path` of this root."""
        return self.path / path.lstrip("/")

    @property
    def module_directory(self) -> str:
        """Asterisk's module directory as seen from inside."""
        for candidate in sorted(self.path.glob("usr/lib/*/asterisk/modules")) + [self.inside("/usr/lib/asterisk/modules")]:
            if candidate.is_dir():
                return "/" + str(candidate.relative_to(self.path))
        raise RootError(f"{self.path}: no Asterisk module directory")

    def has_driver(self, chan: str) -> bool:
        """Whether its Asterisk has the channel driver chan_<chan>."""
        return self.inside(f"{self.module_directory}/chan_{chan}.so").exists()

    @property
    def headers(self) -> Path:
        """The directory that holds asterisk.h and asterisk/, as the host sees it."""
        return self.inside("/usr/include")

    def command(self, argv: Sequence[str], *, binds: Sequence[Bind] = (), writable: bool = False,
                directory: str = "/") -> list[str]:
        """The argument vector, for subprocess, that runs `argv` in this root; the process keeps its pid."""
        if self.is_host:
            return list(argv)
        return chroot_command(self.path, argv, binds=binds, writable=writable, directory=directory)

    def run(self, argv: Sequence[str], *, binds: Sequence[Bind] = (), env: Mapping[str, str] | None = None,
            input: str | None = None, capture_output: bool = False, check: bool = False,
            timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Runs `argv` in this root to its end, as subprocess.run does."""
        return subprocess.run(self.command(argv, binds=binds), env=env or environment(), input=input, text=True,
                              capture_output=capture_output, check=check, timeout=timeout)


def cache_directory() -> Path:
    """Where everything expensive is kept, outside the source tree."""
    return Path(os.environ.get("SEALRTP_CACHE") or "/var/cache/sealrtp")


# --- progress ------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """One progress line; standard output stays free for results."""
    print(text, file=sys.stderr, flush=True)


def run_step(title: str, argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None,
             cwd: Path | None = None, progress: Callable[[str], None] = say) -> None:
    """Runs a long command, its output into `log`; shows its latest line every few seconds. Raises RootError when it fails."""
    progress(f"{title} ...")
    started = shown = time.monotonic()
    with open(log, "ab") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env=dict(env) if env is not None else None, cwd=cwd, start_new_session=True,
                                   close_fds=False)
        try:
            while True:
                try:
                    code = process.wait(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    pass
                if time.monotonic() - shown >= PROGRESS_SECONDS:
                    shown = time.monotonic()
                    progress(f"  {title}, {shown - started:.0f} s: {last_line(log)}")
        except BaseException:
            # The step's own process group, whose leader it is: apt and debootstrap have children.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise RootError(f"{title}: exit code {code}; the end of {log}:\n{tail}")


def last_line(log: Path) -> str:
    """The last line with something in it, shortened for a terminal."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:110]


# --- the host's Debian mirror --------------------------------------------------------------------------------------


def apt_sources(directory: Path = Path("/etc/apt")) -> Iterator[tuple[str, str]]:
    """(URI, suite) of each binary source of the host's apt, one-line and deb822 style."""
    for path in [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            for line in path.read_text().splitlines():
                found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line)
                if found:
                    yield found[1], found[2]
    for path in sorted((directory / "sources.list.d").glob("*.sources")):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
        for stanza in re.split(r"\n\s*\n", text):
            fields = {name.lower(): value.split()
                      for name, value in re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M)}
            if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[0].lower() not in ("no", "false"):
                for uri in fields.get("uris", []):
                    for suite in fields.get("suites", []):
                        yield uri, suite


def debian_mirror(directory: Path = Path("/etc/apt")) -> str:
    """The mirror of the host's own Debian release: the archive that carries every other release too."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?', Path("/etc/os-release").read_text(), re.M))
    codename = release.get("VERSION_CODENAME", "")
    for uri, suite in apt_sources(directory):
        if suite in (codename, "stable", "testing", "unstable", "sid") and uri.startswith(("http:", "https:", "file:")):
            return uri.rstrip("/")
    raise RootError(f"no Debian mirror for {codename or 'this release'} in {directory}: the private roots are made from it")


# --- making a root -------------------------------------------------------------------------------------------------


def stamp_text(recipe: Recipe) -> str:
    packages = " ".join(sorted(recipe.packages))
    digest = hashlib.sha256(f"{RECIPE} {recipe.suite} {packages}".encode()).hexdigest()
    return f"{digest}\nrecipe {RECIPE}\nsuite {recipe.suite}\npackages {packages}\n"


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds an exclusive lock on `path`; says so when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        started = time.monotonic()
        shown = -PROGRESS_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = time.monotonic() - started
                if waited - shown >= PROGRESS_SECONDS:
                    shown = waited
                    say(f"  {what}: another process is at it, waiting ({waited:.0f} s)")
                time.sleep(0.3)
        # The steps inherit it: should this process be killed, the lock lasts until the last of them has ended.
        os.set_inheritable(file.fileno(), True)
        yield


def host_names() -> str:
    """/etc/hosts for a root: the host's, and the host's own name, so that nobody asks DNS for it."""
    text = Path("/etc/hosts").read_text() if Path("/etc/hosts").exists() else "127.0.0.1 localhost\n"
    known = set(re.sub(r"#.*", "", text).split())
    missing = [name for name in dict.fromkeys([socket.gethostname(), socket.gethostname().split(".")[0]])
               if name and name not in known]
    return text.rstrip("\n") + "\n" + (f"127.0.0.1 {' '.join(missing)}\n" if missing else "")


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file as a whole, unless it already says the same."""
    if path.is_file() and not path.is_symlink() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def prepare_apt(root: Path, recipe: Recipe, mirror: str) -> None:
    """apt's settings inside the root: nothing more than asked for, no services, no complaint about an old Release file."""
    replace_text(root / "etc/apt/sources.list", f"deb {mirror} {recipe.suite} main\n")
    settings = ['Acquire::Check-Valid-Until "false";', 'Acquire::Languages "none";', 'Acquire::Retries "3";',
                'APT::Install-Recommends "false";', 'APT::Install-Suggests "false";', 'APT::Sandbox::User "root";',
                'Dpkg::Options:: "--force-unsafe-io";']
    # The host's proxy for apt, if it has one.
    proxies = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True).stdout
    settings += [line for line in proxies.splitlines() if re.match(r'Acquire::https?::Proxy(::\S+)? "', line)]
    replace_text(root / "etc/apt/apt.conf.d/90sealrtp", "\n".join(settings) + "\n")
    replace_text(root / "etc/dpkg/dpkg.cfg.d/90sealrtp", "".join(
        f"path-exclude=/usr/share/{part}/*\n" for part in ("man", "doc", "locale", "info", "lintian")))
    replace_text(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    if Path("/etc/resolv.conf").exists():
        shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")


def install_debootstrap(log: Path) -> None:
    if shutil.which("debootstrap"):
        return
    if not shutil.which("apt-get"):
        raise RootError("debootstrap is not here and there is no apt-get to install it: the private roots need a Debian host")
    quiet = environment()
    run_step("apt-get update on the host (debootstrap is missing)", ["apt-get", "-q", "update"], log, env=quiet)
    run_step("installing debootstrap", ["apt-get", "-qy", "--no-install-recommends", "install",
                                        "debootstrap", "debian-archive-keyring"], log, env=quiet)


def install_packages(name: str, path: Path, recipe: Recipe, log: Path) -> None:
    def apt(title: str, *argv: str) -> None:
        run_step(f"{name}: {title}", chroot_command(path, ["apt-get", "-q", *argv], writable=True), log, env=environment())

    if recipe.foreign:
        run_step(f"{name}: {recipe.foreign}", chroot_command(path, ["dpkg", "--add-architecture", recipe.foreign], writable=True), log,
                 env=environment())
    apt("reading package lists", "update")
    apt("installing " + ", ".join(recipe.packages[:6]) + ", ...", "-y", "install", *recipe.packages)
    apt("cleaning", "clean")


def remove_tree(path: Path) -> None:
    """Removes a root; never crosses into another file system."""
    if path.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


def ensure(name: str) -> Root:
    """The root `name`, complete; built when it is missing, half-built or made to another recipe. "host" is the host's own."""
    if name == "host":
        return host_root()
    if name not in RECIPES:
        raise RootError(f"no root is called {name!r}; there are {', '.join(RECIPES)} and host")
    recipe = RECIPES[name]
    check_permission()
    base = cache_directory() / "roots"
    path = base / name
    root = Root(name, path)
    stamp = path / STAMP
    with locked(base / f"{name}.lock", f"root {name}"):
        wanted = stamp_text(recipe)
        present = stamp.read_text() if stamp.is_file() else ""
        if present != wanted:
            build(name, path, recipe, present, base / f"{name}.log")
            # Last, and only now: a root without it is half-built.
            replace_text(stamp, wanted)
        replace_text(path / "etc/hosts", host_names())
    return root


def build(name: str, path: Path, recipe: Recipe, present: str, log: Path) -> None:
    started = time.monotonic()
    mirror = debian_mirror()
    log.write_text("")
    same_base = f"recipe {RECIPE}\nsuite {recipe.suite}\n" in present
    (path / STAMP).unlink(missing_ok=True)
    if same_base:
        say(f"root {name}: the list of packages changed")
        prepare_apt(path, recipe, mirror)
        with contextlib.suppress(RootError):
            install_packages(name, path, recipe, log)
            return
        say(f"root {name}: topping up failed, building it anew")
    remove_tree(path)
    install_debootstrap(log)
    # In a namespace of its own too: debootstrap mounts inside the new root.
    run_step(f"{name}: debootstrap", ["unshare", "--mount", "--propagation", "private", "--", "debootstrap",
             "--variant=minbase", recipe.suite, str(path), mirror], log, env=environment())
    prepare_apt(path, recipe, mirror)
    install_packages(name, path, recipe, log)
    say(f"root {name}: complete in {time.monotonic() - started:.0f} s, {path}")


def host_root() -> Root:
    """The host's own Asterisk; RootError when it has none or no headers."""
    root = Root("host", Path("/"))
    if not Path(ASTERISK).exists():
        raise RootError("the host has no Asterisk of its own")
    if not (root.headers / "asterisk.h").exists():
        raise RootError("the host's Asterisk has no headers (asterisk-dev)")
    return root


def choose(major: int, chan: str) -> Root:
    """The host's own Asterisk when it is of this major version and has chan_<chan>, else the private root that has it."""
    with contextlib.suppress(RootError):
        host = host_root()
        version = host.run([ASTERISK, "-V"], capture_output=True).stdout
        if re.match(rf"Asterisk (\S+~)?{major}\.", version) and host.has_driver(chan):
            return host
    for name, recipe in RECIPES.items():
        if recipe.asterisk == major:
            return ensure(name)
    raise RootError(f"neither the host nor a private root has Asterisk {major}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Private Debian roots with a real Asterisk in them.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="build what is missing").add_argument("names", nargs="+", choices=[*RECIPES, "host"])
    runner = commands.add_parser("run", help="run a command inside a root")
    runner.add_argument("name", choices=list(RECIPES))
    runner.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("list", help="what there is")
    commands.add_parser("remove", help="remove a root").add_argument("name", choices=list(RECIPES))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "ensure":
            for name in arguments.names:
                print(ensure(name).path)
        elif arguments.command == "run":
            argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
            root = ensure(arguments.name)
            return root.run(argv or ["/bin/bash"]).returncode
        elif arguments.command == "list":
            for name, recipe in RECIPES.items():
                stamp = cache_directory() / "roots" / name / STAMP
                state = "missing or half-built" if not stamp.is_file() else (
                    "complete" if stamp.read_text() == stamp_text(recipe) else "out of date")
                print(f"{name}: {state}, {stamp.parent}")
        else:
            base = cache_directory() / "roots"
            with locked(base / f"{arguments.name}.lock", f"root {arguments.name}"):
                remove_tree(base / arguments.name)
    except (RootError, MissingPermission) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
