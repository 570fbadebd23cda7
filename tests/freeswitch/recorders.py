"""Recorded calls: who speaks, however the call is secured, and what is in the files of FreeSWITCH's recorders."""

from __future__ import annotations

import contextlib
import time
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from pbx.endpoints import Media

from calls.audio import SPEECH, decode
from calls.calls_media import CM80
from calls.dtls import dtls_legs
from calls.legs import Leg, legs
from calls.sdp import Crypto
from calls.sealrtp import SealrtpPeer

from freeswitch.place import SwitchSite
from freeswitch.users import CALLERS

# Samples of 20 ms at 8000 Hz.
FRAME = 160
# No sample of silence is louder; mod_conference fills gaps with -1.
LOUDEST_SILENCE = 1
# Frames that must sound in a recording of a second and a half.
SOUNDING = 25


class Speaker:
    """A caller who speaks SPEECH over and over, once there are keys."""

    def __init__(self, site: SwitchSite, user: str) -> None:
        self.site, self.user = site, user
        # Its channel, once it calls.
        self.channel = ""

    def variable(self, name: str) -> str:
        return self.site.switch.variable(self.channel, name)

    def wait_variable(self, name: str, value: str, timeout: float = 8.0) -> None:
        until = time.monotonic() + timeout
        while (shown := self.variable(name)) != value:
            assert time.monotonic() < until, f"{name} of {self.user} is {shown!r}, not {value!r}"
            time.sleep(0.05)

    def go(self, *application: str) -> None:
        """To another application, named with its data, or to "echo"."""
        self.site.switch.socket.require(f"uuid_transfer {self.channel} '{':'.join(application)}' inline")
        time.sleep(0.3)


class LegSpeaker(Speaker):
    """By SDES, DTLS-SRTP or in the clear, judged by libsrtp."""

    def __init__(self, site: SwitchSite, user: str, leg: Leg) -> None:
        super().__init__(site, user)
        self.leg = leg

    def call(self, number: str) -> None:
        media = CALLERS[self.user].media
        final = self.leg.dial(number) if media is Media.DTLS else self.leg.invite(  # type: ignore[attr-defined]
            number, [Crypto.fresh(1, CM80)] if media is Media.SDES else [])
        assert final.status == 200, final.start
        if media is Media.DTLS:
            self.leg.secured()  # type: ignore[attr-defined]
        assert self.leg.call is not None
        self.channel = self.leg.call.call_id
        if media is not Media.CLEAR:
            self.wait_variable("sealrtp_state", "SECURE")
        self.leg.say(SPEECH, repeat=True)

    def hang_up(self) -> SimpleNamespace:
        report = self.leg.report()
        assert self.leg.call is not None
        self.leg.call.bye()
        return report


class ZrtpSpeaker(Speaker):
    """By ZRTP, with `sealrtp peer`, which tells whether we have disclosed."""

    def __init__(self, site: SwitchSite, user: str, peer: SealrtpPeer) -> None:
        super().__init__(site, user)
        self.peer = peer

    def call(self, number: str) -> None:
        self.peer.invite(number)
        self.peer.connect()
        assert self.peer.call is not None
        self.channel = self.peer.call.call_id
        self.wait_variable("sealrtp_state", "SECURE")

    def hang_up(self) -> SimpleNamespace:
        """Its report: what it heard, its SAS, whether the PBX has disclosed."""
        self.peer.process.terminate()
        report = self.peer.report()
        assert self.peer.call is not None
        self.peer.call.bye()
        return report


@contextlib.contextmanager
def speaker(site: SwitchSite, user: str, *options: str) -> Iterator[Speaker]:
    """A caller of this user; `options` are more of `sealrtp peer`, by ZRTP."""
    media = CALLERS[user].media
    if media is Media.ZRTP:
        sound = site.directory / "speech.wav"
        with wave.open(str(sound), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(array("h", decode(SPEECH)).tobytes())
        with SealrtpPeer(site, user, "--zrtp", "require", "--duration", "120", "--wav", str(sound), *options) as peer:
            yield ZrtpSpeaker(site, user, peer)
    else:
        with (dtls_legs(site, user, profiles=[CM80]) if media is Media.DTLS else legs(site, user)) as (leg,):
            yield LegSpeaker(site, user, leg)


def frames(path: Path) -> list[bool]:
    """Of each 20 ms in a recording whether it sounds; [] where the recorder was never let to write any."""
    if not path.exists() or path.stat().st_size <= 44:
        return []
    with wave.open(str(path)) as recording:
        samples = array("h", recording.readframes(recording.getnframes()))
        step = FRAME * recording.getnchannels()
    return [max(map(abs, samples[at:at + step])) > LOUDEST_SILENCE for at in range(0, len(samples), step)]


def require_sound(path: Path, what: str) -> None:
    """AssertionError unless at least half a second sounds in the recording."""
    sounding = sum(frames(path))
    assert sounding >= SOUNDING, f"{what}: {sounding} frames of {path.name} sound"


def require_silence(path: Path, what: str) -> None:
    """AssertionError unless nothing at all sounds in the recording, from its first sample on."""
    found = frames(path)
    assert True not in found, f"{what}: {path.name} sounds from frame {found.index(True)} of {len(found)} on"


__all__ = ["LegSpeaker", "Speaker", "ZrtpSpeaker", "frames", "require_silence", "require_sound", "speaker"]
