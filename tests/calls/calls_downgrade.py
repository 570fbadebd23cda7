"""The downgrade watch: end points whose calls were secured before and are clear now, and what `on_failure` makes of them."""

from __future__ import annotations

import time

from late import wait_for
from pbx.manager import Message

from calls import sdp
from calls.audio import SPEECH
from calls.calls_media import CM80, PEER, SECOND
from calls.calls_zrtp import zrtp_phone
from calls.calls_zrtp_legs import same_sas, uri
from calls.legs import Leg, good_media, legs
from calls.registry import Outcome, require_audio, scenario
from calls.sdp import Crypto
from calls.site import ZRTP_LAPSED, Site
from calls.streams import row_of, wait_row

# After so many seconds a clear call would have been told: a look each half second.
TOLD_AFTER = 3.0


def remembered(site: Site, user: str) -> str:
    """By which method the last secured call of an end point was, as the console tells; "" for none."""
    shown = site.pbx.cli("sealrtp show endpoints")
    rows = [line.split() for line in shown.splitlines()]
    return next((row[1] for row in rows if len(row) == 3 and row[0].partition("/")[2] == user), "")


def wait_remembered(site: Site, user: str, method: str) -> None:
    wait_for(lambda: remembered(site, user) == method, f"a call by {method} to be remembered", every=0.2)


def secured_call(site: Site, user: str, profile: str = "RTP/AVP") -> None:
    """A call with SDES, and that it is remembered."""
    with legs(site, user) as (leg,):
        leg.offered = [Crypto.fresh(1, CM80)]
        leg.call = leg.phone.call("echo", leg.body(leg.offered, profile=profile))
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        answer = sdp.read(final.body)
        leg.media.remote(answer.remote)
        leg.use(leg.offered[0], answer.cryptos[0])
        leg.say(SPEECH[:SECOND])
        wait_remembered(site, user, "SDES")
        leg.media.settle(1)
        good_media(leg.report())
        leg.call.bye()


def clear_call(leg: Leg) -> None:
    """Begins a clear call and speaks."""
    assert leg.invite("echo").status == 200
    leg.say(SPEECH, repeat=True)


def downgrade_of(site: Site, user: str, start: int) -> Message:
    """The event that tells of it."""
    return site.pbx.manager.wait_event(
        "SealRTPDowngrade", lambda event: event["Endpoint"].partition("/")[2] == user, start=start)


def told_of(site: Site, user: str, start: int) -> bool:
    return any(event["Event"] == "SealRTPDowngrade" and event["Endpoint"].endswith(f"/{user}") for event in site.pbx.manager.events[start:])


@scenario("downgrade-told", "secured before, clear now: told", PEER, method="none")
def told(site: Site) -> Outcome:
    """By default a clear call after a secured one goes on and is told, in the log too; once forgotten it is nothing to tell."""
    user = "lapsed"
    with legs(site, user) as (leg,):
        # Nothing is known of it: clear calls are as good as any.
        start = len(site.pbx.manager.events)
        clear_call(leg)
        time.sleep(TOLD_AFTER)
        assert not told_of(site, user, start), "a downgrade is told of an end point that was never secured"
        assert leg.call is not None
        leg.call.bye()
    secured_call(site, user)
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        event = downgrade_of(site, user, start)
        assert (event["Method"], event["Consequence"]) == ("SDES", "Continue"), f"the event tells {event.fields}"
        leg.media.wait_more(50, leg.report().packets)
        assert leg.call is not None and not leg.call.ended, "the call was ended"
        log = site.pbx.log_text()
        assert f"{event['Channel']}: the call is clear" in log and f"sealrtp forget endpoint {event['Endpoint']}" in log, "the log does not tell"
        leg.media.stop()
        leg.settle(50)
        report = leg.report()
        good_media(report, secured=False)
        heard = require_audio(SPEECH, report, 50)
        leg.call.bye()
    assert "is forgotten" in site.pbx.cli(f"sealrtp forget endpoint {user}") and not remembered(site, user)
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        time.sleep(TOLD_AFTER)
        assert not told_of(site, user, start), "a downgrade is told of an end point that was forgotten"
        assert leg.call is not None
        leg.call.bye()
    return Outcome(detail=f"last {event['Method']} at {event['LastSecured']}").add(report.sent, report.packets, heard)


@scenario("downgrade-ends", "secured before, clear now: ended", PEER, method="none", demo=False)
def ends(site: Site) -> Outcome:
    """With `on_failure = hangup` written down such a call ends, and says why."""
    user = "lapsed-ends"
    secured_call(site, user)
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        event = downgrade_of(site, user, start)
        assert event["Consequence"] == "Hangup", f"the event tells {event.fields}"
        site.pbx.manager.wait_event("RequestNotAllowed", lambda other: other["RequestType"] == "Downgrade" and user in other["AccountID"],
                                    start=start)
        assert leg.call is not None
        leg.call.wait_end()
        failed = site.pbx.manager.wait_event("SealRTPFailed", lambda other: other["Channel"] == event["Channel"], start=start)
        assert "the call is clear" in failed["Reason"], f"the event tells {failed.fields}"
    assert remembered(site, user) == "SDES", "the clear call has changed what is remembered"
    return Outcome(detail=failed["Reason"])


@scenario("downgrade-blocks", "secured before, clear now: silent", PEER, method="none", demo=False)
def blocks(site: Site) -> Outcome:
    """With `on_failure = block` the call stays, and nothing passes any more."""
    user = "lapsed-blocks"
    secured_call(site, user)
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        event = downgrade_of(site, user, start)
        assert event["Consequence"] == "Block", f"the event tells {event.fields}"
        assert leg.call is not None
        port = sdp.read(leg.call.remote_sdp).port
        leg.media.settle()
        before, refused = leg.report().packets, int(row_of(site.pbx, port)["Refused"])
        time.sleep(2)
        row = wait_row(site.pbx, port, lambda row: int(row["Refused"]) >= refused + 80, "80 packets more must be refused")
        after = leg.report().packets
        assert after == before, f"{after - before} packets came back"
        assert row["State"] == "BLOCK", f"`sealrtp show streams` tells {row}"
        assert not leg.call.ended, "the call was ended"
        leg.call.bye()
    return Outcome(detail=f"{int(row['Refused']) - refused} packets were refused in a while")


@scenario("downgrade-from-zrtp", "ZRTP before, clear now: told", "linphonec, then libsrtp", method="ZRTP", place="host", demo=False)
def from_zrtp(site: Site) -> Outcome:
    """An end point whose phone had ZRTP, and now a phone that answers no Hello."""
    user = ZRTP_LAPSED
    with zrtp_phone(site, user) as phone:
        phone.call(uri(site, "echo"))
        same_sas(site, phone, user)
        wait_remembered(site, user, "ZRTP")
        phone.hang_up()
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        event = downgrade_of(site, user, start)
        assert (event["Method"], event["Consequence"]) == ("ZRTP", "Continue"), f"the event tells {event.fields}"
        assert leg.call is not None and not leg.call.ended, "the call was ended"
        leg.call.bye()
    return Outcome(detail=f"last {event['Method']} at {event['LastSecured']}")


@scenario("downgrade-of-policy", "SDES by policy before, clear now: ended", PEER, method="none", kinds=("asterisk22", "asterisk16-pjsip"), demo=False)
def of_policy(site: Site) -> Outcome:
    """The same for an end point whose security is policy's alone: its clear call ends once its phone has answered no Hello either."""
    user = "hook-lapsed"
    secured_call(site, user, "RTP/SAVP")
    with legs(site, user) as (leg,):
        start = len(site.pbx.manager.events)
        clear_call(leg)
        event = downgrade_of(site, user, start)
        assert (event["Method"], event["Consequence"]) == ("SDES", "Hangup"), f"the event tells {event.fields}"
        assert leg.call is not None
        leg.call.wait_end()
    return Outcome(detail=f"last {event['Method']} at {event['LastSecured']}")
