"""Secure offers that stock FreeSWITCH ends in clear or silent media, and SDES that it does badly: each must bite on stock and hold on ours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from calls import sdp
from calls.audio import SPEECH
from calls.calls_media import CM80, SECOND
from calls.dtls import dtls_legs
from calls.legs import good_media, legs
from calls.registry import Flaw, Outcome, require_audio
from calls.sdp import Crypto

from freeswitch.ends import channel, refused, told
from freeswitch.place import SwitchSite
from freeswitch.table import add, call

PEER = "libsrtp"
AES192 = "AES_192_CM_HMAC_SHA1_80"
NULL_AUTH = "AES_CM_128_NULL_AUTH"


def key30() -> str:
    """The inline of a key and salt of 30 bytes."""
    return Crypto.fresh(1, CM80).line.split("inline:")[1]


def offer_refused(site: SwitchSite, lines: Callable[[], list[str]], user: str = "secure") -> Outcome:
    """RTP/SAVP with these a=crypto lines."""
    shown = lines()
    with legs(site, user) as (leg,):
        body = leg.body(profile="RTP/SAVP", extra=[f"a=crypto:{line}" for line in shown])
        return refused(site, leg, body, secrets=[line.split("inline:")[1] for line in shown if "inline:" in line])


REFUSED: dict[str, tuple[Callable[[], list[str]], bool]] = {
    # Name: the lines, and whether stock takes the offer.
    "no-key": (list, True),
    "unknown-suites": (lambda: [f"1 SM4_CM_128_HMAC_SM3 inline:{key30()}", f"2 ARIA_128_CTR_HMAC_SHA1_80 inline:{key30()}"], True),
    "null-auth": (lambda: [f"1 {NULL_AUTH} inline:{key30()}"], True),
    "short-key": (lambda: [f"1 {CM80} inline:{key30()[:20]}"], True),
    "unauthenticated": (lambda: [f"1 {CM80} inline:{key30()} UNAUTHENTICATED_SRTP"], True),
}
for _name, (_lines, _flawed) in REFUSED.items():
    add(f"offer-{_name}", f"488, {_name.replace('-', ' ')}", lambda site, lines=_lines: offer_refused(site, lines), PEER, flaw_of_stock=_flawed,
        reads_log=True)


def no_fingerprint(site: SwitchSite, profile: str) -> Outcome:
    """DTLS without a fingerprint never becomes a call."""
    with dtls_legs(site, "fingerprinted") as (leg,):
        return refused(site, leg, leg.describe(fingerprints=[], profile=profile))


for _profile in ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"):
    add(f"offer-no-fingerprint-{_profile.rpartition('/')[2]}", f"488, {_profile}, no fingerprint",
        lambda site, profile=_profile: no_fingerprint(site, profile), "OpenSSL", method="DTLS", flaw_of_stock=True, reads_log=True)


@call("null-auth-configured", "suites = AES_CM_128_NULL_AUTH", PEER, suite=NULL_AUTH, demo=False)
def null_auth_configured(site: SwitchSite) -> Outcome:
    """Where the administrator names it, it is taken."""
    with legs(site, "weak") as (leg,):
        leg.call = leg.phone.call("music", leg.body(profile="RTP/SAVP", extra=[f"a=crypto:1 {NULL_AUTH} inline:{key30()}"]))
        final = leg.call.wait_final(15)
        assert final.status == 200, final.start
        (answer,) = sdp.read(final.body).cryptos
        assert (answer.tag, answer.suite) == (1, NULL_AUTH), f"the answer is tag {answer.tag}, {answer.suite}"
        time.sleep(1)
        leg.media.judge_early()
        assert leg.report().packets >= 30, "no media came"
        return Outcome(NULL_AUTH)


def echo(site: SwitchSite, crypto: Crypto, what: str, which: int = 0, user: str = "secure") -> Outcome:
    """An offer that must be taken, and an echo under it; `which` of several keys is sent with."""
    with legs(site, user, known_audio=SPEECH) as (leg,):
        final = leg.invite("echo", [crypto])
        if final.status == 488:
            raise Flaw(f"{what} is refused with 488")
        assert final.status == 200, final.start
        assert leg.ours is not None and leg.theirs is not None
        if which:
            leg.media.send_with(leg.ours, which)
        leg.say(SPEECH[:2 * SECOND], rtcp=True)
        leg.media.drain(6)
        time.sleep(0.3)
        report = leg.report()
        if not report.packets:
            raise Flaw(f"{what} is accepted, and then nothing is heard")
        if site.stock and not report.authenticated:
            raise Flaw(f"{what} is accepted, and none of {report.packets} packets authenticates")
        good_media(report)
        told(site, channel(leg), "SDES", crypto.suite)
        return Outcome(crypto.suite, detail=what).add(report.sent, report.packets, require_audio(SPEECH, report, 90))


def two_keys() -> Crypto:
    one, two = Crypto.fresh(1, CM80, b"\x01"), Crypto.fresh(1, CM80, b"\x02")
    return Crypto(1, CM80, one.keys + two.keys, one.mkis + two.mkis)


MKI: dict[str, tuple[Callable[[], Crypto], int]] = {
    "of-1-byte": (lambda: Crypto.fresh(1, CM80, b"\x01"), 0),
    "of-4-bytes": (lambda: Crypto.fresh(1, CM80, (1).to_bytes(4), "2^31"), 0),
    "of-32-bytes": (lambda: Crypto.fresh(1, CM80, (1).to_bytes(32), "2^20"), 0),
    "of-two-keys": (two_keys, 1),
}
for _name, (_crypto, _which) in MKI.items():
    # A peer whose MKI has one byte is the one that stock's reading does no harm to.
    add(f"mki-{_name}", f"echo, MKI {_name.replace('-', ' ')}",
        lambda site, crypto=_crypto, name=_name, which=_which: echo(site, crypto(), f"an MKI {name.replace('-', ' ')}", which), PEER, suite=CM80,
        flaw_of_stock=True)

for _suite in sdp.SUITES:
    if not _suite.startswith("NULL") and _suite not in ("AES_192_CM_HMAC_SHA1_32", "AEAD_AES_128_GCM_8", "AEAD_AES_256_GCM_8"):
        add(f"echo-{_suite}", "echo", lambda site, suite=_suite: echo(site, Crypto.fresh(1, suite), suite), PEER, suite=_suite,
            flaw_of_stock=_suite == AES192)


@call("key-masked", "echo, keys in variables and events", PEER, suite=CM80, demo=False, reads_log=True, flaw_of_stock=True)
def keys_are_masked(site: SwitchSite) -> Outcome:
    """Neither a channel variable nor an event nor the log (at its debug level) holds a key of either side."""
    mark_log, mark_events = len(site.switch.log_text()), len(site.switch.socket.events)
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert leg.ours is not None and leg.theirs is not None
        secrets = {name: crypto.line.split("inline:")[1].split("|")[0] for name, crypto in (("ours", leg.ours), ("FreeSWITCH's", leg.theirs))}
        leg.say(SPEECH[:SECOND])
        leg.media.drain(4)
        dump = site.switch.api(f"uuid_dump {channel(leg)}")
        assert leg.call is not None
        leg.call.bye()
    time.sleep(0.5)
    events = site.switch.socket.events[mark_events:]
    places = {"a channel variable": dump, "an event": "\n".join(f"{value}\n{event.body}" for event in events for value in event.headers.values()),
              "the log": site.switch.log_text()[mark_log:]}
    assert re.search(r"m=audio", places["an event"]), "no event tells of an SDP: this test does not bite"
    for where, text in places.items():
        for whose, secret in secrets.items():
            if secret in text or secret in text.replace(" ", "+"):
                raise Flaw(f"{where} holds the key of {whose}")
    return Outcome(CM80, heard=True)


