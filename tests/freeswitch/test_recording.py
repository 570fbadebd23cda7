"""What each recorder of FreeSWITCH gets of a secured call under each value of `recording`, by what is in its file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbx.endpoints import Media

from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80
from calls.calls_zrtp import zrtp_phone
from calls.legs import legs

from freeswitch.calls_phones import line_of
from freeswitch.place import SwitchSite, running
from freeswitch.recorders import LegSpeaker, Speaker, ZrtpSpeaker, frames, require_silence, require_sound, speaker
from freeswitch.users import METHODS, RECORDING

# Seconds that each recorder is given.
WHILE = 1.5
REFUSED = "sealrtp::recording_refused"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchSite]:
    with running(tmp_path_factory.mktemp("recording"), "sealrtp") as found:
        yield found


def file_of(site: SwitchSite, name: str) -> Path:
    return site.switch.directory / "recordings" / f"{name}.wav"


def refusals(site: SwitchSite, start: int, uuid: str) -> list[str]:
    """The recorders that were refused because of this channel, by the events."""
    return [event.get("Recorder") for event in site.switch.socket.events[start:]
            if event.name == REFUSED and event.get("Refused-By-Unique-ID") == uuid]


# --- one function for each recorder: it records a while and returns its file ----------------------------------------------


def uuid_record(site: SwitchSite, who: Speaker) -> Path:
    path = file_of(site, f"{who.user}-uuid_record")
    site.switch.api(f"uuid_record {who.channel} start {path}")
    time.sleep(WHILE)
    site.switch.api(f"uuid_record {who.channel} stop {path}")
    return path


def record_session(site: SwitchSite, who: Speaker) -> Path:
    path = file_of(site, f"{who.user}-record_session")
    who.go(f"record_session:{path},echo")
    time.sleep(WHILE)
    site.switch.api(f"uuid_record {who.channel} stop {path}")
    return path


def eavesdrop(site: SwitchSite, who: Speaker) -> Path:
    """A listener whose other end writes down what it hears."""
    ear = f"{who.user}-ear"
    site.switch.api(f"originate {{origination_uuid={ear},origination_caller_id_number={ear}}}loopback/record/test &eavesdrop({who.channel})")
    time.sleep(WHILE + 1)
    site.switch.api(f"uuid_kill {ear}")
    time.sleep(0.3)
    return file_of(site, ear)


def record(site: SwitchSite, who: Speaker) -> Path:
    path = file_of(site, f"{who.user}-record")
    who.go(f"record:{path} 2,echo")
    # Interrupted it would hang up.
    who.wait_variable("current_application", "echo")
    return path


def start_recording(site: SwitchSite, name: str, path: Path) -> None:
    """A conference is there once its first member is."""
    until = time.monotonic() + 5
    while (answer := site.switch.api(f"conference {name} record {path}")).startswith("-"):
        assert time.monotonic() < until, answer
        time.sleep(0.1)


def conference(site: SwitchSite, who: Speaker) -> Path:
    path = file_of(site, f"{who.user}-conference")
    who.go(f"conference:{who.user}@default")
    start_recording(site, who.user, path)
    time.sleep(WHILE + 0.5)
    site.switch.api(f"conference {who.user} norecord all")
    who.go("echo")
    return path


RECORDERS: dict[str, Callable[[SwitchSite, Speaker], Path]] = {
    "uuid_record": uuid_record, "record_session": record_session, "eavesdrop": eavesdrop, "record": record, "conference": conference,
}
# What events call them.
SHOWN = {"uuid_record": "session_record", "record_session": "session_record"}


def heard_itself(report: object, who: Speaker) -> None:
    """AssertionError unless the caller heard its echo, with recorders or without."""
    if isinstance(who, ZrtpSpeaker):
        assert report.audible_ms > 1000, f"the caller heard only {report.audible_ms} ms"  # type: ignore[attr-defined]
    else:
        heard = sum(report.audio[at:at + 160] in SPEECH for at in range(0, len(report.audio), 160))  # type: ignore[attr-defined]
        assert heard >= 25, f"the caller heard only {heard} frames of its echo"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", RECORDING)
def test_each_recorder_gets_what_the_policy_says(site: SwitchSite, rule: str, method: str) -> None:
    start = len(site.switch.socket.events)
    with speaker(site, f"{rule}-{method}") as who:
        who.call("echo")
        made = {name: run(site, who) for name, run in RECORDERS.items()}
        said = who.variable("sealrtp_recording")
        time.sleep(1)
        report = who.hang_up()
    time.sleep(0.5)
    for name, path in made.items():
        (require_silence if rule == "refuse" else require_sound)(path, f"{name}, recording = {rule}, {method}")
    heard_itself(report, who)
    told = refusals(site, start, who.channel)
    assert sorted(told) == (sorted(SHOWN.get(name, name) for name in RECORDERS) if rule == "refuse" else []), told
    if rule == "refuse":
        assert said.startswith("refused "), f"sealrtp_recording is {said!r}"
    elif rule == "disclose" and method == "zrtp":
        assert said.endswith(" undisclosed"), f"sealrtp_recording is {said!r}"
    if isinstance(who, ZrtpSpeaker):
        assert not report.zrtp.disclosure, "the flag was set though nobody recorded when the keys were made"


# --- before the keys, the other leg, and calls that turn out to be clear ---------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_recorder_from_before_the_keys_is_silent(site: SwitchSite, method: str) -> None:
    with speaker(site, f"refuse-{method}") as who:
        who.call("recorded-echo")
        time.sleep(WHILE + 1)
        heard_itself(who.hang_up(), who)
    time.sleep(0.5)
    require_silence(file_of(site, f"refuse-{method}"), "record_session before the keys")


@pytest.mark.parametrize("bridged_first", [False, True])
def test_the_recorder_of_the_other_leg_is_silent_too(site: SwitchSite, bridged_first: bool) -> None:
    """A clear caller who is recorded talks to somebody whose policy refuses; both hear one another."""
    path = file_of(site, f"other-leg-{bridged_first}")
    start = len(site.switch.socket.events)
    with legs(site, "plain") as (caller,), legs(site, "sdes5") as (callee,):
        assert caller.invite("park").status == 200
        caller.say(OTHER_SPEECH, repeat=True)
        assert caller.call is not None
        if not bridged_first:
            site.switch.socket.require(f"uuid_record {caller.call.call_id} start {path}")
        other = f"{caller.call.call_id}-b"
        site.switch.api(f"bgapi originate {{origination_uuid={other},sealrtp_policy=refuse-sdes}}"
                        f"sofia/internal/sdes5@{site.address}:{site.switch.contact_port('sdes5')} &park")
        callee.accept(prefer=CM80)
        callee.say(SPEECH, repeat=True)
        time.sleep(0.5)
        sounding_before = sum(frames(path))
        site.switch.socket.require(f"uuid_bridge {caller.call.call_id} {other}")
        if bridged_first:
            answer = site.switch.api(f"uuid_record {caller.call.call_id} start {path}")
            assert answer.startswith("-ERR"), answer
        time.sleep(WHILE)
        report = caller.report()
        caller.call.bye()
    time.sleep(0.5)
    heard = sum(report.audio[at:at + 160] in SPEECH for at in range(0, len(report.audio), 160))
    assert heard >= 40, f"the caller heard only {heard} frames of the callee"
    after = frames(path)[sounding_before:]
    if bridged_first:
        require_silence(path, "the recorder that came to the bridge")
    else:
        silent = after[-60:]
        assert silent and True not in silent, f"the recorder goes on after the bridge: {silent}"
    assert "session_record" in [event.get("Recorder") for event in site.switch.socket.events[start:] if event.name == REFUSED]


def test_a_clear_call_is_recorded_whatever_the_policy_says(site: SwitchSite) -> None:
    with legs(site, "refuse-perhaps") as (leg,):
        assert leg.invite("echo").status == 200
        leg.say(SPEECH, repeat=True)
        assert leg.call is not None
        uuid = leg.call.call_id
        site.switch.socket.wait_event("sealrtp::clear", lambda event: event.channel == uuid, timeout=15)
        path = file_of(site, "clear")
        site.switch.socket.require(f"uuid_record {uuid} start {path}")
        time.sleep(WHILE)
        site.switch.api(f"uuid_record {uuid} stop {path}")
        assert not site.switch.variable(uuid, "sealrtp_recording")
        leg.call.bye()
    time.sleep(0.3)
    require_sound(path, "uuid_record of a clear call")


def test_a_conference_is_recorded_again_once_they_have_left(site: SwitchSite) -> None:
    path = file_of(site, "left")
    with speaker(site, "plain") as other, speaker(site, "refuse-sdes") as who:
        assert isinstance(other, LegSpeaker) and isinstance(who, LegSpeaker)
        other.call("park")
        who.call("echo")
        other.go("conference:left@default")
        start_recording(site, "left", path)
        time.sleep(WHILE)
        who.go("conference:left@default")
        time.sleep(WHILE)
        who.go("echo")
        time.sleep(WHILE + 0.5)
        site.switch.api("conference left norecord all")
        time.sleep(0.3)
        found = frames(path)
        who.hang_up()
        other.hang_up()
    gaps = "".join("#" if sound else "." for sound in found)
    before, silent, after = found[:40], longest_silence(found), found[-25:]
    assert True in before, f"the conference was not recorded before: {gaps}"
    assert silent >= 60, f"the recording is not silent while who refuses is there: {gaps}"
    assert True in after, f"the recording does not go on once they have left: {gaps}"


def longest_silence(found: list[bool]) -> int:
    longest = now = 0
    for sound in found:
        now = 0 if sound else now + 1
        longest = max(longest, now)
    return longest


# --- ZRTP's disclosure flag -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "told"), [("announced-zrtp", True), ("disclose-zrtp", False)])
def test_the_flag_is_set_for_who_is_said_to_be_recorded(site: SwitchSite, user: str, told: bool) -> None:
    with speaker(site, user) as who:
        assert isinstance(who, ZrtpSpeaker)
        who.call("echo")
        time.sleep(1)
        report = who.hang_up()
    assert report.zrtp.disclosure is told


@pytest.mark.parametrize(("user", "told"), [("disclose-zrtp", True), ("allow-zrtp", False)])
def test_the_flag_is_set_for_who_is_recorded_before_the_keys(site: SwitchSite, user: str, told: bool) -> None:
    """uuid_record on a ringing channel makes its first description, by which the peer is told."""
    path = file_of(site, f"{user}-early")
    with speaker(site, user) as who:
        assert isinstance(who, ZrtpSpeaker)
        who.peer.invite("ring")
        assert who.peer.call is not None
        who.channel = who.peer.call.call_id
        who.wait_variable("current_application", "sleep")
        site.switch.socket.require(f"uuid_record {who.channel} start {path}")
        site.switch.socket.require(f"uuid_transfer {who.channel} echo XML test")
        who.peer.connect()
        who.wait_variable("sealrtp_state", "SECURE")
        time.sleep(1.5)
        report = who.hang_up()
    assert report.zrtp.disclosure is told
    time.sleep(0.3)
    require_sound(path, f"uuid_record before the keys, {user}")


@pytest.fixture(scope="module")
def host_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchSite]:
    """Phones live at the host's own address."""
    with running(tmp_path_factory.mktemp("recording-host"), "sealrtp", "host") as found:
        yield found


@pytest.mark.parametrize("recorded", [True, False])
def test_a_phone_is_told_that_its_caller_is_recorded(host_site: SwitchSite, recorded: bool) -> None:
    """The leg that is dialled has the flag if the caller had a recorder by then; a later one is told of."""
    site = host_site
    with site.callee(Media.ZRTP) as name, zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as phone, legs(site, "plain") as (caller,):
        assert caller.invite("park").status == 200
        assert caller.call is not None
        uuid = caller.call.call_id
        if recorded:
            site.switch.socket.require(f"uuid_record {uuid} start {file_of(site, f'{name}-first')}")
        site.switch.socket.require(f"uuid_transfer {uuid} {name} XML test")
        phone.sas()
        line = line_of(site, name)
        start = len(site.switch.socket.events)
        site.switch.socket.require(f"uuid_record {uuid} start {file_of(site, f'{name}-second')}")
        event = site.switch.socket.wait_event("sealrtp::recording_started", lambda it: it.channel == line.channel, start=start)
        assert (event.get("Recorder"), event.get("Disclosed")) == ("session_record", "yes" if recorded else "no")
        assert site.switch.variable(line.channel, "sealrtp_recording") == f"session_record {'disclosed' if recorded else 'undisclosed'}"
        caller.call.bye()
