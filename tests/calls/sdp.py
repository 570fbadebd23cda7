"""SDP bodies of one audio m-line: made for an offer or answer, and read back."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

# Bytes of master key and of master salt by the name in a=crypto (RFC 4568, 6188, 7714).
SUITES: dict[str, tuple[int, int]] = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AES_192_CM_HMAC_SHA1_80": (24, 14),
    "AES_192_CM_HMAC_SHA1_32": (24, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),
    "AES_256_CM_HMAC_SHA1_32": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
    "AEAD_AES_128_GCM_8": (16, 12),
    "AEAD_AES_256_GCM_8": (32, 12),
    "NULL_HMAC_SHA1_80": (16, 14),
    "NULL_HMAC_SHA1_32": (16, 14),
}


@dataclass(frozen=True)
class Crypto:
    """One a=crypto line with one or several master keys."""

    tag: int
    suite: str
    # Master key and salt of each inline.
    keys: tuple[bytes, ...]
    # MKI bytes of each key; empty for none.
    mkis: tuple[bytes, ...] = ()
    lifetime: str = ""
    session: str = ""
    # AES-192 session keys as libsrtp derives them; not told in the line.
    libsrtp_aes192: bool = False

    @staticmethod
    def fresh(tag: int, suite: str, mki: bytes = b"", lifetime: str = "", session: str = "") -> Crypto:
        """A line with one new random key."""
        return Crypto(tag, suite, (os.urandom(sum(SUITES[suite])),), (mki,) if mki else (), lifetime, session)

    @property
    def line(self) -> str:
        inlines = []
        for at, key in enumerate(self.keys):
            text = "inline:" + base64.b64encode(key).decode()
            if self.lifetime:
                text += f"|{self.lifetime}"
            if self.mkis:
                text += f"|{int.from_bytes(self.mkis[at])}:{len(self.mkis[at])}"
            inlines.append(text)
        return f"{self.tag} {self.suite} {';'.join(inlines)}" + (f" {self.session}" if self.session else "")

    def key_set(self) -> dict[str, object]:
        """The shape that sealrtp-judge reads."""
        return {"suite": self.suite, "libsrtp_aes192": self.libsrtp_aes192,
                "keys": [{"key": base64.b64encode(key).decode(), **({"mki": self.mkis[at].hex()} if self.mkis else {})}
                         for at, key in enumerate(self.keys)]}

    def with_tag(self, tag: int) -> Crypto:
        return replace(self, tag=tag)


def read_crypto(value: str) -> Crypto:
    """The value of an a=crypto line; ValueError when it is none."""
    fields = value.split()
    if len(fields) < 3 or not fields[0].isdigit():
        raise ValueError(f"no a=crypto value of three fields, tag first ({len(fields)} fields)")
    keys, mkis, lifetime = [], [], ""
    for inline in fields[2].split(";"):
        parts = inline.removeprefix("inline:").split("|")
        keys.append(base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
        for part in parts[1:]:
            if ":" in part:
                number, length = part.split(":")
                mkis.append(int(number).to_bytes(int(length)))
            else:
                lifetime = part
    return Crypto(int(fields[0]), fields[1], tuple(keys), tuple(mkis), lifetime, " ".join(fields[3:]))


def body(port: int, cryptos: Sequence[Crypto] = (), *, address: str = "127.0.0.1", profile: str = "", direction: str = "sendrecv",
         version: int = 1, payloads: str = "0", extra: Sequence[str] = (), session: Sequence[str] = ()) -> str:
    """An SDP body; RTP/SAVP when there are keys, unless `profile` says otherwise. `session` are attributes before the m-line."""
    profile = profile or ("RTP/SAVP" if cryptos else "RTP/AVP")
    lines = ["v=0", f"o=- 7 {version} IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0", *(f"a={line}" for line in session),
             f"m=audio {port} {profile} {payloads}", "a=rtpmap:0 PCMU/8000",
             *(f"a=crypto:{crypto.line}" for crypto in cryptos), f"a={direction}", *extra]
    return "\r\n".join(lines) + "\r\n"


@dataclass
class Media:
    """The first m-line of a body of one kind."""

    address: str
    port: int
    profile: str
    direction: str
    cryptos: list[Crypto] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """The values of every attribute of this name."""
        return [attribute.partition(":")[2] for attribute in self.attributes if attribute.partition(":")[0] == name]

    @property
    def remote(self) -> str:
        return f"{self.address}:{self.port}"


def read(text: str, kind: str = "audio") -> Media:
    """The first m-line of this kind; ValueError without one."""
    session, found, rest = text.partition(f"m={kind} ")
    if not found:
        raise ValueError(f"no m={kind} line")
    section = rest.split("\nm=")[0]
    first = section.splitlines()[0].split()
    address = re.search(r"^c=IN IP4 (\S+)", section, re.M) or re.search(r"^c=IN IP4 (\S+)", session.split("\nm=")[0], re.M)
    attributes = re.findall(r"^a=([^\r\n]*)", section, re.M)
    direction = next((a for a in attributes if a in ("sendrecv", "sendonly", "recvonly", "inactive")), "sendrecv")
    cryptos = [read_crypto(a.removeprefix("crypto:")) for a in attributes if a.startswith("crypto:")]
    return Media(address[1] if address else "", int(first[0]), first[1], direction, cryptos, attributes)
