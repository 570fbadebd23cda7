"""What valgrind found: its XML report, which names the shared object of every frame."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Frame:
    """One call of a stack: object file, function, source file and line; "" where valgrind does not know."""

    object: str
    function: str
    source: str

    def __str__(self) -> str:
        return f"{self.function or '???'} ({self.source or self.object or 'unknown'})"


@dataclass(frozen=True)
class Finding:
    """One error or leak."""

    kind: str
    text: str
    frames: tuple[Frame, ...]

    @property
    def is_leak(self) -> bool:
        return self.kind.startswith("Leak_")

    def involves(self, name: str) -> bool:
        """Whether a frame lies in a shared object whose file name begins so, e.g. "res_sealrtp"."""
        return any(Path(frame.object).name.startswith(name) for frame in self.frames)

    @property
    def is_openssl_table(self) -> bool:
        """Whether it is the openssl crate's table of callbacks, a hundred bytes that it keeps for as long as it is loaded, or one of the
        boxes of four bytes in it: at an unload OpenSSL is told to forget how they are freed, so those of a second load stay."""
        return self.is_leak and any("cached_ex_index" in frame.function or "set_ex_data_inner" in frame.function for frame in self.frames)

    @property
    def is_layout_probe(self) -> bool:
        """Whether it is the PJSIP module's question to the kernel if there is memory at an address, before it looks there."""
        return self.kind == "SyscallParam" and "write(buf)" in self.text and any(frame.source.startswith("layout.c:") for frame in self.frames)

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}\n" + "".join(f"    {frame}\n" for frame in self.frames)


def read_findings(report: Path) -> list[Finding]:
    """The findings of a finished run. Raises ElementTree.ParseError when valgrind was killed before it had written all."""
    return [read_finding(error) for error in ElementTree.parse(report).getroot().iter("error")]


def read_finding(error: ElementTree.Element) -> Finding:
    text = error.findtext("what") or error.findtext("xwhat/text") or ""
    frames = tuple(Frame(frame.findtext("obj", ""), frame.findtext("fn", ""), source_of(frame)) for frame in error.iter("frame"))
    return Finding(error.findtext("kind", ""), text, frames)


def source_of(frame: ElementTree.Element) -> str:
    name = frame.findtext("file", "")
    return f"{name}:{frame.findtext('line', '?')}" if name else ""
