"""DTLS-SRTP against aiortc: pyOpenSSL's own OpenSSL does the handshake there, pylibsrtp the packets.

One end is `sealrtp peer`, which plays a tone; the other is aiortc's RTCDtlsTransport over a UDP socket, which sends every
packet back under its own keys.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest

aiortc = pytest.importorskip("aiortc", reason="SKIPPED: aiortc is not installed (PyPI)", exc_type=ImportError)
from aiortc.rtcdtlstransport import (  # noqa: E402
    SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80, SRTP_PROFILES, RTCCertificate, RTCDtlsFingerprint,
    RTCDtlsParameters, RTCDtlsTransport,
)

TOP = Path(__file__).resolve().parents[2]
PROFILES = {"AEAD_AES_256_GCM": SRTP_AEAD_AES_256_GCM, "AEAD_AES_128_GCM": SRTP_AEAD_AES_128_GCM,
            "AES_CM_128_HMAC_SHA1_80": SRTP_AES128_CM_SHA1_80}
OTHER_ROLE = {"client": "server", "server": "client"}
PATIENCE_S = 120


class UdpTransport(asyncio.DatagramProtocol):
    """What RTCDtlsTransport needs of an ICE transport, without ICE: one socket, one peer."""

    role = "controlled"

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.peer: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.socket = transport

    def datagram_received(self, data: bytes, _address: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    async def _recv(self) -> bytes:
        return await self.received.get()

    async def _send(self, data: bytes) -> None:
        self.socket.sendto(data, self.peer)


class Echo(RTCDtlsTransport):
    """Sends every RTP packet back."""

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        await self._send_rtp(data)


@pytest.fixture(scope="session")
def sealrtp() -> Path:
    """The program, built here."""
    built = subprocess.run(["cargo", "build", "--locked", "-p", "sealrtp-cli", "--message-format=json"], cwd=TOP, check=True,
                           capture_output=True, text=True).stdout
    programs = [message["executable"] for message in map(json.loads, built.splitlines()) if message.get("executable")]
    return Path(programs[-1])


async def read_until(stream: asyncio.StreamReader, pattern: str) -> str:
    while line := (await stream.readline()).decode():
        if found := re.match(pattern, line):
            return found[1]
    raise AssertionError(f"the peer did not say {pattern!r}")


async def run_call(program: Path, role: str, *arguments: str, profiles: list[str] | None = None, told: str = "",
                   shown: str = "") -> tuple[int, dict, str]:
    """A call in which `sealrtp peer` has this role: its exit code, its JSON and aiortc's state. `told` and `shown` stand in for
    the fingerprints that the peer and aiortc are told."""
    loop = asyncio.get_running_loop()
    _, transport = await loop.create_datagram_endpoint(UdpTransport, local_addr=("127.0.0.1", 0))
    host, port = transport.socket.get_extra_info("sockname")
    certificate = RTCCertificate.generateCertificate()
    theirs = next(value for value in certificate.getFingerprints() if value.algorithm == "sha-256")
    process = await asyncio.create_subprocess_exec(
        program, "peer", "--method", "dtls", "--role", role, "--remote", f"{host}:{port}", "--fingerprint",
        told or f"sha-256 {theirs.value}", "--tone", "1000", "--expect-tone", "1000", "--duration", "1.5", "--timeout", "30",
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    address = await read_until(process.stderr, r"rtp (\S+)")
    ours = await read_until(process.stderr, r"fingerprint sha-256 (\S+)")
    transport.peer = (address.rsplit(":", 1)[0], int(address.rsplit(":", 1)[1]))
    dtls = Echo(transport, [certificate])
    if profiles:
        dtls._srtp_profiles = [PROFILES[name] for name in profiles]
    dtls._set_role(OTHER_ROLE[role])
    handshake = asyncio.ensure_future(dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", shown or ours)])))
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        state = dtls.state
    finally:
        if process.returncode is None:
            process.kill()
        handshake.cancel()
        await dtls.stop()
        transport.socket.close()
    return process.returncode, json.loads(output.decode().splitlines()[-1]), state


def call(*arguments, **options):
    return asyncio.run(run_call(*arguments, **options))


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_carries_audio_there_and_back(sealrtp: Path, role: str, profile: str) -> None:
    if PROFILES[profile] not in SRTP_PROFILES:
        pytest.skip(f"SKIPPED: aiortc's libsrtp has no {profile}")
    code, report, _ = call(sealrtp, role, profiles=[profile])
    assert (code, report["result"]) == (0, "ok"), report
    assert (report["role"], report["suite"]) == (role, profile)
    assert report["packets_received"] >= 50 and report["auth_failures"] == 0, report
    assert report["dominant_hz"] == 1000.0


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_strongest_profile_in_common_is_taken(sealrtp: Path, role: str) -> None:
    code, report, _ = call(sealrtp, role)
    assert (code, report["suite"]) == (0, "AEAD_AES_256_GCM"), report


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_certificate_of_another_is_refused_and_no_audio_passes(sealrtp: Path, role: str) -> None:
    code, report, _ = call(sealrtp, role, told="sha-256 " + ":".join(["AB"] * 32))
    assert (code, report["result"]) == (4, "fingerprint_mismatch"), report
    assert report["packets_sent"] == report["packets_received"] == 0
    assert report["reason"].count("sha-256") == 2


@pytest.mark.parametrize("role", ["client", "server"])
def test_aiortc_refuses_us_by_another_fingerprint(sealrtp: Path, role: str) -> None:
    code, report, state = call(sealrtp, role, shown=":".join(["AB"] * 32))
    assert state == "failed"
    assert code != 0 and report["packets_received"] == 0, report


@pytest.mark.parametrize("role", ["client", "server"])
def test_no_common_profile_gives_no_keys(sealrtp: Path, role: str) -> None:
    code, report, _ = call(sealrtp, role, "--profiles", "AEAD_AES_128_GCM", profiles=["AES_CM_128_HMAC_SHA1_80"])
    assert code in (5, 9) and not report["secured"], report
