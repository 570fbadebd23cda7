"""What RTP may do and what a key may do: wraps, new SSRCs, lifetimes, several m-lines, and hostile datagrams among the good ones."""

from __future__ import annotations

import time

from pbx.endpoints import NATIVE, Media

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_media import CM32, CM80, GCM, PEER, SECOND, connect
from calls.legs import good_media, legs
from calls.media import EndPoint
from calls.registry import Outcome, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site
from calls.streams import wait_row


@scenario("wrap-on-bridge", "bridge, sequence wraps", PEER, suite=f"{CM80} to {CM32}")
def wrap_on_bridge(site: Site) -> Outcome:
    """Sequence numbers wrap in mid-call on both legs: the rollover counters of all four directions go on."""
    with site.callee(Media.SDES) as name, legs(site, "secure", name) as (caller, callee):
        connect(caller, callee, CM80, CM32)
        caller.say(SPEECH[:4 * SECOND], sequence=65536 - 100)
        callee.say(OTHER_SPEECH[:4 * SECOND], sequence=65536 - 90)
        caller.media.drain()
        callee.media.drain()
        caller.settle(185)
        callee.settle(185)
        at_caller, at_callee = caller.report(), callee.report()
        good_media(at_caller)
        good_media(at_callee)
        require_audio(OTHER_SPEECH, at_caller, 185)
        return Outcome(f"{CM80} to {CM32}").add(at_caller.sent + at_callee.sent, at_caller.packets + at_callee.packets,
                                                require_audio(SPEECH, at_callee, 185))


@scenario("new-ssrc", "echo, SSRC changes", PEER, suite=CM80)
def new_ssrc(site: Site) -> Outcome:
    """A peer that starts a new SSRC under the same key in mid-call, as behind a transfer, is heard at once."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        for number in range(3):
            leg.say(SPEECH[:SECOND], ssrc=0x5EA10000 + number, sequence=1000 * number)
            leg.media.drain()
        leg.media.settle(135)
        report = leg.report()
        assert report.authenticated == report.packets, f"{report.auth_failures} packets do not authenticate"
        heard = compare(SPEECH[:SECOND], report.audio)
        assert heard.matched == heard.frames >= 135, f"150 packets were sent under three SSRCs: {heard}"
        return Outcome(CM80).add(report.sent, report.packets, True)


@scenario("garbage-in-call", "echo, hostile datagrams", PEER, suite=CM80, sends_clear=True)
def garbage_in_call(site: Site) -> Outcome:
    """Two thousand hostile datagrams between good packets: the echo is whole, nothing crashes, nothing of them is heard."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        leg.say(SPEECH[:4 * SECOND], rtcp=True)
        for seed in range(1, 21):
            time.sleep(0.15)
            leg.media.garbage(100, seed * 7919)
        leg.media.drain()
        leg.settle(190)
        report = leg.report()
        good_media(report)
        heard = require_audio(SPEECH, report, 190)
        assert site.pbx.running, "the PBX died"
        return Outcome(CM80, detail="2000 hostile datagrams").add(report.sent, report.packets, heard)


@scenario("lifetime-of-the-peer", "echo, key's lifetime ends", PEER, suite=CM80)
def lifetime_of_the_peer(site: Site) -> Outcome:
    """The peer's key is declared good for 2^7 packets: packet 129 and later are refused."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80, lifetime="2^7")]).status == 200
        leg.say(SPEECH[:4 * SECOND])
        leg.media.drain()
        leg.media.settle(110)
        report = leg.report()
        assert report.packets == report.authenticated and 110 <= report.packets <= 128, f"128 packets were good for an echo, {report.packets} came"
        if not site.stock:
            assert leg.call is not None
            row = wait_row(site.pbx, sdp.read(leg.call.remote_sdp).port, lambda row: int(row["Refused"]) >= 72, "72 packets must be refused")
            assert int(row["Refused"]) == 72, f"72 packets were sent under a key that had expired: {row}"
        return Outcome(CM80, detail="72 packets refused").add(report.sent, report.packets, True)


@scenario("lifetime-of-ours", "echo, our key's lifetime ends", PEER, suite=CM80, configuration=f"{NATIVE}lifetime = 2^7\n")
def lifetime_of_ours(site: Site) -> Outcome:
    """Our key is declared, and is, good for 2^7 packets: nothing more leaves under it; a re-INVITE brings a new one."""
    with legs(site, "secure") as (leg,):
        leg.offered = [Crypto.fresh(1, CM80)]
        assert leg.invite("echo", leg.offered).status == 200
        assert leg.theirs is not None and leg.theirs.lifetime in ("2^7", "128"), f"the answer declares lifetime {leg.theirs}"
        leg.say(SPEECH[:4 * SECOND])
        leg.media.drain()
        leg.media.settle(110)
        report = leg.report()
        good_media(report)
        heard = require_audio(SPEECH, report, 110)
        assert report.packets <= 128, f"{report.packets} packets were sent under a key good for 128"
        assert leg.call is not None
        leg.offered = [Crypto.fresh(1, CM80)]
        final = leg.call.reinvite(leg.body(leg.offered))
        assert final.status == 200, final.start
        leg.take_answer(final.body)
        leg.say(SPEECH[:2 * SECOND], sequence=3000)
        leg.media.drain()
        leg.settle()
        again = leg.report()
        assert again.by_keys == [report.packets, again.authenticated - report.packets], f"packets per key: {again.by_keys}"
        assert again.by_keys[1] >= 95, f"only {again.by_keys[1]} of 100 packets came under the new key"
        return Outcome(CM80, detail=f"{report.packets} packets, then none").add(again.sent, again.packets, heard)


@scenario("audio-and-video", "echo, audio and video", PEER, suite=f"{CM80} and {GCM}")
def audio_and_video(site: Site) -> Outcome:
    """Two m-lines of one call, each with a suite, a key and an MKI of its own."""
    video_payload = 99
    with legs(site, "video") as (leg,), EndPoint(site.directory, site.unique("video"), address=site.address, payload_type=video_payload) as video:
        site.watch(video.port, video.port + 1)
        audio_key = Crypto.fresh(1, CM80, (1).to_bytes(32), "2^20")
        video_key = Crypto.fresh(1, GCM, (1).to_bytes(32), "2^20")
        body = leg.body([audio_key]) + "\r\n".join([
            f"m=video {video.port} RTP/SAVP {video_payload}", f"a=rtpmap:{video_payload} H264/90000",
            f"a=fmtp:{video_payload} profile-level-id=42e01f", f"a=crypto:{video_key.line}", "a=sendrecv", ""])
        leg.offered = [audio_key]
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        leg.take_answer(final.body)
        answer = sdp.read(final.body, "video")
        assert answer.port and len(answer.cryptos) == 1, "the video was not accepted"
        assert answer.cryptos[0].suite == GCM and answer.cryptos[0].keys != leg.theirs.keys, "the m-lines share a key"  # type: ignore[union-attr]
        video.remote(answer.remote)
        video.send_with(video_key)
        video.receive_with(answer.cryptos[0])
        leg.say(SPEECH[:2 * SECOND])
        video.play(OTHER_SPEECH[:2 * SECOND], payload_type=video_payload, ssrc=0x71DE0)
        leg.media.drain()
        video.drain()
        leg.settle(90)
        video.settle(90)
        seen, report = video.report(), leg.report()
        good_media(report)
        assert seen.authenticated == seen.packets >= 90, (f"of the video {seen.authenticated} packets are good, "
                                                          f"{seen.auth_failures} do not authenticate")
        picture = compare(OTHER_SPEECH, seen.audio)
        assert picture.matched == picture.frames >= 90, f"the video is not what was sent: {picture}"
        return Outcome(f"{CM80} and {GCM}").add(report.sent + seen.sent, report.packets + seen.packets, require_audio(SPEECH, report, 90))
