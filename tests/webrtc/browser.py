"""Headless Chromium, driven through the DevTools protocol on a pair of pipes."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from late import PATIENCE, Late

from calls.registry import Skipped

# What the fake microphone hears: a whole number of periods, so that it can repeat without a click.
TONE_HZ = 1000
TONE_SECONDS = 10

SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad", "--mute-audio",
    # A page behind another is no slower.
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
    # Nothing leaves this machine: no proxy, and every name but loopback's is unknown.
    "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
    # ICE on loopback, with addresses instead of mDNS names.
    "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
)


class BrowserError(RuntimeError):
    """The browser ended, or a page's script threw; the text is its own."""


def write_tone(path: Path, frequency: float = TONE_HZ) -> Path:
    """The fake microphone's WAV file: 48 kHz, 16 bit, mono, a third of full scale."""
    rate = 48000
    samples = (round(11000 * math.sin(2 * math.pi * frequency * at / rate)) for at in range(rate * TONE_SECONDS))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


class Browser:
    """One Chromium with a profile of its own, in a process namespace that ends as a whole."""

    def __init__(self, directory: Path, *, trusted_key: str = "", switches: Sequence[str] = ()) -> None:
        """`trusted_key`: base64 of the SHA-256 of the public key whose certificate errors do not count."""
        program = self.require()
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        argv = [program, *SWITCHES, *switches, "--remote-debugging-pipe", f"--user-data-dir={directory / 'profile'}",
                f"--use-file-for-fake-audio-capture={write_tone(directory / 'tone.wav')}"]
        if trusted_key:
            argv.append(f"--ignore-certificate-errors-spki-list={trusted_key}")
        # Chromium reads commands from descriptor 3 and writes to 4, each message ended by a zero byte.
        its_in, our_out = os.pipe()
        our_in, its_out = os.pipe()
        redirected = f'exec "$@" 3<&{its_in} 4>&{its_out}'
        namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        self.log = open(directory / "chromium.log", "wb")
        self.process = subprocess.Popen([*namespace, "bash", "-c", redirected, "chromium", *argv], pass_fds=(its_in, its_out),
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
                                        env=os.environ | {"HOME": str(directory), "DBUS_SESSION_BUS_ADDRESS": "disabled:"})
        os.close(its_in)
        os.close(its_out)
        self._out = os.fdopen(our_out, "wb", buffering=0)
        self._in = os.fdopen(our_in, "rb")
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._closed = False
        self.console: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.version = str(self.ask("Browser.getVersion", timeout=2 * PATIENCE)["product"])
        except BaseException:
            self.close()
            raise

    @staticmethod
    def require() -> str:
        """The program; Skipped when it is not installed."""
        program = shutil.which("chromium")
        if program is None:
            raise Skipped("chromium is not installed (Debian package chromium)")
        return program

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Asks it to end; then its namespace's first process, and with it all others, is killed."""
        if self.process.poll() is None:
            try:
                self.ask("Browser.close", timeout=5)
                self.process.wait(5)
            except (BrowserError, Late, OSError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        with self._changed:
            self._closed = True
        self._out.close()
        self.log.close()

    def _read(self) -> None:
        rest = b""
        while part := os.read(self._in.fileno(), 65536):
            *whole, rest = (rest + part).split(b"\0")
            for text in whole:
                self._take(json.loads(text))
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "id" in message:
                self._answers[message["id"]] = message
            elif message["method"] == "Runtime.consoleAPICalled":
                parts = message["params"]["args"]
                self.console.append(" ".join(str(part.get("value", part.get("description", ""))) for part in parts))
            elif message["method"] == "Runtime.exceptionThrown":
                self.console.append(json.dumps(message["params"]["exceptionDetails"]))
            self._changed.notify_all()

    def ask(self, method: str, session: str | None = None, timeout: float = 2 * PATIENCE, **parameters: object) -> dict[str, Any]:
        """One command of the protocol and its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        with self._writing:
            self._out.write(json.dumps(message).encode() + b"\0")
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._closed, timeout):
                raise Late(f"{method}: no answer in {timeout:g} s")
            answer = self._answers.pop(number, None)
        if answer is None:
            raise BrowserError(f"{method}: the browser is gone; its log is {self.log.name}")
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, address: str) -> Page:
        """A new page, loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        self.ask("Runtime.enable", session)
        self.ask("Page.enable", session)
        self.ask("Page.navigate", session, url=address)
        page.run("new Promise(done => { const look = () => window.phone ? done(true) : setTimeout(look, 20); look(); })")
        return page


class Page:
    """One page of the browser."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.ask("Target.closeTarget", targetId=self.target)

    def run(self, expression: str, timeout: float = 2 * PATIENCE) -> Any:
        """The value of a script's expression; a promise is awaited. Raises BrowserError with what it threw, Late when it has waited too long."""
        answer = self.browser.ask("Runtime.evaluate", self.session, timeout, expression=expression, awaitPromise=True,
                                  returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            # As the page's own until() puts it.
            raise (Late if re.search(r": not in \d+ s\b", said) else BrowserError)(said)
        return answer["result"].get("value")

    def phone(self, function: str, *arguments: object, timeout: float = 2 * PATIENCE) -> Any:
        """Calls a function of window.phone."""
        return self.run(f"window.phone.{function}({', '.join(json.dumps(argument) for argument in arguments)})", timeout)
