"""The scripted user agent of sip.py over TLS: a client's connection when it calls, a server's when the PBX calls."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from pathlib import Path

from calls.sip import Message, Phone


def body_length(head: bytes) -> int:
    """Content-Length of a message's headers; 0 without one."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"l"):
            return int(value)
    return 0


class TlsPhone(Phone):
    """A user agent whose messages pass TLS connections; it listens with `certificate` and `key`, and asks the PBX for no certificate."""

    transport = "TLS"
    parameters = ";transport=tls"

    def __init__(self, name: str, pbx: tuple[str, int], certificate: Path, key: Path, host: str = "127.0.0.1") -> None:
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(certificate, key)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE
        # The one that was used last, by either side, is where our messages go.
        self.connection: ssl.SSLSocket | None = None
        self.readers: list[threading.Thread] = []
        self.connecting = threading.RLock()
        super().__init__(name, pbx, 0, host)

    def open(self, host: str, port: int) -> tuple[str, int]:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.bind((host, port))
        self.socket.listen(8)
        self.socket.settimeout(0.2)
        return self.socket.getsockname()

    def close(self) -> None:
        super().close()
        for reader in self.readers:
            reader.join()

    def send(self, message: Message) -> None:
        self.trace.append(f"> {message.start}")
        with self.connecting:
            if self.connection is None:
                self.adopt(self.client.wrap_socket(socket.create_connection(self.pbx, 5)))
            assert self.connection is not None
            self.connection.sendall(message.encode())

    def adopt(self, connection: ssl.SSLSocket) -> None:
        connection.settimeout(0.2)
        self.connection = connection
        reader = threading.Thread(target=self.read_from, args=(connection,), name=f"sips-{self.name}", daemon=True)
        self.readers.append(reader)
        reader.start()

    def read(self) -> None:
        """Takes connections of the PBX."""
        while not self.closing:
            try:
                plain, _ = self.socket.accept()
            except TimeoutError:
                continue
            plain.settimeout(5)
            try:
                connection = self.server.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            with self.connecting:
                self.adopt(connection)

    def read_from(self, connection: ssl.SSLSocket) -> None:
        """Messages by their Content-Length."""
        pending = b""
        with connection:
            while not self.closing:
                if not connection.pending() and not select.select([connection], [], [], 0.2)[0]:
                    continue
                try:
                    # OpenSSL does not read and write one connection at a time.
                    with self.connecting:
                        got = connection.recv(65536)
                except TimeoutError:
                    continue
                except OSError:
                    got = b""
                if not got:
                    break
                # Empty lines between messages keep the connection alive (RFC 5626).
                pending = (pending + got).lstrip(b"\r\n")
                while (end := pending.find(b"\r\n\r\n")) >= 0:
                    whole = end + 4 + body_length(pending[:end])
                    if len(pending) < whole:
                        break
                    message, pending = pending[:whole], pending[whole:].lstrip(b"\r\n")
                    with self.connecting:
                        self.connection = connection
                    self.receive(message)
            with self.connecting:
                if self.connection is connection:
                    self.connection = None
