"""What happens in the middle of a call: offers of FreeSWITCH's that are refused, INVITEs without a description, media that is to go elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace

from calls import sdp
from calls.audio import SPEECH
from calls.calls_media import CM32, CM80, SECOND
from calls.legs import Leg, good_media, legs
from calls.registry import Outcome, require_audio
from calls.sdp import Crypto
from calls.sip import Call, Message

from freeswitch.ends import channel
from freeswitch.place import SwitchSite
from freeswitch.table import call

PEER = "libsrtp"


def heard(leg: Leg) -> Outcome:
    """A second of speech and its echo, all of it secured."""
    leg.say(SPEECH[:SECOND])
    leg.media.drain(4)
    time.sleep(0.3)
    report = leg.report()
    good_media(report)
    return Outcome(CM80).add(report.sent, report.packets, require_audio(SPEECH, report, 40))


def refuse_offers(dialog: Call) -> None:
    """From here on each INVITE of the peer's is answered by 488."""
    usual = dialog.handle

    def handle(request: Message) -> None:
        if request.method != "INVITE":
            usual(request)
            return
        dialog.requests.append(request)
        dialog.respond(request, 488, "Not Acceptable Here")

    dialog.handle = handle  # type: ignore[method-assign]


@call("our-offer-refused", "echo, our re-INVITE gets 488", PEER, suite=CM80)
def our_offer_refused(site: SwitchSite) -> Outcome:
    """The call goes on as it was, although FreeSWITCH reads the peer's last offer, with two keys, as if it were the answer."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80), Crypto.fresh(2, CM32)]).status == 200
        assert leg.call is not None
        refuse_offers(leg.call)
        site.switch.api(f"uuid_media_reneg {channel(leg)} =PCMU")
        requests = leg.call.requests
        leg.phone.wait(lambda: [one for one in requests if one.method == "INVITE"] or None, 5, "FreeSWITCH's re-INVITE")
        time.sleep(0.5)
        assert leg.call.ended_by_peer is None, "the call was ended"
        return heard(leg)


@call("re-invite-without-sdp", "echo, re-INVITE without a description", PEER, suite=CM80)
def without_sdp(site: SwitchSite) -> Outcome:
    """The 200 offers the key that runs, the ACK answers it, and the audio goes on under both keys."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert leg.call is not None and leg.ours is not None and leg.theirs is not None

        def answer(offer: str) -> str:
            return leg.body([replace(leg.ours, tag=sdp.read(offer).cryptos[0].tag)])  # type: ignore[type-var]

        leg.call.answer_in_ack = answer
        final = leg.call.reinvite("")
        assert final.status == 200, final.start
        offered = sdp.read(final.body)
        assert offered.profile == "RTP/SAVP" and [one.keys for one in offered.cryptos] == [leg.theirs.keys], "the 200 does not offer the key that runs"
        time.sleep(0.5)
        return heard(leg)


@call("bypass-refused", "echo, uuid_media off", PEER, suite=CM80)
def bypass_refused(site: SwitchSite) -> Outcome:
    """Media that has keys with us cannot go past FreeSWITCH: the command fails, nothing is offered, and the call goes on."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert leg.call is not None
        said = site.switch.api(f"uuid_media off {channel(leg)}")
        assert said.startswith("-ERR"), f"`uuid_media off` says {said!r}"
        time.sleep(0.5)
        assert not [one for one in leg.call.requests if one.method == "INVITE"], "FreeSWITCH has sent the media elsewhere"
        return heard(leg)
