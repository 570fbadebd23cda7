"""The tools of these tests bite: the judge of the wire knows clear media, the reader of the page knows a changed page."""

from __future__ import annotations

import random
import struct

import pytest

from pbx.sounds import chirp

from webrtc.browser import TONE_HZ
from webrtc.documented import DocumentError, blocks, configuration, set_values
from webrtc.wire import Datagram, clear_media, handshakes

PBX, BROWSER = (bytes([127, 0, 0, 1]), 11000), (bytes([127, 0, 0, 1]), 40000)


def rtp(payload: bytes, number: int, *, from_pbx: bool = False, kind: int = 0) -> Datagram:
    packet = struct.pack("!BBHII", 0x80, kind, number, number * 160, 7) + payload
    return Datagram(number * 0.02, *((PBX, BROWSER) if from_pbx else (BROWSER, PBX)), packet)


def change_cipher_spec(*, from_pbx: bool) -> Datagram:
    record = bytes([20, 0xFE, 0xFD]) + bytes(8) + b"\0\1\1"
    return Datagram(0.0, *((PBX, BROWSER) if from_pbx else (BROWSER, PBX)), record)


def after_the_handshake(packets: list[Datagram]) -> list[str]:
    changed = [change_cipher_spec(from_pbx=side) for side in (True, False)]
    return clear_media(changed + packets, PBX[1], TONE_HZ)


def test_ciphertext_is_not_taken_for_clear_media() -> None:
    noise = random.Random(1)
    for seed in range(20):
        assert not after_the_handshake([rtp(noise.randbytes(100 + seed), number) for number in range(200)])


def test_one_clear_packet_of_the_tone_among_ciphertext_is_found() -> None:
    noise = random.Random(2)
    packets = [rtp(noise.randbytes(170), number) for number in range(200)]
    packets[120] = rtp(chirp(0.02, TONE_HZ, TONE_HZ), 120)
    assert after_the_handshake(packets) == ["1 packets are G.711 of the tone"]


def test_media_before_the_change_of_cipher_is_found_whatever_is_in_it() -> None:
    noise = random.Random(3)
    found = clear_media([rtp(noise.randbytes(170), 1), change_cipher_spec(from_pbx=False),
                         rtp(noise.randbytes(170), 1, from_pbx=True), rtp(noise.randbytes(60), 2, from_pbx=True, kind=200)], PBX[1], TONE_HZ)
    assert found == [f"1 packets of {kind} from {who} before its ChangeCipherSpec"
                     for kind, who in (("RTP", "the browser"), ("RTP", "the PBX"), ("RTCP", "the PBX"))]


def test_a_codec_that_is_not_known_is_found_by_its_first_bytes() -> None:
    noise = random.Random(4)
    opus = [rtp(b"\x78" + noise.randbytes(80), number) for number in range(60)]
    assert len(after_the_handshake(opus)) == 1


def test_a_client_hello_that_comes_again_is_one_handshake() -> None:
    def fragment(offset: int, random_byte: int = 7) -> Datagram:
        content = bytes(2) + bytes([random_byte]) * 32 + bytes(666) if offset == 0 else bytes(700)
        body = bytes([1]) + (1400).to_bytes(3) + bytes(2) + offset.to_bytes(3) + (700).to_bytes(3) + content
        return Datagram(0.0, BROWSER, PBX, bytes([22, 0xFE, 0xFF]) + bytes(8) + struct.pack("!H", len(body)) + body)

    assert handshakes([fragment(0), fragment(700), fragment(0)]) == 1
    assert handshakes([fragment(0), fragment(0, 8), fragment(700)]) == 2


def test_the_page_for_administrators_has_the_files_that_are_run() -> None:
    assert set(configuration()) == {"http.conf", "rtp.conf", "pjsip.conf"}


def test_a_line_that_left_the_page_is_missed() -> None:
    text = "a=1 ; comment\nb=2\nb=2\n"
    assert set_values(text, {("a", "1"): "3"}) == "a=3\nb=2\nb=2\n"
    assert set_values(text, {("a", "1"): None}) == "b=2\nb=2\n"
    for key, value in (("a", "2"), ("c", "1"), ("b", "2")):
        with pytest.raises(DocumentError):
            set_values(text, {(key, value): "3"})


def test_blocks_of_a_page_belong_to_the_file_named_before() -> None:
    page = "`/etc/asterisk/a.conf`:\n```ini\n[x]\n```\n`/etc/asterisk/b.conf`\n```sh\nls\n```\n```ini\n[y]\n```\n"
    assert blocks(page) == {"a.conf": "[x]\n", "b.conf": "[y]\n"}
    with pytest.raises(DocumentError):
        blocks("```ini\n[x]\n```\n")
