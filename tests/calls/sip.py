"""A scripted SIP user agent over UDP on loopback: enough of RFC 3261 to drive a PBX, and to misbehave on purpose.

A thread reads the socket and answers what needs no thought (OPTIONS, NOTIFY, BYE, a re-INVITE of the PBX); the test's own
thread places calls and waits.
"""

from __future__ import annotations

import itertools
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from late import PATIENCE, Late

T = TypeVar("T")
# RFC 3261's estimate of a round trip, in seconds.
T1 = 0.5
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
           "k": "supported", "r": "refer-to", "b": "referred-by", "o": "event", "e": "content-encoding", "s": "subject"}


class SipError(RuntimeError):
    """The other side did what it must not."""


@dataclass
class Message:
    """A SIP request or response."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.get("cseq").split()[1] if self.status else self.start.split()[0]

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def require_sdp(self) -> None:
        """SipError unless the body is said to be what it is: phones do not look into another."""
        if self.get("content-type") != "application/sdp":
            raise SipError(f"{self.start} has a body of type {self.get('content-type')!r}")

    def encode(self) -> bytes:
        body = self.body.encode()
        lines = [self.start, *(f"{key}: {value}" for key, value in self.headers if key != "content-length"),
                 f"content-length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


def parse(datagram: bytes) -> Message | None:
    """A message, or None for what is none (keep-alives)."""
    head, _, body = datagram.decode(errors="replace").partition("\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    if "SIP/2.0" not in lines[0]:
        return None
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((COMPACT.get(name, name), value.strip()))
    return Message(lines[0], headers, body)


def tag_of(header: str) -> str:
    found = re.search(r";\s*tag=([^;>\s]+)", header)
    return found[1] if found else ""


def uri_of(header: str) -> str:
    found = re.search(r"<([^>]+)>", header)
    return found[1] if found else header.split(";")[0].strip()


def in_uri(address: str) -> str:
    """An IP address as a URI and a Via have it: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def token(prefix: str = "") -> str:
    return prefix + "".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=12))


class Call:
    """One dialog (and the INVITE that makes it)."""

    def __init__(self, phone: Phone, call_id: str, local: str, remote: str, target: str) -> None:
        self.phone = phone
        self.call_id = call_id
        self.local, self.remote, self.target = local, remote, target
        self.routes: list[str] = []
        self.sequence = itertools.count(1)
        self.responses: list[Message] = []
        self.requests: list[Message] = []
        self.ended_by_peer: Message | None = None
        self.local_sdp = ""
        self.remote_sdp = ""
        self.invite_sent: Message | None = None
        self.invite_received: Message | None = None
        self.last_ack: Message | None = None
        self.answered: Message | None = None
        # What to answer to a re-INVITE of the peer; None: the SDP that stands.
        self.answer_offer: Callable[[str], str] | None = None
        self.answer_in_ack: Callable[[str], str] | None = None
        self.notifies: list[Message] = []

    # --- requests of ours ---

    def request(self, method: str, body: str = "", extra: Sequence[tuple[str, str]] = (), sequence: int = 0) -> Message:
        number = sequence or next(self.sequence)
        headers = [("via", f"SIP/2.0/{self.phone.transport} {self.phone.address};branch=z9hG4bK{token()};rport"),
                   *(("route", route) for route in self.routes),
                   ("max-forwards", "70"), ("from", self.local), ("to", self.remote), ("call-id", self.call_id),
                   ("cseq", f"{number} {method}"), ("contact", self.phone.contact),
                   ("allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REFER"), *extra]
        if body:
            headers.append(("content-type", "application/sdp"))
        return Message(f"{method} {self.target} SIP/2.0", headers, body)

    def send_invite(self, sdp: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        self.local_sdp = sdp
        self.invite_sent = self.request("INVITE", sdp, [("supported", "replaces"), *extra])
        self.phone.send(self.invite_sent)

    def wait_final(self, timeout: float = PATIENCE) -> Message:
        """The final response to the last INVITE of ours; acknowledged."""
        sent = self.invite_sent
        assert sent is not None
        final = self.wait_response(sent, timeout)
        if final.status < 300:
            self.learn(final)
            if final.body:
                final.require_sdp()
                self.remote_sdp = final.body
        self.acknowledge(final)
        return final

    def wait_response(self, sent: Message, timeout: float) -> Message:
        number = sent.get("cseq")

        def done() -> Message | None:
            return next((m for m in self.responses if m.status >= 200 and m.get("cseq") == number), None)

        def provisional() -> bool:
            return any(m.get("cseq") == number for m in self.responses)

        started, wait = time.monotonic(), T1
        while True:
            left = started + timeout - time.monotonic()
            if left <= 0:
                raise Late(f"{self.phone.name}: no final answer to {sent.start} within {timeout:g} s")
            try:
                return self.phone.wait(done, min(wait, left), f"an answer to {sent.start}")
            except Late:
                wait = min(2 * wait, 4.0)
                if not provisional():
                    self.phone.send(sent)

    def acknowledge(self, final: Message) -> None:
        number = int(final.get("cseq").split()[0])
        if final.status >= 300:
            sent = self.invite_sent
            assert sent is not None
            headers = [(k, v) for k, v in sent.headers if k in ("via", "max-forwards", "from", "call-id", "route")]
            headers += [("to", final.get("to")), ("cseq", f"{number} ACK")]
            self.last_ack = Message(sent.start.replace("INVITE", "ACK", 1), headers)
        else:
            # An INVITE without an offer got one in the 2xx: the answer is the ACK's.
            self.last_ack = self.request("ACK", self.answer_in_ack(final.body) if self.answer_in_ack else "", sequence=number)
        self.phone.send(self.last_ack)

    def learn(self, response: Message) -> None:
        """The dialog's state out of a 2xx."""
        self.remote = response.get("to")
        if response.get("contact"):
            self.target = uri_of(response.get("contact"))
        self.routes = list(reversed(response.all("record-route")))

    def reinvite(self, sdp: str, timeout: float = PATIENCE) -> Message:
        self.send_invite(sdp)
        return self.wait_final(timeout)

    def refer(self, target: str, replaces: Call | None = None, timeout: float = PATIENCE) -> Message:
        """REFER to `target`; with `replaces`, the attended kind that puts that call into the other's place."""
        uri = target
        if replaces is not None:
            value = (f"{replaces.call_id};to-tag={tag_of(replaces.remote)};from-tag={tag_of(replaces.local)}"
                     .replace(";", "%3B").replace("=", "%3D").replace("@", "%40"))
            uri = f"{uri_of(target)}?Replaces={value}"
        sent = self.request("REFER", extra=[("refer-to", f"<{uri}>"), ("referred-by", f"<sip:{self.phone.name}@{self.phone.address}>")])
        self.phone.send(sent)
        return self.wait_response(sent, timeout)

    def bye(self, timeout: float = PATIENCE) -> None:
        if self.ended_by_peer is not None:
            return
        sent = self.request("BYE")
        self.phone.send(sent)
        self.wait_response(sent, timeout)

    # --- requests of the peer ---

    def respond(self, request: Message, status: int, reason: str, body: str = "", extra: Sequence[tuple[str, str]] = ()) -> Message:
        headers = [(k, v) for k, v in request.headers if k in ("via", "from", "call-id", "cseq", "record-route")]
        headers.append(("to", self.local if status > 100 else request.get("to")))
        headers += [("contact", self.phone.contact), *extra]
        if body:
            headers.append(("content-type", "application/sdp"))
        message = Message(f"SIP/2.0 {status} {reason}", headers, body)
        self.phone.send(message)
        return message

    def ring(self) -> None:
        assert self.invite_received is not None
        self.respond(self.invite_received, 180, "Ringing")

    def answer(self, sdp: str, status: int = 200, reason: str = "OK") -> None:
        assert self.invite_received is not None
        self.local_sdp = sdp
        self.answered = self.respond(self.invite_received, status, reason, sdp)

    def wait_ack(self, timeout: float = PATIENCE) -> None:
        self.phone.wait(lambda: next((m for m in self.requests if m.method == "ACK"), None), timeout, "an ACK")

    def wait_end(self, timeout: float = PATIENCE) -> Message:
        """The BYE or CANCEL with which the peer ends the call."""
        return self.phone.wait(lambda: self.ended_by_peer, timeout, "the end of the call")

    @property
    def ended(self) -> bool:
        return self.ended_by_peer is not None

    def handle(self, request: Message) -> None:
        """In the reading thread: what the protocol demands at once."""
        self.requests.append(request)
        if request.method in ("BYE", "CANCEL"):
            self.respond(request, 200, "OK")
            if request.method == "CANCEL" and self.invite_received is not None and self.answered is None:
                self.respond(self.invite_received, 487, "Request Terminated")
            self.ended_by_peer = request
        elif request.method == "INVITE":
            if request.body:
                self.remote_sdp = request.body
            if self.answer_offer is not None:
                self.local_sdp = self.answer_offer(request.body)
            self.respond(request, 200, "OK", self.local_sdp)
        elif request.method == "NOTIFY":
            self.notifies.append(request)
            self.respond(request, 200, "OK")
        elif request.method != "ACK":
            self.respond(request, 200, "OK")


class Phone:
    """A user agent with one socket; every call to it and from it."""

    # As the Via header names it, and what a URI of its says of it.
    transport = "UDP"
    parameters = ""

    def __init__(self, name: str, pbx: tuple[str, int], port: int = 0, host: str = "127.0.0.1") -> None:
        self.name = name
        self.pbx = pbx
        self.host, self.port = self.open(host, port)
        self.address = f"{in_uri(self.host)}:{self.port}"
        self.calls: dict[str, Call] = {}
        self.incoming: list[Call] = []
        self.changed = threading.Condition()
        self.closing = False
        self.trace: list[str] = []
        self.thread = threading.Thread(target=self.read, name=f"sip-{name}", daemon=True)
        self.thread.start()

    def open(self, host: str, port: int) -> tuple[str, int]:
        """Opens the socket; where it is bound."""
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.settimeout(0.2)
        return self.socket.getsockname()[:2]

    @property
    def contact(self) -> str:
        """The Contact header."""
        return f"<sip:{self.name}@{self.address}{self.parameters}>"

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for call in list(self.calls.values()):
            if not call.ended and (call.answered or any(200 <= m.status < 300 for m in call.responses)):
                try:
                    call.bye(5.0)
                except Late:
                    pass
        self.closing = True
        self.thread.join()
        self.socket.close()

    def send(self, message: Message) -> None:
        self.trace.append(f"> {message.start}")
        self.socket.sendto(message.encode(), self.pbx)

    def wait(self, ready: Callable[[], T | None], timeout: float, what: str) -> T:
        """The first result of `ready` that is not None; asked again whenever a message came. Raises Late."""
        until = time.monotonic() + timeout
        with self.changed:
            while True:
                found = ready()
                if found is not None:
                    return found
                left = until - time.monotonic()
                if left <= 0:
                    recent = "; ".join(self.trace[-8:])
                    raise Late(f"{self.name}: waited {timeout:.1f} s for {what}; last messages: {recent}")
                self.changed.wait(left)

    def call(self, extension: str, sdp: str, extra: Sequence[tuple[str, str]] = ()) -> Call:
        """Sends an INVITE for `extension`; wait_final() tells how it went."""
        call = self.prepare(extension)
        call.send_invite(sdp, extra)
        return call

    def prepare(self, extension: str) -> Call:
        """A call whose INVITE is not sent yet."""
        target = f"sip:{extension}@{in_uri(self.pbx[0])}:{self.pbx[1]}{self.parameters}"
        call = Call(self, token() + "@sealrtp", f"{self.contact};tag={token()}", f"<{target}>", target)
        with self.changed:
            self.calls[call.call_id] = call
        return call

    def wait_call(self, timeout: float = PATIENCE) -> Call:
        """The next call that comes in."""
        return self.wait(lambda: self.incoming.pop(0) if self.incoming else None, timeout, "an incoming call")

    def read(self) -> None:
        while not self.closing:
            try:
                datagram, _ = self.socket.recvfrom(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            self.receive(datagram)

    def receive(self, datagram: bytes) -> None:
        """A message that came."""
        message = parse(datagram)
        if message is not None:
            self.trace.append(f"< {message.start}")
            with self.changed:
                self.dispatch(message)
                self.changed.notify_all()

    def dispatch(self, message: Message) -> None:
        call = self.calls.get(message.get("call-id"))
        if message.status:
            if call is not None:
                # A 2xx that comes again has lost its ACK.
                if message.method == "INVITE" and 200 <= message.status < 300 and call.last_ack is not None \
                        and call.last_ack.get("cseq").split()[0] == message.get("cseq").split()[0]:
                    self.send(call.last_ack)
                call.responses.append(message)
        elif call is not None:
            fresh = not any(m.get("cseq") == message.get("cseq") and m.method == message.method for m in call.requests)
            if fresh:
                call.handle(message)
            elif message.method == "INVITE" and call.answered is not None:
                self.send(call.answered)
        elif message.method == "INVITE":
            local = f"{message.get('to')};tag={token()}"
            call = Call(self, message.get("call-id"), local, message.get("from"), uri_of(message.get("contact")))
            call.routes = message.all("record-route")
            call.invite_received, call.remote_sdp = message, message.body
            call.requests.append(message)
            self.calls[call.call_id] = call
            self.incoming.append(call)
            call.respond(message, 100, "Trying")
        elif message.method != "ACK":
            stray = Call(self, message.get("call-id"), f"{message.get('to')};tag={token()}", message.get("from"), "")
            stray.respond(message, 200 if message.method == "OPTIONS" else 481, "OK" if message.method == "OPTIONS" else "No Such Call")

