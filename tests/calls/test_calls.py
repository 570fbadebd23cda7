"""Every call of the table through every PBX with our module; and on stock Asterisk, the flaws that ours must not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.namespace import MissingPermission, check_permission

from calls.algorithms import SETS
from calls.registry import Scenario, Skipped
from calls.runner import KINDS, Group, Result, groups, place, place_all, place_on_stock, running

Case = tuple[Group, Scenario]
CASES: list[Case] = [(group, entry) for srtp in ("sealrtp", "stock") for kind in KINDS.values() for group in groups(kind, srtp)
                     for entry in group.entries]


class Run:
    """The group whose PBX is running, and the results of its calls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.results: dict[tuple[Group, str], Result | Exception] = {}

    def result(self, group: Group, entry: Scenario, wanted: list[Scenario]) -> Result | Exception:
        """The result of a call; the first one asked for of a group places all that are wanted of it."""
        if (group, entry.name) not in self.results:
            try:
                self.place(group, wanted)
            except Exception as error:  # noqa: BLE001 (a PBX that does not start or dies is the failure of all its calls)
                for each in wanted:
                    self.results.setdefault((group, each.name), error)
                # A PBX that died at the end fails a call too, or nobody would see it.
                self.results[group, entry.name] = error
        return self.results[group, entry.name]

    def place(self, group: Group, wanted: list[Scenario]) -> None:
        directory = self.directory / group.name
        with running(group.kind, directory, group.srtp, group.configuration, group.place) as site:
            place_all(wanted, site, lambda result: self.results.update({(group, result.scenario.name): result}),
                      place_on_stock if group.srtp == "stock" else place)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    yield Run(tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("case", CASES, ids=[f"{group.name}-{entry.name}" for group, entry in CASES])
def test_call(run: Run, case: Case, request: pytest.FixtureRequest) -> None:
    group, entry = case
    # Others have cases of their own.
    chosen = [item.callspec.params["case"] for item in request.session.items
              if item.path == request.node.path and hasattr(item, "callspec")]
    result = run.result(group, entry, [other for its_group, other in chosen if its_group == group])
    if isinstance(result, Skipped):
        pytest.skip(f"SKIPPED: {result}")
    if isinstance(result, Exception):
        raise result
    if isinstance(result.error, Skipped):
        pytest.skip(f"SKIPPED: {result.error}")
    if result.error is not None:
        raise result.error


def test_the_table_has_every_call_of_the_requirements() -> None:
    """A call that is no longer in the table would be missed in silence."""
    from calls.runner import SCENARIOS

    needed = {"playback", "hold-same-key", "hold-new-key", "attended-transfer", "sipp-hundred-calls", "duplicate-on-bridge", "replayed-srtp",
              "auth-failures", "mki-of-32-bytes", "session-kdr", "session-wsh", "offer-has-several-suites", "bad-answer-no-crypto",
              "refused-unknown-suite", "linphonec-echo", "baresip-echo", "baresip-called", "echo-AEAD_AES_128_GCM", "bridge-srtp-to-srtp",
              "baresip-dtls-echo", "baresip-dtls-called", "linphonec-dtls-echo", "linphonec-dtls-called", "baresip-dtls-to-linphonec",
              "dtls-bridge-to-sdes", "dtls-bridge-to-clear", "dtls-bridge-to-dtls", "dtls-hold", "dtls-new-association",
              "dtls-attended-transfer", "dtls-wrong-fingerprint", "dtls-wrong-fingerprint-of-zero",
              "dtls-no-fingerprint", "dtls-no-common-profile", "dtls-never-active",
              "dtls-never-passive", "dtls-clear-before-keys-echo", "dtls-clear-into-bridge", "dtls-session-level-fingerprint", "dtls-savpf",
              "dtls-crypto-only", "dtls-direct-media", "dtls-audio-and-video", "dtls-early-media", "dtls-sha-1-only", "dtls-sha-384-only",
              "dtls-holdconn", "dtls-tls-id", "downgrade-told", "downgrade-ends", "downgrade-blocks", "downgrade-from-zrtp", "downgrade-of-policy",
              *(f"zrtp-{way}-{label}" for way in ("echo", "called") for label in SETS), "zrtp-retained", "zrtp-called-retained", "zrtp-to-sdes",
              "zrtp-to-zrtp", "zrtp-audio-and-video", "zrtp-hold", "zrtp-blind-transfer", "zrtp-attended-transfer", "zrtp-speak",
              "zrtp-reload-in-call", "zrtp-unload-in-call", "zrtp-hundred-calls", "zrtp-enrolment", "zrtp-relayed-sas", "zrtp-required-without",
              "zrtp-required-called-without", "zrtp-yes-without", "passthrough", "passthrough-hold", "passthrough-refused",
              "passthrough-falls-back", "passthrough-parted", "zrtp-in-mid-call", "zrtp-ping",
              *(f"recording-{rule}-{how}" for rule in ("refuse", "disclose", "allow") for how in ("sdes", "dtls", "zrtp")),
              *(f"recording-refuse-{how}-early" for how in ("sdes", "dtls", "zrtp")), "recording-disclosed", "recording-late",
              "recording-other-leg", "recording-other-leg-before", "recording-monitor"}
    assert needed <= set(SCENARIOS), needed - set(SCENARIOS)
