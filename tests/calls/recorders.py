"""Recorded calls: who speaks, however the call is secured, and what is in the files of Asterisk's recorders."""

from __future__ import annotations

import contextlib
import time
import wave
from collections.abc import Iterator
from pathlib import Path

from late import PATIENCE, wait_for
from pbx.endpoints import Media
from pbx.manager import ManagerError
from pbx.sounds import FRAME_BYTES

from calls.audio import SPEECH, decode, is_silence
from calls.calls_media import CM80
from calls.dtls import dtls_legs
from calls.legs import Leg, good_media, legs
from calls.sdp import Crypto
from calls.sealrtp import SealrtpPeer
from calls.site import Site
from calls.streams import rows_of_user

# Of the frames that a recorder gets at least this share is what was said, and no more than that in one that is refused.
MOST = 0.5


class Speaker:
    """A caller who speaks SPEECH over and over once the call is secured."""

    def __init__(self, site: Site, user: str) -> None:
        self.site = site
        self.user = user
        # Its channel's name, once it is secured.
        self.channel = ""
        self.others = self.channels()

    def channels(self) -> list[str]:
        shown = self.site.pbx.cli("core show channels concise").splitlines()
        return [line.split("!")[0] for line in shown if f"/{self.user}-" in line.split("!")[0]]

    @property
    def channel_id(self) -> str:
        return self.variable("UNIQUEID")

    def variable(self, name: str) -> str:
        return self.site.pbx.manager.action("Getvar", Channel=self.channel, Variable=name)["Value"]

    def wait_secure(self) -> None:
        self.channel = wait_for(lambda: [name for name in self.channels() if name not in self.others] or None, f"a channel of {self.user}")[0]
        wait_for(lambda: self.variable("SEALRTP(state)") == "SECURE", f"keys of {self.user}")

    def goes_on(self, packets: int = 75) -> None:
        """Waits until so many more packets of it have come to the PBX. Raises Late."""
        def came() -> int:
            return sum(int(row["Packets-In"]) for row in rows_of_user(self.site.pbx, self.user) if row["Channel"] == self.channel)

        before = came()
        wait_for(lambda: came() >= before + packets, f"{packets} packets of {self.user}", every=0.1)

    def go(self, extension: str) -> None:
        """To another extension; it goes on speaking."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.site.pbx.manager.action("Redirect", Channel=self.channel, Context="test", Exten=extension, Priority=1)
                return
            except ManagerError:
                # It is on its way from the last one.
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


class LegSpeaker(Speaker):
    """Secured by SDES or DTLS-SRTP, and judged by libsrtp."""

    def __init__(self, site: Site, user: str, leg: Leg) -> None:
        super().__init__(site, user)
        self.leg = leg

    def call(self, extension: str) -> None:
        if hasattr(self.leg, "dial"):
            final = self.leg.dial(extension)
        else:
            final = self.leg.invite(extension, [Crypto.fresh(1, CM80)])
        assert final.status == 200, final.start
        if hasattr(self.leg, "secured"):
            self.leg.secured()
        self.wait_secure()
        self.leg.say(SPEECH, repeat=True)

    def hears_itself(self, seconds: float) -> None:
        """AssertionError unless the echo is good; waits for so many seconds of it."""
        def known() -> int:
            audio = self.leg.report().audio
            return sum(audio[at:at + FRAME_BYTES] in SPEECH for at in range(0, len(audio), FRAME_BYTES))

        wait_for(lambda: known() >= 50 * seconds * 0.7, f"{seconds} s of the caller's echo", every=0.2)
        report = self.leg.report()
        # While an application says nothing, the PBX's sequence numbers go on.
        good_media(report, may_lose=report.packets)

    def hang_up(self) -> None:
        assert self.leg.call is not None
        self.leg.call.bye()


class ZrtpSpeaker(Speaker):
    """Secured by ZRTP; it tells whether we have disclosed."""

    def __init__(self, site: Site, user: str, peer: SealrtpPeer) -> None:
        super().__init__(site, user)
        self.peer = peer
        self.report = None

    def call(self, extension: str) -> None:
        self.peer.invite(extension)
        self.peer.connect()
        self.wait_secure()

    def hears_itself(self, seconds: float) -> None:
        """It is heard at the end: told() says how much."""

    def hang_up(self) -> None:
        if self.report is None:
            self.peer.process.terminate()
            self.report = self.peer.report()
        assert self.peer.call is not None
        self.peer.call.bye()

    @property
    def disclosed(self) -> bool:
        """Whether our side has said that it may disclose the call."""
        assert self.report is not None
        return self.report.zrtp.disclosure

    @property
    def heard_ms(self) -> float:
        assert self.report is not None
        return self.report.audible_ms


@contextlib.contextmanager
def speaker(site: Site, user: str, media: Media) -> Iterator[Speaker]:
    """A caller of this user."""
    if media is Media.ZRTP:
        sound = site.directory / "speech.wav"
        with wave.open(str(sound), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in decode(SPEECH)))
        with SealrtpPeer(site, user, "--zrtp", "require", "--duration", "120", "--wav", str(sound)) as peer:
            yield ZrtpSpeaker(site, user, peer)
    else:
        with (dtls_legs(site, user, profiles=[CM80]) if media is Media.DTLS else legs(site, user)) as (leg,):
            yield LegSpeaker(site, user, leg)


def frames_of(recording: bytes) -> list[bytes]:
    return [recording[at:at + FRAME_BYTES] for at in range(0, len(recording) - FRAME_BYTES + 1, FRAME_BYTES)]


# Linear recorders know one zero, u-law has two.
def one_zero(audio: bytes) -> bytes:
    return audio.replace(b"\x7f", b"\xff")


KNOWN = one_zero(SPEECH)


def share_of_speech(recording: bytes) -> float:
    """The share of the recording's sounding 20 ms that are SPEECH, at whatever place they begin; 0 where all is silent."""
    recording = one_zero(recording)
    sounding = [frame for frame in frames_of(recording) if not is_silence(frame)]
    if not sounding:
        return 0.0
    return sum(frame[:80] in KNOWN or frame[80:] in KNOWN for frame in sounding) / len(sounding)


def read(path: Path) -> bytes:
    """A recording, b"" where the recorder has never got a frame and so has made no file."""
    return path.read_bytes() if path.exists() else b""


def require_speech(path: Path, what: str) -> None:
    """AssertionError unless the recording holds at least half a second of speech, and little else. The recorder may be late with its file."""
    until = time.monotonic() + PATIENCE
    while sum(not is_silence(frame) for frame in frames_of(read(path))) < 25 and time.monotonic() < until:
        time.sleep(0.2)
    recording = read(path)
    sounding = sum(not is_silence(frame) for frame in frames_of(recording))
    share = share_of_speech(recording)
    assert sounding >= 25 and share >= MOST, f"{what}: {sounding} frames of {path.name} sound, and {share:.0%} of them are what was said"


def require_silence(path: Path, what: str) -> None:
    """AssertionError unless nothing at all sounds in the recording, from its first frame on."""
    recording = read(path)
    at = next((at for at, frame in enumerate(frames_of(recording)) if not is_silence(frame)), None)
    assert at is None, f"{what}: {path.name} sounds from frame {at} of {len(recording) // FRAME_BYTES} on"


__all__ = ["Speaker", "ZrtpSpeaker", "read", "require_silence", "require_speech", "share_of_speech", "speaker"]
