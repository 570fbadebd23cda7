"""What a capture of a browser's call shows: datagrams by kind, DTLS handshakes, and RTP that is not encrypted."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from calls.audio import decode, tone_share

ETHERNET = 1
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE = 20, 21, 22
CLIENT_HELLO = 1
# Of a ciphertext's first bytes each of 256 values is as likely as the others; codecs begin their packets with few.
COMMON_SHARE, COMMON_LEAST = 0.2, 8
TONE_SHARE = 0.5


@dataclass(frozen=True)
class Datagram:
    """A UDP datagram of a capture; addresses are (IPv4 or IPv6 bytes, port)."""

    seconds: float
    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    payload: bytes

    @property
    def kind(self) -> str:
        """By the first byte, RFC 7983; RTP and RTCP are told apart by RFC 5761."""
        if not self.payload:
            return "empty"
        first = self.payload[0]
        if first <= 3:
            return "STUN"
        if 20 <= first <= 63:
            return "DTLS"
        if 128 <= first <= 191 and len(self.payload) >= 12:
            return "RTCP" if 192 <= self.payload[1] <= 223 else "RTP"
        return "other"

    @property
    def rtp_payload(self) -> bytes:
        """What follows the RTP header, its CSRCs and extension."""
        at = 12 + 4 * (self.payload[0] & 0x0F)
        if self.payload[0] & 0x10 and len(self.payload) >= at + 4:
            at += 4 + 4 * struct.unpack_from("!H", self.payload, at + 2)[0]
        return self.payload[at:]

    @property
    def records(self) -> list[tuple[int, int, bytes]]:
        """The DTLS records in it: content type, epoch, fragment."""
        found, at = [], 0
        while at + 13 <= len(self.payload):
            epoch, length = struct.unpack_from("!H6xH", self.payload, at + 3)
            found.append((self.payload[at], epoch, self.payload[at + 13:at + 13 + length]))
            at += 13 + length
        return found


def read(path: Path) -> list[Datagram]:
    """The UDP datagrams of tcpdump's file. Raises ValueError when it is another sort of file, or a packet was cut."""
    data = path.read_bytes()
    magic, link = struct.unpack_from("<I16xI", data)
    if magic != 0xA1B2C3D4 or link != ETHERNET:
        raise ValueError(f"{path}: not a little-endian capture of Ethernet frames")
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, micros, kept, length = struct.unpack_from("<4I", data, at)
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if kept != length:
            raise ValueError(f"{path}: a packet of {length} bytes was cut to {kept}")
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == 0x0800 and frame[23] == 17:
            source, destination, udp = frame[26:30], frame[30:34], 14 + 4 * (frame[14] & 0x0F)
        elif kind == 0x86DD and frame[20] == 17:
            source, destination, udp = frame[22:38], frame[38:54], 54
        else:
            continue
        ports = struct.unpack_from("!HHH", frame, udp)
        found.append(Datagram(seconds + micros / 1e6, (source, ports[0]), (destination, ports[1]), frame[udp + 8:udp + ports[2]]))
    return found


def count(datagrams: list[Datagram], kind: str) -> int:
    return sum(datagram.kind == kind for datagram in datagrams)


def handshakes(datagrams: list[Datagram]) -> int:
    """DTLS handshakes that were begun in the clear, by the random numbers of their ClientHellos: one that comes again, whole or in fragments,
    or with the server's cookie, has the same."""
    return len({body[14:46] for datagram in datagrams if datagram.kind == "DTLS" for kind, epoch, body in datagram.records
                if kind == HANDSHAKE and epoch == 0 and len(body) >= 46 and body[0] == CLIENT_HELLO and body[6:9] == bytes(3)})


def of_port(datagrams: list[Datagram], port: int) -> list[Datagram]:
    """Those to and from a port of the PBX."""
    return [datagram for datagram in datagrams if port in (datagram.source[1], datagram.destination[1])]


def clear_media(datagrams: list[Datagram], port: int, tone_hz: float) -> list[str]:
    """What on a port of the PBX is not SRTP under keys of a DTLS handshake; empty when all is well.

    Three signs, each enough: media that its sender sent before it had changed to encryption; G.711 in which the tone is
    heard; a source whose payloads begin alike. A browser may go from one of its addresses to another at any time.
    """
    problems: list[str] = []
    changed: set[str] = set()
    beginnings: dict[tuple[str, bytes], Counter[int]] = defaultdict(Counter)
    early: Counter[str] = Counter()
    tones = 0
    for datagram in of_port(datagrams, port):
        sender = "the PBX" if datagram.source[1] == port else "the browser"
        if datagram.kind == "DTLS" and any(kind == CHANGE_CIPHER_SPEC for kind, _, _ in datagram.records):
            changed.add(sender)
        elif datagram.kind in ("RTP", "RTCP"):
            if sender not in changed:
                early[f"{datagram.kind} from {sender} before its"] += 1
            if datagram.kind == "RTP" and (payload := datagram.rtp_payload):
                beginnings[sender, datagram.payload[8:12]][payload[0]] += 1
                tones += len(payload) >= 80 and tone_share(decode(payload), tone_hz) > TONE_SHARE
    problems += [f"{number} packets of {which} ChangeCipherSpec" for which, number in early.items()]
    if tones:
        problems.append(f"{tones} packets are G.711 of the tone")
    for (sender, ssrc), counts in beginnings.items():
        value, most = counts.most_common(1)[0]
        if most >= max(COMMON_LEAST, COMMON_SHARE * counts.total()):
            problems.append(f"{most} of {counts.total()} payloads of SSRC {ssrc.hex()} from {sender} begin with {value:#04x}")
    return problems
