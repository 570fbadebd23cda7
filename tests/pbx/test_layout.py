"""res_sealrtp_pjsip.so declines where pjproject's structures are not as it declares them, and says which; it never guesses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pbx.asterisk import Asterisk
from pbx.module import SOURCE, build_module
from pbx.namespace import Bind, MissingPermission, check_permission
from pbx.roots import Root, ensure

FOLDER = SOURCE / "asterisk_module/pjsip"
# What is put in front of a line of pjsip_abi.h, and what the log must name.
WRONG = {
    "as it is": ("", ""),
    "a member more in front of the Call-ID": ("	pjsip_cid_hdr *call_id;", "msg_info.cid"),
    "a member more in front of the body": ("	pjsip_msg_body *body;\n} pjsip_msg;", r"pjsip_msg\S+"),
    "a member more in front of the body's text": ("	void *data;", "pjsip_msg_body.data"),
}


@pytest.fixture(scope="module")
def root() -> Root:
    """SKIPPED with the reason where this machine may not have one."""
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(str(error))
    return ensure("testing")


def build(root: Root, directory: Path, line: str) -> Path:
    """The module with that line's structure declared wrong; the path of the res_sealrtp.so beside it."""
    shutil.copytree(FOLDER, directory / "source")
    header = directory / "source/pjsip_abi.h"
    text = header.read_text()
    assert line in text
    header.write_text(text.replace(line, f"	void *wrong;\n{line}", 1) if line else text)
    done = root.run(
        ["sh", "-c", "cc -shared -fPIC -O2 -D_GNU_SOURCE -pthread -DAST_MODULE='\"res_sealrtp_pjsip\"' "
         "-DAST_MODULE_SELF_SYM=__internal_res_sealrtp_pjsip_self -DSEALRTP_ASTERISK_MAJOR=22 -I/run/w/source -I/run/source/asterisk_module "
         "/run/w/source/*.c -o /run/w/res_sealrtp_pjsip.so"],
        binds=[Bind(SOURCE, "/run/source"), Bind(directory, "/run/w", writable=True)], capture_output=True)
    assert (directory / "res_sealrtp_pjsip.so").exists(), done.stderr
    return shutil.copy(build_module(root), directory / "res_sealrtp.so")


@pytest.mark.parametrize("name", WRONG)
def test_it_loads_only_where_the_layout_is_as_declared(root: Root, tmp_path: Path, name: str) -> None:
    line, named = WRONG[name]
    (tmp_path / "module").mkdir()
    module = Path(build(root, tmp_path / "module", line))
    with Asterisk(root, tmp_path / "pbx", module=module, check=False) as pbx:
        running = pbx.running_modules()
        assert "res_sealrtp" in running
        assert ("res_sealrtp_pjsip" in running) == (not line)
        if line:
            pbx.wait_log(rf"pjproject is not as known \({named}\)")
