"""What `sealrtp show streams` tells, and that our module is the one that works."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace

from late import PATIENCE, wait_for
from pbx.asterisk import Asterisk


def rows(pbx: Asterisk) -> list[dict[str, str]]:
    """The table of streams: one dictionary per line, by the names of the header."""
    lines = [line for line in pbx.cli("sealrtp show streams").splitlines() if line.strip()]
    header = next((at for at, line in enumerate(lines) if "Suite" in line and "Packets" in line), None)
    if header is None:
        return []
    names = lines[header].split()
    return [dict(zip(names, line.split())) for line in lines[header + 1:] if len(line.split()) == len(names)]


def row_of(pbx: Asterisk, port: int) -> dict[str, str]:
    """The stream at this RTP port of the PBX. AssertionError when it is not shown."""
    found = [row for row in rows(pbx) if any(re.search(rf":{port}$", value) for value in row.values())]
    assert found, f"`sealrtp show streams` shows no stream at port {port}:\n" + pbx.cli("sealrtp show streams")
    return found[0]


def counts_of(report: SimpleNamespace, refused: int = 0) -> dict[str, str]:
    """The columns of a stream with an echo, by the report of who spoke into it; `refused` of its packets were."""
    return {"Packets-In": str(report.sent - refused), "Packets-Out": str(report.packets), "AuthFail": "0", "Replays": "0",
            "Refused": str(refused)}


def require_counts(pbx: Asterisk, port: int, expected: Callable[[], Mapping[str, str]], timeout: float = PATIENCE) -> None:
    """AssertionError unless the stream at this RTP port comes to have these columns. Both are asked again until then, because packets
    may be on their way: a PBX on a busy machine, or under valgrind, is late."""
    until = time.monotonic() + timeout
    while True:
        row, wanted = row_of(pbx, port), expected()
        if all(row[column] == value for column, value in wanted.items()):
            return
        assert time.monotonic() < until, f"`sealrtp show streams` miscounts, {dict(wanted)} is right: {row}"
        time.sleep(0.2)


def wait_row(pbx: Asterisk, port: int, right: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
    """The stream at this RTP port of the PBX once it is as it must be: packets may be on their way. AssertionError when it does not become so."""
    until = time.monotonic() + PATIENCE
    while not right(row := row_of(pbx, port)):
        assert time.monotonic() < until, f"{what}: {row}"
        time.sleep(0.2)
    return row


def wait_more_packets(rows_now: Callable[[], list[dict[str, str]]], before: list[dict[str, str]], packets: int = 75) -> list[dict[str, str]]:
    """The streams once each has had so many more packets in both directions. Raises Late."""
    def more() -> list[dict[str, str]] | None:
        now = rows_now()
        went_on = all(int(after[column]) - int(then[column]) >= packets for after, then in zip(now, before, strict=True)
                      for column in ("Packets-In", "Packets-Out"))
        return now if went_on else None

    return wait_for(more, f"{packets} packets more in both directions", every=0.2)


def rows_of_user(pbx: Asterisk, user: str) -> list[dict[str, str]]:
    """The streams of the channels of this endpoint or user; those of a channel are its audio and video."""
    return [row for row in rows(pbx) if re.match(rf"\w+/{re.escape(user)}-[0-9a-f]+$", row.get("Channel", ""))]


def row_of_user(pbx: Asterisk, user: str) -> dict[str, str]:
    """The stream of the channel of this endpoint or user. AssertionError when it is not shown, or is not the only one."""
    found = rows_of_user(pbx, user)
    assert len(found) == 1, f"`sealrtp show streams` shows {len(found)} streams of {user}:\n" + pbx.cli("sealrtp show streams")
    return found[0]


def check_ours(pbx: Asterisk) -> None:
    """AssertionError unless our module does SRTP here and stock's is not even loaded."""
    running = pbx.running_modules()
    assert "res_sealrtp" in running, "res_sealrtp.so is not running"
    # After a load that failed Asterisk still lists it, as not running.
    assert "res_srtp" not in running, "res_srtp.so is loaded"
