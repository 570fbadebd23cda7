"""A client of Asterisk's manager interface (AMI)."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from late import PATIENCE, Late


class ManagerError(RuntimeError):
    """The manager refused an action, or the connection ended."""


@dataclass
class Message:
    """One message: its headers in order, names in lower case."""

    fields: list[tuple[str, str]] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        """The first header of that name, "" without one."""
        return next((value for key, value in self.fields if key == name.lower()), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name.lower()]


class Manager:
    """One connection. Events are kept in the order they came, for wait_event."""

    def __init__(self, port: int, user: str, secret: str, *, timeout: float = PATIENCE) -> None:
        self.timeout = timeout
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.settimeout(None)
        self._stream = self._socket.makefile("rb")
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._responses: dict[str, Message] = {}
        self.events: list[Message] = []
        self._closed = False
        self._stream.readline()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.action("Login", Username=user, Secret=secret)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._changed:
            self._closed = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _read(self) -> None:
        message = Message()
        try:
            for line in self._stream:
                text = line.decode(errors="replace").rstrip("\r\n")
                if text:
                    key, _, value = text.partition(":")
                    message.fields.append((key.lower(), value.removeprefix(" ")))
                    continue
                with self._changed:
                    # OriginateResponse is an event with a Response and the ActionID of what it is about.
                    if message["Event"]:
                        self.events.append(message)
                    elif message["Response"]:
                        self._responses[message["ActionID"]] = message
                    self._changed.notify_all()
                message = Message()
        except (OSError, ValueError):
            pass
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def action(self, name: str, **headers: str | int | list[str]) -> Message:
        """Sends an action and returns its response; a list repeats the header. Raises ManagerError when it is refused, Late without a response."""
        number = f"sealrtp-{next(self._numbers)}"
        lines = [f"Action: {name}", f"ActionID: {number}"]
        for key, value in headers.items():
            lines += [f"{key}: {item}" for item in (value if isinstance(value, list) else [value])]
        if any("\n" in line or "\r" in line for line in lines):
            raise ValueError("a line break in a header")
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._responses or self._closed, self.timeout):
                raise Late(f"{name}: no response in {self.timeout:.0f} s")
            response = self._responses.pop(number, None)
        if response is None:
            raise ManagerError(f"{name}: the connection ended")
        if response["Response"] == "Error":
            raise ManagerError(f"{name}: " + (response["Message"] + " " + "\n".join(response.all("Output"))).strip())
        return response

    def command(self, line: str) -> str:
        """What a CLI command prints."""
        return "\n".join(self.action("Command", Command=line).all("Output"))

    def wait_event(self, name: str, matches: Callable[[Message], bool] = lambda _: True, *, timeout: float = PATIENCE,
                   start: int = 0) -> Message:
        """The first event of that name for which `matches` holds, from events[start] on. Raises Late."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for event in self.events[start:]:
                    if event["Event"] == name and matches(event):
                        return event
                start = len(self.events)
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise Late(f"no event {name} in {timeout:.0f} s")
                self._changed.wait(left)
