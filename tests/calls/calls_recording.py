"""What each recorder of Asterisk gets of a secured call under each value of recording =, by what is in its file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from late import PATIENCE, Late, wait_for
from pbx.ari import Ari
from pbx.configuration import TECHNOLOGY
from pbx.endpoints import Media

from calls.audio import SPEECH
from calls.calls_media import CM80
from calls.legs import legs
from calls.recorders import Speaker, ZrtpSpeaker, require_silence, require_speech, speaker
from calls.registry import Outcome, Scenario, add, scenario
from calls.site import RECORDED, Site


def inside(site: Site, path: Path) -> str:
    """A file of the run's directory as Asterisk knows it."""
    return f"{site.pbx.here}/{path.relative_to(site.pbx.workdir)}"


def recording(site: Site, name: str) -> Path:
    return site.pbx.workdir / "recordings" / f"{name}.ulaw"


def by_ari(site: Site, name: str) -> Path:
    return site.pbx.workdir / "spool/recording" / f"{name}.ulaw"


# --- one function for each recorder: it records a while and returns its files --------------------------------------------


def mixmonitor(site: Site, who: Speaker) -> list[Path]:
    """What comes in, and what goes out: an echo of it."""
    both, *each = [recording(site, f"{who.user}-mixmonitor{part}") for part in ("", "-in", "-out")]
    site.pbx.manager.action("MixMonitor", Channel=who.channel, File=inside(site, both),
                            Options=f"r({inside(site, each[0])})t({inside(site, each[1])})")
    who.goes_on()
    site.pbx.manager.action("StopMixMonitor", Channel=who.channel)
    return each


def chanspy(site: Site, who: Speaker) -> list[Path]:
    path = recording(site, f"{who.user}-chanspy")
    site.pbx.manager.action("Originate", Channel=f"Local/spy-{who.channel.split('/')[1]}@test/n", Application="Record",
                            Data=f"{inside(site, path)},0,0,kq", Async="true")
    who.goes_on(150)
    return [path]


def is_recording(rest: Ari, name: str) -> bool:
    try:
        rest.ask("GET", f"recordings/live/{name}")
    except RuntimeError:
        return False
    return True


def ari(site: Site, who: Speaker) -> list[Path]:
    """A snoop channel, the channel itself, and a bridge."""
    names = [f"{who.user}-{what}" for what in ("snoop", "channel", "bridge")]
    with site.pbx.ari(who.user) as rest:
        channel = who.channel_id
        snoop = rest.ask("POST", f"channels/{channel}/snoop", app=rest.application, spy="in")
        try:
            rest.wait_channel(snoop.id, 5.0 if RECORDED[who.user][0] == "refuse" else PATIENCE)
            rest.ask("POST", f"channels/{snoop.id}/record", name=names[0], format="ulaw")
        except (Late, RuntimeError):
            # A snoop that is refused ends before it can be recorded.
            if RECORDED[who.user][0] != "refuse":
                raise
        who.goes_on()
        who.go("application")
        rest.wait_channel(channel)
        rest.ask("POST", f"channels/{channel}/record", name=names[1], format="ulaw")
        who.goes_on()
        try:
            rest.ask("POST", f"recordings/live/{names[1]}/stop")
        except RuntimeError:
            assert RECORDED[who.user][0] == "refuse", "the recording had ended by itself"
        wait_for(lambda: not is_recording(rest, names[1]), "the end of the recording")
        bridge = rest.ask("POST", "bridges", type="mixing").id
        rest.ask("POST", f"bridges/{bridge}/addChannel", channel=channel)
        rest.ask("POST", f"bridges/{bridge}/record", name=names[2], format="ulaw")
        who.goes_on()
        rest.ask("DELETE", f"bridges/{bridge}")
        # By ARI: a redirect while Stasis() gives up the channel can end the call.
        rest.ask("POST", f"channels/{channel}/continue", context="test", extension="echo", priority="1")
    return [by_ari(site, name) for name in names]


def confbridge(site: Site, who: Speaker) -> list[Path]:
    who.go("conference")
    who.goes_on(100)
    who.go("echo")
    return [recording(site, f"{who.user}-conference")]


def record(site: Site, who: Speaker) -> list[Path]:
    who.go("record")
    who.goes_on()
    who.go("echo")
    return [recording(site, who.user)]


RECORDERS: dict[str, Callable[[Site, Speaker], list[Path]]] = {
    "MixMonitor": mixmonitor, "ChanSpy": chanspy, "ARI": ari, "ConfBridge": confbridge, "Record": record,
}


# Recorders of a bridge have a channel of their own, and the event tells of that.
IN_BRIDGE = ("ConfBridge", "ARI")


def refusals(site: Site, start: int, channel: str) -> list[str]:
    """The recorders that were refused on this channel or because of it, by the manager's events."""
    return [event["Recorder"] for event in site.pbx.manager.events[start:]
            if event["Event"] == "SealRTPRecordingRefused" and event["RefusedBy"].startswith(channel)]


def wait_refusals(site: Site, start: int, channel: str, count: int) -> list[str]:
    """The same, once so many have been told of."""
    wait_for(lambda: len(refusals(site, start, channel)) >= count, f"{count} refused recorders of {channel}")
    return refusals(site, start, channel)


def cells(site: Site, user: str) -> Outcome:
    """One call that each recorder records in turn."""
    rule, media = RECORDED[user]
    start = len(site.pbx.manager.events)
    with speaker(site, user, media) as who:
        who.call("echo")
        who.goes_on()
        made = {name: run(site, who) for name, run in RECORDERS.items()}
        said = who.variable("SEALRTP(recording)")
        who.goes_on(50)
        assert who.channels(), "the call did not live on"
        who.hears_itself(1.5)
        who.hang_up()
    time.sleep(0.5)
    for name, files in made.items():
        for path in files:
            (require_silence if rule == "refuse" else require_speech)(path, f"{name}, recording = {rule}")
    expected = ["ARI", "ARI", "ChanSpy", "ConfBridge", "MixMonitor", "Record", "Snoop"] if rule == "refuse" else []
    told = wait_refusals(site, start, who.channel, len(expected))
    assert sorted(told) == expected, f"the manager was told that {told} were refused"
    if rule == "refuse":
        assert said.startswith("refused "), f"SEALRTP(recording) says {said!r}"
        events = [line for line in site.pbx.log_text().splitlines() if 'SecurityEvent="RequestNotAllowed"' in line and who.channel in line]
        assert len(events) == len(told) - len(IN_BRIDGE), f"{len(events)} security events"
    if isinstance(who, ZrtpSpeaker):
        assert not who.disclosed, "the flag was set though nobody recorded when the keys were made"
        assert who.heard_ms > 2000, f"the caller heard only {who.heard_ms} ms"
    return Outcome(heard=True, detail=", ".join(f"{name}: {'silence' if rule == 'refuse' else 'recorded'}" for name in made))


for _user, (_rule, _media) in RECORDED.items():
    if not _user.endswith(("-early", "-late")):
        add(Scenario(f"recording-{_user}", f"five recorders, recording = {_rule}", lambda site, user=_user: cells(site, user),
                     "sealrtp peer" if _media is Media.ZRTP else "libsrtp", method=_media.name, kinds=("asterisk22",)))


# --- before and during the key exchange, and the other leg ----------------------------------------------------------------


def early(site: Site, user: str, extension: str = "recorded-echo") -> Speaker:
    """A recorder that is there before the call is answered."""
    with speaker(site, user, RECORDED[user][1]) as who:
        who.call(extension)
        who.goes_on()
        who.hears_itself(1)
        who.hang_up()
    time.sleep(0.5)
    return who


def early_refused(site: Site, user: str) -> Outcome:
    """It gets nothing: until there are keys nothing passes, and then it is refused."""
    start = len(site.pbx.manager.events)
    who = early(site, user)
    for part in ("before", "before-mixed"):
        require_silence(recording(site, f"{user}-{part}"), "a MixMonitor from before the keys")
    told = wait_refusals(site, start, who.channel, 1)
    assert told == ["MixMonitor"], f"refused: {told}"
    return Outcome(heard=True, detail="MixMonitor before Answer(): silence")


for _user, (_rule, _media) in RECORDED.items():
    if _rule == "refuse" and _user.endswith("-early"):
        add(Scenario(f"recording-{_user}", "MixMonitor before the keys", lambda site, user=_user: early_refused(site, user),
                     "sealrtp peer" if _media is Media.ZRTP else "libsrtp", method=_media.name, demo=False))


@scenario("recording-disclosed", "MixMonitor before the keys", "sealrtp peer", method="ZRTP", demo=False)
def disclosed(site: Site) -> Outcome:
    """Who is recorded when the keys are made, or is to be, is told by the flag; who is recorded silently is not."""
    told = {}
    for user, extension in (("disclose-zrtp-early", "recorded-echo"), ("disclose-zrtp-early", "announced-echo"),
                            ("allow-zrtp-early", "recorded-echo"), ("disclose-zrtp-early", "echo")):
        who = early(site, user, extension)
        assert isinstance(who, ZrtpSpeaker)
        told[user, extension] = who.disclosed
    require_speech(recording(site, "disclose-zrtp-early-before"), "recording = disclose")
    assert list(told.values()) == [True, True, False, False], f"the flag: {told}"
    return Outcome(heard=True, detail="the flag is set for who is recorded, or said to be")


@scenario("recording-late", "MixMonitor after the keys", "sealrtp peer", method="ZRTP", demo=False)
def late(site: Site) -> Outcome:
    """Who comes too late for the flag is told to the administrator."""
    user = "disclose-zrtp-late"
    with speaker(site, user, Media.ZRTP) as who:
        who.call("echo")
        start = len(site.pbx.manager.events)
        site.pbx.manager.action("MixMonitor", Channel=who.channel, File=inside(site, recording(site, user)))
        event = site.pbx.manager.wait_event("SealRTPRecorded", lambda event: event["Channel"] == who.channel, start=start)
        assert (event["Recorder"], event["Disclosed"]) == ("MixMonitor", "no")
        said = who.variable("SEALRTP(recording)")
        time.sleep(1)
        who.hang_up()
    assert said == "MixMonitor undisclosed", f"SEALRTP(recording) says {said!r}"
    return Outcome(heard=True, detail="SEALRTP(recording) says undisclosed")


def other_leg(site: Site, user: str, extension: str, name: str, begin: Callable[[str], None], path: Path) -> Outcome:
    """A clear caller whose channel is recorded talks to an end point that refuses; then the recording has nothing of it."""
    start = len(site.pbx.manager.events)
    with legs(site, user) as (caller,), legs(site, name) as (callee,):
        caller.call = caller.phone.call(extension, caller.body())
        callee.accept(prefer=CM80)
        final = caller.call.wait_final()
        assert final.status == 200, final.start
        caller.take_answer(final.body)
        callee.say(SPEECH, repeat=True)
        time.sleep(0.5)
        shown = site.pbx.cli("core show channels concise")
        begin(re.search(rf"^(\w+/{user}-[0-9a-f]+)!", shown, re.M)[1])  # type: ignore[index]
        caller.media.wait_more(75)
        at_caller = caller.report()
        caller.call.bye()
    time.sleep(0.5)
    require_silence(path, "the other leg's recorder")
    heard = sum(at_caller.audio[at:at + 160] in SPEECH for at in range(0, len(at_caller.audio), 160))
    assert heard >= 60, f"the caller heard only {heard} frames of the callee"
    told = wait_refusals(site, start, f"{TECHNOLOGY[site.kind.chan]}/{name}-", 1)
    assert told == ["MixMonitor"], f"refused: {told}"
    return Outcome(CM80, heard=True, detail=f"the caller heard {heard} frames, its recorder none")


@scenario("recording-other-leg", "MixMonitor on the other leg", "libsrtp", suite=CM80, demo=False)
def on_other_leg(site: Site) -> Outcome:
    path = recording(site, "other-leg")
    return other_leg(site, "recorded", "refuse-called", "refuse-called", lambda channel: site.pbx.manager.action(
        "MixMonitor", Channel=channel, File=inside(site, path)) and None, path)


@scenario("recording-other-leg-before", "MixMonitor before Dial()", "libsrtp", suite=CM80, demo=False)
def on_other_leg_before(site: Site) -> Outcome:
    return other_leg(site, "recorded-first", "recorded-dial", "refuse-dialled", lambda channel: None, recording(site, "recorded-first-dial"))


@scenario("recording-monitor", "Monitor, recording = refuse", "libsrtp", suite=CM80, kinds=("asterisk16-pjsip", "asterisk16-sip"), demo=False)
def monitor(site: Site) -> Outcome:
    """Monitor(), which Asterisk had until 20, and MixMonitor beside it."""
    user = "refuse-sdes-late"
    start = len(site.pbx.manager.events)
    with speaker(site, user, Media.SDES) as who:
        who.call("echo")
        base = recording(site, f"{user}-monitor").with_suffix("")
        site.pbx.manager.action("Monitor", Channel=who.channel, File=inside(site, base), Format="ulaw")
        mixed = mixmonitor(site, who)
        who.hears_itself(1)
        who.hang_up()
    time.sleep(0.5)
    for path in (base.with_name(base.name + "-in.ulaw"), base.with_name(base.name + "-out.ulaw"), *mixed):
        require_silence(path, "Monitor")
    told = wait_refusals(site, start, who.channel, 2)
    assert sorted(told) == ["MixMonitor", "Monitor"], f"refused: {told}"
    return Outcome(CM80, heard=True, detail="Monitor and MixMonitor: silence")
