"""res_sealrtp.so is built for each root, in it, and takes the place of Asterisk's own SRTP."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from pbx.asterisk import Asterisk
from pbx.module import SOURCE, build_module
from pbx.namespace import Bind, MissingPermission, check_permission
from pbx.roots import Root, ensure


@pytest.fixture(scope="module", params=["testing", "bullseye"])
def root(request: pytest.FixtureRequest) -> Root:
    """Each private root; SKIPPED with the reason where this machine may not have one."""
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(str(error))
    return ensure(request.param)


def test_the_module_is_linked_against_what_its_root_has(root: Root) -> None:
    module = build_module(root)
    assert SOURCE not in module.parents
    linked = root.run(["ldd", "/run/m/res_sealrtp.so"], binds=[Bind(module.parent, "/run/m")], capture_output=True).stdout
    assert "libc.so.6" in linked
    # Nothing missing, and no SRTP library but ours.
    assert not re.search(r"not found|libsrtp", linked), linked


def test_a_module_that_is_up_to_date_is_not_built_again(root: Root) -> None:
    module = build_module(root)
    before = module.stat().st_mtime_ns
    started = time.monotonic()
    assert build_module(root) == module
    assert module.stat().st_mtime_ns == before
    assert time.monotonic() - started < 30


def test_asterisk_runs_with_our_module_alone(root: Root, tmp_path: Path) -> None:
    module = build_module(root)
    for chan in ("pjsip", "sip"):
        if root.has_driver(chan):
            with Asterisk(root, tmp_path / chan, chan=chan, module=module) as pbx:
                running = pbx.running_modules()
                assert "res_sealrtp" in running and "res_srtp" not in running
