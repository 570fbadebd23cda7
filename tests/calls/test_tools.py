"""The tools of the calls judge rightly: a comparison that cannot fail would make every call pass."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import late
from late import Failure, Late

from calls import sip
from calls.audio import OTHER_SPEECH, SPEECH, compare, decode, tone, tone_share
from calls.legs import good_media
from calls.media import Capture, EndPoint, MediaError
from calls.phones import share_heard
from calls.sdp import SUITES, Crypto, body, read, read_crypto
from calls.site import Watched

FRAME = 160


def test_audio_as_sent_is_whole_wherever_it_starts() -> None:
    heard = compare(SPEECH, SPEECH[30 * FRAME:90 * FRAME])
    assert (heard.whole, heard.frames, heard.first) == (True, 60, 30)
    assert compare(SPEECH, b"\xff" * 2 * FRAME + SPEECH[:10 * FRAME]).whole, "silence before the first frame does not count"


@pytest.mark.parametrize("heard", [
    b"", SPEECH[:10 * FRAME] + SPEECH[11 * FRAME:20 * FRAME], SPEECH[FRAME:2 * FRAME] + SPEECH[:FRAME], SPEECH[:5 * FRAME] * 2,
    OTHER_SPEECH[:10 * FRAME],
    SPEECH[:5 * FRAME] + b"\xff" * FRAME + SPEECH[5 * FRAME:9 * FRAME], SPEECH[:FRAME - 1] + bytes([SPEECH[FRAME - 1] ^ 1]),
], ids=["nothing", "gap", "swapped", "twice", "other", "hole", "one bit"])
def test_audio_that_is_not_as_sent_is_not_whole(heard: bytes) -> None:
    assert not compare(SPEECH, heard).whole


def test_recordings_are_found_at_any_place_and_only_where_they_are() -> None:
    assert share_heard(SPEECH[:50 * FRAME], b"\xff" * 77 + SPEECH[:50 * FRAME]) == 1
    assert share_heard(SPEECH[:50 * FRAME], OTHER_SPEECH) == 0


def test_a_tone_is_told_from_another() -> None:
    samples = decode(tone(0.5, 1000))
    assert tone_share(samples, 1000) > 0.99 > 0.01 > tone_share(samples, 1400)


@pytest.mark.parametrize("fault", [
    {"packets": 0}, {"authenticated": 9}, {"rtcp_failures": 1}, {"lost": 1}, {"not_rtp": 1},
], ids=lambda fault: next(iter(fault)))
def test_bad_media_is_not_good(fault: dict[str, int]) -> None:
    counts = dict(packets=10, authenticated=10, clear=0, auth_failures=0, duplicates=0, unknown_mki=0, clear_audio=0, rtcp_failures=0,
                  lost=0, not_rtp=0)
    good_media(SimpleNamespace(**counts))
    with pytest.raises(AssertionError):
        good_media(SimpleNamespace(**(counts | fault)))


@pytest.mark.parametrize("suite", SUITES)
def test_a_crypto_line_is_read_as_it_was_written(suite: str) -> None:
    for crypto in (Crypto.fresh(3, suite), Crypto.fresh(3, suite, b"\x00\x01", "2^20", "KDR=24 WSH=128")):
        media = read(body(4000, [crypto]))
        assert (media.cryptos, media.remote, media.profile) == ([crypto], "127.0.0.1:4000", "RTP/SAVP")
    assert read_crypto(Crypto.fresh(1, suite).line).tag == 1


def test_sip_messages_are_read_with_compact_and_folded_headers() -> None:
    message = sip.parse(b"SIP/2.0 200 OK\r\ni: abc\r\nCSeq: 7 INVITE\r\nTo: <sip:a@b>;\r\n tag=x1\r\nm: <sip:c@d:5>\r\n\r\nv=0")
    assert message is not None
    assert (message.status, message.method, message.get("call-id"), message.body) == (200, "INVITE", "abc", "v=0")
    assert (sip.tag_of(message.get("to")), sip.uri_of(message.get("contact"))) == ("x1", "sip:c@d:5")
    assert sip.parse(b"\r\n\r\n") is None


def test_the_judge_tells_good_packets_from_broken_clear_and_doubled_ones(tmp_path: Path) -> None:
    ours, theirs = Crypto.fresh(1, "AEAD_AES_128_GCM"), Crypto.fresh(1, "AES_CM_128_HMAC_SHA1_32")
    said = SPEECH[:50 * FRAME]
    with EndPoint(tmp_path, "one") as one, EndPoint(tmp_path, "two", known_audio=said) as two:
        one.remote(f"127.0.0.1:{two.port}")
        with pytest.raises(MediaError, match="neither keys"):
            one.play(said)
            one.drain()
            one.report()
    with EndPoint(tmp_path, "three") as one, EndPoint(tmp_path, "four", known_audio=said) as two:
        one.remote(f"127.0.0.1:{two.port}")
        one.send_with(ours)
        two.receive_with(ours)
        one.play(said, copies=2, corrupt={"from": 10, "count": 5}, clear={"from": 20, "count": 5}, lose={"from": 30, "count": 5}, sequence=65520)
        one.drain()
        report = two.report()
        assert (report.packets, report.authenticated, report.duplicates, report.lost) == (90, 35, 35, 15)
        assert (report.auth_failures, report.clear_audio, report.plain_on_wire) == (20, 10, 0)
        assert compare(said, report.audio).matched == 35
        two.receive_with(theirs)
        one.play(said, sequence=100)
        one.drain()
        assert two.report().by_keys == [85, 0], "packets under the old key are counted under the old key"


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("profile", ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"])
def test_two_end_points_secure_media_by_dtls(tmp_path: Path, kind: str, profile: str) -> None:
    said = SPEECH[:50 * FRAME]
    with EndPoint(tmp_path, "one") as one, EndPoint(tmp_path, "two", known_audio=said) as two:
        ours, theirs = one.certificate(kind), two.certificate(kind)
        one.remote(f"127.0.0.1:{two.port}")
        two.remote(f"127.0.0.1:{one.port}")
        one.handshake("client", separate_rtcp=True)
        two.handshake("server", profiles=[profile], separate_rtcp=True)
        for each, other in ((one, theirs), (two, ours)):
            states = each.wait_dtls()
            assert [(state.state, state.profile, state.peer) for state in states] == 2 * [("done", profile, other)], states
        one.play(said, rtcp=True)
        one.drain()
        report = two.report()
        good_media(report)
        assert (compare(said, report.audio).frames, report.rtcp) == (50, 1)


def test_without_a_common_profile_there_are_no_keys(tmp_path: Path) -> None:
    with EndPoint(tmp_path, "one") as one, EndPoint(tmp_path, "two") as two:
        for each, other, role, profiles in ((one, two, "client", []), (two, one, "server", None)):
            each.certificate()
            each.remote(f"127.0.0.1:{other.port}")
            each.handshake(role, profiles=profiles)
        assert [one.wait_dtls()[0].state, two.wait_dtls()[0].state] == ["failed", "failed"]
        with pytest.raises(MediaError, match="neither keys"):
            one.play(SPEECH[:FRAME])
            one.drain()
            one.report()


def test_a_run_of_the_benchmark_counts_only_if_every_echo_came_and_was_good() -> None:
    from calls.bench import trouble_in

    good = {"sent": 1010, "echoed": 1005, "missing": 0, "bad": 0, "bad_rtcp": 0, "late": 0, "rtcp": 4}
    assert trouble_in(1000, good, 1000) == ""
    for name in ("missing", "bad", "bad_rtcp"):
        assert trouble_in(1000, good | {name: 1}, 1000)
    assert "came back" in trouble_in(1000, good | {"echoed": 999}, 1000)
    assert "too busy" in trouble_in(940, good, 1000)


def test_the_benchmark_takes_the_middle_of_its_rounds_and_what_is_added_to_clear() -> None:
    from calls.bench import CLEAR, CM80, OURS, STOCK, Cost, median_of, report

    assert median_of([Cost(0.1, 0.2), Cost(9.0, 9.0), Cost(0.1, 0.1)]) == Cost(0.1, 0.2)
    assert median_of([Cost(0.25, 0.5), Cost(0.75, 0.5), Cost(9.0, 9.0), Cost(0.0, 0.0)]) == Cost(0.5, 0.5)
    told = report(100, {CLEAR: [Cost(0.1, 0.0)], STOCK: [Cost(0.2, 0.0)], OURS: [Cost(0.11, 0.0)]})
    assert told["shares"] == {CM80: 0.1}


def raised(raise_it: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        raise_it()
    return caught.value


def late_after(error: BaseException) -> None:
    try:
        raise error
    except type(error):
        raise Late("the end did not come") from None


def test_late_is_what_was_waited_for_and_hides_no_finding() -> None:
    assert late.only_late(raised(lambda: late.wait_for(lambda: False, "a PBX", 0.01)))
    assert late.wait_for(iter([None, False, 0]).__next__, "a PBX") == 0
    assert late.only_late(raised(lambda: late_after(TimeoutError()))) and late.only_late(raised(lambda: late_after(Late("a phone"))))
    for error in (AssertionError("a clear packet"), RuntimeError("the PBX died"), ValueError()):
        assert not late.only_late(error) and not late.only_late(raised(lambda: late_after(error)))


def test_only_tests_that_were_late_are_run_again_and_each_is_named() -> None:
    asked: list[str] = []

    def alone(test: str) -> list[str] | None:
        asked.append(test)
        return ["late again"] if "bad" in test else None

    found = Failure("clear", ("a clear packet",), late=False)
    verdict = late.judge([Failure("good", ("waited",), True, flaws=2), found, Failure("bad", ("waited",), True)], alone)
    assert asked == ["good", "bad"] and (verdict.passed, verdict.flaws) == (1, 2)
    assert verdict.notes == ["LATE, then passed alone: good: waited", "FAILED: clear", "    a clear packet",
                             "FAILED: bad", "    waited", "    then, alone: late again"]


def test_more_late_tests_than_a_few_are_a_fault_and_none_is_run_again() -> None:
    failures = [Failure(f"test {number}", ("waited",), True) for number in range(late.MOST + 1)]
    verdict = late.judge(failures, lambda _: pytest.fail("run again"))
    assert verdict.passed == 0 and sum(note.startswith("FAILED: ") for note in verdict.notes) == len(failures)
    assert late.judge(failures[1:], lambda _: None).passed == late.MOST


def test_pytest_reports_who_was_late_and_who_has_a_finding(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((Path(late.__file__).parent / "conftest.py").read_text().replace(
        "Path(__file__).resolve().parent", f"Path({str(Path(late.__file__).parent)!r})"))
    (tmp_path / "test_it.py").write_text("""import pytest
from late import Late

@pytest.fixture
def ends_late():
    yield
    raise Late("no end")

@pytest.mark.parametrize("case", ["a[b]"])
def test_late(case): raise Late("a phone\\nand more")
def test_late_twice(ends_late): raise Late("a phone")
def test_found(): assert not "a clear packet"
def test_found_and_late(ends_late): assert not "a clear packet"
def test_good(): pass
""")
    report = tmp_path / "report.xml"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", tmp_path], cwd=tmp_path,
                   capture_output=True, check=False)
    failures = {failure.test.rpartition("::")[2]: failure for failure in late.failures_of(report)}
    assert {name: (failure.late, failure.flaws) for name, failure in failures.items()} == {
        "test_late[a[b]]": (True, 1), "test_late_twice": (True, 2), "test_found": (False, 1), "test_found_and_late": (False, 2)}
    assert failures["test_late[a[b]]"].said[0].endswith("a phone") and failures["test_late[a[b]]"].test.startswith("test_it.py::")


def test_a_capture_has_all_that_was_sent_before_it_is_asked(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        with Capture(tmp_path / "capture", f"udp port {port}") as capture:
            for number in range(1, 4):
                os.kill(capture.process.pid, signal.SIGSTOP)
                for _ in range(100):
                    one.sendto(b"clear" * 40, ("127.0.0.1", port))
                threading.Timer(0.3, os.kill, (capture.process.pid, signal.SIGCONT)).start()
                seen = capture.look([Watched("127.0.0.1", port, port)], 0.0, [])
                assert seen.to_pbx.unknown == 100 * number
