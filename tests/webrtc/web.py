"""Calls between one browser and one PBX: what a call needs, and what must be true of its media."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from late import PATIENCE, Late

from calls.media import Capture
from calls.site import Watched
from pbx.asterisk import Asterisk
from pbx.manager import Message
from pbx.sounds import chirp

from webrtc.browser import TONE_HZ, Browser, Page
from webrtc.server import Server
from webrtc.site import WebSite
from webrtc.wire import Datagram, clear_media, read

# The shares of the moments in which the tone must be heard, of the energy that must be the tone's, and the least loudness
# (full scale is 1; the tone that is sent has 0.24).
MOMENTS, PURITY, LOUDNESS = 0.8, 0.9, 0.1
DTLS_1_2 = "FEFD"


# The RFCs' names of what getStats() calls a profile.
PROFILES = {"SRTP_AES128_CM_HMAC_SHA1_80": "AES_CM_128_HMAC_SHA1_80", "SRTP_AES128_CM_HMAC_SHA1_32": "AES_CM_128_HMAC_SHA1_32",
            "SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM"}


@dataclass
class Security:
    """What the browser says of its transport (getStats); the profile by its RFC's name."""

    state: str
    role: str
    version: str
    cipher: str
    profile: str
    local_fingerprint: str
    remote_fingerprint: str
    transports: int


@dataclass
class Call:
    """A browser's call: its page, and the capture of its media."""

    page: Page
    directory: Path
    capture: Capture
    user: str
    pbx: Asterisk
    first_event: int
    # The PBX's media port, known from its description.
    port: int = 0
    datagrams: list[Datagram] = field(default_factory=list)

    def stats(self) -> SimpleNamespace:
        """getStats(): lists of reports by type, "-" written "_"."""
        return SimpleNamespace(**{kind.replace("-", "_"): reports for kind, reports in self.page.phone("stats").items()})

    def security(self) -> Security:
        """The browser's side of the association."""
        stats = self.stats()
        prints = {report["id"]: f"{report['fingerprintAlgorithm']} {report['fingerprint']}" for report in stats.certificate}
        first = stats.transport[0]
        return Security(first["dtlsState"], first["dtlsRole"], first["tlsVersion"], first["dtlsCipher"],
                        PROFILES[first["srtpCipher"]],
                        prints[first["localCertificateId"]], prints[first["remoteCertificateId"]], len(stats.transport))

    def events(self, name: str) -> list[Message]:
        """The manager's events of that name since the call's page was opened."""
        return [event for event in self.pbx.manager.events[self.first_event:] if event["Event"] == name]

    def require_told(self, security: Security) -> None:
        """AssertionError unless the PBX has told of one association, and of the same as the browser."""
        self.pbx.manager.wait_event("SealRTPSecured", self.is_mine, start=self.first_event)
        told = [event for event in self.events("SealRTPSecured") if self.is_mine(event)]
        assert len(told) == 1, f"{len(told)} associations were told of"
        ours = (told[0]["Role"], told[0]["Profile"], told[0]["LocalFingerprint"], told[0]["RemoteFingerprint"])
        theirs = ("client" if security.role == "server" else "server", security.profile, security.remote_fingerprint,
                  security.local_fingerprint)
        assert ours == theirs, f"the PBX tells {ours}, the browser {theirs}"
        shown = self.pbx.cli(f"sealrtp show stream {told[0]['Channel']}")
        assert security.local_fingerprint in shown and security.remote_fingerprint in shown, f"no fingerprints in:\n{shown}"

    def is_mine(self, event: Message) -> bool:
        return event["Channel"].startswith(f"PJSIP/{self.user}-")

    def packets(self, kind: str = "audio") -> tuple[int, int]:
        """RTP packets that the browser has sent and received."""
        stats = self.stats()
        return (sum(report["packetsSent"] for report in stats.outbound_rtp if report["kind"] == kind),
                sum(report["packetsReceived"] for report in stats.inbound_rtp if report["kind"] == kind))

    def share_heard(self, seconds: float, frequency: float = TONE_HZ) -> float:
        """The share of the next moments in which the tone is heard."""
        moments = self.page.phone("hear", frequency, seconds)
        return sum(moment["share"] > PURITY and moment["rms"] > LOUDNESS for moment in moments) / len(moments)

    def require_tone(self, frequency: float = TONE_HZ) -> None:
        """Waits until the tone is heard for a second on end; a loaded machine may take a while to play it so. Raises Late."""
        best, deadline = 0.0, time.monotonic() + PATIENCE
        while best < MOMENTS and time.monotonic() < deadline:
            best = max(best, self.share_heard(1.0, frequency))
        if best < MOMENTS:
            raise Late(f"the tone was heard in {best:.0%} of the moments of a second at best")

    def require_secured(self) -> Security:
        """AssertionError unless the browser's DTLS came about, in version 1.2 and over one transport."""
        state = self.page.phone("secured", PATIENCE)
        assert state == "connected", f"the browser's connection is {state}"
        security = self.security()
        assert security.state == "connected", f"its DTLS transport is {security.state}"
        assert security.version == DTLS_1_2, f"the version is {security.version}"
        descriptions = self.page.phone("descriptions")
        self.port = int(re.findall(r"^m=audio (\d+) ", descriptions["remote"], re.M)[0])
        for mine, which in ((security.local_fingerprint, "local"), (security.remote_fingerprint, "remote")):
            assert f"a=fingerprint:{mine}" in descriptions[which], f"{mine} is not in the {which} description"
        assert security.transports == 1, f"{security.transports} transports: BUNDLE and rtcp-mux were not agreed"
        if self.pbx.srtp == "sealrtp":
            self.require_told(security)
        return security

    def require_no_clear_media(self, least: int = 25) -> str:
        """AssertionError unless the capture, which ends here, has that many SRTP packets and nothing clear; what it has.

        Two judges look: the one of all calls at each datagram, and our own at what goes with a handshake.
        """
        self.stop()
        known = self.directory / "tone.ul"
        known.write_bytes(chirp(1.0, TONE_HZ, TONE_HZ))
        # The judge is told of the PBX's port in place of the browser's many.
        seen = self.capture.look([Watched(self.pbx.address, self.port, self.port)], 0.0, [known])
        problems = clear_media(self.datagrams, self.port, TONE_HZ)
        for side in (seen.to_pbx, seen.from_pbx):
            problems += side.found
            assert not side.of_baresip, "clear RTCP"
            assert side.srtp >= least, f"the capture has {side.srtp} SRTP packets of one side, not {least}"
        assert not problems, "; ".join(problems)
        both = {name: getattr(seen.to_pbx, name) + getattr(seen.from_pbx, name) for name in ("dtls", "srtp", "srtcp", "stun")}
        return "0 clear, " + ", ".join(f"{count} {name}" for name, count in both.items() if count)

    def stop(self) -> None:
        """Ends the capture and reads it."""
        self.capture.stop()
        self.datagrams = read(self.capture.path)


class Web:
    """A PBX, a browser that trusts its certificate, and the page's server."""

    def __init__(self, directory: Path, srtp: str, **how: Any) -> None:
        """`how` are further terms of WebSite."""
        self.directory = directory
        self.numbers = itertools.count(1)
        with contextlib.ExitStack() as stack:
            # What may be missing first: a PBX need not be started for a skip.
            self.server = stack.enter_context(Server())
            Browser.require()
            self.site = stack.enter_context(WebSite(directory, srtp, **how))
            self.browser = stack.enter_context(Browser(directory / "browser", trusted_key=self.site.trusted_key))
            self.stack = stack.pop_all()

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *what: Any) -> None:
        self.stack.__exit__(*what)

    @contextlib.contextmanager
    def phone(self, name: str, user: str = "web1", **settings: Any) -> Iterator[Call]:
        """A page that has registered as `user`, its media captured. Hangs up at the end; a failure leaves the page's console."""
        directory = self.directory / f"{name}-{next(self.numbers)}"
        directory.mkdir()
        first, last = self.site.pbx.ports.rtp
        pbx = self.site.pbx
        first_event = len(pbx.manager.events)
        with Capture(directory / "media.pcap", f"udp portrange {first}-{last}") as capture, \
                self.browser.open(self.server.address) as page:
            call = Call(page, directory, capture, user, pbx, first_event)
            try:
                page.phone("register", {"user": user, "password": self.site.password, "server": self.site.server, **settings})
                yield call
                page.phone("hangUp")
                pbx.wait_idle()
            except BaseException as error:
                (directory / "console").write_text("\n".join(self.browser.console))
                pbx.cli("channel request hangup all")
                if isinstance(error, Late) and call.port and call.capture.process.returncode is None:
                    # What came too late must not hide what was clear.
                    call.require_no_clear_media(0)
                raise
