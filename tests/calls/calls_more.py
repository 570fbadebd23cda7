"""More of what a PBX does with a secured call: early media, optimistic SRTP, re-INVITEs of the callee, calls that the PBX ends."""

from __future__ import annotations

import time
from dataclasses import replace

from late import PATIENCE
from pbx.endpoints import NATIVE, Media
from pbx.sounds import PLAYBACK

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_media import CM80, PEER, SECOND, connect, shown
from calls.legs import good_media, legs
from calls.registry import Outcome, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site


@scenario("early-media", "early media", PEER, suite=CM80)
def early_media(site: Site) -> Outcome:
    """A 183 with an answer in it: what is played before the call is answered is secured."""
    with legs(site, "secure") as (leg,):
        leg.offered = [Crypto.fresh(1, CM80)]
        leg.call = call = leg.phone.call("early", leg.body(leg.offered))
        progress = leg.phone.wait(lambda: next((m for m in call.responses if m.status == 183 and m.body), None), PATIENCE, "183 with SDP")
        leg.take_answer(progress.body)
        final = call.wait_final()
        assert final.status >= 400, final.start
        report = leg.report()
        good_media(report)
        # Media may start a packet or two before the 183 has been read.
        return Outcome(CM80).add(report.sent, report.packets, require_audio(PLAYBACK, report, len(PLAYBACK) // 160 - 10))


@scenario("optimistic-with-keys", "echo, RTP/AVP with keys", PEER, suite=CM80)
def optimistic_with_keys(site: Site) -> Outcome:
    """A carrier's way: nine suites offered in RTP/AVP. The answer has a key, and the media is secured."""
    with legs(site, "either") as (leg,):
        leg.offered = [Crypto.fresh(tag, suite) for tag, suite in enumerate(sdp.SUITES, 1) if "NULL" not in suite]
        leg.call = leg.phone.call("echo", leg.body(leg.offered, profile="RTP/AVP"))
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        answer = sdp.read(final.body)
        assert len(answer.cryptos) == 1, f"the answer has {len(answer.cryptos)} keys"
        theirs = answer.cryptos[0]
        ours = next((c for c in leg.offered if (c.tag, c.suite) == (theirs.tag, theirs.suite)), None)
        assert ours is not None, f"tag {theirs.tag} {theirs.suite} was not offered"
        leg.media.remote(answer.remote)
        leg.use(ours, theirs)
        leg.say(SPEECH[:2 * SECOND])
        leg.media.drain()
        leg.settle(90)
        shown(site, leg, theirs.suite)
        report = leg.report()
        good_media(report)
        assert not report.plain_on_wire
        return Outcome(theirs.suite).add(report.sent, report.packets, require_audio(SPEECH, report, 90))


@scenario("optimistic-without-keys", "echo, no keys offered", PEER, method="none", demo=False)
def optimistic_without_keys(site: Site) -> Outcome:
    """The same endpoint falls back to clear RTP for a peer that has no SRTP."""
    with legs(site, "either") as (leg,):
        assert leg.invite("echo").status == 200
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report, secured=False)
        return Outcome().add(report.sent, report.packets, require_audio(SPEECH, report, 40))


# chan_sip itself offers no keys to an INVITE without SDP, with whatever module.
@scenario("late-offer", "echo, offer in the 200", PEER, suite=CM80, kinds=("asterisk22", "asterisk16-pjsip"))
def late_offer(site: Site) -> Outcome:
    """An INVITE without SDP: the PBX offers in its 200, the ACK answers with one of its suites."""
    with legs(site, "secure") as (leg,):
        def answer(body: str) -> str:
            offer = sdp.read(body)
            theirs = next(c for c in offer.cryptos if c.suite == CM80)
            ours = Crypto.fresh(theirs.tag, theirs.suite)
            leg.media.remote(offer.remote)
            leg.use(ours, theirs)
            return leg.body([ours])

        leg.call = leg.phone.prepare("echo")
        leg.call.answer_in_ack = answer
        leg.call.send_invite("")
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        time.sleep(0.2)
        leg.say(SPEECH[:2 * SECOND])
        leg.media.drain()
        leg.settle(90)
        assert not leg.call.ended, "the PBX ended the call"
        shown(site, leg, CM80)
        report = leg.report()
        good_media(report)
        return Outcome(CM80).add(report.sent, report.packets, require_audio(SPEECH, report, 90))


@scenario("answer-in-183", "bridge, callee answers in 183", PEER, suite=CM80)
def answer_in_183(site: Site) -> Outcome:
    """The callee's 183 has the answer, and its early media is heard; the 200 repeats the same answer."""
    with site.callee(Media.SDES) as name, legs(site, "plain", name) as (caller, callee):
        caller.call = caller.phone.call(name, caller.body())
        offer = callee.wait_offer()
        theirs = next(c for c in offer.cryptos if c.suite == CM80)
        ours = Crypto.fresh(theirs.tag, theirs.suite)
        callee.media.remote(offer.remote)
        callee.use(ours, theirs)
        body = callee.body([ours])
        assert callee.call is not None
        callee.call.answer(body, 183, "Session Progress")
        calling = caller.call
        progress = caller.phone.wait(lambda: next((m for m in calling.responses if m.status == 183 and m.body), None), PATIENCE, "183 with SDP")
        caller.take_answer(progress.body)
        callee.say(OTHER_SPEECH[:4 * SECOND])
        time.sleep(1.5)
        callee.call.answer(body)
        callee.call.wait_ack()
        assert caller.call.wait_final().status == 200
        caller.say(SPEECH[:2 * SECOND])
        caller.media.drain()
        callee.media.drain()
        caller.media.settle(180)
        callee.media.settle(90)
        at_caller, at_callee = caller.report(), callee.report()
        # Early media goes through Dial(), then the bridge takes over: a packet on its way may get lost between them.
        good_media(at_callee, may_lose=2)
        good_media(at_caller, secured=False, may_lose=2)
        early = compare(OTHER_SPEECH, at_caller.audio)
        assert early.matched == early.frames >= 180, f"the caller heard {early}"
        heard = compare(SPEECH, at_callee.audio)
        assert heard.matched == heard.frames >= 90, f"the callee heard {heard}"
        return Outcome(CM80).add(at_caller.sent + at_callee.sent, at_caller.packets + at_callee.packets, True)


@scenario("callee-re-keys", "bridge, callee re-keys", PEER, suite=CM80)
def callee_re_keys(site: Site) -> Outcome:
    """The called side, whose key answered ours, re-INVITEs with a new one; then with the same again."""
    with site.callee(Media.SDES) as name, legs(site, "plain", name) as (caller, callee):
        connect(caller, callee, None, CM80)
        assert callee.call is not None
        caller.say(SPEECH, repeat=True)
        callee.say(OTHER_SPEECH, repeat=True, sequence=100)
        for leg in (caller, callee):
            leg.media.wait_more(40)
        callee.media.stop()
        callee.offered = [Crypto.fresh(1, CM80)]
        for _ in range(2):
            final = callee.call.reinvite(callee.body(callee.offered))
            assert final.status == 200, final.start
            callee.take_answer(final.body)
            callee.say(OTHER_SPEECH, repeat=True)
            for leg in (caller, callee):
                leg.media.wait_more(60, leg.report().packets)
        callee.media.stop()
        caller.media.stop()
        caller.settle()
        callee.settle()
        at_caller, at_callee = caller.report(), callee.report()
        assert not at_callee.auth_failures and not at_callee.duplicates, f"{at_callee.auth_failures} packets do not authenticate"
        assert at_callee.by_keys[-1] >= 80 or len(at_callee.by_keys) == 1, f"packets per key: {at_callee.by_keys}"
        tail = compare(SPEECH, at_callee.audio[-80 * 160:])
        assert tail.whole, f"the callee hears {tail}"
        assert at_caller.clear >= 140, f"only {at_caller.clear} packets came to the caller"
        return Outcome(CM80).add(at_caller.sent + at_callee.sent, at_caller.packets + at_callee.packets, tail)


@scenario("aes-192-of-libsrtp", "echo, libsrtp_aes192 = yes", PEER, suite="AES_192_CM_HMAC_SHA1_80",
          configuration=f"{NATIVE}libsrtp_aes192 = yes\n")
def aes_192_of_libsrtp(site: Site) -> Outcome:
    """A peer that derives AES-192 keys as libsrtp does, and the switch for it."""
    with legs(site, "secure") as (leg,):
        offer = replace(Crypto.fresh(1, "AES_192_CM_HMAC_SHA1_80"), libsrtp_aes192=True)
        assert leg.invite("echo", [offer]).status == 200
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report)
        return Outcome(offer.suite).add(report.sent, report.packets, require_audio(SPEECH, report, 40))


@scenario("pbx-hangs-up", "PBX hangs up", PEER, suite=CM80, demo=False)
def pbx_hangs_up(site: Site) -> Outcome:
    """The PBX ends a call while media comes in; nothing is sent after the BYE has been answered."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("hangup", [Crypto.fresh(1, CM80)]).status == 200
        leg.say(SPEECH[:3 * SECOND])
        assert leg.call is not None
        leg.call.wait_end()
        leg.media.drain()
        report = leg.report()
        assert report.packets == report.authenticated, f"{report.auth_failures} packets do not authenticate"
        return Outcome(CM80).add(report.sent, report.packets, True)
