"""More of DTLS-SRTP calls: early media, offers in the 200, video, direct media, and what an administrator does in mid-call."""

from __future__ import annotations

import time

from late import PATIENCE, wait_for
from pbx.sounds import PLAYBACK

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_dtls import CALLER, PEER, STRONGEST, dtls_to, echo, shown, talk
from calls.calls_media import SECOND, connect
from calls.dtls import CM80, GCM256, PROFILE, dtls_legs
from calls.legs import Leg, good_media, legs
from calls.media import EndPoint
from calls.registry import Outcome, require_audio, scenario
from calls.site import Site
from calls.streams import check_ours


@scenario("dtls-early-media", "early media", PEER, suite=CM80, method="DTLS")
def early_media(site: Site) -> Outcome:
    """A 183 with an answer in it: the handshake runs then, and what is played before the call is answered is secured."""
    with dtls_legs(site, CALLER, profiles=[CM80], known_audio=PLAYBACK) as (leg,):
        leg.call = call = leg.phone.call("early", leg.describe())
        progress = leg.phone.wait(lambda: next((m for m in call.responses if m.status == 183 and m.body), None), PATIENCE, "183 with SDP")
        leg.take(progress.body)
        leg.secured()
        final = call.wait_final()
        assert final.status >= 400, final.start
        report = leg.report()
        good_media(report)
        heard = require_audio(PLAYBACK, report, len(PLAYBACK) // 160 - 20)
        return Outcome(CM80, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, heard)


@scenario("dtls-late-offer", "echo, offer in the 200", PEER, suite=CM80, method="DTLS", demo=False)
def late_offer(site: Site) -> Outcome:
    """An INVITE without SDP: the PBX offers in its 200, the ACK answers."""
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        leg.call = leg.phone.prepare("echo")
        leg.call.answer_in_ack = lambda body: leg.describe("active")
        leg.call.send_invite("")
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        offer = sdp.read(final.body)
        leg.learn(offer)
        leg.shake("client", offer)
        return echo(site, leg, CM80, 1)


@scenario("dtls-audio-and-video", "echo, audio and video", PEER, suite=f"{CM80} and {GCM256}", method="DTLS")
def audio_and_video(site: Site) -> Outcome:
    """Two m-lines of one call, each with an association, a certificate and a profile of its own."""
    payload = 99
    with dtls_legs(site, "dtls-video", profiles=[CM80]) as (leg,), \
            EndPoint(site.directory, site.unique("video"), address=site.address, payload_type=payload) as video:
        site.watch(video.port, video.port + 1)
        picture = video.certificate()
        body = leg.describe() + "\r\n".join([
            f"m=video {video.port} {PROFILE} {payload}", f"a=rtpmap:{payload} H264/90000", f"a=fmtp:{payload} profile-level-id=42e01f",
            f"a=fingerprint:sha-256 {picture['sha-256']}", "a=setup:actpass", "a=sendrecv", ""])
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        leg.take(final.body)
        answer = sdp.read(final.body, "video")
        assert answer.port and answer.profile == PROFILE, "the video was not accepted"
        video.remote(answer.remote)
        video.handshake("server" if answer.values("setup") == ["active"] else "client", profiles=[GCM256],
                        separate_rtcp="rtcp-mux" not in answer.attributes)
        leg.secured()
        states = video.wait_dtls()
        assert {(state.state, state.profile) for state in states} == {("done", GCM256)}, f"the video's handshakes: {states}"
        leg.say(SPEECH[:2 * SECOND])
        video.play(OTHER_SPEECH[:2 * SECOND], payload_type=payload, ssrc=0x71DE0)
        leg.media.drain()
        video.drain()
        leg.settle(90)
        video.settle(80)
        seen, report = video.report(), leg.report()
        good_media(report)
        assert seen.authenticated == seen.packets >= 80, f"of {seen.packets} video packets {seen.authenticated} are good"
        heard = compare(OTHER_SPEECH, seen.audio)
        assert heard.matched == heard.frames >= 80, f"the video is not what was sent: {heard}"
        return Outcome(f"{CM80} and {GCM256}", fingerprints=leg.both_fingerprints).add(
            report.sent + seen.sent, report.packets + seen.packets, require_audio(SPEECH, report, 90))


@scenario("dtls-direct-media", "bridge, direct media wanted", PEER, suite=CM80, method="DTLS", demo=False)
def direct_media(site: Site) -> Outcome:
    """Two end points that may send media to one another directly do not: each has keys with the PBX alone. Two clear ones do."""
    with legs(site, "clear-direct", "clear-direct-callee") as (caller, callee):
        connect(caller, callee, None, None)
        # Where the PBX sends each of them first, and when, is its own affair.
        wait_for(lambda: media_of_pbx(caller, callee) == own_media(callee, caller), "two clear end points to be sent to one another")
    with dtls_legs(site, "dtls-direct", "dtls-direct-callee", profiles=[CM80]) as (one, other):
        dtls_to(one, other)
        sent, received = talk(one, other)
        told = media_of_pbx(one, other)
        assert not set(told) & set(own_media(one, other)), f"the PBX sends the media away, to {told}"
        return Outcome(CM80, fingerprints=one.both_fingerprints).add(sent, received, True)


def media_of_pbx(*legs_of_call: Leg) -> list[str]:
    """Where the PBX last told each to send its media."""
    return [sdp.read(leg.call.remote_sdp).remote for leg in legs_of_call if leg.call is not None]


def own_media(*legs_of_call: Leg) -> list[str]:
    """Where each gets its media."""
    return [f"{leg.site.address}:{leg.media.port}" for leg in legs_of_call]


def command_in_call(site: Site, command: str, expected: str) -> Outcome:
    """A CLI command in the middle of an echo; every packet before and after it is good, and ours is still the module at work."""
    with dtls_legs(site, CALLER, known_audio=SPEECH) as (leg,):
        assert leg.dial("echo", "active").status == 200
        leg.secured()
        leg.say(SPEECH[:3 * SECOND], rtcp=True)
        time.sleep(1)
        said = site.pbx.cli(command)
        assert expected in said, f"{command}: {said}"
        leg.media.drain()
        leg.settle(140)
        check_ours(site.pbx)
        shown(site, leg, STRONGEST)
        report = leg.report()
        good_media(report)
        return Outcome(STRONGEST, detail=said.strip().splitlines()[0], fingerprints=leg.both_fingerprints).add(
            report.sent, report.packets, require_audio(SPEECH, report, 140))


@scenario("dtls-reload-in-call", "echo, module reloaded", PEER, suite=STRONGEST, method="DTLS", heavy=True)
def reload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "module reload res_sealrtp.so", "reloaded")


@scenario("dtls-unload-in-call", "echo, module unload refused", PEER, suite=STRONGEST, method="DTLS", heavy=True, demo=False)
def unload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "module unload res_sealrtp.so", "Unable to unload")


@scenario("dtls-fifty-calls", "50 calls at once", PEER, suite=STRONGEST, method="DTLS", heavy=True, demo=False, kinds=("asterisk22",))
def fifty_calls(site: Site) -> Outcome:
    """Calls that all begin at once are all secured, and the echo of each is whole."""
    count = 50
    users = [CALLER] * count
    with dtls_legs(site, *users) as made:
        for leg in made:
            leg.call = leg.phone.call("echo", leg.describe("active"))
        for leg in made:
            assert leg.call is not None
            final = leg.call.wait_final()
            assert final.status == 200, final.start
            leg.take(final.body)
        for leg in made:
            leg.secured()
        for leg in made:
            leg.say(SPEECH[:2 * SECOND])
        for leg in made:
            leg.media.drain()
        for leg in made:
            leg.settle(90)
        outcome = Outcome(STRONGEST, detail=f"{count} calls at once")
        for leg in made:
            report = leg.report()
            good_media(report)
            outcome.add(report.sent, report.packets, require_audio(SPEECH, report, 90))
        return outcome
