"""A relay between one phone and the PBX, for SIP and for RTP, that keeps ZRTP back until it is told: the call starts clear."""

from __future__ import annotations

import re
import select
import socket
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """A datagram of media on its way to the phone or from it."""

    to_phone: bool
    data: bytes

    @property
    def is_zrtp(self) -> bool:
        return self.data[:1] == b"\x10"

    @property
    def is_rtp(self) -> bool:
        return len(self.data) >= 12 and self.data[0] >> 6 == 2

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.data[2:4])

    @property
    def payload(self) -> bytes:
        return self.data[12:]


class Relay:
    """The phone calls `address`:`port` instead of the PBX. RTCP is told to go nowhere."""

    def __init__(self, address: str, pbx_port: int, media_ports: tuple[int, int]) -> None:
        self.address, self.pbx = address, (address, pbx_port)
        # Whether ZRTP passes.
        self.lets_pass = False
        self.to_phone_sip, self.to_pbx_sip = bound(address, 0), bound(address, 0)
        # Toward the phone and toward the PBX.
        self.near, self.far = bound(address, media_ports[0]), bound(address, media_ports[1])
        self.port: int = self.to_phone_sip.getsockname()[1]
        self.phone_sip: tuple[str, int] | None = None
        self.phone_media: tuple[str, int] | None = None
        self.pbx_media: tuple[str, int] | None = None
        self.seen: list[Seen] = []
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing = True
        self.thread.join()
        for each in (self.to_phone_sip, self.to_pbx_sip, self.near, self.far):
            each.close()

    def run(self) -> None:
        sockets = (self.to_phone_sip, self.to_pbx_sip, self.near, self.far)
        while not self.closing:
            for ready in select.select(sockets, (), (), 0.2)[0]:
                try:
                    data, source = ready.recvfrom(65536)
                except ConnectionRefusedError:
                    continue
                if ready is self.to_phone_sip:
                    self.phone_sip = source
                    self.to_pbx_sip.sendto(self.rewrite(data, self.far, "phone_media"), self.pbx)
                elif ready is self.to_pbx_sip:
                    if self.phone_sip is not None:
                        self.to_phone_sip.sendto(self.rewrite(data, self.near, "pbx_media"), self.phone_sip)
                else:
                    self.media(ready, data)

    def passed(self, to_phone: bool) -> int:
        """RTP packets that have passed in this direction."""
        return sum(packet.is_rtp and packet.to_phone is to_phone for packet in list(self.seen))

    def rewrite(self, message: bytes, media: socket.socket, owner: str) -> bytes:
        """Puts a socket of ours in the place of the media address in a description, which is kept as `owner`."""
        head, _, body = message.decode().partition("\r\n\r\n")
        address = re.search(r"^c=IN IP4 (\S+)", body, re.M)
        audio = re.search(r"^m=audio (\d+)", body, re.M)
        if address is None or audio is None:
            return message
        setattr(self, owner, (address[1], int(audio[1])))
        body = re.sub(r"^c=IN IP4 \S+", f"c=IN IP4 {self.address}", body, flags=re.M)
        body = re.sub(r"^m=audio \d+", f"m=audio {media.getsockname()[1]}", body, flags=re.M)
        body = re.sub(r"^a=rtcp:.*\r\n", "", body, flags=re.M)
        head = re.sub(r"^(Content-Length|l)\s*:[^\r\n]*", f"Content-Length: {len(body.encode())}", head, flags=re.M | re.I)
        return f"{head}\r\n\r\n{body}".encode()

    def media(self, came_to: socket.socket, data: bytes) -> None:
        to_phone = came_to is self.far
        seen = Seen(to_phone, data)
        if seen.is_zrtp and not self.lets_pass:
            return
        self.seen.append(seen)
        target = self.phone_media if to_phone else self.pbx_media
        if target is not None:
            (self.near if to_phone else self.far).sendto(data, target)


def bound(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    return made
