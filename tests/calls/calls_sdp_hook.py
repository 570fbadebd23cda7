"""Calls whose security is in the SDP that res_sealrtp_pjsip.so writes and reads: chan_pjsip's own end points know of none."""

from __future__ import annotations

import time



from late import PATIENCE
from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80, SECOND
from calls.dtls import PROFILE, dtls_legs
from calls.legs import Leg, good_media, legs
from calls.registry import Outcome, require_audio, scenario
from calls.sdp import Crypto

from calls.site import Site
from calls.streams import row_of

PJSIP = ("asterisk22", "asterisk16-pjsip")
PEER = "scripted"
SAID = SPEECH[:3 * SECOND]


def asks_keys_nowhere(site: Site, *texts: str) -> None:
    """AssertionError if one of these stands in Asterisk's log."""
    log = site.pbx.log_text()
    for text in texts:
        assert text not in log, "a key stands in the log"


def key_text(crypto: Crypto) -> str:
    """The key as an a=crypto line has it."""
    return crypto.line.split("inline:")[1].split("|")[0].split(";")[0]


def shows(site: Site, leg: Leg, method: str) -> None:
    """AssertionError unless the PBX's stream of this leg is secured by the method."""
    row = row_of(site.pbx, sdp.read(leg.call.remote_sdp).port)
    assert (row["Method"], row["State"]) == (method, "SECURE"), f"`sealrtp show streams` tells {row}"


def explains(site: Site, whose: str, *texts: str) -> str:
    """What `sealrtp explain` tells; AssertionError unless these texts are in it."""
    explained = site.pbx.cli(f"sealrtp explain {whose}")
    missing = [text for text in texts if text not in explained]
    assert not missing, f"{missing} are not in what `sealrtp explain {whose}` tells:\n{explained}"
    return explained


@scenario("hook-sdes-offered", "a SDES offer to a policy end point: echo", PEER, suite=CM80, kinds=PJSIP)
def sdes_offered(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        ours = Crypto.fresh(1, CM80)
        final = leg.invite("echo", [ours])
        assert final.status == 200, final.start
        leg.say(SAID)
        leg.media.drain()
        leg.settle(140)
        shows(site, leg, "SDES")
        explained = explains(site, "PJSIP/hook", "sdes is taken", "Now: keys by SDES, media is secured both ways")
        assert leg.theirs is not None
        assert "inline:" not in explained and key_text(leg.theirs) not in explained
        asks_keys_nowhere(site, key_text(ours), key_text(leg.theirs))
        assert leg.call is not None
        leg.call.bye()
        report = leg.report()
    good_media(report)
    return Outcome(CM80).add(report.sent, report.packets, require_audio(SAID, report, 140))


@scenario("hook-dtls-offered", "a DTLS offer to a policy end point: echo", PEER, method="DTLS", kinds=PJSIP)
def dtls_offered(site: Site) -> Outcome:
    with dtls_legs(site, "hook", mux=False) as (leg,):
        final = leg.dial("echo")
        assert final.status == 200, final.start
        state = leg.secured()
        leg.say(SAID)
        leg.media.drain()
        leg.settle(140)
        shows(site, leg, "DTLS")
        assert leg.call is not None
        leg.call.bye()
        report = leg.report()
    good_media(report)
    return Outcome(state.profile, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, require_audio(SAID, report, 140))


def bridged(site: Site, caller: Leg, callee: Leg, method: str, *, secured: bool = False) -> Outcome:
    """Both speak; everything is judged; the caller hangs up."""
    caller.say(SAID)
    callee.say(OTHER_SPEECH[:3 * SECOND])
    caller.media.drain()
    callee.media.drain()
    caller.settle(120)
    callee.settle(120)
    if method:
        shows(site, callee, method)
    caller.call.bye()
    callee.call.wait_end()
    of_caller, of_callee = caller.report(), callee.report()
    good_media(of_caller, secured=secured)
    good_media(of_callee, secured=method in ("SDES", "DTLS"), may_lose=2)
    require_audio(OTHER_SPEECH, of_caller, 120)
    return Outcome().add(of_caller.sent + of_callee.sent, of_caller.packets + of_callee.packets,
                                      require_audio(SAID, of_callee, 120))


def everything(offer: sdp.Media, *names: str) -> None:
    """AssertionError unless an offer of the PBX carries these in RTP/AVP (RFC 8643)."""
    assert offer.profile == "RTP/AVP", f"the PBX offers {offer.profile}"
    missing = [name for name in names or ("crypto", "fingerprint", "setup", "zrtp-hash") if not offer.values(name)]
    assert not missing, f"the PBX's offer has no {', '.join(missing)}: {[a.split(':')[0] for a in offer.attributes]}"


def ring_bridge(caller: Leg, name: str) -> None:
    """The caller's INVITE; wait_final() later."""
    caller.offered = []
    caller.call = caller.phone.call(name, caller.body())


def connected(caller: Leg) -> None:
    final = caller.call.wait_final()
    assert final.status == 200, final.start
    caller.take_answer(final.body)


@scenario("hook-sdes-called", "the PBX offers all, SDES is answered", PEER, kinds=PJSIP)
def sdes_called(site: Site) -> Outcome:
    with legs(site, "plain", "hook-sdes") as (caller, callee):
        ring_bridge(caller, "hook-sdes")
        everything(callee.accept(CM80))
        connected(caller)
        assert callee.theirs is not None and callee.ours is not None
        asks_keys_nowhere(site, key_text(callee.ours), key_text(callee.theirs))
        return bridged(site, caller, callee, "SDES")


@scenario("hook-dtls-called", "the PBX offers all, DTLS is answered", PEER, kinds=PJSIP)
def dtls_called(site: Site) -> Outcome:
    with legs(site, "plain") as (caller,), dtls_legs(site, "hook-dtls", mux=False) as (callee,):
        ring_bridge(caller, "hook-dtls")
        offer = callee.wait_offer()
        everything(offer)
        callee.their_fingerprint = offer.values("fingerprint")[0]
        callee.media.remote(offer.remote)
        callee.call.answer(callee.describe("active", profile="RTP/AVP"))
        callee.shake("client", offer)
        callee.call.wait_ack()
        connected(caller)
        callee.secured()
        return bridged(site, caller, callee, "DTLS")


@scenario("hook-clear-called", "the PBX offers all, a phone without any answers", PEER, kinds=PJSIP)
def clear_called(site: Site) -> Outcome:
    with legs(site, "plain", "hook-clear") as (caller, callee):
        ring_bridge(caller, "hook-clear")
        offer = callee.wait_offer()
        everything(offer, "crypto", "fingerprint", "setup")
        callee.media.remote(offer.remote)
        callee.media.send_with(None)
        callee.call.answer(callee.body())
        callee.call.wait_ack()
        connected(caller)
        return bridged(site, caller, callee, "")


@scenario("hook-challenged", "the PBX's offer is challenged, and sent again with its keys", PEER, kinds=PJSIP)
def challenged(site: Site) -> Outcome:
    with legs(site, "plain", "hook-challenged") as (caller, callee):
        ring_bridge(caller, "hook-challenged")
        first = callee.wait_offer()

        def answer(body: str) -> str:
            offer = sdp.read(body)
            everything(offer)
            assert [c.line for c in offer.cryptos] == [c.line for c in first.cryptos], "the keys of the offer have changed"
            theirs = next(c for c in offer.cryptos if c.suite == CM80)
            callee.media.remote(offer.remote)
            ours = Crypto.fresh(theirs.tag, CM80)
            callee.use(ours, theirs)
            return callee.body([ours])

        callee.call.answer_offer = answer
        callee.call.respond(callee.call.invite_received, 401, "Unauthorized",
                            extra=[("www-authenticate", 'Digest realm="test", nonce="0123456789abcdef", algorithm=MD5')])
        connected(caller)
        return bridged(site, caller, callee, "SDES")


@scenario("hook-keys-not-logged", "no key of SDP is in the log with pjsip's logger and debug on", PEER, kinds=PJSIP, reads_log=True)
def keys_not_logged(site: Site) -> Outcome:
    for command in ("pjsip set logger on", "core set debug 9"):
        site.pbx.cli(command)
    try:
        with legs(site, "hook", "hook-logged") as (caller, callee):
            ours = Crypto.fresh(1, CM80)
            start = len(site.pbx.log_text())
            caller.offered = [ours]
            caller.call = caller.phone.call("hook-logged", caller.body([ours]))
            callee.accept(CM80)
            connected(caller)
            time.sleep(0.5)
            keys = [key_text(crypto) for crypto in (ours, caller.theirs, callee.ours, callee.theirs)]
            caller.call.bye()
            callee.call.wait_end()
            log = site.pbx.log_text()[start:]
    finally:
        for command in ("pjsip set logger off", "core set debug 0"):
            site.pbx.cli(command)
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***" in log, "the logger has shown nothing"
    asks_keys_nowhere(site, *keys)
    return Outcome(CM80, detail="keys are ***")


@scenario("hook-early-media", "SDES in 183, then 200", PEER, kinds=PJSIP)
def early_media(site: Site) -> Outcome:
    with legs(site, "plain", "hook-early") as (caller, callee):
        ring_bridge(caller, "hook-early")
        offer = callee.wait_offer()
        callee.media.remote(offer.remote)
        theirs = next(c for c in offer.cryptos if c.suite == CM80)
        ours = Crypto.fresh(theirs.tag, CM80)
        callee.use(ours, theirs)
        body = callee.body([ours])
        callee.call.answer(body, 183, "Session Progress")
        time.sleep(0.5)
        shows(site, callee, "SDES")
        callee.call.answer(body)
        callee.call.wait_ack()
        connected(caller)
        return bridged(site, caller, callee, "SDES")


@scenario("hook-forked", "two phones answer one offer, each with keys of its own", PEER, kinds=PJSIP)
def forked(site: Site) -> Outcome:
    with legs(site, "plain", "hook-forked") as (caller, callee):
        ring_bridge(caller, "hook-forked")
        offer = callee.wait_offer()
        callee.media.remote(offer.remote)
        theirs = next(c for c in offer.cryptos if c.suite == CM80)
        local, other = callee.call.local, Crypto.fresh(theirs.tag, CM80)
        callee.call.local = local + "fork"
        callee.call.answer(callee.body([other]), 183, "Session Progress")
        time.sleep(0.3)
        callee.call.local = local
        ours = Crypto.fresh(theirs.tag, CM80)
        callee.use(ours, theirs)
        callee.call.answer(callee.body([ours]))
        callee.call.wait_ack()
        connected(caller)
        return bridged(site, caller, callee, "SDES")


@scenario("hook-prack", "SDES in a 183 that wants PRACK; the 200 says nothing more", PEER, kinds=PJSIP)
def prack(site: Site) -> Outcome:
    with legs(site, "plain", "hook-prack") as (caller, callee):
        ring_bridge(caller, "hook-prack")
        offer = callee.wait_offer()
        callee.media.remote(offer.remote)
        theirs = next(c for c in offer.cryptos if c.suite == CM80)
        ours = Crypto.fresh(theirs.tag, CM80)
        callee.use(ours, theirs)
        invite = callee.call.invite_received
        callee.call.local_sdp = callee.body([ours])
        callee.call.respond(invite, 183, "Session Progress", callee.call.local_sdp, extra=[("require", "100rel"), ("rseq", "1")])
        callee.phone.wait(lambda: next((m for m in callee.call.requests if m.method == "PRACK"), None), PATIENCE, "a PRACK")
        callee.call.answered = callee.call.respond(invite, 200, "OK")
        callee.call.wait_ack()
        connected(caller)
        return bridged(site, caller, callee, "SDES")


def echoed(site: Site, leg: Leg, detail: str = "") -> Outcome:
    """What is said comes back, secured by SDES."""
    leg.say(SAID)
    leg.media.drain()
    leg.settle(120)
    shows(site, leg, "SDES")
    leg.call.bye()
    report = leg.report()
    good_media(report)
    return Outcome(CM80, detail=detail).add(report.sent, report.packets, require_audio(SAID, report, 120))


@scenario("hook-reinvite", "re-INVITEs: the same again, then another key", PEER, suite=CM80, kinds=PJSIP)
def reinvite(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        ours = Crypto.fresh(1, CM80)
        assert leg.invite("echo", [ours]).status == 200
        theirs = leg.theirs
        again = leg.call.reinvite(leg.body([ours]))
        assert again.status == 200, again.start
        leg.take_answer(again.body)
        assert leg.theirs.keys == theirs.keys, "a re-INVITE without change has changed the PBX's key"
        fresh = Crypto.fresh(1, CM80)
        leg.offered = [fresh]
        again = leg.call.reinvite(leg.body([fresh]))
        assert again.status == 200, again.start
        leg.take_answer(again.body)
        return echoed(site, leg)


@scenario("hook-update", "UPDATE with another key", PEER, suite=CM80, kinds=PJSIP)
def update(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        fresh = Crypto.fresh(1, CM80)
        leg.offered = [fresh]
        sent = leg.call.request("UPDATE", leg.body([fresh]))
        leg.phone.send(sent)
        answer = leg.call.wait_response(sent, PATIENCE)
        assert answer.status == 200, answer.start
        leg.take_answer(answer.body)
        return echoed(site, leg)


@scenario("hook-multipart", "SDES in a part of a multipart body", PEER, suite=CM80, kinds=PJSIP)
def multipart(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        ours = Crypto.fresh(1, CM80)
        leg.offered = [ours]
        leg.call = leg.phone.prepare("echo")
        sent = leg.call.request("INVITE", leg.body([ours]))
        sent.headers = [h for h in sent.headers if h[0] != "content-type"] + [("content-type", "multipart/mixed;boundary=part")]
        sent.body = ("--part\r\nContent-Type: text/plain\r\n\r\nhello\r\n--part\r\nContent-Type: application/sdp\r\n\r\n"
                     f"{sent.body}\r\n--part--\r\n")
        leg.call.invite_sent = sent
        leg.phone.send(sent)
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        leg.take_answer(final.body)
        asks_keys_nowhere(site, key_text(ours))
        return echoed(site, leg)


@scenario("hook-offer-in-200", "an INVITE without SDP: the PBX offers in 200, SDES is answered in ACK", PEER, kinds=PJSIP)
def offer_in_200(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        ours = []

        def answer(body: str) -> str:
            offer = sdp.read(body)
            everything(offer)
            theirs = next(c for c in offer.cryptos if c.suite == CM80)
            ours.append(Crypto.fresh(theirs.tag, CM80))
            leg.media.remote(offer.remote)
            leg.use(ours[0], theirs)
            return leg.body(ours)

        leg.call = leg.phone.prepare("echo")
        leg.call.answer_in_ack = answer
        leg.call.send_invite("")
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        time.sleep(0.3)
        return echoed(site, leg)


@scenario("hook-no-clear-offer", "a strict end point is offered clear media without ZRTP in mind", PEER, kinds=PJSIP, reads_log=True)
def no_clear_offer(site: Site) -> Outcome:
    with legs(site, "hook-strict-sdes") as (leg,):
        start = len(site.pbx.log_text())
        final = leg.invite("echo")
        assert final.status == 488, final.start
        said = site.pbx.wait_log(r"Refusing with 488 the offer.*", start=start)[0]
        assert "fallback" in said and leg.call.call_id in said, said
        explains(site, "PJSIP/hook-strict-sdes", "offer from the peer: audio RTP/AVP with no keys: refused", "fallback = reject")
        return Outcome(detail="488")


@scenario("hook-no-clear-answer", "a strict end point answers clear: the call ends", PEER, kinds=PJSIP, reads_log=True)
def no_clear_answer(site: Site) -> Outcome:
    with legs(site, "plain", "hook-refused") as (caller, callee):
        start = len(site.pbx.log_text())
        site.watch(callee.media.port, callee.media.port + 1)
        ring_bridge(caller, "hook-refused")
        offer = callee.wait_offer()
        assert offer.profile == PROFILE, f"the PBX offers {offer.profile}"
        callee.media.remote(offer.remote)
        callee.call.answer(callee.body())
        callee.call.wait_ack()
        callee.call.wait_end()
        said = site.pbx.wait_log(r"Ending the call, refused SDP.*", start=start)[0]
        final = caller.call.wait_final()
        assert final.status >= 400, f"the caller gets {final.start}"
        explains(site, "PJSIP/hook-refused", "our offer: audio UDP/TLS/RTP/SAVP with dtls", "the answer is clear")
        return Outcome(detail=said.split(": ", 2)[-1][:60])


@scenario("hook-nothing-to-offer", "SDES only over TLS, and the phone is called over UDP: no offer leaves, the call ends", PEER, kinds=PJSIP, reads_log=True)
def nothing_to_offer(site: Site) -> Outcome:
    with legs(site, "plain", "hook-needs-tls") as (caller, callee):
        start = len(site.pbx.log_text())
        ring_bridge(caller, "hook-needs-tls")
        final = caller.call.wait_final()
        assert final.status >= 400, final.start
        said = site.pbx.wait_log(r"Not sending SDP of INVITE.*", start=start)[0]
        assert "sdes_signalling" in said, said
        assert not callee.phone.incoming, "the phone was called"
        return Outcome(detail=final.start)


@scenario("hook-direct-media", "direct_media=yes: what is secured by policy still comes through the PBX", PEER, suite=CM80, kinds=PJSIP)
def direct_media(site: Site) -> Outcome:
    with legs(site, "hook-direct", "hook-direct-called") as (caller, callee):
        ours = Crypto.fresh(1, CM80)
        caller.offered = [ours]
        caller.call = caller.phone.call("hook-direct-called", caller.body([ours]))
        callee.accept(CM80)
        connected(caller)
        time.sleep(1)
        moved = [m for leg in (caller, callee) for m in leg.call.requests if m.method == "INVITE" and m is not leg.call.invite_received]
        assert not moved, f"the PBX has sent {len(moved)} re-INVITEs"
        outcome = bridged(site, caller, callee, "SDES", secured=True)
    return outcome


@scenario("hook-strictly", "the dialplan chooses strict after a clear offer has come: 488", PEER, kinds=PJSIP, reads_log=True)
def strictly(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        start = len(site.pbx.log_text())
        site.watch(leg.media.port, leg.media.port + 1)
        final = leg.invite("strictly")
        assert final.status == 488, final.start
        said = site.pbx.wait_log(r"Not sending SDP of 200 to INVITE.*", start=start)[0]
        assert "strict" in said, said
        return Outcome(detail="488")


@scenario("hook-reloaded", "the module is unloaded and loaded with a call up", PEER, suite=CM80, kinds=PJSIP, reads_log=True)
def reloaded(site: Site) -> Outcome:
    with legs(site, "hook") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert "Unloaded" in site.pbx.cli("module unload res_sealrtp_pjsip.so")
        assert "Loaded" in site.pbx.cli("module load res_sealrtp_pjsip.so")
        return echoed(site, leg)
