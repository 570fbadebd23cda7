"""The tools of the calls judge rightly: a comparison that cannot fail would make every call pass."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from calls import sip
from calls.audio import OTHER_SPEECH, SPEECH, compare, decode, tone, tone_share
from calls.legs import good_media
from calls.media import EndPoint, MediaError
from calls.phones import share_heard
from calls.sdp import SUITES, Crypto, body, read, read_crypto

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
            one.drain(3)
            one.report()
    with EndPoint(tmp_path, "three") as one, EndPoint(tmp_path, "four", known_audio=said) as two:
        one.remote(f"127.0.0.1:{two.port}")
        one.send_with(ours)
        two.receive_with(ours)
        one.play(said, copies=2, corrupt={"from": 10, "count": 5}, clear={"from": 20, "count": 5}, lose={"from": 30, "count": 5}, sequence=65520)
        one.drain(5)
        report = two.report()
        assert (report.packets, report.authenticated, report.duplicates, report.lost) == (90, 35, 35, 15)
        assert (report.auth_failures, report.clear_audio, report.plain_on_wire) == (20, 10, 0)
        assert compare(said, report.audio).matched == 35
        two.receive_with(theirs)
        one.play(said, sequence=100)
        one.drain(5)
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
        one.drain(5)
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
            one.drain(3)
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
