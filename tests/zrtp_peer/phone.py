"""Calls of linphonec with `sealrtp peer`, which has the media while a script has the signalling."""

from __future__ import annotations

import math
import re
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from late import wait_for

from calls.algorithms import Algorithms
from calls.sip import Phone as Signalling
from calls.zrtp import ALGORITHMS_LOGGED, BY_LOG, SAS_LOGGED, ZrtpPhone
from pbx.sounds import SAMPLE_RATE, chirp

from zrtp_peer.place import HOST, Ended, Place, Ports

# What each side plays; the other side measures it.
PHONE_HZ, PEER_HZ = 600, 1000
SAY = chirp(20.0, PHONE_HZ, PHONE_HZ)
MEDIA_S = 3.0
# How long a peer waits whose Hello will not be answered.
UNANSWERED_S = 6
PHONE_CALLS, PEER_CALLS = "phone calls", "peer calls"
DIRECTIONS = (PHONE_CALLS, PEER_CALLS)


def share_of(hertz: float, samples: list[int]) -> float:
    """How much of the energy is at a frequency, 0 to 1 (Goertzel)."""
    factor = 2 * math.cos(2 * math.pi * hertz / SAMPLE_RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    energy = sum(sample * sample for sample in samples)
    return 2 * (last * last + before * before - factor * last * before) / (len(samples) * energy) if energy else 0.0


def heard_ms(recording: Path, hertz: float) -> int:
    """How long a recording holds a tone, in ms."""
    data = recording.read_bytes()[44:]
    samples = [sample for (sample,) in struct.iter_unpack("<h", data[:len(data) // 2 * 2])]
    block = SAMPLE_RATE // 20
    blocks = [samples[at:at + block] for at in range(0, len(samples) - block, block)]
    return 50 * sum(share_of(hertz, each) > 0.9 for each in blocks)


@dataclass(frozen=True)
class Talked:
    """One call as both ends tell of it; the phone shows no SAS when it has no keys, and its log then tells of none."""

    peer: Ended
    sas: str | None
    # What the phone agreed to, and whether it knew that the SAS had been compared before.
    agreed: Algorithms | None
    was_verified: bool | None

    def same_sas(self) -> Talked:
        """AssertionError unless both are secured and show the same."""
        assert self.sas and self.peer.secured().zrtp["sas"] == self.sas, f"the phone shows {self.sas}: {self.peer.report}"
        return self


class Handset:
    """A linphonec that runs, and the signalling of the peer that it talks to, who has the same address in every call."""

    def __init__(self, place: Place, phone: ZrtpPhone, sip: int, peer_sip: int) -> None:
        self.place, self.phone = place, phone
        self.signalling = Signalling("peer", (HOST, sip), port=peer_sip)
        self.calls = self.secured = 0

    def call(self, direction: str, *options: str, secure: bool = True, seconds: float = MEDIA_S, to_peer: Callable[[str], str] = str,
             meanwhile: Callable[[], None] | None = None) -> Talked:
        """A call with a run of `sealrtp peer` with these options; not `secure`: the phone will have no keys. `to_peer` is done to the
        phone's description on its way, `meanwhile` once the phone shows its SAS."""
        self.calls += 1
        options = ("--tone", str(PEER_HZ), "--expect-tone", str(PHONE_HZ), "--duration", str(seconds), *options)
        options += () if secure else ("--timeout", str(UNANSWERED_S))
        if direction == PEER_CALLS:
            options = ("--offer", *options)
        with self.place.peer(*options) as peer:
            if direction == PEER_CALLS:
                call = self.signalling.call("phone", peer.sdp())
                assert call.wait_final().status == 200
                peer.hear(to_peer(call.remote_sdp))
            else:
                self.phone.start_call(f"sip:peer@{self.signalling.address}")
                call = self.signalling.wait_call()
                peer.hear(to_peer(call.remote_sdp))
                call.answer(peer.sdp())
                call.wait_ack()
            sas = self.phone.sas(self.calls) if secure else None
            if meanwhile:
                meanwhile()
            ended = peer.end()
        before = self.phone.text().count("ended")
        call.bye()
        self.phone.wait_more("ended", before)
        if not secure:
            assert self.phone.secured_calls < self.calls, "the phone shows a SAS"
            return Talked(ended, None, None, None)
        self.secured += 1
        logged, verified = self.logged(SAS_LOGGED)
        assert logged == sas, f"the phone's log tells of {logged}, and it shows {sas}"
        cipher, agreement, digest, tag, rendering = (BY_LOG[name] for name in self.logged(ALGORITHMS_LOGGED))
        return Talked(ended, sas, Algorithms(agreement, digest, cipher, tag, rendering), verified == "yes")

    def logged(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """What the phone's log, which lags behind, says of this call's association."""
        found = wait_for(lambda: found if len(found := pattern.findall(self.phone.log)) >= self.secured else None,
                         f"association {self.secured} in linphonec's log")
        return found[self.secured - 1]


@contextmanager
def handset(place: Place, algorithms: Algorithms = Algorithms(), mandatory: bool = True) -> Iterator[Handset]:
    """linphonec with these algorithms and a cache of its own; clear media passes if ZRTP is not mandatory."""
    base = Ports.take(12)
    with ZrtpPhone(place.folder / "phone", SAY, user="phone", address=HOST, sip=base + 10, rtp=base, answer=True, mandatory=mandatory,
                   algorithms=algorithms) as phone:
        made = Handset(place, phone, base + 10, base + 11)
        with made.signalling:
            yield made


def forget_secrets(handset: Handset) -> int:
    """Deletes what the phone has retained, but not its ZID; of how many peers."""
    with sqlite3.connect(handset.phone.home / ".linphone-zidcache") as cache:
        return cache.execute("delete from zrtp").rowcount


def options_for(algorithms: Algorithms) -> tuple[str, ...]:
    """What makes `sealrtp peer` prefer them."""
    policy: Mapping[str, str] = algorithms.policy
    return tuple(word for key, names in policy.items() for word in (f"--{key.replace('_', '-')}", names.replace(" ", "")))
