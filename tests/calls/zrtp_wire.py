"""ZRTP packets by hand, for what no phone sends: Ping (RFC 6189, 5.16)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

COOKIE = 0x5A525450
PREAMBLE = 0x505A


def crc32c(data: bytes) -> int:
    """RFC 3309's checksum, as ZRTP puts it on the wire in network order."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return int.from_bytes((value ^ 0xFFFFFFFF).to_bytes(4, "little"))


def packet(sequence: int, ssrc: int, kind: bytes, body: bytes) -> bytes:
    """A whole ZRTP packet; `kind` is the message's type of eight bytes."""
    message = struct.pack(">HH", PREAMBLE, 3 + len(body) // 4) + kind + body
    head = struct.pack(">BBHII", 0x10, 0, sequence, COOKIE, ssrc)
    return head + message + struct.pack(">I", crc32c(head + message))


def ping(sequence: int, ssrc: int, endpoint: bytes) -> bytes:
    """A Ping of an end point with this hash of eight bytes."""
    return packet(sequence, ssrc, b"Ping    ", b"1.10" + endpoint)


@dataclass(frozen=True)
class PingAck:
    """What a PingACK says."""

    version: bytes
    sender: bytes
    received: bytes
    received_ssrc: int


def kind_of(data: bytes) -> bytes:
    """The message type of a ZRTP packet; empty when it is none. AssertionError when its lengths or its checksum are wrong."""
    if len(data) < 28 or data[0] != 0x10 or data[4:8] != COOKIE.to_bytes(4):
        return b""
    assert data[12:14] == PREAMBLE.to_bytes(2) and int.from_bytes(data[14:16]) * 4 == len(data) - 16, "a wrong preamble or length"
    assert int.from_bytes(data[-4:]) == crc32c(data[:-4]), "a wrong checksum"
    return data[16:24]


def read_ping_ack(data: bytes) -> PingAck:
    """AssertionError when it is none."""
    assert kind_of(data) == b"PingACK " and len(data) == 52, data.hex()
    return PingAck(data[24:28], data[28:36], data[36:44], int.from_bytes(data[44:48]))
