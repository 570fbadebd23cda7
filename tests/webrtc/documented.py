"""The configuration that docs/webrtc.md shows to administrators, as the tests run it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/webrtc.md"


class DocumentError(AssertionError):
    """The page has no such block, or a line that a test must set is no longer there as it was."""


def blocks(text: str) -> dict[str, str]:
    """Configuration blocks by file name: each ```ini block belongs to the last `/etc/asterisk/NAME` before it."""
    found: dict[str, str] = {}
    name, inside = "", False
    for line in text.splitlines(keepends=True):
        if inside:
            inside = not line.startswith("```")
            found[name] += line if inside else ""
        elif line.startswith("```ini"):
            if not name:
                raise DocumentError("a block without the name of its file")
            inside = True
            found.setdefault(name, "")
        elif names := re.findall(r"`/etc/asterisk/([\w.]+)`", line):
            name = names[-1]
    return found


def set_values(text: str, values: Mapping[tuple[str, str], str | None]) -> str:
    """Changes `key=value` lines that are different on each machine; None takes the line out. Each must be there exactly once."""
    for (key, old), new in values.items():
        pattern = re.compile(rf"^{re.escape(key)}={re.escape(old)}[ \t]*(;.*)?\n", re.M)
        if len(pattern.findall(text)) != 1:
            raise DocumentError(f"{key}={old} does not stand there exactly once")
        text = pattern.sub("" if new is None else f"{key}={new}\n", text)
    return text


def configuration() -> dict[str, str]:
    """The page's blocks by file name."""
    return blocks(DOCUMENT.read_text())
