"""Known G.711 u-law audio: every 20 ms of it differs from every other, so a judge can tell which part it heard."""

from __future__ import annotations

import math

SAMPLE_RATE = 8000
FRAME_BYTES = 160


def encode_ulaw(sample: int) -> int:
    """One u-law byte (G.711) of a 16-bit sample."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = max(magnitude.bit_length() - 8, 0)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def chirp(seconds: float, low_hz: float, high_hz: float, amplitude: float = 12000.0) -> bytes:
    """A tone that rises from `low_hz` to `high_hz`, as u-law bytes, whole 20 ms frames."""
    count = round(seconds * SAMPLE_RATE) // FRAME_BYTES * FRAME_BYTES
    slope = (high_hz - low_hz) / (count / SAMPLE_RATE)
    samples = bytearray()
    for index in range(count):
        time = index / SAMPLE_RATE
        phase = 2 * math.pi * (low_hz * time + slope * time * time / 2)
        samples.append(encode_ulaw(round(amplitude * math.sin(phase))))
    return bytes(samples)


# What Asterisk says for a letter or a digit: a rise of a fifth of a second, each from another frequency.
SPELLED = {symbol: chirp(0.2, 350 + 80 * number, 400 + 80 * number) for number, symbol in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")}


# What the extension "playback" plays, and what a held party hears.
PLAYBACK = chirp(3.0, 300, 3000)
ON_HOLD = chirp(4.0, 3200, 500)
