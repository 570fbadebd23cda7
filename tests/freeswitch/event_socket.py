"""FreeSWITCH's event socket: commands with their answers, and every event that came."""

from __future__ import annotations

import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class EventSocketError(RuntimeError):
    """FreeSWITCH did not answer, or not as it must."""


@dataclass(frozen=True)
class Event:
    """An event: its headers, decoded, and its body."""

    headers: Mapping[str, str]
    body: str = ""

    @property
    def name(self) -> str:
        """Its name; of a CUSTOM one its subclass, as sealrtp::secured."""
        return self.headers.get("Event-Subclass") or self.headers.get("Event-Name", "")

    @property
    def channel(self) -> str:
        """The UUID of the channel that it is about."""
        return self.headers.get("Unique-ID", "")

    def get(self, header: str) -> str:
        return self.headers.get(header, "")


@dataclass
class Wire:
    """A connection, read message by message."""

    socket: socket.socket
    pending: bytes = field(default=b"")

    def read(self) -> tuple[dict[str, str], bytes]:
        while b"\n\n" not in self.pending:
            self.more()
        head, self.pending = self.pending.split(b"\n\n", 1)
        headers = headers_of(head.decode(errors="replace"))
        length = int(headers.get("Content-Length", 0))
        while len(self.pending) < length:
            self.more()
        body, self.pending = self.pending[:length], self.pending[length:]
        return headers, body

    def more(self) -> None:
        got = self.socket.recv(65536)
        if not got:
            raise EventSocketError("FreeSWITCH has closed its event socket")
        self.pending += got

    def command(self, line: str) -> tuple[dict[str, str], bytes]:
        self.socket.sendall(f"{line}\n\n".encode())
        return self.read()


def headers_of(text: str) -> dict[str, str]:
    """Lines "Name: value", the values percent-encoded."""
    return {name: urllib.parse.unquote(value) for name, _, value in (line.partition(": ") for line in text.strip().splitlines())}


class EventSocket:
    """Two connections: one for commands, one from which a thread reads events."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password
        self.commands = self.connect()
        self.lock = threading.Lock()
        self.events: list[Event] = []
        self.changed = threading.Condition()
        self.closing = False
        self.listener = self.connect()
        self.listener.command("event plain ALL")
        self.listener.socket.settimeout(None)
        self.thread = threading.Thread(target=self.listen, name="freeswitch-events", daemon=True)
        self.thread.start()

    def connect(self) -> Wire:
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), 30))
        wire.read()
        headers, _ = wire.command(f"auth {self.password}")
        if not headers.get("Reply-Text", "").startswith("+OK"):
            raise EventSocketError(f"the event socket refuses us: {headers}")
        return wire

    def close(self) -> None:
        self.closing = True
        for wire in (self.commands, self.listener):
            try:
                wire.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(5)
        for wire in (self.commands, self.listener):
            wire.socket.close()

    def api(self, command: str) -> str:
        """The answer to an API command, as fs_cli shows it."""
        with self.lock:
            headers, body = self.commands.command(f"api {command}")
        return body.decode(errors="replace").strip() if body else headers.get("Reply-Text", "")

    def require(self, command: str) -> str:
        """The same. EventSocketError when the answer is an error."""
        answer = self.api(command)
        if answer.startswith("-"):
            raise EventSocketError(f"{command}: {answer}")
        return answer

    def listen(self) -> None:
        try:
            while not self.closing:
                headers, body = self.listener.read()
                if headers.get("Content-Type") != "text/event-plain":
                    continue
                head, _, rest = body.decode(errors="replace").partition("\n\n")
                with self.changed:
                    self.events.append(Event(headers_of(head), rest))
                    self.changed.notify_all()
        except (EventSocketError, OSError):
            pass

    def wait_event(self, name: str, wanted: Callable[[Event], bool] = lambda _: True, *, start: int = 0, timeout: float = 5.0) -> Event:
        """The first event of that name (or subclass) from number `start` on that is wanted."""
        until = time.monotonic() + timeout
        with self.changed:
            while True:
                found = next((event for event in self.events[start:] if event.name == name and wanted(event)), None)
                if found is not None:
                    return found
                left = until - time.monotonic()
                if left <= 0:
                    raise EventSocketError(f"no event {name} came within {timeout:g} s")
                self.changed.wait(left)
