"""SIPp 3.8 out of the testing root: signalling and SRTP of its own; its media is judged from a capture, never by SIPp itself."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pbx.namespace import Bind, environment
from pbx.roots import ensure

from calls import sdp
from calls.sip import Message, parse
from calls.site import Site

INSIDE = "/run/sipp"
SCENARIOS = Path(__file__).resolve().parent / "sipp"
# SIPp's keyword for a suite in an a=crypto line.
KEYWORDS = {
    "AES_CM_128_HMAC_SHA1_80": "cryptosuiteaescm128sha1801audio", "AES_CM_128_HMAC_SHA1_32": "cryptosuiteaescm128sha1321audio",
    "AES_192_CM_HMAC_SHA1_80": "cryptosuiteaescm192sha1801audio", "AES_192_CM_HMAC_SHA1_32": "cryptosuiteaescm192sha1321audio",
    "AES_256_CM_HMAC_SHA1_80": "cryptosuiteaescm256sha1801audio", "AES_256_CM_HMAC_SHA1_32": "cryptosuiteaescm256sha1321audio",
    "NULL_HMAC_SHA1_80": "cryptosuitenullsha1801audio", "NULL_HMAC_SHA1_32": "cryptosuitenullsha1321audio",
}


@dataclass
class Exchange:
    """What SIPp's trace tells of one call: both SDP bodies and the keys in them."""

    call_id: str
    sipp: sdp.Media
    pbx: sdp.Media

    def keys(self) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """Keys of SIPp and of the PBX in the judge's shape; none for clear RTP. AssertionError when the answer fits no line."""
        for one in self.sipp.cryptos:
            for other in self.pbx.cryptos:
                if one.tag == other.tag and one.suite == other.suite:
                    return [one.key_set()], [other.key_set()]
        assert not self.sipp.cryptos and not self.pbx.cryptos, (
            f"the answer fits no line of the offer: {[(c.tag, c.suite) for c in self.sipp.cryptos]}, {[(c.tag, c.suite) for c in self.pbx.cryptos]}")
        return [], []


class Sipp:
    """One SIPp process."""

    def __init__(self, site: Site, name: str, scenario: str, audio: bytes, *, suite: str | None, port: int, user: str = "secure",
                 extension: str = "", calls: int = 1, rate: int = 10, talk_ms: int = 3000, rtp: tuple[int, int],
                 fields: Sequence[str] = ()) -> None:
        """`fields` are lines of a file of SIPp's, one for each call: its [field0], and with a suite the value of a=crypto as [field1]."""
        self.directory = site.directory / site.unique(f"sipp-{name}")
        self.directory.mkdir()
        if suite:
            site.watch(*rtp)
        (self.directory / "audio.ul").write_bytes(audio)
        crypto = ""
        if suite:
            crypto = "\n    a=crypto:" + ("[field1]" if fields else f"[cryptotag1audio] [{KEYWORDS[suite]}] inline:[cryptokeyparams1audio]")
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for place, value in {"USER": user, "PROFILE": "RTP/SAVP" if suite else "RTP/AVP", "CRYPTO": crypto,
                             "FILE": f"{INSIDE}/audio.ul", "TALK": str(talk_ms)}.items():
            text = text.replace(f"@{place}@", value)
        (self.directory / "scenario.xml").write_text(text)
        # SIPp opens sockets one by one and keeps them: a few calls' worth more than there are calls.
        argv = ["sipp", f"{site.pbx.address}:{site.pbx.sip_port}", "-sf", f"{INSIDE}/scenario.xml", "-i", "127.0.0.1", "-p", str(port),
                "-mi", "127.0.0.1", "-min_rtp_port", str(rtp[0]), "-max_rtp_port", str(rtp[1]), "-m", str(calls), "-l", str(calls),
                "-r", str(rate), "-nostdin", "-trace_msg", "-message_file", f"{INSIDE}/messages", "-trace_err", "-error_file",
                f"{INSIDE}/errors", "-timeout", str(60 + talk_ms // 1000), "-timeout_error"]
        if extension:
            argv += ["-s", extension]
        if fields:
            (self.directory / "fields.csv").write_text("\n".join(["SEQUENTIAL", *fields]) + "\n")
            argv += ["-inf", f"{INSIDE}/fields.csv"]
        root = ensure("testing")
        self.output = open(self.directory / "output", "wb")
        self.process = subprocess.Popen(root.command(argv, binds=[Bind(self.directory, INSIDE, writable=True)], directory=INSIDE),
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, env=environment())

    def __enter__(self) -> Sipp:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()

    def wait(self, timeout: float = 150.0) -> None:
        """Waits for SIPp's end, which has a time limit of its own. Its exit code is no verdict on media, but signalling that failed is
        worth telling."""
        code = self.process.wait(timeout)
        # 253: SIPp's own opinion of RTP, which is not asked.
        if code not in (0, 253):
            errors = self.directory / "errors"
            said = errors.read_text(errors="replace") if errors.exists() else (self.directory / "output").read_text(errors="replace")
            raise AssertionError(f"SIPp ended with exit code {code}: {said.strip()[:300]}")

    def exchanges(self) -> list[Exchange]:
        """Every call that was set up, from the trace of messages."""
        text = (self.directory / "messages").read_bytes()
        ours: dict[str, Message] = {}
        theirs: dict[str, Message] = {}
        for part in re.split(rb"^-{10,}[^\n]*\n", text, flags=re.M)[1:]:
            head, _, rest = part.partition(b"\n\n")
            message = parse(rest.strip(b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            if message is not None and "m=audio" in message.body and message.method == "INVITE":
                (ours if b" sent" in head else theirs).setdefault(message.get("call-id"), message)
        return [Exchange(call, sdp.read(ours[call].body), sdp.read(theirs[call].body)) for call in ours if call in theirs]

