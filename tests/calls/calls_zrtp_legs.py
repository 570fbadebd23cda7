"""ZRTP on one or both of a call's two legs: bridges, hold, transfers, a SAS that is read aloud, what an administrator does in mid-call."""

from __future__ import annotations

import re
import time

from pbx.endpoints import Media
from pbx.sounds import FRAME_BYTES, PLAYBACK, SPELLED

from calls.algorithms import Algorithms
from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80
from calls.calls_phones import HEARD, packets
from calls.calls_zrtp import PEER, both_sas, dial, outcome, zrtp_phone
from calls.legs import good_media, legs
from calls.phones import require_heard, wait_heard
from calls.registry import Outcome, scenario
from calls.site import Site
from calls.streams import check_ours, rows_of_user, wait_more_packets
from calls.zrtp import Line, ZrtpPhone, line_of, variable

SUITE = Algorithms().suite


def same_sas(site: Site, phone: ZrtpPhone, user: str, call: int = 1) -> Line:
    """The line of a phone that is secured. AssertionError unless both ends show the same SAS."""
    sas = phone.sas(call)
    line = line_of(site, user)
    assert line.sas == sas, f"{user} shows {sas}, the PBX {line.sas}"
    return line


def associations(site: Site, line: Line) -> int:
    """How often the PBX has told that this line was secured, at least once."""
    site.pbx.manager.wait_event("SealRTPSecured", lambda event: event["Channel"] == line.channel)
    return sum(event["Event"] == "SealRTPSecured" and event["Channel"] == line.channel for event in site.pbx.manager.events)


def uri(site: Site, name: str) -> str:
    return f"sip:{name}@{site.address}:{site.pbx.sip_port}"


@scenario("zrtp-to-sdes", "bridge", PEER, suite=f"{SUITE} to {CM80} (SDES)", method="ZRTP", place="host")
def to_sdes(site: Site) -> Outcome:
    """A phone with ZRTP calls one with SDES."""
    user = "zrtp-to-sdes"
    with site.callee(Media.SDES) as name, legs(site, name) as (callee,), zrtp_phone(site, user) as phone:
        phone.start_call(uri(site, name))
        callee.accept(prefer=CM80)
        line = same_sas(site, phone, user)
        callee.say(OTHER_SPEECH, repeat=True)
        wait_heard(HEARD, (SPEECH, lambda: callee.report().audio), (OTHER_SPEECH, phone.heard))
        callee.media.stop()
        line = line_of(site, user)
        phone.hang_up()
        time.sleep(0.5)
        report = callee.report()
        good_media(report, may_lose=2)
        there, back = require_heard(SPEECH, report.audio, HEARD, "the SDES leg"), require_heard(OTHER_SPEECH, phone.heard(), HEARD, "the phone")
        return Outcome(f"{line.suite} to {CM80} (SDES)", detail=f"{there:.0%} and {back:.0%} of the sound",
                       sas=both_sas(phone.sas(), line)).add(*packets(line.row), True)


@scenario("zrtp-to-zrtp", "linphonec calls linphonec", PEER, suite=f"{SUITE} to {SUITE}", method="ZRTP", place="host")
def to_zrtp(site: Site) -> Outcome:
    """Two phones with ZRTP, the PBX between them: each line has a SAS of its own."""
    user = "zrtp-to-zrtp"
    with site.callee(Media.ZRTP) as name, zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.call(uri(site, name))
        near, far = same_sas(site, caller, user), same_sas(site, callee, name)
        assert near.sas != far.sas, f"two lines have one SAS, {near.sas}"
        assert near.peer_zid != far.peer_zid, "two phones have one ZID"
        wait_heard(HEARD, (SPEECH, callee.heard), (OTHER_SPEECH, caller.heard))
        near, far = line_of(site, user), line_of(site, name)
        caller.hang_up()
        time.sleep(0.7)
        require_heard(SPEECH, callee.heard(), HEARD, "the called phone")
        require_heard(OTHER_SPEECH, caller.heard(), HEARD, "the calling one")
        told = ("caller's line:", *both_sas(caller.sas(), near), "callee's line:", *both_sas(callee.sas(), far))
        return Outcome(f"{near.suite} to {far.suite}", sas=told).add(*packets(near.row), True).add(*packets(far.row), True)


@scenario("zrtp-audio-and-video", "echo, audio and video", PEER, suite=f"{SUITE} twice", method="ZRTP", place="host")
def audio_and_video(site: Site) -> Outcome:
    """Both streams of a call are of one association: the second is keyed by Multistream, and there is one SAS."""
    user = "zrtp-video"
    with zrtp_phone(site, user, video=True) as phone:
        phone.call(uri(site, "echo"))
        sas = phone.sas()
        time.sleep(4)
        found = rows_of_user(site.pbx, user)
        terms = [(row["Method"], row["Suite-In"], row["Suite-Out"]) for row in found]
        assert terms == [("ZRTP", SUITE, SUITE)] * 2, f"audio and video are {terms}"
        channel = found[0]["Channel"]
        assert found[1]["Channel"] == channel and variable(site, channel, "SEALRTP(sas)") == sas, f"the phone shows {sas}"
        shown = site.pbx.cli(f"sealrtp show stream {channel}")
        assert shown.count("keys of the call's first stream") == 1, f"no second stream is keyed by Multistream:\n{shown}"
        modes = re.findall(r"ZRTP (?:Send|Receive) packet type (DHPart1|DHPart2)", phone.log)
        assert sorted(modes) == ["DHPart1", "DHPart2"], f"the phone has exchanged public values more than once: {modes}"
        phone.hang_up()
        counted = [(int(row["Packets-In"]), int(row["Packets-Out"]), row["AuthFail"], row["Replays"]) for row in found]
        assert all(came >= 5 and went >= 5 and bad == again == "0" for came, went, bad, again in counted), f"counted {counted}"
    return Outcome(f"{SUITE} twice", sas=(f"phone {sas}", f"PBX {sas}"), heard=True,
                   sent=sum(each[0] for each in counted), received=sum(each[1] for each in counted))


@scenario("zrtp-hold", "hold, resume", PEER, suite=SUITE, method="ZRTP", place="host")
def hold(site: Site) -> Outcome:
    """A phone holds and resumes: the same association and SAS, and the sound comes back."""
    user = "zrtp-hold"
    with zrtp_phone(site, user) as phone:
        before, _ = dial(site, phone, user)
        time.sleep(1.5)
        phone.hold()
        time.sleep(1.5)
        phone.resume()
        time.sleep(0.5)
        resumed = line_of(site, user)
        wait_more_packets(lambda: [dict(line_of(site, user).row)], [dict(resumed.row)])
        after = same_sas(site, phone, user)
        assert after.sas == before.sas and associations(site, after) == 1, "another association"
        phone.hang_up()
        return outcome(phone, after)


def transferred(site: Site, b: ZrtpPhone, b_name: str, c: ZrtpPhone, c_name: str) -> Outcome:
    """B and C are to be together now: both lines are secured, and each hears the other."""
    at_b, at_c = same_sas(site, b, b_name), same_sas(site, c, c_name)
    wait_heard(2, (SPEECH, c.heard), (OTHER_SPEECH, b.heard))
    at_b, at_c = same_sas(site, b, b_name), same_sas(site, c, c_name)
    assert (associations(site, at_b), associations(site, at_c)) == (1, 1), "a line was secured anew"
    b.hang_up()
    time.sleep(0.7)
    require_heard(SPEECH, c.heard(), 2, "C")
    require_heard(OTHER_SPEECH, b.heard(), 2, "B")
    told = ("B's line:", *both_sas(b.sas(), at_b), "C's line:", *both_sas(c.sas(), at_c))
    return Outcome(f"{at_b.suite} to {at_c.suite}", sas=told).add(*packets(at_b.row), True).add(*packets(at_c.row), True)


@scenario("zrtp-blind-transfer", "blind transfer", PEER, suite=f"{SUITE} to {SUITE}", method="ZRTP", place="host", demo=False)
def blind_transfer(site: Site) -> Outcome:
    """A calls B and sends B to C; all are phones with ZRTP."""
    with site.callee(Media.ZRTP) as b_name, site.callee(Media.ZRTP) as c_name, zrtp_phone(site, b_name, answer=True) as b, \
            zrtp_phone(site, c_name, say=OTHER_SPEECH, answer=True) as c, zrtp_phone(site, "zrtp-blind", say=PLAYBACK) as a:
        a.call(uri(site, b_name))
        same_sas(site, a, "zrtp-blind")
        a.command(f"transfer {uri(site, c_name)}")
        return transferred(site, b, b_name, c, c_name)


@scenario("zrtp-attended-transfer", "attended transfer", PEER, suite=f"{SUITE} to {SUITE}", method="ZRTP", place="host")
def attended_transfer(site: Site) -> Outcome:
    """A calls B, then C, and puts them together; all are phones with ZRTP."""
    with site.callee(Media.ZRTP) as b_name, site.callee(Media.ZRTP) as c_name, zrtp_phone(site, b_name, answer=True) as b, \
            zrtp_phone(site, c_name, say=OTHER_SPEECH, answer=True) as c, zrtp_phone(site, "zrtp-attended", say=PLAYBACK) as a:
        a.call(uri(site, b_name))
        same_sas(site, a, "zrtp-attended")
        a.hold()
        a.call(uri(site, c_name))
        a.sas(2)
        a.command("transfer 1 --to-call 2")
        return transferred(site, b, b_name, c, c_name)


def first_heard(sound: bytes, heard: bytes) -> int:
    """Where a sound begins in what was heard, or -1: by the first of its frames that is there, since a phone may drop one."""
    frames = (heard.find(sound[at:at + FRAME_BYTES]) for at in range(0, len(sound), FRAME_BYTES))
    return next((place for place in frames if place >= 0), -1)


@scenario("zrtp-speak", "SAS read aloud", PEER, suite=SUITE, method="ZRTP", place="host")
def speak(site: Site) -> Outcome:
    """The dialplan reads the SAS to the caller: what is heard is what the phone shows."""
    user = "zrtp-speak"
    with zrtp_phone(site, user) as phone:
        phone.call(uri(site, "say-sas"))
        line = same_sas(site, phone, user)
        # The PBX hangs up when it has read it.
        phone.wait_text("ended")
        time.sleep(0.3)
    heard = phone.heard()
    places = {symbol: first_heard(sound, heard) for symbol, sound in SPELLED.items()}
    said = "".join(sorted((symbol for symbol, place in places.items() if place >= 0), key=lambda symbol: places[symbol]))
    expected = "".join(dict.fromkeys(line.sas))
    assert said == expected, f"{said!r} was read, the SAS is {line.sas}"
    return Outcome(line.suite, heard=True, sas=both_sas(phone.sas(), line), detail=f"the caller heard {' '.join(said)}")


def command_in_call(site: Site, user: str, command: str, expected: str) -> Outcome:
    """A CLI command in the middle of an echo: the association stays, the sound is whole, and ours is still the module at work."""
    with zrtp_phone(site, user) as phone:
        line, _ = dial(site, phone, user)
        time.sleep(1)
        said = site.pbx.cli(command)
        assert expected in said, f"{command}: {said}"
        check_ours(site.pbx)
        wait_heard(HEARD, (SPEECH, phone.heard))
        after = same_sas(site, phone, user)
        assert after.sas == line.sas and associations(site, after) == 1, "another association"
        phone.hang_up()
        time.sleep(0.5)
    share = require_heard(SPEECH, phone.heard(), HEARD)
    return outcome(phone, after, share, said.strip().splitlines()[0])


@scenario("zrtp-reload-in-call", "echo, module reloaded", PEER, suite=SUITE, method="ZRTP", place="host", heavy=True)
def reload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "zrtp-reload", "module reload res_sealrtp.so", "reloaded")


@scenario("zrtp-unload-in-call", "echo, module unload refused", PEER, suite=SUITE, method="ZRTP", place="host", heavy=True, demo=False)
def unload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "zrtp-unload", "module unload res_sealrtp.so", "Unable to unload")
