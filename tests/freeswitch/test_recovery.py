"""A FreeSWITCH that was killed in mid-call and recovers it: the call goes on under new keys, and nothing clear passes meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from calls.audio import SPEECH, skips
from calls.calls_media import CM80, SECOND
from calls.legs import good_media, legs
from calls.registry import require_audio
from calls.sdp import Crypto, read

from freeswitch.place import KIND, running


def test_a_call_is_recovered_under_new_keys(tmp_path: Path) -> None:
    skips.set(KIND.skips)
    with running(tmp_path, "sealrtp", profile={"track-calls": "true"}) as site, legs(site.for_call("recovery"), "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert leg.call is not None and leg.theirs is not None
        before = leg.theirs
        time.sleep(1)

        def answer(offer: str) -> str:
            media = read(offer)
            assert media.profile == "RTP/SAVP", f"the recovered call offers {media.profile}"
            theirs = next(one for one in media.cryptos if one.suite == CM80)
            assert theirs.keys != before.keys, "the key survived the process"
            ours = Crypto.fresh(theirs.tag, CM80)
            leg.media.remote(media.remote)
            leg.use(ours, theirs)
            return leg.body([ours])

        leg.call.answer_offer = answer
        assert site.switch.process is not None
        site.switch.process.kill()
        site.switch.process.wait()
        site.switch.events = None
        site.switch.start()
        assert "Recovered 1" in site.switch.api("sofia recover")
        requests = leg.call.requests
        leg.phone.wait(lambda: next((one for one in requests if one.method == "INVITE"), None), 10, "the recovered call's INVITE")
        time.sleep(1)
        assert "SECURE" in site.switch.api("sealrtp calls")
        leg.say(SPEECH[:SECOND])
        leg.media.drain(4)
        time.sleep(0.3)
        report = leg.report()
        good_media(report)
        require_audio(SPEECH, report, 40)
        leg.call.bye()
