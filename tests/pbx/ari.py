"""A client of Asterisk's REST interface (ARI): requests, and the websocket without which an application does not exist."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace

from late import PATIENCE, wait_for


class Ari:
    """An application. Events come to nobody: who waits for something asks for it."""

    def __init__(self, port: int, user: str, secret: str, application: str) -> None:
        self.port = port
        self.application = application
        self._authorization = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        query = urllib.parse.urlencode({"app": application, "api_key": f"{user}:{secret}"})
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._socket.sendall((f"GET /ari/events?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ari\r\n\r\n").encode())
        answer = self._socket.recv(4096)
        if b" 101 " not in answer:
            raise RuntimeError(f"no websocket: {answer[:200]!r}")
        self._socket.settimeout(None)
        threading.Thread(target=self._swallow, daemon=True).start()

    def __enter__(self) -> Ari:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _swallow(self) -> None:
        try:
            while self._socket.recv(65536):
                pass
        except OSError:
            pass

    def ask(self, method: str, path: str, **query: str | int) -> SimpleNamespace:
        """A request; what it answers. RuntimeError when it is refused."""
        url = f"http://127.0.0.1:{self.port}/ari/{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method=method, headers={"Authorization": self._authorization})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:200]!r}") from None
        return json.loads(text, object_hook=lambda fields: SimpleNamespace(**fields)) if text else SimpleNamespace()

    def wait_channel(self, channel: str, timeout: float = PATIENCE) -> None:
        """Waits until a channel is in the application. Raises Late."""
        wait_for(lambda: channel in self.ask("GET", f"applications/{self.application}").channel_ids, f"{channel} in the application", timeout)
