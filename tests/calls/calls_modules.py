"""What an administrator does to the modules while a call runs, and what the call must not notice."""

from __future__ import annotations

import time

from calls.audio import SPEECH
from calls.calls_media import CM80, PEER, SECOND, shown
from calls.legs import good_media, legs
from calls.registry import Outcome, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site
from calls.streams import check_ours


def command_in_call(site: Site, command: str, expected: str) -> Outcome:
    """A CLI command in the middle of an echo; every packet before and after it is good, and ours is still the module at work."""
    with legs(site, "secure", known_audio=SPEECH) as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        leg.say(SPEECH[:3 * SECOND], rtcp=True)
        time.sleep(1)
        said = site.pbx.cli(command)
        assert expected in said, f"{command}: {said}"
        leg.media.drain()
        leg.settle(140)
        check_ours(site.pbx)
        shown(site, leg, CM80)
        report = leg.report()
        assert not report.clear_audio, f"{report.clear_audio} packets left in the clear"
        good_media(report)
        return Outcome(CM80, detail=said.strip().splitlines()[0]).add(report.sent, report.packets, require_audio(SPEECH, report, 140))


@scenario("reload-in-call", "echo, module reloaded", PEER, suite=CM80, heavy=True)
def reload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "module reload res_sealrtp.so", "reloaded")


@scenario("unload-in-call", "echo, module unload refused", PEER, suite=CM80, heavy=True)
def unload_in_call(site: Site) -> Outcome:
    return command_in_call(site, "module unload res_sealrtp.so", "Unable to unload")


@scenario("stock-module-in-call", "echo, res_srtp.so loaded", PEER, suite=CM80, heavy=True)
def stock_module_in_call(site: Site) -> Outcome:
    """Loading res_srtp.so fails, and takes the registration away on its way out: media must not turn clear for a single packet."""
    return command_in_call(site, "module load res_srtp.so", "Unable to load")
