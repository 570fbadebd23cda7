"""`sealrtp peer` as an end point, where no phone can: a hundred at once, and what linphonec does not speak of ZRTP."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

from late import PATIENCE, wait_for

from calls import sdp
from calls.media import built
from calls.sip import Phone
from calls.site import Site


class SealrtpPeer:
    """A caller: its media and ZRTP are `sealrtp peer`, its signalling is scripted."""

    def __init__(self, site: Site, user: str, *options: str) -> None:
        self.site = site
        self.directory = site.directory / site.unique(f"peer-{user}")
        self.directory.mkdir()
        self.offer, self.answer = self.directory / "offer.sdp", self.directory / "answer.sdp"
        self.phone = Phone(user, (site.address, site.pbx.sip_port), site.port_of(user), site.address)
        self.output = open(self.directory / "report", "w+")
        self.said = open(self.directory / "said", "w")
        self.process = subprocess.Popen(
            [built("sealrtp-cli", "sealrtp"), "peer", "--offer", "--bind", site.address, "--local-sdp", str(self.offer), "--remote-sdp",
             str(self.answer), *options], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.said)
        self.call = None

    def __enter__(self) -> SealrtpPeer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.phone.close()
        self.output.close()
        self.said.close()

    def invite(self, extension: str) -> None:
        """Calls with its offer; the answer comes by connect()."""
        def offered() -> bool:
            assert self.process.poll() is None, f"sealrtp peer made no offer: {self.words}"
            return self.offer.exists() and self.offer.read_bytes().endswith(b"\r\n")

        wait_for(offered, "the offer of sealrtp peer", every=0.02)
        body = self.offer.read_bytes().decode()
        port = sdp.read(body).port
        self.site.watch(port, port + 1)
        self.call = self.phone.call(extension, body)

    def connect(self) -> None:
        """Hands it the answer. AssertionError when the call was refused."""
        assert self.call is not None
        final = self.call.wait_final()
        assert final.status == 200, final.start
        fresh = self.answer.with_suffix(".new")
        fresh.write_text(final.body)
        fresh.rename(self.answer)

    def report(self, timeout: float = 2 * PATIENCE) -> SimpleNamespace:
        """Its JSON line, once it has ended. AssertionError unless it says that all was well."""
        wait_for(lambda: self.process.poll() is not None, "the end of sealrtp peer", timeout)
        lines = (self.directory / "report").read_text().splitlines()
        assert lines, f"sealrtp peer says nothing: {self.words}"
        told = json.loads(lines[-1], object_hook=lambda fields: SimpleNamespace(**fields))
        assert told.result == "ok" and self.process.returncode == 0, f"sealrtp peer: {told.result}: {told.reason}"
        return told

    @property
    def words(self) -> str:
        """The end of what it said on its standard error."""
        return (self.directory / "said").read_text()[-300:]
