"""valgrind over load, 20 calls, reload, 20 calls, unload, load, calls, unload: nothing of it is the module's fault."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from late import PATIENCE, Late, only_late
from pbx.namespace import MissingPermission, check_permission
from pbx.valgrind import Finding

from calls import site as sites
from calls import streams
from calls.runner import KINDS, SCENARIOS, place
from calls.site import Site

# Of every sort of call, good and bad ones. Counted below, so that the requirement's 20 stay 20.
CALLS = (
    "echo-AES_CM_128_HMAC_SHA1_80", "echo-AES_CM_128_HMAC_SHA1_32", "echo-AES_192_CM_HMAC_SHA1_80", "echo-AES_256_CM_HMAC_SHA1_80",
    "echo-AES_256_CM_HMAC_SHA1_32", "echo-AEAD_AES_128_GCM", "echo-AEAD_AES_256_GCM", "playback", "bridge-srtp-to-rtp",
    "bridge-rtp-to-srtp", "bridge-srtp-to-srtp", "hold-same-key", "hold-new-key", "attended-transfer", "duplicate-on-bridge",
    "replayed-srtp", "auth-failures", "mki-of-two-keys", "session-several", "offer-has-several-suites",
)
# More of what goes wrong, placed beside the 20.
REFUSALS = ("refused-unknown-suite", "refused-short-key", "refused-unauthenticated", "bad-answer-unoffered-tag", "bad-answer-no-crypto")
# DTLS-SRTP, placed beside them too: both roles, two handshakes, a new association, failures.
DTLS = (
    "dtls-echo-AEAD_AES_256_GCM", "dtls-setup-active", "dtls-echo-rsa-two-handshakes", "dtls-bridge-to-sdes", "dtls-hold",
    "dtls-new-association", "dtls-wrong-fingerprint", "dtls-no-fingerprint", "dtls-no-common-profile", "dtls-clear-into-bridge",
)
# And ZRTP: phones that remember, in both directions, a bridge, an enrolment, Pings, nobody who answers. Without video, in which stock
# Asterisk sends bytes that it has not written.
ZRTP = ("zrtp-retained", "zrtp-called-retained", "zrtp-to-sdes", "zrtp-enrolment", "zrtp-ping", "zrtp-required-without")
# And SDP by policy, where chan_pjsip is: each way that carries it, and refusals.
HOOK = ("hook-sdes-offered", "hook-dtls-offered", "hook-sdes-called", "hook-dtls-called", "hook-forked", "hook-multipart", "hook-challenged",
        "hook-offer-in-200", "hook-no-clear-offer", "hook-no-clear-answer")
VALGRIND_KINDS = ("asterisk22", "asterisk16-sip")
# valgrind runs one thread at a time.
AT_ONCE = 2


@dataclass(frozen=True)
class Problem:
    """What went wrong."""

    text: str
    late: bool = False


def place_calls(site: Site, names: tuple[str, ...], round_name: str) -> list[Problem]:
    """Places these calls; what went wrong with them."""
    own = site.for_call(round_name)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda name: place(SCENARIOS[name], own), names))
    site.pbx.wait_idle()
    return [Problem(f"{round_name}, {result.scenario.name}: {result.why}", only_late(result.error)) for result in results if result.verdict == "FAIL"]


def unload(site: Site) -> None:
    """Unloads the module; it refuses while chan_sip keeps ended calls, which is half a minute and more."""
    until = time.monotonic() + 5 * PATIENCE
    if site.kind.chan == "pjsip":
        site.pbx.cli("module unload res_sealrtp_pjsip.so")
    while "Unloaded res_sealrtp.so" not in (said := site.pbx.cli("module unload res_sealrtp.so")):
        if time.monotonic() > until:
            raise Late(said + site.pbx.cli("sealrtp show streams"))
        time.sleep(2)


def told(finding: Finding) -> str:
    """A finding by the frames that are our own source, not Rust's library."""
    frames = [str(frame) for frame in finding.frames if "res_sealrtp" in frame.object and "library/" not in str(frame)]
    return f"{finding.kind}: {finding.text}: " + " < ".join(frame[:60] + frame[-30:] if len(frame) > 90 else frame for frame in frames[-6:])


def load_calls_reload_calls_unload(kind: str, directory: Path) -> list[Problem]:
    """The whole run under valgrind; what is wrong: findings that involve the module, then calls that failed."""
    site = sites.start(KINDS[kind], directory, "sealrtp", valgrind=True)
    pbx = site.pbx
    try:
        streams.check_ours(pbx)
        failed = place_calls(site, CALLS, "first round")
        pbx.cli("module reload res_sealrtp.so")
        streams.check_ours(pbx)
        hook = tuple(name for name in HOOK if kind in SCENARIOS[name].kinds)
        failed += place_calls(site, CALLS + REFUSALS + DTLS + ZRTP + hook, "second round")
        unload(site)
        assert "Loaded res_sealrtp.so" in pbx.cli("module load res_sealrtp.so")
        if site.kind.chan == "pjsip":
            assert "Loaded res_sealrtp_pjsip.so" in pbx.cli("module load res_sealrtp_pjsip.so")
        failed += place_calls(site, CALLS[:4], "third round")
        unload(site)
    finally:
        pbx.stop()
    ours = [finding for finding in pbx.valgrind_findings()
            if finding.involves("res_sealrtp") and not finding.is_openssl_table and not finding.is_layout_probe]
    return [Problem(told(finding)) for finding in ours] + failed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, concurrent.futures.Future[list[Problem]]]]:
    """Both PBXs at once: most of the time is waiting."""
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield {kind: pool.submit(load_calls_reload_calls_unload, kind, tmp_path_factory.mktemp(f"valgrind-{kind}")) for kind in VALGRIND_KINDS}


@pytest.mark.parametrize("kind", VALGRIND_KINDS)
def test_valgrind_finds_nothing_of_ours_over_load_calls_reload_calls_unload(
        kind: str, runs: dict[str, concurrent.futures.Future[list[Problem]]]) -> None:
    assert len(CALLS) == 20
    problems = runs[kind].result()
    text = f"{len(problems)} problems:\n" + "\n".join(problem.text for problem in problems[:12])
    if problems and all(problem.late for problem in problems):
        raise Late(text)
    assert not problems, text
