"""Signalling of the policy matrix: one call between a far end and the PBX, by SIPp over UDP, by the scripted user agent over TLS."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar

from late import PATIENCE, Late, wait_for
from pbx.manager import Message as Event
from pbx.namespace import Bind, environment
from pbx.roots import ensure

from calls.sip import Call, Message, parse
from calls.sip_tls import TlsPhone
from calls.sipp import INSIDE, SCENARIOS
from calls.site import Site

T = TypeVar("T")


class Signalling:
    """The SIP side of a far end, who is the end point `user` to the PBX."""

    # Where the PBX calls it.
    uri = ""

    def __init__(self, site: Site, user: str) -> None:
        self.site, self.user = site, user
        self.start = len(site.pbx.manager.events)
        # What either said last.
        self.ours = self.theirs = ""

    def let_call(self) -> None:
        """The PBX calls the far end and echoes."""
        self.site.pbx.manager.action("Originate", Channel=f"PJSIP/{self.user}/{self.uri}", Application="Echo", Async="true", Timeout="15000",
                                     CallerID="matrix <matrix>")

    def wait_failure(self) -> None:
        """The PBX has given up its call."""
        def failed(event: Event) -> bool:
            return event["Response"] == "Failure" and f"PJSIP/{self.user}" in event["Channel"]

        self.site.pbx.manager.wait_event("OriginateResponse", failed, start=self.start)


class Scripted(Signalling):
    """Over TLS."""

    def __init__(self, site: Site, user: str, _way: str) -> None:
        super().__init__(site, user)
        etc = site.pbx.workdir / "etc"
        self.phone = TlsPhone(user, (site.address, site.pbx.ports.sips), etc / "tls.pem", etc / "tls.key", site.address)
        self.uri = f"sip:{user}@{self.phone.address}{self.phone.parameters}"
        self.call: Call | None = None

    def close(self) -> None:
        self.phone.close()

    def invite(self, extension: str, body: str) -> SimpleNamespace:
        """The far end calls; the PBX's final answer: status and body."""
        self.ours = body
        self.call = self.phone.call(extension, body)
        final = self.call.wait_final()
        self.theirs = final.body
        return SimpleNamespace(status=final.status, body=final.body)

    def wait_offer(self) -> str:
        """The offer with which the PBX calls."""
        self.call = self.phone.wait_call()
        self.theirs = self.call.remote_sdp
        return self.theirs

    def answer(self, body: str) -> None:
        assert self.call is not None
        self.ours = body
        self.call.answer(body)

    def decline(self) -> None:
        assert self.call is not None
        self.call.answer("", 488, "Not Acceptable Here")

    @property
    def was_called(self) -> bool:
        return bool(self.phone.incoming)

    def wait_end(self, timeout: float) -> str:
        """The PBX ends the call: the reason that its BYE gives."""
        assert self.call is not None
        return self.call.wait_end(timeout).get("reason")

    @property
    def ended(self) -> bool:
        return self.call is not None and self.call.ended

    def bye(self) -> None:
        assert self.call is not None
        self.call.bye()

    @property
    def trace(self) -> str:
        return "\n".join(self.phone.trace)


class Sipp(Signalling):
    """Over UDP: a SIPp process that does what messages of ours within its call tell it to."""

    def __init__(self, site: Site, user: str, way: str) -> None:
        super().__init__(site, user)
        self.directory = site.directory / "sipp"
        self.directory.mkdir()
        self.messages = self.directory / "messages"
        self.output = open(self.directory / "output", "wb")
        self.process: subprocess.Popen[bytes] | None = None
        self.call_id = ""
        self.port = site.peer_ports(2)[0]
        self.uri = f"sip:{user}@{site.address}:{self.port}"
        if way == "out":
            self.run("policy-callee", "")
            self.wait(lambda: self.listens() or None, PATIENCE, "listening")

    def run(self, scenario: str, body: str, *more: str) -> None:
        text = (SCENARIOS / f"{scenario}.xml").read_text().replace("@USER@", self.user).replace("@BODY@", body.replace("\r\n", "\n"))
        (self.directory / "scenario.xml").write_text(text)
        address = self.site.address
        argv = ["sipp", f"{address}:{self.site.pbx.sip_port}", "-sf", f"{INSIDE}/scenario.xml", "-i", address, "-p", str(self.port), "-m", "1",
                "-nostdin", "-trace_msg", "-message_file", f"{INSIDE}/messages", "-trace_err", "-error_file", f"{INSIDE}/errors",
                "-timeout", "90", "-timeout_error", *more]
        self.process = subprocess.Popen(ensure("testing").command(argv, binds=[Bind(self.directory, INSIDE, writable=True)], directory=INSIDE),
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, env=environment())

    def listens(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self.site.address, self.port))
            except OSError:
                return True
        return False

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.output.close()

    def received(self) -> list[Message]:
        """What the PBX has sent so far, from SIPp's trace."""
        if not self.messages.exists():
            return []
        got = []
        for part in re.split(rb"^-{10,}[^\n]*\n", self.messages.read_bytes(), flags=re.M)[1:]:
            head, _, rest = part.partition(b"\n\n")
            if b"received" in head:
                message = parse(rest.strip(b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
                if message is not None and message.get("user-agent") != "test":
                    got.append(message)
        return got

    def wait(self, ready: Callable[[], T | None], timeout: float, what: str) -> T:
        until = time.monotonic() + timeout
        while (found := ready()) is None:
            ended = self.process is not None and self.process.poll() is not None
            assert not ended, f"SIPp has ended: no {what}; {self.errors}"
            if time.monotonic() > until:
                raise Late(f"SIPp waited {timeout:g} s: no {what}; {self.errors}")
            time.sleep(0.05)
        return found

    @property
    def errors(self) -> str:
        path = self.directory / "errors"
        return (path if path.exists() else self.directory / "output").read_text(errors="replace")[-300:]

    def tell(self, method: str) -> None:
        """A message within SIPp's call; it does not answer."""
        text = Message(f"{method} sip:{self.user}@{self.site.address}:{self.port} SIP/2.0", [
            ("via", f"SIP/2.0/UDP {self.site.address}:9;branch=z9hG4bK{time.monotonic_ns()}"), ("from", "<sip:test@test>;tag=test"),
            ("to", "<sip:test@test>"), ("call-id", self.call_id), ("cseq", f"1 {method}"), ("user-agent", "test")])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), (self.site.address, self.port))

    def invite(self, extension: str, body: str) -> SimpleNamespace:
        """The far end calls; the PBX's final answer: status and body."""
        self.ours = body
        self.run("policy-caller", body, "-s", extension)
        final = self.wait(lambda: next((one for one in self.received() if one.status >= 200), None), PATIENCE, "final answer")
        self.call_id, self.theirs = final.get("call-id"), final.body
        return SimpleNamespace(status=final.status, body=final.body)

    def wait_offer(self) -> str:
        """The offer with which the PBX calls."""
        invite = self.wait(lambda: next((one for one in self.received() if one.method == "INVITE"), None), PATIENCE, "INVITE")
        # Before it rings, SIPp takes a message for a fault.
        self.wait(lambda: b"SIP/2.0 180" in self.messages.read_bytes() or None, PATIENCE, "180 of its own")
        self.call_id, self.theirs = invite.get("call-id"), invite.body
        return self.theirs

    def answer(self, body: str) -> None:
        self.ours = body
        (self.directory / "answer.sdp").write_bytes(body.encode())
        self.tell("INFO")

    def decline(self) -> None:
        self.tell("MESSAGE")

    @property
    def was_called(self) -> bool:
        return bool(self.received())

    def bye_received(self) -> Message | None:
        return next((one for one in self.received() if one.method == "BYE" and not one.status), None)

    def wait_end(self, timeout: float) -> str:
        """The PBX ends the call: the reason that its BYE gives."""
        until = time.monotonic() + timeout
        while (bye := self.bye_received()) is None:
            if time.monotonic() > until:
                raise Late(f"the PBX has not ended the call in {timeout:g} s")
            time.sleep(0.05)
        return bye.get("reason")

    @property
    def ended(self) -> bool:
        return self.bye_received() is not None

    def bye(self) -> None:
        assert self.process is not None
        self.tell("INFO")
        code = wait_for(self.process.poll, "the end of SIPp")
        assert code == 0, f"SIPp ended with {code}: {self.errors}"

    @property
    def trace(self) -> str:
        return self.messages.read_text(errors="replace") if self.messages.exists() else ""


def signalling_for(site: Site, user: str, way: str, tls: bool) -> Scripted | Sipp:
    """SIPp wherever it can: over TLS it takes no connection of the PBX's."""
    return (Scripted if tls else Sipp)(site, user, way)
