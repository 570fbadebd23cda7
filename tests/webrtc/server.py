"""Serves the page, and SIP.js beside it, on loopback."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from calls.registry import Skipped
from pbx.roots import cache_directory

PAGE = Path(__file__).resolve().parent / "page"


def library() -> Path:
    """SIP.js as npm installed it: its ES modules."""
    found = cache_directory() / "npm/webrtc/node_modules/sip.js/lib"
    if not (found / "index.js").exists():
        raise Skipped(f"SIP.js is not in {found}: `make test` fetches it by npm")
    return found


class Handler(SimpleHTTPRequestHandler):
    """Files of the page, and below /sip.js/ those of the library."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def __init__(self, *arguments: object, sip: Path) -> None:
        self.sip = sip
        super().__init__(*arguments, directory=str(PAGE))  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        here = Path(super().translate_path(path))
        part = here.relative_to(PAGE)
        return str(self.sip.joinpath(*part.parts[1:])) if part.parts[:1] == ("sip.js",) else str(here)

    def log_message(self, *_: object) -> None:
        """A test's output is no place for it."""


class Server:
    """The server, as long as the object is open."""

    def __init__(self) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, sip=library()))
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
