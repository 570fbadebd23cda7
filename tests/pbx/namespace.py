"""Commands inside a private Debian root, in a mount namespace of their own.

Every mount is made after unshare(1), so nothing stays mounted on the host, whatever way the command ends.
unshare, sh, chroot and the command replace one another by exec: the pid of the started process is the command's own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class MissingPermission(RuntimeError):
    """This process may not do what a private root needs."""


@dataclass(frozen=True)
class Bind:
    """A directory or file of the host seen inside the root; the mount point must exist there or lie below /run or /tmp."""

    source: Path
    target: str
    writable: bool = False


ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
# The host's way out, for apt and debootstrap.
PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def check_permission() -> None:
    """Raises MissingPermission, with what to do, unless mounting in a private namespace and chroot both work here."""
    if os.geteuid() != 0:
        raise MissingPermission("a private Debian root needs root (chroot, mount): run this as root, e.g. with sudo")
    probe = 'mount -t tmpfs none /mnt && mkdir /mnt/d && mount --bind /mnt/d /mnt/d && chroot / true'
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", probe],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise MissingPermission(
            "a private Debian root needs unshare, mount and chroot (CAP_SYS_ADMIN, CAP_SYS_CHROOT), and this machine "
            "refuses: " + (done.stderr.strip() or f"exit code {done.returncode}")
            + "; in a container, allow them (docker: --privileged, or --cap-add SYS_ADMIN with seccomp and AppArmor off)")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment inside a root: nothing of the caller's but the proxies."""
    result = dict(ENVIRONMENT)
    result.update({name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ})
    result.update(extra or {})
    return result


def chroot_command(root: Path, argv: Sequence[str], *, binds: Sequence[Bind] = (), writable: bool = False,
                   directory: str = "/") -> list[str]:
    """The argument vector that runs `argv` inside `root`, from `directory` there.

    The root is read-only unless `writable`; /tmp and /run are empty and the command's own either way.
    Mount points of `binds` are made when they lie below /tmp or /run.
    """
    quoted = shlex.quote
    here = str(root)
    steps = ["set -e", f"mount --bind {quoted(here)} {quoted(here)}"]
    for scratch in ("/tmp", "/run"):
        steps.append(f"mount -t tmpfs -o mode=1777 none {quoted(here + scratch)}")
    for shared in ("/proc", "/dev"):
        steps.append(f"mount --rbind {shared} {quoted(here + shared)}")
    for bind in binds:
        inside = here + bind.target
        if bind.target.startswith(("/tmp/", "/run/")):
            steps.append(f"mkdir -p {quoted(inside)}" if bind.source.is_dir()
                         else f"mkdir -p {quoted(os.path.dirname(inside))} && : > {quoted(inside)}")
        steps.append(f"mount --bind {quoted(str(bind.source))} {quoted(inside)}")
        if not bind.writable:
            steps.append(f"mount -o remount,bind,ro {quoted(inside)}")
    if not writable:
        steps.append(f"mount -o remount,bind,ro {quoted(here)}")
    inner = f'cd {quoted(directory)} && exec "$@"'
    steps.append(f"exec chroot {quoted(here)} /bin/sh -c {quoted(inner)} sh \"$@\"")
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", "\n".join(steps), "sh", *argv]
