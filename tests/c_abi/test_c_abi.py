"""The C ABI as an outsider meets it: a C program that knows include/sealrtp.h alone, under valgrind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
LIBRARIES = TOP / "target/lib"
HERE = Path(__file__).parent
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-g"]


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    subprocess.run(["make", "lib"], cwd=TOP, check=True, capture_output=True)


# Each client with what it is started with.
CLIENTS = ["client", "dtls", "zrtp", "offer_answer", "leg"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key, by the openssl program."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def build(program: Path, *link: str) -> None:
    source = HERE / f"{program.name}.c"
    subprocess.run(["gcc", *WARNINGS, "-I", TOP / "include", source, "-o", program, *link, "-lpthread"], check=True)


def run(command: list[str | Path], client: str, certificate: tuple[Path, Path], folder: Path) -> None:
    arguments = {"dtls": certificate, "zrtp": (folder / "pbx.db", folder / "phone.db")}.get(client, ())
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if client == "dtls":
        asked = ["openssl", "x509", "-in", certificate[0], "-noout", "-fingerprint", "-sha256"]
        told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        assert done.stdout.strip() == told.strip().split("=")[1]


def exported(*nm: str) -> set[str]:
    listing = subprocess.run(["nm", "--defined-only", *nm], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {row[2] for row in rows if len(row) == 3}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_static_library_works_for_an_outsider_and_valgrind_finds_nothing(
        client: str, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    program = tmp_path / client
    build(program, str(LIBRARIES / "libsealrtp.a"), "-lssl", "-lcrypto", "-ldl", "-lm")
    if not shutil.which("valgrind"):
        pytest.skip("SKIPPED: valgrind is not installed")
    valgrind = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite,possible",
                *(f"--suppressions={HERE / name}" for name in ["openssl.supp", "rust.supp"])]
    run([*valgrind, program], client, certificate, tmp_path)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_shared_library_works_for_an_outsider(
        client: str, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    program = tmp_path / client
    build(program, f"-L{LIBRARIES}", f"-Wl,-rpath,{LIBRARIES}", "-lsealrtp")
    run([program], client, certificate, tmp_path)


@pytest.mark.parametrize("nm", [["-D", "libsealrtp.so"], ["-g", "libsealrtp.a"]], ids=["shared", "static"])
def test_nothing_but_sealrtp_names_is_exported(nm: list[str]) -> None:
    names = exported(nm[0], str(LIBRARIES / nm[1]))
    assert "sealrtp_abi_version" in names
    assert {name for name in names if not name.startswith("sealrtp_")} == set()


@pytest.mark.parametrize("compiler", [["gcc", "-xc", "-std=c99", "-pedantic"], ["g++", "-xc++"]], ids=["C99", "C++"])
def test_the_header_stands_alone(compiler: list[str]) -> None:
    if not shutil.which(compiler[0]):
        pytest.skip(f"SKIPPED: {compiler[0]} is not installed")
    subprocess.run([*compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", TOP / "include/sealrtp.h"], check=True)
