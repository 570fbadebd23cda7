"""Every call of the table through FreeSWITCH with our module; and on stock FreeSWITCH, the flaws that ours must not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calls.registry import Scenario, Skipped
from calls.runner import Result, place, place_all, place_on_stock

from freeswitch.groups import Group, cases
from freeswitch.place import running
from freeswitch.table_of_all import CALLS

Case = tuple[Group, Scenario]


class Run:
    """The FreeSWITCH that is running, and the results of its calls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.results: dict[tuple[Group, str], Result | Exception] = {}

    def result(self, group: Group, entry: Scenario, wanted: list[Scenario]) -> Result | Exception:
        """The result of a call; the first one asked for of a group places all that are wanted of it."""
        if (group, entry.name) not in self.results:
            try:
                with running(self.directory / group.name, group.srtp, group.place) as site:
                    place_all(wanted, site, lambda result: self.results.update({(group, result.scenario.name): result}),
                              place_on_stock if group.srtp == "stock" else place)
            except Exception as error:  # noqa: BLE001 (a FreeSWITCH that does not start or dies is the failure of all its calls)
                for each in wanted:
                    self.results.setdefault((group, each.name), error)
                # One that died at the end fails a call too, or nobody would see it.
                self.results[group, entry.name] = error
        return self.results[group, entry.name]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    yield Run(tmp_path_factory.mktemp("freeswitch"))


@pytest.mark.parametrize("case", cases(), ids=[f"{group.name}-{entry.name}" for group, entry in cases()])
def test_call(run: Run, case: Case, request: pytest.FixtureRequest) -> None:
    group, entry = case
    chosen = [item.callspec.params["case"] for item in request.session.items
              if item.path == request.node.path and hasattr(item, "callspec")]
    result = run.result(group, entry, [other for its_group, other in chosen if its_group == group])
    error = result if isinstance(result, Exception) else result.error
    if isinstance(error, Skipped):
        pytest.skip(f"SKIPPED: {error}")
    if error is not None:
        raise error


def test_the_table_has_every_flaw_and_call_of_the_requirements() -> None:
    """A call that is no longer in the table would be missed in silence."""
    needed = {"dtls-wrong-certificate-server", "dtls-wrong-certificate-client", "dtls-no-certificate", "dtls-no-use-srtp-server",
              "dtls-no-common-profile-server", "offer-no-key", "offer-unknown-suites", "offer-no-fingerprint-SAVP", "offer-no-fingerprint-SAVPF",
              "offer-null-auth", "null-auth-configured", "mki-of-1-byte", "mki-of-4-bytes", "mki-of-two-keys", "dtls-before-keys", "dtls-nat-port",
              "dtls-nat-address", "dtls-savp-AES_CM_128_HMAC_SHA1_80", "hold-same-key", "hold-new-key", "re-invite", "blind-transfer",
              "attended-transfer", "early-media", "dtmf", "t38-declined", "sipp-hundred-calls", "clear", "bridge-DTLS-SDES", "key-masked"}
    assert needed <= set(CALLS), needed - set(CALLS)
