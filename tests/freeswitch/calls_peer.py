"""`sealrtp peer` calls FreeSWITCH: over IPv6, which our other end points do not have, and many at once with ZRTP."""

from __future__ import annotations

import contextlib

from calls.algorithms import Algorithms
from calls.calls_media import CM80
from calls.dtls import GCM256
from calls.registry import Outcome
from calls.sealrtp import SealrtpPeer

from freeswitch.ends import told
from freeswitch.place import LOOPBACK_6, SwitchSite
from freeswitch.table import add, call

PEER = "sealrtp"
TONE = ("--tone", "1000", "--expect-tone", "1000")
# How each method is asked for, who calls, and the suite.
METHODS = {
    "SDES": (("--method", "sdes", "--suites", CM80), "secure", CM80),
    "DTLS": (("--method", "dtls"), "fingerprinted", GCM256),
    "ZRTP": (("--zrtp", "require"), "zrtp", Algorithms().suite),
}
AT_ONCE = 40


def echo(site: SwitchSite, method: str) -> Outcome:
    """The peer hears its own tone, and counts no packet that is not secured."""
    options, user, suite = METHODS[method]
    with SealrtpPeer(site, user, *options, *TONE, "--duration", "3", "--timeout", "20") as peer:
        peer.invite("echo")
        peer.connect()
        assert peer.call is not None and "IN IP6 ::1" in peer.call.remote_sdp, "the answer is not IPv6's"
        told(site, peer.call.call_id, method, suite, 5)
        report = peer.report()
        assert report.secured and not report.clear_received, f"{report.clear_received} clear packets came"
        return Outcome(report.suite, report.packets_sent, report.packets_received, True)


for _method, (_, _, _suite) in METHODS.items():
    add(f"ipv6-{_method}", "echo over IPv6", lambda site, method=_method: echo(site, method), PEER, suite=_suite, method=_method, place=LOOPBACK_6)


@call("zrtp-many-calls", f"echo, {AT_ONCE} calls", PEER, suite=Algorithms().suite, method="ZRTP", heavy=True)
def many_calls(site: SwitchSite) -> Outcome:
    """So many calls at once, each secured by a handshake of its own: all hear themselves, and each SAS is that of its line."""
    start = len(site.switch.socket.events)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(SealrtpPeer(site, "zrtp", "--zrtp", "require", "--timeout", "20", "--duration", "6", *TONE))
                 for _ in range(AT_ONCE)]
        for peer in peers:
            peer.invite("echo")
        for peer in peers:
            peer.connect()
        reports = [peer.report() for peer in peers]
    secured = {event.channel: event.get("SAS") for event in site.switch.socket.events[start:] if event.name == "sealrtp::secured"}
    assert sorted(secured.values()) == sorted(report.zrtp.sas for report in reports), "the lines' SAS are not those of the peers"
    assert not any(report.auth_failures or report.replays for report in reports), "packets do not authenticate"
    slowest = max(report.time_to_secure_ms for report in reports)
    return Outcome(reports[0].suite, sum(report.packets_sent for report in reports), sum(report.packets_received for report in reports), True,
                   f"the slowest was secured after {slowest:.0f} ms, {sum(report.packets_lost for report in reports)} packets lost")
