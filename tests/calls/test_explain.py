"""The support cases of docs/support-cases.md: what the page shows is what `sealrtp explain` tells of a real call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.namespace import MissingPermission, check_permission

from calls.calls_explain import CASES, documented, explained, same_in_each_call
from calls.calls_policy import running
from calls.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    with running(tmp_path_factory.mktemp("explain"), [case.row for case in CASES.values()]) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_the_page_shows_what_is_told_of_such_a_call(site: Site, name: str) -> None:
    told = explained(CASES[name], site)
    assert same_in_each_call(told) == same_in_each_call(documented(CASES[name])), told
