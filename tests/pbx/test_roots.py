"""The private roots and the stock PBXs in them work as the other tests expect."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbx import roots
from pbx.asterisk import Asterisk, PbxError
from pbx.endpoints import ENDPOINTS
from pbx.namespace import Bind, MissingPermission, check_permission
from pbx.roots import Recipe, Root, RootError, debian_mirror, ensure, locked, stamp_text
from pbx.sounds import FRAME_BYTES, ON_HOLD, PLAYBACK

PBXS = [("testing", "pjsip", 22), ("bullseye", "pjsip", 16), ("bullseye", "sip", 16)]


@pytest.fixture(scope="module")
def root_of() -> Callable[[str], Root]:
    """Roots by name; SKIPPED with the reason where this machine may not have one."""
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(str(error))
    return ensure


@pytest.mark.parametrize(("name", "chan", "version"), PBXS)
def test_stock_asterisk_starts_quietly_and_stops_cleanly(
        root_of: Callable[[str], Root], tmp_path: Path, name: str, chan: str, version: int) -> None:
    pbx = Asterisk(root_of(name), tmp_path, chan=chan, srtp="stock")
    with pbx:
        assert f"Asterisk {version}." in pbx.cli("core show version")
        assert {"res_srtp", f"chan_{chan}", "res_rtp_asterisk"} <= pbx.running_modules()
        assert pbx.channels() == 0
        pid = pbx.pid
        assert Path(f"/proc/{pid}/comm").read_text().strip() == "asterisk"
        complaints = [line for line in pbx.log_text().splitlines()
                      if re.search(r" (WARNING|ERROR)\[", line) and "will be deprecated" not in line]
        assert complaints == []
    assert not Path(f"/proc/{pid}").exists()
    assert not (tmp_path / "asterisk.pid").exists()


@pytest.mark.parametrize(("name", "chan"), [pbx[:2] for pbx in PBXS])
def test_every_endpoint_is_loaded_with_its_media(root_of: Callable[[str], Root], tmp_path: Path, name: str, chan: str) -> None:
    with Asterisk(root_of(name), tmp_path, chan=chan, srtp="stock") as pbx:
        for endpoint in ENDPOINTS:
            if chan == "pjsip":
                shown = pbx.cli(f"pjsip show endpoint {endpoint.name}")
                encryption = re.search(r"^ *media_encryption +: (\S+)", shown, re.M)
                assert encryption and encryption[1] == ("no" if endpoint.media.value == "clear" else "sdes"), shown
                assert re.search(r"^ *direct_media +: false", shown, re.M), shown
                assert endpoint.registers or f":{pbx.contact_port(endpoint.name)}" in shown
            else:
                shown = pbx.cli(f"sip show peer {endpoint.name}")
                encryption = re.search(r"^ *Encryption +: (\S+)", shown, re.M)
                assert encryption and encryption[1] == ("Yes" if endpoint.media.value == "sdes" else "No"), shown
                assert re.search(r"^ *DirectMedia +: No", shown, re.M), shown
            assert f"'{endpoint.name}'" in pbx.cli(f"dialplan show {endpoint.name}@test")


@pytest.mark.parametrize(("name", "chan"), [pbx[:2] for pbx in PBXS])
def test_it_answers_sip_on_its_own_port(root_of: Callable[[str], Root], tmp_path: Path, name: str, chan: str) -> None:
    with Asterisk(root_of(name), tmp_path, chan=chan, srtp="stock") as pbx:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("127.0.0.1", 0))
            client.settimeout(5)
            here = f"127.0.0.1:{client.getsockname()[1]}"
            client.sendto((f"OPTIONS sip:echo@127.0.0.1:{pbx.sip_port} SIP/2.0\r\n"
                           f"Via: SIP/2.0/UDP {here};branch=z9hG4bK1;rport\r\n"
                           f"From: <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:echo@127.0.0.1>\r\nCall-ID: 1@{here}\r\n"
                           f"CSeq: 1 OPTIONS\r\nContact: <sip:alice@{here}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
                           ).encode(), ("127.0.0.1", pbx.sip_port))
            assert client.recv(4096).startswith(b"SIP/2.0 200 ")


def test_two_pbxs_run_at_once(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    with Asterisk(root_of("testing"), tmp_path / "a", srtp="stock") as one, \
            Asterisk(root_of("bullseye"), tmp_path / "b", chan="sip", srtp="none") as other:
        assert one.sip_port != other.sip_port
        assert "Asterisk 22." in one.cli("core show version")
        assert "Asterisk 16." in other.cli("core show version")
        assert "res_srtp" not in other.running_modules()


def test_a_pbx_that_dies_is_told(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    with pytest.raises(PbxError, match="by itself with signal SIGKILL"):
        with Asterisk(root_of("testing"), tmp_path, srtp="none") as pbx:
            assert pbx.process is not None
            pbx.process.kill()
            pbx.process.wait(10)


def test_a_module_that_does_not_load_is_told(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    with pytest.raises(PbxError, match="do not run: res_nowhere"):
        Asterisk(root_of("testing"), tmp_path, srtp="none", modules=("res_nowhere",)).start()


def test_chan_sip_is_refused_where_asterisk_has_none(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    with pytest.raises(PbxError, match="has no chan_sip"):
        Asterisk(root_of("testing"), tmp_path, chan="sip", srtp="none")


def test_a_run_leaves_nothing_mounted_and_the_root_unchanged(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    root = root_of("testing")
    mounts = Path("/proc/self/mounts").read_text()
    before = sorted(path.name for path in root.inside(root.module_directory).iterdir())
    with Asterisk(root, tmp_path, srtp="stock"):
        assert Path("/proc/self/mounts").read_text() == mounts
    assert sorted(path.name for path in root.inside(root.module_directory).iterdir()) == before
    assert root.run(["touch", "/etc/changed"], capture_output=True).returncode != 0


def test_a_hosts_own_asterisk_is_used_as_it_is(root_of: Callable[[str], Root], tmp_path: Path) -> None:
    # Seen from inside, a private root is a host with an Asterisk of its own.
    (tmp_path / "run").mkdir()
    tests = Path(__file__).resolve().parents[1]
    program = ("from pathlib import Path; from pbx.roots import choose; from pbx.asterisk import Asterisk\n"
               "with Asterisk(choose(22, 'pjsip'), Path('/run/here'), srtp='stock') as pbx:\n"
               "    print(pbx.root.name, pbx.cli('core show version'), pbx.cli('module unload res_srtp.so'))\n")
    done = root_of("testing").run(["env", "SEALRTP_CACHE=/tmp", "PYTHONPATH=/run/tests", "python3", "-B", "-c", program],
                                  binds=[Bind(tests, "/run/tests"), Bind(tmp_path / "run", "/run/here", writable=True)],
                                  capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("host Asterisk 22.") and done.stdout.endswith("Unloaded res_srtp.so\n")


def test_sipp_3_8_with_srtp_is_in_testing(root_of: Callable[[str], Root]) -> None:
    version = root_of("testing").run(["sipp", "-v"], capture_output=True).stdout
    assert re.search(r"SIPp v3\.8\.\d+", version), version
    assert "-srtpcheck_debug" in root_of("testing").run(["sipp", "-h"], capture_output=True).stdout


@pytest.mark.parametrize("name", ["testing", "bullseye"])
def test_headers_and_tools_of_a_root_are_there(root_of: Callable[[str], Root], name: str) -> None:
    root = root_of(name)
    assert (root.headers / "asterisk/res_srtp.h").is_file()
    for tool in ("gcc", "make", "valgrind"):
        assert root.run([tool, "--version"], capture_output=True).returncode == 0


@pytest.mark.parametrize("name", ["testing", "bullseye"])
def test_the_hosts_own_name_needs_no_dns_inside(root_of: Callable[[str], Root], name: str) -> None:
    assert socket.gethostname() in root_of(name).inside("/etc/hosts").read_text().split()


# --- without a root ------------------------------------------------------------------------------------------------


@pytest.fixture
def pretend_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """ensure() with the real bookkeeping and a build that only writes a file; yields the list of builds."""
    builds: list[str] = []

    def build(name: str, path: Path, recipe: Recipe, present: str, log: Path) -> None:
        builds.append(present)
        (path / "etc").mkdir(parents=True, exist_ok=True)

    monkeypatch.setenv("SEALRTP_CACHE", str(tmp_path))
    monkeypatch.setattr(roots, "build", build)
    monkeypatch.setattr(roots, "check_permission", lambda: None)
    monkeypatch.setattr(roots, "RECIPES", {"testing": Recipe("testing", 22, ("asterisk",))})
    yield builds


def test_a_complete_root_is_reused_and_a_half_built_one_is_not(pretend_root: list[str]) -> None:
    stamp = ensure("testing").path / roots.STAMP
    ensure("testing")
    assert pretend_root == [""]
    stamp.unlink()
    ensure("testing")
    assert pretend_root == ["", ""]


def test_a_changed_list_of_packages_is_noticed(pretend_root: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ensure("testing")
    before = stamp_text(roots.RECIPES["testing"])
    monkeypatch.setattr(roots, "RECIPES", {"testing": Recipe("testing", 22, ("asterisk", "gdb"))})
    ensure("testing")
    assert pretend_root == ["", before]


def test_an_unknown_root_is_an_error() -> None:
    with pytest.raises(RootError, match="no root is called"):
        ensure("../etc")


def test_two_callers_do_not_build_at_once(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock", "test"):
            order.append("second")

    with locked(tmp_path / "lock", "test"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_the_mirror_comes_from_one_line_and_deb822_sources(tmp_path: Path) -> None:
    codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    if codename is None:
        pytest.skip("/etc/os-release names no release")
    (tmp_path / "sources.list.d").mkdir()
    with pytest.raises(RootError, match="no Debian mirror"):
        debian_mirror(tmp_path)
    (tmp_path / "sources.list.d/other.list").write_text("deb [arch=amd64] http://other.test/apt nodistro main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb-src\nURIs: http://source.test/debian\nSuites: " + codename[1] + "\n\n"
        "Types: deb\nEnabled: no\nURIs: http://off.test/debian\nSuites: " + codename[1] + "\n\n"
        "Types: deb\n# a comment\nURIs: http://deb822.test/debian/\nSuites:\n " + codename[1] + "\n " + codename[1]
        + "-updates\nComponents: main\n")
    assert debian_mirror(tmp_path) == "http://deb822.test/debian"
    (tmp_path / "sources.list").write_text(f"# deb http://commented.test {codename[1]} main\n"
                                           f"deb [signed-by=/x] http://oneline.test/debian {codename[1]} main\n")
    assert debian_mirror(tmp_path) == "http://oneline.test/debian"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving up root rights needs root")
def test_without_root_rights_the_message_says_what_is_missing() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            check_permission()
        except MissingPermission as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        assert "needs root (chroot, mount)" in said.read()
    os.waitpid(child, 0)


def test_the_sounds_have_no_two_frames_alike() -> None:
    for sound in (PLAYBACK, ON_HOLD):
        frames = [sound[at:at + FRAME_BYTES] for at in range(0, len(sound), FRAME_BYTES)]
        assert len(set(frames)) == len(frames)
        assert len(sound) % FRAME_BYTES == 0
