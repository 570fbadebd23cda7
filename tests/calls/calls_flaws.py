"""What goes wrong on purpose: copies, replays, broken tags, odd offers and bad answers; and the flaws stock is known for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from late import PATIENCE, Late
from pbx.endpoints import Media

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.calls_media import CM32, CM80, GCM, PEER, SECOND, connect
from calls.legs import Leg, good_media, legs
from calls.registry import Flaw, Outcome, Scenario, add, require_audio, scenario
from calls.sdp import Crypto
from calls.site import Site
from calls.streams import wait_row


# --- packets -----------------------------------------------------------------------------------------------------------


@scenario("duplicate-on-bridge", "bridge, copies", PEER, suite=f"RTP to {CM80}", flaw_of_stock=True)
def duplicate_on_bridge(site: Site) -> Outcome:
    """A clear caller's network doubles packets: no second copy leaves on the secured leg, least of all in the clear."""
    with site.callee(Media.SDES) as name, legs(site, "plain", name, known_audio=SPEECH) as (caller, callee):
        connect(caller, callee, None, CM80)
        caller.say(SPEECH[:2 * SECOND], copies=2)
        caller.media.drain()
        callee.settle(90)
        report = callee.report()
        if report.clear_audio:
            raise Flaw(f"{report.clear_audio} packets left in the clear")
        assert not report.conflicts, f"{report.conflicts} packets reuse an index"
        good_media(report)
        sent = caller.report().sent
        return Outcome(f"RTP to {CM80}").add(sent, report.packets, require_audio(SPEECH, report, 90))


@scenario("replayed-srtp", "echo, replays", PEER, suite=CM80, flaw_of_stock=True)
def replayed_srtp(site: Site) -> Outcome:
    """Each packet comes five times: one echo of each."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        leg.say(SPEECH[:2 * SECOND], copies=5)
        leg.media.drain()
        leg.settle(90)
        report = leg.report()
        if report.packets > 110:
            raise Flaw(f"500 packets, 400 of them replays, made {report.packets} echoes")
        good_media(report)
        heard = require_audio(SPEECH, report, 90)
        row = wait_row(site.pbx, remote_port(leg), lambda row: count(row, "replay") >= 400, "400 replays were sent")
        assert count(row, "replay") == 400, f"400 replays were sent: {row}"
        return Outcome(CM80, detail="400 replays refused").add(report.sent, report.packets, heard)


@scenario("auth-failures", "echo, broken tags", PEER, suite=CM80)
def auth_failures(site: Site) -> Outcome:
    """Twenty packets with a broken tag in mid-call: the call lives on, they are counted and never heard."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert leg.call is not None
        leg.say(SPEECH[:3 * SECOND], corrupt={"from": 50, "count": 20})
        leg.media.drain()
        leg.media.settle(100)
        report = leg.report()
        heard = compare(SPEECH, report.audio)
        assert heard.matched == heard.frames and 100 <= heard.matched <= 130, f"130 packets were good and {heard}"
        assert report.authenticated == report.packets
        assert not leg.call.ended, "the call ended"
        if not site.stock:
            row = wait_row(site.pbx, remote_port(leg), lambda row: count(row, "auth") >= 20, "20 tags were broken")
            assert count(row, "auth") == 20, f"20 tags were broken: {row}"
        return Outcome(CM80, detail="20 auth failures counted").add(report.sent, report.packets, True)


@scenario("clear-into-secured", "echo, clear packets", PEER, suite=CM80, sends_clear=True)
def clear_into_secured(site: Site) -> Outcome:
    """Clear RTP on a secured leg is never heard."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        leg.say(SPEECH[:3 * SECOND], clear={"from": 40, "count": 30})
        leg.media.drain()
        leg.settle(112)
        report = leg.report()
        heard = compare(SPEECH, report.audio)
        assert heard.matched == heard.frames and heard.matched <= 120, f"30 packets of 150 were clear, and {heard}"
        assert report.authenticated == report.packets >= 90
        return Outcome(CM80, detail="30 clear packets refused").add(report.sent, report.packets, True)


@scenario("rtcp-of-32-bit-suite", "echo, SRTCP", PEER, suite=CM32, flaw_of_stock=True)
def rtcp_of_32_bit_suite(site: Site) -> Outcome:
    """The PBX's SRTCP authenticates: its tag has 80 bits in the _32 suites too (RFC 4568 section 6.2)."""
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM32)]).status == 200
        leg.say(SPEECH, rtcp=True)
        leg.media.drain()
        report = leg.report()
        if report.rtcp_failures:
            raise Flaw(f"{report.rtcp_failures} SRTCP packets do not authenticate")
        assert report.rtcp, "no RTCP came in eight seconds"
        good_media(report)
        return Outcome(CM32, detail=f"{report.rtcp} SRTCP packets").add(report.sent, report.packets, require_audio(SPEECH, report, 380))


def remote_port(leg: Leg) -> int:
    """The PBX's RTP port of this leg."""
    assert leg.call is not None
    return sdp.read(leg.call.remote_sdp).port


def count(row: dict[str, str], what: str) -> int:
    """The number in the column whose name holds this word. AssertionError without one."""
    names = [name for name in row if what in name.lower()]
    assert names, f"`sealrtp show streams` has no column for {what}: {', '.join(row)}"
    return int(row[names[0]])


# --- offers ------------------------------------------------------------------------------------------------------------


def offered(site: Site, crypto: list[Crypto], what: str, suite: str, which: int = 0) -> Outcome:
    """An offer that must be taken, and an echo under it; `which` of several keys is sent with."""
    with legs(site, "secure") as (leg,):
        final = leg.invite("echo", crypto)
        if final.status == 488:
            raise Flaw(f"{what} is refused with 488")
        assert final.status == 200, final.start
        assert leg.ours is not None
        if which:
            leg.media.send_with(leg.ours, which)
        leg.say(SPEECH[:2 * SECOND], rtcp=True)
        leg.media.drain()
        leg.settle(90)
        report = leg.report()
        if not report.packets:
            raise Flaw(f"{what} is accepted, and then nothing is heard")
        good_media(report)
        return Outcome(suite, detail=what).add(report.sent, report.packets, require_audio(SPEECH, report, 90))


MKI_32 = (1).to_bytes(32)


@scenario("mki-of-32-bytes", "echo, MKI of 32 bytes", PEER, suite=CM80, flaw_of_stock=True)
def mki_of_32_bytes(site: Site) -> Outcome:
    """The line of a carrier: lifetime 2^20 and an MKI of value 1 in 32 bytes; its media carries that MKI."""
    return offered(site, [Crypto.fresh(1, CM80, MKI_32, "2^20")], "an MKI of 32 bytes", CM80)


@scenario("mki-of-two-keys", "echo, second of two MKIs", PEER, suite=GCM, flaw_of_stock=True)
def mki_of_two_keys(site: Site) -> Outcome:
    """Two master keys with MKIs of one byte; the second is the one in use."""
    one, two = Crypto.fresh(1, GCM, b"\x01"), Crypto.fresh(1, GCM, b"\x02")
    both = Crypto(1, GCM, one.keys + two.keys, one.mkis + two.mkis)
    return offered(site, [both], "the second of two keys", GCM, which=1)


# KDR=24: the first derivation after the start is 2^24 packets away, so the judge needs no key derivation rate.
for _name, _session in {"kdr": "KDR=24", "wsh": "WSH=256", "fec-order": "FEC_ORDER=FEC_SRTP", "several": "KDR=24 WSH=128"}.items():
    add(Scenario(f"session-{_name}", f"echo, {_session}",
                 lambda site, session=_session: offered(site, [Crypto.fresh(1, CM80, session=session)], session, CM80),
                 PEER, suite=CM80, flaw_of_stock=True))


@scenario("unknown-suite-first", "echo, unknown suite first", PEER, suite=CM80)
def unknown_suite_first(site: Site) -> Outcome:
    """A line nobody knows does not spoil the ones behind it."""
    with legs(site, "secure") as (leg,):
        known = Crypto.fresh(7, CM80)
        body = leg.body([known]).replace("a=crypto:", "a=crypto:1 SM4_CM_128_HMAC_SM3 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\na=crypto:")
        leg.offered = [known]
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final()
        assert final.status == 200, final.start
        leg.take_answer(final.body)
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report)
        return Outcome(CM80).add(report.sent, report.packets, require_audio(SPEECH, report, 40))


@scenario("offer-of-nine", "echo, all suites offered", PEER, suite="our order")
def offer_of_nine(site: Site) -> Outcome:
    """All suites in one offer: one is chosen, and the media is under it."""
    with legs(site, "secure") as (leg,):
        final = leg.invite("echo", [Crypto.fresh(tag, suite) for tag, suite in enumerate(sdp.SUITES, 1) if "NULL" not in suite])
        assert final.status == 200, final.start
        assert leg.theirs is not None
        leg.say(SPEECH[:SECOND])
        leg.media.drain()
        leg.settle(40)
        report = leg.report()
        good_media(report)
        return Outcome(leg.theirs.suite).add(report.sent, report.packets, require_audio(SPEECH, report, 40))


def refused(site: Site, lines: list[str], profile: str = "RTP/SAVP", user: str = "secure") -> Outcome:
    """An offer that must be refused with 488, and a log line that says why."""
    mark = len(site.pbx.log_text())
    with legs(site, user) as (leg,):
        body = leg.body(profile=profile, extra=[f"a=crypto:{line}" for line in lines])
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final()
        assert final.status == 488, f"488 was expected: {final.start}"
        if not site.stock:
            said = reasons(site, mark)
            secret = [line.split("inline:")[1].split("|")[0] for line in lines if "inline:" in line]
            assert not any(key and key in site.pbx.log_text() for key in secret), "the log tells a key"
            return Outcome("none", detail=said[0].strip()[-160:])
    return Outcome("none")


def reasons(site: Site, mark: int, what: str = "") -> list[str]:
    """The log's lines from `mark` on that tell, at NOTICE or above, what was wrong with the security of a call; `what` they speak of."""
    level, what = r"(?:NOTICE|WARNING|ERROR)\[", what or REASON
    site.pbx.wait_log(rf"(?i){level}.*({what})", start=mark)
    return [line for line in site.pbx.log_text()[mark:].splitlines() if re.search(level, line) and re.search(what, line, re.I)]


# Where no a=crypto is at all it is Asterisk itself that refuses, in its own words.
REASON = r"crypto|sdes|srtp|secure audio|couldn't negotiate stream"


def _lines() -> dict[str, list[str]]:
    key30 = Crypto.fresh(1, CM80).line.split("inline:")[1]
    return {
        "unknown-suite": [f"1 SM4_CM_128_HMAC_SM3 inline:{key30}"],
        "short-key": [f"1 {CM80} inline:{key30[:20]}"],
        "key-of-another-suite": [f"1 AES_256_CM_HMAC_SHA1_80 inline:{key30}"],
        "no-inline": [f"1 {CM80} uri:{key30}"],
        "tag-missing": [f"{CM80} inline:{key30}"],
        "unauthenticated": [f"1 {CM80} inline:{key30} UNAUTHENTICATED_SRTP"],
        "unencrypted": [f"1 {CM80} inline:{key30} UNENCRYPTED_SRTP"],
        "null-suite": [f"1 NULL_HMAC_SHA1_80 inline:{key30}"],
        "null-auth": [f"1 AES_CM_128_NULL_AUTH inline:{key30}"],
        "unknown-session-parameter": [f"1 {CM80} inline:{key30} MUST_KNOW"],
    }


for _name, _refused in _lines().items():
    add(Scenario(f"refused-{_name}", f"488, {_name.replace('-', ' ')}", lambda site, lines=_refused: refused(site, lines), PEER, reads_log=True,
                 demo=_name in ("unknown-suite", "short-key", "unauthenticated")))


@scenario("refused-no-keys", "488, no keys", PEER, reads_log=True, demo=False)
def refused_no_keys(site: Site) -> Outcome:
    """RTP/SAVP without a=crypto is refused, and so is RTP/AVP at an endpoint that demands SRTP."""
    refused(site, [], "RTP/SAVP")
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo").status == 488, "a clear offer was accepted by an endpoint that demands SRTP"
    return Outcome("none")


# --- offers and answers of the PBX ---------------------------------------------------------------------------------------


@scenario("offer-has-several-suites", "our offer", PEER, suite=CM32, flaw_of_stock=True)
def offer_has_several_suites(site: Site) -> Outcome:
    """Our offer has several suites, and the callee's choice is honoured, also when it is not the first."""
    with site.callee(Media.SDES) as name, legs(site, "plain", name) as (caller, callee):
        caller.call = caller.phone.call(name, caller.body())
        offer = callee.wait_offer()
        suites = [crypto.suite for crypto in offer.cryptos]
        if len(suites) < 2:
            assert callee.call is not None
            callee.call.answer("", 486, "Busy Here")
            raise Flaw(f"the offer has only {', '.join(suites)}")
        assert len({crypto.tag for crypto in offer.cryptos}) == len(suites), "two lines of the offer share a tag"
        assert CM80 in suites and not any("NULL" in s or "F8" in s for s in suites), f"the offer has {', '.join(suites)}"
        assert callee.call is not None
        theirs = offer.cryptos[-1]
        ours = Crypto.fresh(theirs.tag, theirs.suite)
        callee.media.remote(offer.remote)
        callee.use(ours, theirs)
        callee.call.answer(callee.body([ours]))
        caller.take_answer(caller.call.wait_final().body)
        time.sleep(0.2)
        callee.say(OTHER_SPEECH[:2 * SECOND])
        caller.say(SPEECH[:2 * SECOND])
        caller.media.drain()
        callee.settle(90)
        caller.settle(90)
        report = callee.report()
        good_media(report)
        good_media(caller.report(), secured=False)
        require_audio(OTHER_SPEECH, caller.report(), 90)
        return Outcome(theirs.suite, detail=f"{len(suites)} suites offered").add(report.sent, report.packets, require_audio(SPEECH, report, 90))


def _unoffered_tag(leg: Leg, offer: sdp.Media) -> str:
    return leg.body([Crypto.fresh(97, offer.cryptos[0].suite)])


def _other_suite(leg: Leg, offer: sdp.Media) -> str:
    other = "AEAD_AES_256_GCM" if offer.cryptos[0].suite == CM80 else CM80
    return leg.body([Crypto.fresh(offer.cryptos[0].tag, other)])


def _no_crypto(leg: Leg, offer: sdp.Media) -> str:
    return leg.body(profile="RTP/SAVP")


def _clear(leg: Leg, offer: sdp.Media) -> str:
    return leg.body()


def _short_key(leg: Leg, offer: sdp.Media) -> str:
    return leg.body(profile="RTP/SAVP", extra=[f"a=crypto:{offer.cryptos[0].tag} {offer.cryptos[0].suite} inline:AAAA"])


# Seconds after which a call that stock has not ended stays up.
STOCK_ENDS = 4.0
BAD_ANSWERS: dict[str, Callable[[Leg, sdp.Media], str]] = {
    "unoffered-tag": _unoffered_tag, "other-suite": _other_suite, "no-crypto": _no_crypto, "clear": _clear, "short-key": _short_key,
}


def bad_answer(site: Site, make: Callable[[Leg, sdp.Media], str]) -> Outcome:
    """An answer that is no answer to the PBX's offer: both legs end, with a reason in the log, and nothing is heard."""
    mark = len(site.pbx.log_text())
    with site.callee(Media.SDES) as name, legs(site, "plain", name, known_audio=SPEECH) as (caller, callee):
        caller.call = call = caller.phone.call(name, caller.body())
        offer = callee.wait_offer()
        assert callee.call is not None
        callee.media.remote(offer.remote)
        callee.call.answer(make(callee, offer))
        try:
            callee.call.wait_end(STOCK_ENDS if site.stock else PATIENCE)
        except Late:
            silent = not callee.report().packets
            raise Flaw(f"the call stays up{', silent' if silent else ''}") from None
        report = callee.report()
        assert not report.packets, f"{report.packets} packets were sent to a leg without keys"
        # The caller's leg ends too, as a refusal or, when it was answered already, by a BYE.
        final = call.wait_final()
        if final.status == 200:
            call.wait_end()
        detail = f"caller got {final.status}"
        if not site.stock:
            detail += ": " + reasons(site, mark)[0].strip()[-120:]
        return Outcome("none", detail=detail)


for _name, _make in BAD_ANSWERS.items():
    add(Scenario(f"bad-answer-{_name}", f"bad answer, {_name.replace('-', ' ')}", lambda site, make=_make: bad_answer(site, make), PEER,
                 reads_log=True, flaw_of_stock=True, stock_is_good=() if _name == "unoffered-tag" else ("asterisk16-sip",),
                 demo=_name in ("unoffered-tag", "no-crypto")))
