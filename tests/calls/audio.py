"""Comparing G.711 audio: what was heard against what was sent, byte for byte, and by tone where it was transcoded."""

from __future__ import annotations

import math
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, "", "calls"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pbx.sounds import FRAME_BYTES, chirp

# What our end points say; every 20 ms of it differs from every other.
SPEECH = chirp(8.0, 400, 3400)
OTHER_SPEECH = chirp(6.0, 3000, 350)


# Frames that may be left out of what is heard: FreeSWITCH's RTP timer drops one here and there to catch up; Asterisk drops none.
skips: ContextVar[int] = ContextVar("skips", default=0)


@dataclass
class Heard:
    """How much of the sent audio was heard. `frames` are 20 ms each."""

    frames: int
    matched: int
    first: int
    # Frames left out between the first and the last; one that comes again, or too early, counts as nearly all.
    left_out: int

    @property
    def in_order(self) -> bool:
        return self.left_out <= skips.get()

    @property
    def whole(self) -> bool:
        """Everything heard was sent so, in order, without a gap."""
        return self.frames > 0 and self.matched == self.frames and self.in_order

    def __str__(self) -> str:
        order = "in order" if self.in_order else f"NOT in order, {self.left_out} left out"
        return f"{self.matched} of {self.frames} frames as sent, from frame {self.first}, {order}"


def compare(sent: bytes, heard: bytes) -> Heard:
    """Looks every heard 20 ms frame up in the sent audio (which repeats). Silence before the first known frame is left out."""
    places = {sent[at:at + FRAME_BYTES]: at // FRAME_BYTES for at in range(0, len(sent) - FRAME_BYTES + 1, FRAME_BYTES)}
    frames = [heard[at:at + FRAME_BYTES] for at in range(0, len(heard), FRAME_BYTES)]
    found = [places.get(frame) for frame in frames]
    start = next((at for at, place in enumerate(found) if place is not None), len(found))
    if start == len(found) or any(not is_silence(frame) for frame in frames[:start]):
        start = 0
    found = found[start:]
    known = [place for place in found if place is not None]
    total = len(places)
    left_out = sum((b - a - 1) % total for a, b in zip(known, known[1:]))
    return Heard(len(found), len(known), known[0] if known else -1, left_out)


def is_silence(frame: bytes) -> bool:
    """Whether no sample of a u-law frame is louder than the quietest steps."""
    return all(byte & 0x7F >= 0x7B for byte in frame)


def decode(ulaw: bytes) -> list[int]:
    """16-bit samples of u-law bytes."""
    samples = []
    for byte in ulaw:
        byte = ~byte & 0xFF
        value = (((byte & 0x0F) << 3) + 132 << (byte >> 4 & 7)) - 132
        samples.append(-value if byte & 0x80 else value)
    return samples


def loudness(samples: list[int]) -> float:
    """Root mean square."""
    return math.sqrt(sum(s * s for s in samples) / len(samples)) if samples else 0.0


def tone_share(samples: list[int], frequency: float, rate: int = 8000) -> float:
    """The share (0 to 1) of the energy that lies at one frequency (Goertzel)."""
    energy = sum(s * s for s in samples)
    if not energy:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency / rate)
    one = two = 0.0
    for sample in samples:
        one, two = sample + coefficient * one - two, one
    return (one * one + two * two - coefficient * one * two) / (energy * len(samples) / 2)


def tone(seconds: float, frequency: float) -> bytes:
    """A steady tone, u-law."""
    return chirp(seconds, frequency, frequency)
