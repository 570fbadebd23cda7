"""What stock FreeSWITCH does badly with DTLS-SRTP: it must show there, and not with our module."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from calls import sdp
from calls.audio import SPEECH
from calls.calls_dtls_flaws import other_fingerprint
from calls.calls_media import SECOND
from calls.dtls import CM32, CM80, GCM128, GCM256, PROFILE, DtlsLeg, dtls_legs
from calls.legs import good_media
from calls.registry import Flaw, Outcome, require_audio

from freeswitch.ends import channel, failed, now, told
from freeswitch.place import SwitchSite
from freeswitch.table import add, call

PEER = "OpenSSL"
CALLER = "fingerprinted"
# Of WebRTC: the profile that survives sofia's parser, so that stock's handshake can be looked at as such.
SAVPF = "UDP/TLS/RTP/SAVPF"


def dial(site: SwitchSite, leg: DtlsLeg, number: str = "echo", setup: str = "actpass", *, profile: str = PROFILE, shake: bool = True,
         **how: object) -> sdp.Media:
    """Calls with an offer that must be taken; the answer. Flaw when its m-line is not of the offer's profile."""
    leg.call = leg.phone.call(number, leg.describe(setup, profile=profile, **how))  # type: ignore[arg-type]
    final = leg.call.wait_final(15)
    assert final.status == 200, final.start
    answer = sdp.read(final.body)
    if answer.profile != profile:
        raise Flaw(f"{profile} is answered as {answer.profile}")
    return leg.take(final.body, profile, shake=shake)


def echo(site: SwitchSite, leg: DtlsLeg, suite: str, seconds: int = 2) -> Outcome:
    """Speaks into an echo whose handshake was started, and judges it."""
    states = leg.media.wait_dtls(5)
    if site.stock and any(state.state != "done" for state in states):
        raise Flaw(f"the handshake is {states[0].state}")
    agreed = leg.secured().profile
    assert agreed == suite, f"{agreed} was agreed on"
    leg.say(SPEECH[:seconds * SECOND], rtcp=True)
    leg.media.drain(seconds + 4)
    time.sleep(0.3)
    told(site, channel(leg), "DTLS", suite)
    report = leg.report()
    if site.stock and not report.packets:
        raise Flaw("the handshake is done, and nothing is heard")
    good_media(report)
    assert not report.plain_on_wire, f"{report.plain_on_wire} packets are not encrypted"
    heard = require_audio(SPEECH, report, 50 * seconds - 10)
    return Outcome(suite, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, heard)


# --- certificates --------------------------------------------------------------------------------------------------------


def wrong_fingerprint(site: SwitchSite, setup: str) -> Outcome:
    """Another certificate than the description says: the call ends, with both fingerprints in the log, and nothing was heard."""
    mark = now(site)
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        shown = other_fingerprint(leg)
        dial(site, leg, "music", setup, profile=SAVPF, fingerprints=[shown])
        return failed(site, leg, mark, says=() if site.stock else (shown.split()[1], leg.fingerprints["sha-256"]))


# Where it is the client stock does compare.
for _setup, _role, _flawed in (("active", "server", True), ("passive", "client", False)):
    add(f"dtls-wrong-certificate-{_role}", f"music, wrong certificate, PBX is {_role}", lambda site, setup=_setup: wrong_fingerprint(site, setup), PEER,
        method="DTLS", flaw_of_stock=_flawed, reads_log=True)


@call("dtls-no-certificate", "music, no client certificate", PEER, method="DTLS", flaw_of_stock=True, reads_log=True)
def no_certificate(site: SwitchSite) -> Outcome:
    """A client that shows no certificate at all is nobody."""
    mark = now(site)
    with dtls_legs(site, CALLER, profiles=[CM80]) as (leg,):
        dial(site, leg, "music", "active", profile=SAVPF, shake=False)
        leg.media.handshake("client", profiles=[CM80], anonymous=True)
        return failed(site, leg, mark)


# --- profiles ------------------------------------------------------------------------------------------------------------


def no_use_srtp(site: SwitchSite, setup: str, profiles: list[str]) -> Outcome:
    """A peer with none of these profiles in common, or without use_srtp: no keys, so no call."""
    mark = now(site)
    with dtls_legs(site, CALLER, profiles=profiles) as (leg,):
        dial(site, leg, "music", setup, profile=SAVPF)
        return failed(site, leg, mark)


def profile_unknown_to_stock(site: SwitchSite, setup: str) -> Outcome:
    """AES-GCM alone: stock has no profile in common, and keys the call all the same; ours has it."""
    if site.stock:
        return no_use_srtp(site, setup, [GCM128])
    return echo_of_webrtc_profile(site, GCM128, setup)


for _setup, _role in (("active", "server"), ("passive", "client")):
    add(f"dtls-no-use-srtp-{_role}", f"no use_srtp, PBX is {_role}", lambda site, setup=_setup: no_use_srtp(site, setup, []), PEER,
        method="DTLS", flaw_of_stock=True, reads_log=True)
    add(f"dtls-no-common-profile-{_role}", f"profile unknown to stock, PBX is {_role}",
        lambda site, setup=_setup: profile_unknown_to_stock(site, setup), PEER, suite=GCM128, method="DTLS", flaw_of_stock=True)


def echo_of_profile(site: SwitchSite, suite: str) -> Outcome:
    with dtls_legs(site, CALLER, profiles=[suite], known_audio=SPEECH) as (leg,):
        dial(site, leg)
        return echo(site, leg, suite)


for _suite in (GCM256, GCM128, CM80, CM32):
    # On stock it is the answer's profile already that fails; see the module's documentation of SOA.
    add(f"dtls-savp-{_suite}", "echo, UDP/TLS/RTP/SAVP", lambda site, suite=_suite: echo_of_profile(site, suite), PEER, suite=_suite, method="DTLS",
        flaw_of_stock=True)


def echo_of_webrtc_profile(site: SwitchSite, suite: str, setup: str) -> Outcome:
    with dtls_legs(site, CALLER, profiles=[suite], known_audio=SPEECH) as (leg,):
        dial(site, leg, "echo", setup, profile=SAVPF)
        return echo(site, leg, suite)


for _setup in ("active", "passive"):
    add(f"dtls-savpf-{_setup}", f"echo, SAVPF, a=setup:{_setup}", lambda site, setup=_setup: echo_of_webrtc_profile(site, CM80, setup), PEER, suite=CM80,
        method="DTLS")
for _suite in (GCM256, GCM128):
    add(f"dtls-savpf-{_suite}", "echo, SAVPF", lambda site, suite=_suite: echo_of_webrtc_profile(site, suite, "active"), PEER, suite=_suite,
        method="DTLS", flaw_of_stock=True, demo=False)


@call("dtls-two-handshakes", "echo, RSA, no rtcp-mux", PEER, suite=CM80, method="DTLS")
def two_handshakes(site: SwitchSite) -> Outcome:
    """RTCP on a port of its own has a handshake of its own; SRTCP comes under those keys."""
    with dtls_legs(site, CALLER, certificate="rsa", profiles=[CM80], mux=False) as (leg,):
        dial(site, leg)
        outcome = echo(site, leg, CM80, 6)
        report = leg.report()
        assert report.rtcp and not report.rtcp_failures, f"{report.rtcp} SRTCP packets came in six seconds, {report.rtcp_failures} of them bad"
        return outcome


# --- before there are keys -------------------------------------------------------------------------------------------------


@call("dtls-before-keys", "music, no handshake for 5 s", PEER, suite=CM80, method="DTLS", flaw_of_stock=True)
def before_keys(site: SwitchSite) -> Outcome:
    """No RTP and no RTCP leaves before the handshake, though the PBX has something to say; then both come, secured."""
    with dtls_legs(site, CALLER, profiles=[CM80], mux=False) as (leg,):
        answer = dial(site, leg, "music", "active", profile=SAVPF, shake=False)
        time.sleep(5)
        if site.stock:
            leg.media.judge_early()
            early = leg.report()
            if early.packets + early.rtcp + early.rtcp_failures:
                raise Flaw(f"{early.packets} RTP and {early.rtcp + early.rtcp_failures} RTCP packets came before there were keys")
        # What came early is judged by the keys that come now, and looked at in the capture.
        leg.shake("client", answer)
        leg.secured()
        time.sleep(1.5)
        report = leg.report()
        good_media(report)
        return Outcome(CM80, fingerprints=leg.both_fingerprints).add(report.sent, report.packets, report.packets >= 50)


# --- behind NAT ------------------------------------------------------------------------------------------------------------


def unused_port() -> int:
    """A UDP port of loopback that nobody listens at, even."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port % 2 == 0:
            return port


def behind_nat(site: SwitchSite, edit: Callable[[str, int], str]) -> Outcome:
    """The description names an address at which nobody is; the handshake, and then the media, come from where the peer is."""
    with dtls_legs(site, CALLER, profiles=[CM80], known_audio=SPEECH) as (leg,):
        body = edit(leg.describe("active", profile=SAVPF), leg.media.port)
        leg.call = leg.phone.call("echo", body)
        final = leg.call.wait_final(15)
        assert final.status == 200, final.start
        leg.take(final.body, SAVPF)
        return echo(site, leg, CM80)


NAT: dict[str, Callable[[str, int], str]] = {
    "port": lambda body, port: body.replace(f"m=audio {port} ", f"m=audio {unused_port()} "),
    "address": lambda body, port: re.sub(r"(?m)^c=IN IP4 \S+", "c=IN IP4 127.0.0.99", body),
}
for _name, _edit in NAT.items():
    add(f"dtls-nat-{_name}", f"echo, another {_name} than in the SDP", lambda site, edit=_edit: behind_nat(site, edit), PEER, suite=CM80, method="DTLS",
        flaw_of_stock=True)

