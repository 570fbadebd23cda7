"""Phones of every kind with the default configuration, unchanged: each is connected with the best that it can do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.namespace import MissingPermission, check_permission

from calls.calls_default import CALLS, run, running
from calls.registry import Skipped
from calls.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        check_permission()
        with running(tmp_path_factory.mktemp("default")) as made:
            yield made
    except (MissingPermission, Skipped) as error:
        pytest.skip(f"SKIPPED: {error}")


@pytest.mark.parametrize("name", CALLS)
def test_call(site: Site, name: str) -> None:
    try:
        run(CALLS[name], site)
    except Skipped as error:
        pytest.skip(f"SKIPPED: {error}")
