"""The calls: each places one between browser and PBX, raises when something is not as it must be, and tells what it saw."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from late import PATIENCE, Late, wait_for
from pbx.endpoints import NATIVE
from pbx.sounds import FRAME_BYTES, chirp

from calls.audio import decode, is_silence, tone_share
from calls.calls_default import SAMPLE
from calls.legs import good_media, legs
from calls.registry import Outcome
from calls.site import KINDS, Kind, Site

from webrtc.browser import TONE_HZ
from webrtc.web import Call, Security, Web
from webrtc.wire import count, handshakes

# What a phone says to the browser, u-law: another tone than the browser's.
PHONE_HZ = 600
PHONE_TONE = chirp(8.0, PHONE_HZ, PHONE_HZ)
# Video goes on when so many more frames were decoded while it was waited for.
VIDEO_FRAMES = 5


def seen(call: Call, security: Security, detail: str = "") -> Outcome:
    """What a good call tells; the packets to the PBX are those that the browser sent. The capture ends, and has no clear media."""
    sent, received = call.packets()
    terms = f"DTLS 1.2 {security.cipher}, browser is DTLS {security.role}"
    return Outcome(security.profile, sent, received, True, f"{terms}, {detail}" if detail else terms,
                   fingerprints=(f"PBX {security.remote_fingerprint}", f"peer {security.local_fingerprint}"),
                   captured=call.require_no_clear_media())


def finish(call: Call, security: Security, detail: str = "") -> Outcome:
    """The tone is heard, and the capture has no clear media."""
    call.require_tone()
    return seen(call, security, detail)


def dial(call: Call, extension: str) -> None:
    answer = call.page.phone("call", extension)
    assert answer["state"] == "Established", f"the call to {extension} was answered with {answer['status']}"


def call_echo(web: Web, call: Call) -> None:
    """The browser calls the extension echo, whatever becomes of it."""
    call.page.phone("call", "echo")


def originate(web: Web, call: Call) -> None:
    """The PBX calls the browser and plays echo."""
    web.site.pbx.manager.action("Originate", Channel=f"PJSIP/{call.user}", Application="Echo", Async="true", Timeout="60000")
    call.page.phone("answer")


def require_role(security: Security, role: str) -> None:
    """`role` is the browser's."""
    assert security.role == role, f"the browser is DTLS {security.role}, not {role}"


def echo(web: Web) -> Outcome:
    """The browser calls; the PBX answers a=setup:active, so the browser is DTLS server."""
    with web.phone("echo") as call:
        dial(call, "echo")
        security = call.require_secured()
        require_role(security, "server")
        return finish(call, security)


def called(web: Web) -> Outcome:
    """The PBX calls and offers actpass; a browser then chooses active."""
    with web.phone("called") as call:
        originate(web, call)
        security = call.require_secured()
        require_role(security, "client")
        return finish(call, security)


def echo_passive(web: Web) -> Outcome:
    """dtls_setup=passive: the browser calls and is DTLS client."""
    with web.phone("echo-passive", "passive1") as call:
        dial(call, "echo")
        security = call.require_secured()
        require_role(security, "client")
        return finish(call, security)


def called_active(web: Web) -> Outcome:
    """dtls_setup=active: the PBX calls and the browser is DTLS server."""
    with web.phone("called-active", "active1") as call:
        originate(web, call)
        security = call.require_secured()
        require_role(security, "server")
        return finish(call, security)


def echo_named_engine(web: Web) -> Outcome:
    """rtp_engine=sealrtp names what serves every end point anyway."""
    with web.phone("echo-named-engine", "named1") as call:
        dial(call, "echo")
        return finish(call, call.require_secured())


def echo_ulaw(web: Web) -> Outcome:
    """G.711, in which a clear packet of the tone would be known by its sound."""
    with web.phone("echo-ulaw", "ulaw1") as call:
        dial(call, "echo")
        return finish(call, call.require_secured())


def video(web: Web) -> Outcome:
    """BUNDLE: audio and video over one transport and one association, and the video comes back."""
    with web.phone("video", video=True) as call:
        dial(call, "echo")
        security = call.require_secured()
        call.require_tone()
        detail = require_video(call)
        return finish(call, security, detail)


def frames_decoded(call: Call) -> int:
    return sum(report.get("framesDecoded", 0) for report in call.stats().inbound_rtp)


def require_video(*calls: Call) -> str:
    """Late unless the video of all these calls goes on; what came. A loaded machine encodes a few frames a second."""
    started = time.monotonic()
    before = [frames_decoded(call) for call in calls]
    while True:
        frames = [frames_decoded(call) - count for call, count in zip(calls, before)]
        waited = time.monotonic() - started
        if min(frames) >= VIDEO_FRAMES:
            return f"{min(frames)} frames of video in {waited:.1f} s"
        if waited > PATIENCE:
            raise Late(f"{frames} frames of video were decoded in {waited:.1f} s")
        time.sleep(0.25)


def reinvited(web: Web, name: str, changes: tuple[dict[str, bool], ...]) -> Outcome:
    """re-INVITEs keep the association: no second handshake, and the sound goes on."""
    with web.phone(name) as call:
        dial(call, "echo")
        security = call.require_secured()
        call.require_tone()
        for change in changes:
            status = call.page.phone("reinvite", change)
            assert status == 200, f"the re-INVITE was answered with {status}"
            time.sleep(0.5)
        call.require_tone()
        assert call.require_secured() == security, "the association is another one"
        told = seen(call, security)
        hellos = handshakes(call.datagrams)
        assert hellos == 1, f"{hellos} handshakes in one call"
        return told


def two_browsers(web: Web) -> Outcome:
    """A browser calls another, with video: two associations, and each sees and hears the other."""
    with web.phone("browser-a", video=True) as first, web.phone("browser-b", "web2", video=True) as second, \
            ThreadPoolExecutor(1) as pool:
        answered = pool.submit(second.page.phone, "answer")
        dial(first, "web2")
        answered.result()
        both = [(call, call.require_secured()) for call in (first, second)]
        for call, _ in both:
            call.require_tone()
        detail = require_video(first, second)
        second.require_no_clear_media()
        return seen(first, both[0][1], f"the other browser {both[1][1].profile}, {detail}")


def six_at_once(web: Web) -> Outcome:
    """Six pages call in the same moment: six associations, and each hears its tone."""
    users = [f"web{number}" for number in range(1, 7)]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(users)) as pool:
        calls = [stack.enter_context(web.phone(f"six-{user}", user)) for user in users]
        list(pool.map(lambda call: dial(call, "echo"), calls))
        securities = list(pool.map(Call.require_secured, calls))
        list(pool.map(Call.require_tone, calls))
        shown = web.site.pbx.cli("sealrtp show streams")
        assert shown.count(" SECURE ") == len(calls), f"not {len(calls)} streams are secure:\n{shown}"
        assert len({security.local_fingerprint for security in securities}) == len(calls), "two pages have one certificate"
        outcomes = [seen(call, security, "one of six at once") for call, security in zip(calls, securities)]
        # The end of each page waits for an idle PBX.
        list(pool.map(lambda call: call.page.phone("hangUp"), calls))
        return outcomes[0]


def bridge(web: Web) -> Outcome:
    """The browser calls a phone, whose leg is SDES; each hears the other's tone, transcoded between Opus and G.711."""
    site = Site(KINDS["asterisk22"], web.site.pbx, web.directory).for_call("bridge-phone")
    with web.phone("bridge-sdes") as call, legs(site, "sdes0") as [leg], ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(leg.accept)
        dial(call, "sdes0")
        accepted.result()
        security = call.require_secured()
        leg.say(PHONE_TONE, repeat=True)
        call.require_tone(PHONE_HZ)

        def tones() -> bool:
            audio = leg.report().audio
            frames = (audio[at:at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES))
            return sum(tone_share(decode(frame), TONE_HZ) > 0.9 for frame in frames if not is_silence(frame)) >= 50

        wait_for(tones, "the browser's tone in 50 frames of the phone", every=0.5)
        report = leg.report()
        good_media(report, may_lose=report.packets // 10)
        return seen(call, security, "bridged to SDES")


def phone_calls(web: Web) -> Outcome:
    """A clear phone calls the browser."""
    site = Site(KINDS["asterisk22"], web.site.pbx, web.directory).for_call("phone-calls")
    with web.phone("phone-calls") as call, legs(site, "clear0") as [leg], ThreadPoolExecutor(1) as pool:
        answered = pool.submit(call.page.phone, "answer")
        final = leg.invite("web1")
        answered.result()
        assert final.status == 200, f"the phone's call was answered with {final.status}"
        security = call.require_secured()
        require_role(security, "client")
        leg.say(PHONE_TONE, repeat=True)
        call.require_tone(PHONE_HZ)
        return seen(call, security, "called by a phone in clear RTP")


def with_profile(web: Web, profile: str, place: Callable[[Web], Outcome]) -> Outcome:
    """A call that must use this profile."""
    told = place(web)
    assert told.suite == profile, f"the profile is {told.suite}"
    return told


def wrong_fingerprint(web: Web, name: str, begin: Callable[[Web, Call], None]) -> Outcome:
    """The browser's a=fingerprint is not its certificate's: the call ends, is told of, and the PBX never sends media.

    The browser, for which all is well, may have sent the first SRTP packets by then.
    """
    with web.phone(name, fingerprint="wrong") as call:
        begin(web, call)
        call.page.phone("ended", PATIENCE)
        failed = call.pbx.manager.wait_event("SealRTPFailed", call.is_mine, start=call.first_event)
        prints = set(re.findall(r"sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", failed["Reason"]))
        assert len(prints) == 2, f"the reason does not show both fingerprints: {failed['Reason']}"
        call.pbx.manager.wait_event("RequestNotAllowed", lambda event: event["Service"] == "DTLS-SRTP" and prints <= set(
            re.findall(r"[0-9A-F:]{95}", event["RequestParams"])), start=call.first_event)
        assert not call.events("SealRTPSecured"), "the PBX told of an association"
        call.stop()
        assert handshakes(call.datagrams), "there was no handshake"
        first, last = web.site.pbx.ports.rtp
        from_pbx = [datagram for datagram in call.datagrams if first <= datagram.source[1] <= last]
        for kind in ("RTP", "RTCP"):
            assert not (found := count(from_pbx, kind)), f"{found} {kind} packets from the PBX in spite of the fingerprint"
    return Outcome(detail="the call ended, no media from the PBX")


def no_fingerprint(web: Web) -> Outcome:
    """An offer without a=fingerprint: the call is refused or ends, without a handshake and without media."""
    with web.phone("no-fingerprint", fingerprint="none") as call:
        call_echo(web, call)
        call.page.phone("ended", PATIENCE)
        call.stop()
        for kind in ("RTP", "RTCP"):
            assert not (found := count(call.datagrams, kind)), f"{found} {kind} packets without a fingerprint"
        assert not call.events("SealRTPSecured"), "the PBX told of an association"
    return Outcome(detail="the call ended, no media")


def called_rsa(web: Web) -> Outcome:
    """dtls_cert_file with an RSA certificate: it is the one that the browser, as DTLS client, meets."""
    with web.phone("called-rsa", "rsa1") as call:
        originate(web, call)
        security = call.require_secured()
        certificate = (web.site.etc / "dtls-rsa.pem").read_text()
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate[certificate.index("-----BEGIN CERT"):])).hexdigest().upper()
        assert security.remote_fingerprint.replace(":", "") == f"sha-256 {digest}", "that is another certificate"
        return finish(call, security, "RSA certificate")


CALLS: dict[str, Callable[[Web], Outcome]] = {
    "echo": echo, "called": called, "echo-passive": echo_passive, "called-active": called_active, "echo-ulaw": echo_ulaw,
    "echo-named-engine": echo_named_engine, "called-rsa": called_rsa, "no-fingerprint": no_fingerprint,
    "video": video, "hold": partial(reinvited, name="hold", changes=({"hold": True}, {"hold": False})),
    "ice-restart": partial(reinvited, name="ice-restart", changes=({"iceRestart": True},)),
    "two-browsers": two_browsers, "six-at-once": six_at_once, "bridge-sdes": bridge,
    "phone-calls": phone_calls,
    "wrong-fingerprint": partial(wrong_fingerprint, name="wrong-fingerprint", begin=call_echo),
    "wrong-fingerprint-called": partial(wrong_fingerprint, name="wrong-fingerprint-called", begin=originate),
    "gcm-echo": partial(with_profile, profile="AEAD_AES_256_GCM", place=echo),
    "gcm-called": partial(with_profile, profile="AEAD_AES_256_GCM", place=called),
}


@dataclass(frozen=True)
class Setup:
    """A PBX and the calls placed on it."""

    name: str
    srtp: str
    calls: tuple[str, ...]
    kind: Kind = KINDS["asterisk22"]
    sealrtp_conf: str = NATIVE
    valgrind: bool = False

    def start(self, directory: Path) -> Web:
        return Web(directory, self.srtp, kind=self.kind, sealrtp_conf=self.sealrtp_conf, valgrind=self.valgrind)


POLICY_CALLS = ("gcm-echo", "gcm-called")
SETUPS: dict[str, Setup] = {setup.name: setup for setup in (
    Setup("sealrtp", "sealrtp", tuple(name for name in CALLS if name not in POLICY_CALLS)),
    Setup("gcm-alone", "sealrtp", POLICY_CALLS, sealrtp_conf=f"{NATIVE}dtls_profiles = AEAD_AES_256_GCM\n"),
    # sealrtp.conf as it is installed, and nothing said of the browser.
    Setup("default", "sealrtp", ("echo", "called"), sealrtp_conf=SAMPLE.read_text()),
    # Without video, in which stock Asterisk sends bytes that it has not written.
    Setup("valgrind", "sealrtp", ("echo", "called-rsa", "ice-restart", "wrong-fingerprint"), valgrind=True),
    Setup("asterisk16", "sealrtp", ("echo", "called", "video", "hold", "wrong-fingerprint"), kind=KINDS["asterisk16-pjsip"]),
    # What stock does shows that the page and the PBX are as they should be.
    Setup("stock", "stock", ("echo", "called")),
)}
