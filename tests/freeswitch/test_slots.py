"""The slots of the global offset table that mod_sealrtp replaces, in an object built in each way in which modules are built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from freeswitch.installation import absent, find

HERE = Path(__file__).parent / "slots"
MODULE = Path(__file__).resolve().parents[2] / "freeswitch_module"
HEADER = MODULE.parent / "include"
# How distributions build modules: lazily bound; bound at once with what is relocated made read-only; with and without a PLT.
BUILDS = {
    "lazy": ["-Wl,-z,lazy", "-Wl,-z,norelro"],
    "relro": ["-Wl,-z,lazy", "-Wl,-z,relro"],
    "bind-now": ["-Wl,-z,now", "-Wl,-z,relro"],
    "no-plt": ["-fno-plt", "-Wl,-z,lazy"],
    "no-plt-bind-now": ["-fno-plt", "-Wl,-z,now", "-Wl,-z,relro"],
}

pytestmark = pytest.mark.skipif(bool(absent()), reason=f"SKIPPED: {absent()}")


def cc(*words: str | Path) -> None:
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIC", *map(str, words)], check=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """got.c with its driver."""
    directory = tmp_path_factory.mktemp("slots")
    installation = find()
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "freeswitch"], env=installation.environment, capture_output=True, text=True,
                           check=True).stdout.split()
    cc("-shared", HERE / "callee.c", "-Wl,-soname,libcallee.so", "-o", directory / "libcallee.so")
    cc("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-I", MODULE, "-I", HEADER, HERE / "main.c", MODULE / "got.c", *flags, "-L", directory, "-Wl,--no-as-needed",
       "-lcallee", f"-Wl,-rpath,{directory}:{installation.libraries}", "-o", directory / "program")
    return directory / "program"


@pytest.mark.parametrize("build", BUILDS)
def test_calls_of_an_object_go_where_its_slots_say_and_back_again(program: Path, build: str) -> None:
    caller = program.parent / f"caller-{build}.so"
    cc("-shared", *BUILDS[build], HERE / "caller.c", "-o", caller)
    done = subprocess.run([program, caller], capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert said[:3] == ["before 1 1", "replaced 2 2 genuine 1", "after 1 1"]
    assert said[3].startswith("missing caller has no slot for switch_log_printf, which the test needs"), said[3]
