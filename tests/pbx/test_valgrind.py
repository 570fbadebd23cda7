"""valgrind inside the roots sees what a module does, also after it was unloaded, and names the module."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import ParseError

import pytest

from pbx.asterisk import VALGRIND, Asterisk
from pbx.namespace import Bind, MissingPermission, check_permission
from pbx.roots import Root, ensure
from pbx.valgrind import read_findings

LEAKY = "#include <stdlib.h>\nvoid *hold; void leak(void) { hold = malloc(1234); hold = 0; }\n"
LOADER = ("#include <dlfcn.h>\nint main(void) { void *so = dlopen(\"/run/t/res_leaky.so\", RTLD_NOW);\n"
          "if (!so) return 2; ((void (*)(void)) dlsym(so, \"leak\"))(); return dlclose(so); }\n")


@pytest.fixture(params=["testing", "bullseye"])
def root(request: pytest.FixtureRequest) -> Root:
    """Each private root; SKIPPED with the reason where this machine may not have one."""
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(str(error))
    return ensure(request.param)


def test_a_leak_of_an_unloaded_module_is_found_under_its_name(root: Root, tmp_path: Path) -> None:
    (tmp_path / "leaky.c").write_text(LEAKY)
    (tmp_path / "loader.c").write_text(LOADER)
    binds = [Bind(tmp_path, "/run/t", writable=True)]
    root.run(["gcc", "-g", "-O0", "-shared", "-fPIC", "-o", "/run/t/res_leaky.so", "/run/t/leaky.c"], binds=binds, check=True)
    root.run(["gcc", "-g", "-o", "/run/t/loader", "/run/t/loader.c", "-ldl"], binds=binds, check=True)
    root.run([*VALGRIND, "--xml=yes", "--xml-file=/run/t/report.xml", "/run/t/loader"], binds=binds, check=True)
    ours = [finding for finding in read_findings(tmp_path / "report.xml") if finding.involves("res_leaky")]
    assert [(finding.kind, finding.is_leak) for finding in ours] == [("Leak_DefinitelyLost", True)], ours
    assert "1,234 bytes" in str(ours[0]) and "leaky.c:2" in str(ours[0])


def test_an_incomplete_report_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("<?xml version='1.0'?>\n<valgrindoutput>\n<error>\n")
    with pytest.raises(ParseError):
        read_findings(tmp_path / "report.xml")


def test_asterisk_boots_and_stops_under_valgrind_without_a_memory_error(root: Root, tmp_path: Path) -> None:
    with Asterisk(root, tmp_path, srtp="stock", valgrind=True) as pbx:
        assert "Unloaded res_srtp.so" in pbx.cli("module unload res_srtp.so")
        assert "Loaded res_srtp.so" in pbx.cli("module load res_srtp.so")
    # Leaks of Asterisk's own are not ours to judge.
    errors = [str(finding) for finding in pbx.valgrind_findings() if not finding.is_leak]
    assert errors == []
