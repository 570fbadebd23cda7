"""Calls that SIPp places and takes, with its own SRTP; the capture is judged by libsrtp under the keys of the trace."""

from __future__ import annotations

from types import SimpleNamespace

from late import Late
from pbx.endpoints import NATIVE, Media

from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import BEYOND_STOCK, CM32, CM80, SECOND
from calls.media import Capture, dropped_by_kernel
from calls.registry import Flaw, Outcome, Scenario, add, configuration_for, require_audio, scenario
from calls.site import Site
from calls.sipp import KEYWORDS, Exchange, Sipp

PEER = "SIPp"
TALK_MS = 3000
HEARD = SPEECH[:3 * SECOND]
# SIPp reads two lines of an offer, so a PBX that calls it offers two.
SIPP_KNOWS = f"{NATIVE}suites = {CM80},{CM32}\n"
# Packets sent before the other side listens or around the BYE.
LATE = 10


def flows(exchange: Exchange, known: str) -> list[dict[str, object]]:
    """Both directions of a call for the judge."""
    ours, theirs = exchange.keys()
    return [{"name": "to the PBX", "destination": exchange.pbx.remote, "keys": ours},
            {"name": "from the PBX", "destination": exchange.sipp.remote, "source": exchange.pbx.remote, "keys": theirs,
             "known_audio": known}]


def at_least(sent: SimpleNamespace) -> int:
    """Frames that must be heard of what SIPp sent. On a loaded machine it sends but a part of its file before it hangs up; a second's worth
    it must be."""
    assert sent.packets >= 50, f"SIPp has sent {sent.packets} packets only"
    return sent.packets - LATE


def good(verdict: SimpleNamespace, secured: bool) -> None:
    """AssertionError unless every packet of a judged flow is good."""
    assert verdict.packets, f"{verdict.name}: no packets"
    kind = verdict.authenticated if secured else verdict.clear
    assert kind == verdict.packets, (f"{verdict.name}: {kind} of {verdict.packets} packets are good, {verdict.auth_failures} do not "
                                     f"authenticate, {verdict.duplicates} are copies, {verdict.clear_audio} are clear")
    assert not verdict.conflicts and not verdict.rtcp_failures, f"{verdict.name}: {verdict.conflicts} conflicts, {verdict.rtcp_failures} bad RTCP"


def echo(site: Site, suite: str) -> Outcome:
    ports = site.peer_ports(8)
    with Capture(site.directory / "media.pcap", f"udp portrange {ports[0]}-{ports[1]}") as capture:
        with Sipp(site, "echo", "caller", HEARD, suite=suite, port=0, extension="echo", talk_ms=TALK_MS, rtp=ports) as sipp:
            try:
                sipp.wait()
            except AssertionError as error:
                if "488" in str(error):
                    raise Flaw(f"{suite} is refused with 488") from error
                raise
        (exchange,) = sipp.exchanges()
        to_pbx, from_pbx = capture.judge(flows(exchange, str(sipp.directory / "audio.ul")))
    good(to_pbx, True)
    good(from_pbx, True)
    assert not from_pbx.lost and (suite.startswith("NULL") or not from_pbx.plain_on_wire)
    heard = require_audio(HEARD, from_pbx, at_least(to_pbx))
    return Outcome(suite).add(to_pbx.packets, from_pbx.packets, heard)


for _suite in KEYWORDS:
    add(Scenario(f"sipp-echo-{_suite}", "echo", lambda site, suite=_suite: echo(site, suite), PEER, suite=_suite,
                 flaw_of_stock=_suite in BEYOND_STOCK,
                 configuration=configuration_for(_suite)))


@scenario("sipp-hundred-calls", "echo, 100 calls", PEER, suite=CM80, heavy=True)
def hundred_calls(site: Site) -> Outcome:
    """A hundred SRTP calls at once: every packet authenticates, none is lost, every echo is what was said."""
    ports = site.peer_ports(450)
    calls, talk = 100, 9000
    said = (SPEECH + OTHER_SPEECH)[:talk // 1000 * SECOND]
    dropped = dropped_by_kernel()
    with Capture(site.directory / "media.pcap", f"udp portrange {ports[0]}-{ports[1]}", busy=True) as capture:
        with Sipp(site, "hundred", "caller", said, suite=CM80, port=0, extension="echo", calls=calls, rate=50, talk_ms=talk, rtp=ports) as sipp:
            sipp.wait()
        exchanges = sipp.exchanges()
        assert len(exchanges) == calls, f"{len(exchanges)} of {calls} calls were set up"
        verdicts = capture.judge([flow for exchange in exchanges for flow in flows(exchange, str(sipp.directory / "audio.ul"))])
    for verdict in verdicts:
        good(verdict, True)
    lost = sum(verdict.lost for verdict in verdicts[1::2])
    dropped = dropped_by_kernel() - dropped
    if lost and dropped >= lost:
        raise Late(f"the PBX was not let run: {lost} packets of echoes are missing, {dropped} datagrams did not fit into buffers")
    sent = received = 0
    for to_pbx, from_pbx in zip(verdicts[::2], verdicts[1::2]):
        assert not from_pbx.lost, f"{from_pbx.lost} packets of an echo were lost"
        require_audio(said, from_pbx, max(400, to_pbx.packets - LATE))
        sent += to_pbx.packets
        received += from_pbx.packets
    assert received >= sent - 3 * LATE * calls, f"{sent} packets were sent and {received} came back"
    return Outcome(CM80, detail=f"{calls} calls at once").add(sent, received, True)


def bridge(site: Site, caller_suite: str | None, callee_suite: str | None) -> Outcome:
    """SIPp calls SIPp through the PBX."""
    caller_ports, callee_ports = site.peer_ports(8), site.peer_ports(8)
    low, high = min(caller_ports[0], callee_ports[0]), max(caller_ports[1], callee_ports[1])
    with site.callee(Media.SDES if callee_suite else Media.CLEAR) as name, \
            Capture(site.directory / "media.pcap", f"udp portrange {low}-{high}") as capture:
        with Sipp(site, "callee", "callee", OTHER_SPEECH[:3 * SECOND], suite=callee_suite, port=site.port_of(name), rtp=callee_ports) as callee, \
                Sipp(site, "caller", "caller", HEARD, suite=caller_suite, user="secure" if caller_suite else "plain", port=0, extension=name,
                     talk_ms=TALK_MS, rtp=caller_ports) as caller:
            caller.wait()
            callee.wait()
        (at_caller,), (at_callee,) = caller.exchanges(), callee.exchanges()
        judged = flows(at_caller, str(callee.directory / "audio.ul")) + flows(at_callee, str(caller.directory / "audio.ul"))
        out_1, in_1, out_2, in_2 = capture.judge(judged)
    for verdict, suite in ((out_1, caller_suite), (in_1, caller_suite), (out_2, callee_suite), (in_2, callee_suite)):
        good(verdict, suite is not None)
    require_audio(OTHER_SPEECH, in_1, at_least(out_2))
    heard = require_audio(HEARD, in_2, at_least(out_1))
    return Outcome(f"{caller_suite or 'RTP'} to {callee_suite or 'RTP'}").add(out_1.packets + out_2.packets, in_1.packets + in_2.packets, heard)


for _name, _legs in {"srtp-to-rtp": (CM80, None), "rtp-to-srtp": (None, CM80), "srtp-to-srtp": (CM32, CM80)}.items():
    add(Scenario(f"sipp-bridge-{_name}", "bridge", lambda site, pair=_legs: bridge(site, *pair), PEER,
                 suite=" to ".join(suite or "RTP" for suite in _legs), configuration=SIPP_KNOWS))
